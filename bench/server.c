/*
 * What every server of the benchmark has. The connections are accepted here, by plain calls: to
 * hold and to serve them is what is measured. Each process needs one descriptor per connection.
 *
 * SPDX-License-Identifier: MIT
 */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096

static void listen_on_loopback(struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int second = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* A reset that comes while the server closes may be lost on what waits for the client's end.
     * For what is accepted, let that wait a second, and not a minute. */
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_LINGER2, &second, sizeof second) != 0 ||
        bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        die("cannot listen on 127.0.0.1: %s", strerror(errno));
    server->listener = fd;
    server->port = ntohs(address.sin_port);
}

/* Waits for it with an eye on the client, which may end instead. */
static int accept_one(const struct server *server, long index)
{
    struct pollfd wait[] = {{.fd = server->listener, .events = POLLIN}, {.fd = server->control}};
    int yes = 1;
    int fd;
    while ((fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0) {
        if (errno != EAGAIN && errno != EINTR)
            die("connection %ld: accept: %s (see ulimit -n)", index, strerror(errno));
        if (poll(wait, 2, -1) > 0 && wait[1].revents != 0)
            die("the client has gone");
    }
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0)
        die("connection %ld: TCP_NODELAY: %s", index, strerror(errno));
    return fd;
}

static void tell(const struct server *server, const struct order *order)
{
    process_tell(server->control, order, sizeof *order);
}

struct server *server_open(const struct shape *shape, struct paced *paced)
{
    int control;
    int pid = process_fork(&control);
    if (pid != 0)
        client_run(control, pid, paced);
    process_pin(1);
    struct server *server = calloc(1, sizeof *server + (size_t)shape->n * sizeof server->fds[0]);
    if (!server)
        die("no memory for %ld connections", shape->n);
    server->shape = *shape;
    server->control = control;
    server->paced = paced;
    listen_on_loopback(server);
    tell(server, &(struct order){ORDER_CONNECT, .port = server->port, .count = shape->n});
    for (long i = 0; i < shape->n; i++)
        server->fds[i] = accept_one(server, i);
    return server;
}

void server_close(struct server *server)
{
    char end;
    struct pollfd wait = {.fd = server->control, .events = POLLIN};
    server_order(server, ORDER_END, 0);
    poll(&wait, 1, -1);
    if (recv(server->control, &end, 1, 0) != 0)
        die("the client says something after the end");
    for (long i = 0; i < server->shape.n; i++)
        close(server->fds[i]);
    close(server->listener);
    close(server->control);
    free(server);
}

void server_order(const struct server *server, enum order_kind kind, uint64_t requests)
{
    tell(server, &(struct order){.kind = kind,
                                 .port = server->port,
                                 .count = server->shape.idle_ms,
                                 .active = server->shape.active,
                                 .rate = server->shape.rate,
                                 .requests = requests});
}

void server_wait(const struct server *server)
{
    char done;
    process_hear(server->control, &done, sizeof done);
}
