/*
 * The same work done by turns by several loops, in one process.
 *
 * Slices of some milliseconds alternate: the reference, a subject, the reference, another subject,
 * the reference ... Whatever drifts (the clock of the processor, a neighbour, the caches) hits both
 * alike, and the ratio of a slice to the mean of the reference before and after it is steady to a
 * percent where either time alone is steady to ten. The order of the subjects is drawn anew in each
 * round. Each slice opens a loop of its own, so that none finds another's registrations in the
 * kernel, and warms up before it is timed.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCH_CONTEST_H
#define BENCH_CONTEST_H

#include "subject.h"

/* Who takes part: a subject on one of its backends. */
struct entrant {
    const char *name; /* "libev:epoll" */
    const char *backend;
    const struct subject *subject;
    const struct workload *workload;
};

struct plan {
    long rounds;
    long slice_us; /* how much CPU time a slice of the reference should take */
    long events;   /* how many events a slice has; 0: as many as fit into slice_us */
    long seed;     /* of the order */
};

/* Runs the rounds and prints each slice as one line of JSON. The first entrant is the reference;
 * alone, it is measured alone. */
void contest_run(const struct entrant *entrants, int count, const struct shape *shape,
                 const struct plan *plan);

#endif
