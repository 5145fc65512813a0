/*
 * The raw loop that does not wait: it tries every descriptor in turn, and most have nothing. That
 * is what it comes to when nobody is asked what is ready. The last one takes the place of one that
 * is stopped; if that is a place behind us, its turn is the next.
 *
 * SPDX-License-Identifier: MIT
 */
#include "calls.h"

#include <stdlib.h>

struct loop {
    bool stopped;
    size_t count;
    size_t room;
    struct watch **watches;
};

struct watch {
    int fd;
    unsigned interest;
    size_t index;
};

#define READY(name) static HOT void name(struct watch *watch)

static void loop_open(struct loop *loop, const char *backend)
{
    (void)backend;
    *loop = (struct loop){.stopped = false};
}

static void loop_close(struct loop *loop)
{
    free(loop->watches);
}

static HOT void loop_turn(struct loop *loop, void (*ready)(struct watch *watch))
{
    for (size_t i = 0; i < loop->count; i++)
        if (loop->watches[i]->interest != 0)
            ready(loop->watches[i]);
}

static HOT void loop_run(struct loop *loop, void (*ready)(struct watch *watch))
{
    loop->stopped = false;
    while (!loop->stopped)
        loop_turn(loop, ready);
}

static HOT void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

static HOT void watch_start(struct loop *loop, struct watch *watch, int fd, unsigned interest,
                            void (*ready)(struct watch *watch))
{
    (void)ready;
    if (loop->count == loop->room) {
        loop->room = 2 * loop->room + 64;
        loop->watches = realloc(loop->watches, loop->room * sizeof(struct watch *));
        if (!loop->watches)
            die("raw spin: no memory");
    }
    *watch = (struct watch){.fd = fd, .interest = interest, .index = loop->count};
    loop->watches[loop->count++] = watch;
}

static HOT void watch_change(struct loop *loop, struct watch *watch, unsigned interest)
{
    (void)loop;
    watch->interest = interest;
}

static HOT void watch_stop(struct loop *loop, struct watch *watch)
{
    struct watch *last = loop->watches[--loop->count];
    loop->watches[watch->index] = last;
    last->index = watch->index;
}

static HOT int watch_fd(const struct watch *watch)
{
    return watch->fd;
}

#include "plain.h"

static struct standing standing(const char *backend)
{
    (void)backend;
    return (struct standing){.built = true, .works = true, .lesson = true};
}

#define SUBJECT_NAME     "raw"
#define SUBJECT_BACKENDS "spin"
#define SUBJECT_STANDING
#include "raw_bell.h"
#include "workloads.h"
