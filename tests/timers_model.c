/*
 * Timers against a model: thousands of random starts, moves, stops and steps of the clock, inside
 * callbacks and outside, on the loop and on a table that is searched from end to end for what is
 * due next. Whatever cleverness the loop has with its deadlines, it must call the same timers in
 * the same order.
 *
 * The model in words: a turn calls what is due at its time, by deadline and then by the order
 * started; what is started in a callback waits for the next turn; a repeating timer counts as
 * started again each time it is called. In callbacks nothing is started for a time before that of
 * the turn, for nothing is promised of the order among such. The seed is printed; ROUSE_SEED=N runs
 * just that one.
 *
 * SPDX-License-Identifier: MIT
 */
#include "stage.h"

enum { TIMERS = 40, TURNS = 1500, SEEDS = 12 };

struct entry {
    struct rouse_timer timer;
    bool active;
    int64_t deadline;
    int64_t period;
    uint64_t order;
    uint64_t turn; /* in whose callbacks it was started; 0: between turns */
};

static struct entry entries[TIMERS];
static struct rouse_loop *loop;
static struct world_clock now;
static uint64_t order;
static uint64_t turn; /* the turn in progress; 0 between turns */
static uint64_t turns;
static uint64_t calls;
static uint64_t random_state;

static uint32_t any(uint32_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % below;
}

static bool is_due(const struct entry *entry)
{
    return entry->active && entry->deadline <= now.now && (turn == 0 || entry->turn != turn);
}

static struct entry *next_due(void)
{
    struct entry *first = NULL;
    for (int i = 0; i < TIMERS; i++) {
        struct entry *entry = &entries[i];
        if (is_due(entry) && (first == NULL || entry->deadline < first->deadline ||
                              (entry->deadline == first->deadline && entry->order < first->order)))
            first = entry;
    }
    return first;
}

static void start(struct entry *entry, int64_t deadline, int64_t period)
{
    entry->active = true;
    entry->deadline = turn != 0 && deadline < now.now ? now.now : deadline;
    entry->period = period;
    entry->order = ++order;
    entry->turn = turn;
    CHECK_OK(loop, rouse_timer_at(loop, &entry->timer, entry->deadline, period));
}

static void stop(struct entry *entry)
{
    entry->active = false;
    CHECK_OK(loop, rouse_timer_stop(&entry->timer));
}

static void act(void)
{
    struct entry *entry = &entries[any(TIMERS)];
    int64_t period = any(4) == 0 ? 1 + any(50) : 0;
    switch (any(8)) {
    case 0:
        stop(entry);
        break;
    case 1: /* past or present */
        start(entry, now.now - any(20), period);
        break;
    case 2: /* on the deadline of another one */
        start(entry, entries[any(TIMERS)].deadline, period);
        break;
    case 3: /* later than it was */
        start(entry, entry->deadline + any(100), period);
        break;
    case 4: /* sooner than it was */
        start(entry, entry->deadline - any(100), period);
        break;
    case 5: /* far */
        start(entry, now.now + any(10000), period);
        break;
    default:
        start(entry, now.now + any(60), period);
    }
}

static void called(struct rouse_timer *timer)
{
    struct entry *entry = (struct entry *)(void *)timer; /* its first member */
    calls++;
    assert_ptr_equal(entry, next_due());
    if (entry->period == 0) {
        entry->active = false;
    } else {
        entry->deadline += ((now.now - entry->deadline) / entry->period + 1) * entry->period;
        entry->order = ++order;
        entry->turn = 0;
    }
    assert_int_equal(rouse_timer_active(timer), entry->active);
    for (uint32_t n = any(3); n > 0; n--)
        act();
}

static void take_turn(void)
{
    turn = ++turns;
    int made = rouse_turn(loop, 0);
    assert_true(made >= 0);
    assert_null(next_due()); /* all that was due has been called */
    turn = 0;
}

static void play(uint64_t seed)
{
    print_message("seed %llu\n", (unsigned long long)seed);
    random_state = seed * 7919 + 1;
    loop = stage_open(&now);
    now.now = 100000;
    for (int i = 0; i < TIMERS; i++) {
        entries[i] = (struct entry){.deadline = now.now + 1};
        rouse_timer_init(&entries[i].timer, called);
    }
    calls = 0;
    turn = 0;
    for (int i = 0; i < TURNS; i++) {
        for (uint32_t n = any(6); n > 0; n--)
            act();
        now.now += any(2) * any(40);
        take_turn();
    }
    assert_true(calls > TURNS); /* it was worth while */
    CHECK_OK(NULL, rouse_close(loop));
    for (int i = 0; i < TIMERS; i++)
        assert_int_equal(rouse_timer_active(&entries[i].timer), 0);
}

/* I11, I13, I14, I20: a heap out of order, equal deadlines, a timer called twice, siblings. */
static void random_operations_agree_with_a_table(void **state)
{
    (void)state;
    const char *seed = getenv("ROUSE_SEED");
    if (seed != NULL)
        play(strtoull(seed, NULL, 10));
    else
        for (uint64_t i = 1; i <= SEEDS; i++)
            play(i);
}

static int64_t last_deadline;
static int in_order;

static void check_order(struct rouse_timer *timer)
{
    assert_true(timer->deadline >= last_deadline);
    last_deadline = timer->deadline;
    in_order++;
}

/* I11, I12, R1: many timers, each moved about before any fires. */
static void order_survives_thousands_of_random_moves(void **state)
{
    (void)state;
    enum { MANY = 5000, MOVES = 100000 };
    loop = stage_open(&now);
    struct rouse_timer *timers = calloc(MANY, sizeof *timers);
    assert_non_null(timers);
    random_state = 20;
    for (int i = 0; i < MANY; i++)
        rouse_timer_init(&timers[i], check_order);
    for (int i = 0; i < MOVES; i++) {
        struct rouse_timer *timer = &timers[any(MANY)];
        if (any(10) == 0)
            CHECK_OK(loop, rouse_timer_stop(timer));
        else
            CHECK_OK(loop, rouse_timer_at(loop, timer, 2000 + any(1000000), 0));
    }
    int active = 0;
    for (int i = 0; i < MANY; i++)
        active += rouse_timer_active(&timers[i]);
    last_deadline = 0;
    in_order = 0;
    assert_int_equal(rouse_run(loop), 0);
    assert_int_equal(in_order, active);
    assert_true(active > MANY / 2);
    free(timers);
    CHECK_OK(NULL, rouse_close(loop));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_agree_with_a_table),
        cmocka_unit_test(order_survives_thousands_of_random_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
