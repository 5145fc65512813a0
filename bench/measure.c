/*
 * rouse-measure: has subjects do a workload by turns, and prints every raw sample as a line of
 * JSON.
 *
 *     rouse-measure list
 *     rouse-measure chain raw:epoll,rouse-edge:epoll,libev:epoll n=100 active=1 timers=3
 *     rouse-measure idle raw:poll,rouse:poll n=1000 rounds=20 slice_us=4000
 *
 * The first subject is the reference. bench/compare and bench/peers run it many times, in an order
 * that spreads whatever drifts; this program knows nothing of statistics. By itself it serves to
 * look at one case: under callgrind or strace, with one subject and `rounds=1 events=1000`.
 *
 * SPDX-License-Identifier: MIT
 */
#include "built.h"
#include "contest.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_ENTRANTS 64

static const char *const modules[] = {BENCH_MODULES NULL};

/* Modules lie beside this program. */
static const struct subject *load(const char *module)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length < 0)
        die("cannot find where this program lies");
    path[length] = '\0';
    char *name = strrchr(path, '/') + 1;
    snprintf(name, sizeof path - (size_t)(name - path), "%s", module);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct subject *subject = handle ? dlsym(handle, "subject") : NULL;
    if (!subject)
        die("cannot load a subject: %s", dlerror());
    return subject;
}

static void print_text(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        putchar(*text == '\n' ? ' ' : *text);
    }
    putchar('"');
}

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

static void print_subject(const struct subject *subject, const char *backend)
{
    struct standing standing = subject->standing(backend);
    printf("{\"subject\":\"%s:%s\",\"version\":\"%s\",\"built\":%s,\"works\":%s,"
           "\"lesson\":%s,\"fd_limit\":%d,\"why\":",
           subject->name, backend, subject->version(), truth(standing.built), truth(standing.works),
           truth(standing.lesson), standing.fd_limit);
    print_text(standing.why);
    printf(",\"workloads\":[");
    for (const struct workload *one = subject->workloads; one->name; one++)
        printf("%s\"%s\"", one == subject->workloads ? "" : ",", one->name);
    printf("]}\n");
}

/* A line for each subject on each of its backends: how it stands, and which workloads it does. */
static void list(void)
{
    for (const char *const *module = modules; *module; module++) {
        const struct subject *subject = load(*module);
        for (const char *const *backend = subject->backends; *backend; backend++)
            print_subject(subject, *backend);
    }
}

static const struct workload *find_workload(const struct subject *subject, const char *name)
{
    for (const struct workload *one = subject->workloads; one->name; one++)
        if (strcmp(one->name, name) == 0)
            return one;
    die("%s does not do the workload %s: see rouse-measure list", subject->name, name);
}

/* "libev:epoll" */
static struct entrant find_entrant(const char *name, const char *workload)
{
    for (const char *const *module = modules; *module; module++) {
        const struct subject *subject = load(*module);
        size_t length = strlen(subject->name);
        if (strncmp(subject->name, name, length) != 0 || name[length] != ':')
            continue;
        for (const char *const *backend = subject->backends; *backend; backend++)
            if (strcmp(*backend, name + length + 1) == 0)
                return (struct entrant){name, *backend, subject, find_workload(subject, workload)};
    }
    die("there is no subject %s: see rouse-measure list", name);
}

struct setting {
    const char *name;
    long *value;
};

/* Stores the value of `key=value`; settings end with a NULL name. */
static void set(const struct setting *settings, const char *argument)
{
    const char *equals = strchr(argument, '=');
    size_t length = equals ? (size_t)(equals - argument) : strlen(argument);
    for (; settings->name; settings++) {
        if (strlen(settings->name) != length || strncmp(settings->name, argument, length) != 0)
            continue;
        char *end = NULL;
        if (equals)
            *settings->value = strtol(equals + 1, &end, 10);
        if (!equals || end == equals + 1 || *end != '\0' || *settings->value < 0)
            die("%s: wants a number that is not negative", argument);
        return;
    }
    die("%s: no such setting", argument);
}

/* Has malloc() keep no freed blocks for a thread, which would count as used. It asks for this when
 * a program begins, so the program begins again. */
static void keep_nothing(char **arguments)
{
    static const char name[] = "GLIBC_TUNABLES", value[] = "glibc.malloc.tcache_count=0";
    const char *now = getenv(name);
    if (now && strcmp(now, value) == 0)
        return;
    setenv(name, value, 1);
    execv("/proc/self/exe", arguments);
    die("cannot begin again with %s=%s", name, value);
}

int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[1], "list") == 0) {
        list();
        return 0;
    }
    if (count < 3)
        die("usage: rouse-measure list | WORKLOAD SUBJECT[,SUBJECT...] [setting=value ...]");
    if (strncmp(arguments[1], "memory-", strlen("memory-")) == 0)
        keep_nothing(arguments);
    struct plan plan = {.rounds = 10, .slice_us = 4000};
    struct shape shape = {.n = 0};
    const struct setting settings[] = {
        {"rounds", &plan.rounds},
        {"slice_us", &plan.slice_us},
        {"events", &plan.events},
        {"seed", &plan.seed},
        {"n", &shape.n},
        {"active", &shape.active},
        {"timers", &shape.timers},
        {"rate", &shape.rate},
        {"threads", &shape.threads},
        {"idle_ms", &shape.idle_ms},
        {NULL, NULL},
    };
    for (int i = 3; i < count; i++)
        set(settings, arguments[i]);
    struct entrant entrants[MOST_ENTRANTS];
    int entered = 0;
    for (char *name = strtok(arguments[2], ","); name; name = strtok(NULL, ",")) {
        if (entered == MOST_ENTRANTS)
            die("at most %d subjects", MOST_ENTRANTS);
        entrants[entered++] = find_entrant(name, arguments[1]);
    }
    if (entered == 0)
        die("no subject is named");
    contest_run(entrants, entered, &shape, &plan);
    return 0;
}
