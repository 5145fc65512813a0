/*
 * The world's time: a virtual clock for the loop, the machine's own, and signals that interrupt.
 *
 * The virtual clock costs nothing and moves only when it is told to, so that no case depends on how
 * fast the machine is. What surprises: a loop with such a clock never sleeps in its backend.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* setitimer */

#include "world.h"

#include <signal.h>
#include <sys/time.h>
#include <time.h>

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

int64_t world_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static volatile sig_atomic_t interrupts;

static void count_interrupt(int number)
{
    (void)number;
    interrupts++;
}

int world_interrupts(void)
{
    return interrupts;
}

void world_interrupt(bool come)
{
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = come ? count_interrupt : SIG_IGN}, NULL);
    struct itimerval period = {{0, come ? 1000 : 0}, {0, come ? 1000 : 0}};
    setitimer(ITIMER_REAL, &period, NULL);
}
