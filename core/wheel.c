/*
 * The wheel: timers in slots, by the digits of their deadlines. A deadline is cut into ticks of
 * 2^16 nanoseconds, and the number of a tick into eight digits of six bits. A timer is filed by the
 * highest digit in which its tick differs from the current one: the place of that digit is its
 * level, the digit itself its slot. So to start a timer is to look at one number, and to stop it is
 * to unlink it, however many there are; and whatever is filed in a level comes before all that is
 * filed in those above. When the time comes to a slot, its timers are filed anew, by a lower digit:
 * each of them eight times at most, and most are stopped long before. Those of the tick that has
 * come are sorted to the nanosecond, and are due.
 *
 * A slot's bit in `occupied` may be set for nothing: who stops the last timer of a slot does not
 * know which slot it was, and a deadline that was moved later is still filed under the old one.
 *
 * What costs is memory. A million timers are in no cache, and in a list each has to be fetched
 * before it is known where the next one is: 200 ns for each, where the rest takes 70. So a slot
 * deals out its timers to four lists, which are walked side by side.
 *
 * SPDX-License-Identifier: MIT
 */
#include "wheel.h"

enum {
    FEW = 4,       /* are sorted by comparing them */
    SEARCHED = 32, /* are searched for the first deadline */
    MANY = 1024,   /* are sorted at once: they fit into the cache */
};

/* ---- Sorting: by deadline, and by the order of starts where that is the same ---- */

static bool is_before(const struct rouse_timer *a, const struct rouse_timer *b)
{
    if (a->deadline != b->deadline)
        return a->deadline < b->deadline;
    return a->order < b->order;
}

static struct rouse_timer *sort_few(struct rouse_timer *list, struct rouse_timer *rest)
{
    struct rouse_timer *sorted = rest;
    while (list != NULL) {
        struct rouse_timer *timer = list;
        list = list->next;
        struct rouse_timer **at = &sorted;
        while (*at != rest && is_before(*at, timer))
            at = &(*at)->next;
        timer->next = *at;
        *at = timer;
    }
    return sorted;
}

static inline uint64_t key_of(const struct rouse_timer *timer, bool by_order)
{
    return by_order ? timer->order : wheel_unsigned(timer->deadline);
}

/* Returns the timers of a list, which is linked by `next` alone, sorted and followed by `rest`.
 * They are dealt out by the highest digit in which any two differ, and again by the next, until
 * few are left together: no comparison, which the processor would guess wrongly every other time.
 */
static struct rouse_timer *sort(struct rouse_timer *list, struct rouse_timer *rest, bool by_order)
{
    unsigned count = 0;
    uint64_t differing = 0;
    for (struct rouse_timer *timer = list; timer != NULL; timer = timer->next) {
        differing |= key_of(timer, by_order) ^ key_of(list, by_order);
        count++;
    }
    if (count <= FEW)
        return sort_few(list, rest);
    if (differing == 0)
        return sort(list, rest, true);
    unsigned highest = bits_highest(differing);
    unsigned shift = highest < WHEEL_DIGIT ? 0 : highest + 1 - WHEEL_DIGIT;
    struct rouse_timer *hands[WHEEL_SLOTS] = {NULL};
    uint64_t used = 0;
    while (list != NULL) {
        struct rouse_timer *timer = list;
        list = list->next;
        unsigned digit = key_of(timer, by_order) >> shift & (WHEEL_SLOTS - 1);
        timer->next = hands[digit];
        hands[digit] = timer;
        used |= (uint64_t)1 << digit;
    }
    while (used != 0) {
        struct rouse_timer *hand = hands[bits_highest(used)];
        used ^= (uint64_t)1 << bits_highest(used);
        if (hand->next != NULL) {
            rest = sort(hand, rest, by_order);
        } else {
            hand->next = rest;
            rest = hand;
        }
    }
    return rest;
}

/* Puts sorted timers, linked by `next` alone, among those that are due. */
static void insert(struct wheel *wheel, struct rouse_timer *timer)
{
    struct rouse_timer **at = &wheel->due;
    while (timer != NULL) {
        struct rouse_timer *next = timer->next;
        while (*at != NULL && is_before(*at, timer))
            at = &(*at)->next;
        timer->order |= TIMER_DUE;
        wheel_link(at, timer);
        at = &timer->next;
        timer = next;
    }
}

/* ---- Slots ---- */

/* A walk through the four chains of a slot, a step in each in turn. */
struct walk {
    struct rouse_timer *first, *second, *third, *fourth;
};

static inline struct walk walk_begin(const struct wheel_slot *slot)
{
    return (struct walk){slot->chains[0], slot->chains[1], slot->chains[2], slot->chains[3]};
}

/* The next timer; NULL after the last. The one before may have been filed elsewhere. */
static inline struct rouse_timer *walk_on(struct walk *walk)
{
    for (int i = 0; i < WHEEL_CHAINS; i++) {
        struct rouse_timer *timer = walk->first;
        struct rouse_timer *next = timer != NULL ? timer->next : NULL;
        *walk = (struct walk){walk->second, walk->third, walk->fourth, next};
        if (timer != NULL) {
            PREFETCH(next);
            return timer;
        }
    }
    return NULL;
}

static bool is_empty(const struct wheel_slot *slot)
{
    bool empty = true;
    for (int i = 0; i < WHEEL_CHAINS; i++)
        empty &= slot->chains[i] == NULL;
    return empty;
}

/* Empties a slot: what is due by the current tick, and was started before `limit`, goes where it is
 * called from; all else is filed anew. */
static void empty(struct wheel *wheel, struct wheel_slot *slot, uint64_t limit)
{
    struct walk walk = walk_begin(slot);
    struct rouse_timer *timer, *due = NULL;
    *slot = (struct wheel_slot){0};
    while ((timer = walk_on(&walk)) != NULL) {
        if (wheel_tick(timer->deadline) > wheel->current || timer->order >= limit) {
            wheel_file(wheel, timer);
        } else {
            timer->next = due;
            due = timer;
        }
    }
    insert(wheel, sort(due, NULL, false));
}

struct place {
    struct wheel_slot *slot;
    uint64_t first; /* its ticks */
    uint64_t last;
};

/* The first slot that has timers: of the lowest level that has any. */
static bool find_first(struct wheel *wheel, struct place *place)
{
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        unsigned shift = level * WHEEL_DIGIT;
        while (wheel->occupied[level] != 0) {
            unsigned index = bits_lowest(wheel->occupied[level]);
            place->slot = &wheel->slots[level][index];
            if (!is_empty(place->slot)) {
                uint64_t above = wheel->current >> shift >> WHEEL_DIGIT << WHEEL_DIGIT;
                place->first = (above | index) << shift;
                place->last = place->first + ((uint64_t)1 << shift) - 1;
                return true;
            }
            wheel->occupied[level] &= wheel->occupied[level] - 1;
        }
    }
    return false;
}

/* Fetches what a slot has, on the way. */
static bool are_many(const struct wheel_slot *slot)
{
    struct walk walk = walk_begin(slot);
    int count = 0;
    while (count <= MANY && walk_on(&walk) != NULL)
        count++;
    return count > MANY;
}

void wheel_settle(struct wheel *wheel, uint64_t limit)
{
    empty(wheel, &wheel->fresh, limit);
}

bool wheel_open(struct wheel *wheel, uint64_t tick, uint64_t limit)
{
    struct place place;
    if (!find_first(wheel, &place) || place.first > tick)
        return false;
    uint64_t last = place.last < tick ? place.last : tick;
    /* Few go where they belong at once, many by one digit more. */
    wheel->current = place.first < last && are_many(place.slot) ? place.first : last;
    empty(wheel, place.slot, limit);
    return true;
}

int64_t wheel_search(struct wheel *wheel)
{
    int searched = 0;
    struct place place;
    while (find_first(wheel, &place)) {
        struct walk walk = walk_begin(place.slot);
        struct rouse_timer *timer;
        int64_t least = INT64_MAX;
        while ((timer = walk_on(&walk)) != NULL) {
            if (searched++ == SEARCHED)
                return wheel_time(place.first);
            if (wheel_tick(timer->deadline) > place.last) {
                wheel_unlink(timer);
                wheel_file(wheel, timer);
            } else if (timer->deadline < least) {
                least = timer->deadline;
            }
        }
        if (!is_empty(place.slot))
            return least;
    }
    return INT64_MAX;
}

static void clear(const struct wheel_slot *slot)
{
    struct walk walk = walk_begin(slot);
    for (struct rouse_timer *timer; (timer = walk_on(&walk)) != NULL;)
        timer->loop = NULL;
}

void wheel_clear(struct wheel *wheel)
{
    for (struct rouse_timer *timer = wheel->due; timer != NULL; timer = timer->next)
        timer->loop = NULL;
    clear(&wheel->fresh);
    for (int level = 0; level < WHEEL_LEVELS; level++)
        for (int i = 0; i < WHEEL_SLOTS; i++)
            clear(&wheel->slots[level][i]);
}
