/*
 * The lesson socket: two buffers and a wait queue. A write() fills the one, a read() empties the
 * other, and who finds no room sleeps until a third of it is free.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "model.h"

/* Bytes asked for; the kernel makes the buffers twice as large. */
enum { SEND_BUFFER = 200000, RECEIVE_BUFFER = 16000 };

/* A connection: `near` is written, and `far`, its peer, is read. */
static struct {
    int near, far;
    int64_t written, read;
    struct lesson_thread writer;
    atomic_bool returned;
} net;

/* A connection as of lesson_tcp(), with buffers of these sizes; that of the receiver is inherited
 * from the listener. */
static void open_connection(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = lesson_must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    net.near = lesson_must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &(int){RECEIVE_BUFFER}, sizeof(int));
    setsockopt(net.near, SOL_SOCKET, SO_SNDBUF, &(int){SEND_BUFFER}, sizeof(int));
    lesson_must(bind(listener, (struct sockaddr *)&address, size), "bind");
    lesson_must(listen(listener, 1), "listen");
    lesson_must(getsockname(listener, (struct sockaddr *)&address, &size), "getsockname");
    lesson_must(connect(net.near, (struct sockaddr *)&address, size), "connect");
    net.far = lesson_must(accept(listener, NULL, NULL), "accept");
    close(listener);
}

/* ---- What can be asked about the buffers -------------------------------------------------- */

static int asked(int fd, unsigned long what)
{
    int bytes;
    lesson_must(ioctl(fd, what, &bytes), "ioctl");
    return bytes;
}

static int not_received(void)
{
    return asked(net.near, SIOCOUTQ);
}

static int received(void)
{
    return asked(net.far, FIONREAD);
}

/* How much of the send buffer is taken, in percent: the memory of what is in it, of what it may
 * have. */
static double taken(void)
{
    uint32_t memory[SK_MEMINFO_VARS];
    socklen_t size = sizeof memory;
    lesson_must(getsockopt(net.near, SOL_SOCKET, SO_MEMINFO, memory, &size), "SO_MEMINFO");
    return 100.0 * memory[SK_MEMINFO_WMEM_QUEUED] / memory[SK_MEMINFO_SNDBUF];
}

static bool is_ready(int fd, short what)
{
    struct pollfd one = {.fd = fd, .events = what};
    return lesson_must(poll(&one, 1, 0), "poll") == 1 && (one.revents & what);
}

/* Returns when nothing is on its way, and what has arrived is acknowledged. */
static void settle(void)
{
    lesson_until(received() > 0 && not_received() == asked(net.near, SIOCOUTQNSD));
}

static void show_buffers(void)
{
    lesson_show("    in the send buffer", "%d", not_received());
    lesson_show("    in the peer's receive buffer", "%d", received());
}

/* ---- On the kernel ------------------------------------------------------------------------ */

/* Writes until there is no room; false if there was none at all. */
static bool fill(void)
{
    static const char bytes[4096];
    int64_t before = net.written;
    ssize_t n;
    while ((n = send(net.near, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        net.written += n;
    return net.written > before;
}

static void fill_it(void)
{
    int size;
    socklen_t length = sizeof size;
    lesson_say("A connection inside this machine. We write into one end until there is no room any "
               "more. At the other end nobody reads:");
    while (fill())
        settle();
    lesson_must(getsockopt(net.near, SOL_SOCKET, SO_SNDBUF, &size, &length), "SO_SNDBUF");
    lesson_show("size of the send buffer asked for", "%d", SEND_BUFFER);
    lesson_show("    and given", "%d", size);
    lesson_show("bytes written", "%" PRId64, net.written);
    show_buffers();
    lesson_claim(not_received() > 0 && received() > 0 && not_received() + received() == net.written,
                 "all that write() has taken is in these two buffers, and nobody has read it");
    lesson_claim(!is_ready(net.near, POLLOUT), "this end is not writable");
    lesson_claim(is_ready(net.far, POLLIN), "the other end is readable");
}

static void *write_one(void *unused)
{
    net.returned = write(net.near, "x", 1) == 1;
    return unused;
}

static void sleep_in_a_write(void)
{
    struct lesson_seen seen;
    lesson_start(&net.writer, write_one, NULL);
    lesson_until_asleep(net.writer.tid);
    lesson_look(net.writer.tid, &seen);
    lesson_say("A thread, the writer, wants to write one byte more, by a write() that blocks:");
    lesson_show("the writer's state", "%s", lesson_state(seen.state));
    lesson_show("the function in the kernel it is in", "%s", seen.where);
    lesson_claim(seen.state == 'S' && !net.returned, "the writer sleeps, for want of one byte");
}

/* Reads all that has arrived; more follows it from the send buffer. */
static void drain(void)
{
    static char bytes[1 << 16];
    net.read += lesson_must((int)recv(net.far, bytes, sizeof bytes, MSG_DONTWAIT), "recv");
}

/* Whether the writer has slept all the time since `begun`. */
static bool sleeps_on(const struct lesson_seen *begun)
{
    struct lesson_seen now;
    return lesson_look(net.writer.tid, &now) && now.state == 'S' &&
           now.voluntary == begun->voluntary && !net.returned;
}

static void drain_it(void)
{
    struct lesson_seen begun;
    bool slept = true, took = false, writable = false;
    double share = taken(), before = share;
    lesson_look(net.writer.tid, &begun);
    lesson_say("At the other end all that has arrived is read, again and again, and more follows "
               "from the send buffer. How much of that is taken:");
    lesson_bar("nothing was read: not writable", share, 100, "%.0f %%");
    while (!writable && net.read < net.written) {
        drain();
        settle();
        before = share;
        share = taken();
        writable = is_ready(net.near, POLLOUT);
        char name[64];
        snprintf(name, sizeof name, "%6" PRId64 " bytes read: %s", net.read,
                 writable ? "writable" : "not writable");
        lesson_bar(name, share, 100, "%.0f %%");
        if (writable)
            break;
        slept = slept && sleeps_on(&begun);
        if (!took && send(net.near, "x", 1, MSG_DONTWAIT) == 1) {
            took = true;
            net.written++;
        }
    }
    lesson_claim(slept, "as long as it was not writable, the writer slept on");
    lesson_claim(took, "a write() that does not block got a byte in all the same");
    lesson_claim(writable && before > 200.0 / 3 && share <= 200.0 / 3,
                 "it is writable when a third is free, and not before");
    lesson_join(&net.writer);
    net.written += net.returned;
}

static void empty_it(void)
{
    while (net.read < net.written) {
        drain();
        if (net.read < net.written)
            settle();
    }
    lesson_until(not_received() == 0);
    lesson_say("The writer was woken, and has written its byte. Then the rest is read too:");
    lesson_show("bytes written", "%" PRId64, net.written);
    lesson_show("bytes read", "%" PRId64, net.read);
    show_buffers();
    lesson_claim(net.read == net.written && received() == 0, "what was written was read");
}

static void watch_the_kernel(void)
{
    open_connection();
    fill_it();
    sleep_in_a_write();
    drain_it();
    empty_it();
    close(net.near);
    close(net.far);
}

/* ---- In the model ------------------------------------------------------------------------- */

enum { ROOM = 12 };

static struct {
    int near, far;
    bool returned;
} sim;

static int write_one_in_model(struct rouse_sim_task *task)
{
    (void)task;
    int64_t n = rouse_sim_write(sim.near, "x", 1);
    if (n == -ROUSE_SIM_ASLEEP)
        return 1;
    sim.returned = n == 1;
    return 0;
}

/* Of one of the two, as it is now. */
static struct rouse_sim_file look(int fd)
{
    struct rouse_sim_file file;
    model_must(rouse_sim_look(fd, &file), "rouse_sim_look");
    return file;
}

static bool is_writable(void)
{
    return (look(sim.near).ready & ROUSE_WRITE) != 0;
}

static int64_t write_at_once(size_t size)
{
    rouse_sim_block(sim.near, 0);
    int64_t n = rouse_sim_write(sim.near, "abcdefghijklmnop", size);
    rouse_sim_block(sim.near, 1);
    return n;
}

static void read_one(void)
{
    char byte;
    model_must(rouse_sim_read(sim.far, &byte, 1), "rouse_sim_read");
}

static void fill_the_model(void)
{
    struct rouse_sim_config config = {.size = sizeof config, .room = ROOM};
    model_boot(&config);
    int listener = model_must(rouse_sim_listen(1), "rouse_sim_listen");
    sim.near = model_must(rouse_sim_connect(listener), "rouse_sim_connect");
    sim.far = model_must(rouse_sim_accept(listener), "rouse_sim_accept");
    model_must(rouse_sim_close(listener), "rouse_sim_close");
    model_name(sim.near, "near");
    model_name(sim.far, "far");
    lesson_say("Each buffer has room for %d bytes. Main writes into near until there is no room:",
               ROOM);
    int64_t written = 0, n;
    model_tell(true);
    while ((n = write_at_once(ROOM)) > 0)
        written += n;
    model_tell(false);
    model_draw(sim.near, sim.far, -1);
    lesson_claim(n == -EAGAIN && written == 2 * ROOM && look(sim.near).sent == ROOM &&
                     look(sim.far).received == ROOM,
                 "both buffers are full: half of what was written has not left yet");
    lesson_claim(!is_writable(), "near is not writable");
}

static void drain_the_model(void)
{
    struct rouse_sim_task writer;
    lesson_say("A writer wants to write one byte, and sleeps:");
    model_task(&writer, "writer", write_one_in_model);
    model_tell(true);
    model_must(rouse_sim_sleep(0), "rouse_sim_sleep");
    model_tell(false);
    lesson_claim(writer.state == ROUSE_SIM_SLEEPING, "the writer sleeps, for want of one byte");

    lesson_say("Main reads three bytes at the other end. After each, another one comes from near, "
               "which leaves room there:");
    model_mark();
    model_tell(true);
    for (int i = 0; i < ROOM / 3 - 1; i++)
        read_one();
    model_tell(false);
    model_draw(sim.near, -1);
    lesson_claim(!is_writable() && writer.state == ROUSE_SIM_SLEEPING &&
                     model_since(ROUSE_SIM_WALKED) == 0,
                 "near is not writable, its wait queue was not walked, and the writer sleeps on");
    lesson_claim(write_at_once(1) == 1,
                 "a write() that does not block gets a byte in all the same");

    lesson_say("That byte has taken one place. Main reads two more; so a third is free:");
    model_mark();
    model_tell(true);
    read_one();
    read_one();
    model_tell(false);
    model_draw(sim.near, -1);
    lesson_claim(is_writable() && writer.state == ROUSE_SIM_READY &&
                     model_since(ROUSE_SIM_WALKED) == 1,
                 "near is writable, its wait queue was walked once, and the writer is ready");
    model_must(rouse_sim_sleep(0), "rouse_sim_sleep");
    lesson_claim(sim.returned && look(sim.near).sent == ROOM - ROOM / 3 + 1,
                 "then it has the processor, and writes its byte");
    model_halt();
}

int main(int argc, char **argv)
{
    lesson_begin(argc, argv, "socket");
    lesson_say("A socket has a buffer for what was written and is not at its peer yet, a buffer "
               "for what has come and was not read yet, and one wait queue. We fill the first, and "
               "empty the second at the other end.");
    int guess = lesson_guess("A send buffer is full, and its socket is not writable. When is it "
                             "writable again?",
                             "as soon as there is room for one byte", "when a third of it is free",
                             "when it is empty", NULL);
    lesson_kernel();
    watch_the_kernel();
    lesson_model();
    fill_the_model();
    drain_the_model();
    lesson_answer(
        guess, 1,
        "When a third is free. Else a writer would be woken for every packet that leaves, "
        "to write a few bytes and sleep again.");
    return lesson_end();
}
