/*
 * Workload `idle`, the library's side: one watcher for each descriptor, all with the same callback,
 * which reads, and writes again until enough has been read. The raw side is in raw_NAME.c.
 *
 * SPDX-License-Identifier: MIT
 */
#include "idle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

static void on_ready(struct rouse_io *io, uint32_t ready)
{
    report_check(io, ready);
    struct idle_watcher *watcher = (struct idle_watcher *)io;
    struct idle *idle = watcher->idle;
    uint64_t before = idle->taken;
    idle_take(idle, watcher->index);
    if (idle->taken == before)
        return;
    if (idle->taken == idle->until)
        rouse_stop(idle->loop);
    else
        idle_ring(idle);
}

void idle_open(struct idle *idle, const char *backend, int count)
{
    *idle = (struct idle){.backend = backend, .count = count, .active = count / 2};
    idle->fds = calloc((size_t)count, sizeof *idle->fds);
    idle->watchers = calloc((size_t)count, sizeof *idle->watchers);
    if (!idle->fds || !idle->watchers)
        die("idle: no memory for %d descriptors", count);
    for (int i = 0; i < count; i++) {
        idle->watchers[i].index = i;
        idle->watchers[i].idle = idle;
        idle->fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (idle->fds[i] < 0)
            die("idle: descriptor %d of %d: %s (see ulimit -n)", i, count, strerror(errno));
    }
}

void idle_close(struct idle *idle)
{
    for (int i = 0; i < idle->count; i++)
        close(idle->fds[i]);
    free(idle->watchers);
    free(idle->fds);
}

void idle_start(struct idle *idle)
{
    idle->loop = loop_open(idle->backend);
    for (int i = 0; i < idle->count; i++) {
        struct idle_watcher *watcher = &idle->watchers[i];
        rouse_io_init(&watcher->io, on_ready);
        if (rouse_io_start(idle->loop, &watcher->io, idle->fds[i], ROUSE_READ) != 0)
            die("idle: %s", rouse_error(idle->loop));
    }
    loop_settle(idle->loop, idle->count);
}

static void check(const struct idle *idle, uint64_t events)
{
    if (idle->taken != events)
        die("idle: %llu events on %s, %llu asked", (unsigned long long)idle->taken, idle->backend,
            (unsigned long long)events);
}

void idle_serve(struct idle *idle, uint64_t events)
{
    idle->taken = idle->empty = 0;
    idle->until = events;
    idle_ring(idle);
    int result = rouse_run(idle->loop);
    if (result != 1)
        die("idle: rouse_run on %s: %s", idle->backend, strerror(-result));
    check(idle, events);
}

static void rouse_slice(void *work, uint64_t warmup, uint64_t events, struct sample *sample)
{
    struct idle *idle = work;
    idle_start(idle);
    idle_serve(idle, warmup);
    sample_begin(sample, idle->loop);
    idle_serve(idle, events);
    sample_end(sample, idle->loop);
    sample->events = events;
    sample->empty = idle->empty;
    rouse_close(idle->loop);
}

static void raw_slice(void *work, uint64_t warmup, uint64_t events, struct sample *sample)
{
    struct idle *idle = work;
    void *set = idle->raw->open(idle->count, 0);
    for (int i = 0; i < idle->count; i++)
        idle->raw->watch(set, idle->fds[i], i);
    idle->taken = 0;
    idle->raw->idle(set, idle, warmup);
    idle->taken = idle->empty = 0;
    sample_begin(sample, NULL);
    idle->raw->idle(set, idle, events);
    sample_end(sample, NULL);
    sample->events = events;
    sample->empty = idle->empty;
    check(idle, events);
    idle->raw->close(set);
}

void idle_measure(const char *backend, int count, const struct plan *plan)
{
    struct idle idle;
    idle_open(&idle, backend, count);
    idle.raw = raw_choose(backend, plan->against);
    char label[128];
    snprintf(label, sizeof label, "\"workload\":\"idle\",\"backend\":\"%s\",\"n\":%d", backend,
             count);
    struct contest contest = {.label = label,
                              .active = 1,
                              .work = &idle,
                              .rouse = rouse_slice,
                              .raw = idle.raw ? raw_slice : NULL};
    contest_run(&contest, plan);
    idle_close(&idle);
}
