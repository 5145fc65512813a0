/*
 * Timers against a model: thousands of random starts, moves, stops and steps of the clock, inside
 * callbacks and outside, on the loop and on a table that is searched from end to end for what is
 * due next. Whatever cleverness the loop has with its deadlines, it must call the same timers in
 * the same order, and must not sleep for longer than until the first of them.
 *
 * The model in words: a turn calls what is due at its time, by deadline and then by the order
 * started; what is started in a callback waits for the next turn; a repeating timer counts as
 * started again each time it is called. The seed is printed; ROUSE_SEED=N runs just that one.
 *
 * SPDX-License-Identifier: MIT
 */
#include "stage.h"

enum { MOST = 300, TURNS = 1500, SEEDS = 6 };

/* What kind of times a game is about. */
struct game {
    const char *name;
    int timers;
    unsigned step;   /* the clock moves by less than 2 to this power of nanoseconds at a time */
    unsigned near;   /* most deadlines are less than this far away */
    unsigned far;    /* and the others less than this */
    bool to_the_dot; /* it sleeps until the first deadline exactly: there are few */
};

static const struct game games[] = {
    {"nanoseconds", 40, 5, 6, 13, false},
    {"a crowd of one slot", MOST, 18, 22, 22, false},
    {"few, of all distances", 20, 52, 40, 56, true},
    {"one and another", 2, 52, 40, 56, true},
    {"milliseconds", 100, 21, 23, 36, false},
    {"seconds and hours", 100, 31, 33, 43, false},
    {"a crowd", MOST, 17, 22, 30, false},
    {"a crowd of all distances", MOST, 52, 40, 56, false},
};

struct entry {
    struct rouse_timer timer;
    bool active;
    int64_t deadline;
    int64_t period;
    uint64_t order;
    uint64_t turn; /* in whose callbacks it was started; 0: between turns */
};

static const struct game *game;
static struct entry entries[MOST];
static struct rouse_loop *loop;
static struct world_clock now;
static uint64_t order;
static uint64_t turn; /* the turn in progress; 0 between turns */
static uint64_t turns;
static uint64_t calls;
static bool awake; /* something is done in the turn before its timers are called */
static uint64_t random_state;

static uint32_t any(uint32_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % below;
}

/* Below 2 to the power of `most`: half of them anywhere, half of them of any size, so that short
 * ones are as frequent as long ones. */
static int64_t any_span(unsigned most)
{
    uint64_t bits = (uint64_t)any(UINT32_MAX) << 32 | any(UINT32_MAX);
    return (int64_t)(bits >> (64 - most) >> (any(2) ? any(most + 1) : 0));
}

static bool is_due(const struct entry *entry)
{
    return entry->active && entry->deadline <= now.now && (turn == 0 || entry->turn != turn);
}

static bool is_before(const struct entry *a, const struct entry *b)
{
    return a->deadline < b->deadline || (a->deadline == b->deadline && a->order < b->order);
}

static struct entry *next_due(void)
{
    struct entry *first = NULL;
    for (struct entry *entry = entries; entry < entries + game->timers; entry++)
        if (is_due(entry) && (first == NULL || is_before(entry, first)))
            first = entry;
    return first;
}

static struct entry *first_active(void)
{
    struct entry *first = NULL;
    for (struct entry *entry = entries; entry < entries + game->timers; entry++)
        if (entry->active && (first == NULL || is_before(entry, first)))
            first = entry;
    return first;
}

static void start(struct entry *entry, int64_t deadline, int64_t period)
{
    entry->active = true;
    entry->deadline = deadline;
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

static struct entry *any_entry(void)
{
    return &entries[any((uint32_t)game->timers)];
}

static void act(void)
{
    struct entry *entry = any_entry();
    int64_t period = any(4) == 0 ? 1 + any_span(game->near) : 0;
    switch (any(9)) {
    case 0:
        stop(entry);
        break;
    case 1: /* past or present */
        start(entry, now.now - any_span(game->near), period);
        break;
    case 2: /* on the deadline of another one */
        start(entry, any_entry()->deadline, period);
        break;
    case 3: /* later than it was */
        start(entry, entry->deadline + any_span(game->near), period);
        break;
    case 4: /* sooner than it was */
        start(entry, entry->deadline - any_span(game->near), period);
        break;
    case 5: /* far */
        start(entry, now.now + any_span(game->far), period);
        break;
    case 6: /* the first of all */
        entry = first_active();
        if (entry != NULL && any(2) == 0)
            stop(entry);
        else if (entry != NULL)
            start(entry, entry->deadline + any_span(game->near), period);
        break;
    default:
        start(entry, now.now + any_span(game->near), period);
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

/* A callback of the turn that comes before those of the timers. */
static void act_after_the_wait(struct rouse_hook *hook)
{
    (void)hook;
    if (awake)
        act();
}

static void take_turn(void)
{
    turn = ++turns;
    awake = any(2) == 0;
    int made = rouse_turn(loop, 0);
    assert_true(made >= 0);
    assert_null(next_due()); /* all that was due has been called */
    turn = 0;
}

/* A turn that idles until something is due. */
static void sleep_a_turn(void)
{
    const struct entry *first = first_active();
    if (first == NULL || first->deadline <= now.now || subject_guesses())
        return;
    int64_t deadline = first->deadline;
    turn = ++turns;
    awake = false;
    int made = rouse_turn(loop, -1);
    assert_true(now.asked <= deadline);
    assert_true(now.asked == deadline || !game->to_the_dot);
    assert_int_equal(made > 0, now.asked == deadline);
    assert_null(next_due());
    turn = 0;
}

static void play(uint64_t seed)
{
    print_message("%s, seed %llu\n", game->name, (unsigned long long)seed);
    random_state = seed * 7919 + 1;
    loop = stage_open(&now);
    now.now = 100000;
    for (int i = 0; i < game->timers; i++) {
        entries[i] = (struct entry){.deadline = now.now + 1};
        rouse_timer_init(&entries[i].timer, called);
    }
    struct rouse_hook hook;
    rouse_hook_init(&hook, act_after_the_wait);
    CHECK_OK(loop, rouse_hook_start(loop, &hook, ROUSE_AFTER_WAIT));
    calls = 0;
    turn = 0;
    for (int i = 0; i < TURNS; i++) {
        for (uint32_t n = any(6); n > 0; n--)
            act();
        now.now += any(2) * any_span(game->step);
        if (any(4) == 0)
            sleep_a_turn();
        else
            take_turn();
    }
    assert_true(calls > TURNS / 10); /* it was worth while */
    CHECK_OK(NULL, rouse_close(loop));
    for (int i = 0; i < game->timers; i++)
        assert_int_equal(rouse_timer_active(&entries[i].timer), 0);
}

/* I11, I13, I14, I20: what is filed out of order, equal deadlines, a timer called twice, siblings.
 */
static void random_operations_agree_with_a_table(void **state)
{
    (void)state;
    const char *seed = getenv("ROUSE_SEED");
    for (size_t i = 0; i < sizeof games / sizeof games[0]; i++) {
        game = &games[i];
        if (seed != NULL)
            play(strtoull(seed, NULL, 10));
        else
            for (uint64_t k = 1; k <= SEEDS; k++)
                play(k);
    }
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
