/*
 * The oracle of timers and tasks. Timers: all that are due by the clock after the wait, in the
 * order of their deadlines, and those of one deadline in the order in which they were started or
 * moved (a period that begins anew counts as a start; a deadline that has passed when a callback
 * sets it counts as that moment); none that a callback of this turn has started. Tasks: after all
 * else, in order, all that wait when they begin; none that one of them has deferred.
 *
 * What surprises: tasks that are posted come in the order posted, but nothing is promised of their
 * place among those that are deferred.
 *
 * SPDX-License-Identifier: MIT
 */
#include "differential_play.h"

void due_before_wait(struct play *play)
{
    for (int i = 0; i < TIMERS; i++)
        play->timers[i].fresh = false;
    for (int i = 0; i < TASKS; i++)
        play->tasks[i].fresh = play->tasks[i].excusable = false;
    play->tasks_begun = false;
}

bool due_tasks(const struct play *play)
{
    for (int i = 0; i < TASKS; i++)
        if (play->tasks[i].waits)
            return true;
    return false;
}

int64_t due_deadline(const struct play *play)
{
    int64_t first = INT64_MAX;
    for (const struct play_timer *timer = play->timers; timer < play->timers + TIMERS; timer++)
        if (timer->active && timer->deadline < first)
            first = timer->deadline;
    return first;
}

/* ---- Timers ------------------------------------------------------------------------------- */

static bool is_due(const struct play_timer *timer)
{
    return timer->active && !timer->fresh && timer->deadline <= timer->play->clock.now;
}

static bool comes_before(const struct play_timer *a, const struct play_timer *b)
{
    return a->deadline != b->deadline ? a->deadline < b->deadline : a->order < b->order;
}

void due_timer_started(struct play_timer *timer, int64_t deadline, int64_t period)
{
    timer->active = true;
    timer->fresh = timer->play->turning;
    timer->deadline = deadline;
    timer->period = period;
    timer->order = timer->play->order++;
}

void due_timer(struct play_timer *timer)
{
    struct play *play = timer->play;
    int number = (int)(timer - play->timers);
    play->callbacks++;
    play->outcome->musts++;
    if (play->tasks_begun)
        play_fail(play, "timer %d was called after the tasks of its turn", number);
    else if (!is_due(timer))
        play_fail(play, "timer %d was called %s", number,
                  !timer->active ? "after it was stopped"
                  : timer->fresh ? "in the turn that started it"
                                 : "early");
    else if (rouse_now(play->loop) != play->clock.now)
        play_fail(play, "timer %d was called at %lld, and rouse_now() is %lld", number,
                  (long long)play->clock.now, (long long)rouse_now(play->loop));
    for (int i = 0; i < TIMERS; i++)
        if (is_due(&play->timers[i]) && comes_before(&play->timers[i], timer))
            play_fail(play, "timer %d was called before timer %d", number, i);
    if (timer->period == 0) {
        timer->active = false;
        return;
    }
    int64_t late = play->clock.now - timer->deadline;
    due_timer_started(timer, timer->deadline + (late / timer->period + 1) * timer->period,
                      timer->period);
}

/* ---- Tasks -------------------------------------------------------------------------------- */

void due_task_deferred(struct play_task *task, bool posted)
{
    struct play *play = task->play;
    task->waits = true;
    task->posted = posted;
    task->fresh = !posted && play->tasks_begun && play->turning;
    task->excusable = posted && play->turning;
    task->order = play->order++;
}

void due_task(struct play_task *task)
{
    struct play *play = task->play;
    int number = (int)(task - play->tasks);
    play->callbacks++;
    play->outcome->musts++;
    play->tasks_begun = true;
    if (!task->waits || task->fresh)
        play_fail(play, "task %d was called %s", number,
                  task->waits ? "in the turn of the task that deferred it" : "and did not wait");
    for (const struct play_task *other = play->tasks; other < play->tasks + TASKS; other++)
        if (other->waits && other->posted == task->posted && other->order < task->order)
            play_fail(play, "task %d was called before task %d", number,
                      (int)(other - play->tasks));
    task->waits = false;
}

void due_after_turn(struct play *play)
{
    for (int i = 0; i < TIMERS; i++)
        if (is_due(&play->timers[i]))
            play_fail(play, "timer %d was not called, though it is due since %lld", i,
                      (long long)play->timers[i].deadline);
    for (int i = 0; i < TASKS; i++)
        if (play->tasks[i].waits && !play->tasks[i].fresh && !play->tasks[i].excusable)
            play_fail(play, "task %d was not called", i);
}
