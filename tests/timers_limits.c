/*
 * Timers and the ends of the number line: every deadline, delay and period up to INT64_MAX is
 * valid, sums beyond it are INT64_MAX, and a clock that steps back stands still. What is feared
 * here is not a wrong order but arithmetic: overflow is undefined, and a wrong sign is a spin.
 *
 * SPDX-License-Identifier: MIT
 */
#include <limits.h>

#include "stage.h"

/* Where other loops have broken: units, widths of integers, and reserved values. */
static const int64_t values[] = {
    0,
    1,
    999,
    1000,
    999999,
    1000000,
    1000001,
    INT32_MAX,
    (int64_t)INT32_MAX + 1,
    UINT32_MAX - 1,
    UINT32_MAX,
    (int64_t)UINT32_MAX + 1,
    1000000LL * INT32_MAX, /* milliseconds in an int */
    1000000LL * INT32_MAX + 999999,
    1000000LL * INT32_MAX + 1000000,
    1000000LL * UINT32_MAX,
    1000LL * INT32_MAX * 1000 + 1,
    INT64_MAX / 1000000 * 1000000,
    INT64_MAX / 2,
    INT64_MAX - STAGE_START - 1,
    INT64_MAX - STAGE_START,
    INT64_MAX - STAGE_START + 1,
    INT64_MAX - 1,
    INT64_MAX,
};

enum { VALUES = sizeof values / sizeof values[0] };

static int64_t sum(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

/* I2, I5, I8: long delays were taken for none, or for ever, or wrapped around. */
static void every_delay_up_to_the_last_is_valid(void **state)
{
    (void)state;
    for (int i = 0; i < VALUES; i++) {
        struct world_clock clock;
        struct rouse_loop *loop = stage_open(&clock);
        struct player a;
        player_init(&a, loop, 'a', NULL);
        CHECK_OK(loop, rouse_timer_after(loop, &a.timer, values[i], 0));
        int64_t deadline = sum(STAGE_START, values[i]);
        if (deadline > STAGE_START) {
            clock.now = deadline - 1;
            assert_int_equal(rouse_turn(loop, 0), 0);
            clock.stands = true;
            assert_int_equal(rouse_turn(loop, -1), 0);
            assert_int_equal(clock.asked, deadline);
        }
        clock.now = deadline;
        assert_int_equal(rouse_turn(loop, 0), 1);
        CHECK_JOURNAL("a");
        CHECK_OK(NULL, rouse_close(loop));
    }
}

/* I12, R1: sizes and sums that wrapped. */
static void every_pair_of_deadline_and_period_is_valid(void **state)
{
    (void)state;
    for (int i = 0; i < VALUES; i++) {
        for (int k = 1; k < VALUES; k++) {
            struct world_clock clock;
            struct rouse_loop *loop = stage_open(&clock);
            struct player a;
            player_init(&a, loop, 'a', NULL);
            CHECK_OK(loop, rouse_timer_at(loop, &a.timer, values[i], values[k]));
            int64_t deadline = values[i] > STAGE_START ? values[i] : STAGE_START;
            clock.now = deadline;
            assert_int_equal(rouse_turn(loop, 0), 1);
            if (deadline < INT64_MAX) {
                assert_int_equal(rouse_turn(loop, 0), 0);
                int64_t next = sum(values[i], (deadline - values[i]) / values[k] * values[k]);
                clock.stands = true;
                assert_int_equal(rouse_turn(loop, -1), 0);
                assert_int_equal(clock.asked, sum(next, values[k]));
            }
            CHECK_OK(loop, rouse_timer_stop(&a.timer));
            CHECK_OK(NULL, rouse_close(loop));
        }
    }
    journal_take();
}

static void deadlines_before_time_began_are_due(void **state)
{
    (void)state;
    static const int64_t early[] = {INT64_MIN, INT64_MIN + 1, -INT64_MAX / 2, INT32_MIN, -1};
    for (size_t i = 0; i < sizeof early / sizeof early[0]; i++) {
        for (int k = 0; k < VALUES; k++) {
            struct world_clock clock;
            struct rouse_loop *loop = stage_open(&clock);
            struct player a;
            player_init(&a, loop, 'a', NULL);
            CHECK_OK(loop, rouse_timer_at(loop, &a.timer, early[i], values[k]));
            assert_int_equal(rouse_turn(loop, -1), 1);
            CHECK_JOURNAL("a");
            assert_int_equal(rouse_timer_active(&a.timer), values[k] != 0);
            clock.stands = true;
            if (values[k] != 0) { /* late by many periods is called once */
                assert_int_equal(rouse_turn(loop, -1), 0);
                assert_true(clock.asked > STAGE_START);
                assert_true(clock.asked - STAGE_START <= values[k]);
            }
            CHECK_OK(NULL, rouse_close(loop));
        }
    }
}

static void clock_at_its_end_is_no_trouble(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    clock.now = INT64_MAX - 10;
    struct player a, b;
    player_init(&a, loop, 'a', NULL);
    player_init(&b, loop, 'b', NULL);
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 11, 0)); /* the sum is INT64_MAX */
    CHECK_OK(loop, rouse_timer_after(loop, &b.timer, 9, INT64_MAX));
    assert_int_equal(rouse_turn(loop, INT64_MAX), 1);
    CHECK_JOURNAL("b");
    assert_int_equal(rouse_turn(loop, 0), 0);
    clock.now = INT64_MAX;
    assert_int_equal(rouse_turn(loop, 0), 2);
    CHECK_JOURNAL("ab");
    CHECK_OK(NULL, rouse_close(loop));
}

/* What is left until then is more than there are nanoseconds in a number. */
static void last_deadline_by_a_clock_before_its_zero(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    clock.now = -1000;
    clock.stands = true;
    struct player a;
    player_init(&a, loop, 'a', NULL);
    CHECK_OK(loop, rouse_timer_at(loop, &a.timer, INT64_MAX, 0));
    assert_int_equal(rouse_turn(loop, -1), 0);
    assert_int_equal(clock.asked, INT64_MAX - 1000);
    clock.now = INT64_MAX;
    assert_int_equal(rouse_turn(loop, 0), 1);
    CHECK_JOURNAL("a");
    CHECK_OK(NULL, rouse_close(loop));
}

static void every_limit_of_a_turn_is_valid(void **state)
{
    (void)state;
    for (int i = 0; i < VALUES; i++) {
        struct world_clock clock;
        struct rouse_loop *loop = stage_open(&clock);
        clock.stands = true;
        CHECK_OK(loop, rouse_hold(loop));
        assert_int_equal(rouse_turn(loop, values[i]), 0);
        assert_int_equal(clock.idles, values[i] != 0);
        if (values[i] != 0)
            assert_int_equal(clock.asked, sum(STAGE_START, values[i]));
        assert_int_equal(rouse_turn(loop, values[i] == 0 ? INT64_MIN : -values[i]), 0);
        assert_int_equal(clock.asked, INT64_MAX);
        CHECK_OK(NULL, rouse_close(loop));
    }
}

static void negative_delays_and_periods_are_refused(void **state)
{
    (void)state;
    static const int64_t negative[] = {-1, INT32_MIN, INT64_MIN + 1, INT64_MIN};
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player a;
    player_init(&a, loop, 'a', NULL);
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 100, 0));
    for (size_t i = 0; i < sizeof negative / sizeof negative[0]; i++) {
        assert_int_equal(rouse_timer_after(loop, &a.timer, negative[i], 0), -EINVAL);
        assert_int_equal(rouse_timer_after(loop, &a.timer, 10, negative[i]), -EINVAL);
        assert_int_equal(rouse_timer_at(loop, &a.timer, 10, negative[i]), -EINVAL);
        assert_true(strlen(rouse_error(loop)) > 0);
    }
    assert_int_equal(rouse_run(loop), 0); /* as it was: once, at 100 */
    CHECK_JOURNAL("a");
    assert_int_equal(clock.now, STAGE_START + 100);
    CHECK_OK(NULL, rouse_close(loop));
}

/* I23: a monotonic clock was seen going back, and an assertion ended the program. */
static void clock_that_steps_back_is_clamped(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player a;
    player_init(&a, loop, 'a', NULL);
    CHECK_OK(loop, rouse_timer_at(loop, &a.timer, STAGE_START + 100, 0));
    clock.now = STAGE_START + 50;
    assert_int_equal(rouse_turn(loop, 0), 0);
    assert_int_equal(rouse_now(loop), STAGE_START + 50);
    static const int64_t back[] = {STAGE_START + 49, 0, -1, INT64_MIN};
    for (size_t i = 0; i < sizeof back / sizeof back[0]; i++) {
        clock.now = back[i];
        assert_int_equal(rouse_turn(loop, 0), 0);
        assert_int_equal(rouse_now(loop), STAGE_START + 50);
    }
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 10, 0)); /* from the clamped time */
    clock.now = STAGE_START + 59;
    assert_int_equal(rouse_turn(loop, 0), 0);
    clock.now = STAGE_START + 60;
    assert_int_equal(rouse_turn(loop, 0), 1);
    CHECK_JOURNAL("a");
    CHECK_OK(NULL, rouse_close(loop));
}

/* I17: a repeating timer was based anew on the time at which something else happened. */
static void phase_survives_a_clock_that_steps_back(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player a;
    player_init(&a, loop, 'a', NULL);
    CHECK_OK(loop, rouse_timer_at(loop, &a.timer, 1100, 100));
    clock.now = 1130;
    assert_int_equal(rouse_turn(loop, 0), 1);
    clock.now = 900;
    assert_int_equal(rouse_turn(loop, 0), 0);
    clock.now = 1199;
    assert_int_equal(rouse_turn(loop, 0), 0);
    clock.now = 1200;
    assert_int_equal(rouse_turn(loop, 0), 1);
    CHECK_JOURNAL("aa");
    CHECK_OK(NULL, rouse_close(loop));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_delay_up_to_the_last_is_valid),
        cmocka_unit_test(every_pair_of_deadline_and_period_is_valid),
        cmocka_unit_test(deadlines_before_time_began_are_due),
        cmocka_unit_test(clock_at_its_end_is_no_trouble),
        cmocka_unit_test(last_deadline_by_a_clock_before_its_zero),
        cmocka_unit_test(every_limit_of_a_turn_is_valid),
        cmocka_unit_test(negative_delays_and_periods_are_refused),
        cmocka_unit_test(clock_that_steps_back_is_clamped),
        cmocka_unit_test(phase_survives_a_clock_that_steps_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
