/*
 * The raw loop on poll: one array, handed over whole for each wait, without a timeout, and searched
 * after it until all that is ready has been found.
 *
 * SPDX-License-Identifier: MIT
 */
#include "chain.h"
#include "idle.h"
#include "server.h"

#include <poll.h>
#include <stdlib.h>

struct poll_set {
    nfds_t count;
    struct pollfd fds[]; /* by index */
};

static void *poll_open(int count, int edge)
{
    (void)edge;
    struct poll_set *set = calloc(1, sizeof *set + (size_t)count * sizeof set->fds[0]);
    if (!set)
        die("raw poll: no memory");
    return set;
}

static void poll_watch(void *context, int fd, int index)
{
    struct poll_set *set = context;
    set->fds[index] = (struct pollfd){.fd = fd, .events = POLLIN};
    set->count = (nfds_t)index + 1;
}

static void poll_close(void *context)
{
    free(context);
}

static inline int poll_ready(struct poll_set *set)
{
    int ready = poll(set->fds, set->count, -1);
    if (ready < 0)
        die("raw poll: poll fails");
    return ready;
}

static void poll_idle(void *context, struct idle *idle, uint64_t until)
{
    struct poll_set *set = context;
    while (idle->taken < until) {
        idle_ring(idle);
        int ready = poll_ready(set);
        for (int i = 0; ready > 0; i++) {
            if (set->fds[i].revents == 0)
                continue;
            ready--;
            idle_take(idle, i);
        }
    }
}

static void poll_chain(void *context, struct chain *chain, uint64_t until)
{
    struct poll_set *set = context;
    while (chain->hops < until) {
        int ready = poll_ready(set);
        for (int i = 0; ready > 0; i++) {
            if (set->fds[i].revents == 0)
                continue;
            ready--;
            chain_hop(chain, &chain->links[i]);
        }
    }
}

static void poll_serve(void *context, struct server *server, uint64_t until)
{
    struct poll_set *set = context;
    while (server->answered < until) {
        int ready = poll_ready(set);
        for (int i = 0; ready > 0; i++) {
            if (set->fds[i].revents == 0)
                continue;
            ready--;
            server_answer(server, &server->connections[i]);
        }
    }
}

const struct raw raw_poll = {
    .name = "poll",
    .open = poll_open,
    .watch = poll_watch,
    .close = poll_close,
    .idle = poll_idle,
    .chain = poll_chain,
    .serve = poll_serve,
};
