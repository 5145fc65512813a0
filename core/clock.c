/*
 * The loop's clock: the system's monotonic one, or the user's own. A turn reads it at most once,
 * when somebody asks or a timer may be due.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>

#include "loop.h"

/* Reads the clock. One that steps back stands still instead. */
int64_t loop_clock(struct rouse_loop *loop)
{
    int64_t now =
        loop->agenda & AGENDA_CLOCK ? loop->clock.now(loop->clock.context) : loop->system->now();
    if (now > loop->latest)
        loop->latest = now;
    return loop->latest;
}

int64_t loop_now(struct rouse_loop *loop)
{
    if (!loop->now_known) {
        loop->now = loop_clock(loop);
        loop->now_known = loop->running;
    }
    return loop->now;
}

int64_t rouse_now(struct rouse_loop *loop)
{
    return loop == NULL ? -EINVAL : loop_now(loop);
}
