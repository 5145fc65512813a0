/*
 * Tasks: one call each, after the events and timers of a turn and before the loop sleeps. A task
 * that defers another one adds to the next turn, so that a chain of tasks keeps a loop awake but
 * never keeps it from its descriptors. Posts come from other threads in threads.c; here a loop's
 * own thread posts, which is the same call.
 *
 * SPDX-License-Identifier: MIT
 */
#include "stage.h"

static struct world_clock clock_;
static struct rouse_loop *loop;
static struct player a, b, c;

static int set_up(void **state)
{
    (void)state;
    loop = stage_open(&clock_);
    player_init(&a, loop, 'a', NULL);
    player_init(&b, loop, 'b', NULL);
    player_init(&c, loop, 'c', NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return rouse_close(loop);
}

static void defer_other(struct player *self)
{
    CHECK_OK(loop, rouse_defer(self->loop, &self->other->task));
}

static void defer_self(struct player *self)
{
    CHECK_OK(loop, rouse_defer(self->loop, &self->task));
}

static void post_self(struct player *self)
{
    CHECK_OK(loop, rouse_post(self->loop, &self->task));
}

static void cancel_other(struct player *self)
{
    CHECK_OK(loop, rouse_task_cancel(&self->other->task));
}

static void stop_loop(struct player *self)
{
    CHECK_OK(loop, rouse_stop(self->loop));
}

static void free_self(struct player *self)
{
    free(self);
}

static void free_other(struct player *self)
{
    CHECK_OK(loop, rouse_task_cancel(&self->other->task));
    free(self->other);
}

static void run_in_the_order_deferred(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_defer(loop, &b.task));
    CHECK_OK(loop, rouse_defer(loop, &a.task));
    CHECK_OK(loop, rouse_defer(loop, &c.task));
    assert_int_equal(rouse_turn(loop, -1), 3);
    CHECK_JOURNAL("bac");
    assert_int_equal(clock_.idles, 0); /* before the loop sleeps */
}

static void run_in_the_order_posted(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_post(loop, &c.task));
    CHECK_OK(loop, rouse_post(loop, &a.task));
    CHECK_OK(loop, rouse_post(loop, &b.task));
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("cab");
    assert_int_equal(clock_.idles, 0);
}

/* M3: a queue that was fed while it was drained never ended. */
static void deferred_by_a_task_waits_for_the_next_turn(void **state)
{
    (void)state;
    a.also = defer_other;
    a.other = &c;
    CHECK_OK(loop, rouse_defer(loop, &a.task));
    CHECK_OK(loop, rouse_defer(loop, &b.task));
    assert_int_equal(rouse_turn(loop, -1), 2);
    CHECK_JOURNAL("ab");
    assert_int_equal(rouse_turn(loop, -1), 1);
    CHECK_JOURNAL("c");
}

/* M3: descriptors and timers are served in every turn, however busy the tasks are. */
static void task_that_defers_itself_starves_nobody(void **state)
{
    (void)state;
    rouse_fd ends[2];
    CHECK_OK(NULL, world_pair(WORLD_ANY, ends));
    CHECK_OK(NULL, world_send(ends[1], "x", 1));
    a.also = defer_self;
    c.also = post_self;
    CHECK_OK(loop, rouse_defer(loop, &a.task));
    CHECK_OK(loop, rouse_io_start(loop, &b.io, ends[0], ROUSE_READ));
    CHECK_OK(loop, rouse_timer_at(loop, &b.timer, STAGE_START, 1));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rouse_turn(loop, -1), 3);
        clock_.now++;
    }
    CHECK_JOURNAL("bbabbabba");
    CHECK_OK(loop, rouse_task_cancel(&a.task));
    CHECK_OK(loop, rouse_post(loop, &c.task));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rouse_turn(loop, -1), 3);
        clock_.now++;
    }
    CHECK_JOURNAL("bbcbbcbbc");
    CHECK_OK(loop, rouse_io_close(&b.io));
    CHECK_OK(NULL, world_close(ends[1]));
}

static void run_after_the_events_and_timers_of_the_turn(void **state)
{
    (void)state;
    rouse_fd ends[2];
    CHECK_OK(NULL, world_pair(WORLD_ANY, ends));
    CHECK_OK(NULL, world_send(ends[1], "x", 1));
    a.also = defer_other;
    a.other = &c;
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    CHECK_OK(loop, rouse_timer_at(loop, &b.timer, STAGE_START, 0));
    assert_int_equal(rouse_turn(loop, -1), 3);
    assert_int_equal(journal_take()[2], 'c'); /* a and b in either order */
    CHECK_OK(loop, rouse_io_close(&a.io));
    CHECK_OK(NULL, world_close(ends[1]));
}

static void deferred_around_the_wait_runs_in_that_turn(void **state)
{
    (void)state;
    for (int moment = ROUSE_BEFORE_WAIT; moment <= ROUSE_AFTER_WAIT; moment++) {
        player_init(&a, loop, 'a', defer_other);
        a.other = &b;
        CHECK_OK(loop, rouse_hook_start(loop, &a.hook, (enum rouse_moment)moment));
        assert_int_equal(rouse_turn(loop, moment == ROUSE_BEFORE_WAIT ? -1 : 0), 1);
        CHECK_OK(loop, rouse_hook_stop(&a.hook));
        CHECK_JOURNAL("ab");
    }
    assert_int_equal(clock_.idles, 0);
}

static void cancelled_task_is_not_called(void **state)
{
    (void)state;
    assert_int_equal(rouse_task_cancel(&a.task), 0); /* waits for nothing */
    CHECK_OK(loop, rouse_defer(loop, &a.task));
    CHECK_OK(loop, rouse_defer(loop, &b.task));
    CHECK_OK(loop, rouse_task_cancel(&a.task));
    CHECK_OK(loop, rouse_task_cancel(&a.task));
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("b");
    CHECK_OK(loop, rouse_defer(loop, &a.task)); /* and may wait again */
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("a");
}

static void posted_task_can_be_cancelled_wherever_it_waits(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_post(loop, &a.task));
    CHECK_OK(loop, rouse_post(loop, &b.task));
    CHECK_OK(loop, rouse_post(loop, &c.task));
    CHECK_OK(loop, rouse_task_cancel(&b.task)); /* in the middle of what was posted */
    CHECK_OK(loop, rouse_task_cancel(&a.task));
    CHECK_OK(loop, rouse_post(loop, &a.task)); /* now behind c */
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("ca");
}

/* M7: a node was unlinked twice. */
static void sibling_cancelled_in_a_task_is_not_called(void **state)
{
    (void)state;
    a.also = cancel_other;
    a.other = &b; /* still to come */
    c.also = cancel_other;
    c.other = &a; /* has been called */
    CHECK_OK(loop, rouse_defer(loop, &a.task));
    CHECK_OK(loop, rouse_defer(loop, &b.task));
    CHECK_OK(loop, rouse_defer(loop, &c.task));
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("ac");
}

static void waits_only_once(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_defer(loop, &a.task));
    assert_int_equal(rouse_defer(loop, &a.task), -EALREADY);
    assert_int_equal(rouse_post(loop, &a.task), -EALREADY);
    CHECK_OK(loop, rouse_post(loop, &b.task));
    assert_int_equal(rouse_post(loop, &b.task), -EALREADY);
    assert_int_equal(rouse_defer(loop, &b.task), -EALREADY);
    assert_int_equal(rouse_run(loop), 0);
    const char *journal = journal_take();
    assert_int_equal(strlen(journal), 2);
    assert_non_null(strchr(journal, 'a'));
    assert_non_null(strchr(journal, 'b'));
}

/* M5: once its callback has begun a task is its owner's again. */
static void freed_in_its_own_callback(void **state)
{
    (void)state;
    struct player *heap = malloc(sizeof *heap);
    assert_non_null(heap);
    player_init(heap, loop, 'h', free_self);
    CHECK_OK(loop, rouse_defer(loop, &heap->task));
    CHECK_OK(loop, rouse_defer(loop, &b.task));
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("hb");
}

static void sibling_freed_in_a_callback(void **state)
{
    (void)state;
    struct player *heap = malloc(sizeof *heap);
    assert_non_null(heap);
    player_init(heap, loop, 'h', NULL);
    a.also = free_other;
    a.other = heap;
    CHECK_OK(loop, rouse_defer(loop, &a.task));
    CHECK_OK(loop, rouse_defer(loop, &heap->task));
    CHECK_OK(loop, rouse_defer(loop, &b.task));
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("ab");
}

/* M8: the loop ended, or slept, though work was pending. */
static void task_that_waits_keeps_the_loop_alive(void **state)
{
    (void)state;
    a.also = defer_other;
    a.other = &b;
    CHECK_OK(loop, rouse_defer(loop, &a.task));
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("ab");
    CHECK_OK(loop, rouse_post(loop, &b.task));
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("b");
    assert_int_equal(clock_.idles, 0);
}

/* Every task queued before the phase began runs in this turn, whatever the others do. */
static void stop_in_a_task_does_not_keep_the_others_from_their_turn(void **state)
{
    (void)state;
    a.also = stop_loop;
    CHECK_OK(loop, rouse_defer(loop, &a.task));
    CHECK_OK(loop, rouse_defer(loop, &b.task));
    CHECK_OK(loop, rouse_defer(loop, &c.task));
    assert_int_equal(rouse_run(loop), 1);
    CHECK_JOURNAL("abc");
}

static void many_tasks_run_in_one_turn(void **state)
{
    (void)state;
    enum { MANY = 4000 };
    struct player *players = calloc(MANY, sizeof *players);
    assert_non_null(players);
    for (int i = 0; i < MANY; i++) {
        player_init(&players[i], loop, (char)('a' + i % 26), NULL);
        CHECK_OK(loop,
                 i % 2 ? rouse_defer(loop, &players[i].task) : rouse_post(loop, &players[i].task));
    }
    assert_int_equal(rouse_turn(loop, 0), MANY);
    assert_int_equal(strlen(journal_take()), MANY);
    free(players);
}

static void tasks_that_still_wait_at_close_are_free_again(void **state)
{
    (void)state;
    struct world_clock other_clock;
    struct rouse_loop *other = stage_open(&other_clock);
    CHECK_OK(other, rouse_defer(other, &a.task));
    CHECK_OK(other, rouse_post(other, &b.task));
    CHECK_OK(NULL, rouse_close(other));
    CHECK_JOURNAL("");
    CHECK_OK(loop, rouse_defer(loop, &a.task));
    CHECK_OK(loop, rouse_defer(loop, &b.task));
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("ab");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(run_in_the_order_deferred),
        CASE(run_in_the_order_posted),
        CASE(deferred_by_a_task_waits_for_the_next_turn),
        CASE(task_that_defers_itself_starves_nobody),
        CASE(run_after_the_events_and_timers_of_the_turn),
        CASE(deferred_around_the_wait_runs_in_that_turn),
        CASE(cancelled_task_is_not_called),
        CASE(posted_task_can_be_cancelled_wherever_it_waits),
        CASE(sibling_cancelled_in_a_task_is_not_called),
        CASE(waits_only_once),
        CASE(freed_in_its_own_callback),
        CASE(sibling_freed_in_a_callback),
        CASE(task_that_waits_keeps_the_loop_alive),
        CASE(stop_in_a_task_does_not_keep_the_others_from_their_turn),
        CASE(many_tasks_run_in_one_turn),
        CASE(tasks_that_still_wait_at_close_are_free_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
