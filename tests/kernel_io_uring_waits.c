/*
 * io_uring and the waits of a loop: how often it enters the kernel, that it sleeps while nothing is
 * wanted that is ready, and that what completes late is told to nobody. Every poll is told of a
 * peer that has stopped writing, and of any data as if it were urgent; to ask again each time would
 * be to spin.
 *
 * What surprises: a wait that hands requests over and is then interrupted has handed them over.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* what liburing.h needs */
#include <sys/socket.h>

#include "contract.h"
#include "kernel_io_uring.h"

static struct rouse_loop *loop;
static struct player a;
static rouse_fd ends[2];

static const uint32_t modes[] = {0, ROUSE_EDGE, ROUSE_ONESHOT};
enum { MODES = sizeof modes / sizeof *modes };

static void begin(enum world_kind kind, uint32_t want, void (*also)(struct player *self))
{
    loop = stage_open(NULL);
    CHECK_OK(NULL, world_pair(kind, ends));
    player_init(&a, loop, 'a', also);
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], want));
}

static void end(void)
{
    CHECK_OK(NULL, rouse_close(loop));
    CHECK_OK(NULL, world_close(ends[0]));
    CHECK_OK(NULL, world_close(ends[1]));
}

/* ---- What lasts and nobody has asked for --------------------------------------------------- */

/* Asks and sleeps, and is called for nothing; after what may have been on its way. If this machine
 * is slow, the timer is due before there is time to sleep. */
static void check_sleeps(void)
{
    struct player timer;
    for (int i = 0; i < 5; i++)
        assert_int_equal(rouse_turn(loop, 0), 0);
    struct rouse_counters before = stage_counters(loop);
    unsigned enters = seen.enters;
    for (int i = 0; i < 50; i++)
        assert_int_equal(rouse_turn(loop, 0), 0);
    assert_int_equal(seen.enters, enters);
    player_init(&timer, loop, 't', NULL);
    CHECK_OK(loop, rouse_timer_after(loop, &timer.timer, 3000000, 0));
    while (rouse_timer_active(&timer.timer))
        CHECK_OK(loop, rouse_turn(loop, -1));
    CHECK_JOURNAL("t");
    assert_int_equal(stage_counters(loop).events, before.events);
    assert_in_range(seen.enters - enters, 0, 8);
}

static void fill(struct player *self)
{
    while (rouse_write(&self->io, "0123456789abcdef", 16) > 0)
        ;
}

static void fill_up(enum world_kind kind)
{
    if (kind == WORLD_TCP)
        CHECK_OK(NULL, world_fill_connection(ends[0]));
    else
        CHECK_OK(NULL, world_fill(ends[0]));
}

static void check_writer(enum world_kind kind, uint32_t mode, int rounds)
{
    begin(kind, ROUSE_WRITE | mode, fill);
    fill_up(kind);
    CHECK_OK(NULL, world_shut(ends[1], ROUSE_WRITE));
    world_await(ends[0], ROUSE_HANGUP);
    for (int i = 0; i < rounds; i++) {
        check_sleeps();
        do
            world_drain(ends[1]); /* by TCP more may be on its way than has arrived */
        while (!(world_ready(ends[0], ROUSE_WRITE) & ROUSE_WRITE));
        CHECK_OK(loop, rouse_turn(loop, -1));
        assert_int_equal(a.ready, ROUSE_WRITE);
        assert_int_equal(journal_take()[0], 'a');
        fill_up(kind);
        for (int k = 0; k < 3; k++) /* to be told that there is no more room */
            CHECK_OK(loop, rouse_turn(loop, 0));
        CHECK_OK(loop, rouse_io_want(&a.io, ROUSE_WRITE));
        journal_take();
    }
    check_sleeps();
    end();
}

/* C11: a writer whose peer has stopped writing, and does not read either. */
static void end_of_what_nobody_reads_is_no_spin(void **state)
{
    (void)state;
    for (int age = 0; age < KERNEL_AGES; age++) {
        kernel_is_older(age);
        for (int mode = 0; mode < MODES; mode++)
            check_writer(WORLD_UNIX, modes[mode], 3);
        check_writer(WORLD_TCP, 0, 1); /* each round moves megabytes */
    }
}

/* C11: the same for one that is told at once when it is started, and for one that pauses. */
static void end_that_came_before_the_start_is_no_spin(void **state)
{
    (void)state;
    for (int age = 0; age < KERNEL_AGES; age++)
        for (int mode = 0; mode < MODES; mode++) {
            kernel_is_older(age);
            begin(WORLD_UNIX, ROUSE_PRIORITY | modes[mode], NULL);
            CHECK_OK(NULL, world_shut(ends[1], ROUSE_WRITE));
            check_sleeps();
            CHECK_OK(loop, rouse_io_want(&a.io, 0));
            check_sleeps();
            CHECK_OK(loop, rouse_io_want(&a.io, ROUSE_PRIORITY));
            check_sleeps();
            CHECK_OK(loop, rouse_io_stop(&a.io));
            CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_PRIORITY | modes[mode]));
            check_sleeps();
            end();
        }
}

/* D3: a wake of a socket says PRI for any data. */
static void data_is_not_told_as_priority(void **state)
{
    (void)state;
    enum { MESSAGES = 20 };
    for (int age = 0; age < KERNEL_AGES; age++)
        for (int mode = 0; mode < MODES; mode++) {
            kernel_is_older(age);
            begin(WORLD_TCP, ROUSE_PRIORITY | modes[mode], NULL);
            check_sleeps();
            unsigned enters = seen.enters;
            for (int i = 0; i < MESSAGES; i++) {
                assert_int_equal(world_send(ends[1], "x", 1), 1);
                world_await_bytes(ends[0], i + 1);
                for (int k = 0; k < 5; k++)
                    assert_int_equal(rouse_turn(loop, 0), 0);
            }
            assert_in_range(seen.enters - enters, 0, 3 * MESSAGES);
            check_sleeps();
            end();
        }
}

/* D1: and what is urgent is told, as long as it is. */
static void urgent_data_is_told_among_other_data(void **state)
{
    (void)state;
    char byte = 0;
    for (int age = 0; age < KERNEL_AGES; age++)
        for (int mode = 0; mode < MODES; mode++) {
            kernel_is_older(age);
            begin(WORLD_TCP, ROUSE_PRIORITY | modes[mode], NULL);
            check_sleeps();
            for (int i = 0; i < 3; i++) {
                assert_int_equal(world_send(ends[1], "xyz", 3), 3);
                CHECK_OK(NULL, world_priority(ends[1], '!'));
                world_await(ends[0], ROUSE_PRIORITY);
                assert_int_equal(rouse_turn(loop, -1), 1);
                assert_int_equal(a.ready, ROUSE_PRIORITY);
                int more = rouse_turn(loop, 0); /* by edges nothing was said: as by level */
                assert_int_equal(more, !(modes[mode] & ROUSE_ONESHOT));
                assert_int_equal(recv(ends[0], &byte, 1, MSG_OOB), 1);
                assert_int_equal(byte, '!');
                world_drain(ends[0]);
                for (int k = 0; k < 3; k++)
                    CHECK_OK(loop, rouse_turn(loop, 0)); /* what was so, told late */
                CHECK_OK(loop, rouse_io_want(&a.io, ROUSE_PRIORITY));
                journal_take();
                check_sleeps();
            }
            end();
        }
}

/* ---- What a wait costs --------------------------------------------------------------------- */

static void ask_with_nothing_to_do_enters_nothing(void **state)
{
    (void)state;
    for (int age = 0; age < KERNEL_AGES; age++)
        for (int mode = 0; mode < MODES; mode++) {
            kernel_is_older(age);
            begin(WORLD_UNIX, ROUSE_READ | modes[mode], NULL);
            assert_int_equal(rouse_turn(loop, 0), 0);
            uint64_t calls = stage_counters(loop).system_calls;
            unsigned enters = seen.enters;
            for (int i = 0; i < 100; i++)
                assert_int_equal(rouse_turn(loop, 0), 0);
            assert_int_equal(seen.enters, enters);
            assert_int_equal(stage_counters(loop).system_calls, calls);
            end();
        }
}

static void take_one(struct player *self)
{
    char bytes[16];
    assert_int_equal(rouse_read(&self->io, bytes, sizeof bytes), 1);
}

/* One call for each wait, by level too, where it also hands over what is armed anew; and each is
 * counted. */
static void busy_loop_enters_once_for_each_wait(void **state)
{
    (void)state;
    enum { WAITS = 100 };
    for (int age = 0; age < KERNEL_AGES; age++)
        for (uint32_t mode = 0; mode <= ROUSE_EDGE; mode += ROUSE_EDGE) {
            kernel_is_older(age);
            begin(WORLD_PIPE, ROUSE_READ | mode, take_one);
            CHECK_OK(loop, rouse_turn(loop, 0));
            struct rouse_counters before = stage_counters(loop);
            unsigned enters = seen.enters;
            for (int i = 0; i < WAITS; i++) {
                assert_int_equal(world_send(ends[1], "x", 1), 1);
                assert_int_equal(rouse_turn(loop, -1), 1);
            }
            struct rouse_counters after = stage_counters(loop);
            assert_int_equal(after.waits - before.waits, WAITS);
            assert_in_range(seen.enters - enters, 0, WAITS);
            assert_int_equal(after.system_calls - before.system_calls, seen.enters - enters);
            assert_int_equal(after.changes_sent, before.changes_sent);
            if (mode == ROUSE_EDGE) /* what is armed stays so */
                assert_int_equal(after.descriptors, before.descriptors);
            end();
        }
}

/* Data that may be urgent is asked about by one call, for all that a wait has brought. */
static void urgency_is_asked_about_once_for_many(void **state)
{
    (void)state;
    enum { MANY = 20 };
    struct player players[MANY];
    rouse_fd pairs[MANY][2];
    loop = stage_open(NULL);
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(NULL, world_pair(WORLD_TCP, pairs[i]));
        player_init(&players[i], loop, 'a', take_one);
        CHECK_OK(loop, rouse_io_start(loop, &players[i].io, pairs[i][0], ROUSE_READ | ROUSE_EDGE));
    }
    CHECK_OK(loop, rouse_turn(loop, 0));
    for (int i = 0; i < MANY; i++)
        assert_int_equal(world_send(pairs[i][1], "x", 1), 1);
    for (int i = 0; i < MANY; i++)
        world_await(pairs[i][0], ROUSE_READ);
    struct rouse_counters before = stage_counters(loop);
    unsigned enters = seen.enters;
    assert_int_equal(rouse_turn(loop, -1), MANY);
    uint64_t calls = stage_counters(loop).system_calls - before.system_calls;
    assert_in_range(calls - (seen.enters - enters), 0, 1);
    CHECK_OK(NULL, rouse_close(loop));
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(NULL, world_close(pairs[i][0]));
        CHECK_OK(NULL, world_close(pairs[i][1]));
    }
}

/* A cancellation completes too, which is nothing to wake for. */
static void change_does_not_end_the_wait_that_follows(void **state)
{
    (void)state;
    enum { CHANGES = 10 };
    for (int age = 0; age < KERNEL_AGES; age++) {
        kernel_is_older(age);
        begin(WORLD_PIPE, ROUSE_READ, NULL);
        CHECK_OK(loop, rouse_turn(loop, 0));
        struct player timer;
        player_init(&timer, loop, 't', NULL);
        unsigned turns = 0;
        uint64_t sent = stage_counters(loop).changes_sent;
        for (int i = 0; i < CHANGES; i++) {
            CHECK_OK(loop, rouse_io_want(&a.io, i % 2 ? ROUSE_READ : ROUSE_WRITE)); /* never is */
            CHECK_OK(loop, rouse_timer_after(loop, &timer.timer, 1000000, 0));
            for (; rouse_timer_active(&timer.timer); turns++)
                CHECK_OK(loop, rouse_turn(loop, -1));
        }
        assert_in_range(turns, CHANGES, CHANGES + 2);
        assert_int_equal(stage_counters(loop).changes_sent - sent, CHANGES);
        end();
    }
}

/* ---- What completes late ------------------------------------------------------------------- */

/* Watches two pipes and makes both ready; one is told, the other has completed and is not fetched.
 * Returns the number of the latter. */
static int complete_two(struct bare *bare, rouse_fd pipes[2][2], uint32_t mode)
{
    struct rouse_change changes[2];
    for (int i = 0; i < 2; i++) {
        contract_pair(WORLD_UNIX, pipes[i]);
        changes[i] = (struct rouse_change){
            .fd = pipes[i][0], .token = TOKEN(1, i), .want = ROUSE_READ | mode};
    }
    assert_int_equal(bare_poll(bare, changes, 2, 0), 0);
    for (int i = 0; i < 2; i++)
        MUST(world_send(pipes[i][1], "x", 1));
    assert_int_equal(bare_poll_some(bare, 1), 1);
    return !ROUSE_SLOT(bare->events[0].token);
}

static void end_two(struct bare *bare, rouse_fd pipes[2][2])
{
    for (int i = 0; i < 2; i++) {
        bare_drop(bare, pipes[i][0], TOKEN(1, i));
        contract_close(pipes[i]);
    }
}

/* P4: an old request completed for the new connection. The slot is the same, and so may be the
 * number. */
static void completion_of_a_removed_poll_is_not_told_to_the_next_in_its_slot(void **state)
{
    struct bare *bare = *state;
    for (uint32_t mode = 0; mode <= ROUSE_EDGE; mode += ROUSE_EDGE) {
        rouse_fd pipes[2][2], fresh[2];
        int slot = complete_two(bare, pipes, mode);
        bare_drop(bare, pipes[slot][0], TOKEN(1, slot));
        contract_pair(WORLD_UNIX, fresh);
        MUST(world_dup2(fresh[0], pipes[slot][0]));
        uint32_t ready = bare_change(bare, pipes[slot][0], TOKEN(2, slot), 0, ROUSE_READ | mode);
        assert_int_equal(ready, 0);
        assert_int_equal(bare_ready(bare, TOKEN(2, slot)), 0);
        MUST(world_send(fresh[1], "x", 1));
        assert_int_equal(bare_ready(bare, TOKEN(2, slot)), ROUSE_READ);
        bare_drop(bare, pipes[slot][0], TOKEN(2, slot));
        end_two(bare, pipes);
        contract_close(fresh);
    }
}

/* What completed for the old interest is no answer to the new one; nor is the end of the old poll,
 * which completes with ECANCELED. */
static void completion_of_an_earlier_arming_is_skipped(void **state)
{
    struct bare *bare = *state;
    for (uint32_t mode = 0; mode <= ROUSE_EDGE; mode += ROUSE_EDGE) {
        rouse_fd pipes[2][2];
        int slot = complete_two(bare, pipes, mode);
        rouse_fd fd = pipes[slot][0];
        assert_int_equal(world_drain(fd), 1);
        uint32_t ready =
            bare_change(bare, fd, TOKEN(1, slot), ROUSE_READ | mode, ROUSE_WRITE | mode);
        assert_int_equal(ready, ROUSE_WRITE);
        for (int i = 0; i < 3; i++) {
            bare_change(bare, fd, TOKEN(1, slot), ROUSE_WRITE | mode, ROUSE_READ | mode);
            assert_null(bare_event(bare, TOKEN(1, slot)));
            assert_int_equal(bare_ready(bare, TOKEN(1, slot)), 0);
        }
        bare_change(bare, fd, TOKEN(1, slot), ROUSE_READ | mode, 0);
        MUST(world_send(pipes[slot][1], "x", 1));
        assert_int_equal(bare_ready(bare, TOKEN(1, slot)), 0);
        end_two(bare, pipes);
    }
}

/* M9: the poll that is armed anew by level is handed over with the wait. */
static void signal_ends_a_wait_that_hands_something_over(void **state)
{
    struct bare *bare = *state;
    contract_pair(WORLD_PIPE, ends);
    struct rouse_change change = {.fd = ends[0], .token = TOKEN(1, 0), .want = ROUSE_READ};
    world_interrupt(true);
    int before = world_interrupts();
    assert_int_equal(bare_poll(bare, &change, 1, -1), 0);
    assert_true(world_interrupts() > before);
    change.had = ROUSE_READ;
    assert_int_equal(bare_poll(bare, &change, 1, INT64_MAX), 0);
    world_interrupt(false);
    bare_drop(bare, ends[0], TOKEN(1, 0));
    contract_close(ends);
}

#define CASE(name) cmocka_unit_test_setup(name, kernel_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(end_of_what_nobody_reads_is_no_spin),
        CASE(end_that_came_before_the_start_is_no_spin),
        CASE(data_is_not_told_as_priority),
        CASE(urgent_data_is_told_among_other_data),
        CASE(ask_with_nothing_to_do_enters_nothing),
        CASE(busy_loop_enters_once_for_each_wait),
        CASE(urgency_is_asked_about_once_for_many),
        CASE(change_does_not_end_the_wait_that_follows),
        BARE(completion_of_a_removed_poll_is_not_told_to_the_next_in_its_slot),
        BARE(completion_of_an_earlier_arming_is_skipped),
        BARE(signal_ends_a_wait_that_hands_something_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
