/*
 * Tasks: one call each, at the end of the turn. Those that wait when the phase begins are taken off
 * the queue at once, so that a task that defers another one, or itself, cannot keep the loop from
 * its descriptors.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>

#include "loop.h"
#include "task.h"

void rouse_task_init(struct rouse_task *task, void (*fn)(struct rouse_task *task))
{
    *task = (struct rouse_task){.fn = fn};
}

int rouse_defer(struct rouse_loop *loop, struct rouse_task *task)
{
    if (loop == NULL || task == NULL)
        return -EINVAL;
    int error = owner_check(loop);
    if (error != 0)
        return error;
    if (task->fn == NULL)
        return loop_fail(loop, EINVAL, "defer a task", 0, "give rouse_task_init() a callback");
    if (!task_claim(task))
        return loop_fail(loop, EALREADY, "defer a task", 0, "it waits already");
    task_give(task, loop);
    link_append(&loop->tasks, &task->link);
    loop->agenda |= AGENDA_TASKS;
    return 0;
}

int rouse_task_cancel(struct rouse_task *task)
{
    if (task == NULL)
        return -EINVAL;
    uintptr_t state = task_state(task);
    if (state == TASK_IDLE)
        return 0;
    if (state == TASK_CLAIMED)
        return -EBUSY;
    int error = owner_check(task->loop);
    if (error != 0)
        return error;
    if (task->link.next == NULL) /* on the stack of what was posted */
        wake_take_posted(task->loop);
    if (task->link.next == NULL)
        return loop_fail(task->loop, EBUSY, "cancel a task", 0, "another thread is posting it");
    link_remove(&task->link);
    task_release(task);
    return 0;
}

void tasks_run(struct rouse_loop *loop)
{
    loop->agenda &= ~(uint32_t)AGENDA_TASKS;
    struct rouse_link waiting;
    link_init(&waiting);
    link_append_all(&waiting, &loop->tasks);
    while (!link_empty(&waiting) && !(loop->agenda & AGENDA_FORKED)) {
        struct rouse_task *task = LINK_OWNER(waiting.next, struct rouse_task, link);
        link_remove(&task->link);
        task_release(task);
        loop->called++;
        task->fn(task);
    }
    if (!link_empty(&waiting)) { /* forked: they wait for the child to adopt the loop */
        link_append_all(&waiting, &loop->tasks);
        link_append_all(&loop->tasks, &waiting);
        loop->agenda |= AGENDA_TASKS;
    }
}

void tasks_detach(struct rouse_loop *loop)
{
    wake_take_posted(loop);
    while (!link_empty(&loop->tasks)) {
        struct rouse_task *task = LINK_OWNER(loop->tasks.next, struct rouse_task, link);
        link_remove(&task->link);
        task_release(task);
    }
}
