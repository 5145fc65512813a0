/*
 * An echo server with an idle timeout, written for no backend in particular.
 *
 * Each guest has a timer that is pushed back by everything it sends, which is one store. What
 * surprises: when the timer is called, what the guest sends may be on its way; it is lost. This
 * server ends the program when it can take nobody in; how to go on is shown in echo.c.
 *
 * SPDX-License-Identifier: MIT
 */
#include "crowd_server.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

static const int64_t idle_after = INT64_C(3600) * 1000 * 1000 * 1000; /* ns: an hour */

struct guest {
    struct rouse_io io; /* first, so that a pointer to it is one to the guest */
    struct rouse_timer idle;
    size_t got, left;
    char data[4096];
};

struct server_count server_count;

static struct rouse_loop *loop;
static struct rouse_io listener;

static void guest_leaves(struct guest *guest)
{
    rouse_timer_stop(&guest->idle);
    rouse_io_close(&guest->io);
    free(guest);
}

static void on_idle(struct rouse_timer *timer)
{
    server_count.silent++;
    guest_leaves((struct guest *)(void *)((char *)timer - offsetof(struct guest, idle)));
}

/* Reads if everything was written, and writes what it can. */
static void on_guest(struct rouse_io *io, uint32_t ready)
{
    (void)ready;
    struct guest *guest = (struct guest *)io;
    ssize_t n = 1;
    if (guest->left == 0 && (n = rouse_read(io, guest->data, sizeof guest->data)) > 0)
        guest->got = guest->left = (size_t)n;
    if (n > 0 && (n = rouse_write(io, guest->data + guest->got - guest->left, guest->left)) > 0)
        guest->left -= (size_t)n;
    if (n <= 0 && n != -EAGAIN) {
        guest_leaves(guest);
        return;
    }
    rouse_io_want(io, guest->left > 0 ? ROUSE_WRITE : ROUSE_READ);
    rouse_timer_at(loop, &guest->idle, rouse_now(loop) + idle_after, 0);
}

static void on_listener(struct rouse_io *io, uint32_t ready)
{
    (void)ready;
    rouse_fd fd;
    int error = rouse_accept(io, &fd);
    if (error == -EAGAIN)
        return;
    struct guest *guest = error == 0 ? calloc(1, sizeof *guest) : NULL;
    if (guest == NULL)
        abort();
    rouse_io_init(&guest->io, on_guest);
    rouse_timer_init(&guest->idle, on_idle);
    if (rouse_io_start(loop, &guest->io, fd, ROUSE_READ) != 0)
        abort();
    rouse_timer_after(loop, &guest->idle, idle_after, 0);
    server_count.accepted++;
}

int server_open(struct rouse_loop *on, rouse_fd fd)
{
    loop = on;
    rouse_io_init(&listener, on_listener);
    return rouse_io_start(loop, &listener, fd, ROUSE_READ);
}

void server_close(void)
{
    rouse_io_close(&listener);
}
