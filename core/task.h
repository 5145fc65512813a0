/*
 * The state of a task, which several threads may look at: it is idle, is being handed over, or
 * waits.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_CORE_TASK_H
#define ROUSE_CORE_TASK_H

#include <stdatomic.h>
#include <stdbool.h>

#include <rouse.h>

/* The field is a plain integer in the public struct because C++ cannot read an _Atomic one. */
#define TASK_STATE(task) ((_Atomic(uintptr_t) *)&(task)->state)

enum {
    TASK_IDLE,
    TASK_CLAIMED, /* somebody is about to hand it over; nobody else may touch it */
    TASK_WAITS    /* its loop is known */
};

/* Claims an idle task; false if it was not one. */
static inline bool task_claim(struct rouse_task *task)
{
    uintptr_t idle = TASK_IDLE;
    return atomic_compare_exchange_strong_explicit(TASK_STATE(task), &idle, TASK_CLAIMED,
                                                   memory_order_acq_rel, memory_order_relaxed);
}

static inline void task_give(struct rouse_task *task, struct rouse_loop *loop)
{
    task->loop = loop;
    atomic_store_explicit(TASK_STATE(task), TASK_WAITS, memory_order_release);
}

static inline void task_release(struct rouse_task *task)
{
    atomic_store_explicit(TASK_STATE(task), TASK_IDLE, memory_order_release);
}

static inline uintptr_t task_state(struct rouse_task *task)
{
    return atomic_load_explicit(TASK_STATE(task), memory_order_acquire);
}

#endif
