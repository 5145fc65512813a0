/*
 * What every server of the benchmark has, whichever loop serves: a client, a listening socket, and
 * connections that have been accepted.
 *
 * Forking makes the measured process the child, and the one that was started the client; so the
 * CPU time and the memory that are measured are the server's alone. If there are two processors,
 * each process stays on one: a server that is moved to where its client runs, and back, as the
 * scheduler likes to, is another server each time.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include "client.h"
#include "process.h"
#include "subject.h"

struct server {
    struct shape shape;
    int control; /* to the client */
    int listener;
    int port;
    const struct paced *paced; /* what the last order has found */
    struct look look;
    int fds[]; /* shape.n connections */
};

/* Forks, and returns in the child, with n connections. See client_run() for `paced`. */
struct server *server_open(const struct shape *shape, struct paced *paced);

/* Closes all connections; the client first, by a reset, so that no port of either side is kept for
 * a minute. */
void server_close(struct server *server);

/* Orders requests of this kind; returns at once. */
void server_order(const struct server *server, enum order_kind kind, uint64_t requests);

/* Waits until the client has done what it was ordered to do. */
void server_wait(const struct server *server);

#endif
