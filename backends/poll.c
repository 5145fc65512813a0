/*
 * poll (System V Release 3, 1986): one array in, the same array out.
 *
 * An entry for each descriptor says what is wanted, and the kernel writes beside it what is ready.
 * No bitmap, so no highest descriptor: it costs by the count of those watched, and errors and
 * hangups are told for each. But the kernel still keeps nothing between two calls. Each wait copies
 * the whole array in, asks every file, links the thread into every wait queue if it must sleep,
 * unlinks it from all of them when one of them wakes it, and copies the array out; and then we walk
 * it to learn which entries they were: O(N), of which N - 1 are for nothing.
 *
 * What surprises: an entry that wants nothing still reports hangup and errors, so silence needs the
 * entry gone. A descriptor that was closed behind our back reports POLLNVAL, for ever.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* ppoll, POLLRDHUP */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>

#include "dense.h"

/* Where there is none (BSD, macOS) not all hangups and errors of sockets are told either. */
#ifndef POLLRDHUP
#define POLLRDHUP 0
#endif

struct poll_state {
    struct rouse_work *work;
    struct dense watched; /* its entries are what the kernel is handed */
    uint32_t next; /* where the walk begins, so that nobody starves behind a full array of events */
};

static short to_poll(uint32_t want)
{
    return (short)((want & ROUSE_READ ? POLLIN : 0) | (want & ROUSE_PRIORITY ? POLLPRI : 0) |
                   (want & ROUSE_WRITE ? POLLOUT : 0) | (want & ROUSE_HANGUP ? POLLRDHUP : 0));
}

static uint32_t from_poll(short ready)
{
    return (ready & POLLIN ? (uint32_t)ROUSE_READ : 0) |
           (ready & POLLPRI ? (uint32_t)ROUSE_PRIORITY : 0) |
           (ready & POLLOUT ? (uint32_t)ROUSE_WRITE : 0) |
           (ready & POLLERR ? (uint32_t)ROUSE_ERROR : 0) |
           (ready & (POLLHUP | POLLRDHUP) ? (uint32_t)ROUSE_HANGUP : 0);
}

static int poll_open(void *opaque, const struct rouse_setup *setup)
{
    struct poll_state *state = opaque;
    state->work = setup->work;
    state->watched = (struct dense){.allocator = setup->allocator, .size = sizeof(struct pollfd)};
    return 0;
}

static void poll_close(void *opaque)
{
    struct poll_state *state = opaque;
    dense_free(&state->watched);
}

static void poll_drop(void *opaque, rouse_fd fd, uint64_t token)
{
    (void)fd;
    struct poll_state *state = opaque;
    dense_remove(&state->watched, token);
}

static int poll_apply(void *opaque, const struct rouse_change *change)
{
    struct poll_state *state = opaque;
    if (change->want == 0) {
        poll_drop(state, change->fd, change->token);
        return 0;
    }
    uint32_t place;
    int error = dense_place(&state->watched, change->token, &place);
    if (error != 0)
        return error;
    struct pollfd *entries = state->watched.entries;
    entries[place] = (struct pollfd){.fd = change->fd, .events = to_poll(change->want)};
    return 0;
}

/* Walks the entries around, from where the last walk stopped, until all `left` that are ready are
 * found. */
static int poll_collect(struct poll_state *state, int left, struct rouse_event *events, int nevents)
{
    const struct pollfd *entries = state->watched.entries;
    uint32_t count = state->watched.count;
    uint32_t start = state->next < count ? state->next : 0;
    uint32_t place = start;
    int closed = 0;
    int n = 0;
    for (; left > 0 && n < nevents; left--) {
        while (entries[place].revents == 0)
            place = place + 1 < count ? place + 1 : 0;
        bool gone = entries[place].revents & POLLNVAL;
        uint32_t ready = gone ? (uint32_t)ROUSE_ERROR : from_poll(entries[place].revents);
        events[n++] = (struct rouse_event){state->watched.tokens[place], ready, gone ? -EBADF : 0};
        closed += gone;
        place = place + 1 < count ? place + 1 : 0;
    }
    state->work->scanned += place > start ? place - start : place + count - start;
    state->next = left > 0 ? place : 0;
    for (int i = 0; closed > 0; i++)
        if (events[i].result == -EBADF) {
            poll_drop(state, -1, events[i].token);
            closed--;
        }
    return n;
}

static int poll_poll(void *opaque, const struct rouse_change *changes, int nchanges,
                     struct rouse_event *events, int nevents, int64_t timeout_ns)
{
    struct poll_state *state = opaque;
    if (nchanges > 0)
        return support_apply(state, poll_apply, poll_poll, changes, nchanges, events, nevents,
                             timeout_ns);

    struct pollfd *entries = state->watched.entries;
    uint32_t count = state->watched.count;
#if ROUSE_HAVE_PPOLL
    struct timespec timeout = support_timespec(timeout_ns);
    int n = ppoll(entries, count, timeout_ns < 0 ? NULL : &timeout, NULL);
#else
    int n = poll(entries, count, (int)support_round_up(timeout_ns, 1000000, INT_MAX));
#endif

    uint64_t bytes = (uint64_t)count * sizeof *entries;
    state->work->system_calls++;
    state->work->descriptors += count;
    state->work->bytes_in += bytes;
    if (n < 0 && errno != EINTR)
        return -errno;
    if (n <= 0)
        return 0;
    state->work->bytes_out += (uint64_t)count * sizeof entries->revents;
    return poll_collect(state, n, events, nevents);
}

const struct rouse_backend rouse_poll_backend = {
    .abi = ROUSE_BACKEND_ABI,
    .traits = (POLLRDHUP != 0 ? ROUSE_TRAIT_HANGUP : 0) | ROUSE_TRAIT_SCAN,
    .name = "poll",
    .state_size = sizeof(struct poll_state),
    .open = poll_open,
    .close = poll_close,
    .poll = poll_poll,
    .drop = poll_drop,
};
