/*
 * A TCP echo server: sends back to every client what it sends, on 127.0.0.1.
 *
 *     echo PORT          (0: any free port; the first line of output says which)
 *     ROUSE_BACKEND=poll echo 7000
 *
 * Each client is either being read from or being written to. What was read must be written before
 * more is read, so a client that does not read its echo waits for itself and costs one buffer,
 * whatever it sends. What surprises in such servers is written where it happens: short writes, the
 * end of a stream that still has an answer under way, and accept() without a free descriptor.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rouse.h>

#include "net.h" /* sockets, on POSIX and on Windows */

struct client {
    struct rouse_io io; /* first, so that a pointer to it is one to the client */
    const char *unsent;
    size_t left;
    char data[16384];
};

static const int64_t retry_after = 100 * 1000 * 1000; /* nanoseconds */

static struct rouse_loop *loop;
static struct rouse_io listener;
static struct rouse_timer retry;

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "echo: %s: %s\n", what, why);
    return 1;
}

/*
 * Out of descriptors, or of memory in the kernel. The connection stays in the queue and the
 * listener stays ready: the loop would call us again and again for nothing. So the listener pauses
 * until a client has left, or for a while, since the descriptor may come from somewhere else.
 */
static void listener_pause(void)
{
    complain("waiting until a client leaves", rouse_error(loop));
    int failed = rouse_timer_after(loop, &retry, retry_after, 0);
    if (failed == 0)
        failed = rouse_io_want(&listener, 0);
    if (failed != 0)
        complain("the listener", rouse_error(loop));
}

static void listener_resume(void)
{
    rouse_timer_stop(&retry);
    int failed = rouse_io_want(&listener, ROUSE_READ);
    if (failed != 0)
        complain("the listener", rouse_error(loop));
}

static void on_retry(struct rouse_timer *timer)
{
    (void)timer;
    listener_resume();
}

/* Also when the client has reset the connection: that is how some say goodbye. */
static void client_close(struct client *client)
{
    rouse_io_close(&client->io);
    free(client);
    if (rouse_timer_active(&retry))
        listener_resume();
}

/* Reads if everything was written. More than 0: there is something to write. */
static ssize_t client_read(struct client *client)
{
    if (client->left > 0)
        return 1;
    ssize_t n = rouse_read(&client->io, client->data, sizeof client->data);
    if (n > 0) {
        client->unsent = client->data;
        client->left = (size_t)n;
    }
    return n;
}

/* Writes what it can; a full socket takes a part, or nothing. */
static ssize_t client_write(struct client *client)
{
    ssize_t n = rouse_write(&client->io, client->unsent, client->left);
    if (n > 0) {
        client->unsent += n;
        client->left -= (size_t)n;
    }
    return n;
}

static void on_client(struct rouse_io *io, uint32_t ready)
{
    struct client *client = (struct client *)io;
    /* A refusal to watch the descriptor is told once; nothing would ever be told after it. */
    if ((ready & ROUSE_ERROR) && rouse_io_error(io) != 0) {
        complain("a client cannot be watched", strerror(-rouse_io_error(io)));
        client_close(client);
        return;
    }
    ssize_t n = client_read(client);
    if (n > 0)
        n = client_write(client);
    /* 0 is the end of what the client sends. It is only read after everything was written, so a
     * client that has shut its side down still gets its whole echo. */
    if (n == 0 || (n < 0 && n != -EAGAIN)) {
        client_close(client);
        return;
    }
    /* Never both: to want WRITE with nothing to write is to be called in every turn. */
    rouse_io_want(io, client->left > 0 ? ROUSE_WRITE : ROUSE_READ);
}

/* One client a call: the listener is called again in the next turn if there are more, and the
 * clients that are connected already are served in between. */
static void on_listener(struct rouse_io *io, uint32_t ready)
{
    (void)ready;
    rouse_fd fd;
    int error = rouse_accept(io, &fd);
    if (error == -EAGAIN)
        return;
    if (error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM) {
        listener_pause();
        return;
    }
    if (error != 0) {
        complain("no more clients", rouse_error(loop));
        rouse_io_close(io); /* the clients are served to their end, then the loop returns */
        return;
    }
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        complain("a client is turned away", "no memory");
        net_close(fd);
        return;
    }
    rouse_io_init(&client->io, on_client);
    error = rouse_io_start(loop, &client->io, fd, ROUSE_READ);
    if (error != 0) {
        complain("a client is turned away", rouse_error(loop)); /* select has its limit */
        net_close(fd);
        free(client);
    }
}

/* A listening socket, non-blocking; negative if there is none. Fills in the port if it was 0. */
static rouse_fd listen_on(unsigned short *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(*port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    int yes = 1;
    net_start();
    net_fd fd = socket(AF_INET, SOCK_STREAM, 0);
    rouse_fd listening = (rouse_fd)fd;
    if (listening >= 0 &&
        setsockopt(fd, SOL_SOCKET, NET_REUSE, (const void *)&yes, sizeof yes) == 0 &&
        bind(fd, (struct sockaddr *)&address, size) == 0 && listen(fd, SOMAXCONN) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
        rouse_nonblock(listening) == 0) {
        *port = ntohs(address.sin_port);
        return listening;
    }
    complain("cannot listen; is the port in use, or below 1024?", net_error());
    if (listening >= 0)
        net_close(listening);
    return -1;
}

static int serve(unsigned short port)
{
    char why[256] = "";
    struct rouse_config config = {.size = sizeof config, .why = why, .why_size = sizeof why};
    rouse_fd fd = listen_on(&port);
    if (fd < 0)
        return 1;
    if (rouse_open(&loop, &config) != 0) {
        net_close(fd);
        return complain("cannot serve", why);
    }
    rouse_timer_init(&retry, on_retry);
    rouse_io_init(&listener, on_listener);
    int error = rouse_io_start(loop, &listener, fd, ROUSE_READ);
    if (error == 0) {
        printf("echo: port %d, backend %s\n", port, rouse_backend_name(loop));
        fflush(stdout);
        error = rouse_run(loop);
        rouse_io_close(&listener);
    } else {
        net_close(fd);
    }
    if (error < 0)
        complain("no longer serving", rouse_error(loop));
    rouse_close(loop);
    return error < 0;
}

int main(int argc, char **argv)
{
    char *end = NULL;
    long port = argc == 2 ? strtol(argv[1], &end, 10) : -1;
    if (port < 0 || port > 65535 || end == argv[1] || *end != '\0') {
        fprintf(stderr, "usage: echo PORT    0 to 65535; 0: any that is free\n");
        return 2;
    }
    return serve((unsigned short)port);
}
