/*
 * The world's virtual time: a clock for the loop that stands still until it is moved.
 *
 * It costs nothing and moves only when it is told to, so that no case depends on how fast the
 * machine is. What surprises: a loop with such a clock never sleeps in its backend.
 *
 * SPDX-License-Identifier: MIT
 */
#include "world.h"

static int64_t read_clock(void *context)
{
    struct world_clock *clock = context;
    clock->reads++;
    return clock->now;
}

static void idle_until(void *context, int64_t deadline)
{
    struct world_clock *clock = context;
    clock->idles++;
    clock->asked = deadline;
    if (!clock->stands && deadline != INT64_MAX && deadline > clock->now)
        clock->now = deadline;
}

struct rouse_clock world_clock(struct world_clock *clock)
{
    return (struct rouse_clock){.now = read_clock, .idle_until = idle_until, .context = clock};
}
