/*
 * Workload `c10k`: an echo server that holds ten thousand connections, and its client, each a
 * process of its own with a limit of descriptors of its own. See server.h and client.h.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCH_C10K_H
#define BENCH_C10K_H

#include "server.h"

/* Prints what it costs to hold the connections, and one sample per slice of requests. */
void c10k_measure(const char *backend, const struct c10k_shape *shape, const struct plan *plan);

#endif
