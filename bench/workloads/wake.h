/*
 * Workloads `wake-*`: how a loop is reached from another thread.
 *
 *     wake-roundtrip  two loops in two threads ring each other, each from its callback; an event is
 *                     there and back
 *     wake-pending    a thread rings a loop that has been rung and has not looked yet; an event is
 *                     one ring
 *
 * For the first, both threads are put on one processor: on two, what is measured is how long the
 * system takes to rouse the other, which is ten times as long and no loop's work. For the second,
 * the loop's thread is held in its callback until all rings have been; then exactly one callback
 * must follow. The loops are opened in the threads that run them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "calls.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>

static void *wake_open(const struct shape *shape)
{
    (void)shape;
    return NULL;
}

static void wake_close(void *stage)
{
    (void)stage;
}

static uint64_t wake_piece(const struct shape *shape)
{
    (void)shape;
    return 1;
}

static void wake_thread(pthread_t *thread, void *(*run)(void *), void *argument)
{
    int result = pthread_create(thread, NULL, run, argument);
    if (result != 0)
        die("wake: cannot start a thread: %s", strerror(result));
}

/* One of the two loops; the second answers. */
struct wake_side {
    struct bell bell;
    struct loop loop;
    const char *backend;
    struct wake_side *other;
    bool answers;
    uint64_t rang;
    uint64_t until; /* it stops when it has been rung so often */
    pthread_barrier_t *barrier;
};

RANG(wake_rang)
{
    struct wake_side *side = (struct wake_side *)bell;
    bool last = ++side->rang == side->until;
    if (side->answers || !last)
        bell_ring(&side->other->bell);
    if (last)
        loop_stop(&side->loop);
}

static void wake_side_open(struct wake_side *side)
{
    loop_open_shared(&side->loop, side->backend);
    bell_open(&side->loop, &side->bell, wake_rang);
}

/* A leg is so many round trips; both sides begin and end it together. */
static void wake_leg(struct wake_side *side)
{
    pthread_barrier_wait(side->barrier);
    if (!side->answers)
        bell_ring(&side->other->bell);
    loop_listen(&side->loop, wake_rang);
    if (side->rang != side->until)
        die("wake: %llu round trips, where others make %llu", (unsigned long long)side->rang,
            (unsigned long long)side->until);
    pthread_barrier_wait(side->barrier);
}

static void wake_side_close(struct wake_side *side)
{
    bell_close(&side->loop, &side->bell);
    loop_close(&side->loop);
}

static void *wake_answer(void *argument)
{
    struct wake_side *side = argument;
    wake_side_open(side);
    wake_leg(side);
    wake_leg(side);
    wake_side_close(side);
    return NULL;
}

static void wake_until(struct wake_side *sides, uint64_t until)
{
    sides[0].until = until;
    sides[1].until = until;
}

/* Puts this thread, and those that it starts, where it is; `before` is where it may be. */
static void wake_stay(cpu_set_t *before)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    if (sched_getaffinity(0, sizeof *before, before) != 0 ||
        sched_setaffinity(0, sizeof one, &one) != 0)
        die("wake: cannot stay on one processor: %s", strerror(errno));
}

static void wake_roundtrip_slice(void *stage, const char *backend, uint64_t warmup, uint64_t events,
                                 struct sample *sample)
{
    (void)stage;
    cpu_set_t before;
    wake_stay(&before);
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 2);
    struct wake_side *sides = calloc(2, sizeof *sides);
    if (!sides)
        die("wake: no memory");
    sides[0] = (struct wake_side){.backend = backend, .other = &sides[1], .barrier = &barrier};
    sides[1] = sides[0];
    sides[1].other = &sides[0];
    sides[1].answers = true;
    wake_side_open(&sides[0]);
    pthread_t thread;
    wake_thread(&thread, wake_answer, &sides[1]);
    wake_until(sides, warmup);
    wake_leg(&sides[0]);
    wake_until(sides, warmup + events);
    loop_begin(&sides[0].loop, sample);
    wake_leg(&sides[0]);
    loop_end(&sides[0].loop, sample);
    sample->events = events;
    pthread_join(thread, NULL);
    wake_side_close(&sides[0]);
    free(sides);
    pthread_barrier_destroy(&barrier);
    sched_setaffinity(0, sizeof before, &before);
}

/* A loop whose first callback is held. */
struct wake_held {
    struct bell bell;
    struct loop loop;
    const char *backend;
    uint64_t callbacks;
    sem_t opened;
    sem_t held;
    sem_t let_go;
};

static void wake_wait(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        continue; /* a signal */
}

RANG(wake_hold)
{
    struct wake_held *held = (struct wake_held *)bell;
    if (++held->callbacks > 1) {
        loop_stop(&held->loop);
        return;
    }
    sem_post(&held->held);
    wake_wait(&held->let_go);
}

static void *wake_be_held(void *argument)
{
    struct wake_held *held = argument;
    loop_open_shared(&held->loop, held->backend);
    bell_open(&held->loop, &held->bell, wake_hold);
    sem_post(&held->opened);
    loop_listen(&held->loop, wake_hold);
    bell_close(&held->loop, &held->bell);
    loop_close(&held->loop);
    return NULL;
}

static HOT void wake_ring(struct wake_held *held, uint64_t times)
{
    for (uint64_t i = 0; i < times; i++)
        bell_ring(&held->bell);
}

static void wake_pending_slice(void *stage, const char *backend, uint64_t warmup, uint64_t events,
                               struct sample *sample)
{
    (void)stage;
    struct wake_held *held = calloc(1, sizeof *held);
    if (!held)
        die("wake: no memory");
    held->backend = backend;
    sem_init(&held->opened, 0, 0);
    sem_init(&held->held, 0, 0);
    sem_init(&held->let_go, 0, 0);
    pthread_t thread;
    wake_thread(&thread, wake_be_held, held);
    wake_wait(&held->opened);
    wake_ring(held, 1);
    wake_wait(&held->held);
    wake_ring(held, 1 + warmup);
    sample_begin(sample, NULL);
    wake_ring(held, events);
    sample_end(sample, NULL);
    sample->events = events;
    sem_post(&held->let_go);
    pthread_join(thread, NULL);
    if (held->callbacks != 2)
        die("wake: %llu callbacks, where others make 2", (unsigned long long)held->callbacks);
    sem_destroy(&held->opened);
    sem_destroy(&held->held);
    sem_destroy(&held->let_go);
    free(held);
}
