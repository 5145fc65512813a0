/*
 * Workloads `memory-*`: the bytes that are allocated
 *
 *     memory-descriptors  for n watched descriptors
 *     memory-timers       for n timers
 *     memory-loop         for a loop that watches nothing
 *
 * as the C library counts them, everything included: the caller's own struct, the loop's tables,
 * with the room in them that is still free, and what malloc() adds to each block. What the kernel
 * holds is not seen, and neither is what a library has mapped by itself. The loop is opened before,
 * in the first two, and a turn is taken before the count, for what is done only then. Freed blocks
 * that malloc() keeps for a thread would count as used: measure.c sees to it that it keeps none.
 *
 * SPDX-License-Identifier: MIT
 */
#include "calls.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/eventfd.h>

/* What is watched has higher numbers than what a loop opens for itself, for some have a table by
 * number: who watches such a descriptor from the start would have it before the count. */
#define MEMORY_ABOVE 64

struct memory {
    long count;
    int *fds; /* what is watched, if it is descriptors */
};

READY(memory_ready)
{
    uint64_t value;
    if (watch_read(watch, &value, sizeof value) != -EAGAIN)
        die("memory: a descriptor is ready that nobody has written to");
}

static uint64_t memory_piece(const struct shape *shape)
{
    return shape->n != 0 ? (uint64_t)shape->n : 10000;
}

static uint64_t memory_loop_piece(const struct shape *shape)
{
    (void)shape;
    return 1;
}

static void *memory_open(const struct shape *shape)
{
    struct memory *memory = calloc(1, sizeof *memory);
    if (!memory)
        die("memory: no memory");
    memory->count = (long)memory_piece(shape);
    return memory;
}

static void *memory_open_descriptors(const struct shape *shape)
{
    struct memory *memory = memory_open(shape);
    memory->fds = malloc((size_t)memory->count * sizeof memory->fds[0]);
    if (!memory->fds)
        die("memory: no memory for %ld descriptors", memory->count);
    for (long i = 0; i < memory->count; i++) {
        int low = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        memory->fds[i] = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, MEMORY_ABOVE);
        if (low >= 0)
            close(low);
        if (memory->fds[i] < 0)
            die("memory: eventfd %ld of %ld: %s (see ulimit -n)", i, memory->count,
                strerror(errno));
    }
    return memory;
}

static void memory_close(void *stage)
{
    struct memory *memory = stage;
    for (long i = 0; memory->fds && i < memory->count; i++)
        close(memory->fds[i]);
    free(memory->fds);
    free(memory);
}

static uint64_t memory_used(void)
{
    struct mallinfo2 all = mallinfo2();
    return all.uordblks + all.hblkhd;
}

static void *memory_take(size_t count, size_t size)
{
    void *block = calloc(count, size);
    if (!block)
        die("memory: no memory for %zu of %zu bytes", count, size);
    return block;
}

/* The bytes of one piece, which is done and undone. */

static uint64_t memory_of_descriptors(const struct memory *memory, const char *backend)
{
    struct loop loop;
    loop_open(&loop, backend);
    uint64_t before = memory_used();
    struct watch *watches = memory_take((size_t)memory->count, sizeof *watches);
    for (long i = 0; i < memory->count; i++)
        watch_start(&loop, &watches[i], memory->fds[i], READ, memory_ready);
    loop_turn(&loop, memory_ready);
    uint64_t bytes = memory_used() - before;
    for (long i = 0; i < memory->count; i++)
        watch_stop(&loop, &watches[i]);
    loop_close(&loop);
    free(watches);
    return bytes;
}

static uint64_t memory_of_loop(const struct memory *memory, const char *backend)
{
    (void)memory;
    uint64_t before = memory_used();
    struct loop *loop = memory_take(1, sizeof *loop);
    loop_open(loop, backend);
    loop_turn(loop, memory_ready);
    uint64_t bytes = memory_used() - before;
    loop_close(loop);
    free(loop);
    return bytes;
}

#ifdef SUBJECT_TIMERS
#define MEMORY_FAR INT64_C(3600000000000) /* ns: an hour */

FIRED(memory_fired)
{
    (void)timer;
    die("memory: a timer that is an hour away has fired");
}

static uint64_t memory_of_timers(const struct memory *memory, const char *backend)
{
    struct loop loop;
    loop_open(&loop, backend);
    uint64_t before = memory_used();
    struct timer *timers = memory_take((size_t)memory->count, sizeof *timers);
    for (long i = 0; i < memory->count; i++) {
        timer_init(&loop, &timers[i], memory_fired);
        timer_start(&loop, &timers[i], MEMORY_FAR + i);
    }
    loop_turn(&loop, memory_ready);
    uint64_t bytes = memory_used() - before;
    for (long i = 0; i < memory->count; i++)
        timer_stop(&loop, &timers[i]);
    loop_close(&loop);
    free(timers);
    return bytes;
}
#endif

static void memory_slice(const struct memory *memory, const char *backend, uint64_t piece,
                         uint64_t events, struct sample *sample,
                         uint64_t (*bytes)(const struct memory *memory, const char *backend))
{
    bytes(memory, backend); /* what is allocated once in a process, has been */
    sample_begin(sample, NULL);
    uint64_t sum = 0;
    for (uint64_t done = 0; done < events; done += piece)
        sum += bytes(memory, backend);
    sample_end(sample, NULL);
    sample->events = events;
    sample->bytes = sum;
}

static void memory_descriptors_slice(void *stage, const char *backend, uint64_t warmup,
                                     uint64_t events, struct sample *sample)
{
    (void)warmup;
    const struct memory *memory = stage;
    memory_slice(memory, backend, (uint64_t)memory->count, events, sample, memory_of_descriptors);
}

static void memory_loop_slice(void *stage, const char *backend, uint64_t warmup, uint64_t events,
                              struct sample *sample)
{
    (void)warmup;
    memory_slice(stage, backend, 1, events, sample, memory_of_loop);
}

#ifdef SUBJECT_TIMERS
static void memory_timers_slice(void *stage, const char *backend, uint64_t warmup, uint64_t events,
                                struct sample *sample)
{
    (void)warmup;
    const struct memory *memory = stage;
    memory_slice(memory, backend, (uint64_t)memory->count, events, sample, memory_of_timers);
}
#endif
