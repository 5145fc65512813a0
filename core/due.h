/*
 * What is due to a watcher: from what the backend reports and what the watcher wants, what its
 * callback is told. Inline, because every event passes here.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_CORE_DUE_H
#define ROUSE_CORE_DUE_H

#include <errno.h>

#include "loop.h"

/* rouse_io.flags */
enum {
    IO_KIND = 7, /* enum rouse_kind, or 0: not looked at yet */
    IO_UNREF = 8,
};

/* 0 if the watcher is started and its loop is the caller's. */
static inline int io_check(const struct rouse_io *io)
{
    if (io == NULL || io->slot == 0)
        return -EINVAL;
    return owner_check(io->loop);
}

/* ERROR and HANGUP are also reported as the READ or WRITE that was wanted, for the next read or
 * write is what tells them. The end of what is not read concerns nobody who writes, unless it is
 * all there is. */
static inline uint32_t io_spread(uint32_t want, uint32_t ready)
{
    uint32_t both = want & (ROUSE_READ | ROUSE_WRITE);
    if (ready & ROUSE_ERROR)
        ready |= both != 0 ? both : ROUSE_PRIORITY;
    if (!(ready & ROUSE_HANGUP))
        return ready;
    if (want & ROUSE_READ)
        return ready | ROUSE_READ;
    if (ready & (ROUSE_READ | ROUSE_WRITE))
        return ready;
    return ready | (both != 0 ? ROUSE_WRITE : ROUSE_PRIORITY);
}

static inline uint32_t io_due_level(const struct slot *slot, uint32_t ready)
{
    if (ready & (ROUSE_ERROR | ROUSE_HANGUP))
        ready = io_spread(slot->want, ready);
    uint32_t due = ready & slot->want & LOOP_DIRECTIONS;
    return due != 0 ? due | (ready & (ROUSE_ERROR | ROUSE_HANGUP)) : 0;
}

/* An edge watcher's readiness is remembered until it is drained: for all directions that are held,
 * for one that is wanted only later will not be told again. */
static inline uint32_t io_due_edge(struct slot *slot, uint32_t ready)
{
    if (ready & (ROUSE_ERROR | ROUSE_HANGUP))
        ready = io_spread(slot->held, ready);
    slot->ready |= (uint8_t)(ready & (LOOP_DIRECTIONS | ROUSE_ERROR | ROUSE_HANGUP));
    uint32_t due = slot->ready & slot->want & LOOP_DIRECTIONS;
    return due != 0 ? due | (slot->ready & (ROUSE_ERROR | ROUSE_HANGUP)) : 0;
}

#endif
