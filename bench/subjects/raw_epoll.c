/*
 * The raw loop on epoll, the reference of all others: one system call for each wait, without a
 * timeout; the kernel is told what to watch once, and hands back a pointer to the watch. Level
 * triggered, or edge triggered if EDGE is 1. No table of callbacks, no timers, no error handling
 * but to give up. With PLANTED it does so many nanoseconds of useless work in each event.
 *
 * SPDX-License-Identifier: MIT
 */
#include "calls.h"
#include "subject.h"

#include <stdlib.h>
#include <sys/epoll.h>

#define BATCH 256

struct loop {
    int fd;
    bool stopped;
    struct epoll_event *events;
};

struct watch {
    int fd;
};

#ifdef PLANTED
#include "plant.h"
static uint64_t planted_steps;
#define READY(name)                                                                                \
    static HOT void name##_body(struct watch *watch);                                              \
    static HOT void name(struct watch *watch)                                                      \
    {                                                                                              \
        plant_work(planted_steps);                                                                 \
        name##_body(watch);                                                                        \
    }                                                                                              \
    static HOT void name##_body(struct watch *watch)
#else
#define READY(name) static HOT void name(struct watch *watch)
#endif

static void loop_open(struct loop *loop, const char *backend)
{
    (void)backend;
    *loop = (struct loop){.fd = epoll_create1(EPOLL_CLOEXEC),
                          .events = calloc(BATCH, sizeof *loop->events)};
    if (loop->fd < 0 || !loop->events)
        die("raw epoll: cannot make a set");
#ifdef PLANTED
    if (planted_steps == 0)
        planted_steps = plant_steps(PLANTED);
#endif
}

static void loop_close(struct loop *loop)
{
    close(loop->fd);
    free(loop->events);
}

static HOT int loop_wait(struct loop *loop, int timeout)
{
    int ready = epoll_wait(loop->fd, loop->events, BATCH, timeout);
    if (ready < 0 && errno != EINTR)
        die("raw epoll: epoll_wait: %s", strerror(errno));
    return ready;
}

static HOT void loop_run(struct loop *loop, void (*ready)(struct watch *watch))
{
    loop->stopped = false;
    while (!loop->stopped) {
        int count = loop_wait(loop, -1);
        for (int i = 0; i < count; i++)
            ready(loop->events[i].data.ptr);
    }
}

static HOT void loop_turn(struct loop *loop, void (*ready)(struct watch *watch))
{
    int count = loop_wait(loop, 0);
    for (int i = 0; i < count; i++)
        ready(loop->events[i].data.ptr);
}

static HOT void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

static HOT void watch_control(struct loop *loop, struct watch *watch, int call, unsigned interest)
{
    struct epoll_event event = {.events = (interest & READ ? (unsigned)EPOLLIN : 0) |
                                          (interest & WRITE ? (unsigned)EPOLLOUT : 0) |
                                          (EDGE ? (unsigned)EPOLLET : 0),
                                .data.ptr = watch};
    if (epoll_ctl(loop->fd, call, watch->fd, &event) != 0)
        die("raw epoll: cannot watch descriptor %d: %s", watch->fd, strerror(errno));
}

static HOT void watch_start(struct loop *loop, struct watch *watch, int fd, unsigned interest,
                            void (*ready)(struct watch *watch))
{
    (void)ready;
    watch->fd = fd;
    watch_control(loop, watch, EPOLL_CTL_ADD, interest);
}

static HOT void watch_change(struct loop *loop, struct watch *watch, unsigned interest)
{
    watch_control(loop, watch, EPOLL_CTL_MOD, interest);
}

static HOT void watch_stop(struct loop *loop, struct watch *watch)
{
    watch_control(loop, watch, EPOLL_CTL_DEL, 0);
}

static HOT int watch_fd(const struct watch *watch)
{
    return watch->fd;
}

#define SUBJECT_CLOSE
#include "plain.h"

/* The kernel forgets a descriptor that is closed. Also frees the watch, which begins a block from
 * malloc. */
static HOT void watch_close(struct loop *loop, struct watch *watch)
{
    (void)loop;
    close(watch->fd);
    free(watch);
}

#ifdef PLANTED
#define SUBJECT_NAME "planted"
#elif EDGE
#define SUBJECT_NAME "raw-edge"
#else
#define SUBJECT_NAME  "raw"
#define SUBJECT_CALLS /* the reference also does what is no loop's work */
#endif
#define SUBJECT_BACKENDS "epoll"
#include "raw_bell.h"
#include "workloads.h"
