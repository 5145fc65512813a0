/*
 * The state of a task, which several threads may look at: it waits, or it does not.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_CORE_TASK_H
#define ROUSE_CORE_TASK_H

#include <stdatomic.h>
#include <stdbool.h>

#include <rouse.h>

/* Makes the task one that waits; true if it was one already. The field is a plain integer in the
 * public struct because C++ cannot read an _Atomic one. */
static inline bool task_claim(struct rouse_task *task)
{
    return atomic_exchange_explicit((_Atomic(uintptr_t) *)&task->state, 1, memory_order_acq_rel);
}

static inline void task_release(struct rouse_task *task)
{
    atomic_store_explicit((_Atomic(uintptr_t) *)&task->state, 0, memory_order_release);
}

static inline bool task_waits(struct rouse_task *task)
{
    return atomic_load_explicit((_Atomic(uintptr_t) *)&task->state, memory_order_acquire);
}

#endif
