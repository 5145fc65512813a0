/*
 * What the world of Windows does not have, or not so that it could be watched, and others have:
 * files and named pipes, refusals of a datagram that wait to be told, limits, signals that
 * interrupt, and a call that does not block on a socket that does.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>

#include "world.h"

int world_file(rouse_fd *fd)
{
    (void)fd;
    return -ENOTSUP;
}

int world_null(rouse_fd *fd)
{
    (void)fd;
    return -ENOTSUP;
}

int world_zero(rouse_fd *fd)
{
    (void)fd;
    return -ENOTSUP;
}

int world_random(rouse_fd *fd)
{
    (void)fd;
    return -ENOTSUP;
}

int world_directory(rouse_fd *fd)
{
    (void)fd;
    return -ENOTSUP;
}

int world_nest(rouse_fd inner, rouse_fd *outer)
{
    (void)inner;
    (void)outer;
    return -ENOTSUP;
}

int world_fifo(rouse_fd *fd, bool visited)
{
    (void)fd;
    (void)visited;
    return -ENOTSUP;
}

int world_refused_datagram(rouse_fd *fd, bool queued)
{
    (void)fd;
    (void)queued;
    return -ENOTSUP;
}

int world_take_refusal(rouse_fd fd)
{
    (void)fd;
    return -ENOTSUP;
}

ssize_t world_send_with(rouse_fd fd, const void *data, size_t size, rouse_fd passed)
{
    (void)fd;
    (void)data;
    (void)size;
    (void)passed;
    return -ENOTSUP;
}

int world_rewind(rouse_fd fd)
{
    (void)fd;
    return -ENOTSUP;
}

int world_block(rouse_fd fd, bool blocks)
{
    (void)fd;
    (void)blocks;
    return -ENOTSUP;
}

int world_limit_descriptors(long limit, long *before)
{
    (void)limit;
    (void)before;
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
