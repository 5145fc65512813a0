/*
 * The world's connections: TCP and UDP on this machine's own address.
 *
 * A connection costs about 30 microseconds to make. What surprises: to be refused for certain a
 * port must be taken by somebody who does not serve it, or another process may come to listen
 * there in between; so these functions hold the port while they are refused.
 *
 * SPDX-License-Identifier: MIT
 */
#include "world_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* SO_NOSIGPIPE does its work */
#endif

/* A socket bound to a free port of the loopback address. */
static int bound_socket(int type, rouse_fd *fd)
{
    int result = world_prepare(socket(AF_INET, type, 0));
    if (result < 0)
        return result;
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(result, (struct sockaddr *)&here, sizeof here) < 0) {
        int error = -errno;
        world_close(result);
        return error;
    }
    *fd = result;
    return 0;
}

/* Connects `fd` to where `to` is bound; 0 also while a connection is being made. */
static int connect_to(rouse_fd fd, rouse_fd to)
{
    struct sockaddr_in there;
    socklen_t size = sizeof there;
    if (getsockname(to, (struct sockaddr *)&there, &size) < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&there, size) < 0 && errno != EINPROGRESS)
        return -errno;
    return 0;
}

int world_listen(rouse_fd *listener)
{
    int result = bound_socket(SOCK_STREAM, listener);
    if (result == 0 && listen(*listener, 128) < 0) {
        result = -errno;
        world_close(*listener);
    }
    return result;
}

int world_connect(rouse_fd listener, rouse_fd *client)
{
    int result = world_prepare(socket(AF_INET, SOCK_STREAM, 0));
    if (result < 0)
        return result;
    *client = result;
    result = connect_to(*client, listener);
    if (result < 0)
        world_close(*client);
    return result;
}

int world_accept(rouse_fd listener, rouse_fd *accepted)
{
    int result = world_prepare(accept(listener, NULL, NULL));
    if (result < 0)
        return result;
    *accepted = result;
    return 0;
}

int world_tcp_pair(rouse_fd ends[2])
{
    rouse_fd listener;
    int result = world_listen(&listener);
    if (result < 0)
        return result;
    result = world_connect(listener, &ends[1]);
    if (result == 0) {
        world_await(listener, ROUSE_READ);
        result = world_accept(listener, &ends[0]);
        if (result < 0)
            world_close(ends[1]);
    }
    world_close(listener);
    if (result < 0)
        return result;
    world_await(ends[1], ROUSE_WRITE);
    for (int end = 0; end < 2; end++) /* what is sent is sent now */
        setsockopt(ends[end], IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return 0;
}

int world_udp_pair(rouse_fd ends[2])
{
    int result = bound_socket(SOCK_DGRAM, &ends[0]);
    if (result < 0)
        return result;
    result = bound_socket(SOCK_DGRAM, &ends[1]);
    if (result == 0) {
        result = connect_to(ends[0], ends[1]);
        if (result == 0)
            result = connect_to(ends[1], ends[0]);
        if (result < 0)
            world_close(ends[1]);
    }
    if (result < 0)
        world_close(ends[0]);
    return result;
}

int world_unconnected(rouse_fd *fd)
{
    *fd = world_prepare(socket(AF_INET, SOCK_STREAM, 0));
    return *fd < 0 ? *fd : 0;
}

int world_bound(rouse_fd *fd)
{
    return bound_socket(SOCK_STREAM, fd);
}

/* The port is that of the client of a connection; NetBSD passes in silence over one that is only
 * bound. Who is refused is bound before: left to choose, the system may give it that very port, and
 * it is connected to itself. */
int world_refused(rouse_fd *client)
{
    rouse_fd ends[2];
    int result = world_tcp_pair(ends);
    if (result < 0)
        return result;
    result = world_bound(client);
    if (result == 0) {
        result = connect_to(*client, ends[1]);
        if (result == 0)
            world_await(*client, ROUSE_ERROR);
        else
            world_close(*client);
    }
    world_close(ends[0]);
    world_close(ends[1]);
    return result;
}

int world_take_error(rouse_fd fd)
{
    int error = 0;
    socklen_t size = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? -errno : -error;
}

int world_send_refused(rouse_fd fd)
{
    rouse_fd held = -1; /* hears only itself, so that what others send to its port is refused */
    int result = bound_socket(SOCK_DGRAM, &held);
    if (result < 0)
        return result;
    result = connect_to(fd, held);
    if (result == 0)
        result = connect_to(held, held);
    if (result == 0 && world_send(fd, "x", 1) == 1)
        world_await(fd, ROUSE_ERROR);
    world_close(held);
    return result;
}

ssize_t world_send_with(rouse_fd fd, const void *data, size_t size, rouse_fd passed)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = {0}};
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof control.room};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &passed, sizeof passed);
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}
