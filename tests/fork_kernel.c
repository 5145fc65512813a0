/*
 * Forks, and what parent and child still share in the kernel: the bell by which a loop is woken,
 * open files that live as long as either side holds them, and descriptors that a program which is
 * executed would inherit. After rouse_adopt() nothing that one side does may be heard on the other.
 *
 * SPDX-License-Identifier: MIT
 */
#define _POSIX_C_SOURCE 200809L /* fork */
#include "child.h"

static void take_pending_wake(void)
{
    struct rouse_loop *loop = calls.loop;
    EXPECT(rouse_adopt(loop) == 0);
    EXPECT(subject_turn(loop, -1) == 1);
    EXPECT(strcmp(journal_take(), "sws") == 0); /* hook before the wait, wake, task */
    struct rouse_counters before = stage_counters(loop);
    for (int i = 0; i < 10; i++)
        EXPECT(subject_turn(loop, 0) == 0);
    EXPECT(subject_guesses() || stage_counters(loop).events == before.events); /* no spin */
    for (int i = 0; i < 3; i++) {
        journal_take();
        EXPECT(rouse_wake(loop) == 0); /* not deaf */
        EXPECT(subject_turn(loop, -1) == 0);
        EXPECT(strchr(journal_take(), 'w') != NULL);
    }
}

/* H3: a wake that was pending at the fork left the child spinning, or deaf. */
static void wake_pending_at_the_fork_is_told_once_on_either_side(void **state)
{
    (void)state;
    child_needed();
    struct player waker;
    player_init(&waker, calls.loop, 'w', NULL);
    CHECK_OK(calls.loop, rouse_hook_start(calls.loop, &waker.hook, ROUSE_ON_WAKE));
    CHECK_OK(NULL, rouse_wake(calls.loop));
    in_a_child(take_pending_wake);
    assert_int_equal(subject_turn(calls.loop, -1), 1);
    CHECK_JOURNAL("sws"); /* hook before the wait, wake, task */
    assert_int_equal(subject_turn(calls.loop, 0), 0);
    CHECK_JOURNAL("s"); /* the child's wakes were its own */
    CHECK_OK(calls.loop, rouse_hook_stop(&waker.hook));
}

static rouse_fd to_child[2], to_parent[2];

static void tell(const rouse_fd ends[2])
{
    if (world_send(ends[1], "x", 1) != 1)
        abort();
}

static void await(const rouse_fd ends[2])
{
    char byte;
    world_await(ends[0], ROUSE_READ);
    if (world_receive(ends[0], &byte, 1) != 1)
        abort();
}

static void look_while_the_parent_is_woken(void)
{
    struct rouse_loop *loop = calls.loop;
    EXPECT(rouse_adopt(loop) == 0);
    EXPECT(subject_turn(loop, 0) == 1);
    uint64_t events = stage_counters(loop).events;
    tell(to_parent);
    await(to_child); /* now a wake of the parent is pending */
    journal_take();
    for (int i = 0; i < 5; i++)
        EXPECT(subject_turn(loop, 0) == 0);
    EXPECT(strchr(journal_take(), 'w') == NULL);
    EXPECT(subject_guesses() || stage_counters(loop).events == events);
    EXPECT(rouse_wake(loop) == 0);
    EXPECT(subject_turn(loop, -1) == 0);
    EXPECT(strchr(journal_take(), 'w') != NULL);
}

/* H2, H3: both sides rang, and silenced, one bell. */
static void wakes_after_the_fork_are_each_sides_own(void **state)
{
    (void)state;
    child_needed();
    struct player waker;
    player_init(&waker, calls.loop, 'w', NULL);
    CHECK_OK(calls.loop, rouse_hook_start(calls.loop, &waker.hook, ROUSE_ON_WAKE));
    CHECK_OK(calls.loop, rouse_hook_stop(&calls.started.hook));
    CHECK_OK(NULL, world_pair(WORLD_PIPE, to_child));
    CHECK_OK(NULL, world_pair(WORLD_PIPE, to_parent));
    pid_t child = child_begin(look_while_the_parent_is_woken);
    await(to_parent);
    CHECK_OK(NULL, rouse_wake(calls.loop));
    tell(to_child);
    child_end(child);
    assert_int_equal(subject_turn(calls.loop, -1), 1);
    CHECK_JOURNAL("ws"); /* wake, task */
    calls_let_time_pass(&calls);
    CHECK_OK(calls.loop, rouse_io_unref(&calls.started.io));
    assert_int_equal(rouse_run(calls.loop), 0);
    CHECK_JOURNAL("s"); /* the timer */
    CHECK_OK(calls.loop, rouse_hook_stop(&waker.hook));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(NULL, world_close(to_child[i]));
        CHECK_OK(NULL, world_close(to_parent[i]));
    }
}

static void hold_the_file_until_told(void)
{
    world_await(calls.others[0], ROUSE_READ);
}

/* A6, A10: a child that holds the open file kept it registered after the parent had closed it. */
static void closed_descriptor_that_a_child_holds_is_silent(void **state)
{
    (void)state;
    pid_t child = child_begin(hold_the_file_until_told);
    struct rouse_loop *loop = calls.loop;
    rouse_fd number = calls.started.io.fd;
    assert_int_equal(subject_turn(loop, 0), 1);
    journal_take();
    CHECK_OK(loop, rouse_io_close(&calls.started.io));
    assert_int_equal(world_dup2(calls.others[0], number), 0); /* the number is used again */
    CHECK_OK(loop, rouse_io_start(loop, &calls.started.io, number, ROUSE_READ));
    assert_int_equal(world_send(calls.ends[1], "x", 1), 1); /* to the file that the child holds */
    for (int i = 0; i < 10; i++)
        assert_int_equal(subject_turn(loop, 0), 0);
    struct rouse_counters counters = stage_counters(loop);
    assert_int_equal(counters.stale, 0);
    assert_true(subject_guesses() || counters.events == 0);
    assert_int_equal(world_send(calls.others[1], "x", 1), 1);
    child_end(child);
}

/* A7, A8, A11: closed behind the loop's back, it cannot even be removed from the interest set of
 * epoll; to skip its events would be to spin. */
static void registration_that_only_a_child_keeps_up_does_not_spin(void **state)
{
    (void)state;
    struct rouse_loop *loop = calls.loop;
    assert_int_equal(subject_turn(loop, 0), 1);
    pid_t child = child_begin(hold_the_file_until_told);
    CHECK_OK(NULL, world_close(calls.ends[0]));
    CHECK_OK(loop, rouse_io_stop(&calls.started.io));
    assert_int_equal(world_send(calls.ends[1], "x", 1), 1);
    CHECK_OK(loop, rouse_hook_stop(&calls.started.hook));
    journal_take();
    for (int i = 0; i < 20; i++)
        assert_int_equal(rouse_turn(loop, 0), 0);
    assert_in_range(stage_counters(loop).events, 0, 2);
    CHECK_OK(NULL, rouse_wake(loop)); /* and all else goes on */
    assert_int_equal(rouse_turn(loop, -1), 0);
    assert_int_equal(rouse_turn(loop, -1), 1);
    CHECK_JOURNAL("s"); /* the timer */
    assert_int_equal(world_send(calls.others[1], "x", 1), 1);
    child_end(child);
    CHECK_OK(NULL, world_dup(calls.others[0], &calls.ends[0]));
}

/* R10, H6: descriptors of the library leaked into programs that the user's program executes. */
static void every_descriptor_of_the_library_is_closed_on_exec(void **state)
{
    (void)state;
    if (subject_is_emulated())
        SKIP("libkqueue makes descriptors of its own");
    enum { NUMBERS = 200 };
    bool open_before[NUMBERS];
    for (rouse_fd fd = 0; fd < NUMBERS; fd++)
        open_before[fd] = world_inherited(fd) >= 0;
    struct rouse_loop *loop = stage_open(NULL);
    struct player a;
    player_init(&a, loop, 'a', NULL);
    rouse_fd listener, client, accepted = -1;
    CHECK_OK(NULL, world_listen(&listener));
    CHECK_OK(NULL, world_connect(listener, &client));
    world_await(listener, ROUSE_READ);
    CHECK_OK(loop, rouse_io_start(loop, &a.io, listener, ROUSE_READ));
    CHECK_OK(loop, rouse_wake(loop));
    CHECK_OK(loop, rouse_turn(loop, 0));
    CHECK_OK(loop, rouse_accept(&a.io, &accepted));
    unsigned fresh = 0;
    for (rouse_fd fd = 0; fd < NUMBERS; fd++)
        if (!open_before[fd] && world_inherited(fd) >= 0) {
            assert_int_equal(world_inherited(fd), 0);
            fresh++;
        }
    assert_true(fresh >= 3);
    CHECK_OK(NULL, world_close(accepted));
    CHECK_OK(NULL, world_close(client));
    CHECK_OK(loop, rouse_io_close(&a.io));
    CHECK_OK(NULL, rouse_close(loop));
    for (rouse_fd fd = 0; fd < NUMBERS; fd++)
        assert_int_equal(world_inherited(fd) >= 0, open_before[fd]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(wake_pending_at_the_fork_is_told_once_on_either_side),
        CASE(wakes_after_the_fork_are_each_sides_own),
        CASE(closed_descriptor_that_a_child_holds_is_silent),
        CASE(registration_that_only_a_child_keeps_up_does_not_spin),
        CASE(every_descriptor_of_the_library_is_closed_on_exec),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
