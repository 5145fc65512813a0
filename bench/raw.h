/*
 * A raw loop: the workloads written by hand on one bare system call.
 *
 * This is what the library is measured against, so it is the fastest plain code there is: level
 * triggered (but on io_uring, which has no levels: see there), no timeout, no table of callbacks,
 * no error handling but to give up. The work for an event is inlined from the header of the
 * workload, and the library's callback runs the same lines.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCH_RAW_H
#define BENCH_RAW_H

#include <stdint.h>

struct idle;
struct chain;
struct server;

struct raw {
    const char *name; /* of the backend that waits with the same system call */

    void *(*open)(int count, int edge); /* a set for so many descriptors; `edge` where it matters */
    void (*watch)(void *set, int fd, int index); /* for reading; indices run from 0 up */
    void (*close)(void *set);

    /* Each serves events until so many have been served. */
    void (*idle)(void *set, struct idle *idle, uint64_t until);
    void (*chain)(void *set, struct chain *chain, uint64_t until);
    void (*serve)(void *set, struct server *server, uint64_t until);
};

/* The raw loop of a backend; NULL if there is none. */
const struct raw *raw_find(const char *name);

/* That of the backend `against` if one is named, else that of `backend`. Dies if the one that is
 * named has none. */
const struct raw *raw_choose(const char *backend, const char *against);

#endif
