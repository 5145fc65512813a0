/*
 * The lesson wait-queue: who is woken when several sleep on one thing. It is the sleeper who
 * decides that, by the entry that he puts into the queue, and an entry need not be a sleeper at
 * all.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lesson.h"
#include "model.h"

enum { SLEEPERS = 3, ROUNDS = 3 };

/* How three threads sleep: on what, and by what call. */
struct way {
    void (*open)(void);
    bool (*take)(int which); /* sleeps, and takes what has come; false: others were faster */
    void (*ring)(void);      /* makes something come */
};

/* Three threads sleep, and something comes, three times. */
struct scene {
    const char *say;
    const struct way *way;
    int epolls; /* one for each thread, or one for all, with these flags */
    uint32_t flags;
    int woken;          /* how many are woken each time; 0: more than one */
    const char *takers; /* who takes the first, the second, the third; NULL: whoever is fastest */
    const char *claim;  /* of the takers */
};

static const struct scene *scene;
static struct lesson_thread threads[SLEEPERS];
static atomic_int taken, taker;
static atomic_bool over; /* who takes one more, ends */
static struct sockaddr_in address;

/* Here and in the model: where it is taken, and where it is put in. */
static int ends[2];
static int epolls[SLEEPERS];

static bool take_by_read(int which)
{
    char byte;
    (void)which;
    return read(ends[0], &byte, 1) == 1;
}

static bool take_by_accept(int which)
{
    (void)which;
    return close(lesson_must(accept(ends[0], NULL, NULL), "accept")) == 0;
}

static bool take_by_epoll(int which)
{
    struct epoll_event event;
    char byte;
    return epoll_wait(epolls[which], &event, 1, -1) == 1 &&
           recv(ends[0], &byte, 1, MSG_DONTWAIT) == 1;
}

static void send_byte(void)
{
    lesson_must((int)write(ends[1], "x", 1), "write");
}

static void connect_once(void)
{
    int fd = lesson_must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    lesson_must(connect(fd, (struct sockaddr *)&address, sizeof address), "connect");
    close(fd);
}

static void open_tcp(void)
{
    lesson_tcp(ends);
}

static void open_pipe(void)
{
    lesson_must(pipe(ends), "pipe");
}

static void open_listener(void)
{
    socklen_t size = sizeof address;
    ends[0] = lesson_must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    ends[1] = dup(ends[0]);
    lesson_must(listen(ends[0], ROUNDS), "listen"); /* on a port that is free */
    lesson_must(getsockname(ends[0], (struct sockaddr *)&address, &size), "getsockname");
}

static void open_epolls(void)
{
    struct epoll_event event = {.events = EPOLLIN | scene->flags};
    lesson_must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
    for (int i = 0; i < scene->epolls; i++) {
        epolls[i] = lesson_must(epoll_create1(0), "epoll_create1");
        lesson_must(epoll_ctl(epolls[i], EPOLL_CTL_ADD, ends[0], &event), "epoll_ctl");
    }
    for (int i = scene->epolls; i < SLEEPERS; i++)
        epolls[i] = epolls[0];
}

static const struct way by_recv = {open_tcp, take_by_read, send_byte};
static const struct way by_read = {open_pipe, take_by_read, send_byte};
static const struct way by_accept = {open_listener, take_by_accept, connect_once};
static const struct way by_epoll = {open_epolls, take_by_epoll, send_byte};

static const struct scene scenes[] = {
    {.say = "Three threads sleep in recv() on one TCP socket: A fell asleep first, then B, then C. "
            "Three bytes come, one after the other. Who is woken is who has had to wait once more "
            "after that, as /proc/TID/task/TID/status counts it:",
     .way = &by_recv,
     .woken = SLEEPERS},
    {.say = "The same in read() on a pipe:",
     .way = &by_read,
     .woken = 1,
     .takers = "ABC",
     .claim = "it was the one that had slept longest"},
    {.say = "The same in accept() on a listener, where connections come:",
     .way = &by_accept,
     .woken = 1,
     .takers = "ABC",
     .claim = "it was the one that had slept longest"},
    {.say = "Now each thread has an epoll of its own, and all three watch one socket. Whoever is "
            "told tries to read. This is the herd:",
     .way = &by_epoll,
     .epolls = SLEEPERS,
     .woken = SLEEPERS},
    {.say = "The same, watched with EPOLLEXCLUSIVE:",
     .way = &by_epoll,
     .epolls = SLEEPERS,
     .flags = EPOLLEXCLUSIVE,
     .woken = 1,
     .takers = "AAA",
     .claim = "it was A each time: its hook stays first in the queue"},
    {.say = "Now there is one epoll, and all three sleep in epoll_wait() on it. By level, who is "
            "told leaves the socket on the ready list, and wakes the next to look at it:",
     .way = &by_epoll,
     .epolls = 1},
    {.say = "The same, watched with EPOLLET:",
     .way = &by_epoll,
     .epolls = 1,
     .flags = EPOLLET,
     .woken = 1,
     .takers = "CCC",
     .claim = "it was C each time, who had fallen asleep last"},
};

static void *sleeper(void *argument)
{
    int which = (int)((struct lesson_thread *)argument - threads);
    for (bool ended = false; !ended;)
        if (scene->way->take(which)) {
            ended = over;
            taker = which;
            taken++;
        }
    return NULL;
}

/* Something comes, and somebody takes it. */
static void ring(void)
{
    int before = taken;
    scene->way->ring();
    lesson_until(taken == before + 1);
}

/* How often each has had to wait, when all sleep and none has woken another meanwhile. */
static void settle(int64_t waits[SLEEPERS])
{
    bool changed = true;
    memset(waits, 0, SLEEPERS * sizeof *waits);
    while (changed) {
        changed = false;
        for (int i = 0; i < SLEEPERS; i++) {
            struct lesson_seen seen;
            lesson_until_asleep(threads[i].tid);
            lesson_look(threads[i].tid, &seen);
            changed |= seen.voluntary != waits[i];
            waits[i] = seen.voluntary;
        }
    }
}

/* How many that has woken. */
static int count_woken(const char *name)
{
    int64_t before[SLEEPERS], after[SLEEPERS];
    char names[] = "     ";
    int woken = 0;
    settle(before);
    ring();
    settle(after);
    for (int i = 0; i < SLEEPERS; i++)
        if (after[i] != before[i])
            names[2 * woken++] = (char)('A' + i);
    lesson_show(name, "wakes %s   %c takes it", names, 'A' + taker);
    return woken;
}

/* A falls asleep first and C last. */
static void play(void)
{
    static const char *const names[ROUNDS] = {"the first", "the second", "the third"};
    static const char *const claims[] = {
        "each woke more than one", "each woke one thread", [SLEEPERS] = "each woke all three"};
    struct lesson_seen seen;
    bool woken = true, in_turn = true;
    lesson_say("%s", scene->say);
    scene->way->open();
    over = false;
    for (int i = 0; i < SLEEPERS; i++) {
        lesson_start(&threads[i], sleeper, &threads[i]);
        lesson_until_asleep(threads[i].tid);
    }
    if (lesson_look(threads[0].tid, &seen) && seen.where[0] != '\0')
        lesson_show("the function they sleep in", "%s", seen.where);
    for (int i = 0; i < ROUNDS; i++) {
        int count = count_woken(names[i]);
        woken &= scene->woken != 0 ? count == scene->woken : count > 1;
        in_turn &= scene->takers == NULL || scene->takers[i] == 'A' + taker;
    }
    lesson_claim(woken, "%s", claims[scene->woken]);
    if (scene->takers != NULL)
        lesson_claim(in_turn, "%s", scene->claim);
    over = true;
    for (int i = 0; i < SLEEPERS; i++)
        ring();
    for (int i = 0; i < SLEEPERS; i++)
        lesson_join(&threads[i]);
    for (int i = 0; i < scene->epolls; i++)
        close(epolls[i]);
    close(ends[0]);
    close(ends[1]);
}

/* How many events an epoll has, without sleeping. */
static int listed(int epoll)
{
    struct epoll_event event;
    return lesson_must(epoll_wait(epoll, &event, 1, 0), "epoll_wait");
}

static void wake_nobody(void)
{
    lesson_say(
        "Last, an epoll watches a socket with EPOLLET, and no thread sleeps anywhere. What is "
        "in the queue of the socket is the epoll's hook:");
    lesson_must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
    int epoll = lesson_must(epoll_create1(0), "epoll_create1");
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    lesson_must(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event), "epoll_ctl");
    int before = listed(epoll);
    send_byte();
    int first = listed(epoll), again = listed(epoll);
    int readable = poll(&(struct pollfd){.fd = ends[0], .events = POLLIN}, 1, 0);
    send_byte();
    int second = listed(epoll);
    lesson_show("on the ready list before", "%d", before);
    lesson_show("    when a byte has come", "%d", first);
    lesson_show("    when that was told", "%d, though poll() says %d", again, readable);
    lesson_show("    when one more byte has come", "%d", second);
    lesson_claim(before == 0 && first == 1, "the byte put the socket on the list, and woke nobody");
    lesson_claim(again == 0 && readable == 1 && second == 1,
                 "the next byte did so again; a byte that is merely there does not");
    close(epoll);
    close(ends[0]);
    close(ends[1]);
}

/* ---- In the model ---------------------------------------------------------------------------- */

static struct rouse_sim_task tasks[SLEEPERS];

/* Each ends when it has got a byte. */
static int read_in_model(struct rouse_sim_task *task)
{
    char byte;
    (void)task;
    return rouse_sim_read(ends[0], &byte, 1) == -ROUSE_SIM_ASLEEP;
}

static int wait_in_model(struct rouse_sim_task *task)
{
    struct rouse_event event;
    char byte;
    while (rouse_sim_epoll_wait(epolls[task - tasks], &event, 1, -1) == 1)
        if (rouse_sim_read(ends[0], &byte, 1) == 1)
            return 0;
    return 1; /* it sleeps */
}

static void start_in_model(int count, int (*run)(struct rouse_sim_task *task))
{
    static const char *const names[SLEEPERS] = {"A", "B", "C"};
    for (int i = 0; i < count; i++)
        model_task(&tasks[i], names[i], run);
    model_must(rouse_sim_sleep(0), "rouse_sim_sleep");
}

/* A byte comes to those who sleep. How many were made ready; what happens then is told too. */
static uint64_t ring_in_model(void)
{
    model_draw(ends[0], -1);
    model_mark();
    model_tell(true);
    model_note("main writes a byte to the other end");
    model_must(rouse_sim_write(ends[1], "x", 1), "rouse_sim_write");
    uint64_t readied = model_since(ROUSE_SIM_READIED);
    model_note("main sleeps for a moment, and the others have their turn");
    model_must(rouse_sim_sleep(0), "rouse_sim_sleep");
    model_tell(false);
    return readied;
}

static void open_in_model(int (*open)(int fds[2]), const char *name)
{
    model_boot(NULL);
    model_must(open(ends), name);
    model_name(ends[0], name);
    model_name(ends[1], "its other end");
}

static void add_in_model(int which, const char *name, uint32_t flags)
{
    int epoll = model_must(rouse_sim_epoll_create(), "rouse_sim_epoll_create");
    model_must(rouse_sim_epoll_ctl(epoll, ROUSE_SIM_ADD, ends[0], ROUSE_READ | flags, 0), name);
    model_name(epoll, name);
    epolls[which] = epoll;
}

static void sleep_in_reads(void)
{
    lesson_say("A, B and C sleep in a read of one socket, in the order in which they came. None of "
               "their entries is exclusive: each goes to the head of the queue.");
    open_in_model(rouse_sim_pair, "the socket");
    start_in_model(SLEEPERS, read_in_model);
    uint64_t readied = ring_in_model();
    model_draw(ends[0], -1);
    lesson_claim(readied == 3, "one byte has made all three READY");
    lesson_claim(tasks[2].state == ROUSE_SIM_ENDED, "C has it, who had come last");
    model_halt();

    lesson_say(
        "The same with a pipe. Here an entry is exclusive: it goes to the tail, and the walk "
        "ends behind the first of them that was woken.");
    open_in_model(rouse_sim_pipe, "the pipe");
    start_in_model(SLEEPERS, read_in_model);
    readied = ring_in_model();
    model_draw(ends[0], -1);
    lesson_claim(readied == 1, "one byte has made one READY");
    lesson_claim(tasks[0].state == ROUSE_SIM_ENDED, "A has it, who had come first");
    model_halt();
}

/* How many were made ready by one byte. */
static uint64_t watch_in_model(uint32_t flags)
{
    static const char *const names[SLEEPERS] = {"epoll A", "epoll B", "epoll C"};
    open_in_model(rouse_sim_pair, "the socket");
    model_must(rouse_sim_block(ends[0], 0), "rouse_sim_block");
    for (int i = 0; i < SLEEPERS; i++)
        add_in_model(i, names[i], flags);
    start_in_model(SLEEPERS, wait_in_model);
    return ring_in_model();
}

static void sleep_behind_hooks(void)
{
    lesson_say("Each sleeps in an epoll of its own, and the three epolls watch one socket. In its "
               "queue there is no task at all: there are three hooks.");
    uint64_t readied = watch_in_model(0);
    lesson_claim(readied == 3 && model_since(ROUSE_SIM_HOOKED) == 3,
                 "one byte has called three hooks, which have made all three READY");
    model_halt();

    lesson_say("The same, watched with EPOLLEXCLUSIVE:");
    readied = watch_in_model(ROUSE_SIM_EXCLUSIVE);
    lesson_claim(readied == 1 && model_since(ROUSE_SIM_HOOKED) == 1,
                 "one byte has called one hook, which has made one READY");
    model_halt();
}

/* What a network card does: it interrupts whoever runs. */
static void on_interrupt(struct rouse_sim_event *event)
{
    (void)event;
    model_draw(ends[0], epolls[0], -1);
    model_mark();
    model_tell(true);
    model_note("an interrupt: the byte is there");
    model_must(rouse_sim_write(ends[1], "x", 1), "rouse_sim_write");
}

static void wait_in_three_ways(void)
{
    lesson_say("Last, one socket and three kinds of entries: an epoll watches it, in which nobody "
               "sleeps; A sleeps in a read; main sleeps in poll().");
    open_in_model(rouse_sim_pair, "the socket");
    add_in_model(0, "the epoll", 0);
    start_in_model(1, read_in_model);
    struct rouse_sim_event interrupt = {.fn = on_interrupt};
    model_must(rouse_sim_at(&interrupt, LESSON_MS), "rouse_sim_at");
    struct rouse_sim_pollfd asked = {.fd = ends[0], .want = ROUSE_READ};
    model_must(rouse_sim_poll(&asked, 1, -1), "rouse_sim_poll");
    model_tell(false);
    model_draw(ends[0], epolls[0], -1);
    lesson_claim(model_since(ROUSE_SIM_WALKED) == 1, "the queue was walked once");
    lesson_claim(model_since(ROUSE_SIM_READIED) == 2 && model_since(ROUSE_SIM_LISTED) == 1,
                 "two entries made a task READY; the third put the socket on a list");
    model_halt();
}

int main(int argc, char **argv)
{
    lesson_begin(argc, argv, "wait-queue");
    lesson_say("Three threads wait for the same thing, and it comes once. We look who is woken: in "
               "recv() on a socket, in read() on a pipe, in accept(), and in epoll_wait().");
    int guess = lesson_guess("Three threads sleep in recv() on one TCP socket, and one byte comes. "
                             "Who is woken?",
                             "the one that has slept longest", "all three",
                             "whichever the scheduler likes best", NULL);
    lesson_kernel();
    for (scene = scenes; scene < scenes + sizeof scenes / sizeof *scenes; scene++)
        play();
    wake_nobody();
    lesson_model();
    sleep_in_reads();
    sleep_behind_hooks();
    wait_in_three_ways();
    lesson_answer(
        guess, 1,
        "All three. Whoever brings the byte walks the queue and calls each entry's wake "
        "function. Only an entry that is marked exclusive can end the walk, and who sleeps "
        "in recv() on a TCP socket does not mark his; who sleeps on a pipe does.");
    return lesson_end();
}
