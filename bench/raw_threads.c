/*
 * The raw loop on threads: one thread asleep for each descriptor, in a poll of that one alone. A
 * thread that wakes puts its index on a list, and sleeps again on a semaphore until the loop has
 * served it: if it asked at once, the answer would be the same. All work is done by the one thread
 * of the loop, as in the library.
 *
 * SPDX-License-Identifier: MIT
 */
#include "chain.h"
#include "idle.h"
#include "server.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

struct sleeper {
    struct threads_set *set;
    pthread_t thread;
    sem_t served;
    int fd;
    int index;
};

struct threads_set {
    pthread_mutex_t lock; /* of `ready` and `listed` */
    pthread_cond_t some;  /* are listed */
    int listed;
    int started;
    int *ready; /* the indices that are listed */
    int *batch; /* those that are being served */
    struct sleeper sleepers[];
};

static void *threads_open(int count, int edge)
{
    (void)edge;
    struct threads_set *set = calloc(1, sizeof *set + (size_t)count * sizeof set->sleepers[0]);
    if (!set || !(set->ready = calloc((size_t)count, sizeof *set->ready)) ||
        !(set->batch = calloc((size_t)count, sizeof *set->batch)))
        die("raw threads: no memory");
    pthread_mutex_init(&set->lock, NULL);
    pthread_cond_init(&set->some, NULL);
    return set;
}

/* Ends by being cancelled, in poll or in sem_wait. */
static void *threads_sleep(void *context)
{
    struct sleeper *sleeper = context;
    struct threads_set *set = sleeper->set;
    for (;;) {
        struct pollfd one = {.fd = sleeper->fd, .events = POLLIN};
        if (poll(&one, 1, -1) != 1)
            die("raw threads: poll fails");
        pthread_mutex_lock(&set->lock);
        set->ready[set->listed++] = sleeper->index;
        pthread_cond_signal(&set->some);
        pthread_mutex_unlock(&set->lock);
        sem_wait(&sleeper->served);
    }
    return NULL;
}

static void threads_watch(void *context, int fd, int index)
{
    struct threads_set *set = context;
    struct sleeper *sleeper = &set->sleepers[index];
    *sleeper = (struct sleeper){.set = set, .fd = fd, .index = index};
    sem_init(&sleeper->served, 0, 0);
    int error = pthread_create(&sleeper->thread, NULL, threads_sleep, sleeper);
    if (error != 0)
        die("raw threads: thread %d: %s", index, strerror(error));
    set->started = index + 1;
}

static void threads_close(void *context)
{
    struct threads_set *set = context;
    for (int i = 0; i < set->started; i++)
        pthread_cancel(set->sleepers[i].thread);
    for (int i = 0; i < set->started; i++)
        pthread_join(set->sleepers[i].thread, NULL);
    free(set->ready);
    free(set->batch);
    free(set);
}

/* Sleeps until some are listed; they are then the batch. */
static inline int threads_ready(struct threads_set *set)
{
    pthread_mutex_lock(&set->lock);
    while (set->listed == 0)
        pthread_cond_wait(&set->some, &set->lock);
    int ready = set->listed;
    int *batch = set->ready;
    set->ready = set->batch;
    set->batch = batch;
    set->listed = 0;
    pthread_mutex_unlock(&set->lock);
    return ready;
}

static void threads_idle(void *context, struct idle *idle, uint64_t until)
{
    struct threads_set *set = context;
    while (idle->taken < until) {
        idle_ring(idle);
        int ready = threads_ready(set);
        for (int i = 0; i < ready; i++) {
            idle_take(idle, set->batch[i]);
            sem_post(&set->sleepers[set->batch[i]].served);
        }
    }
}

static void threads_chain(void *context, struct chain *chain, uint64_t until)
{
    struct threads_set *set = context;
    while (chain->hops < until) {
        int ready = threads_ready(set);
        for (int i = 0; i < ready; i++) {
            chain_hop(chain, &chain->links[set->batch[i]]);
            sem_post(&set->sleepers[set->batch[i]].served);
        }
    }
}

static void threads_serve(void *context, struct server *server, uint64_t until)
{
    struct threads_set *set = context;
    while (server->answered < until) {
        int ready = threads_ready(set);
        for (int i = 0; i < ready; i++) {
            server_answer(server, &server->connections[set->batch[i]]);
            sem_post(&set->sleepers[set->batch[i]].served);
        }
    }
}

const struct raw raw_threads = {
    .name = "threads",
    .open = threads_open,
    .watch = threads_watch,
    .close = threads_close,
    .idle = threads_idle,
    .chain = threads_chain,
    .serve = threads_serve,
};
