/*
 * How a lesson looks at threads: it starts them, and reads what /proc and strace say. See lesson.h.
 *
 * /proc/TID/task/TID is the thread TID of whatever process; /proc/TID without the rest would tell
 * of the process as a whole.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lesson.h"

static void *thread_main(void *context)
{
    struct lesson_thread *thread = context;
    thread->tid = gettid();
    return thread->run(thread->argument);
}

void lesson_start(struct lesson_thread *thread, void *(*run)(void *argument), void *argument)
{
    *thread = (struct lesson_thread){.run = run, .argument = argument};
    errno = pthread_create(&thread->thread, NULL, thread_main, thread);
    lesson_must(errno == 0 ? 0 : -1, "pthread_create");
    lesson_until(thread->tid != 0);
}

void *lesson_join(struct lesson_thread *thread)
{
    void *result;
    pthread_join(thread->thread, &result);
    return result;
}

int lesson_file(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0 && length < size - 1) {
        got = read(fd, text + length, size - 1 - length);
        length += got > 0 ? (size_t)got : 0;
    }
    int error = got < 0 ? -errno : 0;
    text[length] = '\0';
    if (fd >= 0)
        close(fd);
    return error < 0 ? error : (int)length;
}

int64_t lesson_field(const char *path, const char *name)
{
    char text[16384];
    size_t length = strlen(name);
    if (lesson_file(path, text, sizeof text) < 0)
        return -1;
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            return strtoll(line + length + 1, NULL, 10);
    }
    return -1;
}

/* Reads a file of a thread; false if it cannot be read. */
static bool read_of(pid_t tid, const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/%s", tid, tid, name);
    return lesson_file(path, text, size) >= 0;
}

bool lesson_look(pid_t tid, struct lesson_seen *seen)
{
    char text[4096], path[64];
    *seen = (struct lesson_seen){.call = -1, .cpu_ns = -1};
    if (!read_of(tid, "stat", text, sizeof text))
        return false;
    /* After its name, which may hold anything, in brackets: the state, and eleven more numbers. */
    const char *rest = strrchr(text, ')');
    long long user = 0, system = 0;
    if (rest == NULL || sscanf(rest, ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld",
                               &seen->state, &user, &system) != 3)
        return false;
    seen->ticks = user + system;
    snprintf(path, sizeof path, "/proc/%d/task/%d/status", tid, tid);
    seen->voluntary = lesson_field(path, "voluntary_ctxt_switches");
    seen->involuntary = lesson_field(path, "nonvoluntary_ctxt_switches");
    if (read_of(tid, "schedstat", text, sizeof text))
        seen->cpu_ns = strtoll(text, NULL, 10);
    if (read_of(tid, "syscall", text, sizeof text))
        sscanf(text, "%ld", &seen->call); /* or it says "running" */
    if (read_of(tid, "wchan", text, sizeof text) && strcmp(text, "0") != 0)
        snprintf(seen->where, sizeof seen->where, "%.63s", text);
    return true;
}

const char *lesson_state(char state)
{
    switch (state) {
    case 'R':
        return "R, running or ready to";
    case 'S':
        return "S, asleep";
    case 'D':
        return "D, asleep and not to be interrupted";
    case 'T':
    case 't':
        return "T, stopped";
    case 'Z':
    case 'X':
        return "Z, ended";
    default:
        return "unknown";
    }
}

void lesson_until_asleep(pid_t tid)
{
    struct lesson_seen before = {.state = 0}, now;
    for (;;) {
        if (!lesson_look(tid, &now)) {
            lesson_must(access("/proc/self/stat", R_OK), "/proc/self/stat");
            errno = ESRCH;
            lesson_must(-1, "a thread that was to fall asleep");
        }
        if (before.state == 'S' && now.state == 'S' && now.voluntary == before.voluntary)
            return;
        before = now;
        lesson_sleep(LESSON_MS);
    }
}

/* The child that is looked at. It stops until strace has it. */
static void __attribute__((noreturn)) traced(void (*act)(void *argument), void *argument)
{
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY); /* else Yama lets only ancestors trace it */
    raise(SIGSTOP);
    act(argument);
    _exit(0);
}

/* strace itself, for `child`; it prints to `log`. */
static void __attribute__((noreturn)) trace(pid_t child, const char *calls, int log)
{
    char number[16];
    snprintf(number, sizeof number, "%d", child);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execlp("strace", "strace", "-f", "-qq", "-e", calls, "-p", number, (char *)NULL);
    _exit(127);
}

bool lesson_strace(const char *calls, void (*act)(void *argument), void *argument, char *text,
                   size_t size)
{
    int status, log = lesson_must(memfd_create("strace", MFD_CLOEXEC), "memfd_create");
    struct lesson_seen seen = {.state = 0};
    pid_t child = lesson_must(fork(), "fork");
    if (child == 0)
        traced(act, argument);
    lesson_must(waitpid(child, &status, WUNTRACED), "waitpid");
    pid_t tracer = lesson_must(fork(), "fork");
    if (tracer == 0)
        trace(child, calls, log);
    /* T is stopped; t is in the hands of strace, which sees all that comes after it. Where /proc
     * cannot be read, nobody can tell. */
    bool looks = true, traces = true;
    while (seen.state != 't' && looks && traces) {
        lesson_sleep(LESSON_MS);
        looks = lesson_look(child, &seen);
        traces = waitpid(tracer, &status, WNOHANG) == 0;
    }
    bool has = seen.state == 't';
    kill(child, has ? SIGCONT : SIGKILL);
    if (traces && !has)
        kill(tracer, SIGKILL);
    lesson_must(waitpid(child, &status, 0), "waitpid");
    if (traces)
        lesson_must(waitpid(tracer, &status, 0), "waitpid");
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", log);
    int length = lesson_file(path, text, size);
    close(log);
    /* What it has begun with is not part of it: how it was stopped and continued. */
    const char *begun = strstr(text, "SIGCONT");
    begun = begun == NULL ? NULL : strchr(begun, '\n');
    if (!has || length < 0 || begun == NULL)
        return false;
    memmove(text, begun + 1, strlen(begun));
    return true;
}
