/*
 * Workload `chain`: n pipes in a ring, through which a bytes travel; the classic benchmark of event
 * loops.
 *
 * Each callback reads a byte from its pipe and writes one to the next, so that a pipes are ready in
 * every turn, and never the same ones. The bytes start n/a pipes apart. The ring does not join
 * neighbours: the next pipe is 0.62 n further on, so that in a slice too short to go round, the
 * active one has been everywhere in the arrays of poll and select, which are walked from one end.
 * Exactly as many hops are made as were asked for: the last bytes are read and not sent on,
 * so the pipes are empty when a slice ends. The write ends are numbered above all the read ends,
 * which leaves the low numbers to select.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCH_CHAIN_H
#define BENCH_CHAIN_H

#include "contest.h"
#include "raw.h"

#include <errno.h>
#include <unistd.h>

struct chain_link {
    struct rouse_io io;
    struct chain *chain;
    int from; /* where it reads */
    int to;   /* and where it writes: the next pipe */
};

struct chain {
    const char *backend;
    const struct raw *raw;
    int count;
    int active;
    int stride; /* from a pipe to the next in the ring */
    int timers; /* so many are pending in the library's loop, far away */
    int edge;   /* whether the library watches edges */
    struct chain_link *links;
    struct rouse_loop *loop;
    uint64_t hops;   /* bytes read */
    uint64_t until;  /* the library's loop stops when so many have been */
    uint64_t writes; /* how many may still be sent on */
    uint64_t empty;  /* reads that found nothing: reports that were wrong */
};

static inline void chain_send(struct chain *chain, const struct chain_link *link)
{
    if (chain->writes == 0)
        return;
    chain->writes--;
    if (write(link->to, "", 1) != 1)
        die("chain: cannot write to pipe %d", link->to);
}

static inline void chain_hop(struct chain *chain, struct chain_link *link)
{
    char byte;
    if (read(link->from, &byte, 1) == 1) {
        chain->hops++;
        chain_send(chain, link);
    } else if (errno == EAGAIN) {
        chain->empty++;
    } else {
        die("chain: cannot read pipe %d", link->from);
    }
}

/* The hop of a raw loop that is told of edges: it must leave nothing behind. It offers more room
 * than a byte, and a short count is how it knows, without a second read. */
static inline void chain_drain(struct chain *chain, struct chain_link *link)
{
    char bytes[64];
    ssize_t got = read(link->from, bytes, sizeof bytes);
    if (got == sizeof bytes || (got <= 0 && errno != EAGAIN))
        die("chain: cannot drain pipe %d", link->from);
    if (got < 0)
        chain->empty++;
    for (; got > 0; got--) {
        chain->hops++;
        chain_send(chain, link);
    }
}

/* What a chain is made of; from the command line. */
struct chain_shape {
    long n, active, timers, edge;
};

/* Prints one sample per slice. */
void chain_measure(const char *backend, const struct chain_shape *shape, const struct plan *plan);

#endif
