/*
 * sim:poll (the model of 1986): backends/poll.c on the machine of rouse/sim.h. The array goes in
 * and out for each wait, and the machine walks it: see walk.c.
 *
 * What surprises: what surprises in poll. An entry that wants nothing still reports hangup and
 * errors, so silence needs the entry gone.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>

#include "dense.h"
#include "rung.h"

struct poll_state {
    struct sim_rung rung;
    struct dense watched; /* its entries are what the machine is handed */
    uint32_t next; /* where the walk begins, so that nobody starves behind a full array of events */
};

static uint16_t to_poll(uint32_t want)
{
    return (uint16_t)(want & (ROUSE_READ | ROUSE_PRIORITY | ROUSE_WRITE | ROUSE_HANGUP));
}

static int poll_open(void *opaque, const struct rouse_setup *setup)
{
    struct poll_state *state = opaque;
    state->watched =
        (struct dense){.allocator = setup->allocator, .size = sizeof(struct rouse_sim_pollfd)};
    return rung_open(&state->rung, setup);
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
    struct rouse_sim_pollfd *entries = state->watched.entries;
    entries[place] = (struct rouse_sim_pollfd){.fd = change->fd, .want = to_poll(change->want)};
    return 0;
}

/* Walks the entries around, from where the last walk stopped, until all `left` that are ready are
 * found. */
static int poll_collect(struct poll_state *state, int left, struct rouse_event *events, int nevents)
{
    const struct rouse_sim_pollfd *entries = state->watched.entries;
    uint32_t count = state->watched.count;
    uint32_t start = state->next < count ? state->next : 0;
    uint32_t place = start;
    int n = 0;
    for (; left > 0 && n < nevents; left--) {
        while (entries[place].ready == 0)
            place = place + 1 < count ? place + 1 : 0;
        bool gone = entries[place].ready & ROUSE_SIM_CLOSED;
        uint32_t ready = gone ? (uint32_t)ROUSE_ERROR : entries[place].ready;
        events[n++] = (struct rouse_event){state->watched.tokens[place], ready, gone ? -EBADF : 0};
        place = place + 1 < count ? place + 1 : 0;
    }
    state->rung.work->scanned += place > start ? place - start : place + count - start;
    state->next = left > 0 ? place : 0;
    for (int i = 0; i < n; i++)
        if (events[i].result == -EBADF)
            poll_drop(state, -1, events[i].token);
    return n;
}

static int poll_poll(void *opaque, const struct rouse_change *changes, int nchanges,
                     struct rouse_event *events, int nevents, int64_t timeout_ns)
{
    struct poll_state *state = opaque;
    if (nchanges > 0)
        return support_apply(state, poll_apply, poll_poll, changes, nchanges, events, nevents,
                             timeout_ns);

    struct rouse_sim_pollfd *entries = state->watched.entries;
    uint32_t count = state->watched.count;
    int error = rung_enter(&state->rung, &timeout_ns);
    if (error != 0)
        return error;
    int n = rung_leave(&state->rung, rouse_sim_poll(entries, count, timeout_ns));

    struct rouse_work *work = state->rung.work;
    work->system_calls++;
    work->descriptors += count;
    work->bytes_in += (uint64_t)count * ROUSE_SIM_ENTRY_SIZE;
    if (n <= 0)
        return n;
    work->bytes_out += (uint64_t)count * sizeof entries->ready;
    return poll_collect(state, n, events, nevents);
}

const struct rouse_backend rouse_sim_poll_backend = {
    .abi = ROUSE_BACKEND_ABI,
    .traits = ROUSE_TRAIT_HANGUP | ROUSE_TRAIT_SCAN | ROUSE_TRAIT_LESSON | ROUSE_TRAIT_OPT_IN,
    .name = "sim:poll",
    .state_size = sizeof(struct poll_state),
    .open = poll_open,
    .close = poll_close,
    .poll = poll_poll,
    .drop = poll_drop,
    .wake = rung_wake,
    .system = &rung_system,
};
