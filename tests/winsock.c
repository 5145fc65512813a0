/*
 * Bad input on Windows: Winsock that was not started, and handles that are no sockets. Each is
 * -ENOTSOCK, on every backend, and nothing else is lost by it.
 *
 * What surprises: a handle that was closed is given out again for the next thing that is opened,
 * whatever that is; so what was a watched socket may be a file when the kernel is asked next.
 *
 * SPDX-License-Identifier: MIT
 */
#include <winsock2.h>

#include "contract.h"

enum { KINDS = 4 };

/* A file, the two ends of a pipe, and an event. */
static void open_strangers(HANDLE strangers[KINDS])
{
    char folder[MAX_PATH], name[MAX_PATH];
    assert_int_not_equal(GetTempPathA(sizeof folder, folder), 0);
    assert_int_not_equal(GetTempFileNameA(folder, "ro", 0, name), 0);
    strangers[0] = CreateFileA(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_ALWAYS,
                               FILE_FLAG_DELETE_ON_CLOSE, NULL);
    assert_true(strangers[0] != INVALID_HANDLE_VALUE);
    assert_true(CreatePipe(&strangers[1], &strangers[2], NULL, 0));
    strangers[3] = CreateEventA(NULL, TRUE, FALSE, NULL);
    assert_non_null(strangers[3]);
}

static void close_strangers(HANDLE strangers[KINDS])
{
    for (int i = 0; i < KINDS; i++)
        assert_true(CloseHandle(strangers[i]));
}

/* A19, Q8: refused at the start; those that are watched go on, and so does the loop. */
static void handle_that_is_no_socket_is_refused(void **state)
{
    struct rig *rig = *state;
    HANDLE strangers[KINDS];
    rouse_fd ends[2];
    struct probe good, stranger;
    open_strangers(strangers);
    contract_pair(WORLD_TCP, ends);
    probe_start(rig, &good, ends[0], ROUSE_READ, probe_read);
    for (int i = 0; i < KINDS; i++) {
        rouse_fd fd = (rouse_fd)strangers[i];
        probe_init(rig, &stranger, NULL);
        assert_int_equal(rouse_io_start(rig->loop, &stranger.io, fd, ROUSE_READ), -ENOTSOCK);
        assert_non_null(strstr(rouse_error(rig->loop), "not a socket"));
        assert_int_equal(rouse_io_active(&stranger.io), 0);
        assert_true(rouse_nonblock(fd) < 0);
        assert_int_equal(rig_turns(rig, 3), 0);
        MUST(world_send(ends[1], "x", 1));
        TURN_UNTIL(rig, good.received == (size_t)i + 1);
    }
    close_strangers(strangers);
    CHECK_OK(rig->loop, rouse_io_close(&good.io));
    MUST(world_close(ends[1]));
}

/* The backend alone is asked by nobody before it: it refuses, and the others apply. */
static void backend_refuses_it_too(void **state)
{
    if (subject_guesses())
        SKIP("spin asks nobody, so nothing is refused");
    struct bare *bare = *state;
    HANDLE strangers[KINDS];
    rouse_fd ends[2];
    open_strangers(strangers);
    contract_pair(WORLD_TCP, ends);
    MUST(world_send(ends[1], "x", 1));
    world_await(ends[0], ROUSE_READ);
    struct rouse_change changes[KINDS + 1] = {
        {.fd = ends[0], .token = TOKEN(1, KINDS), .want = ROUSE_READ}};
    for (uint32_t i = 0; i < KINDS; i++)
        changes[i + 1] = (struct rouse_change){
            .fd = (rouse_fd)strangers[i], .token = TOKEN(1, i), .want = ROUSE_READ};
    assert_int_equal(bare_poll(bare, changes, KINDS + 1, -1), KINDS + 1);
    assert_int_equal(bare_event(bare, TOKEN(1, KINDS))->ready, ROUSE_READ);
    for (uint32_t i = 0; i < KINDS; i++)
        assert_int_equal(bare_event(bare, TOKEN(1, i))->result, -ENOTSOCK);
    assert_int_equal(bare_poll(bare, NULL, 0, 0), 1); /* nothing is left of the others */
    bare_drop(bare, ends[0], TOKEN(1, KINDS));
    close_strangers(strangers);
    contract_close(ends);
}

/* A11, A14: a watched socket is closed behind the loop's back, and its handle is something else's.
 */
static void handle_of_a_watched_socket_used_for_something_else(void **state)
{
    if (subject_guesses())
        SKIP("spin asks nobody, so nothing is refused");
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    HANDLE heirs[64];
    int heir = 0;
    contract_pair(WORLD_TCP, ends);
    probe_start(rig, &probe, ends[0], ROUSE_READ, NULL);
    rig_turns(rig, 1);
    contract_close(ends);
    for (; heir < 64; heir++) {
        heirs[heir] = CreateEventA(NULL, TRUE, FALSE, NULL);
        if ((rouse_fd)heirs[heir] == ends[0])
            break;
    }
    bool used = heir < 64;
    if (used) {
        rig_turns(rig, 20);
        assert_in_range(probe.calls, 0, 1); /* an error, or silence */
        assert_int_equal(rig_turns(rig, 20), 0);
        unsigned calls = probe.calls;
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ | ROUSE_WRITE));
        rig_turns(rig, 20);
        assert_int_equal(probe.calls, calls + 1);
        assert_int_equal(probe.error, -ENOTSOCK);
    }
    CHECK_OK(rig->loop, rouse_io_stop(&probe.io));
    for (int i = 0; i < heir + used; i++)
        assert_true(CloseHandle(heirs[i]));
    if (!used)
        SKIP("the handle was not given out again");
}

/* C11: WSAPoll cannot be told not to report the end of what nobody reads, which lasts. Each wait of
 * 10 ms or more is one call, whatever the machine; and nobody's place is lost by it. */
static void end_that_nobody_reads_is_no_spin(void **state)
{
    if (subject_guesses())
        SKIP("spin never sleeps");
    struct bare *bare = *state;
    rouse_fd full[2][2], quiet[2];
    contract_pair(WORLD_TCP, quiet);
    for (uint32_t i = 0; i < 2; i++) {
        contract_pair(WORLD_TCP, full[i]);
        MUST(world_fill_connection(full[i][0]));
        MUST(world_shut(full[i][1], ROUSE_WRITE));
        world_await(full[i][0], ROUSE_READ | ROUSE_HANGUP);
        assert_int_equal(bare_change(bare, full[i][0], TOKEN(1, i), 0, ROUSE_WRITE), 0);
    }
    assert_int_equal(bare_change(bare, quiet[0], TOKEN(1, 2), 0, ROUSE_READ), 0);
    assert_int_equal(bare_poll(bare, NULL, 0, 1000000), 0);
    bare_drop(bare, full[0][0], TOKEN(1, 0));
    contract_close(full[0]);
    int calls = 0;
    for (int64_t begin = world_now(); world_now() - begin < 100000000; calls++)
        assert_int_equal(bare_poll(bare, NULL, 0, 100000000), 0);
    assert_in_range(calls, 1, 11);
    while (bare_ready(bare, TOKEN(1, 1)) == 0)
        MUST(world_drain(full[1][1]));
    assert_int_equal(bare_event(bare, TOKEN(1, 1))->ready & ROUSE_WRITE, ROUSE_WRITE);
    bare_drop(bare, full[1][0], TOKEN(1, 1));
    contract_close(full[1]);
    MUST(world_send(quiet[1], "x", 1));
    assert_int_equal(bare_poll(bare, NULL, 0, -1), 1);
    assert_int_equal(bare_event(bare, TOKEN(1, 2))->ready, ROUSE_READ);
    bare_drop(bare, quiet[0], TOKEN(1, 2));
    contract_close(quiet);
}

/* E1, E2: told to who reads, too; of select it stands in the third set only. */
static void refused_connect_is_told_as_long_as_it_lasts(void **state)
{
    if (subject_guesses())
        SKIP("spin asks nobody, so nothing is refused");
    struct bare *bare = *state;
    const uint32_t wants[] = {ROUSE_WRITE, ROUSE_READ, ROUSE_READ | ROUSE_WRITE};
    for (uint32_t i = 0; i < 3; i++) {
        rouse_fd client;
        MUST(world_refused(&client));
        uint32_t ready = bare_change(bare, client, TOKEN(1, i), 0, wants[i]);
        for (int tries = 0; tries < 1000 && ready == 0; tries++) {
            bare_poll(bare, NULL, 0, 10000000);
            ready = bare_ready(bare, TOKEN(1, i));
        }
        assert_true(ready & (wants[i] | ROUSE_ERROR));
        assert_int_equal(bare_ready(bare, TOKEN(1, i)), ready);
        bare_drop(bare, client, TOKEN(1, i));
        MUST(world_close(client));
    }
}

/* E1, D4: priority data and a failed connect stand in the same set of select; who watches a socket
 * from before it was connected is told of the one it wants. */
static void priority_data_is_no_failed_connect(void **state)
{
    if (subject_guesses())
        SKIP("spin reports what it cannot know");
    struct bare *bare = *state;
    rouse_fd listener, client, accepted;
    struct sockaddr_in address;
    int size = sizeof address;
    MUST(world_listen(&listener));
    MUST(world_unconnected(&client));
    assert_int_equal(bare_change(bare, client, TOKEN(1, 0), 0, ROUSE_READ), 0);
    assert_int_equal(getsockname((SOCKET)listener, (struct sockaddr *)&address, &size), 0);
    connect((SOCKET)client, (struct sockaddr *)&address, size); /* goes on by itself */
    world_await(listener, ROUSE_READ);
    MUST(world_accept(listener, &accepted));
    world_await(client, ROUSE_WRITE);
    MUST(world_priority(accepted, '!'));
    world_await(client, ROUSE_PRIORITY);
    assert_int_equal(bare_ready(bare, TOKEN(1, 0)), 0);
    int64_t begin = world_now();
    assert_int_equal(bare_poll(bare, NULL, 0, 20000000), 0);
    assert_true(world_now() - begin >= 20000000); /* nor does it end a wait */
    assert_int_equal(bare_change(bare, client, TOKEN(1, 0), ROUSE_READ, ROUSE_PRIORITY),
                     ROUSE_PRIORITY);
    MUST(world_fill_connection(client));
    assert_int_equal(bare_change(bare, client, TOKEN(1, 0), ROUSE_PRIORITY, ROUSE_WRITE), 0);
    bare_drop(bare, client, TOKEN(1, 0));
    MUST(world_close(client));
    MUST(world_close(accepted));
    MUST(world_close(listener));
}

/* The last case: of the sockets that were open before it, none is left. */
static void before_winsock_is_started_nothing_is_a_socket(void **state)
{
    (void)state;
    HANDLE event = CreateEventA(NULL, TRUE, FALSE, NULL);
    struct rouse_loop *loop;
    struct rouse_io io;
    WSADATA data;
    while (WSACleanup() == 0)
        ;
    assert_int_equal(rouse_nonblock((rouse_fd)event), -ENOTSOCK);
    CHECK_OK(NULL, rouse_open(&loop, NULL)); /* starts it where it needs it itself */
    rouse_io_init(&io, (void (*)(struct rouse_io *, uint32_t))abort);
    assert_int_equal(rouse_io_start(loop, &io, (rouse_fd)event, ROUSE_READ), -ENOTSOCK);
    CHECK_OK(loop, rouse_turn(loop, 0));
    assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), 0);
    SOCKET socket_now = socket(AF_INET, SOCK_DGRAM, 0);
    assert_true(socket_now != INVALID_SOCKET);
    CHECK_OK(loop, rouse_io_start(loop, &io, (rouse_fd)socket_now, ROUSE_READ));
    CHECK_OK(loop, rouse_io_close(&io));
    CHECK_OK(NULL, rouse_close(loop));
    assert_true(CloseHandle(event));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG(handle_that_is_no_socket_is_refused),
        BARE(backend_refuses_it_too),
        RIG(handle_of_a_watched_socket_used_for_something_else),
        BARE(refused_connect_is_told_as_long_as_it_lasts),
        BARE(priority_data_is_no_failed_connect),
        BARE(end_that_nobody_reads_is_no_spin),
        cmocka_unit_test(before_winsock_is_started_nothing_is_a_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
