/*
 * Backends with a planted fault, wrapped around a real one: what the differential test must find,
 * and shrink to a few operations, before its silence about the real ones means anything.
 *
 * SPDX-License-Identifier: MIT
 */
#include "differential.h"

#include <string.h>

static const struct rouse_backend *real;
static struct rouse_backend faulty;

/* Loses every fifth event. */
static unsigned events_seen;

static int losing_open(void *state, const struct rouse_setup *setup)
{
    events_seen = 0;
    return real->open(state, setup);
}

static int losing_poll(void *state, const struct rouse_change *changes, int nchanges,
                       struct rouse_event *events, int nevents, int64_t timeout_ns)
{
    int n = real->poll(state, changes, nchanges, events, nevents, timeout_ns);
    int kept = 0;
    for (int i = 0; i < n; i++)
        if (events[i].result != 0 || ++events_seen % 5 != 0)
            events[kept++] = events[i];
    return n < 0 ? n : kept;
}

const struct rouse_backend *fault_losing(const struct rouse_backend *backend)
{
    real = backend;
    faulty = *backend;
    faulty.open = losing_open;
    faulty.poll = losing_poll;
    return &faulty;
}

/* Reports once more, in a later turn, what was dropped. */
static uint64_t dropped;
static int waits_until_reported;

static int stale_open(void *state, const struct rouse_setup *setup)
{
    dropped = 0;
    return real->open(state, setup);
}

static void stale_drop(void *state, rouse_fd fd, uint64_t token)
{
    dropped = token;
    waits_until_reported = 2;
    real->drop(state, fd, token);
}

static int stale_poll(void *state, const struct rouse_change *changes, int nchanges,
                      struct rouse_event *events, int nevents, int64_t timeout_ns)
{
    int n = real->poll(state, changes, nchanges, events, nevents, timeout_ns);
    if (n < 0 || n == nevents || dropped == 0 || --waits_until_reported > 0)
        return n;
    events[n] = (struct rouse_event){.token = dropped, .ready = ROUSE_READ};
    dropped = 0;
    return n + 1;
}

const struct rouse_backend *fault_stale(const struct rouse_backend *backend)
{
    real = backend;
    faulty = *backend;
    faulty.open = stale_open;
    faulty.drop = stale_drop;
    faulty.poll = stale_poll;
    return &faulty;
}
