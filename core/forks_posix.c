/*
 * Being told of a fork: a handler that the C library calls inside fork(), in the child.
 *
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>

#include "loop.h"

static pthread_once_t watched = PTHREAD_ONCE_INIT;
static int watch_error;

static void watch(void)
{
    watch_error = pthread_atfork(NULL, NULL, owner_forked);
}

int forks_watch(void)
{
    pthread_once(&watched, watch);
    return -watch_error;
}
