/*
 * The machine's epoll: what it is told to keep, what its hook puts on the ready list, what a wait
 * takes from it, and how long it lasts.
 *
 * SPDX-License-Identifier: MIT
 */
#include "sim_epoll.h"

/* ---- What it keeps ---- */

static void each_operation_says_what_is_wrong(void **state)
{
    (void)state;
    rouse_fd pipe[2];
    struct rouse_event event;
    sim_pipe(pipe);
    assert_int_equal(change(pipe[0], ROUSE_READ), -ENOENT);
    assert_int_equal(take_out(pipe[0]), -ENOENT);
    CHECK_OK(NULL, add_to(epoll, pipe[0], ROUSE_READ));
    assert_int_equal(add_to(epoll, pipe[0], ROUSE_READ), -EEXIST);
    for (rouse_fd fd = pipe[0]; fd <= pipe[1]; fd++) /* one of which is watched */
        assert_int_equal(rouse_sim_epoll_ctl(epoll, (enum rouse_sim_op)3, fd, ROUSE_WRITE, 0),
                         -EINVAL);
    CHECK_READY(0);
    assert_int_equal(add_to(epoll, epoll, ROUSE_READ), -EINVAL);
    assert_int_equal(add_to(pipe[0], pipe[1], ROUSE_READ), -EINVAL);
    assert_int_equal(rouse_sim_epoll_wait(pipe[0], &event, 1, 0), -EINVAL);
    assert_int_equal(rouse_sim_epoll_wait(epoll, &event, 0, 0), -EINVAL);
    CHECK_OK(NULL, take_out(pipe[0]));
    assert_int_equal(take_out(pipe[0]), -ENOENT);
    assert_true(rouse_sim_read(epoll, &event, 1) < 0);
}

static void it_is_hooked_once_and_stays_so(void **state)
{
    (void)state;
    struct rouse_sim_waiter waiter;
    rouse_fd pipe[2];
    sim_pipe(pipe);
    CHECK_OK(NULL, add_to(epoll, pipe[0], ROUSE_READ));
    CHECK_OK(NULL, rouse_sim_waiter_at(pipe[0], 0, &waiter));
    assert_int_equal(waiter.how, ROUSE_SIM_BY_HOOK);
    assert_int_equal(waiter.who, sim_look(epoll).object);
    assert_int_equal(waiter.exclusive, 0);
    for (int i = 0; i < 10; i++) {
        send_byte(pipe);
        CHECK_READY(ROUSE_READ);
        receive_byte(pipe);
        CHECK_READY(0);
    }
    assert_int_equal(rouse_sim_count(ROUSE_SIM_LINKED), 1);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_HOOKED), 10);
    CHECK_OK(NULL, take_out(pipe[0]));
    assert_int_equal(rouse_sim_waiter_at(pipe[0], 0, &waiter), -ENOENT);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_UNLINKED), 1);
}

static void what_is_ready_when_it_comes_is_told(void **state)
{
    (void)state;
    rouse_fd pipe[2];
    sim_pipe(pipe);
    send_byte(pipe);
    CHECK_OK(NULL, add_to(epoll, pipe[0], ROUSE_READ));
    CHECK_READY(ROUSE_READ);
    CHECK_OK(NULL, change(pipe[0], ROUSE_WRITE));
    CHECK_READY(0);
    CHECK_OK(NULL, change(pipe[0], ROUSE_READ));
    assert_int_equal(wait_on(epoll).token, (uint64_t)pipe[0] + 2000);
}

static void only_what_is_wanted_is_told_and_errors_always(void **state)
{
    (void)state;
    rouse_fd ends[2];
    sim_connect(ends);
    CHECK_OK(NULL, add_to(epoll, ends[0], 0));
    CHECK_READY(0);
    assert_int_equal(rouse_sim_write(ends[1], "x", 1), 1);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_HOOKED), 1);
    assert_int_equal(rouse_sim_listed(epoll, 0), -ENOENT);
    CHECK_READY(0);
    CHECK_OK(NULL, change(ends[0], ROUSE_READ));
    CHECK_READY(ROUSE_READ);
    CHECK_OK(NULL, change(ends[0], ROUSE_WRITE));
    CHECK_READY(ROUSE_WRITE);
    CHECK_OK(NULL, rouse_sim_shut(ends[1], ROUSE_WRITE));
    CHECK_OK(NULL, change(ends[0], ROUSE_HANGUP));
    CHECK_READY(ROUSE_HANGUP); /* the half of one */
    CHECK_OK(NULL, change(ends[0], 0));
    CHECK_READY(0);
    CHECK_OK(NULL, rouse_sim_reset(ends[1]));
    CHECK_READY(ROUSE_ERROR | ROUSE_HANGUP);
    CHECK_OK(NULL, take_out(ends[0]));
    CHECK_OK(NULL, add_to(epoll, ends[0], 0));
    CHECK_READY(ROUSE_ERROR | ROUSE_HANGUP);
}

static void level_is_told_until_it_is_over_and_an_edge_once(void **state)
{
    (void)state;
    rouse_fd pipe[2];
    sim_pipe(pipe);
    CHECK_OK(NULL, add_to(epoll, pipe[0], ROUSE_READ));
    send_byte(pipe);
    for (int i = 0; i < 3; i++)
        CHECK_READY(ROUSE_READ);
    CHECK_OK(NULL, change(pipe[0], ROUSE_READ | ROUSE_EDGE));
    CHECK_READY(ROUSE_READ);
    CHECK_READY(0);
    assert_int_equal(rouse_sim_listed(epoll, 0), -ENOENT);
    send_byte(pipe);
    CHECK_READY(ROUSE_READ);
    CHECK_READY(0);
    receive_byte(pipe); /* and one is left, which nobody is told of */
    CHECK_READY(0);
}

static void oneshot_is_told_once_until_it_is_set_again(void **state)
{
    (void)state;
    for (uint32_t edge = 0; edge <= ROUSE_EDGE; edge += ROUSE_EDGE) {
        rouse_fd pipe[2];
        sim_pipe(pipe);
        CHECK_OK(NULL, add_to(epoll, pipe[0], ROUSE_READ | ROUSE_ONESHOT | edge));
        send_byte(pipe);
        CHECK_READY(ROUSE_READ);
        CHECK_READY(0);
        send_byte(pipe);
        CHECK_READY(0);
        CHECK_OK(NULL, rouse_sim_close(pipe[1])); /* a hangup, too */
        CHECK_READY(0);
        assert_int_equal(rouse_sim_watched(epoll, 0), pipe[0]);
        CHECK_OK(NULL, change(pipe[0], ROUSE_READ | ROUSE_ONESHOT | edge));
        CHECK_READY(ROUSE_READ | ROUSE_HANGUP);
        CHECK_READY(0);
        CHECK_OK(NULL, rouse_sim_close(pipe[0]));
        assert_int_equal(rouse_sim_watched(epoll, 0), -ENOENT);
    }
}

/* It is the file that is watched, under the number that it had. */
static void duplicate_keeps_a_registration_alive(void **state)
{
    (void)state;
    rouse_fd pipe[2];
    sim_pipe(pipe);
    CHECK_OK(NULL, add_to(epoll, pipe[0], ROUSE_READ));
    rouse_fd copy = OPENED(rouse_sim_dup(pipe[0]));
    CHECK_OK(NULL, add_to(epoll, copy, ROUSE_WRITE));
    CHECK_OK(NULL, rouse_sim_close(pipe[0]));
    send_byte(pipe);
    assert_int_equal(wait_on(epoll).token, (uint64_t)pipe[0] + 1000);
    assert_int_equal(take_out(pipe[0]), -EBADF);
    rouse_fd other = OPENED(rouse_sim_socket());
    assert_int_equal(other, pipe[0]);
    assert_int_equal(take_out(other), -ENOENT);
    CHECK_OK(NULL, rouse_sim_close(copy));
    assert_int_equal(rouse_sim_watched(epoll, 0), -ENOENT);
    CHECK_READY(0);
}

/* ---- The ready list ---- */

static void those_that_found_no_room_come_first_the_next_time(void **state)
{
    (void)state;
    enum { MANY = 10, AT_ONCE = 3 };
    rouse_fd pipes[MANY][2];
    for (int i = 0; i < MANY; i++) {
        sim_pipe(pipes[i]);
        CHECK_OK(NULL, add_to(epoll, pipes[i][0], ROUSE_READ));
    }
    for (int i = 0; i < MANY; i++)
        send_byte(pipes[i * 3 % MANY]); /* in another order than that of their numbers */
    int next = 0;
    for (int wait = 0; wait < 20; wait++) {
        struct rouse_event events[AT_ONCE];
        assert_int_equal(rouse_sim_epoll_wait(epoll, events, AT_ONCE, 0), AT_ONCE);
        for (int i = 0; i < AT_ONCE; i++, next = (next + 3) % MANY)
            assert_int_equal(events[i].token, (uint64_t)pipes[next][0] + 1000);
    }
    for (unsigned i = 0; i < MANY; i++, next = (next + 3) % MANY)
        assert_int_equal(rouse_sim_listed(epoll, i), pipes[next][0]);
}

static void what_is_listed_and_ready_no_more_is_not_told(void **state)
{
    (void)state;
    rouse_fd pipe[2], other[2];
    sim_pipe(pipe);
    sim_pipe(other);
    CHECK_OK(NULL, add_to(epoll, pipe[0], ROUSE_READ));
    CHECK_OK(NULL, add_to(epoll, other[0], ROUSE_READ));
    send_byte(pipe);
    send_byte(other);
    receive_byte(pipe);
    assert_int_equal(rouse_sim_listed(epoll, 0), pipe[0]);
    assert_int_equal(wait_on(epoll).token, (uint64_t)other[0] + 1000);
    assert_int_equal(rouse_sim_listed(epoll, 0), other[0]);
    assert_int_equal(rouse_sim_listed(epoll, 1), -ENOENT);
    CHECK_OK(NULL, take_out(other[0])); /* while it is listed */
    assert_int_equal(rouse_sim_listed(epoll, 0), -ENOENT);
    CHECK_READY(0);
}

/* An event costs by itself, and what is watched beside it costs nothing. */
static void event_is_not_searched_for(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    rouse_fd pipes[MANY][2];
    for (int i = 0; i < MANY; i++) {
        sim_pipe(pipes[i]);
        CHECK_OK(NULL, add_to(epoll, pipes[i][0], ROUSE_READ));
    }
    uint64_t searched = rouse_sim_count(ROUSE_SIM_SEARCHED);
    uint64_t asked = rouse_sim_count(ROUSE_SIM_ASKED);
    send_byte(pipes[500]);
    CHECK_READY(ROUSE_READ);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_SEARCHED), searched);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_ASKED), asked + 1);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_HOOKED), 1);
}

/* ---- How long a wait lasts ---- */

static void wait_ends_when_its_time_is_over(void **state)
{
    (void)state;
    struct rouse_event event;
    assert_int_equal(rouse_sim_epoll_wait(epoll, &event, 1, 5000), 0);
    assert_int_equal(rouse_sim_now(), 5000);
    assert_int_equal(rouse_sim_epoll_wait(epoll, &event, 1, 0), 0);
    assert_int_equal(rouse_sim_now(), 5000);
    CHECK_OK(NULL, rouse_sim_sleep(9000)); /* no alarm is left behind */
    assert_int_equal(rouse_sim_count(ROUSE_SIM_SLEPT), 2);
}

static rouse_fd late_fd;

static void write_to_it(struct rouse_sim_event *event)
{
    (void)event;
    assert_int_equal(rouse_sim_write(late_fd, "x", 1), 1);
}

static void wait_ends_when_something_comes(void **state)
{
    (void)state;
    struct rouse_event event;
    struct rouse_sim_event late = {.fn = write_to_it};
    rouse_fd pipe[2];
    sim_pipe(pipe);
    late_fd = pipe[1];
    CHECK_OK(NULL, add_to(epoll, pipe[0], ROUSE_READ));
    CHECK_OK(NULL, rouse_sim_at(&late, 700));
    assert_int_equal(rouse_sim_epoll_wait(epoll, &event, 1, 5000), 1);
    assert_int_equal(rouse_sim_now(), 700);
    assert_int_equal(rouse_sim_epoll_wait(epoll, &event, 1, -1), 1);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_SLEPT), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EPOLL(each_operation_says_what_is_wrong),
        EPOLL(it_is_hooked_once_and_stays_so),
        EPOLL(what_is_ready_when_it_comes_is_told),
        EPOLL(only_what_is_wanted_is_told_and_errors_always),
        EPOLL(level_is_told_until_it_is_over_and_an_edge_once),
        EPOLL(oneshot_is_told_once_until_it_is_set_again),
        EPOLL(duplicate_keeps_a_registration_alive),
        EPOLL(those_that_found_no_room_come_first_the_next_time),
        EPOLL(what_is_listed_and_ready_no_more_is_not_told),
        EPOLL(event_is_not_searched_for),
        EPOLL(wait_ends_when_its_time_is_over),
        EPOLL(wait_ends_when_something_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
