/*
 * Operations performed on a loop, from outside and inside callbacks, and what the callbacks
 * themselves do. Each operation that the library can refuse is also tried where it must, and the
 * error compared.
 *
 * What surprises: a callback that was allowed but not required (see the oracle) leaves everything
 * as it was, because it comes on one backend and not on another, which must not lead their plays
 * apart.
 *
 * SPDX-License-Identifier: MIT
 */
#include "differential_play.h"

#include <errno.h>

enum { PATIENCE = 64 }; /* how often STYLE_ALL and STYLE_RAW try in one callback */

static void expect(struct play *play, const char *call, int64_t result, int64_t expected)
{
    if (result != expected)
        play_fail(play, "%s returned %lld, not %lld", call, (long long)result, (long long)expected);
}

/* ---- Watchers ----------------------------------------------------------------------------- */

void ops_watch(struct end *end, uint32_t want, bool edge, bool oneshot)
{
    if (!end->started)
        rouse_io_init(&end->io, ops_on_io);
    uint32_t modes = (edge ? (uint32_t)ROUSE_EDGE : 0) | (oneshot ? (uint32_t)ROUSE_ONESHOT : 0);
    expect(end->play, "rouse_io_start",
           rouse_io_start(end->play->loop, &end->io, end->fd, want | modes), 0);
    oracle_started(end, want, edge, oneshot);
}

void ops_want(struct end *end, uint32_t want)
{
    expect(end->play, "rouse_io_want", rouse_io_want(&end->io, want), end->started ? 0 : -EINVAL);
    if (end->started)
        oracle_wanted(end, want);
}

void ops_stop(struct end *end)
{
    expect(end->play, "rouse_io_stop", rouse_io_stop(&end->io), 0);
    expect(end->play, "rouse_io_active", rouse_io_active(&end->io), 0);
    oracle_stopped(end);
}

static void close_end(struct end *end, bool reset)
{
    if (end->started && !reset) {
        oracle_stopped(end);
        expect(end->play, "rouse_io_close", rouse_io_close(&end->io), 0);
    } else {
        ops_stop(end);
        expect(end->play, "rouse_io_close", rouse_io_close(&end->io), -EINVAL);
        if (reset)
            world_reset(end->fd);
        else
            world_close(end->fd);
    }
    end_closed(end, reset);
}

/* A second watcher on a descriptor is refused, and changes nothing. */
static void try_rival(struct end *end)
{
    struct rouse_io rival;
    rouse_io_init(&rival, ops_on_io);
    if (end->started)
        expect(end->play, "rouse_io_start of a rival",
               rouse_io_start(end->play->loop, &rival, end->fd, ROUSE_READ), -EEXIST);
}

/* ---- Callbacks ---------------------------------------------------------------------------- */

/* Reads or writes as often as the style says. */
static void react(struct end *end, uint32_t direction, enum style style)
{
    bool through_loop = style != STYLE_RAW;
    ssize_t size = end->size;
    ssize_t n = size;
    for (int i = 0; i < (style == STYLE_ONCE ? 1 : PATIENCE) && n > 0; i++)
        n = direction == ROUSE_READ ? end_receive(end, (size_t)size, through_loop)
                                    : end_send(end, (size_t)size, through_loop);
    if (style == STYLE_RAW && n == -EAGAIN) {
        rouse_io_drained(&end->io, direction);
        oracle_drained(end, direction);
    }
    oracle_look(end->play);
}

static void perform_inside(struct play *play, enum place place, int who)
{
    if (play->pending[place][who] == 0 || play->ending)
        return;
    for (int i = 0; i < play->reached && !play_failed(play); i++) {
        const struct op *op = &play->script->ops[i];
        if (op->place == place && op->who == who && !play->used[i]) {
            play->used[i] = true;
            play->pending[place][who]--;
            ops_perform(play, i);
        }
    }
}

/* A callback that might as well not have come. */
static void react_quietly(struct end *end, uint32_t ready, uint32_t want)
{
    if (ready & want & ROUSE_READ && end->reads != STYLE_NOT && end->size > 0)
        end_receive(end, 1, true);
    if (end->oneshot)
        ops_want(end, want);
}

static void react_fully(struct end *end, uint32_t ready)
{
    play_note(end->play, PLACE_END, (uint32_t)end_number(end), ready);
    if (ready & ROUSE_READ && end->reads != STYLE_NOT)
        react(end, ROUSE_READ, end->reads);
    if (ready & ROUSE_WRITE && end->writes != STYLE_NOT)
        react(end, ROUSE_WRITE, end->writes);
    perform_inside(end->play, PLACE_END, end_number(end));
}

void ops_on_io(struct rouse_io *io, uint32_t ready)
{
    struct end *end = (struct end *)(void *)io; /* its first member */
    struct play *play = end->play;
    if (play_failed(play))
        return;
    uint32_t want = end->want;
    play_note(play, NOTE_TOLD, (uint32_t)end_number(end), ready);
    uint32_t must = oracle_io(end, ready);
    if (play_failed(play))
        return;
    if (must == 0)
        react_quietly(end, ready, want);
    else
        react_fully(end, must);
    oracle_called(end, ready);
    oracle_look(play);
}

void ops_on_timer(struct rouse_timer *timer)
{
    struct play_timer *own = (struct play_timer *)(void *)timer;
    struct play *play = own->play;
    if (play_failed(play))
        return;
    due_timer(own);
    play_note(play, PLACE_TIMER, (uint32_t)(own - play->timers), own->deadline);
    perform_inside(play, PLACE_TIMER, (int)(own - play->timers));
}

void ops_on_task(struct rouse_task *task)
{
    struct play_task *own = (struct play_task *)(void *)task;
    struct play *play = own->play;
    if (play_failed(play))
        return;
    due_task(own);
    play_note(play, PLACE_TASK, (uint32_t)(own - play->tasks), 0);
    perform_inside(play, PLACE_TASK, (int)(own - play->tasks));
}

/* ---- Operations --------------------------------------------------------------------------- */

/* On an end that is open. */
static int64_t on_end(struct end *end, const struct op *op)
{
    size_t size = op->args[1] > 0 ? (size_t)op->args[1] : 1;
    switch (op->verb) {
    case VERB_WATCH:
        ops_watch(end, (uint32_t)op->args[1], op->args[2] & 1, op->args[2] & 2);
        return 0;
    case VERB_WANT:
        ops_want(end, (uint32_t)op->args[1]);
        return 0;
    case VERB_STOP:
        ops_stop(end);
        return 0;
    case VERB_CLOSE:
    case VERB_RESET:
        close_end(end, op->verb == VERB_RESET);
        return 0;
    case VERB_SHUT:
        return end->kind < WORLD_KINDS ? end_shut(end, (uint32_t)op->args[1]) : PASSED_OVER;
    case VERB_REACT:
        end->reads = (enum style)op->args[1];
        end->writes = (enum style)op->args[2];
        end->size = op->args[3];
        return 0;
    case VERB_RIVAL:
        try_rival(end);
        return 0;
    case VERB_READ:
    case VERB_RECEIVE:
        return end_receive(end, size, op->verb == VERB_READ);
    case VERB_WRITE:
    case VERB_SEND:
        return end_send(end, size, op->verb == VERB_WRITE);
    case VERB_DRAIN:
        return end->kind < WORLD_KINDS ? end_drain(end) : PASSED_OVER;
    case VERB_FILL:
        return end_fill(end);
    default:
        return end_urgent(end);
    }
}

static int64_t on_timer(struct play_timer *timer, const struct op *op)
{
    struct play *play = timer->play;
    int64_t offset = op->args[1];
    int64_t deadline = play->clock.now + offset;
    if (play->script->asleep)
        return PASSED_OVER;
    if (op->verb == VERB_HALT) {
        timer->active = false;
        expect(play, "rouse_timer_stop", rouse_timer_stop(&timer->timer), 0);
        return 0;
    }
    bool refused = op->args[2] < 0 || (op->verb == VERB_AFTER && offset < 0);
    int result = op->verb == VERB_AT
                     ? rouse_timer_at(play->loop, &timer->timer, deadline, op->args[2])
                     : rouse_timer_after(play->loop, &timer->timer, offset, op->args[2]);
    expect(play, "rouse_timer_at or _after", result, refused ? -EINVAL : 0);
    if (!refused)
        due_timer_started(timer, deadline, op->args[2]);
    return result;
}

static int64_t on_task(struct play_task *task, const struct op *op)
{
    struct play *play = task->play;
    if (op->verb == VERB_CANCEL) {
        task->waits = false;
        expect(play, "rouse_task_cancel", rouse_task_cancel(&task->task), 0);
        return 0;
    }
    bool post = op->verb == VERB_POST;
    int result = post ? rouse_post(play->loop, &task->task) : rouse_defer(play->loop, &task->task);
    expect(play, post ? "rouse_post" : "rouse_defer", result, task->waits ? -EALREADY : 0);
    if (!task->waits)
        due_task_deferred(task, post);
    play->woken |= post;
    return result;
}

static int64_t perform(struct play *play, const struct op *op)
{
    switch (op->verb) {
    case VERB_OPEN:
        return end_open(play, op->args[0], op->args[1]) ? 0 : PASSED_OVER;
    case VERB_AT:
    case VERB_AFTER:
    case VERB_HALT:
        return on_timer(&play->timers[op->args[0]], op);
    case VERB_DEFER:
    case VERB_POST:
    case VERB_CANCEL:
        return on_task(&play->tasks[op->args[0]], op);
    case VERB_ADVANCE:
        if (play->turning || play->script->asleep)
            return PASSED_OVER;
        play->clock.now += op->args[0] > 0 ? op->args[0] : 0;
        return 0;
    case VERB_TURN:
        if (play->turning)
            expect(play, "rouse_turn in a callback", rouse_turn(play->loop, op->args[0]), -EBUSY);
        else
            play_turn(play, op->args[0]);
        return 0;
    default: {
        struct end *end = &play->ends[op->args[0]];
        return end->fd >= 0 ? on_end(end, op) : PASSED_OVER;
    }
    }
}

void ops_perform(struct play *play, int index)
{
    int64_t result = perform(play, &play->script->ops[index]);
    if (result == PASSED_OVER)
        return;
    oracle_look(play);
    play->outcome->operations++;
    play_note(play, PLACE_OUTSIDE, (uint32_t)index, result);
}
