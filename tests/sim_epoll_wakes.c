/*
 * Who is woken of those that sleep in the machine's epolls: of several in one, and of several
 * epolls on one file.
 *
 * SPDX-License-Identifier: MIT
 */
#include "sim_epoll.h"

static void of_those_who_sleep_in_one_epoll_one_is_woken_for_an_edge(void **state)
{
    (void)state;
    static struct actor actors[3];
    rouse_fd pipe[2];
    sim_pipe(pipe);
    CHECK_OK(NULL, add_to(epoll, pipe[0], ROUSE_READ | ROUSE_EDGE));
    for (int i = 0; i < 3; i++)
        actor_start(&actors[i], (char)('a' + i), actor_waits, epoll);
    send_byte(pipe);
    CHECK_AWAKE("c"); /* the last comer first, as on Linux */
    assert_int_equal(actors[2].event.token, (uint64_t)pipe[0] + 1000);
    send_byte(pipe);
    CHECK_AWAKE("b");
}

/* By level, whoever takes an event leaves it on the list, and another is there to take it. */
static void by_level_each_who_sleeps_is_woken_by_the_one_before(void **state)
{
    (void)state;
    static struct actor actors[3];
    rouse_fd pipe[2];
    sim_pipe(pipe);
    CHECK_OK(NULL, add_to(epoll, pipe[0], ROUSE_READ));
    for (int i = 0; i < 3; i++)
        actor_start(&actors[i], (char)('a' + i), actor_waits, epoll);
    send_byte(pipe);
    CHECK_AWAKE("cba");
}

static void what_one_leaves_on_the_list_the_next_is_woken_for(void **state)
{
    (void)state;
    static struct actor a, b;
    rouse_fd pipe[2], other[2];
    sim_pipe(pipe);
    sim_pipe(other);
    rouse_fd inner = OPENED(rouse_sim_epoll_create());
    CHECK_OK(NULL, add_to(inner, pipe[0], ROUSE_READ | ROUSE_EDGE));
    CHECK_OK(NULL, add_to(inner, other[0], ROUSE_READ | ROUSE_EDGE));
    send_byte(pipe);
    send_byte(other);
    actor_start(&a, 'a', actor_waits, epoll);
    actor_start(&b, 'b', actor_waits, epoll);
    CHECK_JOURNAL("");
    /* What comes in one walk wakes one; it takes one of the two. */
    CHECK_OK(NULL, add_to(epoll, inner, ROUSE_READ));
    CHECK_AWAKE("ba");
}

static int64_t reads_what_it_waited_for(struct actor *self)
{
    int64_t n = actor_waits(self);
    char byte;
    return n > 0 ? rouse_sim_read((rouse_fd)self->event.token - 1000, &byte, 1) : n;
}

/* Each of three tasks has an epoll of its own on the same pipe. */
static void herd(uint32_t exclusive, const char *word, uint64_t readied)
{
    rouse_fd pipe[2], epolls[3];
    static struct actor actors[3];
    sim_pipe(pipe);
    for (int i = 0; i < 3; i++) {
        epolls[i] = OPENED(rouse_sim_epoll_create());
        CHECK_OK(NULL, add_to(epolls[i], pipe[0], ROUSE_READ | exclusive));
        actor_start(&actors[i], (char)('a' + i), reads_what_it_waited_for, epolls[i]);
    }
    uint64_t before = rouse_sim_count(ROUSE_SIM_READIED);
    send_byte(pipe);
    CHECK_AWAKE(word);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_READIED), before + readied);
    for (int i = 0; i < 3; i++)
        rouse_sim_interrupt(&actors[i].task);
    sim_pass(0);
    journal_take();
}

static void of_several_epolls_all_are_woken_unless_they_are_exclusive(void **state)
{
    (void)state;
    herd(0, "c", 3); /* the last comer reads, the others find nothing */
    herd(ROUSE_SIM_EXCLUSIVE, "a", 1);
}

/* Else what nobody waits for where it went would wake nobody where somebody waits. */
static void exclusive_epoll_in_which_nobody_sleeps_does_not_end_the_walk(void **state)
{
    (void)state;
    static struct actor b;
    struct rouse_sim_waiter waiter;
    rouse_fd pipe[2];
    sim_pipe(pipe);
    rouse_fd other = OPENED(rouse_sim_epoll_create());
    CHECK_OK(NULL, add_to(epoll, pipe[0], ROUSE_READ | ROUSE_SIM_EXCLUSIVE));
    CHECK_OK(NULL, add_to(other, pipe[0], ROUSE_READ | ROUSE_SIM_EXCLUSIVE));
    CHECK_OK(NULL, rouse_sim_waiter_at(pipe[0], 0, &waiter));
    assert_int_equal(waiter.exclusive, 1);
    assert_int_equal(waiter.who, sim_look(epoll).object);
    actor_start(&b, 'b', actor_waits, other);
    send_byte(pipe);
    CHECK_AWAKE("b");
}

static void exclusive_is_for_good_and_for_plain_watches(void **state)
{
    (void)state;
    enum { EXCLUSIVE = ROUSE_READ | ROUSE_SIM_EXCLUSIVE };
    rouse_fd pipe[2];
    sim_pipe(pipe);
    rouse_fd other = OPENED(rouse_sim_epoll_create());
    const uint32_t too_much[] = {ROUSE_ONESHOT, ROUSE_HANGUP, ROUSE_PRIORITY};
    for (int i = 0; i < 3; i++)
        assert_int_equal(add_to(epoll, pipe[0], EXCLUSIVE | too_much[i]), -EINVAL);
    assert_int_equal(change(pipe[0], EXCLUSIVE), -EINVAL); /* and not -ENOENT */
    assert_int_equal(add_to(epoll, other, EXCLUSIVE), -EINVAL);
    CHECK_OK(NULL, add_to(epoll, pipe[1], EXCLUSIVE | ROUSE_WRITE));
    CHECK_OK(NULL, add_to(epoll, pipe[0], EXCLUSIVE | ROUSE_EDGE));
    CHECK_OK(NULL, add_to(other, pipe[0], ROUSE_READ));
    for (int i = 0; i < 2; i++) {
        rouse_fd held = i == 0 ? epoll : other;
        uint32_t want = i == 0 ? ROUSE_READ : EXCLUSIVE;
        assert_int_equal(rouse_sim_epoll_ctl(held, ROUSE_SIM_MODIFY, pipe[0], want, 0), -EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EPOLL(of_those_who_sleep_in_one_epoll_one_is_woken_for_an_edge),
        EPOLL(by_level_each_who_sleeps_is_woken_by_the_one_before),
        EPOLL(what_one_leaves_on_the_list_the_next_is_woken_for),
        EPOLL(of_several_epolls_all_are_woken_unless_they_are_exclusive),
        EPOLL(exclusive_epoll_in_which_nobody_sleeps_does_not_end_the_walk),
        EPOLL(exclusive_is_for_good_and_for_plain_watches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
