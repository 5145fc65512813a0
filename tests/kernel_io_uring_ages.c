/*
 * io_uring on kernels of every age: with the rings that belong to one thread (Linux 6.1), with
 * those that interrupt nobody (5.19), and with the first that will do (5.13), each also where a
 * thread cannot register its ring. On all of them a loop does what it does on any backend. See
 * kernel_io_uring.h for how a kernel is made to be old.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* fork, and what liburing.h needs */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel_io_uring_pair.h"

static void check_pause(struct player *player, rouse_fd peer)
{
    CHECK_OK(loop, rouse_io_want(&player->io, 0));
    assert_int_equal(rouse_turn(loop, 0), 0);
    assert_int_equal(world_send(peer, "x", 1), 1);
    assert_int_equal(rouse_turn(loop, 0), 0);
    assert_int_equal(rouse_turn(loop, 0), 0);
    CHECK_JOURNAL("");
    CHECK_OK(loop, rouse_io_want(&player->io, ROUSE_READ));
    assert_int_equal(rouse_turn(loop, -1), 1);
    assert_int_equal(journal_take()[0], player->name);
    rouse_turn(loop, 0); /* by edges: no more */
    journal_take();
}

static void check_drop(uint32_t mode)
{
    rouse_fd old[2], fresh[2];
    struct player c;
    player_init(&c, loop, 'c', NULL);
    CHECK_OK(NULL, world_pair(WORLD_UNIX, old));
    CHECK_OK(loop, rouse_io_start(loop, &c.io, old[0], ROUSE_READ | mode));
    assert_int_equal(rouse_turn(loop, 0), 0);
    assert_int_equal(world_send(old[1], "x", 1), 1);
    CHECK_OK(loop, rouse_io_close(&c.io));
    assert_true(world_ready(old[1], ROUSE_READ | ROUSE_HANGUP) & ROUSE_HANGUP);
    CHECK_OK(NULL, world_pair(WORLD_UNIX, fresh));
    assert_true(fresh[0] == old[0] || fresh[1] == old[0]);
    CHECK_OK(loop, rouse_io_start(loop, &c.io, old[0], ROUSE_READ | mode));
    assert_int_equal(rouse_turn(loop, 0), 0);
    assert_int_equal(rouse_turn(loop, 0), 0);
    CHECK_JOURNAL("");
    CHECK_OK(loop, rouse_io_stop(&c.io));
    CHECK_OK(NULL, world_close(old[1]));
    CHECK_OK(NULL, world_close(fresh[0]));
    CHECK_OK(NULL, world_close(fresh[1]));
}

static void *wake(void *ignored)
{
    (void)ignored;
    return rouse_wake(loop) == 0 ? NULL : "wake";
}

static void check_wake(void)
{
    struct player w;
    player_init(&w, loop, 'w', NULL);
    CHECK_OK(loop, rouse_hook_start(loop, &w.hook, ROUSE_ON_WAKE));
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, wake, NULL), 0);
        for (const char *called = ""; *called == '\0'; called = journal_take())
            assert_int_equal(rouse_turn(loop, -1), 0);
        void *wrong = NULL;
        pthread_join(thread, &wrong);
        assert_null(wrong);
    }
    CHECK_OK(loop, rouse_hook_stop(&w.hook));
}

static void check_timers(void)
{
    enum { DELAY = 3000000 };
    struct player t;
    player_init(&t, loop, 't', NULL);
    int64_t begun = world_now();
    CHECK_OK(loop, rouse_timer_after(loop, &t.timer, DELAY, 0));
    uint64_t waits = stage_counters(loop).waits;
    while (rouse_timer_active(&t.timer))
        CHECK_OK(loop, rouse_turn(loop, -1));
    assert_true(world_now() - begun >= DELAY);
    assert_in_range(stage_counters(loop).waits - waits, 1, 8); /* it slept */
    CHECK_JOURNAL("t");
}

static bool is_told_in_a_child(void)
{
    for (int i = 0; i < 2; i++)
        if (rouse_adopt(loop) != 0 || world_send(ends[1], "x", 1) != 1 ||
            rouse_turn(loop, -1) != 1 || strcmp(journal_take(), "a") != 0)
            return false;
    return world_send(others[1], "x", 1) == 1 && rouse_turn(loop, -1) == 1 &&
           strcmp(journal_take(), "b") == 0 && rouse_close(loop) == 0;
}

static void check_fork(void)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        _exit(is_told_in_a_child() ? 0 : 1);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    for (int i = 0; i < 3; i++) /* they shared the files: their ends were told here too */
        CHECK_OK(loop, rouse_turn(loop, 0));
    journal_take();
    check_both_are_told();
}

/* A loop in real use, on a kernel that is older by so many modes. */
static void check_age(int age)
{
    static const unsigned flags[] = {FLAGS_OF_6_1, FLAGS_OF_5_19, 0};
    if (!kernel_knows(flags[age]))
        SKIP("the kernel is older than that");
    for (int registered = 0; registered < 2; registered++) {
        kernel_reset();
        kernel_is_older(age);
        kernel.no_registered_ring = !registered;
        begin();
        assert_int_equal(seen.last_flags & (FLAGS_OF_6_1 | FLAGS_OF_5_19) & ~FLAGS_OF_6_1,
                         age == 0 ? IORING_SETUP_TASKRUN_FLAG : flags[age]);
        assert_int_equal(seen.last_flags & FLAGS_OF_6_1, flags[age] & FLAGS_OF_6_1);
        check_level();
        check_edge();
        check_pause(&a, ends[1]);
        check_pause(&b, others[1]);
        check_drop(0);
        check_drop(ROUSE_EDGE);
        check_drop(ROUSE_ONESHOT);
        check_wake();
        check_timers();
        check_fork();
        check_both_are_told();
        end();
    }
}

static void all_is_served_by_a_ring_of_one_thread(void **state)
{
    (void)state;
    check_age(0);
}

/* Linux 5.19 has no rings of one thread; their work is done when the thread enters the kernel. */
static void all_is_served_by_a_ring_of_linux_5_19(void **state)
{
    (void)state;
    check_age(1);
}

/* Linux 5.13 interrupts the thread for each completion, wherever it is. */
static void all_is_served_by_a_ring_of_linux_5_13(void **state)
{
    (void)state;
    check_age(2);
}

/* P6, P10, R10: a kernel thread that submits keeps the rights that the process has given up, as do
 * rings with a personality; a registered file stays open; a program that is executed gets a ring.
 */
static void rings_keep_no_rights_and_no_files(void **state)
{
    (void)state;
    for (int age = 0; age < KERNEL_AGES; age++) {
        kernel_is_older(age);
        int threads = world_threads();
        begin();
        check_both_are_told();
        assert_int_equal(seen.flags & (IORING_SETUP_SQPOLL | IORING_SETUP_SQ_AFF |
                                       IORING_SETUP_IOPOLL | IORING_SETUP_ATTACH_WQ),
                         0);
        assert_int_equal(seen.registrations & ~(1U << IORING_REGISTER_ENABLE_RINGS), 0);
        assert_int_equal(world_threads(), threads);
        assert_int_equal(world_inherited(seen.ring->ring_fd), 0);
        end();
    }
}

#define CASE(name) cmocka_unit_test_setup(name, kernel_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(all_is_served_by_a_ring_of_one_thread),
        CASE(all_is_served_by_a_ring_of_linux_5_19),
        CASE(all_is_served_by_a_ring_of_linux_5_13),
        CASE(rings_keep_no_rights_and_no_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
