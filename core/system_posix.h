/*
 * The two system calls on the path of an event, on POSIX, for transfer.c to take in. After a system
 * call the kernel leaves the processor's notes of where functions return to out of step (a guard
 * against speculation), and each function that was entered before it and returns after it then
 * costs some 10 ns: of an event of 1000, too much for one that only passes on.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_CORE_SYSTEM_POSIX_H
#define ROUSE_CORE_SYSTEM_POSIX_H

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* SO_NOSIGPIPE, set by kind(), does its work */
#endif
#ifndef MSG_NBIO
#define MSG_NBIO 0 /* without which a BSD's send() waits for room in spite of MSG_DONTWAIT */
#endif

static inline bool system_is_socket(int kind)
{
    return kind == ROUSE_KIND_STREAM || kind == ROUSE_KIND_SOCKET;
}

static inline ssize_t system_read(rouse_fd fd, int kind, void *buffer, size_t size)
{
    ssize_t n =
        system_is_socket(kind) ? recv(fd, buffer, size, MSG_DONTWAIT) : read(fd, buffer, size);
    return n >= 0 ? n : -errno;
}

static inline ssize_t system_write(rouse_fd fd, int kind, const void *data, size_t size)
{
    ssize_t n = system_is_socket(kind)
                    ? send(fd, data, size, MSG_DONTWAIT | MSG_NBIO | MSG_NOSIGNAL)
                    : write(fd, data, size);
    return n >= 0 ? n : -errno;
}

#endif
