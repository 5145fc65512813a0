/*
 * What no world has but that of Linux: pipes of packets, files that have no place or stand for what
 * is mounted, descriptors that stand for a counter, a timer, signals, a directory and a process,
 * and the number of a process's threads.
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

int world_memory_file(rouse_fd *fd)
{
    (void)fd;
    return -ENOTSUP;
}

int world_mounts(rouse_fd *fd)
{
    (void)fd;
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

int world_threads(void)
{
    return -ENOTSUP;
}
