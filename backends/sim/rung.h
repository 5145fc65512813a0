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

#define rung_open    rouse_sim_rung_open
#define rung_system  rouse_sim_rung_system
#define rung_timeout rouse_sim_rung_timeout
#define rung_wake    rouse_sim_rung_wake

/* The first member of each state. */
struct sim_rung {
    struct rouse_work *work;
    atomic_bool woken;
};

int rung_open(struct sim_rung *rung, const struct rouse_setup *setup);
int rung_wake(void *state);

/* The timeout of a wait: none, if it was woken meanwhile. */
int64_t rung_timeout(struct sim_rung *rung, int64_t timeout_ns);

/* What a loop on the machine reads and writes with. */
extern const struct rouse_system rung_system;

#endif
