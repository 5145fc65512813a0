/*
 * The kernel's tracing files: an instance of them that is ours alone, its events switched on, and
 * what they have written read. See tracing.h.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tracing.h"

enum { RUNS = 100, FUNCTIONS = 64 };

/* Whether threads have the numbers here by which the trace knows them: not so in a container that
 * counts its own. The first such namespace has this inode, always. */
static bool has_true_numbers(void)
{
    struct stat namespace;
    return stat("/proc/self/ns/pid", &namespace) == 0 && namespace.st_ino == 0xEFFFFFFC;
}

/* The folder of all tracing files; it is mounted nowhere for that. -1: it is not allowed. */
static int open_files(void)
{
    if (!has_true_numbers())
        return -1;
    int filesystem = (int)syscall(SYS_fsopen, "tracefs", FSOPEN_CLOEXEC);
    if (filesystem < 0)
        return -1;
    int folder = -1;
    if (syscall(SYS_fsconfig, filesystem, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        folder = (int)syscall(SYS_fsmount, filesystem, FSMOUNT_CLOEXEC, 0);
    close(filesystem);
    return folder;
}

static bool put(int folder, const char *name, const char *text)
{
    int fd = openat(folder, name, O_WRONLY | O_TRUNC | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return done;
}

static bool begin(int instance, const struct tracing_step *steps, int count, pid_t other)
{
    char text[128];
    snprintf(text, sizeof text, "%d %d", gettid(), other);
    bool done =
        put(instance, "set_event_pid", text) && put(instance, "trace_options", "stacktrace");
    for (int i = 0; i < count && done; i++) {
        snprintf(text, sizeof text, "events/%s/enable", steps[i].event);
        done = put(instance, text, "1");
    }
    return done;
}

/* The first line of a step in `text`. */
static bool find(const char *text, const struct tracing_step *step, struct tracing_found *found)
{
    for (const char *line = text; (found->end = strchr(line, '\n')) != NULL;
         line = found->end + 1) {
        const char *match = strstr(line, step->text);
        if (match == NULL)
            return false;
        if (match > found->end ||
            sscanf(line, " %31[^[][%*d] %*s %lf:", found->who, &found->time) != 2)
            continue;
        char *number = strrchr(found->who, '-');
        if (number != NULL)
            *number = '\0';
        if (step->who == NULL || strcmp(step->who, found->who) == 0)
            return true;
    }
    return false;
}

static bool find_all(const char *text, const struct tracing_step *steps, int count,
                     struct tracing_found *found)
{
    for (int i = 0; i < count; i++) {
        if (!find(text, &steps[i], &found[i]))
            return false;
        text = found[i].end + 1;
    }
    return true;
}

/* One run. The text is kept, as what is found points into it. */
static bool run(int instance, const struct tracing_step *steps, int count, void (*act)(void),
                struct tracing_found *found)
{
    static char text[1 << 20];
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d/trace", instance);
    bool done =
        put(instance, "trace", " ") && put(instance, "tracing_on", "1"); /* " " empties it */
    act();
    return put(instance, "tracing_on", "0") && done && lesson_file(path, text, sizeof text) > 0 &&
           find_all(text, steps, count, found);
}

enum tracing_result tracing_find(const struct tracing_step *steps, int count, pid_t other,
                                 void (*act)(void), struct tracing_found *found)
{
    enum tracing_result result = TRACING_REFUSED;
    char name[64];
    int folder = open_files();
    snprintf(name, sizeof name, "instances/rouse-%d", getpid());
    if (folder >= 0 && mkdirat(folder, name, 0700) == 0) {
        int instance = lesson_must(openat(folder, name, O_PATH | O_CLOEXEC), name);
        if (begin(instance, steps, count, other))
            result = TRACING_NOT_FOUND;
        for (int i = 0; i < RUNS && result == TRACING_NOT_FOUND; i++)
            if (run(instance, steps, count, act, found))
                result = TRACING_FOUND;
        close(instance);
        unlinkat(folder, name, AT_REMOVEDIR);
    }
    if (folder >= 0)
        close(folder);
    return result;
}

void tracing_print(const struct tracing_step *steps, int count, const struct tracing_found *found)
{
    for (int i = 0; i < count; i++) {
        char row[128];
        snprintf(row, sizeof row, "%6.0f us  %-6.11s  %-23s  %s",
                 (found[i].time - found[0].time) * 1e6, found[i].who,
                 strchr(steps[i].event, '/') + 1, steps[i].words);
        lesson_lines(row);
    }
}

void tracing_way(const struct tracing_found *found, const char *words)
{
    char names[FUNCTIONS][64];
    char way[FUNCTIONS * (sizeof names[0] + 3)] = "";
    int count = 0;
    for (const char *line = strchr(found->end + 1, '\n'); line != NULL && count < FUNCTIONS;
         line = strchr(line + 1, '\n')) {
        if (sscanf(line, " => %63s", names[count]) != 1 || strstr(names[count], "do_syscall"))
            break;
        count += strstr(names[count], "trace") == NULL; /* else it is of the tracing itself */
    }
    while (count-- > 0) {
        strcat(way, names[count]);
        strcat(way, count > 0 ? " > " : "");
    }
    lesson_say("%s\n%s", words, way);
}
