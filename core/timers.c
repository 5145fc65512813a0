/*
 * Timers: when they are started, moved and stopped, and when the first of them is due. Where they
 * wait is the wheel's business; see wheel.c.
 *
 * What is common must be cheap, and what is common is an idle timeout that is pushed back by every
 * message and never fires. A deadline moved later is therefore only stored in the timer: it stays
 * in its slot, and is filed anew when the time comes to that, at most once for each time that it
 * would have fired.
 *
 * How long the loop may sleep is told by `earliest`: no deadline is before it. A start can only
 * lower it, to the very deadline of the new first one. But who stops or moves the first one does
 * not look for the next; that is left to the next turn that sleeps, which looks at few timers and
 * else is content with the time at which a slot of many begins. So it may wake for nothing, but
 * only in a crowd, and then it files that anew.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <string.h>

#include "loop.h"

void rouse_timer_init(struct rouse_timer *timer, void (*fn)(struct rouse_timer *timer))
{
    *timer = (struct rouse_timer){.fn = fn};
}

/* What the first timer of a loop needs, and no later one. */
static int open_wheel(struct rouse_loop *loop)
{
    const struct rouse_allocator *allocator = &loop->setup.allocator;
    struct wheel *wheel = allocator->resize(allocator->context, NULL, 0, sizeof *wheel);
    if (wheel == NULL)
        return -ENOMEM;
    memset(wheel, 0, sizeof *wheel);
    wheel->current = wheel_tick(loop_clock(loop));
    loop->wheel = wheel;
    loop->earliest = INT64_MAX;
    return 0;
}

/* Says why a timer cannot be started, or makes it possible. */
RARE static int prepare(struct rouse_loop *loop, const struct rouse_timer *timer, int64_t period)
{
    static const char tried[] = "start a timer";
    if (timer->loop == NULL && timer->fn == NULL)
        return loop_fail(loop, EINVAL, tried, 0, "give rouse_timer_init() a callback");
    if (period < 0)
        return loop_fail(loop, EINVAL, "start a timer with period %lld", period,
                         "a period is 0 (once) or positive, in nanoseconds");
    if (timer->loop != NULL && timer->loop != loop)
        return loop_fail(loop, EBUSY, tried, 0, "it is started on another loop: stop it first");
    if (loop->wheel == NULL && open_wheel(loop) != 0)
        return loop_fail(loop, ENOMEM, tried, 0, NULL);
    return 0;
}

/* The youngest of all, from now on. */
static inline void number(struct rouse_loop *loop, struct rouse_timer *timer)
{
    timer->order = loop->timer_sequence | (timer->order & TIMER_UNREF);
    loop->timer_sequence += TIMER_STEP;
}

/* Before a timer gives up its deadline: was that the first of all? */
static inline void unsettle(struct rouse_loop *loop, const struct rouse_timer *timer)
{
    if (timer->deadline == loop->earliest)
        loop->settled = false;
}

static HOT void begin(struct rouse_loop *loop, struct rouse_timer *timer)
{
    timer->loop = loop;
    loop->ntimers++;
    loop->alive += !(timer->order & TIMER_UNREF);
}

/* Files a timer that is in no list. */
static HOT void file(struct rouse_loop *loop, struct rouse_timer *timer, int64_t deadline,
                     int64_t period)
{
    if (deadline < loop->earliest) {
        loop->earliest = deadline;
        loop->settled = true;
    }
    timer->deadline = deadline;
    timer->period = period;
    number(loop, timer);
    wheel_file(loop->wheel, timer);
}

/* The first of a loop, or one that is moved to an earlier time; or one that cannot be started. */
APART static int start(struct rouse_loop *loop, struct rouse_timer *timer, int64_t deadline,
                       int64_t period)
{
    int error = owner_check(loop);
    if (error != 0)
        return error;
    bool can = timer->loop == NULL ? timer->fn != NULL && loop->wheel != NULL : timer->loop == loop;
    if (!can || period < 0) {
        error = prepare(loop, timer, period);
        if (error != 0)
            return error;
    }
    if (timer->loop == NULL) {
        begin(loop, timer);
    } else {
        unsettle(loop, timer);
        wheel_unlink(timer);
    }
    file(loop, timer, deadline, period);
    return 0;
}

int rouse_timer_at(struct rouse_loop *loop, struct rouse_timer *timer, int64_t deadline,
                   int64_t period)
{
    if (loop == NULL || timer == NULL)
        return -EINVAL;
    if (loop->owner != owner_self || period < 0)
        return start(loop, timer, deadline, period);
    if (timer->loop == NULL && timer->fn != NULL && loop->wheel != NULL) {
        begin(loop, timer);
        file(loop, timer, deadline, period);
        return 0;
    }
    bool moves_later =
        timer->loop == loop && deadline >= timer->deadline && !(timer->order & TIMER_DUE);
    if (!moves_later)
        return start(loop, timer, deadline, period);
    unsettle(loop, timer);
    timer->deadline = deadline;
    timer->period = period;
    number(loop, timer);
    return 0;
}

int rouse_timer_after(struct rouse_loop *loop, struct rouse_timer *timer, int64_t delay,
                      int64_t period)
{
    if (loop == NULL)
        return -EINVAL;
    int error = owner_check(loop);
    if (error != 0)
        return error;
    if (delay < 0)
        return loop_fail(loop, EINVAL, "start a timer after %lld ns", delay,
                         "a delay is 0 or positive, in nanoseconds");
    int64_t now = loop_clock(loop);
    return rouse_timer_at(loop, timer, now > 0 && delay > INT64_MAX - now ? INT64_MAX : now + delay,
                          period);
}

static inline void take_out(struct rouse_loop *loop, struct rouse_timer *timer)
{
    timer->loop = NULL;
    loop->ntimers--;
    loop->alive -= !(timer->order & TIMER_UNREF);
    wheel_unlink(timer);
}

int rouse_timer_stop(struct rouse_timer *timer)
{
    if (timer == NULL)
        return -EINVAL;
    struct rouse_loop *loop = timer->loop;
    if (loop == NULL)
        return 0;
    int error = owner_check(loop);
    if (error != 0)
        return error;
    unsettle(loop, timer);
    take_out(loop, timer);
    return 0;
}

static int keep_alive(struct rouse_timer *timer, bool keep)
{
    if (timer == NULL)
        return -EINVAL;
    int error = timer->loop != NULL ? owner_check(timer->loop) : 0;
    if (error != 0)
        return error;
    bool was_unref = timer->order & TIMER_UNREF;
    timer->order = keep ? timer->order & ~(uint64_t)TIMER_UNREF : timer->order | TIMER_UNREF;
    if (timer->loop != NULL)
        timer->loop->alive += (uint32_t)was_unref - (uint32_t)!keep;
    return 0;
}

int rouse_timer_ref(struct rouse_timer *timer)
{
    return keep_alive(timer, true);
}

int rouse_timer_unref(struct rouse_timer *timer)
{
    return keep_alive(timer, false);
}

int rouse_timer_active(const struct rouse_timer *timer)
{
    return timer != NULL && timer->loop != NULL;
}

/* Finds out all that can be known cheaply of the first deadline. */
static void settle(struct rouse_loop *loop, int64_t now)
{
    struct wheel *wheel = loop->wheel;
    uint64_t tick = wheel_tick(now);
    wheel_settle(wheel, UINT64_MAX);
    while (wheel->due == NULL && wheel_open(wheel, tick, UINT64_MAX))
        ;
    loop->settled = true;
    if (wheel->due != NULL) {
        loop->earliest = wheel->due->deadline;
        return;
    }
    wheel->current = tick;
    int64_t found = wheel_search(wheel);
    if (found > loop->earliest)
        loop->earliest = found;
}

/* The time until the first deadline; 0 if it has come. There is a timer. */
int64_t timers_left(struct rouse_loop *loop)
{
    int64_t now = loop_clock(loop);
    if (!loop->settled)
        settle(loop, now);
    if (loop->earliest <= now)
        return 0;
    return now < 0 && loop->earliest > INT64_MAX + now ? INT64_MAX : loop->earliest - now;
}

/* The next deadline in phase that is after `now`. */
static int64_t next_deadline(const struct rouse_timer *timer, int64_t now)
{
    uint64_t late = (uint64_t)now - (uint64_t)timer->deadline;
    uint64_t left = (uint64_t)timer->period - late % (uint64_t)timer->period;
    return left > (uint64_t)INT64_MAX - (uint64_t)(now > 0 ? now : 0) ? INT64_MAX
                                                                      : now + (int64_t)left;
}

static inline void fire(struct rouse_loop *loop, struct rouse_timer *timer, int64_t now)
{
    if (timer->period > 0) {
        wheel_unlink(timer);
        timer->deadline = next_deadline(timer, now);
        number(loop, timer);
        wheel_file(loop->wheel, timer);
    } else {
        take_out(loop, timer);
    }
    loop->called++;
    timer->fn(timer);
}

/* Calls all that are due by the clock of this turn. What is started from `timer_limit` on, in a
 * callback of this turn, stays fresh: it is due in the next. */
void timers_run(struct rouse_loop *loop)
{
    int64_t now = loop_now(loop);
    if (loop->earliest > now)
        return;
    struct wheel *wheel = loop->wheel;
    wheel_settle(wheel, loop->timer_limit);
    do {
        while (wheel->due != NULL && wheel->due->deadline <= now) {
            if (loop->agenda & AGENDA_FORKED)
                break;
            fire(loop, wheel->due, now);
        }
    } while (wheel->due == NULL && wheel_open(wheel, wheel_tick(now), loop->timer_limit));
    settle(loop, now);
}

void timers_detach(struct rouse_loop *loop)
{
    if (loop->wheel != NULL)
        wheel_clear(loop->wheel);
    loop->ntimers = 0;
}
