/*
 * The contract of poll(): changes go in and events come out, on the backend alone.
 *
 * One case for each sentence of <rouse/backend.h> about interest, levels and edges, tokens, and
 * what is reported together. What surprises: a backend may report what is not so, but not for ever,
 * and never for silence; so cases ask for silence after want 0 and for truth where a condition
 * lasts.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"

static void reports_what_became_readable(void **state)
{
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_ANY, ends);
    assert_int_equal(bare_change(bare, ends[0], TOKEN(1, 0), 0, ROUSE_READ), 0);
    MUST(world_send(ends[1], "x", 1));
    assert_int_equal(bare_ready(bare, TOKEN(1, 0)), ROUSE_READ);
    contract_close(ends);
}

static void reports_what_is_writable(void **state)
{
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_STREAM, ends);
    assert_int_equal(bare_change(bare, ends[0], TOKEN(1, 0), 0, ROUSE_WRITE), ROUSE_WRITE);
    MUST(world_fill(ends[0]));
    assert_int_equal(bare_ready(bare, TOKEN(1, 0)), 0);
    MUST(world_drain(ends[1]));
    assert_int_equal(bare_ready(bare, TOKEN(1, 0)), ROUSE_WRITE);
    contract_close(ends);
}

/* D3, D4: urgent data is PRIORITY, not READ, and is told only to who wants it. */
static void reports_priority_only_where_it_is_wanted(void **state)
{
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_TCP, ends);
    bare_change(bare, ends[0], TOKEN(1, 0), 0, ROUSE_READ);
    MUST(world_priority(ends[1], '!'));
    world_await(ends[0], ROUSE_PRIORITY);
    bare_ready(bare, TOKEN(1, 0)); /* may be spurious, but only once */
    assert_int_equal(bare_ready(bare, TOKEN(1, 0)), 0);
    contract_needs_priority();
    uint32_t ready = bare_change(bare, ends[0], TOKEN(1, 0), ROUSE_READ, ROUSE_PRIORITY);
    assert_int_equal(ready, ROUSE_PRIORITY);
    contract_close(ends);
}

/* D3: there are files that are always ready for READ, and tell what is new by PRIORITY alone. */
static void priority_that_comes_is_reported_to_who_wants_nothing_else(void **state)
{
    contract_needs_priority();
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_TCP, ends);
    assert_int_equal(bare_change(bare, ends[0], TOKEN(1, 0), 0, ROUSE_PRIORITY), 0);
    MUST(world_priority(ends[1], '!'));
    world_await(ends[0], ROUSE_PRIORITY);
    assert_int_equal(bare_ready(bare, TOKEN(1, 0)), ROUSE_PRIORITY);
    contract_close(ends);
}

/* A5, Q11: both directions in one event. */
static void at_most_one_event_for_a_token(void **state)
{
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_STREAM, ends);
    MUST(world_send(ends[1], "x", 1));
    uint32_t both = ROUSE_READ | ROUSE_WRITE;
    assert_int_equal(bare_change(bare, ends[0], TOKEN(1, 0), 0, both), both);
    assert_int_equal(bare->count, 1);
    contract_close(ends);
}

static void echoes_every_bit_of_a_token(void **state)
{
    struct bare *bare = *state;
    rouse_fd ends[3][2];
    const uint64_t tokens[3] = {TOKEN(0xffffffff, 0), TOKEN(0x80000001, 1), TOKEN(0, 2)};
    for (int i = 0; i < 3; i++) {
        contract_pair(WORLD_ANY, ends[i]);
        bare_change(bare, ends[i][0], tokens[i], 0, ROUSE_READ);
        MUST(world_send(ends[i][1], "x", 1));
    }
    assert_int_equal(bare_poll(bare, NULL, 0, 0), 3);
    for (int i = 0; i < 3; i++) {
        assert_non_null(bare_event(bare, tokens[i]));
        contract_close(ends[i]);
    }
}

static void slots_may_come_in_any_order(void **state)
{
    struct bare *bare = *state;
    rouse_fd ends[4][2];
    const uint32_t slots[4] = {300, 7, 299, 0};
    for (int i = 0; i < 4; i++) {
        contract_pair(WORLD_ANY, ends[i]);
        bare_change(bare, ends[i][0], TOKEN(1, slots[i]), 0, ROUSE_READ);
        MUST(world_send(ends[i][1], "x", 1));
    }
    assert_int_equal(bare_poll(bare, NULL, 0, 0), 4);
    for (int i = 0; i < 4; i++) {
        assert_non_null(bare_event(bare, TOKEN(1, slots[i])));
        contract_close(ends[i]);
    }
}

static void level_is_reported_as_long_as_it_lasts(void **state)
{
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_ANY, ends);
    MUST(world_send(ends[1], "x", 1));
    bare_change(bare, ends[0], TOKEN(1, 0), 0, ROUSE_READ);
    for (int i = 0; i < 5; i++)
        assert_int_equal(bare_ready(bare, TOKEN(1, 0)), ROUSE_READ);
    MUST(world_drain(ends[0]));
    assert_int_equal(bare_ready(bare, TOKEN(1, 0)), 0);
    contract_close(ends);
}

static const uint32_t edge_read = ROUSE_READ | ROUSE_HANGUP | ROUSE_PRIORITY | ROUSE_EDGE;

static void edge_is_reported_once(void **state)
{
    if (!contract_has(ROUSE_TRAIT_EDGE))
        SKIP("the backend has no edges");
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_ANY, ends);
    bare_change(bare, ends[0], TOKEN(1, 0), 0, edge_read);
    MUST(world_send(ends[1], "x", 1));
    assert_int_equal(bare_ready(bare, TOKEN(1, 0)), ROUSE_READ);
    assert_int_equal(bare_ready(bare, TOKEN(1, 0)), 0);
    MUST(world_send(ends[1], "x", 1));
    assert_int_equal(bare_ready(bare, TOKEN(1, 0)), ROUSE_READ);
    contract_close(ends);
}

static void edge_is_reported_after_a_change_if_it_is_ready_then(void **state)
{
    if (!contract_has(ROUSE_TRAIT_EDGE))
        SKIP("the backend has no edges");
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_STREAM, ends);
    MUST(world_send(ends[1], "x", 1));
    uint64_t token = TOKEN(1, 0);
    assert_int_equal(bare_change(bare, ends[0], token, 0, edge_read), ROUSE_READ);
    assert_int_equal(bare_ready(bare, token), 0);
    uint32_t both = ROUSE_READ | ROUSE_WRITE;
    assert_int_equal(bare_change(bare, ends[0], token, edge_read, edge_read | ROUSE_WRITE), both);
    assert_int_equal(bare_ready(bare, token), 0);
    contract_close(ends);
}

static void edge_turns_into_level_by_a_change(void **state)
{
    if (!contract_has(ROUSE_TRAIT_EDGE))
        SKIP("the backend has no edges");
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_ANY, ends);
    MUST(world_send(ends[1], "x", 1));
    bare_change(bare, ends[0], TOKEN(1, 0), 0, edge_read);
    bare_change(bare, ends[0], TOKEN(1, 0), edge_read, ROUSE_READ);
    for (int i = 0; i < 3; i++)
        assert_int_equal(bare_ready(bare, TOKEN(1, 0)), ROUSE_READ);
    contract_close(ends);
}

static void change_replaces_what_was_held(void **state)
{
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_STREAM, ends);
    MUST(world_send(ends[1], "x", 1));
    uint64_t token = TOKEN(1, 0);
    bare_change(bare, ends[0], token, 0, ROUSE_READ);
    assert_int_equal(bare_change(bare, ends[0], token, ROUSE_READ, ROUSE_WRITE), ROUSE_WRITE);
    assert_int_equal(bare_change(bare, ends[0], token, ROUSE_WRITE, ROUSE_READ), ROUSE_READ);
    contract_close(ends);
}

/* C2: want 0 is silence, hangup and errors included. */
static void want_0_is_silence_whatever_happens(void **state)
{
    struct bare *bare = *state;
    rouse_fd unix_ends[2], tcp_ends[2], pipe_ends[2];
    contract_pair(WORLD_STREAM, unix_ends);
    contract_pair(WORLD_TCP, tcp_ends);
    contract_pair(WORLD_ANY, pipe_ends);
    rouse_fd watched[3] = {unix_ends[0], tcp_ends[0], pipe_ends[1]};
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t want = i < 2 ? ROUSE_READ | ROUSE_HANGUP : ROUSE_WRITE;
        bare_change(bare, watched[i], TOKEN(1, i), 0, want);
        bare_change(bare, watched[i], TOKEN(1, i), want, 0);
    }
    MUST(world_close(unix_ends[1]));
    MUST(world_reset(tcp_ends[1]));
    world_await(tcp_ends[0], ROUSE_ERROR);
    MUST(world_close(pipe_ends[0]));
    for (int i = 0; i < 3; i++)
        assert_int_equal(bare_poll(bare, NULL, 0, 0), 0);
    for (int i = 0; i < 3; i++)
        MUST(world_close(watched[i]));
}

static void want_0_can_be_taken_back(void **state)
{
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_ANY, ends);
    MUST(world_send(ends[1], "x", 1));
    uint64_t token = TOKEN(1, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(bare_change(bare, ends[0], token, 0, ROUSE_READ), ROUSE_READ);
        assert_int_equal(bare_change(bare, ends[0], token, ROUSE_READ, 0), 0);
    }
    contract_close(ends);
}

/* C4: the reader of a pipe is gone. */
static void error_is_told_without_being_asked_for(void **state)
{
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_PIPE, ends);
    MUST(world_fill(ends[1]));
    assert_int_equal(bare_change(bare, ends[1], TOKEN(1, 0), 0, ROUSE_WRITE), 0);
    MUST(world_close(ends[0]));
    uint32_t ready = bare_ready(bare, TOKEN(1, 0));
    assert_true(ready & (contract_has(ROUSE_TRAIT_HANGUP) ? ROUSE_ERROR : ROUSE_WRITE));
    MUST(world_close(ends[1]));
}

static void hangup_tells_of_a_peer_that_stopped_writing(void **state)
{
    if (!contract_has(ROUSE_TRAIT_HANGUP))
        SKIP("the backend cannot tell HANGUP");
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_STREAM, ends);
    bare_change(bare, ends[0], TOKEN(1, 0), 0, ROUSE_READ | ROUSE_HANGUP);
    MUST(world_shut(ends[1], ROUSE_WRITE));
    uint32_t ready = bare_ready(bare, TOKEN(1, 0));
    assert_int_equal(ready & ~(uint32_t)ROUSE_READ,
                     ROUSE_HANGUP); /* the loop knows what it means */
    contract_close(ends);
}

static void many_changes_in_one_call(void **state)
{
    struct bare *bare = *state;
    enum { MANY = 200 };
    static rouse_fd ends[MANY][2];
    static struct rouse_change changes[MANY];
    for (uint32_t i = 0; i < MANY; i++) {
        contract_pair(WORLD_ANY, ends[i]);
        if (i % 2 == 0)
            MUST(world_send(ends[i][1], "x", 1));
        changes[i] =
            (struct rouse_change){.fd = ends[i][0], .token = TOKEN(3, i), .want = ROUSE_READ};
    }
    assert_int_equal(bare_poll(bare, changes, MANY, 0), MANY / 2);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(bare_event(bare, TOKEN(3, i)) != NULL, i % 2 == 0);
        changes[i].had = ROUSE_READ;
        changes[i].want = 0;
    }
    assert_int_equal(bare_poll(bare, changes, MANY, 0), 0);
    for (int i = 0; i < MANY; i++)
        contract_close(ends[i]);
}

static void nothing_is_reported_where_nothing_is_ready(void **state)
{
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_ANY, ends);
    assert_int_equal(bare_poll(bare, NULL, 0, 0), 0);
    bare_change(bare, ends[0], TOKEN(1, 0), 0, ROUSE_READ);
    for (int i = 0; i < 5; i++)
        assert_int_equal(bare_poll(bare, NULL, 0, 0), 0);
    contract_close(ends);
}

/* The work of a wait is counted where it is done: O(N) is a number that moves. */
static void counts_its_work(void **state)
{
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_ANY, ends);
    bare_change(bare, ends[0], TOKEN(1, 0), 0, ROUSE_READ);
    struct rouse_work before = bare->work;
    MUST(world_send(ends[1], "x", 1));
    bare_poll(bare, NULL, 0, 0);
    uint64_t calls = bare->work.system_calls - before.system_calls;
    if (contract_has(ROUSE_TRAIT_ASK))
        assert_true(calls > 1); /* a thread is asked, and answers */
    else if (contract_has(ROUSE_TRAIT_LATE))
        assert_in_range(calls, 0, 1); /* old kernels complete by themselves */
    else
        assert_int_equal(calls, subject_guesses() ? 0 : 1);
    assert_true(subject_guesses() || bare->work.bytes_out > before.bytes_out);
    assert_true(bare->work.scanned >= before.scanned);
    contract_close(ends);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BARE(reports_what_became_readable),
        BARE(reports_what_is_writable),
        BARE(reports_priority_only_where_it_is_wanted),
        BARE(priority_that_comes_is_reported_to_who_wants_nothing_else),
        BARE(at_most_one_event_for_a_token),
        BARE(echoes_every_bit_of_a_token),
        BARE(slots_may_come_in_any_order),
        BARE(level_is_reported_as_long_as_it_lasts),
        BARE(edge_is_reported_once),
        BARE(edge_is_reported_after_a_change_if_it_is_ready_then),
        BARE(edge_turns_into_level_by_a_change),
        BARE(change_replaces_what_was_held),
        BARE(want_0_is_silence_whatever_happens),
        BARE(want_0_can_be_taken_back),
        BARE(error_is_told_without_being_asked_for),
        BARE(hangup_tells_of_a_peer_that_stopped_writing),
        BARE(many_changes_in_one_call),
        BARE(nothing_is_reported_where_nothing_is_ready),
        BARE(counts_its_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
