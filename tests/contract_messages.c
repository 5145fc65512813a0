/*
 * What counts as drained, where a read ends for another reason than that there is no more:
 * messages, records, lines, counts and clients end where they end. There only EAGAIN has drained.
 *
 * Each case leaves two or more of them to be read into a buffer that is larger than one, and would
 * miss the second if a short count were believed.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"

static const uint32_t edge_read = ROUSE_READ | ROUSE_EDGE;

/* Two messages, each shorter than the buffer. */
static void messages_are_shorter_than_the_buffer(struct rig *rig, enum world_kind kind)
{
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(kind, ends);
    probe_start(rig, &probe, ends[0], edge_read, probe_read);
    probe.chunk = 100;
    rig_turns(rig, 2);
    MUST(world_send(ends[1], "first", 5));
    MUST(world_send(ends[1], "second", 6));
    world_await(ends[0], ROUSE_READ);
    if (kind == WORLD_UDP)
        world_await_sent(ends[1]);
    rig_reads_all(rig, &probe, 11);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

static void short_datagram_does_not_drain(void **state)
{
    messages_are_shorter_than_the_buffer(*state, WORLD_UDP);
    if (world_has(WORLD_DATAGRAM))
        messages_are_shorter_than_the_buffer(*state, WORLD_DATAGRAM);
}

static void short_record_does_not_drain(void **state)
{
    messages_are_shorter_than_the_buffer(*state, WORLD_SEQPACKET);
}

/* A read from a unix stream stops behind the bytes that a descriptor was passed with. */
static void passed_descriptor_in_a_unix_stream(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_UNIX, ends);
    MUST(world_send_with(ends[1], "first", 5, ends[1]));
    MUST(world_send(ends[1], "second", 6));
    probe_start(rig, &probe, ends[0], edge_read, probe_read);
    rig_reads_all(rig, &probe, 11);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

static void drain_by_hand(struct probe *probe)
{
    probe->received += (size_t)MUST(world_drain(probe->io.fd));
    rouse_io_drained(&probe->io, ROUSE_READ);
}

/* A pipe in packet mode cannot be told from a plain one by who reads: it is for level watchers, and
 * for those who read until EAGAIN themselves. */
static void packets_in_a_pipe(void **state)
{
    struct rig *rig = *state;
    for (int by_hand = 0; by_hand < 2; by_hand++) {
        rouse_fd ends[2];
        struct probe probe;
        MUST(world_packets(ends));
        MUST(world_send(ends[1], "first", 5));
        MUST(world_send(ends[1], "second", 6));
        if (by_hand)
            probe_start(rig, &probe, ends[0], edge_read, drain_by_hand);
        else
            probe_start(rig, &probe, ends[0], ROUSE_READ, probe_read);
        rig_reads_all(rig, &probe, 11);
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
        MUST(world_close(ends[1]));
    }
}

static void line_of_a_terminal(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_PTY, ends);
    MUST(world_send(ends[1], "first\nsecond\n", 13));
    world_await_bytes(ends[0], 13);
    probe_start(rig, &probe, ends[0], edge_read, probe_read);
    rig_reads_all(rig, &probe, 13);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

/* Reads `single` in pieces of `chunk`, which do not fit what it holds, until it has given `total`.
 */
static void reads_all_of(struct rig *rig, rouse_fd single, size_t chunk, size_t total)
{
    struct probe probe;
    probe_start(rig, &probe, single, edge_read, probe_read);
    probe.chunk = chunk;
    rig_reads_all(rig, &probe, total);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
}

static void count_of_a_semaphore(void **state)
{
    rouse_fd fd;
    MUST(world_eventfd(&fd));
    MUST(world_send(fd, &(uint64_t){3}, 8));
    reads_all_of(*state, fd, 64, 24);
}

static void signal_in_a_queue_of_signals(void **state)
{
    rouse_fd fd;
    MUST(world_signalfd(&fd));
    MUST(world_signal());
    MUST(world_signal());
    reads_all_of(*state, fd, 200, 256);
}

/* Two files were made, at 32 bytes each, and the directory is gone, at 16. */
static void tidings_of_a_directory(void **state)
{
    rouse_fd fd;
    MUST(world_inotify(&fd));
    reads_all_of(*state, fd, 40, 80);
}

static void accept_one_client(struct probe *probe)
{
    rouse_fd client;
    probe->last = rouse_accept(&probe->io, &client);
    if (probe->last == 0) {
        probe->received++;
        MUST(world_close(client));
    }
}

/* B4: who accepts one client in a callback is called again for the next one. */
static void accepted_client_does_not_drain(void **state)
{
    struct rig *rig = *state;
    rouse_fd listener, clients[3];
    struct probe probe;
    MUST(world_listen(&listener));
    for (int i = 0; i < 3; i++) {
        MUST(world_connect(listener, &clients[i]));
        world_await(clients[i], ROUSE_WRITE);
    }
    probe_start(rig, &probe, listener, edge_read, accept_one_client);
    rig_reads_all(rig, &probe, 3);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    for (int i = 0; i < 3; i++)
        MUST(world_close(clients[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG(short_datagram_does_not_drain),
        RIG(short_record_does_not_drain),
        RIG(passed_descriptor_in_a_unix_stream),
        RIG(packets_in_a_pipe),
        RIG(line_of_a_terminal),
        RIG(count_of_a_semaphore),
        RIG(signal_in_a_queue_of_signals),
        RIG(tidings_of_a_directory),
        RIG(accepted_client_does_not_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
