/*
 * Level watchers, the default: a callback in every turn in which the descriptor is ready for what
 * is wanted, with all that is ready, once.
 *
 * There is nothing to learn about them, and that is what these cases hold the library to. What
 * surprises: a watcher that wants nothing is told nothing, hangup and errors included, on systems
 * too whose kernels insist on telling.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"

static void called_in_every_turn_while_ready(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_ANY, ends);
    probe_start(rig, &probe, ends[0], ROUSE_READ, NULL);
    rig_turns(rig, 3);
    assert_int_equal(probe.calls, 0);
    MUST(world_send(ends[1], "x", 1));
    rig_turns(rig, 5);
    assert_int_equal(probe.calls, 5);
    MUST(world_drain(ends[0]));
    rig_turns(rig, 3);
    assert_int_equal(probe.calls, 5);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

static void reading_a_little_at_a_time_reads_all(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    probe_start(rig, &probe, ends[0], ROUSE_READ, probe_read);
    probe.chunk = 3;
    MUST(world_send(ends[1], "12345678", 8));
    TURN_UNTIL(rig, probe.received == 8);
    rig_turns(rig, 3);
    assert_int_equal(probe.calls, 3);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

/* A5: guarantee 2. */
static void one_callback_with_all_that_is_ready(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    MUST(world_send(ends[1], "x", 1));
    probe_start(rig, &probe, ends[0], ROUSE_READ | ROUSE_WRITE, NULL);
    assert_int_equal(rouse_turn(rig->loop, 0), 1);
    assert_int_equal(probe.calls, 1);
    assert_int_equal(probe.ready, ROUSE_READ | ROUSE_WRITE);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

/* B2, B7: nothing is told that is not wanted, and nobody is called with nothing. */
static void told_only_what_is_wanted(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    MUST(world_send(ends[1], "x", 1));
    probe_start(rig, &probe, ends[0], ROUSE_READ, NULL);
    const uint32_t wants[] = {ROUSE_READ, ROUSE_WRITE, ROUSE_READ | ROUSE_WRITE, ROUSE_WRITE,
                              ROUSE_PRIORITY | ROUSE_READ};
    for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++) {
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, wants[i]));
        rig_turns(rig, 1);
        assert_int_equal(probe.ready, wants[i] & ~(uint32_t)ROUSE_PRIORITY);
    }
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_PRIORITY));
    unsigned calls = probe.calls;
    rig_turns(rig, 3);
    assert_int_equal(probe.calls, calls);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

/* D3: urgent data wakes who wants PRIORITY, and with nothing else. */
static void priority_is_no_read(void **state)
{
    contract_needs_priority();
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_TCP, ends);
    probe_start(rig, &probe, ends[0], ROUSE_READ | ROUSE_PRIORITY, NULL);
    MUST(world_priority(ends[1], '!'));
    world_await(ends[0], ROUSE_PRIORITY);
    rig_turns(rig, 1);
    assert_int_equal(probe.ready, ROUSE_PRIORITY);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
    rig_turns(rig, 3);
    assert_int_equal(probe.calls, 1);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

static void paused_watcher_is_not_called(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_ANY, ends);
    MUST(world_send(ends[1], "x", 1));
    probe_start(rig, &probe, ends[0], ROUSE_READ, NULL);
    for (unsigned round = 1; round <= 3; round++) {
        rig_turns(rig, 1);
        assert_int_equal(probe.calls, round);
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, 0));
        rig_turns(rig, 3);
        assert_int_equal(probe.calls, round);
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
    }
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

static void watcher_started_with_nothing_is_paused(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_ANY, ends);
    MUST(world_send(ends[1], "x", 1));
    probe_start(rig, &probe, ends[0], 0, NULL);
    rig_turns(rig, 3);
    assert_int_equal(probe.calls, 0);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
    rig_turns(rig, 1);
    assert_int_equal(probe.calls, 1);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

/* C2: the peer resets while nothing is wanted: no event, and the error is told when it is asked
 * for. */
static void hangup_of_a_paused_watcher_waits(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_TCP, ends);
    probe_start(rig, &probe, ends[0], ROUSE_READ, probe_read);
    rig_turns(rig, 1);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, 0));
    MUST(world_reset(ends[1]));
    world_await(ends[0], ROUSE_ERROR | ROUSE_HANGUP);
    assert_in_range(rig_turns(rig, 20), 0, 2);
    assert_int_equal(probe.calls, 0);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
    rig_turns(rig, 1);
    assert_int_equal(probe.calls, 1);
    assert_int_equal(contract_told(probe.ready),
                     contract_told(ROUSE_READ | ROUSE_ERROR | ROUSE_HANGUP));
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    contract_not_on_wine("takes a reset for the end of the stream");
    contract_not_on_libkqueue("takes the error of a socket");
    assert_int_equal(probe.last, -ECONNRESET);
}

/* Pausing in the callback holds from that very turn on. */
static void paused_in_its_own_callback(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    probe_start(rig, &probe, ends[0], ROUSE_READ | ROUSE_WRITE, probe_pause);
    rig_turns(rig, 5);
    assert_int_equal(probe.calls, 1);
    MUST(world_close(ends[1]));
    rig_turns(rig, 5);
    assert_int_equal(probe.calls, 1);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
}

static void pause_the_other(struct probe *probe)
{
    CHECK_OK(probe->rig->loop, rouse_io_want(&probe->other->io, 0));
}

/* What was fetched in the same batch is not told to a watcher that has been paused meanwhile. */
static void paused_by_another_in_the_same_batch(void **state)
{
    struct rig *rig = *state;
    rouse_fd first[2], second[2];
    struct probe one, two;
    contract_pair(WORLD_ANY, first);
    contract_pair(WORLD_ANY, second);
    probe_start(rig, &one, first[0], ROUSE_READ, pause_the_other);
    probe_start(rig, &two, second[0], ROUSE_READ, pause_the_other);
    one.other = &two;
    two.other = &one;
    rig_turns(rig, 1);
    MUST(world_send(first[1], "x", 1));
    MUST(world_send(second[1], "x", 1));
    rig_turns(rig, 5);
    assert_int_equal(one.calls != 0, two.calls == 0); /* the first one silenced the other */
    assert_int_equal(one.calls + two.calls, 5);
    CHECK_OK(rig->loop, rouse_io_close(&one.io));
    CHECK_OK(rig->loop, rouse_io_close(&two.io));
    MUST(world_close(first[1]));
    MUST(world_close(second[1]));
}

static void want_write_instead(struct probe *probe)
{
    CHECK_OK(probe->rig->loop, rouse_io_want(&probe->io, ROUSE_WRITE));
}

static void changed_in_its_own_callback(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    MUST(world_send(ends[1], "x", 1));
    probe_start(rig, &probe, ends[0], ROUSE_READ, want_write_instead);
    rig_turns(rig, 1);
    assert_int_equal(probe.ready, ROUSE_READ);
    rig_turns(rig, 1);
    assert_int_equal(probe.ready, ROUSE_WRITE);
    assert_int_equal(probe.calls, 2);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

/* B9: to start a started watcher again changes what it wants, and nothing else. */
static void start_is_idempotent(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    MUST(world_send(ends[1], "x", 1));
    probe_start(rig, &probe, ends[0], ROUSE_READ, NULL);
    for (int i = 0; i < 3; i++)
        CHECK_OK(rig->loop, rouse_io_start(rig->loop, &probe.io, ends[0], ROUSE_READ));
    rig_turns(rig, 1);
    assert_int_equal(probe.calls, 1);
    CHECK_OK(rig->loop, rouse_io_start(rig->loop, &probe.io, ends[0], ROUSE_WRITE));
    rig_turns(rig, 1);
    assert_int_equal(probe.calls, 2);
    assert_int_equal(probe.ready, ROUSE_WRITE);
    CHECK_OK(rig->loop, rouse_io_stop(&probe.io));
    rig_turns(rig, 3);
    assert_int_equal(probe.calls, 2);
    contract_close(ends);
}

/* B6: WRITE that is no longer wanted is dropped by what is held, not by what was last asked. */
static void dropped_write_is_no_busy_loop(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    probe_start(rig, &probe, ends[0], ROUSE_READ, NULL);
    rig_turns(rig, 1);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ | ROUSE_WRITE));
    rig_turns(rig, 1);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ | ROUSE_WRITE));
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
    assert_in_range(rig_turns(rig, 10), 0, 1);
    assert_int_equal(probe.calls, 1);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG(called_in_every_turn_while_ready),
        RIG(reading_a_little_at_a_time_reads_all),
        RIG(one_callback_with_all_that_is_ready),
        RIG(told_only_what_is_wanted),
        RIG(priority_is_no_read),
        RIG(paused_watcher_is_not_called),
        RIG(watcher_started_with_nothing_is_paused),
        RIG(hangup_of_a_paused_watcher_waits),
        RIG(paused_in_its_own_callback),
        RIG(paused_by_another_in_the_same_batch),
        RIG(changed_in_its_own_callback),
        RIG(start_is_idempotent),
        RIG(dropped_write_is_no_busy_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
