/*
 * The system calls that the loop makes for its user, on Windows: Winsock's. Only sockets can be
 * read, written and watched. No call can be told not to block when the socket blocks, so that is
 * the caller's to see to (rouse_nonblock); nothing raises a signal.
 *
 * What surprises: a datagram longer than the buffer is an error here, and its beginning is in the
 * buffer all the same; it is told as on other systems, as a full buffer.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <limits.h>

#include "loop.h"
#include "winsock.h"

/* The counter is 10 MHz nearly everywhere; a frequency that does not divide a second is rounded
 * down. */
static int64_t now(void)
{
    LARGE_INTEGER frequency, count;
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&count);
    int64_t seconds = count.QuadPart / frequency.QuadPart;
    int64_t rest = count.QuadPart % frequency.QuadPart;
    return seconds * 1000000000 + rest * 1000000000 / frequency.QuadPart;
}

/* Why the last call on a descriptor failed. */
static int failure(rouse_fd fd)
{
    int error = winsock_error();
    return error == -ENOTSOCK ? winsock_no_socket(fd) : error;
}

static int check(rouse_fd fd)
{
    int type, size = sizeof type;
    return getsockopt((SOCKET)fd, SOL_SOCKET, SO_TYPE, (char *)&type, &size) == 0 ? 0 : failure(fd);
}

/* A stream may also be of another family, where a read stops at the end of a message. */
static int kind(rouse_fd fd)
{
    WSAPROTOCOL_INFOW protocol;
    int size = sizeof protocol;
    if (getsockopt((SOCKET)fd, SOL_SOCKET, SO_PROTOCOL_INFOW, (char *)&protocol, &size) == 0 &&
        protocol.iProtocol == IPPROTO_TCP)
        return ROUSE_KIND_STREAM;
    return ROUSE_KIND_SOCKET;
}

static int clip(size_t size)
{
    return size < INT_MAX ? (int)size : INT_MAX;
}

static ssize_t read_some(rouse_fd fd, int kind, void *buffer, size_t size)
{
    (void)kind;
    int n = recv((SOCKET)fd, buffer, clip(size), 0);
    if (n >= 0)
        return n;
    int error = failure(fd);
    return error == -EMSGSIZE ? (ssize_t)clip(size) : error;
}

static ssize_t write_some(rouse_fd fd, int kind, const void *data, size_t size)
{
    (void)kind;
    int n = send((SOCKET)fd, data, clip(size), 0);
    return n >= 0 ? n : failure(fd);
}

static int accept_one(rouse_fd fd, rouse_fd *accepted)
{
    SOCKET client = accept((SOCKET)fd, NULL, NULL);
    if (client == INVALID_SOCKET)
        return failure(fd);
    SetHandleInformation((HANDLE)client, HANDLE_FLAG_INHERIT, 0);
    *accepted = (rouse_fd)client;
    int error = rouse_nonblock(*accepted);
    if (error != 0)
        closesocket(client);
    return error;
}

static int take_error(rouse_fd fd)
{
    int code = 0, size = sizeof code;
    if (getsockopt((SOCKET)fd, SOL_SOCKET, SO_ERROR, (char *)&code, &size) != 0)
        return failure(fd);
    return winsock_errno(code);
}

static int close_once(rouse_fd fd)
{
    return closesocket((SOCKET)fd) == 0 ? 0 : failure(fd);
}

const struct rouse_system system_table = {
    .now = now,
    .check = check,
    .kind = kind,
    .read = read_some,
    .write = write_some,
    .accept = accept_one,
    .take_error = take_error,
    .close = close_once,
};

void system_yield(void)
{
    SwitchToThread();
}

int rouse_nonblock(rouse_fd fd)
{
    return ioctlsocket((SOCKET)fd, (long)FIONBIO, &(u_long){1}) == 0 ? 0 : failure(fd);
}
