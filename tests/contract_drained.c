/*
 * What counts as drained. An edge is told once: a rule that calls a direction drained when it is
 * not leaves data unread for ever, and one that never does is a spin. Each case here is a rule, and
 * would never have all its data without it; the turns are bounded, so it fails instead.
 *
 * On backends without edges these watchers are watched by level and must behave the same. What
 * surprises: how many ways there are for a read to return less than was asked for while more waits.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"

static const uint32_t edge_read = ROUSE_READ | ROUSE_EDGE;

static void turn_until_ended(struct rig *rig, const struct probe *probe, size_t total)
{
    TURN_UNTIL(rig, probe->ended);
    assert_int_equal(probe->received, total);
}

/* B8: EAGAIN drains, and the next edge is told. */
static void eagain_drains(void **state)
{
    struct rig *rig = *state;
    const enum world_kind kinds[] = {WORLD_ANY, WORLD_STREAM, WORLD_DATAGRAM};
    for (int i = 0; i < 3 && world_has(kinds[i]); i++) {
        rouse_fd ends[2];
        struct probe probe;
        contract_pair(kinds[i], ends);
        probe_start(rig, &probe, ends[0], edge_read, probe_read);
        for (size_t round = 1; round <= 3; round++) {
            MUST(world_send(ends[1], "12345", 5));
            rig_reads_all(rig, &probe, 5 * round);
        }
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
        MUST(world_close(ends[1]));
    }
}

static void short_count_drains(struct rig *rig, enum world_kind kind)
{
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(kind, ends);
    probe_start(rig, &probe, ends[0], edge_read, probe_read);
    MUST(world_send(ends[1], "12345", 5));
    world_await_bytes(ends[0], 5);
    TURN_UNTIL(rig, probe.calls == 1);
    rig_turns(rig, 5);
    assert_int_equal(probe.calls, 1);
    MUST(world_send(ends[1], "678", 3));
    world_await_bytes(ends[0], 3);
    TURN_UNTIL(rig, probe.received == 8);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

/* One call a message, where it can be known that there is no more. */
static void short_count_on_a_pipe_drains(void **state)
{
    short_count_drains(*state, WORLD_PIPE);
}

static void short_count_on_a_tcp_stream_drains(void **state)
{
    short_count_drains(*state, WORLD_TCP);
}

/* C7: data and the end in one event: first the data, with a short count, then the end. */
static void data_and_end_in_one_event(void **state)
{
    struct rig *rig = *state;
    const enum world_kind kinds[] = {WORLD_ANY, WORLD_STREAM, WORLD_TCP};
    for (int i = 0; i < 3; i++) {
        rouse_fd ends[2];
        struct probe probe;
        contract_pair(kinds[i], ends);
        probe_start(rig, &probe, ends[0], edge_read, probe_read);
        rig_turns(rig, 2);
        MUST(world_send(ends[1], "12345", 5));
        MUST(world_close(ends[1]));
        world_await(ends[0], ROUSE_READ | ROUSE_HANGUP);
        turn_until_ended(rig, &probe, 5);
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    }
}

/* The event that told of the end was the first; the read that comes short is the second. */
static void end_told_by_an_earlier_event_is_remembered(void **state)
{
    struct rig *rig = *state;
    const enum world_kind kinds[] = {WORLD_ANY, WORLD_STREAM, WORLD_TCP};
    for (int i = 0; i < 3; i++) {
        rouse_fd ends[2];
        struct probe probe;
        contract_pair(kinds[i], ends);
        MUST(world_send(ends[1], "12345", 5));
        MUST(world_close(ends[1]));
        world_await(ends[0], ROUSE_READ | ROUSE_HANGUP);
        probe_start(rig, &probe, ends[0], edge_read, probe_read);
        probe.chunk = 3;
        turn_until_ended(rig, &probe, 5);
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    }
}

/* The end is told while READ is not wanted, and READ is wanted later. */
static void end_told_while_paused_is_remembered(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    probe_start(rig, &probe, ends[0], edge_read, probe_read);
    rig_turns(rig, 1);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_WRITE));
    rig_turns(rig, 1); /* WRITE is ready, and nobody writes */
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, 0));
    MUST(world_send(ends[1], "12345", 5));
    MUST(world_shut(ends[1], ROUSE_WRITE));
    rig_turns(rig, 3);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
    turn_until_ended(rig, &probe, 5);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

/* Data and a reset in one event: first the data, with a short count, then the error. */
static void data_and_error_in_one_event(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_not_on_wine("takes a reset for the end of the stream");
    contract_not_on_libkqueue("takes the error of a socket");
    contract_pair(WORLD_TCP, ends);
    probe_start(rig, &probe, ends[0], edge_read, probe_read);
    rig_turns(rig, 2);
    MUST(world_send(ends[1], "12345", 5));
    MUST(world_reset(ends[1]));
    world_await(ends[0], ROUSE_READ | ROUSE_ERROR);
    TURN_UNTIL(rig, probe.last < 0 || probe.ended);
    assert_int_equal(probe.received, 5);
    assert_int_equal(probe.last, -ECONNRESET);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
}

/* D1, D4: a read stops short at the urgent mark, with more behind it. */
static void urgent_byte_in_the_middle_of_a_stream(void **state)
{
    contract_needs_urgent_data();
    struct rig *rig = *state;
    for (size_t chunk = 0; chunk < 3; chunk += 2) { /* PRIORITY is told by this event, or earlier */
        rouse_fd ends[2];
        struct probe probe;
        contract_pair(WORLD_TCP, ends);
        probe_start(rig, &probe, ends[0], edge_read, probe_read);
        probe.chunk = chunk;
        rig_turns(rig, 2);
        MUST(world_send(ends[1], "abc", 3));
        MUST(world_priority(ends[1], '!'));
        MUST(world_send(ends[1], "def", 3));
        MUST(world_shut(ends[1], ROUSE_WRITE));
        world_await(ends[0], ROUSE_READ | ROUSE_PRIORITY | ROUSE_HANGUP);
        turn_until_ended(rig, &probe, 6);
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
        MUST(world_close(ends[1]));
    }
}

/* The same without an end behind it, which would hide that PRIORITY was forgotten. */
static void urgent_byte_and_then_silence(void **state)
{
    struct rig *rig = *state;
    for (size_t chunk = 0; chunk < 3; chunk += 2) {
        rouse_fd ends[2];
        struct probe probe;
        contract_pair(WORLD_TCP, ends);
        MUST(world_send(ends[1], "abc", 3));
        MUST(world_priority(ends[1], '!'));
        MUST(world_send(ends[1], "def", 3));
        world_await(ends[0], ROUSE_READ | ROUSE_PRIORITY);
        world_await_sent(ends[1]);
        probe_start(rig, &probe, ends[0], edge_read, probe_read);
        probe.chunk = chunk;
        rig_reads_all(rig, &probe, 6);
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
        MUST(world_close(ends[1]));
    }
}

/* B3: a helper that filled its buffer is called again in the next turn, without a new edge. */
static void full_buffer_does_not_drain(void **state)
{
    struct rig *rig = *state;
    const enum world_kind kinds[] = {WORLD_ANY, WORLD_STREAM, WORLD_TCP};
    for (int i = 0; i < 3; i++) {
        rouse_fd ends[2];
        struct probe probe;
        contract_pair(kinds[i], ends);
        probe_start(rig, &probe, ends[0], edge_read, probe_read);
        probe.chunk = 4;
        MUST(world_send(ends[1], "abcdefghijkl", 12));
        world_await_bytes(ends[0], 12);
        uint64_t events = rig_counters(rig).events;
        rig_reads_all(rig, &probe, 12);
        assert_in_range(probe.calls, 3, 4);
        if (contract_has(ROUSE_TRAIT_EDGE))
            assert_int_equal(rig_counters(rig).events - events, 1);
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
        MUST(world_close(ends[1]));
    }
}

static void read_one_byte_and_say_nothing(struct probe *probe)
{
    char byte;
    ssize_t n = world_receive(probe->io.fd, &byte, 1);
    if (n > 0)
        probe->received += (size_t)n;
}

/* B3: forgetting to say what was drained costs a little speed, and is neither a hang nor a spin. */
static void callback_that_says_nothing_is_not_stuck(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_ANY, ends);
    probe_start(rig, &probe, ends[0], edge_read, read_one_byte_and_say_nothing);
    MUST(world_send(ends[1], "12345", 5));
    rig_reads_all(rig, &probe, 5);
    assert_int_equal(probe.calls, 5);
    MUST(world_send(ends[1], "67", 2));
    rig_reads_all(rig, &probe, 7);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

/* The same for one direction of two: READ is read, and of WRITE nothing is said. */
static void direction_of_which_nothing_is_said_is_not_stuck(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    probe_start(rig, &probe, ends[0], edge_read | ROUSE_WRITE, probe_read);
    for (unsigned turn = 1; turn <= 5; turn++) {
        rig_turns(rig, 1);
        assert_int_equal(probe.calls, turn);
        assert_true(probe.ready & ROUSE_WRITE);
    }
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

static void drain_by_hand(struct probe *probe)
{
    probe->received += (size_t)MUST(world_drain(probe->io.fd));
    rouse_io_drained(&probe->io, ROUSE_READ);
}

/* Who reads by himself says so with one call, and stays an edge watcher. */
static void drained_by_hand(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    probe_start(rig, &probe, ends[0], edge_read, drain_by_hand);
    rig_turns(rig, 1);
    uint64_t sent = rig_changes_sent(rig);
    for (size_t round = 1; round <= 3; round++) {
        MUST(world_send(ends[1], "12345", 5));
        rig_reads_all(rig, &probe, 5 * round);
        assert_int_equal(probe.calls, round);
    }
    assert_int_equal(rig_changes_sent(rig), sent);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

/* C10: the end of a stream is a condition, not an event: READ stays due until it is not wanted. */
static void end_of_a_stream_stays_due(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    probe_start(rig, &probe, ends[0], edge_read, probe_read);
    MUST(world_close(ends[1]));
    rig_turns(rig, 5);
    assert_int_equal(probe.calls, 5);
    assert_true(probe.ended);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, 0));
    rig_turns(rig, 5);
    assert_int_equal(probe.calls, 5);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
    rig_turns(rig, 1);
    assert_int_equal(probe.calls, 6);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG(eagain_drains),
        RIG(short_count_on_a_pipe_drains),
        RIG(short_count_on_a_tcp_stream_drains),
        RIG(data_and_end_in_one_event),
        RIG(end_told_by_an_earlier_event_is_remembered),
        RIG(end_told_while_paused_is_remembered),
        RIG(data_and_error_in_one_event),
        RIG(urgent_byte_in_the_middle_of_a_stream),
        RIG(urgent_byte_and_then_silence),
        RIG(full_buffer_does_not_drain),
        RIG(callback_that_says_nothing_is_not_stuck),
        RIG(direction_of_which_nothing_is_said_is_not_stuck),
        RIG(drained_by_hand),
        RIG(end_of_a_stream_stays_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
