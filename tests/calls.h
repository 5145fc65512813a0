/*
 * Every call of the API that belongs to the thread that owns the loop, on a loop on which something
 * of every kind is started and something of every kind is not. The tests of wrong threads and of
 * forked children make them all, and then look whether anything has changed.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CALLS_H
#define CALLS_H

#include "stage.h"

/* A loop in virtual time on which a pipe is watched, a timer is started, a task waits, and a hook
 * is called; and others of each kind that are not started. */
struct calls {
    struct world_clock clock;
    struct rouse_loop *loop;
    struct player started;
    struct player idle;
    rouse_fd ends[2];
    rouse_fd others[2]; /* watched by nobody */
};

static inline void calls_open(struct calls *calls)
{
    calls->loop = stage_open(&calls->clock);
    CHECK_OK(NULL, world_pair(WORLD_STREAM, calls->ends));
    CHECK_OK(NULL, world_pair(WORLD_STREAM, calls->others));
    struct player *started = &calls->started;
    struct rouse_loop *loop = calls->loop;
    player_init(started, loop, 's', NULL);
    player_init(&calls->idle, loop, 'i', NULL);
    CHECK_OK(loop, rouse_io_start(loop, &started->io, calls->ends[0], ROUSE_READ));
    CHECK_OK(loop, rouse_timer_at(loop, &started->timer, STAGE_START + 100, 0));
    CHECK_OK(loop, rouse_defer(loop, &started->task));
    CHECK_OK(loop, rouse_hook_start(loop, &started->hook, ROUSE_BEFORE_WAIT));
}

/* Before a turn that idles until the timer is due: a loop that is told guesses never idles. */
static inline void calls_let_time_pass(struct calls *calls)
{
    if (subject_guesses())
        calls->clock.now = STAGE_START + 100;
}

/* Whether the loop still does exactly what calls_open() asked for; by its own thread. */
static inline bool calls_unchanged(struct calls *calls)
{
    struct rouse_loop *loop = calls->loop;
    struct rouse_counters counters = {.size = sizeof counters};
    rouse_count(loop, &counters);
    if (counters.turns != 0 || counters.changes_asked > 2) /* the loop's own watcher is one */
        return false;
    if (!rouse_io_active(&calls->started.io) || rouse_io_active(&calls->idle.io) ||
        !rouse_timer_active(&calls->started.timer) || rouse_timer_active(&calls->idle.timer))
        return false;
    journal_take();
    if (world_send(calls->ends[1], "x", 1) != 1 || subject_turn(loop, -1) != 2)
        return false;
    /* Hook, io and task; then hook and timer; and nobody holds it. */
    if (strcmp(journal_take(), "sss") != 0 || calls->started.ready != ROUSE_READ)
        return false;
    calls_let_time_pass(calls);
    if (world_drain(calls->ends[0]) != 1 || subject_turn(loop, -1) != 1)
        return false;
    return strcmp(journal_take(), "ss") == 0 && calls->clock.now == STAGE_START + 100 &&
           rouse_release(loop) == -EINVAL;
}

static inline void calls_close(struct calls *calls)
{
    CHECK_OK(NULL, rouse_close(calls->loop));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(NULL, world_close(calls->ends[i]));
        CHECK_OK(NULL, world_close(calls->others[i]));
    }
}

/* Makes every call but rouse_close() and rouse_adopt(). Returns the name of the first one that does
 * not return `expected`, or NULL. */
static inline const char *calls_make(struct calls *calls, int expected)
{
    struct rouse_loop *loop = calls->loop;
    struct player *started = &calls->started;
    struct player *idle = &calls->idle;
    rouse_fd fd = calls->others[0];
    char byte = 'x';
    rouse_fd accepted = -1;
    rouse_io_drained(&started->io, ROUSE_READ); /* says nothing */
    const struct {
        const char *name;
        int64_t result;
    } made[] = {
        {"run", rouse_run(loop)},
        {"turn", rouse_turn(loop, 0)},
        {"turn, waiting", rouse_turn(loop, -1)},
        {"stop", rouse_stop(loop)},
        {"hold", rouse_hold(loop)},
        {"release", rouse_release(loop)},
        {"io_start", rouse_io_start(loop, &idle->io, fd, ROUSE_READ)},
        {"io_start, started", rouse_io_start(loop, &started->io, calls->ends[0], ROUSE_WRITE)},
        {"io_want", rouse_io_want(&started->io, ROUSE_WRITE)},
        {"io_stop", rouse_io_stop(&started->io)},
        {"io_close", rouse_io_close(&started->io)},
        {"io_unref", rouse_io_unref(&started->io)},
        {"io_ref", rouse_io_ref(&started->io)},
        {"read", rouse_read(&started->io, &byte, 1)},
        {"write", rouse_write(&started->io, &byte, 1)},
        {"accept", rouse_accept(&started->io, &accepted)},
        {"connect_result", rouse_connect_result(&started->io)},
        {"timer_at", rouse_timer_at(loop, &idle->timer, 1, 0)},
        {"timer_at, started", rouse_timer_at(loop, &started->timer, 1, 0)},
        {"timer_after", rouse_timer_after(loop, &idle->timer, 1, 0)},
        {"timer_after, started", rouse_timer_after(loop, &started->timer, 1, 0)},
        {"timer_stop", rouse_timer_stop(&started->timer)},
        {"timer_unref", rouse_timer_unref(&started->timer)},
        {"timer_ref", rouse_timer_ref(&started->timer)},
        {"defer", rouse_defer(loop, &idle->task)},
        {"task_cancel", rouse_task_cancel(&started->task)},
        {"hook_start", rouse_hook_start(loop, &idle->hook, ROUSE_AFTER_WAIT)},
        {"hook_stop", rouse_hook_stop(&started->hook)},
    };
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++)
        if (made[i].result != expected) {
            fprintf(stderr, "%s returned %lld\n", made[i].name, (long long)made[i].result);
            return made[i].name;
        }
    return NULL;
}

#endif
