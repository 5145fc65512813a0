/*
 * The library itself, on each of its backends: with level watchers, which read by the plain system
 * call, or with edge watchers if EDGE is 1, which read by the library's own call, so that it hears
 * what is drained.
 *
 * SPDX-License-Identifier: MIT
 */
#include "calls.h"
#include "subject.h"

#include <rouse.h>
#include <rouse/backend.h>
#include <stdio.h>

struct loop {
    struct rouse_loop *rouse;
};

struct watch {
    struct rouse_io io;
};

struct timer {
    struct rouse_timer timer;
};

struct bell {
    struct rouse_hook hook;
    struct rouse_loop *rouse;
};

/* A callback that is told of an error watches what cannot be watched. */
#define READY(name)                                                                                \
    static HOT void name##_body(struct watch *watch);                                              \
    static void name(struct rouse_io *io, uint32_t ready)                                          \
    {                                                                                              \
        if (ready & ROUSE_ERROR && rouse_io_error(io) != 0)                                        \
            die("descriptor %d cannot be watched: %s", io->fd, strerror(-rouse_io_error(io)));     \
        name##_body((struct watch *)io);                                                           \
    }                                                                                              \
    static HOT void name##_body(struct watch *watch)

#define FIRED(name)                                                                                \
    static HOT void name##_body(struct timer *timer);                                              \
    static void name(struct rouse_timer *timer)                                                    \
    {                                                                                              \
        name##_body((struct timer *)timer);                                                        \
    }                                                                                              \
    static HOT void name##_body(struct timer *timer)

#define RANG(name)                                                                                 \
    static HOT void name##_body(struct bell *bell);                                                \
    static void name(struct rouse_hook *hook)                                                      \
    {                                                                                              \
        name##_body((struct bell *)hook);                                                          \
    }                                                                                              \
    static HOT void name##_body(struct bell *bell)

static void check(const struct loop *loop, int result)
{
    if (result < 0)
        die("rouse on %s: %s", rouse_backend_name(loop->rouse), rouse_error(loop->rouse));
}

static void loop_open(struct loop *loop, const char *backend)
{
    char why[256] = "";
    struct rouse_config config = {
        .size = sizeof config, .backend = backend, .why = why, .why_size = sizeof why};
    if (rouse_open(&loop->rouse, &config) != 0)
        die("cannot open a loop on %s: %s", backend, why);
    if (strcmp(rouse_backend_name(loop->rouse), backend) != 0)
        die("asked for %s and got %s: not measured", backend, rouse_backend_name(loop->rouse));
}

static void loop_close(struct loop *loop)
{
    rouse_close(loop->rouse);
}

static void loop_run(struct loop *loop, void (*ready)(struct rouse_io *io, uint32_t ready))
{
    (void)ready;
    check(loop, rouse_run(loop->rouse));
}

static HOT void loop_turn(struct loop *loop, void (*ready)(struct rouse_io *io, uint32_t ready))
{
    (void)ready;
    check(loop, rouse_turn(loop->rouse, 0));
}

static HOT void loop_stop(struct loop *loop)
{
    rouse_stop(loop->rouse);
}

static const struct counts *loop_counts(struct loop *loop)
{
    struct rouse_counters now = {.size = sizeof now};
    static struct counts counts; /* until the next call: the loop's struct is what its user has */
    check(loop, rouse_count(loop->rouse, &now));
    counts = (struct counts){.waits = now.waits,
                             .callbacks = now.callbacks,
                             .spurious = now.spurious,
                             .system_calls = now.system_calls,
                             .descriptors = now.descriptors,
                             .bytes_in = now.bytes_in,
                             .bytes_out = now.bytes_out,
                             .scanned = now.scanned};
    return &counts;
}

static HOT void watch_start(struct loop *loop, struct watch *watch, int fd, unsigned interest,
                            void (*ready)(struct rouse_io *io, uint32_t ready))
{
    rouse_io_init(&watch->io, ready);
    unsigned want = (interest & READ ? (unsigned)ROUSE_READ : 0) |
                    (interest & WRITE ? (unsigned)ROUSE_WRITE : 0) |
                    (EDGE ? (unsigned)ROUSE_EDGE : 0);
    check(loop, rouse_io_start(loop->rouse, &watch->io, fd, want));
}

static HOT void watch_change(struct loop *loop, struct watch *watch, unsigned interest)
{
    unsigned want = (interest & READ ? (unsigned)ROUSE_READ : 0) |
                    (interest & WRITE ? (unsigned)ROUSE_WRITE : 0);
    check(loop, rouse_io_want(&watch->io, want));
}

static HOT void watch_pause(struct loop *loop, struct watch *watch)
{
    watch_change(loop, watch, 0);
}

static HOT void watch_resume(struct loop *loop, struct watch *watch, int fd, unsigned interest,
                             void (*ready)(struct rouse_io *io, uint32_t ready))
{
    (void)fd;
    (void)ready;
    watch_change(loop, watch, interest);
}

static HOT void watch_stop(struct loop *loop, struct watch *watch)
{
    check(loop, rouse_io_stop(&watch->io));
}

static HOT ssize_t watch_read(struct watch *watch, void *buffer, size_t size)
{
    return EDGE ? rouse_read(&watch->io, buffer, size) : plain_read(watch->io.fd, buffer, size);
}

static HOT ssize_t watch_write(struct watch *watch, const void *data, size_t size)
{
    return EDGE ? rouse_write(&watch->io, data, size) : plain_write(watch->io.fd, data, size);
}

static HOT int watch_accept(struct watch *watch)
{
    if (!EDGE)
        return plain_accept(watch->io.fd);
    int fd;
    int result = rouse_accept(&watch->io, &fd);
    return result == 0 ? fd : result;
}

/* Also frees the watch, which begins a block from malloc. */
static HOT void watch_close(struct loop *loop, struct watch *watch)
{
    check(loop, rouse_io_close(&watch->io));
    free(watch);
}

static HOT void timer_init(struct loop *loop, struct timer *timer,
                           void (*fired)(struct rouse_timer *timer))
{
    (void)loop;
    rouse_timer_init(&timer->timer, fired);
}

static HOT void timer_start(struct loop *loop, struct timer *timer, int64_t delay)
{
    int64_t deadline = rouse_now(loop->rouse) + delay;
    check(loop, rouse_timer_at(loop->rouse, &timer->timer, deadline, 0));
}

static HOT void timer_again(struct loop *loop, struct timer *timer, int64_t delay)
{
    timer_start(loop, timer, delay);
}

static HOT void timer_stop(struct loop *loop, struct timer *timer)
{
    check(loop, rouse_timer_stop(&timer->timer));
}

static void bell_open(struct loop *loop, struct bell *bell, void (*rang)(struct rouse_hook *hook))
{
    bell->rouse = loop->rouse;
    rouse_hook_init(&bell->hook, rang);
    check(loop, rouse_hook_start(loop->rouse, &bell->hook, ROUSE_ON_WAKE));
    check(loop, rouse_hold(loop->rouse)); /* a hook alone does not keep the loop alive */
}

static HOT void bell_ring(struct bell *bell)
{
    rouse_wake(bell->rouse);
}

static void bell_close(struct loop *loop, struct bell *bell)
{
    check(loop, rouse_hook_stop(&bell->hook));
    check(loop, rouse_release(loop->rouse));
}

static void loop_listen(struct loop *loop, void (*rang)(struct rouse_hook *hook))
{
    (void)rang;
    check(loop, rouse_run(loop->rouse));
}

static const struct rouse_rung *find_rung(const char *backend)
{
    unsigned index = 0;
    while (strcmp(rouse_rung_at(index)->name, backend) != 0)
        index++;
    return rouse_rung_at(index);
}

/* Why it could not be opened, without what rouse_open() says around it. */
static const char *reason(char *why, const char *backend)
{
    char *end = strstr(why, "; there are ");
    if (end)
        *end = '\0';
    const char *begin = strstr(why, backend);
    return begin ? begin + strlen(backend) + strlen(": ") : why;
}

static struct standing standing(const char *backend)
{
    const struct rouse_rung *rung = find_rung(backend);
    struct standing found = {.built = rung->backend != NULL};
    if (!found.built) {
        snprintf(found.why, sizeof found.why, "%s", rung->missing);
        return found;
    }
    char why[512] = "";
    struct rouse_config config = {
        .size = sizeof config, .backend = backend, .why = why, .why_size = sizeof why};
    struct rouse_loop *loop;
    found.works = rouse_open(&loop, &config) == 0;
    found.lesson = rung->backend->traits & ROUSE_TRAIT_LESSON;
    found.fd_limit = rung->backend->fd_limit;
    if (found.works)
        rouse_close(loop);
    else
        snprintf(found.why, sizeof found.why, "%s", reason(why, backend));
    return found;
}

#define SUBJECT_NAME     EDGE ? "rouse-edge" : "rouse"
#define SUBJECT_VERSION  rouse_version()
#define SUBJECT_BACKENDS ROUSE_BACKENDS
#define SUBJECT_PAUSE
#define SUBJECT_TIMERS
#define SUBJECT_BELL
#define SUBJECT_COUNTS
#define SUBJECT_STANDING
#include "workloads.h"
