/*
 * The time of the world of POSIX: the machine's own clock, and signals that interrupt.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* setitimer */

#include "world.h"

#include <signal.h>
#include <sys/time.h>
#include <time.h>

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

int world_interrupt(bool come)
{
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = come ? count_interrupt : SIG_IGN}, NULL);
    struct itimerval period = {{0, come ? 1000 : 0}, {0, come ? 1000 : 0}};
    return setitimer(ITIMER_REAL, &period, NULL);
}
