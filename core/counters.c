/*
 * Counters. The loop and its backend bump them as they go, one instruction each; what can be told
 * from others is told when somebody asks.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <string.h>

#include "loop.h"

int rouse_count(const struct rouse_loop *loop, struct rouse_counters *counters)
{
    if (loop == NULL || counters == NULL || counters->size < offsetof(struct rouse_counters, turns))
        return -EINVAL;
    const struct rouse_counters all = {
        .size = counters->size,
        .turns = loop->turns,
        .waits = loop->turns + loop->missed,
        .wakeups = loop->turns + loop->missed - loop->asked,
        .events = loop->reported,
        .stale = loop->counters.stale,
        .spurious = loop->counters.spurious,
        .callbacks = loop->counters.callbacks + (loop->running ? loop->called : 0),
        .changes_asked = loop->counters.changes_asked,
        .changes_sent = loop->counters.changes_sent,
        .rebuilds = loop->counters.rebuilds,
        .system_calls = loop->work.system_calls,
        .descriptors = loop->work.descriptors,
        .bytes_in = loop->work.bytes_in,
        .bytes_out = loop->work.bytes_out,
        .scanned = loop->work.scanned,
    };
    memcpy(counters, &all, counters->size < sizeof all ? counters->size : sizeof all);
    return 0;
}
