/*
 * The card: what the things cost that the other lessons are about, measured one after the other,
 * beside the steps that the model counts for each.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "model.h"

enum { FEW = 10, MANY = 400, TIMES = 20000, SLOW = 2000, SWITCHES = 4000, THREADS = 500 };
enum { DESCRIPTORS = 1000 }; /* two for each pipe, and some more; fewer than select() can have */

/* What is measured. */
static struct {
    int quiet[MANY][2]; /* pipes in which there is nothing */
    int busy[2];        /* one in which there is a byte, now and then */
    int epoll_of_few, epoll_of_many;
    struct pollfd entries[MANY];
    fd_set wanted;
    struct rouse_loop *loop;
    struct rouse_io io;
    struct rouse_timer timer;
    int64_t deadline;
} card;

static volatile int sum;

static void __attribute__((noinline)) call_a_function(void *nothing)
{
    (void)nothing;
    sum++;
}

static void read_the_clock(void *nothing)
{
    (void)nothing;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
}

static void cross_into_the_kernel(void *nothing)
{
    (void)nothing;
    syscall(SYS_getppid);
}

static void read_nothing(void *nothing)
{
    (void)nothing;
    char byte;
    sum += (int)read(card.quiet[0][0], &byte, 1);
}

static void pass_a_byte(void *nothing)
{
    (void)nothing;
    char byte = 'x';
    sum += (int)write(card.busy[1], &byte, 1);
    sum += (int)read(card.busy[0], &byte, 1);
}

static void ask_epoll(void *epoll)
{
    struct epoll_event event;
    sum += epoll_wait(*(int *)epoll, &event, 1, 0);
}

static void ask_poll(void *count)
{
    sum += poll(card.entries, (nfds_t)(*(int *)count), 0);
}

static void ask_select(void *bound)
{
    fd_set wanted = card.wanted;
    sum += select(*(int *)bound, &wanted, NULL, NULL, &(struct timeval){.tv_sec = 0});
}

static void change_epoll(void *nothing)
{
    (void)nothing;
    epoll_ctl(card.epoll_of_few, EPOLL_CTL_MOD, card.quiet[0][0],
              &(struct epoll_event){.events = EPOLLIN});
}

static void change_interest(void *nothing)
{
    (void)nothing;
    rouse_io_want(&card.io, 0);
    rouse_io_want(&card.io, ROUSE_READ);
}

static void move_a_timer(void *nothing)
{
    (void)nothing;
    rouse_timer_at(card.loop, &card.timer, ++card.deadline, 0);
}

static void *end_at_once(void *nothing)
{
    return nothing;
}

/* Who makes a thread sleeps until that has ended: so by the clock, too. */
static double cost_of_a_thread(void)
{
    int64_t begin = lesson_now();
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        errno = pthread_create(&thread, NULL, end_at_once, NULL);
        lesson_must(errno == 0 ? 0 : -1, "pthread_create");
        pthread_join(thread, NULL);
    }
    return (double)(lesson_now() - begin) / THREADS;
}

/* Two threads that wake each other by turns. */
static int there[2], back[2];

static void *answer(void *nothing)
{
    char byte;
    while (read(there[0], &byte, 1) == 1)
        lesson_must((int)write(back[1], &byte, 1), "write");
    return nothing;
}

/* A thread wakes another and sleeps until it is woken in its turn: half of that, by the clock. */
static double cost_of_a_wake(void)
{
    struct lesson_thread thread;
    char byte = 'x';
    lesson_must(pipe(there), "pipe");
    lesson_must(pipe(back), "pipe");
    lesson_start(&thread, answer, NULL);
    int64_t begin = lesson_now();
    for (int i = 0; i < SWITCHES; i++) {
        lesson_must((int)write(there[1], &byte, 1), "write");
        lesson_must((int)read(back[0], &byte, 1), "read");
    }
    double cost = (double)(lesson_now() - begin) / SWITCHES / 2;
    close(there[1]);
    lesson_join(&thread);
    return cost;
}

static void add(int epoll, int fd)
{
    lesson_must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN}),
                "epoll_ctl");
}

static void ignore_io(struct rouse_io *io, uint32_t ready)
{
    (void)io;
    (void)ready;
}

static void ignore_timer(struct rouse_timer *timer)
{
    (void)timer;
}

static void lay_out(void)
{
    card.epoll_of_few = lesson_must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    card.epoll_of_many = lesson_must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    lesson_must(pipe2(card.busy, O_CLOEXEC), "pipe2");
    for (int i = 0; i < MANY; i++) {
        lesson_must(pipe2(card.quiet[i], O_NONBLOCK | O_CLOEXEC), "pipe2");
        card.entries[i] = (struct pollfd){.fd = card.quiet[i][0], .events = POLLIN};
        FD_SET(card.quiet[i][0], &card.wanted);
        add(card.epoll_of_many, card.quiet[i][0]);
        if (i < FEW)
            add(card.epoll_of_few, card.quiet[i][0]);
    }
    card.loop = lesson_loop();
    rouse_io_init(&card.io, ignore_io);
    lesson_ok(card.loop, rouse_io_start(card.loop, &card.io, card.busy[0], ROUSE_READ));
    rouse_timer_init(&card.timer, ignore_timer);
    card.deadline = rouse_now(card.loop) + 3600 * (int64_t)LESSON_SECOND;
    lesson_ok(card.loop, rouse_timer_at(card.loop, &card.timer, card.deadline, 0));
    lesson_ok(card.loop, rouse_turn(card.loop, 0));
}

/* A line of the card. The bar grows with the logarithm: each of four characters is ten times. */
static double line(const char *name, double ns)
{
    char bar[32];
    int length = ns > 1 ? (int)(4 * log10(ns) + 0.5) : 0;
    snprintf(bar, sizeof bar, "%.*s", length, "##########################");
    lesson_show(name, "%-22s %8.0f ns", bar, ns);
    return ns;
}

static double measured(const char *name, void (*act)(void *argument), void *argument, int times)
{
    return line(name, lesson_cost(act, argument, times));
}

static void measure(void)
{
    int few = FEW, many = MANY, low = card.quiet[FEW - 1][0] + 1,
        high = card.quiet[MANY - 1][0] + 1;
    char of_few[64], of_many[64];
    lesson_say(
        "Each bar is four characters longer for ten times the cost. What has no sleep in it is "
        "processor time of the thread that does it, in the middle of seven rounds. What "
        "has one is by the clock.");
    double function = measured("call a function", call_a_function, NULL, TIMES);
    double store = measured("rouse: pause a watcher, and resume", change_interest, NULL, TIMES);
    measured("rouse: move a timer", move_a_timer, NULL, TIMES);
    measured("read the clock, without the kernel", read_the_clock, NULL, TIMES);
    double crossing =
        measured("cross into the kernel and back", cross_into_the_kernel, NULL, TIMES);
    measured("read() from an empty pipe: EAGAIN", read_nothing, NULL, TIMES);
    double byte = measured("a byte into a pipe and out of it", pass_a_byte, NULL, TIMES);
    double change = measured("epoll_ctl(): change one", change_epoll, NULL, TIMES);
    double first =
        measured("epoll_wait(): 10 watched, none ready", ask_epoll, &card.epoll_of_few, TIMES);
    double second = measured("epoll_wait(): 400 watched", ask_epoll, &card.epoll_of_many, TIMES);
    double poll_few = measured("poll(): 10 watched", ask_poll, &few, SLOW);
    double poll_many = measured("poll(): 400 watched", ask_poll, &many, SLOW);
    snprintf(of_few, sizeof of_few, "select(): up to descriptor %d", low - 1);
    snprintf(of_many, sizeof of_many, "select(): up to descriptor %d", high - 1);
    double select_few = measured(of_few, ask_select, &low, SLOW);
    double select_many = measured(of_many, ask_select, &high, SLOW);
    double wake = line("wake a thread, and sleep (clock)", cost_of_a_wake());
    line("make a thread, see its end (clock)", cost_of_a_thread());

    lesson_claim(crossing > 3 * function, "to cross into the kernel is many calls of a function");
    lesson_claim(store < change, "a pause of rouse costs less than one change of epoll");
    lesson_claim(byte > crossing, "a byte through a pipe costs more than its crossing");
    lesson_claim(second < 3 * first, "epoll_wait() does not care how many are watched");
    lesson_claim(poll_many > 5 * poll_few, "poll() does");
    lesson_claim(select_many > 5 * select_few, "so does select()");
    lesson_claim(wake > 3 * crossing, "to wake a thread is more than to cross");
}

static void on_the_kernel(void)
{
    if (lesson_descriptors(DESCRIPTORS) < DESCRIPTORS) {
        lesson_skip("what it costs: this process may not have %d descriptors", DESCRIPTORS);
        return;
    }
    lay_out();
    measure();
}

/* ---- The same, as the model counts it -------------------------------------------------------- */

enum { COLUMNS = 6 };

static const struct {
    const char *name;
    enum rouse_sim_what what;
} columns[COLUMNS] = {{"calls", ROUSE_SIM_CALLED},    {"asked", ROUSE_SIM_ASKED},
                      {"linked", ROUSE_SIM_LINKED},   {"hooks", ROUSE_SIM_HOOKED},
                      {"readied", ROUSE_SIM_READIED}, {"switches", ROUSE_SIM_SCHEDULED}};

static void count(const char *name)
{
    char line[128];
    int length = snprintf(line, sizeof line, "%-40s", name);
    for (int i = 0; i < COLUMNS; i++)
        length += snprintf(line + length, sizeof line - (size_t)length, " %8d",
                           (int)model_since(columns[i].what));
    lesson_lines(line);
    model_mark();
}

static struct {
    int quiet[MANY][2];
    struct rouse_sim_pollfd entries[MANY];
    struct rouse_sim_event event;
    int epoll;
    char byte;
} simulated;

static void write_to_the_last(struct rouse_sim_event *event)
{
    (void)event;
    model_must(rouse_sim_write(simulated.quiet[MANY - 1][1], "x", 1), "write");
}

/* A byte comes to the last of them, a millisecond from now. */
static void expect_a_byte(void)
{
    simulated.event.fn = write_to_the_last;
    model_must(rouse_sim_at(&simulated.event, rouse_sim_now() + LESSON_MS), "rouse_sim_at");
}

static void take_the_byte(void)
{
    model_must(rouse_sim_read(simulated.quiet[MANY - 1][0], &simulated.byte, 1), "read");
}

static void in_the_model(void)
{
    model_boot(NULL);
    for (int i = 0; i < MANY; i++) {
        model_must(rouse_sim_pipe(simulated.quiet[i]), "pipe");
        simulated.entries[i] =
            (struct rouse_sim_pollfd){.fd = simulated.quiet[i][0], .want = ROUSE_READ};
    }
    simulated.epoll = model_must(rouse_sim_epoll_create(), "epoll_create");
    rouse_sim_block(simulated.quiet[0][0], 0);
    lesson_say("400 pipes, and one call after the other; what sleeps is woken by a byte for the "
               "last of them.");
    lesson_lines("                                            calls    asked   linked    hooks  "
                 "readied switches");
    model_mark();
    rouse_sim_read(simulated.quiet[0][0], &simulated.byte, 1);
    count("read from an empty pipe: -EAGAIN");
    expect_a_byte();
    take_the_byte();
    count("read that sleeps");
    rouse_sim_poll(simulated.entries, MANY, 0);
    count("poll that finds none, and does not sleep");
    expect_a_byte();
    rouse_sim_poll(simulated.entries, MANY, -1);
    bool polled = model_since(ROUSE_SIM_ASKED) == 2 * MANY && model_since(ROUSE_SIM_LINKED) == MANY;
    count("poll that sleeps");
    take_the_byte();
    model_mark();
    for (int i = 0; i < MANY; i++)
        model_must(rouse_sim_epoll_ctl(simulated.epoll, ROUSE_SIM_ADD, simulated.quiet[i][0],
                                       ROUSE_READ, (uint64_t)i),
                   "epoll_ctl");
    count("epoll_ctl, once for each of 400");
    struct rouse_event event;
    expect_a_byte();
    model_must(rouse_sim_epoll_wait(simulated.epoll, &event, 1, -1), "epoll_wait");
    bool waited = model_since(ROUSE_SIM_ASKED) == 1 && model_since(ROUSE_SIM_LINKED) == 1;
    count("epoll_wait that sleeps");
    lesson_claim(polled, "a poll that sleeps asks every file twice, and links into every queue");
    lesson_claim(waited, "an epoll_wait that sleeps links into one queue, and asks one file");
    model_halt();
}

int main(int argc, char **argv)
{
    lesson_begin(argc, argv, "card");
    lesson_say("What it all costs: here in nanoseconds, in the model in steps.");
    int guess = lesson_guess("How many calls of a function does one crossing into the kernel cost?",
                             "one", "ten", "a hundred", NULL);
    lesson_kernel();
    on_the_kernel();
    lesson_model();
    in_the_model();
    lesson_answer(guess, 2,
                  "Nearest to a hundred; more where the kernel guards against more attacks.");
    return lesson_end();
}
