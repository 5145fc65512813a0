/*
 * kqueue when the kernel refuses a change: each comes back as an entry of the list of events, and
 * must become exactly one event of its token, an error or what the error means, while everything
 * else goes on.
 *
 * SPDX-License-Identifier: MIT
 */
#include "kernel_kqueue.h"

static const struct kevent adds[2] = {{.filter = EVFILT_READ, .flags = EV_ADD},
                                      {.filter = EVFILT_WRITE, .flags = EV_ADD}};

static const struct kevent deletes[2] = {{.filter = EVFILT_READ, .flags = EV_DELETE},
                                         {.filter = EVFILT_WRITE, .flags = EV_DELETE}};

#ifndef ENOTCAPABLE
#define ENOTCAPABLE                                                                                \
    93 /* what FreeBSD says of a descriptor that may not be watched, or is closed                  \
        */
#endif

static void check_told_once(int error)
{
    assert_int_equal(a.ready, ROUSE_ERROR);
    assert_int_equal(last_error, error);
    uint64_t events = stage_counters(loop).events;
    for (int i = 0; i < 3; i++)
        assert_int_equal(rouse_turn(loop, 0), 0);
    assert_int_equal(stage_counters(loop).events, events); /* what it still held would spin */
    CHECK_JOURNAL("a");
    check_others_go_on();
}

/* A12, N3, G4, G6: one filter of two is refused, or both are; the bit of the error stands alone or
 * beside others; EPERM is no word for what is always ready. */
static void refused_filter_is_told_once_and_sent_again_after_a_change(void **state)
{
    (void)state;
    static const int errors[] = {EBADF, EINVAL, ENOENT, ENOMEM, EPERM, EIO, ENOTCAPABLE};
    const uint32_t both = ROUSE_READ | ROUSE_WRITE;
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        for (int which = 0; which < 2; which++) {
            if (errors[i] == EBADF && which == 1)
                continue; /* a pipe without a reader, on NetBSD */
            keeps_flags = i % 2;
            refuse = (struct fault){adds[which], errors[i], 1, 0};
            CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], both));
            assert_int_equal(rouse_turn(loop, -1), 1); /* and the call does not block */
            assert_int_equal(refuse.met, 1);
            check_told_once(errors[i] == EPERM ? -EINVAL : -errors[i]);
            CHECK_OK(loop, rouse_io_want(&a.io, both));
            assert_int_equal(rouse_turn(loop, -1), 1);
            CHECK_JOURNAL("a");
            assert_int_equal(last_error, 0);
            assert_int_equal(a.ready, both);
            CHECK_OK(loop, rouse_io_stop(&a.io));
        }
}

/* G5: both filters of one descriptor are refused, where there is room for one event. */
static void more_is_refused_than_there_is_room_for(void **state)
{
    (void)state;
    struct rouse_loop *small = NULL;
    CHECK_OK(NULL, rouse_open(&small, NULL));
    CHECK_OK(NULL, world_close(ends[0]));
    CHECK_OK(NULL, world_dup(others[0], &ends[0]));
    refuse = (struct fault){adds[0], ENOTCAPABLE, 1, 0};
    struct player c;
    player_init(&c, small, 'c', note_error);
    CHECK_OK(small, rouse_io_start(small, &c.io, ends[0], ROUSE_READ | ROUSE_WRITE));
    assert_int_equal(rouse_turn(small, -1), 1);
    assert_int_equal(last_error, -ENOTCAPABLE);
    assert_int_equal(stage_counters(small).rebuilds, 0);
    assert_int_equal(stage_counters(small).events, 1);
    CHECK_OK(NULL, rouse_close(small));
}

/* The others of the same list are held, and what is ready of them is told in the same turn. */
static void refused_change_leaves_the_others(void **state)
{
    (void)state;
    struct player c;
    rouse_fd third[2];
    CHECK_OK(NULL, world_pair(WORLD_UNIX, third));
    player_init(&c, loop, 'c', note_error);
    assert_int_equal(world_send(third[1], "x", 1), 1);
    assert_int_equal(world_send(others[1], "x", 1), 1);
    for (int i = 0; i < 4; i++) /* the batch grows */
        assert_int_equal(rouse_turn(loop, 0), 1);
    refuse = (struct fault){adds[0], EINVAL, 1, 0};
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    CHECK_OK(loop, rouse_io_start(loop, &c.io, third[0], ROUSE_READ));
    journal_take();
    for (int turns = 0; turns < 3 && c.ready == 0; turns++)
        assert_in_range(rouse_turn(loop, -1), 1, 3);
    assert_int_equal(c.ready, ROUSE_READ);
    assert_non_null(strchr(journal_take(), 'a'));
    assert_int_equal(world_drain(others[0]), 1);
    CHECK_OK(loop, rouse_io_close(&c.io));
    CHECK_OK(NULL, world_close(third[1]));
    check_others_go_on();
}

/* A13, O7: what is to be deleted may be gone already, with the descriptor; that is as good. */
static void failed_removal_is_no_error(void **state)
{
    (void)state;
    static const int errors[] = {EBADF, ENOENT, EINVAL, ENOTCAPABLE};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
        CHECK_OK(loop, rouse_turn(loop, 0));
        journal_take();
        refuse = (struct fault){deletes[0], errors[i], 1, 0};
        CHECK_OK(loop, rouse_io_want(&a.io, ROUSE_WRITE)); /* in one list with what is added */
        assert_int_equal(rouse_turn(loop, -1), 1);
        assert_int_equal(refuse.met, 1);
        CHECK_JOURNAL("a");
        assert_int_equal(a.ready, ROUSE_WRITE);
        assert_int_equal(last_error, 0);
        refuse = (struct fault){deletes[1], errors[i], 1, 0};
        CHECK_OK(loop, rouse_io_stop(&a.io)); /* by itself */
        assert_int_equal(refuse.met, 1);
        check_others_go_on();
    }
}

/* A19: a device whose driver knows no filters is always ready; no word of it reaches the user. */
static void device_that_is_refused_is_always_ready(void **state)
{
    (void)state;
    static const int errors[] = {EINVAL, ENODEV, EOPNOTSUPP, EPERM};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        rouse_fd null;
        CHECK_OK(NULL, world_null(&null));
        refuse = (struct fault){adds[0], errors[i], 1, 0};
        CHECK_OK(loop, rouse_io_start(loop, &a.io, null, ROUSE_READ));
        for (int turn = 0; turn < 3; turn++) {
            assert_int_equal(rouse_turn(loop, -1), 1);
            assert_int_equal(a.ready, ROUSE_READ);
            assert_int_equal(last_error, 0);
        }
        CHECK_OK(loop, rouse_io_close(&a.io));
    }
    CHECK_JOURNAL("aaaaaaaaaaaa");
    check_others_go_on();
}

/* G1: a terminal that kqueue does not know is not always ready, which would be a spin: told once.
 */
static void terminal_that_is_refused_is_told(void **state)
{
    (void)state;
    rouse_fd terminal[2];
    int error = world_pair(WORLD_PTY, terminal);
    if (error == -ENOTSUP)
        SKIP("there are no terminals here");
    CHECK_OK(NULL, error);
    refuse = (struct fault){adds[0], EINVAL, 1, 0};
    CHECK_OK(loop, rouse_io_start(loop, &a.io, terminal[0], ROUSE_READ));
    assert_int_equal(rouse_turn(loop, -1), 1);
    check_told_once(-EINVAL);
    CHECK_OK(loop, rouse_io_close(&a.io));
    CHECK_OK(NULL, world_close(terminal[1]));
}

/* C4, C6: that nobody reads a pipe any more is no refusal: it is told as WRITE and ERROR while it
 * is wanted, READ or not, and nothing is left in the kernel. */
static void pipe_without_a_reader_is_told_as_often_as_it_is_wanted(void **state)
{
    (void)state;
    static const int errors[] = {EPIPE, EBADF};
    for (int i = 0; i < 2; i++)
        for (uint32_t also = 0; also <= ROUSE_READ; also += ROUSE_READ) {
            rouse_fd pipe_ends[2];
            CHECK_OK(NULL, world_pair(WORLD_PIPE, pipe_ends));
            refuse = (struct fault){adds[1], errors[i], 3, 0};
            CHECK_OK(loop, rouse_io_start(loop, &a.io, pipe_ends[1], ROUSE_WRITE | also));
            for (int turn = 0; turn < 3; turn++) {
                assert_int_equal(rouse_turn(loop, -1), 1);
                assert_int_equal(a.ready, ROUSE_WRITE | ROUSE_ERROR | also);
                assert_int_equal(last_error, 0);
            }
            CHECK_OK(loop, rouse_io_want(&a.io, 0));
            assert_int_equal(rouse_turn(loop, 0), 0);
            CHECK_OK(loop, rouse_io_close(&a.io));
            CHECK_OK(NULL, world_close(pipe_ends[0]));
            CHECK_JOURNAL("aaa");
        }
    check_others_go_on();
}

/* FreeBSD takes a filter away with its report when the other end of a pipe is closed. */
static void filter_that_goes_with_its_report_is_sent_again(void **state)
{
    (void)state;
    for (int turn = 0; turn < 3; turn++) {
        lost_filter = EV_ONESHOT;
        if (turn == 0)
            CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_WRITE));
        a.ready = 0;
        assert_int_equal(rouse_turn(loop, -1), 1);
        assert_int_equal(lost_filter, 0);
        assert_int_equal(a.ready, ROUSE_WRITE);
    }
    CHECK_OK(loop, rouse_io_stop(&a.io));
    CHECK_JOURNAL("aaa");
    check_others_go_on();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(refused_filter_is_told_once_and_sent_again_after_a_change),
        CASE(more_is_refused_than_there_is_room_for),
        CASE(refused_change_leaves_the_others),
        CASE(failed_removal_is_no_error),
        CASE(device_that_is_refused_is_always_ready),
        CASE(terminal_that_is_refused_is_told),
        CASE(pipe_without_a_reader_is_told_as_often_as_it_is_wanted),
        CASE(filter_that_goes_with_its_report_is_sent_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
