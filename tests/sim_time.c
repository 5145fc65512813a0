/*
 * The machine's time, which moves when all sleep: what is due when, in which order, and what a
 * callback may do to others that are due.
 *
 * SPDX-License-Identifier: MIT
 */
#include "sim.h"

struct alarm {
    struct rouse_sim_event event;
    char name;
    int64_t at;          /* when it came */
    int again;           /* how often it is set again */
    struct alarm *other; /* which it cancels */
};

static void ring(struct rouse_sim_event *event)
{
    struct alarm *self = (struct alarm *)(void *)event;
    journal_write(self->name);
    self->at = rouse_sim_now();
    if (self->other != NULL)
        rouse_sim_cancel(&self->other->event);
    if (self->again-- > 0)
        CHECK_OK(NULL, rouse_sim_at(event, rouse_sim_now() + 10));
}

static struct alarm named(char name)
{
    return (struct alarm){.event = {.fn = ring}, .name = name};
}

static void time_moves_only_when_all_sleep(void **state)
{
    (void)state;
    struct alarm a = named('a');
    CHECK_OK(NULL, rouse_sim_at(&a.event, 5));
    rouse_fd pipe[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    for (int i = 0; i < 100; i++)
        assert_int_equal(rouse_sim_write(pipe[1], "x", 1), 1);
    assert_int_equal(rouse_sim_poll(NULL, 0, 0), 0);
    assert_int_equal(rouse_sim_now(), 0);
    CHECK_JOURNAL("");
    CHECK_OK(NULL, rouse_sim_sleep(4));
    assert_int_equal(rouse_sim_now(), 4);
    CHECK_JOURNAL("");
    CHECK_OK(NULL, rouse_sim_sleep(1000000000000));
    CHECK_JOURNAL("a");
    assert_int_equal(a.at, 5);
    assert_int_equal(rouse_sim_now(), 1000000000004);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_PASSED), 3); /* to 4, 5, and the end */
}

static void what_is_due_comes_in_the_order_of_its_time(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    static struct alarm alarms[MANY];
    for (int i = 0; i < MANY; i++) {
        int scattered = i * 7 % MANY; /* 7 and 1000 have no divisor in common */
        alarms[scattered] = named((char)('a' + scattered * 26 / MANY));
        CHECK_OK(NULL, rouse_sim_at(&alarms[scattered].event, 100 + scattered));
    }
    for (int i = 0; i < MANY; i += 3)
        rouse_sim_cancel(&alarms[i * 11 % MANY].event);
    for (int i = 0; i < MANY; i += 5)
        CHECK_OK(NULL, rouse_sim_at(&alarms[i].event, 100 + i));
    CHECK_OK(NULL, rouse_sim_sleep(10000));
    int64_t came = 0;
    for (int i = 0; i < MANY; i++) {
        assert_true(alarms[i].at == 0 || alarms[i].at == 100 + i);
        came += alarms[i].at != 0;
    }
    const char *word = journal_take();
    assert_int_equal(strlen(word), came);
    assert_true(came > MANY / 2);
    for (; word[1] != '\0'; word++)
        assert_true(word[0] <= word[1]);
}

/* Writes in which order ten that are due at once have come. */
static void run_ten(uint64_t seed, char word[11])
{
    sim_reboot((struct rouse_sim_config){.seed = seed});
    struct alarm alarms[10];
    for (int i = 0; i < 10; i++) {
        alarms[i] = named((char)('0' + i));
        CHECK_OK(NULL, rouse_sim_at(&alarms[i].event, 100));
    }
    sim_pass(100);
    strcpy(word, journal_take());
    assert_int_equal(strlen(word), 10);
}

static void what_is_due_at_once_comes_in_an_order_of_the_seed(void **state)
{
    (void)state;
    char first[11], again[11], other[11];
    int same = 0;
    run_ten(1, first);
    run_ten(1, again);
    assert_string_equal(first, again);
    for (uint64_t seed = 2; seed < 40; seed++) {
        run_ten(seed, other);
        same += strcmp(first, other) == 0;
    }
    assert_int_equal(same, 0); /* of 10! */
}

static void what_is_past_is_due_now(void **state)
{
    (void)state;
    struct alarm a = named('a'), b = named('b');
    CHECK_OK(NULL, rouse_sim_sleep(50));
    CHECK_OK(NULL, rouse_sim_at(&a.event, 20));
    CHECK_OK(NULL, rouse_sim_at(&b.event, -1));
    sim_pass(0);
    assert_int_equal(strlen(journal_take()), 2);
    assert_int_equal(a.at, 50);
    assert_int_equal(b.at, 50);
    assert_int_equal(a.event.time, 50);
}

static void event_may_cancel_others_and_itself(void **state)
{
    (void)state;
    struct alarm a = named('a'), b = named('b'), c = named('c'), d = named('d');
    a.other = &c;
    b.other = &b;
    d.other = &a; /* which has come */
    CHECK_OK(NULL, rouse_sim_at(&a.event, 1));
    CHECK_OK(NULL, rouse_sim_at(&b.event, 2));
    CHECK_OK(NULL, rouse_sim_at(&c.event, 3));
    CHECK_OK(NULL, rouse_sim_at(&d.event, 4));
    sim_pass(10);
    CHECK_JOURNAL("abd");
    rouse_sim_cancel(&c.event);
    rouse_sim_cancel(&d.event);
}

/* Of two that are due at once, whoever comes first takes the other with him. */
static void event_may_cancel_one_that_is_due_with_it(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        sim_reboot((struct rouse_sim_config){.seed = seed});
        struct alarm a = named('a'), b = named('b');
        a.other = &b;
        b.other = &a;
        CHECK_OK(NULL, rouse_sim_at(&a.event, 1));
        CHECK_OK(NULL, rouse_sim_at(&b.event, 1));
        sim_pass(10);
        assert_int_equal(strlen(journal_take()), 1);
    }
}

static void event_may_be_set_again(void **state)
{
    (void)state;
    struct alarm a = named('a'), b = named('b');
    a.again = 3;
    CHECK_OK(NULL, rouse_sim_at(&a.event, 5));
    CHECK_OK(NULL, rouse_sim_at(&b.event, 20));
    CHECK_OK(NULL, rouse_sim_at(&b.event, 30)); /* later */
    CHECK_OK(NULL, rouse_sim_at(&b.event, 7));  /* sooner */
    sim_pass(100);
    CHECK_JOURNAL("abaaa");
    assert_int_equal(a.at, 35);
    assert_int_equal(b.at, 7);
}

static void event_needs_a_function(void **state)
{
    (void)state;
    struct rouse_sim_event none = {.time = 0};
    assert_int_equal(rouse_sim_at(&none, 5), -EINVAL);
    assert_int_equal(rouse_sim_at(NULL, 5), -EINVAL);
    rouse_sim_cancel(NULL);
}

/* ---- An interrupt is no task ---- */

static rouse_fd interrupt_fd;
static int64_t interrupt_result[3];

static void try_to_sleep(struct rouse_sim_event *event)
{
    (void)event;
    char byte;
    struct rouse_event one;
    struct rouse_sim_pollfd entry = {.fd = interrupt_fd, .want = ROUSE_READ};
    interrupt_result[0] = rouse_sim_read(interrupt_fd, &byte, 1);
    interrupt_result[1] = rouse_sim_poll(&entry, 1, 5);
    rouse_fd epoll = OPENED(rouse_sim_epoll_create());
    interrupt_result[2] = rouse_sim_epoll_wait(epoll, &one, 1, -1);
    assert_true(rouse_sim_sleep(5) < 0);
    assert_true(rouse_sim_compute(5) < 0);
}

static void calls_of_an_event_do_not_sleep(void **state)
{
    (void)state;
    struct rouse_sim_event event = {.fn = try_to_sleep};
    struct rouse_sim_waiter waiter;
    rouse_fd pipe[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    interrupt_fd = pipe[0];
    CHECK_OK(NULL, rouse_sim_at(&event, 5));
    sim_pass(10);
    assert_int_equal(interrupt_result[0], -EAGAIN);
    assert_int_equal(interrupt_result[1], -EPERM);
    assert_int_equal(interrupt_result[2], -EAGAIN);
    assert_int_equal(rouse_sim_waiter_at(pipe[0], 0, &waiter), -ENOENT);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_SLEPT), 0);
}

/* ---- Sleep and work ---- */

static void sleep_lasts_as_long_as_it_says(void **state)
{
    (void)state;
    static struct actor a;
    actor_start(&a, 'a', actor_rests, -1);
    CHECK_OK(NULL, rouse_sim_sleep(999999));
    CHECK_JOURNAL("");
    sim_pass(1);
    CHECK_JOURNAL("a");
    assert_int_equal(a.result, 0);
    CHECK_OK(NULL, rouse_sim_sleep(-5));
    assert_int_equal(rouse_sim_now(), 1000000);
    CHECK_OK(NULL, rouse_sim_sleep(INT64_MAX)); /* to the end of time */
    assert_int_equal(rouse_sim_now(), INT64_MAX);
    CHECK_OK(NULL, rouse_sim_sleep(5));
    assert_int_equal(rouse_sim_now(), INT64_MAX);
}

static int64_t sleeps_thrice(struct actor *self)
{
    while (self->event.token < 3) {
        int error = rouse_sim_sleep(10);
        if (error != 0)
            return error;
        self->event.token++;
        journal_write((char)('0' + rouse_sim_now() / 10));
    }
    return 0;
}

static void task_sleeps_again_and_again(void **state)
{
    (void)state;
    static struct actor a;
    actor_start(&a, 'a', sleeps_thrice, -1);
    CHECK_OK(NULL, rouse_sim_sleep(1000));
    CHECK_JOURNAL("123a");
}

static void others_go_on_while_the_first_computes(void **state)
{
    (void)state;
    static struct actor a, b;
    struct alarm c = named('c'), d = named('d');
    rouse_fd pipe[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    actor_start(&a, 'a', sleeps_thrice, -1);
    actor_start(&b, 'b', actor_reads, pipe[0]);
    assert_int_equal(rouse_sim_write(pipe[1], "x", 1), 1);
    CHECK_OK(NULL, rouse_sim_at(&c.event, 25));
    CHECK_OK(NULL, rouse_sim_at(&d.event, 26));
    CHECK_OK(NULL, rouse_sim_compute(25));
    CHECK_JOURNAL("b12c");
    assert_int_equal(rouse_sim_now(), 25);
    assert_int_equal(rouse_sim_first()->state, ROUSE_SIM_RUNNING);
    CHECK_OK(NULL, rouse_sim_compute(0));
    CHECK_JOURNAL("");
    CHECK_OK(NULL, rouse_sim_compute(10));
    CHECK_JOURNAL("d3a");
    assert_int_equal(rouse_sim_now(), 35);
    assert_int_equal(rouse_sim_compute(-1), -EINVAL);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_COMPUTED), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(time_moves_only_when_all_sleep),
        CASE(what_is_due_comes_in_the_order_of_its_time),
        CASE(what_is_due_at_once_comes_in_an_order_of_the_seed),
        CASE(what_is_past_is_due_now),
        CASE(event_may_cancel_others_and_itself),
        CASE(event_may_cancel_one_that_is_due_with_it),
        CASE(event_may_be_set_again),
        CASE(event_needs_a_function),
        CASE(calls_of_an_event_do_not_sleep),
        CASE(sleep_lasts_as_long_as_it_says),
        CASE(task_sleeps_again_and_again),
        CASE(others_go_on_while_the_first_computes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
