/*
 * select when the kernel says no; see kernel_epoll.c for how it is made to.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <sys/select.h>

#include "kernel_scan.h"

int __real_select(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout);
int __wrap_select(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout);
int __wrap_select(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
    /* The sets stay as they were, which looks as if all were ready. */
    return wait_fails() ? -1 : __real_select(count, in, out, except, timeout);
}

/* A14: EBADF says that one is closed, and not which; if none is, nothing is wrong. */
static void complaint_without_a_closed_descriptor_changes_nothing(void **state)
{
    (void)state;
    wait_error = EBADF;
    wait_faults = 5;
    for (int i = 0; i < 5; i++)
        assert_int_equal(rouse_turn(loop, 0), 0);
    CHECK_JOURNAL("");
    check_goes_on();
    assert_int_equal(stage_counters(loop).rebuilds, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(interrupted_wait_is_no_error),
        CASE(failed_wait_is_handed_on_and_mended_by_the_next_run),
        CASE(complaint_without_a_closed_descriptor_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
