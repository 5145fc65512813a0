/*
 * Useless work of a known length, planted in each event of a raw loop to see whether the benchmark
 * notices it: a chain of multiplications, each of which waits for the one before. How long one
 * takes is measured once in a process.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCH_PLANT_H
#define BENCH_PLANT_H

#include "meter.h"

static HOT void plant_work(uint64_t steps)
{
    uint64_t value = steps;
    for (uint64_t i = 0; i < steps; i++) {
        value = value * 6364136223846793005u + 1;
        __asm__ volatile("" : "+r"(value)); /* or the compiler sees that nobody wants it */
    }
}

/* How many steps take so many nanoseconds; by the fastest of several trials, the others have been
 * disturbed. */
static uint64_t plant_steps(uint64_t ns)
{
    enum { TRIALS = 9, STEPS = 200000 };
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < TRIALS; i++) {
        uint64_t before = cpu_now();
        plant_work(STEPS);
        uint64_t taken = cpu_now() - before;
        least = taken < least ? taken : least;
    }
    return ns * STEPS / (least + 1);
}

#endif
