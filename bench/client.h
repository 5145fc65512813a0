/*
 * Workload `c10k`, the client: opens the connections, keeps a few of them busy, and looks at the
 * server's CPU clock while all are idle.
 *
 * It is written on plain epoll, whatever the server runs on, so that every server has the same
 * client. It never counts towards a measurement.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include "server.h"

/* Drives the server of process `pid` until it says that it has done; prints what it saw of it. */
void client_run(const char *backend, const struct c10k_shape *shape, int control, int pid);

#endif
