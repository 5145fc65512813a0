/*
 * rouse-measure: measures one workload on one backend and prints every raw sample as a line of
 * JSON.
 *
 *     rouse-measure list
 *     rouse-measure idle epoll n=1024 pairs=20 slice_us=4000
 *     rouse-measure chain epoll n=100 active=1 timers=3 edge=0
 *     rouse-measure chain io_uring n=100 edge=1 against=epoll     with the raw loop of another
 *     rouse-measure c10k poll connections=10000 active=64 idle_ms=1000
 *     rouse-measure hold threads n=10000 idle_ms=1000
 *
 * bench/compare runs it many times, in an order that spreads whatever drifts; this program does not
 * know about rounds or statistics. By itself it serves to look at one case: under callgrind with
 * `events=1000 raw=0`, or under strace.
 *
 * SPDX-License-Identifier: MIT
 */
#include "built.h"
#include "c10k.h"
#include "chain.h"
#include "hold.h"
#include "idle.h"

#include <rouse/backend.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Why a backend could not be opened, without what rouse_open() says around it. */
static const char *reason(char *why, const char *name)
{
    char *end = strstr(why, "; there are ");
    if (end)
        *end = '\0';
    char *begin = strstr(why, name);
    return begin ? begin + strlen(name) + strlen(": ") : why;
}

/* A line for each backend: whether it is compiled in and works here and now, and if not why not.
 * Those that only stand before another are left out. */
static void list(void)
{
    for (unsigned i = 0; rouse_rung_at(i); i++) {
        const struct rouse_rung *rung = rouse_rung_at(i);
        const struct rouse_backend *backend = rung->backend;
        if (backend && backend->traits & ROUSE_TRAIT_WRAPS)
            continue;
        char why[512] = "";
        struct rouse_config config = {
            .size = sizeof config, .backend = rung->name, .why = why, .why_size = sizeof why};
        struct rouse_loop *loop = NULL;
        if (rouse_open(&loop, &config) == 0)
            rouse_close(loop);
        printf("{\"backend\":\"%s\",\"compiled\":%s,\"works\":%s,\"lesson\":%s,"
               "\"fd_limit\":%d,\"raw\":%s,\"compiler\":\"%s\",\"why\":",
               rung->name, backend ? "true" : "false", loop ? "true" : "false",
               backend && backend->traits & ROUSE_TRAIT_LESSON ? "true" : "false",
               backend ? backend->fd_limit : 0, raw_find(rung->name) ? "true" : "false",
               BENCH_COMPILER);
        print_text(backend ? reason(why, rung->name) : rung->missing);
        printf("}\n");
    }
}

struct setting {
    const char *name;
    long *value;
};

/* Stores the value of `key=value`; settings end with a NULL name. */
static void set(const struct setting *settings, struct plan *plan, const char *argument)
{
    const char against[] = "against=";
    if (strncmp(argument, against, strlen(against)) == 0) {
        plan->against = argument + strlen(against);
        return;
    }
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

int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[1], "list") == 0) {
        list();
        return 0;
    }
    if (count < 3)
        die("usage: rouse-measure list | WORKLOAD BACKEND [setting=value ...]");
    struct plan plan = {.pairs = 20, .slice_us = 4000, .rouse = 1, .raw = 1};
    struct chain_shape chain = {.n = 100};
    struct c10k_shape c10k = {.connections = 10000, .idle_ms = 1000}; /* `hold` waits as long */
    long active = 0; /* 0: as is usual for the workload */
    const struct setting settings[] = {
        {"pairs", &plan.pairs},     {"slice_us", &plan.slice_us},
        {"events", &plan.events},   {"rouse", &plan.rouse},
        {"raw", &plan.raw},         {"n", &chain.n},
        {"active", &active},        {"timers", &chain.timers},
        {"edge", &chain.edge},      {"connections", &c10k.connections},
        {"idle_ms", &c10k.idle_ms}, {NULL, NULL},
    };
    for (int i = 3; i < count; i++)
        set(settings, &plan, arguments[i]);
    const char *workload = arguments[1];
    const char *backend = arguments[2];
    chain.active = active > 0 ? active : 1;
    c10k.active = active > 0 ? active : 64;
    if (chain.n < 1 || c10k.connections < 1)
        die("n and connections are at least 1");
    if (strcmp(workload, "idle") == 0)
        idle_measure(backend, (int)chain.n, &plan);
    else if (strcmp(workload, "chain") == 0)
        chain_measure(backend, &chain, &plan);
    else if (strcmp(workload, "c10k") == 0)
        c10k_measure(backend, &c10k, &plan);
    else if (strcmp(workload, "hold") == 0)
        hold_measure(backend, (int)chain.n, c10k.idle_ms);
    else
        die("%s: no such workload: idle, chain, c10k or hold", workload);
    return 0;
}
