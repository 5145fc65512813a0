/*
 * What a measurement reads: clocks, and what the system and the loop have counted.
 *
 * CPU time above all, because the machines on which this runs are shared: a neighbour makes wall
 * time three times as long and CPU time hardly longer. It counts user and kernel time of the
 * process; reading it is a system call, so it is read around a slice of some milliseconds and
 * never around one event.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCH_METER_H
#define BENCH_METER_H

#include <stdint.h>

/* What a loop that counts has done. */
struct counts {
    uint64_t waits, callbacks, spurious;
    uint64_t system_calls, descriptors, bytes_in, bytes_out, scanned; /* of its waits */
};

/* What one slice of work has cost. */
struct sample {
    uint64_t events;
    uint64_t cpu_ns;
    uint64_t wall_ns;
    uint64_t empty;    /* reads that found nothing: reports that were wrong */
    uint64_t switches; /* times that a thread of this process went to sleep */
    int counted;       /* whether `counts` is filled in */
    struct counts counts;
    uint64_t bytes;               /* of memory; 0 where none are counted */
    const uint64_t *latencies_ns; /* one for each event, or NULL */
    uint64_t late_ns;             /* of these, what was the fault of who asked, at most */
    const struct look *look;      /* what was seen of the process, or NULL */
};

/* Says on stderr what went wrong and ends the program with status 1. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The CPU time that this process has used, and the time that has passed, in nanoseconds. */
uint64_t cpu_now(void);
uint64_t wall_now(void);

/* Begins and ends the measurement of a slice. The counts are the caller's: those up to now at the
 * beginning and at the end, or NULL. */
void sample_begin(struct sample *sample, const struct counts *counts);
void sample_end(struct sample *sample, const struct counts *counts);

#endif
