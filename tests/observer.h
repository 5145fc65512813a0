/*
 * A backend that stands between the loop and the backend under test: it hands every call on, counts
 * what passes, and lets a case act at the moment at which the loop goes to sleep, which is the one
 * moment that no callback can reach. It can also fail where the real one would not.
 *
 * It is handed over as config.own, and so shows that a user can do the same. One loop at a time:
 * the functions of a backend get nothing but their state, so what they note lies in `observed`.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef OBSERVER_H
#define OBSERVER_H

#include <rouse/backend.h>

#include "stage.h"
#include "subject.h"

struct observed {
    const struct rouse_backend *real;
    unsigned opens;
    unsigned closes;
    unsigned asks;    /* polls with timeout 0 */
    unsigned sleeps;  /* polls with leave to sleep */
    unsigned changes; /* handed over in polls */
    unsigned drops;
    unsigned events;
    int64_t timeout; /* of the last sleep */
    struct rouse_change last_change;

    /* Called when the loop is about to sleep, before the real wait, with how long it may. */
    void (*before_sleep)(int64_t timeout);

    /* With virtual time a sleep does not reach the kernel: before_sleep() moves the time, and the
     * real backend is only asked. */
    bool virtual_time;
    int64_t now;

    /* Failures to come: the next `open_fails` opens return `open_error`, and likewise for polls. */
    int open_fails;
    int open_error;
    int poll_fails;
    int poll_error;
};

extern struct observed observed;

/* Opens a loop on the observed backend. With `virtual_time` its clock stands at STAGE_START and
 * moves only when a case moves observed.now; unlike config.clock this leaves the sleeping to the
 * backend, so that its waits can be counted. */
struct rouse_loop *observer_open(bool virtual_time);

/* The same, for a case that configures more; it names subject_name() beside it. `system` may be
 * NULL. */
struct rouse_backend observer_backend(const struct rouse_system *system);

#endif
