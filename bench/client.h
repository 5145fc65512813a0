/*
 * The client of the workloads that need one: a process of its own, which makes connections to the
 * server that is measured, and requests on them.
 *
 * It is written on plain epoll, whatever the server runs on, so that every server has the same
 * client; and it never counts towards a measurement. It does one order of the server's after the
 * other, and answers each when it is done: when the answer is there, nothing is under way on any
 * connection.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stdint.h>

#define MESSAGE_SIZE 64 /* a request, and its answer */

enum order_kind {
    ORDER_CONNECT, /* make `count` connections, which stay; not answered */
    ORDER_LOOK,    /* watch the server for `count` milliseconds; answered by a struct rest */
    ORDER_ASK,     /* `requests` on the same `active` connections, one outstanding on each */
    ORDER_ROAM,    /* `requests`, `active` outstanding, each on the one quiet for longest */
    ORDER_PACE,    /* `requests` at a constant `rate`, whatever comes back */
    ORDER_STORM,   /* `requests` connections, each for one request, `active` of them at once */
    ORDER_END,     /* close all; answered by the end of the control socket */
};

struct order {
    enum order_kind kind;
    int port;
    long count;
    long active;
    long rate; /* requests a second */
    uint64_t requests;
};

/* Memory of both processes, for what ORDER_PACE has found. */
struct paced {
    uint64_t late_ns;        /* how long after it was due a request was sent, at most */
    uint64_t latencies_ns[]; /* how long after it was due each request was answered */
};

/* Serves the server, the child of this number, until it has had enough, and ends with its status.
 * `paced` may be NULL without ORDER_PACE. */
_Noreturn void client_run(int control, int server, struct paced *paced);

#endif
