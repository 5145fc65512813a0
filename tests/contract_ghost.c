/*
 * Ghosts: a kernel that remembers registrations remembers the open file, not the number. If a
 * duplicate keeps the file open, in this process or in a child, it goes on reporting a registration
 * that nobody can remove any more, because the descriptor is closed.
 *
 * To skip such reports would be to spin. The loop's way out is to open its backend anew, and these
 * cases count that it takes it soon: by events in so many turns, not by time. Where the kernel
 * remembers nothing there is no ghost, and the cases see that nothing is heard at all.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"

static const uint32_t modes[] = {0, ROUSE_EDGE};

/* The few events that a ghost may cost. */
enum { HAUNTED = 3 };

/* Closes the descriptor of a started watcher while a copy keeps the file open, and stops the
 * watcher too late. */
static rouse_fd leave_a_ghost(struct rig *rig, struct probe *probe)
{
    rouse_fd copy;
    rig_turns(rig, 1);
    MUST(world_dup(probe->io.fd, &copy));
    MUST(world_close(probe->io.fd));
    CHECK_OK(rig->loop, rouse_io_stop(&probe->io));
    return copy;
}

/* Fails unless the ghost falls silent, and for good: by a rebuild, if it was heard at all. */
static void assert_exorcised(struct rig *rig)
{
    assert_in_range(rig_turns(rig, 20), 0, HAUNTED);
    assert_int_equal(rig_turns(rig, 20), 0);
    struct rouse_counters counters = rig_counters(rig);
    assert_int_equal(counters.rebuilds != 0, counters.stale != 0);
}

/* A6, A7, A8, O1: the dup trap. */
static void ghost_of_a_closed_descriptor_is_silenced_for_good(void **state)
{
    struct rig *rig = *state;
    for (int mode = 0; mode < 2; mode++) {
        rouse_fd ends[2];
        struct probe probe;
        contract_pair(WORLD_ANY, ends);
        probe_start(rig, &probe, ends[0], ROUSE_READ | modes[mode], NULL);
        rouse_fd copy = leave_a_ghost(rig, &probe);
        for (int round = 0; round < 3; round++) {
            MUST(world_send(ends[1], "x", 1));
            assert_exorcised(rig);
        }
        assert_int_equal(probe.calls, 0);
        MUST(world_close(copy));
        MUST(world_close(ends[1]));
    }
}

/* The others are watched on: level, edge, paused, one that has not been drained, and a file. */
static void others_survive_the_rebuild(void **state)
{
    struct rig *rig = *state;
    rouse_fd ghost[2], level[2], edge[2], paused[2], due[2], file;
    struct probe probe, probes[5];
    contract_pair(WORLD_ANY, ghost);
    contract_pair(WORLD_ANY, level);
    contract_pair(WORLD_ANY, edge);
    contract_pair(WORLD_ANY, paused);
    contract_pair(WORLD_ANY, due);
    MUST(world_file(&file));
    probe_start(rig, &probe, ghost[0], ROUSE_READ, NULL);
    probe_start(rig, &probes[0], level[0], ROUSE_READ, probe_read);
    probe_start(rig, &probes[1], edge[0], ROUSE_READ | ROUSE_EDGE, probe_read);
    probe_start(rig, &probes[2], paused[0], ROUSE_READ, probe_read);
    probe_start(rig, &probes[3], due[0], ROUSE_READ | ROUSE_EDGE, probe_read);
    probe_start(rig, &probes[4], file, ROUSE_READ, NULL);
    probes[3].chunk = 1;
    MUST(world_send(due[1], "12345678", 8));
    CHECK_OK(rig->loop, rouse_io_want(&probes[2].io, 0));
    rouse_fd copy = leave_a_ghost(rig, &probe);
    MUST(world_send(ghost[1], "x", 1));
    rig_turns(rig, 5);
    MUST(world_send(level[1], "x", 1));
    MUST(world_send(edge[1], "x", 1));
    MUST(world_send(paused[1], "x", 1));
    TURN_UNTIL(rig, probes[3].received == 8);
    assert_int_equal(probes[0].received, 1);
    assert_int_equal(probes[1].received, 1);
    assert_int_equal(probes[2].calls, 0);
    unsigned calls = probes[4].calls;
    rig_turns(rig, 1);
    assert_int_equal(probes[4].calls, calls + 1);
    CHECK_OK(rig->loop, rouse_io_want(&probes[2].io, ROUSE_READ));
    TURN_UNTIL(rig, probes[2].received == 1);
    for (int i = 0; i < 5; i++)
        CHECK_OK(rig->loop, rouse_io_close(&probes[i].io));
    MUST(world_close(copy));
    rouse_fd writers[] = {ghost[1], level[1], edge[1], paused[1], due[1]};
    for (int i = 0; i < 5; i++)
        MUST(world_close(writers[i]));
}

/* A6: the ghost's number is a new file's by now, which a new watcher has. */
static void ghost_whose_number_is_used_again(void **state)
{
    contract_not_on_libkqueue("keeps what is closed while a duplicate is open");
    struct rig *rig = *state;
    for (int mode = 0; mode < 2; mode++) {
        rouse_fd old[2], fresh[2];
        struct probe probe, heir;
        contract_pair(WORLD_ANY, old);
        probe_start(rig, &probe, old[0], ROUSE_READ | modes[mode], NULL);
        rouse_fd copy = leave_a_ghost(rig, &probe);
        contract_pair_at(old[0], WORLD_ANY, fresh);
        probe_start(rig, &heir, fresh[0], ROUSE_READ | modes[mode], probe_read);
        MUST(world_send(old[1], "x", 1));
        assert_exorcised(rig);
        assert_int_equal(heir.calls, 0);
        MUST(world_send(fresh[1], "y", 1));
        TURN_UNTIL(rig, heir.received == 1);
        CHECK_OK(rig->loop, rouse_io_close(&heir.io));
        MUST(world_close(fresh[1]));
        MUST(world_close(copy));
        MUST(world_close(old[1]));
    }
}

/* O1: so many watchers start afterwards that one of them has the ghost's slot; the token differs by
 * its generation alone. */
static void ghost_whose_slot_is_used_again(void **state)
{
    contract_not_on_libkqueue("keeps what is closed while a duplicate is open");
    struct rig *rig = *state;
    enum { HEIRS = 64 };
    rouse_fd old[2], fresh[HEIRS][2];
    struct probe probe, heirs[HEIRS];
    contract_pair(WORLD_ANY, old);
    probe_start(rig, &probe, old[0], ROUSE_READ, NULL);
    rouse_fd copy = leave_a_ghost(rig, &probe);
    rig_turns(rig, 1);
    for (int i = 0; i < HEIRS; i++) {
        contract_pair(WORLD_ANY, fresh[i]);
        probe_start(rig, &heirs[i], fresh[i][0], ROUSE_READ, NULL);
    }
    rig_turns(rig, 1);
    MUST(world_send(old[1], "x", 1));
    assert_exorcised(rig);
    for (int i = 0; i < HEIRS; i++) {
        assert_int_equal(heirs[i].calls, 0);
        CHECK_OK(rig->loop, rouse_io_close(&heirs[i].io));
        MUST(world_close(fresh[i][1]));
    }
    MUST(world_close(copy));
    MUST(world_close(old[1]));
}

/* A9: the same file comes back under the ghost's number, and is watched. */
static void ghost_comes_back_under_its_number(void **state)
{
    contract_not_on_libkqueue("keeps what is closed while a duplicate is open");
    struct rig *rig = *state;
    for (int mode = 0; mode < 2; mode++) {
        rouse_fd ends[2];
        struct probe probe, heir;
        contract_pair(WORLD_ANY, ends);
        probe_start(rig, &probe, ends[0], ROUSE_READ | modes[mode], NULL);
        rouse_fd copy = leave_a_ghost(rig, &probe);
        MUST(world_dup2(copy, ends[0]));
        probe_start(rig, &heir, ends[0], ROUSE_READ | modes[mode], probe_read);
        MUST(world_send(ends[1], "x", 1));
        TURN_UNTIL(rig, heir.received == 1);
        assert_in_range(rig_turns(rig, 20), 0, HAUNTED);
        assert_int_equal(probe.calls, 0);
        CHECK_OK(rig->loop, rouse_io_close(&heir.io));
        MUST(world_close(copy));
        MUST(world_close(ends[1]));
    }
}

/* The registration outlives an interest of 0 that came too late to remove it; so its reports bear
 * the token of a watcher that still is one. Guarantee 4: never a spin. */
static void ghost_of_a_paused_watcher_is_silenced(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2], copy;
    struct probe probe;
    contract_pair(WORLD_ANY, ends);
    probe_start(rig, &probe, ends[0], ROUSE_READ, NULL);
    rig_turns(rig, 1);
    MUST(world_dup(ends[0], &copy));
    MUST(world_close(ends[0]));
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, 0));
    rig_turns(rig, 1);
    MUST(world_send(ends[1], "x", 1));
    assert_exorcised(rig);
    assert_int_equal(probe.calls, 0);
    CHECK_OK(rig->loop, rouse_io_stop(&probe.io));
    MUST(world_close(copy));
    MUST(world_close(ends[1]));
}

/* The same with a change that was refused: the watcher is told so, and no more. */
static void ghost_of_a_refused_watcher_is_silenced(void **state)
{
    contract_not_on_libkqueue("forgets a refusal when nothing is ready");
    struct rig *rig = *state;
    rouse_fd ends[2], copy;
    struct probe probe;
    contract_pair(WORLD_ANY, ends);
    probe_start(rig, &probe, ends[0], ROUSE_READ, NULL);
    rig_turns(rig, 1);
    MUST(world_dup(ends[0], &copy));
    MUST(world_close(ends[0]));
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ | ROUSE_WRITE));
    rig_turns(rig, 3);
    unsigned calls = probe.calls;
    MUST(world_send(ends[1], "x", 1));
    assert_in_range(rig_turns(rig, 20), 0, HAUNTED);
    assert_int_equal(rig_turns(rig, 20), 0);
    assert_in_range(calls, 0, 1);
    assert_int_equal(probe.calls, calls);
    CHECK_OK(rig->loop, rouse_io_stop(&probe.io));
    MUST(world_close(copy));
    MUST(world_close(ends[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG(ghost_of_a_closed_descriptor_is_silenced_for_good),
        RIG(others_survive_the_rebuild),
        RIG(ghost_whose_number_is_used_again),
        RIG(ghost_whose_slot_is_used_again),
        RIG(ghost_comes_back_under_its_number),
        RIG(ghost_of_a_paused_watcher_is_silenced),
        RIG(ghost_of_a_refused_watcher_is_silenced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
