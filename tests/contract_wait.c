/*
 * The contract of poll(): how long it waits.
 *
 * Timeouts are rounded up to the backend's unit and clamped to its range. What surprises: that a
 * wait is long cannot be shown by measuring it, for machines are slow; so here a signal arrives
 * every millisecond, and a wait without end must not have returned before one has come. That a wait
 * was not too short is measured, by the machine's own clock. Where there are no signals, bytes come
 * instead.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"

/* A backend that guesses must not sleep: then nobody would be told that a guess has come true. */
static void skip_if_it_never_sleeps(struct bare *bare, int64_t timeout_ns)
{
    if (!subject_guesses())
        return;
    assert_int_equal(bare_poll(bare, NULL, 0, timeout_ns), 0);
    SKIP("spin never sleeps");
}

/* Waits with nothing ready until a signal interrupts, and fails if it returned without one. */
static void waits_for_a_signal(struct bare *bare, int64_t timeout_ns)
{
    skip_if_it_never_sleeps(bare, timeout_ns);
    rouse_fd ends[2];
    contract_pair(WORLD_ANY, ends);
    bare_change(bare, ends[0], TOKEN(1, 0), 0, ROUSE_READ);
    MUST(world_interrupt(true));
    for (int i = 0; i < 3; i++) {
        int before = world_interrupts();
        int count = bare_poll(bare, NULL, 0, timeout_ns);
        int after = world_interrupts();
        if (count != 0 || after == before)
            world_interrupt(false);
        assert_int_equal(count, 0);
        assert_true(after != before);
    }
    world_interrupt(false);
    bare_drop(bare, ends[0], TOKEN(1, 0));
    contract_close(ends);
}

static void negative_waits_for_ever(void **state)
{
    waits_for_a_signal(*state, -1);
}

/* I10: not only -1. */
static void every_negative_waits_for_ever(void **state)
{
    waits_for_a_signal(*state, INT64_MIN);
    waits_for_a_signal(*state, -1000000000);
}

/* I5: 24.8 days and a bit do not fit into an int of milliseconds. */
static void longer_than_24_days_is_clamped(void **state)
{
    contract_not_on_libkqueue("counts milliseconds in an int");
    waits_for_a_signal(*state, (int64_t)INT32_MAX * 1000000 + 1);
    waits_for_a_signal(*state, ((int64_t)INT32_MAX + 1) * 1000000);
    waits_for_a_signal(*state, ((int64_t)UINT32_MAX + 1) * 1000000);
}

static void the_longest_timeout_is_clamped(void **state)
{
    waits_for_a_signal(*state, INT64_MAX);
    waits_for_a_signal(*state, INT64_MAX - 1);
    waits_for_a_signal(*state, INT64_MAX / 1000 * 1000 - 1000000);
}

static void a_signal_is_no_error(void **state)
{
    waits_for_a_signal(*state, 3600 * (int64_t)1000000000);
}

/* I5, I10: no timeout is so long that it is none. */
static void every_long_wait_lasts_until_something_comes(void **state)
{
    struct bare *bare = *state;
    skip_if_it_never_sleeps(bare, -1);
    contract_not_on_libkqueue("counts milliseconds in an int");
    rouse_fd ends[2];
    contract_pair(WORLD_ANY, ends);
    bare_change(bare, ends[0], TOKEN(1, 0), 0, ROUSE_READ);
    const int64_t timeouts[] = {-1,
                                INT64_MIN,
                                3600 * (int64_t)1000000000,
                                (int64_t)INT32_MAX * 1000000 + 1,
                                ((int64_t)INT32_MAX + 1) * 1000000,
                                ((int64_t)UINT32_MAX + 1) * 1000000,
                                INT64_MAX - 1,
                                INT64_MAX};
    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++) {
        MUST(world_send_soon(ends[1]));
        int count = bare_poll(bare, NULL, 0, timeouts[i]);
        MUST(world_sent());
        assert_int_equal(count, 1);
        MUST(world_drain(ends[0]));
        bare_poll(bare, NULL, 0, 0); /* so that nothing of this is told again */
    }
    contract_close(ends);
}

static void the_longest_timeout_returns_what_is_ready(void **state)
{
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_ANY, ends);
    MUST(world_send(ends[1], "x", 1));
    bare_change(bare, ends[0], TOKEN(1, 0), 0, ROUSE_READ);
    const int64_t timeouts[] = {INT64_MAX, INT64_MIN, -1, 1, 999999999, 1000000000};
    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++) {
        assert_int_equal(bare_poll(bare, NULL, 0, timeouts[i]), 1);
        assert_int_equal(bare_event(bare, TOKEN(1, 0))->ready, ROUSE_READ);
    }
    contract_close(ends);
}

/* I6: a timeout is rounded up, so a wait is never shorter than it; 1 ns is not 0. */
static void never_returns_early(void **state)
{
    struct bare *bare = *state;
    skip_if_it_never_sleeps(bare, 1000000);
    rouse_fd ends[2];
    contract_pair(WORLD_ANY, ends);
    bare_change(bare, ends[0], TOKEN(1, 0), 0, ROUSE_READ);
    const int64_t timeouts[] = {1, 999, 1001, 999999, 1000000, 1000001, 2500000};
    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++) {
        int64_t before = world_now();
        assert_int_equal(bare_poll(bare, NULL, 0, timeouts[i]), 0);
        assert_true(world_now() - before >= timeouts[i]);
    }
    contract_close(ends);
}

/* Q7: a wait with nothing to wait for but time. */
static void waits_without_descriptors(void **state)
{
    struct bare *bare = *state;
    skip_if_it_never_sleeps(bare, 1500000);
    int64_t before = world_now();
    assert_int_equal(bare_poll(bare, NULL, 0, 1500000), 0);
    assert_true(world_now() - before >= 1500000);
}

/* A change in the same call counts before the wait, not after it: else this would never return. */
static void changes_are_applied_before_the_wait(void **state)
{
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_ANY, ends);
    MUST(world_send(ends[1], "x", 1));
    struct rouse_change change = {.fd = ends[0], .token = TOKEN(1, 0), .want = ROUSE_READ};
    world_interrupt(true); /* so that a fault ends, too */
    int count = bare_poll(bare, &change, 1, -1);
    world_interrupt(false);
    assert_int_equal(count, 1);
    contract_close(ends);
}

static void wake_ends_the_next_wait(void **state)
{
    struct bare *bare = *state;
    if (bare->table.wake == NULL)
        SKIP("the backend leaves waking to the loop");
    assert_int_equal(bare->table.wake(bare->state), 0);
    int before = world_interrupts();
    assert_int_equal(bare_poll(bare, NULL, 0, -1), 0);
    assert_int_equal(world_interrupts(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BARE(negative_waits_for_ever),
        BARE(every_negative_waits_for_ever),
        BARE(longer_than_24_days_is_clamped),
        BARE(the_longest_timeout_is_clamped),
        BARE(a_signal_is_no_error),
        BARE(every_long_wait_lasts_until_something_comes),
        BARE(the_longest_timeout_returns_what_is_ready),
        BARE(never_returns_early),
        BARE(waits_without_descriptors),
        BARE(changes_are_applied_before_the_wait),
        BARE(wake_ends_the_next_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
