/*
 * What transfer.c takes in of the system's table, on Windows: nothing, so these go through it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_CORE_SYSTEM_WINDOWS_H
#define ROUSE_CORE_SYSTEM_WINDOWS_H

#include "loop.h"

static inline ssize_t system_read(rouse_fd fd, int kind, void *buffer, size_t size)
{
    return system_table.read(fd, kind, buffer, size);
}

static inline ssize_t system_write(rouse_fd fd, int kind, const void *data, size_t size)
{
    return system_table.write(fd, kind, data, size);
}

#endif
