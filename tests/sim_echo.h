/*
 * A server of many connections on the machine: a loop that sends back what comes, and as many tasks
 * that block, each of which connects, sends, and compares what comes back. Neither stops for
 * anything that may go wrong for a while.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef SIM_ECHO_H
#define SIM_ECHO_H

#include "sim.h"

struct sim_echo {
    const char *backend;
    int clients; /* at most SIM_ECHO_CLIENTS */
    int messages;
    uint32_t edge;                   /* ROUSE_EDGE, or 0 */
    struct rouse_sim_faults faults;  /* from when the loop is open */
    struct rouse_sim_config machine; /* that it boots */
};

enum { SIM_ECHO_CLIENTS = 300 };

/* Ends when all that was sent has come back, or fails the case. */
void sim_echo_run(const struct sim_echo *echo);

#endif
