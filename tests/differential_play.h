/*
 * A play in progress: the descriptors, timers and tasks of a script, as the operations have left
 * them, and what the oracle makes of them. Only the files of the player include it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef DIFFERENTIAL_PLAY_H
#define DIFFERENTIAL_PLAY_H

#include "differential.h"

/* The result of an operation that is not performed. */
#define PASSED_OVER INT32_MIN

struct play;

/* What one end has sent to the other. */
struct channel {
    uint64_t sent;
    uint64_t received;
    uint64_t mark;           /* where the urgent byte lies */
    bool urgent;             /* it has been sent and not yet been passed */
    bool flooded;            /* TCP: has been sent more than is certain to arrive at once */
    uint32_t first, waiting; /* the queue of the sizes of messages; TCP counts packets */
    uint16_t sizes[MESSAGES];
};

struct end {
    struct rouse_io io;
    struct play *play;
    rouse_fd fd; /* -1: not open */
    int kind;
    bool shut; /* it sends no more */
    bool lost; /* TCP: the connection was reset; nothing can be awaited of it */
    enum style reads, writes;
    int size;

    /* The watcher, as its owner knows it. */
    bool started;
    bool edge;
    bool oneshot;
    uint32_t want;

    /* The oracle's. */
    uint32_t before;   /* what was ready right before the wait */
    uint32_t lately;   /* backends that are late: and at any time since the wait before it */
    uint32_t first;    /* and when it was told of, if that was before this wait */
    uint32_t must;     /* the directions that must be reported in this turn */
    uint32_t may;      /* and those that may be */
    uint32_t certain;  /* ERROR and HANGUP that must be */
    uint32_t possible; /* and that may be */
    uint32_t steady;   /* what has been wanted all the time since the wait */
    uint32_t believed; /* edges: what the loop may remember as ready */
    uint32_t said;     /* edges: of what the callback has said what became of it */
    bool levelled;     /* edges: it said nothing of a direction, and is watched by level */
    bool memory;       /* edges: the wait did not ask what the loop remembers */
    bool doubt;        /* edges: a short count may not count as drained */
    bool barred;       /* started or stopped since the wait */
    bool called;
    struct channel out;
};

struct play_timer {
    struct rouse_timer timer;
    struct play *play;
    bool active;
    bool fresh; /* started since the wait: not in this turn */
    int64_t deadline, period;
    uint64_t order;
};

struct play_task {
    struct rouse_task task;
    struct play *play;
    bool waits;
    bool posted;
    bool fresh;     /* deferred by a task: not in this turn */
    bool excusable; /* posted by a callback: in this turn or in the next */
    uint64_t order;
};

struct play {
    const struct script *script;
    struct outcome *outcome;
    struct rouse_loop *loop;
    uint32_t traits;
    enum keep keep;
    struct rouse_hook after_wait;
    struct world_clock clock;
    struct rouse_clock virtual_clock; /* of world.h; ours watches over it */
    struct end ends[ENDS];
    struct play_timer timers[TIMERS];
    struct play_task tasks[TASKS];
    int reached;                   /* how many operations of the script */
    bool used[LONGEST];            /* those for the inside of a callback that were performed */
    uint8_t pending[PLACES][ENDS]; /* how many of them wait */
    uint64_t order;                /* the next number of a timer or task */
    bool woken;                    /* by a post, since the last turn began */
    bool raced;                    /* the kernel delivered something during a wait */
    bool ending;                   /* the script is over; what is left is received */

    /* The turn in progress. */
    bool turning;
    bool tasks_begun;
    int callbacks;
    uint32_t stops;     /* of watchers that had not been called yet */
    int64_t idle_limit; /* how far the loop may idle; less than the time: not at all */
    struct rouse_counters counters;
};

/* differential_play.c */
void play_fail(struct play *play, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool play_failed(const struct play *play);
void play_note(struct play *play, uint32_t what, uint32_t who, int64_t value);
void play_turn(struct play *play, int64_t timeout);

/* differential_ops.c */
void ops_perform(struct play *play, int index); /* an operation of the script */
void ops_on_io(struct rouse_io *io, uint32_t ready);
void ops_on_timer(struct rouse_timer *timer);
void ops_on_task(struct rouse_task *task);
void ops_watch(struct end *end, uint32_t want, bool edge, bool oneshot);
void ops_want(struct end *end, uint32_t want);
void ops_stop(struct end *end);

/* differential_ends.c: 0 or a count, -errno, or PASSED_OVER. */
struct end *end_peer(struct end *end);
int end_number(const struct end *end);
uint64_t end_unread(struct end *end); /* bytes that were sent to it and that it has not received */
bool end_flooded(struct end *end);
bool end_open(struct play *play, int pair, int kind);
void end_closed(struct end *end, bool reset);
int end_shut(struct end *end, uint32_t directions);
int end_urgent(struct end *end);
ssize_t end_send(struct end *end, size_t size, bool through_loop);
ssize_t end_receive(struct end *end, size_t size, bool through_loop);
ssize_t end_fill(struct end *end);
ssize_t end_drain(struct end *end);

/* differential_oracle.c */
void oracle_before_wait(struct play *play);
void oracle_look(struct play *play); /* between waits: something may have become ready */
void oracle_after_wait(struct play *play);
void oracle_after_turn(struct play *play);
bool oracle_is_due(const struct play *play);         /* before the wait: something must be called */
bool oracle_may_wake(const struct play *play);       /* the wait may end for what nobody wants */
bool oracle_may_guess(const struct play *play);      /* something is reported, ready or not */
uint32_t oracle_io(struct end *end, uint32_t ready); /* returns what must have been reported */
void oracle_called(struct end *end, uint32_t ready); /* its callback has returned */
void oracle_started(struct end *end, uint32_t want, bool edge, bool oneshot);
void oracle_wanted(struct end *end, uint32_t want);
void oracle_stopped(struct end *end);
void oracle_read(struct end *end, ssize_t result, size_t size);
void oracle_emptied(struct end *end); /* somebody has read from it */
void oracle_wrote(struct end *end, ssize_t result, size_t size);
void oracle_drained(struct end *end, uint32_t directions);

/* differential_due.c */
void due_before_wait(struct play *play);
void due_after_turn(struct play *play);
bool due_tasks(const struct play *play);       /* whether a task waits */
int64_t due_deadline(const struct play *play); /* of the first timer; INT64_MAX */
void due_timer_started(struct play_timer *timer, int64_t deadline, int64_t period);
void due_task_deferred(struct play_task *task, bool posted);
void due_timer(struct play_timer *timer);
void due_task(struct play_task *task);

#endif
