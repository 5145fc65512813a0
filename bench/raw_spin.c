/*
 * The raw loop that does not wait: it reads every descriptor in turn, and most have nothing. That
 * is what it comes to when nobody is asked what is ready.
 *
 * SPDX-License-Identifier: MIT
 */
#include "chain.h"
#include "idle.h"
#include "server.h"

#include <stdlib.h>

struct spin_set {
    int count;
};

static void *spin_open(int count, int edge)
{
    (void)edge;
    struct spin_set *set = malloc(sizeof *set);
    if (!set)
        die("raw spin: no memory");
    set->count = count;
    return set;
}

static void spin_watch(void *context, int fd, int index)
{
    (void)context;
    (void)fd;
    (void)index;
}

static void spin_close(void *context)
{
    free(context);
}

static void spin_idle(void *context, struct idle *idle, uint64_t until)
{
    struct spin_set *set = context;
    while (idle->taken < until) {
        idle_ring(idle);
        for (int i = 0; i < set->count; i++)
            idle_take(idle, i);
    }
}

static void spin_chain(void *context, struct chain *chain, uint64_t until)
{
    struct spin_set *set = context;
    while (chain->hops < until) {
        for (int i = 0; i < set->count; i++)
            chain_hop(chain, &chain->links[i]);
    }
}

static void spin_serve(void *context, struct server *server, uint64_t until)
{
    struct spin_set *set = context;
    while (server->answered < until) {
        for (int i = 0; i < set->count; i++)
            server_answer(server, &server->connections[i]);
    }
}

const struct raw raw_spin = {
    .name = "spin",
    .open = spin_open,
    .watch = spin_watch,
    .close = spin_close,
    .idle = spin_idle,
    .chain = spin_chain,
    .serve = spin_serve,
};
