/*
 * What differs where there is kqueue, on BSD and macOS: a kqueue stands for what watches another
 * descriptor, and tells how connections end. Of Linux's descriptors that stand for a counter, a
 * timer, signals, a directory or a process there are none here.
 *
 * What surprises: poll(2) says neither HANGUP nor ERROR of a socket. So the world asks with a
 * kqueue of its own, one filter at a time, and takes back nothing, since it is closed at once.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* O_CLOEXEC */

#include "world_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/event.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int keep(int result, rouse_fd *fd)
{
    if (result < 0)
        return -errno;
    *fd = result;
    return 0;
}

/* ---- Single descriptors ------------------------------------------------------------------- */

int world_zero(rouse_fd *fd)
{
    return keep(open("/dev/zero", O_RDWR | O_NONBLOCK | O_CLOEXEC), fd);
}

int world_random(rouse_fd *fd)
{
    return keep(open("/dev/urandom", O_RDONLY | O_NONBLOCK | O_CLOEXEC), fd);
}

int world_nest(rouse_fd inner, rouse_fd *outer)
{
    int result = keep(kqueue(), outer);
    if (result < 0)
        return result;
    fcntl(*outer, F_SETFD, FD_CLOEXEC);
    struct kevent change = {.ident = (uintptr_t)inner, .filter = EVFILT_READ, .flags = EV_ADD};
    if (kevent(*outer, &change, 1, NULL, 0, NULL) == 0)
        return 0;
    result = -errno;
    world_close(*outer);
    return result;
}

/* ---- Connections -------------------------------------------------------------------------- */

/* There is no queue of errors. */
int world_refused_datagram(rouse_fd *fd, bool queued)
{
    if (queued)
        return -ENOTSUP;
    int result = world_prepare(socket(AF_INET, SOCK_DGRAM, 0));
    if (result < 0)
        return result;
    *fd = result;
    result = world_send_refused(*fd);
    if (result < 0)
        world_close(*fd);
    return result;
}

int world_take_refusal(rouse_fd fd)
{
    (void)fd;
    return -ENOTSUP;
}

/* How many bytes that were sent have not arrived, or -1. */
static int on_their_way(rouse_fd fd)
{
    int count = -1;
#ifdef SO_NWRITE
    getsockopt(fd, SOL_SOCKET, SO_NWRITE, &count, &(socklen_t){sizeof count});
#else
    ioctl(fd, FIONWRITE, &count);
#endif
    return count;
}

enum { STUCK = 500 };

/* What is on its way makes room when it arrives; but the peer may have no room for it, and it is
 * not told apart: so until nothing has changed for long. */
int world_fill_connection(rouse_fd fd)
{
    do {
        ssize_t sent = world_fill(fd);
        if (sent < 0)
            return (int)sent;
        int before = -1;
        for (int same = 0; same < STUCK; same++) {
            nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
            int left = on_their_way(fd);
            if (left != before)
                same = 0;
            before = left;
        }
    } while (world_ready(fd, ROUSE_WRITE) & ROUSE_WRITE);
    return 0;
}

void world_await_sent(rouse_fd fd)
{
    while (on_their_way(fd) > 0)
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
}

/* ---- What is ready ------------------------------------------------------------------------ */

/* What the end of one direction says. */
static uint32_t ready_at_the_end(struct kevent change)
{
    int queue = kqueue();
    struct kevent report;
    int count = kevent(queue, &change, 1, &report, 1, &(struct timespec){0});
    close(queue);
    if (count != 1 || (report.flags & EV_ERROR) || !(report.flags & EV_EOF))
        return 0;
    return (report.fflags != 0 ? ROUSE_ERROR | ROUSE_HANGUP : 0u) |
           (report.filter == EVFILT_READ ? ROUSE_HANGUP : 0u);
}

uint32_t world_ready(rouse_fd fd, uint32_t want)
{
    struct pollfd one = {.fd = fd};
    one.events = (short)((want & ROUSE_READ ? POLLIN : 0) | (want & ROUSE_WRITE ? POLLOUT : 0) |
                         (want & ROUSE_PRIORITY ? POLLPRI : 0));
    poll(&one, 1, 0);
    bool writes = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY; /* to nobody: the write says so */
    uint32_t ready = (one.revents & POLLIN ? ROUSE_READ : 0u) |
                     (one.revents & POLLPRI ? ROUSE_PRIORITY : 0u) |
                     (one.revents & POLLOUT ? ROUSE_WRITE : 0u) |
                     (one.revents & (POLLERR | POLLNVAL) ? ROUSE_ERROR : 0u) |
                     (one.revents & POLLHUP ? (writes ? ROUSE_ERROR : ROUSE_HANGUP) : 0u);
    uint32_t end =
        ready_at_the_end((struct kevent){
            .ident = (uintptr_t)fd, .filter = EVFILT_READ, .flags = EV_ADD | EV_ENABLE}) |
        ready_at_the_end((struct kevent){
            .ident = (uintptr_t)fd, .filter = EVFILT_WRITE, .flags = EV_ADD | EV_ENABLE});
    char byte; /* that a datagram was refused is told by the read alone, which here leaves it */
    if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == ECONNREFUSED)
        end |= ROUSE_ERROR;
    return ready | (end & (ROUSE_ERROR | (want & ROUSE_HANGUP)));
}
