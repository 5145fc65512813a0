/*
 * One-shot watchers: paused before the callback runs, until it is armed again.
 *
 * Built from a pause, so it costs nothing of its own. What surprises: one callback pauses all
 * directions, those too that were not ready; and an edge watcher that is one-shot keeps what it has
 * not drained until it is armed again.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"

static void called_once_while_data_waits(void **state)
{
    struct rig *rig = *state;
    const uint32_t modes[] = {ROUSE_ONESHOT, ROUSE_ONESHOT | ROUSE_EDGE};
    for (int i = 0; i < 2; i++) {
        rouse_fd ends[2];
        struct probe probe;
        contract_pair(WORLD_ANY, ends);
        probe_start(rig, &probe, ends[0], ROUSE_READ | modes[i], NULL);
        rig_turns(rig, 2);
        MUST(world_send(ends[1], "x", 1));
        rig_turns(rig, 5);
        assert_int_equal(probe.calls, 1);
        assert_int_equal(probe.ready, ROUSE_READ);
        assert_true(rouse_io_active(&probe.io));
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
        MUST(world_close(ends[1]));
    }
}

static void read_and_arm(struct probe *probe)
{
    probe_read(probe);
    CHECK_OK(probe->rig->loop, rouse_io_want(&probe->io, ROUSE_READ));
}

static void armed_in_its_own_callback(void **state)
{
    struct rig *rig = *state;
    const uint32_t modes[] = {ROUSE_ONESHOT, ROUSE_ONESHOT | ROUSE_EDGE};
    for (int i = 0; i < 2; i++) {
        rouse_fd ends[2];
        struct probe probe;
        contract_pair(WORLD_ANY, ends);
        probe_start(rig, &probe, ends[0], ROUSE_READ | modes[i], read_and_arm);
        probe.chunk = 2;
        MUST(world_send(ends[1], "12345", 5));
        TURN_UNTIL(rig, probe.received == 5);
        rig_turns(rig, 3);
        MUST(world_send(ends[1], "67", 2));
        TURN_UNTIL(rig, probe.received == 7);
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
        MUST(world_close(ends[1]));
    }
}

/* Armed later, with data left over from the call before: no new edge is needed. */
static void armed_later(void **state)
{
    struct rig *rig = *state;
    const uint32_t modes[] = {ROUSE_ONESHOT, ROUSE_ONESHOT | ROUSE_EDGE};
    for (int i = 0; i < 2; i++) {
        rouse_fd ends[2];
        struct probe probe;
        contract_pair(WORLD_STREAM, ends);
        probe_start(rig, &probe, ends[0], ROUSE_READ | modes[i], probe_read);
        probe.chunk = 1;
        MUST(world_send(ends[1], "123", 3));
        for (unsigned round = 1; round <= 3; round++) {
            rig_turns(rig, 3);
            assert_int_equal(probe.calls, round);
            CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
        }
        assert_int_equal(probe.received, 3);
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
        MUST(world_close(ends[1]));
    }
}

/* The callback of an edge watcher that says nothing of what it left: armed again it is called. */
static void armed_later_after_saying_nothing(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    probe_start(rig, &probe, ends[0], ROUSE_READ | ROUSE_ONESHOT | ROUSE_EDGE, NULL);
    MUST(world_send(ends[1], "x", 1));
    for (unsigned round = 1; round <= 3; round++) {
        rig_turns(rig, 3);
        assert_int_equal(probe.calls, round);
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
    }
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

static void one_callback_for_both_directions(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    MUST(world_send(ends[1], "x", 1));
    uint32_t both = ROUSE_READ | ROUSE_WRITE;
    probe_start(rig, &probe, ends[0], both | ROUSE_ONESHOT, NULL);
    rig_turns(rig, 3);
    assert_int_equal(probe.calls, 1);
    assert_int_equal(probe.ready, both);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_WRITE));
    rig_turns(rig, 3);
    assert_int_equal(probe.calls, 2);
    assert_int_equal(probe.ready, ROUSE_WRITE);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

/* The direction that was not ready is paused with the other. */
static void all_directions_are_paused_by_one(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    probe_start(rig, &probe, ends[0], ROUSE_READ | ROUSE_WRITE | ROUSE_ONESHOT, NULL);
    rig_turns(rig, 1);
    assert_int_equal(probe.ready, ROUSE_WRITE);
    MUST(world_send(ends[1], "x", 1));
    rig_turns(rig, 3);
    assert_int_equal(probe.calls, 1);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

static void hangup_is_told_once(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    probe_start(rig, &probe, ends[0], ROUSE_READ | ROUSE_ONESHOT, NULL);
    MUST(world_close(ends[1]));
    assert_in_range(rig_turns(rig, 10), 1, 2); /* no event for a watcher that wants nothing */
    assert_int_equal(probe.calls, 1);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
}

static void file_is_told_once(void **state)
{
    struct rig *rig = *state;
    rouse_fd fd;
    struct probe probe;
    MUST(world_file(&fd));
    probe_start(rig, &probe, fd, ROUSE_READ | ROUSE_WRITE | ROUSE_ONESHOT, NULL);
    rig_turns(rig, 5);
    assert_int_equal(probe.calls, 1);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
    rig_turns(rig, 5);
    assert_int_equal(probe.calls, 2);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
}

static void start_again(struct probe *probe)
{
    struct rouse_loop *loop = probe->rig->loop;
    rouse_fd fd = probe->io.fd;
    probe_read(probe);
    CHECK_OK(loop, rouse_io_stop(&probe->io));
    CHECK_OK(loop, rouse_io_start(loop, &probe->io, fd, ROUSE_READ | ROUSE_ONESHOT));
}

static void stopped_and_started_in_its_callback(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_ANY, ends);
    probe_start(rig, &probe, ends[0], ROUSE_READ | ROUSE_ONESHOT, start_again);
    probe.chunk = 1;
    MUST(world_send(ends[1], "123", 3));
    for (unsigned turn = 1; turn <= 3; turn++) {
        rig_turns(rig, 1);
        assert_int_equal(probe.calls, turn);
    }
    rig_turns(rig, 3);
    assert_int_equal(probe.received, 3);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG(called_once_while_data_waits),
        RIG(armed_in_its_own_callback),
        RIG(armed_later),
        RIG(armed_later_after_saying_nothing),
        RIG(one_callback_for_both_directions),
        RIG(all_directions_are_paused_by_one),
        RIG(hangup_is_told_once),
        RIG(file_is_told_once),
        RIG(stopped_and_started_in_its_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
