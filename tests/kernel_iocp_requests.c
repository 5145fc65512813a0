/*
 * iocp and its requests: what the kernel holds and still writes to when nobody wants it any more,
 * and what comes back late, for nothing, or with an answer to a question of somebody else.
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
static rouse_fd ends[2];

static int set_up(void **state)
{
    kernel_setup(state);
    loop = kernel_open();
    CHECK_OK(NULL, world_pair(WORLD_TCP, ends));
    player_init(&a, loop, 'a', NULL);
    player_init(&b, loop, 'b', NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kernel_close(loop);
    CHECK_OK(NULL, world_close(ends[0]));
    CHECK_OK(NULL, world_close(ends[1]));
    return 0;
}

/* ---- What nobody wants any more ----------------------------------------------------------- */

static void stop(void)
{
    CHECK_OK(loop, rouse_io_stop(&a.io));
}

static void stop_and_close(void)
{
    CHECK_OK(loop, rouse_io_close(&a.io));
    rouse_fd spare[2];
    CHECK_OK(NULL, world_pair(WORLD_TCP, spare)); /* the number is taken again */
    CHECK_OK(NULL, world_close(ends[1]));
    ends[0] = spare[0];
    ends[1] = spare[1];
}

static void close_behind_and_stop(void)
{
    CHECK_OK(NULL, world_close(ends[0]));
    CHECK_OK(loop, rouse_io_stop(&a.io));
    CHECK_OK(NULL, world_close(ends[1]));
    CHECK_OK(NULL, world_pair(WORLD_TCP, ends));
}

static void data_and_stop(void)
{
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    world_await(ends[0], ROUSE_READ);
    CHECK_OK(loop, rouse_io_stop(&a.io));
    assert_int_equal(world_drain(ends[0]), 1);
}

static void pause_it(void)
{
    CHECK_OK(loop, rouse_io_want(&a.io, 0));
    assert_int_equal(rouse_turn(loop, 0), 0);
    CHECK_OK(loop, rouse_io_stop(&a.io));
}

static void change_it(void)
{
    CHECK_OK(loop, rouse_io_want(&a.io, ROUSE_PRIORITY));
    assert_int_equal(rouse_turn(loop, 0), 0);
    CHECK_OK(loop, rouse_io_stop(&a.io));
}

/* Q1, Q2, Q3, Q4: memory that the kernel wrote to was freed, or another's by then. Whether what was
 * cancelled comes back at once or late, its successor is told its own, and what is left is freed.
 */
static void request_is_kept_until_the_kernel_has_given_it_back(void **state)
{
    (void)state;
    static void (*const leavings[])(void) = {stop,          stop_and_close, close_behind_and_stop,
                                             data_and_stop, pause_it,       change_it};
    for (int late = 0; late < 2; late++)
        for (size_t i = 0; i < sizeof leavings / sizeof *leavings; i++) {
            CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
            assert_int_equal(rouse_turn(loop, 0), 0);
            assert_int_equal(seen.requests, 1);
            kernel.keeps = late;
            leavings[i]();
            assert_in_range(seen.requests, 1, 2);
            journal_take();
            CHECK_OK(loop, rouse_io_start(loop, &b.io, ends[0], ROUSE_READ));
            for (int turns = 0; turns < 3; turns++)
                assert_int_equal(rouse_turn(loop, 0), 0);
            assert_int_equal(world_send(ends[1], "x", 1), 1);
            assert_int_equal(rouse_turn(loop, late ? 0 : -1), late ? rouse_turn(loop, 0) : 1);
            CHECK_OK(loop, rouse_turn(loop, 0));
            kernel.keeps = false;
            for (int turns = 0; turns < 5; turns++)
                CHECK_OK(loop, rouse_turn(loop, 0));
            assert_int_equal(strspn(journal_take(), "b"), seen.requests);
            assert_int_equal(world_drain(ends[0]), 1);
            CHECK_OK(loop, rouse_io_stop(&b.io));
            CHECK_OK(loop, rouse_turn(loop, 0));
            assert_int_equal(seen.requests, 0);
        }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(request_is_kept_until_the_kernel_has_given_it_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
