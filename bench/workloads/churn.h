/*
 * Workloads `churn-*`: what it costs to change one's mind about n descriptors, of which none is
 * ever ready. An event is one change. Of the changes,
 *
 *     churn-modify         has all also wait to write, takes a turn, has none, takes a turn
 *     churn-undone         has each also wait to write, and no longer, and then takes a turn
 *     churn-pause          stops all, takes a turn, has all watched again, takes a turn
 *     churn-paused-undone  stops each and has it watched again, and then takes a turn
 *
 * as a server does that has more to write than the other side takes, or reads no more from who
 * sends too much. The turns belong to the price: it is there that a loop which defers tells the
 * kernel. They are taken between the changes, and wait for nothing.
 *
 * The descriptors are the reading ends of pipes, which can be asked about writing, and never can.
 * One more is watched and left alone: a loop in which nothing is watched may skip its wait, and
 * with it what it owes the kernel. A first round is not timed: what is told to the kernel once, it
 * has been told then.
 *
 * SPDX-License-Identifier: MIT
 */
#include "calls.h"

#include <fcntl.h>
#include <stdlib.h>

struct churn_pipe {
    int from; /* is watched */
    int to;
};

struct churn {
    int count;
    struct churn_pipe pipes[]; /* one more, which is left alone */
};

struct churn_run {
    int count;
    const struct churn_pipe *pipes;
    struct watch *watches;
    struct loop loop;
};

READY(churn_ready)
{
    char byte;
    if (watch_read(watch, &byte, 1) != -EAGAIN)
        die("churn: a pipe is ready that nobody has written to");
}

static void *churn_open(const struct shape *shape)
{
    int n = shape->n != 0 ? (int)shape->n : 1000;
    struct churn *churn = malloc(sizeof *churn + ((size_t)n + 1) * sizeof churn->pipes[0]);
    if (!churn)
        die("churn: no memory for %d pipes", n);
    churn->count = n;
    for (int i = 0; i <= n; i++) {
        int ends[2];
        if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
            die("churn: pipe %d of %d: %s (see ulimit -n)", i, n, strerror(errno));
        churn->pipes[i] = (struct churn_pipe){ends[0], ends[1]};
    }
    return churn;
}

static void churn_close(void *stage)
{
    struct churn *churn = stage;
    for (int i = 0; i <= churn->count; i++) {
        close(churn->pipes[i].from);
        close(churn->pipes[i].to);
    }
    free(churn);
}

/* The rounds: 2n changes each. */

static void churn_modify(struct churn_run *run)
{
    for (int i = 0; i < run->count; i++)
        watch_change(&run->loop, &run->watches[i], READ | WRITE);
    loop_turn(&run->loop, churn_ready);
    for (int i = 0; i < run->count; i++)
        watch_change(&run->loop, &run->watches[i], READ);
    loop_turn(&run->loop, churn_ready);
}

static void churn_undone(struct churn_run *run)
{
    for (int i = 0; i < run->count; i++) {
        watch_change(&run->loop, &run->watches[i], READ | WRITE);
        watch_change(&run->loop, &run->watches[i], READ);
    }
    loop_turn(&run->loop, churn_ready);
}

static void churn_pause(struct churn_run *run)
{
    for (int i = 0; i < run->count; i++)
        watch_pause(&run->loop, &run->watches[i]);
    loop_turn(&run->loop, churn_ready);
    for (int i = 0; i < run->count; i++)
        watch_resume(&run->loop, &run->watches[i], run->pipes[i].from, READ, churn_ready);
    loop_turn(&run->loop, churn_ready);
}

static void churn_paused_undone(struct churn_run *run)
{
    for (int i = 0; i < run->count; i++) {
        watch_pause(&run->loop, &run->watches[i]);
        watch_resume(&run->loop, &run->watches[i], run->pipes[i].from, READ, churn_ready);
    }
    loop_turn(&run->loop, churn_ready);
}

static uint64_t churn_piece(const struct shape *shape)
{
    return 2 * (shape->n != 0 ? (uint64_t)shape->n : 1000);
}

static HOT void churn_slice(const struct churn *churn, const char *backend, uint64_t warmup,
                            uint64_t events, struct sample *sample,
                            void (*round)(struct churn_run *run))
{
    uint64_t piece = 2 * (uint64_t)churn->count;
    struct churn_run *run = calloc(1, sizeof *run);
    struct watch *watches = calloc((size_t)churn->count + 1, sizeof *watches);
    if (!run || !watches)
        die("churn: no memory");
    *run = (struct churn_run){.count = churn->count, .pipes = churn->pipes, .watches = watches};
    loop_open(&run->loop, backend);
    for (int i = 0; i <= churn->count; i++)
        watch_start(&run->loop, &watches[i], churn->pipes[i].from, READ, churn_ready);
    for (uint64_t done = 0; done < warmup; done += piece)
        round(run);
    loop_begin(&run->loop, sample);
    for (uint64_t done = 0; done < events; done += piece)
        round(run);
    loop_end(&run->loop, sample);
    sample->events = events;
    for (int i = 0; i <= churn->count; i++)
        watch_stop(&run->loop, &watches[i]);
    loop_close(&run->loop);
    free(watches);
    free(run);
}

static void churn_modify_slice(void *stage, const char *backend, uint64_t warmup, uint64_t events,
                               struct sample *sample)
{
    churn_slice(stage, backend, warmup, events, sample, churn_modify);
}

static void churn_undone_slice(void *stage, const char *backend, uint64_t warmup, uint64_t events,
                               struct sample *sample)
{
    churn_slice(stage, backend, warmup, events, sample, churn_undone);
}

static void churn_pause_slice(void *stage, const char *backend, uint64_t warmup, uint64_t events,
                              struct sample *sample)
{
    churn_slice(stage, backend, warmup, events, sample, churn_pause);
}

static void churn_paused_undone_slice(void *stage, const char *backend, uint64_t warmup,
                                      uint64_t events, struct sample *sample)
{
    churn_slice(stage, backend, warmup, events, sample, churn_paused_undone);
}
