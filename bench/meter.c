/*
 * What a measurement reads, and how a program that measures ends when it cannot: with words, and
 * with no number. Reading the CPU clock of a process costs a system call, some 200 ns.
 *
 * SPDX-License-Identifier: MIT
 */
#include "meter.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("rouse-measure: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0)
        die("this system does not tell the CPU time of a process");
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t cpu_now(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t wall_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* Voluntary context switches of all threads; the clocks are read after it at the beginning of a
 * slice, and before it at the end, because it looks at each thread. */
static uint64_t switches_now(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        die("this system does not tell the context switches of a process");
    return (uint64_t)usage.ru_nvcsw;
}

void sample_begin(struct sample *sample, const struct counts *counts)
{
    *sample = (struct sample){.counted = counts != NULL};
    if (counts)
        sample->counts = *counts;
    sample->switches = switches_now();
    sample->wall_ns = wall_now();
    sample->cpu_ns = cpu_now();
}

void sample_end(struct sample *sample, const struct counts *counts)
{
    sample->cpu_ns = cpu_now() - sample->cpu_ns;
    sample->wall_ns = wall_now() - sample->wall_ns;
    sample->switches = switches_now() - sample->switches;
    if (!counts)
        return;
    struct counts *past = &sample->counts;
    past->waits = counts->waits - past->waits;
    past->callbacks = counts->callbacks - past->callbacks;
    past->spurious = counts->spurious - past->spurious;
    past->system_calls = counts->system_calls - past->system_calls;
    past->descriptors = counts->descriptors - past->descriptors;
    past->bytes_in = counts->bytes_in - past->bytes_in;
    past->bytes_out = counts->bytes_out - past->bytes_out;
    past->scanned = counts->scanned - past->scanned;
}
