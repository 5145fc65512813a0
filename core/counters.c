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
    struct rouse_counters all = loop->counters;
    all.size = counters->size;
    all.turns = loop->turns;
    all.events = loop->reported;
    all.waits = all.turns + loop->missed;
    all.wakeups = all.waits - loop->asked;
    all.callbacks += loop->running ? loop->called : 0;
    all.system_calls = loop->work.system_calls;
    all.descriptors = loop->work.descriptors;
    all.bytes_in = loop->work.bytes_in;
    all.bytes_out = loop->work.bytes_out;
    all.scanned = loop->work.scanned;
    memcpy(counters, &all, counters->size < sizeof all ? counters->size : sizeof all);
    return 0;
}
