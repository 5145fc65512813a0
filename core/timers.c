/*
 * Timers: a heap with four children to a node, in one array of keys beside their pointers, so that
 * a comparison touches no timer. What is common must be cheap, and what is common is an idle
 * timeout that is pushed back by every message and never fires: a deadline moved later is therefore
 * only stored in the timer. Its entry stays where it is, and is filed anew when it surfaces, at
 * most once for each time that it would have fired.
 *
 * Entries are ordered by key, and those of one key by the order in which they were started.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>

#include "loop.h"

enum {
    ARITY = 4,
    TIMER_UNREF = 1,
    TIMER_MOVED = 2, /* its deadline is later than the key under which it is filed */
};

static bool before(const struct heap_entry *a, const struct heap_entry *b)
{
    if (a->key != b->key)
        return a->key < b->key;
    return a->timer->sequence < b->timer->sequence;
}

static void put(struct rouse_loop *loop, uint32_t place, struct heap_entry entry)
{
    loop->heap[place] = entry;
    entry.timer->place = place + 1;
}

static void sift_up(struct rouse_loop *loop, uint32_t place, struct heap_entry entry)
{
    while (place > 0) {
        uint32_t parent = (place - 1) / ARITY;
        if (!before(&entry, &loop->heap[parent]))
            break;
        put(loop, place, loop->heap[parent]);
        place = parent;
    }
    put(loop, place, entry);
}

static void sift_down(struct rouse_loop *loop, uint32_t place, struct heap_entry entry)
{
    for (;;) {
        uint64_t first = (uint64_t)place * ARITY + 1;
        if (first >= loop->ntimers)
            break;
        uint64_t end = first + ARITY < loop->ntimers ? first + ARITY : loop->ntimers;
        uint32_t least = (uint32_t)first;
        for (uint32_t child = least + 1; child < end; child++)
            if (before(&loop->heap[child], &loop->heap[least]))
                least = child;
        if (!before(&loop->heap[least], &entry))
            break;
        put(loop, place, loop->heap[least]);
        place = least;
    }
    put(loop, place, entry);
}

/* Files an entry at a place that is free; it may belong above or below. */
static void sift(struct rouse_loop *loop, uint32_t place, struct heap_entry entry)
{
    if (place > 0 && before(&entry, &loop->heap[(place - 1) / ARITY]))
        sift_up(loop, place, entry);
    else
        sift_down(loop, place, entry);
}

static void take_out(struct rouse_loop *loop, struct rouse_timer *timer)
{
    uint32_t place = timer->place - 1;
    timer->place = 0;
    loop->alive -= !(timer->flags & TIMER_UNREF);
    struct heap_entry last = loop->heap[--loop->ntimers];
    if (last.timer != timer)
        sift(loop, place, last);
}

/* Files a timer under its deadline, as the youngest of those with the same one. */
static void file(struct rouse_loop *loop, struct rouse_timer *timer, int64_t key)
{
    timer->sequence = loop->timer_sequence++;
    timer->flags &= (uint32_t)~TIMER_MOVED;
    sift(loop, timer->place - 1, (struct heap_entry){key, timer});
}

void rouse_timer_init(struct rouse_timer *timer, void (*fn)(struct rouse_timer *timer))
{
    *timer = (struct rouse_timer){.fn = fn};
}

static int refuse(struct rouse_loop *loop, const struct rouse_timer *timer, int64_t period)
{
    static const char tried[] = "start a timer";
    if (timer->fn == NULL)
        return loop_fail(loop, EINVAL, tried, 0, "give rouse_timer_init() a callback");
    if (period < 0)
        return loop_fail(loop, EINVAL, "start a timer with period %lld", period,
                         "a period is 0 (once) or positive, in nanoseconds");
    if (timer->place != 0 && timer->loop != loop)
        return loop_fail(loop, EBUSY, tried, 0, "it is started on another loop: stop it first");
    if (timer->place != 0)
        return 0;
    void *heap = loop->heap;
    if (memory_grow(&loop->setup.allocator, &heap, &loop->timers_capacity, loop->ntimers + 1,
                    sizeof *loop->heap) != 0)
        return loop_fail(loop, ENOMEM, tried, 0, NULL);
    loop->heap = heap;
    return 0;
}

int rouse_timer_at(struct rouse_loop *loop, struct rouse_timer *timer, int64_t deadline,
                   int64_t period)
{
    if (loop == NULL || timer == NULL)
        return -EINVAL;
    int error = owner_check(loop);
    if (error == 0)
        error = refuse(loop, timer, period);
    if (error != 0)
        return error;
    int64_t key = deadline;
    if (loop->running && deadline < loop_now(loop)) /* in a callback: behind all that are due */
        key = loop->now;
    timer->deadline = deadline;
    timer->period = period;
    if (timer->place == 0) {
        timer->loop = loop;
        timer->place = ++loop->ntimers;
        loop->heap[timer->place - 1] = (struct heap_entry){key, timer};
        loop->alive += !(timer->flags & TIMER_UNREF);
    } else if (key == deadline && key > loop->heap[timer->place - 1].key) {
        timer->flags |= TIMER_MOVED;
        timer->moved = loop->timer_sequence++;
        return 0;
    }
    file(loop, timer, key);
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

int rouse_timer_stop(struct rouse_timer *timer)
{
    if (timer == NULL)
        return -EINVAL;
    if (timer->place == 0)
        return 0;
    int error = owner_check(timer->loop);
    if (error == 0)
        take_out(timer->loop, timer);
    return error;
}

static int keep_alive(struct rouse_timer *timer, bool keep)
{
    if (timer == NULL)
        return -EINVAL;
    int error = timer->place != 0 ? owner_check(timer->loop) : 0;
    if (error != 0)
        return error;
    bool was_unref = timer->flags & TIMER_UNREF;
    timer->flags = keep ? timer->flags & (uint32_t)~TIMER_UNREF : timer->flags | TIMER_UNREF;
    if (timer->place != 0)
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
    return timer != NULL && timer->place != 0;
}

/* Files the first timer anew if its deadline was moved since; true if it was. */
static bool settle_first(struct rouse_loop *loop)
{
    struct rouse_timer *timer = loop->heap[0].timer;
    if (!(timer->flags & TIMER_MOVED))
        return false;
    timer->flags &= (uint32_t)~TIMER_MOVED;
    timer->sequence = timer->moved;
    sift_down(loop, 0, (struct heap_entry){timer->deadline, timer});
    return true;
}

/* The time until the first deadline; 0 if it has come. There is a timer. */
int64_t timers_left(struct rouse_loop *loop)
{
    while (settle_first(loop))
        ;
    int64_t key = loop->heap[0].key;
    int64_t now = loop_clock(loop);
    if (key <= now)
        return 0;
    return now < 0 && key > INT64_MAX + now ? INT64_MAX : key - now;
}

/* The next deadline in phase that is after `now`. */
static int64_t next_deadline(const struct rouse_timer *timer, int64_t now)
{
    uint64_t late = (uint64_t)now - (uint64_t)timer->deadline;
    uint64_t left = (uint64_t)timer->period - late % (uint64_t)timer->period;
    return left > (uint64_t)INT64_MAX - (uint64_t)(now > 0 ? now : 0) ? INT64_MAX
                                                                      : now + (int64_t)left;
}

static void fire(struct rouse_loop *loop, struct rouse_timer *timer)
{
    if (timer->period > 0) {
        timer->deadline = next_deadline(timer, loop->now);
        file(loop, timer, timer->deadline);
    } else {
        take_out(loop, timer);
    }
    loop->called++;
    timer->fn(timer);
}

/* Calls all that are due by the clock of this turn. What was started in this turn is due in the
 * next: filed under no earlier key than `now`, and later than all others, it surfaces last. */
void timers_run(struct rouse_loop *loop)
{
    int64_t now = loop_now(loop);
    while (loop->ntimers > 0 && loop->heap[0].key <= now && !(loop->agenda & AGENDA_FORKED)) {
        if (settle_first(loop))
            continue;
        if (loop->heap[0].timer->sequence >= loop->timer_limit)
            break;
        fire(loop, loop->heap[0].timer);
    }
}

void timers_detach(struct rouse_loop *loop)
{
    while (loop->ntimers > 0)
        loop->heap[--loop->ntimers].timer->place = 0;
}
