/*
 * The lesson c10k-threads: ten thousand threads that wait for ten thousand connections. What they
 * are promised and what they take, and what a message costs them, beside one thread that waits for
 * all.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "model.h"

enum { WANTED = 10000, SPARE = 50, STACK = 8 << 20, FEW = 200, BATCH = 512 };

/* A connection, and the thread that reads it if there is one for each. */
struct connection {
    int ends[2]; /* the first is read, the other written */
    pthread_t thread;
    pid_t tid;
};

static struct connection *connections;
static int count;
static atomic_int begun, handled;

static void connect_all(void)
{
    count = WANTED;
    if (lesson_descriptors(2 * WANTED + SPARE) < 2 * WANTED + SPARE)
        count = (lesson_descriptors(0) - SPARE) / 2;
    connections = calloc((size_t)count, sizeof *connections);
    lesson_must(connections != NULL ? 0 : -1, "calloc");
    for (int i = 0; i < count; i++)
        lesson_must(socketpair(AF_UNIX, SOCK_STREAM, 0, connections[i].ends), "socketpair");
}

/* ---- Those who read ----------------------------------------------------------------------- */

/* All share one processor, and who is woken does not push the writer away. So messages that are
 * written one after the other are there before one is read, as on a machine that has much to do. */
static void give_way(void)
{
    lesson_must(sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0}), "SCHED_BATCH");
}

/* A thread of its own for a connection. */
static void *read_one(void *argument)
{
    struct connection *connection = argument;
    char byte;
    connection->tid = gettid();
    give_way();
    begun++;
    while (read(connection->ends[0], &byte, 1) == 1 && byte != 'q')
        handled++;
    return NULL;
}

/* One thread for all. */
static void *read_all(void *argument)
{
    int epoll = *(int *)argument;
    struct epoll_event events[BATCH];
    char byte;
    give_way();
    begun++;
    for (;;) {
        int n = epoll_wait(epoll, events, BATCH, -1);
        for (int i = 0; i < n; i++) {
            if (read(events[i].data.fd, &byte, 1) != 1 || byte == 'q')
                return NULL;
            handled++;
        }
    }
}

static bool sleeps(pid_t tid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    int length = lesson_file(path, text, sizeof text);
    errno = -length;
    lesson_must(length < 0 ? -1 : 0, path);
    return strstr(text, ") S ") != NULL;
}

/* ---- What it takes ------------------------------------------------------------------------ */

struct memory {
    int64_t promised, resident, tables; /* of this process, in kB */
    int64_t stacks;                     /* in the kernel, of all threads of this machine */
};

static struct memory measure(void)
{
    return (struct memory){
        .promised = lesson_field("/proc/self/status", "VmSize"),
        .resident = lesson_field("/proc/self/status", "VmRSS"),
        .tables = lesson_field("/proc/self/status", "VmPTE"),
        .stacks = lesson_field("/proc/meminfo", "KernelStack"),
    };
}

/* Starts a thread for each connection, or as many as this machine allows. */
static void start_threads(void)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    int started = 0;
    while (started < count && pthread_create(&connections[started].thread, &attributes, read_one,
                                             &connections[started]) == 0)
        started++;
    pthread_attr_destroy(&attributes);
    for (int i = started; i < count; i++) {
        close(connections[i].ends[0]);
        close(connections[i].ends[1]);
    }
    count = started;
    lesson_until(begun == count);
    for (int i = 0; i < count; i++)
        lesson_until(sleeps(connections[i].tid));
}

static void show_memory(void)
{
    struct memory before = measure();
    start_threads();
    struct memory after = measure();
    double promised = (double)(after.promised - before.promised);
    double resident = (double)(after.resident - before.resident);
    double tables = (double)(after.tables - before.tables);
    double stacks = (double)(after.stacks - before.stacks);
    lesson_say("%d connections, and a thread for each%s. Every thread has a stack of 8 MB, and "
               "sleeps in read():",
               count, count < WANTED ? ", which is all that this machine allows" : "");
    double memory = (double)lesson_field("/proc/meminfo", "MemTotal");
    double most = (memory > promised ? memory : promised) / 1000;
    lesson_bar("this machine has (MemTotal)", memory / 1000, most, "%6.0f MB");
    lesson_bar("promised (VmSize)", promised / 1000, most, "%6.0f MB");
    lesson_bar("resident (VmRSS)", resident / 1000, most, "%6.0f MB");
    lesson_bar("page tables (VmPTE)", tables / 1000, most, "%6.0f MB");
    lesson_bar("stacks in the kernel (KernelStack)", stacks / 1000, most, "%6.0f MB");
    lesson_show("for a thread: resident", "%5.1f kB", resident / count);
    lesson_show("              page tables", "%5.1f kB", tables / count);
    lesson_show("              stack in the kernel", "%5.1f kB", stacks / count);
    lesson_claim(promised >= (double)count * STACK / 1024, "each thread was promised its 8 MB");
    lesson_claim(resident + tables + (double)after.stacks < promised / 20,
                 "what they take is less than a twentieth of what they were promised");
    lesson_claim(after.stacks >= (int64_t)count * 8,
                 "each also has a stack in the kernel, and that is there");
}

/* ---- What a message costs ----------------------------------------------------------------- */

/* For a message: how often a reader went to sleep, and how long one has run. */
struct cost {
    double switches, ns;
};

/* The readers' part of what this process has done so far. */
static struct cost done_by_readers(void)
{
    struct rusage all, mine;
    int64_t ns = lesson_process_cpu() - lesson_thread_cpu();
    getrusage(RUSAGE_SELF, &all);
    getrusage(RUSAGE_THREAD, &mine);
    return (struct cost){.switches = (double)(all.ru_nvcsw - mine.ru_nvcsw), .ns = (double)ns};
}

static void send_to(const struct connection *connection, char byte)
{
    lesson_must((int)write(connection->ends[1], &byte, 1), "write");
}

/* Sends a message to each of so many connections; the next when the one before was read and its
 * reader sleeps again, or all in a burst. `reader` reads them all; 0: each has its own. */
static struct cost send_messages(int messages, bool burst, pid_t reader)
{
    struct cost before = done_by_readers();
    handled = 0;
    for (int i = 0; i < messages; i++) {
        send_to(&connections[i], 'x');
        if (burst)
            continue;
        lesson_until(handled == i + 1);
        lesson_until(sleeps(reader != 0 ? reader : connections[i].tid));
    }
    lesson_until(handled == messages);
    for (int i = 0; i < messages; i++)
        lesson_until(sleeps(reader != 0 ? reader : connections[i].tid));
    struct cost after = done_by_readers();
    return (struct cost){.switches = (after.switches - before.switches) / messages,
                         .ns = (after.ns - before.ns) / messages};
}

static void end_threads(void)
{
    for (int i = 0; i < count; i++)
        send_to(&connections[i], 'q');
    for (int i = 0; i < count; i++)
        pthread_join(connections[i].thread, NULL);
}

/* One thread for all the connections. */
static void watch_all(struct lesson_thread *thread, int *epoll)
{
    *epoll = lesson_must(epoll_create1(0), "epoll_create1");
    for (int i = 0; i < count; i++) {
        int fd = connections[i].ends[0];
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        lesson_must(epoll_ctl(*epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    }
    lesson_start(thread, read_all, epoll);
    lesson_until(sleeps(thread->tid));
}

static void show_costs(const char *words, const struct cost *each, const struct cost *one)
{
    lesson_say("%s", words);
    lesson_bar("sleeps for a message: threads", each->switches, 1, "%.4f");
    lesson_bar("                      one, epoll", one->switches, 1, "%.4f");
    lesson_show("processor time of it: threads", "%5.0f ns", each->ns);
    lesson_show("                      one, epoll", "%5.0f ns", one->ns);
}

static void wait_on_the_kernel(void)
{
    struct lesson_thread thread;
    int epoll;
    connect_all();
    lesson_share_processor();
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); /* else some kernels give stacks 2 MB at once */
    show_memory();
    int few = count < FEW ? count : FEW;
    struct cost singly = send_messages(few, false, 0);
    struct cost burst = send_messages(count, true, 0);
    end_threads();
    watch_all(&thread, &epoll);
    struct cost singly_one = send_messages(few, false, thread.tid);
    struct cost burst_one = send_messages(count, true, thread.tid);
    send_to(&connections[0], 'q');
    lesson_join(&thread);
    close(epoll);

    show_costs("Messages come, each when the one before was read. A thread for each connection, "
               "beside one thread that sleeps in epoll_wait() for all:",
               &singly, &singly_one);
    lesson_claim(singly.switches > 0.9 && singly_one.switches > 0.9,
                 "either way somebody sleeps, and is woken, for every message");
    show_costs("Messages come to all connections, faster than they are read:", &burst, &burst_one);
    lesson_claim(burst.switches > 0.9, "the threads: still a sleep for every message");
    lesson_claim(burst_one.switches < 0.5,
                 "the one: not even a sleep for two messages, as it finds many at once");
}

/* ---- In the model ------------------------------------------------------------------------- */

/* A connection, and the task that reads it; or all, if it is that of the first. */
static struct model_connection {
    struct rouse_sim_task task; /* the first member */
    int ends[2];
} * modelled;

static int model_epoll, model_handled;

static int read_one_in_model(struct rouse_sim_task *task)
{
    int fd = ((struct model_connection *)(void *)task)->ends[0];
    char byte;
    while (rouse_sim_read(fd, &byte, 1) == 1)
        model_handled++;
    return 1; /* it sleeps */
}

static int read_all_in_model(struct rouse_sim_task *task)
{
    struct rouse_event events[BATCH];
    char byte;
    int n;
    (void)task;
    while ((n = rouse_sim_epoll_wait(model_epoll, events, BATCH, -1)) >= 0)
        for (int i = 0; i < n; i++)
            model_handled += rouse_sim_read((int)events[i].token, &byte, 1) == 1;
    return 1; /* it sleeps */
}

/* Boots the machine with so many connections, and whoever reads them asleep. */
static void boot(int n, bool threads)
{
    static const char *const names[][3] = {{"A", "A's peer", "reader of A"},
                                           {"B", "B's peer", "reader of B"}};
    struct rouse_sim_config config = {
        .size = sizeof config, .descriptors = (uint32_t)(2 * n + 1), .room = 16};
    model_boot(&config);
    modelled = calloc((size_t)n, sizeof *modelled);
    lesson_must(modelled != NULL ? 0 : -1, "calloc");
    model_epoll = model_must(rouse_sim_epoll_create(), "rouse_sim_epoll_create");
    model_name(model_epoll, "the epoll");
    for (int i = 0; i < n; i++) {
        int *ends = modelled[i].ends;
        model_must(rouse_sim_pair(ends), "rouse_sim_pair");
        model_name(ends[0], names[i % 2][0]);
        model_name(ends[1], names[i % 2][1]);
        if (threads)
            model_task(&modelled[i].task, names[i % 2][2], read_one_in_model);
        else
            rouse_sim_epoll_ctl(model_epoll, ROUSE_SIM_ADD, ends[0], ROUSE_READ, (uint64_t)ends[0]);
    }
    if (!threads)
        model_task(&modelled[0].task, "the one", read_all_in_model);
    model_must(rouse_sim_sleep(0), "rouse_sim_sleep");
    model_handled = 0;
    model_mark();
}

static void write_to_all(int n)
{
    for (int i = 0; i < n; i++)
        model_must(rouse_sim_write(modelled[i].ends[1], "x", 1), "rouse_sim_write");
}

/* A burst of two messages, step by step. */
static void show_burst(const char *words, bool threads)
{
    boot(2, threads);
    lesson_say("%s Main writes a message to each of them:", words);
    model_tell(true);
    write_to_all(2);
    model_tell(false);
    model_draw(modelled[0].ends[0], modelled[1].ends[0], threads ? -1 : model_epoll, -1);
    model_halt();
    free(modelled);
}

/* A burst to 10,000. Returns how often a reader went to sleep again; one was main. */
static uint64_t count_burst(const char *words, bool threads)
{
    boot(WANTED, threads);
    write_to_all(WANTED);
    model_must(rouse_sim_sleep(0), "rouse_sim_sleep");
    uint64_t slept = model_since(ROUSE_SIM_SLEPT) - 1;
    lesson_say("%s", words);
    lesson_show("messages read", "%d", model_handled);
    lesson_show("times a hook was called", "%" PRIu64, model_since(ROUSE_SIM_HOOKED));
    lesson_show("times a reader was made READY", "%" PRIu64, model_since(ROUSE_SIM_READIED) - 1);
    lesson_show("    was given the processor", "%" PRIu64, model_since(ROUSE_SIM_SCHEDULED) - 1);
    lesson_show("    went to sleep again", "%" PRIu64, slept);
    lesson_claim(model_handled == WANTED, "all messages were read");
    model_halt();
    free(modelled);
    return slept;
}

static void wait_in_the_model(void)
{
    show_burst("Two connections, and a thread for each. All sleep.", true);
    show_burst("Two connections, and one thread, which sleeps in epoll_wait().", false);
    uint64_t each = count_burst("10,000 connections, a message on each; threads:", true);
    lesson_claim(each == WANTED, "a sleep for every message");
    uint64_t one = count_burst("10,000 connections, a message on each; one thread:", false);
    lesson_claim(one == 1, "one sleep for all of them");
}

int main(int argc, char **argv)
{
    lesson_begin(argc, argv, "c10k-threads");
    lesson_say("The plain way to serve 10,000 connections: 10,000 threads, each of which sleeps in "
               "a read(). We start them, look what they take, and send messages. Then one thread "
               "does the same by epoll.");
    int guess = lesson_guess("10,000 threads with stacks of 8 MB sleep in read(). How much memory "
                             "do they take?",
                             "80 GB", "some hundred MB", "hardly any", NULL);
    lesson_kernel();
    wait_on_the_kernel();
    lesson_model();
    wait_in_the_model();
    lesson_answer(
        guess, 1,
        "Some hundred MB. A stack is a promise; memory is given page by page, when it is "
        "touched, and who sleeps in read() has touched few. What threads cost beside that "
        "is a change of threads for every message.");
    return lesson_end();
}
