/*
 * What the three ways to wait on the machine have in common, as backends.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_SIM_RUNG_H
#define ROUSE_SIM_RUNG_H

#include <stdatomic.h>
#include <stdbool.h>

#include <rouse/sim.h>

#define rung_enter  rouse_sim_rung_enter
#define rung_leave  rouse_sim_rung_leave
#define rung_open   rouse_sim_rung_open
#define rung_system rouse_sim_rung_system
#define rung_wake   rouse_sim_rung_wake

/* The first member of each state. */
struct sim_rung {
    struct rouse_work *work;
    atomic_bool woken;
};

int rung_open(struct sim_rung *rung, const struct rouse_setup *setup);
int rung_wake(void *state);

/* Around the call that waits, which a wake ends; and it begins with no timeout if there was one
 * before. -EPERM: who runs is not the first task; -ENODEV: the machine is gone. The second returns
 * what the call has, of which a signal is no error. */
int rung_enter(struct sim_rung *rung, int64_t *timeout_ns);
int rung_leave(struct sim_rung *rung, int n);

/* What a loop on the machine reads and writes with. */
extern const struct rouse_system rung_system;

#endif
