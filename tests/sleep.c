/*
 * How the loop goes to sleep. A wait that may sleep costs more than one that only asks, so a busy
 * loop asks first; but to ask in vain costs a call. The promise is that this is rare: at most 1.07
 * waits for each event whether events are dense or sparse, and one wait for each timer that fires.
 * And a loop with nothing to do sleeps without a limit: no wakeups, no processor time.
 *
 * All is counted through the observing backend, in virtual time. An event that arrives while the
 * loop sleeps is made at the moment at which it goes to sleep.
 *
 * SPDX-License-Identifier: MIT
 */
#include "observer.h"

enum { EVENTS = 4000 };

static rouse_fd pipe_ends[2];
static struct rouse_loop *loop;
static struct player reader;
static struct player alarm;
static int events;

static void take_one(struct player *self)
{
    char byte;
    assert_int_equal(world_receive(pipe_ends[0], &byte, 1), 1);
    if (++events == EVENTS)
        CHECK_OK(loop, rouse_stop(self->loop));
}

static int set_up(void **state)
{
    (void)state;
    loop = observer_open(true);
    CHECK_OK(NULL, world_pair(WORLD_ANY, pipe_ends));
    player_init(&reader, loop, 'r', take_one);
    player_init(&alarm, loop, 't', NULL);
    CHECK_OK(loop, rouse_io_start(loop, &reader.io, pipe_ends[0], ROUSE_READ));
    events = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    CHECK_OK(NULL, world_close(pipe_ends[0]));
    CHECK_OK(NULL, world_close(pipe_ends[1]));
    CHECK_OK(NULL, rouse_close(loop));
    journal_take();
    return 0;
}

/* waits / events <= 1.07 */
static void check_waits(unsigned long waits, unsigned long happened)
{
    if (waits * 100 > happened * 107)
        fail_msg("%lu waits for %lu events", waits, happened);
}

/* R7, I6: each wait with a timer pending had a timeout, which costs even if something is ready. */
static void busy_loop_with_a_timer_pending_asks_and_does_not_sleep(void **state)
{
    (void)state;
    if (subject_backend()->traits & ROUSE_TRAIT_ASK)
        SKIP("to ask costs this backend more than to sleep");
    CHECK_OK(loop, rouse_timer_after(loop, &alarm.timer, INT64_MAX / 2, 0));
    for (int i = 0; i < EVENTS; i++)
        assert_int_equal(world_send(pipe_ends[1], "x", 1), 1);
    assert_int_equal(rouse_run(loop), 1);
    check_waits(observed.asks + observed.sleeps, EVENTS);
    assert_in_range(observed.sleeps, 0, EVENTS / 100);
}

static void send_when_asleep(int64_t timeout)
{
    (void)timeout;
    observed.now += 1000000;
    assert_int_equal(world_send(pipe_ends[1], "x", 1), 1);
}

static void sparse_events_cost_few_vain_questions(void **state)
{
    (void)state;
    observed.before_sleep = send_when_asleep;
    assert_int_equal(rouse_run(loop), 1);
    check_waits(observed.asks + observed.sleeps, EVENTS);
}

static void sparse_events_with_a_timer_pending_cost_few_vain_questions(void **state)
{
    (void)state;
    if (subject_guesses())
        SKIP("spin never sleeps");
    observed.before_sleep = send_when_asleep;
    CHECK_OK(loop, rouse_timer_after(loop, &alarm.timer, INT64_MAX / 2, 0));
    assert_int_equal(rouse_run(loop), 1);
    check_waits(observed.asks + observed.sleeps, EVENTS);
}

static void send_in_reply(struct player *self)
{
    if (events % 64 != 0) /* a burst: the next one is there at once, 63 times */
        assert_int_equal(world_send(pipe_ends[1], "x", 1), 1);
    take_one(self);
}

static void bursts_are_mostly_asked_for(void **state)
{
    (void)state;
    if (subject_guesses())
        SKIP("spin never sleeps");
    if (subject_backend()->traits & ROUSE_TRAIT_ASK)
        SKIP("to ask costs this backend more than to sleep");
    observed.before_sleep = send_when_asleep;
    reader.also = send_in_reply;
    CHECK_OK(loop, rouse_timer_after(loop, &alarm.timer, INT64_MAX / 2, 0));
    assert_int_equal(rouse_run(loop), 1);
    check_waits(observed.asks + observed.sleeps, EVENTS);
    assert_in_range(observed.sleeps, 0, EVENTS / 4);
}

static void sleep_it_out(int64_t timeout)
{
    observed.now += timeout;
}

static int fired;

static void count_firing(struct player *self)
{
    if (++fired == EVENTS)
        CHECK_OK(loop, rouse_timer_stop(&self->timer));
}

static void timers_alone_cost_one_wait_each(void **state)
{
    (void)state;
    if (subject_guesses())
        SKIP("spin never sleeps");
    observed.before_sleep = sleep_it_out;
    fired = 0;
    alarm.also = count_firing;
    CHECK_OK(loop, rouse_io_unref(&reader.io));
    CHECK_OK(loop, rouse_timer_after(loop, &alarm.timer, 5000, 5000));
    assert_int_equal(rouse_run(loop), 0);
    assert_int_equal(fired, EVENTS);
    assert_in_range(observed.asks + observed.sleeps, EVENTS, EVENTS + EVENTS / 100);
    assert_int_equal(observed.now, STAGE_START + 5000LL * EVENTS);
}

static unsigned limited_sleeps;

static void wake_when_asleep(int64_t timeout)
{
    limited_sleeps += timeout > 0;
    CHECK_OK(NULL, rouse_wake(loop));
}

static void stop_after_enough(struct player *self)
{
    if (++events == EVENTS)
        CHECK_OK(loop, rouse_stop(self->loop));
}

/* L9: an idle loop woke up now and then to look. */
static void idle_loop_makes_no_wakeups_of_its_own(void **state)
{
    (void)state;
    struct player waker;
    player_init(&waker, loop, 'w', stop_after_enough);
    CHECK_OK(loop, rouse_hook_start(loop, &waker.hook, ROUSE_ON_WAKE));
    limited_sleeps = 0;
    observed.before_sleep = wake_when_asleep;
    assert_int_equal(rouse_run(loop), 1);
    assert_int_equal(limited_sleeps, 0);
    assert_in_range(observed.sleeps, 1, EVENTS);
    check_waits(observed.asks + observed.sleeps, EVENTS);
    struct rouse_counters counters = stage_counters(loop);
    assert_int_equal(counters.waits, observed.asks + observed.sleeps);
    assert_int_equal(counters.wakeups, observed.sleeps);
    CHECK_OK(loop, rouse_hook_stop(&waker.hook));
}

static void turn_that_may_not_wait_does_not(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_timer_after(loop, &alarm.timer, 5000, 0));
    for (int i = 0; i < 100; i++)
        assert_int_equal(subject_turn(loop, 0), 0);
    assert_int_equal(observed.sleeps, 0);
    assert_int_equal(observed.asks, 100);
    assert_int_equal(stage_counters(loop).wakeups, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(busy_loop_with_a_timer_pending_asks_and_does_not_sleep),
        CASE(sparse_events_cost_few_vain_questions),
        CASE(sparse_events_with_a_timer_pending_cost_few_vain_questions),
        CASE(bursts_are_mostly_asked_for),
        CASE(timers_alone_cost_one_wait_each),
        CASE(idle_loop_makes_no_wakeups_of_its_own),
        CASE(turn_that_may_not_wait_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
