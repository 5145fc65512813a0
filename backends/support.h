/*
 * What all backends do alike.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_BACKENDS_SUPPORT_H
#define ROUSE_BACKENDS_SUPPORT_H

#include <limits.h>
#include <time.h>

#include <rouse/backend.h>

#include "config.h"
#include "memory.h"
#include "placement.h"

typedef int support_apply_one(void *state, const struct rouse_change *change);
typedef int support_poll(void *state, const struct rouse_change *changes, int nchanges,
                         struct rouse_event *events, int nevents, int64_t timeout_ns);

/* Applies each change; those refused become the first events. What is left of the array is for the
 * same call without changes, which then does not sleep. */
APART static int support_apply(void *state, support_apply_one *apply, support_poll *poll,
                               const struct rouse_change *changes, int nchanges,
                               struct rouse_event *events, int nevents, int64_t timeout_ns)
{
    int refused = 0;
    for (int i = 0; i < nchanges; i++) {
        int error = apply(state, &changes[i]);
        if (error != 0)
            events[refused++] = (struct rouse_event){changes[i].token, ROUSE_ERROR, error};
    }
    if (refused == nevents)
        return refused;
    int n = poll(state, NULL, 0, events + refused, nevents - refused, refused > 0 ? 0 : timeout_ns);
    return n < 0 ? n : refused + n;
}

/* A timeout in units of `unit` nanoseconds: rounded up, so that nothing is early; at most `most`;
 * negative stays -1, for ever. */
static inline int64_t support_round_up(int64_t ns, int64_t unit, int64_t most)
{
    if (ns < 0)
        return -1;
    int64_t units = ns / unit + (ns % unit != 0);
    return units < most ? units : most;
}

/* A timeout as ppoll() and its like take it, if it is not negative; at most the 68 years that a
 * time_t of 32 bits holds. */
static inline struct timespec support_timespec(int64_t ns)
{
    int64_t most = (int64_t)INT32_MAX * 1000000000;
    int64_t whole = support_round_up(ns, 1, most);
    return (struct timespec){.tv_sec = (time_t)(whole / 1000000000),
                             .tv_nsec = (long)(whole % 1000000000)};
}

#endif
