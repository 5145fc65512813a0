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
#include <string.h>

#include "support.h"

/* Where there is none (BSD, macOS) not all hangups and errors of sockets are told either. */
#ifndef POLLRDHUP
#define POLLRDHUP 0
#endif

struct poll_state {
    struct rouse_allocator allocator;
    struct rouse_work *work;
    struct pollfd *entries; /* dense: what the kernel is handed */
    uint64_t *tokens;       /* beside them */
    uint32_t *places;       /* by slot: where its entry is, plus 1 */
    uint32_t entries_capacity;
    uint32_t tokens_capacity;
    uint32_t places_capacity;
    uint32_t count;
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
    state->allocator = setup->allocator;
    state->work = setup->work;
    return 0;
}

static void poll_close(void *opaque)
{
    struct poll_state *state = opaque;
    memory_free(&state->allocator, state->entries,
                state->entries_capacity * sizeof *state->entries);
    memory_free(&state->allocator, state->tokens, state->tokens_capacity * sizeof *state->tokens);
    memory_free(&state->allocator, state->places, state->places_capacity * sizeof *state->places);
}

/* The last entry moves into the gap. There is none if the kernel was found to hold nothing, and not
 * even a place if the change was refused for want of memory. */
static void poll_drop(void *opaque, rouse_fd fd, uint64_t token)
{
    (void)fd;
    struct poll_state *state = opaque;
    if (ROUSE_SLOT(token) >= state->places_capacity || state->places[ROUSE_SLOT(token)] == 0)
        return;
    uint32_t place = state->places[ROUSE_SLOT(token)] - 1;
    uint32_t last = --state->count;
    state->entries[place] = state->entries[last];
    state->tokens[place] = state->tokens[last];
    state->places[ROUSE_SLOT(state->tokens[place])] = place + 1;
    state->places[ROUSE_SLOT(token)] = 0;
}

static int poll_grow(struct poll_state *state, uint32_t slot)
{
    void *entries = state->entries;
    void *tokens = state->tokens;
    void *places = state->places;
    uint32_t old = state->places_capacity;
    int error = memory_grow(&state->allocator, &entries, &state->entries_capacity, state->count + 1,
                            sizeof *state->entries);
    state->entries = entries;
    if (error == 0)
        error = memory_grow(&state->allocator, &tokens, &state->tokens_capacity, state->count + 1,
                            sizeof *state->tokens);
    state->tokens = tokens;
    if (error == 0)
        error = memory_grow(&state->allocator, &places, &state->places_capacity, slot + 1,
                            sizeof *state->places);
    state->places = places;
    if (state->places_capacity > old)
        memset(state->places + old, 0, (state->places_capacity - old) * sizeof *state->places);
    return error;
}

static int poll_apply(void *opaque, const struct rouse_change *change)
{
    struct poll_state *state = opaque;
    uint32_t slot = ROUSE_SLOT(change->token);
    if (change->want == 0) {
        poll_drop(state, change->fd, change->token);
        return 0;
    }
    if (change->had == 0 || state->places[slot] == 0) {
        int error = poll_grow(state, slot);
        if (error != 0)
            return error;
        state->places[slot] = ++state->count;
    }
    uint32_t place = state->places[slot] - 1;
    state->entries[place] = (struct pollfd){.fd = change->fd, .events = to_poll(change->want)};
    state->tokens[place] = change->token;
    return 0;
}

/* Walks the entries around, from where the last walk stopped, until all `left` that are ready are
 * found. */
static int poll_collect(struct poll_state *state, int left, struct rouse_event *events, int nevents)
{
    const struct pollfd *entries = state->entries;
    uint32_t count = state->count;
    uint32_t start = state->next < count ? state->next : 0;
    uint32_t place = start;
    int closed = 0;
    int n = 0;
    for (; left > 0 && n < nevents; left--) {
        while (entries[place].revents == 0)
            place = place + 1 < count ? place + 1 : 0;
        bool gone = entries[place].revents & POLLNVAL;
        uint32_t ready = gone ? (uint32_t)ROUSE_ERROR : from_poll(entries[place].revents);
        events[n++] = (struct rouse_event){state->tokens[place], ready, gone ? -EBADF : 0};
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

#if ROUSE_HAVE_PPOLL
    struct timespec timeout = support_timespec(timeout_ns);
    int n = ppoll(state->entries, state->count, timeout_ns < 0 ? NULL : &timeout, NULL);
#else
    int n = poll(state->entries, state->count, (int)support_round_up(timeout_ns, 1000000, INT_MAX));
#endif

    uint64_t bytes = (uint64_t)state->count * sizeof *state->entries;
    state->work->system_calls++;
    state->work->descriptors += state->count;
    state->work->bytes_in += bytes;
    if (n < 0 && errno != EINTR)
        return -errno;
    if (n <= 0)
        return 0;
    state->work->bytes_out += (uint64_t)state->count * sizeof state->entries->revents;
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
