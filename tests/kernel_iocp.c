/*
 * iocp when the kernel says no: to a driver, a port, a request, a wait, memory. Each refusal is a
 * value, is told once to whom it concerns, and the others go on.
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
    CHECK_OK(loop, rouse_io_start(loop, &b.io, others[0], ROUSE_READ));
    CHECK_OK(loop, rouse_turn(loop, 0));
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

/* b goes on as if nothing had happened, and nobody else is called. */
static void check_others_go_on(void)
{
    journal_take();
    assert_int_equal(world_send(others[1], "x", 1), 1);
    assert_int_equal(rouse_turn(loop, -1), 1);
    CHECK_JOURNAL("b");
    assert_int_equal(world_drain(others[0]), 1);
    assert_int_equal(rouse_turn(loop, 0), 0);
}

static void check_told_once(int error)
{
    assert_int_equal(rouse_turn(loop, -1), 1); /* and the call does not block */
    for (int i = 0; i < 3; i++)
        assert_int_equal(rouse_turn(loop, 0), 0);
    CHECK_JOURNAL("a");
    assert_int_equal(a.ready, ROUSE_ERROR);
    assert_int_equal(last_error, error);
    check_others_go_on();
}

/* What was refused is sent again when its owner changes something. */
static void check_watched_again(void)
{
    CHECK_OK(loop, rouse_io_want(&a.io, ROUSE_READ));
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    assert_int_equal(rouse_turn(loop, -1), 1);
    CHECK_JOURNAL("a");
    assert_int_equal(a.ready, ROUSE_READ);
    assert_int_equal(last_error, 0);
    assert_int_equal(world_drain(ends[0]), 1);
    CHECK_OK(loop, rouse_io_stop(&a.io));
}

static const struct {
    NTSTATUS status;
    int error;
} refusals[] = {
    {STATUS_INVALID_HANDLE, -ENOTSOCK},       {STATUS_OBJECT_TYPE_MISMATCH, -ENOTSOCK},
    {STATUS_INSUFFICIENT_RESOURCES, -ENOMEM}, {STATUS_NO_MEMORY, -ENOMEM},
    {STATUS_QUOTA_EXCEEDED, -ENOMEM},         {STATUS_ACCESS_DENIED, -EIO},
    {STATUS_INVALID_DEVICE_REQUEST, -EIO},
};
enum { REFUSALS = sizeof refusals / sizeof *refusals };

/* A12, N3: a refusal ended the program, or left a watcher that was neither watched nor stopped. */
static void refused_request_is_told_once_and_sent_again_after_a_change(void **state)
{
    (void)state;
    kernel.refuses = (SOCKET)ends[0];
    for (int i = 0; i < REFUSALS; i++) {
        kernel.device = (struct kernel_fault){0, 1, refusals[i].status};
        CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
        check_told_once(refusals[i].error);
        check_watched_again();
    }
}

static void request_refused_when_it_is_armed_anew_is_told_once(void **state)
{
    (void)state;
    kernel.refuses = (SOCKET)ends[0];
    for (int i = 0; i < REFUSALS; i++) {
        CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
        assert_int_equal(world_send(ends[1], "x", 1), 1);
        assert_int_equal(rouse_turn(loop, -1), 1);
        CHECK_JOURNAL("a");
        kernel.device = (struct kernel_fault){0, 1, refusals[i].status};
        check_told_once(refusals[i].error);
        assert_int_equal(world_drain(ends[0]), 1);
        check_watched_again();
    }
}

/* The same of one that replaces another, which is in the kernel still. */
static void request_refused_after_a_change_is_told_once(void **state)
{
    (void)state;
    kernel.refuses = (SOCKET)ends[0];
    for (int i = 0; i < REFUSALS; i++) {
        CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_PRIORITY));
        assert_int_equal(rouse_turn(loop, 0), 0);
        kernel.device = (struct kernel_fault){0, 1, refusals[i].status};
        CHECK_OK(loop, rouse_io_want(&a.io, ROUSE_WRITE));
        check_told_once(refusals[i].error);
        check_watched_again();
    }
}

/* Many are refused at once, and there is room for one event: the others are told in turn. */
static void refusals_that_do_not_fit_are_told_later(void **state)
{
    (void)state;
    enum { MANY = 10 };
    struct player players[MANY];
    rouse_fd pairs[MANY][2];
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(NULL, world_pair(WORLD_TCP, pairs[i]));
        player_init(&players[i], loop, 'm', NULL);
        CHECK_OK(loop, rouse_io_start(loop, &players[i].io, pairs[i][0], ROUSE_READ));
        CHECK_OK(loop, rouse_turn(loop, 0));
        assert_int_equal(world_send(pairs[i][1], "x", 1), 1);
        world_await(pairs[i][0], ROUSE_READ);
    }
    unsigned called = 0;
    while (called < MANY) /* now all are idle */
        called += (unsigned)rouse_turn(loop, 0);
    journal_take();
    kernel.device = (struct kernel_fault){0, MANY + 1, STATUS_INVALID_HANDLE}; /* b too */
    for (called = 0; called < MANY;)
        called += (unsigned)rouse_turn(loop, 0);
    CHECK_JOURNAL("mmmmmmmmmm");
    kernel.device.times = 0;
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(players[i].ready, ROUSE_ERROR);
        CHECK_OK(loop, rouse_io_close(&players[i].io));
        CHECK_OK(NULL, world_close(pairs[i][1]));
    }
    check_others_go_on();
}

/* A10, N3: no memory for a request; one that is no more has left some. */
static void change_without_memory_is_told_once_and_sent_again_after_a_change(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    kernel.no_memory = seen.asked_memory + 1;
    check_told_once(-ENOMEM);
    check_watched_again();
    assert_int_equal(rouse_turn(loop, 0), 0);
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    kernel.no_memory = seen.asked_memory + 1;
    assert_int_equal(rouse_turn(loop, 0), 0);
    assert_int_equal(seen.asked_memory, kernel.no_memory - 1);
    CHECK_OK(loop, rouse_io_stop(&a.io));
}

static void open_without_memory_is_refused(void **state)
{
    (void)state;
    unsigned descriptors = world_open_descriptors();
    struct rouse_loop *other = NULL;
    char why[256];
    struct rouse_config config = {.size = sizeof config,
                                  .backend = "iocp",
                                  .allocator = &kernel_allocator,
                                  .why = why,
                                  .why_size = sizeof why};
    long bytes = seen.bytes;
    int error = -ENOMEM;
    unsigned fails;
    for (fails = 1; error == -ENOMEM; fails++) {
        kernel.no_memory = seen.asked_memory + fails;
        error = rouse_open(&other, &config);
        assert_true(error == 0 || error == -ENOMEM);
        if (error != 0) {
            assert_null(other);
            assert_int_equal(seen.bytes, bytes);
            assert_int_equal(world_open_descriptors(), descriptors);
        }
    }
    assert_true(fails > 4); /* the loop's own, and those of the backend */
    CHECK_OK(NULL, rouse_close(other));
}

static void check_open_refused(int error, const char *words)
{
    unsigned descriptors = world_open_descriptors();
    char why[256] = "";
    struct rouse_loop *other = NULL;
    struct rouse_config config = {
        .size = sizeof config, .backend = "iocp", .why = why, .why_size = sizeof why};
    struct kernel_fault create = kernel.create, port = kernel.port;
    assert_int_equal(rouse_open(&other, &config), error);
    assert_null(other);
    assert_non_null(strstr(why, words));
    assert_int_equal(world_open_descriptors(), descriptors);
    kernel.create = create;
    kernel.port = port;
    config.backend = "iocp,iocp"; /* the first is passed over */
    CHECK_OK(NULL, rouse_open(&other, &config));
    assert_non_null(strstr(rouse_passed_over(other), words));
    CHECK_OK(NULL, rouse_close(other));
    assert_int_equal(world_open_descriptors(), descriptors);
}

/* N4: a failed open says why, leaks nothing, and a list goes on. */
static void failed_open_says_why(void **state)
{
    (void)state;
    kernel.port = (struct kernel_fault){0, 1, ERROR_NOT_ENOUGH_MEMORY};
    check_open_refused(-ENOMEM, "iocp: CreateIoCompletionPort: error 8");
    kernel.port = (struct kernel_fault){1, 1, ERROR_INVALID_PARAMETER};
    check_open_refused(-ENOMEM, "iocp: the driver of the sockets: status 0xc000009a");
    kernel.create = (struct kernel_fault){0, 1, STATUS_INSUFFICIENT_RESOURCES};
    check_open_refused(-ENOMEM, "iocp: the driver of the sockets: status 0xc000009a");
    kernel.create = (struct kernel_fault){0, 1, STATUS_OBJECT_NAME_NOT_FOUND};
    check_open_refused(-EIO, "iocp: the driver of the sockets: status 0xc0000034");
}

/* Slots from 32 on go through another handle of the driver. */
static void refused_driver_is_told_to_those_who_need_it(void **state)
{
    (void)state;
    enum { MANY = 40 };
    struct player players[MANY];
    rouse_fd copies[MANY];
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(NULL, world_dup(ends[0], &copies[i]));
        player_init(&players[i], loop, 'm', NULL);
        CHECK_OK(loop, rouse_io_start(loop, &players[i].io, copies[i], ROUSE_WRITE));
    }
    kernel.create = (struct kernel_fault){0, 1000, STATUS_INSUFFICIENT_RESOURCES};
    unsigned served = 0, refused = 0;
    for (int turns = 0; served + refused < MANY; turns++) {
        assert_in_range(turns, 0, 10 * MANY);
        CHECK_OK(loop, rouse_turn(loop, 0));
        served = refused = 0;
        for (int i = 0; i < MANY; i++) {
            served += players[i].ready == ROUSE_WRITE;
            refused += players[i].ready == ROUSE_ERROR;
        }
    }
    assert_in_range(served, 16, 32);
    kernel.create.times = 0;
    for (int i = 0; i < MANY; i++)
        if (players[i].ready == ROUSE_ERROR)
            CHECK_OK(loop, rouse_io_want(&players[i].io, ROUSE_WRITE));
    for (served = 0; served < MANY;) {
        CHECK_OK(loop, rouse_turn(loop, 0));
        served = 0;
        for (int i = 0; i < MANY; i++)
            served += players[i].ready == ROUSE_WRITE;
    }
    for (int i = 0; i < MANY; i++)
        CHECK_OK(loop, rouse_io_close(&players[i].io));
    journal_take();
    check_others_go_on();
}

static void failed_wait_is_handed_on_and_mended_by_the_next_run(void **state)
{
    (void)state;
    static const struct {
        NTSTATUS code;
        int error;
    } errors[] = {{ERROR_INVALID_HANDLE, -EBADF}, {ERROR_ABANDONED_WAIT_0, -EIO}};
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    for (int i = 0; i < 2; i++) {
        kernel.fetch = (struct kernel_fault){0, 1, errors[i].code};
        assert_int_equal(rouse_turn(loop, -1), errors[i].error);
        assert_int_equal(world_send(ends[1], "x", 1), 1);
        assert_int_equal(rouse_turn(loop, -1), 1);
        CHECK_JOURNAL("a");
        assert_int_equal(world_drain(ends[0]), 1);
        assert_int_equal(stage_counters(loop).rebuilds, i + 1);
    }
    CHECK_OK(loop, rouse_io_stop(&a.io));
    check_others_go_on();
}

/* Milliseconds, rounded up; for ever is for ever, and what is more than can be said is much. */
static void timeouts_are_rounded_up(void **state)
{
    (void)state;
    static const struct {
        int64_t ns;
        DWORD ms;
    } timeouts[] = {{1, 1},        {999999, 1},        {1000000, 1},
                    {1000001, 2},  {1999999999, 2000}, {INT64_MAX, INT32_MAX},
                    {-1, INFINITE}};
    for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
        bool lasts = timeouts[i].ms > 10;
        if (lasts)
            CHECK_OK(NULL, rouse_wake(loop));
        unsigned first = seen.fetches;
        assert_int_equal(rouse_turn(loop, timeouts[i].ns), 0);
        DWORD longest = 0;
        for (; first < seen.fetches; first++)
            longest = seen.timeouts[first % 16] > longest ? seen.timeouts[first % 16] : longest;
        assert_int_equal(longest, timeouts[i].ms);
    }
}

/* A provider that is layered over another, and hides it. */
static void socket_of_a_layered_provider_is_watched_by_the_one_below(void **state)
{
    (void)state;
    kernel.layered = (SOCKET)ends[1];
    kernel.below = (SOCKET)ends[0];
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[1], ROUSE_READ));
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    assert_int_equal(rouse_turn(loop, -1), 1); /* what is below has something to read */
    CHECK_JOURNAL("a");
    assert_int_equal(a.ready, ROUSE_READ);
    CHECK_OK(loop, rouse_io_stop(&a.io));
    assert_int_equal(world_drain(ends[0]), 1);
    SOCKET nothing_below[] = {0, (SOCKET)ends[1]}; /* it does not say, or says itself */
    for (int i = 0; i < 2; i++) {
        kernel.below = nothing_below[i];
        CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[1], ROUSE_READ));
        check_told_once(i == 0 ? -EOPNOTSUPP : -ENOTSUP);
        CHECK_OK(loop, rouse_io_stop(&a.io));
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(refused_request_is_told_once_and_sent_again_after_a_change),
        CASE(request_refused_when_it_is_armed_anew_is_told_once),
        CASE(request_refused_after_a_change_is_told_once),
        CASE(refusals_that_do_not_fit_are_told_later),
        CASE(change_without_memory_is_told_once_and_sent_again_after_a_change),
        CASE(open_without_memory_is_refused),
        CASE(failed_open_says_why),
        CASE(refused_driver_is_told_to_those_who_need_it),
        CASE(failed_wait_is_handed_on_and_mended_by_the_next_run),
        CASE(timeouts_are_rounded_up),
        CASE(socket_of_a_layered_provider_is_watched_by_the_one_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
