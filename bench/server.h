/*
 * Workload `c10k`, the server: echoes messages on thousands of TCP connections, of which a few are
 * active.
 *
 * It is a process of its own, so that its CPU time and its memory are the server's alone. First it
 * accepts every connection through the library and holds them, asleep, while the client looks at
 * its CPU clock. Then the library and the raw loop serve requests by turns, each slice over the
 * same connections. A control socket tells the client how many requests to make.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include "contest.h"
#include "process.h"
#include "raw.h"

#include <errno.h>
#include <sys/socket.h>

#define MESSAGE_SIZE 64

struct connection {
    struct rouse_io io;
    struct server *server;
    int fd;
};

struct server {
    const char *backend;
    const struct raw *raw;
    struct rouse_loop *loop;
    struct connection listener;
    struct connection control; /* to the client */
    struct connection *connections;
    int count;
    int accepted;
    struct footprint before; /* the first connection */
    uint64_t answered;
    uint64_t until; /* the library's loop stops when so many have been */
    uint64_t empty; /* reads that found nothing: reports that were wrong */
};

/* From the command line. */
struct c10k_shape {
    long connections, active, idle_ms;
};

/* What the sockets of the control pair carry, in both directions. */
struct control_message {
    long port;
    uint64_t requests;             /* that the client shall make now */
    struct footprint before, held; /* without a connection, and with all of them */
};

/* Echoes one message, in a raw loop. */
static inline void server_answer(struct server *server, struct connection *connection)
{
    char message[MESSAGE_SIZE];
    ssize_t got = recv(connection->fd, message, sizeof message, 0);
    if (got < 0 && errno == EAGAIN)
        server->empty++;
    else if (got != sizeof message ||
             send(connection->fd, message, sizeof message, MSG_NOSIGNAL) != sizeof message)
        die("c10k: a message did not come or go whole");
    else
        server->answered++;
}

/* The server's process: serves until all slices have been measured. */
void server_run(const char *backend, const struct c10k_shape *shape, int control,
                const struct plan *plan);

#endif
