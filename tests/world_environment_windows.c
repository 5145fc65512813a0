/*
 * The environment of a process, as Windows has it.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "world.h"

int world_setenv(const char *name, const char *value)
{
    return -_putenv_s(name, value != NULL ? value : "");
}
