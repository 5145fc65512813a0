/*
 * Numbers, slots and files that are used again: no event of an old file reaches a new watcher,
 * though the number, the watcher and the interest may all be the same.
 *
 * Callbacks may come in any order within a batch, so these cases have two watchers that do to each
 * other what is tested, whichever is first. What tells the old from the new is a generation in the
 * token; each case would fail without it on some backend.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"

static const uint32_t modes[] = {0, ROUSE_EDGE};

static void close_other_and_reuse(struct probe *probe)
{
    struct probe *other = probe->other;
    if (!rouse_io_active(&other->io) || probe->spare[0] >= 0 || other->spare[0] >= 0)
        return;
    rouse_fd number = other->io.fd;
    CHECK_OK(probe->rig->loop, rouse_io_close(&other->io));
    contract_pair_at(number, WORLD_ANY, probe->spare);
    other->calls = 0;
    CHECK_OK(probe->rig->loop,
             rouse_io_start(probe->rig->loop, &other->io, number, ROUSE_READ | probe->mode));
}

/* One of two with data in both closes the other, whose number and watcher are used for a quiet
 * file. */
static void reuse_in_the_batch(struct rig *rig, uint32_t mode)
{
    struct two two;
    two_start(rig, &two, mode, close_other_and_reuse);
    two.probes[0].mode = two.probes[1].mode = mode;
    rig_turns(rig, 1);
    int first = two.probes[0].spare[0] >= 0 ? 0 : 1;
    rouse_fd *fresh = two.probes[first].spare;
    struct probe *reused = &two.probes[!first];
    rig_turns(rig, 3);
    assert_int_equal(reused->calls, 0);
    MUST(world_send(fresh[1], "y", 1));
    rig_turns(rig, 1);
    assert_int_equal(reused->calls, 1);
    MUST(world_close(fresh[1]));
    two_end(&two);
}

/* A1, A2, A3: the number, the watcher and the interest are the same; only the file is another. */
static void closed_fd_reused_in_same_batch(void **state)
{
    struct rig *rig = *state;
    for (int mode = 0; mode < 2; mode++)
        reuse_in_the_batch(rig, modes[mode]);
    assert_int_equal(rig_counters(rig).rebuilds, 0); /* such events are known to be old */
}

/* A23: the same however full the loop's tables are. */
static void closed_fd_reused_in_same_batch_beside_any_number_of_others(void **state)
{
    struct rig *rig = *state;
    enum { OTHERS = 40 };
    static struct probe others[OTHERS];
    rouse_fd ends[2];
    contract_pair(WORLD_ANY, ends);
    for (int i = 0; i < OTHERS; i++) {
        rouse_fd copy;
        MUST(world_dup(ends[0], &copy));
        probe_start(rig, &others[i], copy, ROUSE_READ, NULL);
        for (int mode = 0; mode < 2; mode++)
            reuse_in_the_batch(rig, modes[mode]);
    }
    assert_int_equal(rig_counters(rig).rebuilds, 0);
    for (int i = 0; i < OTHERS; i++) {
        assert_int_equal(others[i].calls, 0);
        CHECK_OK(rig->loop, rouse_io_close(&others[i].io));
    }
    contract_close(ends);
}

static void restart(struct probe *probe)
{
    rouse_fd fd = probe->io.fd;
    probe_stop(probe);
    CHECK_OK(probe->rig->loop, rouse_io_start(probe->rig->loop, &probe->io, fd, ROUSE_READ));
}

static void restart_other(struct probe *probe)
{
    restart(probe->other);
}

/* A3: guarantee 2. Stopped and started again, the event of before is not told; the next one is.
 */
static void stopped_and_started_again_is_called_next_turn(void **state)
{
    struct rig *rig = *state;
    struct two two;
    two_start(rig, &two, 0, restart);
    for (unsigned turn = 1; turn <= 3; turn++) {
        rig_turns(rig, 1);
        assert_int_equal(two.probes[0].calls, turn);
        assert_int_equal(two.probes[1].calls, turn);
    }
    two.probes[0].then = two.probes[1].then = restart_other;
    rig_turns(rig, 1);
    assert_int_equal(two.probes[0].calls + two.probes[1].calls, 7);
    two.probes[0].then = two.probes[1].then = NULL;
    rig_turns(rig, 1);
    assert_int_equal(two.probes[0].calls + two.probes[1].calls, 9);
    two_end(&two);
}

/* A9: the old file is stopped, and a copy of another one takes its number. */
static void dup2_to_the_number_of_a_stopped_watcher(void **state)
{
    struct rig *rig = *state;
    for (int mode = 0; mode < 2; mode++) {
        struct two two;
        two_start(rig, &two, modes[mode], NULL);
        rig_turns(rig, 1);
        rouse_fd number = two.ends[0][0];
        CHECK_OK(rig->loop, rouse_io_stop(&two.probes[0].io));
        MUST(world_drain(number));
        MUST(world_dup2(two.ends[1][0], number));
        struct probe fresh;
        probe_start(rig, &fresh, number, ROUSE_READ | modes[mode], NULL);
        rig_turns(rig, 1);
        assert_int_equal(fresh.calls, 1);
        CHECK_OK(rig->loop, rouse_io_close(&fresh.io));
        two_end(&two);
    }
}

/* Two watchers of one file under two numbers: each has its own. */
static void copies_are_watched_apart(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2], copy;
    struct probe one, two;
    contract_pair(WORLD_ANY, ends);
    MUST(world_dup(ends[0], &copy));
    probe_start(rig, &one, ends[0], ROUSE_READ, NULL);
    probe_start(rig, &two, copy, ROUSE_READ, NULL);
    MUST(world_send(ends[1], "x", 1));
    rig_turns(rig, 2);
    assert_int_equal(one.calls, 2);
    assert_int_equal(two.calls, 2);
    CHECK_OK(rig->loop, rouse_io_close(&one.io));
    rig_turns(rig, 2);
    assert_int_equal(two.calls, 4);
    CHECK_OK(rig->loop, rouse_io_close(&two.io));
    MUST(world_close(ends[1]));
}

/* Thousands of lives in one slot and under one number. */
static void number_used_again_and_again(void **state)
{
    struct rig *rig = *state;
    rouse_fd quiet[2];
    struct probe probe;
    contract_pair(WORLD_ANY, quiet);
    for (unsigned life = 0; life < 1000; life++) {
        rouse_fd ends[2];
        contract_pair(WORLD_ANY, ends);
        probe_start(rig, &probe, ends[0], ROUSE_READ | modes[life % 2], NULL);
        if (life % 3 == 0)
            rig_turns(rig, 1);
        assert_int_equal(probe.calls, 0);
        MUST(world_send(ends[1], "x", 1));
        if (life % 5 != 0) {
            rig_turns(rig, 1);
            assert_int_equal(probe.calls, 1);
        }
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
        MUST(world_close(ends[1]));
    }
    assert_int_equal(rig_counters(rig).rebuilds, 0);
    contract_close(quiet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG(closed_fd_reused_in_same_batch),
        RIG(closed_fd_reused_in_same_batch_beside_any_number_of_others),
        RIG(stopped_and_started_again_is_called_next_turn),
        RIG(dup2_to_the_number_of_a_stopped_watcher),
        RIG(copies_are_watched_apart),
        RIG(number_used_again_and_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
