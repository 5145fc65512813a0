/*
 * Workload `c10k`: a server and a client, two processes.
 *
 * The server is the child, forked before anything has been allocated, so that what it holds is its
 * own. Each process needs one descriptor per connection.
 *
 * SPDX-License-Identifier: MIT
 */
#include "c10k.h"
#include "client.h"

#include <stdlib.h>
#include <unistd.h>

void c10k_measure(const char *backend, const struct c10k_shape *shape, const struct plan *plan)
{
    if (shape->active > shape->connections)
        die("c10k: more active connections than there are");
    int control;
    int pid = process_fork(&control);
    if (pid == 0) {
        server_run(backend, shape, control, plan);
        exit(0);
    }
    client_run(backend, shape, control, pid);
    close(control);
    process_join(pid);
}
