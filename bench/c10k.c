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

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void c10k_measure(const char *backend, const struct c10k_shape *shape, const struct plan *plan)
{
    if (shape->active > shape->connections)
        die("c10k: more active connections than there are");
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        die("c10k: socketpair: %s", strerror(errno));
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        die("c10k: fork: %s", strerror(errno));
    if (pid == 0) {
        close(ends[0]);
        server_run(backend, shape, ends[1], plan);
        exit(0);
    }
    close(ends[1]);
    client_run(backend, shape, ends[0], (int)pid);
    close(ends[0]);
    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        die("c10k: the server failed");
}
