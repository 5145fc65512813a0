/*
 * The lesson select-poll: what is wanted is handed over in each call and handed back, so each call
 * costs by all that is asked for, however little of it is ready.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE /* FD_SET is here what it is without checks */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model.h"

enum { FEW = 3, TEN = 10, MOST = 10000, SIZES = 4 /* from 10 to MOST */ };

static int new_file(void)
{
    return lesson_must(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
}

static void make_ready(int fd)
{
    lesson_must(eventfd_write(fd, 1), "write");
}

static void read_it(int fd)
{
    eventfd_t value;
    lesson_must(eventfd_read(fd, &value), "read");
}

/* ---- On the kernel: what goes in and what comes out ------------------------------------------ */

/* A line of bits, one for each descriptor below `bound`. */
static void show_bits(const char *name, const fd_set *set, int bound)
{
    char bits[64] = "";
    for (int fd = 0; fd < bound && fd < 20; fd++)
        sprintf(bits + 3 * fd, " %2s", FD_ISSET(fd, set) ? "1" : ".");
    lesson_show(name, "%s", bits);
}

static void show_numbers(int bound)
{
    char numbers[64] = "";
    for (int fd = 0; fd < bound && fd < 20; fd++)
        sprintf(numbers + 3 * fd, " %2d", fd);
    lesson_show("descriptor", "%s", numbers);
}

static int select_now(int bound, fd_set *set)
{
    struct timeval none = {0};
    return lesson_must(select(bound, set, NULL, NULL, &none), "select");
}

static void hand_over_bits(const int files[FEW])
{
    fd_set set;
    int bound = files[FEW - 1] + 1;
    lesson_say("Three files, a, b and c, are descriptors %d, %d and %d. A call of select() asks "
               "which of them can be read: their bits in a set of 1024. Then b becomes ready:",
               files[0], files[1], files[2]);
    FD_ZERO(&set);
    for (int i = 0; i < FEW; i++)
        FD_SET(files[i], &set);
    show_numbers(bound);
    show_bits("the set, in", &set, bound);
    make_ready(files[1]);
    int n = select_now(bound, &set);
    show_bits("the set, out", &set, bound);
    lesson_show("it returns", "%d", n);
    lesson_claim(n == 1 && FD_ISSET(files[1], &set) && !FD_ISSET(files[0], &set) &&
                     !FD_ISSET(files[2], &set),
                 "the answer has been written over the question: b alone is left");

    lesson_say("Now c becomes ready too, and select() is called with the set as it is:");
    make_ready(files[2]);
    show_bits("the set, in", &set, bound);
    n = select_now(bound, &set);
    show_bits("the set, out", &set, bound);
    lesson_claim(n == 1 && !FD_ISSET(files[2], &set),
                 "c is ready and not told: the set must be filled anew for each call");
}

static void hand_over_an_array(const int files[FEW])
{
    struct pollfd entries[FEW];
    bool kept = true;
    lesson_say("poll() is handed an array, which has a place for the question and another for the "
               "answer. POLLIN is %d:",
               POLLIN);
    for (int i = 0; i < FEW; i++)
        entries[i] = (struct pollfd){.fd = files[i], .events = POLLIN};
    int n = lesson_must(poll(entries, FEW, 0), "poll");
    for (int i = 0; i < FEW; i++) {
        char name[32];
        snprintf(name, sizeof name, "%c", 'a' + i);
        lesson_show(name, "fd %2d, events %d, revents %d", entries[i].fd, entries[i].events,
                    entries[i].revents);
        kept &= entries[i].fd == files[i] && entries[i].events == POLLIN;
    }
    lesson_claim(kept && n == 2 && entries[0].revents == 0 && entries[1].revents == POLLIN &&
                     entries[2].revents == POLLIN,
                 "b and c are told, and the question is as it was");
}

/* ---- On the kernel: descriptor 1024 ---------------------------------------------------------- */

/* What FD_SET calls in a program that was compiled with checks (-D_FORTIFY_SOURCE). */
extern long __fdelt_chk(long fd) __attribute__((weak));

/* FD_SET, which checks nothing; neither shall the tools that find such faults. */
__attribute__((noinline, no_sanitize("address", "undefined"))) static void
set_unchecked(volatile int fd, fd_set *set)
{
    FD_SET(fd, set);
}

/* Runs the checked one in a child; returns how that ended, and what it said. */
static int set_checked(int fd, char *said, size_t size)
{
    int ends[2], status;
    lesson_must(pipe(ends), "pipe");
    pid_t child = lesson_must(fork(), "fork");
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        dup2(ends[1], STDERR_FILENO);
        __fdelt_chk(fd);
        _exit(0);
    }
    close(ends[1]);
    ssize_t n = read(ends[0], said, size - 1);
    said[n > 0 ? n : 0] = '\0';
    close(ends[0]);
    lesson_must(waitpid(child, &status, 0), "waitpid");
    return status;
}

static void pass_the_limit(void)
{
    struct {
        fd_set set;
        volatile unsigned long behind;
    } frame = {.behind = 0};
    unsigned long longer[2 * FD_SETSIZE / (8 * sizeof(long))] = {0};
    lesson_say("A process may have more descriptors than an fd_set has bits, which is %d. This is "
               "one of them, and it is ready:",
               FD_SETSIZE);
    int file = new_file();
    int high = fcntl(file, F_DUPFD_CLOEXEC, FD_SETSIZE);
    if (high < 0) {
        lesson_skip("descriptor 1024: this process may not have it");
        return;
    }
    make_ready(high);
    lesson_show("descriptor", "%d", high);
    lesson_show("the variable behind the fd_set", "%lu", frame.behind);
    set_unchecked(high, &frame.set);
    lesson_show("the same after FD_SET", "%lu", frame.behind);
    lesson_claim(frame.behind != 0, "FD_SET has changed a variable that is no part of the set");
    if (__fdelt_chk != NULL) {
        char said[200];
        int status = set_checked(high, said, sizeof said);
        lesson_say("Compiled with checks, in a child process, FD_SET says:");
        lesson_lines(said);
        lesson_claim(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
                     "and ends the process by SIGABRT");
    } else {
        lesson_skip("FD_SET with checks: this C library has none");
    }
    lesson_say("The limit is that of the type. The kernel takes as many bits as it is told:");
    longer[(unsigned)high / (8 * sizeof(long))] = 1UL << (unsigned)high % (8 * sizeof(long));
    int selected = select_now(high + 1, (fd_set *)(void *)longer);
    int polled = poll(&(struct pollfd){.fd = high, .events = POLLIN}, 1, 0);
    lesson_show("select() with a longer set returns", "%d", selected);
    lesson_show("poll(), which has no sets, returns", "%d", polled);
    lesson_claim(selected == 1 && polled == 1, "both tell that descriptor 1024 is ready");
    close(high);
    close(file);
}

/* ---- On the kernel: what it costs ------------------------------------------------------------ */

static struct {
    struct pollfd entries[MOST];
    nfds_t count;
    fd_set wanted, told;
    int bound;
} many;

static void poll_now(void *unused)
{
    (void)unused;
    lesson_must(poll(many.entries, many.count, 0), "poll");
}

/* It may sleep, but somebody is ready. */
static void poll_for_ever(void *unused)
{
    (void)unused;
    lesson_must(poll(many.entries, many.count, -1), "poll");
}

/* Nothing is ready, and it sleeps for as short a time as there is. */
static void poll_and_sleep(void *unused)
{
    (void)unused;
    struct timespec shortest = {.tv_nsec = 1};
    lesson_must(ppoll(many.entries, many.count, &shortest, NULL), "ppoll");
}

static void call_select(void *unused)
{
    (void)unused;
    many.told = many.wanted;
    select_now(many.bound, &many.told);
}

/* What a program does then: it looks for the bit. */
static void search_the_answer(void *found)
{
    for (int fd = 0; fd < many.bound; fd++)
        if (FD_ISSET(fd, &many.told))
            *(volatile int *)found = fd;
}

/* Of the first `count` files; this one is ready. */
static double cost_of_poll(void (*call)(void *unused), int count, int ready)
{
    many.count = (nfds_t)count;
    make_ready(many.entries[ready].fd);
    double cost = lesson_cost(call, NULL, 10 * MOST / count);
    read_it(many.entries[ready].fd);
    return cost;
}

static void poll_by_count(void)
{
    double costs[SIZES];
    lesson_say("One of N is ready, the last, and poll() finds it, with a timeout of 0: it may not "
               "sleep.");
    for (int i = 0, n = TEN; i < SIZES; i++, n *= 10)
        costs[i] = cost_of_poll(poll_now, n, n - 1);
    for (int i = 0, n = TEN; i < SIZES; i++, n *= 10) {
        char name[32];
        snprintf(name, sizeof name, "of %d", n);
        lesson_bar(name, costs[i], costs[SIZES - 1], "%.0f ns");
    }
    lesson_claim(costs[SIZES - 1] > 100 * costs[0],
                 "it costs more than 100 times as much among 10,000 as among 10");
}

/* A call that may sleep enters the wait queues as it walks, until it has found somebody. */
static void poll_by_timeout(void)
{
    enum { N = 1000 };
    lesson_say("Now 1000 files. If poll() may sleep, it puts an entry into the wait queue of each "
               "that it asks, until it finds one that is ready; and it takes them out in the end:");
    double at_once = cost_of_poll(poll_now, N, N - 1);
    double first = cost_of_poll(poll_for_ever, N, 0);
    double last = cost_of_poll(poll_for_ever, N, N - 1);
    double asleep = lesson_cost(poll_and_sleep, NULL, 20);
    lesson_bar("the last is ready, timeout 0", at_once, asleep, "%.0f ns");
    lesson_bar("the first is, no timeout", first, asleep, "%.0f ns");
    lesson_bar("the last is, no timeout", last, asleep, "%.0f ns");
    lesson_bar("none is, and it sleeps", asleep, asleep, "%.0f ns");
    lesson_claim(last > 1.5 * at_once, "it costs more if it may sleep, though it does not sleep");
    lesson_claim(last > 1.5 * first, "not so if the first is ready: it enters no queue after that");
    lesson_claim(asleep > 1.5 * at_once,
                 "a call that sleeps costs more than one that may not sleep");
}

/* What select costs, the call and the search, for `count` files, the last of which is ready. */
static void cost_of_select(int last, int count, double costs[2])
{
    int found = -1;
    FD_ZERO(&many.wanted);
    for (int i = last - count + 1; i <= last; i++)
        FD_SET(many.entries[i].fd, &many.wanted);
    many.bound = many.entries[last].fd + 1;
    make_ready(many.entries[last].fd);
    costs[0] = lesson_cost(call_select, NULL, 10 * MOST / count);
    costs[1] = lesson_cost(search_the_answer, &found, 1000);
    read_it(many.entries[last].fd);
}

static void select_by_number(void)
{
    double low[2], high[2], all[2];
    int last = 0;
    while (many.entries[last + 1].fd < FD_SETSIZE)
        last++;
    if (last < 1000) {
        lesson_skip("what select() costs: too many descriptors below 1024 are taken");
        return;
    }
    cost_of_select(TEN - 1, TEN, low);
    cost_of_select(last, TEN, high);
    cost_of_select(last, 1000, all);
    lesson_say("select() for ten files with low numbers, for ten whose highest is 1023, and for a "
               "thousand. One is ready. First the call:");
    lesson_bar("ten, low", low[0], all[0], "%.0f ns");
    lesson_bar("ten, high", high[0], all[0], "%.0f ns");
    lesson_bar("a thousand", all[0], all[0], "%.0f ns");
    lesson_claim(all[0] > 10 * high[0],
                 "the call costs by the count: 1000 files cost more than 10 times as much as 10");
    lesson_say("Then the program looks for the bit that is set:");
    lesson_bar("ten, low", low[1], all[1], "%.0f ns");
    lesson_bar("ten, high", high[1], all[1], "%.0f ns");
    lesson_bar("a thousand", all[1], all[1], "%.0f ns");
    lesson_claim(high[1] > 10 * low[1] && all[1] < 3 * high[1],
                 "the search costs by the highest number: ten high ones cost as a thousand do");
}

static void measure(void)
{
    if (lesson_descriptors(MOST + 100) < MOST + 100) {
        lesson_skip("what it costs: this process may not have 10,100 descriptors");
        return;
    }
    for (int i = 0; i < MOST; i++)
        many.entries[i] = (struct pollfd){.fd = new_file(), .events = POLLIN};
    poll_by_count();
    poll_by_timeout();
    select_by_number();
}

/* ---- In the model: one wait ------------------------------------------------------------------ */

static struct {
    struct rouse_sim_pollfd entries[MOST];
    int writers[FEW];
    int becomes_ready;
} model;

/* While main sleeps. */
static void packet_for_b(struct rouse_sim_event *event)
{
    (void)event;
    model_draw(model.entries[0].fd, model.entries[1].fd, model.entries[2].fd, -1);
    model_note("somebody writes a byte for b");
    model_must(rouse_sim_write(model.writers[1], "x", 1), "rouse_sim_write");
}

static void follow_a_wait(void)
{
    static const char *const names[2 * FEW] = {
        "a", "b", "c", "the other end of a", "the other end of b", "the other end of c"};
    struct rouse_sim_event event = {.fn = packet_for_b};
    lesson_say("Three pipes, a, b and c, which are empty. main calls poll(), without a timeout:");
    model_boot(NULL);
    for (int i = 0; i < FEW; i++) {
        int ends[2];
        model_must(rouse_sim_pipe(ends), "rouse_sim_pipe");
        model_name(ends[0], names[i]);
        model_name(ends[1], names[FEW + i]);
        model.entries[i] = (struct rouse_sim_pollfd){.fd = ends[0], .want = ROUSE_READ};
        model.writers[i] = ends[1];
    }
    model_must(rouse_sim_at(&event, LESSON_MS), "rouse_sim_at");
    model_mark();
    model_tell(true);
    model_note("main calls poll()");
    int n = model_must(rouse_sim_poll(model.entries, FEW, -1), "rouse_sim_poll");
    model_tell(false);
    lesson_claim(n == 1 && model.entries[1].ready == ROUSE_READ, "b is told");
    lesson_claim(model_since(ROUSE_SIM_READIED) == 1 && model_since(ROUSE_SIM_WALKED) == 1,
                 "main stood in three queues; one of them was walked, and woke it, once");
    lesson_claim(model_since(ROUSE_SIM_ASKED) == 2 * FEW,
                 "who was woken does not know by whom: all three were asked again");
    model_halt();
}

/* ---- In the model: what it costs ------------------------------------------------------------- */

enum how { SELECT, POLL, EPOLL };

/* While main sleeps: a listener becomes ready. */
static void caller(struct rouse_sim_event *event)
{
    (void)event;
    model_must(rouse_sim_connect(model.becomes_ready), "rouse_sim_connect");
}

/* One wait for these files, which sleeps until the last of them is ready. */
static void wait_for(enum how how, int count)
{
    struct rouse_event told;
    struct rouse_sim_set set = {{0}};
    int bound = model.entries[count - 1].fd + 1;
    int epoll = model_must(rouse_sim_epoll_create(), "rouse_sim_epoll_create");
    for (int i = 0; i < count; i++) {
        int fd = model.entries[i].fd;
        if (how == SELECT)
            set.words[fd / 64] |= UINT64_C(1) << fd % 64;
        if (how == EPOLL)
            rouse_sim_epoll_ctl(epoll, ROUSE_SIM_ADD, fd, ROUSE_READ, 0);
    }
    model_mark();
    int n = how == SELECT ? rouse_sim_select(bound, &set, NULL, NULL, -1)
            : how == POLL ? rouse_sim_poll(model.entries, (uint32_t)count, -1)
                          : rouse_sim_epoll_wait(epoll, &told, 1, -1);
    model_must(n, "a wait");
}

/* A line of the table: `count` listeners, the first of which is descriptor `first`. Whether the
 * counts are what they should be: so many links, questions, looks at 64 bits, and bytes. */
static bool count_a_wait(const char *name, enum how how, int first, int count,
                         const uint64_t expected[4])
{
    struct rouse_sim_event event = {.fn = caller};
    char line[100];
    model_boot(&(struct rouse_sim_config){.size = sizeof(struct rouse_sim_config),
                                          .descriptors = MOST + 3});
    for (int i = 0; i < first + count; i++) {
        int fd = model_must(rouse_sim_listen(1), "rouse_sim_listen");
        if (i >= first)
            model.entries[i - first] = (struct rouse_sim_pollfd){.fd = fd, .want = ROUSE_READ};
    }
    model.becomes_ready = model.entries[count - 1].fd;
    model_must(rouse_sim_at(&event, LESSON_MS), "rouse_sim_at");
    wait_for(how, count);
    uint64_t counts[4] = {model_since(ROUSE_SIM_LINKED), model_since(ROUSE_SIM_ASKED),
                          model_since(ROUSE_SIM_LOOKED),
                          model_amount(ROUSE_SIM_COPIED_IN) + model_amount(ROUSE_SIM_COPIED_OUT)};
    bool unlinked = model_since(ROUSE_SIM_UNLINKED) == counts[0];
    snprintf(line, sizeof line, "%-16s %6d %9d %7d %7d %9d", name, count, (int)counts[0],
             (int)counts[1], (int)counts[2], (int)counts[3]);
    lesson_lines(line);
    model_halt();
    return unlinked && memcmp(counts, expected, sizeof counts) == 0;
}

static void count_waits(void)
{
    enum { BITS = ROUSE_SIM_SETSIZE, ENTRY = 8 + 2 /* bytes, in and out */, WORD = 8 };
    bool polls = true, selects = true, epolls = true, high;
    lesson_say("Waits that sleep until one of N files is ready; nothing else is ready then. How "
               "often main was put into a wait queue (and taken out), how often a file was asked, "
               "how often 64 bits were looked at, and bytes copied in and out:");
    lesson_lines("                      N    linked   asked  looked     bytes");
    for (int n = TEN; n <= MOST; n *= 10) {
        uint64_t by_n = (uint64_t)n;
        polls &= count_a_wait("poll", POLL, 0, n, (uint64_t[]){by_n, 2 * by_n, 0, ENTRY * by_n});
    }
    for (int n = TEN; n <= BITS; n = n == 1000 ? BITS : 10 * n) {
        uint64_t by_n = (uint64_t)n, words = (by_n + 63) / 64;
        selects &= count_a_wait("select", SELECT, 0, n,
                                (uint64_t[]){by_n, 2 * by_n, 2 * words, 2 * WORD * words});
    }
    high = count_a_wait("select, 1014 on", SELECT, BITS - TEN, TEN,
                        (uint64_t[]){TEN, 2 * TEN, 2 * BITS / 64, 2 * BITS / 8});
    for (int n = TEN; n <= MOST; n *= 10)
        epolls &= count_a_wait("epoll", EPOLL, 0, n, (uint64_t[]){1, 1, 0, 12});
    lesson_claim(polls, "poll: N links, 2 N questions, 10 N bytes");
    lesson_claim(selects, "select: N links, 2 N questions, and every bit up to the highest, twice");
    lesson_claim(high, "ten high numbers are linked and asked as ten, but looked at and copied as "
                       "1024");
    lesson_claim(epolls, "epoll: one link, one question, 12 bytes, for every N");
}

int main(int argc, char **argv)
{
    lesson_begin(argc, argv, "select-poll");
    lesson_say(
        "select() and poll() are told in each call what to wait for. We look at what goes in "
        "and what comes out, at descriptor 1024, and at what a call costs as the number of "
        "descriptors grows.");
    int guess = lesson_guess("10,000 idle sockets, one becomes ready. How many does poll() ask, "
                             "from the call to the answer?",
                             "1", "10,000", "20,000", NULL);
    lesson_descriptors(2 * FD_SETSIZE);
    lesson_kernel();
    int files[FEW] = {new_file(), new_file(), new_file()};
    hand_over_bits(files);
    hand_over_an_array(files);
    pass_the_limit();
    measure();
    lesson_model();
    follow_a_wait();
    count_waits();
    lesson_answer(guess, 2,
                  "20,000. It asks all of them before it sleeps, as one might be ready, and puts "
                  "an entry into the queue of each. Whoever becomes ready wakes the thread and no "
                  "more; so it asks all of them again, and takes its entries out.");
    return lesson_end();
}
