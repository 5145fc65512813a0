/*
 * io_uring and descriptors that are closed. An armed poll holds a reference to its file, so a close
 * alone neither ends the poll nor tells the peer: what is stopped must be cancelled, and the
 * cancellation worked off, before the call returns, whatever the kernel has to do besides.
 *
 * What surprises: whether the peer has been told can be asked at once, because the last reference
 * to a pipe or a unix socket is let go inside the system call that gives it up.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* what liburing.h needs */
#include "kernel_io_uring.h"

static const uint32_t modes[] = {0, ROUSE_EDGE, ROUSE_ONESHOT, ROUSE_EDGE | ROUSE_ONESHOT};
enum { MODES = sizeof modes / sizeof *modes };

static struct rouse_loop *loop;
static struct player a, b;
static rouse_fd ends[2], others[2];

/* Whether what is left of a pair has been told that its other end is closed. */
static bool is_alone(rouse_fd fd)
{
    return world_ready(fd, ROUSE_READ | ROUSE_HANGUP) & (ROUSE_HANGUP | ROUSE_ERROR);
}

static void close_own(struct player *self)
{
    CHECK_OK(loop, rouse_io_close(&self->io));
}

static void close_other(struct player *self)
{
    if (rouse_io_active(&self->other->io))
        CHECK_OK(loop, rouse_io_close(&self->other->io));
}

/* ---- When the loop is in every state that a watcher can be in ------------------------------ */

static void nothing(void)
{
}

static void turn(void)
{
    CHECK_OK(loop, rouse_turn(loop, 0));
}

static void data(void)
{
    assert_int_equal(world_send(ends[1], "x", 1), 1);
}

static void turn_and_data(void)
{
    turn();
    data();
}

static void turn_data_and_turn(void)
{
    turn_and_data();
    turn();
}

static void pause_it(void)
{
    turn_and_data();
    CHECK_OK(loop, rouse_io_want(&a.io, 0));
}

static void pause_and_turn(void)
{
    pause_it();
    turn();
}

static void change_it(void)
{
    turn_data_and_turn();
    CHECK_OK(loop, rouse_io_want(&a.io, ROUSE_READ | ROUSE_WRITE));
}

static void change_and_turn(void)
{
    change_it();
    turn();
}

static void overtake(void)
{
    a.also = close_own;
    turn_data_and_turn();
}

static void be_overtaken(void)
{
    b.also = close_other;
    a.also = close_other;
    turn_and_data();
    assert_int_equal(world_send(others[1], "x", 1), 1);
    turn();
}

static void check_end_is_told(enum world_kind kind, uint32_t mode, void (*before)(void))
{
    loop = stage_open(NULL);
    CHECK_OK(NULL, world_pair(kind, ends));
    CHECK_OK(NULL, world_pair(kind, others));
    player_init(&a, loop, 'a', NULL);
    player_init(&b, loop, 'b', NULL);
    a.other = &b;
    b.other = &a;
    CHECK_OK(loop, rouse_io_start(loop, &b.io, others[0], ROUSE_READ | mode));
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ | mode));
    before();
    if (rouse_io_active(&a.io))
        CHECK_OK(loop, rouse_io_close(&a.io));
    if (kind == WORLD_TCP) /* told by the kernel's own threads, perhaps */
        world_await(ends[1], ROUSE_HANGUP);
    assert_true(is_alone(ends[1]));
    if (rouse_io_active(&b.io))
        CHECK_OK(loop, rouse_io_close(&b.io));
    if (kind == WORLD_TCP)
        world_await(others[1], ROUSE_HANGUP);
    assert_true(is_alone(others[1]));
    CHECK_OK(NULL, world_close(ends[1]));
    CHECK_OK(NULL, world_close(others[1]));
    CHECK_OK(NULL, rouse_close(loop));
}

/* P4, P5: the peer saw no end, because a poll held the file that had been closed. */
static void peer_is_told_of_the_end_at_once(void **state)
{
    (void)state;
    static void (*const situations[])(void) = {
        nothing,      turn,           data,      turn_and_data,   turn_data_and_turn,
        pause_it,     pause_and_turn, change_it, change_and_turn, overtake,
        be_overtaken,
    };
    static const enum world_kind kinds[] = {WORLD_UNIX, WORLD_PIPE, WORLD_SEQPACKET, WORLD_TCP};
    for (int age = 0; age < KERNEL_AGES; age++)
        for (int kind = 0; kind < 4; kind++)
            for (int mode = 0; mode < MODES; mode++)
                for (size_t i = 0; i < sizeof situations / sizeof *situations; i++) {
                    kernel_is_older(age);
                    check_end_is_told(kinds[kind], modes[mode], situations[i]);
                }
}

/* ---- Among many others --------------------------------------------------------------------- */

enum { MANY = 300 };

static struct player many[MANY];
static rouse_fd pairs[MANY][2];

static void say_drained(struct player *self)
{
    rouse_io_drained(&self->io, ROUSE_READ);
}

static void begin_many(uint32_t mode)
{
    loop = stage_open(NULL);
    for (int i = 0; i < MANY; i++) {
        player_init(&many[i], loop, 'm', say_drained);
        CHECK_OK(NULL, world_pair(WORLD_PIPE, pairs[i]));
        CHECK_OK(loop, rouse_io_start(loop, &many[i].io, pairs[i][0], ROUSE_READ | mode));
    }
    for (int i = 0; i < 3; i++)
        CHECK_OK(loop, rouse_turn(loop, 0));
}

static void all_become_ready(void)
{
    for (int i = 0; i < MANY; i++)
        assert_int_equal(world_send(pairs[i][1], "x", 1), 1);
}

static void close_all(void)
{
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(loop, rouse_io_close(&many[i].io));
        assert_true(is_alone(pairs[i][1]));
        CHECK_OK(NULL, world_close(pairs[i][1]));
    }
}

/* P4: the kernel has put off more work than it does in one call, and the cancellation is the last
 * of it. */
static void peer_is_told_of_the_end_though_much_else_is_to_be_done(void **state)
{
    (void)state;
    for (int age = 0; age < KERNEL_AGES; age++)
        for (int mode = 0; mode < MODES; mode++)
            for (int told = 0; told < 2; told++) {
                kernel_is_older(age);
                begin_many(modes[mode]);
                all_become_ready();
                if (told)
                    CHECK_OK(loop, rouse_turn(loop, 0));
                close_all();
                CHECK_OK(NULL, rouse_close(loop));
            }
}

/* P1, P4: what completes does not fit, and waits in the kernel with the end of the poll. */
static void peer_is_told_of_the_end_though_completions_overflow(void **state)
{
    (void)state;
    kernel.entries = 8;
    for (int age = 0; age < KERNEL_AGES; age++)
        for (uint32_t mode = 0; mode <= ROUSE_EDGE; mode += ROUSE_EDGE) {
            kernel_is_older(age);
            begin_many(mode);
            seen.overflows = 0;
            all_become_ready();
            close_all();
            assert_true(age == 0 || seen.overflows > 0);
            CHECK_OK(NULL, rouse_close(loop));
        }
}

static void close_what_was_watched(void)
{
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(NULL, world_close(pairs[i][0]));
        assert_true(is_alone(pairs[i][1]));
        CHECK_OK(NULL, world_close(pairs[i][1]));
    }
    kernel.exits = NULL;
}

/* P4: the loop is closed first, and then what it watched. A ring that is taken apart lets go of all
 * that it holds, but at a time of its own, so everything must have been let go before. */
static void peers_are_told_of_the_end_though_the_loop_was_closed_first(void **state)
{
    (void)state;
    for (int age = 0; age < KERNEL_AGES; age++)
        for (int mode = 0; mode < MODES; mode++)
            for (int ready = 0; ready < 2; ready++) {
                kernel_is_older(age);
                begin_many(modes[mode]);
                if (ready)
                    all_become_ready();
                kernel.exits = close_what_was_watched;
                CHECK_OK(NULL, rouse_close(loop));
                assert_null(kernel.exits);
            }
}

/* A1, A2, A3: while events of the old file are on their way. */
static void number_reused_at_once_hears_nothing_of_the_old_file(void **state)
{
    (void)state;
    for (int age = 0; age < KERNEL_AGES; age++)
        for (int mode = 0; mode < MODES; mode++) {
            kernel_is_older(age);
            rouse_fd old[MANY];
            begin_many(modes[mode]);
            all_become_ready();
            for (int i = 0; i < MANY; i++) {
                rouse_fd number = pairs[i][0];
                old[i] = pairs[i][1];
                CHECK_OK(loop, rouse_io_close(&many[i].io));
                CHECK_OK(NULL, world_pair(WORLD_PIPE, pairs[i]));
                assert_int_equal(pairs[i][0], number);
                CHECK_OK(loop, rouse_io_start(loop, &many[i].io, number, ROUSE_READ | modes[mode]));
            }
            for (int i = 0; i < MANY; i++)
                CHECK_OK(NULL, world_close(old[i]));
            journal_take();
            for (int i = 0; i < 5; i++)
                CHECK_OK(loop, rouse_turn(loop, 0));
            CHECK_JOURNAL("");
            all_become_ready();
            for (int i = 0; i < 30; i++)
                CHECK_OK(loop, rouse_turn(loop, 0));
            for (int i = 0; i < MANY; i++)
                assert_int_equal(many[i].ready, ROUSE_READ);
            close_all();
            CHECK_OK(NULL, rouse_close(loop));
        }
}

/* ---- When the kernel does not take the cancellation ---------------------------------------- */

static const int passing[] = {-EINTR, -EAGAIN, -EBUSY, -ENOMEM};
enum { PASSING = sizeof passing / sizeof *passing };

/* P4, P5: a call that fails once, or calls that take one request each, as they did before
 * Linux 5.18 if each was refused. */
static void removal_is_handed_over_though_a_call_fails(void **state)
{
    (void)state;
    for (int mode = 0; mode < MODES; mode++)
        for (int i = 0; i <= PASSING; i++) {
            bool one_by_one = i == PASSING;
            begin_many(modes[mode]);
            all_become_ready();
            CHECK_OK(loop, rouse_turn(loop, 0)); /* by level all are armed anew, but queued */
            kernel_fails(one_by_one ? 0 : passing[i], 0, one_by_one ? 10000 : 1);
            kernel.takes = 1;
            CHECK_OK(loop, rouse_io_close(&many[0].io));
            assert_true(is_alone(pairs[0][1]));
            kernel.times = 0;
            CHECK_OK(NULL, world_close(pairs[0][1]));
            CHECK_OK(NULL, world_pair(WORLD_PIPE, pairs[0]));
            CHECK_OK(loop, rouse_io_start(loop, &many[0].io, pairs[0][0], ROUSE_READ));
            close_all();
            CHECK_OK(NULL, rouse_close(loop));
        }
}

/* N3: if it fails for good the call still ends, and the next wait makes up for it. */
static void removal_that_cannot_be_handed_over_is_made_up_for(void **state)
{
    (void)state;
    for (int mode = 0; mode < MODES; mode++)
        for (int i = 0; i < PASSING; i++) {
            begin_many(modes[mode]);
            kernel_fails(passing[i], 0, 1000000);
            CHECK_OK(loop, rouse_io_close(&many[0].io));
            kernel.times = 0;
            CHECK_OK(loop, rouse_turn(loop, 0));
            assert_true(is_alone(pairs[0][1]));
            CHECK_OK(NULL, world_close(pairs[0][1]));
            CHECK_OK(NULL, world_pair(WORLD_PIPE, pairs[0]));
            CHECK_OK(loop, rouse_io_start(loop, &many[0].io, pairs[0][0], ROUSE_READ));
            close_all();
            CHECK_OK(NULL, rouse_close(loop));
        }
}

#define CASE(name) cmocka_unit_test_setup(name, kernel_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(peer_is_told_of_the_end_at_once),
        CASE(peer_is_told_of_the_end_though_much_else_is_to_be_done),
        CASE(peer_is_told_of_the_end_though_completions_overflow),
        CASE(peers_are_told_of_the_end_though_the_loop_was_closed_first),
        CASE(number_reused_at_once_hears_nothing_of_the_old_file),
        CASE(removal_is_handed_over_though_a_call_fails),
        CASE(removal_that_cannot_be_handed_over_is_made_up_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
