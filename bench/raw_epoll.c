/*
 * The raw loop on epoll: level triggered, one system call for each wait, without a timeout. The
 * kernel is told what to watch once, and the index of a descriptor comes back with its event.
 *
 * SPDX-License-Identifier: MIT
 */
#include "chain.h"
#include "idle.h"
#include "server.h"

#include <stdlib.h>
#include <sys/epoll.h>

#define BATCH 256

struct epoll_set {
    int fd;
    struct epoll_event events[BATCH];
};

static void *epoll_open(int count, int edge)
{
    (void)edge;
    (void)count;
    struct epoll_set *set = malloc(sizeof *set);
    if (!set || (set->fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
        die("raw epoll: cannot make a set");
    return set;
}

static void epoll_watch(void *context, int fd, int index)
{
    struct epoll_set *set = context;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)index};
    if (epoll_ctl(set->fd, EPOLL_CTL_ADD, fd, &event) != 0)
        die("raw epoll: cannot watch descriptor %d", fd);
}

static void epoll_close(void *context)
{
    struct epoll_set *set = context;
    close(set->fd);
    free(set);
}

static inline int epoll_ready(struct epoll_set *set)
{
    int ready = epoll_wait(set->fd, set->events, BATCH, -1);
    if (ready < 0)
        die("raw epoll: epoll_wait fails");
    return ready;
}

static void epoll_idle(void *context, struct idle *idle, uint64_t until)
{
    struct epoll_set *set = context;
    while (idle->taken < until) {
        idle_ring(idle);
        int ready = epoll_ready(set);
        for (int i = 0; i < ready; i++)
            idle_take(idle, (int)set->events[i].data.u32);
    }
}

static void epoll_chain(void *context, struct chain *chain, uint64_t until)
{
    struct epoll_set *set = context;
    while (chain->hops < until) {
        int ready = epoll_ready(set);
        for (int i = 0; i < ready; i++)
            chain_hop(chain, &chain->links[set->events[i].data.u32]);
    }
}

static void epoll_serve(void *context, struct server *server, uint64_t until)
{
    struct epoll_set *set = context;
    while (server->answered < until) {
        int ready = epoll_ready(set);
        for (int i = 0; i < ready; i++)
            server_answer(server, &server->connections[set->events[i].data.u32]);
    }
}

const struct raw raw_epoll = {
    .name = "epoll",
    .open = epoll_open,
    .watch = epoll_watch,
    .close = epoll_close,
    .idle = epoll_idle,
    .chain = epoll_chain,
    .serve = epoll_serve,
};
