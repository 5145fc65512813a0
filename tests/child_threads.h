/*
 * Whether the forked child of a process with threads can start threads of its own, as kernels allow
 * and two that stand before the kernel do not: ThreadSanitizer, and qemu's user mode, which ends
 * the child.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CHILD_THREADS_H
#define CHILD_THREADS_H

#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static pthread_mutex_t child_threads_gate = PTHREAD_MUTEX_INITIALIZER;

static inline void *child_threads_wait(void *unused)
{
    pthread_mutex_lock(&child_threads_gate);
    pthread_mutex_unlock(&child_threads_gate);
    return unused;
}

static inline void *child_threads_return(void *unused)
{
    return unused;
}

/* In the child; whoever ends it has something to say about that. */
static inline int child_threads_start(void)
{
    pthread_t own;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    close(STDERR_FILENO);
    return pthread_create(&own, NULL, child_threads_return, NULL) == 0 &&
                   pthread_join(own, NULL) == 0
               ? 0
               : 1;
}

/* Skips the case if they cannot: a thread is begun, and a child is made that begins one. */
static inline void child_threads_needed(void)
{
#if defined(__SANITIZE_THREAD__)
    SKIP("ThreadSanitizer lets no forked child of a process with threads start any");
#endif
    pthread_t thread;
    pthread_mutex_lock(&child_threads_gate);
    assert_int_equal(pthread_create(&thread, NULL, child_threads_wait, NULL), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        _exit(child_threads_start());
    int status = -1;
    pid_t ended = waitpid(child, &status, 0);
    pthread_mutex_unlock(&child_threads_gate);
    pthread_join(thread, NULL);
    assert_int_equal(ended, child);
    if (status != 0)
        SKIP("qemu lets no forked child of a process with threads start any");
}

#endif
