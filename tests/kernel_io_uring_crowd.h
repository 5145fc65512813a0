/*
 * A loop that watches thousands, for the tests of io_uring in which its rings are full. All of them
 * are duplicates of one end of a pipe, so that one byte makes them all ready; and when they are
 * closed the other end says whether anything in the kernel still holds one of them.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KERNEL_IO_URING_CROWD_H
#define KERNEL_IO_URING_CROWD_H

#include "kernel_io_uring.h"

enum { MOST = 9500 };

/* Watchers of as many duplicates of the reading end of one pipe; so one byte makes all ready. */
static struct watcher {
    struct rouse_io io;
    unsigned calls;
    unsigned refused;
} many[MOST];
static unsigned count;
static rouse_fd ends[2];
static struct rouse_loop *loop;

static inline void called(struct rouse_io *io, uint32_t ready)
{
    struct watcher *watcher = (struct watcher *)io; /* its first member */
    if (rouse_io_error(io) != 0) {
        assert_int_equal(rouse_io_error(io), -ENOMEM);
        assert_int_equal(ready, ROUSE_ERROR);
        watcher->refused++;
        CHECK_OK(loop, rouse_io_want(io, ROUSE_READ)); /* asks again */
        return;
    }
    assert_int_equal(ready, ROUSE_READ);
    watcher->calls++;
    rouse_io_drained(io, ROUSE_READ); /* as if it had read: says nothing by level */
}

static inline void begin(unsigned watchers, uint32_t mode)
{
    loop = stage_open(NULL);
    count = watchers;
    CHECK_OK(NULL, world_pair(WORLD_PIPE, ends));
    for (unsigned i = 0; i < count; i++) {
        rouse_fd fd;
        CHECK_OK(NULL, world_dup(ends[0], &fd));
        many[i] = (struct watcher){0};
        rouse_io_init(&many[i].io, called);
        CHECK_OK(loop, rouse_io_start(loop, &many[i].io, fd, ROUSE_READ | mode));
    }
}

/* Nothing in the kernel still holds any of them, or the writer would not be told. Of what is left
 * in a ring that had to be given up it is told a little later. */
static inline void end(bool given_up)
{
    CHECK_OK(NULL, world_close(ends[0]));
    assert_int_equal(world_ready(ends[1], ROUSE_WRITE) & ROUSE_ERROR, 0);
    for (unsigned i = 0; i < count; i++)
        CHECK_OK(loop, rouse_io_close(&many[i].io));
    if (given_up)
        world_await(ends[1], ROUSE_ERROR);
    assert_int_equal(world_ready(ends[1], ROUSE_WRITE) & ROUSE_ERROR, ROUSE_ERROR);
    CHECK_OK(NULL, world_close(ends[1]));
    CHECK_OK(NULL, rouse_close(loop));
}

static inline unsigned fewest_calls(void)
{
    unsigned fewest = UINT32_MAX;
    for (unsigned i = 0; i < count; i++)
        fewest = many[i].calls < fewest ? many[i].calls : fewest;
    return fewest;
}

static inline unsigned refusals(void)
{
    unsigned refused = 0;
    for (unsigned i = 0; i < count; i++)
        refused += many[i].refused;
    return refused;
}

/* Makes all ready; each must be called within so many turns, and when the pipe is empty nobody. */
static inline void check_all_are_told(unsigned turns)
{
    for (unsigned i = 0; i < count; i++)
        many[i].calls = 0;
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    for (unsigned turn = 0; turn < turns && fewest_calls() == 0; turn++)
        CHECK_OK(loop, rouse_turn(loop, 0));
    assert_in_range(fewest_calls(), 1, UINT32_MAX);
    assert_int_equal(world_drain(ends[0]), 1);
    for (unsigned turn = 0; turn < turns; turn++) /* level: what was ready is told late */
        CHECK_OK(loop, rouse_turn(loop, 0));
    assert_int_equal(rouse_turn(loop, 0), 0);
}

#endif
