/*
 * threads when the kernel says no, or says it late; and what the backend asks its threads, and
 * when.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* ppoll */
#include <limits.h>

#include "kernel_threads.h"

/* ---- Threads that cannot be made, waits that fail ---- */

/* N3: the system's limit of threads. */
static void thread_that_cannot_be_made_is_a_refused_change(void **state)
{
    (void)state;
    for (int all_after = 0; all_after < 2; all_after++) {
        for (int nth = 1; nth <= FEW; nth++) {
            created = 0;
            first_fault = nth;
            last_fault = all_after ? FEW : nth;
            int refused = last_fault - nth + 1;
            few_start();
            assert_int_equal(rouse_turn(loop, -1), refused); /* and the call does not block */
            assert_int_equal(last_error, -EAGAIN);
            assert_int_equal(few[nth - 1].ready, ROUSE_ERROR);
            check_threads(threads_before + 3 + FEW - (unsigned)refused);
            assert_int_equal(rouse_turn(loop, 0), 0); /* told once */
            check_both_are_served();
            CHECK_OK(loop, rouse_io_want(&few[nth - 1].io, ROUSE_READ)); /* sent again */
            assert_int_equal(rouse_turn(loop, 0), 0);
            check_served(&few[nth - 1], few_ends[nth - 1][1]);
            assert_int_equal(last_error, 0);
            few_end();
        }
    }
}

static void interrupted_wait_is_no_report(void **state)
{
    (void)state;
    wait_fd = ends[0];
    wait_error = EINTR;
    wait_faults = 5;
    assert_int_equal(rouse_turn(loop, 0), 0);
    assert_int_equal(wait_faults, 0);
    sleep_error = EINTR;
    sleep_faults = 2;
    assert_int_equal(rouse_turn(loop, -1), 0);
    sleep_faults = 0;
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    assert_int_equal(rouse_turn(loop, -1), 1);
    wait_faults = 5;
    late = true;
    assert_int_equal(rouse_turn(loop, 0), 1); /* nor does it say that there is none */
    assert_int_equal(wait_faults, 0);
    assert_int_equal(world_drain(ends[0]), 1);
    assert_int_equal(rouse_turn(loop, 0), 0);
    check_both_are_served();
}

static void wait_that_fails_is_told_to_its_watcher_alone(void **state)
{
    (void)state;
    static const int errors[] = {ENOMEM, EINVAL};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        wait_fd = ends[0];
        wait_error = errors[i];
        wait_faults = INT_MAX;
        assert_int_equal(rouse_turn(loop, 0), 1);
        wait_faults = 0;
        assert_int_equal(last_error, -errors[i]);
        assert_int_equal(a.ready, ROUSE_ERROR);
        check_threads(threads_before + 2); /* nothing is held for it */
        check_served(&b, others[1]);
        CHECK_OK(loop, rouse_io_want(&a.io, ROUSE_READ));
        assert_int_equal(rouse_turn(loop, 0), 0);
        check_both_are_served();
    }
}

static void sleep_that_fails_is_handed_on_and_mended_by_the_next_run(void **state)
{
    (void)state;
    sleep_error = EINVAL;
    sleep_faults = 1;
    assert_int_equal(rouse_run(loop), -EINVAL);
    assert_non_null(strstr(rouse_error(loop), strerror(EINVAL)));
    check_both_are_served();
    assert_int_equal(stage_counters(loop).rebuilds, 1);
}

/* N4 */
static void open_that_fails_says_why_and_leaves_nothing(void **state)
{
    (void)state;
    char why[256] = "";
    struct rouse_loop *other = NULL;
    struct rouse_config config = {
        .size = sizeof config, .backend = "threads", .why = why, .why_size = sizeof why};
    unsigned descriptors = world_open_descriptors();
    pipe_error = EMFILE;
    assert_int_equal(rouse_open(&other, &config), -EMFILE);
    pipe_error = 0;
    assert_null(other);
    assert_non_null(strstr(why, "threads: pipe2: "));
    assert_non_null(strstr(why, strerror(EMFILE)));
    assert_int_equal(world_open_descriptors(), descriptors);
}

/* ---- What is asked, and when ---- */

static void sleeping_tells_those_who_reported_and_asking_tells_all(void **state)
{
    (void)state;
    few_start();
    assert_int_equal(rouse_turn(loop, 0), 0);
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    assert_int_equal(rouse_turn(loop, -1), 1);
    signals = 0;
    assert_int_equal(rouse_turn(loop, -1), 1);
    assert_int_equal(signals, 1);
    assert_int_equal(rouse_turn(loop, 0), 1);
    assert_int_equal(signals, 1 + FEW + 3);
    assert_int_equal(world_drain(ends[0]), 1);
    few_end();
}

/* However late the threads are, what was sent before is reported, what was drained before is not,
 * and what is wanted now is what counts. */
static void asking_is_exact(void **state)
{
    (void)state;
    few_start();
    for (int round = 0; round < 300; round++) {
        int due = 0;
        for (int i = 0; i < FEW; i++) {
            bool ready = (round + i) % 3 != 0;
            bool wanted = (round + i) % 4 != 0;
            if (ready)
                assert_int_equal(world_send(few_ends[i][1], "x", 1), 1);
            CHECK_OK(loop, rouse_io_want(&few[i].io, wanted ? ROUSE_READ : ROUSE_PRIORITY));
            due += ready && wanted;
        }
        assert_int_equal(rouse_turn(loop, 0), due);
        for (int i = 0; i < FEW; i++)
            world_drain(few_ends[i][0]);
        assert_int_equal(rouse_turn(loop, 0), 0);
        journal_take();
    }
    few_end();
}

/* A wait that ends without a report asks, and who is late is waited for. */
static void shortest_wait_misses_nothing(void **state)
{
    (void)state;
    wait_fd = ends[0];
    late = true;
    for (int round = 0; round < 20; round++) {
        assert_int_equal(rouse_turn(loop, 1), 0); /* after it the loop does not ask first */
        assert_int_equal(world_send(ends[1], "x", 1), 1);
        assert_int_equal(rouse_turn(loop, 1), 1);
        assert_int_equal(world_drain(ends[0]), 1);
    }
    journal_take();
}

static void change_reaches_a_thread_that_sleeps(void **state)
{
    (void)state;
    for (int round = 0; round < 100; round++) {
        CHECK_OK(loop, rouse_io_want(&a.io, ROUSE_WRITE));
        assert_int_equal(rouse_turn(loop, -1), 1);
        assert_int_equal(a.ready, ROUSE_WRITE);
        CHECK_OK(loop, rouse_io_want(&a.io, ROUSE_READ));
        check_served(&b, others[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(thread_that_cannot_be_made_is_a_refused_change),
        CASE(interrupted_wait_is_no_report),
        CASE(wait_that_fails_is_told_to_its_watcher_alone),
        CASE(sleep_that_fails_is_handed_on_and_mended_by_the_next_run),
        CASE(open_that_fails_says_why_and_leaves_nothing),
        CASE(sleeping_tells_those_who_reported_and_asking_tells_all),
        CASE(asking_is_exact),
        CASE(shortest_wait_misses_nothing),
        CASE(change_reaches_a_thread_that_sleeps),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
