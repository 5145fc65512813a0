/*
 * The machine's select and poll: what goes in and comes out, when they sleep and whom they are
 * linked to meanwhile, and what a call costs.
 *
 * SPDX-License-Identifier: MIT
 */
#include "sim.h"

static void set_bit(struct rouse_sim_set *set, rouse_fd fd)
{
    set->words[fd / 64] |= UINT64_C(1) << fd % 64;
}

static bool has_bit(const struct rouse_sim_set *set, rouse_fd fd)
{
    return set->words[fd / 64] >> fd % 64 & 1;
}

static rouse_fd late_fd;

static void write_late(struct rouse_sim_event *event)
{
    (void)event;
    assert_int_equal(rouse_sim_write(late_fd, "x", 1), 1);
}

static uint64_t copied_in, copied_out;

static void note_copy(void *context, const struct rouse_sim_step *step)
{
    (void)context;
    if (step->what == ROUSE_SIM_COPIED_IN)
        copied_in += step->amount;
    if (step->what == ROUSE_SIM_COPIED_OUT)
        copied_out += step->amount;
}

/* So many bytes, since it was asked the last time. */
#define CHECK_COPIED(bytes_in, bytes_out)                                                          \
    do {                                                                                           \
        assert_int_equal(copied_in, bytes_in);                                                     \
        assert_int_equal(copied_out, bytes_out);                                                   \
        copied_in = copied_out = 0;                                                                \
    } while (0)

/* ---- poll ---- */

static void poll_answers_in_the_array(void **state)
{
    (void)state;
    rouse_fd pipe[2];
    sim_pipe(pipe);
    rouse_fd one = OPENED(rouse_sim_socket());
    struct rouse_sim_pollfd entries[] = {
        {.fd = pipe[0], .want = ROUSE_READ},
        {.fd = pipe[1], .want = ROUSE_READ | ROUSE_WRITE},
        {.fd = -1, .want = ROUSE_READ},
        {.fd = 500, .want = 0},
        {.fd = one, .want = 0},
        {.fd = pipe[1], .want = ROUSE_READ, .ready = 77},
        {.fd = INT32_MAX, .want = ROUSE_READ},
    };
    assert_int_equal(rouse_sim_poll(entries, 7, -1), 4);
    const uint16_t ready[] = {0, ROUSE_WRITE,     0, ROUSE_SIM_CLOSED, ROUSE_HANGUP,
                              0, ROUSE_SIM_CLOSED};
    for (int i = 0; i < 7; i++)
        assert_int_equal(entries[i].ready, ready[i]);
    assert_int_equal(rouse_sim_write(pipe[1], "x", 1), 1);
    assert_int_equal(rouse_sim_poll(entries, 1, -1), 1);
    assert_int_equal(entries[0].ready, ROUSE_READ);
    assert_int_equal(rouse_sim_poll(entries, 0, 0), 0);
    assert_int_equal(rouse_sim_now(), 0);
}

static void poll_sleeps_until_something_comes(void **state)
{
    (void)state;
    rouse_fd pipes[3][2];
    struct rouse_sim_pollfd entries[3];
    struct rouse_sim_event late = {.fn = write_late};
    for (int i = 0; i < 3; i++) {
        sim_pipe(pipes[i]);
        entries[i] = (struct rouse_sim_pollfd){.fd = pipes[i][0], .want = ROUSE_READ};
    }
    late_fd = pipes[2][1];
    CHECK_OK(NULL, rouse_sim_at(&late, 700));
    assert_int_equal(rouse_sim_poll(entries, 3, 5000), 1);
    assert_int_equal(entries[2].ready, ROUSE_READ);
    assert_int_equal(rouse_sim_now(), 700);
    assert_int_equal(rouse_sim_poll(entries, 2, 5000), 0);
    assert_int_equal(rouse_sim_now(), 5700);
}

/* By what is asked for: each walk asks all, and only one that is to sleep links. */
static void poll_costs_by_what_is_asked_for(void **state)
{
    (void)state;
    enum { MANY = 300 };
    static rouse_fd pipes[MANY][2];
    static struct rouse_sim_pollfd entries[MANY];
    struct rouse_sim_event late = {.fn = write_late};
    for (int i = 0; i < MANY; i++) {
        sim_pipe(pipes[i]);
        entries[i] = (struct rouse_sim_pollfd){.fd = pipes[i][0], .want = ROUSE_READ};
    }
    late_fd = pipes[100][1];
    CHECK_OK(NULL, rouse_sim_at(&late, 700));
    assert_int_equal(rouse_sim_poll(entries, MANY, -1), 1);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_ASKED), 2 * MANY);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_LINKED), MANY);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_UNLINKED), MANY);
    assert_int_equal(rouse_sim_poll(entries, MANY, -1), 1); /* one is ready: the 101st */
    assert_int_equal(rouse_sim_count(ROUSE_SIM_ASKED), 3 * MANY);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_LINKED), MANY + 101);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_UNLINKED), MANY + 101);
    assert_int_equal(rouse_sim_poll(entries, MANY, 0), 1);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_LINKED), MANY + 101);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(sim_look(pipes[i][0]).references, 1);
}

/* Who asks sees in the array that there is nothing, whatever was there before. */
static void poll_copies_out_also_that_there_is_nothing(void **state)
{
    (void)state;
    rouse_fd pipe[2];
    copied_in = copied_out = 0;
    sim_reboot((struct rouse_sim_config){.trace = note_copy});
    sim_pipe(pipe);
    struct rouse_sim_pollfd entries[3];
    for (int call = 0; call < 3; call++) { /* at once, when its time is over, and by a signal */
        for (int i = 0; i < 3; i++)
            entries[i] = (struct rouse_sim_pollfd){.fd = pipe[0], .want = ROUSE_READ, .ready = 77};
        if (call == 2)
            rouse_sim_interrupt(NULL);
        assert_int_equal(rouse_sim_poll(entries, 3, call * 500), call == 2 ? -EINTR : 0);
        CHECK_COPIED(3 * ROUSE_SIM_ENTRY_SIZE, 3 * 2);
        for (int i = 0; i < 3; i++)
            assert_int_equal(entries[i].ready, 0);
    }
}

static void poll_takes_as_many_entries_as_there_may_be_descriptors(void **state)
{
    (void)state;
    struct rouse_sim_pollfd entries[5];
    sim_reboot((struct rouse_sim_config){.descriptors = 4});
    for (int i = 0; i < 5; i++)
        entries[i] = (struct rouse_sim_pollfd){.fd = -1, .ready = 77};
    assert_int_equal(rouse_sim_poll(entries, 5, 0), -EINVAL);
    assert_int_equal(entries[0].ready, 77);
    assert_int_equal(rouse_sim_poll(entries, UINT32_MAX, -1), -EINVAL);
    assert_int_equal(rouse_sim_poll(entries, 4, 0), 0);
}

static struct rouse_sim_waiter seen;
static uint32_t seen_references;

static void look_at_it(struct rouse_sim_event *event)
{
    (void)event;
    CHECK_OK(NULL, rouse_sim_waiter_at(late_fd, 0, &seen));
    seen_references = sim_look(late_fd).references;
}

static void who_sleeps_in_a_walk_stands_in_every_queue(void **state)
{
    (void)state;
    rouse_fd pipe[2], other[2];
    struct rouse_sim_event look = {.fn = look_at_it};
    sim_pipe(pipe);
    sim_pipe(other);
    struct rouse_sim_pollfd entries[] = {{.fd = pipe[0], .want = ROUSE_READ},
                                         {.fd = other[0], .want = ROUSE_READ}};
    late_fd = other[0];
    CHECK_OK(NULL, rouse_sim_at(&look, 5));
    assert_int_equal(rouse_sim_poll(entries, 2, 10), 0);
    assert_int_equal(seen.how, ROUSE_SIM_BY_WALK);
    assert_int_equal(seen.who, 1);
    assert_int_equal(seen.exclusive, 0);
    assert_int_equal(seen_references, 2);
    assert_int_equal(rouse_sim_waiter_at(other[0], 0, &seen), -ENOENT);
}

static void make_room(struct rouse_sim_event *event)
{
    (void)event;
    char bytes[100];
    assert_int_equal(rouse_sim_read(late_fd, bytes, sizeof bytes), 100);
}

static void walk_that_wants_something_else_sleeps_on(void **state)
{
    (void)state;
    static const char bytes[200];
    rouse_fd ends[2];
    struct rouse_sim_event event = {.fn = make_room};
    sim_reboot((struct rouse_sim_config){.room = 100});
    sim_connect(ends);
    while (rouse_sim_write(ends[0], bytes, sizeof bytes) > 0)
        ;
    late_fd = ends[1];
    CHECK_OK(NULL, rouse_sim_at(&event, 5));
    struct rouse_sim_pollfd entry = {.fd = ends[0], .want = ROUSE_READ};
    assert_int_equal(rouse_sim_poll(&entry, 1, 10), 0);
    assert_int_equal(sim_look(ends[0]).ready, ROUSE_WRITE);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_SLEPT), 1);
}

static void close_it(struct rouse_sim_event *event)
{
    (void)event;
    CHECK_OK(NULL, rouse_sim_close(late_fd));
}

/* Nobody is woken by that, and who wakes later finds it closed. */
static void descriptor_may_be_closed_while_a_walk_sleeps(void **state)
{
    (void)state;
    rouse_fd pipe[2];
    struct rouse_sim_event closes = {.fn = close_it};
    sim_pipe(pipe);
    late_fd = pipe[0];
    struct rouse_sim_pollfd entry = {.fd = pipe[0], .want = ROUSE_READ};
    CHECK_OK(NULL, rouse_sim_at(&closes, 5));
    assert_int_equal(rouse_sim_poll(&entry, 1, 10), 1);
    assert_int_equal(entry.ready, ROUSE_SIM_CLOSED);
    assert_int_equal(rouse_sim_now(), 10);
    assert_int_equal(rouse_sim_write(pipe[1], "x", 1), -EPIPE);
}

/* ---- select ---- */

static void select_answers_in_the_sets(void **state)
{
    (void)state;
    rouse_fd pipe[2], full[2], ended[2];
    sim_pipe(pipe);
    sim_pipe(full);
    sim_pipe(ended);
    CHECK_OK(NULL, rouse_sim_close(ended[1]));
    while (rouse_sim_write(full[1], "0123456789", 10) == 10)
        ;
    struct rouse_sim_set read = {{0}}, write = {{0}}, priority = {{0}};
    for (rouse_fd fd = 0; fd < 5; fd++) {
        set_bit(&read, fd);
        set_bit(&write, fd);
        set_bit(&priority, fd);
    }
    assert_int_equal(ended[0], 4);
    assert_int_equal(rouse_sim_select(5, &read, &write, &priority, -1), 3);
    assert_int_equal(read.words[0], 1u << full[0] | 1u << ended[0]);
    assert_int_equal(write.words[0], 1u << pipe[1]);
    assert_int_equal(priority.words[0], 0);
}

static void select_knows_its_limits(void **state)
{
    (void)state;
    sim_reboot((struct rouse_sim_config){.descriptors = 2000});
    rouse_fd one = OPENED(rouse_sim_socket());
    rouse_fd last = OPENED(rouse_sim_dup2(one, ROUSE_SIM_SETSIZE - 1));
    struct rouse_sim_set write = {{0}};
    set_bit(&write, one);
    set_bit(&write, last);
    assert_int_equal(rouse_sim_select(ROUSE_SIM_SETSIZE, NULL, &write, NULL, 0), 2);
    assert_true(has_bit(&write, one) && has_bit(&write, last));
    assert_int_equal(rouse_sim_select((int)last, NULL, &write, NULL, 0), 1);
    assert_true(has_bit(&write, one) && !has_bit(&write, last));
    assert_int_equal(rouse_sim_select(ROUSE_SIM_SETSIZE + 1, NULL, &write, NULL, 0), -EINVAL);
    assert_int_equal(rouse_sim_select(-1, NULL, &write, NULL, 0), -EINVAL);
}

static void one_that_is_not_open_fails_the_whole_select(void **state)
{
    (void)state;
    rouse_fd pipe[2];
    sim_pipe(pipe);
    struct rouse_sim_set write = {{0}};
    set_bit(&write, pipe[1]);
    set_bit(&write, 9);
    assert_int_equal(rouse_sim_select(10, NULL, &write, NULL, 0), -EBADF);
    assert_true(has_bit(&write, pipe[1]) && has_bit(&write, 9)); /* as they were */
    assert_int_equal(rouse_sim_select(9, NULL, &write, NULL, 0), 1);
    assert_true(has_bit(&write, pipe[1]) && !has_bit(&write, 9));
}

static void select_empties_its_sets_when_its_time_is_over(void **state)
{
    (void)state;
    rouse_fd pipe[2];
    sim_pipe(pipe);
    struct rouse_sim_set read = {{0}};
    set_bit(&read, pipe[0]);
    assert_int_equal(rouse_sim_select(1, &read, NULL, NULL, 300), 0);
    assert_int_equal(rouse_sim_now(), 300);
    assert_false(has_bit(&read, pipe[0]));
    assert_int_equal(rouse_sim_select(0, NULL, NULL, NULL, 300), 0);
    assert_int_equal(rouse_sim_now(), 600);
}

static void select_copies_whole_words_of_the_sets_that_there_are(void **state)
{
    (void)state;
    rouse_fd pipe[2];
    struct rouse_sim_set read = {{0}}, write = {{0}}, priority = {{0}};
    sim_reboot((struct rouse_sim_config){.trace = note_copy});
    sim_pipe(pipe);
    copied_in = copied_out = 0;
    assert_int_equal(rouse_sim_select(0, &read, &write, &priority, 0), 0);
    CHECK_COPIED(0, 0);
    assert_int_equal(rouse_sim_select(1, &read, NULL, NULL, 5), 0);
    CHECK_COPIED(8, 8);
    assert_int_equal(rouse_sim_select(64, NULL, &write, &priority, 0), 0);
    CHECK_COPIED(16, 16);
    set_bit(&write, pipe[1]);
    assert_int_equal(rouse_sim_select(65, &read, &write, &priority, 0), 1);
    CHECK_COPIED(48, 48);
    assert_int_equal(rouse_sim_select(1000, NULL, NULL, NULL, 5), 0);
    CHECK_COPIED(0, 0);
    set_bit(&read, pipe[0]);
    rouse_sim_interrupt(NULL);
    assert_int_equal(rouse_sim_select(1, &read, NULL, NULL, 5), -EINTR);
    CHECK_COPIED(8, 0); /* the sets stay as they were */
    set_bit(&read, 9);
    assert_int_equal(rouse_sim_select(10, &read, NULL, NULL, 5), -EBADF);
    CHECK_COPIED(8, 0);
}

/* By the highest descriptor, 64 at a time; and by those that are asked for. */
static void select_costs_by_the_highest_descriptor(void **state)
{
    (void)state;
    rouse_fd one = OPENED(rouse_sim_socket());
    rouse_fd high = OPENED(rouse_sim_dup2(one, 1000));
    struct rouse_sim_set write = {{0}};
    set_bit(&write, high);
    assert_int_equal(rouse_sim_select(1001, NULL, &write, NULL, 0), 1);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_LOOKED), 16);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_ASKED), 1);
    write = (struct rouse_sim_set){{0}};
    set_bit(&write, one);
    assert_int_equal(rouse_sim_select(1, NULL, &write, NULL, 0), 1);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_LOOKED), 17);
    set_bit(&write, high);
    assert_int_equal(rouse_sim_select(1001, NULL, &write, NULL, -1), 2);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_LINKED), 1); /* to the first, which is ready */
}

/* One that is ready for what nobody asked sets no bit, and the walk goes on linking behind it: else
 * what comes to the next one would wake nobody. */
static void what_sets_no_bit_does_not_keep_select_from_sleeping(void **state)
{
    (void)state;
    rouse_fd ended[2], pipe[2];
    struct rouse_sim_event late = {.fn = write_late};
    sim_pipe(ended);
    sim_pipe(pipe);
    CHECK_OK(NULL, rouse_sim_close(ended[1])); /* HANGUP, for who asks for READ */
    struct rouse_sim_set read = {{0}}, write = {{0}};
    set_bit(&write, ended[0]);
    set_bit(&read, pipe[0]);
    late_fd = pipe[1];
    CHECK_OK(NULL, rouse_sim_at(&late, 700));
    assert_int_equal(rouse_sim_select(10, &read, &write, NULL, 5000), 1);
    assert_true(has_bit(&read, pipe[0]));
    assert_int_equal(rouse_sim_now(), 700);
}

/* What has come might be urgent, and that wakes every select. It finds nothing, and sleeps on; and
 * a poll that wants the same sleeps through it. */
static void what_comes_wakes_a_select_that_only_wants_to_write(void **state)
{
    (void)state;
    static const char bytes[200];
    rouse_fd ends[2];
    struct rouse_sim_event late = {.fn = write_late};
    sim_reboot((struct rouse_sim_config){.room = 100});
    sim_connect(ends);
    while (rouse_sim_write(ends[0], bytes, sizeof bytes) > 0)
        ;
    late_fd = ends[1];
    struct rouse_sim_set write = {{0}};
    set_bit(&write, ends[0]);
    CHECK_OK(NULL, rouse_sim_at(&late, 5));
    assert_int_equal(rouse_sim_select(10, NULL, &write, NULL, 10), 0);
    assert_int_equal(rouse_sim_now(), 10);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_SLEPT), 2);
    struct rouse_sim_pollfd entry = {.fd = ends[0], .want = ROUSE_WRITE};
    CHECK_OK(NULL, rouse_sim_at(&late, 15));
    assert_int_equal(rouse_sim_poll(&entry, 1, 10), 0);
    assert_int_equal(rouse_sim_now(), 20);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_SLEPT), 3);
}

static void error_is_told_as_readable_and_writable(void **state)
{
    (void)state;
    rouse_fd pipe[2];
    sim_pipe(pipe);
    CHECK_OK(NULL, rouse_sim_close(pipe[0]));
    struct rouse_sim_set read = {{0}}, write = {{0}}, priority = {{0}};
    set_bit(&read, pipe[1]);
    set_bit(&write, pipe[1]);
    set_bit(&priority, pipe[1]);
    assert_int_equal(rouse_sim_select(2, &read, &write, &priority, -1), 2);
    assert_true(has_bit(&read, pipe[1]) && has_bit(&write, pipe[1]));
    assert_false(has_bit(&priority, pipe[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(poll_answers_in_the_array),
        CASE(poll_sleeps_until_something_comes),
        CASE(poll_costs_by_what_is_asked_for),
        CASE(poll_copies_out_also_that_there_is_nothing),
        CASE(poll_takes_as_many_entries_as_there_may_be_descriptors),
        CASE(who_sleeps_in_a_walk_stands_in_every_queue),
        CASE(walk_that_wants_something_else_sleeps_on),
        CASE(descriptor_may_be_closed_while_a_walk_sleeps),
        CASE(select_answers_in_the_sets),
        CASE(select_knows_its_limits),
        CASE(one_that_is_not_open_fails_the_whole_select),
        CASE(select_empties_its_sets_when_its_time_is_over),
        CASE(select_copies_whole_words_of_the_sets_that_there_are),
        CASE(select_costs_by_the_highest_descriptor),
        CASE(what_sets_no_bit_does_not_keep_select_from_sleeping),
        CASE(what_comes_wakes_a_select_that_only_wants_to_write),
        CASE(error_is_told_as_readable_and_writable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
