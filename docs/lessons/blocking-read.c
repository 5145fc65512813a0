/*
 * The lesson blocking-read: six steps lead a thread into its sleep in a read() and out of it, and
 * in between it is somebody else who wakes it.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "model.h"
#include "tracing.h"

enum { BYTES = 5, TRIES = 100, LATENCY = 50000 };

/* A thread that reads a socket until its end, and what its calls have returned. */
static struct {
    int ends[2]; /* the second is its peer */
    struct lesson_thread thread;
    atomic_int reads;
    atomic_int interrupted;
} reader;

static atomic_int signals;

static void *read_all(void *unused)
{
    char bytes[100];
    /* Who wakes it is not to lose the processor to it at once, so that both can be seen. */
    lesson_must(sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0}), "SCHED_BATCH");
    prctl(PR_SET_NAME, "reader");
    for (;;) {
        ssize_t n = read(reader.ends[0], bytes, sizeof bytes);
        if (n > 0)
            reader.reads++;
        else if (n < 0 && errno == EINTR)
            reader.interrupted++;
        else
            return unused;
    }
}

static void send_bytes(void)
{
    lesson_must((int)write(reader.ends[1], "hello", BYTES), "write");
}

static int received(void)
{
    int count;
    lesson_must(ioctl(reader.ends[0], FIONREAD, &count), "FIONREAD");
    return count;
}

/* ---- On the kernel: seen from outside ----------------------------------------------------- */

static void show_reader(int count, const struct lesson_seen *seen)
{
    lesson_show("bytes in the receive queue", "%d", count);
    lesson_show("the reader's state", "%s", lesson_state(seen->state));
    lesson_show("the processor time it has had", "%" PRId64 " ns", seen->cpu_ns);
}

static void fall_asleep(void)
{
    struct lesson_seen seen;
    lesson_until_asleep(reader.thread.tid);
    lesson_look(reader.thread.tid, &seen);
    lesson_say("A thread, the reader, calls read() on a socket to which nothing has come:");
    show_reader(received(), &seen);
    lesson_show("the function in the kernel it is in", "%s", seen.where);
    lesson_claim(seen.state == 'S', "the reader sleeps");
    if (seen.call >= 0)
        lesson_claim(seen.call == SYS_read, "it is still in its call of read()");
    else
        lesson_skip("the call it is in: this kernel has no /proc/TID/syscall");
}

/* True if the reader was seen between being woken and running. */
static bool look_between(struct lesson_seen *asleep, struct lesson_seen *woken, int *count)
{
    pid_t tid = reader.thread.tid;
    lesson_until_asleep(tid);
    lesson_look(tid, asleep);
    send_bytes();
    *count = received();
    lesson_look(tid, woken);
    return woken->state == 'R' && *count == BYTES && woken->voluntary == asleep->voluntary &&
           woken->involuntary == asleep->involuntary && woken->cpu_ns == asleep->cpu_ns;
}

static void wake_it(void)
{
    struct lesson_seen asleep, woken, then;
    bool seen = false;
    int count = 0;
    for (int try = 0; try < TRIES && !seen; try++)
        seen = look_between(&asleep, &woken, &count);
    lesson_say("The main thread writes %d bytes to the other end. It shares a processor with the "
               "reader, and looks before it gives that up:",
               BYTES);
    show_reader(count, &woken);
    lesson_show("    before the write", "%" PRId64 " ns", asleep.cpu_ns);
    lesson_claim(seen, "the bytes are there and the reader is ready, but it has not run");

    lesson_until_asleep(reader.thread.tid);
    lesson_look(reader.thread.tid, &then);
    lesson_say("Then the main thread sleeps, and the reader has its turn:");
    show_reader(received(), &then);
    lesson_claim(received() == 0 && then.voluntary > woken.voluntary,
                 "it has taken the bytes, and sleeps in the next read()");
}

/* ---- On the kernel: its own trace --------------------------------------------------------- */

enum { FELL_ASLEEP = 1, WAKING = 5, STEPS = 10 };

static const struct tracing_step steps[STEPS] = {
    {"syscalls/sys_enter_read", "reader", "sys_read(", "calls read()"},
    {"sched/sched_switch", "reader", "prev_state=S", "asleep: the processor is another's"},
    {"syscalls/sys_enter_write", "writer", "sys_write(", "calls write()"},
    {"net/netif_receive_skb", NULL, "netif_receive_skb:", "the packet has arrived"},
    {"sock/sk_data_ready", NULL, "sk_data_ready:", "its bytes are in the receive queue"},
    {"sched/sched_waking", NULL, "comm=reader", "who walks the wait queue finds the reader"},
    {"sched/sched_wakeup", NULL, "comm=reader", "which is READY, in the run queue"},
    {"sched/sched_switch", NULL, "next_comm=reader", "the processor is given to the reader"},
    {"skb/skb_copy_datagram_iovec", "reader", "skb_copy", "copies the bytes to its caller"},
    {"syscalls/sys_exit_read", "reader", "sys_read -> 0x5", "returns from read()"},
};

/* The first lets the reader go into a read() that is traced from its call on. */
static void send_two(void)
{
    for (int i = 0; i < 2; i++) {
        send_bytes();
        lesson_until_asleep(reader.thread.tid);
    }
}

static void trace_it(void)
{
    struct tracing_found found[STEPS];
    enum tracing_result result = tracing_find(steps, STEPS, reader.thread.tid, send_two, found);
    if (result == TRACING_REFUSED) {
        lesson_skip("the kernel's own trace of these steps: it is for root");
        return;
    }
    lesson_say("The kernel's own trace of one such read(), from its call to its return: when, who "
               "had the processor, and what happened:");
    if (result == TRACING_FOUND)
        tracing_print(steps, STEPS, found);
    lesson_claim(result == TRACING_FOUND, "all ten have happened, in this order");
    if (result == TRACING_FOUND) {
        tracing_way(&found[FELL_ASLEEP], "The reader's way to where it fell asleep:");
        tracing_way(&found[WAKING], "And the way of who woke it, to where that was done:");
    }
}

/* ---- On the kernel: a signal -------------------------------------------------------------- */

/* The second alarm also writes the byte that read_under_alarms() waits for. */
static void on_signal(int number)
{
    if (++signals == 2 && number == SIGALRM && write(reader.ends[1], "x", 1) != 1)
        _exit(1);
}

static void handle(int number, int flags)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};
    lesson_must(sigaction(number, &action, NULL), "sigaction");
}

static void interrupt_it(int flags)
{
    int before = signals;
    handle(SIGUSR1, flags);
    pthread_kill(reader.thread.thread, SIGUSR1);
    lesson_until(signals > before);
    lesson_until_asleep(reader.thread.tid);
    lesson_show("signals handled", "%d", signals);
    lesson_show("calls of read() that returned EINTR", "%d", reader.interrupted);
}

static void signal_it(void)
{
    struct lesson_seen seen;
    int reads = reader.reads;
    lesson_say("A signal comes while the reader sleeps. Its handler was set without SA_RESTART:");
    interrupt_it(0);
    lesson_claim(reader.interrupted == 1 && reader.reads == reads,
                 "read() has returned -1, EINTR: the program has to call it again");
    lesson_say("Another signal; this time its handler was set with SA_RESTART:");
    interrupt_it(SA_RESTART);
    lesson_look(reader.thread.tid, &seen);
    lesson_claim(signals == 2 && reader.interrupted == 1 && seen.state == 'S',
                 "the handler has run, but the reader still sleeps in the same read()");
    send_bytes();
    lesson_until(reader.reads > reads);
    lesson_claim(reader.interrupted == 1, "it returns when bytes have come");
}

/* Two calls of read(), one with each kind of handler; in a process of its own, for strace. */
static void read_under_alarms(void *unused)
{
    const struct timeval rate = {.tv_usec = 100000};
    char byte;
    (void)unused;
    lesson_must(socketpair(AF_UNIX, SOCK_STREAM, 0, reader.ends), "socketpair");
    for (int i = 0; i < 2; i++) {
        signals = 0;
        handle(SIGALRM, i == 0 ? 0 : SA_RESTART);
        setitimer(ITIMER_REAL, &(struct itimerval){rate, rate}, NULL);
        if (read(reader.ends[0], &byte, 1) == 0)
            _exit(1);
    }
}

/* Whether the first call ended with EINTR, and the second was made more than once. */
static bool shows_both(const char *text)
{
    const char *told = strstr(text, "-1 EINTR");
    const char *second = told != NULL ? strstr(told, "read(") : NULL;
    return second != NULL && strstr(second, "-1 EINTR") == NULL &&
           strstr(second + 1, "read(") != NULL;
}

static void look_with_strace(void)
{
    static char text[16384];
    bool both = false;
    for (int try = 0; try < TRIES && !both; try++) {
        if (!lesson_strace("read,rt_sigreturn", read_under_alarms, NULL, text, sizeof text)) {
            lesson_skip("how a call is made again: there is no strace, or it may not trace");
            return;
        }
        both = shows_both(text);
    }
    lesson_say("How that is done. A program calls read() twice, once with the first kind of "
               "handler and once with the second. strace has seen this:");
    lesson_lines(text);
    lesson_claim(both, "one call was ended by EINTR; the other was made again, by the kernel");
}

static void read_on_the_kernel(void)
{
    lesson_tcp(reader.ends);
    lesson_share_processor();
    prctl(PR_SET_NAME, "writer");
    lesson_start(&reader.thread, read_all, NULL);
    fall_asleep();
    wake_it();
    trace_it();
    signal_it();
    look_with_strace();
    close(reader.ends[1]);
    lesson_join(&reader.thread);
    close(reader.ends[0]);
}

/* ---- In the model: main is the reader ----------------------------------------------------- */

static int socket_end, peer_end;

/* Boots the machine, with a connection. */
static void model_connection(int64_t latency)
{
    struct rouse_sim_config config = {.size = sizeof config, .latency = latency, .room = 16};
    model_boot(&config);
    int listener = model_must(rouse_sim_listen(1), "rouse_sim_listen");
    peer_end = model_must(rouse_sim_connect(listener), "rouse_sim_connect");
    model_must(rouse_sim_sleep(10 * latency), "rouse_sim_sleep");
    socket_end = model_must(rouse_sim_accept(listener), "rouse_sim_accept");
    model_must(rouse_sim_close(listener), "rouse_sim_close");
    model_name(socket_end, "the socket");
    model_name(peer_end, "its peer");
}

static int64_t read_in_model(void)
{
    char bytes[100];
    model_tell(true);
    model_note("main calls read()");
    int64_t n = rouse_sim_read(socket_end, bytes, sizeof bytes);
    model_note(n == -EINTR ? "read() returns -1, EINTR" : "read() returns %d", (int)n);
    model_tell(false);
    return n;
}

static void write_in_model(void)
{
    model_tell(true);
    model_must(rouse_sim_write(peer_end, "hello", BYTES), "rouse_sim_write");
    model_tell(false);
}

/* What the writer does while main sleeps in its read(). */
static int write_and_look(struct rouse_sim_task *task)
{
    struct rouse_sim_waiter waiter;
    struct rouse_sim_file file;
    (void)task;
    model_tell(false);
    model_draw(socket_end, -1);
    lesson_claim(rouse_sim_first()->state == ROUSE_SIM_SLEEPING &&
                     rouse_sim_waiter_at(socket_end, 0, &waiter) == 0 &&
                     waiter.who == rouse_sim_first()->id,
                 "main sleeps, and its entry is in the wait queue of the socket");

    lesson_say("The writer calls write(). Inside one machine a packet needs no time: its arrival "
               "is a part of this call, and so is all that follows from it:");
    model_mark();
    write_in_model();
    model_draw(socket_end, -1);
    rouse_sim_look(socket_end, &file);
    lesson_claim(file.received == BYTES && rouse_sim_first()->state == ROUSE_SIM_READY,
                 "the bytes are there and main is ready, but it has not run");
    lesson_claim(model_since(ROUSE_SIM_WALKED) == 1 && model_since(ROUSE_SIM_READIED) == 1,
                 "one walk of one wait queue has made one thread ready");
    lesson_say("The writer ends, and main has its turn. It goes on where it fell asleep:");
    model_tell(true);
    return 0;
}

static void wake_by_a_writer(void)
{
    struct rouse_sim_task writer;
    model_connection(0);
    model_task(&writer, "writer", write_and_look);
    lesson_say("Here main is the reader, and another task the writer. Nothing has come:");
    lesson_claim(read_in_model() == BYTES, "main has the bytes");
    model_halt();
}

static void wake_by_a_packet(void)
{
    model_connection(LATENCY);
    lesson_say("Between two machines a packet takes time, here %d ns. When it arrives nobody runs: "
               "it comes as an interrupt, and what that does belongs to no thread:",
               LATENCY);
    int64_t sent = rouse_sim_now();
    model_must(rouse_sim_write(peer_end, "hello", BYTES), "rouse_sim_write");
    lesson_claim(read_in_model() == BYTES && rouse_sim_now() - sent == LATENCY,
                 "main has the bytes, at the time at which the packet has arrived");
}

static void send_signal(struct rouse_sim_event *event)
{
    (void)event;
    rouse_sim_interrupt(NULL);
}

static void wake_by_a_signal(void)
{
    struct rouse_sim_event event = {.fn = send_signal};
    struct rouse_sim_waiter waiter;
    lesson_say("And a signal, which ends the sleep though there is nothing to read:");
    model_must(rouse_sim_at(&event, rouse_sim_now() + LATENCY), "rouse_sim_at");
    model_mark();
    lesson_claim(read_in_model() == -EINTR && model_since(ROUSE_SIM_COPIED_OUT) == 0,
                 "the call has ended without a byte");
    lesson_claim(rouse_sim_waiter_at(socket_end, 0, &waiter) == -ENOENT,
                 "nothing is left of it: the wait queue is empty");
    model_halt();
}

int main(int argc, char **argv)
{
    lesson_begin(argc, argv, "blocking-read");
    lesson_say("A thread calls read() on a socket to which nothing has come. We look at its steps "
               "until it sleeps, and at those of somebody else until it is awake.");
    int guess = lesson_guess("Who finds out that the thread has something to read?",
                             "the thread itself, which looks now and then",
                             "the scheduler, which asks all threads that sleep",
                             "whoever brings the bytes, and finds the thread in a list", NULL);
    lesson_kernel();
    read_on_the_kernel();
    lesson_model();
    wake_by_a_writer();
    wake_by_a_packet();
    wake_by_a_signal();
    lesson_answer(guess, 2,
                  "Whoever brings the bytes. The reader has left an entry in the socket's wait "
                  "queue, which says whom to wake. The code that puts bytes into the receive queue "
                  "walks that list: that of a packet's interrupt, or, inside one machine, the "
                  "writer's own call.");
    return lesson_end();
}
