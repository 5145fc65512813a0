/*
 * Workload `loops`: several loops (2, or `threads`), each in a thread of its own and with a chain
 * of its own of n pipes, all at once; what it costs that a loop has neighbours. An event is a hop,
 * of whichever.
 *
 * SPDX-License-Identifier: MIT
 */
#include "calls.h"

#include <pthread.h>
#include <stdlib.h>

struct loops {
    long threads;
    struct chain *chains[];
};

struct loops_one {
    const struct chain *chain;
    const char *backend;
    uint64_t warmup;
    uint64_t events;
    uint64_t empty;
    pthread_barrier_t *barrier;
    pthread_t thread;
};

static long loops_threads(const struct shape *shape)
{
    return shape->threads != 0 ? shape->threads : 2;
}

static uint64_t loops_piece(const struct shape *shape)
{
    return chain_piece(shape) * (uint64_t)loops_threads(shape);
}

static void *loops_open(const struct shape *shape)
{
    long threads = loops_threads(shape);
    struct loops *loops = malloc(sizeof *loops + (size_t)threads * sizeof loops->chains[0]);
    if (!loops)
        die("loops: no memory");
    loops->threads = threads;
    for (long i = 0; i < threads; i++)
        loops->chains[i] = chain_open(shape);
    return loops;
}

static void loops_close(void *stage)
{
    struct loops *loops = stage;
    for (long i = 0; i < loops->threads; i++)
        chain_close(loops->chains[i]);
    free(loops);
}

/* Ready, off, and there: three times all wait for each other, and for who measures. */
static void *loops_do(void *argument)
{
    struct loops_one *one = argument;
    struct chain_run *run = chain_begin(one->chain, one->backend, one->warmup);
    chain_go(run, one->chain->active, one->events);
    pthread_barrier_wait(one->barrier);
    pthread_barrier_wait(one->barrier);
    loop_run(&run->loop, chain_ready);
    pthread_barrier_wait(one->barrier);
    one->empty = run->empty;
    chain_end(run, (uint64_t)one->chain->count + one->warmup + one->events);
    return NULL;
}

static void loops_slice(void *stage, const char *backend, uint64_t warmup, uint64_t events,
                        struct sample *sample)
{
    const struct loops *loops = stage;
    uint64_t threads = (uint64_t)loops->threads;
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, (unsigned)threads + 1);
    struct loops_one *ones = calloc(threads, sizeof *ones);
    if (!ones)
        die("loops: no memory");
    for (uint64_t i = 0; i < threads; i++) {
        ones[i] = (struct loops_one){.chain = loops->chains[i],
                                     .backend = backend,
                                     .warmup = warmup / threads,
                                     .events = events / threads,
                                     .barrier = &barrier};
        int result = pthread_create(&ones[i].thread, NULL, loops_do, &ones[i]);
        if (result != 0)
            die("loops: cannot start a thread: %s", strerror(result));
    }
    pthread_barrier_wait(&barrier);
    sample_begin(sample, NULL);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    sample_end(sample, NULL);
    sample->events = events;
    for (uint64_t i = 0; i < threads; i++) {
        pthread_join(ones[i].thread, NULL);
        sample->empty += ones[i].empty;
    }
    free(ones);
    pthread_barrier_destroy(&barrier);
}
