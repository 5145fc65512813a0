/*
 * Stopping, closing, and numbers that are used again: once a watcher is stopped its callback does
 * not run, whatever has been fetched, and no event of an old file reaches a new watcher.
 *
 * This is where event loops break: an event names a descriptor by a number or a pointer that has
 * become something else by the time it is looked at. Callbacks may come in any order within a
 * batch, so each of these cases has two watchers that do to each other what is tested, whichever is
 * first.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"

static const uint32_t modes[] = {0, ROUSE_EDGE};

static void stop_other(struct probe *probe)
{
    probe_stop(probe->other);
}

/* Guarantee 1. */
static void stopped_in_the_same_batch_is_not_called(void **state)
{
    struct rig *rig = *state;
    for (int mode = 0; mode < 2; mode++) {
        struct two two;
        two_start(rig, &two, modes[mode], stop_other);
        rig_turns(rig, 3);
        assert_int_equal(two.probes[0].calls != 0, two.probes[1].calls == 0);
        two_end(&two);
        for (int i = 0; i < 2; i++) /* the one that was stopped still had its descriptor */
            if (world_inherited(two.ends[i][0]) == 0)
                MUST(world_close(two.ends[i][0]));
    }
}

struct heap_probe {
    struct probe probe;
    struct heap_probe **other;
};

static void free_other(struct probe *probe)
{
    struct heap_probe *self = (struct heap_probe *)probe;
    if (*self->other == NULL)
        return;
    CHECK_OK(probe->rig->loop, rouse_io_close(&(*self->other)->probe.io));
    free(*self->other);
    *self->other = NULL;
}

/* A4: guarantee 1, with the memory gone. */
static void freed_in_the_same_batch(void **state)
{
    struct rig *rig = *state;
    for (int mode = 0; mode < 2; mode++) {
        rouse_fd ends[2][2];
        struct heap_probe *probes[2];
        for (int i = 0; i < 2; i++) {
            contract_pair(WORLD_ANY, ends[i]);
            probes[i] = calloc(1, sizeof *probes[i]);
            probe_start(rig, &probes[i]->probe, ends[i][0], ROUSE_READ | modes[mode], free_other);
            probes[i]->other = &probes[!i];
        }
        for (int i = 0; i < 2; i++)
            MUST(world_send(ends[i][1], "x", 1));
        rig_turns(rig, 3);
        assert_int_equal(probes[0] == NULL, probes[1] != NULL);
        struct heap_probe *left = probes[0] != NULL ? probes[0] : probes[1];
        CHECK_OK(rig->loop, rouse_io_close(&left->probe.io));
        free(left);
        MUST(world_close(ends[0][1]));
        MUST(world_close(ends[1][1]));
    }
}

static void close_and_free_self(struct probe *probe)
{
    CHECK_OK(probe->rig->loop, rouse_io_close(&probe->io));
    free(probe);
}

/* M5 */
static void freed_in_its_own_callback(void **state)
{
    struct rig *rig = *state;
    for (int mode = 0; mode < 2; mode++) {
        rouse_fd ends[2];
        struct probe *probe = malloc(sizeof *probe);
        contract_pair(WORLD_ANY, ends);
        probe_start(rig, probe, ends[0], ROUSE_READ | modes[mode], close_and_free_self);
        MUST(world_send(ends[1], "x", 1));
        rig_turns(rig, 3);
        assert_int_equal(world_inherited(ends[0]), -EBADF); /* it ran */
        MUST(world_close(ends[1]));
    }
}

/* A5: both directions ready, and the callback closes: there is no second call. */
static void closed_in_its_callback_with_both_directions_ready(void **state)
{
    struct rig *rig = *state;
    for (int mode = 0; mode < 2; mode++) {
        rouse_fd ends[2];
        struct probe *probe = malloc(sizeof *probe);
        contract_pair(WORLD_STREAM, ends);
        MUST(world_send(ends[1], "x", 1));
        probe_start(rig, probe, ends[0], ROUSE_READ | ROUSE_WRITE | modes[mode],
                    close_and_free_self);
        assert_int_equal(rouse_turn(rig->loop, 0), 1);
        assert_int_equal(rouse_turn(rig->loop, 0), 0);
        MUST(world_close(ends[1]));
    }
}

/* A10: the kernel has forgotten it when the call returns, though a copy keeps the file open. */
static void stop_reaches_the_kernel_before_it_returns(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2], copy;
    struct probe probe;
    contract_pair(WORLD_ANY, ends);
    probe_start(rig, &probe, ends[0], ROUSE_READ, NULL);
    rig_turns(rig, 1);
    MUST(world_dup(ends[0], &copy));
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_send(ends[1], "x", 1));
    assert_int_equal(rig_turns(rig, 10), 0);
    assert_int_equal(probe.calls, 0);
    assert_int_equal(rig_counters(rig).stale, 0);
    assert_int_equal(rig_counters(rig).rebuilds, 0);
    MUST(world_close(copy));
    MUST(world_close(ends[1]));
}

/* P10: the peer is told at once, before the loop has turned. */
static void close_through_the_loop_reaches_the_peer(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    probe_start(rig, &probe, ends[0], ROUSE_READ, NULL);
    rig_turns(rig, 1);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    world_await(ends[1], ROUSE_READ);
    char byte;
    assert_int_equal(world_receive(ends[1], &byte, 1), 0);
    assert_int_equal(rouse_io_active(&probe.io), 0);
    MUST(world_close(ends[1]));
}

enum { MANY = 200 };
static struct probe many[MANY];
static rouse_fd many_ends[MANY][2];

static void close_a_hundred(struct probe *probe)
{
    static const unsigned odd = 1;
    if (!rouse_io_active(&many[odd].io))
        return;
    for (unsigned i = odd; i < MANY; i += 2)
        CHECK_OK(probe->rig->loop, rouse_io_close(&many[i].io));
}

/* A21: half of all watchers go in the callback of one of the others. */
static void a_hundred_closed_in_one_callback(void **state)
{
    struct rig *rig = *state;
    for (unsigned i = 0; i < MANY; i++) {
        contract_pair(WORLD_ANY, many_ends[i]);
        probe_start(rig, &many[i], many_ends[i][0], ROUSE_READ, i % 2 ? NULL : close_a_hundred);
    }
    rig_turns(rig, 1);
    MUST(world_send(many_ends[100][1], "x", 1));
    rig_turns(rig, 1);
    for (unsigned i = 0; i < MANY; i++)
        world_send(many_ends[i][1], "x", 1); /* to half of them nobody listens any more */
    rig_turns(rig, 1);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(many[i].calls, i % 2 ? 0 : i == 100 ? 2 : 1);
        rouse_io_close(&many[i].io);
        MUST(world_close(many_ends[i][1]));
    }
}

static void start_another(struct probe *probe)
{
    if (probe->other != NULL && !rouse_io_active(&probe->other->io))
        CHECK_OK(probe->rig->loop,
                 rouse_io_start(probe->rig->loop, &probe->other->io, probe->spare[0], ROUSE_READ));
}

/* M2: one that is ready already is called in the next turn, not in this one. */
static void started_in_a_callback(void **state)
{
    struct rig *rig = *state;
    rouse_fd first[2], second[2];
    struct probe one, two;
    contract_pair(WORLD_ANY, first);
    contract_pair(WORLD_ANY, second);
    MUST(world_send(first[1], "x", 1));
    MUST(world_send(second[1], "x", 1));
    probe_start(rig, &one, first[0], ROUSE_READ, start_another);
    probe_init(rig, &two, NULL);
    one.other = &two;
    one.spare[0] = second[0];
    rig_turns(rig, 1);
    assert_int_equal(two.calls, 0);
    rig_turns(rig, 1);
    assert_int_equal(two.calls, 1);
    CHECK_OK(rig->loop, rouse_io_close(&one.io));
    CHECK_OK(rig->loop, rouse_io_close(&two.io));
    MUST(world_close(first[1]));
    MUST(world_close(second[1]));
}

static void closed_loop_detaches_its_watchers(void **state)
{
    (void)state;
    rouse_fd ends[2];
    struct probe probe;
    struct rig rig = {0};
    CHECK_OK(NULL, rouse_open(&rig.loop, NULL));
    contract_pair(WORLD_ANY, ends);
    MUST(world_send(ends[1], "x", 1));
    probe_start(&rig, &probe, ends[0], ROUSE_READ, NULL);
    CHECK_OK(NULL, rouse_close(rig.loop));
    assert_int_equal(probe.calls, 0);
    assert_int_equal(rouse_io_active(&probe.io), 0);
    assert_int_equal(world_drain(ends[0]), 1); /* open */
    CHECK_OK(NULL, rouse_io_stop(&probe.io));
    contract_close(ends);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG(stopped_in_the_same_batch_is_not_called),
        RIG(freed_in_the_same_batch),
        RIG(freed_in_its_own_callback),
        RIG(closed_in_its_callback_with_both_directions_ready),
        RIG(stop_reaches_the_kernel_before_it_returns),
        RIG(close_through_the_loop_reaches_the_peer),
        RIG(a_hundred_closed_in_one_callback),
        RIG(started_in_a_callback),
        RIG(closed_loop_detaches_its_watchers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
