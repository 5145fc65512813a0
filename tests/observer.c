/*
 * The observing backend: each function notes the call and hands it on. It costs a case a few
 * stores for each wait.
 *
 * SPDX-License-Identifier: MIT
 */
#include "observer.h"

#include "core/loop.h" /* system_table: what a system of a test's own falls back on */

struct observed observed;

static int observe_open(void *state, const struct rouse_setup *setup)
{
    observed.opens++;
    if (observed.open_fails > 0) {
        observed.open_fails--;
        snprintf(setup->why, setup->why_size, "this open was told to fail");
        return observed.open_error;
    }
    return observed.real->open(state, setup);
}

static void observe_close(void *state)
{
    observed.closes++;
    observed.real->close(state);
}

static int observe_poll(void *state, const struct rouse_change *changes, int nchanges,
                        struct rouse_event *events, int nevents, int64_t timeout)
{
    if (nchanges > 0)
        observed.last_change = changes[nchanges - 1];
    observed.changes += (unsigned)nchanges;
    if (timeout == 0) {
        observed.asks++;
    } else {
        observed.sleeps++;
        observed.timeout = timeout;
        if (observed.before_sleep != NULL)
            observed.before_sleep(timeout);
    }
    if (observed.poll_fails > 0) {
        observed.poll_fails--;
        return observed.poll_error;
    }
    int n = observed.real->poll(state, changes, nchanges, events, nevents,
                                observed.virtual_time ? 0 : timeout);
    observed.events += n > 0 ? (unsigned)n : 0;
    return n;
}

static void observe_drop(void *state, rouse_fd fd, uint64_t token)
{
    observed.drops++;
    observed.real->drop(state, fd, token);
}

static int64_t virtual_now(void)
{
    return observed.now;
}

struct rouse_backend observer_backend(const struct rouse_system *system)
{
    observed = (struct observed){.real = subject_backend(), .now = STAGE_START};
    struct rouse_backend backend = *observed.real;
    backend.open = observe_open;
    backend.close = observe_close;
    backend.poll = observe_poll;
    backend.drop = observe_drop;
    if (system != NULL)
        backend.system = system;
    return backend;
}

struct rouse_loop *observer_open(bool virtual_time)
{
    static struct rouse_backend backend; /* in use until the loop is closed */
    static struct rouse_system system;
    system = system_table;
    system.now = virtual_now;
    system.soon = NULL;
    backend = observer_backend(virtual_time ? &system : NULL);
    observed.virtual_time = virtual_time;
    struct rouse_config config = {
        .size = sizeof config, .own = &backend, .backend = subject_name()};
    struct rouse_loop *loop = NULL;
    CHECK_OK(NULL, rouse_open(&loop, &config));
    return loop;
}
