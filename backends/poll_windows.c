/*
 * poll as Windows has it (WSAPoll, Windows Vista, 2006): one array in, the same array out.
 *
 * The array is that of poll.c, and so is what it costs: each wait hands all of it over, and we walk
 * it to learn which entries are ready: O(N), of which N - 1 are for nothing. It takes sockets only,
 * any number of them, and waits in milliseconds.
 *
 * What surprises: it was made to look like poll and is not quite it. An empty array is an error, so
 * with nothing to watch the thread just sleeps. A socket that was closed behind our back is marked
 * POLLNVAL, but neither counted nor does it end the wait, unless there is no other; so each change
 * asks first whether there is a socket. POLLHUP means that the peer stopped writing, whether or not
 * anybody reads, and cannot be turned off: see poll_poll(). Before Windows 10 version 2004 a
 * connect that fails is never reported: there it takes a timer, or select.
 *
 * SPDX-License-Identifier: MIT
 */
#include "winsock.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "support.h"

struct poll_state {
    struct rouse_allocator allocator;
    struct rouse_work *work;
    WSAPOLLFD *entries; /* dense: what the kernel is handed */
    uint64_t *tokens;   /* beside them */
    uint32_t *places;   /* by slot: where its entry is, plus 1 */
    uint32_t entries_capacity;
    uint32_t tokens_capacity;
    uint32_t places_capacity;
    uint32_t count;
    uint32_t next; /* where the walk begins, so that nobody starves behind a full array of events */
};

/* Any other bit is refused, POLLPRI too; and POLLIN would ask for priority data beside the rest. */
static short to_poll(uint32_t want)
{
    return (short)((want & ROUSE_READ ? POLLRDNORM : 0) | (want & ROUSE_PRIORITY ? POLLRDBAND : 0) |
                   (want & ROUSE_WRITE ? POLLWRNORM : 0));
}

/* The end of what nobody reads is nobody's concern, unless nothing can be written either. */
static uint32_t from_poll(const WSAPOLLFD *entry)
{
    short ready = entry->revents;
    bool hangup = (ready & POLLHUP) && (entry->events & POLLRDNORM || ready & POLLERR);
    return (ready & POLLRDNORM ? (uint32_t)ROUSE_READ : 0) |
           (ready & POLLRDBAND ? (uint32_t)ROUSE_PRIORITY : 0) |
           (ready & POLLWRNORM ? (uint32_t)ROUSE_WRITE : 0) |
           (ready & POLLERR ? (uint32_t)ROUSE_ERROR : 0) | (hangup ? (uint32_t)ROUSE_HANGUP : 0);
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
    state->work->system_calls++;
    int type, size = sizeof type;
    if (getsockopt((SOCKET)change->fd, SOL_SOCKET, SO_TYPE, (char *)&type, &size) != 0) {
        poll_drop(state, change->fd, change->token);
        return winsock_no_socket(change->fd);
    }
    if (change->had == 0 || state->places[slot] == 0) {
        int error = poll_grow(state, slot);
        if (error != 0)
            return error;
        state->places[slot] = ++state->count;
    }
    uint32_t place = state->places[slot] - 1;
    state->entries[place] = (WSAPOLLFD){.fd = (SOCKET)change->fd, .events = to_poll(change->want)};
    state->tokens[place] = change->token;
    return 0;
}

/* Walks the first `count` entries around, from where the last walk stopped. To the end, for those
 * that were closed are among them and were not counted. */
static int poll_collect(struct poll_state *state, uint32_t count, struct rouse_event *events,
                        int nevents)
{
    uint32_t place = state->next < count ? state->next : 0;
    uint32_t left = count;
    int closed = 0;
    int n = 0;
    for (; left > 0 && n < nevents; left--) {
        const WSAPOLLFD *entry = &state->entries[place];
        bool gone = entry->revents & POLLNVAL;
        uint32_t ready = gone ? (uint32_t)ROUSE_ERROR : from_poll(entry);
        if (ready != 0)
            events[n++] = (struct rouse_event){state->tokens[place], ready, gone ? -EBADF : 0};
        closed += gone;
        place = place + 1 < count ? place + 1 : 0;
    }
    state->work->scanned += count - left;
    state->next = left > 0 ? place : 0;
    for (int i = 0; closed > 0; i++)
        if (events[i].result == -EBADF) {
            poll_drop(state, -1, events[i].token);
            closed--;
        }
    return n;
}

static int poll_wait(struct poll_state *state, uint32_t count, int ms)
{
    state->work->system_calls++;
    if (count == 0) {
        SleepEx((DWORD)ms, TRUE); /* -1 is INFINITE */
        return 0;
    }
    int n = WSAPoll(state->entries, count, ms);
    state->work->descriptors += count;
    state->work->bytes_in += (uint64_t)count * sizeof *state->entries;
    if (n > 0)
        state->work->bytes_out += (uint64_t)count * sizeof state->entries->revents;
    if (n >= 0)
        return n;
    int error = winsock_error();
    bool none_is_open = error == -ENOTSOCK && (state->entries->revents & POLLNVAL);
    return none_is_open ? (int)count : error;
}

/* Moves entries that are ready behind the others, and returns how many are before them. */
static uint32_t poll_set_aside(struct poll_state *state)
{
    uint32_t others = state->count;
    for (uint32_t place = others; place-- > 0;) {
        if (state->entries[place].revents == 0)
            continue;
        WSAPOLLFD entry = state->entries[place];
        uint64_t token = state->tokens[place];
        others--;
        state->entries[place] = state->entries[others];
        state->tokens[place] = state->tokens[others];
        state->places[ROUSE_SLOT(state->tokens[place])] = place + 1;
        state->entries[others] = entry;
        state->tokens[others] = token;
        state->places[ROUSE_SLOT(token)] = others + 1;
    }
    return others;
}

/* How long, in milliseconds, it sleeps without those whose hangup nobody wants to know. */
enum { ASIDE = 10 };

static int poll_poll(void *opaque, const struct rouse_change *changes, int nchanges,
                     struct rouse_event *events, int nevents, int64_t timeout_ns)
{
    struct poll_state *state = opaque;
    if (nchanges > 0)
        return support_apply(state, poll_apply, poll_poll, changes, nchanges, events, nevents,
                             timeout_ns);

    int ms = (int)support_round_up(timeout_ns, 1000000, INT_MAX);
    int n = poll_wait(state, state->count, ms);
    if (n <= 0)
        return n;
    n = poll_collect(state, state->count, events, nevents);
    if (n > 0 || ms == 0)
        return n;
    /* Only hangups that nobody wants to know of, which would end each wait at once. */
    uint32_t others = poll_set_aside(state);
    n = poll_wait(state, others, ms < 0 || ms > ASIDE ? ASIDE : ms);
    return n > 0 ? poll_collect(state, others, events, nevents) : n;
}

const struct rouse_backend rouse_poll_backend = {
    .abi = ROUSE_BACKEND_ABI,
    .traits = ROUSE_TRAIT_HANGUP | ROUSE_TRAIT_SCAN,
    .name = "poll",
    .state_size = sizeof(struct poll_state),
    .open = poll_open,
    .close = poll_close,
    .poll = poll_poll,
    .drop = poll_drop,
};
