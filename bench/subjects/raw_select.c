/*
 * The raw loop on select: a bitmap of what is watched, copied before each wait because the call
 * overwrites it, and searched after it, number by number, until all that is ready has been found.
 * There is a second bitmap for writing, handed over only while somebody wants to write.
 *
 * SPDX-License-Identifier: MIT
 */
#include "calls.h"

#include <sys/select.h>

struct loop {
    bool stopped;
    int beyond; /* the highest descriptor that was ever watched, and one */
    int writers;
    fd_set to_read, to_write; /* what is watched */
    fd_set readable, writable;
    struct watch *watches[FD_SETSIZE]; /* by descriptor */
};

struct watch {
    int fd;
};

#define READY(name) static HOT void name(struct watch *watch)

static void loop_open(struct loop *loop, const char *backend)
{
    (void)backend;
    *loop = (struct loop){.stopped = false};
}

static void loop_close(struct loop *loop)
{
    (void)loop;
}

static HOT void loop_serve(struct loop *loop, struct timeval *timeout,
                           void (*ready)(struct watch *watch))
{
    bool writing = loop->writers > 0;
    loop->readable = loop->to_read;
    if (writing)
        loop->writable = loop->to_write;
    int left =
        select(loop->beyond, &loop->readable, writing ? &loop->writable : NULL, NULL, timeout);
    if (left < 0 && errno != EINTR)
        die("raw select: select: %s", strerror(errno));
    for (int fd = 0; left > 0; fd++) {
        int found = FD_ISSET(fd, &loop->readable) != 0;
        if (writing)
            found += FD_ISSET(fd, &loop->writable) != 0;
        if (found == 0)
            continue;
        left -= found;
        ready(loop->watches[fd]);
    }
}

static HOT void loop_run(struct loop *loop, void (*ready)(struct watch *watch))
{
    loop->stopped = false;
    while (!loop->stopped)
        loop_serve(loop, NULL, ready);
}

static HOT void loop_turn(struct loop *loop, void (*ready)(struct watch *watch))
{
    struct timeval none = {.tv_sec = 0};
    loop_serve(loop, &none, ready);
}

static HOT void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

static HOT void watch_change(struct loop *loop, struct watch *watch, unsigned interest)
{
    loop->writers -= FD_ISSET(watch->fd, &loop->to_write) != 0;
    FD_CLR(watch->fd, &loop->to_read);
    FD_CLR(watch->fd, &loop->to_write);
    if (interest & READ)
        FD_SET(watch->fd, &loop->to_read);
    if (interest & WRITE)
        FD_SET(watch->fd, &loop->to_write);
    loop->writers += (interest & WRITE) != 0;
}

static HOT void watch_start(struct loop *loop, struct watch *watch, int fd, unsigned interest,
                            void (*ready)(struct watch *watch))
{
    (void)ready;
    if (fd >= FD_SETSIZE)
        die("raw select: descriptor %d is not below FD_SETSIZE", fd);
    watch->fd = fd;
    loop->watches[fd] = watch;
    if (fd >= loop->beyond)
        loop->beyond = fd + 1;
    watch_change(loop, watch, interest);
}

static HOT void watch_stop(struct loop *loop, struct watch *watch)
{
    watch_change(loop, watch, 0);
}

static HOT int watch_fd(const struct watch *watch)
{
    return watch->fd;
}

#include "plain.h"

static struct standing standing(const char *backend)
{
    (void)backend;
    return (struct standing){.built = true, .works = true, .fd_limit = FD_SETSIZE};
}

#define SUBJECT_NAME     "raw"
#define SUBJECT_BACKENDS "select"
#define SUBJECT_STANDING
#include "raw_bell.h"
#include "workloads.h"
