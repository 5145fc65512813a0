/*
 * The contract of open(), close() and drop(), and of poll() when more is ready than fits.
 *
 * Nothing is left behind: no descriptor, no byte, no reference to an open file. What surprises: a
 * descriptor that the kernel still holds keeps its file open, so that the peer is never told of
 * the close; drop() is what prevents it, and so it is not deferred.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"

static void close_gives_everything_back(void **state)
{
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_ANY, ends);
    for (int i = 0; i < 3; i++) {
        bare_change(bare, ends[0], TOKEN(1, 5), 0, ROUSE_READ);
        bare->backend->close(bare->state);
        if (bare->descriptors > 0) /* they can be counted */
            assert_int_equal(world_open_descriptors(), bare->descriptors + 2);
        assert_int_equal(bare->allocated, 0);
        bare_reopen(bare);
    }
    MUST(world_send(ends[1], "x", 1)); /* and nothing is remembered */
    assert_int_equal(bare_poll(bare, NULL, 0, 0), 0);
    contract_close(ends);
}

/* R10 */
static void every_descriptor_it_makes_is_close_on_exec(void **state)
{
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_ANY, ends);
    bare->backend->close(bare->state);
    static int before[256];
    for (rouse_fd fd = 0; fd < 256; fd++)
        before[fd] = world_inherited(fd);
    bare_reopen(bare);
    bare_change(bare, ends[0], TOKEN(1, 0), 0, ROUSE_READ);
    for (rouse_fd fd = 0; fd < 256; fd++)
        if (before[fd] == -EBADF)
            assert_int_not_equal(world_inherited(fd), 1);
    contract_close(ends);
}

/* A24: what it takes does not depend on how many descriptors a process may open. */
static void memory_does_not_depend_on_the_descriptor_limit(void **state)
{
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_ANY, ends);
    long limit, allocated[2];
    MUST(world_limit_descriptors(1024, &limit));
    for (int i = 0; i < 2; i++) {
        bare->backend->close(bare->state);
        bare_reopen(bare);
        bare_change(bare, ends[0], TOKEN(1, 0), 0, ROUSE_READ);
        allocated[i] = bare->allocated;
        if (i == 0)
            MUST(world_limit_descriptors(limit, NULL));
    }
    assert_int_equal(allocated[0], allocated[1]);
    contract_close(ends);
}

static void dropped_descriptor_is_silent(void **state)
{
    struct bare *bare = *state;
    rouse_fd ends[2], other[2];
    contract_pair(WORLD_ANY, ends);
    contract_pair(WORLD_ANY, other);
    bare_change(bare, ends[0], TOKEN(1, 0), 0, ROUSE_READ);
    bare_change(bare, other[0], TOKEN(1, 1), 0, ROUSE_READ);
    MUST(world_send(ends[1], "x", 1));
    MUST(world_send(other[1], "x", 1));
    bare_drop(bare, ends[0], TOKEN(1, 0));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(bare_poll(bare, NULL, 0, 0), 1);
        assert_non_null(bare_event(bare, TOKEN(1, 1)));
    }
    contract_close(ends);
    contract_close(other);
}

/* P4, P10: no reference to the file remains, so that the peer is told when it is closed. */
static void close_after_drop_reaches_the_peer(void **state)
{
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_TCP, ends);
    bare_change(bare, ends[0], TOKEN(1, 0), 0, ROUSE_READ);
    bare_drop(bare, ends[0], TOKEN(1, 0));
    MUST(world_close(ends[0]));
    world_await(ends[1], ROUSE_READ);
    char byte;
    assert_int_equal(world_receive(ends[1], &byte, 1), 0);
    MUST(world_close(ends[1]));
}

/* A1, A2, A3: the same number, the same slot, the same interest; only the generation differs. */
static void number_and_slot_reused_after_drop(void **state)
{
    struct bare *bare = *state;
    rouse_fd old[2], fresh[2];
    contract_pair(WORLD_ANY, old);
    bare_change(bare, old[0], TOKEN(1, 0), 0, ROUSE_READ);
    MUST(world_send(old[1], "x", 1));
    rouse_fd number = old[0];
    bare_drop(bare, number, TOKEN(1, 0));
    MUST(world_close(number));
    contract_pair_at(number, WORLD_ANY, fresh);
    assert_int_equal(bare_change(bare, number, TOKEN(3, 0), 0, ROUSE_READ), 0);
    assert_int_equal(bare->count, 0);
    MUST(world_send(fresh[1], "y", 1));
    assert_int_equal(bare_ready(bare, TOKEN(3, 0)), ROUSE_READ);
    assert_int_equal(bare->count, 1);
    contract_close(fresh);
    MUST(world_close(old[1]));
}

/* A8, A9: what the kernel still holds of that file under that number gets the new token. */
static void same_file_again_under_the_same_number(void **state)
{
    contract_not_on_libkqueue("keeps what is closed while a duplicate is open");
    struct bare *bare = *state;
    rouse_fd ends[2], copy;
    contract_pair(WORLD_ANY, ends);
    bare_change(bare, ends[0], TOKEN(1, 0), 0, ROUSE_READ);
    MUST(world_dup(ends[0], &copy));
    MUST(world_close(ends[0]));
    bare_drop(bare, ends[0], TOKEN(1, 0)); /* too late */
    MUST(world_dup2(copy, ends[0]));
    MUST(world_send(ends[1], "x", 1));
    uint32_t ready = bare_change(bare, ends[0], TOKEN(3, 4), 0, ROUSE_READ);
    assert_int_equal(ready, ROUSE_READ);
    assert_int_equal(bare->count, 1);
    MUST(world_close(copy));
    contract_close(ends);
}

/* A11, A13: the user has closed it first. */
static void drop_of_a_closed_descriptor_does_not_fail(void **state)
{
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_ANY, ends);
    bare_change(bare, ends[0], TOKEN(1, 0), 0, ROUSE_READ);
    contract_close(ends);
    bare_drop(bare, ends[0], TOKEN(1, 0));
    assert_int_equal(bare_poll(bare, NULL, 0, 0), 0);
}

/* The loop may still be reading a batch in which it is told that nothing is held: refused, or
 * dropped. */
static void drop_of_what_is_not_held_changes_nothing(void **state)
{
    struct bare *bare = *state;
    rouse_fd ends[2], bad[2];
    contract_pair(WORLD_ANY, ends);
    contract_pair(WORLD_ANY, bad);
    contract_close(bad);
    MUST(world_send(ends[1], "x", 1));
    bare_change(bare, ends[0], TOKEN(1, 0), 0, ROUSE_READ);
    bare_change(bare, bad[0], TOKEN(1, 1), 0, ROUSE_READ);
    bare_drop(bare, bad[0], TOKEN(1, 1));
    bare_drop(bare, bad[0], TOKEN(1, 1));
    assert_int_equal(bare_ready(bare, TOKEN(1, 0)), ROUSE_READ);
    bare_drop(bare, ends[0], TOKEN(1, 0));
    bare_drop(bare, ends[0], TOKEN(1, 0));
    assert_int_equal(bare_poll(bare, NULL, 0, 0), 0);
    assert_int_equal(bare_change(bare, ends[0], TOKEN(3, 0), 0, ROUSE_READ), ROUSE_READ);
    contract_close(ends);
}

/* B1: the others keep what they asked for, edges too. */
static void drop_leaves_the_others_alone(void **state)
{
    struct bare *bare = *state;
    enum { MANY = 9 };
    uint32_t want = ROUSE_READ;
    if (contract_has(ROUSE_TRAIT_EDGE))
        want |= ROUSE_EDGE;
    rouse_fd ends[MANY][2];
    for (uint32_t i = 0; i < MANY; i++) {
        contract_pair(WORLD_ANY, ends[i]);
        bare_change(bare, ends[i][0], TOKEN(1, i), 0, want);
    }
    for (uint32_t i = 0; i < MANY; i += 2)
        bare_drop(bare, ends[i][0], TOKEN(1, i));
    for (int i = 0; i < MANY; i++)
        MUST(world_send(ends[i][1], "x", 1));
    assert_int_equal(bare_poll(bare, NULL, 0, 0), MANY / 2);
    for (uint32_t i = 1; i < MANY; i += 2)
        assert_non_null(bare_event(bare, TOKEN(1, i)));
    if (want & ROUSE_EDGE)
        assert_int_equal(bare_poll(bare, NULL, 0, 0), 0);
    for (int i = 0; i < MANY; i++)
        contract_close(ends[i]);
}

static void dropped_before_the_kernel_was_asked(void **state)
{
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_ANY, ends);
    for (uint32_t generation = 1; generation < 9; generation += 2) {
        bare_change(bare, ends[0], TOKEN(generation, 0), 0, ROUSE_READ);
        bare_drop(bare, ends[0], TOKEN(generation, 0));
    }
    MUST(world_send(ends[1], "x", 1));
    assert_int_equal(bare_poll(bare, NULL, 0, 0), 0);
    contract_close(ends);
}

/* Makes `many` pipes of which each has something to read, and counts the reports in `calls` calls
 * that have room for `room`. */
static void report_counts(struct bare *bare, uint32_t many, int room, int calls, unsigned counts[])
{
    static rouse_fd ends[16][2];
    for (uint32_t i = 0; i < many; i++) {
        contract_pair(WORLD_ANY, ends[i]);
        MUST(world_send(ends[i][1], "x", 1));
        struct rouse_change change = {.fd = ends[i][0], .token = TOKEN(1, i), .want = ROUSE_READ};
        bare_poll(bare, &change, 1, 0);
        counts[i] = 0;
    }
    for (int call = 0; call < calls; call++) {
        assert_int_equal(bare_poll_some(bare, room), room);
        for (int i = 0; i < room; i++)
            counts[ROUSE_SLOT(bare->events[i].token)]++;
    }
    for (uint32_t i = 0; i < many; i++)
        contract_close(ends[i]);
}

/* B10: with room for one of three, each has its turn in every three calls. */
static void three_ready_take_turns_in_room_for_one(void **state)
{
    unsigned counts[3];
    report_counts(*state, 3, 1, 3, counts);
    for (int i = 0; i < 3; i++)
        assert_int_equal(counts[i], 1);
}

/* B10: and for as long as it lasts. */
static void no_share_is_smaller_than_another(void **state)
{
    unsigned counts[3];
    report_counts(*state, 3, 1, 300, counts);
    for (int i = 0; i < 3; i++)
        assert_int_equal(counts[i], 100);
}

/* B10: 16 ready, room for 5: all have been told after four calls. */
static void all_that_is_ready_is_told_in_turn(void **state)
{
    unsigned counts[16];
    report_counts(*state, 16, 5, 4, counts);
    for (int i = 0; i < 16; i++)
        assert_in_range(counts[i], 1, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BARE(close_gives_everything_back),
        BARE(every_descriptor_it_makes_is_close_on_exec),
        BARE(memory_does_not_depend_on_the_descriptor_limit),
        BARE(dropped_descriptor_is_silent),
        BARE(close_after_drop_reaches_the_peer),
        BARE(number_and_slot_reused_after_drop),
        BARE(same_file_again_under_the_same_number),
        BARE(drop_of_a_closed_descriptor_does_not_fail),
        BARE(drop_of_what_is_not_held_changes_nothing),
        BARE(drop_leaves_the_others_alone),
        BARE(dropped_before_the_kernel_was_asked),
        BARE(three_ready_take_turns_in_room_for_one),
        BARE(no_share_is_smaller_than_another),
        BARE(all_that_is_ready_is_told_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
