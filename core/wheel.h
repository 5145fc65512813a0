/*
 * The wheel that holds the timers of a loop; what it is and does is told in wheel.c. Here is what
 * lies on the path of every start and stop.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_CORE_WHEEL_H
#define ROUSE_CORE_WHEEL_H

#include <stdbool.h>

#include <rouse.h>

#include "bits.h"
#include "names.h"
#include "placement.h"

enum {
    WHEEL_TICK = 16, /* a tick is 2 to this power of nanoseconds */
    WHEEL_DIGIT = 6, /* bits of a tick, to each level */
    WHEEL_LEVELS = (64 - WHEEL_TICK + WHEEL_DIGIT - 1) / WHEEL_DIGIT,
    WHEEL_SLOTS = 1 << WHEEL_DIGIT,
    WHEEL_CHAINS = 4,
};

/* rouse_timer.order: the number of its start, and in the bits below it: */
enum {
    TIMER_UNREF = 1,
    TIMER_DUE = 2,  /* it is in wheel.due, where no deadline may change */
    TIMER_STEP = 4, /* from the number of one start to the next */
};

/* Timers in no order, dealt out in turn, so that they can be fetched side by side. */
struct wheel_slot {
    struct rouse_timer *chains[WHEEL_CHAINS];
};

struct wheel {
    uint64_t current;                /* a tick; what is in the slots comes after it */
    struct rouse_timer *due;         /* of ticks that have come, sorted */
    struct wheel_slot fresh;         /* of ticks that have come, since started */
    uint64_t occupied[WHEEL_LEVELS]; /* a bit for each slot; it may be set for nothing */
    struct wheel_slot slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

/* Times as numbers without a sign, in the same order. */
static inline uint64_t wheel_unsigned(int64_t time)
{
    return (uint64_t)time ^ (uint64_t)1 << 63;
}

static inline uint64_t wheel_tick(int64_t time)
{
    return wheel_unsigned(time) >> WHEEL_TICK;
}

/* When a tick begins. */
static inline int64_t wheel_time(uint64_t tick)
{
    return (int64_t)(tick << WHEEL_TICK ^ (uint64_t)1 << 63);
}

static inline void wheel_link(struct rouse_timer **at, struct rouse_timer *timer)
{
    timer->next = *at;
    timer->link = at;
    if (timer->next != NULL)
        timer->next->link = &timer->next;
    *at = timer;
}

/* Takes a timer out of whatever list it is in. */
static inline void wheel_unlink(struct rouse_timer *timer)
{
    *timer->link = timer->next;
    if (timer->next != NULL)
        timer->next->link = timer->link;
}

/* Files a timer that is in no list. */
static inline void wheel_file(struct wheel *wheel, struct rouse_timer *timer)
{
    uint64_t tick = wheel_tick(timer->deadline);
    struct wheel_slot *slot = &wheel->fresh;
    if (tick > wheel->current) {
        unsigned level = bits_highest(tick ^ wheel->current) / WHEEL_DIGIT;
        unsigned index = tick >> level * WHEEL_DIGIT & (WHEEL_SLOTS - 1);
        wheel->occupied[level] |= (uint64_t)1 << index;
        slot = &wheel->slots[level][index];
    }
    wheel_link(&slot->chains[timer->order / TIMER_STEP % WHEEL_CHAINS], timer);
}

/* Puts what is fresh, and was started before `limit`, among what is due. */
void wheel_settle(struct wheel *wheel, uint64_t limit);

/* Moves on to the next slot that has timers, if the time has come to it: `tick` is now's. False if
 * it has not. Nothing may be due but what is fresh. */
bool wheel_open(struct wheel *wheel, uint64_t tick, uint64_t limit);

/* The first deadline of all that is filed, or a time before it; INT64_MAX if there is none. */
int64_t wheel_search(struct wheel *wheel);

/* Stops all timers. */
void wheel_clear(struct wheel *wheel);

#endif
