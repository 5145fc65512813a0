/*
 * Workloads `timers-*`: n timers, and what is done with each of them. An event is
 *
 *     timers-insert  starting one, with a delay drawn from within a minute
 *     timers-cancel  stopping one of those; every other is stopped
 *     timers-rearm   pushing one back to a minute from now, the first to be due first: idle
 *                    timeouts of peers that are heard of in turn
 *     timers-fire    having the loop call one, when all are due
 *
 * and what goes before is not timed. Timers are started and stopped within a callback, as they are
 * in life: a loop has a clock that it reads once a turn, and there it is read. Those that fire are
 * spread over 50 ms and called when the last of them is due, so nothing is slept; as in a server
 * that a moment of work has made late. A loop may push back by a note and file the timer later:
 * that comes once a minute for each, where other loops pay for every message, and is not seen here.
 *
 * SPDX-License-Identifier: MIT
 */
#include "calls.h"

#include <stdlib.h>

#define TIMERS_MINUTE INT64_C(60000000000) /* ns */
#define TIMERS_SPREAD INT64_C(50000000)
#define TIMERS_STEP   INT64_C(1000)
#define TIMERS_LEAST  INT64_C(1000000) /* one of 0 ms libuv calls in the same turn */
#define TIMERS_PARTS  26               /* a minute of so many still fits into 64 bits */

struct timers {
    int count;
    int64_t parts[]; /* the delay of each: so many of the 2^TIMERS_PARTS of the longest */
};

struct timers_one {
    struct timer timer;
    struct timers_run *run;
};

struct timers_run {
    struct timer act; /* its callback does the work */
    const struct timers *timers;
    struct timers_one *all;
    struct loop loop;
    void (*prepare)(struct timers_run *run);
    void (*work)(struct timers_run *run);
    struct sample sample; /* of the last round */
    uint64_t fired;
    int64_t passed; /* ns, since the first was heard of */
};

static void *timers_open(const struct shape *shape)
{
    int n = shape->n != 0 ? (int)shape->n : 10000;
    struct timers *timers = malloc(sizeof *timers + (size_t)n * sizeof timers->parts[0]);
    if (!timers)
        die("timers: no memory for %d", n);
    timers->count = n;
    uint64_t random = 88172645463325252u;
    for (int i = 0; i < n; i++) { /* xorshift64 */
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        timers->parts[i] = (int64_t)(random >> (64 - TIMERS_PARTS));
    }
    return timers;
}

static void timers_close(void *stage)
{
    free(stage);
}

FIRED(timers_fired)
{
    struct timers_run *run = ((struct timers_one *)timer)->run;
    if (++run->fired == (uint64_t)run->timers->count)
        loop_stop(&run->loop);
}

static HOT void timers_start(struct timers_run *run, int64_t longest)
{
    for (int i = 0; i < run->timers->count; i++)
        timer_start(&run->loop, &run->all[i].timer,
                    TIMERS_LEAST + (longest * run->timers->parts[i] >> TIMERS_PARTS));
}

static void timers_none(struct timers_run *run)
{
    (void)run;
}

static void timers_insert(struct timers_run *run)
{
    timers_start(run, TIMERS_MINUTE);
}

static void timers_insert_soon(struct timers_run *run)
{
    timers_start(run, TIMERS_SPREAD);
}

static void timers_cancel(struct timers_run *run)
{
    for (int i = 0; i < run->timers->count; i += 2)
        timer_stop(&run->loop, &run->all[i].timer);
}

/* All have the same delay, and time passes from one to the next. */
static void timers_rearm(struct timers_run *run)
{
    for (int i = 0; i < run->timers->count; i++) {
        timer_again(&run->loop, &run->all[i].timer, TIMERS_MINUTE + run->passed);
        run->passed += TIMERS_STEP;
    }
}

/* As they are when each has been heard of. */
static void timers_settle(struct timers_run *run)
{
    run->passed = 0;
    timers_insert(run);
    timers_rearm(run);
}

/* What all rounds but one do: the work is done in a callback, and timed there. */
FIRED(timers_act)
{
    struct timers_run *run = (struct timers_run *)timer;
    run->prepare(run);
    loop_begin(&run->loop, &run->sample);
    run->work(run);
    loop_end(&run->loop, &run->sample);
    loop_stop(&run->loop);
}

static void timers_do(struct timers_run *run, void (*prepare)(struct timers_run *run),
                      void (*work)(struct timers_run *run))
{
    run->prepare = prepare;
    run->work = work;
    timer_start(&run->loop, &run->act, 0);
    loop_run(&run->loop, NULL);
}

static void timers_insert_round(struct timers_run *run)
{
    timers_do(run, timers_none, timers_insert);
}

static void timers_cancel_round(struct timers_run *run)
{
    timers_do(run, timers_insert, timers_cancel);
}

static void timers_rearm_round(struct timers_run *run)
{
    timers_do(run, timers_settle, timers_rearm);
}

/* Milliseconds are added for a loop that counts in them. */
static void timers_fire_round(struct timers_run *run)
{
    timers_do(run, timers_insert_soon, timers_none);
    for (uint64_t began = wall_now(); wall_now() - began < TIMERS_SPREAD + 3 * TIMERS_LEAST;)
        continue;
    run->fired = 0;
    loop_begin(&run->loop, &run->sample);
    loop_run(&run->loop, NULL);
    loop_end(&run->loop, &run->sample);
    if (run->fired != (uint64_t)run->timers->count)
        die("timers: %llu have fired of %d", (unsigned long long)run->fired, run->timers->count);
}

static uint64_t timers_piece(const struct shape *shape)
{
    return shape->n != 0 ? (uint64_t)shape->n : 10000;
}

static uint64_t timers_half_piece(const struct shape *shape)
{
    return (timers_piece(shape) + 1) / 2;
}

static void timers_open_run(struct timers_run *run, const char *backend)
{
    loop_open(&run->loop, backend);
    timer_init(&run->loop, &run->act, timers_act);
    for (int i = 0; i < run->timers->count; i++) {
        run->all[i].run = run;
        timer_init(&run->loop, &run->all[i].timer, timers_fired);
    }
}

/* Rounds of `piece` events, each on a loop that is empty but has had its tables grown. */
static void timers_slice(const struct timers *timers, const char *backend, uint64_t piece,
                         uint64_t events, struct sample *sample,
                         void (*round)(struct timers_run *run))
{
    struct timers_run *run = calloc(1, sizeof *run);
    struct timers_one *all = calloc((size_t)timers->count, sizeof *all);
    if (!run || !all)
        die("timers: no memory for %d", timers->count);
    *run = (struct timers_run){.timers = timers, .all = all};
    timers_open_run(run, backend);
    *sample = (struct sample){.events = events};
    for (uint64_t done = 0; done <= events; done += piece) {
        round(run);
        if (done > 0) /* the first warms up */
            sample_add(sample, &run->sample);
        for (int i = 0; i < timers->count; i++)
            timer_stop(&run->loop, &all[i].timer);
    }
    loop_close(&run->loop);
    free(all);
    free(run);
}

static void timers_insert_slice(void *stage, const char *backend, uint64_t warmup, uint64_t events,
                                struct sample *sample)
{
    (void)warmup;
    const struct timers *timers = stage;
    timers_slice(timers, backend, (uint64_t)timers->count, events, sample, timers_insert_round);
}

static void timers_cancel_slice(void *stage, const char *backend, uint64_t warmup, uint64_t events,
                                struct sample *sample)
{
    (void)warmup;
    const struct timers *timers = stage;
    timers_slice(timers, backend, ((uint64_t)timers->count + 1) / 2, events, sample,
                 timers_cancel_round);
}

static void timers_rearm_slice(void *stage, const char *backend, uint64_t warmup, uint64_t events,
                               struct sample *sample)
{
    (void)warmup;
    const struct timers *timers = stage;
    timers_slice(timers, backend, (uint64_t)timers->count, events, sample, timers_rearm_round);
}

static void timers_fire_slice(void *stage, const char *backend, uint64_t warmup, uint64_t events,
                              struct sample *sample)
{
    (void)warmup;
    const struct timers *timers = stage;
    timers_slice(timers, backend, (uint64_t)timers->count, events, sample, timers_fire_round);
}
