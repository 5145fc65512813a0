/*
 * select (4.2BSD, 1983): three bitmaps in, three bitmaps out.
 *
 * The bitmaps are the whole conversation: the kernel keeps nothing between two calls, so each call
 * carries the interest in every descriptor in, and overwrites it with the answer. It costs by the
 * highest descriptor, not by the count of those watched: the kernel walks the bits up to it, and
 * for each that is set asks the file whether it is ready and links the thread into its wait queue;
 * and when it returns, we walk the same bits again to learn which they were. All that for each
 * wait: O(N).
 *
 * What surprises: a descriptor at or above FD_SETSIZE (1024) has no bit, and setting it writes past
 * the bitmap, so it is refused. One closed descriptor fails the whole call without saying which.
 * The answer cannot tell a hangup or an error from data.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/select.h>

#include "support.h"

enum { READABLE, WRITABLE, EXCEPTIONAL, SETS };

/* Where FD_SET and its like are plain C, as in musl, they calculate with an unsigned long. */
#pragma GCC diagnostic ignored "-Wsign-conversion"

struct select_state {
    struct rouse_allocator allocator;
    struct rouse_work *work;
    fd_set wanted[SETS];
    uint64_t *tokens; /* by descriptor */
    uint32_t capacity;
    int bound; /* one more than the highest descriptor wanted: how far everybody walks */
    int next;  /* where the walk begins, so that nobody starves behind a full array of events */
};

static void to_select(struct select_state *state, rouse_fd fd, uint32_t want)
{
    static const uint32_t bits[SETS] = {ROUSE_READ, ROUSE_WRITE, ROUSE_PRIORITY};
    for (int i = 0; i < SETS; i++)
        if (want & bits[i])
            FD_SET(fd, &state->wanted[i]);
        else
            FD_CLR(fd, &state->wanted[i]);
}

static uint32_t from_select(fd_set answer[SETS], rouse_fd fd)
{
    return (FD_ISSET(fd, &answer[READABLE]) ? (uint32_t)ROUSE_READ : 0) |
           (FD_ISSET(fd, &answer[WRITABLE]) ? (uint32_t)ROUSE_WRITE : 0) |
           (FD_ISSET(fd, &answer[EXCEPTIONAL]) ? (uint32_t)ROUSE_PRIORITY : 0);
}

static int select_open(void *opaque, const struct rouse_setup *setup)
{
    struct select_state *state = opaque;
    state->allocator = setup->allocator;
    state->work = setup->work;
    for (int i = 0; i < SETS; i++)
        FD_ZERO(&state->wanted[i]);
    return 0;
}

static void select_close(void *opaque)
{
    struct select_state *state = opaque;
    memory_free(&state->allocator, state->tokens, state->capacity * sizeof *state->tokens);
}

static bool is_wanted(const struct select_state *state, rouse_fd fd)
{
    return FD_ISSET(fd, &state->wanted[READABLE]) || FD_ISSET(fd, &state->wanted[WRITABLE]) ||
           FD_ISSET(fd, &state->wanted[EXCEPTIONAL]);
}

static void select_drop(void *opaque, rouse_fd fd, uint64_t token)
{
    (void)token;
    struct select_state *state = opaque;
    to_select(state, fd, 0);
    while (state->bound > 0 && !is_wanted(state, state->bound - 1))
        state->bound--;
}

static int select_apply(void *opaque, const struct rouse_change *change)
{
    struct select_state *state = opaque;
    if (change->fd < 0 || change->fd >= FD_SETSIZE)
        return -ERANGE;
    select_drop(state, change->fd, change->token);
    if (change->want == 0)
        return 0;
    /* Linux passes over a descriptor beyond the process's table in silence, so it is asked for
     * here. */
    state->work->system_calls++;
    if (fcntl(change->fd, F_GETFD) == -1)
        return -EBADF;
    void *tokens = state->tokens;
    int error = memory_grow(&state->allocator, &tokens, &state->capacity, (uint32_t)change->fd + 1,
                            sizeof *state->tokens);
    if (error != 0)
        return error;
    state->tokens = tokens;
    state->tokens[change->fd] = change->token;
    to_select(state, change->fd, change->want);
    if (change->fd >= state->bound)
        state->bound = change->fd + 1;
    return 0;
}

/* EBADF: some descriptor was closed behind the loop's back. Finds and forgets it. */
static int select_find_closed(struct select_state *state, struct rouse_event *events, int nevents)
{
    int n = 0;
    for (rouse_fd fd = 0; fd < state->bound && n < nevents; fd++) {
        if (!is_wanted(state, fd))
            continue;
        state->work->system_calls++;
        if (fcntl(fd, F_GETFD) == -1)
            events[n++] = (struct rouse_event){state->tokens[fd], ROUSE_ERROR, -EBADF};
    }
    for (int i = 0; i < n; i++)
        for (rouse_fd fd = 0; fd < state->bound; fd++)
            if (is_wanted(state, fd) && state->tokens[fd] == events[i].token)
                to_select(state, fd, 0);
    return n;
}

/* Walks the bits around, from where the last walk stopped, until all `left` that are set are found.
 */
static int select_collect(struct select_state *state, fd_set answer[SETS], int left,
                          struct rouse_event *events, int nevents)
{
    int bound = state->bound;
    rouse_fd start = state->next < bound ? state->next : 0;
    rouse_fd fd = start;
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
    state->work->scanned += (uint64_t)(fd > start ? fd - start : fd + bound - start);
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

    fd_set answer[SETS] = {state->wanted[0], state->wanted[1], state->wanted[2]};
    int64_t us = support_round_up(timeout_ns, 1000, (int64_t)INT32_MAX * 1000);
    struct timeval timeout = {.tv_sec = (time_t)(us / 1000000),
                              .tv_usec = (suseconds_t)(us % 1000000)};
    int n = select(state->bound, &answer[READABLE], &answer[WRITABLE], &answer[EXCEPTIONAL],
                   us < 0 ? NULL : &timeout);

    int bytes = SETS * ((state->bound + 7) / 8);
    state->work->system_calls++;
    state->work->descriptors += (uint64_t)state->bound;
    state->work->bytes_in += (uint64_t)bytes;
    if (n < 0 && errno == EBADF)
        return select_find_closed(state, events, nevents);
    if (n < 0 && errno != EINTR)
        return -errno;
    if (n <= 0) /* the answer is undefined, or still the question */
        return 0;
    state->work->bytes_out += (uint64_t)bytes;
    return select_collect(state, answer, n, events, nevents);
}

const struct rouse_backend rouse_select_backend = {
    .abi = ROUSE_BACKEND_ABI,
    .traits = ROUSE_TRAIT_SCAN,
    .name = "select",
    .state_size = sizeof(struct select_state),
    .fd_limit = FD_SETSIZE,
    .open = select_open,
    .close = select_close,
    .poll = select_poll,
    .drop = select_drop,
};
