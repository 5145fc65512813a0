/*
 * epoll (Linux 2.5.44, 2002): the interest set and the ready list live in the kernel.
 *
 * A descriptor is handed over once. The kernel then hooks an entry of its own into the wait queue
 * of the file, where select and poll would link the sleeping thread anew for each wait; when the
 * file becomes ready, the hook moves the entry to the ready list and wakes the waiter. A wait looks
 * at the ready list alone: it costs by what is ready, whatever else is watched. There is not one
 * array on our side.
 *
 * What surprises: each change of interest is a system call. Level-triggered entries stay on the
 * ready list and are asked again by the next wait. A registration belongs to the open file, not to
 * the descriptor: if a duplicate keeps the file open, close() leaves it behind, reporting, and out
 * of reach. An interest of 0 still reports hangup and errors. Regular files are refused with EPERM.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* epoll_pwait2 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "support.h"

struct epoll_state {
    struct rouse_work *work;
    int fd;
    bool coarse; /* the kernel (before 5.11) waits in milliseconds only */
};

enum { EPOLL_OURS = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLERR | EPOLLHUP };

_Static_assert((int)ROUSE_READ == EPOLLIN && (int)ROUSE_PRIORITY == EPOLLPRI &&
                   (int)ROUSE_WRITE == EPOLLOUT && (int)ROUSE_ERROR == EPOLLERR &&
                   (int)ROUSE_HANGUP == EPOLLHUP,
               "our bits are the kernel's, so that translation is a mask");

static uint32_t to_epoll(uint32_t want)
{
    return (want & (ROUSE_READ | ROUSE_PRIORITY | ROUSE_WRITE)) |
           (want & ROUSE_HANGUP ? (uint32_t)EPOLLRDHUP : 0) |
           (want & ROUSE_EDGE ? (uint32_t)EPOLLET : 0);
}

/* Of what the kernel can report for this, EPOLLRDHUP alone is not one of our bits: it is moved onto
 * HANGUP. */
static uint32_t from_epoll(uint32_t ready)
{
    return (ready | ready / (EPOLLRDHUP / ROUSE_HANGUP)) & EPOLL_OURS;
}

static int epoll_open(void *opaque, const struct rouse_setup *setup)
{
    struct epoll_state *state = opaque;
    state->work = setup->work;
    state->fd = epoll_create1(EPOLL_CLOEXEC);
    if (state->fd >= 0)
        return 0;
    int error = errno;
    snprintf(setup->why, setup->why_size, "epoll_create1: %s", strerror(error));
    return -error;
}

static void epoll_close(void *opaque)
{
    struct epoll_state *state = opaque;
    close(state->fd);
}

/* That it is gone already is as good. */
static void epoll_drop(void *opaque, rouse_fd fd, uint64_t token)
{
    (void)token;
    struct epoll_state *state = opaque;
    state->work->system_calls++;
    epoll_ctl(state->fd, EPOLL_CTL_DEL, fd, NULL);
}

/* A descriptor that the kernel should hold and does not (ENOENT) was closed behind the loop's back;
 * to add it would be to watch a stranger. One that it holds already (EEXIST) was left behind by a
 * close. */
static int epoll_apply(void *opaque, const struct rouse_change *change)
{
    struct epoll_state *state = opaque;
    if (change->want == 0) {
        epoll_drop(state, change->fd, change->token);
        return 0;
    }
    struct epoll_event event = {.events = to_epoll(change->want), .data = {.u64 = change->token}};
    int call = change->had != 0 ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    int error = epoll_ctl(state->fd, call, change->fd, &event) == 0 ? 0 : errno;
    state->work->system_calls++;
    state->work->descriptors++;
    state->work->bytes_in += sizeof event;
    if (error == EEXIST) {
        error = epoll_ctl(state->fd, EPOLL_CTL_MOD, change->fd, &event) == 0 ? 0 : errno;
        state->work->system_calls++;
    }
    if (error != 0 && change->had != 0)
        epoll_drop(state, change->fd, change->token);
    return error == ENOENT ? -EBADF : -error;
}

/* A finite timeout is in nanoseconds since Linux 5.11, and in milliseconds before. */
APART static int epoll_sleep(struct epoll_state *state, struct epoll_event *ready, int count,
                             int64_t ns)
{
#if ROUSE_HAVE_EPOLL_PWAIT2
    if (!state->coarse) {
        struct timespec timeout = support_timespec(ns);
        int n = epoll_pwait2(state->fd, ready, count, &timeout, NULL);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM))
            return n;
        state->coarse = true;
        state->work->system_calls++;
    }
#endif
    return epoll_wait(state->fd, ready, count, (int)support_round_up(ns, 1000000, INT_MAX));
}

static int epoll_poll(void *opaque, const struct rouse_change *changes, int nchanges,
                      struct rouse_event *events, int nevents, int64_t timeout_ns)
{
    struct epoll_state *state = opaque;
    if (nchanges > 0)
        return support_apply(state, epoll_apply, epoll_poll, changes, nchanges, events, nevents,
                             timeout_ns);

    /* The kernel's events are no larger than ours. They are fetched into the caller's array and
     * widened from the last to the first, each of which has been read when it is overwritten. */
    struct epoll_event *ready = (struct epoll_event *)(void *)events;
    int n = timeout_ns > 0 ? epoll_sleep(state, ready, nevents, timeout_ns)
                           : epoll_wait(state->fd, ready, nevents, timeout_ns < 0 ? -1 : 0);

    state->work->system_calls++;
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    state->work->bytes_out += (uint64_t)n * sizeof *ready;
    state->work->scanned += (uint64_t)n;
    const struct epoll_event *from = ready + n;
    for (struct rouse_event *to = events + n; to-- != events;) {
        struct epoll_event event = *--from;
        *to = (struct rouse_event){event.data.u64, from_epoll(event.events), 0};
    }
    return n;
}

const struct rouse_backend rouse_epoll_backend = {
    .abi = ROUSE_BACKEND_ABI,
    .traits = ROUSE_TRAIT_EDGE | ROUSE_TRAIT_HANGUP,
    .name = "epoll",
    .state_size = sizeof(struct epoll_state),
    .open = epoll_open,
    .close = epoll_close,
    .poll = epoll_poll,
    .drop = epoll_drop,
};
