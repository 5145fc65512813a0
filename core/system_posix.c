/*
 * The system calls that the loop makes for its user, on POSIX. Sockets are read and written by recv
 * and send: these can be told not to block whatever O_NONBLOCK says, which is shared with every
 * duplicate of the descriptor and so is not ours to change, and not to raise SIGPIPE. Pipes and
 * terminals know neither.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* accept4 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/stat.h>
#include <time.h>

#include "system_posix.h"

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

#ifdef CLOCK_MONOTONIC_COARSE
/* The time of the last tick of the kernel costs a fifth of the time of now. No system ticks more
 * seldom than every 10 ms while a thread runs; one tick may be late. */
static int64_t soon(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec + 20000000;
}
#define SOON soon
#else
#define SOON NULL
#endif

static int check(rouse_fd fd)
{
    return fd >= 0 && fcntl(fd, F_GETFD) != -1 ? 0 : -EBADF;
}

/*
 * Only where bytes run together does a short count say that nothing is left. That is TCP, which
 * knows TCP_NODELAY, not every stream socket: a read from a unix stream stops behind each message
 * that carried descriptors, and SCTP keeps records. It is a pipe; one in packet mode cannot be told
 * from it at the end that reads.
 */
static int kind(rouse_fd fd)
{
    int option = 0;
    bool tcp = getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &option, &(socklen_t){sizeof option}) == 0;
    if (tcp || errno != ENOTSOCK) {
#ifdef SO_NOSIGPIPE
        setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &(int){1}, sizeof(int));
#endif
        return tcp ? ROUSE_KIND_STREAM : ROUSE_KIND_SOCKET;
    }
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode) ? ROUSE_KIND_PIPE : ROUSE_KIND_OTHER;
}

/* Listeners that block would make accept() wait when the client has gone meanwhile; that is the
 * caller's to prevent (rouse_nonblock), as on every system. */
static int accept_one(rouse_fd fd, rouse_fd *accepted)
{
#if ROUSE_HAVE_ACCEPT4
    int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    int client = accept(fd, NULL, NULL);
    if (client >= 0) {
        fcntl(client, F_SETFD, FD_CLOEXEC);
        fcntl(client, F_SETFL, fcntl(client, F_GETFL) | O_NONBLOCK);
    }
#endif
    if (client < 0)
        return -errno;
    *accepted = client;
    return 0;
}

static int take_error(rouse_fd fd)
{
    int error = 0;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error}) != 0)
        return -errno;
    return -error;
}

/* Never again after EINTR: the number may be somebody else's by then. */
static int close_once(rouse_fd fd)
{
    return close(fd) == 0 || errno == EINTR ? 0 : -errno;
}

const struct rouse_system system_table = {
    .now = now,
    .soon = SOON,
    .check = check,
    .kind = kind,
    .read = system_read,
    .write = system_write,
    .accept = accept_one,
    .take_error = take_error,
    .close = close_once,
};

void system_yield(void)
{
    sched_yield();
}

int rouse_nonblock(rouse_fd fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags == -1 || (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1))
        return -errno;
    return 0;
}
