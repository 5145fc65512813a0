/*
 * What a wait costs the machine, exactly, while N descriptors are watched of which one is ready:
 * for sim:select and sim:poll every count is a*N + b, for sim:epoll a number. The formulas stand
 * in the tables below, and each count of each kind of step is compared with them.
 *
 * What surprises: a loop that may sleep on select or poll first asks, for which nothing is linked;
 * so to fall asleep and be woken is two system calls and three walks.
 *
 * SPDX-License-Identifier: MIT
 */
#include "sim.h"

enum { MOST = 10000, LATER = 1000 /* ns */, POLLFD = ROUSE_SIM_ENTRY_SIZE };

static struct rouse_io ios[MOST];
static rouse_fd ends[2]; /* of the one that is ready */
static struct rouse_loop *loop;

/* By kind of step: the sum of the amounts, which is how often where the amount is 1. */
struct tally {
    uint64_t sums[ROUSE_SIM_WHATS];
};

static struct tally tally;

static void add_up(void *context, const struct rouse_sim_step *step)
{
    (void)context;
    tally.sums[step->what] += step->amount;
}

static void note(struct rouse_io *io, uint32_t ready)
{
    (void)io;
    (void)ready;
    journal_write('x');
}

/* A loop that watches so many, of which the one at `place` can become ready: the others are
 * listeners to which nobody comes. */
static void open_loop(const char *backend, unsigned n, unsigned place)
{
    struct rouse_config config = {.size = sizeof config, .backend = backend};
    sim_reboot((struct rouse_sim_config){.descriptors = MOST + 8, .trace = add_up});
    CHECK_OK(NULL, rouse_open(&loop, &config));
    for (unsigned i = 0; i < n; i++) {
        rouse_fd fd;
        if (i == place)
            CHECK_OK(NULL, rouse_sim_pipe(ends));
        fd = i == place ? ends[0] : OPENED(rouse_sim_listen(1));
        rouse_io_init(&ios[i], note);
        CHECK_OK(loop, rouse_io_start(loop, &ios[i], fd, ROUSE_READ));
    }
    do /* as many changes as find room */
        CHECK_OK(loop, rouse_turn(loop, 0));
    while (stage_counters(loop).changes_sent < n);
}

static void close_loop(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        CHECK_OK(loop, rouse_io_stop(&ios[i]));
    CHECK_OK(NULL, rouse_close(loop));
}

static void send_now(struct rouse_sim_event *event)
{
    (void)event;
    assert_int_equal(rouse_sim_write(ends[1], "x", 1), 1);
}

/* What a turn costs in which one is found: at once, or after a sleep. With what the sender does,
 * who is no task then. */
static struct tally cost(bool sleeps)
{
    struct rouse_sim_event event = {.fn = send_now};
    if (sleeps)
        CHECK_OK(NULL, rouse_sim_at(&event, rouse_sim_now() + LATER));
    else
        send_now(NULL);
    tally = (struct tally){{0}};
    assert_int_equal(rouse_turn(loop, -1), 1);
    CHECK_JOURNAL("x");
    struct tally of_turn = tally;
    char byte;
    assert_int_equal(rouse_sim_read(ends[0], &byte, 1), 1);
    tally = (struct tally){{0}};
    assert_int_equal(rouse_turn(loop, 0), 0);
    return of_turn;
}

/* What every sleep costs, and the byte that ends it. */
static struct tally asleep(void)
{
    return (struct tally){{[ROUSE_SIM_CALLED] = 1, /* the write, which wakes */
                           [ROUSE_SIM_COPIED_IN] = 1,
                           [ROUSE_SIM_WALKED] = 1,
                           [ROUSE_SIM_READIED] = 1,
                           [ROUSE_SIM_SLEPT] = 1,
                           [ROUSE_SIM_SCHEDULED] = 1,
                           [ROUSE_SIM_PASSED] = LATER}};
}

static void plus(struct tally *sum, struct tally more)
{
    for (int what = 0; what < ROUSE_SIM_WHATS; what++)
        sum->sums[what] += more.sums[what];
}

/* Three sets go in and come out, a bit for each descriptor up to the highest, in whole words. */
static struct tally select_cost(unsigned n, unsigned bound, bool sleeps)
{
    uint64_t bytes = 3 * 8 * ((bound + 63) / 64);
    uint64_t walks = sleeps ? 3 : 1, calls = sleeps ? 2 : 1;
    struct tally sum = {{[ROUSE_SIM_CALLED] = calls,
                         [ROUSE_SIM_ASKED] = walks * n,
                         [ROUSE_SIM_LOOKED] = walks * ((bound + 63) / 64),
                         [ROUSE_SIM_LINKED] = sleeps ? n : 0,
                         [ROUSE_SIM_UNLINKED] = sleeps ? n : 0,
                         [ROUSE_SIM_COPIED_IN] = calls * bytes,
                         [ROUSE_SIM_COPIED_OUT] = calls * bytes}};
    plus(&sum, sleeps ? asleep() : (struct tally){{0}});
    return sum;
}

/* An array goes in, and of each entry the answer comes out, also if it is that there is nothing. */
static struct tally poll_cost(unsigned n, unsigned bound, bool sleeps)
{
    (void)bound;
    uint64_t walks = sleeps ? 3 : 1, calls = sleeps ? 2 : 1;
    struct tally sum = {{[ROUSE_SIM_CALLED] = calls,
                         [ROUSE_SIM_ASKED] = walks * n,
                         [ROUSE_SIM_LINKED] = sleeps ? n : 0,
                         [ROUSE_SIM_UNLINKED] = sleeps ? n : 0,
                         [ROUSE_SIM_COPIED_IN] = calls * n * POLLFD,
                         [ROUSE_SIM_COPIED_OUT] = calls * n * sizeof(uint16_t)}};
    plus(&sum, sleeps ? asleep() : (struct tally){{0}});
    return sum;
}

/* N is not in it. By level the file goes back to the list when it was told. */
static struct tally epoll_cost(unsigned n, unsigned bound, bool sleeps)
{
    (void)n;
    (void)bound;
    struct tally sum = {{[ROUSE_SIM_CALLED] = 1,
                         [ROUSE_SIM_ASKED] = 1,
                         [ROUSE_SIM_LISTED] = sleeps ? 2 : 1,
                         [ROUSE_SIM_UNLISTED] = 1,
                         [ROUSE_SIM_COPIED_OUT] = ROUSE_SIM_EVENT_SIZE}};
    struct tally more = {{[ROUSE_SIM_HOOKED] = 1, /* by the walk of the file's queue ... */
                          [ROUSE_SIM_WALKED] = 1, /* ... and then epoll's own is walked */
                          [ROUSE_SIM_LINKED] = 1,
                          [ROUSE_SIM_UNLINKED] = 1}};
    if (sleeps) {
        plus(&sum, more);
        plus(&sum, asleep());
    }
    return sum;
}

/* ---- Cases ---- */

static void check_tally(const struct tally *is, const struct tally *expected, unsigned n)
{
    for (int what = 0; what < ROUSE_SIM_WHATS; what++)
        if (is->sums[what] != expected->sums[what]) {
            fprintf(stderr, "%u watched: step %d is counted %llu times, not %llu\n", n, what,
                    (unsigned long long)is->sums[what], (unsigned long long)expected->sums[what]);
            fail();
        }
}

/* With the ready one at the beginning, in the middle and at the end: it makes no difference. */
static void check_costs(const char *backend, unsigned most,
                        struct tally (*expected)(unsigned n, unsigned bound, bool sleeps))
{
    if (!sim_is_built(backend))
        SKIP("the backend is not compiled in");
    for (unsigned n = 10; n <= most; n *= 10)
        for (unsigned third = 0; third < 3; third++) {
            unsigned place = third * (n - 1) / 2;
            open_loop(backend, n, place);
            unsigned bound = place == n - 1 ? n : n + 1; /* the other end of the pipe has one */
            for (int times = 0; times < 3; times++)
                for (int sleeps = 0; sleeps < 2; sleeps++) {
                    struct tally costs = cost(sleeps), formula = expected(n, bound, sleeps);
                    check_tally(&costs, &formula, n);
                }
            close_loop(n);
        }
}

static void select_costs_by_the_highest_descriptor(void **state)
{
    (void)state;
    check_costs("sim:select", 1000, select_cost);
}

static void poll_costs_by_what_is_watched(void **state)
{
    (void)state;
    check_costs("sim:poll", MOST, poll_cost);
}

static void epoll_costs_the_same_whatever_is_watched(void **state)
{
    (void)state;
    check_costs("sim:epoll", MOST, epoll_cost);
}

/* By level what was told is still on the list, and the next wait asks it once more. */
static void what_was_told_is_asked_once_more(void **state)
{
    (void)state;
    const struct tally once_more = {
        {[ROUSE_SIM_CALLED] = 1, [ROUSE_SIM_ASKED] = 1, [ROUSE_SIM_UNLISTED] = 1}};
    const struct tally nothing = {{[ROUSE_SIM_CALLED] = 1}};
    if (!sim_is_built("sim:epoll"))
        SKIP("sim:epoll is not compiled in");
    open_loop("sim:epoll", MOST, 0);
    for (int sleeps = 0; sleeps < 2; sleeps++) {
        cost(sleeps);
        check_tally(&tally, &once_more, MOST);
        tally = (struct tally){{0}};
        assert_int_equal(rouse_turn(loop, 0), 0);
        check_tally(&tally, &nothing, MOST);
    }
    close_loop(MOST);
}

/* ---- Searches ---- */

static unsigned searches;
static uint64_t looked_at, longest;

static void note_search(void *context, const struct rouse_sim_step *step)
{
    (void)context;
    if (step->what != ROUSE_SIM_SEARCHED)
        return;
    searches++;
    looked_at += step->amount;
    longest = step->amount > longest ? step->amount : longest;
}

/* A change of interest searches the tree, in which N items lie about log N deep. */
static void change_costs_the_logarithm_of_what_is_watched(void **state)
{
    (void)state;
    for (unsigned n = 10, digits = 1; n <= MOST; n *= 10, digits++) {
        searches = 0;
        looked_at = longest = 0;
        sim_reboot((struct rouse_sim_config){.descriptors = MOST + 8, .trace = note_search});
        rouse_fd epoll = OPENED(rouse_sim_epoll_create());
        for (unsigned i = 0; i < n; i++)
            CHECK_OK(NULL, rouse_sim_epoll_ctl(epoll, ROUSE_SIM_ADD, OPENED(rouse_sim_listen(1)),
                                               ROUSE_READ, i));
        for (unsigned i = 0; i < n; i++)
            CHECK_OK(NULL, rouse_sim_epoll_ctl(epoll, ROUSE_SIM_MODIFY, rouse_sim_watched(epoll, i),
                                               ROUSE_WRITE, i));
        while (rouse_sim_watched(epoll, 0) >= 0)
            CHECK_OK(NULL, rouse_sim_epoll_ctl(epoll, ROUSE_SIM_REMOVE, rouse_sim_watched(epoll, 0),
                                               0, 0));
        double log2_n = digits * 3.3219;
        assert_int_equal(searches, 3 * n);
        assert_true((double)longest <= 4 * log2_n);
        assert_true((double)looked_at <= 2 * log2_n * searches);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(select_costs_by_the_highest_descriptor),        CASE(poll_costs_by_what_is_watched),
        CASE(epoll_costs_the_same_whatever_is_watched),      CASE(what_was_told_is_asked_once_more),
        CASE(change_costs_the_logarithm_of_what_is_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
