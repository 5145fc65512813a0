/*
 * A process that is measured, and another that it works with: how they part, how they speak, and
 * what the system tells of one of them: memory, threads, and the CPU that it uses while it should
 * sleep.
 *
 * The one that is measured is the child, so that what it holds and uses is its own. They speak over
 * a socket that keeps messages whole; when one of them ends, the other one reads the end of it, and
 * ends too.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stddef.h>
#include <stdint.h>

/* Forks, and stores each side's end of the socket, which does not block. 0 in the child; in the
 * parent the child's number. */
int process_fork(int *control);

/* Gives this process a processor of its own: number 0 or 1 of those that it may use, if there are
 * two. All threads that it starts later stay there with it. */
void process_pin(int number);

/* Send and receive a message on the control socket; they die if the other side has gone. */
void process_tell(int control, const void *message, size_t size);
void process_hear(int control, void *message, size_t size);

/* Waits for the end of the child and ends with its status. */
_Noreturn void process_follow(int pid);

struct footprint {
    long size_kb;          /* addresses that are mapped */
    long resident_kb;      /* memory behind them */
    long page_tables_kb;   /* by which the processor finds it */
    long kernel_stacks_kb; /* of all threads of the system */
    long threads;
};

/* Of this process. */
struct footprint footprint_now(void);

/* How much CPU the process uses in so many milliseconds in which it should sleep. It may first
 * finish what it was at. On a machine that is busy with others it does not get all that it would
 * use: so long did its first thread wait for a processor. */
struct rest {
    uint64_t lasted_ns, cpu_ns, waited_ns;
};
struct rest process_watch(int pid, long milliseconds);

/* What was seen of a process that holds something: itself before and after it took it, and its
 * sleep with it. */
struct look {
    struct footprint before, held;
    uint64_t start_ns; /* from the one to the other */
    struct rest rest;
};

/* It is about to take it; it has taken it. */
void look_begin(struct look *look);
void look_held(struct look *look);

/* Prints the members of a look for JSON, each with a comma before it. */
void look_print(const struct look *look);

#endif
