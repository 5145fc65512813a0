/*
 * The descriptor by which other threads end a wait, on Linux: an eventfd, a counter of 64 bits with
 * a wait queue. A ring adds 1. A backend with edges reports each ring, so there the counter need
 * never be read, which saves a call for each wake; where there are no edges it is read back to 0.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* dup3 */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "loop.h"

int notifier_open(rouse_fd fds[2])
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    fds[0] = fds[1] = fd;
    return 0;
}

void notifier_close(rouse_fd fds[2])
{
    close(fds[0]);
    fds[0] = fds[1] = -1;
}

/* A new one under the old number, so that whoever knows the number need not be told. */
int notifier_renew(rouse_fd fds[2])
{
    rouse_fd fresh[2] = {-1, -1};
    int error = notifier_open(fresh);
    if (error != 0)
        return error;
    error = dup3(fresh[0], fds[0], O_CLOEXEC) < 0 ? -errno : 0;
    close(fresh[0]);
    return error;
}

void notifier_silence(const rouse_fd fds[2])
{
    uint64_t count;
    while (read(fds[0], &count, sizeof count) < 0 && errno == EINTR)
        ;
}

void notifier_ring(const rouse_fd fds[2])
{
    const uint64_t one = 1;
    for (;;) {
        if (write(fds[1], &one, sizeof one) >= 0)
            return;
        if (errno == EAGAIN) /* never read, the counter has come to its end: back to 0 */
            notifier_silence(fds);
        else if (errno != EINTR)
            return;
    }
}
