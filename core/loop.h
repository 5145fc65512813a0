/*
 * The loop as its own parts see it. An event passes from the array of events to its slot, and from
 * there to the watcher; what it touches of the loop itself stands together.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_CORE_LOOP_H
#define ROUSE_CORE_LOOP_H

#include <stdatomic.h>
#include <stdbool.h>

#include <rouse/backend.h>

#include "config.h"
#include "link.h"
#include "memory.h"
#include "placement.h"
#include "slots.h"
#include "wheel.h"

/* How many events one wait fetches, and how many changes it hands over, at most. */
#define LOOP_BATCH 1024

/* Room for what rouse_error() says. */
#define LOOP_WORDS 256

enum { LOOP_DIRECTIONS = ROUSE_READ | ROUSE_PRIORITY | ROUSE_WRITE };

/*
 * loop.agenda: what a turn has to see to besides waiting and delivering. A bit may be set for
 * nothing, but is never missing; so a turn that has nothing to see to finds out by one comparison.
 */
enum {
    AGENDA_STOP = 1,
    AGENDA_TASKS = 2,
    AGENDA_HOOKS = 4,
    AGENDA_PENDING = 8,  /* slots are in the list PENDING */
    AGENDA_AGAIN = 16,   /* slots are in the list AGAIN */
    AGENDA_REBUILD = 32, /* open the backend anew before the next wait */
    AGENDA_FULL = 64,    /* the last wait filled the array of events */
    AGENDA_DEAF = 128,   /* the loop's own watcher was refused: nobody could wake it */
    AGENDA_FORKED = 256, /* a child, forked in a callback, that has not adopted the loop */
    AGENDA_CLOCK = 512,  /* always, with a clock of the user's own */
    AGENDA_WAKE = 1024,  /* always, with a backend that has a wake of its own */
};

/* What rouse_error() puts into words when it is asked; until then a failure is five stores. */
struct failure {
    const char *tried; /* "watch descriptor %lld" */
    const char *advice;
    long long subject;
    int error;
};

struct rouse_loop {
    /* What every turn and every event touch, side by side: four lines of the cache. */
    struct rouse_backend backend; /* the chosen one's table, as its `open` left it */
    void *state;
    struct rouse_change *changes;
    struct rouse_event *events;
    struct slot *slots; /* the first two are the heads of the lists; see slots.h */
    uint32_t nslots;
    uint32_t capacity; /* of changes and events */
    uint32_t fetched;  /* events of this turn */
    uint32_t agenda;
    struct rouse_io *current; /* the one called last that is not a plain one */
    uint32_t told;            /* the directions that it has tried and did not drain by that */
    uint32_t called;          /* callbacks of this turn, for rouse_turn() */
    uintptr_t owner;          /* owner_self of the owning thread */
    uint32_t ntimers;
    uint32_t alive; /* started watchers and timers that are not unreferenced, and holds */
    uint64_t turns;
    uint64_t reported; /* events of the backend */
    const struct rouse_system *system;
    uint8_t patience; /* see wait_for() in loop.c */
    uint8_t pause;
    bool running;
    bool now_known; /* `now` was read in this turn */
    int refusal;    /* the -errno of rouse_io_error() */
    int deaf;       /* the -errno of AGENDA_DEAF */
    struct rouse_work work;

    /* Descriptors. */
    uint32_t *fd_slots; /* by descriptor: its slot, or 0; see fdmap.c */
    uint32_t nfds;

    /* Who may call. */
    uint32_t holds;
    uintptr_t forks;          /* owner_forks() of the owning process */
    struct rouse_loop *outer; /* the loop in whose callback this one runs */
    int64_t now;              /* as read in this turn */
    int64_t latest;           /* as read last; no later reading is before it */
    struct rouse_clock clock;

    /* Timers. */
    struct wheel *wheel;     /* NULL until the first one is started */
    int64_t earliest;        /* no deadline is before it */
    bool settled;            /* there is nothing better to be known of the first deadline */
    uint64_t timer_sequence; /* counts starts, in steps of TIMER_STEP */
    uint64_t timer_limit;    /* those from here on were started in this turn; kept only if there are
                              * any when it begins, for else all were */

    /* Tasks and hooks. */
    struct rouse_link tasks;
    struct rouse_link hooks[3]; /* by enum rouse_moment */

    /* Wakes: the only part that other threads touch. */
    _Atomic(uint32_t) wakes; /* whether one is pending, and how many ring now; see wake.c */
    _Atomic(struct rouse_task *) posted; /* a stack, the last posted first */
    rouse_fd notifier[2];                /* what the loop watches, what a waker writes to */
    struct rouse_io notifier_io;

    const struct rouse_backend *chosen;
    bool backend_open;
    struct rouse_setup setup;
    struct {
        uint64_t stale, spurious, callbacks, changes_asked, changes_sent, rebuilds;
    } counters;
    uint64_t asked;  /* waits without leave to sleep */
    uint64_t missed; /* of these: in vain, so that a second wait followed in the same turn */
    struct failure failure;
    char *words;       /* LOOP_WORDS bytes, of rouse_error(); NULL until it is called */
    char *passed_over; /* of rouse_passed_over(); NULL if nothing was */
};

/* error.c: records a failure and returns -error. */
RARE int loop_fail(struct rouse_loop *loop, int error, const char *tried, long long subject,
                   const char *advice);

/* owner.c: 0 if the calling thread owns the loop, else the error, recorded nowhere: the words
 * belong to the owner's thread. */
extern _Thread_local uintptr_t owner_self;
extern _Thread_local struct rouse_loop *owner_running;
int owner_enter(void);
uintptr_t owner_forks(void);
void owner_forked(void);
RARE int owner_refuse(const struct rouse_loop *loop);

static inline int owner_check(const struct rouse_loop *loop)
{
    return loop->owner == owner_self ? 0 : owner_refuse(loop);
}

/* registry.c */
int registry_open(struct rouse_loop *loop, const struct rouse_config *config, char *why,
                  size_t size);
int registry_open_chosen(struct rouse_loop *loop);
void registry_close(struct rouse_loop *loop);

/* forks_*.c: from now on owner_forked() is called in each forked child. 0 or -errno. */
int forks_watch(void);

/* system_*.c: the table of system calls; and to let other threads run. */
extern const struct rouse_system system_table;
void system_yield(void);

/* words_posix.c, winsock.c: what an errno is in words; `buffer` is there to be used. */
const char *words_of(int error, char *buffer, size_t size);

/* notifier_*.c: a descriptor that becomes readable when another thread rings it. */
int notifier_open(rouse_fd fds[2]);
int notifier_renew(rouse_fd fds[2]);
void notifier_close(rouse_fd fds[2]);
void notifier_ring(const rouse_fd fds[2]); /* async-signal-safe */
void notifier_silence(const rouse_fd fds[2]);

/* wake.c */
int wake_open(struct rouse_loop *loop);
void wake_close(struct rouse_loop *loop);
int wake_renew(struct rouse_loop *loop);
void wake_hold(struct rouse_loop *loop);
void wake_again(struct rouse_loop *loop);
bool wake_pending(const struct rouse_loop *loop);
void wake_take_posted(struct rouse_loop *loop);
void wake_collect(struct rouse_loop *loop);

/* io.c */
uint32_t io_refused(struct rouse_loop *loop, uint32_t index, int error);
void io_unwanted(struct rouse_loop *loop, uint32_t index);
void io_spent(struct rouse_loop *loop, uint32_t index);
void io_settle(struct rouse_loop *loop, uint32_t index, uint32_t ready);
void io_list_if_needed(struct rouse_loop *loop, uint32_t index);
uint32_t io_collect(struct rouse_loop *loop);
void io_forget(struct rouse_loop *loop);
void io_detach(struct rouse_loop *loop);

/* timers.c: to be called only if there are any. */
int64_t timers_left(struct rouse_loop *loop);
void timers_run(struct rouse_loop *loop);
void timers_detach(struct rouse_loop *loop);

/* tasks.c, hooks.c: to be called only if there are any. */
void tasks_run(struct rouse_loop *loop);
void tasks_detach(struct rouse_loop *loop);
void hooks_run(struct rouse_loop *loop, enum rouse_moment moment);
void hooks_detach(struct rouse_loop *loop);

/* loop.c, clock.c */
int loop_grow(struct rouse_loop *loop);
int loop_reopen(struct rouse_loop *loop);
int64_t loop_clock(struct rouse_loop *loop);
int64_t loop_now(struct rouse_loop *loop);

#endif
