/*
 * What poll and select have in common when the kernel says no: one call, which is interrupted, or
 * fails. A test of either wraps its call, and asks wait_fails() whether it is to fail this time.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KERNEL_SCAN_H
#define KERNEL_SCAN_H

#include "stage.h"

static struct rouse_loop *loop;
static struct player a, b;
static rouse_fd ends[2];
static int wait_error;
static int wait_faults; /* how many of the next calls fail */

static inline int wait_fails(void)
{
    if (wait_faults == 0)
        return 0;
    wait_faults--;
    errno = wait_error;
    return 1;
}

static int set_up(void **state)
{
    (void)state;
    wait_faults = 0;
    loop = stage_open(NULL);
    CHECK_OK(NULL, world_pair(WORLD_UNIX, ends));
    player_init(&a, loop, 'a', NULL);
    player_init(&b, loop, 'b', NULL);
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    CHECK_OK(loop, rouse_turn(loop, 0));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    CHECK_OK(NULL, rouse_close(loop));
    CHECK_OK(NULL, world_close(ends[0]));
    CHECK_OK(NULL, world_close(ends[1]));
    return 0;
}

static inline void check_goes_on(void)
{
    journal_take();
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    assert_int_equal(rouse_turn(loop, -1), 1);
    CHECK_JOURNAL("a");
    assert_int_equal(a.ready, ROUSE_READ);
    assert_int_equal(world_drain(ends[0]), 1);
    assert_int_equal(rouse_turn(loop, 0), 0);
}

/* A16: after an error, and after EINTR, what the kernel left in the arrays is no answer. */
static void interrupted_wait_is_no_error(void **state)
{
    (void)state;
    wait_error = EINTR;
    wait_faults = 3;
    assert_int_equal(rouse_turn(loop, 0), 0);
    assert_int_equal(rouse_turn(loop, -1), 0);
    CHECK_JOURNAL("");
    CHECK_OK(loop, rouse_timer_after(loop, &b.timer, 1, 0));
    CHECK_OK(loop, rouse_io_unref(&a.io));
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("b");
    wait_faults = 0;
    check_goes_on();
}

/* N6: more descriptors than the limit are EINVAL; no memory for their copy is ENOMEM. */
static void failed_wait_is_handed_on_and_mended_by_the_next_run(void **state)
{
    (void)state;
    static const int errors[] = {EINVAL, ENOMEM, EFAULT};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        wait_error = errors[i];
        wait_faults = 1;
        assert_int_equal(rouse_run(loop), -errors[i]);
        assert_non_null(strstr(rouse_error(loop), strerror(errors[i])));
        check_goes_on();
        assert_int_equal(stage_counters(loop).rebuilds, i + 1);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
