/*
 * Edge watchers that write more than fits: a megabyte in pieces, of which the kernel takes some,
 * through a peer that empties what has arrived.
 *
 * A writer is called until EAGAIN or, on a stream or pipe, a short count has drained the room, and
 * again when there is room. A rule that drains too much would stop it half way, for ever.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"

enum { AMOUNT = 1 << 20 };

/* Writes once in a callback, until AMOUNT has been written. */
static void write_some(struct probe *probe)
{
    static const char zeros[16384];
    size_t left = AMOUNT - probe->received;
    size_t size = left < probe->chunk ? left : probe->chunk;
    probe->last = rouse_write(&probe->io, zeros, size);
    if (probe->last > 0)
        probe->received += (size_t)probe->last;
    if (probe->received == AMOUNT)
        CHECK_OK(probe->rig->loop, rouse_io_want(&probe->io, 0));
}

static void writes_all(struct rig *rig, enum world_kind kind, int end, size_t chunk)
{
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(kind, ends);
    probe_start(rig, &probe, ends[end], ROUSE_WRITE | ROUSE_EDGE, write_some);
    probe.chunk = chunk;
    size_t arrived = 0;
    for (int round = 0; round < 10000 && arrived < AMOUNT; round++) {
        rig_turns(rig, 2);
        if (probe.received > arrived)
            world_await(ends[!end], ROUSE_READ);
        else
            world_await(ends[end], ROUSE_WRITE);
        arrived += (size_t)MUST(world_drain(ends[!end]));
    }
    assert_int_equal(arrived, AMOUNT);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[!end]));
}

static void writer_gets_all_through_a_pipe(void **state)
{
    writes_all(*state, WORLD_PIPE, 1, 4096);
    writes_all(*state, WORLD_PIPE, 1, 7000);
}

static void writer_gets_all_through_a_stream(void **state)
{
    writes_all(*state, WORLD_STREAM, 0, 16384);
    writes_all(*state, WORLD_TCP, 0, 10000);
}

static void writer_gets_all_through_datagrams(void **state)
{
    writes_all(*state, WORLD_DATAGRAM, 0, 1024);
    writes_all(*state, WORLD_SEQPACKET, 0, 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG(writer_gets_all_through_a_pipe),
        RIG(writer_gets_all_through_a_stream),
        RIG(writer_gets_all_through_datagrams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
