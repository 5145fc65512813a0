/*
 * What iocp costs, counted where the kernel is entered, beside a loop of nothing but the calls that
 * it cannot do without: no call more for an event, however many are watched.
 *
 * SPDX-License-Identifier: MIT
 */
#include "kernel_iocp.h"

enum { MANY = 200, SOME = 50, ROUNDS = 20 };

static struct rouse_loop *loop;
static struct player players[MANY];
static rouse_fd ends[MANY][2];

static int set_up(void **state)
{
    kernel_setup(state);
    loop = kernel_open();
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(NULL, world_pair(WORLD_TCP, ends[i]));
        player_init(&players[i], loop, 'm', NULL);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kernel_close(loop);
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(NULL, world_close(ends[i][0]));
        CHECK_OK(NULL, world_close(ends[i][1]));
    }
    return 0;
}

static void watch(int count)
{
    for (int i = 0; i < count; i++)
        CHECK_OK(loop, rouse_io_start(loop, &players[i].io, ends[i][0], ROUSE_READ));
    for (int turns = 0; turns < 10; turns++) /* until the tables are large enough */
        CHECK_OK(loop, rouse_turn(loop, 0));
    journal_take();
}

static void data(int i)
{
    assert_int_equal(world_send(ends[i][1], "x", 1), 1);
    world_await(ends[i][0], ROUSE_READ);
}

static unsigned calls(void)
{
    return seen.devices + seen.cancels + seen.fetches;
}

/* ---- The loop of nothing else ------------------------------------------------------------- */

static HANDLE port, driver;
static struct kernel_request raw[SOME];

static void raw_open(void)
{
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK ignored;
    RtlInitUnicodeString(&name, AFD_DEVICE);
    InitializeObjectAttributes(&attributes, &name, 0, NULL, NULL);
    port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 2);
    assert_int_equal(NtCreateFile(&driver, SYNCHRONIZE, &attributes, &ignored, NULL, 0,
                                  FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_OPEN, 0, NULL, 0),
                     STATUS_SUCCESS);
    assert_ptr_equal(CreateIoCompletionPort(driver, port, 0, 0), port);
}

static void raw_close(void)
{
    CloseHandle(driver);
    CloseHandle(port);
}

static void raw_arm(int i)
{
    raw[i].poll = (AFD_POLL_INFO){
        .Timeout.QuadPart = INT64_MAX,
        .NumberOfHandles = 1,
        .Handles = {{(HANDLE)ends[i][0], AFD_POLL_RECEIVE, 0}},
    };
    assert_true(NT_SUCCESS(NtDeviceIoControlFile(driver, NULL, NULL, &raw[i], &raw[i].status,
                                                 IOCTL_AFD_POLL, &raw[i].poll, sizeof raw[i].poll,
                                                 &raw[i].poll, sizeof raw[i].poll)));
}

static unsigned raw_wait(void)
{
    OVERLAPPED_ENTRY entries[SOME];
    ULONG count;
    assert_true(GetQueuedCompletionStatusEx(port, entries, SOME, &count, INFINITE, FALSE));
    return count;
}

/* ---- Beside it ---------------------------------------------------------------------------- */

static void to_and_fro_costs_what_it_must(void **state)
{
    (void)state;
    raw_open();
    unsigned before = calls();
    for (int round = 0; round < ROUNDS; round++) {
        data(0);
        raw_arm(0);
        assert_int_equal(raw_wait(), 1);
        assert_int_equal(world_drain(ends[0][0]), 1);
    }
    unsigned needed = calls() - before;
    raw_close();
    watch(1);
    data(0);
    assert_int_equal(rouse_turn(loop, -1), 1);
    before = calls();
    uint64_t counted = stage_counters(loop).system_calls;
    for (int round = 0; round < ROUNDS; round++) {
        assert_int_equal(world_drain(ends[0][0]), 1);
        data(0);
        assert_int_equal(rouse_turn(loop, -1), 1);
    }
    assert_int_equal(needed, 2 * ROUNDS);
    assert_int_equal(calls() - before, needed);
    assert_int_equal(stage_counters(loop).system_calls - counted, needed);
}

static void many_that_are_ready_cost_what_they_must(void **state)
{
    (void)state;
    for (int i = 0; i < SOME; i++)
        data(i);
    raw_open();
    unsigned before = calls();
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < SOME; i++)
            raw_arm(i);
        assert_int_equal(raw_wait(), SOME);
    }
    unsigned needed = calls() - before;
    raw_close();
    watch(SOME);
    before = calls();
    uint64_t counted = stage_counters(loop).system_calls;
    for (int round = 0; round < ROUNDS; round++)
        assert_int_equal(rouse_turn(loop, -1), SOME);
    assert_int_equal(needed, ROUNDS * (SOME + 1));
    assert_int_equal(calls() - before, needed);
    assert_int_equal(stage_counters(loop).system_calls - counted, needed);
}

/* Q5: sets of 64. And who is watched and not ready costs nothing. */
static void any_number_is_watched(void **state)
{
    (void)state;
    watch(MANY);
    assert_in_range(seen.creates, MANY / 32, MANY / 32 + 2); /* so many share a handle */
    unsigned before = calls();
    assert_int_equal(rouse_turn(loop, 0), 0);
    assert_int_equal(calls() - before, 1);
    for (int i = 0; i < MANY; i++) {
        data(i);
        players[i].ready = 0;
        while (players[i].ready == 0)
            CHECK_OK(loop, rouse_turn(loop, -1));
        assert_int_equal(players[i].ready, ROUSE_READ);
        assert_int_equal(world_drain(ends[i][0]), 1);
        assert_int_equal(rouse_turn(loop, 0), 0);
    }
    assert_int_equal(strlen(journal_take()), MANY);
    assert_int_equal(calls() - before, 1 + 3 * MANY);
    assert_int_equal(seen.cancels, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(to_and_fro_costs_what_it_must),
        CASE(many_that_are_ready_cost_what_they_must),
        CASE(any_number_is_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
