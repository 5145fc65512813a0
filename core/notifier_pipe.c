/*
 * The descriptor by which other threads end a wait, where there is no eventfd: a pipe. A ring
 * writes a byte; if the pipe is full a wake is pending anyway. Bytes are read back so that it never
 * stays full.
 *
 * SPDX-License-Identifier: MIT
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "loop.h"

int notifier_open(rouse_fd fds[2])
{
    if (pipe(fds) != 0)
        return -errno;
    for (int i = 0; i < 2; i++) {
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
    }
    return 0;
}

void notifier_close(rouse_fd fds[2])
{
    close(fds[0]);
    close(fds[1]);
    fds[0] = fds[1] = -1;
}

/* A new one under the old numbers, so that whoever knows these need not be told. */
int notifier_renew(rouse_fd fds[2])
{
    rouse_fd fresh[2] = {-1, -1};
    int error = notifier_open(fresh);
    for (int i = 0; i < 2 && error == 0; i++) {
        if (dup2(fresh[i], fds[i]) < 0)
            error = -errno;
        else
            fcntl(fds[i], F_SETFD, FD_CLOEXEC);
    }
    if (error == 0)
        notifier_close(fresh);
    return error;
}

void notifier_silence(const rouse_fd fds[2])
{
    char bytes[64];
    ssize_t n;
    do
        n = read(fds[0], bytes, sizeof bytes);
    while (n == (ssize_t)sizeof bytes || (n < 0 && errno == EINTR));
}

void notifier_ring(const rouse_fd fds[2])
{
    while (write(fds[1], "", 1) < 0 && errno == EINTR)
        ;
}
