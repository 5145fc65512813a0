/*
 * The lesson timers: a loop without descriptors, sleeps that are never too short, and deadlines by
 * the thousand that cost nothing to move.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "lesson.h"
#include "model.h"

static const int64_t second = LESSON_SECOND;

static struct rouse_counters counters_of(struct rouse_loop *loop)
{
    struct rouse_counters counters = {.size = sizeof counters};
    lesson_ok(loop, rouse_count(loop, &counters));
    return counters;
}

/* ---- A loop without descriptors -------------------------------------------------------------- */

/* A timer that fires a number of times, and ends the loop with the last. */
struct beat {
    struct rouse_timer timer;
    struct rouse_loop *loop;
    int left;
    int64_t next;  /* when it is due */
    int64_t early; /* how often it was called before */
};

static const int64_t period = 20 * LESSON_MS;

static void on_beat(struct rouse_timer *timer)
{
    struct beat *beat = (struct beat *)(void *)timer;
    beat->early += lesson_now() < beat->next;
    beat->next += period;
    if (--beat->left == 0)
        lesson_ok(beat->loop, rouse_timer_stop(timer));
}

static void loop_without_descriptors(void)
{
    enum { BEATS = 10 };
    struct rouse_loop *loop = lesson_loop();
    bool spins = strstr(rouse_backend_name(loop), "spin") != NULL;
    struct beat beat = {.loop = loop, .left = BEATS};
    rouse_timer_init(&beat.timer, on_beat);
    beat.next = rouse_now(loop) + period;
    lesson_ok(loop, rouse_timer_at(loop, &beat.timer, beat.next, period));
    struct rouse_counters before = counters_of(loop);
    int64_t cpu = lesson_thread_cpu(), time = lesson_now();
    lesson_ok(loop, rouse_run(loop));
    cpu = lesson_thread_cpu() - cpu;
    time = lesson_now() - time;
    struct rouse_counters after = counters_of(loop);
    uint64_t woken = after.wakeups - before.wakeups, turns = after.turns - before.turns;
    lesson_say("A loop of rouse, on %s. Nobody watches any descriptor; there is one timer, which "
               "fires every 20 ms, ten times:",
               rouse_backend_name(loop));
    lesson_show("it took", "%" PRId64 " ms", time / LESSON_MS);
    lesson_show("processor time of that", "%" PRId64 " us", cpu / 1000);
    lesson_show("turns", "%" PRIu64, turns);
    lesson_show(spins ? "waits, none of which slept" : "times it was woken", "%" PRIu64, woken);
    lesson_claim(beat.early == 0, "the timer was never called before its time");
    if (spins)
        lesson_claim(turns > BEATS, "spin asks all the time, and has gone round for nothing");
    else {
        lesson_claim(woken <= BEATS, "the loop was woken once for each time, or less");
        lesson_claim(cpu < time / 4, "in between it slept");
    }
    lesson_ok(loop, rouse_close(loop));
}

/* ---- Sleeps ---------------------------------------------------------------------------------- */

/* The first two take any number of nanoseconds; the others round. */
static void by_nanosleep(int64_t ns)
{
    const struct timespec time = {.tv_nsec = ns};
    lesson_must(clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL) == 0 ? 0 : -1, "nanosleep");
}

static void by_ppoll(int64_t ns)
{
    const struct timespec time = {.tv_nsec = ns};
    lesson_must(ppoll(NULL, 0, &time, NULL), "ppoll");
}

static void by_select(int64_t ns)
{
    struct timeval time = {.tv_usec = ns / 1000};
    lesson_must(select(0, NULL, NULL, NULL, &time), "select");
}

static int epoll;

static void by_epoll(int64_t ns)
{
    struct epoll_event event;
    lesson_must(epoll_wait(epoll, &event, 1, (int)(ns / LESSON_MS)), "epoll_wait");
}

static const struct way {
    const char *name;
    void (*sleep)(int64_t ns); /* of a multiple of `unit` */
    int64_t unit;
} ways[] = {{"nanosleep, in ns", by_nanosleep, 1},
            {"ppoll, in ns", by_ppoll, 1},
            {"select, in us", by_select, 1000},
            {"epoll_wait, in ms", by_epoll, LESSON_MS}};

enum { WAYS = sizeof ways / sizeof ways[0], SLEEPS = 50 };

/* Times from 0.1 to 3 ms, the same in each run. */
static int64_t next_time(void)
{
    static uint32_t seed = 1;
    seed = seed * 1664525 + 1013904223;
    return 100000 + seed / 16 % 2900000;
}

static int64_t round_up(int64_t ns, int64_t unit)
{
    return (ns + unit - 1) / unit * unit;
}

static void sleep_in_all_ways(void)
{
    int early = 0;
    lesson_say("Now calls that sleep for a time and nothing else. Each is asked fifty times for a "
               "time between 0.1 and 3 ms, rounded up to what it can be told. How much later it "
               "came back than it was asked to:");
    for (const struct way *way = ways; way < ways + WAYS; way++) {
        int64_t least = INT64_MAX, most = 0;
        for (int i = 0; i < SLEEPS; i++) {
            int64_t asked = next_time(), begun = lesson_now();
            way->sleep(round_up(asked, way->unit));
            int64_t late = lesson_now() - begun - asked;
            least = late < least ? late : least;
            most = late > most ? late : most;
            early += late < 0;
        }
        lesson_show(way->name, "%5" PRId64 " to %5" PRId64 " us", least / 1000, most / 1000);
    }
    lesson_claim(early == 0, "of two hundred sleeps none was too short");
}

/* Sleeps until a deadline as a loop does: it asks until the time has come. Returns how often. */
static int ask_until(int64_t deadline, bool up, int *early)
{
    int asked = 0;
    for (int64_t left; (left = deadline - lesson_now()) > 0; asked++) {
        *early += asked == 1; /* it has come back, and it is not time yet */
        by_epoll(up ? round_up(left, LESSON_MS) : left);
    }
    return asked;
}

static void round_both_ways(void)
{
    int asked[2] = {0}, early[2] = {0};
    lesson_say(
        "epoll_wait is told whole milliseconds. Here is the same loop twice: it sleeps fifty "
        "times until a deadline. One rounds what is left up, the other down:");
    for (int i = 0; i < SLEEPS; i++)
        for (int up = 0; up < 2; up++)
            asked[up] += ask_until(lesson_now() + next_time(), up, &early[up]);
    lesson_show("rounded up: calls", "%d", asked[1]);
    lesson_show("    came back too early", "%d", early[1]);
    lesson_show("rounded down: calls", "%d", asked[0]);
    lesson_show("    came back too early", "%d", early[0]);
    lesson_claim(asked[1] == SLEEPS && early[1] == 0, "rounded up, one call is enough each time");
}

/* ---- Idle timeouts --------------------------------------------------------------------------- */

enum { CONNECTIONS = 10000, MESSAGES = 1000000 };

static const int64_t idle = 60 * (int64_t)LESSON_SECOND;

static struct rouse_timer *timeouts;
static struct rouse_loop *pushed;
static uint32_t message;
static int64_t now; /* as a loop reads it, once a turn */

static void on_idle(struct rouse_timer *timer)
{
    (void)timer; /* here its connection would be closed */
}

/* A message has come on a connection: it has not been idle. This is the line that is measured. */
static void push_back(void *unused)
{
    (void)unused;
    rouse_timer_at(pushed, &timeouts[message++ % CONNECTIONS], ++now + idle, 0);
}

static void set_timerfd(void *argument)
{
    static const struct itimerspec time = {.it_value.tv_sec = 60};
    timerfd_settime(*(int *)argument, 0, &time, NULL);
}

static void open_connections(void)
{
    pushed = lesson_loop();
    timeouts = calloc(CONNECTIONS, sizeof *timeouts);
    lesson_must(timeouts != NULL ? 0 : -1, "calloc");
    now = rouse_now(pushed);
    for (int i = 0; i < CONNECTIONS; i++) {
        rouse_timer_init(&timeouts[i], on_idle);
        lesson_ok(pushed, rouse_timer_at(pushed, &timeouts[i], now + idle, 0));
    }
}

static void close_connections(void)
{
    lesson_ok(pushed, rouse_close(pushed));
    free(timeouts);
}

/* Under strace, between two calls that do nothing. */
static void push_many(void *unused)
{
    open_connections();
    getppid();
    for (int i = 0; i < CONNECTIONS; i++)
        push_back(unused);
    getppid();
}

static void look_with_strace(void)
{
    static char text[1 << 20];
    if (!lesson_strace("trace=all", push_many, NULL, text, sizeof text)) {
        lesson_skip("the system calls: there is no strace, it may not trace, or /proc is hidden");
        return;
    }
    const char *first = strstr(text, "getppid()");
    const char *last = first == NULL ? NULL : strstr(first + 1, "getppid()");
    int lines = 0;
    for (const char *at = first; last != NULL && at < last; at++)
        lines += *at == '\n';
    lesson_say("A child of this process pushes each back once, under strace, with a getppid() "
               "before and one "
               "after it:");
    lesson_show("system calls from one to the other", "%d", last == NULL ? -1 : lines - 1);
    lesson_claim(lines == 1, "between them there is no system call at all");
}

static void idle_timeouts(void)
{
    lesson_say("A server has 10,000 connections and closes those that are idle for a minute. So "
               "there are 10,000 timers, and each message pushes one back. A million messages:");
    open_connections();
    struct rouse_counters before = counters_of(pushed);
    for (int i = 0; i < MESSAGES; i++)
        push_back(NULL);
    struct rouse_counters after = counters_of(pushed);
    int fd = lesson_must(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), "timerfd_create");
    double store = lesson_cost(push_back, NULL, 100000);
    double call = lesson_cost(set_timerfd, &fd, 100000);
    lesson_show("system calls of the loop", "%" PRIu64, after.system_calls - before.system_calls);
    lesson_claim(after.system_calls == before.system_calls, "the loop has made no system call");
    lesson_say("What one push costs, and what it would with a timer of the kernel for each "
               "connection:");
    lesson_bar("rouse_timer_at", store, call, "%.0f ns");
    lesson_bar("timerfd_settime", call, call, "%.0f ns");
    lesson_claim(call > 2 * store, "to ask the kernel costs more than twice as much");
    close(fd);
    close_connections();
    look_with_strace();
}

/* ---- In the model ---------------------------------------------------------------------------- */

static struct rouse_loop *loop_in_model(void)
{
    const struct rouse_config config = {.size = sizeof config, .backend = "sim:epoll"};
    struct rouse_loop *loop;
    lesson_ok(NULL, rouse_open(&loop, &config));
    return loop;
}

static void do_nothing(struct rouse_timer *timer)
{
    (void)timer;
}

static void hour_in_model(void)
{
    struct rouse_timer timer;
    model_boot(NULL);
    struct rouse_loop *loop = loop_in_model();
    model_name(0, "the loop's epoll");
    rouse_timer_init(&timer, do_nothing);
    lesson_ok(loop, rouse_timer_after(loop, &timer, 3600 * second, 0));
    lesson_say("A loop of rouse with one timer, of an hour, and no descriptor. In the model, time "
               "passes when all sleep; so this takes no longer than these few steps:");
    model_mark();
    model_tell(true);
    lesson_ok(loop, rouse_run(loop));
    model_tell(false);
    lesson_claim(rouse_sim_now() == 3600 * second,
                 "it was called after an hour, to the nanosecond");
    lesson_claim(model_since(ROUSE_SIM_SLEPT) == 1, "it has slept once");
    lesson_ok(loop, rouse_close(loop));
    model_halt();
}

static void rounding_in_model(void)
{
    enum { ASKED = 1000 };
    const int64_t deadline = 1900000;
    struct rouse_event event;
    lesson_say("A loop wants to sleep until 1.9 ms. It rounds down, and sleeps for 1 ms; then for "
               "0 ms, a thousand times:");
    model_boot(NULL);
    int ep = model_must(rouse_sim_epoll_create(), "epoll_create");
    model_mark();
    for (int i = 0; i <= ASKED; i++) {
        int64_t ms = (deadline - rouse_sim_now()) / LESSON_MS;
        model_must(rouse_sim_epoll_wait(ep, &event, 1, ms * LESSON_MS), "epoll_wait");
    }
    lesson_show("time", "%.1f ms", (double)rouse_sim_now() / LESSON_MS);
    lesson_show("calls", "%" PRIu64, model_since(ROUSE_SIM_CALLED));
    lesson_show("sleeps", "%" PRIu64, model_since(ROUSE_SIM_SLEPT));
    lesson_claim(rouse_sim_now() == LESSON_MS && model_since(ROUSE_SIM_SLEPT) == 1,
                 "it asks and asks, and does not sleep any more");
    model_halt();
    lesson_say("It rounds up:");
    model_boot(NULL);
    ep = model_must(rouse_sim_epoll_create(), "epoll_create");
    model_mark();
    model_must(rouse_sim_epoll_wait(ep, &event, 1, round_up(deadline, LESSON_MS)), "epoll_wait");
    lesson_show("time", "%.1f ms", (double)rouse_sim_now() / LESSON_MS);
    lesson_show("calls", "%" PRIu64, model_since(ROUSE_SIM_CALLED));
    lesson_claim(rouse_sim_now() == 2 * LESSON_MS && model_since(ROUSE_SIM_CALLED) == 1,
                 "one call, and 0.1 ms too late");
    model_halt();
}

/* A thousand connections, each with a timeout. Every second one of them has a message, for a day;
 * then there is silence. */
enum { CLIENTS = 1000, DAY = 24 * 60 * 60 };

static const int64_t limit = 1800 * (int64_t)LESSON_SECOND;

static struct {
    struct rouse_loop *loop;
    struct rouse_sim_event next;
    int fds[CLIENTS]; /* the ends of the clients */
    int sent, moved, closed;
    uint64_t calls; /* that were made while a deadline was moved */
    bool exact;
    struct client {
        struct rouse_io io;
        struct rouse_timer timer;
        int64_t last; /* when its last message was read */
    } clients[CLIENTS];
} server;

static void send_next(struct rouse_sim_event *event)
{
    rouse_sim_write(server.fds[server.sent % CLIENTS], "x", 1);
    if (++server.sent < DAY)
        model_must(rouse_sim_at(event, event->time + second), "at");
}

static struct client *client_of(void *member, size_t offset)
{
    return (struct client *)(void *)((char *)member - offset);
}

static void on_timeout(struct rouse_timer *timer)
{
    struct client *client = client_of(timer, offsetof(struct client, timer));
    server.exact &= rouse_sim_now() == client->last + limit;
    server.closed++;
    lesson_ok(server.loop, rouse_io_close(&client->io));
}

static void on_message(struct rouse_io *io, uint32_t ready)
{
    struct client *client = client_of(io, offsetof(struct client, io));
    char byte;
    (void)ready;
    if (rouse_read(io, &byte, 1) != 1)
        return;
    uint64_t calls = rouse_sim_count(ROUSE_SIM_CALLED);
    client->last = rouse_sim_now();
    lesson_ok(server.loop, rouse_timer_at(server.loop, &client->timer, client->last + limit, 0));
    server.calls += rouse_sim_count(ROUSE_SIM_CALLED) - calls;
    server.moved++;
}

static void day_in_model(void)
{
    const struct rouse_sim_config config = {.size = sizeof config, .descriptors = 2 * CLIENTS + 8};
    lesson_say("A server on a loop of rouse has a thousand connections, and closes those that are "
               "idle for half an hour. Every second one of them has a message, for a day. Then "
               "there is silence:");
    model_boot(&config);
    server.loop = loop_in_model();
    server.exact = true;
    for (int i = 0; i < CLIENTS; i++) {
        struct client *client = &server.clients[i];
        int ends[2];
        model_must(rouse_sim_pair(ends), "pair");
        model_must(rouse_sim_block(ends[0], false), "block");
        server.fds[i] = ends[1];
        rouse_io_init(&client->io, on_message);
        rouse_timer_init(&client->timer, on_timeout);
        lesson_ok(server.loop, rouse_io_start(server.loop, &client->io, ends[0], ROUSE_READ));
        lesson_ok(server.loop, rouse_timer_after(server.loop, &client->timer, limit, 0));
    }
    server.next.fn = send_next;
    model_must(rouse_sim_at(&server.next, second), "at");
    lesson_ok(server.loop, rouse_run(server.loop));
    lesson_show("the loop ends after", "%" PRId64 " s", rouse_sim_now() / second);
    lesson_show("deadlines moved", "%d", server.moved);
    lesson_show("system calls made for that", "%" PRIu64, server.calls);
    lesson_show("connections closed", "%d", server.closed);
    struct rouse_counters counters = counters_of(server.loop);
    lesson_show("times the loop was woken", "%" PRIu64, counters.wakeups);
    lesson_show("    of these for nothing", "%" PRIu64, counters.wakeups - DAY - CLIENTS);
    lesson_claim(server.moved == DAY && server.calls == 0, "86,400 deadlines moved, by no call");
    lesson_claim(server.closed == CLIENTS && server.exact,
                 "each was closed half an hour after its last message, to the nanosecond");
    lesson_claim(rouse_sim_now() == DAY * second + limit, "the last of them was the last of all");
    lesson_claim(counters.wakeups - DAY - CLIENTS < DAY / 100,
                 "of a hundred wakeups less than one was for nothing");
    lesson_ok(server.loop, rouse_close(server.loop));
    model_halt();
}

int main(int argc, char **argv)
{
    lesson_begin(argc, argv, "timers");
    lesson_say("A loop may have nothing to watch and still have to do something at a time. It "
               "sleeps in the same call, which ends when the time is up. We see that no sleep is "
               "too short, and what ten thousand timeouts cost.");
    int guess = lesson_guess("A server has 10,000 connections with a timeout of a minute each. "
                             "What does it cost that a message pushes a timeout back?",
                             "a system call", "a search among 10,000", "a store to memory", NULL);
    lesson_kernel();
    loop_without_descriptors();
    epoll = lesson_must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    sleep_in_all_ways();
    round_both_ways();
    close(epoll);
    idle_timeouts();
    lesson_model();
    hour_in_model();
    rounding_in_model();
    day_in_model();
    lesson_answer(
        guess, 2,
        "A store to memory. The kernel knows one time only, that of the first deadline, "
        "and is told it with the next sleep. A deadline that moves later is looked at when "
        "it would have been due.");
    return lesson_end();
}
