/*
 * io_uring (Linux 5.1, 2019; polls that stay armed since 5.13): two rings in memory that the
 * process and its kernel share.
 *
 * What epoll does by system calls is done here by writing: a request ("tell when this file is
 * ready") goes into the submission ring, and what has become of it comes back through the
 * completion ring. One call, io_uring_enter, hands over all that is new and waits. A multishot poll
 * hooks into the wait queue of its file once, as epoll does, and completes again each time that the
 * file becomes ready: so it is an edge, and costs less than epoll, for nothing is moved to a ready
 * list and asked again. There is no level: a level watcher is a poll that completes once and is
 * armed anew for each report, in the same call as the next wait, which makes it dearer than epoll.
 *
 * What surprises: each armed poll holds a reference to its file. To close the descriptor neither
 * disarms it nor sends the peer its end: cancel first, and wait for it. A peer that has stopped
 * writing (RDHUP) is reported whether one asks or not, so a poll that completes once would complete
 * for ever. Completions may come late, for a poll that was cancelled or armed anew meanwhile: each
 * arming has a number of its own, and any other is skipped. A ring may belong to one thread (Linux
 * 6.1), which saves it interrupts: all work is done when it waits. Many containers forbid all of
 * this, so it is only used when it is asked for. If a loop is adopted by another thread while the
 * first lives on, the first keeps the old ring, and what it held, until it ends.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* POLLRDHUP */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

enum {
    URING_SUBMISSIONS = 256,
    URING_COMPLETIONS = 4096, /* what does not fit waits in the kernel */
    URING_TRIES = 3,          /* when it does not take requests */
    URING_PIECES = 16,        /* of what it has put off, which one call does at least */
    URING_ASKED = 30,         /* about so many by one call: a poll of more needs memory */
};

/* Linux 6.15; younger than the oldest liburing that will do. */
#define URING_FEATURE_NO_IOWAIT (1U << 17)
#define URING_ENTER_NO_IOWAIT   (1U << 7)

static const uint64_t uring_nobody = UINT64_MAX; /* the user_data of a cancellation */

struct uring_slot {
    uint64_t token;
    rouse_fd fd;
    uint32_t arming; /* counts; the high half of user_data, whose low half is the slot */
    uint32_t place;  /* of its event, in the array that is being filled */
    uint16_t want;
    bool armed;
};

/* uring_state.todo: what a wait has to see to besides waiting. */
enum {
    URING_BIND = 1,    /* the ring is not yet its thread's */
    URING_QUEUED = 2,  /* requests are in the submission ring */
    URING_CANCELS = 4, /* cancellations are among them, whose completions are not worth a wake */
    URING_LEFT = 8,    /* completions are in the other ring for which there was no room */
    URING_LOST = 16,   /* the ring has become unusable */
    URING_MANY = 32,   /* so much was done in the last call that the kernel may have more */
    URING_URGENT = 64, /* events tell of urgent data that may be plain data */
};

struct uring_state {
    struct rouse_work *work; /* what every wait touches comes first */
    struct uring_slot *slots;
    uint32_t capacity;
    uint32_t todo;
    unsigned wait_flags;
    int lost; /* the -errno of URING_LOST, for a poll to return */
    struct io_uring ring;
    struct rouse_allocator allocator;
    pid_t process;
    pthread_t thread; /* that it is bound to */
};

_Static_assert((int)ROUSE_READ == POLLIN && (int)ROUSE_PRIORITY == POLLPRI &&
                   (int)ROUSE_WRITE == POLLOUT && (int)ROUSE_ERROR == POLLERR &&
                   (int)ROUSE_HANGUP == POLLHUP,
               "our bits are the kernel's, so that translation is a mask");

/* POLLPRI alone is never woken: the kernel leaves it out when it looks whom a wake is for. */
static uint32_t to_uring(uint32_t want)
{
    return (want & (ROUSE_READ | ROUSE_PRIORITY | ROUSE_WRITE)) |
           (want & ROUSE_PRIORITY ? (uint32_t)POLLRDBAND : 0) |
           (want & ROUSE_HANGUP ? (uint32_t)POLLRDHUP : 0);
}

static uint32_t from_uring(uint32_t ready, uint32_t want)
{
    return (ready & (POLLIN | POLLPRI | POLLOUT | POLLERR | POLLHUP)) |
           (ready & POLLRDHUP ? want & ROUSE_HANGUP : 0);
}

static const char *uring_refusal(int error)
{
    switch (error) {
    case EPERM:
        return "not permitted (seccomp, or the sysctl kernel.io_uring_disabled)";
    case ENOSYS:
    case EINVAL: /* of Linux 5.1 to 5.5, which know none of the flags */
        return "the kernel has none with multishot polls (Linux 5.13)";
    case ENOMEM:
        return "no memory that may be locked (ulimit -l)";
    default:
        return strerror(error);
    }
}

static int uring_open(void *opaque, const struct rouse_setup *setup)
{
    static const unsigned modes[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
            IORING_SETUP_R_DISABLED,                           /* Linux 6.1 */
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, /* Linux 5.19 */
        0,
    };
    struct uring_state *state = opaque;
    state->allocator = setup->allocator;
    state->work = setup->work;
    state->process = getpid();
    state->todo = URING_BIND;
    int error = -EINVAL;
    for (size_t i = 0; error == -EINVAL && i < sizeof modes / sizeof *modes; i++) {
        struct io_uring_params params = {.cq_entries = URING_COMPLETIONS};
        params.flags = modes[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
        error = io_uring_queue_init_params(URING_SUBMISSIONS, &state->ring, &params);
    }
    if (error == 0 && !(state->ring.features & IORING_FEAT_RSRC_TAGS)) { /* as old as multishot */
        io_uring_queue_exit(&state->ring);
        error = -ENOSYS;
    }
    if (error != 0)
        snprintf(setup->why, setup->why_size, "io_uring_setup: %s", uring_refusal(-error));
    return error;
}

/* A ring of its own thread is enabled by that thread. To be registered saves each call the search
 * for the descriptor (4 % of a wait); where that is not to be had, it is not needed. */
static int uring_bind(struct uring_state *state)
{
    struct io_uring *ring = &state->ring;
    if (ring->flags & IORING_SETUP_R_DISABLED) {
        int error =
            io_uring_register((unsigned)ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
        if (error < 0)
            return error;
    }
    state->wait_flags = IORING_ENTER_GETEVENTS;
    if (io_uring_register_ring_fd(ring) == 1)
        state->wait_flags |= IORING_ENTER_REGISTERED_RING;
    if (ring->features & URING_FEATURE_NO_IOWAIT)
        state->wait_flags |= URING_ENTER_NO_IOWAIT;
    state->thread = pthread_self();
    state->todo &= ~(uint32_t)URING_BIND;
    return 0;
}

static void uring_lose(struct uring_state *state, int error)
{
    state->lost = error;
    state->todo |= URING_LOST;
}

/* What passes is no failure. EBADR, that completions were lost, is said once: to be kept. */
APART static void uring_failed(struct uring_state *state, int error)
{
    bool passes = error == -ETIME || error == -EINTR || error == -EAGAIN || error == -EBUSY ||
                  error == -ENOMEM;
    if (!passes)
        uring_lose(state, error);
}

/* Room for a request. If the ring is full it is handed over first; NULL if the kernel has no memory
 * to take it, asked more than once. */
static struct io_uring_sqe *uring_request(struct uring_state *state)
{
    struct io_uring_sqe *request = io_uring_get_sqe(&state->ring);
    for (int tries = 0; request == NULL && tries < URING_TRIES; tries++) {
        state->work->system_calls++;
        io_uring_submit(&state->ring);
        request = io_uring_get_sqe(&state->ring);
    }
    if (request == NULL)
        return NULL;
    state->work->bytes_in += sizeof *request;
    state->todo |= URING_QUEUED;
    return request;
}

static HOT int uring_arm(struct uring_state *state, struct uring_slot *slot, bool multishot)
{
    struct io_uring_sqe *request = uring_request(state);
    slot->armed = request != NULL;
    if (request == NULL)
        return -ENOMEM;
    if (multishot)
        io_uring_prep_poll_multishot(request, slot->fd, to_uring(slot->want));
    else
        io_uring_prep_poll_add(request, slot->fd, to_uring(slot->want));
    request->user_data = (uint64_t)++slot->arming << 32 | (uint32_t)(slot - state->slots);
    state->work->descriptors++;
    return 0;
}

/* What is still to come of the arming is skipped from now on. */
static void uring_disarm(struct uring_state *state, struct uring_slot *slot)
{
    struct io_uring_sqe *request = slot->armed ? uring_request(state) : NULL;
    if (request != NULL) {
        uint64_t armed = (uint64_t)slot->arming << 32 | (uint32_t)(slot - state->slots);
        io_uring_prep_cancel64(request, armed, 0);
        request->user_data = uring_nobody;
        state->todo |= URING_CANCELS;
    } else if (slot->armed) { /* the kernel holds what nobody will name again */
        uring_lose(state, -ENOMEM);
    }
    slot->armed = false;
    slot->arming++;
}

/* Any data wakes the pollers of a socket as if it were urgent, and since Linux 5.17 a poll passes
 * on what it was woken with. So the kernel is asked again, by one call for many events; if it gives
 * no answer, that is what they may be. Returns how many events are left: what was nothing else is
 * none. */
APART static int uring_confirm(struct uring_state *state, struct rouse_event *events, int n)
{
    state->todo &= ~(uint32_t)URING_URGENT;
    int left = 0;
    for (int first = 0; first < n; first += URING_ASKED) {
        struct pollfd asked[URING_ASKED];
        int last = n - first < URING_ASKED ? n : first + URING_ASKED;
        for (int i = first; i < last; i++) {
            const struct uring_slot *slot = &state->slots[ROUSE_SLOT(events[i].token)];
            bool doubtful = events[i].ready & ROUSE_PRIORITY;
            asked[i - first] = (struct pollfd){.fd = doubtful ? slot->fd : -1, .events = POLLPRI};
        }
        state->work->system_calls++;
        int found = poll(asked, (nfds_t)(last - first), 0);
        for (int i = first; i < last; i++) {
            if (found >= 0 && !(asked[i - first].revents & POLLPRI))
                events[i].ready &= ~(uint32_t)ROUSE_PRIORITY;
            if (events[i].ready != 0)
                events[left++] = events[i];
        }
    }
    return left;
}

/* Adds an event, or to the one that there is for the token; returns the number of events. */
static HOT int uring_tell(struct uring_slot *slot, uint32_t ready, int32_t result,
                          struct rouse_event *events, int n)
{
    uint32_t place = slot->place;
    if (place < (uint32_t)n && events[place].token == slot->token) {
        events[place].ready = result < 0 ? ready : events[place].ready | ready;
        events[place].result = result;
        return n;
    }
    slot->place = (uint32_t)n;
    events[n] = (struct rouse_event){slot->token, ready, result};
    return n + 1;
}

/* What a completion says that is not as usual, and what follows from it. A multishot that the
 * kernel has ended is armed anew. A poll that tells of nothing that is wanted has met what lasts:
 * it becomes a multishot, because from then on only what is new is of interest, and is no longer
 * one when something is wanted. */
APART static int uring_settle(struct uring_state *state, struct uring_slot *slot,
                              const struct io_uring_cqe *completion, struct rouse_event *events,
                              int n)
{
    bool ended = !(completion->flags & IORING_CQE_F_MORE);
    bool level = !(slot->want & ROUSE_EDGE);
    if (ended)
        slot->armed = false;
    if (completion->res < 0) { /* EINVAL: a file without a wait queue, that is: always ready */
        int error = completion->res == -EINVAL ? -EPERM : completion->res;
        return uring_tell(slot, ROUSE_ERROR, error, events, n);
    }
    uint32_t ready = from_uring((uint32_t)completion->res, slot->want);
    if (ready & ROUSE_PRIORITY)
        state->todo |= URING_URGENT;
    if (ended || (level && ready != 0)) {
        uring_disarm(state, slot);
        if (uring_arm(state, slot, !level || ready == 0) != 0)
            ready |= ROUSE_SPENT;
    }
    return ready != 0 ? uring_tell(slot, ready, 0, events, n) : n;
}

/* One completion; returns the number of events so far. As usual it tells of READ or WRITE and is of
 * a multishot that stays armed, or of a poll that completes once: that is armed anew, to be handed
 * over with the next wait. */
static HOT int uring_report(struct uring_state *state, struct uring_slot *slot,
                            const struct io_uring_cqe *completion, struct rouse_event *events,
                            int n)
{
    uint32_t ready = (uint32_t)completion->res;
    bool edge = slot->want & ROUSE_EDGE;
    bool stays = completion->flags & IORING_CQE_F_MORE;
    if (ready == 0 || (ready & ~(uint32_t)(ROUSE_READ | ROUSE_WRITE)) || edge != stays)
        return uring_settle(state, slot, completion, events, n);
    if (!edge && uring_arm(state, slot, false) != 0)
        ready |= ROUSE_SPENT;
    return uring_tell(slot, ready, 0, events, n);
}

/* Empties the completion ring into the array from its n-th event on. What does not fit stays in the
 * ring, first in, first out. */
static HOT int uring_collect(struct uring_state *state, struct rouse_event *events, int n,
                             int nevents)
{
    struct io_uring_cq *ring = &state->ring.cq;
    const struct io_uring_cqe *completions = ring->cqes;
    unsigned mask = ring->ring_mask;
    unsigned head = *ring->khead;
    unsigned tail = io_uring_smp_load_acquire(ring->ktail);
    state->work->scanned += tail - head;
    if (tail - head >= URING_PIECES)
        state->todo |= URING_MANY;
    for (; head != tail; head++) {
        const struct io_uring_cqe *completion = &completions[head & mask];
        uint32_t index = ROUSE_SLOT(completion->user_data);
        if (index >= state->capacity || state->slots[index].arming != completion->user_data >> 32)
            continue;
        if (n == nevents) {
            state->todo |= URING_LEFT;
            break;
        }
        n = uring_report(state, &state->slots[index], completion, events, n);
    }
    io_uring_smp_store_release(ring->khead, head);
    return n;
}

/* Whether the kernel has put off work until it is entered, or holds completions back. */
static bool uring_is_behind(const struct uring_state *state)
{
    unsigned flags = IO_URING_READ_ONCE(*state->ring.sq.kflags);
    return flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

/* One call, with a timeout, or with requests, which liburing hands over. */
static int uring_enter_once(struct uring_state *state, bool queued, int64_t timeout_ns)
{
    struct io_uring *ring = &state->ring;
    if (timeout_ns == 0)
        return io_uring_submit_and_get_events(ring);
    if (timeout_ns < 0)
        return io_uring_submit_and_wait(ring, 1);
    int64_t ns = support_round_up(timeout_ns, 1, INT64_MAX / 2); /* more would overflow there */
    struct __kernel_timespec timeout = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    struct io_uring_cqe *first;
    if (queued)
        return io_uring_submit_and_wait_timeout(ring, &first, 1, &timeout, NULL);
    struct io_uring_getevents_arg argument = {.ts = (uintptr_t)&timeout};
    return io_uring_enter2((unsigned)ring->enter_ring_fd, 0, 1,
                           state->wait_flags | IORING_ENTER_EXT_ARG, (sigset_t *)(void *)&argument,
                           sizeof argument);
}

/* Before Linux 5.18 a request that is refused ends the call, and those behind it stay queued. */
APART static int uring_enter_with(struct uring_state *state, bool queued, int64_t timeout_ns)
{
    int result = uring_enter_once(state, queued, timeout_ns);
    while (result > 0 && io_uring_sq_ready(&state->ring) > 0) {
        state->work->system_calls++;
        result = uring_enter_once(state, true, timeout_ns);
    }
    if (io_uring_sq_ready(&state->ring) == 0)
        state->todo &= ~(uint32_t)URING_QUEUED;
    return result;
}

/* Hands over what is queued, waits, and has the kernel do what it has put off until then; or
 * nothing of this if nothing is to be done. What the kernel has no memory for stays queued. */
static HOT void uring_enter(struct uring_state *state, int64_t timeout_ns)
{
    bool queued = state->todo & URING_QUEUED;
    if (timeout_ns == 0 && !queued && !uring_is_behind(state))
        return;
    state->work->system_calls++;
    int result = timeout_ns > 0 || queued ? uring_enter_with(state, queued, timeout_ns)
                                          : io_uring_enter((unsigned)state->ring.enter_ring_fd, 0,
                                                           timeout_ns < 0, state->wait_flags, NULL);
    if (result < 0)
        uring_failed(state, result);
}

/* One call does no more than some 20 pieces of the work that was put off. What becomes ready while
 * this goes on waits for the next time, or there might be no end. Also if the array is full: who is
 * armed anew must not overtake those whose turn it is. */
APART static int uring_catch_up(struct uring_state *state, struct rouse_event *events, int n,
                                int nevents)
{
    for (int calls = nevents / URING_PIECES + 1; calls > 0 && uring_is_behind(state); calls--) {
        state->work->system_calls++;
        int result = io_uring_get_events(&state->ring);
        if (result < 0)
            uring_failed(state, result);
        n = uring_collect(state, events, n, nevents);
    }
    state->todo &= ~(uint32_t)URING_MANY;
    return n;
}

/* What is left of earlier calls, and cancellations, whose completions are not worth a wake, come
 * before the wait. */
APART static int uring_clear(struct uring_state *state, struct rouse_event *events, int nevents)
{
    bool cancels = state->todo & URING_CANCELS;
    state->todo &= ~(uint32_t)(URING_LEFT | URING_CANCELS);
    int n = uring_collect(state, events, 0, nevents);
    if (!cancels)
        return n;
    uring_enter(state, 0);
    return uring_collect(state, events, n, nevents);
}

/* Has the kernel take all that is queued, and do all that it had put off by then: a file is let go
 * when the cancellation and what it completes have been worked off. */
APART static void uring_work_off(struct uring_state *state)
{
    for (int tries = 0; tries < URING_TRIES && (state->todo & URING_QUEUED); tries++) {
        state->todo &= ~(uint32_t)URING_CANCELS;
        uring_enter(state, 0);
        uring_collect(state, NULL, 0, 0);
    }
    uint32_t calls = state->capacity / URING_PIECES + 1;
    for (; calls > 0 && IO_URING_READ_ONCE(*state->ring.sq.kflags) & IORING_SQ_TASKRUN; calls--) {
        uring_enter(state, 0);
        uring_collect(state, NULL, 0, 0);
    }
}

/* Closing the ring alone would let go of the files some time later. In a forked child it is the
 * parent's too, and in another thread the number under which it was registered may be that of
 * another ring: there it is only let go, under no number. */
static void uring_close(void *opaque)
{
    struct uring_state *state = opaque;
    bool own = !(state->todo & URING_BIND) && getpid() == state->process &&
               pthread_equal(pthread_self(), state->thread);
    for (uint32_t i = 0; i < state->capacity && own; i++)
        if (state->slots[i].armed)
            uring_disarm(state, &state->slots[i]);
    if (own)
        uring_work_off(state);
    else
        state->ring.enter_ring_fd = -1;
    io_uring_queue_exit(&state->ring);
    memory_free(&state->allocator, state->slots, state->capacity * sizeof *state->slots);
}

static void uring_drop(void *opaque, rouse_fd fd, uint64_t token)
{
    (void)fd;
    struct uring_state *state = opaque;
    uint32_t index = ROUSE_SLOT(token);
    if (index >= state->capacity || !state->slots[index].armed)
        return;
    uring_disarm(state, &state->slots[index]);
    uring_work_off(state);
}

static int uring_grow(struct uring_state *state, uint32_t index)
{
    void *slots = state->slots;
    uint32_t old = state->capacity;
    int error =
        memory_grow(&state->allocator, &slots, &state->capacity, index + 1, sizeof *state->slots);
    state->slots = slots;
    if (state->capacity > old)
        memset(state->slots + old, 0, (state->capacity - old) * sizeof *state->slots);
    return error;
}

static int uring_apply(void *opaque, const struct rouse_change *change)
{
    struct uring_state *state = opaque;
    uint32_t index = ROUSE_SLOT(change->token);
    if (index >= state->capacity) {
        int error = uring_grow(state, index);
        if (error != 0)
            return error;
    }
    struct uring_slot *slot = &state->slots[index];
    uring_disarm(state, slot);
    if (change->want == 0)
        return 0;
    slot->token = change->token;
    slot->fd = change->fd;
    slot->want = (uint16_t)change->want;
    return uring_arm(state, slot, change->want & ROUSE_EDGE);
}

static int uring_poll(void *opaque, const struct rouse_change *changes, int nchanges,
                      struct rouse_event *events, int nevents, int64_t timeout_ns);

/* Before the wait: what is not done in every one. */
APART static int uring_begin(struct uring_state *state, const struct rouse_change *changes,
                             int nchanges, struct rouse_event *events, int nevents,
                             int64_t timeout_ns)
{
    int error = state->todo & URING_BIND ? uring_bind(state) : state->lost;
    if (error != 0)
        return error;
    return support_apply(state, uring_apply, uring_poll, changes, nchanges, events, nevents,
                         timeout_ns);
}

static int uring_poll(void *opaque, const struct rouse_change *changes, int nchanges,
                      struct rouse_event *events, int nevents, int64_t timeout_ns)
{
    struct uring_state *state = opaque;
    if (nchanges > 0 || (state->todo & (URING_BIND | URING_LOST)))
        return uring_begin(state, changes, nchanges, events, nevents, timeout_ns);

    int n = 0;
    if (state->todo & (URING_LEFT | URING_CANCELS))
        n = uring_clear(state, events, nevents);
    if (n < nevents) {
        uring_enter(state, n > 0 ? 0 : timeout_ns);
        n = uring_collect(state, events, n, nevents);
    }
    if (state->todo & URING_MANY)
        n = uring_catch_up(state, events, n, nevents);
    if (state->todo & URING_URGENT)
        n = uring_confirm(state, events, n);
    state->work->bytes_out += (uint64_t)n * sizeof(struct io_uring_cqe);
    return n > 0 ? n : state->lost;
}

const struct rouse_backend rouse_io_uring_backend = {
    .abi = ROUSE_BACKEND_ABI,
    .traits = ROUSE_TRAIT_EDGE | ROUSE_TRAIT_HANGUP | ROUSE_TRAIT_LATE | ROUSE_TRAIT_OPT_IN |
              ROUSE_TRAIT_BOUND,
    .name = "io_uring",
    .state_size = sizeof(struct uring_state),
    .open = uring_open,
    .close = uring_close,
    .poll = uring_poll,
    .drop = uring_drop,
};
