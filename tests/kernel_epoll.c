/*
 * epoll when the kernel says no. The linker puts the functions of this file before those of the C
 * library (--wrap), so that each call can be made to fail with each error that it knows; the
 * library must hand every one of them on as a value, and go on.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* epoll_pwait2 */
#include <sys/epoll.h>

#include "config.h"
#include "stage.h"

/* Which call fails, how, and how often. */
static struct fault {
    int operation; /* of epoll_ctl */
    int error;
    int times;
    int met;
} ctl, wait_, pwait2, create;

static long last_timeout_ms;

static int met(struct fault *fault)
{
    if (fault->times == 0)
        return 0;
    fault->times--;
    fault->met++;
    errno = fault->error;
    return -1;
}

int __real_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    if (operation == ctl.operation && met(&ctl) != 0)
        return -1;
    return __real_epoll_ctl(epoll, operation, fd, event);
}

int __real_epoll_wait(int epoll, struct epoll_event *events, int count, int timeout);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int count, int timeout);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int count, int timeout)
{
    last_timeout_ms = timeout;
    return met(&wait_) != 0 ? -1 : __real_epoll_wait(epoll, events, count, timeout);
}

#if ROUSE_HAVE_EPOLL_PWAIT2 /* of the C library */
int __real_epoll_pwait2(int epoll, struct epoll_event *events, int count,
                        const struct timespec *timeout, const sigset_t *mask);
int __wrap_epoll_pwait2(int epoll, struct epoll_event *events, int count,
                        const struct timespec *timeout, const sigset_t *mask);
int __wrap_epoll_pwait2(int epoll, struct epoll_event *events, int count,
                        const struct timespec *timeout, const sigset_t *mask)
{
    return met(&pwait2) != 0 ? -1 : __real_epoll_pwait2(epoll, events, count, timeout, mask);
}
#endif

int __real_epoll_create1(int flags);
int __wrap_epoll_create1(int flags);
int __wrap_epoll_create1(int flags)
{
    return met(&create) != 0 ? -1 : __real_epoll_create1(flags);
}

static struct rouse_loop *loop;
static struct player a, b;
static rouse_fd ends[2], others[2];
static int last_error;

static void note_error(struct player *self)
{
    last_error = rouse_io_error(&self->io);
}

static int set_up(void **state)
{
    (void)state;
    ctl = wait_ = pwait2 = create = (struct fault){0};
    loop = stage_open(NULL);
    CHECK_OK(NULL, world_pair(WORLD_UNIX, ends));
    CHECK_OK(NULL, world_pair(WORLD_UNIX, others));
    player_init(&a, loop, 'a', note_error);
    player_init(&b, loop, 'b', note_error);
    CHECK_OK(loop, rouse_io_start(loop, &b.io, others[0], ROUSE_READ));
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

/* b goes on as if nothing had happened, and nobody else is called. */
static void check_others_go_on(void)
{
    journal_take();
    assert_int_equal(world_send(others[1], "x", 1), 1);
    assert_int_equal(rouse_turn(loop, -1), 1);
    CHECK_JOURNAL("b");
    assert_int_equal(world_drain(others[0]), 1);
    assert_int_equal(rouse_turn(loop, 0), 0);
}

/* What the callback is told of an error of epoll_ctl. */
static int told(int error)
{
    return error == ENOENT ? -EBADF : -error;
}

static void check_refused(int error)
{
    assert_int_equal(ctl.met, 1);
    uint64_t events = stage_counters(loop).events;
    for (int i = 0; i < 3; i++)
        assert_int_equal(rouse_turn(loop, 0), 0);          /* told once */
    assert_int_equal(stage_counters(loop).events, events); /* what it still held would spin */
    CHECK_JOURNAL("a");
    assert_int_equal(last_error, told(error));
    assert_int_equal(a.ready, ROUSE_ERROR);
    assert_int_equal(rouse_io_error(&a.io), 0); /* only inside the callback */
    check_others_go_on();
}

/* A12, N3: a refusal ended the program, or left a watcher that was neither watched nor stopped. */
static void refused_add_is_told_once_and_sent_again_after_a_change(void **state)
{
    (void)state;
    static const int errors[] = {EBADF, EINVAL, ENOENT, ENOMEM, ENOSPC, ELOOP, EIO};
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        for (uint32_t mode = 0; mode <= ROUSE_EDGE; mode += ROUSE_EDGE) {
            ctl = (struct fault){EPOLL_CTL_ADD, errors[i], 1, 0};
            CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ | mode));
            assert_int_equal(rouse_turn(loop, -1), 1); /* and the call does not block */
            check_refused(errors[i]);
            CHECK_OK(loop, rouse_io_want(&a.io, ROUSE_READ));
            assert_int_equal(rouse_turn(loop, -1), 1);
            CHECK_JOURNAL("a");
            assert_int_equal(last_error, 0);
            assert_int_equal(a.ready, ROUSE_READ);
            CHECK_OK(loop, rouse_io_stop(&a.io));
        }
    }
}

static void refused_change_is_told_once_and_sent_again_after_a_change(void **state)
{
    (void)state;
    static const int errors[] = {EBADF, EINVAL, ENOENT, ENOMEM};
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
        assert_int_equal(rouse_turn(loop, -1), 1);
        journal_take();
        ctl = (struct fault){EPOLL_CTL_MOD, errors[i], 1, 0};
        CHECK_OK(loop, rouse_io_want(&a.io, ROUSE_WRITE));
        assert_int_equal(rouse_turn(loop, -1), 1);
        check_refused(errors[i]);
        CHECK_OK(loop, rouse_io_want(&a.io, ROUSE_READ | ROUSE_WRITE));
        assert_int_equal(rouse_turn(loop, -1), 1);
        CHECK_JOURNAL("a");
        assert_int_equal(last_error, 0);
        assert_int_equal(a.ready, ROUSE_READ | ROUSE_WRITE);
        CHECK_OK(loop, rouse_io_stop(&a.io));
    }
}

/* A19: EPERM says that the file is always ready. */
static void file_that_epoll_does_not_know_is_always_ready(void **state)
{
    (void)state;
    ctl = (struct fault){EPOLL_CTL_ADD, EPERM, 1, 0};
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ | ROUSE_WRITE));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rouse_turn(loop, -1), 1);
        assert_int_equal(a.ready, ROUSE_READ | ROUSE_WRITE);
        assert_int_equal(last_error, 0);
    }
    CHECK_JOURNAL("aaa");
    CHECK_OK(loop, rouse_io_stop(&a.io));
    check_others_go_on();
}

/* A9, O7: EEXIST is a registration that a close left behind; it is taken over. */
static void left_over_registration_is_taken_over(void **state)
{
    (void)state;
    rouse_fd copy;
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    CHECK_OK(loop, rouse_turn(loop, 0));
    CHECK_OK(NULL, world_dup(ends[0], &copy));
    ctl = (struct fault){EPOLL_CTL_DEL, EBADF, 1, 0}; /* as if the number had been closed */
    CHECK_OK(loop, rouse_io_stop(&a.io));
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    assert_int_equal(rouse_turn(loop, -1), 1);
    CHECK_JOURNAL("a");
    assert_int_equal(last_error, 0);
    assert_int_equal(stage_counters(loop).stale, 0);
    CHECK_OK(NULL, world_close(copy));
}

/* A13, O7: a removal that fails, for whatever reason, ended the program. */
static void failed_removal_is_no_error(void **state)
{
    (void)state;
    static const int errors[] = {EBADF, ENOENT, EINVAL, ENOMEM};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
        CHECK_OK(loop, rouse_turn(loop, 0));
        ctl = (struct fault){EPOLL_CTL_DEL, errors[i], 1, 0};
        CHECK_OK(loop, rouse_io_stop(&a.io));
        assert_int_equal(ctl.met, 1);
        assert_int_equal(rouse_io_active(&a.io), 0);
        assert_int_equal(world_send(ends[1], "x", 1), 1); /* the kernel still reports it */
        for (int k = 0; k < 10; k++)
            assert_int_equal(rouse_turn(loop, 0), 0);
        assert_in_range(stage_counters(loop).stale, 1, 2 * i + 2); /* and is silenced for good */
        assert_int_equal(world_drain(ends[0]), 1);
        check_others_go_on();
    }
}

static void interrupted_wait_is_no_error(void **state)
{
    (void)state;
    wait_ = (struct fault){.error = EINTR, .times = 3};
    pwait2 = (struct fault){.error = EINTR, .times = 3};
    assert_int_equal(rouse_turn(loop, 0), 0);
    assert_int_equal(rouse_turn(loop, -1), 0);
    CHECK_OK(loop, rouse_timer_after(loop, &b.timer, 1, 0));
    CHECK_OK(loop, rouse_io_unref(&b.io));
    assert_int_equal(rouse_run(loop), 0);
    CHECK_JOURNAL("b");
    wait_.times = pwait2.times = 0;
    CHECK_OK(loop, rouse_io_ref(&b.io));
    check_others_go_on();
}

static void failed_wait_is_handed_on_and_mended_by_the_next_run(void **state)
{
    (void)state;
    static const int errors[] = {EBADF, EINVAL, EFAULT, ENOMEM};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        wait_ = (struct fault){.error = errors[i], .times = 1};
        assert_int_equal(rouse_run(loop), -errors[i]);
        assert_non_null(strstr(rouse_error(loop), strerror(errors[i])));
        check_others_go_on();
        assert_int_equal(stage_counters(loop).rebuilds, i + 1);
    }
}

/* I6: a kernel without epoll_pwait2 waits in milliseconds; rounded up, or it would spin. */
static void kernel_without_fine_timeouts_is_served_in_milliseconds(void **state)
{
    (void)state;
    static const int errors[] = {ENOSYS, EPERM};
    for (int i = 0; i < 2; i++) {
        struct rouse_loop *coarse = NULL;
        CHECK_OK(NULL, rouse_open(&coarse, NULL));
        pwait2 = (struct fault){.error = errors[i], .times = 1000};
        for (int k = 0; k < 3; k++) {
            last_timeout_ms = 0;
            uint64_t before = stage_counters(coarse).waits;
            assert_int_equal(rouse_turn(coarse, 1), 0);
            assert_int_equal(last_timeout_ms, 1);
            assert_in_range(stage_counters(coarse).waits - before, 1, 2);
        }
        assert_in_range(pwait2.met, 0, 1); /* tried once */
        CHECK_OK(NULL, rouse_wake(coarse));
        assert_int_equal(rouse_turn(coarse, INT64_MAX), 0);
        CHECK_OK(NULL, rouse_close(coarse));
    }
}

/* N4: a failed open says why, leaks nothing, and a list goes on. */
static void failed_open_says_why(void **state)
{
    (void)state;
    static const int errors[] = {EMFILE, ENFILE, ENOMEM, ENOSYS};
    unsigned descriptors = world_open_descriptors();
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        char why[256] = "";
        struct rouse_loop *other = NULL;
        struct rouse_config config = {
            .size = sizeof config, .backend = "epoll", .why = why, .why_size = sizeof why};
        create = (struct fault){.error = errors[i], .times = 1};
        assert_int_equal(rouse_open(&other, &config), -errors[i]);
        assert_null(other);
        assert_non_null(strstr(why, "epoll_create1"));
        assert_non_null(strstr(why, strerror(errors[i])));
        assert_int_equal(world_open_descriptors(), descriptors);
        config.backend = "epoll,epoll";
        create = (struct fault){.error = errors[i], .times = 1};
        CHECK_OK(NULL, rouse_open(&other, &config));
        assert_memory_equal(rouse_passed_over(other), "epoll: epoll_create1", 20);
        CHECK_OK(NULL, rouse_close(other));
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(refused_add_is_told_once_and_sent_again_after_a_change),
        CASE(refused_change_is_told_once_and_sent_again_after_a_change),
        CASE(file_that_epoll_does_not_know_is_always_ready),
        CASE(left_over_registration_is_taken_over),
        CASE(failed_removal_is_no_error),
        CASE(interrupted_wait_is_no_error),
        CASE(failed_wait_is_handed_on_and_mended_by_the_next_run),
        CASE(kernel_without_fine_timeouts_is_served_in_milliseconds),
        CASE(failed_open_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
