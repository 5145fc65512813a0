/*
 * Descriptors closed behind the loop's back: an error or silence, never a spin, a crash, or an
 * event for a watcher that was stopped.
 *
 * Some kernels forget a closed descriptor in silence, others report it until they are told to stop.
 * What surprises: the report may be fetched and not yet delivered when another callback stops the
 * watcher; the backend then holds nothing of it any more.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"

static const uint32_t modes[] = {0, ROUSE_EDGE};

static void stop_when_reading_fails(struct probe *probe)
{
    probe->last = 0;
    probe_read(probe);
    if (probe->last < 0 || probe->ready & ROUSE_ERROR)
        probe_stop(probe);
}

/* A11, A14, A15: closed and not stopped, with and without a copy: an error or silence, no spin. */
static void closed_and_not_stopped(void **state)
{
    struct rig *rig = *state;
    for (int copied = 0; copied < 2; copied++) {
        rouse_fd ends[2], copy = -1;
        struct probe probe;
        contract_pair(WORLD_ANY, ends);
        probe_start(rig, &probe, ends[0], ROUSE_READ, stop_when_reading_fails);
        rig_turns(rig, 1);
        if (copied)
            MUST(world_dup(ends[0], &copy));
        MUST(world_close(ends[0]));
        rig_turns(rig, 5);
        if (copied)
            MUST(world_send(ends[1], "x", 1));
        rig_turns(rig, 20);
        assert_in_range(probe.calls, 0, 1);
        assert_true(probe.error == 0 || probe.error == -EBADF);
        assert_int_equal(rig_turns(rig, 20), 0);
        CHECK_OK(rig->loop, rouse_io_stop(&probe.io));
        if (copied)
            MUST(world_close(copy));
        MUST(world_close(ends[1]));
    }
}

/* Guarantee 4: told once, though the callback does nothing about it. */
static void closed_descriptor_is_told_at_most_once(void **state)
{
    struct rig *rig = *state;
    for (int mode = 0; mode < 2; mode++) {
        rouse_fd ends[2], good[2];
        struct probe probe, other;
        contract_pair(WORLD_ANY, ends);
        contract_pair(WORLD_ANY, good);
        probe_start(rig, &probe, ends[0], ROUSE_READ | modes[mode], NULL);
        probe_start(rig, &other, good[0], ROUSE_READ | modes[mode], probe_read);
        rig_turns(rig, 1);
        contract_close(ends);
        rig_turns(rig, 20);
        bool ended = (probe.seen & ROUSE_HANGUP) != 0; /* told by one that still holds the file */
        assert_in_range(probe.calls, 0, 1 + ended);
        if (probe.calls == 1 + (unsigned)ended) {
            assert_int_equal(probe.ready, ROUSE_ERROR);
            assert_int_equal(probe.error, -EBADF);
        }
        assert_int_equal(rig_turns(rig, 20), 0);
        MUST(world_send(good[1], "x", 1));
        TURN_UNTIL(rig, other.received == 1);
        CHECK_OK(rig->loop, rouse_io_stop(&probe.io));
        CHECK_OK(rig->loop, rouse_io_close(&other.io));
        MUST(world_close(good[1]));
    }
}

/* A12: a change after the close is refused, told once, and nothing more is sent until the next
 * change. */
static void change_after_the_close_is_refused_once(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    if (subject_guesses())
        SKIP("spin asks nobody, so nothing is refused");
    contract_not_on_libkqueue("forgets a refusal when nothing is ready");
    contract_pair(WORLD_STREAM, ends);
    probe_start(rig, &probe, ends[0], ROUSE_READ, NULL);
    rig_turns(rig, 1);
    contract_close(ends);
    for (unsigned round = 1; round <= 3; round++) {
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, round % 2 ? ROUSE_WRITE : ROUSE_READ));
        rig_turns(rig, 1);
        assert_int_equal(probe.calls, round);
        assert_int_equal(probe.ready, ROUSE_ERROR);
        assert_int_equal(probe.error, -EBADF);
        assert_int_equal(rouse_io_error(&probe.io), 0); /* outside the callback */
        uint64_t sent = rig_changes_sent(rig);
        assert_int_equal(rig_turns(rig, 10), 0);
        assert_int_equal(probe.calls, round);
        assert_int_equal(rig_changes_sent(rig), sent);
    }
    CHECK_OK(rig->loop, rouse_io_stop(&probe.io));
}

/* Refused once, the descriptor is opened again under its number, and the next change takes. */
static void refused_watcher_works_after_the_next_change(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_ANY, ends);
    probe_start(rig, &probe, ends[0], ROUSE_READ, probe_read);
    contract_close(ends); /* before the kernel was told */
    rig_turns(rig, 1);
    assert_int_equal(probe.calls, subject_guesses() ? 0 : 1);
    assert_int_equal(probe.error, subject_guesses() ? 0 : -EBADF);
    rouse_fd fresh[2];
    contract_pair_at(ends[0], WORLD_ANY, fresh);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
    MUST(world_send(fresh[1], "x", 1));
    TURN_UNTIL(rig, probe.received == 1);
    assert_int_equal(probe.error, 0);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(fresh[1]));
}

/* A11: guarantee 4. */
static void number_used_again_before_the_loop_knows_is_refused(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2], fresh[2];
    struct probe old, heir;
    contract_pair(WORLD_ANY, ends);
    probe_start(rig, &old, ends[0], ROUSE_READ, NULL);
    rig_turns(rig, 1);
    contract_close(ends);
    contract_pair_at(ends[0], WORLD_ANY, fresh);
    probe_init(rig, &heir, probe_read);
    assert_int_equal(rouse_io_start(rig->loop, &heir.io, fresh[0], ROUSE_READ), -EEXIST);
    assert_int_equal(rouse_io_active(&heir.io), 0);
    CHECK_OK(rig->loop, rouse_io_stop(&old.io));
    CHECK_OK(rig->loop, rouse_io_start(rig->loop, &heir.io, fresh[0], ROUSE_READ));
    MUST(world_send(fresh[1], "x", 1));
    TURN_UNTIL(rig, heir.received == 1);
    assert_int_equal(old.calls, 0);
    CHECK_OK(rig->loop, rouse_io_close(&heir.io));
    MUST(world_close(fresh[1]));
}

/* A25: the number is gone already; the watcher is stopped all the same, and close is tried once. */
static void closed_through_the_loop_too_late(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_ANY, ends);
    probe_start(rig, &probe, ends[0], ROUSE_READ, NULL);
    rig_turns(rig, 1);
    contract_close(ends);
    assert_int_equal(rouse_io_close(&probe.io), -EBADF);
    assert_int_equal(rouse_io_active(&probe.io), 0);
    assert_int_equal(rouse_io_close(&probe.io), -EINVAL);
    assert_int_equal(rig_turns(rig, 3), 0);
}

enum { MANY = 200 };

/* A21, Q5: half of them at once, behind the back. */
static void a_hundred_closed_behind_the_back(void **state)
{
    struct rig *rig = *state;
    static struct probe probes[MANY];
    static rouse_fd ends[MANY][2];
    for (int i = 0; i < MANY; i++) {
        contract_pair(WORLD_ANY, ends[i]);
        probe_start(rig, &probes[i], ends[i][0], ROUSE_READ, stop_when_reading_fails);
    }
    rig_turns(rig, 1);
    for (int i = 0; i < MANY; i += 2)
        contract_close(ends[i]);
    rig_turns(rig, 10);
    for (int i = 1; i < MANY; i += 2)
        MUST(world_send(ends[i][1], "x", 1));
    rig_turns(rig, 3);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(probes[i].received, i % 2);
        assert_in_range(probes[i].calls, i % 2, 1);
        CHECK_OK(rig->loop, rouse_io_stop(&probes[i].io));
        if (i % 2)
            contract_close(ends[i]);
    }
}

static void stop_the_closed_one(struct probe *probe)
{
    probe_stop(probe->other);
}

/* The report that it is closed has been fetched, and another callback stops the watcher before it
 * is delivered. The one before it and the one behind it in the batch both do. */
static void stopped_while_its_refusal_is_in_the_batch(void **state)
{
    struct rig *rig = *state;
    rouse_fd before[2], ends[2], after[2];
    struct probe first, closed, last;
    contract_pair(WORLD_ANY, before);
    contract_pair(WORLD_ANY, ends);
    contract_pair(WORLD_ANY, after);
    probe_start(rig, &first, before[0], ROUSE_READ, stop_the_closed_one);
    probe_start(rig, &closed, ends[0], ROUSE_READ, NULL);
    probe_start(rig, &last, after[0], ROUSE_READ, stop_the_closed_one);
    first.other = last.other = &closed;
    rig_turns(rig, 1);
    MUST(world_send(before[1], "x", 1));
    MUST(world_send(after[1], "x", 1));
    contract_close(ends);
    rig_turns(rig, 5);
    assert_in_range(closed.calls, 0, 1);
    assert_int_equal(rouse_io_active(&closed.io), 0);
    assert_in_range(first.calls, 4, 5);
    assert_in_range(last.calls, 4, 5);
    CHECK_OK(rig->loop, rouse_io_close(&first.io));
    CHECK_OK(rig->loop, rouse_io_close(&last.io));
    MUST(world_close(before[1]));
    MUST(world_close(after[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG(closed_and_not_stopped),
        RIG(closed_descriptor_is_told_at_most_once),
        RIG(change_after_the_close_is_refused_once),
        RIG(refused_watcher_works_after_the_next_change),
        RIG(number_used_again_before_the_loop_knows_is_refused),
        RIG(closed_through_the_loop_too_late),
        RIG(a_hundred_closed_behind_the_back),
        RIG(stopped_while_its_refusal_is_in_the_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
