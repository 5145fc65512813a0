/*
 * Workload `hold`: the process that holds, on the descriptors and the callback of `idle`, and the
 * parent that looks at it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "hold.h"
#include "idle.h"
#include "process.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define EVENTS 100

/* What the child says once it holds them. */
struct held {
    struct footprint before, after;
    uint64_t start_ns;
};

struct control {
    struct rouse_io io;
    struct idle *idle;
};

static uint64_t wall_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The parent has looked at our sleep for long enough. */
static void on_control(struct rouse_io *io, uint32_t ready)
{
    report_check(io, ready);
    char word;
    ssize_t got = rouse_read(io, &word, sizeof word);
    if (got == sizeof word)
        rouse_stop(((struct control *)io)->idle->loop);
    else if (got != -EAGAIN)
        die("hold: the parent has gone");
}

static void child(const char *backend, int count, int fd)
{
    struct idle idle;
    idle_open(&idle, backend, count);
    struct held held = {.before = footprint_now(), .start_ns = wall_now()};
    idle_start(&idle);
    held.start_ns = wall_now() - held.start_ns;
    held.after = footprint_now();

    struct control control = {.idle = &idle};
    rouse_io_init(&control.io, on_control);
    if (rouse_io_start(idle.loop, &control.io, fd, ROUSE_READ) != 0)
        die("hold: %s", rouse_error(idle.loop));
    process_tell(fd, &held, sizeof held);
    int result = rouse_run(idle.loop);
    if (result != 1)
        die("hold: rouse_run on %s: %s", backend, strerror(-result));

    struct sample sample;
    idle_serve(&idle, 1);
    sample_begin(&sample, idle.loop);
    idle_serve(&idle, EVENTS);
    sample_end(&sample, idle.loop);
    sample.empty = idle.empty;
    process_tell(fd, &sample, sizeof sample);
    rouse_close(idle.loop);
    idle_close(&idle);
}

void hold_measure(const char *backend, int count, long idle_ms)
{
    int control;
    int pid = process_fork(&control);
    if (pid == 0) {
        child(backend, count, control);
        return;
    }
    struct held held;
    struct sample sample;
    process_hear(control, &held, sizeof held);
    struct rest rest = process_watch(pid, idle_ms);
    process_tell(control, "", 1);
    process_hear(control, &sample, sizeof sample);
    process_join(pid);
    printf("{\"workload\":\"hold\",\"backend\":\"%s\",\"n\":%d,\"loop\":\"rouse\","
           "\"start_ns\":%" PRIu64 ",\"events\":%d,\"empty\":%" PRIu64 ",\"switches\":%" PRIu64,
           backend, count, held.start_ns, EVENTS, sample.empty, sample.switches);
    rest_print(&rest);
    footprint_print(&held.before, "before");
    footprint_print(&held.after, "held");
    printf("}\n");
}
