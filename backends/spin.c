/*
 * spin (older than select): nobody sleeps, and whatever is watched is assumed to be ready.
 *
 * A backend says which descriptors are ready. This one asks nobody: it hands back what is wanted as
 * what is ready, in every call, and returns at once. So nothing is ever missed, and it makes not
 * one system call. The price is paid by those who are told: every read, write and accept is tried
 * in every turn, nearly all of them to hear EAGAIN, and the processor is never idle, with traffic
 * or without. To ask the kernel who is ready, and to sleep until somebody is, is what all the other
 * backends are for.
 *
 * What surprises: the same programs run on it, for rouse_read() and its like say EAGAIN, which
 * means "not now" on every backend. Only who believes without trying is deceived: a one-shot
 * watcher has had its shot, a connect under way looks made, and urgent data is not there (PRIORITY
 * is guessed too, or it would be missed; recv(MSG_OOB) then says EINVAL). Of a descriptor that was
 * closed behind our back nobody is told but by the EBADF of what he tries. And a loop that always
 * has something to try never idles: a clock of the user's own must move by itself.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "support.h"

struct spin_state {
    struct rouse_allocator allocator;
    struct rouse_work *work;
    struct rouse_event *guesses; /* by slot: what to report; `ready` 0: nothing */
    uint32_t capacity;
    uint32_t next; /* where the walk begins, so that nobody starves behind a full array of events */
};

static uint32_t from_spin(uint32_t want)
{
    return want & (ROUSE_READ | ROUSE_PRIORITY | ROUSE_WRITE);
}

static int spin_open(void *opaque, const struct rouse_setup *setup)
{
    struct spin_state *state = opaque;
    state->allocator = setup->allocator;
    state->work = setup->work;
    return 0;
}

static void spin_close(void *opaque)
{
    struct spin_state *state = opaque;
    memory_free(&state->allocator, state->guesses, state->capacity * sizeof *state->guesses);
}

/* There is no place for a slot whose change was refused for want of memory. */
static void spin_drop(void *opaque, rouse_fd fd, uint64_t token)
{
    (void)fd;
    struct spin_state *state = opaque;
    if (ROUSE_SLOT(token) < state->capacity)
        state->guesses[ROUSE_SLOT(token)].ready = 0;
}

static int spin_apply(void *opaque, const struct rouse_change *change)
{
    struct spin_state *state = opaque;
    uint32_t slot = ROUSE_SLOT(change->token);
    uint32_t old = state->capacity;
    void *guesses = state->guesses;
    int error = memory_grow(&state->allocator, &guesses, &state->capacity, slot + 1,
                            sizeof *state->guesses);
    if (error != 0)
        return error;
    state->guesses = guesses;
    memset(state->guesses + old, 0, (state->capacity - old) * sizeof *state->guesses);
    state->guesses[slot] = (struct rouse_event){change->token, from_spin(change->want), 0};
    return 0;
}

/* However long it may sleep, it does not. */
static int spin_poll(void *opaque, const struct rouse_change *changes, int nchanges,
                     struct rouse_event *events, int nevents, int64_t timeout_ns)
{
    struct spin_state *state = opaque;
    if (nchanges > 0)
        return support_apply(state, spin_apply, spin_poll, changes, nchanges, events, nevents,
                             timeout_ns);

    const struct rouse_event *guesses = state->guesses;
    uint32_t at = state->next;
    uint32_t left = state->capacity;
    int n = 0;
    for (; left > 0 && n < nevents; left--) {
        if (guesses[at].ready != 0)
            events[n++] = guesses[at];
        at = at + 1 < state->capacity ? at + 1 : 0;
    }
    state->next = at;
    state->work->scanned += state->capacity - left;
    return n;
}

/* Nobody sleeps who would have to be woken; the loop looks for what was posted after each poll. */
static int spin_wake(void *opaque)
{
    (void)opaque;
    return 0;
}

const struct rouse_backend rouse_spin_backend = {
    .abi = ROUSE_BACKEND_ABI,
    .traits = ROUSE_TRAIT_GUESS | ROUSE_TRAIT_LESSON | ROUSE_TRAIT_OPT_IN,
    .name = "spin",
    .state_size = sizeof(struct spin_state),
    .open = spin_open,
    .close = spin_close,
    .poll = spin_poll,
    .drop = spin_drop,
    .wake = spin_wake,
};
