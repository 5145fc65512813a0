/*
 * Edge watchers: what is kept, what is given up, and what is sent to the kernel, which is little.
 *
 * A direction is registered when it is first wanted and then kept; it is given up when a report
 * brings nothing that is wanted. So the cases count changes, on backends with edges; on the others,
 * which are watched by level, they only see that the watcher behaves the same.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"

static const uint32_t edge_read = ROUSE_READ | ROUSE_EDGE;

/* Fails unless `count` changes were sent since `before`; where there are edges to keep. */
static void assert_sent(const struct rig *rig, uint64_t before, uint64_t count)
{
    if (contract_has(ROUSE_TRAIT_EDGE))
        assert_int_equal(rig_changes_sent(rig) - before, count);
}

static void write_until_eagain(struct probe *probe)
{
    static const char zeros[4096];
    if (probe->ready & ROUSE_WRITE)
        while (rouse_write(&probe->io, zeros, sizeof zeros) > 0)
            ;
    probe_read(probe);
}

/* The pattern of every server: WRITE now and then. One change the first time, and none afterwards.
 */
static void write_dropped_and_wanted_again_sends_nothing(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    probe_start(rig, &probe, ends[0], edge_read, write_until_eagain);
    rig_turns(rig, 1);
    uint64_t sent = rig_changes_sent(rig);
    for (unsigned round = 1; round <= 5; round++) {
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ | ROUSE_WRITE));
        TURN_UNTIL(rig, probe.calls == round);
        assert_true(probe.ready & ROUSE_WRITE);
        rig_turns(rig, 2);
        assert_int_equal(probe.calls, round); /* it is full */
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
        rig_turns(rig, 2);
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ | ROUSE_WRITE));
        rig_turns(rig, 2);
        assert_int_equal(probe.calls, round);
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
        MUST(world_drain(ends[1])); /* there is room: told when WRITE is wanted */
    }
    assert_sent(rig, sent, 1);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

/* A report that brings nothing wanted gives up what it told of: one change, and no more reports. */
static void direction_is_given_up_when_a_report_brings_nothing_wanted(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    probe_start(rig, &probe, ends[0], edge_read | ROUSE_WRITE, write_until_eagain);
    TURN_UNTIL(rig, probe.calls == 1);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
    uint64_t sent = rig_changes_sent(rig);
    rig_turns(rig, 2);
    assert_sent(rig, sent, 0);
    unsigned events = 0;
    for (int round = 0; round < 5; round++) {
        MUST(world_drain(ends[1])); /* room: an edge that nobody wants */
        events += rig_turns(rig, 2);
        MUST(world_fill(ends[0]));
        events += rig_turns(rig, 2);
    }
    assert_int_equal(probe.calls, 1);
    assert_in_range(events, 0, 1);
    assert_sent(rig, sent, 1);
    MUST(world_send(ends[1], "x", 1));
    TURN_UNTIL(rig, probe.calls == 2);
    assert_int_equal(probe.ready, ROUSE_READ);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

static void pause_sends_nothing_until_the_kernel_reports(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    probe_start(rig, &probe, ends[0], edge_read, probe_read);
    rig_turns(rig, 2);
    uint64_t sent = rig_changes_sent(rig);
    for (int i = 0; i < 3; i++) { /* paused and resumed with nothing in between: nothing is sent */
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, 0));
        rig_turns(rig, 2);
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
        rig_turns(rig, 2);
    }
    assert_sent(rig, sent, 0);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, 0));
    unsigned events = 0;
    for (int i = 0; i < 5; i++) { /* the first report ends the registration */
        MUST(world_send(ends[1], "x", 1));
        events += rig_turns(rig, 2);
    }
    assert_in_range(events, 0, 1);
    assert_int_equal(probe.calls, 0);
    assert_sent(rig, sent, 1);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
    TURN_UNTIL(rig, probe.received == 5);
    assert_sent(rig, sent, 2);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

/* Registering both directions at once would wake a reader whenever its peer reads. */
static void reader_is_not_woken_when_its_peer_reads(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    probe_start(rig, &probe, ends[0], edge_read, probe_read);
    rig_turns(rig, 2);
    unsigned events = 0;
    for (int i = 0; i < 5; i++) {
        MUST(world_send(ends[0], "x", 1));
        events += rig_turns(rig, 1);
        MUST(world_drain(ends[1]));
        events += rig_turns(rig, 1);
    }
    assert_int_equal(events, 0);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

/* Data that was told of and not read is still due when a pause ends, without a new edge. */
static void unread_data_survives_a_pause(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    probe_start(rig, &probe, ends[0], edge_read, probe_read);
    probe.chunk = 2;
    MUST(world_send(ends[1], "12345", 5));
    TURN_UNTIL(rig, probe.received == 2);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, 0));
        unsigned calls = probe.calls;
        rig_turns(rig, 3);
        assert_int_equal(probe.calls, calls);
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
        rig_turns(rig, 1);
        assert_int_equal(probe.calls, calls + 1);
    }
    TURN_UNTIL(rig, probe.received == 5);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

/* Data that arrives during a pause is told when it ends. */
static void data_that_comes_during_a_pause_is_told_after_it(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    probe_start(rig, &probe, ends[0], edge_read, probe_read);
    for (size_t round = 1; round <= 3; round++) {
        rig_turns(rig, 1);
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, 0));
        if (round == 2)
            rig_turns(rig, 2);
        MUST(world_send(ends[1], "x", 1));
        if (round == 3)
            rig_turns(rig, 2);
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
        TURN_UNTIL(rig, probe.received == round);
    }
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

static void both_directions_in_one_callback(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    MUST(world_send(ends[1], "x", 1));
    probe_start(rig, &probe, ends[0], edge_read | ROUSE_WRITE, write_until_eagain);
    rig_turns(rig, 1);
    assert_int_equal(probe.calls, 1);
    assert_int_equal(probe.ready, ROUSE_READ | ROUSE_WRITE);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

static void say_nothing(struct probe *probe)
{
    (void)probe;
}

/* Saying nothing turns it into a level watcher, by one change, until it is started again. */
static void watcher_that_says_nothing_is_level_until_started_again(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    probe_start(rig, &probe, ends[0], edge_read, say_nothing);
    rig_turns(rig, 1);
    uint64_t sent = rig_changes_sent(rig);
    MUST(world_send(ends[1], "x", 1));
    rig_turns(rig, 5);
    assert_int_equal(probe.calls, 5);
    assert_sent(rig, sent, 1);
    probe.then = probe_read;
    CHECK_OK(rig->loop, rouse_io_start(rig->loop, &probe.io, ends[0], edge_read));
    for (size_t round = 1; round <= 3; round++) {
        TURN_UNTIL(rig, probe.received == round);
        MUST(world_send(ends[1], "x", 1));
    }
    TURN_UNTIL(rig, probe.received == 4);
    assert_sent(rig, sent, 2);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

static void started_again_as_level_and_back(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    probe_start(rig, &probe, ends[0], edge_read, probe_read);
    probe.chunk = 1;
    MUST(world_send(ends[1], "123456", 6));
    for (size_t i = 0; i < 6; i++) {
        uint32_t mode = i % 2 ? 0 : ROUSE_EDGE;
        CHECK_OK(rig->loop, rouse_io_start(rig->loop, &probe.io, ends[0], ROUSE_READ | mode));
        rig_turns(rig, 1);
        assert_int_equal(probe.received, i + 1);
    }
    rig_turns(rig, 3);
    unsigned calls = probe.calls;
    rig_turns(rig, 3);
    assert_int_equal(probe.calls, calls);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

static void stop_the_other(struct probe *probe)
{
    probe_read(probe);
    probe_stop(probe->other);
}

/* Neither has drained; each turn they are called again without being asked about; one stops the
 * other in between. */
static void stopped_while_it_is_still_due(void **state)
{
    struct rig *rig = *state;
    rouse_fd first[2], second[2];
    struct probe one, two;
    contract_pair(WORLD_ANY, first);
    contract_pair(WORLD_ANY, second);
    MUST(world_send(first[1], "12345", 5));
    MUST(world_send(second[1], "12345", 5));
    probe_start(rig, &one, first[0], edge_read, probe_read);
    probe_start(rig, &two, second[0], edge_read, probe_read);
    one.chunk = two.chunk = 1;
    one.other = &two;
    two.other = &one;
    rig_turns(rig, 2);
    assert_int_equal(one.calls + two.calls, 4);
    one.then = two.then = stop_the_other;
    rig_turns(rig, 1);
    assert_int_equal(one.calls + two.calls, 5);
    rig_turns(rig, 1);
    assert_int_equal(one.calls + two.calls, 6);
    probe_stop(&one);
    probe_stop(&two);
    contract_close(first);
    contract_close(second);
}

static void read_and_pause_the_other(struct probe *probe)
{
    probe_read(probe);
    CHECK_OK(probe->rig->loop, rouse_io_want(&probe->other->io, 0));
}

static void paused_while_it_is_still_due(void **state)
{
    struct rig *rig = *state;
    rouse_fd first[2], second[2];
    struct probe one, two;
    contract_pair(WORLD_ANY, first);
    contract_pair(WORLD_ANY, second);
    MUST(world_send(first[1], "12345", 5));
    MUST(world_send(second[1], "12345", 5));
    probe_start(rig, &one, first[0], edge_read, probe_read);
    probe_start(rig, &two, second[0], edge_read, probe_read);
    one.chunk = two.chunk = 1;
    one.other = &two;
    two.other = &one;
    rig_turns(rig, 1);
    one.then = two.then = read_and_pause_the_other;
    rig_turns(rig, 2);
    assert_int_equal(one.calls + two.calls, 4);
    assert_int_equal(one.received + two.received, 4);
    CHECK_OK(rig->loop, rouse_io_want(&one.io, ROUSE_READ));
    CHECK_OK(rig->loop, rouse_io_want(&two.io, ROUSE_READ));
    one.then = two.then = probe_read;
    TURN_UNTIL(rig, one.received + two.received == 10);
    CHECK_OK(rig->loop, rouse_io_close(&one.io));
    CHECK_OK(rig->loop, rouse_io_close(&two.io));
    MUST(world_close(first[1]));
    MUST(world_close(second[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG(write_dropped_and_wanted_again_sends_nothing),
        RIG(direction_is_given_up_when_a_report_brings_nothing_wanted),
        RIG(pause_sends_nothing_until_the_kernel_reports),
        RIG(reader_is_not_woken_when_its_peer_reads),
        RIG(unread_data_survives_a_pause),
        RIG(data_that_comes_during_a_pause_is_told_after_it),
        RIG(both_directions_in_one_callback),
        RIG(watcher_that_says_nothing_is_level_until_started_again),
        RIG(started_again_as_level_and_back),
        RIG(stopped_while_it_is_still_due),
        RIG(paused_while_it_is_still_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
