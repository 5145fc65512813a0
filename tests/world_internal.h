/*
 * What the files of one world share among themselves; no case includes it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WORLD_INTERNAL_H
#define WORLD_INTERNAL_H

#include "world.h"

/* Makes a new descriptor non-blocking and close-on-exec, and hands it on; -errno if there is none.
 */
int world_prepare(rouse_fd fd);

int world_tcp_pair(rouse_fd ends[2]);
int world_udp_pair(rouse_fd ends[2]);

/* Sends a datagram from `fd` to a port where nobody hears it, and awaits the refusal. */
int world_send_refused(rouse_fd fd);

#endif
