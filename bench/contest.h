/*
 * The same work done by turns by two loops, the library's and a raw one, in one process.
 *
 * Slices of some milliseconds alternate: rouse raw, raw rouse, rouse raw ... Whatever drifts (the
 * clock of the processor, a neighbour, the caches) hits both alike, and the ratio of the two slices
 * of a pair is steady to a percent where either time alone is steady to ten. Each slice makes its
 * set of descriptors anew, so that neither loop finds the other's registrations in the kernel, and
 * warms up before it is timed.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCH_CONTEST_H
#define BENCH_CONTEST_H

#include "meter.h"

/* A slice: serves `warmup` events untimed and then exactly `events`, or dies. */
typedef void slice_fn(void *work, uint64_t warmup, uint64_t events, struct sample *sample);

struct contest {
    const char *label; /* JSON members that say what is measured */
    uint64_t active;   /* how many events are there at once; a slice has whole rounds of them */
    void *work;
    slice_fn *rouse;
    slice_fn *raw; /* NULL: there is no raw loop for this backend */
};

struct plan {
    long pairs;
    long slice_us; /* how much CPU time a slice should take */
    long events;   /* how many events a slice has; 0: as many as fit into slice_us */
    long rouse;    /* whether to run the library's loop */
    long raw;      /* whether to run the raw one */

    const char *against; /* run the raw loop of this backend; NULL: of the one that is measured */
};

/* Runs the pairs and prints each slice as one line of JSON. */
void contest_run(const struct contest *contest, const struct plan *plan);

#endif
