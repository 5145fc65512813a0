/*
 * What happens in a world with threads while the caller waits: another thread does it.
 *
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>

#include "world.h"

enum { MOMENT = 2000000 }; /* ns */

static struct {
    pthread_t thread;
    rouse_fd fd;
    int result;
} sender;

static void *send_in_a_moment(void *nothing)
{
    for (int64_t begin = world_now(); world_now() - begin < MOMENT;)
        ;
    sender.result = (int)world_send(sender.fd, "x", 1);
    return nothing;
}

int world_send_soon(rouse_fd fd)
{
    sender.fd = fd;
    return -pthread_create(&sender.thread, NULL, send_in_a_moment, NULL);
}

int world_sent(void)
{
    pthread_join(sender.thread, NULL);
    return sender.result;
}

bool world_is_model(void)
{
    return false;
}
