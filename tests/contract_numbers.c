/*
 * Descriptors as numbers: too high, negative, closed, one too many; and calls that are refused,
 * after which everything is as it was.
 *
 * select has a bit for each number below FD_SETSIZE, and memory is never touched past its sets; no
 * other backend has a limit. What surprises: the limits of the process count too, in a place where
 * one does not look for them: poll refuses an array longer than the descriptors that may be open.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"

/* Whether the loop takes a number that the backend says it can watch, and else says -ERANGE. */
static void watch_number(struct rig *rig, rouse_fd number)
{
    rouse_fd ends[2];
    struct probe probe;
    rouse_fd limit = subject_backend()->fd_limit;
    contract_pair(WORLD_ANY, ends);
    MUST(world_dup2(ends[0], number));
    probe_init(rig, &probe, NULL);
    int started = rouse_io_start(rig->loop, &probe.io, number, ROUSE_READ);
    MUST(world_send(ends[1], "x", 1));
    rig_turns(rig, 2);
    if (limit != 0 && number >= limit) {
        assert_int_equal(started, -ERANGE);
        assert_true(strlen(rouse_error(rig->loop)) > 0);
        assert_int_equal(rouse_io_active(&probe.io), 0);
        assert_int_equal(probe.calls, 0);
        MUST(world_close(number));
    } else {
        CHECK_OK(rig->loop, started);
        assert_int_equal(probe.calls, 2);
        CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    }
    contract_close(ends);
}

/* A17, A22 */
static void last_number_of_a_set(void **state)
{
    watch_number(*state, 1023);
}

/* A17: guarantee 12. */
static void first_number_past_a_set(void **state)
{
    watch_number(*state, 1024);
}

static void number_5000(void **state)
{
    watch_number(*state, 5000);
}

/* A22: a refused number has left no trace on those below it. */
static void numbers_on_both_sides_of_a_set(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probes[4];
    contract_pair(WORLD_STREAM, ends);
    for (int i = 0; i < 4; i++) {
        MUST(world_dup2(ends[0], 1022 + i));
        probe_init(rig, &probes[i], NULL);
        rouse_io_start(rig->loop, &probes[i].io, 1022 + i, ROUSE_READ | ROUSE_WRITE);
    }
    MUST(world_send(ends[1], "x", 1));
    rig_turns(rig, 3);
    for (int i = 0; i < 4; i++) {
        if (rouse_io_active(&probes[i].io)) {
            assert_true(probes[i].calls >= 2);
            assert_int_equal(probes[i].ready, ROUSE_READ | ROUSE_WRITE);
            CHECK_OK(rig->loop, rouse_io_stop(&probes[i].io));
        }
        MUST(world_close(1022 + i));
    }
    contract_close(ends);
}

/* A20 */
static void negative_number(void **state)
{
    struct rig *rig = *state;
    struct probe probe;
    probe_init(rig, &probe, NULL);
    assert_int_equal(rouse_io_start(rig->loop, &probe.io, -1, ROUSE_READ), -EBADF);
    assert_int_equal(rouse_io_start(rig->loop, &probe.io, INT32_MIN, ROUSE_READ), -EBADF);
    assert_int_equal(rouse_io_active(&probe.io), 0);
    assert_int_equal(rig_turns(rig, 2), 0);
}

static void closed_number(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_ANY, ends);
    contract_close(ends);
    probe_init(rig, &probe, NULL);
    assert_int_equal(rouse_io_start(rig->loop, &probe.io, ends[0], ROUSE_READ), -EBADF);
    assert_int_equal(rouse_io_start(rig->loop, &probe.io, INT32_MAX - 1, ROUSE_READ), -EBADF);
    assert_true(strlen(rouse_error(rig->loop)) > 0);
    assert_int_equal(rouse_io_active(&probe.io), 0);
    assert_int_equal(rig_turns(rig, 2), 0);
}

/* N5: the first watcher keeps its descriptor, and what it wanted. */
static void second_watcher_of_a_descriptor(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe first, second;
    contract_pair(WORLD_STREAM, ends);
    probe_start(rig, &first, ends[0], ROUSE_READ, NULL);
    probe_init(rig, &second, NULL);
    int result = rouse_io_start(rig->loop, &second.io, ends[0], ROUSE_READ | ROUSE_WRITE);
    assert_int_equal(result, -EEXIST);
    assert_int_equal(rouse_io_active(&second.io), 0);
    MUST(world_send(ends[1], "x", 1));
    rig_turns(rig, 2);
    assert_int_equal(first.calls, 2);
    assert_int_equal(first.ready, ROUSE_READ);
    assert_int_equal(second.calls, 0);
    CHECK_OK(rig->loop, rouse_io_stop(&second.io));
    rig_turns(rig, 1);
    assert_int_equal(first.calls, 3);
    CHECK_OK(rig->loop, rouse_io_close(&first.io));
    MUST(world_close(ends[1]));
}

static void started_watcher_on_another_descriptor(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    probe_start(rig, &probe, ends[0], ROUSE_READ, NULL);
    assert_int_equal(rouse_io_start(rig->loop, &probe.io, ends[1], ROUSE_WRITE), -EBUSY);
    MUST(world_send(ends[1], "x", 1));
    rig_turns(rig, 1);
    assert_int_equal(probe.calls, 1);
    assert_int_equal(probe.ready, ROUSE_READ);
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

/* O3: bits that mean something to some kernel do not leak through. */
static void bits_that_nobody_may_want(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct probe probe;
    contract_pair(WORLD_STREAM, ends);
    probe_init(rig, &probe, NULL);
    const uint32_t wrong[] = {ROUSE_ERROR,       ROUSE_HANGUP,      ROUSE_SPENT,
                              UINT32_C(1) << 28, UINT32_C(1) << 29, UINT32_C(1) << 30,
                              UINT32_C(1) << 31};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int result = rouse_io_start(rig->loop, &probe.io, ends[0], ROUSE_READ | wrong[i]);
        assert_int_equal(result, -EINVAL);
        assert_int_equal(rouse_io_active(&probe.io), 0);
    }
    probe_start(rig, &probe, ends[0], ROUSE_READ, NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(rouse_io_want(&probe.io, ROUSE_WRITE | wrong[i]), -EINVAL);
    assert_int_equal(rouse_io_want(&probe.io, ROUSE_WRITE | ROUSE_EDGE), -EINVAL);
    assert_int_equal(rouse_io_want(&probe.io, ROUSE_WRITE | ROUSE_ONESHOT), -EINVAL);
    rig_turns(rig, 2);
    assert_int_equal(probe.calls, 0); /* still READ alone */
    CHECK_OK(rig->loop, rouse_io_close(&probe.io));
    MUST(world_close(ends[1]));
}

static void watcher_without_a_callback(void **state)
{
    struct rig *rig = *state;
    rouse_fd ends[2];
    struct rouse_io io;
    contract_pair(WORLD_ANY, ends);
    rouse_io_init(&io, NULL);
    assert_int_equal(rouse_io_start(rig->loop, &io, ends[0], ROUSE_READ), -EINVAL);
    assert_int_equal(rouse_io_active(&io), 0);
    contract_close(ends);
}

/* Zeroed memory is a stopped watcher; what needs a started one says so. */
static void stopped_watcher(void **state)
{
    (void)state;
    struct rouse_io io = {0};
    char byte;
    rouse_fd accepted;
    assert_int_equal(rouse_io_stop(&io), 0);
    assert_int_equal(rouse_io_stop(&io), 0);
    assert_int_equal(rouse_io_active(&io), 0);
    assert_int_equal(rouse_io_error(&io), 0);
    assert_int_equal(rouse_io_want(&io, ROUSE_READ), -EINVAL);
    assert_int_equal(rouse_io_close(&io), -EINVAL);
    assert_int_equal(rouse_io_unref(&io), 0);
    assert_int_equal(rouse_io_ref(&io), 0);
    assert_int_equal(rouse_read(&io, &byte, 1), -EINVAL);
    assert_int_equal(rouse_write(&io, &byte, 1), -EINVAL);
    assert_int_equal(rouse_accept(&io, &accepted), -EINVAL);
    assert_int_equal(rouse_connect_result(&io), -EINVAL);
    rouse_io_drained(&io, ROUSE_READ);
}

/* N6, N3: more watched than the process may have open: an error value or none, and the loop goes on
 * when the limit is lifted. */
static void more_watched_than_may_be_open(void **state)
{
    struct rig *rig = *state;
    enum { MANY = 20 };
    rouse_fd ends[MANY][2];
    struct probe probes[MANY];
    long limit;
    MUST(world_limit_descriptors(-1, &limit));
    for (int i = 0; i < MANY; i++) {
        contract_pair(WORLD_ANY, ends[i]);
        probe_start(rig, &probes[i], ends[i][0], ROUSE_READ, probe_read);
    }
    rig_turns(rig, 1);
    MUST(world_limit_descriptors(5, &limit));
    int result = subject_turn(rig->loop, 0);
    MUST(world_limit_descriptors(limit, NULL));
    assert_true(result == 0 || result == -EINVAL);
    if (result < 0)
        assert_true(strlen(rouse_error(rig->loop)) > 0);
    for (int i = 0; i < MANY; i++)
        MUST(world_send(ends[i][1], "x", 1));
    rig_turns(rig, 6);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(probes[i].received, 1);
        CHECK_OK(rig->loop, rouse_io_close(&probes[i].io));
        MUST(world_close(ends[i][1]));
    }
}

/* O2, N7: a watched descriptor that watches another, deeper than some kernel allows: it is told, or
 * refused as an error that is told. */
static void nested_watches(void **state)
{
    contract_not_on_libkqueue("forgets a refusal when nothing is ready");
    struct rig *rig = *state;
    enum { DEEP = 5 };
    rouse_fd ends[2], nest[DEEP];
    contract_pair(WORLD_ANY, ends);
    MUST(world_send(ends[1], "x", 1));
    for (int i = 0; i < DEEP; i++)
        MUST(world_nest(i == 0 ? ends[0] : nest[i - 1], &nest[i]));
    for (int i = 0; i < DEEP; i++) {
        struct probe probe;
        probe_start(rig, &probe, nest[i], ROUSE_READ, NULL);
        rig_turns(rig, 1);
        assert_int_equal(probe.calls, 1);
        if (probe.ready != ROUSE_READ) {
            assert_int_equal(probe.ready, ROUSE_ERROR);
            assert_in_range(-probe.error, 1, 4095);
            rig_turns(rig, 3);
            assert_int_equal(probe.calls, 1);
        }
        CHECK_OK(rig->loop, rouse_io_stop(&probe.io));
    }
    for (int i = 0; i < DEEP; i++)
        MUST(world_close(nest[i]));
    contract_close(ends);
}

/* R10: guarantee 11, for all that a loop makes, when it is opened and later. */
static void all_descriptors_of_a_loop_are_close_on_exec(void **state)
{
    (void)state;
    struct rig rig = {0};
    rouse_fd ends[2];
    struct probe probe;
    static int before[256];
    contract_pair(WORLD_ANY, ends);
    for (rouse_fd fd = 0; fd < 256; fd++)
        before[fd] = world_inherited(fd);
    CHECK_OK(NULL, rouse_open(&rig.loop, NULL));
    probe_start(&rig, &probe, ends[0], ROUSE_READ, NULL);
    rig_turns(&rig, 2);
    unsigned made = 0;
    for (rouse_fd fd = 0; fd < 256; fd++)
        if (before[fd] == -EBADF && world_inherited(fd) != -EBADF) {
            assert_int_equal(world_inherited(fd), 0);
            made++;
        }
    bool needs_none = subject_guesses() || world_is_model();
    assert_in_range(made, needs_none ? 0 : 1, subject_is_emulated() ? 9 : 3);
    CHECK_OK(NULL, rouse_close(rig.loop));
    contract_close(ends);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG(last_number_of_a_set),
        RIG(first_number_past_a_set),
        RIG(number_5000),
        RIG(numbers_on_both_sides_of_a_set),
        RIG(negative_number),
        RIG(closed_number),
        RIG(second_watcher_of_a_descriptor),
        RIG(started_watcher_on_another_descriptor),
        RIG(bits_that_nobody_may_want),
        RIG(watcher_without_a_callback),
        RIG(stopped_watcher),
        RIG(more_watched_than_may_be_open),
        RIG(nested_watches),
        RIG(all_descriptors_of_a_loop_are_close_on_exec),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
