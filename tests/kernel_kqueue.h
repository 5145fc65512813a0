/*
 * What the tests of kqueue against its kernel share: functions that the linker puts before those of
 * the C library (--wrap), so that changes and calls can be made to fail. Changes are handed on one
 * by one, and refused ones come back as every kernel does it: as entries of the list of events, or
 * as an error of the call if there is no room; then the call neither waits nor tells anything else.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KERNEL_KQUEUE_H
#define KERNEL_KQUEUE_H

#include <fcntl.h>
#include <sys/event.h>
#include <time.h>

#include "stage.h"

/* Which changes fail, how, and how often. */
static struct fault {
    struct kevent change; /* filter, and a flag that it has */
    int error;
    int times;
    int met;
} refuse;

/* Calls that fail as a whole, after all changes. */
static struct {
    int error;
    int times;
} fail_call, fail_kqueue;

static bool keeps_flags; /* EV_ERROR comes beside the flags of the change, as on macOS */
static unsigned calls;   /* of kevent, with leave to tell of events */
static unsigned rings;   /* triggers of EVFILT_USER */
static int last_kqueue = -1;
static uint16_t lost_filter; /* flags of a report that says that its filter is gone */

static int error_of(const struct kevent *change)
{
    if (refuse.times == 0 || change->filter != refuse.change.filter ||
        !(change->flags & refuse.change.flags))
        return 0;
    refuse.times--;
    refuse.met++;
    return refuse.error;
}

int __real_kevent(int queue, const struct kevent *changes, int nchanges, struct kevent *events,
                  int nevents, const struct timespec *timeout);
int __wrap_kevent(int queue, const struct kevent *changes, int nchanges, struct kevent *events,
                  int nevents, const struct timespec *timeout);

/* A report of the end of a pipe, with which the filter goes, as on FreeBSD. */
static int lose_filter(int queue, struct kevent *events, int count)
{
    for (int i = 0; i < count && lost_filter != 0; i++)
        if (events[i].filter == EVFILT_WRITE) {
            struct kevent change = events[i];
            change.flags = EV_DELETE;
            assert_int_equal(__real_kevent(queue, &change, 1, NULL, 0, NULL), 0);
            events[i].flags |= lost_filter;
            lost_filter = 0;
        }
    return count;
}

int __wrap_kevent(int queue, const struct kevent *changes, int nchanges, struct kevent *events,
                  int nevents, const struct timespec *timeout)
{
    calls += nevents > 0;
    int refused = 0;
    for (int i = 0; i < nchanges; i++) {
        struct kevent change = changes[i]; /* the lists may be one */
        rings += change.filter == EVFILT_USER && (change.fflags & NOTE_TRIGGER);
        int error = error_of(&change);
        bool is_gone = error != 0 && (change.flags & EV_DELETE); /* already */
        if ((error == 0 || is_gone) && __real_kevent(queue, &change, 1, NULL, 0, NULL) < 0)
            error = errno;
        if (error == 0)
            continue;
        if (refused == nevents) {
            errno = error;
            return -1;
        }
        change.flags = (uint16_t)(keeps_flags ? change.flags | EV_ERROR : EV_ERROR);
        change.data = error;
        events[refused++] = change;
    }
    if (fail_call.times > 0 && nevents > 0) {
        fail_call.times--;
        errno = fail_call.error;
        return -1;
    }
    if (refused > 0 || nevents == 0)
        return refused;
    return lose_filter(queue, events, __real_kevent(queue, NULL, 0, events, nevents, timeout));
}

int __real_kqueue(void);
int __wrap_kqueue(void);
int __wrap_kqueue(void)
{
    if (fail_kqueue.times > 0) {
        fail_kqueue.times--;
        errno = fail_kqueue.error;
        return -1;
    }
    return last_kqueue = __real_kqueue();
}

static struct rouse_loop *loop;
static struct player a, b;
static rouse_fd ends[2], others[2];
static int last_error;

static void note_error(struct player *self)
{
    last_error = rouse_io_error(&self->io);
}

static int set_up(void **state)
{
    (void)state;
    refuse = (struct fault){.times = 0};
    fail_call.times = fail_kqueue.times = 0;
    keeps_flags = false;
    lost_filter = 0;
    loop = stage_open(NULL);
    CHECK_OK(NULL, world_pair(WORLD_UNIX, ends));
    CHECK_OK(NULL, world_pair(WORLD_UNIX, others));
    player_init(&a, loop, 'a', note_error);
    player_init(&b, loop, 'b', note_error);
    CHECK_OK(loop, rouse_io_start(loop, &b.io, others[0], ROUSE_READ));
    CHECK_OK(loop, rouse_turn(loop, 0));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    CHECK_OK(NULL, rouse_close(loop));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(NULL, world_close(ends[i]));
        CHECK_OK(NULL, world_close(others[i]));
    }
    return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* b goes on as if nothing had happened, and nobody else is called. */
static inline void check_others_go_on(void)
{
    journal_take();
    assert_int_equal(world_send(others[1], "x", 1), 1);
    assert_int_equal(rouse_turn(loop, -1), 1);
    CHECK_JOURNAL("b");
    assert_int_equal(world_drain(others[0]), 1);
    assert_int_equal(rouse_turn(loop, 0), 0);
    assert_int_equal(stage_counters(loop).rebuilds, 0);
}

#endif
