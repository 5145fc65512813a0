/*
 * iocp and its requests: what the kernel has and writes to when nobody wants it any more, and what
 * comes back late, for nothing, or with an answer to somebody else's question.
 *
 * What surprises: that memory is freed too early shows nowhere but in the kernel's next write to
 * it. So the allocator of these cases knows what the kernel has, and so does their teardown, which
 * asks for everything back.
 *
 * SPDX-License-Identifier: MIT
 */
#include "kernel_iocp.h"

static struct rouse_loop *loop;
static struct player a, b;
static rouse_fd ends[2], others[2];

static int last_error;

static void note_error(struct player *self)
{
    last_error = rouse_io_error(&self->io);
}

static int set_up(void **state)
{
    kernel_setup(state);
    loop = kernel_open();
    CHECK_OK(NULL, world_pair(WORLD_TCP, ends));
    CHECK_OK(NULL, world_pair(WORLD_TCP, others));
    player_init(&a, loop, 'a', note_error);
    player_init(&b, loop, 'b', note_error);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kernel_close(loop);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(NULL, world_close(ends[i]));
        CHECK_OK(NULL, world_close(others[i]));
    }
    return 0;
}

static void quiet_turns(int turns)
{
    while (turns-- > 0)
        assert_int_equal(rouse_turn(loop, 0), 0);
}

static void watch_a(uint32_t want)
{
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], want));
    quiet_turns(1);
    assert_int_equal(seen.requests, 1);
    journal_take();
}

static void data(void)
{
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    world_await(ends[0], ROUSE_READ);
}

/* Turns until a player is called, and then knows what it was told. */
static uint32_t told(struct player *player)
{
    player->ready = 0;
    while (player->ready == 0)
        CHECK_OK(loop, rouse_turn(loop, -1));
    return player->ready;
}

/* ---- What nobody wants any more ----------------------------------------------------------- */

static void stop(void)
{
    CHECK_OK(loop, rouse_io_stop(&a.io));
}

static void make_anew(void)
{
    CHECK_OK(NULL, world_close(ends[1]));
    CHECK_OK(NULL, world_pair(WORLD_TCP, ends)); /* of the same numbers */
}

static void stop_and_close(void)
{
    CHECK_OK(loop, rouse_io_close(&a.io));
    make_anew();
}

static void close_and_stop(void)
{
    CHECK_OK(NULL, world_close(ends[0]));
    CHECK_OK(loop, rouse_io_stop(&a.io));
    make_anew();
}

static void stop_with_data(void)
{
    data();
    CHECK_OK(loop, rouse_io_stop(&a.io));
    assert_int_equal(world_drain(ends[0]), 1);
}

static void pause_and_stop(void)
{
    CHECK_OK(loop, rouse_io_want(&a.io, 0));
    quiet_turns(1);
    CHECK_OK(loop, rouse_io_stop(&a.io));
}

static void change_and_stop(void)
{
    CHECK_OK(loop, rouse_io_want(&a.io, ROUSE_PRIORITY));
    quiet_turns(1);
    CHECK_OK(loop, rouse_io_stop(&a.io));
}

static void check_left(void (*leave)(void), bool late)
{
    watch_a(ROUSE_READ);
    kernel.keeps = late;
    leave();
    CHECK_OK(loop, rouse_io_start(loop, &b.io, ends[0], ROUSE_READ)); /* has its slot */
    quiet_turns(3);
    data();
    assert_int_equal(told(&b), ROUSE_READ);
    kernel.keeps = false;
    assert_int_equal(world_drain(ends[0]), 1);
    for (int turns = 0; turns < 3; turns++) /* it may have been told before it was drained */
        CHECK_OK(loop, rouse_turn(loop, 0));
    const char *called = journal_take();
    assert_int_equal(strspn(called, "b"), strlen(called));
    quiet_turns(3);
    CHECK_OK(loop, rouse_io_stop(&b.io));
    quiet_turns(3);
    assert_int_equal(seen.requests, 0);
}

/* Q1, Q2, Q3, Q4: memory that the kernel wrote to was freed, or somebody else's by then. Whether
 * what was cancelled comes back at once or late, its successor is told its own, and all is freed.
 */
static void request_is_kept_until_the_kernel_has_given_it_back(void **state)
{
    (void)state;
    static void (*const leavings[])(void) = {stop,           stop_and_close, close_and_stop,
                                             stop_with_data, pause_and_stop, change_and_stop};
    long bytes = 0;
    for (int round = 0; round < 3; round++)
        for (int late = 0; late < 2; late++) {
            for (size_t i = 0; i < sizeof leavings / sizeof *leavings; i++)
                check_left(leavings[i], late);
            assert_true(bytes == 0 || bytes == seen.bytes); /* nothing piles up */
            bytes = round > 0 ? seen.bytes : 0;
        }
}

/* Q2: the cancellation has no effect, and the request comes back as it would have. */
static void request_that_was_not_cancelled_is_told_to_nobody(void **state)
{
    (void)state;
    watch_a(ROUSE_READ);
    kernel.deaf = true;
    CHECK_OK(loop, rouse_io_stop(&a.io));
    CHECK_OK(loop, rouse_io_start(loop, &b.io, ends[0], ROUSE_PRIORITY));
    quiet_turns(3);
    assert_int_equal(seen.requests, 2);
    data();
    while (seen.requests == 2)
        quiet_turns(1);
    kernel.deaf = false;
    CHECK_OK(loop, rouse_io_stop(&b.io));
    CHECK_JOURNAL("");
}

/* Q1, Q4: at the end too, whatever is on its way and whatever state each is in. */
static void closing_takes_everything_back(void **state)
{
    (void)state;
    enum { MANY = 80 };
    static struct player players[MANY];
    rouse_fd copies[MANY];
    for (int wakes = 0; wakes < 3; wakes++) {
        struct rouse_loop *other = kernel_open();
        for (int i = 0; i < MANY; i++) {
            CHECK_OK(NULL, world_dup(ends[i % 2], &copies[i]));
            player_init(&players[i], other, 'm', NULL);
            CHECK_OK(other, rouse_io_start(other, &players[i].io, copies[i],
                                           i % 3 == 0 ? ROUSE_WRITE : ROUSE_READ));
        }
        CHECK_OK(other, rouse_turn(other, 0));
        data(); /* to half of them */
        for (int i = 0; i < MANY; i += 5)
            CHECK_OK(other, rouse_io_stop(&players[i].io));
        for (int i = 0; i < wakes; i++)
            CHECK_OK(NULL, rouse_wake(other));
        assert_true(seen.requests > MANY / 2);
        long others_bytes = seen.bytes;
        CHECK_OK(NULL, rouse_close(other));
        assert_int_equal(seen.requests, 0);
        assert_true(seen.bytes < others_bytes);
        for (int i = 0; i < MANY; i++)
            CHECK_OK(NULL, world_close(copies[i]));
        assert_int_equal(world_drain(ends[0]), 1);
    }
}

/* What the kernel does not give back it keeps: a leak is better than memory that it writes to when
 * it is somebody else's, or than to wait for ever. */
static void silent_kernel_keeps_its_memory_when_the_loop_is_closed(void **state)
{
    (void)state;
    long before = seen.bytes;
    struct rouse_loop *other = kernel_open();
    player_init(&a, other, 'a', NULL);
    CHECK_OK(other, rouse_io_start(other, &a.io, ends[0], ROUSE_READ));
    CHECK_OK(other, rouse_turn(other, 0));
    kernel.keeps = true;
    CHECK_OK(NULL, rouse_close(other));
    assert_int_equal(seen.requests, 1);
    struct kernel_request *request = seen.has[0].request;
    assert_int_equal(request->status.Status, STATUS_CANCELLED); /* it can be read still */
    assert_in_range(seen.bytes - before, sizeof *request, 2 * sizeof *request + 64);
    free(request);
    seen.requests = seen.nkept = 0;
    seen.bytes = before;
}

static void data_for_b(void)
{
    assert_int_equal(world_send(others[1], "x", 1), 1);
}

/* What comes back for nothing wakes nobody, and takes up no room of what does not. */
static void what_was_cancelled_is_not_worth_a_wake(void **state)
{
    (void)state;
    enum { MANY = 40 };
    static struct player players[MANY];
    rouse_fd copies[MANY];
    CHECK_OK(loop, rouse_io_start(loop, &b.io, others[0], ROUSE_READ));
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(NULL, world_dup(ends[0], &copies[i]));
        player_init(&players[i], loop, 'm', NULL);
        CHECK_OK(loop, rouse_io_start(loop, &players[i].io, copies[i], ROUSE_READ));
        quiet_turns(1); /* one at a time: there is room for few events */
    }
    journal_take();
    for (int ready = 0; ready < 2; ready++) {
        for (int i = ready * MANY / 2; i < (ready + 1) * MANY / 2; i++)
            CHECK_OK(loop, rouse_io_close(&players[i].io));
        if (ready) {
            data_for_b();
            world_await(others[0], ROUSE_READ);
            assert_int_equal(rouse_turn(loop, 0), 1);
        } else {
            uint64_t wakeups = stage_counters(loop).wakeups;
            kernel.sleeps = data_for_b;
            assert_int_equal(rouse_turn(loop, -1), 1);
            assert_in_range(stage_counters(loop).wakeups, wakeups, wakeups + 1);
        }
        CHECK_JOURNAL("b");
        assert_int_equal(world_drain(others[0]), 1);
        quiet_turns(1);
        assert_int_equal(seen.requests, 1 + (1 - ready) * MANY / 2);
    }
}

/* A4, P4: a listener that is closed while the kernel has its request gives up its port at once. */
static void closed_listener_gives_up_its_port(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        rouse_fd listener;
        CHECK_OK(NULL, world_listen(&listener));
        struct sockaddr_in address;
        int size = sizeof address;
        assert_int_equal(getsockname((SOCKET)listener, (struct sockaddr *)&address, &size), 0);
        CHECK_OK(loop, rouse_io_start(loop, &a.io, listener, ROUSE_READ));
        quiet_turns(1);
        kernel.keeps = late;
        CHECK_OK(loop, rouse_io_close(&a.io));
        SOCKET next = socket(AF_INET, SOCK_STREAM, 0);
        BOOL alone = TRUE;
        setsockopt(next, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (char *)&alone, sizeof alone);
        assert_int_equal(bind(next, (struct sockaddr *)&address, size), 0);
        assert_int_equal(closesocket(next), 0);
        kernel.keeps = false;
        quiet_turns(2);
    }
}

static DWORD WINAPI turn_once(void *context)
{
    CHECK_OK(NULL, rouse_adopt(context));
    return (DWORD)rouse_turn(context, 0);
}

/* What a thread has asked of the kernel ends with it, but not through a port. */
static void requests_outlive_the_thread_that_made_them(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    HANDLE thread = CreateThread(NULL, 0, turn_once, loop, 0, NULL);
    assert_int_equal(WaitForSingleObject(thread, INFINITE), WAIT_OBJECT_0);
    DWORD called;
    assert_true(GetExitCodeThread(thread, &called) && called == 0);
    CloseHandle(thread);
    assert_int_equal(seen.requests, 1);
    CHECK_OK(loop, rouse_adopt(loop));
    unsigned devices = seen.devices;
    data();
    assert_int_equal(told(&a), ROUSE_READ);
    CHECK_JOURNAL("a");
    assert_int_equal(seen.devices, devices);
}

/* ---- What is changed ---------------------------------------------------------------------- */

/* Less can be had of a request for more; more takes another one. */
static void change_to_less_costs_nothing(void **state)
{
    (void)state;
    watch_a(ROUSE_READ | ROUSE_PRIORITY);
    unsigned devices = seen.devices;
    CHECK_OK(loop, rouse_io_want(&a.io, ROUSE_READ));
    quiet_turns(1);
    assert_int_equal(seen.devices + seen.cancels, devices);
    CHECK_OK(NULL, world_priority(ends[1], '!'));
    world_await(ends[0], ROUSE_PRIORITY);
    quiet_turns(3);
    assert_int_equal(seen.devices, devices + 1);
    assert_int_equal(seen.cancels, 0);
    data();
    assert_int_equal(told(&a), ROUSE_READ);
    CHECK_JOURNAL("a");
    assert_int_equal(world_drain(ends[0]), 1);
    quiet_turns(1);
    devices = seen.devices;
    CHECK_OK(loop, rouse_io_want(&a.io, ROUSE_READ | ROUSE_WRITE));
    assert_int_equal(told(&a), ROUSE_WRITE);
    assert_int_equal(seen.devices, devices + 1);
    assert_int_equal(seen.cancels, 1);
}

/* ---- Answers ------------------------------------------------------------------------------ */

/* Q6: of several requests for one socket each may be told what another has asked. */
static void answer_to_somebody_elses_question_is_left_out(void **state)
{
    (void)state;
    static const ULONG answers[] = {AFD_POLL_SEND, AFD_POLL_RECEIVE_EXPEDITED,
                                    AFD_POLL_SEND | AFD_POLL_RECEIVE_EXPEDITED,
                                    AFD_POLL_SEND | AFD_POLL_RECEIVE};
    watch_a(ROUSE_READ);
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        kernel.tells = answers[i];
        data();
        assert_int_equal(told(&a), ROUSE_READ);
        CHECK_JOURNAL("a");
        assert_int_equal(kernel.tells, 0);
        assert_int_equal(world_drain(ends[0]), 1);
        quiet_turns(3);
    }
    assert_int_equal(stage_counters(loop).spurious, 0); /* nor did the loop have to */
}

/* Q6: and with a real one. */
static void two_loops_watch_one_socket(void **state)
{
    (void)state;
    struct rouse_loop *other = NULL;
    CHECK_OK(NULL, rouse_open(&other, NULL));
    struct player writer;
    player_init(&writer, other, 'w', NULL);
    watch_a(ROUSE_READ);
    CHECK_OK(other, rouse_io_start(other, &writer.io, ends[0], ROUSE_WRITE));
    for (int i = 0; i < 5; i++) {
        assert_int_equal(rouse_turn(other, -1), 1);
        assert_int_equal(writer.ready, ROUSE_WRITE);
        unsigned devices = seen.devices;
        quiet_turns(3);
        assert_in_range(seen.devices, devices, devices + 1); /* no spin */
    }
    CHECK_JOURNAL("wwwww");
    data();
    assert_int_equal(told(&a), ROUSE_READ);
    CHECK_OK(NULL, rouse_close(other));
}

static void cancel_all(void)
{
    IO_STATUS_BLOCK ignored;
    for (unsigned i = 0; i < seen.requests; i++) {
        struct kernel_request *request = seen.has[i].request;
        __real_NtCancelIoFileEx(seen.has[i].driver, &request->status, &ignored);
    }
}

static void answer_nothing(void)
{
    kernel.silent = true;
    data();
}

static void answer_cancelled(void)
{
    kernel.fails_with = STATUS_CANCELLED;
    data();
}

/* It was cancelled with a thread that has ended, say. */
static void request_that_comes_back_for_nothing_is_made_again(void **state)
{
    (void)state;
    static void (*const nothings[])(void) = {cancel_all, answer_nothing, answer_cancelled};
    watch_a(ROUSE_READ);
    for (size_t i = 0; i < sizeof nothings / sizeof *nothings; i++) {
        unsigned devices = seen.devices;
        nothings[i]();
        CHECK_OK(loop, rouse_turn(loop, 0));
        data();
        assert_int_equal(told(&a), ROUSE_READ);
        assert_in_range(seen.devices, devices + 1, devices + 2);
        CHECK_OK(loop, rouse_turn(loop, 0));
        journal_take();
        world_drain(ends[0]);
        CHECK_OK(loop, rouse_turn(loop, 0));
        quiet_turns(1);
        journal_take();
    }
}

static void failed_request_is_told_once_and_made_again_after_a_change(void **state)
{
    (void)state;
    watch_a(ROUSE_READ);
    kernel.fails_with = STATUS_INSUFFICIENT_RESOURCES;
    data();
    assert_int_equal(told(&a), ROUSE_ERROR);
    assert_int_equal(last_error, -ENOMEM);
    quiet_turns(3);
    CHECK_JOURNAL("a");
    assert_int_equal(seen.requests, 0);
    CHECK_OK(loop, rouse_io_want(&a.io, ROUSE_READ));
    assert_int_equal(told(&a), ROUSE_READ);
    assert_int_equal(last_error, 0);
}

/* A7: behind the loop's back, while the kernel has the request, or when it is made again. */
static void socket_that_was_closed_is_told_once(void **state)
{
    (void)state;
    for (int idle = 0; idle < 2; idle++) {
        watch_a(ROUSE_READ);
        if (idle) {
            data();
            assert_int_equal(told(&a), ROUSE_READ);
            journal_take();
        }
        CHECK_OK(NULL, world_close(ends[0]));
        assert_int_equal(told(&a), ROUSE_ERROR);
        assert_int_equal(last_error, -EBADF);
        quiet_turns(3);
        CHECK_JOURNAL("a");
        assert_int_equal(seen.requests, 0);
        CHECK_OK(loop, rouse_io_stop(&a.io));
        make_anew();
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(request_is_kept_until_the_kernel_has_given_it_back),
        CASE(request_that_was_not_cancelled_is_told_to_nobody),
        CASE(closing_takes_everything_back),
        CASE(silent_kernel_keeps_its_memory_when_the_loop_is_closed),
        CASE(what_was_cancelled_is_not_worth_a_wake),
        CASE(closed_listener_gives_up_its_port),
        CASE(requests_outlive_the_thread_that_made_them),
        CASE(change_to_less_costs_nothing),
        CASE(answer_to_somebody_elses_question_is_left_out),
        CASE(two_loops_watch_one_socket),
        CASE(request_that_comes_back_for_nothing_is_made_again),
        CASE(failed_request_is_told_once_and_made_again_after_a_change),
        CASE(socket_that_was_closed_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
