/*
 * From a descriptor to the slot of its watcher. Descriptors are small integers that the kernel
 * gives out lowest first (Windows in steps of four), so the map is an array: 4 bytes for each
 * number up to the highest that was ever watched. It is asked on start and stop, never on the path
 * of an event. Nothing is hashed, and the limit of the process has no say in its size.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <string.h>

#include "loop.h"

uint32_t fdmap_find(const struct rouse_loop *loop, rouse_fd fd)
{
    return (uint64_t)fd < loop->nfds ? loop->fd_slots[fd] : 0;
}

int fdmap_reserve(struct rouse_loop *loop, rouse_fd fd)
{
    uint32_t old = loop->nfds;
    if ((uint64_t)fd < old)
        return 0;
    if ((uint64_t)fd >= UINT32_MAX)
        return -ENOMEM;
    void *array = loop->fd_slots;
    int error = memory_grow(&loop->setup.allocator, &array, &loop->nfds, (uint32_t)fd + 1,
                            sizeof *loop->fd_slots);
    if (error != 0)
        return error;
    loop->fd_slots = array;
    memset(loop->fd_slots + old, 0, (loop->nfds - old) * sizeof *loop->fd_slots);
    return 0;
}

void fdmap_set(struct rouse_loop *loop, rouse_fd fd, uint32_t index)
{
    loop->fd_slots[fd] = index;
}
