/*
 * What only Linux has of the world: descriptors that stand for a counter, a timer, signals, a
 * directory and a process, files that are no files, and sockets that keep a queue of errors.
 *
 * Each costs one or two system calls. What surprises: a read of any of them may return less than
 * was asked for while more waits: the semaphore and, with a small buffer, the queues.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* signals, mkdtemp, POLLRDHUP */

#include "world_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int keep(int result, rouse_fd *fd)
{
    if (result < 0)
        return -errno;
    *fd = result;
    return 0;
}

int world_packets(rouse_fd ends[2])
{
    return pipe2(ends, O_DIRECT | O_NONBLOCK | O_CLOEXEC) < 0 ? -errno : 0;
}

int world_eventfd(rouse_fd *fd)
{
    return keep(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC | EFD_SEMAPHORE), fd);
}

int world_timerfd(rouse_fd *fd, bool expired)
{
    int result = keep(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), fd);
    if (result < 0 || !expired)
        return result;
    struct itimerspec soon = {.it_value = {.tv_nsec = 1}};
    timerfd_settime(*fd, 0, &soon, NULL);
    world_await(*fd, ROUSE_READ);
    return 0;
}

int world_nest(rouse_fd inner, rouse_fd *outer)
{
    int result = keep(epoll_create1(EPOLL_CLOEXEC), outer);
    if (result == 0 &&
        epoll_ctl(*outer, EPOLL_CTL_ADD, inner, &(struct epoll_event){.events = EPOLLIN}) < 0) {
        result = -errno;
        world_close(*outer);
    }
    return result;
}

static const int queued_signals[2] = {SIGUSR1, SIGUSR2};

static void ignore(int number)
{
    (void)number;
}

/* The handler is for what a case that failed leaves in the queue. */
int world_signalfd(rouse_fd *fd)
{
    for (int i = 0; i < 2; i++)
        sigaction(queued_signals[i], &(struct sigaction){.sa_handler = ignore}, NULL);
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, queued_signals[0]);
    sigaddset(&both, queued_signals[1]);
    sigprocmask(SIG_BLOCK, &both, NULL);
    return keep(signalfd(-1, &both, SFD_NONBLOCK | SFD_CLOEXEC), fd);
}

static unsigned next_signal;

int world_signal(void)
{
    return kill(getpid(), queued_signals[next_signal++ % 2]) == 0 ? 0 : -errno;
}

int world_signal_thread(void)
{
    return raise(queued_signals[next_signal++ % 2]) == 0 ? 0 : -errno;
}

int world_inotify(rouse_fd *fd)
{
    char folder[] = "/tmp/rouse-test-XXXXXX";
    if (!mkdtemp(folder))
        return -errno;
    int result = keep(inotify_init1(IN_NONBLOCK | IN_CLOEXEC), fd);
    if (result == 0) {
        inotify_add_watch(*fd, folder, IN_CREATE);
        for (int number = 0; number < 2; number++) {
            char path[sizeof folder + 16];
            snprintf(path, sizeof path, "%s/%d", folder, number);
            int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
            if (file >= 0)
                close(file);
            unlink(path);
        }
    }
    rmdir(folder);
    return result;
}

/* A child does nothing but end. Its descriptor is made before it is reaped, when the number might
 * stand for another. */
int world_pidfd(rouse_fd *fd, enum world_process process)
{
    pid_t pid = process == WORLD_RUNS ? getpid() : fork();
    if (pid == 0)
        _exit(0);
    if (pid < 0)
        return -errno;
    int result = keep((int)syscall(SYS_pidfd_open, pid, 0), fd);
    if (process != WORLD_RUNS) {
        siginfo_t ended;
        int reap = process == WORLD_WAS_REAPED || result < 0 ? 0 : WNOWAIT;
        while (waitid(P_PID, (id_t)pid, &ended, WEXITED | reap) < 0 && errno == EINTR)
            ;
    }
    return result == -ENOSYS ? -ENOTSUP : result;
}

static int open_file(const char *path, int flags, rouse_fd *fd)
{
    int result = keep(open(path, flags | O_NONBLOCK | O_CLOEXEC), fd);
    return result == -ENOENT ? -ENOTSUP : result;
}

int world_zero(rouse_fd *fd)
{
    return open_file("/dev/zero", O_RDWR, fd);
}

int world_random(rouse_fd *fd)
{
    return open_file("/dev/urandom", O_RDWR, fd);
}

int world_mounts(rouse_fd *fd)
{
    return open_file("/proc/self/mounts", O_RDONLY, fd);
}

int world_memory_file(rouse_fd *fd)
{
    return keep(memfd_create("rouse-test", MFD_CLOEXEC), fd);
}

int world_refused_datagram(rouse_fd *fd, bool queued)
{
    int result = keep(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), fd);
    if (result < 0)
        return result;
    if (queued)
        setsockopt(*fd, IPPROTO_IP, IP_RECVERR, &(int){1}, sizeof(int));
    result = world_send_refused(*fd);
    if (result < 0)
        world_close(*fd);
    return result;
}

int world_take_refusal(rouse_fd fd)
{
    char byte;
    struct iovec place = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &place, .msg_iovlen = 1};
    return recvmsg(fd, &message, MSG_ERRQUEUE) < 0 ? -errno : 0;
}

/* A folder has as many links as folders in it, and two. */
int world_threads(void)
{
    struct stat threads;
    return stat("/proc/self/task", &threads) < 0 ? -ENOTSUP : (int)threads.st_nlink - 2;
}

/* Of <linux/sockios.h>, which not every C library brings along. */
#ifndef SIOCOUTQNSD
#define SIOCOUTQNSD 0x894B
#endif

enum { STUCK = 500 };

/* Waits until what is on its way has arrived. But the peer may throw away what it has no room for,
 * which is then sent again and again: so also until nothing has changed for long. */
static int await_arrival(rouse_fd fd)
{
    int before = -1;
    for (int same = 0; same < STUCK; same++) {
        int kept = 0, unsent = 0; /* valgrind does not know that ioctl sets them */
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
        if (ioctl(fd, TIOCOUTQ, &kept) < 0 || ioctl(fd, SIOCOUTQNSD, &unsent) < 0)
            return errno == ENOSYS ? -ENOTSUP : -errno; /* qemu does not know the second */
        if (kept == unsent)
            return 0;
        if (kept != before)
            same = 0;
        before = kept;
    }
    return 0;
}

/* What is on its way makes room when it arrives; it has when only what the peer has no room for is
 * left here. */
int world_fill_connection(rouse_fd fd)
{
    do {
        ssize_t sent = world_fill(fd);
        if (sent < 0)
            return (int)sent;
        int error = await_arrival(fd);
        if (error != 0)
            return error;
    } while (world_ready(fd, ROUSE_WRITE) & ROUSE_WRITE);
    return 0;
}

void world_await_sent(rouse_fd fd)
{
    for (int bytes = 1; ioctl(fd, TIOCOUTQ, &bytes) == 0 && bytes > 0;)
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
}

uint32_t world_ready(rouse_fd fd, uint32_t want)
{
    struct pollfd one = {.fd = fd};
    one.events =
        (short)((want & ROUSE_READ ? POLLIN : 0) | (want & ROUSE_WRITE ? POLLOUT : 0) |
                (want & ROUSE_PRIORITY ? POLLPRI : 0) | (want & ROUSE_HANGUP ? POLLRDHUP : 0));
    poll(&one, 1, 0);
    uint32_t ready = (one.revents & POLLIN ? ROUSE_READ : 0u) |
                     (one.revents & POLLPRI ? ROUSE_PRIORITY : 0u) |
                     (one.revents & POLLOUT ? ROUSE_WRITE : 0u) |
                     (one.revents & (POLLERR | POLLNVAL) ? ROUSE_ERROR : 0u) |
                     (one.revents & (POLLHUP | POLLRDHUP) ? ROUSE_HANGUP : 0u);
    return ready;
}
