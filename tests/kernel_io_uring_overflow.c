/*
 * io_uring when more completes than the ring of completions holds, or than one wait can tell of, or
 * when it never ends: who is watched is told, now and the next time, and the loop gets on.
 *
 * What surprises: a multishot poll that finds the ring full ends there and then. With rings of
 * eight entries that happens to a few dozen descriptors; one case does it with the rings as they
 * are, and needs thousands.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* what liburing.h needs */
#include "kernel_io_uring_crowd.h"

enum { SOME = 60, SMALL_RING = 8 };

static unsigned wakes;

static void woken(struct rouse_hook *hook)
{
    (void)hook;
    wakes++;
}

static void check_overflows(uint32_t mode, bool wake_first)
{
    struct rouse_hook hook;
    begin(SOME, mode);
    rouse_hook_init(&hook, woken);
    CHECK_OK(loop, rouse_hook_start(loop, &hook, ROUSE_ON_WAKE));
    check_all_are_told(SOME);
    for (int i = 0; i < 5; i++) {
        wakes = 0;
        if (wake_first)
            CHECK_OK(NULL, rouse_wake(loop));
        assert_int_equal(world_send(ends[1], "x", 1), 1);
        if (!wake_first)
            CHECK_OK(NULL, rouse_wake(loop));
        for (int turn = 0; turn < SOME && wakes == 0; turn++)
            CHECK_OK(loop, rouse_turn(loop, 0));
        assert_int_equal(wakes, 1);
        assert_int_equal(world_drain(ends[0]), 1);
        check_all_are_told(SOME);
    }
    assert_int_equal(refusals(), 0);
    CHECK_OK(loop, rouse_hook_stop(&hook));
    end(false);
}

/* P1, P3, L8: the multishots of those whose completions do not fit have ended, that of the loop's
 * own wake among them; not so on kernels as old as 5.15. */
static void completions_that_do_not_fit_are_told_and_told_again(void **state)
{
    (void)state;
    bool they_end = kernel_knows(FLAGS_OF_6_1);
    kernel.entries = SMALL_RING;
    for (int age = 0; age < KERNEL_AGES; age++)
        for (uint32_t mode = 0; mode <= ROUSE_EDGE; mode += ROUSE_EDGE)
            for (int wake_first = 0; wake_first < 2; wake_first++) {
                kernel_is_older(age);
                seen.overflows = seen.ended = 0;
                check_overflows(mode, wake_first);
                assert_true(seen.overflows > 0); /* or nothing was tested */
                assert_true(seen.ended > 0 || !they_end);
            }
}

/* P1: with the rings as they are. */
static void thousands_ready_at_once_are_told_and_told_again(void **state)
{
    (void)state;
    long limit = 0;
    CHECK_OK(NULL, world_limit_descriptors(MOST + 100, &limit));
    CHECK_OK(NULL, world_limit_descriptors(limit, NULL));
    unsigned watchers = limit < MOST + 100 ? (unsigned)limit - 100 : MOST;
    if (watchers < 6000)
        SKIP("needs 6100 descriptors");
    for (int age = 0; age < KERNEL_AGES; age++)
        for (uint32_t mode = 0; mode <= ROUSE_EDGE; mode += ROUSE_EDGE) {
            kernel_is_older(age);
            seen.overflows = 0;
            begin(watchers, mode);
            for (int i = 0; i < 3; i++)
                check_all_are_told(40);
            assert_int_equal(refusals(), 0);
            assert_true(age == 0 || seen.overflows > 0);
            end(false);
        }
}

static void tell(struct player *self)
{
    rouse_io_drained(&self->io, ROUSE_READ);
}

/* P1: polls that stay ready complete as soon as they are armed anew, and must not keep the kernel
 * from what it has put off. */
static void many_that_stay_ready_starve_nobody(void **state)
{
    (void)state;
    enum { READY = 2500 }; /* more than two turns can tell of */
    for (int age = 0; age < KERNEL_AGES; age++)
        for (uint32_t mode = 0; mode <= ROUSE_EDGE; mode += ROUSE_EDGE) {
            kernel_is_older(age);
            struct player late;
            rouse_fd pair[2];
            begin(READY, 0);
            player_init(&late, loop, 'l', tell);
            CHECK_OK(NULL, world_pair(WORLD_PIPE, pair));
            CHECK_OK(loop, rouse_io_start(loop, &late.io, pair[0], ROUSE_READ | mode));
            for (int i = 0; i < 5; i++)
                CHECK_OK(loop, rouse_turn(loop, 0));
            assert_int_equal(world_send(ends[1], "x", 1), 1);
            for (int i = 0; i < 10; i++)
                CHECK_OK(loop, rouse_turn(loop, 0));
            assert_int_equal(world_send(pair[1], "x", 1), 1);
            for (int i = 0; i < 10; i++)
                CHECK_OK(loop, rouse_turn(loop, 0));
            assert_int_equal(journal_take()[0], 'l');
            CHECK_OK(loop, rouse_io_close(&late.io));
            CHECK_OK(NULL, world_close(pair[1]));
            end(false);
        }
}

/* P1: somebody makes a descriptor ready as fast as the loop can ask. */
static void descriptor_made_ready_without_end_does_not_hold_the_loop(void **state)
{
    (void)state;
    for (int age = 0; age < KERNEL_AGES; age++)
        for (uint32_t mode = 0; mode <= ROUSE_EDGE; mode += ROUSE_EDGE) {
            kernel_is_older(age);
            struct player hammered, other;
            rouse_fd pair[2], fd;
            loop = stage_open(NULL);
            player_init(&hammered, loop, 'h', tell);
            player_init(&other, loop, 'o', tell);
            CHECK_OK(NULL, world_eventfd(&fd));
            CHECK_OK(NULL, world_pair(WORLD_PIPE, pair));
            CHECK_OK(loop, rouse_io_start(loop, &hammered.io, fd, ROUSE_READ | mode));
            CHECK_OK(loop, rouse_io_start(loop, &other.io, pair[0], ROUSE_READ | mode));
            CHECK_OK(loop, rouse_turn(loop, 0));
            assert_int_equal(world_send(pair[1], "x", 1), 1);
            kernel.rings = fd;
            seen.enters = 0;
            for (int i = 0; i < 10; i++)
                CHECK_OK(loop, rouse_turn(loop, 0));
            assert_in_range(seen.enters, 0, 1000);
            kernel.rings = 0;
            assert_non_null(strchr(journal_take(), 'o'));
            CHECK_OK(loop, rouse_io_close(&hammered.io));
            CHECK_OK(loop, rouse_io_close(&other.io));
            CHECK_OK(NULL, world_close(pair[1]));
            CHECK_OK(NULL, rouse_close(loop));
        }
}

#define CASE(name) cmocka_unit_test_setup(name, kernel_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(completions_that_do_not_fit_are_told_and_told_again),
        CASE(thousands_ready_at_once_are_told_and_told_again),
        CASE(many_that_stay_ready_starve_nobody),
        CASE(descriptor_made_ready_without_end_does_not_hold_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
