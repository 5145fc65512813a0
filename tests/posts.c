/*
 * Posts from four threads at once: each arrives, once, and those of one thread in the order posted.
 * Everything here also runs under ThreadSanitizer, which knows whether two threads have ever
 * touched the same memory unordered; that, more than the counting, is the test.
 *
 * SPDX-License-Identifier: MIT
 */
#define _POSIX_C_SOURCE 200809L
#include <sched.h>
#include <stdatomic.h>

#include "gate.h"
#include "threads.h"

enum { POSTS = 2000 };

static struct rouse_loop *loop;

struct poster;

struct letter {
    struct rouse_task task;
    struct poster *from;
    int number;
};

struct poster {
    struct letter letters[POSTS];
    int arrived;
    bool disordered;
};

static int expected_letters;

static void receive(struct rouse_task *task)
{
    struct letter *letter = (struct letter *)(void *)task;
    struct poster *from = letter->from;
    from->disordered |= letter->number != from->arrived;
    from->arrived++;
    if (--expected_letters == 0)
        rouse_stop(loop);
}

static void *post_all(void *argument)
{
    struct poster *poster = argument;
    for (int i = 0; i < POSTS; i++) {
        struct letter *letter = &poster->letters[i];
        rouse_task_init(&letter->task, receive);
        letter->from = poster;
        letter->number = i;
        if (rouse_post(loop, &letter->task) != 0)
            return "post";
        if (i % 16 == 0 && rouse_wake(loop) != 0)
            return "wake";
    }
    return NULL;
}

/* L1, L12, S2: posts of four threads arrive, each once, those of one thread in the order posted. */
static void posts_of_four_threads_arrive_in_the_order_of_each(void **state)
{
    (void)state;
    loop = stage_open(NULL);
    struct poster *posters = calloc(THREADS, sizeof *posters);
    assert_non_null(posters);
    expected_letters = THREADS * POSTS;
    CHECK_OK(loop, rouse_hold(loop));
    pthread_t threads[THREADS];
    threads_begin(threads, post_all, posters, sizeof *posters);
    assert_int_equal(rouse_run(loop), 1);
    threads_end(threads);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(posters[i].arrived, POSTS);
        assert_false(posters[i].disordered);
    }
    free(posters);
    CHECK_OK(NULL, rouse_close(loop));
}

struct repeater {
    struct rouse_task task;
    atomic_int called;
    int posted;
};

static atomic_int repeaters_done;

static void repeat(struct rouse_task *task)
{
    struct repeater *repeater = (struct repeater *)(void *)task;
    atomic_fetch_add_explicit(&repeater->called, 1, memory_order_relaxed);
}

static void stop_when_done(struct rouse_hook *hook)
{
    (void)hook;
    if (atomic_load(&repeaters_done) == THREADS)
        rouse_stop(loop);
}

static void *post_one_again_and_again(void *argument)
{
    struct repeater *repeater = argument;
    while (repeater->posted < POSTS) {
        int error = rouse_post(loop, &repeater->task);
        if (error != 0 && error != -EALREADY)
            return "post";
        if (error == -EALREADY)
            sched_yield(); /* to the loop, which has not come to it */
        repeater->posted += error == 0;
    }
    atomic_fetch_add(&repeaters_done, 1);
    rouse_wake(loop);
    return NULL;
}

/* A task may be posted again as soon as its callback has begun, not before, and is never lost. */
static void one_task_posted_again_and_again_is_called_each_time(void **state)
{
    (void)state;
    loop = stage_open(NULL);
    struct repeater repeaters[THREADS] = {0};
    for (int i = 0; i < THREADS; i++)
        rouse_task_init(&repeaters[i].task, repeat);
    struct rouse_hook hook;
    rouse_hook_init(&hook, stop_when_done);
    CHECK_OK(loop, rouse_hook_start(loop, &hook, ROUSE_ON_WAKE));
    CHECK_OK(loop, rouse_hold(loop));
    atomic_store(&repeaters_done, 0);
    pthread_t threads[THREADS];
    threads_begin(threads, post_one_again_and_again, repeaters, sizeof repeaters[0]);
    assert_int_equal(rouse_run(loop), 1);
    threads_end(threads);
    /* The last posts may have come after the loop had looked, and before its hook stopped it. */
    CHECK_OK(loop, rouse_turn(loop, 0));
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(repeaters[i].called, POSTS);
    CHECK_OK(NULL, rouse_close(loop));
}

/* A cancel that meets a post says so, and then the task is called; else it is not. */
static void cancel_may_meet_a_post(void **state)
{
    (void)state;
    loop = stage_open(NULL);
    struct repeater repeaters[THREADS] = {0};
    for (int i = 0; i < THREADS; i++)
        rouse_task_init(&repeaters[i].task, repeat);
    atomic_store(&repeaters_done, 0);
    pthread_t threads[THREADS];
    threads_begin(threads, post_one_again_and_again, repeaters, sizeof repeaters[0]);
    while (atomic_load(&repeaters_done) < THREADS) {
        for (int i = 0; i < THREADS; i++) {
            int error = rouse_task_cancel(&repeaters[i].task);
            assert_true(error == 0 || error == -EBUSY);
        }
        CHECK_OK(loop, rouse_turn(loop, 0));
    }
    threads_end(threads);
    for (int i = 0; i < THREADS; i++) {
        CHECK_OK(loop, rouse_task_cancel(&repeaters[i].task));
        assert_in_range(atomic_load(&repeaters[i].called), 0, POSTS);
        CHECK_OK(NULL, rouse_post(loop, &repeaters[i].task));
        atomic_store(&repeaters[i].called, 0);
    }
    CHECK_OK(loop, rouse_turn(loop, -1));
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(atomic_load(&repeaters[i].called), 1);
    CHECK_OK(NULL, rouse_close(loop));
}

struct caller {
    struct rouse_task task;
    struct gate answered;
    unsigned delay;
};

static struct meeting round_begins;

static void answer(struct rouse_task *task)
{
    gate_open(&((struct caller *)(void *)task)->answered);
}

static void end_run(struct rouse_task *task)
{
    (void)task;
    rouse_stop(loop);
}

static void *post_once_a_round(void *argument)
{
    struct caller *caller = argument;
    for (int i = 0; i < ROUNDS; i++) {
        meeting_join(&round_begins);
        caller->delay = caller->delay * 1103515245u + 12345u;
        for (volatile unsigned spin = caller->delay >> 18; spin > 0; spin--)
            ;
        if (rouse_post(loop, &caller->task) != 0)
            return "post";
        gate_pass(&caller->answered);
    }
    return NULL;
}

static void *post_in_rounds_and_end(void *callers)
{
    static struct rouse_task last;
    pthread_t threads[THREADS];
    threads_begin(threads, post_once_a_round, callers, sizeof(struct caller));
    threads_end(threads);
    rouse_task_init(&last, end_run);
    return rouse_post(loop, &last) == 0 ? NULL : "post";
}

/* L1, L7: in each round the last post has nobody behind it who would ring again. If the loop looks
 * at what was posted and clears its flag in the wrong order, one is lost, and this hangs. */
static void last_post_of_every_round_is_answered(void **state)
{
    (void)state;
    loop = stage_open(NULL);
    struct caller callers[THREADS] = {0};
    for (unsigned i = 0; i < THREADS; i++) {
        rouse_task_init(&callers[i].task, answer);
        callers[i].answered = GATE_CLOSED;
        callers[i].delay = i * 7919u;
    }
    round_begins = MEETING_OF(THREADS);
    CHECK_OK(loop, rouse_hold(loop));
    pthread_t all;
    assert_int_equal(pthread_create(&all, NULL, post_in_rounds_and_end, callers), 0);
    assert_int_equal(rouse_run(loop), 1);
    void *wrong = NULL;
    assert_int_equal(pthread_join(all, &wrong), 0);
    assert_null(wrong);
    CHECK_OK(NULL, rouse_close(loop));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_of_four_threads_arrive_in_the_order_of_each),
        cmocka_unit_test(one_task_posted_again_and_again_is_called_each_time),
        cmocka_unit_test(cancel_may_meet_a_post),
        cmocka_unit_test(last_post_of_every_round_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
