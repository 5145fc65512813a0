/*
 * Time, which moves only when everybody sleeps, and then to what is due next: an hour of waiting is
 * one step. What is due at the same moment comes in an order that the seed decides.
 *
 * SPDX-License-Identifier: MIT
 */
#include "kernel.h"

/* rouse_sim_event.reserved: a lot, and the place in the heap, counted from 1. */
enum { LOT, PLACE };

static bool is_before(const struct rouse_sim_event *a, const struct rouse_sim_event *b)
{
    return a->time != b->time ? a->time < b->time : a->reserved[LOT] < b->reserved[LOT];
}

static void put(uint32_t place, struct rouse_sim_event *event)
{
    machine->due[place - 1] = event;
    event->reserved[PLACE] = place;
}

static void sift(uint32_t place, struct rouse_sim_event *event)
{
    for (; place > 1 && is_before(event, machine->due[place / 2 - 1]); place /= 2)
        put(place, machine->due[place / 2 - 1]);
    for (;;) {
        uint32_t least = 2 * place;
        if (least < machine->ndue && is_before(machine->due[least], machine->due[least - 1]))
            least++;
        if (least > machine->ndue || !is_before(machine->due[least - 1], event))
            break;
        put(place, machine->due[least - 1]);
        place = least;
    }
    put(place, event);
}

int rouse_sim_at(struct rouse_sim_event *event, int64_t time)
{
    if (machine == NULL || event == NULL || event->fn == NULL)
        return -EINVAL;
    rouse_sim_cancel(event);
    void *due = machine->due;
    int error = memory_grow(&machine->allocator, &due, &machine->most_due, machine->ndue + 1,
                            sizeof *machine->due);
    machine->due = due;
    if (error != 0)
        return error;
    event->time = time > machine->now ? time : machine->now;
    event->reserved[LOT] = machine_random();
    sift(++machine->ndue, event);
    return 0;
}

void rouse_sim_cancel(struct rouse_sim_event *event)
{
    uint32_t place = event != NULL ? (uint32_t)event->reserved[PLACE] : 0;
    if (place == 0)
        return;
    event->reserved[PLACE] = 0;
    struct rouse_sim_event *last = machine->due[--machine->ndue];
    if (last != event)
        sift(place, last);
}

bool clock_pass(int64_t until)
{
    if (machine->ndue == 0 || machine->due[0]->time > until)
        return false;
    struct rouse_sim_event *event = machine->due[0];
    rouse_sim_cancel(event);
    if (event->time > machine->now) {
        machine_step(ROUSE_SIM_PASSED, 0, (uint64_t)(event->time - machine->now));
        machine->now = event->time;
    }
    event->fn(event);
    return true;
}

int64_t rouse_sim_now(void)
{
    return machine != NULL ? machine->now : 0;
}
