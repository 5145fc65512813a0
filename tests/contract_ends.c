/*
 * How things end, and fail: hangup, errors, refused connections, listeners without descriptors to
 * spare.
 *
 * ERROR and HANGUP come with the READ or WRITE that was wanted, for the next read or write is what
 * tells them; nobody else takes them away. Kernels differ in what they report of an end, which is
 * why the cases compare what a user sees.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"

/* C1, C3: the end of a pipe is READ, though the kernel says only hangup. */
static void end_of_a_pipe_is_readable(void **state)
{
    struct rig *rig = *state;
    const uint32_t modes[] = {0, ROUSE_EDGE, ROUSE_ONESHOT};
    for (int mode = 0; mode < 3; mode++) {
        rouse_fd ends[2];
        struct probe probe;
        contract_pair(WORLD_ANY, ends);
        probe_start(rig, &probe, ends[0], ROUSE_READ | modes[mode], probe_read);
        rig_turns(rig, 2);
        assert_int_equal(probe.calls, 0);
        MUST(world_close(ends[1]));
        rig_turns(rig, 1);
        assert_int_equal(contract_told(probe.ready), contract_told(ROUSE_READ | ROUSE_HANGUP));
        assert_true(probe.ended);
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    }
}

/* C4: the writer of a full pipe learns that its reader has gone. */
static void lost_reader_is_writable(void **state)
{
    struct rig *rig = *state;
    const uint32_t modes[] = {0, ROUSE_EDGE, ROUSE_ONESHOT};
    for (int mode = 0; mode < 3; mode++) {
        rouse_fd ends[2];
        struct probe probe;
        contract_pair(WORLD_PIPE, ends);
        MUST(world_fill(ends[1]));
        probe_start(rig, &probe, ends[1], ROUSE_WRITE | modes[mode], NULL);
        rig_turns(rig, 2);
        assert_int_equal(probe.calls, 0);
        MUST(world_close(ends[0]));
        rig_turns(rig, 1);
        assert_int_equal(contract_told(probe.ready), contract_told(ROUSE_WRITE | ROUSE_ERROR));
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    }
}

/* C5: that the peer has closed is no error. */
static void close_of_the_peer_is_no_error(void **state)
{
    struct rig *rig = *state;
    const enum world_kind kinds[] = {WORLD_STREAM, WORLD_TCP, WORLD_SEQPACKET};
    for (int i = 0; i < 3 && world_has(kinds[i]); i++) {
        rouse_fd ends[2];
        struct probe probe;
        contract_pair(kinds[i], ends);
        probe_start(rig, &probe, ends[0], ROUSE_READ, probe_read);
        rig_turns(rig, 1);
        MUST(world_close(ends[1]));
        world_await(ends[0], ROUSE_READ | ROUSE_HANGUP);
        rig_turns(rig, 1);
        assert_int_equal(contract_told(probe.ready), contract_told(ROUSE_READ | ROUSE_HANGUP));
        assert_true(probe.ended);
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    }
}

/* C7: data first, then the end, once. */
static void data_comes_before_the_end(void **state)
{
    struct rig *rig = *state;
    const enum world_kind kinds[] = {WORLD_ANY, WORLD_STREAM, WORLD_TCP, WORLD_SEQPACKET};
    for (int i = 0; i < 4 && world_has(kinds[i]); i++) {
        rouse_fd ends[2];
        struct probe probe;
        contract_pair(kinds[i], ends);
        MUST(world_send(ends[1], "12345", 5));
        MUST(world_close(ends[1]));
        world_await(ends[0], ROUSE_READ | ROUSE_HANGUP);
        probe_start(rig, &probe, ends[0], ROUSE_READ, probe_read);
        rig_turns(rig, 1);
        assert_int_equal(probe.received, 5);
        assert_int_equal(probe.ended, false);
        rig_turns(rig, 1);
        assert_true(probe.ended);
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    }
}

/* C11: who only writes, to a peer that only reads any more, is not called for the peer's end. */
static void writer_is_not_woken_by_the_end_of_what_it_does_not_read(void **state)
{
    struct rig *rig = *state;
    const uint32_t firsts[] = {ROUSE_WRITE, ROUSE_WRITE | ROUSE_EDGE, ROUSE_READ | ROUSE_EDGE};
    for (int i = 0; i < 3; i++) {
        rouse_fd ends[2];
        struct probe probe;
        contract_pair(WORLD_STREAM, ends);
        MUST(world_fill(ends[0]));
        probe_start(rig, &probe, ends[0], firsts[i], NULL);
        rig_turns(rig, 1);
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_WRITE));
        rig_turns(rig, 1);
        MUST(world_shut(ends[1], ROUSE_WRITE));
        assert_in_range(rig_turns(rig, 20), 0, 2);
        assert_int_equal(probe.calls, 0);
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
        MUST(world_close(ends[1]));
    }
}

/* C6: the reader's end of writing is its own business: READ is told, and writing goes on. */
static void half_closed_connection_can_still_be_written(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_TCP, ends);
    MUST(world_shut(ends[1], ROUSE_WRITE));
    world_await(ends[0], ROUSE_READ | ROUSE_HANGUP);
    probe_start(rig, &probe, ends[0], ROUSE_READ | ROUSE_WRITE, probe_read);
    rig_turns(rig, 1);
    assert_int_equal(contract_told(probe.ready),
                     contract_told(ROUSE_READ | ROUSE_WRITE | ROUSE_HANGUP));
    assert_true(probe.ended);
    assert_int_equal(rouse_write(&probe.io, "still", 5), 5);
    world_await_bytes(ends[1], 5);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

static void reset_is_an_error_of_the_next_read(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_TCP, ends);
    probe_start(rig, &probe, ends[0], ROUSE_READ | ROUSE_WRITE, probe_read);
    MUST(world_reset(ends[1]));
    world_await(ends[0], ROUSE_ERROR);
    rig_turns(rig, 1);
    assert_int_equal(contract_told(probe.ready),
                     contract_told(ROUSE_READ | ROUSE_WRITE | ROUSE_ERROR | ROUSE_HANGUP));
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    contract_not_on_wine("takes a reset for the end of the stream");
    contract_not_on_libkqueue("takes the error of a socket");
    assert_int_equal(probe.last, -ECONNRESET);
}

/* F2: told, taken by the read, and gone; and the socket goes on. */
static void refused_datagram_is_told_once(void **state)
{
    contract_not_on_libkqueue("takes the error of a socket");
    struct rig *rig = *state;
    const uint32_t modes[] = {0, ROUSE_EDGE};
    for (int mode = 0; mode < 2; mode++) {
        rouse_fd fd;
        struct probe probe;
        MUST(world_refused_datagram(&fd, false));
        probe_start(rig, &probe, fd, ROUSE_READ | modes[mode], probe_read);
        TURN_UNTIL(rig, probe.last == -ECONNREFUSED);
        if (strcmp(subject_backend()->name, "kqueue") == 0)
            assert_int_equal(probe.ready, ROUSE_READ); /* the read alone tells */
        else
            assert_int_equal(contract_told(probe.ready), contract_told(ROUSE_READ | ROUSE_ERROR));
        rig_turns(rig, 2);
        assert_in_range(rig_turns(rig, 10), 0, 0);
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    }
}

/* F1: an error that lasts is told as long as it lasts, can be paused, and can be taken away. */
static void queued_error_lasts_until_it_is_taken(void **state)
{
    contract_not_on_libkqueue("takes the error of a socket");
    struct rig *rig = *state;
    rouse_fd fd;
    struct probe probe;
    MUST(world_refused_datagram(&fd, true));
    probe_start(rig, &probe, fd, ROUSE_READ, NULL);
    rig_turns(rig, 3);
    assert_int_equal(probe.calls, 3);
    assert_int_equal(contract_told(probe.ready), contract_told(ROUSE_READ | ROUSE_ERROR));
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, 0));
    assert_in_range(rig_turns(rig, 10), 0, 1);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
    MUST(world_take_refusal(fd));
    char byte;
    world_receive(fd, &byte, 1);
    rig_turns(rig, 2);
    assert_int_equal(rig_turns(rig, 10), 0);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
}

/* The loop never changes O_NONBLOCK, and its helpers do not block on sockets either way. */
static void blocking_socket_stays_one_and_does_not_block(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    char byte;
    contract_pair(WORLD_STREAM, ends);
    MUST(world_block(ends[0], true));
    probe_start(rig, &probe, ends[0], ROUSE_READ | ROUSE_WRITE, NULL);
    rig_turns(rig, 1);
    assert_int_equal(rouse_read(&probe.io, &byte, 1), -EAGAIN);
    static const char zeros[65536];
    ssize_t written;
    while ((written = rouse_write(&probe.io, zeros, sizeof zeros)) > 0)
        ;
    assert_int_equal(written, -EAGAIN);
    assert_true(world_blocks(ends[0]));
    if (!world_is_model()) { /* it asks the operating system */
        CHECK_OK(NULL, rouse_nonblock(ends[0]));
        assert_int_equal(world_blocks(ends[0]), false);
    }
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

/* No SIGPIPE, which would end this program. */
static void write_to_a_closed_socket_is_an_error_value(void **state)
{
    struct rig *rig = *state;
    const enum world_kind kinds[] = {WORLD_UNIX, WORLD_SEQPACKET};
    for (int i = 0; i < 2; i++) {
        rouse_fd ends[2];
        struct probe probe;
        contract_pair(kinds[i], ends);
        MUST(world_close(ends[1]));
        probe_start(rig, &probe, ends[0], ROUSE_WRITE, NULL);
        rig_turns(rig, 1);
        assert_true(probe.ready & ROUSE_WRITE);
        assert_int_equal(rouse_write(&probe.io, "x", 1), -EPIPE);
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG(end_of_a_pipe_is_readable),
        RIG(lost_reader_is_writable),
        RIG(close_of_the_peer_is_no_error),
        RIG(data_comes_before_the_end),
        RIG(writer_is_not_woken_by_the_end_of_what_it_does_not_read),
        RIG(half_closed_connection_can_still_be_written),
        RIG(reset_is_an_error_of_the_next_read),
        RIG(refused_datagram_is_told_once),
        RIG(queued_error_lasts_until_it_is_taken),
        RIG(blocking_socket_stays_one_and_does_not_block),
        RIG(write_to_a_closed_socket_is_an_error_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
