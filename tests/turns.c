/*
 * Runs and turns: what keeps a loop alive, what ends it, and what a turn returns. A loop without
 * anything to wait for ends by itself; one that is stopped ends once, whether the stop came during
 * the run or before it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "stage.h"

static struct world_clock clock_;
static struct rouse_loop *loop;
static struct player a, b;
static rouse_fd ends[2];

static int set_up(void **state)
{
    (void)state;
    loop = stage_open(&clock_);
    player_init(&a, loop, 'a', NULL);
    player_init(&b, loop, 'b', NULL);
    return world_pair(WORLD_ANY, ends);
}

static int tear_down(void **state)
{
    (void)state;
    world_close(ends[0]);
    world_close(ends[1]);
    return rouse_close(loop);
}

static void stop_loop(struct player *self)
{
    CHECK_OK(loop, rouse_stop(self->loop));
}

static void empty_loop_ends_at_once(void **state)
{
    (void)state;
    assert_int_equal(rouse_run(loop), 0);
    assert_int_equal(rouse_run(loop), 0);
    assert_int_equal(rouse_turn(loop, 0), 0);
    assert_int_equal(clock_.idles, 0);
}

static void stop_in_a_callback_ends_the_run_after_its_turn(void **state)
{
    (void)state;
    a.also = stop_loop;
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 10, 10));
    CHECK_OK(loop, rouse_timer_after(loop, &b.timer, 10, 0));
    assert_int_equal(rouse_run(loop), 1);
    CHECK_JOURNAL("ab");                  /* the turn was ended first */
    assert_int_equal(rouse_run(loop), 1); /* it goes on from where it was */
    CHECK_JOURNAL("a");
    assert_int_equal(clock_.now, STAGE_START + 20);
}

/* L6: a stop that came before the run was forgotten. */
static void stop_before_the_run_ends_it_at_once(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 10, 0));
    CHECK_OK(loop, rouse_stop(loop));
    CHECK_OK(loop, rouse_stop(loop));
    assert_int_equal(rouse_run(loop), 1);
    CHECK_JOURNAL("");
    assert_int_equal(rouse_run(loop), 0); /* one call ends one run */
    CHECK_JOURNAL("a");
}

static void turn_after_a_stop_does_not_wait(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 10, 0));
    CHECK_OK(loop, rouse_stop(loop));
    assert_int_equal(rouse_turn(loop, -1), 0);
    assert_int_equal(clock_.idles, 0);
}

/* M4: an exit flag that two loops shared. */
static void stop_ends_no_other_loop(void **state)
{
    (void)state;
    struct world_clock other_clock;
    struct rouse_loop *other = stage_open(&other_clock);
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 10, 0));
    CHECK_OK(other, rouse_stop(other));
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("a");
    assert_int_equal(rouse_run(other), 1);
    CHECK_OK(NULL, rouse_close(other));
}

static void run_other_loop(struct player *self)
{
    CHECK_OK(self->other->loop, rouse_run(self->other->loop));
}

static void another_loop_may_run_inside_a_callback(void **state)
{
    (void)state;
    struct world_clock other_clock;
    struct rouse_loop *other = stage_open(&other_clock);
    b.loop = other;
    CHECK_OK(other, rouse_timer_after(other, &b.timer, 10, 0));
    a.also = run_other_loop;
    a.other = &b;
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 10, 0));
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("ab");
    CHECK_OK(NULL, rouse_close(other));
}

static void hold_keeps_the_loop_alive_until_released_as_often(void **state)
{
    (void)state;
    clock_.stands = true;
    a.also = stop_loop;
    CHECK_OK(loop, rouse_hold(loop));
    CHECK_OK(loop, rouse_hold(loop));
    CHECK_OK(loop, rouse_release(loop));
    CHECK_OK(loop, rouse_post(loop, &a.task));
    assert_int_equal(rouse_run(loop), 1); /* would have been 0, had nothing kept it alive */
    CHECK_OK(loop, rouse_release(loop));
    assert_int_equal(rouse_run(loop), 0);
    assert_int_equal(rouse_release(loop), -EINVAL);
    assert_true(strlen(rouse_error(loop)) > 0);
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("a");
}

static void unwatch(struct player *self)
{
    CHECK_OK(loop, rouse_io_stop(&self->io));
}

static void watcher_keeps_the_loop_alive_until_it_is_stopped(void **state)
{
    (void)state;
    a.also = unwatch;
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("a");
}

static void paused_watcher_keeps_the_loop_alive(void **state)
{
    (void)state;
    b.also = stop_loop;
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], 0));
    CHECK_OK(loop, rouse_timer_after(loop, &b.timer, 10, 0));
    assert_int_equal(rouse_run(loop), 1);
    CHECK_OK(loop, rouse_timer_after(loop, &b.timer, 10, 0));
    b.also = NULL;
    CHECK_OK(loop, rouse_io_unref(&a.io));
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("bb");
    CHECK_OK(loop, rouse_io_stop(&a.io));
}

static void unreferenced_watcher_does_not_keep_the_loop_alive(void **state)
{
    (void)state;
    a.also = stop_loop;
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    CHECK_OK(loop, rouse_io_unref(&a.io));
    CHECK_OK(loop, rouse_io_unref(&a.io)); /* twice is once */
    assert_int_equal(rouse_run(loop), 0);
    CHECK_OK(loop, rouse_io_stop(&a.io));
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    assert_int_equal(rouse_run(loop), 0); /* it lasts over stop and start */
    CHECK_JOURNAL("");
    CHECK_OK(loop, rouse_io_ref(&a.io));
    CHECK_OK(loop, rouse_io_ref(&a.io));
    assert_int_equal(rouse_run(loop), 1);
    CHECK_JOURNAL("a");
    CHECK_OK(loop, rouse_io_stop(&a.io));
}

static void turn_returns_how_many_were_called(void **state)
{
    (void)state;
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 0, 0));
    CHECK_OK(loop, rouse_timer_after(loop, &b.timer, 0, 0));
    CHECK_OK(loop, rouse_defer(loop, &b.task));
    CHECK_OK(loop, rouse_hook_start(loop, &b.hook, ROUSE_AFTER_WAIT));
    CHECK_OK(NULL, rouse_wake(loop));
    assert_int_equal(rouse_turn(loop, -1), 4); /* neither the hook nor the wake */
    assert_int_equal(rouse_turn(loop, -1), 1);
    assert_int_equal(stage_counters(loop).callbacks, 5);
    CHECK_OK(loop, rouse_hook_stop(&b.hook));
    CHECK_OK(loop, rouse_io_stop(&a.io));
    assert_int_equal(rouse_turn(loop, 0), 0);
}

static void everything_is_stopped_when_its_loop_is_closed(void **state)
{
    (void)state;
    struct world_clock other_clock;
    struct rouse_loop *other = stage_open(&other_clock);
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    CHECK_OK(other, rouse_io_start(other, &a.io, ends[0], ROUSE_READ | ROUSE_EDGE));
    CHECK_OK(other, rouse_timer_after(other, &a.timer, 0, 5));
    CHECK_OK(NULL, rouse_close(other));
    CHECK_JOURNAL(""); /* stopped, not called */
    assert_int_equal(rouse_io_active(&a.io), 0);
    assert_int_equal(rouse_timer_active(&a.timer), 0);
    assert_int_equal(rouse_io_stop(&a.io), 0);
    assert_int_equal(rouse_timer_stop(&a.timer), 0);
    assert_int_equal(world_ready(ends[0], ROUSE_READ), ROUSE_READ); /* the descriptor is open */
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 0, 0));
    assert_int_equal(rouse_turn(loop, -1), 2);
    CHECK_JOURNAL("aa");
    CHECK_OK(loop, rouse_io_stop(&a.io));
}

/* N4: what a loop holds is given back, however often it is opened. */
static void opening_and_closing_leaves_no_descriptors(void **state)
{
    (void)state;
    unsigned before = world_open_descriptors();
    for (int i = 0; i < 100; i++) {
        struct rouse_loop *other = stage_open(NULL);
        CHECK_OK(other, rouse_io_start(other, &a.io, ends[0], ROUSE_READ));
        CHECK_OK(other, rouse_turn(other, 0));
        CHECK_OK(NULL, rouse_close(other));
    }
    assert_int_equal(world_open_descriptors(), before);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(empty_loop_ends_at_once),
        CASE(stop_in_a_callback_ends_the_run_after_its_turn),
        CASE(stop_before_the_run_ends_it_at_once),
        CASE(turn_after_a_stop_does_not_wait),
        CASE(stop_ends_no_other_loop),
        CASE(another_loop_may_run_inside_a_callback),
        CASE(hold_keeps_the_loop_alive_until_released_as_often),
        CASE(watcher_keeps_the_loop_alive_until_it_is_stopped),
        CASE(paused_watcher_keeps_the_loop_alive),
        CASE(unreferenced_watcher_does_not_keep_the_loop_alive),
        CASE(turn_returns_how_many_were_called),
        CASE(everything_is_stopped_when_its_loop_is_closed),
        CASE(opening_and_closing_leaves_no_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
