/*
 * The lesson inside-out: the same echo as a function that blocks and as a function that is called
 * back; what becomes of its variables and of its stack, and whom a crash takes along.
 *
 * The servers are children of this process, which is their client. What they share with it is for
 * looking only.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lesson.h"
#include "model.h"

enum { CLIENTS = 5, ROOM = 32768 };

/* What a server puts where its client can see it. */
struct shared {
    _Atomic pid_t tids[CLIENTS]; /* of the threads */
    atomic_bool hold;            /* who is sent a '?' does not return while this is set */
    atomic_bool held;
    atomic_bool spins; /* its backend never sleeps */
    struct connection {
        struct rouse_io io;
        size_t size; /* of the message */
        size_t sent; /* how much of it has been sent back */
        char message[ROOM];
    } connections[CLIENTS];
};

static struct shared *shared;

/* A bug, and a place to be looked at. */
static void handle(const char *message)
{
    if (message[0] == '!')
        abort();
    if (message[0] == '?') {
        shared->held = true;
        lesson_until(!shared->hold);
    }
}

/* ---- The echo, twice ------------------------------------------------------------------------- */

/* Blocking: reads like what it does. Each connection needs a thread for it, or a process. */
static void echo(int fd)
{
    char message[ROOM];
    for (;;) {
        ssize_t size = read(fd, message, sizeof message);
        if (size <= 0)
            return;
        handle(message);
        for (ssize_t sent = 0; sent < size;) {
            ssize_t n = write(fd, message + sent, (size_t)(size - sent));
            if (n < 0)
                return;
            sent += n;
        }
    }
}

/* As a callback: it returns where the other waits, and begins at its top when it is called again.
 * What it has to know then is in its struct. */
static void on_ready(struct rouse_io *io, uint32_t ready)
{
    struct connection *self = (struct connection *)(void *)io;
    (void)ready;
    if (self->sent == self->size) {
        ssize_t size = rouse_read(io, self->message, sizeof self->message);
        if (size == -EAGAIN)
            return;
        if (size <= 0) {
            rouse_io_close(io);
            return;
        }
        handle(self->message);
        self->size = (size_t)size;
        self->sent = 0;
    }
    ssize_t n = rouse_write(io, self->message + self->sent, self->size - self->sent);
    if (n > 0)
        self->sent += (size_t)n;
    else if (n != -EAGAIN) {
        rouse_io_close(io);
        return;
    }
    rouse_io_want(io, self->sent < self->size ? ROUSE_WRITE : ROUSE_READ);
}

/* ---- The servers ----------------------------------------------------------------------------- */

enum kind { CALLBACKS, THREADS, PROCESSES };

static struct {
    pid_t pids[CLIENTS]; /* the first is of all connections, or each of its own; 0: none */
    int clients[CLIENTS];
    int ends[CLIENTS]; /* the server's */
} server;

static void run_callbacks(void)
{
    struct rouse_loop *loop = lesson_loop();
    shared->spins = strcmp(rouse_backend_name(loop), "spin") == 0;
    for (int i = 0; i < CLIENTS; i++) {
        struct connection *connection = &shared->connections[i];
        rouse_io_init(&connection->io, on_ready);
        lesson_ok(loop, rouse_io_start(loop, &connection->io, server.ends[i], ROUSE_READ));
    }
    lesson_ok(loop, rouse_run(loop));
}

static void *run_thread(void *argument)
{
    int i = *(int *)argument;
    shared->tids[i] = gettid();
    echo(server.ends[i]);
    return NULL;
}

static void run_threads(void)
{
    static struct lesson_thread threads[CLIENTS];
    static int numbers[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        numbers[i] = i;
        lesson_start(&threads[i], run_thread, &numbers[i]);
    }
    for (int i = 0; i < CLIENTS; i++)
        lesson_join(&threads[i]);
}

/* A child that serves all clients, or the one of this number. */
static pid_t start_process(enum kind kind, int number)
{
    pid_t parent = getpid();
    pid_t child = lesson_must(fork(), "fork");
    if (child != 0)
        return child;
    const struct rlimit none = {.rlim_cur = 0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    setrlimit(RLIMIT_CORE, &none);
    for (int i = 0; i < CLIENTS; i++) {
        close(server.clients[i]);
        if (kind == PROCESSES && i != number)
            close(server.ends[i]);
    }
    if (getppid() != parent)
        _exit(1);
    if (kind == CALLBACKS)
        run_callbacks();
    else if (kind == THREADS)
        run_threads();
    else
        echo(server.ends[number]);
    _exit(0);
}

static void start_server(enum kind kind)
{
    memset(shared, 0, sizeof *shared);
    for (int i = 0; i < CLIENTS; i++) {
        int ends[2], small = 4096;
        lesson_must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair");
        lesson_must(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), "setsockopt");
        server.ends[i] = ends[0];
        server.clients[i] = ends[1];
    }
    for (int i = 0; i < CLIENTS; i++)
        server.pids[i] = kind == PROCESSES || i == 0 ? start_process(kind, i) : 0;
    for (int i = 0; i < CLIENTS; i++)
        close(server.ends[i]);
}

static void stop_server(void)
{
    for (int i = 0; i < CLIENTS; i++) {
        close(server.clients[i]);
        if (server.pids[i] == 0)
            continue;
        kill(server.pids[i], SIGKILL);
        waitpid(server.pids[i], NULL, 0);
    }
}

static bool is_answered(int client)
{
    char byte = 'x';
    return send(client, &byte, 1, MSG_NOSIGNAL) == 1 && recv(client, &byte, 1, 0) == 1;
}

static int answered(void)
{
    int count = 0;
    for (int i = 0; i < CLIENTS; i++)
        count += is_answered(server.clients[i]);
    return count;
}

/* ---- What a debugger shows ------------------------------------------------------------------- */

/* The functions on the stack of a thread, the last one first, a line each: by gdb. To gdb one that
 * the compiler has taken to pieces is several calls of the same name; here it is one line. */
static bool stack_of(pid_t pid, pid_t tid, char *text, size_t size)
{
    char command[256], line[1024], head[32], last[1024] = "";
    snprintf(command, sizeof command,
             "DEBUGINFOD_URLS= gdb -nx -batch -p %d -ex 'thread apply all bt' 2>/dev/null", pid);
    snprintf(head, sizeof head, "(LWP %d)", tid);
    FILE *gdb = popen(command, "re");
    lesson_must(gdb == NULL ? -1 : 0, "popen");
    bool ours = false;
    size_t length = 0;
    text[0] = '\0';
    while (fgets(line, sizeof line, gdb) != NULL) {
        if (strncmp(line, "Thread ", 7) == 0)
            ours = strstr(line, head) != NULL;
        char *name = strstr(line, " in "), *end = strstr(line, " (");
        if (!ours || line[0] != '#' || end == NULL)
            continue;
        name = name != NULL && name < end ? name + 4 : line + 4;
        *end = '\0';
        if (length < size && strcmp(name, last) != 0)
            length += (size_t)snprintf(text + length, size - length, "%s\n", name);
        strcpy(last, name);
    }
    pclose(gdb);
    return text[0] != '\0';
}

static bool has(const char *lines, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = lines; (at = strstr(at, name)) != NULL; at += length)
        if ((at == lines || at[-1] == '\n') && at[length] == '\n')
            return true;
    return false;
}

/* ---- On the kernel --------------------------------------------------------------------------- */

/* Sends a message to the first connection and reads nothing of what comes back, so that the server
 * is stuck in the middle of its answer. Returns when it sleeps there. */
static void send_much(pid_t tid)
{
    static char message[ROOM];
    int bytes = 0;
    memset(message, 'x', sizeof message);
    lesson_must((int)write(server.clients[0], message, sizeof message), "write");
    lesson_until(ioctl(server.clients[0], FIONREAD, &bytes) == 0 && bytes > 0);
    if (!shared->spins)
        lesson_until_asleep(tid);
}

static void show_thread(const struct lesson_seen *seen)
{
    const char *none = seen->state == 'R' ? "none, it runs" : "not known";
    lesson_show("its state", "%s", lesson_state(seen->state));
    lesson_show("the function in the kernel it is in", "%s",
                seen->where[0] != '\0' ? seen->where : none);
}

static bool comes_back_whole(void)
{
    char byte;
    size_t count = 0;
    while (count < ROOM && read(server.clients[0], &byte, 1) == 1 && byte == 'x')
        count++;
    return count == ROOM;
}

static void blocked_half_way(void)
{
    struct lesson_seen seen;
    char stack[4096];
    start_server(THREADS);
    lesson_until(shared->tids[CLIENTS - 1] != 0);
    pid_t tid = shared->tids[0];
    send_much(tid);
    lesson_look(tid, &seen);
    lesson_say(
        "The server is a child process with a thread for each of five connections, which "
        "runs echo(). A client sends 32 KiB and reads nothing, so the server is stuck in the "
        "middle of its answer. Of the thread we can see this:");
    show_thread(&seen);
    lesson_claim(seen.state == 'S', "the thread sleeps");
    if (stack_of(server.pids[0], tid, stack, sizeof stack)) {
        lesson_say("And a debugger sees its stack, the last function first:");
        lesson_lines(stack);
        lesson_claim(has(stack, "echo") && strstr(stack, "write") != NULL,
                     "the stack says where it is: in the write() of echo()");
    } else {
        lesson_skip("its stack: there is no gdb, or it may not look");
    }
    lesson_claim(comes_back_whole(), "then the client reads, and all comes back");
    stop_server();
}

/* spin guesses and calls back all the time, also those for whom nothing can be done. */
static void claim_that_it_spins(const struct lesson_seen *before)
{
    struct lesson_seen after;
    lesson_sleep(LESSON_SECOND / 4);
    lesson_look(server.pids[0], &after);
    lesson_claim(after.cpu_ns > before->cpu_ns || after.ticks > before->ticks,
                 "spin does not wait: it has gone on running, for nothing");
}

/* What can be seen of the server while it is stuck; its stack too, if there is gdb. */
static void look_at_the_loop(void)
{
    struct lesson_seen seen;
    char stack[4096];
    lesson_look(server.pids[0], &seen);
    lesson_say("Now a child with one thread, a loop of rouse and on_ready(). The same client. Of "
               "the thread we can see this:");
    show_thread(&seen);
    if (shared->spins)
        claim_that_it_spins(&seen);
    if (!stack_of(server.pids[0], server.pids[0], stack, sizeof stack)) {
        lesson_skip("its stack: there is no gdb, or it may not look");
        return;
    }
    lesson_say("Its stack:");
    lesson_lines(stack);
    if (shared->spins)
        lesson_claim(has(stack, "rouse_run"), "the loop runs, and calls whom it likes");
    else
        lesson_claim(has(stack, "rouse_run") && !has(stack, "on_ready"),
                     "the stack says nothing of the connection: the loop waits, for anybody");
}

static void called_back_half_way(void)
{
    char stack[4096];
    struct connection *self = &shared->connections[0];
    start_server(CALLBACKS);
    send_much(server.pids[0]);
    look_at_the_loop();
    lesson_say("Where the answer is to go on stands in a struct now:");
    lesson_show("size", "%zu", self->size);
    lesson_show("sent", "%zu", self->sent);
    lesson_claim(self->sent > 0 && self->sent < self->size, "a part of the answer has been sent");
    lesson_claim(comes_back_whole(), "then the client reads, and all comes back");

    shared->hold = true;
    lesson_must((int)write(server.clients[1], "?", 1), "write");
    lesson_until(shared->held);
    bool looks = stack_of(server.pids[0], server.pids[0], stack, sizeof stack);
    shared->hold = false;
    if (looks) {
        lesson_say("And while it serves another client:");
        lesson_lines(stack);
        lesson_claim(has(stack, "on_ready") && has(stack, "rouse_run"),
                     "below the callback is the loop, not what the client has done before");
    }
    stop_server();
}

static void side_by_side(void)
{
    lesson_say("What echo() has without saying so, and on_ready() has to say:");
    lesson_lines("                      echo()                   on_ready()\n"
                 "which connection      fd, on the stack         self, what it was called with\n"
                 "the message           message, on the stack    self->message\n"
                 "how long it is        size, on the stack       self->size\n"
                 "how far it has come   sent, on the stack       self->sent\n"
                 "what comes next       the next line            if (self->sent == self->size)\n"
                 "what it waits for     the call it is in        rouse_io_want()\n"
                 "how it waits          inside read(), write()   it returns");
}

static int crash_one(enum kind kind, const char *name)
{
    start_server(kind);
    int before = answered();
    send(server.clients[0], "!", 1, MSG_NOSIGNAL);
    lesson_must(waitpid(server.pids[0], NULL, 0), "waitpid");
    server.pids[0] = 0;
    int after = answered();
    lesson_show(name, "%d, then %d", before, after);
    stop_server();
    return before == CLIENTS ? after : -1;
}

static void crash_in_all(void)
{
    lesson_say("A bug: who is sent a '!' calls abort(). One of five clients sends it. How many are "
               "answered before, and how many then:");
    int callbacks = crash_one(CALLBACKS, "callbacks in a loop");
    int threads = crash_one(THREADS, "a thread for each");
    int processes = crash_one(PROCESSES, "a process for each");
    lesson_claim(callbacks == 0, "with callbacks all connections are lost");
    lesson_claim(threads == 0, "with threads too: they are in one process");
    lesson_claim(processes == CLIENTS - 1, "with processes one is lost, and the others go on");
}

/* ---- In the model ---------------------------------------------------------------------------- */

enum { TASKS = 2 };

static struct {
    int clients[TASKS], ends[TASKS];
    struct rouse_sim_task tasks[TASKS], senders;
    struct rouse_sim_event look;
} model;

/* A byte from each client, at the same moment. */
static int send_bytes(struct rouse_sim_task *task)
{
    (void)task;
    if (rouse_sim_sleep(LESSON_SECOND) == 0)
        for (int i = 0; i < TASKS; i++)
            model_must(rouse_sim_write(model.clients[i], "x", 1), "write");
    return 0;
}

static void boot(void)
{
    static const char *const names[] = {"socket a", "socket b"};
    static const char *const clients[] = {"client a", "client b"};
    int ends[2];
    model_boot(NULL);
    for (int i = 0; i < TASKS; i++) {
        model_must(rouse_sim_pair(ends), "pair");
        model.ends[i] = ends[0];
        model.clients[i] = ends[1];
        model_name(ends[0], names[i]);
        model_name(ends[1], clients[i]);
        model_must(rouse_sim_block(ends[1], false), "block");
    }
    model_task(&model.senders, "clients", send_bytes);
}

/* The echo in the model. Its tasks have no stack of their own, and so are called back as well: this
 * returns where it sleeps, and is called again when it is woken. */
static int model_echo(struct rouse_sim_task *task)
{
    int fd = model.ends[task - model.tasks];
    char byte;
    while (rouse_sim_read(fd, &byte, 1) == 1)
        model_must(rouse_sim_write(fd, &byte, 1), "write");
    return 1;
}

static int answers(void)
{
    int count = 0;
    char byte;
    for (int i = 0; i < TASKS; i++)
        count += rouse_sim_read(model.clients[i], &byte, 1) == 1;
    return count;
}

static void tasks_in_model(void)
{
    static const char *const names[] = {"echo a", "echo b"};
    boot();
    for (int i = 0; i < TASKS; i++)
        model_task(&model.tasks[i], names[i], model_echo);
    model_must(rouse_sim_sleep(0), "sleep");
    lesson_say("Two connections, a task for each. All wait. Then each client sends a byte, at the "
               "same moment:");
    model_draw(model.ends[0], model.ends[1], -1);
    model_mark();
    model_tell(true);
    model_must(rouse_sim_sleep(2 * (int64_t)LESSON_SECOND), "sleep");
    model_tell(false);
    uint64_t wakes = model_since(ROUSE_SIM_READIED); /* to read the answers makes others */
    lesson_claim(answers() == TASKS, "all are answered");
    lesson_claim(wakes == 4,
                 "four wakes: the clients, each of the two, and main when its time was up");
    model_halt();
}

static void look(struct rouse_sim_event *event)
{
    (void)event;
    model_draw(model.ends[0], model.ends[1], 2 * TASKS, -1);
}

static void callbacks_in_model(void)
{
    const struct rouse_config config = {.size = sizeof config, .backend = "sim:epoll"};
    struct rouse_loop *loop;
    boot();
    lesson_ok(NULL, rouse_open(&loop, &config));
    model_name(2 * TASKS, "epoll");
    memset(shared, 0, sizeof *shared);
    for (int i = 0; i < TASKS; i++) {
        struct connection *connection = &shared->connections[i];
        model_must(rouse_sim_block(model.ends[i], false), "block");
        rouse_io_init(&connection->io, on_ready);
        lesson_ok(loop, rouse_io_start(loop, &connection->io, model.ends[i], ROUSE_READ));
    }
    lesson_ok(loop, rouse_turn(loop, 0)); /* hands them over; the clients begin, and fall asleep */
    lesson_say(
        "The same two on a loop of rouse, by the on_ready() of above, which main runs. After "
        "half a second we look:");
    model.look = (struct rouse_sim_event){.fn = look};
    model_must(rouse_sim_at(&model.look, LESSON_SECOND / 2), "at");
    model_mark();
    model_tell(true);
    lesson_ok(loop, rouse_turn(loop, 2 * (int64_t)LESSON_SECOND));
    model_tell(false);
    lesson_claim(answers() == TASKS, "all are answered");
    lesson_claim(model_since(ROUSE_SIM_READIED) == 2, "two wakes: the clients, and main for both");
    lesson_ok(loop, rouse_close(loop));
    model_halt();
}

int main(int argc, char **argv)
{
    lesson_begin(argc, argv, "inside-out");
    lesson_say(
        "A server that sends back what it is sent, written twice: as a function that blocks, "
        "with a thread for each connection, and as a function that a loop calls back. We "
        "stop both in the middle of an answer and look for what they know. Then one of "
        "their clients makes them crash.");
    int guess = lesson_guess("A server with five connections, and a bug that calls abort(). With "
                             "which are the other four connections still answered?",
                             "a thread for each connection", "a process for each connection",
                             "both", "neither", NULL);
    lesson_kernel();
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    lesson_must(shared == MAP_FAILED ? -1 : 0, "mmap");
    blocked_half_way();
    called_back_half_way();
    side_by_side();
    crash_in_all();
    lesson_model();
    tasks_in_model();
    callbacks_in_model();
    lesson_answer(guess, 1,
                  "A process for each connection. Threads and callbacks share one memory, and one "
                  "end.");
    return lesson_end();
}
