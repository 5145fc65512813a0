/*
 * The raw loop on io_uring, whose completions are read from the shared ring; one system call for
 * each wait. For edges there is a multishot poll for each descriptor, armed once; what is reported
 * must be emptied, and the loop does. The kernel has nothing like it for levels: there a poll
 * completes once, and is armed anew with the next wait.
 *
 * SPDX-License-Identifier: MIT
 */
#include "chain.h"
#include "idle.h"
#include "server.h"

#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define SUBMISSIONS 256
#define COMPLETIONS 4096

struct uring_set {
    struct io_uring ring;
    int edge;
    int fds[]; /* by index */
};

/* From what is best to what every kernel has: the work of a completion is done when it is asked
 * for, in one thread; or at the next system call; or by an interruption. */
static const unsigned modes[] = {IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER,
                                 IORING_SETUP_COOP_TASKRUN, 0};

static void *uring_open(int count, int edge)
{
    struct uring_set *set = malloc(sizeof *set + (size_t)count * sizeof set->fds[0]);
    if (!set)
        die("raw io_uring: no memory");
    set->edge = edge;
    int result = -EINVAL;
    for (size_t i = 0; result == -EINVAL && i < sizeof modes / sizeof *modes; i++) {
        struct io_uring_params params = {.flags = modes[i] | IORING_SETUP_CQSIZE,
                                         .cq_entries = COMPLETIONS};
        result = io_uring_queue_init_params(SUBMISSIONS, &set->ring, &params);
    }
    if (result != 0)
        die("raw io_uring: cannot make a ring: %s", strerror(-result));
    io_uring_register_ring_fd(&set->ring); /* where the kernel can: the call is cheaper */
    return set;
}

static void uring_watch(void *context, int fd, int index)
{
    struct uring_set *set = context;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&set->ring);
    if (!sqe) {
        io_uring_submit(&set->ring);
        sqe = io_uring_get_sqe(&set->ring);
    }
    if (!sqe)
        die("raw io_uring: cannot watch descriptor %d", fd);
    if (set->edge)
        io_uring_prep_poll_multishot(sqe, fd, POLLIN);
    else
        io_uring_prep_poll_add(sqe, fd, POLLIN);
    sqe->user_data = (unsigned)index;
    set->fds[index] = fd;
}

static void uring_close(void *context)
{
    struct uring_set *set = context;
    io_uring_queue_exit(&set->ring);
    free(set);
}

/* Waits until there is a completion; what has been armed goes with the same system call. */
static inline void uring_wait(struct uring_set *set)
{
    int result = io_uring_submit_and_wait(&set->ring, 1);
    if (result < 0)
        die("raw io_uring: %s", strerror(-result));
}

/* The index that a completion is for. A poll that has ended is armed again. */
static inline int uring_index(struct uring_set *set, const struct io_uring_cqe *cqe)
{
    int index = (int)cqe->user_data;
    if (cqe->res < 0)
        die("raw io_uring: the poll of descriptor %d: %s", set->fds[index], strerror(-cqe->res));
    if (!(cqe->flags & IORING_CQE_F_MORE))
        uring_watch(set, set->fds[index], index);
    return index;
}

static void uring_idle(void *context, struct idle *idle, uint64_t until)
{
    struct uring_set *set = context;
    while (idle->taken < until) {
        idle_ring(idle);
        uring_wait(set);
        unsigned head, seen = 0;
        struct io_uring_cqe *cqe;
        io_uring_for_each_cqe(&set->ring, head, cqe)
        {
            idle_take(idle, uring_index(set, cqe));
            seen++;
        }
        io_uring_cq_advance(&set->ring, seen);
    }
}

static void uring_chain(void *context, struct chain *chain, uint64_t until)
{
    struct uring_set *set = context;
    while (chain->hops < until) {
        uring_wait(set);
        unsigned head, seen = 0;
        struct io_uring_cqe *cqe;
        io_uring_for_each_cqe(&set->ring, head, cqe)
        {
            struct chain_link *link = &chain->links[uring_index(set, cqe)];
            if (set->edge)
                chain_drain(chain, link);
            else
                chain_hop(chain, link);
            seen++;
        }
        io_uring_cq_advance(&set->ring, seen);
    }
}

static void uring_serve(void *context, struct server *server, uint64_t until)
{
    struct uring_set *set = context;
    while (server->answered < until) {
        uring_wait(set);
        unsigned head, seen = 0;
        struct io_uring_cqe *cqe;
        io_uring_for_each_cqe(&set->ring, head, cqe)
        {
            server_answer(server, &server->connections[uring_index(set, cqe)]);
            seen++;
        }
        io_uring_cq_advance(&set->ring, seen);
    }
}

const struct raw raw_io_uring = {
    .name = "io_uring",
    .open = uring_open,
    .watch = uring_watch,
    .close = uring_close,
    .idle = uring_idle,
    .chain = uring_chain,
    .serve = uring_serve,
};
