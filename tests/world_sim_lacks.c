/*
 * What the world of a kernel in miniature does not have, and others have: priority data, datagrams,
 * files and what else is no stream, limits that can be moved, signals from outside, and threads.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>

#include "world.h"

int world_packets(rouse_fd ends[2])
{
    (void)ends;
    return -ENOTSUP;
}

int world_file(rouse_fd *fd)
{
    (void)fd;
    return -ENOTSUP;
}

int world_memory_file(rouse_fd *fd)
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

int world_mounts(rouse_fd *fd)
{
    (void)fd;
    return -ENOTSUP;
}

int world_directory(rouse_fd *fd)
{
    (void)fd;
    return -ENOTSUP;
}

int world_stranger(rouse_fd *fd)
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

int world_eventfd(rouse_fd *fd)
{
    (void)fd;
    return -ENOTSUP;
}

int world_timerfd(rouse_fd *fd, bool expired)
{
    (void)fd;
    (void)expired;
    return -ENOTSUP;
}

int world_signalfd(rouse_fd *fd)
{
    (void)fd;
    return -ENOTSUP;
}

int world_signal(void)
{
    return -ENOTSUP;
}

int world_signal_thread(void)
{
    return -ENOTSUP;
}

int world_inotify(rouse_fd *fd)
{
    (void)fd;
    return -ENOTSUP;
}

int world_pidfd(rouse_fd *fd, enum world_process process)
{
    (void)fd;
    (void)process;
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

int world_priority(rouse_fd fd, char byte)
{
    (void)fd;
    (void)byte;
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

int world_threads(void)
{
    return -ENOTSUP;
}
