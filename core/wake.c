/*
 * Wakes and posts: the one door by which other threads and signal handlers reach a loop.
 *
 * A wake sets a flag, and rings only if it was not set. A post first pushes its task onto a stack
 * by compare and swap, then does the same. The loop clears the flag before it looks at the stack,
 * never after: so whatever was pushed before a flag that was found set is seen by the loop that
 * clears it, and the last wake is always followed by a look.
 *
 * A wake that finds the flag set has only looked at it, so however many wake at once, no processor
 * takes its line of the cache from another. But a processor, x86 too, may load before what it has
 * stored is visible to others, and the loop could look in between; what comes before the load is
 * therefore a fence. That is five nanoseconds, and nothing less will do.
 *
 * Beside the flag are counted those who are ringing at this moment, because what they ring may be
 * the backend, and those who post, because what they have pushed may end the loop: it is not
 * closed, and the loop not freed, before they are out of it.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>

#include "loop.h"
#include "task.h"

/* loop.wakes */
enum {
    PENDING = 1, /* the loop is going to look */
    ASKED = 2,   /* by rouse_wake(), so that its hooks are called */
    RINGER = 4,  /* one that rings now; they are counted */
};

/* What is looked at after this is not older: the fence is the other half of a waker's. Returns the
 * flags as they were. */
static uint32_t clear(struct rouse_loop *loop, uint32_t flags)
{
    uint32_t before = atomic_fetch_and(&loop->wakes, ~flags);
    atomic_thread_fence(memory_order_seq_cst);
    return before;
}

/* From here on the loop waits for the caller, until ring() is through. */
static void enter(struct rouse_loop *loop)
{
    atomic_fetch_add_explicit(&loop->wakes, RINGER, memory_order_acquire);
}

static void ring(struct rouse_loop *loop, uint32_t asked)
{
    uint32_t before = atomic_load_explicit(&loop->wakes, memory_order_relaxed);
    uint32_t after;
    do
        after = (before & PENDING ? before - RINGER : before + PENDING) | asked;
    while (!atomic_compare_exchange_weak_explicit(&loop->wakes, &before, after,
                                                  memory_order_acq_rel, memory_order_relaxed));
    if (before & PENDING)
        return;
    int kept = errno;
    if (loop->notifier[1] >= 0)
        notifier_ring(loop->notifier);
    else
        loop->backend.wake(loop->state);
    errno = kept;
    atomic_fetch_sub_explicit(&loop->wakes, RINGER, memory_order_release);
}

bool wake_pending(const struct rouse_loop *loop)
{
    return atomic_load_explicit(&loop->wakes, memory_order_relaxed) & PENDING;
}

/* From here on nobody rings, and nobody is ringing any more. */
void wake_hold(struct rouse_loop *loop)
{
    atomic_fetch_or_explicit(&loop->wakes, PENDING, memory_order_acq_rel);
    while (atomic_load_explicit(&loop->wakes, memory_order_acquire) >= RINGER)
        system_yield();
}

/* They may again. Whoever came meanwhile, or rang a backend that is gone, is made up for. */
void wake_again(struct rouse_loop *loop)
{
    uint32_t before = clear(loop, PENDING);
    if (atomic_load_explicit(&loop->posted, memory_order_relaxed) != NULL || before & ASKED) {
        enter(loop);
        ring(loop, 0);
    }
}

int rouse_wake(struct rouse_loop *loop)
{
    if (loop == NULL)
        return -EINVAL;
    const uint32_t rung = PENDING | ASKED;
    atomic_thread_fence(memory_order_seq_cst);
    if ((atomic_load(&loop->wakes) & rung) == rung)
        return 0;
    enter(loop);
    ring(loop, ASKED);
    return 0;
}

int rouse_post(struct rouse_loop *loop, struct rouse_task *task)
{
    if (loop == NULL || task == NULL || task->fn == NULL)
        return -EINVAL;
    if (!task_claim(task))
        return -EALREADY;
    task_give(task, loop);
    enter(loop); /* once it is pushed, the task may end the loop */
    struct rouse_task *top = atomic_load_explicit(&loop->posted, memory_order_relaxed);
    do
        task->posted = top;
    while (!atomic_compare_exchange_weak_explicit(&loop->posted, &top, task, memory_order_release,
                                                  memory_order_relaxed));
    ring(loop, 0);
    return 0;
}

/* Moves what was posted behind the tasks that wait already, first posted first. */
void wake_take_posted(struct rouse_loop *loop)
{
    struct rouse_task *stack = atomic_exchange_explicit(&loop->posted, NULL, memory_order_acquire);
    if (stack != NULL)
        loop->agenda |= AGENDA_TASKS;
    struct rouse_link *end = loop->tasks.previous;
    while (stack != NULL) {
        struct rouse_task *task = stack;
        stack = task->posted;
        link_append(end->next, &task->link); /* before what was moved already: the last is on top */
    }
}

/* After a ring: clears the flags, then takes over what was announced. */
void wake_collect(struct rouse_loop *loop)
{
    uint32_t before = clear(loop, PENDING | ASKED);
    wake_take_posted(loop);
    if (before & ASKED)
        hooks_run(loop, ROUSE_ON_WAKE);
}

/* The loop's own watcher. Reading the notifier comes before clearing the flag: a waker in between
 * finds the flag set and does not ring, and what it pushed is seen. */
static void rung(struct rouse_io *io, uint32_t ready)
{
    (void)ready;
    struct rouse_loop *loop = io->loop;
    loop->called--; /* the callbacks that count are the user's */
    loop->deaf = rouse_io_error(io);
    if (loop->deaf != 0) {
        loop->agenda |= AGENDA_DEAF;
        rouse_io_want(io, ROUSE_READ); /* to be sent again if it is run again */
        return;
    }
    if (!(loop->backend.traits & ROUSE_TRAIT_EDGE))
        notifier_silence(loop->notifier);
    rouse_io_drained(io, ROUSE_READ);
    wake_collect(loop);
}

/* Watches the notifier, unless the backend can be woken otherwise. */
int wake_open(struct rouse_loop *loop)
{
    loop->notifier[0] = loop->notifier[1] = -1;
    loop->agenda &= ~(uint32_t)AGENDA_WAKE;
    if (loop->backend.wake != NULL) {
        loop->agenda |= AGENDA_WAKE;
        return 0;
    }
    int error = notifier_open(loop->notifier);
    if (error != 0)
        return loop_fail(loop, -error, "make a descriptor to be woken by", 0,
                         "close others or raise the limit (ulimit -n)");
    rouse_io_init(&loop->notifier_io, rung);
    rouse_io_unref(&loop->notifier_io);
    error = rouse_io_start(loop, &loop->notifier_io, loop->notifier[0], ROUSE_READ | ROUSE_EDGE);
    if (error != 0)
        notifier_close(loop->notifier);
    return error;
}

void wake_close(struct rouse_loop *loop)
{
    if (loop->notifier[0] >= 0)
        notifier_close(loop->notifier);
}

/* In a forked child, first: those who ring are the parent's, and so is the notifier. */
int wake_renew(struct rouse_loop *loop)
{
    atomic_fetch_and_explicit(&loop->wakes, PENDING | ASKED, memory_order_relaxed);
    return loop->notifier[0] >= 0 ? notifier_renew(loop->notifier) : 0;
}
