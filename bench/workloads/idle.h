/*
 * Workload `idle`: n watched descriptors, of which one is active and the others do nothing.
 *
 * A turn is the write that makes the active one ready, the wait, and the read that empties it. What
 * grows with n in the time of a turn is what the wait costs for each descriptor that does nothing.
 * Those are eventfds, which take one number each. The active one is a pipe, for a read that is
 * offered more than there is must tell an edge watcher that it has left nothing; it is in the
 * middle, so that a search for it takes as long from either end.
 *
 * SPDX-License-Identifier: MIT
 */
#include "calls.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>

struct idle {
    int count;
    int ring; /* where the active one is written to */
    int fds[];
};

struct idle_watch {
    struct watch watch;
    struct idle_run *run;
};

struct idle_run {
    int ring;
    struct idle_watch *watches;
    struct loop loop;
    uint64_t taken; /* events served */
    uint64_t until; /* the loop stops when so many have been */
    uint64_t empty;
};

static HOT void idle_ring(const struct idle_run *run)
{
    if (write(run->ring, "", 1) != 1)
        die("idle: cannot write to the active pipe");
}

READY(idle_ready)
{
    struct idle_run *run = ((struct idle_watch *)watch)->run;
    char bytes[64];
    ssize_t got = watch_read(watch, bytes, sizeof bytes);
    if (got == -EAGAIN) {
        run->empty++;
        return;
    }
    if (got != 1)
        die("idle: cannot read the active pipe: %s", strerror((int)-got));
    if (++run->taken == run->until)
        loop_stop(&run->loop);
    else
        idle_ring(run);
}

static void *idle_open(const struct shape *shape)
{
    int n = shape->n != 0 ? (int)shape->n : 100;
    struct idle *idle = malloc(sizeof *idle + (size_t)n * sizeof idle->fds[0]);
    if (!idle)
        die("idle: no memory for %d descriptors", n);
    idle->count = n;
    for (int i = 0; i < n; i++) {
        int ends[2] = {-1, -1};
        if (i != n / 2)
            ends[0] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        else if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0)
            idle->ring = ends[1];
        idle->fds[i] = ends[0];
        if (ends[0] < 0)
            die("idle: descriptor %d of %d: %s (see ulimit -n)", i, n, strerror(errno));
    }
    return idle;
}

static void idle_close(void *stage)
{
    struct idle *idle = stage;
    for (int i = 0; i < idle->count; i++)
        close(idle->fds[i]);
    close(idle->ring);
    free(idle);
}

static void idle_serve(struct idle_run *run, uint64_t events)
{
    run->until = run->taken + events;
    idle_ring(run);
    loop_run(&run->loop, idle_ready);
}

static void idle_start(struct idle_run *run, const struct idle *idle, const char *backend)
{
    *run = (struct idle_run){.ring = idle->ring,
                             .watches = calloc((size_t)idle->count, sizeof *run->watches)};
    if (!run->watches)
        die("idle: no memory for %d descriptors", idle->count);
    loop_open(&run->loop, backend);
    for (int i = 0; i < idle->count; i++) {
        run->watches[i].run = run;
        watch_start(&run->loop, &run->watches[i].watch, idle->fds[i], READ, idle_ready);
    }
}

static void idle_measure(struct idle_run *run, uint64_t warmup, uint64_t events,
                         struct sample *sample)
{
    idle_serve(run, warmup);
    run->empty = 0;
    loop_begin(&run->loop, sample);
    idle_serve(run, events);
    loop_end(&run->loop, sample);
    sample->events = events;
    sample->empty = run->empty;
}

static void idle_stop(struct idle_run *run, const struct idle *idle)
{
    for (int i = 0; i < idle->count; i++)
        watch_stop(&run->loop, &run->watches[i].watch);
    loop_close(&run->loop);
    free(run->watches);
}

static void idle_slice(void *stage, const char *backend, uint64_t warmup, uint64_t events,
                       struct sample *sample)
{
    struct idle_run run;
    idle_start(&run, stage, backend);
    idle_measure(&run, warmup, events, sample);
    idle_stop(&run, stage);
}

static uint64_t idle_piece(const struct shape *shape)
{
    (void)shape;
    return 1;
}
