/*
 * Timers by the million, and other crowds that are hard on whoever keeps them: all on one deadline,
 * started in falling order, due all at once after a day, a hundred years apart. Nothing is timed:
 * what is asserted is the order, and for how long the loop sleeps, for that shows how far it has
 * searched. Where each timer meant a look at all others, these cases would take hours.
 *
 * SPDX-License-Identifier: MIT
 */
#include "stage.h"

enum { MANY = 1000000, MS = 1000000 };
static const int64_t SECOND = 1000LL * MS, DAY = 24LL * 3600 * 1000 * MS;

static struct world_clock clock_;
static struct rouse_loop *loop;
static struct rouse_timer *timers;
static int64_t last_deadline;
static struct rouse_timer *last;
static int called;

/* By deadline, and those of one deadline in the order of the table. */
static void check_order(struct rouse_timer *timer)
{
    assert_true(timer->deadline > last_deadline ||
                (timer->deadline == last_deadline && timer > last));
    assert_true(timer->deadline <= clock_.now);
    last_deadline = timer->deadline;
    last = timer;
    called++;
}

static int set_up(void **state)
{
    (void)state;
    loop = stage_open(&clock_);
    timers = calloc(MANY, sizeof *timers);
    assert_non_null(timers);
    for (int i = 0; i < MANY; i++)
        rouse_timer_init(&timers[i], check_order);
    last_deadline = INT64_MIN;
    last = NULL;
    called = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    CHECK_OK(NULL, rouse_close(loop));
    free(timers);
    return 0;
}

static void start(int i, int64_t deadline)
{
    CHECK_OK(loop, rouse_timer_at(loop, &timers[i], deadline, 0));
}

/* A turn that may sleep; returns until when it would. */
static int64_t sleep_a_turn(void)
{
    CHECK_OK(loop, rouse_turn(loop, -1));
    return clock_.asked;
}

static void million_on_one_deadline_are_called_in_the_order_started(void **state)
{
    (void)state;
    for (int i = 0; i < MANY; i++)
        start(i, STAGE_START + DAY);
    for (int turns = 0; called == 0; turns++) {
        assert_true(sleep_a_turn() <= STAGE_START + DAY);
        assert_in_range(turns, 0, 16); /* it wakes where a slot begins: once in each level */
    }
    assert_int_equal(called, MANY);
}

static void stall_of_a_day_with_a_million_due(void **state)
{
    (void)state;
    for (int i = 0; i < MANY; i++)
        start(i, STAGE_START + (int64_t)(i * 7919LL % MANY) * (DAY / MANY));
    clock_.now += DAY;
    assert_int_equal(rouse_turn(loop, 0), MANY);
}

static void start_all_falling(struct rouse_timer *timer)
{
    (void)timer;
    for (int i = 1; i <= MANY / 10; i++)
        start(i, clock_.now - i);
}

static void started_in_one_callback_in_falling_order(void **state)
{
    (void)state;
    rouse_timer_init(&timers[0], start_all_falling);
    start(0, STAGE_START);
    assert_int_equal(rouse_turn(loop, 0), 1);
    assert_int_equal(rouse_turn(loop, 0), MANY / 10);
    assert_ptr_equal(last, &timers[1]);
}

static void clock_jumps_over_a_hundred_years_of_timers(void **state)
{
    (void)state;
    enum { SOME = 100000 };
    int64_t century = 36525 * DAY;
    for (int i = 0; i < SOME; i++)
        start(i, STAGE_START + (int64_t)(i * 7919LL % SOME) * (century / SOME));
    for (int i = SOME; i < 2 * SOME; i++)
        start(i, INT64_MAX);
    clock_.now += century;
    assert_int_equal(rouse_turn(loop, 0), SOME);
    assert_int_equal(rouse_turn(loop, 0), 0);
    clock_.now = INT64_MAX - 1;
    assert_int_equal(rouse_turn(loop, 0), 0);
    clock_.now = INT64_MAX;
    assert_int_equal(rouse_turn(loop, 0), SOME);
}

/* Those that come and go before they are due cost no wakeup, though the first of all is another one
 * each time; and to find that the others are far is no search among them. */
static void short_timers_come_and_go_beside_far_ones(void **state)
{
    (void)state;
    clock_.stands = true;
    struct rouse_timer brief;
    rouse_timer_init(&brief, check_order);
    for (int far = 1; far <= 10000; far *= 10) {
        for (int i = 0; i < far; i++)
            start(i, STAGE_START + 3600 * SECOND + i);
        for (int i = 0; i < 1000; i++) {
            clock_.now += 50000;
            CHECK_OK(loop, rouse_timer_at(loop, &brief, clock_.now + 5 * MS, 0));
            assert_int_equal(sleep_a_turn(), clock_.now + 5 * MS);
            CHECK_OK(loop, rouse_timer_stop(&brief));
            assert_true(sleep_a_turn() > clock_.now + 1000 * SECOND);
        }
    }
    assert_int_equal(called, 0);
}

/* The timeouts of requests, each of which is answered long before: the first of all is stopped in
 * each turn, among thousands of nearly the same deadline. */
static void first_of_a_crowd_stopped_in_each_turn(void **state)
{
    (void)state;
    enum { PENDING = 10000, TURNS = 200000 };
    int64_t timeout = 30 * SECOND;
    unsigned in_vain = 0;
    for (int i = 0; i < PENDING; i++)
        start(i, STAGE_START + timeout + i);
    for (int i = 0; i < TURNS; i++) {
        int oldest = i % PENDING;
        int64_t first = timers[oldest].deadline;
        CHECK_OK(loop, rouse_timer_stop(&timers[oldest]));
        start(oldest, clock_.now + timeout);
        assert_true(first > clock_.now);
        clock_.now += MS;
        clock_.stands = true;
        in_vain += sleep_a_turn() <= clock_.now;
    }
    assert_int_equal(called, 0);
    assert_in_range(in_vain, 0, TURNS / 100);
}

/* As many as are searched for the first deadline are; among more it is content with the time at
 * which their slot begins, and at the latest there it knows. */
static void few_are_searched_for_the_first_deadline_and_many_are_not(void **state)
{
    (void)state;
    clock_.stands = true;
    for (int many = 1; many <= 64; many++) {
        int64_t begin = (STAGE_START + DAY) >> 40 << 40; /* where a slot of the fourth level does */
        for (int i = 0; i <= many; i++)
            start(i, begin + i);
        CHECK_OK(loop, rouse_timer_stop(&timers[0])); /* the first of all */
        assert_true(many > 32 || sleep_a_turn() == begin + 1);
        assert_true(many <= 32 || sleep_a_turn() == begin);
        clock_.now = STAGE_START;
    }
    clock_.now = STAGE_START + DAY;
    assert_int_equal(rouse_turn(loop, 0), 64);
}

static unsigned allocations;
static bool none_left;

static void *counting(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    (void)old_size;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    allocations++;
    return none_left ? NULL : realloc(block, new_size);
}

/* And only the first can be refused for want of memory. */
static void million_timers_are_one_allocation(void **state)
{
    (void)state;
    const struct rouse_allocator allocator = {counting, NULL};
    struct rouse_config config = {.size = sizeof config, .allocator = &allocator};
    struct rouse_loop *other = NULL;
    CHECK_OK(NULL, rouse_open(&other, &config));
    none_left = true;
    assert_int_equal(rouse_timer_at(other, &timers[0], 5, 0), -ENOMEM);
    assert_int_equal(rouse_timer_active(&timers[0]), 0);
    none_left = false;
    allocations = 0;
    CHECK_OK(other, rouse_timer_at(other, &timers[0], 5, 0));
    assert_int_equal(allocations, 1);
    none_left = true;
    for (int i = 1; i < MANY; i++)
        CHECK_OK(other, rouse_timer_at(other, &timers[i], i * 7919LL, i));
    none_left = false;
    CHECK_OK(NULL, rouse_close(other));
    for (int i = 0; i < MANY; i++)
        assert_int_equal(rouse_timer_active(&timers[i]), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(million_on_one_deadline_are_called_in_the_order_started),
        CASE(stall_of_a_day_with_a_million_due),
        CASE(started_in_one_callback_in_falling_order),
        CASE(clock_jumps_over_a_hundred_years_of_timers),
        CASE(short_timers_come_and_go_beside_far_ones),
        CASE(first_of_a_crowd_stopped_in_each_turn),
        CASE(few_are_searched_for_the_first_deadline_and_many_are_not),
        CASE(million_timers_are_one_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
