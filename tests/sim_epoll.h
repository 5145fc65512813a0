/*
 * What the tests of the machine's epoll share: one for each case, and how it is asked. The token of
 * a registration says how it was made: 1000 and the descriptor if it was added, 2000 if it was
 * changed.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef SIM_EPOLL_H
#define SIM_EPOLL_H

#include "sim.h"

static rouse_fd epoll; /* of the case */

static inline int epoll_setup(void **state)
{
    int failed = sim_setup(state);
    sim_reboot((struct rouse_sim_config){.seed = 1, .descriptors = 20100});
    epoll = OPENED(rouse_sim_epoll_create());
    return failed;
}

#define EPOLL(name) cmocka_unit_test_setup_teardown(name, epoll_setup, sim_teardown)

static inline int add_to(rouse_fd to, rouse_fd fd, uint32_t want)
{
    return rouse_sim_epoll_ctl(to, ROUSE_SIM_ADD, fd, want, (uint64_t)fd + 1000);
}

static inline int change(rouse_fd fd, uint32_t want)
{
    return rouse_sim_epoll_ctl(epoll, ROUSE_SIM_MODIFY, fd, want, (uint64_t)fd + 2000);
}

static inline int take_out(rouse_fd fd)
{
    return rouse_sim_epoll_ctl(epoll, ROUSE_SIM_REMOVE, fd, 0, 0);
}

static inline void send_byte(const rouse_fd pipe[2])
{
    assert_int_equal(rouse_sim_write(pipe[1], "x", 1), 1);
}

static inline void receive_byte(const rouse_fd pipe[2])
{
    char byte;
    assert_int_equal(rouse_sim_read(pipe[0], &byte, 1), 1);
}

/* The only event that a wait has now, or one of zeros. */
static inline struct rouse_event wait_on(rouse_fd which)
{
    struct rouse_event events[8] = {{0}};
    int n = rouse_sim_epoll_wait(which, events, 8, 0);
    CHECK_OK(NULL, n);
    assert_true(n <= 1);
    return events[0];
}

#define CHECK_READY(mask) assert_int_equal(wait_on(epoll).ready, mask)

#endif
