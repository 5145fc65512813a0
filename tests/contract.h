/*
 * What the files of the contract suite share. The suite says what every backend must do, and runs
 * once for each: with the backend alone (struct bare), whose functions a case calls itself, or with
 * a loop upon it (struct rig), as a user has it.
 *
 * Each case gets a fresh one, which costs a few microseconds, and its teardown fails the case if a
 * descriptor or a byte has been leaked. A loop runs in virtual time, and turns with timeout 0: a
 * case that would hang without some rule turns a bounded number of times and then looks at what it
 * has.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CONTRACT_H
#define CONTRACT_H

#include <errno.h>
#include <stdbool.h>

#include "check.h"
#include "subject.h"
#include "world.h"

/* Whether the backend under test has it. */
bool contract_has(uint32_t trait);

/* What of `ready` can be compared across backends: HANGUP and ERROR only where they can be told. */
uint32_t contract_told(uint32_t ready);

/* A pair of the world, or the case ends as skipped. */
void contract_pair(enum world_kind kind, rouse_fd ends[2]);
void contract_close(rouse_fd ends[2]);

/* One of which ends[0] has a number that is free again, as on most systems it has by itself. */
void contract_pair_at(rouse_fd number, enum world_kind kind, rouse_fd ends[2]);

/* Fails the case if a call of the world, or any other that returns -errno, did not succeed; or
 * skips it if the world has no such thing. */
#define MUST(call) contract_must((int64_t)(call), #call, __FILE__, __LINE__)
int64_t contract_must(int64_t result, const char *call, const char *file, int line);

/* Where Wine has a fault that Windows does not have, the case ends as skipped. Not while it has
 * watchers on its stack: the teardown closes their loop. */
void contract_not_on_wine(const char *fault);

/* The same for libkqueue, which is no kernel. */
void contract_not_on_libkqueue(const char *fault);

/* Ends the case as skipped where there is no urgent data; or where PRIORITY is never told. */
void contract_needs_urgent_data(void);
void contract_needs_priority(void);

/* A case of the backend alone, and one of a loop upon it, in a table of cases. */
#define BARE(name) cmocka_unit_test_setup_teardown(name, bare_setup, bare_teardown)
#define RIG(name)  cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

/* ---- The backend alone -------------------------------------------------------------------- */

enum { BARE_EVENTS = 512 };

struct bare {
    const struct rouse_backend *backend;
    struct rouse_backend table; /* its table as `open` left it */
    void *state;
    struct rouse_setup setup;
    struct rouse_work work;
    struct rouse_event events[BARE_EVENTS]; /* of the last poll */
    int count;
    struct rouse_change held[BARE_EVENTS]; /* by slot: the last change, if it was not dropped */
    long allocated;                        /* bytes that the backend has of our allocator */
    unsigned descriptors;
    char why[128];
};

int bare_setup(void **state);
int bare_teardown(void **state);
void bare_reopen(struct bare *bare);

#define TOKEN(generation, slot) ((uint64_t)(generation) << 32 | (uint32_t)(slot))

/* poll() with room for all events, and checks of what is true of every answer. Of a backend that
 * guesses, what is not so is then taken out of it. */
int bare_poll(struct bare *bare, const struct rouse_change *changes, int nchanges,
              int64_t timeout_ns);
int bare_poll_some(struct bare *bare, int nevents); /* no changes, timeout 0 */
int bare_poll_into(struct bare *bare, const struct rouse_change *changes, int nchanges, int nevents,
                   int64_t timeout_ns);

/* Sends one change with timeout 0, and what was reported for its token. */
uint32_t bare_change(struct bare *bare, rouse_fd fd, uint64_t token, uint32_t had, uint32_t want);

/* Polls with timeout 0, and what was reported for a token; 0 if nothing. */
uint32_t bare_ready(struct bare *bare, uint64_t token);

void bare_drop(struct bare *bare, rouse_fd fd, uint64_t token);

/* The event for a token in the last answer, or NULL. */
const struct rouse_event *bare_event(const struct bare *bare, uint64_t token);

/* ---- A loop upon it ----------------------------------------------------------------------- */

struct rig {
    struct rouse_loop *loop;
    struct world_clock clock;
    unsigned descriptors;
    unsigned called; /* calls of its probes */
};

int rig_setup(void **state);
int rig_teardown(void **state);

/* Turns `count` times without waiting; returns how many events the backend has reported in them;
 * one that guesses, how many of them were so. */
unsigned rig_turns(struct rig *rig, unsigned count);

struct rouse_counters rig_counters(const struct rig *rig);
uint64_t rig_changes_sent(const struct rig *rig);

/* Turns until `condition` holds, which it must at last. On a busy machine packets may take long. */
#define TURN_UNTIL(rig, condition)                                                                 \
    do {                                                                                           \
        for (unsigned turn_ = 0; turn_ < 1000000 && !(condition); turn_++)                         \
            rig_turns((rig), 1);                                                                   \
        assert_true(condition);                                                                    \
    } while (0)

/* A watcher that remembers what it was called with. By guesses that are not so it does not know
 * that it was called, and if it is one-shot it arms itself again. */
struct probe {
    struct rouse_io io;
    void (*then)(struct probe *probe); /* what the callback does besides; may be NULL */
    struct rig *rig;
    struct probe *other;
    rouse_fd spare[2];
    uint32_t mode; /* EDGE or ONESHOT, for callbacks that start something */
    unsigned calls;
    uint32_t ready;  /* of the last call */
    uint32_t seen;   /* of all calls */
    int error;       /* rouse_io_error() in the last call */
    size_t chunk;    /* how many bytes one read asks for; 0: as many as fit */
    size_t received; /* bytes read so far */
    ssize_t last;    /* what the last read, write or accept returned */
    bool ended;      /* a read returned 0 */
    bool oneshot;    /* as it was started */
};

void probe_init(struct rig *rig, struct probe *probe, void (*then)(struct probe *probe));

/* Initialises and starts a probe, which must succeed. */
void probe_start(struct rig *rig, struct probe *probe, rouse_fd fd, uint32_t want,
                 void (*then)(struct probe *probe));

/* For `then`. */
void probe_read(struct probe *probe);  /* one rouse_read() of a chunk if READ is ready */
void probe_pause(struct probe *probe); /* wants nothing */
void probe_stop(struct probe *probe);

/* Two watched pipes with data in both. */
struct two {
    rouse_fd ends[2][2];
    struct probe probes[2];
};

void two_start(struct rig *rig, struct two *two, uint32_t mode, void (*then)(struct probe *probe));
void two_end(struct two *two);

/* Turns until a probe has read `total` bytes, and then some turns in which it must not be called.
 */
void rig_reads_all(struct rig *rig, const struct probe *probe, size_t total);

#endif
