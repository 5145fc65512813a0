/*
 * The calls that kqueue is made of: one a turn, which carries changes and events; the wake; calls
 * that fail as a whole; and what is left of them in a forked child, which has no kqueue.
 *
 * SPDX-License-Identifier: MIT
 */
#include "kernel_kqueue.h"

#include <sys/wait.h>
#include <unistd.h>

enum { TURNS = 20 };

/* What is wanted of the first of two descriptors, turn by turn; the second is always ready. */
static uint32_t wanted_in(int turn)
{
    static const uint32_t wants[] = {ROUSE_READ | ROUSE_WRITE, ROUSE_READ, 0, ROUSE_WRITE,
                                     ROUSE_READ};
    return wants[turn % (int)(sizeof wants / sizeof wants[0])];
}

/* The same by hand: how many calls it takes. */
static unsigned calls_of_a_raw_loop(void)
{
    int queue = kqueue();
    assert_true(queue >= 0);
    struct kevent second = {.ident = (uintptr_t)others[0], .filter = EVFILT_READ, .flags = EV_ADD};
    assert_int_equal(kevent(queue, &second, 1, NULL, 0, NULL), 0);
    unsigned before = calls;
    uint32_t held = 0;
    for (int turn = 0; turn < TURNS; turn++) {
        struct kevent list[8], first = {.ident = (uintptr_t)ends[0]};
        int changes = 0;
        for (uint32_t bit = ROUSE_READ; bit <= ROUSE_WRITE; bit <<= 2)
            if ((held ^ wanted_in(turn)) & bit) {
                first.filter = bit == ROUSE_READ ? EVFILT_READ : EVFILT_WRITE;
                first.flags = held & bit ? EV_DELETE : EV_ADD;
                list[changes++] = first;
            }
        held = wanted_in(turn);
        assert_in_range(kevent(queue, list, changes, list, 8, &(struct timespec){0}), 1, 2);
    }
    assert_int_equal(close(queue), 0);
    return calls - before;
}

/* R2: whatever is changed, a turn is one call, as in a loop that is written by hand. */
static void turn_is_one_call_with_changes_and_events(void **state)
{
    (void)state;
    assert_int_equal(world_send(others[1], "x", 1), 1);
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ | ROUSE_WRITE));
    for (int i = 0; i < 5; i++) /* the batch grows */
        CHECK_OK(loop, rouse_turn(loop, 0));
    uint64_t system_calls = stage_counters(loop).system_calls;
    unsigned before = calls;
    for (int turn = 0; turn < TURNS; turn++) {
        CHECK_OK(loop, rouse_io_want(&a.io, wanted_in(turn)));
        journal_take();
        assert_int_equal(rouse_turn(loop, -1), wanted_in(turn) & ROUSE_WRITE ? 2 : 1);
    }
    assert_int_equal(calls - before, TURNS);
    assert_int_equal(stage_counters(loop).system_calls - system_calls, TURNS);
    assert_int_equal(calls_of_a_raw_loop(), TURNS);
    CHECK_OK(loop, rouse_io_stop(&a.io));
}

/* The wake is a filter of the queue: one call rings, the wait that it ends is one call, and a wake
 * while one is pending is none. */
static void wake_is_one_call_and_no_descriptor(void **state)
{
    (void)state;
    unsigned descriptors = world_open_descriptors();
    struct rouse_loop *other = NULL;
    CHECK_OK(NULL, rouse_open(&other, NULL));
    if (rings == 0 && stage_counters(other).changes_sent > 0)
        SKIP("this kqueue has no EVFILT_USER");
    if (descriptors > 0)
        assert_int_equal(world_open_descriptors(), descriptors + 1);
    struct player c;
    player_init(&c, other, 'c', NULL);
    CHECK_OK(other, rouse_hook_start(other, &c.hook, ROUSE_ON_WAKE));
    for (int round = 0; round < 3; round++) {
        unsigned rung = rings;
        for (int i = 0; i < 3; i++)
            CHECK_OK(NULL, rouse_wake(other));
        assert_int_equal(rings - rung, 1);
        assert_int_equal(rouse_turn(other, -1), 0);
        CHECK_JOURNAL("c");
        assert_int_equal(rouse_turn(other, 0), 0);
        CHECK_JOURNAL("");
    }
    CHECK_OK(NULL, rouse_close(other));
}

/* With room for one event the wake takes it; what is ready is told in the same turn all the same.
 */
static void wake_takes_no_room_from_events(void **state)
{
    (void)state;
    struct rouse_loop *small = NULL;
    CHECK_OK(NULL, rouse_open(&small, NULL));
    struct player c;
    player_init(&c, small, 'c', NULL);
    CHECK_OK(small, rouse_hook_start(small, &c.hook, ROUSE_ON_WAKE));
    CHECK_OK(small, rouse_io_start(small, &c.io, ends[0], ROUSE_READ));
    CHECK_OK(small, rouse_turn(small, 0));
    CHECK_OK(NULL, rouse_wake(small)); /* first in the queue */
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    journal_take();
    assert_int_equal(rouse_turn(small, -1), 1);
    CHECK_JOURNAL("cc");
    CHECK_OK(NULL, rouse_close(small));
    assert_int_equal(world_drain(ends[0]), 1);
}

/* G9: the number by which the wake is known is a descriptor's, too. */
static void wake_is_not_taken_for_descriptor_0(void **state)
{
    (void)state;
    rouse_fd input = -1;
    bool was_open = world_dup(0, &input) == 0;
    CHECK_OK(NULL, world_dup2(ends[0], 0));
    CHECK_OK(loop, rouse_hook_start(loop, &b.hook, ROUSE_ON_WAKE));
    CHECK_OK(loop, rouse_io_start(loop, &a.io, 0, ROUSE_READ));
    CHECK_OK(loop, rouse_turn(loop, 0));
    CHECK_OK(NULL, rouse_wake(loop));
    assert_int_equal(rouse_turn(loop, -1), 0);
    CHECK_JOURNAL("b");
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    assert_int_equal(rouse_turn(loop, -1), 1);
    CHECK_JOURNAL("a");
    CHECK_OK(loop, rouse_io_close(&a.io));
    CHECK_OK(NULL, rouse_wake(loop)); /* and it outlives the descriptor */
    assert_int_equal(rouse_turn(loop, -1), 0);
    CHECK_JOURNAL("b");
    if (was_open) {
        CHECK_OK(NULL, world_dup2(input, 0));
        CHECK_OK(NULL, world_close(input));
    }
    CHECK_OK(loop, rouse_hook_stop(&b.hook));
}

/* A kernel that is older than the header has no EVFILT_USER: the loop is woken by a descriptor. */
static void loop_is_woken_without_the_filter_too(void **state)
{
    (void)state;
    struct rouse_loop *other = NULL;
    refuse = (struct fault){{.filter = EVFILT_USER, .flags = EV_ADD}, EINVAL, 1, 0};
    CHECK_OK(NULL, rouse_open(&other, NULL));
    unsigned rung = rings;
    struct player c;
    player_init(&c, other, 'c', NULL);
    CHECK_OK(other, rouse_hook_start(other, &c.hook, ROUSE_ON_WAKE));
    for (int round = 0; round < 3; round++) {
        CHECK_OK(NULL, rouse_wake(other));
        for (int turns = 0; turns < 3; turns++)
            assert_int_equal(rouse_turn(other, 0), 0);
        CHECK_JOURNAL("c");
    }
    assert_int_equal(rings, rung);
    CHECK_OK(NULL, rouse_close(other));
}

/* The changes of an interrupted call are made, and are not made again. */
static void interrupted_call_is_no_error(void **state)
{
    (void)state;
    static const uint32_t wants[] = {ROUSE_READ, ROUSE_READ | ROUSE_WRITE, ROUSE_WRITE};
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], 0));
    for (int i = 0; i < 3; i++) {
        fail_call.error = EINTR;
        fail_call.times = 1;
        CHECK_OK(loop, rouse_io_want(&a.io, wants[i]));
        assert_int_equal(rouse_turn(loop, -1), 0);
        assert_int_equal(rouse_turn(loop, 0), wants[i] & ROUSE_WRITE ? 1 : 0);
    }
    CHECK_OK(loop, rouse_io_stop(&a.io));
    check_others_go_on();
}

static void failed_call_is_handed_on_and_mended_by_the_next_run(void **state)
{
    (void)state;
    static const int errors[] = {EBADF, EINVAL, EFAULT, ENOMEM};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        fail_call.error = errors[i];
        fail_call.times = 1;
        assert_int_equal(rouse_run(loop), -errors[i]);
        assert_non_null(strstr(rouse_error(loop), strerror(errors[i])));
        journal_take();
        assert_int_equal(world_send(others[1], "x", 1), 1);
        assert_int_equal(rouse_turn(loop, -1), 1);
        CHECK_JOURNAL("b");
        assert_int_equal(world_drain(others[0]), 1);
        assert_int_equal(stage_counters(loop).rebuilds, i + 1);
        CHECK_OK(NULL, rouse_wake(loop)); /* the new queue hears, too */
        assert_int_equal(rouse_turn(loop, -1), 0);
    }
}

/* N4: a failed open says why, leaks nothing, and a list goes on. */
static void failed_open_says_why(void **state)
{
    (void)state;
    static const int errors[] = {EMFILE, ENFILE, ENOMEM};
    unsigned descriptors = world_open_descriptors();
    for (size_t i = 0; i < 2 * sizeof errors / sizeof errors[0]; i++) {
        char why[256] = "";
        int error = errors[i / 2];
        struct rouse_loop *other = NULL;
        struct rouse_config config = {
            .size = sizeof config, .backend = "kqueue", .why = why, .why_size = sizeof why};
        fail_kqueue.error = error;
        fail_kqueue.times = i % 2;
        refuse = (struct fault){{.filter = EVFILT_USER, .flags = EV_ADD}, error, 1, 0};
        assert_int_equal(rouse_open(&other, &config), -error);
        assert_null(other);
        assert_non_null(strstr(why, strerror(error)));
        assert_int_equal(world_open_descriptors(), descriptors);
    }
    refuse.times = 0;
}

/* In the child: the number of the queue is somebody else's, whom closing must not touch. */
static int close_beside_a_stranger(int number)
{
    if (fcntl(number, F_GETFD) != -1)
        return 1; /* it should not have been inherited */
    if (dup2(others[0], number) != number || rouse_close(loop) != 0)
        return 2;
    return fcntl(number, F_GETFD) != -1 ? 0 : 3;
}

/* H1: a kqueue is not inherited. */
static void child_does_not_close_what_took_the_number(void **state)
{
    (void)state;
    int number = last_kqueue;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        _exit(close_beside_a_stranger(number));
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    check_others_go_on();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(child_does_not_close_what_took_the_number), /* first: libkqueue closes later */
        CASE(turn_is_one_call_with_changes_and_events),
        CASE(wake_is_one_call_and_no_descriptor),
        CASE(wake_takes_no_room_from_events),
        CASE(wake_is_not_taken_for_descriptor_0),
        CASE(loop_is_woken_without_the_filter_too),
        CASE(interrupted_call_is_no_error),
        CASE(failed_call_is_handed_on_and_mended_by_the_next_run),
        CASE(failed_open_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
