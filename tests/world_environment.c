/*
 * The environment of a process, as POSIX has it.
 *
 * SPDX-License-Identifier: MIT
 */
#define _POSIX_C_SOURCE 200112L /* setenv */
#include <errno.h>
#include <stdlib.h>

#include "world.h"

int world_setenv(const char *name, const char *value)
{
    int result = value != NULL ? setenv(name, value, 1) : unsetenv(name);
    return result == 0 ? 0 : -errno;
}
