/*
 * What the world of Windows does not have, and others that are not POSIX may have: descriptors that
 * stand for others, signals that interrupt, and a call that does not block on a socket that does.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>

#include "world.h"

int world_nest(rouse_fd inner, rouse_fd *outer)
{
    (void)inner;
    (void)outer;
    return -ENOTSUP;
}

int world_block(rouse_fd fd, bool blocks)
{
    (void)fd;
    (void)blocks;
    return -ENOTSUP;
}

int world_interrupt(bool come)
{
    (void)come;
    return -ENOTSUP;
}

void world_ignore_lost_readers(void)
{
}

int world_interrupts(void)
{
    return 0;
}

bool world_emulates_limits(void)
{
    return false;
}
