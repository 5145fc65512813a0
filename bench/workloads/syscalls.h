/*
 * Workloads `syscalls-*`: the floor, which is what the system itself takes for the calls that a
 * loop is made of. An event is one call, or one group of calls; they are made by nobody's loop.
 *
 *     getppid      a call that does next to nothing
 *     clock        reading the clock, which is no system call on most machines; clock-coarse: the
 *                  one that only moves with the tick
 *     read-empty   a read that finds nothing
 *     eventfd, pipe, socketpair   a write and the read of it; 8 bytes, or one
 *     tcp          64 bytes there and back over the loopback: two sends, two receives
 *     wait-0       epoll_wait() with nothing ready and no time to wait
 *     wait-ready   epoll_wait() with one ready and all the time; wait-timeout: with a second
 *     modify       epoll_ctl(), to a new interest; add-delete: there are two
 *     turn         all that an event of `chain` takes: write, epoll_wait() and read; turn-poll:
 *                  with poll() on this one descriptor
 *
 * SPDX-License-Identifier: MIT
 */
#include "calls.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

struct syscalls {
    int event;   /* an eventfd that is empty again after each call */
    int ready;   /* one that never is */
    int silent;  /* an epoll set in which `event` is watched */
    int waiting; /* one in which `ready` is */
    int piped;   /* one in which the pipe is */
    int pipe[2];
    int pair[2];
    int tcp[2];
    unsigned interest;
};

static void syscalls_check(int result, const char *tried)
{
    if (result < 0)
        die("syscalls: cannot %s: %s", tried, strerror(errno));
}

static int syscalls_control(int set, int call, int fd, unsigned events)
{
    struct epoll_event event = {.events = events};
    return epoll_ctl(set, call, fd, &event);
}

static int syscalls_watch(int fd)
{
    int set = epoll_create1(EPOLL_CLOEXEC);
    syscalls_check(set, "make an epoll set");
    syscalls_check(syscalls_control(set, EPOLL_CTL_ADD, fd, EPOLLIN), "watch a descriptor");
    return set;
}

static void syscalls_connect(int ends[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *at = (struct sockaddr *)&address;
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    syscalls_check(listener, "make a socket");
    syscalls_check(bind(listener, at, size), "bind a socket");
    syscalls_check(listen(listener, 1), "listen");
    syscalls_check(getsockname(listener, at, &size), "find a port");
    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    syscalls_check(connect(ends[0], at, size), "connect");
    ends[1] = accept(listener, NULL, NULL);
    syscalls_check(ends[1], "accept");
    close(listener);
}

static void *syscalls_open(const struct shape *shape)
{
    (void)shape;
    struct syscalls *with = calloc(1, sizeof *with);
    if (!with)
        die("syscalls: no memory");
    with->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    with->ready = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
    syscalls_check(pipe2(with->pipe, O_NONBLOCK | O_CLOEXEC), "make a pipe");
    syscalls_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, with->pair), "make a pair");
    syscalls_connect(with->tcp);
    with->silent = syscalls_watch(with->event);
    with->waiting = syscalls_watch(with->ready);
    with->piped = syscalls_watch(with->pipe[0]);
    return with;
}

static void syscalls_close(void *stage)
{
    struct syscalls *with = stage;
    int fds[] = {with->event,   with->ready,   with->silent,  with->waiting,
                 with->piped,   with->pipe[0], with->pipe[1], with->pair[0],
                 with->pair[1], with->tcp[0],  with->tcp[1]};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        close(fds[i]);
    free(with);
}

static uint64_t syscalls_piece(const struct shape *shape)
{
    (void)shape;
    return 1;
}

static HOT bool syscalls_wait(int set, int timeout, int expected)
{
    struct epoll_event event;
    return epoll_wait(set, &event, 1, timeout) == expected;
}

static HOT bool syscalls_poll(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    return poll(&one, 1, -1) == 1;
}

static HOT bool syscalls_clock(clockid_t clock)
{
    struct timespec now;
    return clock_gettime(clock, &now) == 0;
}

/* `size` bytes through two ends, which may be the same. */
static HOT bool syscalls_pass(int to, int from, size_t size)
{
    char bytes[64] = {1};
    return write(to, bytes, size) == (ssize_t)size && read(from, bytes, size) == (ssize_t)size;
}

static HOT bool syscalls_empty(int fd)
{
    uint64_t value;
    return read(fd, &value, sizeof value) < 0 && errno == EAGAIN;
}

static HOT bool syscalls_modify(struct syscalls *with)
{
    with->interest ^= EPOLLOUT;
    return syscalls_control(with->piped, EPOLL_CTL_MOD, with->pipe[0], EPOLLIN | with->interest) ==
           0;
}

static HOT bool syscalls_add_delete(const struct syscalls *with)
{
    return syscalls_control(with->silent, EPOLL_CTL_ADD, with->pipe[0], EPOLLIN) == 0 &&
           syscalls_control(with->silent, EPOLL_CTL_DEL, with->pipe[0], 0) == 0;
}

static HOT bool syscalls_turn(const struct syscalls *with, bool epoll)
{
    char byte = 1;
    return write(with->pipe[1], &byte, 1) == 1 &&
           (epoll ? syscalls_wait(with->piped, -1, 1) : syscalls_poll(with->pipe[0])) &&
           read(with->pipe[0], &byte, 1) == 1;
}

/* A workload for each: the calls, and whether they did what they should. */
#define SYSCALLS(kind, calls)                                                                      \
    static void syscalls_slice_##kind(void *stage, const char *backend, uint64_t warmup,           \
                                      uint64_t events, struct sample *sample)                      \
    {                                                                                              \
        struct syscalls *with = stage;                                                             \
        (void)backend;                                                                             \
        (void)with;                                                                                \
        bool right = true;                                                                         \
        for (uint64_t i = 0; i < warmup; i++)                                                      \
            right = (calls) && right;                                                              \
        sample_begin(sample, NULL);                                                                \
        for (uint64_t i = 0; i < events; i++)                                                      \
            right = (calls) && right;                                                              \
        sample_end(sample, NULL);                                                                  \
        sample->events = events;                                                                   \
        if (!right)                                                                                \
            die("syscalls: " #kind " does not do what it should");                                 \
    }

SYSCALLS(getppid, syscall(SYS_getppid) >= 0)
SYSCALLS(clock, syscalls_clock(CLOCK_MONOTONIC))
SYSCALLS(clock_coarse, syscalls_clock(CLOCK_MONOTONIC_COARSE))
SYSCALLS(read_empty, syscalls_empty(with->event))
SYSCALLS(eventfd, syscalls_pass(with->event, with->event, 8))
SYSCALLS(pipe, syscalls_pass(with->pipe[1], with->pipe[0], 1))
SYSCALLS(socketpair, syscalls_pass(with->pair[0], with->pair[1], 1))
SYSCALLS(tcp, syscalls_pass(with->tcp[0], with->tcp[1], 64) &&
                  syscalls_pass(with->tcp[1], with->tcp[0], 64))
SYSCALLS(wait_0, syscalls_wait(with->silent, 0, 0))
SYSCALLS(wait_ready, syscalls_wait(with->waiting, -1, 1))
SYSCALLS(wait_timeout, syscalls_wait(with->waiting, 1000, 1))
SYSCALLS(modify, syscalls_modify(with))
SYSCALLS(add_delete, syscalls_add_delete(with))
SYSCALLS(turn, syscalls_turn(with, true))
SYSCALLS(turn_poll, syscalls_turn(with, false))

#define SYSCALLS_ROW(name, kind)                                                                   \
    {                                                                                              \
        "syscalls-" name, syscalls_open, syscalls_close, syscalls_slice_##kind, syscalls_piece     \
    }
#define SYSCALLS_ROWS                                                                              \
    SYSCALLS_ROW("getppid", getppid), SYSCALLS_ROW("clock", clock),                                \
        SYSCALLS_ROW("clock-coarse", clock_coarse), SYSCALLS_ROW("read-empty", read_empty),        \
        SYSCALLS_ROW("eventfd", eventfd), SYSCALLS_ROW("pipe", pipe),                              \
        SYSCALLS_ROW("socketpair", socketpair), SYSCALLS_ROW("tcp", tcp),                          \
        SYSCALLS_ROW("wait-0", wait_0), SYSCALLS_ROW("wait-ready", wait_ready),                    \
        SYSCALLS_ROW("wait-timeout", wait_timeout), SYSCALLS_ROW("modify", modify),                \
        SYSCALLS_ROW("add-delete", add_delete), SYSCALLS_ROW("turn", turn),                        \
        SYSCALLS_ROW("turn-poll", turn_poll)
