/*
 * The raw loop on io_uring, whose completions are read from the shared ring; one system call for
 * each wait. If EDGE is 1 there is a multishot poll for each descriptor, armed once. The kernel has
 * nothing like it for levels: there a poll completes once, and is armed anew with the next wait.
 *
 * A poll that is taken back still completes, after its watch is gone. So what the kernel is given
 * to hand back is not the watch but its place in a table, which is kept until then. To change what
 * is watched is to take a poll back and arm another.
 *
 * SPDX-License-Identifier: MIT
 */
#include "calls.h"

#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define SUBMISSIONS 256
#define COMPLETIONS 4096
#define NO_PLACE    UINT64_MAX

struct place {
    struct watch *watch; /* NULL: stopped */
    bool armed;          /* a completion is to come */
    size_t next;         /* if it is free */
};

struct loop {
    struct io_uring ring;
    bool stopped;
    struct place *places;
    size_t room;
    size_t free;
};

struct watch {
    int fd;
    unsigned interest;
    size_t place;
};

#define READY(name) static HOT void name(struct watch *watch)

/* From what is best to what every kernel has: the work of a completion is done when it is asked
 * for, in one thread; or at the next system call; or by an interruption. */
static const unsigned modes[] = {IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER,
                                 IORING_SETUP_COOP_TASKRUN, 0};

static int ring_open(struct io_uring *ring)
{
    int result = -EINVAL;
    for (size_t i = 0; result == -EINVAL && i < sizeof modes / sizeof *modes; i++) {
        struct io_uring_params params = {.flags = modes[i] | IORING_SETUP_CQSIZE,
                                         .cq_entries = COMPLETIONS};
        result = io_uring_queue_init_params(SUBMISSIONS, ring, &params);
    }
    return result;
}

static void loop_open(struct loop *loop, const char *backend)
{
    (void)backend;
    *loop = (struct loop){.stopped = false};
    int result = ring_open(&loop->ring);
    if (result != 0)
        die("raw io_uring: cannot make a ring: %s", strerror(-result));
    io_uring_register_ring_fd(&loop->ring); /* where the kernel can: the call is cheaper */
}

static void loop_close(struct loop *loop)
{
    io_uring_submit_and_get_events(&loop->ring); /* polls that are taken back */
    io_uring_queue_exit(&loop->ring);
    free(loop->places);
}

static HOT struct io_uring_sqe *loop_ask(struct loop *loop)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->ring);
    if (!sqe) {
        io_uring_submit(&loop->ring);
        sqe = io_uring_get_sqe(&loop->ring);
    }
    if (!sqe)
        die("raw io_uring: the ring takes nothing more");
    return sqe;
}

static HOT void watch_arm(struct loop *loop, struct watch *watch)
{
    struct io_uring_sqe *sqe = loop_ask(loop);
    unsigned events = (watch->interest & READ ? (unsigned)POLLIN : 0) |
                      (watch->interest & WRITE ? (unsigned)POLLOUT : 0);
    if (EDGE)
        io_uring_prep_poll_multishot(sqe, watch->fd, events);
    else
        io_uring_prep_poll_add(sqe, watch->fd, events);
    sqe->user_data = watch->place;
    loop->places[watch->place].armed = true;
}

static HOT void place_free(struct loop *loop, size_t index)
{
    loop->places[index].next = loop->free;
    loop->free = index;
}

static HOT void place_complete(struct loop *loop, const struct io_uring_cqe *cqe,
                               void (*ready)(struct watch *watch))
{
    if (cqe->user_data == NO_PLACE)
        return;
    size_t index = cqe->user_data;
    struct watch *watch = loop->places[index].watch;
    loop->places[index].armed = cqe->flags & IORING_CQE_F_MORE;
    if (watch && cqe->res < 0)
        die("raw io_uring: the poll of descriptor %d: %s", watch->fd, strerror(-cqe->res));
    if (watch)
        ready(watch);
    else if (!loop->places[index].armed)
        place_free(loop, index);
    if (!loop->places[index].armed && loop->places[index].watch)
        watch_arm(loop, loop->places[index].watch);
}

static HOT void loop_serve(struct loop *loop, int result, void (*ready)(struct watch *watch))
{
    if (result < 0 && result != -EINTR)
        die("raw io_uring: %s", strerror(-result));
    unsigned head, seen = 0;
    struct io_uring_cqe *cqe;
    io_uring_for_each_cqe(&loop->ring, head, cqe)
    {
        place_complete(loop, cqe, ready);
        seen++;
    }
    io_uring_cq_advance(&loop->ring, seen);
}

/* What has been armed goes with the same system call that waits. */
static HOT void loop_run(struct loop *loop, void (*ready)(struct watch *watch))
{
    loop->stopped = false;
    while (!loop->stopped)
        loop_serve(loop, io_uring_submit_and_wait(&loop->ring, 1), ready);
}

static HOT void loop_turn(struct loop *loop, void (*ready)(struct watch *watch))
{
    loop_serve(loop, io_uring_submit_and_get_events(&loop->ring), ready);
}

static HOT void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

/* The list of the free ones ends with the first place beyond the table. */
static void loop_grow(struct loop *loop)
{
    size_t room = 2 * loop->room + 64;
    loop->places = realloc(loop->places, room * sizeof *loop->places);
    if (!loop->places)
        die("raw io_uring: no memory");
    for (size_t i = loop->room; i < room; i++)
        loop->places[i] = (struct place){.next = i + 1};
    loop->room = room;
}

static HOT void watch_start(struct loop *loop, struct watch *watch, int fd, unsigned interest,
                            void (*ready)(struct watch *watch))
{
    (void)ready;
    if (loop->free == loop->room)
        loop_grow(loop);
    *watch = (struct watch){.fd = fd, .interest = interest, .place = loop->free};
    struct place *place = &loop->places[watch->place];
    loop->free = place->next;
    place->watch = watch;
    watch_arm(loop, watch);
}

static HOT void watch_stop(struct loop *loop, struct watch *watch)
{
    struct place *place = &loop->places[watch->place];
    place->watch = NULL;
    if (!place->armed) {
        place_free(loop, watch->place);
        return;
    }
    /* POLL_REMOVE would be refused (EALREADY) by a poll that is just firing. */
    struct io_uring_sqe *sqe = loop_ask(loop);
    io_uring_prep_cancel64(sqe, watch->place, 0);
    sqe->user_data = NO_PLACE;
}

static HOT void watch_change(struct loop *loop, struct watch *watch, unsigned interest)
{
    watch_stop(loop, watch);
    watch_start(loop, watch, watch->fd, interest, NULL);
}

static HOT int watch_fd(const struct watch *watch)
{
    return watch->fd;
}

#include "plain.h"

static struct standing standing(const char *backend)
{
    (void)backend;
    struct io_uring ring;
    int result = ring_open(&ring);
    struct standing found = {.built = true, .works = result == 0};
    if (result == 0)
        io_uring_queue_exit(&ring);
    else
        snprintf(found.why, sizeof found.why, "io_uring_setup: %s", strerror(-result));
    return found;
}

#define SUBJECT_NAME     EDGE ? "raw-edge" : "raw"
#define SUBJECT_BACKENDS "io_uring"
#define SUBJECT_STANDING
#include "raw_bell.h"
#include "workloads.h"
