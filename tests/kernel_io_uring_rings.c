/*
 * io_uring when it cannot take what it is given: more changes than the submission ring holds, a
 * kernel that takes them one by one or not at all, and a table that cannot grow. Nothing is lost;
 * for whom there is no room for long, that is an error of that watcher, and the others go on.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* what liburing.h needs */
#include "kernel_io_uring_crowd.h"

enum { CHANGES = 1000, RING = 256 };

/* P2: a ring that wraps around must not overwrite what the kernel has not read. */
static void more_changes_than_the_ring_holds_are_all_made(void **state)
{
    (void)state;
    for (uint32_t mode = 0; mode <= ROUSE_EDGE; mode += ROUSE_EDGE) {
        begin(CHANGES, mode);
        for (int i = 0; i < 3; i++)
            check_all_are_told(20);
        for (unsigned i = 0; i < CHANGES; i++)
            CHECK_OK(loop, rouse_io_want(&many[i].io, ROUSE_PRIORITY));
        CHECK_OK(loop, rouse_turn(loop, 0));
        for (unsigned i = 0; i < CHANGES; i++)
            CHECK_OK(loop, rouse_io_want(&many[i].io, ROUSE_READ));
        check_all_are_told(20);
        assert_int_equal(refusals(), 0);
        end(false);
    }
}

/* P2: the kernel takes nothing, once, in the middle of it; nobody is to notice. What comes after
 * the last change is a call only where the kernel puts work off, and not all is done in one. */
static void ring_that_is_not_emptied_once_loses_nothing(void **state)
{
    (void)state;
    static const int errors[] = {-EAGAIN, -EBUSY, -EINTR, -ENOMEM};
    for (unsigned i = 0; i < sizeof errors / sizeof *errors; i++)
        for (unsigned passes = 0; passes < 5; passes++)
            for (uint32_t mode = 0; mode <= ROUSE_EDGE; mode += ROUSE_EDGE) {
                begin(CHANGES, mode);
                kernel_fails(errors[i], passes, 1);
                check_all_are_told(20);
                assert_true(seen.met == 1 || passes > CHANGES / RING);
                assert_int_equal(refusals(), 0);
                end(false);
            }
}

/* P2: it takes them one by one, as it does on the way out of memory. */
static void requests_taken_one_by_one_are_all_taken(void **state)
{
    (void)state;
    for (uint32_t mode = 0; mode <= ROUSE_EDGE; mode += ROUSE_EDGE) {
        begin(CHANGES, mode);
        kernel_fails(0, 1, 200);
        kernel.takes = 1;
        check_all_are_told(250);
        assert_in_range(seen.met, 100, 200);
        assert_int_equal(refusals(), 0);
        kernel.times = 0;
        end(false);
    }
}

/* Turns while the kernel takes nothing, after so many calls, and ends that. */
static void turn_without_memory(unsigned passes)
{
    kernel_fails(-EAGAIN, passes, UINT32_MAX);
    for (int i = 0; i < 3; i++) {
        int result = rouse_turn(loop, 0);
        assert_true(result >= 0 || result == -ENOMEM);
    }
    kernel.times = 0;
}

/* N3: if that lasts, those for whom there is no room are told of it, and may ask again; those that
 * cannot be armed anew after they have completed are asked for again by the loop. */
static void ring_that_is_not_emptied_for_long_is_an_error_of_each_watcher(void **state)
{
    (void)state;
    for (unsigned passes = 0; passes < 4; passes++)
        for (uint32_t mode = 0; mode <= ROUSE_EDGE; mode += ROUSE_EDGE) {
            begin(CHANGES, mode);
            turn_without_memory(passes);
            check_all_are_told(20);
            assert_int_equal(world_send(ends[1], "x", 1), 1);
            turn_without_memory(20 * passes); /* after so many, hundreds have completed */
            assert_int_equal(world_drain(ends[0]), 1);
            check_all_are_told(20);
            end(true);
        }
}

/* Changes all while the kernel takes nothing, after so many calls and so often. */
static void change_all(uint32_t mode, uint32_t want, unsigned passes, unsigned times)
{
    begin(CHANGES, mode);
    CHECK_OK(loop, rouse_turn(loop, 0));
    for (unsigned i = 0; i < CHANGES; i++)
        CHECK_OK(loop, rouse_io_want(&many[i].io, want));
    kernel_fails(-EAGAIN, passes, times);
    for (int i = 0; i < 3; i++) {
        int result = rouse_turn(loop, 0);
        assert_true(result >= 0 || (times > 1 && result == -ENOMEM));
    }
    kernel.times = 0;
    CHECK_OK(loop, rouse_turn(loop, 0));
    assert_true(times > 1 || refusals() == 0);
    end(times > 1);
}

/* P2, P4: what is lost is a cancellation: then the kernel holds a file that nobody knows of. If it
 * lasts the run may end with -ENOMEM, and the next one has another ring. */
static void cancellation_is_not_lost_when_the_ring_is_full(void **state)
{
    (void)state;
    for (unsigned passes = 0; passes < 8; passes++)
        for (uint32_t mode = 0; mode <= ROUSE_EDGE; mode += ROUSE_EDGE)
            for (uint32_t want = 0; want <= ROUSE_PRIORITY; want += ROUSE_PRIORITY) {
                change_all(mode, want, passes, 1);
                change_all(mode, want, passes, 30);
            }
}

/* ---- A table that cannot grow -------------------------------------------------------------- */

static bool no_memory;

static void *allocate(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    (void)old_size;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    return no_memory ? NULL : realloc(block, new_size);
}

/* N3, Q10: the slots of those that are watched are where they were. */
static void slot_without_memory_is_refused_and_the_others_go_on(void **state)
{
    (void)state;
    const struct rouse_backend *backend = subject_backend();
    struct rouse_backend table = *backend;
    struct rouse_work work = {0};
    struct rouse_setup setup = {.allocator = {.resize = allocate}, .work = &work, .table = &table};
    struct rouse_event events[8];
    void *opened = calloc(1, backend->state_size);
    assert_non_null(opened);
    CHECK_OK(NULL, backend->open(opened, &setup));
    CHECK_OK(NULL, world_pair(WORLD_PIPE, ends));
    rouse_fd copy;
    CHECK_OK(NULL, world_dup(ends[0], &copy));
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    struct rouse_change first = {.fd = ends[0], .want = ROUSE_READ, .token = 1};
    assert_int_equal(backend->poll(opened, &first, 1, events, 8, 0), 1);
    for (int round = 0; round < 3; round++) {
        no_memory = round < 2;
        struct rouse_change second = {.fd = copy, .want = ROUSE_READ, .token = 5000};
        assert_int_equal(backend->poll(opened, &second, 1, events, 8, -1), 2);
        assert_int_equal(events[0].token + events[1].token, 5001);
        const struct rouse_event *of_second = &events[events[1].token == 5000];
        assert_int_equal(of_second->result, no_memory ? -ENOMEM : 0);
        assert_int_equal(of_second->ready, no_memory ? ROUSE_ERROR : ROUSE_READ);
        assert_int_equal(events[events[0].token == 5000].ready, ROUSE_READ);
    }
    backend->drop(opened, ends[0], 1);
    backend->drop(opened, copy, 5000);
    backend->close(opened);
    free(opened);
    CHECK_OK(NULL, world_close(copy));
    CHECK_OK(NULL, world_close(ends[0]));
    CHECK_OK(NULL, world_close(ends[1]));
}

#define CASE(name) cmocka_unit_test_setup(name, kernel_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(more_changes_than_the_ring_holds_are_all_made),
        CASE(ring_that_is_not_emptied_once_loses_nothing),
        CASE(requests_taken_one_by_one_are_all_taken),
        CASE(ring_that_is_not_emptied_for_long_is_an_error_of_each_watcher),
        CASE(cancellation_is_not_lost_when_the_ring_is_full),
        CASE(slot_without_memory_is_refused_and_the_others_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
