/*
 * The raw loop on threads: one thread asleep for each descriptor, in a poll of that one alone. A
 * thread that wakes puts its watch on a list, and sleeps again on a semaphore until the loop has
 * served it: if it asked at once, the answer would be the same. All work is done by the one thread
 * of the loop, as in the library. To change what is watched is to end a thread and start another.
 *
 * SPDX-License-Identifier: MIT
 */
#include "calls.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

struct loop {
    pthread_mutex_t lock; /* of `ready` */
    pthread_cond_t some;  /* are ready */
    bool stopped;
    int count; /* of the threads */
    int room;
    int listed;
    int served;
    struct watch **ready; /* those that are listed */
    struct watch **batch; /* those that are served now; NULL for one that was stopped */
};

struct watch {
    struct loop *loop;
    pthread_t thread;
    sem_t served;
    int fd;
    unsigned interest;
};

#define READY(name) static HOT void name(struct watch *watch)

static void loop_open(struct loop *loop, const char *backend)
{
    (void)backend;
    *loop = (struct loop){.lock = PTHREAD_MUTEX_INITIALIZER, .some = PTHREAD_COND_INITIALIZER};
}

static void loop_close(struct loop *loop)
{
    free(loop->ready);
    free(loop->batch);
}

/* Makes those that are listed the batch; if there are none, it may sleep until there are. */
static HOT void loop_take(struct loop *loop, bool sleep)
{
    pthread_mutex_lock(&loop->lock);
    while (loop->listed == 0 && sleep)
        pthread_cond_wait(&loop->some, &loop->lock);
    struct watch **batch = loop->ready;
    loop->ready = loop->batch;
    loop->batch = batch;
    loop->served = loop->listed;
    loop->listed = 0;
    pthread_mutex_unlock(&loop->lock);
}

static HOT void loop_serve(struct loop *loop, bool sleep, void (*ready)(struct watch *watch))
{
    loop_take(loop, sleep);
    for (int i = 0; i < loop->served; i++) {
        if (loop->batch[i])
            ready(loop->batch[i]);
        if (loop->batch[i])
            sem_post(&loop->batch[i]->served);
    }
}

static HOT void loop_run(struct loop *loop, void (*ready)(struct watch *watch))
{
    loop->stopped = false;
    while (!loop->stopped)
        loop_serve(loop, true, ready);
}

static HOT void loop_turn(struct loop *loop, void (*ready)(struct watch *watch))
{
    loop_serve(loop, false, ready);
}

static HOT void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

/* Ends by being cancelled, in poll or in sem_wait. */
static void *watch_sleep(void *context)
{
    struct watch *watch = context;
    struct loop *loop = watch->loop;
    int events = (watch->interest & READ ? POLLIN : 0) | (watch->interest & WRITE ? POLLOUT : 0);
    for (;;) {
        struct pollfd one = {.fd = watch->fd, .events = (short)events};
        if (poll(&one, 1, -1) != 1)
            die("raw threads: poll: %s", strerror(errno));
        pthread_mutex_lock(&loop->lock);
        loop->ready[loop->listed++] = watch;
        pthread_cond_signal(&loop->some);
        pthread_mutex_unlock(&loop->lock);
        sem_wait(&watch->served);
    }
    return NULL;
}

/* Each list has room for all. */
static void loop_grow(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->room = 2 * loop->room + 64;
    loop->ready = realloc(loop->ready, (size_t)loop->room * sizeof(struct watch *));
    loop->batch = realloc(loop->batch, (size_t)loop->room * sizeof(struct watch *));
    if (!loop->ready || !loop->batch)
        die("raw threads: no memory");
    pthread_mutex_unlock(&loop->lock);
}

static void watch_start(struct loop *loop, struct watch *watch, int fd, unsigned interest,
                        void (*ready)(struct watch *watch))
{
    (void)ready;
    if (loop->count == loop->room)
        loop_grow(loop);
    *watch = (struct watch){.loop = loop, .fd = fd, .interest = interest};
    sem_init(&watch->served, 0, 0);
    int error = pthread_create(&watch->thread, NULL, watch_sleep, watch);
    if (error != 0)
        die("raw threads: thread %d: %s", loop->count, strerror(error));
    loop->count++;
}

static void watch_stop(struct loop *loop, struct watch *watch)
{
    pthread_cancel(watch->thread);
    pthread_join(watch->thread, NULL);
    sem_destroy(&watch->served);
    loop->count--;
    for (int i = 0; i < loop->served; i++)
        if (loop->batch[i] == watch)
            loop->batch[i] = NULL;
    pthread_mutex_lock(&loop->lock);
    for (int i = 0; i < loop->listed; i++)
        if (loop->ready[i] == watch)
            loop->ready[i] = loop->ready[--loop->listed];
    pthread_mutex_unlock(&loop->lock);
}

static HOT void watch_change(struct loop *loop, struct watch *watch, unsigned interest)
{
    int fd = watch->fd;
    watch_stop(loop, watch);
    watch_start(loop, watch, fd, interest, NULL);
}

static HOT int watch_fd(const struct watch *watch)
{
    return watch->fd;
}

#include "plain.h"

static struct standing standing(const char *backend)
{
    (void)backend;
    return (struct standing){.built = true, .works = true, .lesson = true};
}

#define SUBJECT_NAME     "raw"
#define SUBJECT_BACKENDS "threads"
#define SUBJECT_STANDING
#include "raw_bell.h"
#include "workloads.h"
