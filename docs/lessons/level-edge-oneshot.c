/*
 * The lesson level-edge-oneshot: one socket of which half is read, watched in three ways at once;
 * the hang that an edge allows; and a watcher by edge that is called until nothing is left.
 *
 * What is done to the socket is one table, which is run on the kernel and on the model.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lesson.h"
#include "model.h"

enum { LEVEL, EDGE, ONESHOT, WAYS };
enum { REQUEST = 8, PIECE = 4, MESSAGE = 60, LITTLE = 8 };

/* What is done to the socket. After each step all three epolls are asked, without sleeping. */
enum { FIRST, HALF, MORE, ARMED, EMPTY, LAST, STEPS };
static const struct {
    const char *what;
    int bytes;      /* that come, or are read if it is negative; 0: all are armed anew */
    int told[WAYS]; /* what they must say then */
    const char *claim;
} steps[STEPS] = {
    [FIRST] = {"10 bytes come", 10, {1, 1, 1}, "all three tell of the first bytes"},
    [HALF] = {"4 are read, 6 stay",
              -4,
              {1, 0, 0},
              "of the 6 bytes that stay level tells again, the others do not"},
    [MORE] = {"2 more come",
              2,
              {1, 1, 0},
              "new bytes are an edge, though the socket has been ready all the time"},
    [ARMED] = {"all three are armed anew",
               0,
               {1, 1, 1},
               "to arm is to ask: all three tell of bytes that were there before"},
    [EMPTY] = {"all 8 are read", -8, {0, 0, 0}, "of an empty socket none tells"},
    [LAST] = {"1 byte comes", 1, {1, 1, 0}, "one-shot was told once, and must be armed again"},
};

/* The kernel, or the model: what is done there, and what came of the steps. */
struct side {
    const char *prefix; /* of the names of its backends */
    void (*write)(int fd, size_t size);
    int (*read)(int fd, size_t size); /* how many bytes */
    int (*left)(int fd);              /* bytes to be read */
    int (*watch)(int fd, int way);    /* by an epoll, which is returned */
    void (*arm)(int epoll, int fd, int way);
    int (*ask)(int epoll);     /* how many it tells of */
    bool (*listed)(int epoll); /* whether something is on its ready list; NULL: cannot be seen */
    int ends[2];
    int epolls[WAYS];
    int told[STEPS][WAYS];
    bool before[STEPS][WAYS]; /* whether the socket was listed, before they were asked */
    bool after[STEPS][WAYS];
};

/* ---- The steps, on either side --------------------------------------------------------------- */

static void act(const struct side *side, int bytes)
{
    if (bytes > 0)
        side->write(side->ends[1], (size_t)bytes);
    if (bytes < 0)
        side->read(side->ends[0], (size_t)-bytes);
    for (int way = 0; bytes == 0 && way < WAYS; way++)
        side->arm(side->epolls[way], side->ends[0], way);
}

static void show_lists(const struct side *side, const char *name, bool listed[WAYS])
{
    static const char *const list[] = {"[ ]", "[socket]"};
    for (int way = 0; way < WAYS; way++)
        listed[way] = side->listed(side->epolls[way]);
    lesson_show(name, "%-10s%-10s%s", list[listed[LEVEL]], list[listed[EDGE]],
                list[listed[ONESHOT]]);
}

static void run_steps(struct side *side)
{
    static const char *const says[] = {"-", "told"};
    bool lists = side->listed != NULL;
    lesson_show("", "level     edge      one-shot");
    for (int i = 0; i < STEPS; i++) {
        int *told = side->told[i];
        act(side, steps[i].bytes);
        if (lists)
            show_lists(side, steps[i].what, side->before[i]);
        for (int way = 0; way < WAYS; way++)
            told[way] = side->ask(side->epolls[way]);
        lesson_show(lists ? "    asked, they say" : steps[i].what, "%-10s%-10s%s",
                    says[told[LEVEL]], says[told[EDGE]], says[told[ONESHOT]]);
        if (lists)
            show_lists(side, "    and keep", side->after[i]);
    }
    for (int i = 0; i < STEPS; i++)
        lesson_claim(memcmp(side->told[i], steps[i].told, sizeof side->told[i]) == 0, "%s",
                     steps[i].claim);
}

/* ---- A little in each call, on either side --------------------------------------------------- */

/* A watcher that reads a little of a message each time that it is called. */
static struct little {
    struct rouse_io io;
    const struct side *side;
    bool tells; /* the loop what it has read, by rouse_read() */
    int calls, bytes;
} little;

static void on_ready(struct rouse_io *io, uint32_t ready)
{
    char bytes[LITTLE];
    (void)ready;
    int n = little.tells ? (int)rouse_read(io, bytes, LITTLE) : little.side->read(io->fd, LITTLE);
    little.calls++;
    little.bytes += n > 0 ? n : 0;
}

/* Sends the message, and turns the loop until nobody is called any more. */
static void read_in_loop(const struct side *side, const char *backend, uint32_t want, bool tells)
{
    char name[32];
    snprintf(name, sizeof name, "%s%s", side->prefix, backend);
    struct rouse_config config = {.size = sizeof config, .backend = name};
    struct rouse_loop *loop;
    errno = -rouse_open(&loop, &config);
    lesson_must(errno != 0 ? -1 : 0, name);
    little = (struct little){.side = side, .tells = tells};
    rouse_io_init(&little.io, on_ready);
    lesson_ok(loop, rouse_io_start(loop, &little.io, side->ends[0], want));
    side->write(side->ends[1], MESSAGE);
    lesson_until(side->left(side->ends[0]) == MESSAGE);
    while (lesson_ok(loop, rouse_turn(loop, 0)) > 0 && little.calls < MESSAGE)
        continue;
    lesson_ok(loop, rouse_close(loop));
}

/* Over TCP, where a read of less than was asked for says that nothing is left. On other sockets an
 * edge watcher is called once more, to see that. */
static void little_by_little(const struct side *side)
{
    enum { WATCHERS = 4, CALLS = (MESSAGE + LITTLE - 1) / LITTLE };
    static const struct {
        const char *name, *backend;
        uint32_t want;
        bool tells;
        const char *claim;
    } watchers[WATCHERS] = {
        {"on epoll, by level", "epoll", ROUSE_READ, true,
         "by level it is called until nothing is left"},
        {"on epoll, by edge", "epoll", ROUSE_READ | ROUSE_EDGE, true,
         "by edge just as often: the loop remembers what the kernel tells once"},
        {"    by a read of its own", "epoll", ROUSE_READ | ROUSE_EDGE, false,
         "so also if the loop cannot know what was read"},
        {"on poll, by edge", "poll", ROUSE_READ | ROUSE_EDGE, true,
         "so also on poll, which knows no edges"},
    };
    struct little seen[WATCHERS];
    lesson_say("Now watchers of a loop of rouse. A message of %d bytes comes, of which each call "
               "reads %d: by rouse_read(), and once by a read that the loop does not see.",
               MESSAGE, LITTLE);
    for (int i = 0; i < WATCHERS; i++) {
        read_in_loop(side, watchers[i].backend, watchers[i].want, watchers[i].tells);
        seen[i] = little;
        lesson_show(watchers[i].name, "%d bytes in %d calls", little.bytes, little.calls);
    }
    for (int i = 0; i < WATCHERS; i++)
        lesson_claim(seen[i].bytes == MESSAGE && seen[i].calls == CALLS, "%s", watchers[i].claim);
}

/* ---- On the kernel --------------------------------------------------------------------------- */

static const uint32_t flags[WAYS] = {EPOLLIN, EPOLLIN | EPOLLET, EPOLLIN | EPOLLONESHOT};

static void write_bytes(int fd, size_t size)
{
    static const char bytes[MESSAGE];
    lesson_must((int)write(fd, bytes, size), "write");
}

static int read_bytes(int fd, size_t size)
{
    char bytes[MESSAGE];
    return lesson_must((int)read(fd, bytes, size), "read");
}

static int bytes_left(int fd)
{
    int left;
    lesson_must(ioctl(fd, FIONREAD, &left), "FIONREAD");
    return left;
}

static int watch(int fd, int way)
{
    struct epoll_event event = {.events = flags[way]};
    int epoll = lesson_must(epoll_create1(0), "epoll_create1");
    lesson_must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    return epoll;
}

static void arm(int epoll, int fd, int way)
{
    struct epoll_event event = {.events = flags[way]};
    lesson_must(epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event), "epoll_ctl");
}

static int ask(int epoll)
{
    struct epoll_event event;
    return lesson_must(epoll_wait(epoll, &event, 1, 0), "epoll_wait");
}

static void three_ways(struct side *side)
{
    lesson_must(socketpair(AF_UNIX, SOCK_STREAM, 0, side->ends), "socketpair");
    for (int way = 0; way < WAYS; way++)
        side->epolls[way] = watch(side->ends[0], way);
    lesson_say("One socket, and three epolls that watch it: with EPOLLIN alone (level), with "
               "EPOLLET (edge) and with EPOLLONESHOT. After each step epoll_wait() asks each:");
    run_steps(side);
    struct epoll_event event = {.events = EPOLLIN};
    int again = epoll_ctl(side->epolls[ONESHOT], EPOLL_CTL_ADD, side->ends[0], &event);
    lesson_claim(again == -1 && errno == EEXIST,
                 "it is still registered: ADD says EEXIST, and MOD arms it");
    for (int way = 0; way < WAYS; way++)
        close(side->epolls[way]);
    close(side->ends[0]);
    close(side->ends[1]);
}

/* A server that reads a piece for each event, and answers when it has a request. */
static struct {
    int ends[2];
    int epoll;
    atomic_int events;
} hang;

static void *serve(void *unused)
{
    for (int have = 0; have < REQUEST;) {
        struct epoll_event event;
        if (epoll_wait(hang.epoll, &event, 1, -1) != 1)
            continue;
        have += read_bytes(hang.ends[0], PIECE);
        hang.events++;
    }
    write_bytes(hang.ends[0], 1);
    return unused;
}

/* Whether anything can be read, within a fifth of a second. */
static bool is_readable(int fd)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    return lesson_must(poll(&pollfd, 1, 200), "poll") > 0;
}

static void hang_by_edge(void)
{
    struct lesson_thread server;
    struct lesson_seen before, after;
    lesson_must(socketpair(AF_UNIX, SOCK_STREAM, 0, hang.ends), "socketpair");
    hang.epoll = watch(hang.ends[0], EDGE);
    lesson_start(&server, serve, NULL);
    lesson_say("A client sends a request of %d bytes and waits for the answer. The server, a "
               "thread, watches by edge and reads %d bytes for each event:",
               REQUEST, PIECE);
    write_bytes(hang.ends[1], REQUEST);
    lesson_until(hang.events > 0);
    lesson_until_asleep(server.tid);
    lesson_look(server.tid, &before);
    bool answered = is_readable(hang.ends[1]);
    lesson_look(server.tid, &after);

    int left = bytes_left(hang.ends[0]);
    lesson_show("the server", "%s", lesson_state(after.state));
    lesson_show("bytes that lie in its socket", "%d", left);
    lesson_claim(!answered && after.state == 'S' && after.voluntary == before.voluntary,
                 "the client has no answer, and the server sleeps: nothing will wake it");
    struct epoll_event event;
    int told = lesson_must(epoll_wait(hang.epoll, &event, 1, 200), "epoll_wait");
    lesson_claim(told == 0 && left == REQUEST - PIECE,
                 "a wait with a limit returns 0 while bytes lie there");
    lesson_claim(is_readable(hang.ends[0]), "poll(), of the same socket, says that it is ready");
    arm(hang.epoll, hang.ends[0], EDGE);
    lesson_join(&server);
    lesson_claim(is_readable(hang.ends[1]),
                 "to arm it anew, from outside and without a new byte, ends it");
    close(hang.epoll);
    close(hang.ends[0]);
    close(hang.ends[1]);
}

static void on_kernel(void)
{
    struct side side = {.prefix = "",
                        .write = write_bytes,
                        .read = read_bytes,
                        .left = bytes_left,
                        .watch = watch,
                        .arm = arm,
                        .ask = ask};
    three_ways(&side);
    hang_by_edge();
    lesson_tcp(side.ends);
    little_by_little(&side);
    close(side.ends[0]);
    close(side.ends[1]);
}

/* ---- In the model ---------------------------------------------------------------------------- */

static const uint32_t sim_flags[WAYS] = {ROUSE_READ, ROUSE_READ | ROUSE_EDGE,
                                         ROUSE_READ | ROUSE_ONESHOT};

static void sim_write(int fd, size_t size)
{
    static const char bytes[MESSAGE];
    model_must(rouse_sim_write(fd, bytes, size), "write");
}

static int sim_read(int fd, size_t size)
{
    char bytes[MESSAGE];
    return model_must(rouse_sim_read(fd, bytes, size), "read");
}

static int sim_left(int fd)
{
    struct rouse_sim_file file;
    model_must(rouse_sim_look(fd, &file), "look");
    return (int)file.received;
}

static int sim_watch(int fd, int way)
{
    int epoll = model_must(rouse_sim_epoll_create(), "epoll_create");
    model_must(rouse_sim_epoll_ctl(epoll, ROUSE_SIM_ADD, fd, sim_flags[way], 0), "epoll_ctl");
    return epoll;
}

static void sim_arm(int epoll, int fd, int way)
{
    model_must(rouse_sim_epoll_ctl(epoll, ROUSE_SIM_MODIFY, fd, sim_flags[way], 0), "epoll_ctl");
}

static int sim_ask(int epoll)
{
    struct rouse_event event;
    return model_must(rouse_sim_epoll_wait(epoll, &event, 1, 0), "epoll_wait");
}

static bool sim_listed(int epoll)
{
    return rouse_sim_listed(epoll, 0) >= 0;
}

static void three_ways_in_model(struct side *side)
{
    for (int way = 0; way < WAYS; way++)
        side->epolls[way] = sim_watch(side->ends[0], way);
    lesson_say("The same steps. The ready list of each epoll is drawn before it is asked, and "
               "after:");
    run_steps(side);
    lesson_claim(side->before[FIRST][LEVEL] && side->after[FIRST][LEVEL],
                 "by level what was told stays on the list");
    lesson_claim(side->before[FIRST][EDGE] && !side->after[FIRST][EDGE] &&
                     !side->before[HALF][EDGE],
                 "by edge it is off the list, and bytes that stay do not put it there");
    lesson_claim(side->before[MORE][EDGE] && !side->before[MORE][ONESHOT],
                 "what comes puts it there, but not for a one-shot that was told");
    lesson_claim(side->before[EMPTY][LEVEL] && !side->after[EMPTY][LEVEL],
                 "by level an empty socket is on the list until the next wait has asked it");
}

static struct {
    struct rouse_sim_task task;
    int fd;
    bool has_sent;
} client;

/* Called again when it is woken. */
static int sim_client(struct rouse_sim_task *task)
{
    char answer;
    (void)task;
    if (!client.has_sent)
        sim_write(client.fd, REQUEST);
    client.has_sent = true;
    rouse_sim_read(client.fd, &answer, 1);
    return 0;
}

static void hang_in_model(void)
{
    int ends[2];
    struct rouse_event event;
    struct rouse_sim_config config = {.size = sizeof config, .room = 16};
    model_boot(&config);
    model_must(rouse_sim_pair(ends), "socketpair");
    int epoll = sim_watch(ends[1], EDGE);
    model_name(ends[0], "the client's socket");
    model_name(ends[1], "the socket");
    model_name(epoll, "the epoll");
    client.fd = ends[0];
    model_task(&client.task, "client", sim_client);
    lesson_say("The hang. Here the server is main. A model can see that all sleep for ever, and "
               "ends the wait then; a kernel does not.");
    model_tell(true);
    model_note("main waits by edge, and reads %d bytes", PIECE);
    int first = rouse_sim_epoll_wait(epoll, &event, 1, -1);
    sim_read(ends[1], PIECE);
    model_note("main waits again");
    int second = rouse_sim_epoll_wait(epoll, &event, 1, -1);
    model_tell(false);
    model_draw(ends[1], epoll, -1);
    lesson_claim(first == 1 && second == -EDEADLK,
                 "nothing can end the second wait (EDEADLK, a deadlock)");
    lesson_claim(sim_left(ends[1]) == REQUEST - PIECE && !sim_listed(epoll),
                 "there are bytes in the socket, and nothing on the ready list");
    sim_arm(epoll, ends[1], EDGE);
    lesson_claim(sim_listed(epoll), "to arm it anew asks the socket, and puts it on the list");
    model_halt();
}

static void in_model(void)
{
    struct side side = {.prefix = "sim:",
                        .write = sim_write,
                        .read = sim_read,
                        .left = sim_left,
                        .watch = sim_watch,
                        .arm = sim_arm,
                        .ask = sim_ask,
                        .listed = sim_listed};
    model_boot(NULL);
    model_must(rouse_sim_pair(side.ends), "socketpair");
    three_ways_in_model(&side);
    model_halt();
    hang_in_model();
    model_boot(NULL);
    int listener = model_must(rouse_sim_listen(1), "listen");
    side.ends[1] = model_must(rouse_sim_connect(listener), "connect");
    side.ends[0] = model_must(rouse_sim_accept(listener), "accept");
    little_by_little(&side);
    model_halt();
}

int main(int argc, char **argv)
{
    lesson_begin(argc, argv, "level-edge-oneshot");
    lesson_say(
        "Bytes come to a socket, and only some of them are read. Three epolls watch it, each "
        "in another way. Which of them tells of the bytes that were left?");
    int guess = lesson_guess("10 bytes have come, and 4 were read. When does a watcher by edge "
                             "(EPOLLET) hear of the other 6?",
                             "in its next wait", "when more bytes come", "never", NULL);
    lesson_kernel();
    on_kernel();
    lesson_model();
    in_model();
    lesson_answer(guess, 1,
                  "When more bytes come, which may be never: the peer may be waiting for an answer "
                  "to what it has sent. An edge tells that something came, not that something is "
                  "there. Who watches by edge has to go on until nothing is left; a loop can "
                  "remember that for its user.");
    return lesson_end();
}
