/*
 * Workload `idle`: N watched descriptors, of which one is active and the others do nothing.
 *
 * A turn is the write that makes the active one ready, the wait, and the read that empties it. What
 * grows with N in the time of a turn is what the wait costs for each descriptor that does nothing.
 * The descriptors are eventfds, which take one number each; the active one is in the middle, so
 * that a search for it takes as long from either end.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCH_IDLE_H
#define BENCH_IDLE_H

#include "contest.h"
#include "raw.h"

#include <errno.h>
#include <unistd.h>

struct idle_watcher {
    struct rouse_io io;
    int index;
    struct idle *idle;
};

struct idle {
    const char *backend;
    const struct raw *raw;
    int count;
    int active; /* the index of the one that is active */
    int *fds;
    struct idle_watcher *watchers;
    struct rouse_loop *loop;
    uint64_t taken; /* events served */
    uint64_t until; /* the library's loop stops when so many have been */
    uint64_t empty; /* reads that found nothing: reports that were wrong */
};

static inline void idle_ring(const struct idle *idle)
{
    uint64_t one = 1;
    if (write(idle->fds[idle->active], &one, sizeof one) != sizeof one)
        die("idle: cannot write to the active eventfd");
}

static inline void idle_take(struct idle *idle, int index)
{
    uint64_t value;
    if (read(idle->fds[index], &value, sizeof value) == sizeof value)
        idle->taken++;
    else if (errno == EAGAIN)
        idle->empty++;
    else
        die("idle: cannot read eventfd %d", index);
}

/* Makes the descriptors. */
void idle_open(struct idle *idle, const char *backend, int count);

/* Opens a loop that watches them all, and has told the backend so. */
void idle_start(struct idle *idle);

/* Serves so many events, one after the other, and counts anew the reads that found nothing. */
void idle_serve(struct idle *idle, uint64_t events);

/* Gives back what idle_open() made. The loop has been closed. */
void idle_close(struct idle *idle);

/* Prints one sample per slice for `count` descriptors. */
void idle_measure(const char *backend, int count, const struct plan *plan);

#endif
