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
#include <time.h>
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
    if (recv(client->control, &message, sizeof message, 0) != sizeof message)
        die("c10k: the server has gone");
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

static uint64_t clock_read(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0)
        die("c10k: cannot read the server's CPU clock");
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void sleep_ms(long milliseconds)
{
    struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    while (nanosleep(&pause, &pause) != 0 && errno == EINTR)
        ;
}

/* How much CPU the server uses while nobody speaks to it. It may first finish what it was at. */
static void watch_sleep(const char *backend, const struct c10k_shape *shape, int pid,
                        const struct control_message *held)
{
    clockid_t clock;
    if (clock_getcpuclockid(pid, &clock) != 0)
        die("c10k: cannot find the server's CPU clock");
    uint64_t before = 0;
    for (int tries = 0; tries < 20 && before != clock_read(clock); tries++) {
        before = clock_read(clock);
        sleep_ms(20);
    }
    uint64_t began = clock_read(CLOCK_MONOTONIC);
    before = clock_read(clock);
    sleep_ms(shape->idle_ms);
    uint64_t used = clock_read(clock) - before;
    uint64_t lasted = clock_read(CLOCK_MONOTONIC) - began;
    printf("{\"workload\":\"c10k\",\"backend\":\"%s\",\"connections\":%ld,\"active\":%ld,"
           "\"loop\":\"rouse\",\"held\":%ld,\"resident_before_kb\":%ld,\"resident_held_kb\":%ld,"
           "\"idle_ns\":%llu,\"idle_cpu_ns\":%llu}\n",
           backend, shape->connections, shape->active, shape->connections, held->resident_before,
           held->resident_held, (unsigned long long)lasted, (unsigned long long)used);
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
    watch_sleep(backend, shape, pid, &held);
    if (send(control, &held, sizeof held, MSG_NOSIGNAL) != sizeof held)
        die("c10k: the server has gone");
    for (uint64_t requests; (requests = hear(&client).requests) > 0;)
        drive(&client, requests);
    for (int i = 0; i < client.count; i++)
        close(client.fds[i]);
    free(client.fds);
}
