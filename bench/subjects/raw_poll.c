/*
 * The raw loop on poll: one array, handed over whole for each wait, without a timeout, and searched
 * after it until all that is ready has been found. It is searched from its end, so that the last
 * one, which takes the place of one that stops itself, has been looked at by then.
 *
 * SPDX-License-Identifier: MIT
 */
#include "calls.h"

#include <poll.h>
#include <stdlib.h>

struct loop {
    bool stopped;
    nfds_t count;
    nfds_t room;
    struct pollfd *fds;
    struct watch **watches; /* in the same order */
};

struct watch {
    int fd;
    nfds_t index;
};

#define READY(name) static HOT void name(struct watch *watch)

static void loop_open(struct loop *loop, const char *backend)
{
    (void)backend;
    *loop = (struct loop){.stopped = false};
}

static void loop_close(struct loop *loop)
{
    free(loop->fds);
    free(loop->watches);
}

static HOT void loop_serve(struct loop *loop, int timeout, void (*ready)(struct watch *watch))
{
    int left = poll(loop->fds, loop->count, timeout);
    if (left < 0 && errno != EINTR)
        die("raw poll: poll: %s", strerror(errno));
    for (nfds_t i = loop->count; left > 0; i--) {
        if (loop->fds[i - 1].revents == 0)
            continue;
        left--;
        ready(loop->watches[i - 1]);
    }
}

static HOT void loop_run(struct loop *loop, void (*ready)(struct watch *watch))
{
    loop->stopped = false;
    while (!loop->stopped)
        loop_serve(loop, -1, ready);
}

static HOT void loop_turn(struct loop *loop, void (*ready)(struct watch *watch))
{
    loop_serve(loop, 0, ready);
}

static HOT void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

static HOT short to_poll(unsigned interest)
{
    return (short)((interest & READ ? POLLIN : 0) | (interest & WRITE ? POLLOUT : 0));
}

static void loop_grow(struct loop *loop)
{
    loop->room = 2 * loop->room + 64;
    loop->fds = realloc(loop->fds, loop->room * sizeof *loop->fds);
    loop->watches = realloc(loop->watches, loop->room * sizeof(struct watch *));
    if (!loop->fds || !loop->watches)
        die("raw poll: no memory");
}

static HOT void watch_start(struct loop *loop, struct watch *watch, int fd, unsigned interest,
                            void (*ready)(struct watch *watch))
{
    (void)ready;
    if (loop->count == loop->room)
        loop_grow(loop);
    *watch = (struct watch){.fd = fd, .index = loop->count++};
    loop->fds[watch->index] = (struct pollfd){.fd = fd, .events = to_poll(interest)};
    loop->watches[watch->index] = watch;
}

static HOT void watch_change(struct loop *loop, struct watch *watch, unsigned interest)
{
    loop->fds[watch->index].events = to_poll(interest);
}

static HOT void watch_stop(struct loop *loop, struct watch *watch)
{
    nfds_t last = --loop->count;
    loop->fds[watch->index] = loop->fds[last];
    loop->watches[watch->index] = loop->watches[last];
    loop->watches[last]->index = watch->index;
}

static HOT int watch_fd(const struct watch *watch)
{
    return watch->fd;
}

#include "plain.h"

#define SUBJECT_NAME     "raw"
#define SUBJECT_BACKENDS "poll"
#include "raw_bell.h"
#include "workloads.h"
