/*
 * The lesson ghosts: an event for a descriptor that is gone, and what each backend makes of it.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rouse/backend.h>

#include "lesson.h"
#include "model.h"

/* ---- On the kernel: epoll itself ------------------------------------------------------------- */

static int epoll;

/* Two connected sockets, the first of which is watched. What epoll is to say of it is its number.
 */
static void watch_one(int ends[2])
{
    lesson_must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = ends[0]};
    lesson_must(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event), "epoll_ctl");
}

static void write_byte(int fd)
{
    lesson_must((int)write(fd, "x", 1), "write");
}

/* The entries of the interest set, as the kernel tells them. */
static int entries(char text[2048])
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", epoll);
    lesson_must(lesson_file(path, text, 2048) > 0 ? 0 : -1, path);
    int count = 0;
    for (const char *line = text; (line = strstr(line, "tfd:")) != NULL; line++)
        count++;
    return count;
}

/* Shows them: their numbers, and what epoll is to say of each. */
static void show_entries(const char *when)
{
    char text[2048], list[256] = "";
    entries(text);
    for (const char *line = text; (line = strstr(line, "tfd:")) != NULL; line++) {
        int fd;
        if (sscanf(line, "tfd: %d", &fd) == 1)
            snprintf(list + strlen(list), sizeof list - strlen(list), " %d", fd);
    }
    lesson_show(when, "%s", list[0] != '\0' ? list + 1 : "none");
}

static bool has_entries(int count)
{
    char text[2048];
    return entries(text) == count;
}

/* Of what descriptor a wait is told, which may sleep so long; -1 of none. */
static int told(int milliseconds)
{
    struct epoll_event event;
    int n = lesson_must(epoll_wait(epoll, &event, 1, milliseconds), "epoll_wait");
    return n == 1 ? event.data.fd : -1;
}

static void close_the_only_one(void)
{
    int ends[2];
    watch_one(ends);
    lesson_say("A socket is watched by epoll, and then closed. Nobody has told epoll. The entries "
               "of its interest set, which /proc/self/fdinfo tells by their descriptors:");
    show_entries("watched");
    lesson_claim(has_entries(1), "there is an entry for it");
    close(ends[0]);
    show_entries("closed");
    lesson_claim(has_entries(0), "close() has removed it, for it was the last descriptor");
    close(ends[1]);
}

static void close_one_of_two(int ends[2], int *copy)
{
    enum { WAITS = 1000 };
    watch_one(ends);
    *copy = lesson_must(dup(ends[0]), "dup");
    lesson_say("The same, with a copy made by dup() before. Then a byte arrives:");
    show_entries("watched");
    close(ends[0]);
    show_entries("closed");
    write_byte(ends[1]);
    int fd = told(0);
    lesson_show("an event tells of descriptor", "%d", fd);
    errno = 0;
    char byte;
    bool read_fails = read(fd, &byte, 1) == -1 && errno == EBADF;
    lesson_show("read() of it says", "%s", strerror(errno));
    bool remove_fails = epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) == -1 && errno == EBADF;
    lesson_show("EPOLL_CTL_DEL of it says", "%s", strerror(errno));
    int events = 0;
    int64_t begun = lesson_now();
    for (int i = 0; i < WAITS; i++)
        events += told(60000) == ends[0];
    double took = (double)(lesson_now() - begun) / LESSON_MS;
    lesson_show("a thousand waits for a minute", "%d events in %.1f ms", events, took);
    lesson_claim(has_entries(1) && fd == ends[0], "the entry stays: a ghost, with its old number");
    lesson_claim(read_fails && remove_fails, "it cannot be read, and it cannot be removed");
    lesson_claim(events == WAITS, "each wait comes back with it at once");
}

static void number_is_used_again(int old[2], int copy)
{
    int fresh[2];
    char byte;
    watch_one(fresh);
    lesson_say("The next socket is given the lowest free number, which is the ghost's. It is "
               "watched too, and nothing has been sent to it:");
    show_entries("watched");
    int fd = told(0);
    lesson_show("an event tells of descriptor", "%d", fd);
    bool nothing = recv(fd, &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN;
    lesson_show("recv() of it says", "%s", strerror(errno));
    lesson_claim(fresh[0] == old[0] && has_entries(2), "there are two entries with one number");
    lesson_claim(fd == fresh[0] && nothing,
                 "the event is the ghost's: who goes by its number reads the wrong one");
    close(copy);
    lesson_say("The way out is the copy. It is closed, and with it the file:");
    show_entries("the copy is closed");
    lesson_claim(has_entries(1) && told(0) == -1, "the ghost is gone, and the other is there");
    close(old[1]);
    close(fresh[0]);
    close(fresh[1]);
}

static void close_after_fork(void)
{
    int ends[2], life[2];
    watch_one(ends);
    lesson_must(pipe(life), "pipe");
    pid_t child = lesson_must(fork(), "fork");
    if (child == 0) {
        char byte;
        close(life[1]);
        _exit(read(life[0], &byte, 1) != 0);
    }
    close(life[0]);
    close(ends[0]);
    write_byte(ends[1]);
    lesson_say("A child of fork() is a copy too: it has all descriptors. This process closes its "
               "own, and a byte arrives. The child only sleeps:");
    show_entries("closed here");
    int fd = told(0);
    lesson_show("an event tells of descriptor", "%d", fd);
    lesson_claim(has_entries(1) && fd == ends[0], "the child keeps the entry; the event is here");
    close(life[1]);
    waitpid(child, NULL, 0);
    show_entries("the child has ended");
    lesson_claim(has_entries(0), "when the child ends, the entry goes");
    close(ends[1]);
}

/* ---- Every backend: the same loop, on the kernel and in the model ---------------------------- */

enum { TURNS = 20 };

/* What is done to the descriptor of a watcher, behind the back of its loop. */
enum fate { CLOSED, COPIED, STOPPED, FATES };

static void send_byte(int fd)
{
    send(fd, "x", 1, MSG_NOSIGNAL);
}

static const struct calls {
    int (*dup)(int fd);
    int (*close)(int fd);
    void (*send)(int fd); /* a byte; that nobody is left to read it does not matter */
} kernel = {dup, close, send_byte};

/* What came of it. */
struct heard {
    int calls; /* of the callback */
    int error; /* that it was told; 0: none */
    struct rouse_counters counters;
};

struct watched {
    struct rouse_io io;
    struct heard heard;
};

static void on_ready(struct rouse_io *io, uint32_t ready)
{
    struct watched *watched = (struct watched *)(void *)io;
    (void)ready;
    watched->heard.calls++;
    if (rouse_io_error(io) != 0)
        watched->heard.error = -rouse_io_error(io);
}

/* ends[0] is watched, and then meets its fate; a byte arrives. If it is stopped, that is too late:
 * it is closed already. Closes the loop. */
static struct heard haunt(struct rouse_loop *loop, const struct calls *calls, int ends[2],
                          enum fate fate)
{
    struct watched watched = {.heard.calls = 0};
    rouse_io_init(&watched.io, on_ready);
    lesson_ok(loop, rouse_io_start(loop, &watched.io, ends[0], ROUSE_READ));
    lesson_ok(loop, rouse_turn(loop, 0));
    watched.heard = (struct heard){.counters.size = sizeof watched.heard.counters};
    int copy = calls->dup(ends[0]);
    if (fate == CLOSED)
        calls->close(copy);
    calls->close(ends[0]);
    calls->send(ends[1]);
    if (fate == STOPPED)
        lesson_ok(loop, rouse_io_stop(&watched.io));
    for (int turn = 0; turn < TURNS; turn++)
        lesson_ok(loop, rouse_turn(loop, LESSON_MS));
    lesson_ok(loop, rouse_count(loop, &watched.heard.counters));
    lesson_ok(loop, rouse_close(loop));
    if (fate != CLOSED)
        calls->close(copy);
    calls->close(ends[1]);
    return watched.heard;
}

/* In a few words. */
static const char *outcome(const struct heard *heard)
{
    static char texts[FATES][32];
    static int next;
    char *text = texts[next++ % FATES];
    if (heard->error != 0)
        snprintf(text, sizeof texts[0], "%s",
                 heard->error == EBADF ? "EBADF" : strerror(heard->error));
    else if (heard->counters.rebuilds > 0)
        snprintf(text, sizeof texts[0], "opened anew, silence");
    else if (heard->calls > 0)
        snprintf(text, sizeof texts[0], "%d call%s", heard->calls, heard->calls == 1 ? "" : "s");
    else
        snprintf(text, sizeof texts[0], "silence");
    return text;
}

static void show_row(const char *name, const char *closed, const char *copied, const char *stopped)
{
    char row[128];
    snprintf(row, sizeof row, "%-12s %-10s %-16s %s", name, closed, copied, stopped);
    lesson_lines(row);
}

static void show_head(void)
{
    show_row("", "closed", "closed; a copy", "closed; a copy is open;");
    show_row("", "", "is open", "and stopped too late");
}

/* Runs all fates on a backend and shows what came of them. */
static void show_backend(const char *name, const struct calls *calls, int (*pair)(int ends[2]),
                         struct heard heard[FATES])
{
    const struct rouse_config config = {.size = sizeof config, .backend = name};
    for (enum fate fate = 0; fate < FATES; fate++) {
        struct rouse_loop *loop;
        int ends[2];
        pair(ends);
        lesson_ok(NULL, rouse_open(&loop, &config));
        heard[fate] = haunt(loop, calls, ends, fate);
    }
    show_row(name, outcome(&heard[CLOSED]), outcome(&heard[COPIED]), outcome(&heard[STOPPED]));
}

static int kernel_pair(int ends[2])
{
    return lesson_must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair");
}

/* ---- On the kernel: rouse -------------------------------------------------------------------- */

static void close_with_rouse(void)
{
    struct rouse_loop *loop = lesson_loop();
    struct watched watched = {.heard.calls = 0}, heir = {.heard.calls = 0};
    int ends[2], fresh[2];
    kernel_pair(ends);
    int copy = lesson_must(dup(ends[0]), "dup");
    lesson_say("Now a loop of rouse, on %s. The right way first: rouse_io_close() stops the "
               "watcher and closes the descriptor, in this order. The copy is open, and a byte "
               "arrives; the loop turns twenty times:",
               rouse_backend_name(loop));
    rouse_io_init(&watched.io, on_ready);
    lesson_ok(loop, rouse_io_start(loop, &watched.io, ends[0], ROUSE_READ));
    lesson_ok(loop, rouse_turn(loop, 0));
    watched.heard.calls = 0; /* spin has guessed */
    lesson_ok(loop, rouse_io_close(&watched.io));
    send_byte(ends[1]);
    for (int turn = 0; turn < TURNS; turn++)
        lesson_ok(loop, rouse_turn(loop, 0));
    struct rouse_counters counters = {.size = sizeof counters};
    lesson_ok(loop, rouse_count(loop, &counters));
    lesson_show("calls of the callback", "%d", watched.heard.calls);
    lesson_show("events for nobody", "%" PRIu64, counters.stale);
    lesson_claim(watched.heard.calls == 0 && counters.stale == 0, "there is no ghost");
    close(copy);
    close(ends[1]);

    lesson_say("Then the wrong way: close() without a word. The next socket has the number, and is "
               "to be watched:");
    kernel_pair(ends);
    lesson_ok(loop, rouse_io_start(loop, &watched.io, ends[0], ROUSE_READ));
    close(ends[0]);
    kernel_pair(fresh);
    rouse_io_init(&heir.io, on_ready);
    int result = rouse_io_start(loop, &heir.io, fresh[0], ROUSE_READ);
    lesson_say("rouse_io_start() says: %s.", rouse_error(loop));
    lesson_claim(fresh[0] == ends[0] && result == -EEXIST,
                 "it is refused: somebody has closed what is still watched");
    lesson_ok(loop, rouse_close(loop));
    close(ends[1]);
    close(fresh[0]);
    close(fresh[1]);
}

static void stop_too_late(void)
{
    struct rouse_loop *loop = lesson_loop();
    bool haunted = strcmp(rouse_backend_name(loop), "epoll") == 0;
    int ends[2];
    kernel_pair(ends);
    lesson_say("And the ghost: a copy is open, close() comes first, rouse_io_stop() after it. In "
               "the twenty turns after that:");
    const struct heard heard = haunt(loop, &kernel, ends, STOPPED);
    lesson_show("events for nobody", "%" PRIu64, heard.counters.stale);
    lesson_show("times its backend was opened anew", "%" PRIu64, heard.counters.rebuilds);
    lesson_show("calls of the callback", "%d", heard.calls);
    lesson_claim(heard.calls == 0, "the callback is not called");
    if (heard.counters.stale != 0 || haunted) {
        lesson_claim(heard.counters.stale != 0 && heard.counters.rebuilds != 0,
                     "the ghost is heard, and the backend opened anew");
        lesson_claim(heard.counters.stale <= 3, "and then it is silent");
    } else {
        lesson_claim(heard.counters.rebuilds == 0, "no ghost is heard, and nothing is opened anew");
    }
}

static void all_backends(void)
{
    struct heard heard[FATES];
    bool told_by_scan = true, silent = true, exorcised = true;
    lesson_say("The same on every backend of rouse that this machine has. What the callback was "
               "told in twenty turns, after its descriptor was closed behind the loop's back and a "
               "byte has arrived:");
    show_head();
    for (unsigned i = 0; rouse_rung_at(i) != NULL; i++) {
        const struct rouse_rung *rung = rouse_rung_at(i);
        if (rung->backend == NULL || rung->backend->traits & ROUSE_TRAIT_WRAPS ||
            strncmp(rung->name, "sim:", 4) == 0)
            continue;
        show_backend(rung->name, &kernel, kernel_pair, heard);
        if (strcmp(rung->name, "poll") == 0 || strcmp(rung->name, "select") == 0)
            told_by_scan &= heard[CLOSED].error == EBADF && heard[COPIED].error == EBADF;
        if (strcmp(rung->name, "epoll") == 0)
            silent &= heard[CLOSED].calls == 0 && heard[COPIED].calls == TURNS;
        exorcised &= heard[STOPPED].calls == 0 && heard[STOPPED].counters.stale <= 3;
    }
    lesson_claim(told_by_scan, "poll and select look the number up: EBADF, copy or not");
    lesson_claim(silent, "epoll says nothing; while a copy is open, it reports in every turn");
    lesson_claim(exorcised, "on none is a stopped watcher called, and nowhere does it go on");
}

/* ---- In the model ---------------------------------------------------------------------------- */

static void model_send(int fd)
{
    rouse_sim_write(fd, "x", 1);
}

static const struct calls machine = {rouse_sim_dup, rouse_sim_close, model_send};

static void ghost_in_model(void)
{
    enum { WAITS = 1000 };
    int ends[2];
    struct rouse_event event = {.token = 0};
    model_boot(NULL);
    model_must(rouse_sim_pair(ends), "pair");
    model_name(ends[0], "socket");
    model_name(ends[1], "its peer");
    int ep = model_must(rouse_sim_epoll_create(), "epoll_create");
    model_name(ep, "epoll");
    model_must(rouse_sim_epoll_ctl(ep, ROUSE_SIM_ADD, ends[0], ROUSE_READ, 77), "epoll_ctl");
    int copy = model_must(rouse_sim_dup(ends[0]), "dup");
    lesson_say("A socket, descriptor %d, is watched with the token 77; descriptor %d is its copy. "
               "Then %d is closed, and a byte arrives:",
               ends[0], copy, ends[0]);
    model_tell(true);
    model_must(rouse_sim_close(ends[0]), "close");
    model_send(ends[1]);
    int n = model_must(rouse_sim_epoll_wait(ep, &event, 1, 0), "epoll_wait");
    model_tell(false);
    model_draw(copy, ep, -1);
    lesson_claim(n == 1 && event.token == 77,
                 "the wait has told of 77, whose descriptor is closed");
    lesson_claim(rouse_sim_epoll_ctl(ep, ROUSE_SIM_REMOVE, ends[0], 0, 0) == -EBADF,
                 "to remove it fails: there is no such descriptor");
    model_mark();
    int events = 0;
    for (int i = 0; i < WAITS; i++)
        events += rouse_sim_epoll_wait(ep, &event, 1, -1);
    lesson_claim(events == WAITS && model_since(ROUSE_SIM_SLEPT) == 0,
                 "a thousand waits more, a thousand events, and no sleep");
    lesson_say("The copy is closed:");
    model_tell(true);
    model_must(rouse_sim_close(copy), "close");
    model_tell(false);
    model_draw(ep, -1);
    lesson_claim(rouse_sim_watched(ep, 0) < 0, "with the file its entry is gone");
    model_halt();
}

static void backends_in_model(void)
{
    static const char *const names[] = {"sim:select", "sim:poll", "sim:epoll"};
    struct heard heard[3][FATES];
    lesson_say("And the table, by the same loop in the model:");
    show_head();
    for (int i = 0; i < 3; i++) {
        model_boot(NULL);
        show_backend(names[i], &machine, rouse_sim_pair, heard[i]);
        model_halt();
    }
    lesson_claim(heard[0][COPIED].calls == 1 && heard[1][COPIED].calls == 1,
                 "who looks the number up tells of it once");
    const struct heard *ghost = &heard[2][STOPPED];
    lesson_claim(ghost->counters.stale == 1 && ghost->counters.rebuilds == 1,
                 "epoll's ghost is heard once, and the backend is opened anew once");
}

int main(int argc, char **argv)
{
    lesson_begin(argc, argv, "ghosts");
    lesson_say("A descriptor that is being watched is closed, and whoever watches is not told. "
               "What does epoll say then, what do the others, and what does rouse do about it?");
    int guess =
        lesson_guess("A socket is watched by epoll. You dup() it, and close() the first "
                     "descriptor. What comes of the entry?",
                     "it goes, as the descriptor is closed", "it moves to the other descriptor",
                     "it stays, and reports the closed number", NULL);
    lesson_kernel();
    epoll = lesson_must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    int ends[2], copy;
    close_the_only_one();
    close_one_of_two(ends, &copy);
    number_is_used_again(ends, copy);
    close_after_fork();
    close(epoll);
    close_with_rouse();
    stop_too_late();
    all_backends();
    lesson_model();
    ghost_in_model();
    backends_in_model();
    lesson_answer(guess, 2,
                  "It stays, and reports the closed number. An entry belongs to the open file, and "
                  "goes when the last descriptor of that is closed, wherever that is.");
    return lesson_end();
}
