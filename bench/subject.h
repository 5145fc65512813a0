/*
 * What a benchmark is made of: subjects, which are event loops, and workloads, which they all do.
 *
 * A subject is one file, subjects/NAME.c: some ten short functions that say how its loop is opened,
 * a descriptor watched, a timer started. A workload is one file, workloads/NAME.h: the work itself,
 * written once in these functions. Each subject includes all workloads behind its functions and is
 * compiled to a module of its own, so that nothing stands between the loop and the work: the
 * callback that libev calls is the workload's own function, and a raw loop has it inlined. What
 * one writes by hand for that loop and that work is what is measured.
 *
 * Modules are loaded with their own symbols only: libev brings functions with the names of
 * libevent's.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCH_SUBJECT_H
#define BENCH_SUBJECT_H

#include "meter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOT __attribute__((always_inline)) inline

/* The settings of a workload, from the command line. Each workload says what it makes of them. */
struct shape {
    long n;       /* descriptors, timers, connections */
    long active;  /* how many of them are active at once */
    long timers;  /* so many are pending, far away */
    long rate;    /* requests a second */
    long threads; /* loops or wakers */
    long idle_ms; /* how long one that should sleep is watched */
};

/* A workload as one subject does it. */
struct workload {
    const char *name;
    /* What all subjects share, descriptors above all: made once in a process, by the subject that
     * is the reference, and handed to each slice of each subject. */
    void *(*open)(const struct shape *shape);
    void (*close)(void *stage);
    /* Opens a loop on the backend, serves `warmup` events untimed and then exactly `events`, which
     * it measures, and closes the loop. Dies if it is other events or another backend. */
    void (*slice)(void *stage, const char *backend, uint64_t warmup, uint64_t events,
                  struct sample *sample);
    /* How many events come in one piece; `events` is a multiple of it. */
    uint64_t (*piece)(const struct shape *shape);
};

/* How a subject stands with one of its backends, here and now. */
struct standing {
    bool built;    /* compiled in */
    bool works;    /* a loop can be opened */
    bool lesson;   /* there to be understood, not to be used */
    int fd_limit;  /* descriptors from here on cannot be watched; 0: all can */
    char why[256]; /* it does not work */
};

/* A module exports one of these, by the name `subject`. */
struct subject {
    const char *name;
    const char *(*version)(void);
    const char *const *backends; /* up to a NULL */
    struct standing (*standing)(const char *backend);
    const struct workload *workloads; /* up to one without a name */
};

#endif
