/*
 * Workload `chain`, the library's side, with level or edge watchers, and the ring of pipes itself.
 * The raw side is in raw_NAME.c, and is the same against either.
 *
 * SPDX-License-Identifier: MIT
 */
#include "chain.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_TIMERS 8
#define FAR_AWAY    3600000000000 /* ns: an hour */

static void finish(struct chain *chain)
{
    if (chain->hops == chain->until)
        rouse_stop(chain->loop);
}

static void on_level(struct rouse_io *io, uint32_t ready)
{
    report_check(io, ready);
    struct chain_link *link = (struct chain_link *)io;
    chain_hop(link->chain, link);
    finish(link->chain);
}

/* With edges the library must hear when the pipe is drained, so it makes the call. It offers more
 * room than a byte: a short count is how it knows, without a second read. */
static void on_edge(struct rouse_io *io, uint32_t ready)
{
    report_check(io, ready);
    struct chain_link *link = (struct chain_link *)io;
    struct chain *chain = link->chain;
    char bytes[64];
    ssize_t got = rouse_read(io, bytes, sizeof bytes);
    if (got <= 0 && got != -EAGAIN)
        die("chain: rouse_read: %s", strerror((int)-got));
    if (got < 0)
        chain->empty++;
    for (; got > 0; got--) {
        chain->hops++;
        chain_send(chain, link);
    }
    finish(chain);
}

static void on_timer(struct rouse_timer *timer)
{
    (void)timer;
    die("chain: a timer that is an hour away has fired");
}

/* Puts so many bytes into the ring as make the hops until `until`, evenly spread. */
static void inject(struct chain *chain, int bytes, uint64_t until)
{
    chain->until = until;
    chain->writes = until - chain->hops;
    for (int i = 0; i < bytes; i++) {
        int64_t along = (int64_t)i * chain->count / bytes;
        chain_send(chain, &chain->links[along * chain->stride % chain->count]);
    }
}

static void check(const struct chain *chain, uint64_t hops)
{
    if (chain->hops != hops || chain->writes != 0)
        die("chain: %llu hops on %s, %llu asked", (unsigned long long)chain->hops, chain->backend,
            (unsigned long long)hops);
}

static void run_once(struct chain *chain)
{
    int result = rouse_run(chain->loop);
    if (result != 1)
        die("chain: rouse_run on %s: %s", chain->backend, strerror(-result));
}

static void start(struct chain *chain, struct rouse_timer *timers)
{
    chain->loop = loop_open(chain->backend);
    uint32_t want = ROUSE_READ | (chain->edge ? ROUSE_EDGE : 0);
    for (int i = 0; i < chain->count; i++) {
        struct chain_link *link = &chain->links[i];
        rouse_io_init(&link->io, chain->edge ? on_edge : on_level);
        if (rouse_io_start(chain->loop, &link->io, link->from, want) != 0)
            die("chain: %s", rouse_error(chain->loop));
    }
    loop_settle(chain->loop, chain->count);
    for (int i = 0; i < chain->timers; i++) {
        rouse_timer_init(&timers[i], on_timer);
        if (rouse_timer_after(chain->loop, &timers[i], FAR_AWAY + i, 0) != 0)
            die("chain: %s", rouse_error(chain->loop));
    }
}

/* Before it is timed, every pipe is read once, so that what is looked up for each descriptor only
 * once has been, and then so many hops are made as they will be. */
static void rouse_slice(void *work, uint64_t warmup, uint64_t events, struct sample *sample)
{
    struct chain *chain = work;
    struct rouse_timer timers[MOST_TIMERS];
    uint64_t all = (uint64_t)chain->count;
    chain->hops = 0;
    start(chain, timers);
    inject(chain, chain->count, all);
    run_once(chain);
    inject(chain, chain->active, all + warmup);
    run_once(chain);
    inject(chain, chain->active, all + warmup + events);
    chain->empty = 0;
    sample_begin(sample, chain->loop);
    run_once(chain);
    sample_end(sample, chain->loop);
    sample->events = events;
    sample->empty = chain->empty;
    check(chain, all + warmup + events);
    rouse_close(chain->loop);
}

static void raw_slice(void *work, uint64_t warmup, uint64_t events, struct sample *sample)
{
    struct chain *chain = work;
    uint64_t all = (uint64_t)chain->count;
    void *set = chain->raw->open(chain->count, chain->edge);
    chain->hops = 0;
    for (int i = 0; i < chain->count; i++)
        chain->raw->watch(set, chain->links[i].from, i);
    inject(chain, chain->count, all);
    chain->raw->chain(set, chain, all);
    inject(chain, chain->active, all + warmup);
    chain->raw->chain(set, chain, all + warmup);
    inject(chain, chain->active, all + warmup + events);
    chain->empty = 0;
    sample_begin(sample, NULL);
    chain->raw->chain(set, chain, all + warmup + events);
    sample_end(sample, NULL);
    sample->events = events;
    sample->empty = chain->empty;
    check(chain, all + warmup + events);
    chain->raw->close(set);
}

static int common_divisor(int a, int b)
{
    return b == 0 ? a : common_divisor(b, a % b);
}

/* The step nearest above the golden section of n that visits every pipe of the ring. */
static int find_stride(int n)
{
    int stride = (int)(0.618 * n) + 1;
    while (common_divisor(stride, n) != 1)
        stride++;
    return stride;
}

static void open_pipes(struct chain *chain)
{
    chain->links = calloc((size_t)chain->count, sizeof *chain->links);
    if (!chain->links)
        die("chain: no memory for %d pipes", chain->count);
    for (int i = 0; i < chain->count; i++) {
        int ends[2];
        int above = -1;
        if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0)
            above = fcntl(ends[1], F_DUPFD_CLOEXEC, chain->count + 16);
        if (above < 0)
            die("chain: pipe %d of %d: %s (see ulimit -n)", i, chain->count, strerror(errno));
        close(ends[1]);
        struct chain_link *link = &chain->links[i];
        link->chain = chain;
        link->from = ends[0];
        chain->links[(i + chain->count - chain->stride % chain->count) % chain->count].to = above;
    }
}

void chain_measure(const char *backend, const struct chain_shape *shape, const struct plan *plan)
{
    if (shape->active > shape->n || shape->timers > MOST_TIMERS)
        die("chain: at most n active pipes and %d timers", MOST_TIMERS);
    struct chain chain = {.backend = backend,
                          .raw = raw_choose(backend, plan->against),
                          .count = (int)shape->n,
                          .active = (int)shape->active,
                          .stride = find_stride((int)shape->n),
                          .timers = (int)shape->timers,
                          .edge = shape->edge != 0};
    open_pipes(&chain);
    char label[192];
    snprintf(label, sizeof label,
             "\"workload\":\"chain\",\"backend\":\"%s\",\"n\":%d,\"active\":%d,\"timers\":%d,"
             "\"watch\":\"%s\"",
             backend, chain.count, chain.active, chain.timers, chain.edge ? "edge" : "level");
    struct contest contest = {.label = label,
                              .active = (uint64_t)chain.active,
                              .work = &chain,
                              .rouse = rouse_slice,
                              .raw = chain.raw ? raw_slice : NULL};
    contest_run(&contest, plan);
    free(chain.links);
}
