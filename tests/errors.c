/*
 * Bad input. Every call that is refused returns an error, says in words what was tried, why it
 * failed and what to do about it, and leaves everything as if it had not been made: each case looks
 * at the counters of the loop, and then at what it still does.
 *
 * SPDX-License-Identifier: MIT
 */
#include <limits.h>

#include <rouse/backend.h>

#include "stage.h"
#include "subject.h"
#include "words.h"

static struct world_clock clock_;
static struct rouse_loop *loop;
static struct player a, b;
static rouse_fd ends[2];
static rouse_fd others[2];
static struct rouse_counters before;

static int set_up(void **state)
{
    (void)state;
    loop = stage_open(&clock_);
    player_init(&a, loop, 'a', NULL);
    player_init(&b, loop, 'b', NULL);
    before = stage_counters(loop);
    return world_pair(WORLD_ANY, ends) != 0 || world_pair(WORLD_ANY, others) != 0;
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

/* The call that returned `result` was refused with `error`, and the words name `subject`. */
static void check_refused(int64_t result, int error, const char *subject)
{
    assert_int_equal(result, error);
    const char *words = rouse_error(loop);
    const char *reason = in_words(-error);
    if (strstr(words, subject) == NULL || strstr(words, reason) == NULL)
        fail_msg("\"%s\" says neither \"%s\" nor \"%s\"", words, subject, reason);
    if (strlen(words) <= strlen(subject) + strlen(reason) + 4)
        fail_msg("\"%s\" does not say what to do", words);
    struct rouse_counters now = stage_counters(loop);
    assert_memory_equal(&now, &before, sizeof now);
}

/* What is watched on ends[0] is watched for READ, as if nothing had happened. */
static void check_watched(struct player *player)
{
    assert_int_equal(rouse_io_active(&player->io), 1);
    journal_take();
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    assert_int_equal(subject_turn(loop, -1), 1);
    assert_int_equal(player->ready, ROUSE_READ);
    char word[2] = {player->name, '\0'};
    CHECK_JOURNAL(word);
    assert_int_equal(world_drain(ends[0]), 1);
    assert_int_equal(subject_turn(loop, 0), 0);
}

static void no_failure_no_words(void **state)
{
    (void)state;
    assert_string_equal(rouse_error(loop), "");
}

/* A20: -1 as an index, before it was looked at. */
static void number_that_is_no_descriptor_is_refused(void **state)
{
    (void)state;
    check_refused(rouse_io_start(loop, &a.io, -1, ROUSE_READ), -EBADF, "descriptor -1");
    check_refused(rouse_io_start(loop, &a.io, INT_MIN, ROUSE_READ), -EBADF,
                  "descriptor -2147483648");
    assert_int_equal(rouse_io_active(&a.io), 0);
    assert_int_equal(rouse_run(loop), 0); /* nothing is alive */
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    check_watched(&a);
}

/* A20, A24: a table that is made as large as the number, whatever the number. */
static void highest_number_is_refused_without_a_table_for_it(void **state)
{
    (void)state;
    int error = rouse_io_start(loop, &a.io, INT_MAX - 1, ROUSE_READ);
    assert_true(error == -EBADF || error == -ERANGE);
    check_refused(error, error, "descriptor 2147483646");
}

static void closed_descriptor_is_refused(void **state)
{
    (void)state;
    rouse_fd closed;
    CHECK_OK(NULL, world_dup(ends[0], &closed));
    CHECK_OK(NULL, world_close(closed));
    char subject[32];
    snprintf(subject, sizeof subject, "descriptor %lld", (long long)closed);
    check_refused(rouse_io_start(loop, &a.io, closed, ROUSE_READ), -EBADF, subject);
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    check_watched(&a);
}

static void second_watcher_of_a_descriptor_is_refused(void **state)
{
    (void)state;
    char subject[32];
    snprintf(subject, sizeof subject, "descriptor %lld", (long long)ends[0]);
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    before = stage_counters(loop);
    check_refused(rouse_io_start(loop, &b.io, ends[0], ROUSE_WRITE), -EEXIST, subject);
    assert_int_equal(rouse_io_active(&b.io), 0);
    check_watched(&a);
    CHECK_OK(loop, rouse_io_stop(&a.io));
    CHECK_OK(loop, rouse_io_start(loop, &b.io, ends[0], ROUSE_READ));
    check_watched(&b);
}

static void started_watcher_takes_no_other_descriptor_or_loop(void **state)
{
    (void)state;
    char subject[32];
    snprintf(subject, sizeof subject, "descriptor %lld", (long long)others[0]);
    struct rouse_loop *second = NULL;
    CHECK_OK(NULL, rouse_open(&second, NULL));
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    before = stage_counters(loop);
    check_refused(rouse_io_start(loop, &a.io, others[0], ROUSE_READ), -EBUSY, subject);
    assert_int_equal(rouse_io_start(second, &a.io, ends[0], ROUSE_READ), -EBUSY);
    assert_true(strlen(rouse_error(second)) > 0);
    assert_int_equal(rouse_run(second), 0);
    check_watched(&a);
    /* One watcher for each loop is fine. */
    CHECK_OK(second, rouse_io_start(second, &b.io, ends[0], ROUSE_READ));
    CHECK_OK(NULL, rouse_close(second));
}

static void watcher_without_a_callback_is_refused(void **state)
{
    (void)state;
    struct rouse_io zeroed = {0};
    char subject[32];
    snprintf(subject, sizeof subject, "descriptor %lld", (long long)ends[0]);
    check_refused(rouse_io_start(loop, &zeroed, ends[0], ROUSE_READ), -EINVAL, subject);
    rouse_io_init(&zeroed, NULL);
    check_refused(rouse_io_start(loop, &zeroed, ends[0], ROUSE_READ), -EINVAL, subject);
    assert_int_equal(rouse_io_active(&zeroed), 0);
    assert_int_equal(rouse_io_start(loop, NULL, ends[0], ROUSE_READ), -EINVAL);
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    check_watched(&a);
}

static void bits_that_cannot_be_wanted_are_refused(void **state)
{
    (void)state;
    static const uint32_t wrong[] = {ROUSE_ERROR, ROUSE_HANGUP, ROUSE_SPENT, 256, 1u << 31};
    char subject[32];
    snprintf(subject, sizeof subject, "descriptor %lld", (long long)ends[0]);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        check_refused(rouse_io_start(loop, &a.io, ends[0], ROUSE_READ | wrong[i]), -EINVAL,
                      subject);
    assert_int_equal(rouse_io_active(&a.io), 0);
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    before = stage_counters(loop);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        check_refused(rouse_io_start(loop, &a.io, ends[0], wrong[i]), -EINVAL, subject);
        check_refused(rouse_io_want(&a.io, wrong[i]), -EINVAL, subject);
    }
    check_refused(rouse_io_want(&a.io, ROUSE_EDGE), -EINVAL, subject);
    check_refused(rouse_io_want(&a.io, ROUSE_READ | ROUSE_ONESHOT), -EINVAL, subject);
    check_watched(&a);
}

/* A17, A18, A22: past the sets of select lies the stack. The last number that fits must work. */
static void descriptor_beyond_the_limit_of_the_backend_is_refused(void **state)
{
    (void)state;
    rouse_fd limit = subject_backend()->fd_limit;
    static const rouse_fd numbers[] = {1023, 1024, 1025, 5000};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (world_dup2(ends[0], numbers[i]) != 0)
            SKIP("needs descriptors up to 5000: ulimit -n 5001");
        bool fits = limit == 0 || numbers[i] < limit;
        char subject[32];
        snprintf(subject, sizeof subject, "descriptor %lld", (long long)numbers[i]);
        before = stage_counters(loop);
        int error = rouse_io_start(loop, &a.io, numbers[i], ROUSE_READ);
        if (fits) {
            CHECK_OK(loop, error);
            check_watched(&a);
            CHECK_OK(loop, rouse_io_stop(&a.io));
        } else {
            check_refused(error, -ERANGE, subject);
            assert_int_equal(rouse_io_active(&a.io), 0);
        }
        CHECK_OK(NULL, world_close(numbers[i]));
    }
}

static void calls_on_a_stopped_watcher_are_refused(void **state)
{
    (void)state;
    struct rouse_io zeroed = {0};
    struct rouse_io *stopped[] = {&zeroed, &a.io, NULL};
    for (int i = 0; i < 3; i++) {
        char byte;
        rouse_fd fd;
        assert_int_equal(rouse_io_want(stopped[i], ROUSE_READ), -EINVAL);
        assert_int_equal(rouse_io_close(stopped[i]), -EINVAL);
        assert_int_equal(rouse_read(stopped[i], &byte, 1), -EINVAL);
        assert_int_equal(rouse_write(stopped[i], "x", 1), -EINVAL);
        assert_int_equal(rouse_accept(stopped[i], &fd), -EINVAL);
        assert_int_equal(rouse_connect_result(stopped[i]), -EINVAL);
        assert_int_equal(rouse_io_active(stopped[i]), 0);
        assert_int_equal(rouse_io_error(stopped[i]), 0);
        rouse_io_drained(stopped[i], ROUSE_READ);
    }
    assert_int_equal(rouse_io_stop(&zeroed), 0);
    assert_int_equal(rouse_io_stop(&a.io), 0);
    assert_int_equal(rouse_io_stop(NULL), -EINVAL);
}

static void timers_tasks_and_hooks_without_a_callback_are_refused(void **state)
{
    (void)state;
    struct rouse_timer timer = {0};
    struct rouse_task task = {0};
    struct rouse_hook hook = {0};
    check_refused(rouse_timer_at(loop, &timer, 5, 0), -EINVAL, "timer");
    check_refused(rouse_timer_after(loop, &timer, 5, 0), -EINVAL, "timer");
    check_refused(rouse_defer(loop, &task), -EINVAL, "task");
    check_refused(rouse_hook_start(loop, &hook, ROUSE_AFTER_WAIT), -EINVAL, "hook");
    check_refused(rouse_hook_start(loop, &a.hook, (enum rouse_moment)7), -EINVAL, "hook");
    assert_int_equal(rouse_timer_at(loop, NULL, 5, 0), -EINVAL);
    assert_int_equal(rouse_timer_after(loop, NULL, 5, 0), -EINVAL);
    assert_int_equal(rouse_timer_stop(NULL), -EINVAL);
    assert_int_equal(rouse_defer(loop, NULL), -EINVAL);
    assert_int_equal(rouse_task_cancel(NULL), -EINVAL);
    assert_int_equal(rouse_hook_start(loop, NULL, ROUSE_AFTER_WAIT), -EINVAL);
    assert_int_equal(rouse_hook_stop(NULL), -EINVAL);
    assert_int_equal(rouse_run(loop), 0);
}

static void refuse_negative_intervals(void)
{
    check_refused(rouse_timer_after(loop, &a.timer, -1, 0), -EINVAL, "-1");
    check_refused(rouse_timer_after(loop, &a.timer, 1, -2), -EINVAL, "-2");
    check_refused(rouse_timer_at(loop, &a.timer, 1, -3), -EINVAL, "-3");
    check_refused(rouse_timer_at(loop, &a.timer, INT64_MAX, -4), -EINVAL, "-4");
}

/* By the first timer of a loop, by a later one, and by one that has been started. */
static void negative_intervals_are_refused(void **state)
{
    (void)state;
    refuse_negative_intervals();
    struct rouse_timer other;
    rouse_timer_init(&other, a.timer.fn);
    CHECK_OK(loop, rouse_timer_after(loop, &other, 10, 0));
    CHECK_OK(loop, rouse_timer_stop(&other));
    refuse_negative_intervals();
    assert_int_equal(rouse_timer_active(&a.timer), 0);
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 10, 0));
    refuse_negative_intervals();
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("a");
    assert_int_equal(clock_.now, STAGE_START + 10);
}

static void timer_of_one_loop_is_refused_by_another(void **state)
{
    (void)state;
    struct rouse_loop *second = NULL;
    CHECK_OK(NULL, rouse_open(&second, NULL));
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 10, 0));
    assert_int_equal(rouse_timer_after(second, &a.timer, 5, 0), -EBUSY);
    assert_true(strlen(rouse_error(second)) > 0);
    assert_int_equal(rouse_run(second), 0);
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("a");
    assert_int_equal(clock_.now, STAGE_START + 10);
    CHECK_OK(NULL, rouse_close(second));
}

static void task_that_waits_is_refused(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_defer(loop, &a.task));
    check_refused(rouse_defer(loop, &a.task), -EALREADY, "task");
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("a");
}

static void release_without_a_hold_is_refused(void **state)
{
    (void)state;
    check_refused(rouse_release(loop), -EINVAL, "release");
}

static void words_stay_until_the_next_failure(void **state)
{
    (void)state;
    assert_int_equal(rouse_io_start(loop, &a.io, -1, ROUSE_READ), -EBADF);
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    CHECK_OK(loop, rouse_turn(loop, 0));
    assert_non_null(strstr(rouse_error(loop), "descriptor -1"));
    assert_int_equal(rouse_release(loop), -EINVAL);
    assert_null(strstr(rouse_error(loop), "descriptor -1"));
}

/* A11, A25: closed behind the loop's back, and then through it. */
static void close_of_a_closed_descriptor_says_so_and_stops_the_watcher(void **state)
{
    (void)state;
    rouse_fd doomed;
    CHECK_OK(NULL, world_dup(ends[0], &doomed));
    CHECK_OK(loop, rouse_io_start(loop, &a.io, doomed, ROUSE_READ));
    CHECK_OK(NULL, world_close(doomed));
    assert_int_equal(rouse_io_close(&a.io), -EBADF);
    assert_true(strlen(rouse_error(loop)) > 0);
    assert_int_equal(rouse_io_active(&a.io), 0);
    assert_int_equal(rouse_run(loop), 0);
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    check_watched(&a);
}

static void nonblock_of_no_descriptor_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(rouse_nonblock(-1), -EBADF);
    if (world_block(ends[0], true) == -ENOTSUP)
        SKIP("in this world a socket that blocks is not to be met");
    CHECK_OK(NULL, rouse_nonblock(ends[0]));
    assert_false(world_blocks(ends[0]));
    CHECK_OK(NULL, rouse_nonblock(ends[0]));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(no_failure_no_words),
        CASE(number_that_is_no_descriptor_is_refused),
        CASE(highest_number_is_refused_without_a_table_for_it),
        CASE(closed_descriptor_is_refused),
        CASE(second_watcher_of_a_descriptor_is_refused),
        CASE(started_watcher_takes_no_other_descriptor_or_loop),
        CASE(watcher_without_a_callback_is_refused),
        CASE(bits_that_cannot_be_wanted_are_refused),
        CASE(descriptor_beyond_the_limit_of_the_backend_is_refused),
        CASE(calls_on_a_stopped_watcher_are_refused),
        CASE(timers_tasks_and_hooks_without_a_callback_are_refused),
        CASE(negative_intervals_are_refused),
        CASE(timer_of_one_loop_is_refused_by_another),
        CASE(task_that_waits_is_refused),
        CASE(release_without_a_hold_is_refused),
        CASE(words_stay_until_the_next_failure),
        CASE(close_of_a_closed_descriptor_says_so_and_stops_the_watcher),
        CASE(nonblock_of_no_descriptor_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
