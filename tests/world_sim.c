/*
 * The world of a kernel in miniature: pipes, pairs of sockets and connections that exist only in
 * this process, on a machine that is booted with the program. Its time moves when all sleep; so who
 * waits for something here sleeps a little, and what travels arrives.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rouse/sim.h>

#include "world.h"

enum { DESCRIPTORS = 8192, LITTLE = 1000 /* ns */ };

static struct rouse_sim_config config = {.size = sizeof config, .descriptors = DESCRIPTORS};

__attribute__((constructor)) static void boot(void)
{
    if (rouse_sim_boot(&config) != 0)
        abort();
}

static int opened(int result, rouse_fd *fd)
{
    if (result < 0)
        return result;
    rouse_sim_block(result, false);
    *fd = result;
    return 0;
}

/* ---- Pairs ----------------------------------------------------------------------------------- */

const char *world_name(enum world_kind kind)
{
    static const char *const names[WORLD_KINDS] = {"pipe", "unix",      "tcp", "datagram",
                                                   "udp",  "seqpacket", "pty"};
    return names[kind];
}

bool world_has(enum world_kind kind)
{
    return kind == WORLD_PIPE || kind == WORLD_UNIX || kind == WORLD_TCP || kind == WORLD_ANY ||
           kind == WORLD_STREAM;
}

static int connected(rouse_fd ends[2])
{
    rouse_fd listener;
    int result = world_listen(&listener);
    if (result < 0)
        return result;
    result = world_connect(listener, &ends[1]);
    if (result == 0) {
        world_await(listener, ROUSE_READ);
        result = world_accept(listener, &ends[0]);
        if (result < 0)
            world_close(ends[1]);
    }
    world_close(listener);
    return result;
}

int world_pair(enum world_kind kind, rouse_fd ends[2])
{
    if (!world_has(kind))
        return -ENOTSUP;
    if (kind == WORLD_TCP)
        return connected(ends);
    int result =
        kind == WORLD_PIPE || kind == WORLD_ANY ? rouse_sim_pipe(ends) : rouse_sim_pair(ends);
    for (int i = 0; i < 2 && result == 0; i++)
        rouse_sim_block(ends[i], false);
    return result;
}

/* ---- Connections ----------------------------------------------------------------------------- */

int world_listen(rouse_fd *listener)
{
    return opened(rouse_sim_listen(128), listener);
}

int world_connect(rouse_fd listener, rouse_fd *client)
{
    return opened(rouse_sim_connect(listener), client);
}

int world_accept(rouse_fd listener, rouse_fd *accepted)
{
    return opened(rouse_sim_accept(listener), accepted);
}

int world_unconnected(rouse_fd *socket)
{
    return opened(rouse_sim_socket(), socket);
}

int world_bound(rouse_fd *socket)
{
    return world_unconnected(socket);
}

int world_refused(rouse_fd *client)
{
    rouse_fd nobody;
    int result = world_unconnected(&nobody);
    if (result < 0)
        return result;
    result = world_connect(nobody, client);
    world_close(nobody);
    return result;
}

int world_take_error(rouse_fd fd)
{
    return rouse_sim_error(fd);
}

/* ---- What a peer does ------------------------------------------------------------------------ */

void world_ignore_lost_readers(void)
{
}

ssize_t world_send(rouse_fd fd, const void *data, size_t size)
{
    return (ssize_t)rouse_sim_write(fd, data, size);
}

ssize_t world_receive(rouse_fd fd, void *buffer, size_t size)
{
    return (ssize_t)rouse_sim_read(fd, buffer, size);
}

ssize_t world_fill(rouse_fd fd)
{
    static const char bytes[4096];
    ssize_t sum = 0;
    for (size_t size = sizeof bytes; size > 0;) {
        ssize_t n = world_send(fd, bytes, size);
        if (n > 0)
            sum += n;
        else if (n == -EAGAIN)
            size /= 2;
        else
            return n;
    }
    return sum;
}

int world_fill_connection(rouse_fd fd)
{
    do
        rouse_sim_sleep(LITTLE);
    while (world_fill(fd) > 0);
    return 0;
}

ssize_t world_drain(rouse_fd fd)
{
    char bytes[4096];
    ssize_t sum = 0;
    for (ssize_t n; (n = world_receive(fd, bytes, sizeof bytes)) > 0;)
        sum += n;
    return sum;
}

int world_shut(rouse_fd fd, uint32_t directions)
{
    return rouse_sim_shut(fd, directions);
}

int world_reset(rouse_fd fd)
{
    int result = rouse_sim_reset(fd);
    return result == -ENOTSOCK ? rouse_sim_close(fd) : result;
}

int world_close(rouse_fd fd)
{
    return rouse_sim_close(fd);
}

/* ---- Descriptors as numbers ------------------------------------------------------------------ */

int world_dup(rouse_fd fd, rouse_fd *copy)
{
    int result = rouse_sim_dup(fd);
    if (result < 0)
        return result;
    *copy = result;
    return 0;
}

int world_dup2(rouse_fd fd, rouse_fd number)
{
    int result = rouse_sim_dup2(fd, number);
    return result < 0 ? result : 0;
}

int world_inherited(rouse_fd fd)
{
    struct rouse_sim_file file;
    return rouse_sim_look(fd, &file);
}

bool world_blocks(rouse_fd fd)
{
    struct rouse_sim_file file;
    return rouse_sim_look(fd, &file) == 0 && file.blocks;
}

int world_block(rouse_fd fd, bool blocks)
{
    return rouse_sim_block(fd, blocks);
}

unsigned world_open_descriptors(void)
{
    unsigned count = 0;
    for (rouse_fd fd = 0; fd < DESCRIPTORS; fd++)
        count += world_inherited(fd) == 0;
    return count;
}

int world_stranger(rouse_fd *fd)
{
    (void)fd;
    return -ENOTSUP;
}

int world_priority(rouse_fd fd, char byte)
{
    (void)fd;
    (void)byte;
    return -ENOTSUP;
}

int world_nest(rouse_fd inner, rouse_fd *outer)
{
    int result = rouse_sim_epoll_create();
    if (result < 0)
        return result;
    *outer = result;
    result = rouse_sim_epoll_ctl(*outer, ROUSE_SIM_ADD, inner, ROUSE_READ, 0);
    if (result < 0)
        world_close(*outer);
    return result;
}

/* ---- What is ready --------------------------------------------------------------------------- */

uint32_t world_ready(rouse_fd fd, uint32_t want)
{
    struct rouse_sim_pollfd one = {.fd = fd, .want = (uint16_t)want};
    rouse_sim_poll(&one, 1, 0);
    return one.ready & ROUSE_SIM_CLOSED ? (uint32_t)ROUSE_ERROR : one.ready;
}

void world_await(rouse_fd fd, uint32_t ready)
{
    while ((world_ready(fd, ready) & ready) != ready)
        rouse_sim_sleep(LITTLE);
}

void world_await_bytes(rouse_fd fd, int count)
{
    struct rouse_sim_file file = {.received = 0};
    while (rouse_sim_look(fd, &file) == 0 && file.received < (uint32_t)count)
        rouse_sim_sleep(LITTLE);
}

void world_await_sent(rouse_fd fd)
{
    struct rouse_sim_file file;
    while (rouse_sim_look(fd, &file) == 0 && file.sent > 0)
        rouse_sim_sleep(LITTLE);
}

/* ---- Time ------------------------------------------------------------------------------------ */

static struct {
    struct rouse_sim_event event;
    rouse_fd fd;
    int result;
} sender;

static void send_now(struct rouse_sim_event *event)
{
    (void)event;
    sender.result = (int)world_send(sender.fd, "x", 1);
}

int world_send_soon(rouse_fd fd)
{
    sender.fd = fd;
    sender.event.fn = send_now;
    return rouse_sim_at(&sender.event, rouse_sim_now() + LITTLE);
}

int world_sent(void)
{
    return sender.result;
}

static struct rouse_sim_event interrupter;
static int interrupts;

static void interrupt(struct rouse_sim_event *event)
{
    interrupts++;
    rouse_sim_interrupt(NULL);
    rouse_sim_at(event, rouse_sim_now() + 1000000);
}

int world_interrupt(bool come)
{
    rouse_sim_cancel(&interrupter);
    interrupter.fn = interrupt;
    return come ? rouse_sim_at(&interrupter, rouse_sim_now() + 1000000) : 0;
}

int world_interrupts(void)
{
    return interrupts;
}

int64_t world_now(void)
{
    return rouse_sim_now();
}

bool world_emulates_limits(void)
{
    return false;
}

bool world_is_model(void)
{
    return true;
}

bool world_is_wine(void)
{
    return false;
}
