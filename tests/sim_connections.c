/*
 * The machine's connections, which take time: nothing arrives before its time, nothing is sent
 * while something is on its way, and who connects, listens or closes meanwhile is told what became
 * of it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "sim.h"

enum { LATENCY = 1000 };

static rouse_fd listener;

static int set_up(void **state)
{
    int failed = sim_setup(state);
    sim_reboot((struct rouse_sim_config){.seed = 1, .latency = LATENCY});
    listener = OPENED(rouse_sim_listen(2));
    CHECK_OK(NULL, rouse_sim_block(listener, false));
    return failed;
}

#define TIMED(name) cmocka_unit_test_setup_teardown(name, set_up, sim_teardown)

static rouse_fd connect_to(rouse_fd whom)
{
    rouse_fd client = OPENED(rouse_sim_connect(whom));
    CHECK_OK(NULL, rouse_sim_block(client, false));
    return client;
}

static void open_ends(rouse_fd ends[2])
{
    ends[0] = connect_to(listener);
    sim_pass(LATENCY);
    ends[1] = OPENED(rouse_sim_accept(listener));
    CHECK_OK(NULL, rouse_sim_block(ends[1], false));
}

static int64_t get(rouse_fd fd)
{
    char buffer[100];
    return rouse_sim_read(fd, buffer, sizeof buffer);
}

static void connection_takes_the_way_of_one_packet(void **state)
{
    (void)state;
    rouse_fd client = connect_to(listener);
    sim_pass(LATENCY - 1);
    assert_int_equal(sim_look(client).ready, 0);
    assert_int_equal(sim_look(listener).ready, 0);
    assert_int_equal(rouse_sim_write(client, "x", 1), -EAGAIN);
    assert_int_equal(get(client), -EAGAIN);
    assert_int_equal(rouse_sim_accept(listener), -EAGAIN);
    sim_pass(1);
    assert_int_equal(sim_look(client).ready, ROUSE_WRITE);
    assert_int_equal(sim_look(listener).ready, ROUSE_READ);
    assert_int_equal(sim_look(listener).received, 1);
    assert_int_equal(rouse_sim_error(client), 0);
    OPENED(rouse_sim_accept(listener));
    assert_int_equal(sim_look(listener).ready, 0);
}

static void bytes_arrive_when_it_is_time_and_not_before(void **state)
{
    (void)state;
    rouse_fd ends[2];
    open_ends(ends);
    assert_int_equal(rouse_sim_write(ends[0], "hello", 5), 5);
    sim_pass(LATENCY - 1);
    assert_int_equal(sim_look(ends[0]).sent, 5);
    assert_int_equal(sim_look(ends[1]).ready, ROUSE_WRITE);
    assert_int_equal(get(ends[1]), -EAGAIN);
    sim_pass(1);
    assert_int_equal(sim_look(ends[0]).sent, 0);
    assert_int_equal(sim_look(ends[1]).received, 5);
    assert_int_equal(get(ends[1]), 5);
}

static void bytes_written_during_a_flight_come_with_the_next_packet(void **state)
{
    (void)state;
    rouse_fd ends[2];
    open_ends(ends);
    uint64_t arrived = rouse_sim_count(ROUSE_SIM_ARRIVED);
    assert_int_equal(rouse_sim_write(ends[0], "ab", 2), 2);
    sim_pass(LATENCY / 2);
    assert_int_equal(rouse_sim_write(ends[0], "cd", 2), 2);
    assert_int_equal(rouse_sim_write(ends[0], "e", 1), 1);
    sim_pass(LATENCY / 2);
    assert_int_equal(sim_look(ends[1]).received, 2);
    sim_pass(LATENCY - 1);
    assert_int_equal(sim_look(ends[1]).received, 2);
    sim_pass(1);
    char buffer[10];
    assert_int_equal(rouse_sim_read(ends[1], buffer, sizeof buffer), 5);
    assert_memory_equal(buffer, "abcde", 5);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_ARRIVED), arrived + 2);
}

static void the_two_directions_do_not_wait_for_each_other(void **state)
{
    (void)state;
    rouse_fd ends[2];
    open_ends(ends);
    assert_int_equal(rouse_sim_write(ends[0], "ab", 2), 2);
    sim_pass(LATENCY / 2);
    assert_int_equal(rouse_sim_write(ends[1], "xyz", 3), 3);
    sim_pass(LATENCY / 2);
    assert_int_equal(get(ends[1]), 2);
    assert_int_equal(get(ends[0]), -EAGAIN);
    sim_pass(LATENCY / 2);
    assert_int_equal(get(ends[0]), 3);
}

/* Room is known at once, as a reader and its machine are the same. */
static void what_finds_no_room_is_sent_when_there_is_some(void **state)
{
    (void)state;
    rouse_fd ends[2];
    sim_reboot((struct rouse_sim_config){.latency = LATENCY, .room = 4});
    listener = OPENED(rouse_sim_listen(2));
    open_ends(ends);
    assert_int_equal(rouse_sim_write(ends[0], "abcdef", 6), 4);
    sim_pass(LATENCY);
    assert_int_equal(rouse_sim_write(ends[0], "efgh", 4), 4);
    sim_pass(5 * LATENCY);
    assert_int_equal(sim_look(ends[1]).received, 4);
    assert_int_equal(sim_look(ends[0]).sent, 4);
    assert_int_equal(rouse_sim_write(ends[0], "i", 1), -EAGAIN);
    char buffer[4];
    assert_int_equal(rouse_sim_read(ends[1], buffer, 3), 3);
    sim_pass(LATENCY - 1);
    assert_int_equal(sim_look(ends[1]).received, 1);
    sim_pass(1);
    assert_int_equal(sim_look(ends[1]).received, 4);
    assert_int_equal(rouse_sim_read(ends[1], buffer, 4), 4);
    assert_memory_equal(buffer, "defg", 4);
}

static void end_comes_behind_the_last_byte(void **state)
{
    (void)state;
    rouse_fd ends[2];
    open_ends(ends);
    assert_int_equal(rouse_sim_write(ends[0], "ab", 2), 2);
    CHECK_OK(NULL, rouse_sim_close(ends[0]));
    sim_pass(LATENCY);
    assert_int_equal(get(ends[1]), 2);
    assert_int_equal(get(ends[1]), -EAGAIN);
    sim_pass(LATENCY);
    assert_int_equal(get(ends[1]), 0);
}

static void bytes_that_reach_a_closed_socket_come_back_as_a_reset(void **state)
{
    (void)state;
    rouse_fd ends[2];
    open_ends(ends);
    assert_int_equal(rouse_sim_write(ends[0], "ab", 2), 2);
    CHECK_OK(NULL, rouse_sim_close(ends[1])); /* with nothing unread, and its end is on the way */
    sim_pass(LATENCY - 1);
    assert_int_equal(rouse_sim_error(ends[0]), 0);
    sim_pass(1);
    assert_true(sim_look(ends[0]).ready & ROUSE_ERROR);
    int error = rouse_sim_error(ends[0]);
    assert_true(error == -ECONNRESET || error == -EPIPE); /* whichever the seed had come first */
}

static void reset_overtakes_what_is_on_its_way(void **state)
{
    (void)state;
    rouse_fd ends[2];
    open_ends(ends);
    assert_int_equal(rouse_sim_write(ends[0], "ab", 2), 2);
    assert_int_equal(rouse_sim_write(ends[1], "abc", 3), 3);
    uint64_t arrived = rouse_sim_count(ROUSE_SIM_ARRIVED);
    CHECK_OK(NULL, rouse_sim_reset(ends[0]));
    assert_int_equal(sim_look(ends[1]).sent, 0);
    assert_int_equal(get(ends[1]), -ECONNRESET);
    uint64_t passed = rouse_sim_count(ROUSE_SIM_PASSED);
    sim_pass(3 * LATENCY);
    assert_int_equal(get(ends[1]), 0);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_ARRIVED), arrived);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_PASSED), passed); /* nothing was due */
}

static void both_may_be_closed_while_packets_fly(void **state)
{
    (void)state;
    rouse_fd ends[2];
    open_ends(ends);
    assert_int_equal(rouse_sim_write(ends[0], "ab", 2), 2);
    assert_int_equal(rouse_sim_write(ends[1], "ab", 2), 2);
    CHECK_OK(NULL, rouse_sim_close(ends[0]));
    sim_pass(LATENCY / 2);
    CHECK_OK(NULL, rouse_sim_close(ends[1]));
    sim_pass(5 * LATENCY);
    CHECK_OK(NULL, rouse_sim_close(listener));
    rouse_fd one = OPENED(rouse_sim_socket()); /* whatever has ended is freed by now */
    CHECK_OK(NULL, rouse_sim_close(one));
    int64_t bytes = sim_memory.bytes;
    for (int i = 0; i < 100; i++) {
        one = OPENED(rouse_sim_socket());
        CHECK_OK(NULL, rouse_sim_close(one));
    }
    assert_int_equal(sim_memory.bytes, bytes);
}

/* ---- Refused ---- */

static void check_refused(rouse_fd client)
{
    assert_int_equal(sim_look(client).ready, ROUSE_READ | ROUSE_WRITE | ROUSE_ERROR | ROUSE_HANGUP);
    assert_int_equal(rouse_sim_error(client), -ECONNREFUSED);
    assert_int_equal(rouse_sim_error(client), 0);
    assert_int_equal(get(client), 0);
}

static void where_nobody_listens_a_connection_is_refused(void **state)
{
    (void)state;
    rouse_fd nobody = OPENED(rouse_sim_socket());
    rouse_fd client = connect_to(nobody);
    sim_pass(LATENCY - 1);
    assert_int_equal(sim_look(client).ready, 0);
    sim_pass(1);
    check_refused(client);
}

static void full_queue_refuses(void **state)
{
    (void)state;
    rouse_fd clients[5];
    for (int i = 0; i < 4; i++) {
        clients[i] = connect_to(listener);
        sim_pass(LATENCY);
    }
    assert_int_equal(sim_look(listener).received, 3);
    check_refused(clients[3]);
    OPENED(rouse_sim_accept(listener));
    clients[4] = connect_to(listener);
    sim_pass(LATENCY);
    assert_int_equal(rouse_sim_error(clients[4]), 0);
    assert_int_equal(sim_look(clients[4]).ready, ROUSE_WRITE);
}

static void queue_holds_one_more_than_the_backlog(void **state)
{
    (void)state;
    assert_int_equal(rouse_sim_listen(-1), -EINVAL);
    for (uint32_t backlog = 0; backlog < 3; backlog++) {
        listener = OPENED(rouse_sim_listen((int)backlog));
        for (uint32_t i = 0; i < 5; i++)
            connect_to(listener);
        sim_pass(LATENCY);
        assert_int_equal(sim_look(listener).received, backlog + 1);
    }
}

static void only_listeners_accept(void **state)
{
    (void)state;
    assert_int_equal(rouse_sim_accept(OPENED(rouse_sim_socket())), -EINVAL);
    assert_int_equal(rouse_sim_accept(OPENED(rouse_sim_epoll_create())), -EINVAL);
    char byte = 0;
    assert_int_equal(rouse_sim_read(listener, &byte, 1), -ENOTCONN);
    assert_int_equal(rouse_sim_write(listener, &byte, 1), -EPIPE);
    assert_int_equal(rouse_sim_error(listener), 0);
}

/* The number is looked for first. */
static void accept_without_a_number_is_refused_though_nobody_waits(void **state)
{
    (void)state;
    sim_reboot((struct rouse_sim_config){.descriptors = 1});
    listener = OPENED(rouse_sim_listen(1));
    assert_int_equal(rouse_sim_accept(listener), -EMFILE);
    CHECK_OK(NULL, rouse_sim_block(listener, false));
    assert_int_equal(rouse_sim_accept(listener), -EMFILE);
    assert_int_equal(sim_look(listener).references, 1);
}

static const struct rouse_sim_faults no_memory = {.no_memory = 1000};

static void accept_that_finds_no_memory_leaves_the_client_where_it_is(void **state)
{
    (void)state;
    rouse_fd client = connect_to(listener);
    sim_pass(LATENCY);
    rouse_sim_fail(&no_memory);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rouse_sim_accept(listener), -ENOMEM);
    assert_int_equal(sim_look(listener).received, 1);
    assert_int_equal(sim_look(listener).ready, ROUSE_READ);
    rouse_sim_fail(NULL);
    rouse_fd accepted = OPENED(rouse_sim_accept(listener));
    assert_int_equal(rouse_sim_write(client, "ab", 2), 2);
    sim_pass(LATENCY);
    assert_int_equal(get(accepted), 2);
    rouse_sim_fail(&no_memory);
    assert_int_equal(rouse_sim_accept(listener), -ENOMEM); /* though nobody waits */
}

static void client_for_whom_there_is_no_memory_wakes_the_next_who_sleeps(void **state)
{
    (void)state;
    static struct actor actors[2];
    sim_reboot((struct rouse_sim_config){.latency = 0});
    listener = OPENED(rouse_sim_listen(2));
    for (int i = 0; i < 2; i++)
        actor_start(&actors[i], (char)('a' + i), actor_accepts, listener);
    connect_to(listener);
    rouse_sim_fail(&no_memory);
    CHECK_AWAKE("ab");
    assert_int_equal(actors[0].result, -ENOMEM);
    assert_int_equal(sim_look(listener).received, 1);
}

/* ---- Closed meanwhile ---- */

static void listener_that_closes_resets_who_waits(void **state)
{
    (void)state;
    rouse_fd clients[2] = {connect_to(listener), connect_to(listener)};
    sim_pass(LATENCY);
    assert_int_equal(rouse_sim_write(clients[0], "ab", 2), 2);
    CHECK_OK(NULL, rouse_sim_close(listener));
    for (int i = 0; i < 2; i++)
        assert_int_equal(get(clients[i]), -ECONNRESET);
    sim_pass(3 * LATENCY);
}

static void listener_that_has_closed_refuses_all_who_are_on_their_way(void **state)
{
    (void)state;
    rouse_fd clients[2] = {connect_to(listener), connect_to(listener)};
    CHECK_OK(NULL, rouse_sim_close(listener));
    sim_pass(LATENCY);
    for (int i = 0; i < 2; i++)
        check_refused(clients[i]);
}

/* What is on its way to it does not keep it open. */
static void listener_closes_at_once_whoever_is_on_his_way(void **state)
{
    (void)state;
    struct rouse_event event;
    rouse_fd epoll = OPENED(rouse_sim_epoll_create());
    CHECK_OK(NULL, rouse_sim_epoll_ctl(epoll, ROUSE_SIM_ADD, listener, ROUSE_READ, 0));
    rouse_fd clients[2];
    clients[0] = connect_to(listener);
    sim_pass(LATENCY);
    clients[1] = connect_to(listener);
    assert_int_equal(sim_look(listener).references, 1);
    assert_int_equal(rouse_sim_listed(epoll, 0), listener);
    CHECK_OK(NULL, rouse_sim_close(listener));
    assert_int_equal(get(clients[0]), -ECONNRESET);
    assert_int_equal(rouse_sim_watched(epoll, 0), -ENOENT);
    assert_int_equal(rouse_sim_epoll_wait(epoll, &event, 1, 0), 0);
    OPENED(rouse_sim_socket()); /* for which what nobody needs any more is freed */
    sim_pass(LATENCY);
    check_refused(clients[1]);
}

static void socket_closes_at_once_whoever_asks_it_for_a_connection(void **state)
{
    (void)state;
    rouse_fd ends[2];
    open_ends(ends);
    rouse_fd client = connect_to(ends[1]);
    sim_pass(LATENCY / 2);
    CHECK_OK(NULL, rouse_sim_close(ends[1]));
    CHECK_OK(NULL, rouse_sim_close(ends[0]));
    sim_pass(LATENCY / 2);
    check_refused(client);
    open_ends(ends);
    client = connect_to(ends[1]);
    CHECK_OK(NULL, rouse_sim_close(ends[1]));
    sim_pass(LATENCY);
    assert_int_equal(get(ends[0]), 0);
    check_refused(client);
}

static void connection_that_is_over_stays_for_who_asks_it(void **state)
{
    (void)state;
    rouse_fd ends[2];
    open_ends(ends);
    for (int i = 0; i < 2; i++)
        CHECK_OK(NULL, rouse_sim_shut(ends[i], ROUSE_WRITE));
    sim_pass(LATENCY);
    rouse_fd client = connect_to(ends[1]);
    CHECK_OK(NULL, rouse_sim_close(ends[1]));
    CHECK_OK(NULL, rouse_sim_close(ends[0]));
    OPENED(rouse_sim_socket()); /* for which what nobody needs any more is freed */
    sim_pass(LATENCY);
    check_refused(client);
}

static void ask_and_close_all(void)
{
    rouse_fd ends[2];
    listener = OPENED(rouse_sim_listen(2));
    CHECK_OK(NULL, rouse_sim_block(listener, false));
    open_ends(ends);
    rouse_fd clients[2] = {connect_to(listener), connect_to(ends[1])};
    CHECK_OK(NULL, rouse_sim_close(ends[1]));
    CHECK_OK(NULL, rouse_sim_close(ends[0]));
    CHECK_OK(NULL, rouse_sim_close(listener));
    CHECK_OK(NULL, rouse_sim_close(clients[0]));
    sim_pass(3 * LATENCY);
    check_refused(clients[1]);
    CHECK_OK(NULL, rouse_sim_close(clients[1]));
}

static void what_was_closed_is_freed_when_the_last_who_asks_has_come(void **state)
{
    (void)state;
    ask_and_close_all();
    int64_t bytes = sim_memory.bytes;
    for (int i = 0; i < 100; i++)
        ask_and_close_all();
    assert_int_equal(sim_memory.bytes, bytes);
}

/* All that travels arrives at the end of time at the latest. */
static void latency_may_be_as_long_as_there_is_time(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        sim_reboot((struct rouse_sim_config){.latency = i == 0   ? INT64_MAX - 5
                                                        : i == 1 ? INT64_MAX / 9
                                                                 : INT64_MAX,
                                             .faults = {.late = i == 0 ? 0 : 1000}});
        listener = OPENED(rouse_sim_listen(1));
        sim_pass(10);
        rouse_fd client = connect_to(listener);
        sim_pass(INT64_MAX - 11);
        assert_int_equal(sim_look(client).ready, 0);
        sim_pass(1);
        assert_int_equal(rouse_sim_now(), INT64_MAX);
        assert_int_equal(sim_look(client).ready, ROUSE_WRITE);
    }
}

static void listener_that_is_shut_listens_no_more(void **state)
{
    (void)state;
    rouse_fd waits = connect_to(listener);
    sim_pass(LATENCY);
    rouse_fd comes = connect_to(listener);
    CHECK_OK(NULL, rouse_sim_shut(listener, ROUSE_WRITE)); /* which changes nothing */
    assert_int_equal(sim_look(listener).ready, ROUSE_READ);
    CHECK_OK(NULL, rouse_sim_shut(listener, ROUSE_READ));
    assert_int_equal(sim_look(listener).ready, ROUSE_WRITE | ROUSE_HANGUP);
    assert_int_equal(sim_look(listener).received, 0);
    assert_int_equal(get(waits), -ECONNRESET);
    sim_pass(LATENCY);
    check_refused(comes);
    assert_int_equal(rouse_sim_accept(listener), -EINVAL);
    assert_int_equal(get(listener), -ENOTCONN);
    assert_int_equal(rouse_sim_write(listener, "x", 1), -EPIPE);
    assert_int_equal(rouse_sim_shut(listener, ROUSE_READ), -ENOTCONN);
    assert_int_equal(rouse_sim_error(listener), 0);
}

static void listener_shut_under_tasks_that_accept(void **state)
{
    (void)state;
    static struct actor actors[3];
    CHECK_OK(NULL, rouse_sim_block(listener, true));
    for (int i = 0; i < 3; i++)
        actor_start(&actors[i], (char)('a' + i), actor_accepts, listener);
    CHECK_OK(NULL, rouse_sim_shut(listener, ROUSE_READ));
    CHECK_AWAKE("abc");
    for (int i = 0; i < 3; i++)
        assert_int_equal(actors[i].result, -EINVAL);
}

static void duplicate_of_a_listener_listens_on(void **state)
{
    (void)state;
    rouse_fd copy = OPENED(rouse_sim_dup(listener));
    rouse_fd clients[2] = {connect_to(listener), connect_to(copy)};
    CHECK_OK(NULL, rouse_sim_close(listener));
    sim_pass(LATENCY);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rouse_sim_error(clients[i]), 0);
        OPENED(rouse_sim_accept(copy));
    }
}

static void client_that_closes_on_its_way_is_not_seen(void **state)
{
    (void)state;
    CHECK_OK(NULL, rouse_sim_close(connect_to(listener)));
    OPENED(rouse_sim_socket()); /* for which what nobody needs any more is freed */
    sim_pass(LATENCY);
    assert_int_equal(sim_look(listener).received, 0);
    assert_int_equal(sim_look(listener).references, 1);
}

static void client_that_closes_in_the_queue_is_accepted_and_has_ended(void **state)
{
    (void)state;
    rouse_fd client = connect_to(listener);
    sim_pass(LATENCY);
    assert_int_equal(rouse_sim_write(client, "ab", 2), 2);
    CHECK_OK(NULL, rouse_sim_close(client));
    sim_pass(2 * LATENCY);
    rouse_fd accepted = OPENED(rouse_sim_accept(listener));
    assert_int_equal(get(accepted), 2);
    assert_int_equal(get(accepted), 0);
}

/* It is no listener any more for its number, and still one for the call that sleeps on it; with
 * which it goes. */
static void listener_closed_under_a_task_that_accepts(void **state)
{
    (void)state;
    static struct actor a;
    CHECK_OK(NULL, rouse_sim_block(listener, true));
    actor_start(&a, 'a', actor_accepts, listener);
    rouse_fd client = connect_to(listener);
    CHECK_OK(NULL, rouse_sim_close(listener));
    sim_pass(LATENCY);
    CHECK_AWAKE("a");
    assert_int_equal(a.result, -EBADF);
    assert_int_equal(get(client), -ECONNRESET);
}

/* They are exclusive: no herd. */
static void of_those_who_accept_one_is_woken_the_first_comer_first(void **state)
{
    (void)state;
    static struct actor actors[3];
    CHECK_OK(NULL, rouse_sim_block(listener, true));
    for (int i = 0; i < 3; i++)
        actor_start(&actors[i], (char)('a' + i), actor_accepts, listener);
    uint64_t readied = rouse_sim_count(ROUSE_SIM_READIED);
    connect_to(listener);
    sim_pass(LATENCY);
    CHECK_AWAKE("a");
    assert_int_equal(rouse_sim_count(ROUSE_SIM_READIED), readied + 1);
    connect_to(listener);
    connect_to(listener);
    sim_pass(LATENCY);
    CHECK_AWAKE("bc");
    assert_true(actors[0].result >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TIMED(connection_takes_the_way_of_one_packet),
        TIMED(bytes_arrive_when_it_is_time_and_not_before),
        TIMED(bytes_written_during_a_flight_come_with_the_next_packet),
        TIMED(the_two_directions_do_not_wait_for_each_other),
        TIMED(what_finds_no_room_is_sent_when_there_is_some),
        TIMED(end_comes_behind_the_last_byte),
        TIMED(bytes_that_reach_a_closed_socket_come_back_as_a_reset),
        TIMED(reset_overtakes_what_is_on_its_way),
        TIMED(both_may_be_closed_while_packets_fly),
        TIMED(where_nobody_listens_a_connection_is_refused),
        TIMED(full_queue_refuses),
        TIMED(queue_holds_one_more_than_the_backlog),
        TIMED(only_listeners_accept),
        TIMED(accept_without_a_number_is_refused_though_nobody_waits),
        TIMED(accept_that_finds_no_memory_leaves_the_client_where_it_is),
        TIMED(client_for_whom_there_is_no_memory_wakes_the_next_who_sleeps),
        TIMED(listener_that_closes_resets_who_waits),
        TIMED(listener_that_has_closed_refuses_all_who_are_on_their_way),
        TIMED(listener_closes_at_once_whoever_is_on_his_way),
        TIMED(socket_closes_at_once_whoever_asks_it_for_a_connection),
        TIMED(connection_that_is_over_stays_for_who_asks_it),
        TIMED(what_was_closed_is_freed_when_the_last_who_asks_has_come),
        TIMED(latency_may_be_as_long_as_there_is_time),
        TIMED(listener_that_is_shut_listens_no_more),
        TIMED(listener_shut_under_tasks_that_accept),
        TIMED(duplicate_of_a_listener_listens_on),
        TIMED(client_that_closes_on_its_way_is_not_seen),
        TIMED(client_that_closes_in_the_queue_is_accepted_and_has_ended),
        TIMED(listener_closed_under_a_task_that_accepts),
        TIMED(of_those_who_accept_one_is_woken_the_first_comer_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
