/*
 * The raw loop on select: one bitmap, for reading only, copied before each wait because the call
 * overwrites it, and searched after it until all that is ready has been found.
 *
 * SPDX-License-Identifier: MIT
 */
#include "chain.h"
#include "idle.h"
#include "server.h"

#include <stdlib.h>
#include <sys/select.h>

struct select_set {
    fd_set wanted;
    fd_set ready;
    int beyond;          /* the highest descriptor and one */
    int fds[FD_SETSIZE]; /* by index */
};

static void *select_open(int count, int edge)
{
    (void)edge;
    struct select_set *set = calloc(1, sizeof *set);
    if (!set || count > FD_SETSIZE)
        die("raw select: no room for %d descriptors", count);
    return set;
}

static void select_watch(void *context, int fd, int index)
{
    struct select_set *set = context;
    if (fd >= FD_SETSIZE)
        die("raw select: descriptor %d is not below FD_SETSIZE", fd);
    FD_SET(fd, &set->wanted);
    set->fds[index] = fd;
    if (fd >= set->beyond)
        set->beyond = fd + 1;
}

static void select_close(void *context)
{
    free(context);
}

static inline int select_ready(struct select_set *set)
{
    set->ready = set->wanted;
    int ready = select(set->beyond, &set->ready, NULL, NULL, NULL);
    if (ready < 0)
        die("raw select: select fails");
    return ready;
}

static void select_idle(void *context, struct idle *idle, uint64_t until)
{
    struct select_set *set = context;
    while (idle->taken < until) {
        idle_ring(idle);
        int ready = select_ready(set);
        for (int i = 0; ready > 0; i++) {
            if (!FD_ISSET(set->fds[i], &set->ready))
                continue;
            ready--;
            idle_take(idle, i);
        }
    }
}

static void select_chain(void *context, struct chain *chain, uint64_t until)
{
    struct select_set *set = context;
    while (chain->hops < until) {
        int ready = select_ready(set);
        for (int i = 0; ready > 0; i++) {
            if (!FD_ISSET(set->fds[i], &set->ready))
                continue;
            ready--;
            chain_hop(chain, &chain->links[i]);
        }
    }
}

static void select_serve(void *context, struct server *server, uint64_t until)
{
    struct select_set *set = context;
    while (server->answered < until) {
        int ready = select_ready(set);
        for (int i = 0; ready > 0; i++) {
            if (!FD_ISSET(set->fds[i], &set->ready))
                continue;
            ready--;
            server_answer(server, &server->connections[i]);
        }
    }
}

const struct raw raw_select = {
    .name = "select",
    .open = select_open,
    .watch = select_watch,
    .close = select_close,
    .idle = select_idle,
    .chain = select_chain,
    .serve = select_serve,
};
