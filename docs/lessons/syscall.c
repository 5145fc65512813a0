/*
 * The lesson syscall: what it costs to cross into the kernel and back, what crosses and what does
 * not, and the instruction by which it is done.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "lesson.h"
#include "model.h"

enum { PAGE = 4096, TIMES = 20000 };

/* ---- What it costs --------------------------------------------------------------------------- */

static void call_nothing(void *unused)
{
    __asm__ volatile("" : : "r"(unused)); /* so that it is not left out */
}

static void call_clock(void *unused)
{
    struct timespec now;
    (void)unused;
    clock_gettime(CLOCK_MONOTONIC, &now);
}

static void cross_clock(void *unused)
{
    struct timespec now;
    (void)unused;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
}

static void cross_getppid(void *unused)
{
    (void)unused;
    syscall(SYS_getppid);
}

static void call_malloc(void *unused)
{
    void *volatile block = malloc(16);
    (void)unused;
    free(block);
}

/* What is read: a page, in pieces of this size. */
static struct {
    int fd;
    size_t piece;
    char page[PAGE];
} source;

static void read_page(void *unused)
{
    (void)unused;
    for (size_t at = 0; at < PAGE; at += source.piece)
        lesson_must((int)read(source.fd, source.page + at, source.piece), "read");
}

static void measure_calls(void)
{
    lesson_say(
        "What one call costs. getppid() does next to nothing in the kernel, so what it costs "
        "is the way there and back:");
    double call = lesson_cost(call_nothing, NULL, TIMES);
    double clock = lesson_cost(call_clock, NULL, TIMES);
    double crossing = lesson_cost(cross_getppid, NULL, TIMES);
    double crossed = lesson_cost(cross_clock, NULL, TIMES);
    lesson_bar("a function that does nothing", call, crossed, "%.1f ns");
    lesson_bar("clock_gettime(), of the library", clock, crossed, "%.1f ns");
    lesson_bar("getppid(), a system call", crossing, crossed, "%.1f ns");
    lesson_bar("clock_gettime, the system call", crossed, crossed, "%.1f ns");
    lesson_claim(crossing > 5 * call, "a crossing costs more than five calls of a function");

    lesson_say("4096 bytes of /dev/zero, read at once and byte by byte:");
    source.fd = lesson_must(open("/dev/zero", O_RDONLY | O_CLOEXEC), "/dev/zero");
    source.piece = PAGE;
    double at_once = lesson_cost(read_page, NULL, 100);
    source.piece = 1;
    double by_bytes = lesson_cost(read_page, NULL, 5);
    lesson_bar("1 call of 4096 bytes", at_once / 1000, by_bytes / 1000, "%.2f us");
    lesson_bar("4096 calls of 1 byte", by_bytes / 1000, by_bytes / 1000, "%.2f us");
    lesson_claim(by_bytes > 20 * at_once, "the same bytes cost more than twenty times as much");

    struct rusage before, after;
    getrusage(RUSAGE_THREAD, &before);
    for (int i = 0; i < TIMES; i++)
        cross_getppid(NULL);
    getrusage(RUSAGE_THREAD, &after);
    lesson_say("How often this thread has given up the processor in %d more crossings:", TIMES);
    lesson_show("because it had to wait", "%ld", after.ru_nvcsw - before.ru_nvcsw);
    lesson_show("because it was taken from it", "%ld", after.ru_nivcsw - before.ru_nivcsw);
    lesson_claim(after.ru_nvcsw == before.ru_nvcsw,
                 "a crossing is no switch to another thread: it had to wait for nobody");
}

/* ---- What crosses ---------------------------------------------------------------------------- */

/* Forbids this process all system calls but its end; any other kills it by SIGSYS. */
static void stay_outside(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_THREAD),
    };
    struct sock_fprog program = {.len = sizeof rules / sizeof *rules, .filter = rules};
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(2);
}

/* What becomes of a process that does so, a thousand times, and may not cross: 0 if it lives. */
static int fate(void (*act)(void *unused))
{
    int status;
    pid_t child = lesson_must(fork(), "fork");
    if (child == 0) {
        act(NULL); /* once before: what is set up at the first time may cross */
        stay_outside();
        for (int i = 0; i < 1000; i++)
            act(NULL);
        syscall(SYS_exit, 0);
    }
    lesson_must(waitpid(child, &status, 0), "waitpid");
    return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static bool shows_fate(const char *name, void (*act)(void *unused), int expected)
{
    int is = fate(act);
    if (is == SIGSYS)
        lesson_show(name, "killed by SIGSYS");
    else
        lesson_show(name, is == 0 ? "lives" : "%d", is);
    return is == expected;
}

/* Whether the clock of this machine can be read without the kernel. */
static bool clock_is_shared(void)
{
    static const char *const path =
        "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    char text[64];
    return lesson_file(path, text, sizeof text) > 1 &&
           strstr("tsc\nkvm-clock\nhyperv_clocksource_tsc_page\narch_sys_counter\n", text) != NULL;
}

static void find_who_crosses(void)
{
    lesson_say(
        "Which calls cross at all? A process forbids itself all system calls but its end, so "
        "that any other kills it, and then calls a function a thousand times:");
    if (fate(call_nothing) != 0) {
        lesson_skip("who crosses: a process may not forbid itself system calls (seccomp)");
        return;
    }
    bool crosses = shows_fate("getppid()", cross_getppid, SIGSYS);
    bool stays = shows_fate("malloc() and free() of 16 bytes", call_malloc, 0);
    bool reads = shows_fate("clock_gettime()", call_clock, 0);
    lesson_claim(crosses, "getppid() crosses");
    lesson_claim(stays, "malloc() of a few bytes does not: it has memory in store");
    if (clock_is_shared())
        lesson_claim(reads, "clock_gettime() does not, though the kernel keeps the time");
    else
        lesson_skip("clock_gettime(): the clock of this machine cannot be read from outside");
}

/* ---- The instruction ------------------------------------------------------------------------- */

#ifdef __x86_64__

enum { SET_BY_HANDLER = 0x5eed };

/* What the registers hold behind the instruction. */
struct registers {
    long rax;
    uintptr_t rcx;
    uintptr_t next; /* where the next instruction is */
};

/* Crosses by hand: the number in rax, the arguments in rdi, rsi and rdx. */
static struct registers cross(long number, long first, long second, long third)
{
    struct registers after;
    __asm__ volatile("lea 1f(%%rip), %[next]\n\t"
                     "syscall\n"
                     "1:"
                     : "=a"(after.rax), "=c"(after.rcx), [next] "=&r"(after.next)
                     : "a"(number), "D"(first), "S"(second), "d"(third)
                     : "r11", "memory");
    return after;
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RCX] = SET_BY_HANDLER;
}

/* With FRED, of the newest processors, the instruction leaves rcx alone. */
static bool has_fred(void)
{
    char text[16384];
    return lesson_file("/proc/cpuinfo", text, sizeof text) > 0 && strstr(text, " fred ") != NULL;
}

static void cross_by_hand(void)
{
    lesson_say("The instruction by which a program crosses is called syscall. Here it is used by "
               "hand, with the registers set as the library sets them:");
    struct registers pid = cross(SYS_getpid, 0, 0, 0);
    struct registers parent = cross(SYS_getppid, 0, 0, 0);
    struct registers none = cross(100000, 0, 0, 0);
    lesson_show("rax was 39 (getpid), and is", "%ld", pid.rax);
    lesson_show("rax was 110 (getppid), and is", "%ld", parent.rax);
    lesson_show("rax was 100000, and is", "%ld (%s)", none.rax, strerror((int)-none.rax));
    lesson_show("rcx is", "%#" PRIxPTR, pid.rcx);
    lesson_show("the next instruction is at", "%#" PRIxPTR, pid.next);
    lesson_claim(pid.rax == getpid() && parent.rax == getppid(),
                 "the number in rax says which call it is; the result comes in rax");
    lesson_claim(none.rax == -ENOSYS, "a number that is no call's gives -ENOSYS, and no more");
    if (has_fred())
        lesson_skip("rcx: this processor has FRED and keeps the way back elsewhere");
    else
        lesson_claim(pid.rcx == pid.next, "the instruction has put the way back into rcx");

    sigaction(SIGUSR1, &(struct sigaction){.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO},
              NULL);
    struct registers signalled = cross(SYS_tgkill, getpid(), gettid(), SIGUSR1);
    lesson_say(
        "One more call sends this thread a signal. The handler runs before the call is over, "
        "and sets rcx to %#x for when it goes on:",
        SET_BY_HANDLER);
    lesson_show("rcx is", "%#" PRIxPTR, signalled.rcx);
    lesson_claim(signalled.rcx == SET_BY_HANDLER,
                 "that was no sysret, which goes on where rcx says");
}

#else

static void cross_by_hand(void)
{
    lesson_skip("the instruction, in this program's own code: that part is for x86-64");
}

#endif

/* What a thread reads that sleeps. */
static struct {
    int ends[2];
    char byte;
} sleeper;

static void *read_byte(void *unused)
{
    lesson_must((int)read(sleeper.ends[0], &sleeper.byte, 1), "read");
    return unused;
}

/* The registers of a thread in a system call, as /proc tells them. */
static void show_registers(const char *line)
{
    long number = -1;
    uintptr_t arguments[3] = {0}, stack = 0, next = 0;
    if (sscanf(line,
               "%ld %" SCNxPTR " %" SCNxPTR " %" SCNxPTR " %*x %*x %*x %" SCNxPTR " %" SCNxPTR,
               &number, &arguments[0], &arguments[1], &arguments[2], &stack, &next) != 6) {
        lesson_skip("its registers: /proc/TID/syscall has not those of a call");
        return;
    }
    lesson_show("number of the call", "%ld (read is %d)", number, SYS_read);
    lesson_show("first argument", "%#" PRIxPTR " (the descriptor is %d)", arguments[0],
                sleeper.ends[0]);
    lesson_show("second argument", "%#" PRIxPTR, arguments[1]);
    lesson_show("the buffer is at", "%#" PRIxPTR, (uintptr_t)&sleeper.byte);
    lesson_show("third argument", "%#" PRIxPTR, arguments[2]);
    lesson_claim(number == SYS_read && arguments[0] == (uintptr_t)sleeper.ends[0] &&
                     arguments[1] == (uintptr_t)&sleeper.byte && arguments[2] == 1,
                 "the kernel has the number and the arguments as read() was given them");
#ifdef __x86_64__
    const unsigned char *before = (const unsigned char *)(next - 2);
    lesson_show("where it will go on", "%#" PRIxPTR, next);
    lesson_show("the two bytes before that", "%02x %02x", before[0], before[1]);
    lesson_claim(before[0] == 0x0f && before[1] == 0x05, "they are the instruction syscall");
#endif
}

static void look_at_the_path(void)
{
    struct lesson_thread thread;
    char path[64], text[2048];
    lesson_must(pipe(sleeper.ends), "pipe");
    lesson_start(&thread, read_byte, NULL);
    lesson_until_asleep(thread.tid);
    lesson_say("The library does the same. A thread sleeps in read() on an empty pipe; what it has "
               "put into the registers, from /proc/TID/syscall:");
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", thread.tid);
    if (lesson_file(path, text, sizeof text) > 0 && text[0] != 'r')
        show_registers(text);
    else
        lesson_skip("its registers: this kernel has no /proc/TID/syscall");

    snprintf(path, sizeof path, "/proc/self/task/%d/stack", thread.tid);
    if (lesson_file(path, text, sizeof text) > 0) {
        lesson_say(
            "And its way through the kernel, from /proc/TID/stack, the last function first:");
        lesson_lines(text);
        lesson_claim(strstr(text, "syscall") != NULL && strstr(text, "read") != NULL,
                     "it went in by the one gate, and on to read");
    } else {
        lesson_skip("its way through the kernel: /proc/TID/stack is for root");
    }
    lesson_must((int)write(sleeper.ends[1], "x", 1), "write");
    lesson_join(&thread);
    close(sleeper.ends[0]);
    close(sleeper.ends[1]);
}

/* ---- In the model ---------------------------------------------------------------------------- */

static int fds[2]; /* a pipe */

static void read_in_model(size_t size, size_t piece)
{
    char bytes[8];
    for (size_t at = 0; at < size; at += piece)
        model_must(rouse_sim_read(fds[0], bytes + at, piece), "rouse_sim_read");
}

static int write_byte(struct rouse_sim_task *task)
{
    (void)task;
    model_must(rouse_sim_write(fds[1], "x", 1), "rouse_sim_write");
    return 0;
}

static void cross_in_model(void)
{
    struct rouse_sim_task writer;
    model_boot(NULL);
    model_must(rouse_sim_pipe(fds), "rouse_sim_pipe");
    model_name(fds[0], "the pipe");
    model_name(fds[1], "its other end");
    model_must(rouse_sim_write(fds[1], "abcdefgh", 8), "rouse_sim_write");

    lesson_say("There are 8 bytes in a pipe. main reads four at once, and then four byte by byte:");
    model_tell(true);
    model_mark();
    read_in_model(4, 4);
    read_in_model(4, 1);
    model_tell(false);
    lesson_claim(model_since(ROUSE_SIM_CALLED) == 5, "that was five crossings");
    lesson_claim(model_since(ROUSE_SIM_SLEPT) == 0 && model_since(ROUSE_SIM_SCHEDULED) == 0,
                 "main has had the processor all the time");

    lesson_say("The pipe is empty, and another task is ready to run. main reads once more:");
    model_task(&writer, "writer", write_byte);
    model_tell(true);
    model_mark();
    read_in_model(1, 1);
    model_tell(false);
    lesson_claim(model_since(ROUSE_SIM_SLEPT) == 1 && model_since(ROUSE_SIM_SCHEDULED) == 2,
                 "now it is a switch, and one back: because it had to wait");
    model_halt();
}

int main(int argc, char **argv)
{
    lesson_begin(argc, argv, "syscall");
    lesson_say(
        "A program asks the kernel for something by a system call: it crosses into the kernel, "
        "which does it, and comes back. We measure what that costs, look which calls cross "
        "and which only seem to, and do it by hand.");
    int guess =
        lesson_guess("What does a system call that does next to nothing cost?",
                     "as much as a call of a function", "ten to a few hundred times as much",
                     "as much as a switch to another thread and back", NULL);
    lesson_kernel();
    measure_calls();
    find_who_crosses();
    cross_by_hand();
    look_at_the_path();
    lesson_model();
    cross_in_model();
    lesson_answer(guess, 1,
                  "Ten to a few hundred times as much as a call of a function: some tens to a few "
                  "hundred nanoseconds. No other thread is switched to, unless there is something "
                  "to wait for. It is worth to cross seldom and to carry much.");
    return lesson_end();
}
