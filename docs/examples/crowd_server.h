/*
 * The server that crowd.c tests.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CROWD_SERVER_H
#define CROWD_SERVER_H

#include <rouse.h>

/* Accepts from a listening descriptor, which is its own from then on; 0, or what rouse_io_start()
 * says. */
int server_open(struct rouse_loop *loop, rouse_fd fd);

/* No more guests; those who are there are served. */
void server_close(void);

extern struct server_count {
    uint64_t accepted;
    uint64_t silent; /* and closed for it */
} server_count;

#endif
