/*
 * libevent, on the backends that it has here. `changelist` is its epoll that collects changes until
 * the wait.
 *
 * Events are assigned inside the caller's structs and persist, so nothing is allocated or added
 * anew for each report. What is watched for is the event's own: reading and writing are an event
 * each, as in libevent's bufferevents, and the one for writing is made when it is first wanted.
 * Locks are for loops that other threads ring; the others are opened without.
 *
 * SPDX-License-Identifier: MIT
 */
#include "calls.h"
#include "subject.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/thread.h>
#include <sys/select.h>

struct loop {
    struct event_base *base;
    bool select;
};

struct watch {
    struct event read;
    struct event *write; /* NULL before it is wanted */
};

struct timer {
    struct event event;
};

struct bell {
    struct event event;
};

#define READY(name)                                                                                \
    static HOT void name##_body(struct watch *watch);                                              \
    static void name(evutil_socket_t fd, short ready, void *watch)                                 \
    {                                                                                              \
        (void)fd;                                                                                  \
        (void)ready;                                                                               \
        name##_body(watch);                                                                        \
    }                                                                                              \
    static HOT void name##_body(struct watch *watch)

#define FIRED(name)                                                                                \
    static HOT void name##_body(struct timer *timer);                                              \
    static void name(evutil_socket_t fd, short ready, void *timer)                                 \
    {                                                                                              \
        (void)fd;                                                                                  \
        (void)ready;                                                                               \
        name##_body(timer);                                                                        \
    }                                                                                              \
    static HOT void name##_body(struct timer *timer)

#define RANG(name)                                                                                 \
    static HOT void name##_body(struct bell *bell);                                                \
    static void name(evutil_socket_t fd, short ready, void *bell)                                  \
    {                                                                                              \
        (void)fd;                                                                                  \
        (void)ready;                                                                               \
        name##_body(bell);                                                                         \
    }                                                                                              \
    static HOT void name##_body(struct bell *bell)

/* event_get_supported_methods() knows them too, but frees what it has told another thread. */
static const char *const methods[] = {"epoll", "poll", "select", NULL};

static const char *method(const char *backend)
{
    return strcmp(backend, "changelist") == 0 ? "epoll (with changelist)" : backend;
}

static void check(int result, const char *tried)
{
    if (result < 0)
        die("libevent: cannot %s", tried);
}

static void open_base(struct loop *loop, const char *backend, int flags)
{
    if (strcmp(backend, "changelist") == 0)
        flags |= EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST;
    struct event_config *config = event_config_new();
    check(config ? event_config_set_flag(config, flags | EVENT_BASE_FLAG_IGNORE_ENV) : -1,
          "configure a loop");
    bool epoll = strncmp(method(backend), "epoll", 5) == 0;
    for (const char *const *name = methods; *name; name++)
        if (strcmp(*name, epoll ? "epoll" : backend) != 0)
            check(event_config_avoid_method(config, *name), "choose a backend");
    *loop = (struct loop){.base = event_base_new_with_config(config),
                          .select = strcmp(backend, "select") == 0};
    event_config_free(config);
    if (!loop->base || strcmp(event_base_get_method(loop->base), method(backend)) != 0)
        die("libevent: asked for %s and got another backend: not measured", backend);
}

static void loop_open(struct loop *loop, const char *backend)
{
    open_base(loop, backend, EVENT_BASE_FLAG_NOLOCK);
}

/* A loop that other threads may ring. */
static void loop_open_shared(struct loop *loop, const char *backend)
{
    check(evthread_use_pthreads(), "use threads");
    open_base(loop, backend, 0);
}

static void loop_close(struct loop *loop)
{
    event_base_free(loop->base);
}

static void loop_run(struct loop *loop, void (*ready)(evutil_socket_t fd, short ready, void *watch))
{
    (void)ready;
    check(event_base_loop(loop->base, 0), "run a loop");
}

static HOT void loop_turn(struct loop *loop,
                          void (*ready)(evutil_socket_t fd, short ready, void *watch))
{
    (void)ready;
    check(event_base_loop(loop->base, EVLOOP_NONBLOCK), "take a turn");
}

static HOT void loop_stop(struct loop *loop)
{
    check(event_base_loopbreak(loop->base), "stop a loop");
}

/* Whoever adds events knows which are, so it is read where libevent keeps it, and not called for.
 */
static HOT void event_want(struct event *event, bool wanted)
{
    bool added = event->ev_evcallback.evcb_flags & EVLIST_INSERTED;
    if (added != wanted)
        check(wanted ? event_add(event, NULL) : event_del(event), "change what is watched");
}

static HOT struct event *watch_writer(struct loop *loop, struct watch *watch)
{
    if (!watch->write)
        watch->write = event_new(loop->base, watch->read.ev_fd, EV_WRITE | EV_PERSIST,
                                 event_get_callback(&watch->read), watch);
    check(watch->write ? 0 : -1, "make an event for writing");
    return watch->write;
}

static HOT void watch_change(struct loop *loop, struct watch *watch, unsigned interest)
{
    if (interest & WRITE || watch->write)
        event_want(watch_writer(loop, watch), interest & WRITE);
    event_want(&watch->read, interest & READ);
}

static HOT void watch_start(struct loop *loop, struct watch *watch, int fd, unsigned interest,
                            void (*ready)(evutil_socket_t fd, short ready, void *watch))
{
    if (loop->select && fd >= FD_SETSIZE) /* its sets grow, but the C library ends the program */
        die("libevent on select: descriptor %d is too high", fd);
    watch->write = NULL;
    check(event_assign(&watch->read, loop->base, fd, EV_READ | EV_PERSIST, ready, watch),
          "assign an event");
    watch_change(loop, watch, interest);
}

static HOT void watch_pause(struct loop *loop, struct watch *watch)
{
    watch_change(loop, watch, 0);
}

static HOT void watch_resume(struct loop *loop, struct watch *watch, int fd, unsigned interest,
                             void (*ready)(evutil_socket_t fd, short ready, void *watch))
{
    (void)fd;
    (void)ready;
    watch_change(loop, watch, interest);
}

static HOT void watch_stop(struct loop *loop, struct watch *watch)
{
    watch_change(loop, watch, 0);
    if (watch->write)
        event_free(watch->write);
}

static HOT int watch_fd(const struct watch *watch)
{
    return watch->read.ev_fd;
}

#include "plain.h"

static HOT void timer_init(struct loop *loop, struct timer *timer,
                           void (*fired)(evutil_socket_t fd, short ready, void *timer))
{
    check(evtimer_assign(&timer->event, loop->base, fired, timer), "assign a timer");
}

static HOT void timer_start(struct loop *loop, struct timer *timer, int64_t delay)
{
    (void)loop;
    struct timeval time = {delay / 1000000000, delay / 1000 % 1000000};
    check(evtimer_add(&timer->event, &time), "start a timer");
}

static HOT void timer_again(struct loop *loop, struct timer *timer, int64_t delay)
{
    timer_start(loop, timer, delay);
}

static HOT void timer_stop(struct loop *loop, struct timer *timer)
{
    (void)loop;
    check(evtimer_del(&timer->event), "stop a timer");
}

/* An event of no descriptor, which is only ever made active by hand. */
static void bell_open(struct loop *loop, struct bell *bell,
                      void (*rang)(evutil_socket_t fd, short ready, void *bell))
{
    check(event_assign(&bell->event, loop->base, -1, EV_READ | EV_PERSIST, rang, bell),
          "assign an event");
    check(event_add(&bell->event, NULL), "add an event");
}

static HOT void bell_ring(struct bell *bell)
{
    event_active(&bell->event, EV_READ, 0);
}

static void bell_close(struct loop *loop, struct bell *bell)
{
    (void)loop;
    check(event_del(&bell->event), "take out an event");
}

static void loop_listen(struct loop *loop,
                        void (*rang)(evutil_socket_t fd, short ready, void *bell))
{
    (void)rang;
    check(event_base_loop(loop->base, 0), "run a loop");
}

#define SUBJECT_NAME     "libevent"
#define SUBJECT_VERSION  event_get_version()
#define SUBJECT_BACKENDS "epoll", "changelist", "poll", "select"
#define SUBJECT_PAUSE
#define SUBJECT_TIMERS
#define SUBJECT_BELL
#define SUBJECT_SHARED
#include "workloads.h"
