/*
 * A server that is tested: ten thousand clients through a day, in a second or two, and the same
 * again with the same seed.
 *
 *     crowd [--backend NAME] [--seed N] [--clients N] [--timers N]
 *
 * The server, crowd_server.c, is an ordinary one: it echoes, and closes what was silent for an
 * hour. It is handed a listening descriptor and knows nothing of where it runs. That descriptor,
 * the clients, their packets and the time are those of the machine of rouse/sim.h. Each client is a
 * task that sends now and then and checks what comes back; what goes wrong on the way (short
 * counts, signals, packets that are late) the seed decides. After that a million timers have such
 * a day.
 *
 * What surprises: a client may send just when the server closes, and loses its message. On a real
 * network it happens once in a long while; here it is counted, and is there again with each run.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rouse/sim.h>

#include "crowd_server.h"

static const int64_t millisecond = 1000 * 1000;
static const int64_t minute = 60 * 1000 * millisecond;
static const int64_t day = 24 * 60 * minute;

static struct rouse_loop *loop;

/* Ends the program for what must not happen. */
static void must(bool so, const char *what)
{
    if (so)
        return;
    fprintf(stderr, "crowd: %s: %s\n", what, loop != NULL ? rouse_error(loop) : "");
    exit(1);
}

/* ---- The clients, who test ------------------------------------------------------------------- */

enum { LARGEST = 6000, MOST_CLIENTS = 1000000, MOST_TIMERS = 100000000 };

struct client {
    struct rouse_sim_task task; /* first */
    enum { REST, CONNECT, SEND, RECEIVE } next;
    rouse_fd fd; /* -1: not connected */
    uint64_t random;
    int64_t pause;
    size_t size, sent, received; /* of the message */
};

static struct {
    rouse_fd listener;
    uint64_t connections, messages, sent, came_back, lost;
} world;

/* splitmix64 */
static uint64_t chance(uint64_t *random, uint64_t below)
{
    uint64_t word = *random += UINT64_C(0x9e3779b97f4a7c15);
    word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
    return (word ^ word >> 31) % below;
}

static char text[2 * LARGEST]; /* what is sent begins anywhere in it */

static const char *message_of(const struct client *client)
{
    return text + client->random % LARGEST;
}

static void disconnect(struct client *client)
{
    if (client->fd >= 0)
        rouse_sim_close(client->fd);
    client->fd = -1;
}

static bool is_closed(struct client *client)
{
    char byte;
    rouse_sim_block(client->fd, false);
    int64_t n = rouse_sim_read(client->fd, &byte, 1);
    rouse_sim_block(client->fd, true);
    return n == 0;
}

/* Most come again within the hour, and find that they are still connected; until the day is over.
 */
static int64_t rest(struct client *client)
{
    if (client->pause == 0) {
        client->pause = 1 + (int64_t)chance(&client->random, (uint64_t)(70 * minute));
        client->size = 1 + (size_t)chance(&client->random, LARGEST);
        client->sent = client->received = 0;
        if (rouse_sim_now() + client->pause >= day) {
            disconnect(client);
            return -ECANCELED;
        }
    }
    int result = rouse_sim_sleep(client->pause);
    if (result != 0)
        return result;
    client->pause = 0;
    if (client->fd >= 0 && is_closed(client))
        disconnect(client);
    client->next = client->fd < 0 ? CONNECT : SEND;
    return 0;
}

static int64_t call(struct client *client)
{
    client->fd = rouse_sim_connect(world.listener);
    must(client->fd >= 0, "connect");
    world.connections++;
    client->next = SEND;
    return 0;
}

static int64_t speak(struct client *client)
{
    int64_t n =
        rouse_sim_write(client->fd, message_of(client) + client->sent, client->size - client->sent);
    if (n < 0)
        return n;
    world.sent += (uint64_t)n;
    client->sent += (size_t)n;
    if (client->sent == client->size)
        client->next = RECEIVE;
    return n;
}

static int64_t listen_to(struct client *client)
{
    char echo[4096];
    int64_t n = rouse_sim_read(client->fd, echo, sizeof echo);
    if (n <= 0)
        return n < 0 ? n : -ECONNRESET;
    must(memcmp(echo, message_of(client) + client->received, (size_t)n) == 0, "a wrong echo");
    world.came_back += (uint64_t)n;
    client->received += (size_t)n;
    if (client->received < client->size)
        return n;
    world.messages++;
    client->next = REST;
    if (chance(&client->random, 10) == 0)
        disconnect(client);
    return n;
}

/* The server has closed: once more, from the beginning. */
static void begin_again(struct client *client)
{
    world.lost += client->sent - client->received;
    client->sent = client->received = 0;
    disconnect(client);
    client->next = CONNECT;
}

static int live(struct rouse_sim_task *task)
{
    struct client *client = (struct client *)task;
    static int64_t (*const does[])(struct client * client) = {rest, call, speak, listen_to};
    for (;;) {
        int64_t result = does[client->next](client);
        if (result == -ROUSE_SIM_ASLEEP)
            return 1; /* to be called again when it is awake, and to make that call again */
        if (result == -ECANCELED)
            return 0;
        if (result == -ECONNRESET || result == -EPIPE)
            begin_again(client);
        else
            must(result >= 0 || result == -EINTR, "a client");
    }
}

/* ---- The day of the clients ------------------------------------------------------------------ */

static struct rouse_sim_config config = {
    .size = sizeof config,
    .latency = 20 * 1000 * 1000, /* ns */
    .faults = {.short_counts = 20, .interrupts = 5, .spurious = 5, .late = 10},
};

static void open_on(const char *backend)
{
    char why[200] = "";
    struct rouse_config how = {
        .size = sizeof how, .backend = backend, .why = why, .why_size = sizeof why};
    must(rouse_sim_boot(&config) == 0, "no machine");
    int error = rouse_open(&loop, &how);
    if (error == 0 && strncmp(rouse_backend_name(loop), "sim:", 4) == 0)
        return;
    fprintf(stderr, "crowd: no loop: %s\n", error != 0 ? why : "the clients exist on sim:... only");
    exit(1);
}

static void on_evening(struct rouse_timer *timer)
{
    (void)timer;
    server_close();
}

static void serve(const char *backend, unsigned nclients)
{
    config.descriptors = 2 * nclients + 8;
    open_on(backend);
    world.listener = rouse_sim_listen((int)nclients + 1);
    rouse_sim_block(world.listener, false);
    struct rouse_timer evening;
    rouse_timer_init(&evening, on_evening);
    must(server_open(loop, world.listener) == 0, "listen");
    must(rouse_timer_at(loop, &evening, day + 2 * 60 * minute, 0) == 0, "no evening");

    uint64_t random = config.seed;
    for (int i = 0; i < 2 * LARGEST; i++)
        text[i] = (char)chance(&random, 256);
    struct client *clients = calloc(nclients, sizeof *clients);
    must(clients != NULL, "no memory");
    for (unsigned i = 0; i < nclients; i++) {
        clients[i].task = (struct rouse_sim_task){.name = "client", .run = live};
        clients[i].fd = -1;
        clients[i].random = chance(&random, UINT64_MAX);
        must(rouse_sim_start(&clients[i].task) == 0, "no client");
    }
    must(rouse_run(loop) == 0, "run");
    for (unsigned i = 0; i < nclients; i++)
        must(clients[i].task.state == ROUSE_SIM_ENDED, "a client is left");
    free(clients);
}

/* ---- The day of the timers ------------------------------------------------------------------- */

struct bell {
    struct rouse_timer timer; /* first */
    int64_t time;
};

static struct {
    uint64_t rung;
    int64_t last, latest;
} bells;

static void on_bell(struct rouse_timer *timer)
{
    const struct bell *bell = (struct bell *)timer;
    int64_t late = rouse_now(loop) - bell->time;
    must(late >= 0 && bell->time >= bells.last, "a timer is early, or behind a later one");
    bells.rung++;
    bells.last = bell->time;
    bells.latest = late > bells.latest ? late : bells.latest;
}

static void ring(const char *backend, unsigned ntimers)
{
    open_on(backend);
    uint64_t random = config.seed;
    struct bell *all = calloc(ntimers, sizeof *all);
    must(all != NULL, "no memory");
    for (unsigned i = 0; i < ntimers; i++) {
        all[i].time = (int64_t)chance(&random, (uint64_t)day);
        rouse_timer_init(&all[i].timer, on_bell);
        must(rouse_timer_at(loop, &all[i].timer, all[i].time, 0) == 0, "no timer");
    }
    must(rouse_run(loop) == 0, "run");
    free(all);
}

/* ---- The report ------------------------------------------------------------------------------ */

struct record {
    int64_t time;
    uint64_t counts[ROUSE_SIM_WHATS];
};

/* What the machine has counted; then it is gone. */
static void halt(struct record *record)
{
    record->time = rouse_sim_now();
    for (int what = 0; what < ROUSE_SIM_WHATS; what++)
        record->counts[what] = rouse_sim_count((enum rouse_sim_what)what);
    must(rouse_close(loop) == 0, "close");
    loop = NULL;
    rouse_sim_halt();
}

static void print_row(const char *what, uint64_t clients, uint64_t timers)
{
    if (clients > 0 || timers > 0)
        printf("%-28s %14" PRIu64 " %14" PRIu64 "\n", what, clients, timers);
}

static void print(unsigned nclients, const struct record *crowd, const struct record *timers)
{
    static const char *const names[ROUSE_SIM_WHATS] = {
        "system calls",     "files asked",   "words looked at", "trees searched",
        "queues joined",    "queues left",   "queues walked",   "hooks called",
        "put on the list",  "taken from it", "tasks readied",   "tasks gone to sleep",
        "tasks run",        "copied in",     "copied out",      "arrivals",
        "passings of time", "computations",  "interrupts",      "faults",
    };
    printf("%-28s %14s %14s\n", "", "clients", "timers");
    print_row("how many", nclients, bells.rung);
    print_row("virtual seconds", (uint64_t)(crowd->time / 1000000000),
              (uint64_t)(timers->time / 1000000000));
    print_row("connections", world.connections, 0);
    print_row("accepted", server_count.accepted, 0);
    print_row("closed after an hour", server_count.silent, 0);
    print_row("messages that came back", world.messages, 0);
    print_row("bytes sent", world.sent, 0);
    print_row("bytes that came back", world.came_back, 0);
    print_row("bytes to a closed server", world.lost, 0);
    print_row("late by at most, ns", 0, (uint64_t)bells.latest);
    for (int what = 0; what < ROUSE_SIM_WHATS; what++)
        print_row(names[what], crowd->counts[what], timers->counts[what]);
}

static double seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

/* The value of an option: a number up to `most`. */
static bool number(const char *word, uint64_t most, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(word, &end, 10);
    return errno == 0 && *word >= '0' && *word <= '9' && *end == '\0' && *value <= most;
}

static bool read_options(int argc, char **argv, const char **backend, uint64_t *clients,
                         uint64_t *timers)
{
    for (int i = 1; i < argc; i += 2) {
        bool understood = false;
        if (i + 1 < argc && strcmp(argv[i], "--backend") == 0) {
            *backend = argv[i + 1];
            understood = true;
        } else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0) {
            understood = number(argv[i + 1], UINT64_MAX, &config.seed);
        } else if (i + 1 < argc && strcmp(argv[i], "--clients") == 0) {
            understood = number(argv[i + 1], MOST_CLIENTS, clients);
        } else if (i + 1 < argc && strcmp(argv[i], "--timers") == 0) {
            understood = number(argv[i + 1], MOST_TIMERS, timers);
        }
        if (!understood)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    const char *backend = "sim:epoll";
    uint64_t clients = 10000, timers = 1000000;
    config.seed = 1;
    if (!read_options(argc, argv, &backend, &clients, &timers)) {
        fprintf(stderr,
                "usage: crowd [--backend NAME] [--seed N] [--clients N, to %d] "
                "[--timers N, to %d]\n",
                MOST_CLIENTS, MOST_TIMERS);
        return 2;
    }
    struct record crowd, ringing;
    double began = seconds();
    serve(backend, (unsigned)clients);
    halt(&crowd);
    double between = seconds();
    ring(backend, (unsigned)timers);
    halt(&ringing);
    print((unsigned)clients, &crowd, &ringing);
    fprintf(stderr, "in %.1f and %.1f seconds of the processor\n", between - began,
            seconds() - between);
    return 0;
}
