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
#include "raw.h"

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
    long resident_before; /* kB, before the first connection */
    uint64_t answered;
    uint64_t until; /* the library's loop stops when so many have been */
};

/* From the command line. */
struct c10k_shape {
    long connections, active, idle_ms;
};

/* What the sockets of the control pair carry, in both directions. */
struct control_message {
    long port;
    long resident_before; /* kB */
    long resident_held;   /* kB, with all connections held */
    uint64_t requests;    /* that the client shall make now */
};

/* Echoes one message, in a raw loop. */
static inline void server_answer(struct server *server, struct connection *connection)
{
    char message[MESSAGE_SIZE];
    if (recv(connection->fd, message, sizeof message, 0) != sizeof message ||
        send(connection->fd, message, sizeof message, MSG_NOSIGNAL) != sizeof message)
        die("c10k: a message did not come or go whole");
    server->answered++;
}

/* The server's process: serves until all slices have been measured. */
void server_run(const char *backend, const struct c10k_shape *shape, int control,
                const struct plan *plan);

#endif
