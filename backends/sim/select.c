/*
 * sim:select (the model of 1983): backends/select.c on the machine of rouse/sim.h. Three bitmaps go
 * in and come out for each wait, and the machine walks them: see walk.c.
 *
 * What surprises: what surprises in select. It costs by the highest descriptor, those from
 * ROUSE_SIM_SETSIZE on have no bit, and one that was closed fails the whole call.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>

#include "rung.h"
#include "support.h"

enum { READABLE, WRITABLE, EXCEPTIONAL, SETS };

struct select_state {
    struct sim_rung rung;
    struct rouse_allocator allocator;
    struct rouse_sim_set wanted[SETS];
    uint64_t *tokens; /* by descriptor */
    uint32_t capacity;
    int bound; /* one more than the highest descriptor wanted: how far everybody walks */
    int next;  /* where the walk begins, so that nobody starves behind a full array of events */
};

static const uint32_t bits[SETS] = {ROUSE_READ, ROUSE_WRITE, ROUSE_PRIORITY};

static void to_select(struct select_state *state, int fd, uint32_t want)
{
    for (int i = 0; i < SETS; i++) {
        uint64_t bit = UINT64_C(1) << fd % 64;
        uint64_t *word = &state->wanted[i].words[fd / 64];
        *word = want & bits[i] ? *word | bit : *word & ~bit;
    }
}

static uint32_t from_select(const struct rouse_sim_set sets[SETS], int fd)
{
    uint32_t ready = 0;
    for (int i = 0; i < SETS; i++)
        if (sets[i].words[fd / 64] >> fd % 64 & 1)
            ready |= bits[i];
    return ready;
}

static int select_open(void *opaque, const struct rouse_setup *setup)
{
    struct select_state *state = opaque;
    state->allocator = setup->allocator;
    return rung_open(&state->rung, setup);
}

static void select_close(void *opaque)
{
    struct select_state *state = opaque;
    memory_free(&state->allocator, state->tokens, state->capacity * sizeof *state->tokens);
}

static void select_drop(void *opaque, rouse_fd fd, uint64_t token)
{
    (void)token;
    struct select_state *state = opaque;
    to_select(state, (int)fd, 0);
    while (state->bound > 0 && from_select(state->wanted, state->bound - 1) == 0)
        state->bound--;
}

static int select_apply(void *opaque, const struct rouse_change *change)
{
    struct select_state *state = opaque;
    int fd = (int)change->fd;
    if (fd < 0 || fd >= ROUSE_SIM_SETSIZE)
        return -ERANGE;
    select_drop(state, fd, change->token);
    if (change->want == 0)
        return 0;
    state->rung.work->system_calls++; /* fcntl(2) there */
    if (rung_system.check(fd) != 0)
        return -EBADF;
    void *tokens = state->tokens;
    int error = memory_grow(&state->allocator, &tokens, &state->capacity, (uint32_t)fd + 1,
                            sizeof *state->tokens);
    if (error != 0)
        return error;
    state->tokens = tokens;
    state->tokens[fd] = change->token;
    to_select(state, fd, change->want);
    if (fd >= state->bound)
        state->bound = fd + 1;
    return 0;
}

/* -EBADF: some descriptor was closed behind the loop's back. Finds and forgets it. */
static int select_find_closed(struct select_state *state, struct rouse_event *events, int nevents)
{
    int n = 0;
    for (int fd = 0; fd < state->bound && n < nevents; fd++) {
        if (from_select(state->wanted, fd) == 0)
            continue;
        state->rung.work->system_calls++;
        if (rung_system.check(fd) == 0)
            continue;
        events[n++] = (struct rouse_event){state->tokens[fd], ROUSE_ERROR, -EBADF};
        to_select(state, fd, 0);
    }
    return n;
}

/* Walks the bits around, from where the last walk stopped, until all `left` that are set are found.
 */
static int select_collect(struct select_state *state, const struct rouse_sim_set answer[SETS],
                          int left, struct rouse_event *events, int nevents)
{
    int bound = state->bound;
    int start = state->next < bound ? state->next : 0;
    int fd = start;
    int n = 0;
    while (left > 0 && n < nevents) {
        uint32_t ready;
        while ((ready = from_select(answer, fd)) == 0)
            fd = fd + 1 < bound ? fd + 1 : 0;
        events[n++] = (struct rouse_event){state->tokens[fd], ready, 0};
        left -= (ready & ROUSE_READ ? 1 : 0) + (ready & ROUSE_WRITE ? 1 : 0) +
                (ready & ROUSE_PRIORITY ? 1 : 0);
        fd = fd + 1 < bound ? fd + 1 : 0;
    }
    state->rung.work->scanned += (uint64_t)(fd > start ? fd - start : fd + bound - start);
    state->next = left > 0 ? fd : 0;
    return n;
}

static int select_poll(void *opaque, const struct rouse_change *changes, int nchanges,
                       struct rouse_event *events, int nevents, int64_t timeout_ns)
{
    struct select_state *state = opaque;
    if (nchanges > 0)
        return support_apply(state, select_apply, select_poll, changes, nchanges, events, nevents,
                             timeout_ns);

    struct rouse_sim_set answer[SETS] = {state->wanted[0], state->wanted[1], state->wanted[2]};
    int error = rung_enter(&state->rung, &timeout_ns);
    if (error != 0)
        return error;
    int n = rouse_sim_select(state->bound, &answer[READABLE], &answer[WRITABLE],
                             &answer[EXCEPTIONAL], timeout_ns);
    n = rung_leave(&state->rung, n);

    struct rouse_work *work = state->rung.work;
    int bytes = SETS * ((state->bound + 7) / 8);
    work->system_calls++;
    work->descriptors += (uint64_t)state->bound;
    work->bytes_in += (uint64_t)bytes;
    if (n == -EBADF)
        return select_find_closed(state, events, nevents);
    if (n <= 0)
        return n;
    work->bytes_out += (uint64_t)bytes;
    return select_collect(state, answer, n, events, nevents);
}

const struct rouse_backend rouse_sim_select_backend = {
    .abi = ROUSE_BACKEND_ABI,
    .traits = ROUSE_TRAIT_SCAN | ROUSE_TRAIT_LESSON | ROUSE_TRAIT_OPT_IN,
    .name = "sim:select",
    .state_size = sizeof(struct select_state),
    .fd_limit = ROUSE_SIM_SETSIZE,
    .open = select_open,
    .close = select_close,
    .poll = select_poll,
    .drop = select_drop,
    .wake = rung_wake,
    .system = &rung_system,
};
