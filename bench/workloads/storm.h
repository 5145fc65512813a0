/*
 * Workload `storm`: several threads (4, or `threads`) ring one loop, as fast as they can; an event
 * is one ring. Many rings may become one callback, so each ringer counts its rings, before it
 * rings, and the callback adds up what it sees: the slice ends when all have been seen, which is
 * what a loop owes to its last ringer. One that loses a ring never ends.
 *
 * They are counted by read-modify-write operations, which are in order with whatever the loop does
 * in a ring: a plain store could still be under way when the loop's flag is found set.
 *
 * SPDX-License-Identifier: MIT
 */
#include "calls.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define STORM_LINE 64 /* bytes that processors share at once */

struct storm_ringer {
    _Alignas(STORM_LINE) atomic_uint_fast64_t rung;
    uint64_t share;
    struct storm_run *run;
    pthread_t thread;
};

struct storm_run {
    struct bell bell;
    struct loop loop;
    long threads;
    uint64_t until;
    struct storm_ringer *ringers;
    pthread_barrier_t barrier;
};

RANG(storm_rang)
{
    struct storm_run *run = (struct storm_run *)bell;
    uint64_t seen = 0;
    for (long i = 0; i < run->threads; i++)
        seen += atomic_load(&run->ringers[i].rung);
    if (seen == run->until)
        loop_stop(&run->loop);
}

static void *storm_ring(void *argument)
{
    struct storm_ringer *ringer = argument;
    pthread_barrier_wait(&ringer->run->barrier);
    for (uint64_t i = 0; i < ringer->share; i++) {
        atomic_fetch_add(&ringer->rung, 1);
        bell_ring(&ringer->run->bell);
    }
    return NULL;
}

static uint64_t storm_piece(const struct shape *shape)
{
    return shape->threads != 0 ? (uint64_t)shape->threads : 4;
}

static void *storm_open(const struct shape *shape)
{
    long *threads = malloc(sizeof *threads);
    if (!threads)
        die("storm: no memory");
    *threads = (long)storm_piece(shape);
    return threads;
}

static void storm_close(void *stage)
{
    free(stage);
}

/* The ringers wait until all are there; `sample`, if there is one, begins then. */
static void storm_go(struct storm_run *run, uint64_t events, struct sample *sample)
{
    uint64_t share = events / (uint64_t)run->threads;
    run->until = share * (uint64_t)run->threads;
    for (long i = 0; i < run->threads; i++) {
        struct storm_ringer *ringer = &run->ringers[i];
        atomic_store(&ringer->rung, 0);
        ringer->share = share;
        ringer->run = run;
        int result = pthread_create(&ringer->thread, NULL, storm_ring, ringer);
        if (result != 0)
            die("storm: cannot start a thread: %s", strerror(result));
    }
    if (sample)
        loop_begin(&run->loop, sample);
    pthread_barrier_wait(&run->barrier);
    loop_listen(&run->loop, storm_rang);
    for (long i = 0; i < run->threads; i++)
        pthread_join(run->ringers[i].thread, NULL);
    if (sample)
        loop_end(&run->loop, sample);
}

static void storm_slice(void *stage, const char *backend, uint64_t warmup, uint64_t events,
                        struct sample *sample)
{
    long threads = *(const long *)stage;
    struct storm_run *run = calloc(1, sizeof *run);
    size_t size = (size_t)threads * sizeof(struct storm_ringer);
    struct storm_ringer *ringers = aligned_alloc(STORM_LINE, size);
    if (!run || !ringers)
        die("storm: no memory");
    run->threads = threads;
    run->ringers = ringers;
    pthread_barrier_init(&run->barrier, NULL, (unsigned)threads + 1);
    loop_open_shared(&run->loop, backend);
    bell_open(&run->loop, &run->bell, storm_rang);
    storm_go(run, warmup, NULL);
    storm_go(run, events, sample);
    sample->events = events;
    bell_close(&run->loop, &run->bell);
    loop_close(&run->loop);
    pthread_barrier_destroy(&run->barrier);
    free(ringers);
    free(run);
}
