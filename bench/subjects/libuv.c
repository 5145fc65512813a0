/*
 * libuv, which has epoll only here: uv_poll_t for descriptors, since it is readiness that is
 * compared; its streams do more, and cost more. For connections that come and go (`accept`) that
 * does not do it justice: uv_poll_init() first tries whether a descriptor can be watched, which
 * makes five calls of epoll_ctl for a connection where its streams make two.
 *
 * Its structs are the caller's and must stay until they have been closed, which takes a turn more:
 * loop_close() sees to it for all that are left, untimed. What it asks its callers to repeat at
 * every call, the callback, is taken from where it keeps it, so that no copy is charged to it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "calls.h"
#include "subject.h"

#include <uv.h>

struct loop {
    uv_loop_t uv;
};

struct watch {
    uv_poll_t poll;
};

struct timer {
    uv_timer_t timer;
};

struct bell {
    uv_async_t async;
};

#define READY(name)                                                                                \
    static HOT void name##_body(struct watch *watch);                                              \
    static void name(uv_poll_t *poll, int status, int ready)                                       \
    {                                                                                              \
        (void)ready;                                                                               \
        check(status, "watch a descriptor");                                                       \
        name##_body((struct watch *)poll);                                                         \
    }                                                                                              \
    static HOT void name##_body(struct watch *watch)

#define FIRED(name)                                                                                \
    static HOT void name##_body(struct timer *timer);                                              \
    static void name(uv_timer_t *timer)                                                            \
    {                                                                                              \
        name##_body((struct timer *)timer);                                                        \
    }                                                                                              \
    static HOT void name##_body(struct timer *timer)

#define RANG(name)                                                                                 \
    static HOT void name##_body(struct bell *bell);                                                \
    static void name(uv_async_t *async)                                                            \
    {                                                                                              \
        name##_body((struct bell *)async);                                                         \
    }                                                                                              \
    static HOT void name##_body(struct bell *bell)

static HOT void check(int result, const char *tried)
{
    if (result < 0)
        die("libuv: cannot %s: %s", tried, uv_strerror(result));
}

static void loop_open(struct loop *loop, const char *backend)
{
    (void)backend;
    check(uv_loop_init(&loop->uv), "open a loop");
}

static void handle_close(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void loop_close(struct loop *loop)
{
    uv_walk(&loop->uv, handle_close, NULL);
    check(uv_run(&loop->uv, UV_RUN_DEFAULT), "close what is left");
    check(uv_loop_close(&loop->uv), "close a loop");
}

static void loop_run(struct loop *loop, void (*ready)(uv_poll_t *poll, int status, int ready))
{
    (void)ready;
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

static HOT void loop_turn(struct loop *loop, void (*ready)(uv_poll_t *poll, int status, int ready))
{
    (void)ready;
    uv_run(&loop->uv, UV_RUN_NOWAIT);
}

static HOT void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

static HOT int to_uv(unsigned interest)
{
    return (interest & READ ? UV_READABLE : 0) | (interest & WRITE ? UV_WRITABLE : 0);
}

static HOT void watch_start(struct loop *loop, struct watch *watch, int fd, unsigned interest,
                            void (*ready)(uv_poll_t *poll, int status, int ready))
{
    check(uv_poll_init(&loop->uv, &watch->poll, fd), "watch a descriptor");
    check(uv_poll_start(&watch->poll, to_uv(interest), ready), "watch a descriptor");
}

static HOT void watch_change(struct loop *loop, struct watch *watch, unsigned interest)
{
    (void)loop;
    check(uv_poll_start(&watch->poll, to_uv(interest), watch->poll.poll_cb), "change a watch");
}

static HOT void watch_pause(struct loop *loop, struct watch *watch)
{
    (void)loop;
    check(uv_poll_stop(&watch->poll), "pause a watch");
}

static HOT void watch_resume(struct loop *loop, struct watch *watch, int fd, unsigned interest,
                             void (*ready)(uv_poll_t *poll, int status, int ready))
{
    (void)fd;
    (void)ready;
    watch_change(loop, watch, interest);
}

static HOT void watch_stop(struct loop *loop, struct watch *watch)
{
    watch_pause(loop, watch);
}

static HOT int watch_fd(const struct watch *watch)
{
    return watch->poll.io_watcher.fd;
}

#define SUBJECT_CLOSE
#include "plain.h"

static void watch_closed(uv_handle_t *handle)
{
    free(handle);
}

/* Also frees the watch, which begins a block from malloc; libuv has it until the end of the turn.
 */
static HOT void watch_close(struct loop *loop, struct watch *watch)
{
    (void)loop;
    int fd = watch->poll.io_watcher.fd;
    uv_close((uv_handle_t *)&watch->poll, watch_closed);
    close(fd);
}

static HOT void timer_init(struct loop *loop, struct timer *timer, void (*fired)(uv_timer_t *timer))
{
    check(uv_timer_init(&loop->uv, &timer->timer), "make a timer");
    timer->timer.timer_cb = fired;
}

/* libuv counts in milliseconds. */
static HOT void timer_start(struct loop *loop, struct timer *timer, int64_t delay)
{
    (void)loop;
    check(uv_timer_start(&timer->timer, timer->timer.timer_cb, (uint64_t)delay / 1000000, 0),
          "start a timer");
}

static HOT void timer_again(struct loop *loop, struct timer *timer, int64_t delay)
{
    timer_start(loop, timer, delay);
}

static HOT void timer_stop(struct loop *loop, struct timer *timer)
{
    (void)loop;
    check(uv_timer_stop(&timer->timer), "stop a timer");
}

static void bell_open(struct loop *loop, struct bell *bell, void (*rang)(uv_async_t *async))
{
    check(uv_async_init(&loop->uv, &bell->async, rang), "make a bell");
}

static HOT void bell_ring(struct bell *bell)
{
    check(uv_async_send(&bell->async), "ring a loop");
}

static void bell_close(struct loop *loop, struct bell *bell)
{
    (void)loop;
    uv_close((uv_handle_t *)&bell->async, NULL);
}

static void loop_listen(struct loop *loop, void (*rang)(uv_async_t *async))
{
    (void)rang;
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

#define SUBJECT_NAME     "libuv"
#define SUBJECT_VERSION  uv_version_string()
#define SUBJECT_BACKENDS "epoll"
#define SUBJECT_PAUSE
#define SUBJECT_TIMERS
#define SUBJECT_BELL
#include "workloads.h"
