/*
 * libev, on the backends that it has here.
 *
 * SPDX-License-Identifier: MIT
 */
#include "calls.h"
#include "subject.h"

#include <ev.h>
#include <stdio.h>

struct loop {
    struct ev_loop *ev;
};

struct watch {
    ev_io io;
};

struct timer {
    ev_timer timer;
};

struct bell {
    ev_async async;
    struct ev_loop *ev;
};

#define READY(name)                                                                                \
    static HOT void name##_body(struct watch *watch);                                              \
    static void name(struct ev_loop *loop, ev_io *io, int ready)                                   \
    {                                                                                              \
        (void)loop;                                                                                \
        (void)ready;                                                                               \
        name##_body((struct watch *)io);                                                           \
    }                                                                                              \
    static HOT void name##_body(struct watch *watch)

#define FIRED(name)                                                                                \
    static HOT void name##_body(struct timer *timer);                                              \
    static void name(struct ev_loop *loop, ev_timer *timer, int ready)                             \
    {                                                                                              \
        (void)loop;                                                                                \
        (void)ready;                                                                               \
        name##_body((struct timer *)timer);                                                        \
    }                                                                                              \
    static HOT void name##_body(struct timer *timer)

#define RANG(name)                                                                                 \
    static HOT void name##_body(struct bell *bell);                                                \
    static void name(struct ev_loop *loop, ev_async *async, int ready)                             \
    {                                                                                              \
        (void)loop;                                                                                \
        (void)ready;                                                                               \
        name##_body((struct bell *)async);                                                         \
    }                                                                                              \
    static HOT void name##_body(struct bell *bell)

static unsigned backend_flag(const char *backend)
{
    return strcmp(backend, "epoll") == 0      ? EVBACKEND_EPOLL
           : strcmp(backend, "io_uring") == 0 ? EVBACKEND_IOURING
           : strcmp(backend, "poll") == 0     ? EVBACKEND_POLL
                                              : EVBACKEND_SELECT;
}

static void loop_open(struct loop *loop, const char *backend)
{
    loop->ev = ev_loop_new(backend_flag(backend) | EVFLAG_NOENV);
    if (!loop->ev || ev_backend(loop->ev) != backend_flag(backend))
        die("libev: asked for %s and got another backend: not measured", backend);
}

static void loop_close(struct loop *loop)
{
    ev_loop_destroy(loop->ev);
}

static void loop_run(struct loop *loop, void (*ready)(struct ev_loop *ev, ev_io *io, int ready))
{
    (void)ready;
    ev_run(loop->ev, 0);
}

static HOT void loop_turn(struct loop *loop,
                          void (*ready)(struct ev_loop *ev, ev_io *io, int ready))
{
    (void)ready;
    ev_run(loop->ev, EVRUN_NOWAIT);
}

static HOT void loop_stop(struct loop *loop)
{
    ev_break(loop->ev, EVBREAK_ALL);
}

static HOT int to_ev(unsigned interest)
{
    return (interest & READ ? EV_READ : 0) | (interest & WRITE ? EV_WRITE : 0);
}

static HOT void watch_start(struct loop *loop, struct watch *watch, int fd, unsigned interest,
                            void (*ready)(struct ev_loop *ev, ev_io *io, int ready))
{
    ev_io_init(&watch->io, ready, fd, to_ev(interest));
    ev_io_start(loop->ev, &watch->io);
}

/* libev's interest is changed on a watcher that is stopped; it tells the kernel before the wait.
 * That the descriptor stays the same is what ev_io_modify() says, and ev_io_set() does not. */
static HOT void watch_change(struct loop *loop, struct watch *watch, unsigned interest)
{
    ev_io_stop(loop->ev, &watch->io);
    ev_io_modify(&watch->io, to_ev(interest));
    ev_io_start(loop->ev, &watch->io);
}

static HOT void watch_pause(struct loop *loop, struct watch *watch)
{
    ev_io_stop(loop->ev, &watch->io);
}

static HOT void watch_resume(struct loop *loop, struct watch *watch, int fd, unsigned interest,
                             void (*ready)(struct ev_loop *ev, ev_io *io, int ready))
{
    (void)fd;
    (void)interest; /* what it was */
    (void)ready;
    ev_io_start(loop->ev, &watch->io);
}

static HOT void watch_stop(struct loop *loop, struct watch *watch)
{
    ev_io_stop(loop->ev, &watch->io);
}

static HOT int watch_fd(const struct watch *watch)
{
    return watch->io.fd;
}

#include "plain.h"

static HOT void timer_init(struct loop *loop, struct timer *timer,
                           void (*fired)(struct ev_loop *ev, ev_timer *timer, int ready))
{
    (void)loop;
    ev_timer_init(&timer->timer, fired, 0, 0);
}

static HOT void timer_start(struct loop *loop, struct timer *timer, int64_t delay)
{
    ev_timer_set(&timer->timer, (double)delay * 1e-9, 0);
    ev_timer_start(loop->ev, &timer->timer);
}

/* libev's own way to push a timeout back: the entry is moved, not taken out and put in. */
static HOT void timer_again(struct loop *loop, struct timer *timer, int64_t delay)
{
    timer->timer.repeat = (double)delay * 1e-9;
    ev_timer_again(loop->ev, &timer->timer);
}

static HOT void timer_stop(struct loop *loop, struct timer *timer)
{
    ev_timer_stop(loop->ev, &timer->timer);
}

static void bell_open(struct loop *loop, struct bell *bell,
                      void (*rang)(struct ev_loop *ev, ev_async *async, int ready))
{
    bell->ev = loop->ev;
    ev_async_init(&bell->async, rang);
    ev_async_start(loop->ev, &bell->async);
}

static HOT void bell_ring(struct bell *bell)
{
    ev_async_send(bell->ev, &bell->async);
}

static void bell_close(struct loop *loop, struct bell *bell)
{
    ev_async_stop(loop->ev, &bell->async);
}

static void loop_listen(struct loop *loop,
                        void (*rang)(struct ev_loop *ev, ev_async *async, int ready))
{
    (void)rang;
    ev_run(loop->ev, 0);
}

static const char *libev_version(void)
{
    static char text[16];
    snprintf(text, sizeof text, "%d.%d", ev_version_major(), ev_version_minor());
    return text;
}

#define SUBJECT_NAME     "libev"
#define SUBJECT_VERSION  libev_version()
#define SUBJECT_BACKENDS "epoll", "io_uring", "poll", "select"
#define SUBJECT_PAUSE
#define SUBJECT_TIMERS
#define SUBJECT_BELL
#include "workloads.h"
