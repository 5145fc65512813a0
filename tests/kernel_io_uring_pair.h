/*
 * A loop in real time on which one is watched by level and one by edges, for the tests of io_uring
 * in which it matters what the kernel does, and not how many are watched.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KERNEL_IO_URING_PAIR_H
#define KERNEL_IO_URING_PAIR_H

#include "kernel_io_uring.h"

static struct rouse_loop *loop;
static struct player a, b;
static rouse_fd ends[2], others[2];

/* What was ready may be gone by now, to a child. */
static inline void take_a_byte(struct player *self)
{
    char byte;
    if (self->ready & ROUSE_READ)
        world_receive(self->io.fd, &byte, 1);
}

/* Reads until it is told that there is no more. */
static inline void take_all(struct player *self)
{
    char bytes[2];
    ssize_t taken = rouse_read(&self->io, bytes, sizeof bytes);
    assert_true(taken > 0 || taken == -EAGAIN);
}

/* A loop on which a is watched by level and b by edges. */
static inline void begin(void)
{
    loop = stage_open(NULL);
    CHECK_OK(NULL, world_pair(WORLD_UNIX, ends));
    CHECK_OK(NULL, world_pair(WORLD_UNIX, others));
    player_init(&a, loop, 'a', take_a_byte);
    player_init(&b, loop, 'b', take_all);
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    CHECK_OK(loop, rouse_io_start(loop, &b.io, others[0], ROUSE_READ | ROUSE_EDGE));
    CHECK_OK(loop, rouse_turn(loop, 0));
    journal_take();
}

static inline void end(void)
{
    CHECK_OK(NULL, rouse_close(loop));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(NULL, world_close(ends[i]));
        CHECK_OK(NULL, world_close(others[i]));
    }
}

/* Turns until both have been called for the byte that each has got; a call that failed has only
 * cost a turn. */
static inline void check_both_are_told(void)
{
    journal_take();
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    assert_int_equal(world_send(others[1], "x", 1), 1);
    bool told[2] = {false, false};
    for (int i = 0; i < 50 && !(told[0] && told[1]); i++) {
        CHECK_OK(loop, rouse_turn(loop, -1));
        const char *called = journal_take();
        told[0] |= strchr(called, 'a') != NULL;
        told[1] |= strchr(called, 'b') != NULL;
    }
    assert_true(told[0] && told[1]);
    assert_int_equal(world_ready(ends[0], ROUSE_READ), 0);
    assert_int_equal(world_ready(others[0], ROUSE_READ), 0);
    for (int i = 0; i < 3; i++)
        CHECK_OK(loop, rouse_turn(loop, 0)); /* b may be called to find that there is no more */
    journal_take();
    assert_int_equal(rouse_turn(loop, 0), 0);
}

static inline void check_level(void)
{
    assert_int_equal(world_send(ends[1], "xyz", 3), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rouse_turn(loop, -1), 1);
    assert_int_equal(rouse_turn(loop, 0), 0);
    CHECK_JOURNAL("aaa");
    assert_int_equal(a.ready, ROUSE_READ);
}

static inline void check_edge(void)
{
    for (int i = 0; i < 2; i++) {
        assert_int_equal(world_send(others[1], "xyz", 3), 3);
        for (int k = 0; k < 3; k++)
            assert_int_equal(rouse_turn(loop, -1), 1); /* two, one, and no more */
        for (int k = 0; k < 3; k++)
            assert_int_equal(rouse_turn(loop, 0), 0);
        CHECK_JOURNAL("bbb");
    }
}

#endif
