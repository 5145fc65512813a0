/*
 * The differential test: one random script of operations is played on each backend and compared,
 * turn by turn, with an oracle that asks the world itself what is ready (poll(2) with timeout 0).
 *
 *   differential_script.c  operations as text
 *   differential_random.c  random scripts
 *   differential_ends.c    what operations do to descriptors, and the data that must arrive
 *   differential_oracle.c  what the loop must call, may call and must not call
 *   differential_due.c     the same for timers and tasks
 *   differential_ops.c     operations performed on a loop
 *   differential_play.c    a script played from its opening to its end
 *   differential_shrink.c  makes a failing script small
 *   differential_contest.c many scripts, and backends against each other
 *   differential_tell.c    plays told line by line, for check_worlds.py
 *   differential_found.c   scripts that once failed
 *   differential_faults.c  backends with a planted fault, on which all this is tried
 *   differential.c         the cases, and the command line
 *
 * An operation names its object by a number, and is passed over if there is no such object: so
 * whatever is left of a script after operations were taken out of it is a script again. An
 * operation may be meant for the inside of a callback; it then waits for the next one of its end,
 * timer or task.
 *
 * The order of callbacks within one turn is not promised. Where it makes no difference (scripts
 * that are not `tangled`: a callback acts on its own descriptor only, and of each pair only one end
 * acts in callbacks) the backends must agree with each other in everything that the oracle says
 * must happen; where it does, each must agree with the oracle, which sees the order that it has
 * got.
 *
 * Each world has a program of its own, with the backends that have its descriptors. check_worlds.py
 * has both play what both can, and compares all that was told, in its order: so the model of a
 * kernel judges the kernel's backends, and they judge the model.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef DIFFERENTIAL_H
#define DIFFERENTIAL_H

#include <rouse/backend.h>
#include <stdbool.h>
#include <stdio.h>

#include "world.h"

enum {
    PAIRS = 8,
    ENDS = 2 * PAIRS,
    TIMERS = 6,
    TASKS = 6,
    LONGEST = 240,   /* operations of a script */
    MESSAGES = 1024, /* that one end may have sent and the other not yet received */
    LARGEST = 65536, /* bytes in one read or write */
    DIRECTIONS = ROUSE_READ | ROUSE_PRIORITY | ROUSE_WRITE
};

/* ---- Scripts ------------------------------------------------------------------------------ */

/* What is opened: the kinds of world.h, and two that have no peer. */
enum { KIND_FILE = WORLD_KINDS, KIND_NULL, KINDS };

/* How a callback reads or writes what is reported. */
enum style {
    STYLE_NOT,  /* not at all */
    STYLE_ONCE, /* one rouse_read() or rouse_write() */
    STYLE_ALL,  /* until one says that it is drained */
    STYLE_RAW,  /* until EAGAIN without the library, then rouse_io_drained() */
    STYLES
};

enum verb {
    VERB_OPEN,    /* pair kind */
    VERB_WATCH,   /* end want mode */
    VERB_WANT,    /* end want */
    VERB_STOP,    /* end */
    VERB_CLOSE,   /* end: through the loop if it is watched */
    VERB_RESET,   /* end */
    VERB_SHUT,    /* end directions */
    VERB_REACT,   /* end read-style write-style size: what its callback does */
    VERB_RIVAL,   /* end: tries to start a second watcher on its descriptor */
    VERB_READ,    /* end size */
    VERB_WRITE,   /* end size */
    VERB_RECEIVE, /* end size: without the library */
    VERB_SEND,    /* end size: without the library */
    VERB_DRAIN,   /* end: without the library, until nothing is left */
    VERB_FILL,    /* end: without the library, until nothing fits */
    VERB_URGENT,  /* end: sends a byte out of band */
    VERB_AT,      /* timer offset period: to now + offset */
    VERB_AFTER,   /* timer delay period */
    VERB_HALT,    /* timer */
    VERB_DEFER,   /* task */
    VERB_POST,    /* task */
    VERB_CANCEL,  /* task */
    VERB_ADVANCE, /* nanoseconds: moves the clock */
    VERB_TURN,    /* timeout */
    VERBS
};

enum place { PLACE_OUTSIDE, PLACE_END, PLACE_TIMER, PLACE_TASK, PLACES };

struct op {
    uint8_t verb;
    uint8_t place; /* in whose callback */
    uint8_t who;
    int32_t args[4];
};

struct script {
    bool tangled;
    bool asleep; /* on the system's clock: the backend's wait has leave to sleep; no timers */
    int count;
    struct op ops[LONGEST];
};

/* `common`: of what every world has, and has in the same measure. */
void script_random(struct script *script, uint64_t seed, bool common);
void script_print(const struct script *script, FILE *file);
int script_parse(struct script *script, FILE *file); /* 0, or the number of the line in error */
uint64_t script_mix(uint64_t value);                 /* a good hash of 64 bits */

/* ---- Plays -------------------------------------------------------------------------------- */

/* What a play has shown, for the comparison between backends; and, for that between worlds, whom
 * the loop called with what, whether it had to or not, and where it is no longer certain that all
 * worlds go on alike. */
enum { NOTE_TOLD = PLACES, NOTE_DOUBT };

struct note {
    uint32_t turn;
    uint32_t what; /* a place: called; PLACE_OUTSIDE: the result of an operation; NOTE_... */
    uint32_t who;
    int64_t value;
};

/* What of it is kept. */
enum keep { KEEP_HASH, KEEP_NOTES, KEEP_ALL };

/* How a script has been played. */
struct outcome {
    char failure[400];   /* "" if backend and oracle agree */
    uint64_t operations; /* performed; those passed over are not counted */
    uint64_t turns;
    uint64_t musts, mays; /* callbacks that had to be made, and that were allowed */
    bool comparable;      /* with other backends */
    uint64_t hash;        /* of all notes, whatever their order within a turn */
    struct note *notes;   /* in the order made */
    int nnotes, capacity;
};

/* Plays a script on a backend under the eyes of the oracle. The caller frees what notes are kept.
 * Returns whether they agree. */
bool script_play(const struct script *script, const struct rouse_backend *backend, enum keep keep,
                 struct outcome *outcome);

/* Takes operations out of a failing script as long as `fails` says that it still does. */
void script_shrink(struct script *script, bool (*fails)(const struct script *, void *),
                   void *context);

/* ---- Contests ----------------------------------------------------------------------------- */

enum { SCRIPTS = 100000 }; /* that one backend may play */

/* What one backend has to play, and has played. */
struct contest {
    const struct rouse_backend *backend;
    uint64_t first_seed;
    uint64_t share; /* how many operations it has to perform */
    bool played;
    bool failed;
    int scripts;
    struct outcome total; /* the counts of all of them */
    uint64_t *hashes;     /* by script; 0: not comparable */
};

/* Plays. If a script fails it is shrunk and printed, and is the last. */
void contest_play(struct contest *contest);
void contest_add(struct outcome *total, const struct outcome *one);
bool contest_fails(const struct script *script, void *backend); /* for script_shrink() */

/* How many scripts could be compared. -1: one of them led to different plays, and was printed. */
int contest_compare(const struct contest *a, const struct contest *b);

/* Prints a script, and what the play of it has shown, line by line. Whether the oracle agrees. */
bool contest_tell(const struct rouse_backend *backend, const struct script *script);

/* ---- Scripts that once failed (differential_found.c) ---------------------------------------- */

struct found {
    const char *lesson; /* NULL: the end */
    const char *script;
};

extern const struct found found_scripts[];

/* ---- Planted faults ----------------------------------------------------------------------- */

/* The backend with a fault; valid until the next call. */
const struct rouse_backend *fault_losing(const struct rouse_backend *real); /* every fifth event */
const struct rouse_backend *
fault_stale(const struct rouse_backend *real); /* reports what was dropped */

#endif
