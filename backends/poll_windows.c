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

#include "dense.h"

struct poll_state {
    struct rouse_work *work;
    struct dense watched; /* its entries are what the kernel is handed */
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
    state->work = setup->work;
    state->watched = (struct dense){.allocator = setup->allocator, .size = sizeof(WSAPOLLFD)};
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
    state->work->system_calls++;
    int type, size = sizeof type;
    if (getsockopt((SOCKET)change->fd, SOL_SOCKET, SO_TYPE, (char *)&type, &size) != 0) {
        poll_drop(state, change->fd, change->token);
        return winsock_no_socket(change->fd);
    }
    uint32_t place;
    int error = dense_place(&state->watched, change->token, &place);
    if (error != 0)
        return error;
    WSAPOLLFD *entries = state->watched.entries;
    entries[place] = (WSAPOLLFD){.fd = (SOCKET)change->fd, .events = to_poll(change->want)};
    return 0;
}

/* Walks the first `count` entries around, from where the last walk stopped. To the end, for those
 * that were closed are among them and were not counted. */
static int poll_collect(struct poll_state *state, uint32_t count, struct rouse_event *events,
                        int nevents)
{
    const WSAPOLLFD *entries = state->watched.entries;
    uint32_t place = state->next < count ? state->next : 0;
    uint32_t left = count;
    int closed = 0;
    int n = 0;
    for (; left > 0 && n < nevents; left--) {
        const WSAPOLLFD *entry = &entries[place];
        bool gone = entry->revents & POLLNVAL;
        uint32_t ready = gone ? (uint32_t)ROUSE_ERROR : from_poll(entry);
        if (ready != 0)
            events[n++] =
                (struct rouse_event){state->watched.tokens[place], ready, gone ? -EBADF : 0};
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
    WSAPOLLFD *entries = state->watched.entries;
    state->work->system_calls++;
    if (count == 0) {
        SleepEx((DWORD)ms, TRUE); /* -1 is INFINITE */
        return 0;
    }
    int n = WSAPoll(entries, count, ms);
    state->work->descriptors += count;
    state->work->bytes_in += (uint64_t)count * sizeof *entries;
    if (n > 0)
        state->work->bytes_out += (uint64_t)count * sizeof entries->revents;
    if (n >= 0)
        return n;
    int error = winsock_error();
    bool none_is_open = error == -ENOTSOCK && (entries->revents & POLLNVAL);
    return none_is_open ? (int)count : error;
}

/* Moves entries that are ready behind the others, and returns how many are before them. */
static uint32_t poll_set_aside(struct dense *watched)
{
    WSAPOLLFD *entries = watched->entries;
    uint32_t others = watched->count;
    for (uint32_t place = others; place-- > 0;) {
        if (entries[place].revents == 0)
            continue;
        WSAPOLLFD entry = entries[place];
        uint64_t token = watched->tokens[place];
        others--;
        entries[place] = entries[others];
        watched->tokens[place] = watched->tokens[others];
        watched->places[ROUSE_SLOT(watched->tokens[place])] = place + 1;
        entries[others] = entry;
        watched->tokens[others] = token;
        watched->places[ROUSE_SLOT(token)] = others + 1;
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
    int n = poll_wait(state, state->watched.count, ms);
    if (n <= 0)
        return n;
    n = poll_collect(state, state->watched.count, events, nevents);
    if (n > 0 || ms == 0)
        return n;
    /* Only hangups that nobody wants to know of, which would end each wait at once. */
    uint32_t others = poll_set_aside(&state->watched);
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
