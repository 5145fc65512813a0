/*
 * Workload `c10k`, the server: the library's side, the order of things, and the slices. What takes
 * part in a slice is one loop and ten thousand sockets; accepting them is not timed.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 4096

static void tell(const struct server *server, const struct control_message *message)
{
    process_tell(server->control.fd, message, sizeof *message);
}

static void on_request(struct rouse_io *io, uint32_t ready)
{
    report_check(io, ready);
    struct server *server = ((struct connection *)io)->server;
    char message[MESSAGE_SIZE];
    ssize_t got = rouse_read(io, message, sizeof message);
    if (got == -EAGAIN)
        server->empty++;
    else if (got != sizeof message || rouse_write(io, message, sizeof message) != sizeof message)
        die("c10k: a message did not come or go whole");
    else if (++server->answered == server->until)
        rouse_stop(server->loop);
}

static void watch(struct connection *connection, void (*fn)(struct rouse_io *, uint32_t))
{
    rouse_io_init(&connection->io, fn);
    struct rouse_loop *loop = connection->server->loop;
    if (rouse_io_start(loop, &connection->io, connection->fd, ROUSE_READ) != 0)
        die("c10k: %s", rouse_error(loop));
}

static void on_connection(struct rouse_io *io, uint32_t ready)
{
    report_check(io, ready);
    struct server *server = ((struct connection *)io)->server;
    int fd = -1;
    int result = 0;
    while (server->accepted < server->count && (result = rouse_accept(io, &fd)) == 0) {
        struct connection *connection = &server->connections[server->accepted++];
        *connection = (struct connection){.server = server, .fd = fd};
        watch(connection, on_request);
    }
    if (result != 0 && result != -EAGAIN)
        die("c10k: accept: %s", strerror(-result));
    if (server->accepted < server->count)
        return;
    rouse_io_close(io);
    rouse_stop(server->loop);
}

/* The client has looked at our sleep for long enough. */
static void on_control(struct rouse_io *io, uint32_t ready)
{
    report_check(io, ready);
    struct control_message message;
    ssize_t got = rouse_read(io, &message, sizeof message);
    if (got == sizeof message)
        rouse_stop(((struct connection *)io)->server->loop);
    else if (got != -EAGAIN)
        die("c10k: the client has gone");
}

static void run_once(struct server *server)
{
    int result = rouse_run(server->loop);
    if (result != 1)
        die("c10k: rouse_run on %s: %s", server->backend, strerror(-result));
}

static void listen_on_loopback(struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        die("c10k: cannot listen on 127.0.0.1: %s", strerror(errno));
    server->listener = (struct connection){.server = server, .fd = fd};
    tell(server, &(struct control_message){.port = ntohs(address.sin_port)});
}

/* Accepts them all and holds them until the client says that it has seen enough. */
static void hold(struct server *server)
{
    server->loop = loop_open(server->backend);
    listen_on_loopback(server);
    watch(&server->listener, on_connection);
    run_once(server);
    loop_settle(server->loop, server->count);
    tell(server, &(struct control_message){.before = server->before, .held = footprint_now()});
    watch(&server->control, on_control);
    run_once(server);
    rouse_close(server->loop);
}

/* Both loops serve what the client sends once it has been told how much. */
static void ask(struct server *server, uint64_t requests)
{
    server->until += requests;
    tell(server, &(struct control_message){.requests = requests});
}

static void check(const struct server *server, struct sample *sample, uint64_t events)
{
    sample->events = events;
    sample->empty = server->empty;
    if (server->answered != server->until)
        die("c10k: %llu requests answered on %s, %llu asked", (unsigned long long)server->answered,
            server->backend, (unsigned long long)server->until);
}

static void rouse_slice(void *work, uint64_t warmup, uint64_t events, struct sample *sample)
{
    struct server *server = work;
    server->loop = loop_open(server->backend);
    for (int i = 0; i < server->count; i++)
        watch(&server->connections[i], on_request);
    loop_settle(server->loop, server->count);
    ask(server, warmup);
    run_once(server);
    server->empty = 0;
    sample_begin(sample, server->loop);
    ask(server, events);
    run_once(server);
    sample_end(sample, server->loop);
    check(server, sample, events);
    rouse_close(server->loop);
}

static void raw_slice(void *work, uint64_t warmup, uint64_t events, struct sample *sample)
{
    struct server *server = work;
    void *set = server->raw->open(server->count, 0);
    for (int i = 0; i < server->count; i++)
        server->raw->watch(set, server->connections[i].fd, i);
    ask(server, warmup);
    server->raw->serve(set, server, server->until);
    server->empty = 0;
    sample_begin(sample, NULL);
    ask(server, events);
    server->raw->serve(set, server, server->until);
    sample_end(sample, NULL);
    check(server, sample, events);
    server->raw->close(set);
}

void server_run(const char *backend, const struct c10k_shape *shape, int control,
                const struct plan *plan)
{
    struct server server = {.backend = backend,
                            .raw = raw_choose(backend, plan->against),
                            .count = (int)shape->connections,
                            .before = footprint_now()};
    server.control = (struct connection){.server = &server, .fd = control};
    server.connections = calloc((size_t)server.count, sizeof *server.connections);
    if (!server.connections)
        die("c10k: no memory for %d connections", server.count);
    hold(&server);
    char label[160];
    snprintf(label, sizeof label,
             "\"workload\":\"c10k\",\"backend\":\"%s\",\"connections\":%d,\"active\":%ld", backend,
             server.count, shape->active);
    struct contest contest = {.label = label,
                              .active = (uint64_t)shape->active,
                              .work = &server,
                              .rouse = rouse_slice,
                              .raw = server.raw ? raw_slice : NULL};
    contest_run(&contest, plan);
    ask(&server, 0);
    /* The client closes first, by a reset, so that no port of either side is kept for a minute. */
    char end;
    if (recv(control, &end, 1, 0) != 0)
        die("c10k: the client says something after the end");
    free(server.connections);
}
