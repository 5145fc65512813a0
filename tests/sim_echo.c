/*
 * An echo on the machine, from both ends: tasks that send and compare, and the server of a loop.
 * What either can get over is got over: a sleep that was interrupted is slept again, a connection
 * that found no memory is asked for again, and so is a watch that was refused.
 *
 * SPDX-License-Identifier: MIT
 */
#include "sim_echo.h"

static rouse_fd listener;
static int unfinished;  /* clients */
static int connections; /* that are open at the server */

/* ---- Clients --------------------------------------------------------------------------------- */

struct client {
    struct rouse_sim_task task;
    enum { RESTING, CONNECTING, WRITING, READING, ENDING } state;
    rouse_fd fd;
    int number;
    int messages; /* left */
    uint32_t size;
    uint32_t done; /* bytes of this message */
    uint32_t sent, received;
};

static struct client clients[SIM_ECHO_CLIENTS];

static unsigned char byte_of(const struct client *client, uint32_t position)
{
    return (unsigned char)(position * 7 + position / 251 + (uint32_t)client->number);
}

static void begin_message(struct client *client)
{
    client->state = client->messages-- > 0 ? WRITING : ENDING;
    client->size = 1 + client->sent * 31 % 100;
    client->done = 0;
    if (client->state == ENDING)
        CHECK_OK(NULL, rouse_sim_shut(client->fd, ROUSE_WRITE));
}

static int64_t write_some(struct client *client)
{
    unsigned char bytes[100];
    for (uint32_t i = client->done; i < client->size; i++)
        bytes[i] = byte_of(client, client->sent + i - client->done);
    int64_t n = rouse_sim_write(client->fd, bytes + client->done, client->size - client->done);
    if (n == -ECONNREFUSED) { /* there was no memory for the other end */
        CHECK_OK(NULL, rouse_sim_close(client->fd));
        client->messages++;
        client->state = RESTING;
        return 0;
    }
    if (n < 0)
        return n;
    client->sent += (uint32_t)n;
    client->done += (uint32_t)n;
    if (client->done == client->size) {
        client->state = READING;
        client->done = 0;
    }
    return 0;
}

static int64_t read_some(struct client *client)
{
    unsigned char bytes[100];
    int64_t n = rouse_sim_read(client->fd, bytes, client->size - client->done);
    if (n < 0)
        return n;
    assert_true(n > 0);
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(bytes[i], byte_of(client, client->received++));
    client->done += (uint32_t)n;
    if (client->done == client->size)
        begin_message(client);
    return 0;
}

static int64_t end(struct client *client)
{
    char byte;
    int64_t n = rouse_sim_read(client->fd, &byte, 1);
    if (n < 0)
        return n;
    assert_int_equal(n, 0);
    assert_int_equal(client->received, client->sent);
    client->task.run = NULL;
    if (--unfinished == 0)
        rouse_sim_interrupt(NULL); /* nothing else is to come */
    return rouse_sim_close(client->fd);
}

static int64_t make_call(struct client *client)
{
    int64_t result = 0;
    switch (client->state) {
    case RESTING:
        result = rouse_sim_sleep(1000 + client->number);
        client->state = result == 0 ? CONNECTING : RESTING;
        return result;
    case CONNECTING:
        result = rouse_sim_connect(listener);
        client->state = result < 0 ? RESTING : CONNECTING;
        if (result < 0)
            return result;
        client->fd = (rouse_fd)result;
        begin_message(client);
        return 0;
    case WRITING:
        return write_some(client);
    case READING:
        return read_some(client);
    default:
        return end(client);
    }
}

static int run_client(struct rouse_sim_task *task)
{
    struct client *client = (struct client *)(void *)task;
    while (task->run != NULL) {
        int64_t result = make_call(client);
        if (result == -ROUSE_SIM_ASLEEP)
            return 1;
        if (result != -EINTR && result != -ENOMEM)
            CHECK_OK(NULL, result);
    }
    return 0;
}

/* ---- The server ------------------------------------------------------------------------------ */

struct connection {
    struct rouse_io io;
    char held[32];
    ssize_t has, sent;
    bool open;
};

static struct connection served[SIM_ECHO_CLIENTS];
static uint32_t edge;

/* Told once, if the kernel had no memory for it; asks again. */
static bool was_refused(struct rouse_io *io, uint32_t ready)
{
    if (!(ready & ROUSE_ERROR) || rouse_io_error(io) == 0)
        return false;
    assert_int_equal(rouse_io_error(io), -ENOMEM);
    struct rouse_loop *loop = io->loop;
    CHECK_OK(loop, rouse_io_stop(io));
    CHECK_OK(loop, rouse_io_start(loop, io, io->fd, ROUSE_READ | edge));
    return true;
}

/* Reads when all was written, until neither can be done now; then wants the one that is next. */
static void serve(struct rouse_io *io, uint32_t ready)
{
    struct connection *one = (struct connection *)(void *)io;
    if (was_refused(io, ready))
        return;
    for (;;) {
        bool writes = one->sent < one->has;
        ssize_t n = writes ? rouse_write(io, one->held + one->sent, (size_t)(one->has - one->sent))
                           : rouse_read(io, one->held, sizeof one->held);
        if (n == -EAGAIN) {
            CHECK_OK(io->loop, rouse_io_want(io, writes ? ROUSE_WRITE : ROUSE_READ));
            return;
        }
        CHECK_OK(io->loop, n);
        if (n == 0)
            break;
        if (writes)
            one->sent += n;
        else
            one->has = n;
        if (!writes)
            one->sent = 0;
    }
    CHECK_OK(io->loop, rouse_io_close(io));
    one->open = false;
    connections--;
}

static void take_in(struct rouse_io *io, uint32_t ready)
{
    if (was_refused(io, ready))
        return;
    rouse_fd fd;
    int error;
    while ((error = rouse_accept(io, &fd)) == 0) {
        struct connection *one = served;
        while (one->open)
            one++;
        *one = (struct connection){.open = true};
        connections++;
        rouse_io_init(&one->io, serve);
        CHECK_OK(io->loop, rouse_io_start(io->loop, &one->io, fd, ROUSE_READ | edge));
    }
    assert_true(error == -EAGAIN || error == -ENOMEM); /* then it is called again */
}

void sim_echo_run(const struct sim_echo *echo)
{
    struct rouse_config config = {.size = sizeof config, .backend = echo->backend};
    struct rouse_loop *loop = NULL;
    struct rouse_io accepts;
    sim_reboot(echo->machine);
    CHECK_OK(NULL, rouse_open(&loop, &config));
    edge = echo->edge;
    listener = OPENED(rouse_sim_listen(echo->clients));
    CHECK_OK(NULL, rouse_sim_block(listener, false));
    rouse_io_init(&accepts, take_in);
    CHECK_OK(loop, rouse_io_start(loop, &accepts, listener, ROUSE_READ | edge));
    rouse_sim_fail(&echo->faults);
    unfinished = echo->clients;
    for (int i = 0; i < echo->clients; i++) {
        clients[i] = (struct client){.task = {.name = "client", .run = run_client}};
        clients[i].number = i;
        clients[i].messages = echo->messages;
        CHECK_OK(NULL, rouse_sim_start(&clients[i].task));
    }
    while (unfinished > 0 || connections > 0)
        CHECK_OK(loop, rouse_turn(loop, -1));
    CHECK_OK(loop, rouse_io_close(&accepts));
    CHECK_OK(NULL, rouse_close(loop));
}
