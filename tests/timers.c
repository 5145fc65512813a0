/*
 * Timers, when they are called: once or in phase, never early, in the order of their deadlines. All
 * of it in virtual time: the loop of a case idles from deadline to deadline in no time at all, and
 * a case that moves the clock by hand sees to the nanosecond what is due and what is not.
 *
 * SPDX-License-Identifier: MIT
 */
#include "stage.h"

static void one_shot_is_called_once_at_its_deadline(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player a;
    player_init(&a, loop, 'a', NULL);
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 100, 0));
    assert_int_equal(rouse_timer_active(&a.timer), 1);
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("a");
    assert_int_equal(clock.now, STAGE_START + 100);
    assert_int_equal(rouse_timer_active(&a.timer), 0);
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("");
    CHECK_OK(NULL, rouse_close(loop));
}

static void never_early_not_by_a_nanosecond(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    clock.stands = true; /* idling may end sooner than asked for */
    struct player a;
    player_init(&a, loop, 'a', NULL);
    CHECK_OK(loop, rouse_timer_at(loop, &a.timer, STAGE_START + 100, 0));
    clock.now = STAGE_START + 99;
    assert_int_equal(rouse_turn(loop, -1), 0);
    assert_int_equal(clock.asked, STAGE_START + 100);
    assert_int_equal(rouse_turn(loop, 0), 0);
    CHECK_JOURNAL("");
    clock.now = STAGE_START + 100;
    assert_int_equal(rouse_turn(loop, 0), 1);
    CHECK_JOURNAL("a");
    CHECK_OK(NULL, rouse_close(loop));
}

static void deadline_in_the_past_is_due_at_once(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player a, b;
    player_init(&a, loop, 'a', NULL);
    player_init(&b, loop, 'b', NULL);
    CHECK_OK(loop, rouse_timer_at(loop, &a.timer, STAGE_START - 5, 0));
    CHECK_OK(loop, rouse_timer_at(loop, &b.timer, -7, 0));
    assert_int_equal(rouse_turn(loop, -1), 2);
    CHECK_JOURNAL("ba");
    assert_int_equal(clock.now, STAGE_START);
    CHECK_OK(NULL, rouse_close(loop));
}

static void many_deadlines_are_called_in_their_order(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player players[26];
    for (int i = 0; i < 26; i++) {
        player_init(&players[i], loop, (char)('a' + i), NULL);
    }
    for (int i = 0; i < 26; i++) {
        int scattered = i * 7 % 26;
        CHECK_OK(loop, rouse_timer_at(loop, &players[scattered].timer, 2000 + scattered, 0));
    }
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("abcdefghijklmnopqrstuvwxyz");
    assert_int_equal(clock.now, 2025);
    CHECK_OK(NULL, rouse_close(loop));
}

/* I13: timers of one deadline came in any order. */
static void equal_deadlines_are_called_in_the_order_started(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player players[26];
    for (int i = 0; i < 26; i++) {
        int scattered = i * 7 % 26;
        player_init(&players[scattered], loop, (char)('a' + i), NULL);
        CHECK_OK(loop, rouse_timer_at(loop, &players[scattered].timer, 2000, 0));
    }
    assert_int_equal(rouse_turn(loop, -1), 26);
    CHECK_JOURNAL("abcdefghijklmnopqrstuvwxyz");
    CHECK_OK(NULL, rouse_close(loop));
}

/* I13: a deadline that is moved later by a store, and settled only when the old one surfaces, must
 * take its place behind those that were started on the new deadline before it. */
static void equal_deadlines_keep_their_order_after_lazy_moves(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player a, b, c, d;
    player_init(&a, loop, 'a', NULL);
    player_init(&b, loop, 'b', NULL);
    player_init(&c, loop, 'c', NULL);
    player_init(&d, loop, 'd', NULL);
    CHECK_OK(loop, rouse_timer_at(loop, &d.timer, 1500, 0));
    CHECK_OK(loop, rouse_timer_at(loop, &a.timer, 2000, 0));
    CHECK_OK(loop, rouse_timer_at(loop, &b.timer, 1600, 0));
    CHECK_OK(loop, rouse_timer_at(loop, &b.timer, 2000, 0)); /* later */
    CHECK_OK(loop, rouse_timer_at(loop, &c.timer, 2100, 0));
    CHECK_OK(loop, rouse_timer_at(loop, &c.timer, 2000, 0)); /* sooner */
    CHECK_OK(loop, rouse_timer_at(loop, &d.timer, 2000, 0)); /* later, and last */
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("abcd");
    assert_int_equal(clock.now, 2000);
    CHECK_OK(NULL, rouse_close(loop));
}

/* R7: the idle timeout that each message pushes back; only the last deadline counts. */
static void deadline_pushed_back_again_and_again_fires_once_at_the_last(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player a;
    player_init(&a, loop, 'a', NULL);
    for (int i = 0; i < 1000; i++) {
        CHECK_OK(loop, rouse_timer_at(loop, &a.timer, clock.now + 100, 0));
        clock.now += 60;
        assert_int_equal(rouse_turn(loop, 0), 0);
    }
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("a");
    assert_int_equal(clock.now, STAGE_START + 999 * 60 + 100);
    CHECK_OK(NULL, rouse_close(loop));
}

static void deadline_moved_sooner_fires_sooner(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player a, b;
    player_init(&a, loop, 'a', NULL);
    player_init(&b, loop, 'b', NULL);
    CHECK_OK(loop, rouse_timer_at(loop, &b.timer, 2000, 0));
    CHECK_OK(loop, rouse_timer_at(loop, &a.timer, 3000, 0));
    CHECK_OK(loop, rouse_timer_at(loop, &a.timer, 4000, 0)); /* filed under 3000, due at 4000 */
    CHECK_OK(loop, rouse_timer_at(loop, &a.timer, 1500, 0));
    assert_int_equal(rouse_turn(loop, -1), 1);
    CHECK_JOURNAL("a");
    assert_int_equal(clock.now, 1500);
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("b");
    CHECK_OK(NULL, rouse_close(loop));
}

static void repeating_timer_keeps_its_phase(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player a;
    player_init(&a, loop, 'a', NULL);
    CHECK_OK(loop, rouse_timer_at(loop, &a.timer, 2000, 10));
    clock.now = 2003; /* late */
    assert_int_equal(rouse_turn(loop, 0), 1);
    assert_int_equal(rouse_timer_active(&a.timer), 1);
    clock.now = 2009;
    assert_int_equal(rouse_turn(loop, 0), 0);
    clock.now = 2010;
    assert_int_equal(rouse_turn(loop, 0), 1);
    assert_int_equal(rouse_turn(loop, -1), 1); /* idles */
    assert_int_equal(clock.now, 2020);
    CHECK_JOURNAL("aaa");
    CHECK_OK(NULL, rouse_close(loop));
}

static void repeating_timer_late_by_several_periods_is_called_once(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player a;
    player_init(&a, loop, 'a', NULL);
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 10, 10));
    clock.now = STAGE_START + 57;
    assert_int_equal(rouse_turn(loop, 0), 1);
    assert_int_equal(rouse_turn(loop, 0), 0);
    assert_int_equal(rouse_turn(loop, -1), 1);
    assert_int_equal(clock.now, STAGE_START + 60);
    clock.now = STAGE_START + 80; /* exactly on a later beat: that one is done too */
    assert_int_equal(rouse_turn(loop, 0), 1);
    assert_int_equal(rouse_turn(loop, -1), 1);
    assert_int_equal(clock.now, STAGE_START + 90);
    CHECK_JOURNAL("aaaa");
    CHECK_OK(NULL, rouse_close(loop));
}

static void all_that_is_due_fires_in_one_turn(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player *players = calloc(MANY, sizeof *players);
    assert_non_null(players);
    for (int i = 0; i < MANY; i++) {
        player_init(&players[i], loop, 'a', NULL);
        CHECK_OK(loop, rouse_timer_at(loop, &players[i].timer, 2000 + i * 7 % MANY, 0));
    }
    clock.now = 2000 + MANY;
    assert_int_equal(rouse_turn(loop, 0), MANY);
    assert_int_equal(rouse_turn(loop, 0), 0);
    journal_take();
    free(players);
    CHECK_OK(NULL, rouse_close(loop));
}

/* I15: a timer ran although it had been stopped. */
static void stopped_timer_is_not_called(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player a, b;
    player_init(&a, loop, 'a', NULL);
    player_init(&b, loop, 'b', NULL);
    CHECK_OK(loop, rouse_timer_at(loop, &a.timer, 2000, 50));
    CHECK_OK(loop, rouse_timer_at(loop, &b.timer, 2000, 0));
    CHECK_OK(loop, rouse_timer_stop(&a.timer));
    CHECK_OK(loop, rouse_timer_stop(&a.timer)); /* twice is once */
    assert_int_equal(rouse_timer_active(&a.timer), 0);
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("b");
    CHECK_OK(NULL, rouse_close(loop));
}

static void zeroed_timer_is_a_stopped_one(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct rouse_timer zeroed = {0};
    assert_int_equal(rouse_timer_active(&zeroed), 0);
    assert_int_equal(rouse_timer_stop(&zeroed), 0);
    assert_int_equal(rouse_timer_at(loop, &zeroed, 2000, 0), -EINVAL); /* nothing to call */
    assert_int_equal(rouse_run(loop), 0);
    CHECK_OK(NULL, rouse_close(loop));
}

static void turn_idles_no_longer_than_its_limit(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player a;
    player_init(&a, loop, 'a', NULL);
    CHECK_OK(loop, rouse_timer_at(loop, &a.timer, 2000, 0));
    assert_int_equal(rouse_turn(loop, 300), 0);
    assert_int_equal(clock.asked, STAGE_START + 300);
    assert_int_equal(clock.now, STAGE_START + 300);
    assert_int_equal(rouse_turn(loop, INT64_MAX), 1);
    assert_int_equal(clock.now, 2000);
    CHECK_JOURNAL("a");
    CHECK_OK(NULL, rouse_close(loop));
}

static void unreferenced_timer_does_not_keep_the_loop_alive(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player a, b;
    player_init(&a, loop, 'a', NULL);
    player_init(&b, loop, 'b', NULL);
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 10, 10));
    CHECK_OK(loop, rouse_timer_unref(&a.timer));
    CHECK_OK(loop, rouse_timer_unref(&a.timer)); /* twice is once */
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("");
    CHECK_OK(loop, rouse_timer_after(loop, &b.timer, 35, 0));
    assert_int_equal(rouse_run(loop), 0); /* as long as b lives, a is called */
    CHECK_JOURNAL("aaab");
    CHECK_OK(loop, rouse_timer_stop(&a.timer));
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 10, 0)); /* it lasts over stop and start */
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("");
    CHECK_OK(loop, rouse_timer_ref(&a.timer));
    CHECK_OK(loop, rouse_timer_ref(&a.timer));
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("a");
    CHECK_OK(loop, rouse_timer_unref(&a.timer)); /* before the start is as good */
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 10, 0));
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("");
    CHECK_OK(NULL, rouse_close(loop));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_shot_is_called_once_at_its_deadline),
        cmocka_unit_test(never_early_not_by_a_nanosecond),
        cmocka_unit_test(deadline_in_the_past_is_due_at_once),
        cmocka_unit_test(many_deadlines_are_called_in_their_order),
        cmocka_unit_test(equal_deadlines_are_called_in_the_order_started),
        cmocka_unit_test(equal_deadlines_keep_their_order_after_lazy_moves),
        cmocka_unit_test(deadline_pushed_back_again_and_again_fires_once_at_the_last),
        cmocka_unit_test(deadline_moved_sooner_fires_sooner),
        cmocka_unit_test(repeating_timer_keeps_its_phase),
        cmocka_unit_test(repeating_timer_late_by_several_periods_is_called_once),
        cmocka_unit_test(all_that_is_due_fires_in_one_turn),
        cmocka_unit_test(stopped_timer_is_not_called),
        cmocka_unit_test(zeroed_timer_is_a_stopped_one),
        cmocka_unit_test(turn_idles_no_longer_than_its_limit),
        cmocka_unit_test(unreferenced_timer_does_not_keep_the_loop_alive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
