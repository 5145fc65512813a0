/*
 * The lesson asleep: a thread in a blocking read does nothing at all, and neither does an idle
 * loop.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lesson.h"
#include "model.h"

/* A thread that reads a pipe, byte by byte, until its end. */
struct reader {
    int ends[2];
    atomic_int bytes;
    _Atomic int64_t woke;
};

/* A loop that watches a pipe. */
static struct {
    int ends[2];
    struct rouse_loop *loop;
    struct rouse_io io;
    struct rouse_hook hook;
    struct rouse_counters before; /* its first wait */
    struct rouse_counters after;  /* when the byte has been read */
} idle;

/* What is read of a thread beside lesson_look(): the registers that it put down when it crossed
 * into the kernel. */
static void registers(pid_t tid, char text[256])
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/syscall", tid, tid);
    if (lesson_file(path, text, 256) < 0 || strncmp(text, "running", 7) == 0)
        text[0] = '\0';
}

static void *read_bytes(void *argument)
{
    struct reader *reader = argument;
    char byte;
    while (read(reader->ends[0], &byte, 1) == 1) {
        reader->woke = lesson_now();
        reader->bytes++;
    }
    return NULL;
}

/* Looks at a thread twice, a second apart, and shows how much it did in between. */
static void watch(pid_t tid, struct lesson_seen *before, struct lesson_seen *after)
{
    lesson_look(tid, before);
    lesson_sleep(LESSON_SECOND);
    lesson_look(tid, after);
    const char *none = before->state == 'R' ? "none, it runs" : "not known";
    lesson_show("its state", "%s", lesson_state(before->state));
    lesson_show("the function in the kernel it is in", "%s",
                before->where[0] != '\0' ? before->where : none);
    lesson_show("processor time it has had", "%" PRId64 " ns", before->cpu_ns);
    lesson_show("    one second later", "%" PRId64 " ns", after->cpu_ns);
    lesson_show("how often it has had to wait", "%" PRId64, before->voluntary);
    lesson_show("    one second later", "%" PRId64, after->voluntary);
}

static bool did_nothing(const struct lesson_seen *before, const struct lesson_seen *after)
{
    return after->cpu_ns == before->cpu_ns && after->ticks == before->ticks &&
           after->voluntary == before->voluntary && after->involuntary == before->involuntary;
}

static void show_stack(pid_t tid)
{
    char path[64], text[2048];
    snprintf(path, sizeof path, "/proc/%d/task/%d/stack", tid, tid);
    if (lesson_file(path, text, sizeof text) <= 0) {
        lesson_skip("the way it went into the kernel: /proc/TID/stack is for root");
        return;
    }
    lesson_say("The way it went into the kernel, the last function first:");
    lesson_lines(text);
}

static void sleep_in_a_read(void)
{
    struct reader reader = {.bytes = 0};
    struct lesson_thread thread;
    struct lesson_seen before, after, then;
    char put_down[256], still[256];
    lesson_must(pipe(reader.ends), "pipe");
    lesson_start(&thread, read_bytes, &reader);
    lesson_until_asleep(thread.tid);

    lesson_say("A thread calls read() on an empty pipe. This is what /proc says of it:");
    registers(thread.tid, put_down);
    watch(thread.tid, &before, &after);
    registers(thread.tid, still);
    lesson_claim(before.state == 'S' && after.state == 'S', "it sleeps, before and after");
    lesson_claim(did_nothing(&before, &after), "in that second it has not run at all");
    if (put_down[0] != '\0') {
        lesson_say(
            "The call it is in (read is %d), its arguments, and where its stack and its next "
            "instruction are. It put them down when it crossed into the kernel:",
            SYS_read);
        lesson_lines(put_down);
        lesson_claim(before.call == SYS_read, "the call it sleeps in is read()");
        lesson_claim(strcmp(put_down, still) == 0, "a second later they are the same");
    } else {
        lesson_skip("its registers: this kernel has no /proc/TID/syscall");
    }
    show_stack(thread.tid);

    lesson_say("Now somebody else, the main thread, writes a byte:");
    int64_t written = lesson_now();
    lesson_must((int)write(reader.ends[1], "x", 1), "write");
    lesson_until(reader.bytes == 1);
    lesson_until_asleep(thread.tid);
    lesson_look(thread.tid, &then);
    lesson_show("from the write until it ran", "%" PRId64 " us", (reader.woke - written) / 1000);
    lesson_show("how often it has had to wait", "%" PRId64, then.voluntary);
    lesson_show("processor time it has had", "%" PRId64 " ns", then.cpu_ns);
    lesson_claim(then.voluntary > after.voluntary,
                 "it has run, read the byte and had to wait again");
    lesson_claim(then.state == 'S', "it sleeps again");
    close(reader.ends[1]);
    lesson_join(&thread);
    close(reader.ends[0]);
}

static void count(struct rouse_counters *counters)
{
    *counters = (struct rouse_counters){.size = sizeof *counters};
    lesson_ok(idle.loop, rouse_count(idle.loop, counters));
}

static void on_first_wait(struct rouse_hook *hook)
{
    count(&idle.before);
    rouse_hook_stop(hook);
}

static void on_byte(struct rouse_io *io, uint32_t ready)
{
    char byte;
    (void)ready;
    if (rouse_read(io, &byte, 1) != 1)
        return; /* the backend guesses, and guessed wrong */
    count(&idle.after);
    rouse_stop(idle.loop);
}

static void *run_loop(void *unused)
{
    lesson_ok(idle.loop, rouse_adopt(idle.loop));
    rouse_hook_init(&idle.hook, on_first_wait);
    rouse_io_init(&idle.io, on_byte);
    lesson_ok(idle.loop, rouse_hook_start(idle.loop, &idle.hook, ROUSE_BEFORE_WAIT));
    lesson_ok(idle.loop, rouse_io_start(idle.loop, &idle.io, idle.ends[0], ROUSE_READ));
    lesson_ok(idle.loop, rouse_run(idle.loop));
    lesson_ok(idle.loop, rouse_io_stop(&idle.io));
    return unused;
}

/* The one backend that never sleeps. */
static bool is_spin(void)
{
    return strstr(rouse_backend_name(idle.loop), "spin") != NULL;
}

static void sleep_in_a_loop(void)
{
    struct lesson_thread thread;
    struct lesson_seen before, after;
    lesson_must(pipe(idle.ends), "pipe");
    lesson_must(rouse_nonblock(idle.ends[0]), "rouse_nonblock");
    idle.loop = lesson_loop();
    lesson_start(&thread, run_loop, NULL);
    if (!is_spin())
        lesson_until_asleep(thread.tid);

    lesson_say("A thread runs a loop of rouse that watches a pipe. No call of a user's function is "
               "under way, as in the main thread of a browser tab in which nothing happens:");
    watch(thread.tid, &before, &after);
    lesson_must((int)write(idle.ends[1], "x", 1), "write");
    lesson_join(&thread);
    lesson_say(
        "Then a byte is written, and the loop calls the function that reads it. What the loop "
        "has counted from its first wait until then:");
    uint64_t turns = idle.after.turns - idle.before.turns;
    uint64_t wakeups = idle.after.wakeups - idle.before.wakeups;
    lesson_show("its backend", "%s", rouse_backend_name(idle.loop));
    lesson_show("turns", "%" PRIu64, turns);
    lesson_show(is_spin() ? "waits, none of which slept" : "times it was woken", "%" PRIu64,
                wakeups);
    if (is_spin()) {
        lesson_claim(after.cpu_ns > before.cpu_ns,
                     "spin runs all the time: it asks, and asks again");
        lesson_claim(turns > 1, "it has gone round for nothing");
    } else {
        lesson_claim(did_nothing(&before, &after), "in that second the loop has not run at all");
        lesson_claim(wakeups == 1, "it was woken once, by the byte");
    }
    lesson_ok(idle.loop, rouse_adopt(idle.loop));
    lesson_ok(idle.loop, rouse_close(idle.loop));
    close(idle.ends[0]);
    close(idle.ends[1]);
}

/* The pipe of the model. */
static int ends[2];

static int read_in_the_model(struct rouse_sim_task *task)
{
    char byte;
    (void)task;
    while (rouse_sim_read(ends[0], &byte, 1) == 1)
        ;
    return 0;
}

static void sleep_in_the_model(void)
{
    struct rouse_sim_task reader;
    model_boot(NULL);
    model_must(rouse_sim_pipe(ends), "pipe");
    model_name(ends[0], "the pipe");
    model_name(ends[1], "the pipe's other end");
    model_task(&reader, "reader", read_in_the_model);
    lesson_say(
        "The task main sleeps for a second, and the task reader, whose turn it is then, calls "
        "read() on an empty pipe. When all sleep, the time jumps to what is due next:");
    model_mark();
    model_tell(true);
    model_must(rouse_sim_sleep(LESSON_SECOND), "sleep");
    model_draw(ends[0], -1);
    lesson_claim(reader.state == ROUSE_SIM_SLEEPING, "the reader sleeps");
    lesson_claim(rouse_sim_queued(0) == NULL, "it is not among those who want the processor");
    lesson_claim(model_since(ROUSE_SIM_SCHEDULED) == 2,
                 "it has had it once, to fall asleep, and main once");
    lesson_claim(model_since(ROUSE_SIM_ASKED) == 0,
                 "nobody asked the pipe whether there is a byte");

    lesson_say("Then main writes a byte:");
    model_must(rouse_sim_write(ends[1], "x", 1), "write");
    model_draw(ends[0], -1);
    lesson_claim(reader.state == ROUSE_SIM_READY, "who writes makes the reader ready");

    lesson_say("It has not run yet. It does when main sleeps again:");
    model_must(rouse_sim_sleep(1000), "sleep");
    lesson_claim(reader.state == ROUSE_SIM_SLEEPING, "it has read the byte, and sleeps again");
    model_tell(false);
    model_halt();
}

int main(int argc, char **argv)
{
    lesson_begin(argc, argv, "asleep");
    lesson_say(
        "A thread asks for data that is not there, by a read() that blocks. We watch it for a "
        "second, from outside. Then we watch a loop that has nothing to do.");
    int guess =
        lesson_guess("How much of a processor does a thread use while it waits in read()?",
                     "all of it", "a little, to look whether something has come", "none", NULL);
    lesson_kernel();
    sleep_in_a_read();
    sleep_in_a_loop();
    lesson_model();
    sleep_in_the_model();
    lesson_answer(
        guess, 2,
        "None. A thread that waits is not running somewhere else, or slowly. It is a record "
        "in a list, and whoever brings the data takes it from there.");
    return lesson_end();
}
