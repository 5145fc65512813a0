/*
 * Who may call. A loop belongs to one thread of one process, and each call of the API checks it,
 * without a system call: every thread that owns a loop has a number of its own in a thread-local
 * variable, which is compared with the loop's. In a forked child, the thread that forked is the
 * only one left, and its number is wiped by a handler that runs inside fork(): all loops that it
 * owned are then somebody else's, until it adopts them, and those in whose callback it forked call
 * nobody else. vfork() and a bare clone() run no such
 * handler; a child of those must not touch a loop.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <stdatomic.h>

#include "loop.h"

_Thread_local uintptr_t owner_self;
_Thread_local struct rouse_loop *owner_running; /* the innermost loop that runs in this thread */

static _Atomic(uintptr_t) last_number;
static _Atomic(uintptr_t) forks; /* how often an ancestor of this process has forked to become it */

/* In a forked child, inside fork(). */
void owner_forked(void)
{
    owner_self = 0;
    for (struct rouse_loop *loop = owner_running; loop != NULL; loop = loop->outer) {
        loop->agenda |= AGENDA_FORKED;
        loop->fetched = 0;
    }
    atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
}

/* Gives the calling thread a number. */
int owner_enter(void)
{
    int error = forks_watch();
    if (error != 0)
        return error;
    if (owner_self == 0)
        owner_self = atomic_fetch_add_explicit(&last_number, 1, memory_order_relaxed) + 1;
    return 0;
}

uintptr_t owner_forks(void)
{
    return atomic_load_explicit(&forks, memory_order_relaxed);
}

int owner_refuse(const struct rouse_loop *loop)
{
    return loop->forks != owner_forks() ? -ECHILD : -EPERM;
}

int rouse_adopt(struct rouse_loop *loop)
{
    if (loop == NULL)
        return -EINVAL;
    bool forked = loop->forks != owner_forks();
    if (loop->running && !forked)
        return -EBUSY;
    int error = owner_enter();
    if (error != 0)
        return error;
    if (forked) {
        error = wake_renew(loop);
        if (error != 0)
            return error;
    }
    bool moved = loop->owner != owner_self;
    loop->owner = owner_self;
    loop->forks = owner_forks();
    if (!forked)
        return moved && (loop->backend.traits & ROUSE_TRAIT_BOUND) ? loop_reopen(loop) : 0;
    /* Unless it was forked in a callback, it runs nowhere now: not even if it did in the parent. */
    if (!(loop->agenda & AGENDA_FORKED))
        loop->running = false;
    loop->agenda &= ~(uint32_t)AGENDA_FORKED;
    return loop_reopen(loop);
}
