/*
 * Changes of interest: a store each, and before the wait the kernel is told once of what has become
 * of them all, or not at all.
 *
 * The loop's own counters are what these cases read. What surprises: a change undone in the same
 * turn costs nothing, and so a program need not remember what it asked for last.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"

/* A level watcher of one end of a unix pair, started, and the kernel told. */
static void settle(struct rig *rig, struct probe *probe, rouse_fd ends[2], uint32_t want)
{
    contract_pair(WORLD_STREAM, ends);
    probe_start(rig, probe, ends[0], want, NULL);
    rig_turns(rig, 1);
}

static void end(struct rig *rig, struct probe *probe, rouse_fd ends[2])
{
    CHECK_OK(rig->loop, rouse_io_stop(&probe->io));
    contract_close(ends);
}

static void start_is_one_change(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    rig_turns(rig, 1); /* the loop's own watcher is a change, too */
    uint64_t sent = rig_changes_sent(rig);
    settle(rig, &probe, ends, ROUSE_READ);
    rig_turns(rig, 3);
    assert_int_equal(rig_changes_sent(rig) - sent, 1);
    end(rig, &probe, ends);
}

static void many_wants_become_one_change(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    settle(rig, &probe, ends, ROUSE_READ);
    uint64_t sent = rig_changes_sent(rig);
    uint64_t asked = rig_counters(rig).changes_asked;
    const uint32_t wants[] = {ROUSE_WRITE, 0, ROUSE_READ | ROUSE_WRITE, ROUSE_PRIORITY,
                              ROUSE_WRITE};
    for (int round = 0; round < 20; round++)
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, wants[round % 5]));
    rig_turns(rig, 1);
    assert_int_equal(rig_changes_sent(rig) - sent, 1);
    assert_int_equal(rig_counters(rig).changes_asked - asked, 20);
    assert_int_equal(probe.ready, ROUSE_WRITE);
    end(rig, &probe, ends);
}

static void undone_change_is_not_sent(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    settle(rig, &probe, ends, ROUSE_READ);
    uint64_t sent = rig_changes_sent(rig);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ | ROUSE_WRITE));
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
    rig_turns(rig, 2);
    assert_int_equal(rig_changes_sent(rig) - sent, 0);
    end(rig, &probe, ends);
}

static void pause_and_resume_in_one_turn_sends_nothing(void **state)
{
    struct rig *rig = *state;
    const uint32_t modes[] = {0, ROUSE_EDGE};
    for (int i = 0; i < 2; i++) {
        rouse_fd ends[2];
        struct probe probe;
        settle(rig, &probe, ends, ROUSE_READ | modes[i]);
        uint64_t sent = rig_changes_sent(rig);
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, 0));
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
        rig_turns(rig, 2);
        assert_int_equal(rig_changes_sent(rig) - sent, 0);
        MUST(world_send(ends[1], "x", 1));
        rig_turns(rig, 1);
        assert_int_equal(probe.calls, 1);
        end(rig, &probe, ends);
    }
}

/* B9: the same again is no change. */
static void same_want_again_sends_nothing(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    settle(rig, &probe, ends, ROUSE_READ);
    uint64_t sent = rig_changes_sent(rig);
    for (int i = 0; i < 5; i++) {
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
        CHECK_OK(rig->loop, rouse_io_start(rig->loop, &probe.io, ends[0], ROUSE_READ));
        rig_turns(rig, 1);
    }
    assert_int_equal(rig_changes_sent(rig) - sent, 0);
    end(rig, &probe, ends);
}

/* No system call until the wait. */
static void change_is_a_store(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    settle(rig, &probe, ends, ROUSE_READ);
    struct rouse_counters before = rig_counters(rig);
    const uint32_t wants[] = {ROUSE_WRITE, 0, ROUSE_READ | ROUSE_WRITE};
    for (int i = 0; i < 3; i++)
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, wants[i]));
    struct rouse_counters after = rig_counters(rig);
    assert_int_equal(after.system_calls, before.system_calls);
    assert_int_equal(after.changes_sent, before.changes_sent);
    assert_int_equal(after.waits, before.waits);
    end(rig, &probe, ends);
}

static void started_and_stopped_before_the_wait_sends_nothing(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    rig_turns(rig, 1);
    uint64_t sent = rig_changes_sent(rig);
    for (int i = 0; i < 5; i++) {
        probe_start(rig, &probe, ends[0], ROUSE_WRITE, NULL);
        CHECK_OK(rig->loop, rouse_io_stop(&probe.io));
    }
    rig_turns(rig, 2);
    assert_int_equal(probe.calls, 0);
    assert_int_equal(rig_changes_sent(rig) - sent, 0);
    contract_close(ends);
}

static void started_paused_sends_nothing(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    rig_turns(rig, 1);
    uint64_t sent = rig_changes_sent(rig);
    probe_start(rig, &probe, ends[0], 0, NULL);
    rig_turns(rig, 2);
    CHECK_OK(rig->loop, rouse_io_stop(&probe.io));
    assert_int_equal(rig_changes_sent(rig) - sent, 0);
    contract_close(ends);
}

/* A pause is a store, and so is its end, as long as nothing comes in between. A backend that
 * guesses says that something does. */
static void quiet_pause_is_not_told(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    settle(rig, &probe, ends, ROUSE_READ);
    uint64_t sent = rig_changes_sent(rig);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, 0));
    rig_turns(rig, 3);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
    rig_turns(rig, 3);
    bool guesses = subject_backend()->traits & ROUSE_TRAIT_GUESS;
    assert_int_equal(rig_changes_sent(rig) - sent, guesses ? 2 : 0);
    end(rig, &probe, ends);
}

/* What comes while a watcher is paused costs one report; then the kernel holds it no more, and
 * a loop with nothing else to do sleeps. */
static void pause_ends_after_one_report(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    settle(rig, &probe, ends, ROUSE_READ);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, 0));
    rig_turns(rig, 1);
    MUST(world_send(ends[1], "x", 1));
    world_await(ends[0], ROUSE_READ);
    uint64_t spurious = rig_counters(rig).spurious;
    rig_turns(rig, 5);
    assert_in_range(rig_counters(rig).spurious - spurious, 0, 1);
    assert_int_equal(probe.calls, 0);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
    rig_turns(rig, 2);
    assert_int_equal(probe.calls, 2);
    end(rig, &probe, ends);
}

/* One that may write would be told of that at once: it is taken out when it is paused. */
static void pause_of_a_writer_is_one_change(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    settle(rig, &probe, ends, ROUSE_READ | ROUSE_WRITE);
    uint64_t sent = rig_changes_sent(rig);
    uint64_t spurious = rig_counters(rig).spurious;
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, 0));
    rig_turns(rig, 3);
    assert_int_equal(rig_changes_sent(rig) - sent, 1);
    assert_int_equal(rig_counters(rig).spurious - spurious, 0);
    end(rig, &probe, ends);
}

/* More changes in one turn than any batch has room for at first, and all before the wait. */
static void hundred_changes_in_one_turn(void **state)
{
    struct rig *rig = *state;
    enum { MANY = 100 };
    static rouse_fd ends[MANY][2];
    static struct probe probes[MANY];
    for (int i = 0; i < MANY; i++) {
        contract_pair(WORLD_STREAM, ends[i]);
        probe_start(rig, &probes[i], ends[i][0], ROUSE_WRITE, NULL);
    }
    rig_turns(rig, 2);
    for (int i = 0; i < MANY; i++) {
        assert_in_range(probes[i].calls, 1, 2);
        CHECK_OK(rig->loop, rouse_io_want(&probes[i].io, ROUSE_READ));
    }
    uint64_t sent = rig_changes_sent(rig);
    assert_int_equal(rig_turns(rig, 1), 0);
    assert_int_equal(rig_changes_sent(rig) - sent, MANY);
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(rig->loop, rouse_io_close(&probes[i].io));
        MUST(world_close(ends[i][1]));
    }
}

static void stop_is_one_change_at_once(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    settle(rig, &probe, ends, ROUSE_READ);
    uint64_t sent = rig_changes_sent(rig);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ | ROUSE_WRITE));
    CHECK_OK(rig->loop, rouse_io_stop(&probe.io));
    assert_int_equal(rig_changes_sent(rig) - sent, 1);
    rig_turns(rig, 2);
    assert_int_equal(rig_changes_sent(rig) - sent, 1);
    assert_int_equal(probe.calls, 0);
    contract_close(ends);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG(start_is_one_change),
        RIG(many_wants_become_one_change),
        RIG(undone_change_is_not_sent),
        RIG(pause_and_resume_in_one_turn_sends_nothing),
        RIG(same_want_again_sends_nothing),
        RIG(change_is_a_store),
        RIG(started_and_stopped_before_the_wait_sends_nothing),
        RIG(started_paused_sends_nothing),
        RIG(quiet_pause_is_not_told),
        RIG(pause_ends_after_one_report),
        RIG(pause_of_a_writer_is_one_change),
        RIG(hundred_changes_in_one_turn),
        RIG(stop_is_one_change_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
