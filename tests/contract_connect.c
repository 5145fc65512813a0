/*
 * Connections: how a connect ends, and listeners, also those without a descriptor to spare.
 *
 * The result of a connect is asked for with rouse_connect_result() and waits until it is. What
 * surprises: a listener that cannot accept stays ready, and would be called again and again; so it
 * is paused until a descriptor has been closed, and its clients wait in its queue.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"

/* C9, E3: WRITE is told; the result is there for rouse_connect_result(), and for nobody before. */
static void refused_connect(void **state)
{
    contract_not_on_libkqueue("takes the error of a socket");
    struct rig *rig = *state;
    const uint32_t modes[] = {0, ROUSE_EDGE, ROUSE_ONESHOT};
    for (int mode = 0; mode < 3; mode++) {
        rouse_fd client;
        struct probe probe;
        MUST(world_refused(&client));
        probe_start(rig, &probe, client, ROUSE_WRITE | modes[mode], NULL);
        rig_turns(rig, 5);
        assert_true(probe.seen & ROUSE_WRITE);
        assert_int_equal(rouse_connect_result(&probe.io), -ECONNREFUSED);
        int again = rouse_connect_result(&probe.io);
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
        contract_not_on_wine("tells the result of a connect as often as it is asked");
        assert_int_equal(again, 0);
    }
}

static void made_connection(void **state)
{
    struct rig *rig = *state;
    rouse_fd listener, client, accepted;
    struct probe server, probe;
    MUST(world_listen(&listener));
    probe_start(rig, &server, listener, ROUSE_READ, NULL);
    rig_turns(rig, 1);
    assert_int_equal(server.calls, 0);
    MUST(world_connect(listener, &client));
    world_await(listener, ROUSE_READ);
    world_await(client, ROUSE_WRITE);
    probe_start(rig, &probe, client, ROUSE_WRITE | ROUSE_READ, NULL);
    TURN_UNTIL(rig, server.calls > 0 && probe.calls > 0); /* there may be room for one */
    assert_int_equal(probe.ready, ROUSE_WRITE);
    assert_int_equal(rouse_connect_result(&probe.io), 0);
    CHECK_OK(rig->loop, rouse_accept(&server.io, &accepted));
    assert_int_equal(world_inherited(accepted), 0);
    assert_int_equal(world_blocks(accepted), false);
    assert_int_equal(rouse_accept(&server.io, &accepted), -EAGAIN);
    MUST(world_close(accepted));
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    CHECK_OK(rig->loop, rouse_io_close(&server.io));
}

static void accept_or_pause(struct probe *probe)
{
    rouse_fd client;
    probe->last = rouse_accept(&probe->io, &client);
    if (probe->last == 0)
        probe->spare[0] = client;
    else
        probe_pause(probe);
}

/* N1: no descriptor is left: the listener stays ready, a pause keeps it quiet, and nothing is lost.
 */
static void accept_without_a_descriptor_to_spare(void **state)
{
    if (world_emulates_limits())
        SKIP("the limit of descriptors is emulated, and loses connections");
    struct rig *rig = *state;
    const uint32_t modes[] = {0, ROUSE_EDGE};
    for (int mode = 0; mode < 2; mode++) {
        rouse_fd listener, client, highest;
        struct probe probe;
        long limit;
        MUST(world_limit_descriptors(-1, &limit));
        MUST(world_listen(&listener));
        MUST(world_connect(listener, &client));
        world_await(listener, ROUSE_READ);
        probe_start(rig, &probe, listener, ROUSE_READ | modes[mode], accept_or_pause);
        MUST(world_dup(client, &highest));
        MUST(world_limit_descriptors((long)highest, &limit));
        MUST(world_close(highest));
        rig_turns(rig, 1);
        MUST(world_limit_descriptors(limit, NULL));
        assert_int_equal(probe.last, -EMFILE);
        assert_in_range(rig_turns(rig, 10), 0, 1);
        assert_int_equal(probe.calls, 1);
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
        TURN_UNTIL(rig, probe.last == 0);
        MUST(world_close(probe.spare[0]));
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
        MUST(world_close(client));
    }
}

/* A client that has gone before it was accepted disturbs nobody. */
static void client_that_has_gone_before_it_is_accepted(void **state)
{
    struct rig *rig = *state;
    rouse_fd listener, client;
    struct probe probe;
    MUST(world_listen(&listener));
    MUST(world_connect(listener, &client));
    world_await(listener, ROUSE_READ);
    MUST(world_reset(client));
    probe_start(rig, &probe, listener, ROUSE_READ | ROUSE_EDGE, accept_or_pause);
    rig_turns(rig, 3);
    assert_true(probe.last == 0 || probe.last == -EAGAIN);
    if (probe.spare[0] >= 0)
        MUST(world_close(probe.spare[0]));
    MUST(world_connect(listener, &client));
    world_await(client, ROUSE_WRITE);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
    probe.last = -1;
    TURN_UNTIL(rig, probe.last == 0);
    MUST(world_close(probe.spare[0]));
    MUST(world_close(client));
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG(refused_connect),
        RIG(made_connection),
        RIG(accept_without_a_descriptor_to_spare),
        RIG(client_that_has_gone_before_it_is_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
