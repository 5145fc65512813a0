/*
 * Whose loop it is. A call from a wrong thread, or inside the loop's own callback where that makes
 * no sense, is an error and changes nothing; no lock, no system call, no damage. A loop is handed
 * over by rouse_adopt() in the thread that takes it, while it does not run.
 *
 * SPDX-License-Identifier: MIT
 */
#define _POSIX_C_SOURCE 200809L /* semaphores */
#include <pthread.h>

#include "calls.h"
#include "gate.h"

/* Runs `body` in a thread of its own and returns what it returned. */
static void *in_a_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    void *result = NULL;
    assert_int_equal(pthread_create(&thread, NULL, body, argument), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    return result;
}

static void *make_all_calls(void *calls)
{
    return (void *)(uintptr_t)calls_make(calls, -EPERM);
}

/* S1: a stop, or a close, from another thread. */
static void every_call_from_a_wrong_thread_is_refused(void **state)
{
    (void)state;
    struct calls calls;
    calls_open(&calls);
    assert_null(in_a_thread(make_all_calls, &calls));
    assert_true(calls_unchanged(&calls));
    calls_close(&calls);
}

/* The same from a thread that owns a loop itself. */
static void *make_all_calls_beside_an_own_loop(void *calls)
{
    struct rouse_loop *own = NULL;
    if (rouse_open(&own, NULL) != 0)
        return "open";
    const char *wrong = calls_make(calls, -EPERM);
    rouse_close(own);
    return (void *)(uintptr_t)wrong;
}

static void owner_of_another_loop_is_a_wrong_thread_too(void **state)
{
    (void)state;
    struct calls calls;
    calls_open(&calls);
    assert_null(in_a_thread(make_all_calls_beside_an_own_loop, &calls));
    assert_true(calls_unchanged(&calls));
    calls_close(&calls);
}

static void *close_loop(void *loop)
{
    return (void *)(intptr_t)rouse_close(loop);
}

static void close_from_a_wrong_thread_is_refused(void **state)
{
    (void)state;
    struct calls calls;
    calls_open(&calls);
    assert_int_equal((intptr_t)in_a_thread(close_loop, calls.loop), -EPERM);
    assert_true(calls_unchanged(&calls));
    calls_close(&calls);
}

static void *take_over(void *argument)
{
    struct calls *calls = argument;
    if (rouse_adopt(calls->loop) != 0)
        return "adopt";
    if (!calls_unchanged(calls))
        return "unchanged";
    return rouse_adopt(calls->loop) != 0 ? "adopt twice" : NULL; /* its own already */
}

static void adopted_loop_belongs_to_the_thread_that_adopted_it(void **state)
{
    (void)state;
    struct calls calls;
    calls_open(&calls);
    assert_null(in_a_thread(take_over, &calls));
    assert_int_equal(rouse_turn(calls.loop, 0), -EPERM);
    assert_int_equal(rouse_close(calls.loop), -EPERM);
    CHECK_OK(calls.loop, rouse_adopt(calls.loop));
    calls_close(&calls);
}

static int results[4];

static void run_inside(struct player *self)
{
    results[0] = rouse_run(self->loop);
    results[1] = rouse_turn(self->loop, 0);
    results[2] = rouse_close(self->loop);
    results[3] = rouse_adopt(self->loop);
}

static void check_busy(struct rouse_loop *loop)
{
    for (int i = 0; i < 4; i++) {
        assert_int_equal(results[i], -EBUSY);
        results[i] = 0;
    }
    assert_true(strlen(rouse_error(loop)) > 0);
}

/* M1, M6: a loop that ran inside its own callback, or was closed there. */
static void loop_runs_and_closes_in_none_of_its_callbacks(void **state)
{
    (void)state;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    rouse_fd ends[2];
    CHECK_OK(NULL, world_pair(WORLD_ANY, ends));
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    struct player a;
    player_init(&a, loop, 'a', run_inside);
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 0, 0));
    assert_int_equal(rouse_turn(loop, 0), 1);
    check_busy(loop);
    CHECK_OK(loop, rouse_defer(loop, &a.task));
    assert_int_equal(rouse_turn(loop, 0), 1);
    check_busy(loop);
    for (int moment = ROUSE_BEFORE_WAIT; moment <= ROUSE_ON_WAKE; moment++) {
        CHECK_OK(loop, rouse_hook_start(loop, &a.hook, (enum rouse_moment)moment));
        CHECK_OK(NULL, rouse_wake(loop));
        assert_int_equal(rouse_turn(loop, 0), 0);
        CHECK_OK(loop, rouse_hook_stop(&a.hook));
        check_busy(loop);
    }
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    assert_int_equal(rouse_turn(loop, 0), 1);
    check_busy(loop);
    CHECK_JOURNAL("aaaaaa");
    CHECK_OK(loop, rouse_io_close(&a.io));
    CHECK_OK(NULL, world_close(ends[1]));
    CHECK_OK(NULL, rouse_close(loop));
}

static struct gate runs;
static struct gate may_end;

static void hold_up(struct player *self)
{
    gate_open(&runs);
    gate_pass(&may_end);
    rouse_stop(self->loop);
}

static void *run_own_loop(void *place)
{
    struct player a;
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    *(struct rouse_loop **)place = loop;
    player_init(&a, loop, 'a', hold_up);
    rouse_timer_after(loop, &a.timer, 0, 0);
    int result = rouse_run(loop);
    rouse_close(loop);
    return (void *)(intptr_t)result;
}

static void running_loop_cannot_be_adopted(void **state)
{
    (void)state;
    runs = may_end = GATE_CLOSED;
    pthread_t thread;
    struct rouse_loop *loop = NULL;
    assert_int_equal(pthread_create(&thread, NULL, run_own_loop, &loop), 0);
    gate_pass(&runs);
    assert_int_equal(rouse_adopt(loop), -EBUSY);
    assert_int_equal(rouse_turn(loop, 0), -EPERM);
    gate_open(&may_end);
    void *result = NULL;
    pthread_join(thread, &result);
    assert_int_equal((intptr_t)result, 1);
}

static void calls_without_a_loop_are_errors(void **state)
{
    (void)state;
    struct player a;
    player_init(&a, NULL, 'a', NULL);
    assert_int_equal(rouse_open(NULL, NULL), -EINVAL);
    assert_int_equal(rouse_close(NULL), -EINVAL);
    assert_int_equal(rouse_run(NULL), -EINVAL);
    assert_int_equal(rouse_turn(NULL, 0), -EINVAL);
    assert_int_equal(rouse_stop(NULL), -EINVAL);
    assert_int_equal(rouse_adopt(NULL), -EINVAL);
    assert_int_equal(rouse_hold(NULL), -EINVAL);
    assert_int_equal(rouse_release(NULL), -EINVAL);
    assert_int_equal(rouse_io_start(NULL, &a.io, 0, ROUSE_READ), -EINVAL);
    assert_int_equal(rouse_timer_at(NULL, &a.timer, 0, 0), -EINVAL);
    assert_int_equal(rouse_timer_after(NULL, &a.timer, 0, 0), -EINVAL);
    assert_int_equal(rouse_defer(NULL, &a.task), -EINVAL);
    assert_int_equal(rouse_hook_start(NULL, &a.hook, ROUSE_AFTER_WAIT), -EINVAL);
    assert_non_null(rouse_error(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_from_a_wrong_thread_is_refused),
        cmocka_unit_test(owner_of_another_loop_is_a_wrong_thread_too),
        cmocka_unit_test(close_from_a_wrong_thread_is_refused),
        cmocka_unit_test(adopted_loop_belongs_to_the_thread_that_adopted_it),
        cmocka_unit_test(loop_runs_and_closes_in_none_of_its_callbacks),
        cmocka_unit_test(running_loop_cannot_be_adopted),
        cmocka_unit_test(calls_without_a_loop_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
