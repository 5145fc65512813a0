/*
 * poll when the kernel says no; see kernel_epoll.c for how it is made to.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* ppoll */
#include <poll.h>

#include "kernel_scan.h"

int __real_ppoll(struct pollfd *entries, nfds_t count, const struct timespec *timeout,
                 const sigset_t *mask);
int __wrap_ppoll(struct pollfd *entries, nfds_t count, const struct timespec *timeout,
                 const sigset_t *mask);
int __wrap_ppoll(struct pollfd *entries, nfds_t count, const struct timespec *timeout,
                 const sigset_t *mask)
{
    if (!wait_fails())
        return __real_ppoll(entries, count, timeout, mask);
    for (nfds_t i = 0; i < count; i++)
        entries[i].revents = POLLIN | POLLNVAL; /* nonsense, for nobody to read */
    return -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(interrupted_wait_is_no_error),
        CASE(failed_wait_is_handed_on_and_mended_by_the_next_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
