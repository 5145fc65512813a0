/*
 * The seed: with the same one a run is the same, step by step and byte for byte, whatever goes
 * wrong in it; with another it is another. And to look in, at any step, changes none.
 *
 * SPDX-License-Identifier: MIT
 */
#include "sim_echo.h"

struct record {
    struct told {
        int64_t time;
        uint64_t what, task, object, amount;
    } * steps;
    size_t count, room;
    bool looks; /* in, at each step */
};

/* What there is to see: all of it. */
static void look_in(void)
{
    struct rouse_sim_file file;
    struct rouse_sim_waiter waiter;
    for (rouse_fd fd = 0; rouse_sim_look(fd, &file) == 0; fd++) {
        unsigned index = 0;
        while (rouse_sim_waiter_at(fd, index, &waiter) == 0)
            index++;
        for (index = 0; index < 10 && rouse_sim_watched(fd, index) >= 0; index++)
            ;
        for (index = 0; index < 10 && rouse_sim_listed(fd, index) >= 0; index++)
            ;
    }
    for (unsigned index = 0; index < 10 && rouse_sim_queued(index) != NULL; index++)
        ;
    assert_non_null(rouse_sim_first());
    rouse_sim_count(ROUSE_SIM_CALLED);
    rouse_sim_now();
}

static void note(void *context, const struct rouse_sim_step *step)
{
    struct record *record = context;
    if (record->count == record->room) {
        record->room = record->room > 0 ? 2 * record->room : 1024;
        record->steps = realloc(record->steps, record->room * sizeof *record->steps);
        assert_non_null(record->steps);
    }
    record->steps[record->count++] = (struct told){
        .time = step->time,
        .what = step->what,
        .task = step->task,
        .object = step->object,
        .amount = step->amount,
    };
    if (record->looks && record->count % 100 == 0)
        look_in();
}

static struct record run(const char *backend, uint64_t seed, bool looks)
{
    struct record record = {.looks = looks};
    struct sim_echo echo = {
        .backend = backend,
        .clients = 40,
        .messages = 4,
        .edge = ROUSE_EDGE,
        .machine = {.seed = seed, .latency = 700, .room = 40, .trace = note, .context = &record},
        .faults = {.short_counts = 200,
                   .interrupts = 100,
                   .spurious = 100,
                   .no_memory = 100,
                   .late = 100},
    };
    sim_echo_run(&echo);
    rouse_sim_halt(); /* which is told, too */
    return record;
}

static bool is_same(const struct record *a, const struct record *b)
{
    return a->count == b->count && memcmp(a->steps, b->steps, a->count * sizeof *a->steps) == 0;
}

static const char *const backends[] = {"sim:select", "sim:poll", "sim:epoll"};

static void same_seed_is_the_same_run(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct record one = run(backends[i], 5, false);
        void *elsewhere = malloc(12345); /* so that memory is not where it was */
        struct record again = run(backends[i], 5, false);
        assert_true(one.count > 5000);
        assert_true(is_same(&one, &again));
        free(elsewhere);
        free(one.steps);
        free(again.steps);
    }
}

static void other_seed_is_another_run(void **state)
{
    (void)state;
    struct record one = run("sim:epoll", 5, false);
    for (uint64_t seed = 0; seed < 5; seed++) {
        struct record other = run("sim:epoll", seed, false);
        assert_false(is_same(&one, &other));
        free(other.steps);
    }
    free(one.steps);
}

static void looking_in_changes_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct record one = run(backends[i], 5, false);
        struct record watched = run(backends[i], 5, true);
        assert_true(is_same(&one, &watched));
        free(one.steps);
        free(watched.steps);
    }
}

static void looking_in_is_not_counted(void **state)
{
    (void)state;
    static struct actor a, b;
    uint64_t before[ROUSE_SIM_WHATS];
    rouse_fd pipe[2], pair[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    CHECK_OK(NULL, rouse_sim_pair(pair));
    rouse_fd epoll = OPENED(rouse_sim_epoll_create());
    rouse_fd outer = OPENED(rouse_sim_epoll_create());
    CHECK_OK(NULL, rouse_sim_epoll_ctl(epoll, ROUSE_SIM_ADD, pair[0], ROUSE_READ, 0));
    CHECK_OK(NULL, rouse_sim_epoll_ctl(outer, ROUSE_SIM_ADD, epoll, ROUSE_READ, 0));
    OPENED(rouse_sim_listen(1));
    actor_start(&a, 'a', actor_reads, pipe[0]);
    actor_start(&b, 'b', actor_waits, outer);
    sim_pass(0);
    static struct actor c; /* stays in the run queue until the machine is halted */
    c = (struct actor){.task.run = actor_run, .calls = actor_reads, .fd = pipe[0]};
    CHECK_OK(NULL, rouse_sim_start(&c.task));
    assert_int_equal(rouse_sim_write(pair[1], "x", 1), 1);
    char byte;
    CHECK_OK(NULL, rouse_sim_block(pair[0], false));
    assert_int_equal(rouse_sim_read(pair[0], &byte, 1), 1); /* listed, and ready no more */
    for (int what = 0; what < ROUSE_SIM_WHATS; what++)
        before[what] = rouse_sim_count((enum rouse_sim_what)what);
    for (int i = 0; i < 3; i++)
        look_in();
    for (int what = 0; what < ROUSE_SIM_WHATS; what++)
        assert_int_equal(rouse_sim_count((enum rouse_sim_what)what), before[what]);
    assert_int_equal(rouse_sim_listed(epoll, 0), pair[0]);
    assert_int_equal(rouse_sim_listed(outer, 0), epoll);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(same_seed_is_the_same_run),
        CASE(other_seed_is_another_run),
        CASE(looking_in_changes_nothing),
        CASE(looking_in_is_not_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
