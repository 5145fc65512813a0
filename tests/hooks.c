/*
 * Hooks: calls right before and right after every wait, and after a wake. What a hook before the
 * wait starts must count for that very wait; a loop that has worked out how long it may sleep
 * before it asks its hooks sleeps through what they had to say.
 *
 * SPDX-License-Identifier: MIT
 */
#include "stage.h"

static struct world_clock clock_;
static struct rouse_loop *loop;
static struct player a, b, c;
static rouse_fd ends[2];

static int set_up(void **state)
{
    (void)state;
    loop = stage_open(&clock_);
    player_init(&a, loop, 'a', NULL);
    player_init(&b, loop, 'b', NULL);
    player_init(&c, loop, 'c', NULL);
    return world_pair(WORLD_ANY, ends);
}

static int tear_down(void **state)
{
    (void)state;
    world_close(ends[0]);
    world_close(ends[1]);
    return rouse_close(loop);
}

static void start_other_hook(struct player *self)
{
    CHECK_OK(loop, rouse_hook_start(self->loop, &self->other->hook, ROUSE_AFTER_WAIT));
    self->also = NULL;
}

static void stop_other_hook(struct player *self)
{
    CHECK_OK(loop, rouse_hook_stop(&self->other->hook));
}

static void stop_self(struct player *self)
{
    CHECK_OK(loop, rouse_hook_stop(&self->hook));
}

static void free_self(struct player *self)
{
    CHECK_OK(loop, rouse_hook_stop(&self->hook));
    free(self);
}

static void around_every_wait(void **state)
{
    (void)state;
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    CHECK_OK(loop, rouse_hook_start(loop, &b.hook, ROUSE_BEFORE_WAIT));
    CHECK_OK(loop, rouse_hook_start(loop, &a.hook, ROUSE_AFTER_WAIT));
    CHECK_OK(loop, rouse_io_start(loop, &c.io, ends[0], ROUSE_READ));
    assert_int_equal(rouse_turn(loop, 0), 1); /* hooks do not count */
    assert_int_equal(rouse_turn(loop, -1), 1);
    CHECK_OK(loop, rouse_io_stop(&c.io));
    assert_int_equal(rouse_turn(loop, 0), 0);
    CHECK_JOURNAL("bacbacba");
    assert_int_equal(stage_counters(loop).callbacks, 2);
}

static void called_in_the_order_started(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_hook_start(loop, &b.hook, ROUSE_AFTER_WAIT));
    CHECK_OK(loop, rouse_hook_start(loop, &c.hook, ROUSE_AFTER_WAIT));
    CHECK_OK(loop, rouse_hook_start(loop, &a.hook, ROUSE_AFTER_WAIT));
    for (int i = 0; i < 3; i++)
        CHECK_OK(loop, rouse_turn(loop, 0));
    CHECK_JOURNAL("bcabcabca");
}

/* M2: what was added to the list being walked. And next time it is last, as it was started last. */
static void hook_started_in_a_hook_waits_for_the_next_time_and_is_last(void **state)
{
    (void)state;
    a.also = start_other_hook;
    a.other = &c;
    CHECK_OK(loop, rouse_hook_start(loop, &a.hook, ROUSE_AFTER_WAIT));
    CHECK_OK(loop, rouse_hook_start(loop, &b.hook, ROUSE_AFTER_WAIT));
    CHECK_OK(loop, rouse_turn(loop, 0));
    CHECK_JOURNAL("ab");
    CHECK_OK(loop, rouse_turn(loop, 0));
    CHECK_JOURNAL("abc");
    CHECK_OK(loop, rouse_turn(loop, 0));
    CHECK_JOURNAL("abc");
}

static void hook_stopped_in_a_hook_is_not_called(void **state)
{
    (void)state;
    a.also = stop_other_hook;
    a.other = &b; /* still to come */
    c.also = stop_other_hook;
    c.other = &a; /* has been called */
    CHECK_OK(loop, rouse_hook_start(loop, &a.hook, ROUSE_BEFORE_WAIT));
    CHECK_OK(loop, rouse_hook_start(loop, &b.hook, ROUSE_BEFORE_WAIT));
    CHECK_OK(loop, rouse_hook_start(loop, &c.hook, ROUSE_BEFORE_WAIT));
    CHECK_OK(loop, rouse_turn(loop, 0));
    CHECK_JOURNAL("ac");
    CHECK_OK(loop, rouse_turn(loop, 0));
    CHECK_JOURNAL("c");
}

static void hook_stops_or_frees_itself(void **state)
{
    (void)state;
    struct player *heap = malloc(sizeof *heap);
    assert_non_null(heap);
    player_init(heap, loop, 'h', free_self);
    a.also = stop_self;
    CHECK_OK(loop, rouse_hook_start(loop, &a.hook, ROUSE_AFTER_WAIT));
    CHECK_OK(loop, rouse_hook_start(loop, &heap->hook, ROUSE_AFTER_WAIT));
    CHECK_OK(loop, rouse_hook_start(loop, &b.hook, ROUSE_AFTER_WAIT));
    CHECK_OK(loop, rouse_turn(loop, 0));
    CHECK_OK(loop, rouse_turn(loop, 0));
    CHECK_JOURNAL("ahbb");
    CHECK_OK(loop, rouse_hook_start(loop, &a.hook, ROUSE_AFTER_WAIT));
    CHECK_OK(loop, rouse_turn(loop, 0));
    CHECK_JOURNAL("ba");
}

static void start_other_timer(struct player *self)
{
    CHECK_OK(loop, rouse_timer_at(self->loop, &self->other->timer, STAGE_START + 70, 0));
}

static void stop_loop(struct player *self)
{
    CHECK_OK(loop, rouse_stop(self->loop));
}

static void wake_loop(struct player *self)
{
    CHECK_OK(loop, rouse_wake(self->loop));
}

static void watch_pipe(struct player *self)
{
    CHECK_OK(loop, rouse_io_start(self->loop, &self->other->io, ends[0], ROUSE_READ));
}

/* L5: the need to wake up was computed before all sources had had their say. */
static void timer_started_before_the_wait_counts_for_it(void **state)
{
    (void)state;
    a.also = start_other_timer;
    a.other = &b;
    CHECK_OK(loop, rouse_timer_at(loop, &c.timer, STAGE_START + 500, 0));
    CHECK_OK(loop, rouse_hook_start(loop, &a.hook, ROUSE_BEFORE_WAIT));
    CHECK_OK(loop, rouse_turn(loop, -1));
    assert_int_equal(clock_.asked, STAGE_START + 70);
    a.also = NULL;
    CHECK_OK(loop, rouse_turn(loop, 0));
    assert_non_null(strchr(journal_take(), 'b'));
}

/* How another library's loop is embedded: before each wait a timer is set to what that one asks
 * for. If each start put it off to the next turn, it would never be called. */
static void timer_started_before_every_wait_is_called_when_due(void **state)
{
    (void)state;
    a.also = start_other_timer;
    a.other = &b;
    CHECK_OK(loop, rouse_hook_start(loop, &a.hook, ROUSE_BEFORE_WAIT));
    for (int i = 0; i < 3; i++)
        CHECK_OK(loop, rouse_turn(loop, -1));
    assert_non_null(strchr(journal_take(), 'b'));
    assert_int_equal(clock_.now, STAGE_START + 70);
}

static void descriptor_started_before_the_wait_counts_for_it(void **state)
{
    (void)state;
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    a.also = watch_pipe;
    a.other = &b;
    CHECK_OK(loop, rouse_hook_start(loop, &a.hook, ROUSE_BEFORE_WAIT));
    assert_int_equal(rouse_turn(loop, -1), 1);
    CHECK_JOURNAL("ab");
    assert_int_equal(clock_.idles, 0);
    CHECK_OK(loop, rouse_io_stop(&b.io));
}

static void stop_before_the_wait_keeps_it_from_sleeping(void **state)
{
    (void)state;
    a.also = stop_loop;
    CHECK_OK(loop, rouse_timer_at(loop, &b.timer, STAGE_START + 70, 0));
    CHECK_OK(loop, rouse_hook_start(loop, &a.hook, ROUSE_BEFORE_WAIT));
    assert_int_equal(rouse_run(loop), 1);
    CHECK_JOURNAL("a");
    assert_int_equal(clock_.idles, 0);
}

static void wake_before_the_wait_keeps_it_from_sleeping(void **state)
{
    (void)state;
    a.also = wake_loop;
    CHECK_OK(loop, rouse_hook_start(loop, &a.hook, ROUSE_BEFORE_WAIT));
    CHECK_OK(loop, rouse_hook_start(loop, &c.hook, ROUSE_ON_WAKE));
    assert_int_equal(rouse_turn(loop, -1), 0);
    CHECK_JOURNAL("ac");
    assert_int_equal(clock_.idles, 0);
}

static void wakes_are_told_once_in_the_turn_that_they_ended(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_hook_start(loop, &a.hook, ROUSE_ON_WAKE));
    CHECK_OK(loop, rouse_hook_start(loop, &b.hook, ROUSE_ON_WAKE));
    assert_int_equal(rouse_turn(loop, 0), 0);
    CHECK_JOURNAL("");
    for (int i = 0; i < 10; i++)
        CHECK_OK(NULL, rouse_wake(loop));
    assert_int_equal(rouse_turn(loop, 0), 0);
    CHECK_JOURNAL("ab");
    assert_int_equal(rouse_turn(loop, 0), 0);
    CHECK_JOURNAL("");
}

/* A hook that wakes the loop is called again in the next turn, not for ever in this one. */
static void wake_in_a_wake_hook_is_for_the_next_turn(void **state)
{
    (void)state;
    a.also = wake_loop;
    CHECK_OK(loop, rouse_hook_start(loop, &a.hook, ROUSE_ON_WAKE));
    CHECK_OK(NULL, rouse_wake(loop));
    for (int i = 0; i < 3; i++)
        assert_int_equal(rouse_turn(loop, -1), 0);
    CHECK_JOURNAL("aaa");
    assert_int_equal(clock_.idles, 0);
}

static void a_post_is_no_wake(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_hook_start(loop, &a.hook, ROUSE_ON_WAKE));
    CHECK_OK(loop, rouse_post(loop, &b.task));
    assert_int_equal(rouse_turn(loop, 0), 1);
    CHECK_JOURNAL("b");
}

static void hooks_do_not_keep_the_loop_alive(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_hook_start(loop, &a.hook, ROUSE_BEFORE_WAIT));
    CHECK_OK(loop, rouse_hook_start(loop, &b.hook, ROUSE_ON_WAKE));
    assert_int_equal(rouse_run(loop), 0);
}

static void hook_is_started_once(void **state)
{
    (void)state;
    struct rouse_hook zeroed = {0};
    assert_int_equal(rouse_hook_stop(&zeroed), 0);
    assert_int_equal(rouse_hook_start(loop, &zeroed, ROUSE_BEFORE_WAIT), -EINVAL); /* no callback */
    assert_int_equal(rouse_hook_start(loop, &a.hook, (enum rouse_moment)3), -EINVAL);
    CHECK_OK(loop, rouse_hook_start(loop, &a.hook, ROUSE_BEFORE_WAIT));
    assert_int_equal(rouse_hook_start(loop, &a.hook, ROUSE_BEFORE_WAIT), -EBUSY);
    assert_int_equal(rouse_hook_start(loop, &a.hook, ROUSE_AFTER_WAIT), -EBUSY);
    CHECK_OK(loop, rouse_turn(loop, 0));
    CHECK_JOURNAL("a");
    CHECK_OK(loop, rouse_hook_stop(&a.hook));
    CHECK_OK(loop, rouse_hook_stop(&a.hook));
    CHECK_OK(loop, rouse_turn(loop, 0));
    CHECK_JOURNAL("");
}

static void hooks_that_remain_at_close_are_free_again(void **state)
{
    (void)state;
    struct world_clock other_clock;
    struct rouse_loop *other = stage_open(&other_clock);
    CHECK_OK(other, rouse_hook_start(other, &a.hook, ROUSE_BEFORE_WAIT));
    CHECK_OK(other, rouse_hook_start(other, &b.hook, ROUSE_ON_WAKE));
    CHECK_OK(NULL, rouse_close(other));
    CHECK_OK(loop, rouse_hook_start(loop, &a.hook, ROUSE_BEFORE_WAIT));
    CHECK_OK(loop, rouse_hook_start(loop, &b.hook, ROUSE_AFTER_WAIT));
    CHECK_OK(loop, rouse_turn(loop, 0));
    CHECK_JOURNAL("ab");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(around_every_wait),
        CASE(called_in_the_order_started),
        CASE(hook_started_in_a_hook_waits_for_the_next_time_and_is_last),
        CASE(hook_stopped_in_a_hook_is_not_called),
        CASE(hook_stops_or_frees_itself),
        CASE(timer_started_before_the_wait_counts_for_it),
        CASE(timer_started_before_every_wait_is_called_when_due),
        CASE(descriptor_started_before_the_wait_counts_for_it),
        CASE(stop_before_the_wait_keeps_it_from_sleeping),
        CASE(wake_before_the_wait_keeps_it_from_sleeping),
        CASE(wakes_are_told_once_in_the_turn_that_they_ended),
        CASE(wake_in_a_wake_hook_is_for_the_next_turn),
        CASE(a_post_is_no_wake),
        CASE(hooks_do_not_keep_the_loop_alive),
        CASE(hook_is_started_once),
        CASE(hooks_that_remain_at_close_are_free_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
