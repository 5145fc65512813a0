/*
 * What the files of subjects share: the plain system calls, with errors as values, and the counts
 * of a loop that does not count.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCH_CALLS_H
#define BENCH_CALLS_H

#include "subject.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

enum { READ = 1, WRITE = 2 }; /* what is watched for */

/* n, 0 at the end, -errno */
static HOT ssize_t plain_read(int fd, void *buffer, size_t size)
{
    ssize_t n = read(fd, buffer, size);
    return n < 0 ? -errno : n;
}

/* To a socket: n, -errno */
static HOT ssize_t plain_write(int fd, const void *data, size_t size)
{
    ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

/* A descriptor that does not block, -errno */
static HOT int plain_accept(int fd)
{
    int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return accepted < 0 ? -errno : accepted;
}

#endif
