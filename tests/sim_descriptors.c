/*
 * The machine's descriptors: which number a new one gets, who holds a file and how long, and what
 * becomes of a call whose descriptor is closed under it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "sim.h"

static void new_one_is_the_lowest_free_number(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(rouse_sim_socket(), i);
    CHECK_OK(NULL, rouse_sim_close(7));
    CHECK_OK(NULL, rouse_sim_close(3));
    rouse_fd pipe[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    assert_int_equal(pipe[0], 3);
    assert_int_equal(pipe[1], 7);
    assert_int_equal(rouse_sim_epoll_create(), 10);
    assert_int_equal(rouse_sim_dup2(0, 20), 20);
    assert_int_equal(rouse_sim_dup(0), 11);
}

static void duplicates_share_the_file(void **state)
{
    (void)state;
    rouse_fd pipe[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    rouse_fd copy = OPENED(rouse_sim_dup(pipe[1]));
    assert_int_equal(sim_look(copy).object, sim_look(pipe[1]).object);
    assert_int_not_equal(sim_look(copy).object, sim_look(pipe[0]).object);
    assert_int_equal(sim_look(copy).references, 2);
    CHECK_OK(NULL, rouse_sim_block(copy, false));
    assert_int_equal(sim_look(pipe[1]).blocks, 0);
    assert_int_equal(sim_look(pipe[0]).blocks, 1);
    CHECK_OK(NULL, rouse_sim_close(pipe[1]));
    assert_int_equal(sim_look(pipe[0]).ready, 0);
    assert_int_equal(sim_look(copy).references, 1);
    CHECK_OK(NULL, rouse_sim_close(copy));
    assert_int_equal(sim_look(pipe[0]).ready, ROUSE_HANGUP);
}

static void dup2_takes_the_place_of_what_was_there(void **state)
{
    (void)state;
    rouse_fd pipe[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    rouse_fd other = OPENED(rouse_sim_socket());
    assert_int_equal(rouse_sim_dup2(other, pipe[1]), pipe[1]);
    assert_int_equal(sim_look(pipe[0]).ready, ROUSE_HANGUP);
    assert_int_equal(sim_look(pipe[1]).object, sim_look(other).object);
    assert_int_equal(sim_look(other).references, 2);
    assert_int_equal(rouse_sim_dup2(other, other), other);
    assert_int_equal(sim_look(other).references, 2);
}

static void dup2_that_fails_closes_nothing(void **state)
{
    (void)state;
    sim_reboot((struct rouse_sim_config){.descriptors = 4});
    rouse_fd one = OPENED(rouse_sim_socket());
    assert_int_equal(rouse_sim_dup2(3, one), -EBADF);
    assert_int_equal(rouse_sim_dup2(one, 4), -EBADF);
    assert_int_equal(rouse_sim_dup2(one, -1), -EBADF);
    assert_int_equal(sim_look(one).references, 1);
    assert_int_equal(rouse_sim_dup2(one, 3), 3);
}

static void what_is_not_open_is_refused_by_every_call(void **state)
{
    (void)state;
    const rouse_fd bad[] = {-1, 5, 1024, INT32_MAX};
    rouse_fd epoll = OPENED(rouse_sim_epoll_create());
    struct rouse_sim_file file;
    struct rouse_sim_waiter waiter;
    struct rouse_event event;
    char byte = 0;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(rouse_sim_close(bad[i]), -EBADF);
        assert_int_equal(rouse_sim_dup(bad[i]), -EBADF);
        assert_int_equal(rouse_sim_dup2(bad[i], 3), -EBADF);
        assert_int_equal(rouse_sim_reset(bad[i]), -EBADF);
        assert_int_equal(rouse_sim_accept(bad[i]), -EBADF);
        assert_int_equal(rouse_sim_connect(bad[i]), -EBADF);
        assert_int_equal(rouse_sim_read(bad[i], &byte, 1), -EBADF);
        assert_int_equal(rouse_sim_write(bad[i], &byte, 1), -EBADF);
        assert_int_equal(rouse_sim_shut(bad[i], ROUSE_READ), -EBADF);
        assert_int_equal(rouse_sim_error(bad[i]), -EBADF);
        assert_int_equal(rouse_sim_block(bad[i], 0), -EBADF);
        assert_int_equal(rouse_sim_look(bad[i], &file), -EBADF);
        assert_int_equal(rouse_sim_waiter_at(bad[i], 0, &waiter), -EBADF);
        assert_int_equal(rouse_sim_watched(bad[i], 0), -EBADF);
        assert_int_equal(rouse_sim_listed(bad[i], 0), -EBADF);
        assert_int_equal(rouse_sim_epoll_wait(bad[i], &event, 1, 0), -EBADF);
        assert_int_equal(rouse_sim_epoll_ctl(epoll, ROUSE_SIM_ADD, bad[i], 1, 0), -EBADF);
        assert_int_equal(rouse_sim_epoll_ctl(bad[i], ROUSE_SIM_ADD, epoll, 1, 0), -EBADF);
    }
}

/* ---- The limit ---- */

enum { LIMIT = 6 };

static int make_pipe(rouse_fd listener)
{
    (void)listener;
    rouse_fd fds[2];
    return rouse_sim_pipe(fds);
}

static int make_pair(rouse_fd listener)
{
    (void)listener;
    rouse_fd fds[2];
    return rouse_sim_pair(fds);
}

static int make_socket(rouse_fd listener)
{
    (void)listener;
    return rouse_sim_socket();
}

static int make_listener(rouse_fd listener)
{
    (void)listener;
    return rouse_sim_listen(1);
}

static int make_epoll(rouse_fd listener)
{
    (void)listener;
    return rouse_sim_epoll_create();
}

static const struct maker {
    int (*make)(rouse_fd listener);
    int takes;
} makers[] = {
    {make_pipe, 2},         {make_pair, 2},     {make_socket, 1},      {make_listener, 1},
    {rouse_sim_connect, 1}, {rouse_sim_dup, 1}, {rouse_sim_accept, 1}, {make_epoll, 1},
};

static int count_open(void)
{
    int count = 0;
    struct rouse_sim_file file;
    for (rouse_fd fd = 0; fd < LIMIT; fd++)
        count += rouse_sim_look(fd, &file) == 0;
    return count;
}

static void every_maker_knows_the_limit(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
        for (int left = 0; left <= makers[i].takes; left++) {
            sim_reboot((struct rouse_sim_config){.descriptors = LIMIT});
            rouse_fd listener = OPENED(rouse_sim_listen(2));
            OPENED(rouse_sim_connect(listener)); /* waits to be accepted */
            while (count_open() < LIMIT - left)
                OPENED(rouse_sim_dup(listener));
            int result = makers[i].make(listener);
            if (left < makers[i].takes) {
                assert_int_equal(result, -EMFILE);
                assert_int_equal(count_open(), LIMIT - left);
            } else {
                assert_true(result >= 0);
                assert_int_equal(count_open(), LIMIT);
            }
        }
}

static void two_need_a_place_for_their_numbers(void **state)
{
    (void)state;
    assert_int_equal(rouse_sim_pipe(NULL), -EINVAL);
    assert_int_equal(rouse_sim_pair(NULL), -EINVAL);
    assert_int_equal(OPENED(rouse_sim_socket()), 0);
}

static void connection_that_found_no_number_waits_on(void **state)
{
    (void)state;
    sim_reboot((struct rouse_sim_config){.descriptors = 3});
    rouse_fd listener = OPENED(rouse_sim_listen(2));
    rouse_fd client = OPENED(rouse_sim_connect(listener));
    rouse_fd third = OPENED(rouse_sim_socket());
    assert_int_equal(rouse_sim_write(client, "x", 1), 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rouse_sim_accept(listener), -EMFILE);
    assert_int_equal(sim_look(listener).received, 1);
    CHECK_OK(NULL, rouse_sim_close(third));
    assert_int_equal(rouse_sim_accept(listener), third);
    assert_int_equal(sim_look(third).received, 1);
    assert_int_equal(sim_look(third).references, 1);
}

/* ---- Closed under a call ---- */

/* The call holds the file, so it is there until the task is woken; which then finds the number
 * closed. */
static void file_stays_as_long_as_a_call_sleeps_on_it(void **state)
{
    (void)state;
    static struct actor a;
    rouse_fd pipe[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    actor_start(&a, 'a', actor_reads, pipe[0]);
    assert_int_equal(a.result, -ROUSE_SIM_ASLEEP);
    assert_int_equal(sim_look(pipe[0]).references, 2);
    CHECK_OK(NULL, rouse_sim_close(pipe[0]));
    CHECK_AWAKE("");
    assert_int_equal(sim_look(pipe[1]).ready, ROUSE_WRITE);
    assert_int_equal(rouse_sim_write(pipe[1], "x", 1), 1);
    CHECK_AWAKE("a");
    assert_int_equal(a.result, -EBADF);
    assert_int_equal(rouse_sim_write(pipe[1], "x", 1), -EPIPE);
}

/* Woken by a walk, the task gives up a file whose queue is being walked, and in which an epoll's
 * hook is next: it is released behind the walk, and with it what the epoll keeps. */
static void file_is_given_up_in_the_walk_of_its_own_queue(void **state)
{
    (void)state;
    static struct actor a;
    struct rouse_sim_waiter waiter;
    rouse_fd pair[2];
    CHECK_OK(NULL, rouse_sim_pair(pair));
    rouse_fd epoll = OPENED(rouse_sim_epoll_create());
    CHECK_OK(NULL, rouse_sim_epoll_ctl(epoll, ROUSE_SIM_ADD, pair[0], ROUSE_READ, 1));
    actor_start(&a, 'a', actor_reads, pair[0]);
    CHECK_OK(NULL, rouse_sim_waiter_at(pair[0], 0, &waiter));
    assert_int_equal(waiter.how, ROUSE_SIM_BY_CALL);
    CHECK_OK(NULL, rouse_sim_waiter_at(pair[0], 1, &waiter));
    assert_int_equal(waiter.how, ROUSE_SIM_BY_HOOK);
    CHECK_OK(NULL, rouse_sim_close(pair[0]));
    assert_int_equal(rouse_sim_watched(epoll, 0), pair[0]);
    assert_int_equal(rouse_sim_write(pair[1], "x", 1), 1);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_HOOKED), 1);
    assert_int_equal(rouse_sim_watched(epoll, 0), -ENOENT);
    assert_int_equal(rouse_sim_listed(epoll, 0), -ENOENT);
    CHECK_AWAKE("a");
    assert_int_equal(a.result, -EBADF);
    assert_int_equal(rouse_sim_write(pair[1], "x", 1), -EPIPE);
}

static void epoll_stays_as_long_as_a_task_sleeps_in_it(void **state)
{
    (void)state;
    static struct actor a, b;
    struct rouse_sim_waiter waiter;
    rouse_fd pipe[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    rouse_fd epoll = OPENED(rouse_sim_epoll_create());
    CHECK_OK(NULL, rouse_sim_epoll_ctl(epoll, ROUSE_SIM_ADD, pipe[0], ROUSE_READ, 1));
    actor_start(&a, 'a', actor_waits, epoll);
    actor_start(&b, 'b', actor_waits, epoll);
    CHECK_OK(NULL, rouse_sim_close(epoll));
    CHECK_AWAKE("");
    assert_int_equal(rouse_sim_write(pipe[1], "x", 1), 1);
    CHECK_AWAKE("b");
    assert_int_equal(b.result, -EBADF);
    CHECK_OK(NULL, rouse_sim_waiter_at(pipe[0], 0, &waiter)); /* a sleeps in it still */
    assert_int_equal(rouse_sim_write(pipe[1], "x", 1), 1);
    CHECK_AWAKE("a");
    assert_int_equal(rouse_sim_waiter_at(pipe[0], 0, &waiter), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(new_one_is_the_lowest_free_number),
        CASE(duplicates_share_the_file),
        CASE(dup2_takes_the_place_of_what_was_there),
        CASE(dup2_that_fails_closes_nothing),
        CASE(what_is_not_open_is_refused_by_every_call),
        CASE(every_maker_knows_the_limit),
        CASE(two_need_a_place_for_their_numbers),
        CASE(connection_that_found_no_number_waits_on),
        CASE(file_stays_as_long_as_a_call_sleeps_on_it),
        CASE(file_is_given_up_in_the_walk_of_its_own_queue),
        CASE(epoll_stays_as_long_as_a_task_sleeps_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
