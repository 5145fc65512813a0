/*
 * Those who wake a loop, and a loop that opens its backend anew or is closed under them. A backend
 * with a wake of its own must not be woken while it is not open, and a wake that it lost with what
 * it held must not be lost to the loop. It runs under ThreadSanitizer too, which sees who touches
 * what the other has given back.
 *
 * SPDX-License-Identifier: MIT
 */
#include <rouse/backend.h>
#include <sched.h>
#include <stdatomic.h>

#include "threads.h"

/* A backend that watches nothing, sleeps until it is woken, and breaks at every other poll. */
struct fragile {
    atomic_int open;
    atomic_int rung;
    unsigned polls;
};

static atomic_int woken_while_closed;

static int fragile_open(void *opaque, const struct rouse_setup *setup)
{
    (void)setup;
    struct fragile *state = opaque;
    atomic_store(&state->open, 1);
    return 0;
}

static void fragile_close(void *opaque)
{
    struct fragile *state = opaque;
    atomic_store(&state->open, 0);
    sched_yield();
}

static int fragile_wake(void *opaque)
{
    struct fragile *state = opaque;
    if (!atomic_load(&state->open))
        atomic_fetch_add(&woken_while_closed, 1);
    sched_yield();
    if (!atomic_load(&state->open))
        atomic_fetch_add(&woken_while_closed, 1);
    atomic_store(&state->rung, 1);
    sched_yield();
    return 0;
}

static int fragile_poll(void *opaque, const struct rouse_change *changes, int nchanges,
                        struct rouse_event *events, int nevents, int64_t timeout_ns)
{
    (void)changes, (void)nchanges, (void)events, (void)nevents;
    struct fragile *state = opaque;
    if (++state->polls == 2)
        return -EIO;
    while (timeout_ns != 0 && !atomic_exchange(&state->rung, 0))
        sched_yield();
    return 0;
}

static void fragile_drop(void *opaque, rouse_fd fd, uint64_t token)
{
    (void)opaque, (void)fd, (void)token;
}

static const struct rouse_backend fragile = {
    .abi = ROUSE_BACKEND_ABI,
    .name = "fragile",
    .state_size = sizeof(struct fragile),
    .open = fragile_open,
    .close = fragile_close,
    .poll = fragile_poll,
    .drop = fragile_drop,
    .wake = fragile_wake,
};

/* Each thread posts its task again as soon as it has run. */
struct ringer {
    struct rouse_task task;
    struct rouse_loop *loop;
    atomic_int runs;
};

static void has_run(struct rouse_task *task)
{
    struct ringer *ringer = (struct ringer *)(void *)task;
    atomic_fetch_add(&ringer->runs, 1);
}

static void *ring_rounds(void *opaque)
{
    struct ringer *ringer = opaque;
    for (int round = 0; round < ROUNDS; round++) {
        if (rouse_post(ringer->loop, &ringer->task) != 0)
            return "post";
        while (atomic_load(&ringer->runs) == round)
            sched_yield();
    }
    return NULL;
}

static struct rouse_loop *open_fragile(void)
{
    struct rouse_config config = {.size = sizeof config, .own = &fragile};
    struct rouse_loop *loop = NULL;
    CHECK_OK(NULL, rouse_open(&loop, &config));
    return loop;
}

/* Threads that each post a task of their own to the loop. */
static void ringers_begin(struct ringer ringers[THREADS], struct rouse_loop *loop,
                          pthread_t threads[THREADS], void *(*body)(void *))
{
    for (int i = 0; i < THREADS; i++) {
        ringers[i] = (struct ringer){.loop = loop};
        rouse_task_init(&ringers[i].task, has_run);
    }
    threads_begin(threads, body, ringers, sizeof ringers[0]);
}

/* L1: no post is lost, however often the backend is opened anew. */
static void backend_that_opens_anew_is_not_woken_meanwhile(void **state)
{
    (void)state;
    struct rouse_loop *loop = open_fragile();
    struct ringer ringers[THREADS];
    pthread_t threads[THREADS];
    ringers_begin(ringers, loop, threads, ring_rounds);
    for (int runs = 0; runs < THREADS * ROUNDS;) {
        int called = rouse_turn(loop, -1);
        assert_true(called >= 0 || called == -EIO);
        runs += called > 0 ? called : 0;
    }
    threads_end(threads);
    assert_int_equal(atomic_load(&woken_while_closed), 0);
    assert_true(stage_counters(loop).rebuilds > 0);
    CHECK_OK(loop, rouse_close(loop));
}

static void *ring_once(void *opaque)
{
    struct ringer *ringer = opaque;
    return rouse_post(ringer->loop, &ringer->task) == 0 ? NULL : "post";
}

/* L2: the loop is closed as soon as all posts have arrived, while their posters may still be on the
 * way out: one that has found the flag set by another, too. */
static void loop_that_posts_end_outlives_the_posts(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS / 10; round++) {
        struct rouse_loop *loop = open_fragile();
        struct ringer ringers[THREADS];
        pthread_t threads[THREADS];
        ringers_begin(ringers, loop, threads, ring_once);
        for (int runs = 0; runs < THREADS;) {
            int called = rouse_turn(loop, -1);
            assert_true(called >= 0 || called == -EIO);
            runs += called > 0 ? called : 0;
        }
        CHECK_OK(NULL, rouse_close(loop));
        threads_end(threads);
    }
    assert_int_equal(atomic_load(&woken_while_closed), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backend_that_opens_anew_is_not_woken_meanwhile),
        cmocka_unit_test(loop_that_posts_end_outlives_the_posts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
