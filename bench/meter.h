/*
 * What a measurement reads: the CPU time of this process, and the library's own counters.
 *
 * CPU time and not wall time, because the machines on which this runs are shared: a neighbour makes
 * wall time three times as long and CPU time hardly longer. It counts user and kernel time of the
 * process; reading it is a system call, so it is read around a slice of some milliseconds and
 * never around one event.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCH_METER_H
#define BENCH_METER_H

#include <rouse.h>
#include <stdint.h>
#include <string.h>

/* What one slice of work has cost. */
struct sample {
    uint64_t events;
    uint64_t cpu_ns;
    uint64_t empty;    /* reads that found nothing */
    uint64_t switches; /* times that a thread of this process went to sleep */
    int counted;       /* whether `work` is filled in */
    struct rouse_counters work;
};

/* Says on stderr what went wrong and ends the program with status 1. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The CPU time that this process has used. */
uint64_t cpu_now(void);

/* Opens a loop on the backend `name` and dies unless it is that backend which runs. */
struct rouse_loop *loop_open(const char *name);

/* For callbacks: dies if the report says that the descriptor cannot be watched. */
static inline void report_check(const struct rouse_io *io, uint32_t ready)
{
    if (ready & ROUSE_ERROR)
        die("descriptor %d cannot be watched: %s", io->fd, strerror(-rouse_io_error(io)));
}

/* Turns the loop, without waiting, until the backend has been told of so many watchers: the loop
 * hands them over in batches, and a wait that has only half of them is half as dear. */
void loop_settle(struct rouse_loop *loop, int watchers);

/* Begins and ends the measurement of a slice; `loop` is NULL in a raw loop. */
void sample_begin(struct sample *sample, const struct rouse_loop *loop);
void sample_end(struct sample *sample, const struct rouse_loop *loop);

#endif
