/*
 * How the threads of a test wait for each other: a gate that lets through as many as it was opened
 * for, and a meeting that goes on when all have come. They are made of a mutex and a condition,
 * because macOS has neither unnamed semaphores nor barriers.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef GATE_H
#define GATE_H

#include <pthread.h>

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    int open; /* for how many */
};

#define GATE_CLOSED ((struct gate){PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0})

static inline void gate_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->open++;
    pthread_cond_signal(&gate->opened);
    pthread_mutex_unlock(&gate->lock);
}

static inline void gate_pass(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    while (gate->open == 0)
        pthread_cond_wait(&gate->opened, &gate->lock);
    gate->open--;
    pthread_mutex_unlock(&gate->lock);
}

struct meeting {
    pthread_mutex_t lock;
    pthread_cond_t complete;
    int expected;
    int come;
    unsigned round;
};

#define MEETING_OF(count)                                                                          \
    ((struct meeting){PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, (count), 0, 0})

static inline void meeting_join(struct meeting *meeting)
{
    pthread_mutex_lock(&meeting->lock);
    unsigned round = meeting->round;
    if (++meeting->come == meeting->expected) {
        meeting->come = 0;
        meeting->round++;
        pthread_cond_broadcast(&meeting->complete);
    }
    while (round == meeting->round)
        pthread_cond_wait(&meeting->complete, &meeting->lock);
    pthread_mutex_unlock(&meeting->lock);
}

#endif
