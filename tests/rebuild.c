/*
 * A backend that breaks. Its poll returns an error, the run hands it on, and what the kernel holds
 * is unknown from then on; so the next run closes the backend, opens it anew and sends it all that
 * is watched. Nothing that was ready may be forgotten on the way, and nothing that was stopped may
 * come back.
 *
 * SPDX-License-Identifier: MIT
 */
#include "observer.h"
#include "words.h"

static struct rouse_loop *loop;
static struct player a, b;
static rouse_fd ends[2];
static rouse_fd others[2];

static int set_up(void **state)
{
    (void)state;
    loop = observer_open(false);
    CHECK_OK(NULL, world_pair(WORLD_STREAM, ends));
    CHECK_OK(NULL, world_pair(WORLD_STREAM, others));
    player_init(&a, loop, 'a', NULL);
    player_init(&b, loop, 'b', NULL);
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    CHECK_OK(loop, rouse_turn(loop, 0));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    CHECK_OK(NULL, rouse_close(loop));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(NULL, world_close(ends[i]));
        CHECK_OK(NULL, world_close(others[i]));
    }
    return 0;
}

static void break_backend(int error)
{
    observed.poll_fails = 1;
    observed.poll_error = error;
    assert_int_equal(rouse_turn(loop, -1), error);
    assert_true(strlen(rouse_error(loop)) > 0);
    assert_int_equal(stage_counters(loop).rebuilds, observed.opens - 1);
}

static void run_goes_on_after_the_backend_broke(void **state)
{
    (void)state;
    static const int errors[] = {-EIO, -EBADF, -ENOMEM, -EINVAL, -EFAULT};
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    for (unsigned i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        break_backend(errors[i]);
        CHECK_JOURNAL("");
        assert_int_equal(rouse_turn(loop, -1), 1);
        CHECK_JOURNAL("a");
        assert_int_equal(observed.opens, i + 2);
        assert_int_equal(observed.closes, i + 1);
        assert_int_equal(stage_counters(loop).rebuilds, i + 1);
    }
    assert_int_equal(rouse_turn(loop, -1), 1);
    assert_int_equal(observed.opens, 6); /* once each */
    CHECK_JOURNAL("a");
}

static void run_hands_the_error_on_each_time(void **state)
{
    (void)state;
    observed.poll_fails = 3;
    observed.poll_error = -EIO;
    for (int i = 0; i < 3; i++)
        assert_int_equal(rouse_run(loop), -EIO);
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    assert_int_equal(rouse_turn(loop, -1), 1);
    CHECK_JOURNAL("a");
}

/* Changes that were on their way when it broke are sent again; what has stopped is not. */
static void changes_around_the_break_are_not_lost(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_io_start(loop, &b.io, others[0], ROUSE_READ));
    break_backend(-EIO);
    CHECK_OK(loop, rouse_io_stop(&a.io));
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    assert_int_equal(world_send(others[1], "x", 1), 1);
    assert_int_equal(rouse_turn(loop, -1), 1);
    CHECK_JOURNAL("b");
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    break_backend(-EIO);
    CHECK_OK(loop, rouse_io_want(&b.io, ROUSE_WRITE));
    CHECK_OK(loop, rouse_io_want(&a.io, 0));
    assert_int_equal(rouse_turn(loop, -1), 1);
    assert_int_equal(b.ready, ROUSE_WRITE);
    CHECK_JOURNAL("b");
}

static char last_byte;

static void read_one_byte(struct player *self)
{
    assert_int_equal(rouse_read(&self->io, &last_byte, 1), 1);
}

/* An edge was told once; what is left unread is known to the loop alone, and must survive. */
static void edge_that_was_not_drained_survives_the_break(void **state)
{
    (void)state;
    b.also = read_one_byte;
    CHECK_OK(loop, rouse_io_start(loop, &b.io, others[0], ROUSE_READ | ROUSE_EDGE));
    assert_int_equal(world_send(others[1], "0123", 4), 4);
    assert_int_equal(subject_turn(loop, -1), 1);
    assert_int_equal(last_byte, '0');
    break_backend(-EIO);
    assert_int_equal(subject_turn(loop, -1), 1); /* hangs if it was forgotten */
    assert_int_equal(last_byte, '1');
    assert_int_equal(subject_turn(loop, -1), 1);
    break_backend(-EIO);
    break_backend(-EIO);
    assert_int_equal(subject_turn(loop, -1), 1);
    assert_int_equal(last_byte, '3');
    CHECK_JOURNAL("bbbb");
}

static void always_ready_file_survives_the_break(void **state)
{
    if (subject_is_emulated())
        SKIP("libkqueue forgets a refusal when nothing is ready");
    (void)state;
    rouse_fd file;
    if (world_null(&file) == -ENOTSUP)
        SKIP("this world has no file that could be watched");
    CHECK_OK(loop, rouse_io_start(loop, &b.io, file, ROUSE_WRITE));
    assert_int_equal(subject_turn(loop, -1), 1);
    break_backend(-EIO);
    assert_int_equal(subject_turn(loop, -1), 1);
    assert_int_equal(subject_turn(loop, -1), 1);
    CHECK_JOURNAL("bbb");
    CHECK_OK(loop, rouse_io_close(&b.io));
}

static void timers_and_tasks_survive_the_break(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 0, 0));
    CHECK_OK(loop, rouse_defer(loop, &b.task));
    observed.poll_fails = 1;
    observed.poll_error = -EIO;
    assert_int_equal(rouse_turn(loop, -1), -EIO);
    assert_int_equal(subject_turn(loop, -1), 2);
    CHECK_JOURNAL("ab");
}

static void wake_survives_the_break(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_hook_start(loop, &a.hook, ROUSE_ON_WAKE));
    CHECK_OK(NULL, rouse_wake(loop));
    break_backend(-EIO);
    assert_int_equal(subject_turn(loop, -1), 0);
    CHECK_JOURNAL("a");
    break_backend(-EIO);
    CHECK_OK(NULL, rouse_wake(loop)); /* while it is broken */
    assert_int_equal(subject_turn(loop, -1), 0);
    CHECK_JOURNAL("a");
    assert_int_equal(subject_turn(loop, 0), 0);
    CHECK_JOURNAL("");
}

static void break_that_cannot_be_mended_yet_is_tried_again(void **state)
{
    (void)state;
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    break_backend(-EIO);
    observed.open_fails = 3;
    observed.open_error = -EMFILE;
    unsigned polls = observed.asks + observed.sleeps;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(i % 2 ? rouse_run(loop) : rouse_turn(loop, -1), -EMFILE);
        assert_non_null(strstr(rouse_error(loop), in_words(EMFILE)));
    }
    /* One that is not open is not asked, */
    assert_int_equal(observed.asks + observed.sleeps, polls);
    assert_int_equal(observed.closes, 1); /* and closed only once. */
    assert_int_equal(subject_turn(loop, -1), 1);
    CHECK_JOURNAL("a");
    assert_int_equal(stage_counters(loop).rebuilds, 1);
}

static void calls_while_there_is_no_backend_are_remembered(void **state)
{
    (void)state;
    break_backend(-EIO);
    observed.open_fails = 1;
    observed.open_error = -ENOMEM;
    assert_int_equal(rouse_turn(loop, -1), -ENOMEM);
    unsigned drops = observed.drops;
    CHECK_OK(loop, rouse_io_stop(&a.io));
    CHECK_OK(loop, rouse_io_start(loop, &b.io, others[0], ROUSE_READ));
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], 0));
    CHECK_OK(loop, rouse_io_want(&a.io, ROUSE_WRITE));
    assert_int_equal(observed.drops, drops); /* nothing is dropped by what holds nothing */
    assert_int_equal(world_send(others[1], "x", 1), 1);
    assert_int_equal(rouse_turn(loop, -1), 2);
    assert_int_equal(a.ready, ROUSE_WRITE);
    assert_int_equal(b.ready, ROUSE_READ);
}

static void loop_without_a_backend_can_be_closed(void **state)
{
    (void)state;
    struct rouse_loop *kept = loop;
    break_backend(-EIO);
    observed.open_fails = 1;
    observed.open_error = -EMFILE;
    assert_int_equal(rouse_turn(kept, -1), -EMFILE);
    unsigned closes = observed.closes;
    CHECK_OK(NULL, rouse_close(kept));
    assert_int_equal(observed.closes, closes); /* it was closed already */
    assert_int_equal(rouse_io_active(&a.io), 0);
    loop = observer_open(false);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(run_goes_on_after_the_backend_broke),
        CASE(run_hands_the_error_on_each_time),
        CASE(changes_around_the_break_are_not_lost),
        CASE(edge_that_was_not_drained_survives_the_break),
        CASE(always_ready_file_survives_the_break),
        CASE(timers_and_tasks_survive_the_break),
        CASE(wake_survives_the_break),
        CASE(break_that_cannot_be_mended_yet_is_tried_again),
        CASE(calls_while_there_is_no_backend_are_remembered),
        CASE(loop_without_a_backend_can_be_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
