/*
 * Workload `hold`: what it takes to watch n descriptors, before anything happens on them.
 *
 * The process that watches them is looked at: how long it took to start, its memory and its
 * threads. Then it waits for `idle_ms` in which nobody does anything, and the client looks at its
 * CPU clock. Then events come, one after the other, and what they did is counted: how often a
 * thread was put to sleep, and how many reads found nothing. The descriptors are those of `idle`.
 *
 * It has started when it hears what the client said before: that is watched after all others. What
 * one slice frees the next one reuses, so memory is told by the first slice in a process: name one
 * subject, `rounds=1` and a number of `events`.
 *
 * SPDX-License-Identifier: MIT
 */
#include "client.h"
#include "process.h"

#include <poll.h>

struct hold {
    struct idle *idle;
    int control; /* to the client */
    long idle_ms;
    struct look look;
};

struct hold_run {
    struct idle_run idle;
    struct idle_watch control;
    struct hold *hold;
};

/* That there is nothing more to ask, or what it has seen of our sleep. */
READY(hold_heard)
{
    struct hold_run *run = (struct hold_run *)((struct idle_watch *)watch)->run;
    struct rest *rest = &run->hold->look.rest;
    ssize_t got = watch_read(watch, rest, sizeof *rest);
    if (got == 1 || got == sizeof *rest)
        loop_stop(&run->idle.loop);
    else if (got != -EAGAIN)
        die("hold: the client has gone");
}

static void hold_order(const struct hold *hold, enum order_kind kind)
{
    struct order order = {.kind = kind, .count = hold->idle_ms};
    process_tell(hold->control, &order, sizeof order);
}

static void *hold_open(const struct shape *shape)
{
    int control;
    int pid = process_fork(&control);
    if (pid != 0)
        client_run(control, pid, NULL);
    struct hold *hold = calloc(1, sizeof *hold);
    if (!hold)
        die("hold: no memory");
    hold->idle = idle_open(shape);
    hold->control = control;
    hold->idle_ms = shape->idle_ms;
    return hold;
}

static void hold_close(void *stage)
{
    struct hold *hold = stage;
    hold_order(hold, ORDER_END);
    close(hold->control);
    idle_close(hold->idle);
    free(hold);
}

static void hold_slice(void *stage, const char *backend, uint64_t warmup, uint64_t events,
                       struct sample *sample)
{
    struct hold *hold = stage;
    struct pollfd said = {.fd = hold->control, .events = POLLIN};
    hold_order(hold, ORDER_ASK);
    poll(&said, 1, -1);
    look_begin(&hold->look);
    struct hold_run run = {.hold = hold, .control.run = &run.idle};
    idle_start(&run.idle, hold->idle, backend);
    watch_start(&run.idle.loop, &run.control.watch, hold->control, READ, hold_heard);
    loop_run(&run.idle.loop, hold_heard);
    look_held(&hold->look);
    hold_order(hold, ORDER_LOOK);
    loop_run(&run.idle.loop, hold_heard);
    watch_stop(&run.idle.loop, &run.control.watch);
    idle_measure(&run.idle, warmup, events, sample);
    sample->look = &hold->look;
    idle_stop(&run.idle, hold->idle);
}
