/*
 * Hooks: calls around every wait, and after a wake. Each moment has a ring of them; while it is
 * called, what is left to call is in a ring of its own, so that hooks may start and stop each
 * other.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>

#include "loop.h"

void rouse_hook_init(struct rouse_hook *hook, void (*fn)(struct rouse_hook *hook))
{
    *hook = (struct rouse_hook){.fn = fn};
}

int rouse_hook_start(struct rouse_loop *loop, struct rouse_hook *hook, enum rouse_moment moment)
{
    static const char tried[] = "start a hook";
    if (loop == NULL || hook == NULL)
        return -EINVAL;
    int error = owner_check(loop);
    if (error != 0)
        return error;
    if (hook->fn == NULL)
        return loop_fail(loop, EINVAL, tried, 0, "give rouse_hook_init() a callback");
    if ((unsigned)moment > ROUSE_ON_WAKE)
        return loop_fail(loop, EINVAL, tried, 0, "name one of the three moments");
    if (hook->link.next != NULL)
        return loop_fail(loop, EBUSY, tried, 0, "it is started already");
    hook->loop = loop;
    link_append(&loop->hooks[moment], &hook->link);
    loop->agenda |= AGENDA_HOOKS;
    return 0;
}

int rouse_hook_stop(struct rouse_hook *hook)
{
    if (hook == NULL)
        return -EINVAL;
    if (hook->link.next == NULL)
        return 0;
    int error = owner_check(hook->loop);
    if (error == 0)
        link_remove(&hook->link);
    return error;
}

void hooks_run(struct rouse_loop *loop, enum rouse_moment moment)
{
    struct rouse_link *hooks = &loop->hooks[moment];
    struct rouse_link waiting;
    struct rouse_link called;
    link_init(&waiting);
    link_init(&called);
    link_append_all(&waiting, hooks);
    while (!link_empty(&waiting) && !(loop->agenda & AGENDA_FORKED)) {
        struct rouse_hook *hook = LINK_OWNER(waiting.next, struct rouse_hook, link);
        link_remove(&hook->link);
        link_append(&called, &hook->link);
        hook->fn(hook);
    }
    link_append_all(&called, &waiting);
    link_append_all(&called, hooks); /* those started meanwhile are last */
    link_append_all(hooks, &called);
}

void hooks_detach(struct rouse_loop *loop)
{
    for (int moment = 0; moment < 3; moment++)
        while (!link_empty(&loop->hooks[moment]))
            link_remove(loop->hooks[moment].next);
}
