/*
 * What a measurement reads, and how a program that measures ends when it cannot: with words, and
 * with no number. Reading the CPU clock of a process costs a system call, some 200 ns.
 *
 * SPDX-License-Identifier: MIT
 */
#include "meter.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

uint64_t cpu_now(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) != 0)
        die("this system does not tell the CPU time of a process");
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct rouse_loop *loop_open(const char *name)
{
    char why[256] = "";
    struct rouse_config config = {
        .size = sizeof config, .backend = name, .why = why, .why_size = sizeof why};
    struct rouse_loop *loop;
    if (rouse_open(&loop, &config) != 0)
        die("cannot open a loop on %s: %s", name, why);
    if (strcmp(rouse_backend_name(loop), name) != 0)
        die("asked for %s and got %s: not measured", name, rouse_backend_name(loop));
    return loop;
}

static struct rouse_counters counters_now(const struct rouse_loop *loop)
{
    struct rouse_counters counters = {.size = sizeof counters};
    if (rouse_count(loop, &counters) != 0)
        die("the loop does not tell its counters");
    return counters;
}

void loop_settle(struct rouse_loop *loop, int watchers)
{
    uint64_t sent = 0;
    for (int turns = 0; turns <= watchers; turns++) {
        if (rouse_turn(loop, 0) < 0)
            die("%s", rouse_error(loop));
        sent = counters_now(loop).changes_sent;
        if (sent >= (uint64_t)watchers)
            return;
    }
    die("the backend was told of %llu watchers out of %d", (unsigned long long)sent, watchers);
}

/* Voluntary context switches of all threads; the clock is read after it at the beginning of a
 * slice, and before it at the end, because it looks at each thread. */
static uint64_t switches_now(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        die("this system does not tell the context switches of a process");
    return (uint64_t)usage.ru_nvcsw;
}

void sample_begin(struct sample *sample, const struct rouse_loop *loop)
{
    *sample = (struct sample){.counted = loop != NULL};
    if (loop)
        sample->work = counters_now(loop);
    sample->switches = switches_now();
    sample->cpu_ns = cpu_now();
}

void sample_end(struct sample *sample, const struct rouse_loop *loop)
{
    sample->cpu_ns = cpu_now() - sample->cpu_ns;
    sample->switches = switches_now() - sample->switches;
    if (!loop)
        return;
    struct rouse_counters now = counters_now(loop);
    struct rouse_counters *work = &sample->work;
    work->waits = now.waits - work->waits;
    work->callbacks = now.callbacks - work->callbacks;
    work->spurious = now.spurious - work->spurious;
    work->system_calls = now.system_calls - work->system_calls;
    work->descriptors = now.descriptors - work->descriptors;
    work->bytes_in = now.bytes_in - work->bytes_in;
    work->bytes_out = now.bytes_out - work->bytes_out;
    work->scanned = now.scanned - work->scanned;
}
