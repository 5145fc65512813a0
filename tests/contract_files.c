/*
 * Regular files, directories and what swallows all: always ready, on every backend alike, whether
 * its kernel says so or refuses to watch them.
 *
 * They cost a callback in every turn while they are wanted, and a loop that has one never sleeps.
 * What surprises: standard input may be one of them, and so a program that was tested on a terminal
 * meets them first when somebody else runs it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"

static int (*const makers[])(rouse_fd *fd) = {world_file, world_null, world_directory};
enum { MAKERS = sizeof makers / sizeof makers[0] };

static const uint32_t both = ROUSE_READ | ROUSE_WRITE;

/* A19, C10 */
static void ready_in_every_turn(struct rig *rig, uint32_t mode)
{
    contract_not_on_libkqueue("forgets a refusal when nothing is ready");
    for (int i = 0; i < MAKERS; i++) {
        const uint32_t wants[] = {ROUSE_READ, ROUSE_WRITE, both};
        for (int j = 0; j < 3; j++) {
            rouse_fd fd;
            struct probe probe;
            MUST(makers[i](&fd));
            probe_start(rig, &probe, fd, wants[j] | mode, NULL);
            for (unsigned turn = 1; turn <= 4; turn++) {
                rig_turns(rig, 1);
                assert_int_equal(probe.calls, turn);
                assert_int_equal(probe.ready, wants[j]);
            }
            CHECK_OK(rig->loop, rouse_io_close(&probe.io));
        }
    }
}

static void always_ready_as_level(void **state)
{
    ready_in_every_turn(*state, 0);
}

static void always_ready_as_edge(void **state)
{
    ready_in_every_turn(*state, ROUSE_EDGE);
}

static void always_ready_as_oneshot(void **state)
{
    contract_not_on_libkqueue("forgets a refusal when nothing is ready");
    struct rig *rig = *state;
    for (int i = 0; i < MAKERS; i++) {
        rouse_fd fd;
        struct probe probe;
        MUST(makers[i](&fd));
        probe_start(rig, &probe, fd, both | ROUSE_ONESHOT, NULL);
        for (unsigned round = 1; round <= 3; round++) {
            rig_turns(rig, 3);
            assert_int_equal(probe.calls, round);
            assert_int_equal(probe.ready, both);
            CHECK_OK(rig->loop, rouse_io_want(&probe.io, both));
        }
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    }
}

/* The refusal of the kernel is nothing that the user is told of. */
static void no_error_is_told(void **state)
{
    contract_not_on_libkqueue("forgets a refusal when nothing is ready");
    struct rig *rig = *state;
    for (int i = 0; i < MAKERS; i++) {
        rouse_fd fd;
        struct probe probe;
        MUST(makers[i](&fd));
        probe_start(rig, &probe, fd, both, NULL);
        rig_turns(rig, 5);
        assert_int_equal(probe.seen, both);
        assert_int_equal(probe.error, 0);
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    }
}

static void paused_file_is_silent(void **state)
{
    contract_not_on_libkqueue("forgets a refusal when nothing is ready");
    struct rig *rig = *state;
    const uint32_t modes[] = {0, ROUSE_EDGE};
    for (int i = 0; i < MAKERS; i++)
        for (int mode = 0; mode < 2; mode++) {
            rouse_fd fd;
            struct probe probe;
            MUST(makers[i](&fd));
            probe_start(rig, &probe, fd, both | modes[mode], probe_pause);
            rig_turns(rig, 5);
            assert_int_equal(probe.calls, 1);
            CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
            rig_turns(rig, 5);
            assert_int_equal(probe.calls, 2);
            assert_int_equal(probe.ready, ROUSE_READ);
            CHECK_OK(rig->loop, rouse_io_close(&probe.io));
        }
}

/* A loop with a paused file sleeps, and one with a wanted file does not. */
static void only_a_wanted_file_keeps_the_loop_awake(void **state)
{
    struct rig *rig = *state;
    rouse_fd fd;
    struct probe probe;
    MUST(world_file(&fd));
    probe_start(rig, &probe, fd, ROUSE_READ, NULL);
    for (int i = 0; i < 3; i++)
        CHECK_OK(rig->loop, rouse_turn(rig->loop, 1000));
    assert_in_range(rig->clock.idles, 0, 1); /* before the first refusal nobody knows */
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, 0));
    CHECK_OK(rig->loop, rouse_turn(rig->loop, 1000)); /* in which it may be reported once more */
    unsigned idles = rig->clock.idles;
    for (int i = 0; i < 3; i++)
        CHECK_OK(rig->loop, rouse_turn(rig->loop, 1000));
    assert_int_equal(rig->clock.idles, idles + 3);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
}

static void priority_of_a_file_never_comes(void **state)
{
    contract_not_on_libkqueue("forgets a refusal when nothing is ready");
    struct rig *rig = *state;
    for (int i = 0; i < MAKERS; i++) {
        rouse_fd fd;
        struct probe probe;
        MUST(makers[i](&fd));
        probe_start(rig, &probe, fd, ROUSE_PRIORITY, NULL);
        rig_turns(rig, 5);
        assert_int_equal(probe.calls, 0);
        CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_PRIORITY | ROUSE_READ));
        rig_turns(rig, 3);
        assert_int_equal(probe.seen, ROUSE_READ);
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    }
}

/* The end of a file is a read of 0, as often as one asks. */
static void file_is_read_to_its_end(void **state)
{
    struct rig *rig = *state;
    const uint32_t modes[] = {0, ROUSE_EDGE};
    for (int mode = 0; mode < 2; mode++) {
        rouse_fd fd;
        struct probe probe;
        MUST(world_file(&fd));
        MUST(world_send(fd, "1234567890", 10));
        MUST(world_rewind(fd));
        probe_start(rig, &probe, fd, ROUSE_READ | modes[mode], probe_read);
        probe.chunk = 4;
        TURN_UNTIL(rig, probe.ended);
        assert_int_equal(probe.received, 10);
        assert_int_equal(probe.calls, 4);
        rig_turns(rig, 2);
        assert_int_equal(probe.calls, 6);
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    }
}

/* A number that was a file's is watched anew when it is a pipe's, and the other way round. */
static void number_of_a_file_used_for_a_pipe(void **state)
{
    struct rig *rig = *state;
    rouse_fd file, ends[2];
    struct probe probe;
    MUST(world_file(&file));
    probe_start(rig, &probe, file, ROUSE_READ, NULL);
    rig_turns(rig, 2);
    rouse_fd number = file;
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    contract_pair(WORLD_PIPE, ends);
    assert_int_equal(ends[0], number);
    probe_start(rig, &probe, number, ROUSE_READ, NULL);
    rig_turns(rig, 3);
    assert_int_equal(probe.calls, 0);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_file(&file));
    assert_int_equal(file, number);
    probe_start(rig, &probe, number, ROUSE_READ, NULL);
    rig_turns(rig, 3);
    assert_int_equal(probe.calls, 3);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

static void stop_the_other(struct probe *probe)
{
    probe_stop(probe->other);
}

static void file_stopped_by_another(void **state)
{
    struct rig *rig = *state;
    rouse_fd fds[2];
    struct probe probes[2];
    for (int i = 0; i < 2; i++) {
        MUST(world_file(&fds[i]));
        probe_start(rig, &probes[i], fds[i], ROUSE_READ, NULL);
        probes[i].other = &probes[!i];
    }
    rig_turns(rig, 2);
    assert_int_equal(probes[0].calls + probes[1].calls, 4);
    probes[0].then = probes[1].then = stop_the_other;
    rig_turns(rig, 3);
    assert_int_equal(probes[0].calls + probes[1].calls, 7);
    for (int i = 0; i < 2; i++) {
        probe_stop(&probes[i]);
        MUST(world_close(fds[i]));
    }
}

/* Where files cannot be watched, not even as always ready, it is said at once. */
static void what_nobody_can_watch_is_refused_at_the_start(void **state)
{
    struct rig *rig = *state;
    rouse_fd fd;
    struct probe probe;
    MUST(world_stranger(&fd));
    probe_init(rig, &probe, NULL);
    assert_int_equal(rouse_io_start(rig->loop, &probe.io, fd, ROUSE_READ), -ENOTSOCK);
    assert_int_equal(rouse_io_active(&probe.io), 0);
    assert_int_equal(rig_turns(rig, 3), 0);
    MUST(world_close(fd));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG(always_ready_as_level),
        RIG(always_ready_as_edge),
        RIG(always_ready_as_oneshot),
        RIG(no_error_is_told),
        RIG(paused_file_is_silent),
        RIG(only_a_wanted_file_keeps_the_loop_awake),
        RIG(priority_of_a_file_never_comes),
        RIG(file_is_read_to_its_end),
        RIG(number_of_a_file_used_for_a_pipe),
        RIG(file_stopped_by_another),
        RIG(what_nobody_can_watch_is_refused_at_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
