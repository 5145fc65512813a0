/*
 * The lesson spin: one thread for many sockets, without a call that waits for many. It either
 * sleeps at the first of them, or asks all of them all the time.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "model.h"

enum { SOCKETS = 100, BYTES = 20, PAUSE = 20 * LESSON_MS, FEW = 3 };

/* ---- On the kernel --------------------------------------------------------------------------- */

static int sockets[SOCKETS], peers[SOCKETS];

/* What a thread that reads all of them has done. */
struct reader {
    int64_t calls;
    int64_t vain;  /* of these, those answered by EAGAIN */
    int64_t waits; /* calls of poll() */
    int64_t cpu;
    int64_t late; /* from each write until the byte was read, in sum */
    _Atomic int64_t written;
    atomic_int bytes;
};

static void ask(struct reader *reader, int fd)
{
    char byte;
    reader->calls++;
    if (recv(fd, &byte, 1, MSG_DONTWAIT) == 1) {
        reader->late += lesson_now() - reader->written;
        reader->bytes++;
    } else if (errno == EAGAIN) {
        reader->vain++;
    }
}

static void *ask_all_the_time(void *argument)
{
    struct reader *reader = argument;
    int64_t before = lesson_thread_cpu();
    while (reader->bytes < BYTES)
        for (int i = 0; i < SOCKETS; i++)
            ask(reader, sockets[i]);
    reader->cpu = lesson_thread_cpu() - before;
    return NULL;
}

static void *ask_who_is_ready(void *argument)
{
    struct reader *reader = argument;
    struct pollfd entries[SOCKETS];
    int64_t before = lesson_thread_cpu();
    for (int i = 0; i < SOCKETS; i++)
        entries[i] = (struct pollfd){.fd = sockets[i], .events = POLLIN};
    while (reader->bytes < BYTES) {
        lesson_must(poll(entries, SOCKETS, -1), "poll");
        reader->waits++;
        for (int i = 0; i < SOCKETS; i++)
            if (entries[i].revents & POLLIN)
                ask(reader, sockets[i]);
    }
    reader->cpu = lesson_thread_cpu() - before;
    return NULL;
}

static void *read_the_first(void *unused)
{
    char byte;
    (void)unused;
    lesson_must((int)recv(sockets[0], &byte, 1, 0), "recv");
    return NULL;
}

static void block_at_the_first(void)
{
    struct lesson_thread thread;
    struct lesson_seen seen;
    int waiting;
    char byte;
    lesson_say("A thread reads the first of two sockets, by a call that blocks. A byte comes for "
               "the second:");
    lesson_start(&thread, read_the_first, NULL);
    lesson_until_asleep(thread.tid);
    lesson_must((int)write(peers[1], "x", 1), "write");
    lesson_until_asleep(thread.tid);
    lesson_look(thread.tid, &seen);
    lesson_must(ioctl(sockets[1], FIONREAD, &waiting), "ioctl");
    lesson_show("its state", "%s", lesson_state(seen.state));
    lesson_show("bytes that wait at the second", "%d", waiting);
    lesson_claim(seen.state == 'S' && waiting == 1,
                 "the byte is there, and the thread sleeps at another socket");
    lesson_must((int)write(peers[0], "x", 1), "write");
    lesson_join(&thread);
    lesson_must((int)recv(sockets[1], &byte, 1, MSG_DONTWAIT), "recv");
}

/* Sends bytes to such a thread, with pauses, and shows what it has done. Returns how often it was
 * found asleep before a byte came; `gave_up`: how often it gave up the processor. */
static int serve(struct reader *reader, void *(*run)(void *argument), int64_t *gave_up)
{
    struct lesson_thread thread;
    struct lesson_seen first, seen;
    int asleep = 0;
    int64_t begun = lesson_now();
    lesson_start(&thread, run, reader);
    lesson_sleep(PAUSE);
    lesson_look(thread.tid, &first);
    for (int i = 0; i < BYTES; i++) {
        lesson_until(reader->bytes == i);
        lesson_sleep(PAUSE);
        lesson_look(thread.tid, &seen);
        asleep += seen.state == 'S';
        reader->written = lesson_now();
        lesson_must((int)write(peers[i * 7 % SOCKETS], "x", 1), "write");
    }
    lesson_join(&thread);
    double took = (double)(lesson_now() - begun);
    *gave_up = seen.voluntary - first.voluntary;
    lesson_show("calls of recv()", "%" PRId64, reader->calls);
    lesson_show("    answered by EAGAIN", "%" PRId64, reader->vain);
    lesson_show("calls of poll()", "%" PRId64, reader->waits);
    lesson_show("found asleep", "%d times of %d", asleep, BYTES);
    lesson_show("gave up the processor", "%" PRId64 " times", *gave_up);
    lesson_show("processor time", "%.1f ms, %.1f %% of one", (double)reader->cpu / LESSON_MS,
                100 * (double)reader->cpu / took);
    lesson_show("from a write until it was read", "%.0f us on average",
                (double)reader->late / BYTES / 1000);
    return asleep;
}

static void compare(void)
{
    struct reader spins = {.calls = 0}, polls = {.calls = 0};
    int64_t gave_up;
    lesson_say("A thread asks %d sockets, one after the other, by calls that do not block; and "
               "again, until it has read %d bytes, of which one comes every %d ms:",
               SOCKETS, BYTES, PAUSE / LESSON_MS);
    int asleep = serve(&spins, ask_all_the_time, &gave_up);
    lesson_claim(asleep == 0 && gave_up == 0, "it never slept, and never gave up the processor");
    lesson_claim(spins.vain > 100 * BYTES, "for each byte it asked more than 100 times in vain");

    lesson_say("The same bytes, for a thread that sleeps in poll() until one is ready:");
    asleep = serve(&polls, ask_who_is_ready, &gave_up);
    lesson_claim(asleep > BYTES / 2, "it was found asleep more often than not");
    lesson_claim(polls.calls == BYTES && polls.vain == 0, "it asked for each byte once");
    lesson_claim(spins.cpu > 5 * polls.cpu,
                 "to ask all the time took more than five times the processor time");
}

/* ---- In the model ---------------------------------------------------------------------------- */

/* Nothing takes time in the model unless it is said: a question takes this long, in nanoseconds. */
enum { QUESTION = 1000, EVERY = LESSON_MS };

static struct {
    struct rouse_sim_pollfd entries[SOCKETS];
    int peers[SOCKETS];
    int count;
    int sent, got;
    int64_t arrived, late;
} model;

static void open_model(int count)
{
    model_boot(NULL);
    memset(&model, 0, sizeof model);
    for (int i = 0; i < count; i++) {
        int ends[2];
        model_must(rouse_sim_pair(ends), "rouse_sim_pair");
        model_must(rouse_sim_block(ends[0], 0), "rouse_sim_block");
        model.entries[i] = (struct rouse_sim_pollfd){.fd = ends[0], .want = ROUSE_READ};
        model.peers[i] = ends[1];
    }
}

static void ask_in_model(int place)
{
    char byte;
    int64_t n = rouse_sim_read(model.entries[place].fd, &byte, 1);
    if (n == 1) {
        model.late += rouse_sim_now() - model.arrived;
        model.got++;
    } else if (n != -EAGAIN) {
        model_must(n, "rouse_sim_read");
    }
    model_must(rouse_sim_compute(QUESTION), "rouse_sim_compute");
}

/* While main computes. */
static void packet_for_c(struct rouse_sim_event *event)
{
    (void)event;
    model_draw(model.entries[2].fd, -1);
    model_note("a packet comes, with a byte for c");
    model_must(rouse_sim_write(model.peers[2], "x", 1), "rouse_sim_write");
}

static void follow_two_rounds(void)
{
    static const char *const names[FEW] = {"a", "b", "c"};
    struct rouse_sim_event event = {.fn = packet_for_c};
    lesson_say("Three sockets, which main asks in turn. In the model a question takes 1000 ns. In "
               "the second round a byte comes for c:");
    open_model(FEW);
    for (int i = 0; i < FEW; i++)
        model_name(model.entries[i].fd, names[i]);
    model_name(model.peers[2], "the peer of c");
    model_must(rouse_sim_at(&event, (FEW + 1) * QUESTION + QUESTION / 2), "rouse_sim_at");
    model_mark();
    model_tell(true);
    for (int i = 0; model.got == 0; i = (i + 1) % FEW)
        ask_in_model(i);
    model_tell(false);
    lesson_claim(model_since(ROUSE_SIM_WALKED) == 0 && model_since(ROUSE_SIM_READIED) == 0,
                 "when the byte came, no wait queue was walked: there was nobody to wake");
    lesson_claim(model_since(ROUSE_SIM_CALLED) == 2 * FEW + 1,
                 "six questions for one byte, beside the call of who sent it");
    model_halt();
}

/* The next of the bytes. */
static void packet(struct rouse_sim_event *event)
{
    int place = model.sent++ * 7 % model.count;
    model.arrived = rouse_sim_now();
    model_must(rouse_sim_write(model.peers[place], "x", 1), "rouse_sim_write");
    if (model.sent < BYTES)
        model_must(rouse_sim_at(event, model.arrived + EVERY), "rouse_sim_at");
}

/* A line of the table; whether it spun, or slept, all the time. */
static bool count_questions(bool spins, int count)
{
    struct rouse_sim_event event = {.fn = packet};
    char line[100];
    open_model(count);
    model.count = count;
    model_must(rouse_sim_at(&event, EVERY), "rouse_sim_at");
    model_mark();
    int asked = 0;
    while (model.got < BYTES) {
        if (!spins)
            model_must(rouse_sim_poll(model.entries, (uint32_t)count, -1), "rouse_sim_poll");
        for (int i = 0; i < count; i++) {
            if (!spins && model.entries[i].ready == 0)
                continue;
            ask_in_model(i);
            asked++;
        }
    }
    int slept = (int)model_since(ROUSE_SIM_SLEPT);
    int64_t computed = (int64_t)model_amount(ROUSE_SIM_COMPUTED);
    snprintf(line, sizeof line, "%s %7d  %9d  %7d  %5d  %7.2f of %.2f ms  %8.1f us",
             spins ? "spins" : "polls", count, asked, asked - BYTES, slept, (double)computed / 1e6,
             (double)rouse_sim_now() / 1e6, (double)model.late / BYTES / 1e3);
    lesson_lines(line);
    bool exact = spins ? slept == 0 && computed == rouse_sim_now()
                       : slept == BYTES && asked == BYTES && model.late == 0;
    model_halt();
    return exact;
}

static void count(void)
{
    lesson_say(
        "20 bytes, one every millisecond. Sockets, questions and how many of them in vain, "
        "how often main slept, how long it computed, and how long a byte waited on average:");
    lesson_lines("      sockets  questions  in vain  slept          computed     waited");
    bool ten = count_questions(true, 10), hundred = count_questions(true, 100);
    bool sleeps = count_questions(false, 10) && count_questions(false, 100);
    lesson_claim(ten && hundred, "who spins computes all the time, whatever there is to do");
    lesson_claim(sleeps, "who sleeps asks once for each byte, and no byte waits");
}

int main(int argc, char **argv)
{
    lesson_begin(argc, argv, "spin");
    lesson_say("One thread has a hundred sockets, and no call that waits for many. If it asks by "
               "calls that block, it sleeps at one of them. If it asks by calls that do not, it "
               "never sleeps. We count what that costs, and compare it with poll().");
    int guess = lesson_guess("20 bytes in 400 ms, for 100 sockets. How many questions does a "
                             "thread ask that never sleeps?",
                             "about 2,000", "about 20,000", "200,000 or more", NULL);
    for (int i = 0; i < SOCKETS; i++) {
        int ends[2];
        lesson_must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
        sockets[i] = ends[0];
        peers[i] = ends[1];
    }
    lesson_kernel();
    block_at_the_first();
    compare();
    lesson_model();
    follow_two_rounds();
    count();
    lesson_answer(guess, 2,
                  "As many as it can: 200,000 or more, on a machine that is not slow and has "
                  "nothing else to do. How many bytes come makes no difference. Nearly all "
                  "answers are EAGAIN.");
    return lesson_end();
}
