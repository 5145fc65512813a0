/*
 * One play: a loop is opened on a backend, the operations of a script are performed one after the
 * other, every turn is judged by the oracle, and in the end all that was sent is received, through
 * the loop, and the loop is closed. Everything that has failed to agree ends the play; the first
 * failure is kept.
 *
 * What surprises: a wait fetches no more events than its batch holds, and the library is built here
 * with batches that start at 1. "Called in this turn" is promised to those that fit, so before a
 * script begins the batch is made large enough for all of them.
 *
 * SPDX-License-Identifier: MIT
 */
#include "differential_play.h"

#include "core/loop.h" /* what traits the backend has found that it has */

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    START = 1000000,  /* what the virtual clock shows first */
    NAP = 2000000000, /* the sleep of a wait that has something to report: none, if it reports it */
    ENOUGH = 100000   /* turns at the end of a play */
};

void play_fail(struct play *play, const char *format, ...)
{
    if (play_failed(play))
        return;
    char *text = play->outcome->failure;
    size_t size = sizeof play->outcome->failure;
    int length = snprintf(text, size, "turn %llu: ", (unsigned long long)play->outcome->turns);
    va_list args;
    va_start(args, format);
    vsnprintf(text + length, size - (size_t)length, format, args);
    va_end(args);
}

bool play_failed(const struct play *play)
{
    return play->outcome->failure[0] != '\0';
}

/* The hash is a sum, so that the order of notes does not matter. */
void play_note(struct play *play, uint32_t what, uint32_t who, int64_t value)
{
    struct outcome *outcome = play->outcome;
    uint64_t place = outcome->turns << 16 | what << 12 | who;
    if (what < PLACES)
        outcome->hash += script_mix(script_mix(place) ^ (uint64_t)value);
    if (play->keep == KEEP_HASH || (what >= PLACES && play->keep != KEEP_ALL))
        return;
    if (outcome->nnotes == outcome->capacity) {
        int capacity = 2 * outcome->capacity + 64;
        struct note *notes = realloc(outcome->notes, (size_t)capacity * sizeof *notes);
        if (notes == NULL)
            return;
        outcome->notes = notes;
        outcome->capacity = capacity;
    }
    outcome->notes[outcome->nnotes++] = (struct note){(uint32_t)outcome->turns, what, who, value};
}

/* ---- Turns -------------------------------------------------------------------------------- */

static int64_t clock_now(void *context)
{
    struct play *play = context;
    return play->virtual_clock.now(play->virtual_clock.context);
}

/* The loop sleeps: whether it may, and how long. */
static void clock_idle(void *context, int64_t deadline)
{
    struct play *play = context;
    if (deadline > play->idle_limit)
        play_fail(play, "the loop sleeps until %lld, and must not sleep longer than until %lld",
                  (long long)deadline, (long long)play->idle_limit);
    play->virtual_clock.idle_until(play->virtual_clock.context, deadline);
    if (play_failed(play))
        rouse_stop(play->loop);
}

static void after_wait(struct rouse_hook *hook)
{
    oracle_after_wait((struct play *)(void *)((char *)hook - offsetof(struct play, after_wait)));
}

/* An event for a watcher that has been stopped since the wait is passed over; no other is stale. */
static void check_counters(struct play *play)
{
    struct rouse_counters now = {.size = sizeof now};
    rouse_count(play->loop, &now);
    if (now.stale - play->counters.stale > play->stops)
        play_fail(play, "%llu events were stale, and %u watchers were stopped in this turn",
                  (unsigned long long)(now.stale - play->counters.stale), play->stops);
    if (now.rebuilds != play->counters.rebuilds)
        play_fail(play, "the loop has opened its backend anew");
    play->counters = now;
}

/* How far the loop may sleep in a turn. */
static int64_t idle_limit(const struct play *play, int64_t timeout)
{
    int64_t first = due_deadline(play);
    if (timeout == 0 || oracle_is_due(play) || due_tasks(play))
        return INT64_MIN;
    int64_t limit = timeout < 0 ? INT64_MAX : play->clock.now + timeout;
    return first < limit ? first : limit;
}

/* Before a wait in which something is guessed, after which the loop does not idle. */
static void let_time_pass(struct play *play)
{
    if (oracle_may_guess(play) && play->idle_limit != INT64_MAX &&
        play->idle_limit > play->clock.now)
        play->clock.now = play->idle_limit;
}

void play_turn(struct play *play, int64_t timeout)
{
    oracle_before_wait(play);
    due_before_wait(play);
    bool due = oracle_is_due(play) || due_tasks(play);
    if (play->script->asleep) /* but where to ask is dear, a sleep ends with what comes first */
        timeout = due && !(play->traits & ROUSE_TRAIT_ASK) ? NAP : 0;
    if (timeout < 0 && !due && due_deadline(play) == INT64_MAX)
        timeout = 0; /* it would be for ever */
    play->idle_limit = idle_limit(play, timeout);
    let_time_pass(play);
    bool may_wake = play->woken || oracle_may_wake(play);
    play->woken = false;
    play->callbacks = 0;
    play->outcome->turns++;

    play->turning = true;
    int result = rouse_turn(play->loop, timeout);
    play->turning = false;
    if (play_failed(play))
        return;
    if (result != play->callbacks)
        play_fail(play, "rouse_turn() returned %d, and made %d callbacks", result, play->callbacks);
    if (result == 0 && play->clock.now < play->idle_limit && !may_wake)
        play_fail(play, "the turn ended at %lld with nothing to tell, and had time until %lld",
                  (long long)play->clock.now, (long long)play->idle_limit);
    oracle_after_turn(play);
    due_after_turn(play);
    check_counters(play);
}

/* ---- The beginning ------------------------------------------------------------------------ */

static void ignore(struct rouse_io *io, uint32_t ready)
{
    (void)io;
    (void)ready;
}

/* So many changes at once make the batch as large as it will ever have to be. */
static void warm_up(struct play *play)
{
    static rouse_fd fds[ENDS + 2];
    struct rouse_io ios[ENDS + 2];
    for (int i = 0; i < ENDS + 2; i++) {
        if (fds[i] == 0 && world_null(&fds[i]) < 0 && world_unconnected(&fds[i]) < 0)
            play_fail(play, "cannot open a descriptor");
        rouse_io_init(&ios[i], ignore);
        rouse_io_start(play->loop, &ios[i], fds[i], ROUSE_READ);
    }
    rouse_turn(play->loop, 0);
    for (int i = 0; i < ENDS + 2; i++)
        rouse_io_stop(&ios[i]);
}

static bool open_play(struct play *play, const struct rouse_backend *backend)
{
    char why[200] = "";
    play->clock.now = START;
    play->virtual_clock = world_clock(&play->clock);
    struct rouse_clock clock = {.now = clock_now, .idle_until = clock_idle, .context = play};
    struct rouse_config config = {.size = sizeof config, .own = backend, .why = why};
    config.why_size = sizeof why;
    config.clock = play->script->asleep ? NULL : &clock;
    int result = rouse_open(&play->loop, &config);
    if (result != 0) {
        play_fail(play, "rouse_open() returned %d: %s", result, why);
        return false;
    }
    play->traits = play->loop->backend.traits;
    warm_up(play);
    rouse_hook_init(&play->after_wait, after_wait);
    rouse_hook_start(play->loop, &play->after_wait, ROUSE_AFTER_WAIT);
    play->counters.size = sizeof play->counters;
    rouse_count(play->loop, &play->counters);
    for (int i = 0; i < ENDS; i++)
        play->ends[i] = (struct end){.play = play, .fd = -1};
    for (int i = 0; i < TIMERS; i++) {
        play->timers[i].play = play;
        rouse_timer_init(&play->timers[i].timer, ops_on_timer);
    }
    for (int i = 0; i < TASKS; i++) {
        play->tasks[i].play = play;
        rouse_task_init(&play->tasks[i].task, ops_on_task);
    }
    return true;
}

static void perform_script(struct play *play)
{
    const struct script *script = play->script;
    while (play->reached < script->count && !play_failed(play)) {
        int index = play->reached++;
        const struct op *op = &script->ops[index];
        if (op->place == PLACE_OUTSIDE)
            ops_perform(play, index);
        else
            play->pending[op->place][op->who]++;
    }
}

/* ---- The end ------------------------------------------------------------------------------ */

/* Whether there is more to receive: of what is `flooded` only if it can still arrive. */
static bool wants_more(struct end *end)
{
    return end->fd >= 0 && end_unread(end) > 0 && end->kind != KIND_FILE &&
           !(end_flooded(end) && (end->lost || end_peer(end)->fd < 0));
}

/* Receives all that is left, through the loop, in whatever mode each end is watched. */
static void receive_rest(struct play *play)
{
    play->ending = true;
    for (struct end *end = play->ends; end < play->ends + ENDS; end++) {
        end->reads = STYLE_ALL;
        end->writes = STYLE_NOT;
        end->size = 5000;
    }
    bool more = true;
    for (int turns = 0; more && turns < ENOUGH && !play_failed(play); turns++) {
        more = false;
        for (struct end *end = play->ends; end < play->ends + ENDS; end++) {
            if (wants_more(end)) {
                more = true;
                if (end->kind == WORLD_TCP || end->kind == WORLD_UDP)
                    world_await(end->fd, ROUSE_READ);
                if (!end->started)
                    ops_watch(end, ROUSE_READ, end->edge, end->oneshot);
                else if (end->want != ROUSE_READ)
                    ops_want(end, ROUSE_READ);
            } else if (end->started && end->want != 0) {
                ops_want(end, 0);
            }
        }
        play_turn(play, 0);
    }
    for (struct end *end = play->ends; end < play->ends + ENDS; end++)
        if (wants_more(end))
            play_fail(play, "end %d has not received %llu of the bytes that were sent to it",
                      end_number(end), (unsigned long long)end_unread(end));
}

static void close_play(struct play *play)
{
    for (struct end *end = play->ends; end < play->ends + ENDS; end++)
        if (end->fd >= 0)
            ops_stop(end);
    if (!play_failed(play))
        play_turn(play, 0); /* nobody is called any more */
    int result = rouse_close(play->loop);
    if (result != 0)
        play_fail(play, "rouse_close() returned %d", result);
    for (struct end *end = play->ends; end < play->ends + ENDS; end++)
        if (end->fd >= 0)
            world_reset(end->fd); /* leaves no TCP connection behind that would keep its port */
}

bool script_play(const struct script *script, const struct rouse_backend *backend, enum keep keep,
                 struct outcome *outcome)
{
    static struct play play;
    *outcome = (struct outcome){0};
    memset(&play, 0, sizeof play);
    play.script = script;
    play.outcome = outcome;
    play.keep = keep;
    if (open_play(&play, backend)) {
        perform_script(&play);
        if (!play_failed(&play))
            receive_rest(&play);
        close_play(&play);
    }
    bool flooded = false;
    for (int i = 0; i < ENDS; i++)
        flooded |= play.ends[i].out.flooded;
    outcome->comparable = !script->tangled && !play.raced && !flooded;
    return outcome->failure[0] == '\0';
}
