/*
 * Workload `c10k`, the client. Ten thousand connections to one port use up a third of the ports of
 * an address, so they come from several addresses of the loopback net; they are closed by a reset,
 * so that the next run finds the ports free.
 *
 * SPDX-License-Identifier: MIT
 */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BATCH       256
#define PER_ADDRESS 4096 /* connections; an address has some 28,000 ports for one destination */

struct client {
    int control;
    int count;
    int active;
    int *fds;
    int epoll; /* watches the active connections */
    uint64_t sent;
    uint64_t received;
};

static struct control_message hear(const struct client *client)
{
    struct control_message message;
    process_hear(client->control, &message, sizeof message);
    return message;
}

static int connect_one(int index, long port)
{
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr =
                                   htonl(INADDR_LOOPBACK + 1 + (uint32_t)(index / PER_ADDRESS))};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* Without this bind() picks the port before the destination is known, and ports run short. */
    if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0 ||
        bind(fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("c10k: connection %d: %s", index, strerror(errno));
    return fd;
}

/* What holding the connections takes, and what the server uses while nobody speaks to it. */
static void look(const char *backend, const struct c10k_shape *shape, int pid,
                 const struct control_message *message)
{
    struct rest rest = process_watch(pid, shape->idle_ms);
    printf("{\"workload\":\"c10k\",\"backend\":\"%s\",\"connections\":%ld,\"active\":%ld,"
           "\"loop\":\"rouse\",\"held\":%ld",
           backend, shape->connections, shape->active, shape->connections);
    rest_print(&rest);
    footprint_print(&message->before, "before");
    footprint_print(&message->held, "held");
    printf("}\n");
    fflush(stdout);
}

static void request(struct client *client, int fd, uint64_t requests)
{
    char message[MESSAGE_SIZE] = "ping";
    if (client->sent == requests)
        return;
    if (send(fd, message, sizeof message, MSG_NOSIGNAL) != sizeof message)
        die("c10k: a request does not go out");
    client->sent++;
}

/* Makes so many requests, with one outstanding on each active connection. */
static void drive(struct client *client, uint64_t requests)
{
    client->sent = client->received = 0;
    for (int i = 0; i < client->active; i++)
        request(client, client->fds[(int64_t)i * client->count / client->active], requests);
    while (client->received < requests) {
        struct epoll_event events[BATCH];
        int ready = epoll_wait(client->epoll, events, BATCH, -1);
        for (int i = 0; i < ready; i++) {
            char message[MESSAGE_SIZE];
            if (recv(events[i].data.fd, message, sizeof message, 0) != sizeof message)
                die("c10k: the server has closed an active connection");
            client->received++;
            request(client, events[i].data.fd, requests);
        }
    }
}

static void watch_active(struct client *client)
{
    client->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < client->active; i++) {
        int fd = client->fds[(int64_t)i * client->count / client->active];
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (epoll_ctl(client->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
            die("c10k: the client cannot watch: %s", strerror(errno));
    }
}

void client_run(const char *backend, const struct c10k_shape *shape, int control, int pid)
{
    struct client client = {
        .control = control, .count = (int)shape->connections, .active = (int)shape->active};
    client.fds = calloc((size_t)client.count, sizeof *client.fds);
    if (!client.fds)
        die("c10k: no memory for %d connections", client.count);
    long port = hear(&client).port;
    for (int i = 0; i < client.count; i++)
        client.fds[i] = connect_one(i, port);
    watch_active(&client);
    struct control_message held = hear(&client);
    look(backend, shape, pid, &held);
    process_tell(control, &held, sizeof held);
    for (uint64_t requests; (requests = hear(&client).requests) > 0;)
        drive(&client, requests);
    for (int i = 0; i < client.count; i++)
        close(client.fds[i]);
    free(client.fds);
}
