/*
 * Workload `mixed`: what a server of today does. It holds n connections (10,000), of which one in a
 * hundred has a request outstanding, never the same ones for long; and each request moves the idle
 * timeout of its connection to a minute from now. An event is a request. The timeouts never come:
 * what is measured is what it costs to be ready for them.
 *
 * A raw loop has no timers and does without: it is what this would cost if timeouts were free.
 *
 * SPDX-License-Identifier: MIT
 */
#define MIXED_IDLE 60000000000 /* ns */

struct mixed_peer {
    struct echo_peer echo;
#ifdef SUBJECT_TIMERS
    struct timer idle;
#endif
};

#ifdef SUBJECT_TIMERS
FIRED(mixed_fired)
{
    (void)timer;
    die("mixed: a connection has been idle for a minute: fewer events, or more of them active");
}

static HOT void mixed_pend(struct loop *loop, struct mixed_peer *peer)
{
    timer_init(loop, &peer->idle, mixed_fired);
    timer_start(loop, &peer->idle, MIXED_IDLE);
}

static HOT void mixed_move(struct loop *loop, struct mixed_peer *peer)
{
    timer_again(loop, &peer->idle, MIXED_IDLE);
}

static HOT void mixed_forget(struct loop *loop, struct mixed_peer *peer)
{
    timer_stop(loop, &peer->idle);
}
#else
static HOT void mixed_pend(struct loop *loop, struct mixed_peer *peer)
{
    (void)loop;
    (void)peer;
}

static HOT void mixed_move(struct loop *loop, struct mixed_peer *peer)
{
    (void)loop;
    (void)peer;
}

static HOT void mixed_forget(struct loop *loop, struct mixed_peer *peer)
{
    (void)loop;
    (void)peer;
}
#endif

READY(mixed_ready)
{
    struct mixed_peer *peer = (struct mixed_peer *)watch;
    mixed_move(&peer->echo.run->loop, peer);
    echo_answer(&peer->echo);
}

static struct shape mixed_shape(const struct shape *given)
{
    struct shape shape = *given;
    shape.n = shape.n != 0 ? shape.n : 10000;
    if (shape.active == 0)
        shape.active = shape.n < 100 ? 1 : shape.n / 100;
    return echo_shape(&shape);
}

static void *mixed_open(const struct shape *given)
{
    struct shape shape = mixed_shape(given);
    return server_open(&shape, NULL);
}

static void mixed_close(void *stage)
{
    server_close(stage);
}

static void mixed_slice(void *stage, const char *backend, uint64_t warmup, uint64_t events,
                        struct sample *sample)
{
    struct server *server = stage;
    struct echo_run *run = calloc(1, sizeof *run);
    struct mixed_peer *peers = calloc((size_t)server->shape.n, sizeof *peers);
    if (!run || !peers)
        die("no memory for %ld connections", server->shape.n);
    run->server = server;
    loop_open(&run->loop, backend);
    for (long i = 0; i < server->shape.n; i++) {
        peers[i].echo.run = run;
        watch_start(&run->loop, &peers[i].echo.watch, server->fds[i], READ, mixed_ready);
        mixed_pend(&run->loop, &peers[i]);
    }
    echo_measure(run, ORDER_ROAM, warmup, events, sample, mixed_ready);
    for (long i = 0; i < server->shape.n; i++) {
        watch_stop(&run->loop, &peers[i].echo.watch);
        mixed_forget(&run->loop, &peers[i]);
    }
    loop_close(&run->loop);
    free(peers);
    free(run);
}

static uint64_t mixed_piece(const struct shape *given)
{
    return (uint64_t)mixed_shape(given).active;
}
