/*
 * select as Windows has it (Winsock, 1992): three lists in, three lists out.
 *
 * The name and the three sets are those of select.c, but a set is no bitmap: it is a count and an
 * array of sockets. So nothing costs by the highest descriptor, and FD_SETSIZE (64) is only the
 * size of the array that the header declares: these here grow. The answer holds those that are
 * ready and no others. But the question is still asked in full for each wait: three lists are
 * written, the kernel looks at each of their sockets, and we walk beside the answer to find whose
 * they are: O(N).
 *
 * What surprises: a connect that fails is told in the third set only, where otherwise priority data
 * is; so a socket that is not connected yet stands in it, whatever is wanted. Three empty sets are
 * an error, and with nothing to watch the thread just sleeps. One closed socket fails the whole
 * call without saying which. A set may hold a socket twice, which is then reported twice.
 *
 * SPDX-License-Identifier: MIT
 */
#include "winsock.h"

#include <errno.h>
#include <stdbool.h>

#include "dense.h"

enum { READABLE, WRITABLE, EXCEPTIONAL, SETS };

/* An fd_set, but for its size. */
struct socket_set {
    u_int count;
    SOCKET sockets[];
};

struct watched {
    SOCKET socket;
    uint8_t want;
    uint8_t answer;  /* a bit for each set that the last answer has it in */
    bool connecting; /* it was not connected when it was last looked at: a connect may still fail */
};

struct select_state {
    struct rouse_work *work;
    struct dense watched;
    SOCKET *sets;           /* the three behind one another, each with room for all entries */
    uint32_t sets_capacity; /* of each: the first place is that of its count */
    uint32_t next; /* where the walk begins, so that nobody starves behind a full array of events */
};

static struct socket_set *set_at(const struct select_state *state, int i)
{
    return (struct socket_set *)(state->sets + (size_t)i * state->sets_capacity);
}

static void to_select(struct select_state *state, const struct watched *entry)
{
    static const uint8_t bits[SETS] = {ROUSE_READ, ROUSE_WRITE, ROUSE_PRIORITY};
    for (int i = 0; i < SETS; i++) {
        struct socket_set *set = set_at(state, i);
        if ((entry->want & bits[i]) || (i == EXCEPTIONAL && entry->connecting))
            set->sockets[set->count++] = entry->socket;
    }
}

/* 0, WSAENOTCONN, or why it is no socket. */
static int peer_error(struct select_state *state, SOCKET socket)
{
    struct sockaddr_storage peer;
    int size = sizeof peer;
    state->work->system_calls++;
    return getpeername(socket, (struct sockaddr *)&peer, &size) == 0 ? 0 : WSAGetLastError();
}

/* Nothing can be written while a connect is under way, nor after it failed. What stands in the
 * third set then is the failure; or priority data, if the connection was made meanwhile. */
static uint32_t from_select(struct select_state *state, struct watched *entry)
{
    uint32_t ready = (entry->answer & 1 << READABLE ? (uint32_t)ROUSE_READ : 0) |
                     (entry->answer & 1 << WRITABLE ? (uint32_t)ROUSE_WRITE : 0) |
                     (entry->answer & 1 << EXCEPTIONAL ? (uint32_t)ROUSE_PRIORITY : 0);
    if (entry->connecting && (ready & (ROUSE_WRITE | ROUSE_PRIORITY))) {
        bool failed = !(ready & ROUSE_WRITE) && peer_error(state, entry->socket) != 0;
        ready |= failed ? (uint32_t)ROUSE_READ | ROUSE_WRITE : 0;
        entry->connecting = failed;
    }
    return ready & entry->want;
}

static int select_open(void *opaque, const struct rouse_setup *setup)
{
    struct select_state *state = opaque;
    state->work = setup->work;
    state->watched = (struct dense){.allocator = setup->allocator, .size = sizeof(struct watched)};
    return 0;
}

static void select_close(void *opaque)
{
    struct select_state *state = opaque;
    memory_free(&state->watched.allocator, state->sets,
                (size_t)state->sets_capacity * SETS * sizeof *state->sets);
    dense_free(&state->watched);
}

static void select_drop(void *opaque, rouse_fd fd, uint64_t token)
{
    (void)fd;
    struct select_state *state = opaque;
    dense_remove(&state->watched, token);
}

static int select_apply(void *opaque, const struct rouse_change *change)
{
    struct select_state *state = opaque;
    if (change->want == 0) {
        select_drop(state, change->fd, change->token);
        return 0;
    }
    int peer = peer_error(state, (SOCKET)change->fd);
    if (peer == WSAENOTSOCK || peer == WSANOTINITIALISED) {
        select_drop(state, change->fd, change->token);
        return winsock_no_socket(change->fd);
    }
    void *sets = state->sets;
    int error = memory_grow(&state->watched.allocator, &sets, &state->sets_capacity,
                            state->watched.count + 2, SETS * sizeof *state->sets);
    state->sets = sets;
    uint32_t place;
    if (error == 0)
        error = dense_place(&state->watched, change->token, &place);
    if (error != 0) {
        select_drop(state, change->fd, change->token);
        return error;
    }
    struct watched *entries = state->watched.entries;
    entries[place] = (struct watched){
        .socket = (SOCKET)change->fd,
        .want = (uint8_t)change->want,
        .connecting = peer != 0,
    };
    return 0;
}

/* WSAENOTSOCK: some socket was closed behind the loop's back. Finds and forgets it. */
static int select_find_closed(struct select_state *state, struct rouse_event *events, int nevents)
{
    const struct watched *entries = state->watched.entries;
    int n = 0;
    for (uint32_t place = 0; place < state->watched.count && n < nevents; place++)
        if (peer_error(state, entries[place].socket) == WSAENOTSOCK)
            events[n++] = (struct rouse_event){state->watched.tokens[place], ROUSE_ERROR, -EBADF};
    for (int i = 0; i < n; i++)
        select_drop(state, -1, events[i].token);
    return n;
}

/* How many places in the three sets are taken. */
static u_int select_count(const struct select_state *state)
{
    return set_at(state, READABLE)->count + set_at(state, WRITABLE)->count +
           set_at(state, EXCEPTIONAL)->count;
}

/* Writes the three lists that are the question, and returns how long they are together. */
static u_int select_ask(struct select_state *state)
{
    if (state->watched.count == 0)
        return 0;
    for (int i = 0; i < SETS; i++)
        set_at(state, i)->count = 0;
    struct watched *entries = state->watched.entries;
    for (uint32_t place = 0; place < state->watched.count; place++) {
        entries[place].answer = 0;
        to_select(state, &entries[place]);
    }
    return select_count(state);
}

/* Walks beside the answer. It is in the order of the question, so once around does; if it ever was
 * in another, that would only take longer. */
static void select_answer(struct select_state *state)
{
    struct watched *entries = state->watched.entries;
    for (int i = 0; i < SETS; i++) {
        const struct socket_set *set = set_at(state, i);
        uint32_t place = 0;
        for (u_int j = 0; j < set->count; j++) {
            for (; entries[place].socket != set->sockets[j]; state->work->scanned++)
                place = place + 1 < state->watched.count ? place + 1 : 0;
            entries[place].answer |= (uint8_t)(1 << i);
        }
    }
}

/* Walks the entries around, from where the last walk stopped, until all that are ready are found.
 */
static int select_collect(struct select_state *state, struct rouse_event *events, int nevents)
{
    struct watched *entries = state->watched.entries;
    uint32_t place = state->next < state->watched.count ? state->next : 0;
    u_int left = select_count(state);
    int n = 0;
    select_answer(state);
    for (; left > 0 && n < nevents; state->work->scanned++) {
        struct watched *entry = &entries[place];
        uint64_t token = state->watched.tokens[place];
        place = place + 1 < state->watched.count ? place + 1 : 0;
        for (int i = 0; i < SETS; i++)
            left -= entry->answer >> i & 1;
        uint32_t ready = entry->answer != 0 ? from_select(state, entry) : 0;
        if (ready != 0)
            events[n++] = (struct rouse_event){token, ready, 0};
    }
    state->next = left > 0 ? place : 0;
    return n;
}

static int select_poll(void *opaque, const struct rouse_change *changes, int nchanges,
                       struct rouse_event *events, int nevents, int64_t timeout_ns)
{
    struct select_state *state = opaque;
    if (nchanges > 0)
        return support_apply(state, select_apply, select_poll, changes, nchanges, events, nevents,
                             timeout_ns);

    u_int asked = select_ask(state);
    state->work->system_calls++;
    if (asked == 0) {
        SleepEx((DWORD)support_round_up(timeout_ns, 1000000, INT_MAX), TRUE); /* -1 is INFINITE */
        return 0;
    }
    int64_t us = support_round_up(timeout_ns, 1000, (int64_t)INT32_MAX * 1000);
    struct timeval timeout = {.tv_sec = (long)(us / 1000000), .tv_usec = (long)(us % 1000000)};
    int n = select(0, (fd_set *)set_at(state, READABLE), (fd_set *)set_at(state, WRITABLE),
                   (fd_set *)set_at(state, EXCEPTIONAL), us < 0 ? NULL : &timeout);

    state->work->descriptors += asked;
    state->work->bytes_in += SETS * sizeof(u_int) + asked * sizeof(SOCKET);
    if (n < 0 && WSAGetLastError() == WSAENOTSOCK)
        return select_find_closed(state, events, nevents);
    if (n <= 0)
        return n < 0 ? winsock_error() : 0;
    state->work->bytes_out += SETS * sizeof(u_int) + select_count(state) * sizeof(SOCKET);
    return select_collect(state, events, nevents);
}

const struct rouse_backend rouse_select_backend = {
    .abi = ROUSE_BACKEND_ABI,
    .traits = ROUSE_TRAIT_SCAN,
    .name = "select",
    .state_size = sizeof(struct select_state),
    .open = select_open,
    .close = select_close,
    .poll = select_poll,
    .drop = select_drop,
};
