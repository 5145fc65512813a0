/*
 * What the machine makes go wrong: each fault happens, about as often as was asked for, and is one
 * that a kernel may have; so a server that minds its results lives through all of them at once.
 *
 * SPDX-License-Identifier: MIT
 */
#include "sim_echo.h"

enum { TIMES = 2000 };

/* Of 2000 dice, 150 are four times as far from the mean as is usual at the most. */
#define CHECK_RATE(count, per_thousand)                                                            \
    do {                                                                                           \
        assert_true((count) > TIMES * (per_thousand) / 1000 - 150);                                \
        assert_true((count) < TIMES * (per_thousand) / 1000 + 150);                                \
    } while (0)

static void spoil(struct rouse_sim_faults faults)
{
    rouse_sim_fail(&faults);
}

static void nothing_goes_wrong_unasked(void **state)
{
    (void)state;
    char bytes[100] = "";
    rouse_fd pair[2];
    CHECK_OK(NULL, rouse_sim_pair(pair));
    for (int i = 0; i < TIMES; i++) {
        assert_int_equal(rouse_sim_write(pair[0], bytes, 100), 100);
        assert_int_equal(rouse_sim_read(pair[1], bytes, 100), 100);
        CHECK_OK(NULL, rouse_sim_sleep(1));
    }
    assert_int_equal(rouse_sim_count(ROUSE_SIM_SLEPT), TIMES);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_INTERRUPTED), 0);
    rouse_sim_fail(&(struct rouse_sim_faults){.interrupts = 1000});
    assert_int_equal(rouse_sim_sleep(1), -EINTR);
    rouse_sim_fail(NULL);
    CHECK_OK(NULL, rouse_sim_sleep(1));
}

static void counts_are_short(void **state)
{
    (void)state;
    char bytes[100] = "";
    rouse_fd pair[2];
    CHECK_OK(NULL, rouse_sim_pair(pair));
    spoil((struct rouse_sim_faults){.short_counts = 200});
    int reads = 0, writes = 0;
    for (int i = 0; i < TIMES; i++) {
        int64_t n = rouse_sim_write(pair[0], bytes, 100);
        assert_true(n >= 1 && n <= 100);
        writes += n < 100;
        for (int64_t left = n; left > 0; left -= n) {
            n = rouse_sim_read(pair[1], bytes, (size_t)left);
            assert_true(n >= 1 && n <= left);
            reads += n < left;
        }
        assert_int_equal(rouse_sim_write(pair[0], bytes, 1), 1);
        assert_int_equal(rouse_sim_read(pair[1], bytes, 1), 1); /* no less than that */
    }
    CHECK_RATE(writes, 200);
    CHECK_RATE(reads, 250); /* those that were short are followed by another */
}

/* As PIPE_BUF promises. */
static void small_write_to_a_pipe_stays_whole(void **state)
{
    (void)state;
    static char bytes[5000];
    rouse_fd pipe[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    spoil((struct rouse_sim_faults){.short_counts = 500});
    int writes = 0;
    for (int i = 0; i < TIMES; i++) {
        assert_int_equal(rouse_sim_write(pipe[1], bytes, 4096), 4096);
        int64_t n = rouse_sim_write(pipe[1], bytes, 4097);
        writes += n < 4097;
        while (sim_look(pipe[0]).received > 0)
            CHECK_OK(NULL, rouse_sim_read(pipe[0], bytes, sizeof bytes));
    }
    CHECK_RATE(writes, 500);
}

/* A short count tells who knows edges that there is no more. So when there is, it is told as what
 * comes a moment later is. */
static void what_a_short_count_leaves_is_a_new_edge(void **state)
{
    (void)state;
    char bytes[100] = "";
    rouse_fd ends[2];
    struct rouse_event event;
    sim_connect(ends);
    rouse_fd epoll = OPENED(rouse_sim_epoll_create());
    for (int i = 0; i < 2; i++) {
        uint32_t want = i == 0 ? ROUSE_WRITE : ROUSE_READ;
        CHECK_OK(NULL, rouse_sim_epoll_ctl(epoll, ROUSE_SIM_ADD, ends[i], want | ROUSE_EDGE, want));
    }
    spoil((struct rouse_sim_faults){.short_counts = 300});
    for (int i = 0; i < TIMES; i++) {
        while (rouse_sim_epoll_wait(epoll, &event, 1, 0) > 0)
            ;
        int64_t n = rouse_sim_write(ends[0], bytes, 50);
        if (n < 50) {
            assert_int_equal(rouse_sim_listed(epoll, 0), ends[1]); /* bytes have come */
            assert_int_equal(rouse_sim_listed(epoll, 1), ends[0]);
        }
        while (rouse_sim_epoll_wait(epoll, &event, 1, 0) > 0)
            ;
        int64_t got = rouse_sim_read(ends[1], bytes, (size_t)n);
        assert_int_equal(rouse_sim_listed(epoll, 0), got < n ? ends[1] : -ENOENT);
        while (got < n)
            got += rouse_sim_read(ends[1], bytes, (size_t)(n - got));
    }
}

static void sleeps_are_interrupted(void **state)
{
    (void)state;
    spoil((struct rouse_sim_faults){.interrupts = 300});
    int interrupts = 0;
    for (int i = 0; i < TIMES; i++) {
        int64_t before = rouse_sim_now();
        int error = rouse_sim_sleep(10);
        assert_true(error == 0 || error == -EINTR);
        assert_int_equal(rouse_sim_now() - before, error == 0 ? 10 : 0);
        interrupts += error != 0;
    }
    CHECK_RATE(interrupts, 300);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_INTERRUPTED), interrupts);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_FAULTED), interrupts);
}

static int64_t rests_often(struct actor *self)
{
    for (; self->event.token < TIMES; self->event.token++) {
        int error = rouse_sim_sleep(10);
        if (error == -ROUSE_SIM_ASLEEP)
            return error;
        self->event.ready += error == -EINTR;
    }
    return 0;
}

static void sleeps_of_tasks_are_interrupted(void **state)
{
    (void)state;
    static struct actor a;
    spoil((struct rouse_sim_faults){.interrupts = 300});
    actor_start(&a, 'a', rests_often, -1);
    sim_pass(10 * TIMES);
    CHECK_JOURNAL("a");
    CHECK_RATE((int)a.event.ready, 300);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_INTERRUPTED), a.event.ready);
}

/* And nobody is told: who was woken for nothing goes back to sleep, for the rest of its time. */
static void sleeps_end_for_nothing(void **state)
{
    (void)state;
    struct rouse_event event;
    struct rouse_sim_set set = {{0}};
    struct rouse_sim_pollfd entry = {.fd = 0, .want = ROUSE_READ};
    rouse_fd pipe[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    rouse_fd epoll = OPENED(rouse_sim_epoll_create());
    spoil((struct rouse_sim_faults){.spurious = 400});
    for (int i = 0; i < TIMES; i++) {
        int64_t before = rouse_sim_now();
        set.words[0] = 1;
        int result = i % 4 == 0   ? rouse_sim_sleep(10)
                     : i % 4 == 1 ? rouse_sim_epoll_wait(epoll, &event, 1, 10)
                     : i % 4 == 2 ? rouse_sim_poll(&entry, 1, 10)
                                  : rouse_sim_select(1, &set, NULL, NULL, 10);
        assert_int_equal(result, 0);
        assert_int_equal(rouse_sim_now() - before, 10);
    }
    int more = (int)rouse_sim_count(ROUSE_SIM_SLEPT) - TIMES;
    CHECK_RATE(more, 400); /* once in each, as no time passes between two */
    static struct actor a;
    for (int i = 0; i < 100; i++) {
        actor_start(&a, 'a', actor_reads, pipe[0]);
        assert_int_equal(a.task.state, ROUSE_SIM_SLEEPING);
        assert_int_equal(rouse_sim_write(pipe[1], "x", 1), 1);
        CHECK_AWAKE("a");
        assert_int_equal(a.result, 1);
    }
}

static int rests_and_looks(struct rouse_sim_task *task)
{
    (void)task;
    if (rouse_sim_sleep(10) == -ROUSE_SIM_ASLEEP)
        return 1;
    journal_write(rouse_sim_now() == 10 ? 'a' : '?');
    return 0;
}

/* Nor does one who is always woken for nothing sleep longer, or for ever. */
static void sleep_that_ends_for_nothing_is_no_longer(void **state)
{
    (void)state;
    struct rouse_sim_task task = {.run = rests_and_looks};
    spoil((struct rouse_sim_faults){.spurious = 1000});
    CHECK_OK(NULL, rouse_sim_start(&task));
    CHECK_OK(NULL, rouse_sim_sleep(7));
    assert_int_equal(rouse_sim_now(), 7);
    sim_pass(10);
    CHECK_JOURNAL("a");
}

static void there_is_no_memory(void **state)
{
    (void)state;
    rouse_fd fds[2];
    rouse_fd epoll = OPENED(rouse_sim_epoll_create());
    rouse_fd listener = OPENED(rouse_sim_listen(1));
    spoil((struct rouse_sim_faults){.no_memory = 250});
    int failed = 0;
    for (int i = 0; i < TIMES; i++) {
        int result = i % 5 == 0   ? rouse_sim_pipe(fds)
                     : i % 5 == 1 ? rouse_sim_socket()
                     : i % 5 == 2 ? rouse_sim_listen(1)
                     : i % 5 == 3 ? rouse_sim_epoll_create()
                                  : rouse_sim_epoll_ctl(epoll, ROUSE_SIM_ADD, listener, 1, 0);
        assert_true(result >= 0 || result == -ENOMEM);
        failed += result < 0;
        if (i % 5 == 4 && result == 0)
            CHECK_OK(NULL, rouse_sim_epoll_ctl(epoll, ROUSE_SIM_REMOVE, listener, 0, 0));
        for (rouse_fd fd = listener + 1; rouse_sim_close(fd) == 0; fd++)
            ;
    }
    CHECK_RATE(failed, 250);
    spoil((struct rouse_sim_faults){.no_memory = 1000});
    assert_int_equal(rouse_sim_pair(fds), -ENOMEM);
    assert_int_equal(rouse_sim_connect(listener), -ENOMEM);
    spoil((struct rouse_sim_faults){.no_memory = 0});
    assert_int_equal(rouse_sim_connect(listener), listener + 1);
}

static void packets_are_late(void **state)
{
    (void)state;
    rouse_fd ends[2];
    sim_reboot((struct rouse_sim_config){.seed = 3, .latency = 1000});
    rouse_fd listener = OPENED(rouse_sim_listen(1));
    ends[0] = OPENED(rouse_sim_connect(listener));
    ends[1] = OPENED(rouse_sim_accept(listener));
    spoil((struct rouse_sim_faults){.late = 250});
    int late = 0;
    for (int i = 0; i < TIMES; i++) {
        int64_t before = rouse_sim_now();
        char byte;
        assert_int_equal(rouse_sim_write(ends[i & 1], "x", 1), 1);
        assert_int_equal(rouse_sim_read(ends[!(i & 1)], &byte, 1), 1);
        int64_t took = rouse_sim_now() - before;
        assert_true(took == 1000 || took == 10000);
        late += took > 1000;
    }
    CHECK_RATE(late, 250);
}

static uint64_t told; /* a bit for each kind of fault */

static void note_fault(void *context, const struct rouse_sim_step *step)
{
    (void)context;
    if (step->what == ROUSE_SIM_FAULTED)
        told |= UINT64_C(1) << step->amount;
}

/* So that a trace says why a run with this seed fails. */
static void each_fault_is_a_step(void **state)
{
    (void)state;
    static const struct rouse_sim_faults faults[] = {
        [ROUSE_SIM_SHORT_COUNT] = {.short_counts = 1000},
        [ROUSE_SIM_INTERRUPT] = {.interrupts = 1000},
        [ROUSE_SIM_SPURIOUS] = {.spurious = 1000},
        [ROUSE_SIM_NO_MEMORY] = {.no_memory = 1000},
        [ROUSE_SIM_LATE] = {.late = 1000},
    };
    for (unsigned fault = 0; fault < sizeof faults / sizeof faults[0]; fault++) {
        char bytes[2] = "";
        rouse_fd ends[2];
        sim_reboot((struct rouse_sim_config){.latency = 10, .trace = note_fault});
        sim_connect(ends);
        told = 0;
        spoil(faults[fault]);
        assert_true(rouse_sim_write(ends[0], bytes, 2) > 0);
        assert_int_equal(rouse_sim_sleep(1000), fault == ROUSE_SIM_INTERRUPT ? -EINTR : 0);
        assert_int_equal(rouse_sim_socket() < 0, fault == ROUSE_SIM_NO_MEMORY);
        assert_int_equal(told, 1 << fault);
    }
}

static void echo_lives_through_all_of_them(void **state)
{
    (void)state;
    static const char *const backends[] = {"sim:select", "sim:poll", "sim:epoll"};
    for (int i = 0; i < 6; i++) {
        struct sim_echo echo = {
            .backend = backends[i / 2],
            .clients = 200,
            .messages = 5,
            .edge = i & 1 ? (uint32_t)ROUSE_EDGE : 0,
            .machine = {.seed = (uint64_t)i, .latency = 700, .room = 40},
            .faults = {.short_counts = 200,
                       .interrupts = 100,
                       .spurious = 100,
                       .no_memory = 100,
                       .late = 100},
        };
        sim_echo_run(&echo);
        assert_true(rouse_sim_count(ROUSE_SIM_INTERRUPTED) > 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(nothing_goes_wrong_unasked),
        CASE(counts_are_short),
        CASE(small_write_to_a_pipe_stays_whole),
        CASE(what_a_short_count_leaves_is_a_new_edge),
        CASE(sleeps_are_interrupted),
        CASE(sleeps_of_tasks_are_interrupted),
        CASE(sleeps_end_for_nothing),
        CASE(sleep_that_ends_for_nothing_is_no_longer),
        CASE(there_is_no_memory),
        CASE(packets_are_late),
        CASE(each_fault_is_a_step),
        CASE(echo_lives_through_all_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
