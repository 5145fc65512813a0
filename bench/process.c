/*
 * Two processes. What one takes is read from /proc, where the system has that; the kernel counts
 * the stacks of its threads only for all processes together, so the difference of two readings may
 * hold a neighbour's.
 *
 * SPDX-License-Identifier: MIT
 */
#include "process.h"
#include "meter.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int process_fork(int *control)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        die("socketpair: %s", strerror(errno));
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        die("fork: %s", strerror(errno));
    close(ends[pid == 0 ? 0 : 1]);
    *control = ends[pid == 0 ? 1 : 0];
    return (int)pid;
}

void process_pin(int number)
{
    cpu_set_t may;
    cpu_set_t one;
    if (sched_getaffinity(0, sizeof may, &may) != 0 || CPU_COUNT(&may) < 2)
        return;
    size_t cpu = 0;
    for (; !CPU_ISSET(cpu, &may) || number > 0; cpu++)
        number -= CPU_ISSET(cpu, &may) ? 1 : 0;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        die("cannot stay on processor %zu: %s", cpu, strerror(errno));
}

void process_tell(int control, const void *message, size_t size)
{
    if (send(control, message, size, MSG_NOSIGNAL) != (ssize_t)size)
        die("the other process has gone");
}

void process_hear(int control, void *message, size_t size)
{
    struct pollfd wait = {.fd = control, .events = POLLIN};
    while (poll(&wait, 1, -1) < 0 && errno == EINTR)
        ;
    if (recv(control, message, size, 0) != (ssize_t)size)
        die("the other process has gone");
}

void process_follow(int pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            die("cannot wait for the other process: %s", strerror(errno));
    if (WIFSIGNALED(status))
        die("the process that is measured was ended by signal %d", WTERMSIG(status));
    exit(WEXITSTATUS(status));
}

struct line {
    const char *name;
    long *value;
};

/* Stores the numbers of the lines "NAME: number" of a file; lines end with a NULL name. */
static void read_lines(const char *path, const struct line *lines)
{
    char text[128];
    FILE *file = fopen(path, "r");
    while (file && fgets(text, sizeof text, file)) {
        for (const struct line *line = lines; line->name; line++) {
            size_t length = strlen(line->name);
            if (strncmp(text, line->name, length) == 0 && text[length] == ':')
                sscanf(text + length + 1, "%ld", line->value);
        }
    }
    if (file)
        fclose(file);
}

struct footprint footprint_now(void)
{
    struct footprint now = {.size_kb = 0};
    read_lines("/proc/self/status", (struct line[]){{"VmSize", &now.size_kb},
                                                    {"VmRSS", &now.resident_kb},
                                                    {"VmPTE", &now.page_tables_kb},
                                                    {"Threads", &now.threads},
                                                    {NULL, NULL}});
    read_lines("/proc/meminfo",
               (struct line[]){{"KernelStack", &now.kernel_stacks_kb}, {NULL, NULL}});
    return now;
}

static uint64_t clock_read(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0)
        die("cannot read the CPU clock of the other process");
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void sleep_ms(long milliseconds)
{
    struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    while (nanosleep(&pause, &pause) != 0 && errno == EINTR)
        ;
}

/* How long the first thread of a process has waited for a processor; 0 if that is not told. */
static uint64_t waited_now(int pid)
{
    char path[64];
    unsigned long long ran, waited = 0;
    snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%llu %llu", &ran, &waited) != 2)
        waited = 0;
    if (file)
        fclose(file);
    return waited;
}

struct rest process_watch(int pid, long milliseconds)
{
    clockid_t clock;
    if (clock_getcpuclockid(pid, &clock) != 0)
        die("cannot find the CPU clock of the other process");
    uint64_t before = 0;
    for (int tries = 0; tries < 10 && before != clock_read(clock); tries++) {
        before = clock_read(clock);
        sleep_ms(20);
    }
    struct rest began = {wall_now(), clock_read(clock), waited_now(pid)};
    sleep_ms(milliseconds);
    struct rest rest = {.cpu_ns = clock_read(clock) - began.cpu_ns,
                        .waited_ns = waited_now(pid) - began.waited_ns};
    rest.lasted_ns = wall_now() - began.lasted_ns;
    return rest;
}

static void footprint_print(const struct footprint *footprint, const char *when)
{
    printf(",\"size_kb_%s\":%ld,\"resident_kb_%s\":%ld,\"page_tables_kb_%s\":%ld,"
           "\"kernel_stacks_kb_%s\":%ld,\"threads_%s\":%ld",
           when, footprint->size_kb, when, footprint->resident_kb, when, footprint->page_tables_kb,
           when, footprint->kernel_stacks_kb, when, footprint->threads);
}

void look_begin(struct look *look)
{
    *look = (struct look){.before = footprint_now()};
    look->start_ns = wall_now();
}

void look_held(struct look *look)
{
    look->start_ns = wall_now() - look->start_ns;
    look->held = footprint_now();
}

void look_print(const struct look *look)
{
    printf(",\"start_ns\":%" PRIu64 ",\"idle_ns\":%" PRIu64 ",\"idle_cpu_ns\":%" PRIu64
           ",\"idle_waited_ns\":%" PRIu64,
           look->start_ns, look->rest.lasted_ns, look->rest.cpu_ns, look->rest.waited_ns);
    footprint_print(&look->before, "before");
    footprint_print(&look->held, "held");
}
