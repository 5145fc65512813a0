/*
 * sim:epoll (the model of 2002): backends/epoll.c on the machine of rouse/sim.h. The interest set
 * and the ready list are in eventpoll.c; on this side of the call there is not one array.
 *
 * What surprises: what surprises in epoll. Each change of interest is a system call, and a
 * registration belongs to the open file, not to the descriptor.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <string.h>

#include "rung.h"
#include "support.h"

struct epoll_state {
    struct sim_rung rung;
    int fd;
};

static uint32_t to_epoll(uint32_t want)
{
    return want & (ROUSE_READ | ROUSE_PRIORITY | ROUSE_WRITE | ROUSE_HANGUP | ROUSE_EDGE);
}

static int epoll_open(void *opaque, const struct rouse_setup *setup)
{
    static const char why[] = "the machine has no descriptor or no memory for an epoll";
    struct epoll_state *state = opaque;
    int error = rung_open(&state->rung, setup);
    if (error != 0)
        return error;
    state->fd = rouse_sim_epoll_create();
    if (state->fd >= 0)
        return 0;
    if (setup->why_size >= sizeof why)
        memcpy(setup->why, why, sizeof why);
    return state->fd;
}

static void epoll_close(void *opaque)
{
    struct epoll_state *state = opaque;
    rouse_sim_close(state->fd);
}

/* That it is gone already is as good. */
static void epoll_drop(void *opaque, rouse_fd fd, uint64_t token)
{
    (void)token;
    struct epoll_state *state = opaque;
    state->rung.work->system_calls++;
    rouse_sim_epoll_ctl(state->fd, ROUSE_SIM_REMOVE, fd, 0, 0);
}

/* As there: what is not held though it should be was closed, what is held already left behind. */
static int epoll_apply(void *opaque, const struct rouse_change *change)
{
    struct epoll_state *state = opaque;
    if (change->want == 0) {
        epoll_drop(state, change->fd, change->token);
        return 0;
    }
    rouse_fd fd = change->fd;
    uint32_t want = to_epoll(change->want);
    enum rouse_sim_op op = change->had != 0 ? ROUSE_SIM_MODIFY : ROUSE_SIM_ADD;
    int error = rouse_sim_epoll_ctl(state->fd, op, fd, want, change->token);
    state->rung.work->system_calls++;
    state->rung.work->descriptors++;
    state->rung.work->bytes_in += ROUSE_SIM_EVENT_SIZE;
    if (error == -EEXIST) {
        error = rouse_sim_epoll_ctl(state->fd, ROUSE_SIM_MODIFY, fd, want, change->token);
        state->rung.work->system_calls++;
    }
    if (error != 0 && change->had != 0)
        epoll_drop(state, change->fd, change->token);
    return error == -ENOENT ? -EBADF : error;
}

static int epoll_poll(void *opaque, const struct rouse_change *changes, int nchanges,
                      struct rouse_event *events, int nevents, int64_t timeout_ns)
{
    struct epoll_state *state = opaque;
    if (nchanges > 0)
        return support_apply(state, epoll_apply, epoll_poll, changes, nchanges, events, nevents,
                             timeout_ns);

    int error = rung_enter(&state->rung, &timeout_ns);
    if (error != 0)
        return error;
    int n = rung_leave(&state->rung, rouse_sim_epoll_wait(state->fd, events, nevents, timeout_ns));

    state->rung.work->system_calls++;
    if (n < 0)
        return n;
    state->rung.work->bytes_out += (uint64_t)n * ROUSE_SIM_EVENT_SIZE;
    state->rung.work->scanned += (uint64_t)n;
    return n;
}

const struct rouse_backend rouse_sim_epoll_backend = {
    .abi = ROUSE_BACKEND_ABI,
    .traits = ROUSE_TRAIT_EDGE | ROUSE_TRAIT_HANGUP | ROUSE_TRAIT_LESSON | ROUSE_TRAIT_OPT_IN,
    .name = "sim:epoll",
    .state_size = sizeof(struct epoll_state),
    .open = epoll_open,
    .close = epoll_close,
    .poll = epoll_poll,
    .drop = epoll_drop,
    .wake = rung_wake,
    .system = &rung_system,
};
