/*
 * threads (older than select): one thread asleep for each descriptor.
 *
 * Where no call can wait for many, whoever serves many must be many: each thread sleeps in a wait
 * for its own descriptor, and tells the loop when it has been woken. The kernel is good at that;
 * what it costs is the threads. Each reserves a stack, by default 8 MB of addresses, of which it
 * touches 8 kB; the kernel adds 16 kB for a stack of its own, and 4 for page tables. So 10,000
 * clients are 82 GB of addresses and 280 MB of memory; and the 4 GB of addresses that a program of
 * 1999 had hold 500, which was the C10K problem. An event, which epoll hands to the thread that
 * asks, has to pass from one thread to another, and the leave to go on has to pass back.
 *
 * Here sleeping is cheap and asking is dear: "what is ready now?" has no answer but to wake all of
 * them and have each look, O(N) switches of threads. A wait that may not sleep, and one that would
 * return nothing, does that, for else it could miss what was ready before the call.
 *
 * What surprises: nothing ends the wait of another thread but a signal, and one that arrives just
 * before the wait would be lost. So these threads block all signals, and ppoll() lets a single one
 * in for as long as it waits: SIGURG, sent for all that there is to tell (wait for something else,
 * look again, leave). A program may handle SIGURG itself, and finds its handler called for these
 * too; it may not take it by sigwait(), nor set it back to be ignored. And a thread that sleeps
 * holds the open file: the peer is not told of a close() behind the loop's back.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* ppoll, pipe2, POLLRDHUP */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "link.h"
#include "support.h"

#ifndef POLLRDHUP
#define POLLRDHUP 0
#endif

/* What a thread is to do. The loop says so; after LOOK and SLEEP it goes on by itself. */
enum order {
    LEAVE, /* end */
    SLEEP, /* until the descriptor is ready, then report it and REST */
    LOOK,  /* once, and answer the loop, which waits for that; then REST or SLEEP */
    REST,  /* sleep on nothing, until the loop comes back for more */
};

struct sleeper {
    struct rouse_link link; /* in the ring of reports; without a thread, in that of spares */
    struct threads_state *state;
    pthread_t thread;
    uint64_t token;
    rouse_fd fd;
    uint32_t want;
    enum order order;
    uint32_t ready; /* what it has reported */
    int result;
};

struct threads_state {
    struct rouse_allocator allocator;
    struct rouse_work *work;
    struct sleeper **sleepers; /* by slot; NULL: no thread. A thread knows where its own is */
    uint32_t capacity;
    struct rouse_link spares; /* for the threads to come: a pause need not allocate */
    pid_t process;
    sigset_t mask; /* of a thread in its wait */
    int bell[2];   /* a pipe: the loop sleeps at its end */

    pthread_mutex_t lock;      /* guards what follows, and all of a sleeper */
    struct rouse_link reports; /* threads append; the loop moves and takes out */
    uint32_t count[REST + 1];  /* of the threads with each order, LEAVE aside */
    bool patient;              /* the loop has time to wait for a report, not only for answers */
    bool asleep;               /* it is, and nobody has rung */
    struct rouse_work counted; /* the work of the threads, until the loop adds it to its own; a call
                                * of the C library is one, though pthread_kill() makes three */
};

static short to_poll(uint32_t want)
{
    return (short)((want & ROUSE_READ ? POLLIN : 0) | (want & ROUSE_PRIORITY ? POLLPRI : 0) |
                   (want & ROUSE_WRITE ? POLLOUT : 0) | (want & ROUSE_HANGUP ? POLLRDHUP : 0));
}

static uint32_t from_poll(short ready)
{
    return (ready & POLLIN ? (uint32_t)ROUSE_READ : 0) |
           (ready & POLLPRI ? (uint32_t)ROUSE_PRIORITY : 0) |
           (ready & POLLOUT ? (uint32_t)ROUSE_WRITE : 0) |
           (ready & POLLERR ? (uint32_t)ROUSE_ERROR : 0) |
           (ready & (POLLHUP | POLLRDHUP) ? (uint32_t)ROUSE_HANGUP : 0);
}

/* ---- In the threads. All but the wait itself is done with the lock. ------------------------- */

static void sleeper_order(struct sleeper *sleeper, enum order order)
{
    sleeper->state->count[sleeper->order]--;
    sleeper->state->count[order]++;
    sleeper->order = order;
}

/* Whether the loop has what it waits for: all answers, and a report if it has time. */
static bool threads_done(const struct threads_state *state)
{
    return state->count[LOOK] == 0 && (state->count[REST] > 0 || !state->patient);
}

static void sleeper_report(struct sleeper *sleeper, uint32_t ready, int result)
{
    struct threads_state *state = sleeper->state;
    sleeper_order(sleeper, ready != 0 ? REST : SLEEP);
    sleeper->ready = ready;
    sleeper->result = result;
    if (ready != 0 && sleeper->link.next == NULL)
        link_append(&state->reports, &sleeper->link);
    if (!state->asleep || !threads_done(state))
        return;
    state->asleep = false;
    state->counted.system_calls++;
    while (write(state->bell[1], "", 1) < 0 && errno == EINTR)
        ;
}

/* After a signal there may be a new order. If there is one, what was found does not count: it may
 * answer another question, or be from before this one was asked. */
static void sleeper_wait(struct sleeper *sleeper)
{
    static const struct timespec at_once = {0, 0};
    struct threads_state *state = sleeper->state;
    enum order order = sleeper->order;
    struct pollfd entry = {.fd = sleeper->fd, .events = to_poll(sleeper->want)};
    nfds_t count = order == REST ? 0 : 1;

    pthread_mutex_unlock(&state->lock);
    int n = ppoll(&entry, count, order == LOOK ? &at_once : NULL, &state->mask);
    int error = n < 0 ? errno : 0;
    pthread_mutex_lock(&state->lock);

    state->counted.system_calls++;
    state->counted.descriptors += count;
    state->counted.bytes_in += count * sizeof entry;
    state->counted.bytes_out += n > 0 ? sizeof entry.revents : 0;
    if (error == EINTR || sleeper->order != order)
        return;
    if (n > 0 && (entry.revents & POLLNVAL))
        error = EBADF;
    uint32_t found = n > 0 ? from_poll(entry.revents) : 0;
    sleeper_report(sleeper, error != 0 ? (uint32_t)ROUSE_ERROR : found, -error);
}

static void *sleeper_run(void *opaque)
{
    struct sleeper *sleeper = opaque;
    pthread_mutex_lock(&sleeper->state->lock);
    while (sleeper->order != LEAVE)
        sleeper_wait(sleeper);
    pthread_mutex_unlock(&sleeper->state->lock);
    return NULL;
}

/* ---- In the loop ---------------------------------------------------------------------------- */

static void sleeper_set(struct sleeper *sleeper, uint32_t want, enum order order)
{
    pthread_mutex_lock(&sleeper->state->lock);
    sleeper->want = want;
    sleeper_order(sleeper, order);
    pthread_mutex_unlock(&sleeper->state->lock);
}

static void sleeper_tell(struct sleeper *sleeper, uint32_t want, enum order order)
{
    sleeper_set(sleeper, want, order);
    pthread_kill(sleeper->thread, SIGURG);
    sleeper->state->work->system_calls++;
}

/* A thread inherits which signals are blocked: here all, for those of the program are for its own
 * threads. */
static int sleeper_start(struct sleeper *sleeper, uint32_t want)
{
    sigset_t all, before;
    sigfillset(&all);
    sleeper_set(sleeper, want, LOOK);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&sleeper->thread, NULL, sleeper_run, sleeper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    sleeper->state->work->system_calls += 3;
    if (error != 0)
        sleeper_set(sleeper, 0, LEAVE);
    return -error;
}

static void do_nothing(int number)
{
    (void)number;
}

/* A signal that is ignored ends no wait; one that is handled does, however. The handler stays when
 * the loop is closed: another may need it, and without it the signal would be ignored anyway. */
static void threads_handle_signal(void)
{
    struct sigaction action;
    sigaction(SIGURG, NULL, &action);
    if (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN)
        return;
    action = (struct sigaction){.sa_handler = do_nothing, .sa_flags = SA_RESTART};
    sigaction(SIGURG, &action, NULL);
}

static int threads_open(void *opaque, const struct rouse_setup *setup)
{
    struct threads_state *state = opaque;
    state->allocator = setup->allocator;
    state->work = setup->work;
    state->process = getpid();
    link_init(&state->spares);
    link_init(&state->reports);
    sigfillset(&state->mask);
    sigdelset(&state->mask, SIGURG);
    state->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    threads_handle_signal();
    if (pipe2(state->bell, O_CLOEXEC) == 0)
        return 0;
    int error = errno;
    snprintf(setup->why, setup->why_size, "pipe2: %s", strerror(error));
    return -error;
}

/* All are told before the first is waited for. A forked child has none of the threads, and a copy
 * of the lock as it was, held perhaps: there the memory is all that there is to give back. */
static void threads_close(void *opaque)
{
    struct threads_state *state = opaque;
    bool forked = state->process != getpid();
    for (uint32_t slot = 0; slot < state->capacity && !forked; slot++)
        if (state->sleepers[slot] != NULL)
            sleeper_tell(state->sleepers[slot], 0, LEAVE);
    for (uint32_t slot = 0; slot < state->capacity; slot++) {
        struct sleeper *sleeper = state->sleepers[slot];
        if (sleeper != NULL && !forked)
            pthread_join(sleeper->thread, NULL);
        memory_free(&state->allocator, sleeper, sizeof *sleeper);
    }
    while (!link_empty(&state->spares)) {
        struct sleeper *spare = LINK_OWNER(state->spares.next, struct sleeper, link);
        link_remove(&spare->link);
        memory_free(&state->allocator, spare, sizeof *spare);
    }
    memory_free(&state->allocator, state->sleepers, state->capacity * sizeof *state->sleepers);
    if (!forked)
        pthread_mutex_destroy(&state->lock);
    close(state->bell[0]);
    close(state->bell[1]);
}

static struct sleeper *threads_find(const struct threads_state *state, uint64_t token)
{
    uint32_t slot = ROUSE_SLOT(token);
    return slot < state->capacity ? state->sleepers[slot] : NULL;
}

/* Once the thread has ended, the kernel no longer holds the file for it. There is none if it has
 * found the descriptor closed. */
static void threads_drop(void *opaque, rouse_fd fd, uint64_t token)
{
    (void)fd;
    struct threads_state *state = opaque;
    struct sleeper *sleeper = threads_find(state, token);
    if (sleeper == NULL)
        return;
    sleeper_tell(sleeper, 0, LEAVE);
    pthread_join(sleeper->thread, NULL);
    state->work->system_calls++;
    pthread_mutex_lock(&state->lock);
    if (sleeper->link.next != NULL)
        link_remove(&sleeper->link);
    pthread_mutex_unlock(&state->lock);
    link_append(&state->spares, &sleeper->link);
    state->sleepers[ROUSE_SLOT(token)] = NULL;
}

/* Makes room for a slot, and sees to it that there is a spare. */
static int threads_grow(struct threads_state *state, uint32_t slot)
{
    const struct rouse_allocator *allocator = &state->allocator;
    void *sleepers = state->sleepers;
    uint32_t old = state->capacity;
    int error =
        memory_grow(allocator, &sleepers, &state->capacity, slot + 1, sizeof *state->sleepers);
    state->sleepers = sleepers;
    for (uint32_t fresh = old; fresh < state->capacity; fresh++)
        state->sleepers[fresh] = NULL;
    if (error != 0 || !link_empty(&state->spares))
        return error;
    struct sleeper *spare = allocator->resize(allocator->context, NULL, 0, sizeof *spare);
    if (spare == NULL)
        return -ENOMEM;
    *spare = (struct sleeper){.state = state};
    link_append(&state->spares, &spare->link);
    return 0;
}

static int threads_apply(void *opaque, const struct rouse_change *change)
{
    struct threads_state *state = opaque;
    struct sleeper *sleeper = threads_find(state, change->token);
    if (change->want == 0) {
        threads_drop(state, change->fd, change->token);
        return 0;
    }
    if (sleeper != NULL) {
        sleeper_tell(sleeper, change->want, LOOK);
        return 0;
    }
    int error = threads_grow(state, ROUSE_SLOT(change->token));
    if (error != 0)
        return error;
    sleeper = LINK_OWNER(state->spares.next, struct sleeper, link);
    link_remove(&sleeper->link);
    sleeper->token = change->token;
    sleeper->fd = change->fd;
    error = sleeper_start(sleeper, change->want);
    if (error == 0)
        state->sleepers[ROUSE_SLOT(change->token)] = sleeper;
    else
        link_append(&state->spares, &sleeper->link);
    return error;
}

/* Has those look again that have reported, or everybody. Threads append to the ring meanwhile; what
 * stands before its end now is changed by the loop alone. */
static void threads_ask(struct threads_state *state, bool everybody)
{
    pthread_mutex_lock(&state->lock);
    struct rouse_link *last = state->reports.previous;
    pthread_mutex_unlock(&state->lock);
    for (struct rouse_link *link = &state->reports; link != last && !everybody;) {
        link = link->next;
        struct sleeper *sleeper = LINK_OWNER(link, struct sleeper, link);
        sleeper_tell(sleeper, sleeper->want, LOOK);
    }
    for (uint32_t slot = 0; slot < state->capacity && everybody; slot++)
        if (state->sleepers[slot] != NULL)
            sleeper_tell(state->sleepers[slot], state->sleepers[slot]->want, LOOK);
    state->work->scanned += everybody ? state->capacity : 0;
}

/* With the lock, but for the sleep. Returns 1 if it was rung, 0 after the time or a signal, or
 * -errno. */
static int threads_sleep(struct threads_state *state, int64_t timeout_ns)
{
    struct timespec timeout = support_timespec(timeout_ns);
    struct pollfd entry = {.fd = state->bell[0], .events = POLLIN};

    state->asleep = true;
    pthread_mutex_unlock(&state->lock);
    int n = ppoll(&entry, 1, timeout_ns < 0 ? NULL : &timeout, NULL);
    int error = n < 0 && errno != EINTR ? -errno : 0;
    pthread_mutex_lock(&state->lock);

    char byte;
    bool rung = !state->asleep;
    while (rung && read(state->bell[0], &byte, 1) < 0 && errno == EINTR)
        ;
    state->asleep = false;
    state->work->system_calls += rung ? 2 : 1;
    return rung ? 1 : error;
}

/* Waits until all that were asked have answered; and no longer than the timeout until there is a
 * report. Returns 1 if there is one, else 0 or -errno. */
static int threads_await(struct threads_state *state, int64_t timeout_ns)
{
    int error = 0;
    pthread_mutex_lock(&state->lock);
    state->patient = timeout_ns != 0;
    while (!threads_done(state)) {
        int rung = threads_sleep(state, state->patient ? timeout_ns : -1);
        if (rung <= 0)
            state->patient = false;
        if (rung < 0)
            error = rung;
    }
    int found = state->count[REST] > 0 ? 1 : error;
    pthread_mutex_unlock(&state->lock);
    return found;
}

/* Who is told of goes to the end, so that nobody starves behind a full array of events; who looked
 * again and found nothing is taken out. */
static int threads_collect(struct threads_state *state, struct rouse_event *events, int nevents)
{
    pthread_mutex_lock(&state->lock);
    struct rouse_link *last = state->reports.previous;
    int n = 0;
    for (bool more = !link_empty(&state->reports); more && n < nevents;) {
        struct rouse_link *link = state->reports.next;
        struct sleeper *sleeper = LINK_OWNER(link, struct sleeper, link);
        more = link != last;
        state->work->scanned++;
        link_remove(link);
        if (sleeper->order != REST)
            continue;
        link_append(&state->reports, link);
        events[n++] = (struct rouse_event){sleeper->token, sleeper->ready, sleeper->result};
    }
    state->work->system_calls += state->counted.system_calls;
    state->work->descriptors += state->counted.descriptors;
    state->work->bytes_in += state->counted.bytes_in;
    state->work->bytes_out += state->counted.bytes_out;
    state->counted = (struct rouse_work){0};
    pthread_mutex_unlock(&state->lock);
    for (int i = 0; i < n; i++)
        if (events[i].result != 0)
            threads_drop(state, -1, events[i].token);
    return n;
}

static int threads_poll(void *opaque, const struct rouse_change *changes, int nchanges,
                        struct rouse_event *events, int nevents, int64_t timeout_ns)
{
    struct threads_state *state = opaque;
    if (nchanges > 0)
        return support_apply(state, threads_apply, threads_poll, changes, nchanges, events, nevents,
                             timeout_ns);

    threads_ask(state, timeout_ns == 0);
    int found = threads_await(state, timeout_ns);
    if (found == 0 && timeout_ns != 0) {
        threads_ask(state, true);
        found = threads_await(state, 0);
    }
    return found < 0 ? found : threads_collect(state, events, nevents);
}

const struct rouse_backend rouse_threads_backend = {
    .abi = ROUSE_BACKEND_ABI,
    .traits = ROUSE_TRAIT_HANGUP | ROUSE_TRAIT_ASK | ROUSE_TRAIT_LESSON | ROUSE_TRAIT_OPT_IN,
    .name = "threads",
    .state_size = sizeof(struct threads_state),
    .open = threads_open,
    .close = threads_close,
    .poll = threads_poll,
    .drop = threads_drop,
};
