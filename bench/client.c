/*
 * The client of the workloads that need one. Ten thousand connections to one port use up a third of
 * the ports of an address, so they come from several addresses of the loopback net. All of them are
 * closed by a reset, which leaves nothing behind: a port whose connection was closed in the usual
 * way is kept for a minute, and a storm would have used up all of them within seconds.
 *
 * SPDX-License-Identifier: MIT
 */
#include "client.h"
#include "meter.h"
#include "process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH       256
#define PER_ADDRESS 4096 /* connections; an address has some 28,000 ports for one destination */

struct client {
    int control;
    int server; /* the number of its process */
    int epoll;  /* watches all connections */
    int *fds;
    long count;
    long stride; /* from a connection to the next that roams */
    long next;
    struct paced *paced;
};

static void watch(const struct client *client, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(client->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("the client cannot watch a connection: %s", strerror(errno));
}

static int wait_ready(const struct client *client, struct epoll_event *events, int timeout)
{
    int ready = epoll_wait(client->epoll, events, BATCH, timeout);
    if (ready < 0 && errno != EINTR)
        die("the client cannot wait: %s", strerror(errno));
    return ready;
}

/* A socket that is closed by a reset. */
static int open_one(void)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0)
        die("the client cannot open a socket: %s (see ulimit -n)", strerror(errno));
    return fd;
}

/* Chooses the address that a connection comes from. */
static void bind_one(int fd, long index)
{
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr =
                                   htonl(INADDR_LOOPBACK + 1 + (uint32_t)(index / PER_ADDRESS))};
    int yes = 1;
    /* Without this bind() picks the port before the destination is known, and ports run short. */
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes) != 0 ||
        bind(fd, (struct sockaddr *)&from, sizeof from) != 0)
        die("the client cannot bind connection %ld: %s", index, strerror(errno));
}

static void connect_one(const struct client *client, int fd, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("the client cannot connect: %s", strerror(errno));
    watch(client, fd);
}

static int make_one(const struct client *client, long index, int port)
{
    int yes = 1;
    int fd = open_one();
    bind_one(fd, index);
    connect_one(client, fd, port);
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0)
        die("the client cannot set TCP_NODELAY: %s", strerror(errno));
    return fd;
}

static long divisor(long a, long b)
{
    return b == 0 ? a : divisor(b, a % b);
}

/* Those that roam do not go from neighbour to neighbour, which caches like too well, and still come
 * everywhere before they come back. */
static void connect_all(struct client *client, const struct order *order)
{
    client->count = order->count;
    client->fds = calloc((size_t)order->count + 1, sizeof *client->fds);
    if (!client->fds)
        die("no memory for %ld connections", order->count);
    for (long i = 0; i < order->count; i++)
        client->fds[i] = make_one(client, i, order->port);
    client->stride = (long)(0.618 * (double)order->count) + 1;
    while (divisor(client->stride, client->count) > 1)
        client->stride++;
}

static int next_one(struct client *client)
{
    int fd = client->fds[client->next];
    client->next = (client->next + client->stride) % client->count;
    return fd;
}

/* The number of a request travels in it. */
static void request(int fd, uint64_t number)
{
    char message[MESSAGE_SIZE] = "";
    memcpy(message, &number, sizeof number);
    if (send(fd, message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof message)
        die("a request does not go out: %s",
            errno == EAGAIN ? "the server does not keep up" : strerror(errno));
}

/* How many answers have come. */
static uint64_t receive(int fd, char *answers, size_t size)
{
    ssize_t got = recv(fd, answers, size, 0);
    if (got <= 0 || got % MESSAGE_SIZE != 0)
        die("the server has closed a connection, or does not echo whole messages");
    return (uint64_t)got / MESSAGE_SIZE;
}

static void ask(struct client *client, const struct order *order)
{
    uint64_t sent = 0;
    uint64_t answered = 0;
    for (; sent < order->requests && sent < (uint64_t)order->active; sent++)
        request(order->kind == ORDER_ROAM
                    ? next_one(client)
                    : client->fds[(int64_t)sent * client->count / order->active],
                sent);
    while (answered < order->requests) {
        struct epoll_event events[BATCH];
        int ready = wait_ready(client, events, -1);
        for (int i = 0; i < ready; i++) {
            char answers[16 * MESSAGE_SIZE];
            int fd = events[i].data.fd;
            uint64_t got = receive(fd, answers, sizeof answers);
            answered += got;
            for (; got > 0 && sent < order->requests; got--)
                request(order->kind == ORDER_ROAM ? next_one(client) : fd, sent++);
        }
    }
}

/* When a request is due, whatever has become of those before it. */
static uint64_t due(const struct order *order, uint64_t began, uint64_t number)
{
    return began + (uint64_t)((double)number * 1e9 / (double)order->rate);
}

/* Sends what is due, of the requests from `first` on; returns how many those were. */
static uint64_t send_due(struct client *client, const struct order *order, uint64_t began,
                         uint64_t first)
{
    uint64_t number = first;
    for (; number < order->requests; number++) {
        uint64_t now = wall_now();
        uint64_t planned = due(order, began, number);
        if (now < planned)
            break;
        if (now - planned > client->paced->late_ns)
            client->paced->late_ns = now - planned;
        request(next_one(client), number);
    }
    return number - first;
}

/* It never sleeps, or each latency would contain its own waking up. */
static void pace(struct client *client, const struct order *order)
{
    uint64_t began = wall_now();
    uint64_t sent = 0;
    client->paced->late_ns = 0;
    for (uint64_t answered = 0; answered < order->requests;) {
        sent += send_due(client, order, began, sent);
        struct epoll_event events[BATCH];
        int ready = wait_ready(client, events, 0);
        for (int i = 0; i < ready; i++) {
            char answers[16 * MESSAGE_SIZE];
            uint64_t got = receive(events[i].data.fd, answers, sizeof answers);
            uint64_t now = wall_now();
            for (uint64_t j = 0; j < got; j++) {
                uint64_t number;
                memcpy(&number, answers + j * MESSAGE_SIZE, sizeof number);
                client->paced->latencies_ns[number] = now - due(order, began, number);
            }
            answered += got;
        }
    }
}

/* The server has read the request and closed the connection. */
static void disconnect(int fd)
{
    char end;
    ssize_t got = recv(fd, &end, 1, 0);
    if (got != 0)
        die("the end of a connection: %s", got > 0 ? "data" : strerror(errno));
    close(fd);
}

static void storm(const struct client *client, const struct order *order)
{
    uint64_t made = 0;
    uint64_t closed = 0;
    while (closed < order->requests) {
        for (; made < order->requests && made - closed < (uint64_t)order->active; made++) {
            int fd = open_one();
            connect_one(client, fd, order->port);
            request(fd, made);
        }
        struct epoll_event events[BATCH];
        int ready = wait_ready(client, events, -1);
        for (int i = 0; i < ready; i++, closed++)
            disconnect(events[i].data.fd);
    }
}

static void look(const struct client *client, const struct order *order)
{
    struct rest rest = process_watch(client->server, order->count);
    process_tell(client->control, &rest, sizeof rest);
}

static _Noreturn void end(const struct client *client)
{
    for (long i = 0; i < client->count; i++)
        close(client->fds[i]);
    free(client->fds);
    close(client->epoll);
    close(client->control);
    process_follow(client->server);
}

static void obey(struct client *client, const struct order *order)
{
    switch (order->kind) {
    case ORDER_CONNECT:
        connect_all(client, order);
        return;
    case ORDER_LOOK:
        look(client, order);
        return;
    case ORDER_ASK:
    case ORDER_ROAM:
        ask(client, order);
        break;
    case ORDER_PACE:
        pace(client, order);
        break;
    case ORDER_STORM:
        storm(client, order);
        break;
    case ORDER_END:
        end(client);
    }
    process_tell(client->control, "", 1);
}

void client_run(int control, int server, struct paced *paced)
{
    process_pin(0);
    struct client client = {.control = control,
                            .server = server,
                            .epoll = epoll_create1(EPOLL_CLOEXEC),
                            .paced = paced};
    for (;;) {
        struct order order;
        process_hear(control, &order, sizeof order);
        obey(&client, &order);
    }
}
