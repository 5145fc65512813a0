/*
 * Two ways from another thread into the loop: a task that is posted, and a wake.
 *
 * A worker counts primes, range by range. Each result is an object of its own, and none may be
 * lost: it is posted, and arrives in the order posted. Its progress is one number, of which only
 * the last value matters: it is stored, and the loop is woken to look at it. Several wakes may
 * become one call, but the last wake is always followed by one.
 *
 * What surprises: neither a thread nor a hook keeps a loop alive. So the loop is held, once for the
 * last result and once for the last progress. And the thread is joined before the loop is closed,
 * since a post into a loop that has been closed is a use of freed memory.
 *
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <rouse.h>

enum { RANGES = 5, RANGE = 20000 };

struct result {
    struct rouse_task task; /* first, so that a pointer to it is one to the result */
    int first;
    int primes;
};

static struct rouse_loop *loop;
static struct result results[RANGES];
static atomic_int progress;

static int is_prime(int n)
{
    for (int i = 2; i <= n / i; i++)
        if (n % i == 0)
            return 0;
    return n >= 2;
}

/* In the worker. */
static void *work(void *unused)
{
    for (int i = 0; i < RANGES; i++) {
        struct result *result = &results[i];
        result->first = i * RANGE;
        for (int n = result->first; n < result->first + RANGE; n++)
            result->primes += is_prime(n);
        /* From here until its callback begins the result belongs to the loop. */
        rouse_post(loop, &result->task);
        atomic_store(&progress, i + 1);
        rouse_wake(loop);
    }
    return unused;
}

/* In the loop's thread, like every callback. */
static void on_result(struct rouse_task *task)
{
    struct result *result = (struct result *)task;
    printf("%d primes from %d\n", result->primes, result->first);
    if (result == &results[RANGES - 1])
        rouse_release(loop);
}

static void on_wake(struct rouse_hook *hook)
{
    if (atomic_load(&progress) < RANGES)
        return;
    rouse_hook_stop(hook);
    rouse_release(loop);
}

static int run_with_worker(void)
{
    struct rouse_hook hook;
    pthread_t worker;
    for (int i = 0; i < RANGES; i++)
        rouse_task_init(&results[i].task, on_result);
    rouse_hook_init(&hook, on_wake);
    int error = rouse_hook_start(loop, &hook, ROUSE_ON_WAKE);
    if (error == 0)
        error = rouse_hold(loop);
    if (error == 0)
        error = rouse_hold(loop);
    if (error != 0)
        return error;
    int refused = pthread_create(&worker, NULL, work, NULL);
    if (refused != 0) {
        fprintf(stderr, "wake: no thread: %s\n", strerror(refused));
        return -refused;
    }
    error = rouse_run(loop);
    pthread_join(worker, NULL);
    return error;
}

int main(void)
{
    int error = rouse_open(&loop, NULL);
    if (error != 0) {
        fprintf(stderr, "wake: no loop: %s\n", strerror(-error));
        return 1;
    }
    error = run_with_worker();
    if (error < 0)
        fprintf(stderr, "wake: %s\n", rouse_error(loop));
    else
        puts("done");
    rouse_close(loop);
    return error < 0;
}
