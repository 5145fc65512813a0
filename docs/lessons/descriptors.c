/*
 * The lesson descriptors: a descriptor is a number, which says a slot in a table; in the slot is an
 * open file, which others may hold too. What belongs to the slot and what to the file is tried out.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lesson.h"
#include "model.h"

enum { FEW = 4, TRIES = 3, ABOVE = 50, SLOTS = 8 };

/* ---- On the kernel --------------------------------------------------------------------------- */

static int letters; /* a file without a name that holds the alphabet */

/* Opens it once more. */
static int open_letters(void)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", letters);
    return open(path, O_RDONLY);
}

/* Reads two letters, and shows them. */
static bool reads(int fd, const char *name, const char *expected)
{
    char two[3] = "";
    lesson_must((int)read(fd, two, 2), "read");
    lesson_show(name, "%s", two);
    return strcmp(two, expected) == 0;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) != -1;
}

static int lowest_free(void)
{
    int fd = 0;
    while (is_open(fd))
        fd++;
    return fd;
}

/* Slots of the table, from /proc/self/fd, where each is a link. */
static void show_slots(int from, int to)
{
    char text[1024] = "", path[32], target[64];
    for (int fd = from; fd <= to; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        int length = (int)readlink(path, target, sizeof target);
        size_t end = strlen(text);
        if (length > 0)
            snprintf(text + end, sizeof text - end, "%d -> %.*s\n", fd, length, target);
    }
    lesson_lines(text);
}

static void get_the_lowest(void)
{
    int ends[2];
    letters = lesson_must(memfd_create("letters", 0), "memfd_create");
    lesson_must((int)write(letters, "abcdefghijklmnopqrstuvwxyz", 26), "write");
    lesson_must(pipe(ends), "pipe");
    lesson_say("This process opens a file of letters and a pipe. What the new numbers stand for, "
               "from /proc/self/fd:");
    show_slots(letters, ends[1]);
    close(ends[0]);
    int lowest = lowest_free();
    int opened = lesson_must(open_letters(), "open");
    lesson_say("Number %d is closed, and the letters are opened once more:", ends[0]);
    show_slots(letters, ends[1]);
    lesson_claim(opened == lowest && opened <= ends[0], "a new one gets the lowest free number");
    close(ends[1]);
    close(opened);
}

static void share_a_file(void)
{
    int one = lesson_must(open_letters(), "open");
    int copy = lesson_must(dup(one), "dup");
    int other = lesson_must(open_letters(), "open");
    lesson_say("The letters are opened as %d, dup() makes %d of that, and they are opened again as "
               "%d. Two letters are read from each:",
               one, copy, other);
    bool first = reads(one, "from the first", "ab");
    bool second = reads(copy, "from its dup()", "cd");
    bool third = reads(other, "from the one opened again", "ab");
    lesson_claim(first && second, "the first and its dup() read on from one another");
    lesson_claim(third, "what was opened again begins anew");

    fcntl(one, F_SETFL, O_NONBLOCK);
    fcntl(one, F_SETFD, FD_CLOEXEC);
    bool flag = fcntl(copy, F_GETFL) & O_NONBLOCK, mark = fcntl(copy, F_GETFD) & FD_CLOEXEC;
    close(one);
    lesson_say("O_NONBLOCK and FD_CLOEXEC are set by the first, which is closed then:");
    lesson_show("its dup() has O_NONBLOCK", flag ? "yes" : "no");
    lesson_show("its dup() has FD_CLOEXEC", mark ? "yes" : "no");
    bool goes_on = reads(copy, "from its dup()", "ef");
    lesson_claim(flag && !mark, "the one belongs to the file, the other to the number");
    lesson_claim(goes_on, "the file is open until its last number is closed");
    close(copy);
    close(other);
}

/* What the child found, where the parent can see it. */
struct found {
    char two[3];
    int null;
};

static void fork_a_table(void)
{
    int fd = lesson_must(open_letters(), "open");
    struct found *found =
        mmap(NULL, sizeof *found, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    lesson_must(found == MAP_FAILED ? -1 : 0, "mmap");
    pid_t child = lesson_must(fork(), "fork");
    if (child == 0) {
        lesson_must((int)read(fd, found->two, 2), "read");
        close(fd);
        found->null = open("/dev/null", O_RDONLY);
        _exit(0);
    }
    lesson_must(waitpid(child, NULL, 0), "waitpid");
    lesson_say(
        "The letters are opened as %d. A child of fork() reads two letters from %d, closes it "
        "and opens /dev/null. Then the parent reads:",
        fd, fd);
    lesson_show("in the child, the letters", "%s", found->two);
    lesson_show("in the child, /dev/null is", "%d", found->null);
    bool goes_on = reads(fd, "in the parent, the letters", "cd");
    lesson_claim(found->null == fd, "the child has a table of its own, which begins as a copy");
    lesson_claim(goes_on && strcmp(found->two, "ab") == 0,
                 "the files are shared: the parent reads on from where the child was");
    munmap(found, sizeof *found);
    close(fd);
}

/* What two threads do to the table of the main one. */
static struct {
    int opened;
    int closed;
    int refused;
} by_threads;

static void *open_in_thread(void *unused)
{
    by_threads.opened = open_letters();
    return unused;
}

static void *close_in_thread(void *unused)
{
    by_threads.refused = unshare(CLONE_FILES);
    if (by_threads.refused == 0)
        close(by_threads.opened);
    by_threads.closed = !is_open(by_threads.opened);
    return unused;
}

static void share_a_table(void)
{
    struct lesson_thread thread;
    lesson_start(&thread, open_in_thread, NULL);
    lesson_join(&thread);
    lesson_say("A thread opens the letters as %d, and ends:", by_threads.opened);
    bool shared = reads(by_threads.opened, "from it, in the main thread", "ab");
    lesson_claim(shared, "the threads of a process have one table");

    lesson_start(&thread, close_in_thread, NULL);
    lesson_join(&thread);
    if (by_threads.refused != 0) {
        lesson_skip("a thread with a table of its own: unshare() is not allowed here");
    } else {
        lesson_say("Another asks for a table of its own, by unshare(CLONE_FILES), and closes it:");
        lesson_show("it is closed, for that thread", by_threads.closed ? "yes" : "no");
        bool goes_on = reads(by_threads.opened, "from it, in the main thread", "cd");
        lesson_claim(by_threads.closed && goes_on, "a thread can have a table of its own");
    }
    close(by_threads.opened);
}

static struct rlimit set_limit(rlim_t soft)
{
    struct rlimit before, now;
    lesson_must(getrlimit(RLIMIT_NOFILE, &before), "getrlimit");
    now = (struct rlimit){.rlim_cur = soft, .rlim_max = before.rlim_max};
    lesson_must(setrlimit(RLIMIT_NOFILE, &now), "setrlimit");
    return before;
}

/* A client waits to be accepted, and there is no number for it. */
static void accept_at_the_limit(int listener, int spare)
{
    int refused = 0, told = 0;
    for (int i = 0; i < TRIES; i++) {
        told += poll(&(struct pollfd){.fd = listener, .events = POLLIN}, 1, -1);
        refused += accept(listener, NULL, NULL) == -1 && errno == EMFILE;
    }
    close(spare);
    int accepted = accept(listener, NULL, NULL);
    lesson_say("Meanwhile a client has connected to a listener of this process. poll() and "
               "accept(), %d times; then number %d is closed:",
               TRIES, spare);
    lesson_show("poll() says there is a client", "%d times", told);
    lesson_show("accept() fails with EMFILE", "%d times", refused);
    lesson_show("accept(), when there is a number", "%d", accepted);
    lesson_claim(told == TRIES && refused == TRIES,
                 "the client stays in the queue: a loop that goes on would spin");
    lesson_claim(accepted == spare, "it is accepted when something has been closed");
}

static void meet_the_limit(void)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int listener = lesson_must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    int client = lesson_must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    lesson_must(listen(listener, 1), "listen"); /* on a port that is free */
    lesson_must(getsockname(listener, (struct sockaddr *)&address, &size), "getsockname");
    lesson_must(connect(client, (struct sockaddr *)&address, size), "connect");

    int limit = lowest_free() + FEW, last = -1, opened, count = 0;
    int above = lesson_must(fcntl(letters, F_DUPFD, limit + ABOVE), "fcntl");
    struct rlimit before = set_limit((rlim_t)limit);
    while ((opened = open_letters()) != -1) {
        last = opened;
        count++;
    }
    int error = errno, refused = dup2(letters, limit);
    lesson_say("The limit is lowered to %d, and the letters are opened again and again:", limit);
    lesson_show("the soft limit, before", "%ju", (uintmax_t)before.rlim_cur);
    lesson_show("the hard limit, to which it may go", "%ju", (uintmax_t)before.rlim_max);
    lesson_show("how often they could be opened", "%d times", count);
    lesson_show("the last number", "%d", last);
    lesson_show("then", "%s", strerror(error));
    lesson_claim(error == EMFILE && lowest_free() >= limit && last < limit,
                 "that is EMFILE; all numbers below the limit are taken");
    lesson_claim(is_open(above) && refused == -1,
                 "one above it stays open; but no new one can be had there");
    accept_at_the_limit(listener, last);
    lesson_must(setrlimit(RLIMIT_NOFILE, &before), "setrlimit");
}

/* ---- In the model ---------------------------------------------------------------------------- */

static const char *names[32]; /* of the machine's files, by their numbers there */

static void name(int fd, const char *text)
{
    struct rouse_sim_file file;
    model_must(rouse_sim_look(fd, &file), text);
    names[file.object] = text;
    model_name(fd, text);
}

static int references(int fd)
{
    struct rouse_sim_file file;
    return rouse_sim_look(fd, &file) == 0 ? (int)file.references : 0;
}

static void draw_table(void)
{
    lesson_line(LESSON_DRAWING);
    for (int fd = 0; fd < SLOTS; fd++) {
        struct rouse_sim_file file;
        if (rouse_sim_look(fd, &file) == 0)
            printf("    %d -> %-18s held by %" PRIu32 "\n", fd, names[file.object],
                   file.references);
        else
            printf("    %d\n", fd);
    }
}

static void dup_in_model(int fds[2])
{
    char bytes[2];
    int copy = model_must(rouse_sim_dup(fds[0]), "rouse_sim_dup");
    lesson_say("%d is given a second number, %d. Then two bytes are written, and one is read from "
               "each:",
               fds[0], copy);
    model_tell(true);
    model_must(rouse_sim_write(fds[1], "ab", 2), "rouse_sim_write");
    model_must(rouse_sim_read(fds[0], &bytes[0], 1), "rouse_sim_read");
    model_must(rouse_sim_read(copy, &bytes[1], 1), "rouse_sim_read");
    model_tell(false);
    draw_table();
    lesson_claim(references(copy) == 2 && bytes[0] == 'a' && bytes[1] == 'b',
                 "there are two numbers, and one file with one buffer");
    model_must(rouse_sim_close(fds[0]), "rouse_sim_close");
    lesson_say("%d is closed:", fds[0]);
    draw_table();
    lesson_claim(references(copy) == 1, "the file is still there, held by the other number");
}

static void fill_in_model(void)
{
    int fd, last = -1, count = 0;
    int listener = model_must(rouse_sim_listen(1), "rouse_sim_listen");
    name(listener, "a listener");
    int client = model_must(rouse_sim_connect(listener), "rouse_sim_connect");
    name(client, "a client");
    for (; (fd = rouse_sim_socket()) >= 0; count++) {
        last = fd;
        name(fd, "a socket");
    }
    int accepted = rouse_sim_accept(listener);
    struct rouse_sim_file file;
    model_must(rouse_sim_look(listener, &file), "rouse_sim_look");
    lesson_say(
        "A listener, and a client that has connected to it; and then sockets, until there is "
        "no number left:");
    draw_table();
    lesson_show("the next socket", "%s", strerror(-fd));
    lesson_show("accept()", "%s", accepted < 0 ? strerror(-accepted) : "a socket");
    lesson_show("connections in the listener's queue", "%" PRIu32, file.received);
    lesson_claim(fd == -EMFILE && accepted == -EMFILE && count == 2,
                 "there were two numbers left, and then none");
    lesson_claim(file.received == 1, "the client waits to be accepted");
    model_must(rouse_sim_close(last), "rouse_sim_close");
    lesson_claim(rouse_sim_accept(listener) == last, "closing one makes room for it");
}

static void number_in_model(void)
{
    int pipe[2], pair[2];
    model_boot(
        &(struct rouse_sim_config){.size = sizeof(struct rouse_sim_config), .descriptors = SLOTS});
    model_must(rouse_sim_pair(pair), "rouse_sim_pair");
    model_must(rouse_sim_pipe(pipe), "rouse_sim_pipe");
    name(pair[0], "one end of a pair");
    name(pair[1], "the other end");
    name(pipe[0], "a pipe, to read");
    name(pipe[1], "a pipe, to write");
    lesson_say("A process that may have %d descriptors, a pair of sockets and a pipe:", SLOTS);
    draw_table();
    model_must(rouse_sim_close(pair[1]), "rouse_sim_close");
    int fd = model_must(rouse_sim_socket(), "rouse_sim_socket");
    name(fd, "a new socket");
    lesson_say("%d is closed, and a socket is made:", pair[1]);
    draw_table();
    lesson_claim(fd == 1, "it gets the lowest free number, which is 1");
    dup_in_model(pipe);
    fill_in_model();
    model_halt();
}

int main(int argc, char **argv)
{
    lesson_begin(argc, argv, "descriptors");
    lesson_say(
        "What a program holds of a file, a socket or a pipe is a small number. We look which "
        "number it gets, who else gets it, what two numbers for one file have in common, and "
        "what happens when there is none left.");
    int guess = lesson_guess("A server may have no more descriptors, and a client connects. What "
                             "happens to the client?",
                             "it is refused",
                             "it waits in the queue, and accept() fails again and "
                             "again",
                             "accept() sleeps until a descriptor is free", NULL);
    lesson_kernel();
    get_the_lowest();
    share_a_file();
    fork_a_table();
    share_a_table();
    meet_the_limit();
    lesson_model();
    number_in_model();
    lesson_answer(
        guess, 1,
        "It waits. It is connected, as far as it can tell; accept() fails with EMFILE, and "
        "the listener is as ready as before. So a loop that simply goes on is told of it "
        "again at once, and uses all of a processor until something is closed.");
    return lesson_end();
}
