/*
 * What only the worlds of POSIX have: files, named pipes and descriptors that pass through sockets,
 * refusals of a datagram that wait to be told, and limits.
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

int world_limit_descriptors(long limit, long *before)
{
    (void)limit;
    (void)before;
    return -ENOTSUP;
}
