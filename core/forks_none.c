/*
 * Where processes do not fork, as on Windows, nobody has to be told of it: a loop stays with the
 * process that opened it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "loop.h"

int forks_watch(void)
{
    return 0;
}
