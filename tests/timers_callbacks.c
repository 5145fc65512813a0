/*
 * Timers, and what callbacks do to them: start, move, stop and free themselves and each other. The
 * rule that keeps all of it sane: whatever is started in a callback waits for the next turn,
 * however long its deadline has passed, so that no chain of timers can keep a turn from ending.
 *
 * SPDX-License-Identifier: MIT
 */
#include "stage.h"

static void start_other_now(struct player *self)
{
    CHECK_OK(self->loop, rouse_timer_at(self->loop, &self->other->timer, 0, 0));
}

static void stop_other(struct player *self)
{
    CHECK_OK(self->loop, rouse_timer_stop(&self->other->timer));
}

static void stop_and_free_other(struct player *self)
{
    CHECK_OK(self->loop, rouse_timer_stop(&self->other->timer));
    free(self->other);
    self->other = NULL;
}

static void stop_self(struct player *self)
{
    CHECK_OK(self->loop, rouse_timer_stop(&self->timer));
}

static void stop_and_free_self(struct player *self)
{
    CHECK_OK(self->loop, rouse_timer_stop(&self->timer));
    free(self);
}

static void start_self_now(struct player *self)
{
    CHECK_OK(self->loop, rouse_timer_after(self->loop, &self->timer, 0, 0));
}

static void defer_other(struct player *self)
{
    CHECK_OK(self->loop, rouse_defer(self->loop, &self->other->task));
}

/* M2: what was added to the list being walked was called in the same walk. */
static void started_in_a_timer_waits_for_the_next_turn(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player a, b, c;
    player_init(&a, loop, 'a', start_other_now);
    player_init(&b, loop, 'b', NULL);
    player_init(&c, loop, 'c', NULL);
    a.other = &b;
    CHECK_OK(loop, rouse_timer_at(loop, &a.timer, STAGE_START, 0));
    CHECK_OK(loop, rouse_timer_at(loop, &c.timer, STAGE_START, 0));
    assert_int_equal(rouse_turn(loop, 0), 2);
    CHECK_JOURNAL("ac");
    assert_int_equal(rouse_turn(loop, 0), 1);
    CHECK_JOURNAL("b");
    CHECK_OK(NULL, rouse_close(loop));
}

static void started_in_an_io_callback_waits_for_the_next_turn(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    rouse_fd ends[2];
    CHECK_OK(NULL, world_pair(WORLD_ANY, ends));
    CHECK_OK(NULL, world_send(ends[1], "x", 1));
    struct player a, b, c;
    player_init(&a, loop, 'a', start_other_now);
    player_init(&b, loop, 'b', NULL);
    player_init(&c, loop, 'c', NULL);
    a.other = &b;
    CHECK_OK(loop, rouse_timer_at(loop, &c.timer, STAGE_START, 0));
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ | ROUSE_ONESHOT));
    assert_int_equal(rouse_turn(loop, 0), 2);
    CHECK_JOURNAL("ac");
    assert_int_equal(rouse_turn(loop, 0), 1);
    CHECK_JOURNAL("b");
    CHECK_OK(loop, rouse_io_close(&a.io));
    CHECK_OK(NULL, world_close(ends[1]));
    CHECK_OK(NULL, rouse_close(loop));
}

static void started_in_a_task_waits_for_the_next_turn(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player a, b;
    player_init(&a, loop, 'a', start_other_now);
    player_init(&b, loop, 'b', NULL);
    a.other = &b;
    CHECK_OK(loop, rouse_defer(loop, &a.task));
    assert_int_equal(rouse_turn(loop, 0), 1);
    CHECK_JOURNAL("a");
    assert_int_equal(rouse_turn(loop, -1), 1);
    CHECK_JOURNAL("b");
    CHECK_OK(NULL, rouse_close(loop));
}

/* I1: a timer of 0 that starts itself again kept the loop inside one turn for ever. */
static void zero_rearmed_in_its_callback_does_not_spin_within_a_turn(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    rouse_fd ends[2];
    CHECK_OK(NULL, world_pair(WORLD_ANY, ends));
    CHECK_OK(NULL, world_send(ends[1], "x", 1));
    struct player a, b;
    player_init(&a, loop, 't', start_self_now);
    player_init(&b, loop, 'i', NULL);
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 0, 0));
    CHECK_OK(loop, rouse_io_start(loop, &b.io, ends[0], ROUSE_READ));
    for (int i = 0; i < 4; i++)
        assert_int_equal(rouse_turn(loop, -1), 2);
    CHECK_JOURNAL("itititit"); /* and it starves nobody */
    assert_int_equal(clock.now, STAGE_START);
    CHECK_OK(loop, rouse_timer_stop(&a.timer));
    CHECK_OK(loop, rouse_io_close(&b.io));
    CHECK_OK(NULL, world_close(ends[1]));
    CHECK_OK(NULL, rouse_close(loop));
}

/* I20: the walk had saved a pointer to the sibling that the callback stopped. */
static void sibling_stopped_in_a_callback_is_not_called(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player a, b, c, d;
    player_init(&a, loop, 'a', stop_other);
    player_init(&b, loop, 'b', NULL);
    player_init(&c, loop, 'c', stop_other);
    player_init(&d, loop, 'd', NULL);
    a.other = &b; /* the next one */
    c.other = &a; /* one that has been called */
    CHECK_OK(loop, rouse_timer_at(loop, &a.timer, STAGE_START, 100));
    CHECK_OK(loop, rouse_timer_at(loop, &b.timer, STAGE_START, 100));
    CHECK_OK(loop, rouse_timer_at(loop, &c.timer, STAGE_START, 0));
    CHECK_OK(loop, rouse_timer_at(loop, &d.timer, STAGE_START, 0));
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("acd");
    CHECK_OK(NULL, rouse_close(loop));
}

/* I20, A4: freed memory in the walk. */
static void sibling_freed_in_a_callback_is_not_touched(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    for (int distance = 1; distance < 5; distance++) {
        struct player *players[6];
        for (int i = 0; i < 6; i++) {
            players[i] = malloc(sizeof *players[i]);
            assert_non_null(players[i]);
            player_init(players[i], loop, (char)('a' + i), NULL);
            CHECK_OK(loop, rouse_timer_at(loop, &players[i]->timer, clock.now, 0));
        }
        players[0]->also = stop_and_free_other;
        players[0]->other = players[distance];
        assert_int_equal(rouse_run(loop), 0);
        static const char *const left[] = {"", "acdef", "abdef", "abcef", "abcdf"};
        CHECK_JOURNAL(left[distance]);
        for (int i = 0; i < 6; i++)
            if (i != distance)
                free(players[i]);
    }
    CHECK_OK(NULL, rouse_close(loop));
}

/* M5: the loop touched the timer after its callback had freed it. */
static void freed_in_its_own_callback(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    for (int repeating = 0; repeating < 2; repeating++) {
        struct player *a = malloc(sizeof *a);
        assert_non_null(a);
        player_init(a, loop, 'a', stop_and_free_self);
        CHECK_OK(loop, rouse_timer_after(loop, &a->timer, 10, repeating * 10));
        assert_int_equal(rouse_run(loop), 0);
        CHECK_JOURNAL("a");
    }
    CHECK_OK(NULL, rouse_close(loop));
}

static void repeating_timer_stopped_in_its_callback_ends(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player a;
    player_init(&a, loop, 'a', stop_self);
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 10, 10));
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("a");
    assert_int_equal(clock.now, STAGE_START + 10);
    CHECK_OK(NULL, rouse_close(loop));
}

static int active_when_called;

static void note_active(struct player *self)
{
    active_when_called = rouse_timer_active(&self->timer);
}

static void no_longer_started_when_called_for_the_last_time(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player a;
    player_init(&a, loop, 'a', note_active);
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 10, 0));
    assert_int_equal(rouse_turn(loop, -1), 1);
    assert_int_equal(active_when_called, 0);
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 10, 10));
    assert_int_equal(rouse_turn(loop, -1), 1);
    assert_int_equal(active_when_called, 1);
    CHECK_OK(NULL, rouse_close(loop));
}

static void restart_slower(struct player *self)
{
    CHECK_OK(self->loop, rouse_timer_after(self->loop, &self->timer, 100, 1000));
}

static void restart_in_its_own_callback_replaces_the_period(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player a;
    player_init(&a, loop, 'a', restart_slower);
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 10, 10));
    assert_int_equal(rouse_turn(loop, -1), 1);
    assert_int_equal(clock.now, STAGE_START + 10);
    a.also = NULL;
    assert_int_equal(rouse_turn(loop, -1), 1);
    assert_int_equal(clock.now, STAGE_START + 110);
    assert_int_equal(rouse_turn(loop, -1), 1);
    assert_int_equal(clock.now, STAGE_START + 1110);
    CHECK_JOURNAL("aaa");
    CHECK_OK(NULL, rouse_close(loop));
}

static void push_other_back(struct player *self)
{
    CHECK_OK(self->loop,
             rouse_timer_at(self->loop, &self->other->timer, rouse_now(self->loop) + 50, 0));
}

/* A move by a mere store must still be seen by the turn in which the old deadline is due. */
static void due_sibling_moved_later_waits_for_its_new_deadline(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player a, b;
    player_init(&a, loop, 'a', push_other_back);
    player_init(&b, loop, 'b', NULL);
    a.other = &b;
    CHECK_OK(loop, rouse_timer_at(loop, &a.timer, STAGE_START, 0));
    CHECK_OK(loop, rouse_timer_at(loop, &b.timer, STAGE_START, 0));
    assert_int_equal(rouse_turn(loop, 0), 1);
    assert_int_equal(rouse_turn(loop, 0), 0);
    assert_int_equal(rouse_turn(loop, -1), 1);
    assert_int_equal(clock.now, STAGE_START + 50);
    CHECK_JOURNAL("ab");
    CHECK_OK(NULL, rouse_close(loop));
}

static void due_sibling_started_again_waits_for_the_next_turn(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player a, b;
    player_init(&a, loop, 'a', start_other_now);
    player_init(&b, loop, 'b', NULL);
    a.other = &b;
    CHECK_OK(loop, rouse_timer_at(loop, &a.timer, STAGE_START - 2, 0));
    CHECK_OK(loop, rouse_timer_at(loop, &b.timer, STAGE_START - 1, 0));
    assert_int_equal(rouse_turn(loop, 0), 1);
    CHECK_JOURNAL("a");
    assert_int_equal(rouse_turn(loop, 0), 1);
    CHECK_JOURNAL("b");
    CHECK_OK(NULL, rouse_close(loop));
}

/* I18: a timer that came due wiped what else was to be called. */
static void timer_io_and_task_of_one_object_are_all_called(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    rouse_fd ends[2];
    CHECK_OK(NULL, world_pair(WORLD_ANY, ends));
    CHECK_OK(NULL, world_send(ends[1], "x", 1));
    struct player a, b;
    player_init(&a, loop, 'a', NULL);
    player_init(&b, loop, 'b', defer_other);
    b.other = &a;
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    CHECK_OK(loop, rouse_timer_at(loop, &a.timer, STAGE_START, 0));
    CHECK_OK(loop, rouse_timer_at(loop, &b.timer, STAGE_START, 0));
    assert_int_equal(rouse_turn(loop, -1), 4);
    CHECK_JOURNAL("aaba");
    CHECK_OK(loop, rouse_io_close(&a.io));
    CHECK_OK(NULL, world_close(ends[1]));
    CHECK_OK(NULL, rouse_close(loop));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(started_in_a_timer_waits_for_the_next_turn),
        cmocka_unit_test(started_in_an_io_callback_waits_for_the_next_turn),
        cmocka_unit_test(started_in_a_task_waits_for_the_next_turn),
        cmocka_unit_test(zero_rearmed_in_its_callback_does_not_spin_within_a_turn),
        cmocka_unit_test(sibling_stopped_in_a_callback_is_not_called),
        cmocka_unit_test(sibling_freed_in_a_callback_is_not_touched),
        cmocka_unit_test(freed_in_its_own_callback),
        cmocka_unit_test(repeating_timer_stopped_in_its_callback_ends),
        cmocka_unit_test(no_longer_started_when_called_for_the_last_time),
        cmocka_unit_test(restart_in_its_own_callback_replaces_the_period),
        cmocka_unit_test(due_sibling_moved_later_waits_for_its_new_deadline),
        cmocka_unit_test(due_sibling_started_again_waits_for_the_next_turn),
        cmocka_unit_test(timer_io_and_task_of_one_object_are_all_called),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
