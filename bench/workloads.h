/*
 * All workloads, included by each subject behind its functions; and what its module exports. Each
 * workload is left out of a subject that lacks what it takes: a raw loop has no timers.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef SUBJECT_COUNTS
static const struct counts *loop_counts(struct loop *loop)
{
    (void)loop;
    return NULL;
}
#endif

#ifndef SUBJECT_PAUSE /* such a loop stops, and starts again */
static HOT void watch_pause(struct loop *loop, struct watch *watch)
{
    watch_stop(loop, watch);
}

static HOT void watch_resume(struct loop *loop, struct watch *watch, int fd, unsigned interest,
                             void (*ready)(struct watch *watch))
{
    watch_start(loop, watch, fd, interest, ready);
}
#endif

#ifndef SUBJECT_SHARED /* any may be rung by other threads */
static HOT void loop_open_shared(struct loop *loop, const char *backend)
{
    loop_open(loop, backend);
}
#endif

static void loop_begin(struct loop *loop, struct sample *sample)
{
    sample_begin(sample, loop_counts(loop));
}

static void loop_end(struct loop *loop, struct sample *sample)
{
    sample_end(sample, loop_counts(loop));
}

/* For slices that are measured in pieces. What the loop has counted is left out. */
static HOT void sample_add(struct sample *sum, const struct sample *piece)
{
    sum->cpu_ns += piece->cpu_ns;
    sum->wall_ns += piece->wall_ns;
    sum->switches += piece->switches;
}

#include "workloads/accept.h"
#include "workloads/chain.h"
#include "workloads/churn.h"
#include "workloads/echo.h"
#include "workloads/idle.h"
#include "workloads/latency.h"
#include "workloads/loops.h"
#include "workloads/memory.h"
#include "workloads/mixed.h"
#include "workloads/pace.h"
#include "workloads/storm.h"
#ifdef SUBJECT_CALLS
#include "workloads/syscalls.h"
#endif
#ifdef SUBJECT_TIMERS
#include "workloads/timers.h"
#endif
#include "workloads/wake.h"

#include "workloads/hold.h" /* which stands on idle.h */

#include <stdio.h>

static const char *version(void)
{
#ifdef SUBJECT_VERSION
    return SUBJECT_VERSION;
#else
    return "";
#endif
}

#ifndef SUBJECT_STANDING
static struct standing standing(const char *backend)
{
    (void)backend;
    return (struct standing){.built = true, .works = true};
}
#endif

static const char *const backends[] = {SUBJECT_BACKENDS, NULL};

static const struct workload workloads[] = {
    {"accept", accept_open, accept_close, accept_slice, accept_piece},
    {"chain", chain_open, chain_close, chain_slice, chain_piece},
    {"churn-modify", churn_open, churn_close, churn_modify_slice, churn_piece},
    {"churn-undone", churn_open, churn_close, churn_undone_slice, churn_piece},
    {"churn-pause", churn_open, churn_close, churn_pause_slice, churn_piece},
    {"churn-paused-undone", churn_open, churn_close, churn_paused_undone_slice, churn_piece},
    {"echo", echo_open, echo_close, echo_slice, echo_piece},
    {"hold", hold_open, hold_close, hold_slice, idle_piece},
    {"idle", idle_open, idle_close, idle_slice, idle_piece},
    {"latency", latency_open, latency_close, latency_slice, latency_piece},
    {"loops", loops_open, loops_close, loops_slice, loops_piece},
    {"memory-descriptors", memory_open_descriptors, memory_close, memory_descriptors_slice,
     memory_piece},
    {"memory-loop", memory_open, memory_close, memory_loop_slice, memory_loop_piece},
    {"mixed", mixed_open, mixed_close, mixed_slice, mixed_piece},
    {"pace-sparse", pace_open, pace_close, pace_sparse_slice, pace_piece},
    {"storm", storm_open, storm_close, storm_slice, storm_piece},
    {"wake-pending", wake_open, wake_close, wake_pending_slice, wake_piece},
    {"wake-roundtrip", wake_open, wake_close, wake_roundtrip_slice, wake_piece},
#ifdef SUBJECT_CALLS
    SYSCALLS_ROWS,
#endif
#ifdef SUBJECT_TIMERS
    {"memory-timers", memory_open, memory_close, memory_timers_slice, memory_piece},
    {"pace-timers", pace_open, pace_close, pace_timers_slice, pace_piece},
    {"timers-insert", timers_open, timers_close, timers_insert_slice, timers_piece},
    {"timers-cancel", timers_open, timers_close, timers_cancel_slice, timers_half_piece},
    {"timers-rearm", timers_open, timers_close, timers_rearm_slice, timers_piece},
    {"timers-fire", timers_open, timers_close, timers_fire_slice, timers_piece},
#endif
    {NULL, NULL, NULL, NULL, NULL},
};

extern const struct subject subject;
const struct subject subject = {
    .name = SUBJECT_NAME,
    .version = version,
    .backends = backends,
    .standing = standing,
    .workloads = workloads,
};
