/*
 * The clock: the user's own, and how often any clock is read. A loop without timers never asks what
 * time it is; one with timers asks once in a turn. With a clock of the user's the loop asks its
 * backend without waiting, and lets the clock do the sleeping.
 *
 * SPDX-License-Identifier: MIT
 */
#include "core/loop.h" /* system_table */
#include "observer.h"

static struct rouse_loop *loop;
static struct world_clock clock_;
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
    CHECK_OK(NULL, rouse_close(loop));
    CHECK_OK(NULL, world_close(ends[0]));
    CHECK_OK(NULL, world_close(ends[1]));
    return 0;
}

static void idles_until_the_first_deadline_or_without_one(void **state)
{
    (void)state;
    if (subject_guesses())
        SKIP("beside a guess the loop never idles");
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    assert_int_equal(rouse_turn(loop, -1), 0);
    assert_int_equal(clock_.idles, 1);
    assert_int_equal(clock_.asked, INT64_MAX);
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 70, 0));
    assert_int_equal(rouse_turn(loop, -1), 1);
    assert_int_equal(clock_.asked, STAGE_START + 70);
    assert_int_equal(rouse_turn(loop, 25), 0);
    assert_int_equal(clock_.asked, STAGE_START + 95);
    assert_int_equal(clock_.idles, 3);
}

static void clock_before_its_zero_is_as_good(void **state)
{
    (void)state;
    clock_.now = -1000;
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 70, 0));
    assert_int_equal(rouse_turn(loop, -1), 1);
    assert_int_equal(clock_.asked, -930);
    assert_int_equal(rouse_turn(loop, 25), 0);
    assert_int_equal(clock_.asked, -905);
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, INT64_MAX, 0));
    assert_int_equal(rouse_turn(loop, 5), 0);
    assert_int_equal(clock_.asked, -900);
}

static void does_not_idle_while_anything_is_ready(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    assert_int_equal(rouse_turn(loop, -1), 1);
    CHECK_OK(loop, rouse_io_stop(&a.io));
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 0, 0));
    assert_int_equal(rouse_turn(loop, -1), 1);
    CHECK_OK(loop, rouse_defer(loop, &a.task));
    assert_int_equal(rouse_turn(loop, -1), 1);
    CHECK_OK(NULL, rouse_wake(loop));
    assert_int_equal(rouse_turn(loop, -1), 0);
    assert_int_equal(rouse_turn(loop, 0), 0);
    assert_int_equal(clock_.idles, 0);
}

static void backend_never_sleeps_beside_a_clock_of_the_users_own(void **state)
{
    (void)state;
    struct rouse_backend backend = observer_backend(NULL);
    struct rouse_clock own = world_clock(&clock_);
    struct rouse_config config = {
        .size = sizeof config, .own = &backend, .backend = subject_name(), .clock = &own};
    struct rouse_loop *other = NULL;
    CHECK_OK(NULL, rouse_open(&other, &config));
    CHECK_OK(other, rouse_timer_after(other, &a.timer, 70, 70));
    for (int i = 0; i < 100; i++)
        assert_int_equal(rouse_turn(other, i % 2 ? -1 : INT64_MAX), 1);
    assert_int_equal(observed.sleeps, 0);
    assert_int_equal(observed.asks, 100);
    CHECK_OK(NULL, rouse_close(other));
}

/* "Read at most once a turn, and only if a timer is pending or somebody asks." */
static void clock_that_nobody_needs_is_not_read(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    clock_.reads = 0;
    for (int i = 0; i < 100; i++)
        assert_int_equal(rouse_turn(loop, i % 2 ? -1 : 0), 1);
    assert_int_equal(clock_.reads, 0);
}

static int reads;
static int64_t cheap; /* a time that has not come, as the system knows without reading its clock */

static int64_t counting_now(void)
{
    reads++;
    return system_table.now();
}

static int64_t cheap_soon(void)
{
    return cheap;
}

/* 100 turns of a loop that has a descriptor ready and a timer pending. */
static void read_in_busy_turns(int64_t (*soon)(void), int64_t deadline)
{
    struct rouse_system system = system_table;
    system.now = counting_now;
    system.soon = soon;
    struct rouse_backend backend = observer_backend(&system);
    struct rouse_config config = {
        .size = sizeof config, .own = &backend, .backend = subject_name()};
    struct rouse_loop *other = NULL;
    CHECK_OK(NULL, rouse_open(&other, &config));
    player_init(&b, other, 'b', NULL);
    CHECK_OK(other, rouse_io_start(other, &b.io, ends[0], ROUSE_READ));
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    CHECK_OK(other, rouse_timer_at(other, &b.timer, deadline, 0));
    CHECK_OK(other, rouse_turn(other, -1));
    reads = 0;
    for (int i = 0; i < 100; i++)
        assert_int_equal(rouse_turn(other, -1), 1);
    CHECK_OK(NULL, rouse_close(other));
}

static void busy_loop_with_a_timer_reads_the_clock_once_a_turn(void **state)
{
    (void)state;
    if (subject_backend()->traits & ROUSE_TRAIT_ASK)
        SKIP("to ask costs this backend more than to sleep");
    read_in_busy_turns(NULL, INT64_MAX);
    assert_int_equal(reads, 100);
    cheap = INT64_MAX / 2;
    read_in_busy_turns(cheap_soon, INT64_MAX / 2); /* it may have come */
    assert_int_equal(reads, 100);
}

static void clock_is_not_read_while_the_first_deadline_is_far(void **state)
{
    (void)state;
    if (subject_backend()->traits & ROUSE_TRAIT_ASK)
        SKIP("to ask costs this backend more than to sleep");
    cheap = INT64_MAX / 2;
    read_in_busy_turns(cheap_soon, INT64_MAX / 2 + 1);
    assert_int_equal(reads, 0);
}

/* The machine's own cheap time must never hide a deadline that has come. */
static void due_timers_of_a_busy_loop_are_called(void **state)
{
    (void)state;
    struct rouse_loop *real = NULL;
    CHECK_OK(NULL, rouse_open(&real, NULL));
    player_init(&b, real, 'b', NULL);
    CHECK_OK(real, rouse_io_start(real, &b.io, ends[0], ROUSE_READ));
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    int64_t start = world_now();
    CHECK_OK(real, rouse_timer_at(real, &b.timer, start + 30000000, 0));
    while (rouse_timer_active(&b.timer))
        CHECK_OK(real, rouse_turn(real, -1));
    assert_true(world_now() - start >= 30000000);
    CHECK_OK(NULL, rouse_close(real));
}

static int64_t times[2];

static void look_at_the_clock(struct player *self)
{
    times[0] = rouse_now(self->loop);
    clock_.now += 1000;
    times[1] = rouse_now(self->loop);
}

static void time_stands_still_within_a_turn(void **state)
{
    (void)state;
    a.also = look_at_the_clock;
    CHECK_OK(loop, rouse_defer(loop, &a.task));
    CHECK_OK(loop, rouse_defer(loop, &b.task));
    clock_.reads = 0;
    assert_int_equal(rouse_turn(loop, 0), 2);
    assert_int_equal(times[0], STAGE_START);
    assert_int_equal(times[1], STAGE_START);
    assert_int_equal(clock_.reads, 1);
    assert_int_equal(rouse_now(loop), STAGE_START + 1000); /* outside a turn it is read */
    clock_.now += 5;
    assert_int_equal(rouse_now(loop), STAGE_START + 1005);
    assert_int_equal(clock_.reads, 3);
    CHECK_OK(loop, rouse_defer(loop, &a.task));
    assert_int_equal(rouse_turn(loop, 0), 1);
    assert_int_equal(times[0], STAGE_START + 1005);
}

static void start_after_a_long_callback(struct player *self)
{
    int64_t began = rouse_now(self->loop);
    clock_.now += 1000; /* so long it took */
    CHECK_OK(self->loop, rouse_timer_after(self->loop, &self->timer, 100, 0));
    CHECK_OK(self->loop, rouse_timer_at(self->loop, &self->other->timer, began + 100, 0));
    self->also = NULL;
}

/* _after counts from now, which it reads; _at from what the callback has computed. Neither is
 * early. */
static void delay_counts_from_the_call_and_not_from_the_turn(void **state)
{
    (void)state;
    a.also = start_after_a_long_callback;
    a.other = &b;
    CHECK_OK(loop, rouse_defer(loop, &a.task));
    assert_int_equal(rouse_turn(loop, 0), 1);
    assert_int_equal(rouse_turn(loop, -1), 1);
    assert_int_equal(clock_.now, STAGE_START + 1000);
    CHECK_JOURNAL("ab");
    assert_int_equal(rouse_turn(loop, -1), 1);
    assert_int_equal(clock_.now, STAGE_START + 1100);
    CHECK_JOURNAL("a");
}

static void system_clock_is_monotonic_and_the_machines(void **state)
{
    (void)state;
    struct rouse_loop *real = NULL;
    CHECK_OK(NULL, rouse_open(&real, NULL));
    int64_t last = world_now();
    for (int i = 0; i < 1000; i++) {
        int64_t now = rouse_now(real);
        assert_true(now >= last);
        last = now;
    }
    assert_true(world_now() >= last);
    CHECK_OK(NULL, rouse_close(real));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(idles_until_the_first_deadline_or_without_one),
        CASE(clock_before_its_zero_is_as_good),
        CASE(does_not_idle_while_anything_is_ready),
        CASE(backend_never_sleeps_beside_a_clock_of_the_users_own),
        CASE(clock_that_nobody_needs_is_not_read),
        CASE(busy_loop_with_a_timer_reads_the_clock_once_a_turn),
        CASE(clock_is_not_read_while_the_first_deadline_is_far),
        CASE(due_timers_of_a_busy_loop_are_called),
        CASE(time_stands_still_within_a_turn),
        CASE(delay_counts_from_the_call_and_not_from_the_turn),
        CASE(system_clock_is_monotonic_and_the_machines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
