/*
 * Workload `hold`: what it takes to watch N descriptors, before anything happens on them.
 *
 * A process starts N watchers, and is looked at: how long that took, its memory and its threads.
 * Then it waits while nobody does anything, and its parent looks at its CPU clock. Then a few
 * events come, one after the other, and what they did is counted: how often a thread was put to
 * sleep, and how many reads found nothing.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCH_HOLD_H
#define BENCH_HOLD_H

/* Prints one line for `count` descriptors. */
void hold_measure(const char *backend, int count, long idle_ms);

#endif
