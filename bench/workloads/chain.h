/*
 * Workload `chain`: n pipes in a ring, through which `active` bytes travel; the classic benchmark
 * of event loops. With `timers`, so many are pending in the loop, an hour away.
 *
 * Each callback reads a byte from its pipe and writes one to the next, so that `active` pipes are
 * ready in every turn, and never the same ones. The bytes start n/active pipes apart. The ring does
 * not join neighbours: the next pipe is 0.62 n further on, so that in a slice too short to go
 * round, the active one has been everywhere in the arrays of poll and select, which are walked from
 * one end. Exactly as many hops are made as were asked for: the last bytes are read and not sent
 * on, so the pipes are empty when a slice ends. The write ends are numbered above all the read
 * ends, which leaves the low numbers to select.
 *
 * A callback offers more room than a byte: a short count is how an edge watcher knows, without a
 * second read, that it has left nothing behind.
 *
 * SPDX-License-Identifier: MIT
 */
#include "calls.h"

#include <fcntl.h>
#include <stdlib.h>

#define CHAIN_TIMERS 8
#define CHAIN_FAR    3600000000000 /* ns: an hour */

struct chain_pipe {
    int from; /* where it is read */
    int to;   /* and where its reader writes: the next pipe */
};

struct chain {
    int count;
    int active;
    int timers;
    int stride; /* from a pipe to the next in the ring */
    struct chain_pipe pipes[];
};

struct chain_link {
    struct watch watch;
    int to;
    struct chain_run *run;
};

/* What one loop does of it. */
struct chain_run {
    const struct chain *chain;
    struct chain_link *links;
    struct loop loop;
    uint64_t hops;   /* bytes read */
    uint64_t until;  /* the loop stops when so many have been */
    uint64_t writes; /* how many may still be sent on */
    uint64_t empty;
#ifdef SUBJECT_TIMERS
    struct timer far[CHAIN_TIMERS];
#endif
};

static HOT void chain_send(struct chain_run *run, int to)
{
    if (run->writes == 0)
        return;
    run->writes--;
    if (write(to, "", 1) != 1)
        die("chain: cannot write to pipe %d", to);
}

READY(chain_ready)
{
    struct chain_link *link = (struct chain_link *)watch;
    struct chain_run *run = link->run;
    char bytes[64];
    ssize_t got = watch_read(watch, bytes, sizeof bytes);
    if (got == -EAGAIN)
        run->empty++;
    else if (got <= 0)
        die("chain: cannot read a pipe: %s", strerror((int)-got));
    for (; got > 0; got--) {
        run->hops++;
        chain_send(run, link->to);
    }
    if (run->hops == run->until)
        loop_stop(&run->loop);
}

#ifdef SUBJECT_TIMERS
FIRED(chain_fired)
{
    (void)timer;
    die("chain: a timer that is an hour away has fired");
}

static void chain_pend(struct chain_run *run)
{
    for (int i = 0; i < run->chain->timers; i++) {
        timer_init(&run->loop, &run->far[i], chain_fired);
        timer_start(&run->loop, &run->far[i], CHAIN_FAR + i);
    }
}

static void chain_forget(struct chain_run *run)
{
    for (int i = 0; i < run->chain->timers; i++)
        timer_stop(&run->loop, &run->far[i]);
}
#else /* a raw loop has none, and is what those that have are measured against */
static void chain_pend(struct chain_run *run)
{
    (void)run;
}

static void chain_forget(struct chain_run *run)
{
    (void)run;
}
#endif

static int chain_divisor(int a, int b)
{
    return b == 0 ? a : chain_divisor(b, a % b);
}

/* The step nearest above the golden section of n that visits every pipe of the ring. */
static int chain_stride(int n)
{
    int stride = (int)(0.618 * n) + 1;
    while (chain_divisor(stride, n) != 1)
        stride++;
    return stride;
}

static void *chain_open(const struct shape *shape)
{
    int n = shape->n != 0 ? (int)shape->n : 100;
    struct chain *chain = calloc(1, sizeof *chain + (size_t)n * sizeof chain->pipes[0]);
    if (!chain)
        die("chain: no memory for %d pipes", n);
    chain->count = n;
    chain->active = shape->active != 0 ? (int)shape->active : 1;
    chain->timers = (int)shape->timers;
    chain->stride = chain_stride(n);
    if (chain->active > n || chain->timers > CHAIN_TIMERS)
        die("chain: at most n pipes are active, and %d timers pending", CHAIN_TIMERS);
    for (int i = 0; i < n; i++) {
        int ends[2];
        int above = -1;
        if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0)
            above = fcntl(ends[1], F_DUPFD_CLOEXEC, n + 16);
        if (above < 0)
            die("chain: pipe %d of %d: %s (see ulimit -n)", i, n, strerror(errno));
        close(ends[1]);
        chain->pipes[i].from = ends[0];
        chain->pipes[(i + n - chain->stride % n) % n].to = above;
    }
    return chain;
}

static void chain_close(void *stage)
{
    struct chain *chain = stage;
    for (int i = 0; i < chain->count; i++) {
        close(chain->pipes[i].from);
        close(chain->pipes[i].to);
    }
    free(chain);
}

/* Puts so many bytes into the ring as make that many hops, evenly spread, and serves them. */
static void chain_go(struct chain_run *run, int bytes, uint64_t hops)
{
    const struct chain *chain = run->chain;
    run->until = run->hops + hops;
    run->writes = hops;
    for (int i = 0; i < bytes; i++) {
        int64_t along = (int64_t)i * chain->count / bytes * chain->stride;
        chain_send(run, run->links[along % chain->count].to);
    }
}

/* Before it is timed, every pipe is read once, so that what is looked up for each descriptor only
 * once has been, and then so many hops are made as they will be. */
static struct chain_run *chain_begin(const struct chain *chain, const char *backend,
                                     uint64_t warmup)
{
    struct chain_run *run = calloc(1, sizeof *run);
    struct chain_link *links = calloc((size_t)chain->count, sizeof *links);
    if (!run || !links)
        die("chain: no memory");
    *run = (struct chain_run){.chain = chain, .links = links};
    loop_open(&run->loop, backend);
    for (int i = 0; i < chain->count; i++) {
        links[i].run = run;
        links[i].to = chain->pipes[i].to;
        watch_start(&run->loop, &links[i].watch, chain->pipes[i].from, READ, chain_ready);
    }
    chain_pend(run);
    chain_go(run, chain->count, (uint64_t)chain->count);
    loop_run(&run->loop, chain_ready);
    chain_go(run, chain->active, warmup);
    loop_run(&run->loop, chain_ready);
    run->empty = 0;
    return run;
}

static void chain_end(struct chain_run *run, uint64_t hops)
{
    if (run->hops != hops || run->writes != 0)
        die("chain: %llu hops, where others make %llu", (unsigned long long)run->hops,
            (unsigned long long)hops);
    for (int i = 0; i < run->chain->count; i++)
        watch_stop(&run->loop, &run->links[i].watch);
    chain_forget(run);
    loop_close(&run->loop);
    free(run->links);
    free(run);
}

static void chain_slice(void *stage, const char *backend, uint64_t warmup, uint64_t events,
                        struct sample *sample)
{
    const struct chain *chain = stage;
    struct chain_run *run = chain_begin(chain, backend, warmup);
    chain_go(run, chain->active, events);
    loop_begin(&run->loop, sample);
    loop_run(&run->loop, chain_ready);
    loop_end(&run->loop, sample);
    sample->events = events;
    sample->empty = run->empty;
    chain_end(run, (uint64_t)chain->count + warmup + events);
}

static uint64_t chain_piece(const struct shape *shape)
{
    return shape->active != 0 ? (uint64_t)shape->active : 1;
}
