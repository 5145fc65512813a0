/*
 * Interrupts of the machine's tasks: each ends one sleep, of whatever kind, the present or the next
 * one, and takes nothing away.
 *
 * SPDX-License-Identifier: MIT
 */
#include "sim.h"

static void interrupt_ends_every_kind_of_sleep_of_a_task(void **state)
{
    (void)state;
    static struct actor actors[4];
    struct rouse_sim_waiter waiter;
    rouse_fd pipe[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    rouse_fd listener = OPENED(rouse_sim_listen(1));
    rouse_fd epoll = OPENED(rouse_sim_epoll_create());
    actor_start(&actors[0], 'a', actor_reads, pipe[0]);
    actor_start(&actors[1], 'b', actor_accepts, listener);
    actor_start(&actors[2], 'c', actor_waits, epoll);
    actor_start(&actors[3], 'd', actor_rests, -1);
    for (int i = 3; i >= 0; i--) {
        assert_int_equal(actors[i].task.state, ROUSE_SIM_SLEEPING);
        rouse_sim_interrupt(&actors[i].task);
    }
    CHECK_AWAKE("dcba");
    for (int i = 0; i < 4; i++)
        assert_int_equal(actors[i].result, -EINTR);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_INTERRUPTED), 4);
    assert_int_equal(rouse_sim_waiter_at(pipe[0], 0, &waiter), -ENOENT);
    assert_int_equal(sim_look(listener).references, 1);
    CHECK_OK(NULL, rouse_sim_sleep(2000000));
    CHECK_JOURNAL(""); /* its alarm does not ring */
}

static int64_t reads_two(struct actor *self)
{
    char bytes[2];
    int64_t n;
    while ((n = rouse_sim_read(self->fd, bytes, 2)) == -EINTR)
        journal_write('!');
    return n;
}

static void interrupt_comes_once(void **state)
{
    (void)state;
    static struct actor a;
    rouse_fd pipe[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    actor_start(&a, 'a', reads_two, pipe[0]);
    for (int i = 0; i < 3; i++) {
        rouse_sim_interrupt(&a.task);
        CHECK_AWAKE("!");
        assert_int_equal(a.task.state, ROUSE_SIM_SLEEPING);
    }
    assert_int_equal(rouse_sim_write(pipe[1], "xy", 2), 2);
    CHECK_AWAKE("a");
    assert_int_equal(a.result, 2);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_INTERRUPTED), 3);
}

/* What one does that was interrupted in a sleep, instead of calling again. */
enum { ENDS, YIELDS, IS_TOLD, SLEEPS };

struct idler {
    struct rouse_sim_task task;
    int then;
    rouse_fd fd;
    int turn;
};

static int idle(struct rouse_sim_task *task)
{
    struct idler *self = (struct idler *)(void *)task;
    char byte;
    switch (self->turn++) {
    case 0:
        assert_int_equal(rouse_sim_sleep(100), -ROUSE_SIM_ASLEEP);
        return 1;
    case 1:
        if (self->then >= IS_TOLD)
            assert_int_equal(rouse_sim_read(self->fd, &byte, 1), -EINTR);
        if (self->then == SLEEPS)
            assert_int_equal(rouse_sim_read(self->fd, &byte, 1), -ROUSE_SIM_ASLEEP);
        return self->then != ENDS;
    default:
        if (rouse_sim_sleep(1000) == -ROUSE_SIM_ASLEEP)
            return 1;
        journal_write('i');
        return 0;
    }
}

static void sleep_that_is_given_up_is_forgotten(void **state)
{
    (void)state;
    rouse_fd pipe[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    for (int then = ENDS; then <= SLEEPS; then++) {
        struct idler *idler = calloc(1, sizeof *idler);
        assert_non_null(idler);
        *idler = (struct idler){.task = {.run = idle}, .then = then, .fd = pipe[0]};
        CHECK_OK(NULL, rouse_sim_start(&idler->task));
        sim_pass(0);
        rouse_sim_interrupt(&idler->task);
        if (then == SLEEPS) {
            sim_pass(500); /* the time of the sleep that was given up is over */
            assert_int_equal(rouse_sim_write(pipe[1], "x", 1), 1);
        }
        sim_pass(999);
        CHECK_JOURNAL("");
        sim_pass(1);
        CHECK_JOURNAL(then == ENDS ? "" : "i");
        assert_int_equal(idler->task.state, ROUSE_SIM_ENDED);
        free(idler);
    }
}

static int64_t reads_often(struct actor *self)
{
    for (;;) {
        char byte;
        int64_t n = rouse_sim_read(self->fd, &byte, 1);
        if (n <= 0)
            return n;
        journal_write('.');
    }
}

/* One that is ready or runs is interrupted when it sleeps next, however often it runs until then.
 */
static void interrupt_waits_for_a_sleep(void **state)
{
    (void)state;
    static struct actor a;
    rouse_fd pipe[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    a = (struct actor){.task = {.run = actor_run}, .calls = reads_often, .fd = pipe[0]};
    a.name = 'a';
    CHECK_OK(NULL, rouse_sim_start(&a.task));
    rouse_sim_interrupt(&a.task);
    assert_int_equal(rouse_sim_write(pipe[1], "xyz", 3), 3);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_INTERRUPTED), 0);
    CHECK_AWAKE("...a");
    assert_int_equal(a.result, -EINTR);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_INTERRUPTED), 1);

    struct turner b = turner("b", 3);
    CHECK_OK(NULL, rouse_sim_start(&b.task));
    rouse_sim_interrupt(&b.task);
    CHECK_AWAKE("bbb");
    assert_int_equal(rouse_sim_count(ROUSE_SIM_INTERRUPTED), 1);
}

static void interrupt_behind_a_wake_takes_nothing_away(void **state)
{
    (void)state;
    static struct actor a;
    rouse_fd pipe[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    actor_start(&a, 'a', actor_reads, pipe[0]);
    assert_int_equal(rouse_sim_write(pipe[1], "x", 1), 1);
    rouse_sim_interrupt(&a.task);
    CHECK_AWAKE("a");
    assert_int_equal(a.result, 1);
}

/* Makes a call that has been given, and then rests. */
struct rester {
    struct actor actor; /* first */
    int64_t (*first)(struct actor *self);
    bool rests;
};

static int64_t calls_and_rests(struct actor *self)
{
    struct rester *rester = (struct rester *)(void *)self;
    if (!rester->rests) {
        int64_t result = rester->first(self);
        if (result == -ROUSE_SIM_ASLEEP)
            return result;
        assert_true(result > 0);
        rester->rests = true;
    }
    return rouse_sim_sleep(50);
}

/* It has ended that call, which had an answer all the same, and does not end what comes after. */
static void interrupt_is_spent_by_the_call_that_it_has_ended(void **state)
{
    (void)state;
    static int64_t (*const calls[])(struct actor * self) = {actor_reads, actor_waits,
                                                            actor_accepts};
    for (int i = 0; i < 3; i++) {
        static struct rester a;
        rouse_fd pipe[2];
        CHECK_OK(NULL, rouse_sim_pipe(pipe));
        rouse_fd listener = OPENED(rouse_sim_listen(1));
        rouse_fd epoll = OPENED(rouse_sim_epoll_create());
        CHECK_OK(NULL, rouse_sim_epoll_ctl(epoll, ROUSE_SIM_ADD, pipe[0], ROUSE_READ, 0));
        a = (struct rester){.first = calls[i]};
        actor_start(&a.actor, 'a', calls_and_rests, i == 0 ? pipe[0] : i == 1 ? epoll : listener);
        rouse_sim_interrupt(&a.actor.task);
        assert_int_equal(rouse_sim_write(pipe[1], "x", 1), 1);
        OPENED(rouse_sim_connect(listener));
        sim_pass(49);
        CHECK_JOURNAL("");
        sim_pass(1);
        CHECK_JOURNAL("a");
        assert_int_equal(a.actor.result, 0);
    }
}

static void interrupt_ends_every_kind_of_sleep_of_the_first(void **state)
{
    (void)state;
    char byte;
    struct rouse_event event;
    struct rouse_sim_pollfd entry = {.fd = 0, .want = ROUSE_READ};
    struct rouse_sim_set set = {.words = {1}};
    rouse_fd pipe[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    rouse_fd listener = OPENED(rouse_sim_listen(1));
    rouse_fd epoll = OPENED(rouse_sim_epoll_create());
    for (int call = 0; call < 6; call++) {
        rouse_sim_interrupt(NULL);
        int64_t result = call == 0   ? rouse_sim_read(pipe[0], &byte, 1)
                         : call == 1 ? rouse_sim_accept(listener)
                         : call == 2 ? rouse_sim_sleep(1000)
                         : call == 3 ? rouse_sim_epoll_wait(epoll, &event, 1, 1000)
                         : call == 4 ? rouse_sim_poll(&entry, 1, -1)
                                     : rouse_sim_select(1, &set, NULL, NULL, 1000);
        assert_int_equal(result, -EINTR);
        assert_int_equal(rouse_sim_count(ROUSE_SIM_INTERRUPTED), call + 1);
    }
    assert_int_equal(rouse_sim_now(), 0);
    assert_int_equal(rouse_sim_poll(NULL, 0, 5000), 0); /* no alarm is left behind */
    CHECK_OK(NULL, rouse_sim_sleep(10));
    assert_int_equal(rouse_sim_now(), 5010);
}

static void interrupt_of_the_first_waits_for_a_sleep(void **state)
{
    (void)state;
    struct turner a = turner("a", 3);
    CHECK_OK(NULL, rouse_sim_start(&a.task));
    rouse_sim_interrupt(NULL);
    assert_int_equal(rouse_sim_poll(NULL, 0, 0), 0); /* lets the other run, and does not sleep */
    CHECK_OK(NULL, rouse_sim_compute(10));
    assert_int_equal(rouse_sim_count(ROUSE_SIM_INTERRUPTED), 0);
    assert_int_equal(rouse_sim_sleep(10), -EINTR);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_INTERRUPTED), 1);
    CHECK_OK(NULL, rouse_sim_sleep(10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(interrupt_ends_every_kind_of_sleep_of_a_task),
        CASE(interrupt_comes_once),
        CASE(sleep_that_is_given_up_is_forgotten),
        CASE(interrupt_waits_for_a_sleep),
        CASE(interrupt_behind_a_wake_takes_nothing_away),
        CASE(interrupt_is_spent_by_the_call_that_it_has_ended),
        CASE(interrupt_ends_every_kind_of_sleep_of_the_first),
        CASE(interrupt_of_the_first_waits_for_a_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
