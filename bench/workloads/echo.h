/*
 * Workload `echo`: a server that echoes 64-byte messages on n TCP connections, of which `active`
 * have a request outstanding at any time. An event is a request; what it costs is the CPU time of
 * the server, most of which is TCP.
 *
 * The client answers each answer with the next request, as fast as it can. When it sleeps and the
 * server works, or the other way round, is up to both and to the kernel, so that slices are less
 * equal than those of one process; it takes more of them.
 *
 * With `idle_ms` each slice looks at the server while it holds all connections and nobody speaks:
 * its CPU time for so many milliseconds, and its memory, with and without. What one slice frees the
 * next one reuses: memory is told by the first slice in a process, so look at one subject, with
 * `rounds=1` and a number of `events`.
 *
 * SPDX-License-Identifier: MIT
 */
#include "calls.h"
#include "server.h"

#include <stdlib.h>

struct echo_peer {
    struct watch watch;
    struct echo_run *run;
};

/* What one loop does of it. */
struct echo_run {
    struct server *server;
    struct echo_peer control; /* watched until the client has looked */
    struct loop loop;
    uint64_t answered;
    uint64_t until; /* the loop stops when so many have been */
    uint64_t empty;
};

/* There may be several messages, and there is room for more than usually come: a short count is how
 * an edge watcher knows, without a second read, that it has left nothing behind. */
static HOT void echo_answer(struct echo_peer *peer)
{
    struct echo_run *run = peer->run;
    char messages[16 * MESSAGE_SIZE];
    ssize_t got = watch_read(&peer->watch, messages, sizeof messages);
    if (got == -EAGAIN) {
        run->empty++;
        return;
    }
    if (got <= 0 || got % MESSAGE_SIZE != 0)
        die("a request has not come: %s", got < 0 ? strerror((int)-got) : "the client has gone");
    if (watch_write(&peer->watch, messages, (size_t)got) != got)
        die("an answer does not go out whole");
    run->answered += (uint64_t)got / MESSAGE_SIZE;
    if (run->answered == run->until)
        loop_stop(&run->loop);
}

READY(echo_ready)
{
    echo_answer((struct echo_peer *)watch);
}

/* What the client says in words of its own is that it has done what it was ordered to do, or what
 * it has seen of our sleep. */
READY(echo_heard)
{
    struct echo_run *run = ((struct echo_peer *)watch)->run;
    struct rest *rest = &run->server->look.rest;
    ssize_t got = watch_read(watch, rest, sizeof *rest);
    if (got == 1 || got == sizeof *rest)
        loop_stop(&run->loop);
    else if (got != -EAGAIN)
        die("the client has gone");
}

/* The loop holds all connections when it hears an answer that is watched for after them. */
static void echo_look(struct echo_run *run)
{
    struct server *server = run->server;
    run->control.run = run;
    watch_start(&run->loop, &run->control.watch, server->control, READ, echo_heard);
    server_order(server, ORDER_ASK, 0);
    loop_run(&run->loop, echo_heard);
    look_held(&server->look);
    server_order(server, ORDER_LOOK, 0);
    loop_run(&run->loop, echo_heard);
    watch_stop(&run->loop, &run->control.watch);
}

static HOT void echo_serve(struct echo_run *run, enum order_kind kind, uint64_t requests,
                           __typeof__(echo_ready) *ready)
{
    run->until += requests;
    server_order(run->server, kind, requests);
    loop_run(&run->loop, ready);
    if (run->answered != run->until)
        die("%llu requests were answered, where others answer %llu",
            (unsigned long long)run->answered, (unsigned long long)run->until);
}

/* Serves requests of any kind with any callback; all connections are watched. */
static HOT void echo_measure(struct echo_run *run, enum order_kind kind, uint64_t warmup,
                             uint64_t events, struct sample *sample, __typeof__(echo_ready) *ready)
{
    echo_serve(run, kind, warmup, ready);
    server_wait(run->server);
    run->empty = 0;
    loop_begin(&run->loop, sample);
    echo_serve(run, kind, events, ready);
    loop_end(&run->loop, sample);
    server_wait(run->server);
    sample->events = events;
    sample->empty = run->empty;
}

static struct shape echo_shape(const struct shape *given)
{
    struct shape shape = *given;
    shape.n = shape.n != 0 ? shape.n : 64;
    if (shape.active == 0)
        shape.active = shape.n < 64 ? shape.n : 64;
    if (shape.active > shape.n)
        die("echo: more active connections than there are");
    return shape;
}

static void *echo_open(const struct shape *given)
{
    struct shape shape = echo_shape(given);
    return server_open(&shape, NULL);
}

static void echo_close(void *stage)
{
    server_close(stage);
}

/* Requests of any kind. */
static void echo_requests(struct server *server, const char *backend, enum order_kind kind,
                          uint64_t warmup, uint64_t events, struct sample *sample)
{
    look_begin(&server->look);
    struct echo_run *run = calloc(1, sizeof *run);
    struct echo_peer *peers = calloc((size_t)server->shape.n, sizeof *peers);
    if (!run || !peers)
        die("no memory for %ld connections", server->shape.n);
    run->server = server;
    loop_open(&run->loop, backend);
    for (long i = 0; i < server->shape.n; i++) {
        peers[i].run = run;
        watch_start(&run->loop, &peers[i].watch, server->fds[i], READ, echo_ready);
    }
    if (server->shape.idle_ms != 0)
        echo_look(run);
    echo_measure(run, kind, warmup, events, sample, echo_ready);
    sample->look = server->shape.idle_ms != 0 ? &server->look : NULL;
    for (long i = 0; i < server->shape.n; i++)
        watch_stop(&run->loop, &peers[i].watch);
    loop_close(&run->loop);
    free(peers);
    free(run);
}

static void echo_slice(void *stage, const char *backend, uint64_t warmup, uint64_t events,
                       struct sample *sample)
{
    echo_requests(stage, backend, ORDER_ASK, warmup, events, sample);
}

static uint64_t echo_piece(const struct shape *given)
{
    return (uint64_t)echo_shape(given).active;
}
