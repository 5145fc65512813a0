/*
 * The smallest test of a server: of two guests one says hello, and both are then silent until the
 * server hangs up. That is crowd_server.c, which knows nothing of being tested, and hangs up after
 * an hour. The guests, the hour and the descriptors are those of the machine of rouse/sim.h.
 *
 *     rehearsal
 *
 * What surprises: the server would wait for the next guest for ever. But nobody is left who could
 * come, and so its run ends, with -EDEADLK: all is quiet.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rouse/sim.h>

#include "crowd_server.h"

static const int64_t hour = INT64_C(3600) * 1000 * 1000 * 1000;

static rouse_fd listener;

struct guest {
    struct rouse_sim_task task; /* first, so that a pointer to it is one to the guest */
    const char *says;
    size_t said, got;
    char heard[100];
    rouse_fd fd; /* -1: not connected yet */
    int64_t ended;
};

/* Ends the program for what must not happen. */
static void must(bool so, const char *what)
{
    if (so)
        return;
    fprintf(stderr, "rehearsal: %s\n", what);
    exit(1);
}

/* Called again whenever the guest was asleep: what it has done so far is in the struct. */
static int live(struct rouse_sim_task *task)
{
    struct guest *guest = (struct guest *)task;
    int64_t n = 0;
    while (n >= 0) {
        if (guest->fd < 0) {
            n = rouse_sim_connect(listener);
            guest->fd = (rouse_fd)n;
        } else if (guest->said < strlen(guest->says)) {
            n = rouse_sim_write(guest->fd, guest->says + guest->said,
                                strlen(guest->says) - guest->said);
            guest->said += n > 0 ? (size_t)n : 0;
        } else {
            n = rouse_sim_read(guest->fd, guest->heard + guest->got,
                               sizeof guest->heard - 1 - guest->got);
            guest->got += n > 0 ? (size_t)n : 0;
            if (n == 0) {
                guest->ended = rouse_sim_now();
                rouse_sim_close(guest->fd);
                return 0;
            }
        }
    }
    must(n == -ROUSE_SIM_ASLEEP, "a call of a guest failed");
    return 1;
}

int main(void)
{
    struct rouse_loop *loop;
    struct rouse_config config = {.size = sizeof config, .backend = "sim:epoll"};
    must(rouse_sim_boot(NULL) == 0, "there is no machine");
    must(rouse_open(&loop, &config) == 0, "there is no loop");
    listener = rouse_sim_listen(16);
    must(rouse_sim_block(listener, false) == 0, "there is no listener");
    must(server_open(loop, listener) == 0, "the server does not start");

    struct guest guests[] = {{.says = "hello", .fd = -1}, {.says = "", .fd = -1}};
    for (int i = 0; i < 2; i++) {
        guests[i].task.run = live;
        must(rouse_sim_start(&guests[i].task) == 0, "a guest does not start");
    }
    must(rouse_run(loop) == -EDEADLK, "it does not become quiet");
    for (int i = 0; i < 2; i++) {
        must(strcmp(guests[i].heard, guests[i].says) == 0, "a guest has not heard what it said");
        must(guests[i].ended == hour, "it was not an hour until the server hung up");
    }

    server_close();
    must(rouse_close(loop) == 0, "the loop cannot be closed");
    must(rouse_sim_halt() == 0, "a descriptor was left open");
    puts("two guests, and an hour");
    return 0;
}
