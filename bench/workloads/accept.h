/*
 * Workload `accept`: connections that last for one request each, as fast as a client makes them,
 * `active` of them (64) at once. An event is a connection: the server accepts it, watches it, reads
 * a message of 64 bytes, and closes it.
 *
 * Whoever is told of a connection accepts all there are. Connections are allocated and freed one by
 * one, as servers do; watching begins anew for each, so this is where it shows what it costs to
 * start a watch and to stop it. The client resets each connection when it has seen its end, and the
 * slice ends when the client has seen all of them: nothing is left behind.
 *
 * SPDX-License-Identifier: MIT
 */
#include "calls.h"
#include "server.h"

struct accept_peer {
    struct watch watch;
    struct accept_run *run;
};

/* What one loop does of it. */
struct accept_run {
    struct server *server;
    struct accept_peer listener;
    struct accept_peer control; /* to the client */
    struct loop loop;
    uint64_t closed;
    uint64_t empty;
};

static struct watch *accept_peer(struct accept_run *run)
{
    struct accept_peer *peer = malloc(sizeof *peer);
    if (!peer)
        die("accept: no memory");
    peer->run = run;
    return &peer->watch;
}

static HOT void accept_serve(struct accept_peer *peer)
{
    struct accept_run *run = peer->run;
    char message[2 * MESSAGE_SIZE];
    ssize_t got = watch_read(&peer->watch, message, sizeof message);
    if (got == -EAGAIN) {
        run->empty++;
        return;
    }
    if (got != MESSAGE_SIZE)
        die("accept: a request has not come: %s", got < 0 ? strerror((int)-got) : "the end");
    watch_close(&run->loop, &peer->watch);
    run->closed++;
}

/* The client has seen the end of all connections. */
static void accept_heard(struct accept_run *run)
{
    char done;
    ssize_t got = watch_read(&run->control.watch, &done, sizeof done);
    if (got == sizeof done)
        loop_stop(&run->loop);
    else if (got != -EAGAIN)
        die("accept: the client has gone");
}

READY(accept_ready)
{
    struct accept_peer *peer = (struct accept_peer *)watch;
    struct accept_run *run = peer->run;
    if (peer == &run->control) {
        accept_heard(run);
    } else if (peer != &run->listener) {
        accept_serve(peer);
    } else {
        int fd;
        while ((fd = watch_accept(watch)) >= 0)
            watch_start(&run->loop, accept_peer(run), fd, READ, accept_ready);
        if (fd != -EAGAIN)
            die("accept: %s (see ulimit -n)", strerror(-fd));
    }
}

static struct shape accept_shape(const struct shape *given)
{
    struct shape shape = *given;
    shape.n = 0;
    shape.active = shape.active != 0 ? shape.active : 64;
    return shape;
}

static void *accept_open(const struct shape *given)
{
    struct shape shape = accept_shape(given);
    return server_open(&shape, NULL);
}

static void accept_close(void *stage)
{
    server_close(stage);
}

static void accept_storm(struct accept_run *run, uint64_t connections)
{
    uint64_t until = run->closed + connections;
    server_order(run->server, ORDER_STORM, connections);
    loop_run(&run->loop, accept_ready);
    if (run->closed != until)
        die("accept: %llu connections, where others have %llu", (unsigned long long)run->closed,
            (unsigned long long)until);
}

static void accept_slice(void *stage, const char *backend, uint64_t warmup, uint64_t events,
                         struct sample *sample)
{
    struct server *server = stage;
    struct accept_run *run = calloc(1, sizeof *run);
    if (!run)
        die("accept: no memory");
    run->server = server;
    run->listener.run = run;
    run->control.run = run;
    loop_open(&run->loop, backend);
    watch_start(&run->loop, &run->listener.watch, server->listener, READ, accept_ready);
    watch_start(&run->loop, &run->control.watch, server->control, READ, accept_ready);
    accept_storm(run, warmup);
    run->empty = 0;
    loop_begin(&run->loop, sample);
    accept_storm(run, events);
    loop_end(&run->loop, sample);
    sample->events = events;
    sample->empty = run->empty;
    watch_stop(&run->loop, &run->listener.watch);
    watch_stop(&run->loop, &run->control.watch);
    loop_close(&run->loop);
    free(run);
}

static uint64_t accept_piece(const struct shape *given)
{
    return (uint64_t)accept_shape(given).active;
}
