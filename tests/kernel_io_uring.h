/*
 * What the tests of io_uring share: a kernel that can be told to refuse. The linker puts the
 * functions of this file before those of liburing by which the backend enters the kernel (--wrap),
 * so that it can be an old one, have rings of a few entries, or no memory; all else is the real
 * one's. A call that fails has still moved the tail of the submission ring, as liburing does it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KERNEL_IO_URING_H
#define KERNEL_IO_URING_H

#include <liburing.h>

#include "stage.h"

/* What a kernel has that does not know a mode; Linux 5.19 and 5.13. */
#define FLAGS_OF_6_1  (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)
#define FLAGS_OF_5_19 (IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG)

/* How the kernel is to behave. All zero: as it is. */
static struct kernel {
    int setup_error;         /* how it refuses rings, as -errno */
    unsigned unknown_flags;  /* for rings, which it answers with -EINVAL */
    unsigned no_features;    /* that it does not have */
    bool no_registered_ring; /* nor a place for its descriptor */
    unsigned entries;        /* of the submission ring; twice as many complete. 0: as asked for */

    unsigned passes; /* of the calls that enter it so many go well; then */
    unsigned times;  /* so many do not, and */
    int error;       /* fail with this -errno, or if that is 0 */
    unsigned takes;  /* take no more requests than this; 1 or more */
    unsigned loses;  /* n: the n-th time that anything completes, one is lost */
    rouse_fd rings;  /* if not 0: an eventfd that is written to after each call, as by a thread */
    void (*exits)(void); /* called when a ring is about to be taken apart */
} kernel;

/* What it has seen. */
static struct seen {
    unsigned setups; /* of rings */
    unsigned flags;  /* of all of them */
    unsigned last_flags;
    struct io_uring *ring;  /* the last one; NULL once it is closed */
    unsigned tail;          /* of its completions, as far as they have been looked at */
    unsigned registrations; /* a bit for each kind */
    unsigned enters;        /* calls */
    unsigned met;           /* calls that did not go well */
    unsigned overflows;     /* calls after which completions waited for room */
    unsigned ended;         /* polls that have completed and are no longer armed */
} seen;

static inline void kernel_reset(void)
{
    kernel = (struct kernel){0};
    seen = (struct seen){0};
}

/* The setup of each case. */
static inline int kernel_setup(void **state)
{
    (void)state;
    kernel_reset();
    return 0;
}

/* The next `times` calls that enter the kernel fail, once `passes` have gone well. */
static inline void kernel_fails(int error, unsigned passes, unsigned times)
{
    kernel.error = error;
    kernel.passes = passes;
    kernel.times = times;
    seen.met = 0;
}

/* A loop whose rings are not those of this kernel's best mode. */
static inline void kernel_is_older(int by)
{
    static const unsigned unknown[] = {0, FLAGS_OF_6_1, FLAGS_OF_6_1 | FLAGS_OF_5_19};
    kernel.unknown_flags = unknown[by];
}

enum { KERNEL_AGES = 3 };

/* ---- Setting up --------------------------------------------------------------------------- */

int __real_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *params)
{
    seen.setups++;
    seen.flags |= params->flags;
    if (kernel.setup_error != 0)
        return kernel.setup_error;
    if (params->flags & kernel.unknown_flags)
        return -EINVAL;
    if (kernel.entries != 0) {
        entries = kernel.entries;
        params->cq_entries = 2 * entries;
    }
    int result = __real_io_uring_queue_init_params(entries, ring, params);
    ring->features &= ~kernel.no_features;
    seen.last_flags = params->flags;
    seen.ring = ring;
    seen.tail = 0;
    return result;
}

void __real_io_uring_queue_exit(struct io_uring *ring);
void __wrap_io_uring_queue_exit(struct io_uring *ring);
void __wrap_io_uring_queue_exit(struct io_uring *ring)
{
    if (kernel.exits != NULL)
        kernel.exits();
    if (ring == seen.ring)
        seen.ring = NULL;
    __real_io_uring_queue_exit(ring);
}

int __real_io_uring_register_ring_fd(struct io_uring *ring);
int __wrap_io_uring_register_ring_fd(struct io_uring *ring);
int __wrap_io_uring_register_ring_fd(struct io_uring *ring)
{
    return kernel.no_registered_ring ? -EINVAL : __real_io_uring_register_ring_fd(ring);
}

int __real_io_uring_register(unsigned fd, unsigned kind, const void *argument, unsigned count);
int __wrap_io_uring_register(unsigned fd, unsigned kind, const void *argument, unsigned count);
int __wrap_io_uring_register(unsigned fd, unsigned kind, const void *argument, unsigned count)
{
    seen.registrations |= 1U << kind;
    return __real_io_uring_register(fd, kind, argument, count);
}

/* Whether this kernel has rings with these flags, which may be older than the tests. */
static inline bool kernel_knows(unsigned flags)
{
    struct io_uring ring;
    struct io_uring_params params = {.flags = flags};
    int error = __real_io_uring_queue_init_params(1, &ring, &params);
    if (error == 0)
        __real_io_uring_queue_exit(&ring);
    return error == 0;
}

/* ---- Entering ----------------------------------------------------------------------------- */

/* Whether this call, which may hand over requests, does not go well. No case comes near so many
 * calls that does not spin. */
static inline bool kernel_is_met(const struct io_uring *ring)
{
    assert_in_range(++seen.enters, 1, 200000);
    if (kernel.times == 0)
        return false;
    if (kernel.passes > 0) {
        kernel.passes--;
        return false;
    }
    if (kernel.error == 0 && (ring == NULL || io_uring_sq_ready(ring) <= kernel.takes))
        return false;
    kernel.times--;
    seen.met++;
    return true;
}

int __real_io_uring_enter2(unsigned fd, unsigned queued, unsigned count, unsigned flags,
                           sigset_t *mask, size_t size);

/* A call that hands over requests and does not go well. */
static inline int kernel_is_short(struct io_uring *ring)
{
    ring->sq.sqe_head = ring->sq.sqe_tail;
    io_uring_smp_store_release(ring->sq.ktail, ring->sq.sqe_tail);
    if (kernel.error != 0)
        return kernel.error;
    return __real_io_uring_enter2((unsigned)ring->ring_fd, kernel.takes, 0, 0, NULL, 0);
}

/* After a call that went well: what has completed; or, by -EBADR, that a completion was lost. That
 * the kernel says once, in a call that has handed over nothing. */
static inline int kernel_look(unsigned queued, int result)
{
    struct io_uring *ring = seen.ring;
    if (kernel.rings != 0)
        world_send(kernel.rings, &(uint64_t){1}, sizeof(uint64_t));
    if (ring == NULL)
        return result;
    struct io_uring_cqe *completion = NULL;
    for (; seen.tail != io_uring_smp_load_acquire(ring->cq.ktail); seen.tail++) {
        completion = &ring->cq.cqes[seen.tail & ring->cq.ring_mask];
        seen.ended += completion->res > 0 && !(completion->flags & IORING_CQE_F_MORE);
    }
    seen.overflows += io_uring_cq_has_overflow(ring);
    if (kernel.loses == 0 || queued > 0 || completion == NULL || --kernel.loses > 0)
        return result;
    seen.met++;
    completion->user_data = UINT64_MAX;
    return -EBADR;
}

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring)
{
    if (kernel_is_met(ring))
        return kernel_is_short(ring);
    unsigned queued = io_uring_sq_ready(ring);
    return kernel_look(queued, __real_io_uring_submit(ring));
}

int __real_io_uring_submit_and_get_events(struct io_uring *ring);
int __wrap_io_uring_submit_and_get_events(struct io_uring *ring);
int __wrap_io_uring_submit_and_get_events(struct io_uring *ring)
{
    if (kernel_is_met(ring))
        return kernel_is_short(ring);
    unsigned queued = io_uring_sq_ready(ring);
    return kernel_look(queued, __real_io_uring_submit_and_get_events(ring));
}

int __real_io_uring_submit_and_wait(struct io_uring *ring, unsigned count);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned count);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned count)
{
    if (kernel_is_met(ring))
        return kernel_is_short(ring);
    unsigned queued = io_uring_sq_ready(ring);
    return kernel_look(queued, __real_io_uring_submit_and_wait(ring, count));
}

int __real_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **first,
                                            unsigned count, struct __kernel_timespec *timeout,
                                            sigset_t *mask);
int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **first,
                                            unsigned count, struct __kernel_timespec *timeout,
                                            sigset_t *mask);
int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **first,
                                            unsigned count, struct __kernel_timespec *timeout,
                                            sigset_t *mask)
{
    if (kernel_is_met(ring))
        return kernel_is_short(ring);
    unsigned queued = io_uring_sq_ready(ring);
    int result = __real_io_uring_submit_and_wait_timeout(ring, first, count, timeout, mask);
    return kernel_look(queued, result);
}

int __real_io_uring_get_events(struct io_uring *ring);
int __wrap_io_uring_get_events(struct io_uring *ring);
int __wrap_io_uring_get_events(struct io_uring *ring)
{
    if (kernel_is_met(NULL))
        return kernel.error;
    return kernel_look(0, __real_io_uring_get_events(ring));
}

int __real_io_uring_enter(unsigned fd, unsigned queued, unsigned count, unsigned flags,
                          sigset_t *mask);
int __wrap_io_uring_enter(unsigned fd, unsigned queued, unsigned count, unsigned flags,
                          sigset_t *mask);
int __wrap_io_uring_enter(unsigned fd, unsigned queued, unsigned count, unsigned flags,
                          sigset_t *mask)
{
    if (kernel_is_met(NULL))
        return kernel.error;
    return kernel_look(queued, __real_io_uring_enter(fd, queued, count, flags, mask));
}

int __wrap_io_uring_enter2(unsigned fd, unsigned queued, unsigned count, unsigned flags,
                           sigset_t *mask, size_t size);
int __wrap_io_uring_enter2(unsigned fd, unsigned queued, unsigned count, unsigned flags,
                           sigset_t *mask, size_t size)
{
    if (kernel_is_met(NULL))
        return kernel.error;
    return kernel_look(queued, __real_io_uring_enter2(fd, queued, count, flags, mask, size));
}

#endif
