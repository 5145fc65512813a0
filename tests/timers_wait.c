/*
 * Timers, and how long the loop sleeps for them: to the nanosecond, rounded up to the unit of the
 * backend, and no longer because signals interrupt it. Seen through a backend that observes; the
 * time is virtual where a case counts and the machine's own where the kernel must do the counting,
 * and then nothing is asserted about how long it took but that it was not too short.
 *
 * SPDX-License-Identifier: MIT
 */
#include "observer.h"

enum { MS = 1000000 };

static rouse_fd pipe_ends[2];

static void sleep_it_out(int64_t timeout)
{
    observed.now += timeout;
}

static void sleeps_until_the_first_deadline_to_the_nanosecond(void **state)
{
    (void)state;
    struct rouse_loop *loop = observer_open(true);
    observed.before_sleep = sleep_it_out;
    struct player a, b;
    player_init(&a, loop, 'a', NULL);
    player_init(&b, loop, 'b', NULL);
    CHECK_OK(loop, rouse_timer_after(loop, &b.timer, 7 * MS + 3, 0));
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 123456789, 0));
    assert_int_equal(rouse_turn(loop, -1), 1);
    assert_int_equal(observed.timeout, 7 * MS + 3);
    assert_int_equal(rouse_turn(loop, 5), 0);
    assert_int_equal(observed.timeout, 5);
    assert_int_equal(rouse_run(loop), 0);
    assert_int_equal(observed.timeout, 123456789 - 7 * MS - 3 - 5);
    assert_int_equal(observed.sleeps, 3);
    CHECK_JOURNAL("ba");
    CHECK_OK(NULL, rouse_close(loop));
}

static void interrupt_after_a_millisecond(int64_t timeout)
{
    observed.now += timeout < MS ? timeout : MS;
}

/* I7: after EINTR the wait was begun anew with the full timeout; signals at 1 kHz postponed every
 * timer for ever. */
static void interrupted_waits_go_on_with_what_is_left(void **state)
{
    (void)state;
    struct rouse_loop *loop = observer_open(true);
    observed.before_sleep = interrupt_after_a_millisecond;
    struct player a;
    player_init(&a, loop, 'a', NULL);
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 20 * MS, 0));
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("a");
    assert_int_equal(observed.sleeps, 20);
    assert_int_equal(observed.timeout, MS);
    assert_int_equal(observed.now, STAGE_START + 20 * MS);
    CHECK_OK(NULL, rouse_close(loop));
}

/* I7, M9: the same with real signals; it hangs if they postpone the timer. */
static void real_signals_do_not_postpone_a_timer(void **state)
{
    (void)state;
    if (world_interrupt(false) == -ENOTSUP)
        SKIP("this world has no signals");
    struct rouse_loop *loop = observer_open(false);
    struct player a;
    player_init(&a, loop, 'a', NULL);
    int before = world_interrupts();
    int64_t start = world_now();
    world_interrupt(true);
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 10 * MS, 0));
    assert_int_equal(rouse_run(loop), 0);
    assert_true(world_now() - start >= 10 * MS);
    while (world_interrupts() == before) /* the first may be late on a loaded machine */
        assert_int_equal(rouse_turn(loop, MS), 0);
    world_interrupt(false);
    CHECK_JOURNAL("a");
    CHECK_OK(NULL, rouse_close(loop));
}

/* I6: what was left was cut to 0 of the backend's units, and the loop spun until it had passed. */
static void short_timers_do_not_spin(void **state)
{
    (void)state;
    static const int64_t delays[] = {1,      999,    1000,       1001,    400000,
                                     999999, 1 * MS, 1 * MS + 1, 1999999, 2 * MS + 500};
    if (subject_guesses())
        SKIP("spin never sleeps");
    struct rouse_loop *loop = observer_open(false);
    struct player a;
    player_init(&a, loop, 'a', NULL);
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        unsigned before = observed.sleeps + observed.asks;
        int64_t start = world_now();
        CHECK_OK(loop, rouse_timer_after(loop, &a.timer, delays[i], 0));
        assert_int_equal(rouse_run(loop), 0);
        CHECK_JOURNAL("a");
        assert_true(world_now() - start >= delays[i]);
        assert_in_range(observed.sleeps + observed.asks - before, 1, 3);
    }
    CHECK_OK(NULL, rouse_close(loop));
}

static void send_a_byte(int64_t timeout)
{
    (void)timeout;
    assert_int_equal(world_send(pipe_ends[1], "x", 1), 1);
}

static void drain_pipe(struct player *self)
{
    (void)self;
    assert_int_equal(world_drain(pipe_ends[0]), 1);
}

/* I2, I5, I8, I10: far deadlines overflowed the timeout on its way into the kernel. */
static void far_deadlines_are_valid_timeouts(void **state)
{
    (void)state;
    static const int64_t delays[] = {
        1000LL * MS * UINT32_MAX,
        1LL * MS * INT32_MAX,
        1LL * MS * INT32_MAX + 1,
        1LL * MS * UINT32_MAX,
        1000LL * INT32_MAX + 1,
        INT64_MAX / 2,
        INT64_MAX - 1,
        INT64_MAX,
    };
    if (subject_guesses())
        SKIP("spin never sleeps");
    struct rouse_loop *loop = observer_open(false);
    CHECK_OK(NULL, world_pair(WORLD_ANY, pipe_ends));
    struct player a, b;
    player_init(&a, loop, 'a', NULL);
    player_init(&b, loop, 'b', drain_pipe);
    CHECK_OK(loop, rouse_io_start(loop, &b.io, pipe_ends[0], ROUSE_READ));
    observed.before_sleep = send_a_byte;
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        CHECK_OK(loop, rouse_timer_after(loop, &a.timer, delays[i], 0));
        CHECK_OK(loop, rouse_turn(loop, -1));
        assert_true(observed.timeout > delays[i] / 2);
        CHECK_OK(loop, rouse_timer_stop(&a.timer));
        CHECK_OK(loop, rouse_turn(loop, delays[i]));
        assert_true(observed.timeout > delays[i] / 2);
        CHECK_OK(loop, rouse_turn(loop, -delays[i]));
        assert_true(observed.timeout < 0);
    }
    CHECK_JOURNAL("bbbbbbbbbbbbbbbbbbbbbbbb");
    CHECK_OK(loop, rouse_turn(loop, INT64_MIN));
    assert_true(observed.timeout < 0);
    CHECK_JOURNAL("b");
    assert_int_equal(observed.sleeps, 25);
    CHECK_OK(loop, rouse_io_close(&b.io));
    CHECK_OK(NULL, world_close(pipe_ends[1]));
    CHECK_OK(NULL, rouse_close(loop));
}

/* R7: an idle timeout that is pushed back costs at most one vain wakeup: when the old one comes. */
static void pushed_back_deadline_wakes_the_loop_at_most_twice(void **state)
{
    (void)state;
    struct rouse_loop *loop = observer_open(true);
    observed.before_sleep = sleep_it_out;
    struct player a;
    player_init(&a, loop, 'a', NULL);
    for (int i = 0; i < 1000; i++)
        CHECK_OK(loop, rouse_timer_at(loop, &a.timer, STAGE_START + 100 + i, 0));
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("a");
    assert_int_equal(observed.now, STAGE_START + 1099);
    assert_in_range(observed.sleeps, 1, 2);
    CHECK_OK(NULL, rouse_close(loop));
}

static void started_when_the_loop_has_slept_for_long_counts_from_now(void **state)
{
    (void)state;
    struct rouse_loop *loop = observer_open(true);
    observed.before_sleep = sleep_it_out;
    struct player a;
    player_init(&a, loop, 'a', NULL);
    assert_int_equal(rouse_now(loop), STAGE_START);
    observed.now += 3600LL * 1000 * MS;
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 100, 0));
    assert_int_equal(rouse_run(loop), 0);
    assert_int_equal(observed.now, STAGE_START + 3600LL * 1000 * MS + 100);
    CHECK_JOURNAL("a");
    CHECK_OK(NULL, rouse_close(loop));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sleeps_until_the_first_deadline_to_the_nanosecond),
        cmocka_unit_test(interrupted_waits_go_on_with_what_is_left),
        cmocka_unit_test(real_signals_do_not_postpone_a_timer),
        cmocka_unit_test(short_timers_do_not_spin),
        cmocka_unit_test(far_deadlines_are_valid_timeouts),
        cmocka_unit_test(pushed_back_deadline_wakes_the_loop_at_most_twice),
        cmocka_unit_test(started_when_the_loop_has_slept_for_long_counts_from_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
