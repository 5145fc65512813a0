/*
 * What the tests of trace share: a backend that does what a case tells it to, behind trace, whose
 * functions a case calls itself. So a case can play the loop and the backend, both right and wrong.
 *
 * What surprises: a breach ends the process, so it happens in a child, and what it said is read
 * from its stderr. Time is a count of how often it was asked for.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WITNESS_H
#define WITNESS_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rouse/backend.h>

#include "check.h"

#define TOKEN(generation, slot) ((uint64_t)(generation) << 32 | (uint32_t)(slot))

enum { FD = 40, OTHER_FD = 41, CLOSED_FD = 49, ROOM = 8 };

static struct witness {
    struct rouse_backend inner; /* the scripted one, as a case wants it */
    struct rouse_backend table; /* trace's, as its `open` left it */
    struct rouse_setup setup;
    struct rouse_work work;
    void *state;
    char why[128];
    struct rouse_event events[ROOM]; /* of the last poll */

    /* What the scripted one does in its next call. */
    void (*during)(void);
    int result;                    /* of open; of poll, if it is not 0 */
    struct rouse_event told[ROOM]; /* the events of the next poll */
    int ntold;

    /* What it has seen. */
    struct rouse_setup given;
    struct rouse_change changes[ROOM]; /* of its last poll */
    int nchanges, nevents;
    int64_t timeout;
    int polls, drops, wakes, closes;

    int64_t now;
    long allocated; /* bytes that trace and it have */
    int failing;    /* how many allocations to come will fail, after `spared` */
    int spared;
} witness;

/* Also in a child, where the assertions of cmocka do not work. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s is false\n", __FILE__, __LINE__, #condition);               \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* ---- The scripted backend ---- */

static inline void witness_act(void)
{
    void (*during)(void) = witness.during;
    witness.during = NULL;
    if (during != NULL)
        during();
}

static inline int witness_open(void *state, const struct rouse_setup *setup)
{
    EXPECT(*(const int *)state == 0);
    *(int *)state = 1;
    witness.given = *setup;
    witness_act();
    return witness.result;
}

static inline void witness_close(void *state)
{
    EXPECT(*(const int *)state == 1);
    witness.closes++;
    witness_act();
}

static inline int witness_poll(void *state, const struct rouse_change *changes, int nchanges,
                               struct rouse_event *events, int nevents, int64_t timeout_ns)
{
    EXPECT(*(const int *)state == 1);
    witness.polls++;
    witness.nchanges = nchanges;
    witness.nevents = nevents;
    witness.timeout = timeout_ns;
    for (int i = 0; i < nchanges; i++)
        witness.changes[i] = changes[i];
    witness_act();
    int n = witness.ntold;
    for (int i = 0; i < n; i++)
        events[i] = witness.told[i];
    witness.ntold = 0;
    return witness.result != 0 ? witness.result : n;
}

static inline void witness_drop(void *state, rouse_fd fd, uint64_t token)
{
    EXPECT(*(const int *)state == 1);
    (void)fd;
    (void)token;
    witness.drops++;
    witness_act();
}

static inline int witness_wake(void *state)
{
    EXPECT(*(const int *)state == 1);
    witness.wakes++;
    witness_act();
    return -EAGAIN; /* something to be handed on */
}

static inline int64_t witness_now(void)
{
    return witness.now += 100;
}

static inline int witness_check(rouse_fd fd)
{
    return fd == CLOSED_FD ? -EBADF : 0;
}

static const struct rouse_system witness_system = {.now = witness_now, .check = witness_check};

static inline void *witness_resize(void *context, void *block, size_t old_size, size_t new_size)
{
    EXPECT(context == &witness);
    if (new_size > old_size && witness.failing > 0 && witness.spared-- <= 0) {
        witness.failing--;
        return NULL;
    }
    witness.allocated += (long)new_size - (long)old_size;
    if (new_size != 0)
        return realloc(block, new_size);
    free(block);
    return NULL;
}

/* ---- The loop ---- */

static inline const struct rouse_backend *witness_trace(void)
{
    for (unsigned i = 0; rouse_rung_at(i) != NULL; i++)
        if (strcmp(rouse_rung_at(i)->name, "trace") == 0)
            return rouse_rung_at(i)->backend;
    return NULL;
}

/* Everything is as if nothing had happened, and not open. */
static inline void witness_reset(void)
{
    if (witness_trace() == NULL)
        SKIP("trace is left out of this build");
    free(witness.state);
    witness = (struct witness){
        .inner = {.abi = ROUSE_BACKEND_ABI,
                  .traits = ROUSE_TRAIT_EDGE | ROUSE_TRAIT_HANGUP,
                  .name = "mine",
                  .state_size = sizeof(int),
                  .open = witness_open,
                  .close = witness_close,
                  .poll = witness_poll,
                  .drop = witness_drop,
                  .wake = witness_wake,
                  .system = &witness_system},
        .table = *witness_trace(),
        .setup = {.allocator = {witness_resize, &witness},
                  .work = &witness.work,
                  .table = &witness.table,
                  .inner = &witness.inner,
                  .why = witness.why,
                  .why_size = sizeof witness.why},
    };
    witness.state = calloc(1, witness_trace()->state_size);
    EXPECT(witness.state != NULL);
}

static inline int open_trace(void)
{
    return witness.table.open(witness.state, &witness.setup);
}

static inline void close_trace(void)
{
    witness.table.close(witness.state);
}

/* Polls without changes; the scripted one tells of `ready` for a token if that is not 0. */
static inline int poll_told(uint64_t token, uint32_t ready, int32_t result)
{
    if (ready != 0)
        witness.told[witness.ntold++] = (struct rouse_event){token, ready, result};
    return witness.table.poll(witness.state, NULL, 0, witness.events, ROOM, -1);
}

static inline int poll_change(rouse_fd fd, uint64_t token, uint32_t had, uint32_t want)
{
    struct rouse_change change = {.fd = fd, .token = token, .had = had, .want = want};
    return witness.table.poll(witness.state, &change, 1, witness.events, ROOM, -1);
}

static inline void drop(rouse_fd fd, uint64_t token)
{
    witness.table.drop(witness.state, fd, token);
}

/* ---- The child ---- */

/* Runs `body` in a child, and returns its status; what it said goes into `text`. */
static inline int witness_child(void (*body)(void), char *text, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        body();
        _exit(0);
    }
    assert_true(child > 0);
    close(ends[1]);
    size_t length = 0;
    ssize_t n;
    while ((n = read(ends[0], text + length, size - 1 - length)) > 0)
        length += (size_t)n;
    text[length] = '\0';
    char *of_qemu = strstr(text, "qemu: uncaught target signal"); /* it says so of its own */
    if (of_qemu != NULL)
        *of_qemu = '\0';
    close(ends[0]);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* ---- Breaches ---- */

enum { READ = ROUSE_READ, WRITE = ROUSE_WRITE };

static const uint64_t token = TOKEN(7, 3);

struct breach {
    void (*body)(void);
    const char *line;
};

static inline void check_breach(void **state)
{
    const struct breach *breach = *state;
    char text[1024];
    witness_reset();
    int status = witness_child(breach->body, text, sizeof text);
    assert_string_equal(text, breach->line);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* A case: what is done in a child, and the line with which it must be aborted. */
#define BREACH(body, line)                                                                         \
    {                                                                                              \
#body, check_breach, NULL, NULL, &(struct breach)                                          \
        {                                                                                          \
            body, line "\n"                                                                        \
        }                                                                                          \
    }
#define CALLER(body, clause, values)                                                               \
    BREACH(body, "trace:mine: the caller broke \"" clause "\": " values)
#define BACKEND(body, clause, values)                                                              \
    BREACH(body, "trace:mine: the backend broke \"" clause "\": " values)
#define IT "fd 40, slot 3, generation 7, "

#endif
