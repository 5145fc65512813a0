/*
 * What the kernel itself tells of its steps: its tracing events, which are for root.
 *
 *     switch (tracing_find(steps, STEPS, tid, act, found)) {
 *     case TRACING_FOUND:
 *         tracing_print(steps, STEPS, found);
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef LESSON_TRACING_H
#define LESSON_TRACING_H

#include "lesson.h"

/* An event, and the one of its lines that is meant: what stands in it, and the name of the thread
 * that had the processor (NULL: any). `words` say what it means. */
struct tracing_step {
    const char *event; /* as in "sched/sched_switch" */
    const char *who;
    const char *text;
    const char *words;
};

/* Where and when it was found. */
struct tracing_found {
    const char *end; /* of its line, behind which the stack follows */
    char who[32];
    double time; /* in seconds */
};

enum tracing_result { TRACING_FOUND, TRACING_NOT_FOUND, TRACING_REFUSED };

/* Runs `act` until the steps are found in the trace, one behind the other; after many runs in vain
 * they are not found. What is traced is the calling thread, and `other`. */
enum tracing_result tracing_find(const struct tracing_step *steps, int count, pid_t other,
                                 void (*act)(void), struct tracing_found *found);

/* A line each. */
void tracing_print(const struct tracing_step *steps, int count, const struct tracing_found *found);

/* The stack of a step as a way through functions, from the system call on, below these words. */
void tracing_way(const struct tracing_found *found, const char *words);

#endif
