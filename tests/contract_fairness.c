/*
 * Nobody starves: every ready descriptor is served within ceil(ready / batch) turns, and every due
 * timer and queued task in its turn, whatever the others do.
 *
 * A batch has room for at most 1024 events and grows to that as it is filled. What surprises: many
 * duplicates of one descriptor are as many descriptors, all ready at once, for one system call
 * each.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"

enum { CROWD = 1500, BATCH = 1024, THREADS_IN_32_BITS = 200 };

static struct probe crowd[CROWD];

/* As many as the backend and this process can watch. */
static unsigned crowd_size(void)
{
    rouse_fd limit = subject_backend()->fd_limit;
    if (sizeof(void *) == 4 && contract_has(ROUSE_TRAIT_ASK))
        return THREADS_IN_32_BITS; /* a thread takes 8 MB of the addresses */
    return limit != 0 && limit < CROWD + 100 ? (unsigned)limit - 100 : CROWD;
}

/* Watches `count` copies of a descriptor that is ready for READ. */
static void crowd_start(struct rig *rig, rouse_fd ready, unsigned count, uint32_t mode,
                        void (*then)(struct probe *probe))
{
    for (unsigned i = 0; i < count; i++) {
        rouse_fd copy;
        MUST(world_dup(ready, &copy));
        probe_start(rig, &crowd[i], copy, ROUSE_READ | mode, then);
    }
}

static void crowd_end(struct rig *rig, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        CHECK_OK(rig->loop, rouse_io_close(&crowd[i].io));
}

/* B10 */
static void everybody_is_served_in_turn(void **state)
{
    contract_not_on_libkqueue("tells of 512 at most");
    struct rig *rig = *state;
    rouse_fd ends[2];
    unsigned count = crowd_size();
    unsigned share = (count + BATCH - 1) / BATCH;
    contract_pair(WORLD_ANY, ends);
    MUST(world_send(ends[1], "x", 1));
    crowd_start(rig, ends[0], count, 0, NULL);
    rig_turns(rig, 12); /* the batch has grown */
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < count; i++)
            crowd[i].calls = 0;
        rig_turns(rig, share);
        for (unsigned i = 0; i < count; i++)
            assert_in_range(crowd[i].calls, 1, share);
    }
    crowd_end(rig, count);
    contract_close(ends);
}

/* B3: those who do not drain are served like the others, and no more. */
static void edge_watchers_that_do_not_drain_share(void **state)
{
    struct rig *rig = *state;
    rouse_fd big[3][2], small[2];
    struct probe greedy[3], modest;
    for (int i = 0; i < 3; i++) {
        contract_pair(WORLD_STREAM, big[i]);
        MUST(world_fill(big[i][1]));
        probe_start(rig, &greedy[i], big[i][0], ROUSE_READ | ROUSE_EDGE, probe_read);
        greedy[i].chunk = 16;
    }
    contract_pair(WORLD_ANY, small);
    probe_start(rig, &modest, small[0], ROUSE_READ | ROUSE_EDGE, probe_read);
    rig_turns(rig, 3);
    for (unsigned round = 1; round <= 20; round++) {
        MUST(world_send(small[1], "x", 1));
        rig_turns(rig, 1);
        assert_int_equal(modest.received, round);
        for (int i = 0; i < 3; i++)
            assert_in_range(greedy[i].calls, round + 1, round + 3);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_OK(rig->loop, rouse_io_close(&greedy[i].io));
        MUST(world_close(big[i][1]));
    }
    CHECK_OK(rig->loop, rouse_io_close(&modest.io));
    MUST(world_close(small[1]));
}

static void accept_one(struct probe *probe)
{
    rouse_fd client;
    probe->last = rouse_accept(&probe->io, &client);
    if (probe->last == 0) {
        probe->received++;
        MUST(world_close(client));
    }
}

/* N2: a listener with a long queue is one descriptor among others. */
static void busy_listener_does_not_starve_its_siblings(void **state)
{
    struct rig *rig = *state;
    enum { CLIENTS = 20 };
    const uint32_t modes[] = {0, ROUSE_EDGE};
    for (int mode = 0; mode < 2; mode++) {
        rouse_fd listener, clients[CLIENTS], ends[2];
        struct probe server, sibling;
        MUST(world_listen(&listener));
        for (int i = 0; i < CLIENTS; i++) {
            MUST(world_connect(listener, &clients[i]));
            world_await(clients[i], ROUSE_WRITE);
        }
        contract_pair(WORLD_ANY, ends);
        MUST(world_send(ends[1], "x", 1));
        probe_start(rig, &server, listener, ROUSE_READ | modes[mode], accept_one);
        probe_start(rig, &sibling, ends[0], ROUSE_READ, NULL);
        rig_turns(rig, 3);
        for (unsigned turn = 1; turn <= 5; turn++) {
            unsigned calls = sibling.calls;
            rig_turns(rig, 1);
            assert_int_equal(sibling.calls, calls + 1);
        }
        TURN_UNTIL(rig, server.received == CLIENTS);
        assert_true(sibling.calls >= CLIENTS);
        CHECK_OK(rig->loop, rouse_io_close(&server.io));
        CHECK_OK(rig->loop, rouse_io_close(&sibling.io));
        MUST(world_close(ends[1]));
        for (int i = 0; i < CLIENTS; i++)
            MUST(world_close(clients[i]));
    }
}

struct late {
    struct rouse_timer timer;
    struct rouse_task task;
    struct rig *rig;
    unsigned timers, tasks;
};

static void timer_due(struct rouse_timer *timer)
{
    struct late *late = (struct late *)timer;
    late->timers++;
    CHECK_OK(late->rig->loop, rouse_timer_after(late->rig->loop, timer, 1, 0));
}

static void task_run(struct rouse_task *task)
{
    struct late *late = (struct late *)((char *)task - offsetof(struct late, task));
    late->tasks++;
    CHECK_OK(late->rig->loop, rouse_defer(late->rig->loop, task));
}

/* L9: a crowd that is always ready, a timer that is always due, a task that defers itself: each is
 * served in every turn, and none of them keeps a turn from ending. */
static void descriptors_timers_and_tasks_share_each_turn(void **state)
{
    struct rig *rig = *state;
    enum { FEW = 50 };
    rouse_fd ends[2];
    struct late late = {.rig = rig};
    contract_pair(WORLD_ANY, ends);
    MUST(world_send(ends[1], "x", 1));
    crowd_start(rig, ends[0], FEW, 0, NULL);
    rig_turns(rig, 10);
    rouse_timer_init(&late.timer, timer_due);
    rouse_task_init(&late.task, task_run);
    CHECK_OK(rig->loop, rouse_timer_after(rig->loop, &late.timer, 1, 0));
    CHECK_OK(rig->loop, rouse_defer(rig->loop, &late.task));
    for (unsigned turn = 1; turn <= 20; turn++) {
        unsigned calls = crowd[turn].calls;
        rig->clock.now += 10;
        rig_turns(rig, 1);
        assert_int_equal(late.timers, turn);
        assert_int_equal(late.tasks, turn);
        assert_int_equal(crowd[turn].calls, calls + 1);
    }
    CHECK_OK(rig->loop, rouse_timer_stop(&late.timer));
    CHECK_OK(rig->loop, rouse_task_cancel(&late.task));
    crowd_end(rig, FEW);
    contract_close(ends);
}

static void start_next(struct probe *probe)
{
    struct probe *next = probe + 1;
    if (next < crowd + CROWD && !rouse_io_active(&next->io)) {
        rouse_fd copy;
        MUST(world_dup(probe->io.fd, &copy));
        probe_start(probe->rig, next, copy, ROUSE_READ, start_next);
    }
}

/* M3: each callback starts another watcher that is ready already; a turn ends all the same. */
static void watchers_started_in_callbacks_do_not_prolong_the_turn(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    memset(crowd, 0, sizeof crowd);
    contract_pair(WORLD_ANY, ends);
    MUST(world_send(ends[1], "x", 1));
    crowd_start(rig, ends[0], 1, 0, start_next);
    for (unsigned turn = 1; turn <= 10; turn++) {
        rig_turns(rig, 1);
        assert_int_equal(crowd[turn - 1].calls, 1);
        assert_int_equal(crowd[turn].calls, 0);
        crowd[turn - 1].then = NULL;
        CHECK_OK(rig->loop, rouse_io_want(&crowd[turn - 1].io, 0));
    }
    crowd_end(rig, 11);
    contract_close(ends);
}

/* B5: a batch that comes back full is not fetched again and again in one turn. */
static void full_batch_ends_the_turn(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_ANY, ends);
    MUST(world_send(ends[1], "x", 1));
    unsigned count = crowd_size();
    crowd_start(rig, ends[0], count, 0, NULL);
    for (int turn = 0; turn < 15; turn++) {
        struct rouse_counters before = rig_counters(rig);
        int called = rouse_turn(rig->loop, 0);
        struct rouse_counters after = rig_counters(rig);
        assert_in_range(called, 1, BATCH);
        assert_int_equal(after.waits - before.waits, 1);
    }
    crowd_end(rig, count);
    contract_close(ends);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG(everybody_is_served_in_turn),
        RIG(edge_watchers_that_do_not_drain_share),
        RIG(busy_listener_does_not_starve_its_siblings),
        RIG(descriptors_timers_and_tasks_share_each_turn),
        RIG(watchers_started_in_callbacks_do_not_prolong_the_turn),
        RIG(full_batch_ends_the_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
