/*
 * Several threads that do the same: begun together, and joined with what each has found wrong.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef THREADS_H
#define THREADS_H

#include <pthread.h>

#include "stage.h"

enum { THREADS = 4, ROUNDS = 2000 };

/* Each gets its own of the `arguments`, which are `size` bytes apart. */
static inline void threads_begin(pthread_t threads[THREADS], void *(*body)(void *), void *arguments,
                                 size_t size)
{
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, body, (char *)arguments + (size_t)i * size), 0);
}

/* A thread returns NULL, or the name of what failed. */
static inline void threads_end(pthread_t threads[THREADS])
{
    for (int i = 0; i < THREADS; i++) {
        void *wrong = NULL;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        if (wrong != NULL)
            fail_msg("a thread failed at: %s", (const char *)wrong);
    }
}

#endif
