/*
 * What a process takes, as the system tells it: memory, threads, and the CPU that it uses while it
 * should sleep. One that is measured so is a child with a control socket to its parent, so that
 * what it holds is its own, and what the watching costs is not.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stddef.h>
#include <stdint.h>

struct footprint {
    long size_kb;          /* addresses that are mapped */
    long resident_kb;      /* memory behind them */
    long page_tables_kb;   /* by which the processor finds it */
    long kernel_stacks_kb; /* of all threads of the system */
    long threads;
};

/* Of this process. */
struct footprint footprint_now(void);

/* Prints the members of a footprint for JSON, each with a comma before it and `when` behind its
 * name. */
void footprint_print(const struct footprint *footprint, const char *when);

/* Forks. Both sides get their end of a socket that keeps messages whole; returns 0 in the child. */
int process_fork(int *control);

/* Send and receive a message on the control socket; they die if the other side has gone. */
void process_tell(int control, const void *message, size_t size);
void process_hear(int control, void *message, size_t size);

/* How much CPU the process uses in so many milliseconds in which it should sleep. It may first
 * finish what it was at. On a machine that is busy with others it does not get all that it would
 * use: so long did its first thread wait for a processor. */
struct rest {
    uint64_t lasted_ns, cpu_ns, waited_ns;
};
struct rest process_watch(int pid, long milliseconds);

/* Prints its members for JSON, each with a comma before it. */
void rest_print(const struct rest *rest);

/* Waits for the end of the child, and dies if it has failed. */
void process_join(int pid);

#endif
