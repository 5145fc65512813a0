/*
 * What all backends do alike.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_BACKENDS_SUPPORT_H
#define ROUSE_BACKENDS_SUPPORT_H

#include <limits.h>

#include <rouse/backend.h>

#include "config.h"
#include "memory.h"

/* Applies each change; those refused become the first events. Returns how many. */
static inline int support_apply(void *state,
                                int (*apply)(void *state, const struct rouse_change *change),
                                const struct rouse_change *changes, int nchanges,
                                struct rouse_event *events)
{
    int refused = 0;
    for (int i = 0; i < nchanges; i++) {
        int error = apply(state, &changes[i]);
        if (error != 0)
            events[refused++] = (struct rouse_event){changes[i].token, ROUSE_ERROR, error};
    }
    return refused;
}

/* A timeout in units of `unit` nanoseconds: rounded up, so that nothing is early; at most `most`; negative
 * stays -1, for ever. */
static inline int64_t support_round_up(int64_t ns, int64_t unit, int64_t most)
{
    if (ns < 0)
        return -1;
    int64_t units = ns / unit + (ns % unit != 0);
    return units < most ? units : most;
}

#endif
