/*
 * The machine's tasks: whose turn it is, how one sleeps and is woken, and what the first one does
 * that the others cannot.
 *
 * SPDX-License-Identifier: MIT
 */
#include "sim.h"

/* ---- Turns ---- */

static void tasks_take_turns_in_the_order_of_the_run_queue(void **state)
{
    (void)state;
    struct turner a = turner("a", 3), b = turner("b", 1), c = turner("c", 2);
    CHECK_OK(NULL, rouse_sim_start(&a.task));
    CHECK_OK(NULL, rouse_sim_start(&b.task));
    CHECK_OK(NULL, rouse_sim_start(&c.task));
    CHECK_JOURNAL(""); /* not while another runs */
    assert_ptr_equal(rouse_sim_queued(0), &a.task);
    assert_ptr_equal(rouse_sim_queued(2), &c.task);
    assert_null(rouse_sim_queued(3));
    CHECK_OK(NULL, rouse_sim_sleep(0));
    CHECK_JOURNAL("abcaca");
    assert_int_equal(a.task.state, ROUSE_SIM_ENDED);
    assert_null(rouse_sim_queued(0));
    assert_int_equal(rouse_sim_now(), 0);
}

static void each_task_has_a_number_and_the_first_is_main(void **state)
{
    (void)state;
    struct turner a = turner("a", 1), b = turner("b", 1);
    CHECK_OK(NULL, rouse_sim_start(&a.task));
    CHECK_OK(NULL, rouse_sim_start(&b.task));
    assert_int_equal(rouse_sim_first()->id, 1);
    assert_string_equal(rouse_sim_first()->name, "main");
    assert_int_equal(rouse_sim_first()->state, ROUSE_SIM_RUNNING);
    assert_int_equal(a.task.id, 2);
    assert_int_equal(b.task.id, 3);
    a.task.run = NULL;
    assert_int_equal(rouse_sim_start(NULL), -EINVAL);
    assert_int_equal(rouse_sim_start(&a.task), -EINVAL);
    a.task.run = turner_run;
    sim_pass(0);
}

static void task_is_started_again_only_when_it_has_ended(void **state)
{
    (void)state;
    static struct turner a;
    static struct actor b;
    rouse_fd pipe[2];
    a = turner("a", 1);
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    CHECK_OK(NULL, rouse_sim_start(&a.task));
    assert_int_equal(rouse_sim_start(&a.task), -EALREADY); /* ready */
    sim_pass(0);
    CHECK_JOURNAL("a");
    a.turns = 1;
    CHECK_OK(NULL, rouse_sim_start(&a.task));
    actor_start(&b, 'b', actor_reads, pipe[0]);
    CHECK_AWAKE("a");
    assert_int_equal(rouse_sim_start(&b.task), -EALREADY); /* asleep */
    a.turns = 1;
    CHECK_OK(NULL, rouse_sim_start(&a.task));
    rouse_sim_halt(); /* ends them where they are */
    assert_int_equal(a.task.state, ROUSE_SIM_ENDED);
    assert_int_equal(b.task.state, ROUSE_SIM_ENDED);
    assert_null(b.task.link.next);
    sim_reboot((struct rouse_sim_config){.seed = 1});
    CHECK_OK(NULL, rouse_sim_start(&a.task));
    sim_pass(0);
}

/* A wait that does not sleep lets those who are ready now have one turn each. */
static void wait_with_no_time_lets_the_others_have_their_turn(void **state)
{
    (void)state;
    struct turner a = turner("a", 2), b = turner("b", 9);
    rouse_fd epoll = OPENED(rouse_sim_epoll_create());
    struct rouse_event event;
    CHECK_OK(NULL, rouse_sim_start(&a.task));
    CHECK_OK(NULL, rouse_sim_start(&b.task));
    assert_int_equal(rouse_sim_epoll_wait(epoll, &event, 1, 0), 0);
    CHECK_JOURNAL("ab");
    assert_int_equal(rouse_sim_poll(NULL, 0, 0), 0);
    CHECK_JOURNAL("ab");
    assert_int_equal(rouse_sim_select(0, NULL, NULL, NULL, 0), 0);
    CHECK_JOURNAL("b");
    assert_int_equal(rouse_sim_count(ROUSE_SIM_SLEPT), 0);
    sim_pass(0);
}

/* ---- Asleep ---- */

static void sleeping_task_is_data_in_a_queue(void **state)
{
    (void)state;
    static struct actor a;
    struct rouse_sim_waiter waiter;
    rouse_fd pipe[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    actor_start(&a, 'a', actor_reads, pipe[0]);
    assert_int_equal(a.task.state, ROUSE_SIM_SLEEPING);
    assert_null(rouse_sim_queued(0));
    CHECK_OK(NULL, rouse_sim_waiter_at(pipe[0], 0, &waiter));
    assert_int_equal(waiter.how, ROUSE_SIM_BY_CALL);
    assert_int_equal(waiter.who, a.task.id);
    assert_int_equal(waiter.exclusive, 1);
    assert_int_equal(rouse_sim_waiter_at(pipe[0], 1, &waiter), -ENOENT);
    uint64_t scheduled = rouse_sim_count(ROUSE_SIM_SCHEDULED);
    sim_pass(1000000000);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_SCHEDULED), scheduled);
    assert_int_equal(rouse_sim_write(pipe[1], "x", 1), 1);
    assert_int_equal(a.task.state, ROUSE_SIM_READY);
    assert_int_equal(a.result, -ROUSE_SIM_ASLEEP);
    assert_ptr_equal(rouse_sim_queued(0), &a.task);
    assert_int_equal(rouse_sim_waiter_at(pipe[0], 0, &waiter), -ENOENT);
    CHECK_AWAKE("a");
    assert_int_equal(a.result, 1);
    assert_int_equal(a.task.state, ROUSE_SIM_ENDED);
}

static void first_task_sleeps_in_its_call_while_others_run(void **state)
{
    (void)state;
    static struct actor a;
    char byte;
    rouse_fd pipe[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    a = (struct actor){.task = {.run = actor_run}, .calls = actor_writes, .fd = pipe[1]};
    a.name = 'a';
    CHECK_OK(NULL, rouse_sim_start(&a.task));
    assert_int_equal(rouse_sim_read(pipe[0], &byte, 1), 1);
    CHECK_JOURNAL("a");
    assert_int_equal(rouse_sim_count(ROUSE_SIM_SLEPT), 1);
}

static rouse_fd sleepers[2]; /* a listener, and an epoll */

/* Goes on when it should have returned. */
static int64_t reads_and_goes_on(struct actor *self)
{
    char byte;
    int64_t n = actor_reads(self);
    if (n != -ROUSE_SIM_ASLEEP)
        return n;
    assert_int_equal(rouse_sim_read(self->fd, &byte, 1), -EALREADY);
    assert_int_equal(rouse_sim_accept(sleepers[0]), -EALREADY);
    assert_int_equal(rouse_sim_epoll_wait(sleepers[1], &self->event, 1, -1), -EALREADY);
    assert_int_equal(rouse_sim_sleep(5), -EALREADY);
    return n;
}

static void task_that_sleeps_is_put_to_sleep_once(void **state)
{
    (void)state;
    static struct actor a;
    struct rouse_sim_waiter waiter;
    rouse_fd pipe[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    sleepers[0] = OPENED(rouse_sim_listen(1));
    sleepers[1] = OPENED(rouse_sim_epoll_create());
    actor_start(&a, 'a', reads_and_goes_on, pipe[0]);
    assert_int_equal(rouse_sim_waiter_at(pipe[0], 1, &waiter), -ENOENT);
    for (int i = 0; i < 2; i++)
        assert_int_equal(rouse_sim_waiter_at(sleepers[i], 0, &waiter), -ENOENT);
    sim_pass(10);
    CHECK_JOURNAL("");
    assert_int_equal(rouse_sim_write(pipe[1], "x", 1), 1);
    CHECK_AWAKE("a");
    assert_int_equal(a.result, 1);
}

/* ---- Deadlock ---- */

static void when_all_sleep_and_nothing_is_to_come_the_first_is_told(void **state)
{
    (void)state;
    static struct actor a;
    char byte;
    struct rouse_event event;
    struct rouse_sim_waiter waiter;
    rouse_fd pipe[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    rouse_fd listener = OPENED(rouse_sim_listen(1));
    rouse_fd epoll = OPENED(rouse_sim_epoll_create());
    CHECK_OK(NULL, rouse_sim_epoll_ctl(epoll, ROUSE_SIM_ADD, listener, ROUSE_READ, 0));
    actor_start(&a, 'a', actor_reads, pipe[0]);
    struct rouse_sim_pollfd entry = {.fd = pipe[0], .want = ROUSE_READ};
    struct rouse_sim_set set = {.words = {1u << pipe[0]}};
    assert_int_equal(rouse_sim_read(pipe[0], &byte, 1), -EDEADLK);
    assert_int_equal(rouse_sim_accept(listener), -EDEADLK);
    assert_int_equal(rouse_sim_epoll_wait(epoll, &event, 1, -1), -EDEADLK);
    assert_int_equal(rouse_sim_poll(&entry, 1, -1), -EDEADLK);
    assert_int_equal(rouse_sim_poll(NULL, 0, -1), -EDEADLK);
    assert_int_equal(rouse_sim_select(1, &set, NULL, NULL, -1), -EDEADLK);
    assert_int_equal(set.words[0], 1u << pipe[0]);
    CHECK_OK(NULL, rouse_sim_waiter_at(pipe[0], 0, &waiter));
    assert_int_equal(waiter.who, a.task.id); /* who sleeps on */
    assert_int_equal(rouse_sim_waiter_at(pipe[0], 1, &waiter), -ENOENT);
    assert_int_equal(rouse_sim_waiter_at(epoll, 0, &waiter), -ENOENT);
    assert_int_equal(sim_look(pipe[0]).references, 2);
    assert_int_equal(sim_look(listener).references, 1);
    assert_int_equal(sim_look(epoll).references, 1);
    assert_int_equal(rouse_sim_now(), 0);
    assert_int_equal(rouse_sim_write(pipe[1], "x", 1), 1);
    CHECK_AWAKE("a");
}

/* ---- What only the first can ---- */

static int64_t does_what_only_the_first_can(struct actor *self)
{
    struct rouse_event event;
    struct rouse_sim_pollfd entry = {.fd = -1};
    struct rouse_sim_set set = {.words = {0}};
    assert_int_equal(rouse_sim_compute(1), -EPERM);
    assert_int_equal(rouse_sim_poll(&entry, 1, 1), -EPERM);
    assert_int_equal(rouse_sim_poll(&entry, 1, 0), -EPERM);
    assert_int_equal(rouse_sim_select(1, &set, NULL, NULL, -1), -EPERM);
    assert_int_equal(rouse_sim_epoll_wait(self->fd, &event, 1, 1000), -EPERM);
    assert_int_equal(rouse_sim_epoll_wait(self->fd, &event, 1, 0), 0);
    return 0;
}

static void others_are_refused_what_only_the_first_can(void **state)
{
    (void)state;
    static struct actor a;
    actor_start(&a, 'a', does_what_only_the_first_can, OPENED(rouse_sim_epoll_create()));
    CHECK_JOURNAL("a");
}

/* ---- A thread for each connection ---- */

enum { CLIENTS = 100, MESSAGE = 37 };

struct server {
    struct rouse_sim_task task;
    rouse_fd fd;
    char held[16];
    int64_t has, sent;
};

static int serve(struct rouse_sim_task *task)
{
    struct server *self = (struct server *)(void *)task;
    for (;;) {
        if (self->sent == self->has) {
            int64_t n = rouse_sim_read(self->fd, self->held, sizeof self->held);
            if (n == -ROUSE_SIM_ASLEEP)
                return 1;
            if (n <= 0)
                return (int)rouse_sim_close(self->fd);
            self->has = n;
            self->sent = 0;
        }
        int64_t n =
            rouse_sim_write(self->fd, self->held + self->sent, (size_t)(self->has - self->sent));
        if (n == -ROUSE_SIM_ASLEEP)
            return 1;
        assert_true(n > 0);
        self->sent += n;
    }
}

static void thread_for_each_of_a_hundred_connections(void **state)
{
    (void)state;
    static struct server servers[CLIENTS];
    static rouse_fd clients[CLIENTS];
    sim_reboot((struct rouse_sim_config){.latency = 50000, .room = 20});
    rouse_fd listener = OPENED(rouse_sim_listen(CLIENTS));
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = OPENED(rouse_sim_connect(listener));
    for (int i = 0; i < CLIENTS; i++) {
        servers[i] = (struct server){.task = {.name = "server", .run = serve}};
        servers[i].fd = OPENED(rouse_sim_accept(listener));
        CHECK_OK(NULL, rouse_sim_start(&servers[i].task));
    }
    sim_pass(0);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(servers[i].task.state, ROUSE_SIM_SLEEPING);
    for (int i = 0; i < CLIENTS; i++) {
        unsigned char sent[MESSAGE], received[MESSAGE];
        memset(sent, i, sizeof sent);
        for (size_t at = 0; at < MESSAGE;)
            at += (size_t)OPENED(rouse_sim_write(clients[i], sent + at, MESSAGE - at));
        CHECK_OK(NULL, rouse_sim_shut(clients[i], ROUSE_WRITE));
        for (size_t at = 0; at < MESSAGE;) {
            int64_t n = rouse_sim_read(clients[i], received + at, MESSAGE - at);
            assert_true(n > 0);
            at += (size_t)n;
        }
        assert_memory_equal(received, sent, MESSAGE);
        assert_int_equal(rouse_sim_read(clients[i], received, 1), 0);
    }
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(servers[i].task.state, ROUSE_SIM_ENDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(tasks_take_turns_in_the_order_of_the_run_queue),
        CASE(each_task_has_a_number_and_the_first_is_main),
        CASE(task_is_started_again_only_when_it_has_ended),
        CASE(wait_with_no_time_lets_the_others_have_their_turn),
        CASE(sleeping_task_is_data_in_a_queue),
        CASE(first_task_sleeps_in_its_call_while_others_run),
        CASE(when_all_sleep_and_nothing_is_to_come_the_first_is_told),
        CASE(task_that_sleeps_is_put_to_sleep_once),
        CASE(others_are_refused_what_only_the_first_can),
        CASE(thread_for_each_of_a_hundred_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
