/*
 * The machine's stream sockets: those of a pair and those that were connected, when nothing takes
 * time. What a reader, a writer and a closer see of one another, through full buffers and all ends.
 *
 * SPDX-License-Identifier: MIT
 */
#include "sim.h"

enum { READY = ROUSE_READ | ROUSE_WRITE | ROUSE_ERROR | ROUSE_HANGUP };

static const char bytes[70000];

static int64_t put(rouse_fd fd, size_t size)
{
    return rouse_sim_write(fd, bytes, size);
}

static int64_t get(rouse_fd fd, size_t size)
{
    static char buffer[70000];
    return rouse_sim_read(fd, buffer, size);
}

/* By tens: a message to one of a pair holds its room until it was read to its end. */
static int64_t fill(rouse_fd fd)
{
    int64_t sum = 0;
    for (int64_t n; (n = put(fd, 10)) != -EAGAIN; sum += n)
        assert_true(n > 0);
    return sum;
}

/* A pair, or two that were connected. */
static void open_ends(bool pair, uint32_t room, rouse_fd ends[2])
{
    sim_reboot((struct rouse_sim_config){.room = room});
    if (!pair) {
        sim_connect(ends);
        return;
    }
    CHECK_OK(NULL, rouse_sim_pair(ends));
    CHECK_OK(NULL, rouse_sim_block(ends[0], false));
    CHECK_OK(NULL, rouse_sim_block(ends[1], false));
}

static void streams_cross_and_keep_their_order(void **state)
{
    (void)state;
    for (int pair = 0; pair < 2; pair++) {
        rouse_fd ends[2];
        open_ends(pair, 50, ends);
        unsigned char sent[2] = {0, 100}, received[2] = {0, 100}, buffer[64];
        for (unsigned i = 0; i < 4000; i++) {
            int from = i & 1;
            size_t size = 1 + i * 7 % 60;
            for (size_t at = 0; at < size; at++)
                buffer[at] = (unsigned char)(sent[from] + at);
            int64_t n = rouse_sim_write(ends[from], buffer, size);
            assert_true(n > 0 || n == -EAGAIN);
            sent[from] = (unsigned char)(sent[from] + (n > 0 ? n : 0));
            n = rouse_sim_read(ends[from], buffer, 1 + i * 11 % 50);
            for (int64_t at = 0; at < n; at++)
                assert_int_equal(buffer[at], received[!from]++);
        }
    }
}

static void one_direction_full_leaves_the_other_free(void **state)
{
    (void)state;
    for (int pair = 0; pair < 2; pair++) {
        rouse_fd ends[2];
        open_ends(pair, 0, ends);
        int64_t holds = fill(ends[0]);
        assert_int_equal(holds, pair ? 65536 : 2 * 65536);
        assert_int_equal(sim_look(ends[0]).ready, 0);
        assert_int_equal(sim_look(ends[0]).sent, holds - 65536);
        assert_int_equal(sim_look(ends[1]).received, 65536);
        assert_int_equal(sim_look(ends[1]).ready, ROUSE_READ | ROUSE_WRITE);
        assert_int_equal(fill(ends[1]), holds);
        int64_t sum = 0;
        for (int64_t n; (n = get(ends[1], 10000)) > 0; sum += n)
            ;
        assert_int_equal(sum, holds);
        assert_int_equal(sim_look(ends[0]).ready, ROUSE_READ | ROUSE_WRITE);
        assert_int_equal(sim_look(ends[1]).ready, 0);
    }
}

/* Else who waits for a direction is told of every byte that gets free. */
static void writable_says_that_there_is_some_room(void **state)
{
    (void)state;
    for (int pair = 0; pair < 2; pair++) {
        rouse_fd ends[2];
        open_ends(pair, 100, ends);
        fill(ends[0]);
        assert_int_equal(get(ends[1], 20), 20);
        assert_int_equal(sim_look(ends[0]).ready, 0);
        assert_int_equal(get(ends[1], 60), 60);
        assert_int_equal(sim_look(ends[0]).ready, ROUSE_WRITE);
    }
}

/* Bytes of a pair belong to the message that they came in. */
static void writer_is_told_when_a_message_was_read_to_its_end(void **state)
{
    (void)state;
    rouse_fd ends[2];
    open_ends(true, 0, ends);
    rouse_fd epoll = OPENED(rouse_sim_epoll_create());
    CHECK_OK(NULL, rouse_sim_epoll_ctl(epoll, ROUSE_SIM_ADD, ends[0], ROUSE_WRITE, 0));
    assert_int_equal(put(ends[0], 10), 10);
    assert_int_equal(get(ends[1], 9), 9);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_HOOKED), 0);
    assert_int_equal(get(ends[1], 1), 1);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_HOOKED), 1);
}

static void full_is_not_writable_however_small_the_room(void **state)
{
    (void)state;
    for (uint32_t room = 1; room <= 4; room++)
        for (int pair = 0; pair < 2; pair++) {
            rouse_fd ends[2];
            static struct actor a;
            open_ends(pair, room, ends);
            assert_int_equal(sim_look(ends[0]).ready, ROUSE_WRITE);
            assert_int_equal(fill(ends[0]), pair ? room : 2 * room);
            assert_int_equal(sim_look(ends[0]).ready, 0);
            CHECK_OK(NULL, rouse_sim_block(ends[0], true));
            actor_start(&a, 'a', actor_writes, ends[0]);
            CHECK_JOURNAL("");
            while (get(ends[1], 1) == 1 && a.result == -ROUSE_SIM_ASLEEP)
                sim_pass(0);
            CHECK_JOURNAL("a");
            assert_int_equal(a.result, 1);
        }
}

static void half_of_it_may_end_before_the_other(void **state)
{
    (void)state;
    for (int pair = 0; pair < 2; pair++) {
        rouse_fd ends[2];
        open_ends(pair, 0, ends);
        assert_int_equal(put(ends[0], 3), 3);
        CHECK_OK(NULL, rouse_sim_shut(ends[0], ROUSE_WRITE));
        assert_int_equal(put(ends[0], 1), -EPIPE);
        assert_int_equal(sim_look(ends[1]).ready, ROUSE_READ | ROUSE_WRITE);
        struct rouse_sim_pollfd half = {.fd = ends[1], .want = ROUSE_HANGUP};
        assert_int_equal(rouse_sim_poll(&half, 1, 0), 1);
        assert_int_equal(half.ready, ROUSE_HANGUP);
        assert_int_equal(get(ends[1], 9), 3);
        assert_int_equal(get(ends[1], 9), 0);
        assert_int_equal(put(ends[1], 5), 5);
        assert_int_equal(get(ends[0], 9), 5);
        CHECK_OK(NULL, rouse_sim_shut(ends[1], ROUSE_WRITE));
        assert_int_equal(get(ends[0], 9), 0);
        assert_int_equal(sim_look(ends[0]).ready, READY & ~ROUSE_ERROR);
        assert_int_equal(sim_look(ends[1]).ready, READY & ~ROUSE_ERROR);
    }
}

static void end_comes_behind_bytes_that_were_not_sent_yet(void **state)
{
    (void)state;
    rouse_fd ends[2];
    open_ends(false, 10, ends);
    assert_int_equal(fill(ends[0]), 20);
    CHECK_OK(NULL, rouse_sim_close(ends[0]));
    assert_int_equal(sim_look(ends[1]).ready, ROUSE_READ | ROUSE_WRITE);
    for (int i = 0; i < 20; i++)
        assert_int_equal(get(ends[1], 1), 1);
    assert_int_equal(get(ends[1], 1), 0);
}

static void write_to_one_that_was_closed_is_answered_by_a_reset(void **state)
{
    (void)state;
    rouse_fd ends[2];
    open_ends(false, 0, ends);
    CHECK_OK(NULL, rouse_sim_close(ends[1]));
    assert_int_equal(sim_look(ends[0]).ready, ROUSE_READ | ROUSE_WRITE);
    assert_int_equal(put(ends[0], 1), 1);
    assert_int_equal(sim_look(ends[0]).ready, READY);
    assert_int_equal(put(ends[0], 1), -EPIPE);
    assert_int_equal(put(ends[0], 1), -EPIPE);
    assert_int_equal(get(ends[0], 1), 0);
}

static void write_to_one_of_a_pair_that_was_closed_is_refused(void **state)
{
    (void)state;
    rouse_fd ends[2];
    open_ends(true, 0, ends);
    assert_int_equal(put(ends[1], 2), 2);
    CHECK_OK(NULL, rouse_sim_close(ends[1]));
    assert_int_equal(sim_look(ends[0]).ready, READY & ~ROUSE_ERROR);
    assert_int_equal(put(ends[0], 1), -EPIPE);
    assert_int_equal(get(ends[0], 9), 2);
    assert_int_equal(get(ends[0], 9), 0);
}

static void unread_bytes_at_a_close_reset_the_peer(void **state)
{
    (void)state;
    for (int pair = 0; pair < 2; pair++) {
        rouse_fd ends[2];
        open_ends(pair, 0, ends);
        assert_int_equal(put(ends[0], 2), 2);
        assert_int_equal(get(ends[1], 1), 1);
        CHECK_OK(NULL, rouse_sim_close(ends[1]));
        assert_int_equal(sim_look(ends[0]).ready, READY);
        assert_int_equal(get(ends[0], 1), -ECONNRESET);
        assert_int_equal(sim_look(ends[0]).ready, READY & ~ROUSE_ERROR);
        assert_int_equal(get(ends[0], 1), 0);
        assert_int_equal(put(ends[0], 1), -EPIPE);
    }
}

/* What it had before it reads first, as it does the error. */
static void bytes_for_one_that_was_shut_both_ways_reset_it(void **state)
{
    (void)state;
    for (int both = 0; both < 3; both++) {
        rouse_fd ends[2];
        open_ends(false, 0, ends);
        assert_int_equal(put(ends[0], 3), 3);
        CHECK_OK(NULL, rouse_sim_shut(ends[1], both == 0   ? ROUSE_READ | ROUSE_WRITE
                                               : both == 1 ? ROUSE_READ
                                                           : ROUSE_WRITE));
        if (both > 0)
            CHECK_OK(NULL, rouse_sim_shut(ends[1], both == 1 ? ROUSE_WRITE : ROUSE_READ));
        assert_int_equal(put(ends[0], 2), 2);
        assert_int_equal(sim_look(ends[0]).ready, READY);
        assert_int_equal(sim_look(ends[1]).ready, READY);
        assert_int_equal(get(ends[1], 9), 3);
        assert_int_equal(get(ends[1], 9), -ECONNRESET);
        assert_int_equal(get(ends[1], 9), 0);
        assert_int_equal(put(ends[0], 1), -EPIPE);
        assert_int_equal(get(ends[0], 9), 0);
        assert_int_equal(rouse_sim_shut(ends[1], ROUSE_WRITE), -ENOTCONN);
    }
}

static void end_for_one_that_was_shut_both_ways_is_no_error(void **state)
{
    (void)state;
    rouse_fd ends[2];
    open_ends(false, 0, ends);
    CHECK_OK(NULL, rouse_sim_shut(ends[1], ROUSE_READ | ROUSE_WRITE));
    CHECK_OK(NULL, rouse_sim_shut(ends[0], ROUSE_WRITE));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sim_look(ends[i]).ready, READY & ~ROUSE_ERROR);
        assert_int_equal(rouse_sim_shut(ends[i], ROUSE_WRITE), -ENOTCONN); /* all has been said */
    }
}

static void one_that_reads_no_more_can_be_written_to(void **state)
{
    (void)state;
    rouse_fd ends[2];
    open_ends(false, 0, ends);
    CHECK_OK(NULL, rouse_sim_shut(ends[1], ROUSE_READ));
    assert_int_equal(put(ends[0], 2), 2);
    assert_int_equal(sim_look(ends[0]).ready, ROUSE_WRITE);
    assert_int_equal(get(ends[1], 9), 2);
    assert_int_equal(get(ends[1], 9), 0);
}

static void reset_is_an_error_that_is_told_once(void **state)
{
    (void)state;
    rouse_fd ends[2];
    open_ends(false, 10, ends);
    assert_int_equal(fill(ends[0]), 20);
    assert_int_equal(put(ends[1], 3), 3);
    CHECK_OK(NULL, rouse_sim_reset(ends[1]));
    assert_int_equal(rouse_sim_close(ends[1]), -EBADF);
    assert_int_equal(sim_look(ends[0]).ready, READY);
    assert_int_equal(sim_look(ends[0]).sent, 0);
    assert_int_equal(get(ends[0], 9), 3); /* what came before it */
    assert_int_equal(rouse_sim_error(ends[0]), -ECONNRESET);
    assert_int_equal(rouse_sim_error(ends[0]), 0);
    assert_int_equal(get(ends[0], 9), 0);
}

static void one_that_is_not_connected_moves_nothing(void **state)
{
    (void)state;
    rouse_fd one = OPENED(rouse_sim_socket());
    assert_int_equal(sim_look(one).ready, ROUSE_WRITE | ROUSE_HANGUP);
    assert_int_equal(get(one, 1), -ENOTCONN);
    assert_int_equal(put(one, 1), -EPIPE);
    assert_int_equal(rouse_sim_shut(one, ROUSE_WRITE), -ENOTCONN);
    assert_int_equal(rouse_sim_error(one), 0);
}

/* ---- Who sleeps on it ---- */

static void start_three(struct actor actors[3], int64_t (*calls)(struct actor *self), rouse_fd fd)
{
    CHECK_OK(NULL, rouse_sim_block(fd, true));
    for (int i = 0; i < 3; i++)
        actor_start(&actors[i], (char)('a' + i), calls, fd);
    CHECK_JOURNAL("");
}

/* They are not exclusive, so the last comer is at the head of the queue. */
static void all_who_read_are_woken_the_last_comer_first(void **state)
{
    (void)state;
    for (int pair = 0; pair < 2; pair++) {
        rouse_fd ends[2];
        static struct actor actors[3];
        open_ends(pair, 0, ends);
        start_three(actors, actor_reads, ends[0]);
        uint64_t readied = rouse_sim_count(ROUSE_SIM_READIED);
        assert_int_equal(put(ends[1], 1), 1);
        assert_int_equal(rouse_sim_count(ROUSE_SIM_READIED), readied + 3);
        CHECK_AWAKE("c");
        assert_int_equal(put(ends[1], 2), 2);
        CHECK_AWAKE("ab"); /* b was the first to go back to sleep */
    }
}

static void all_who_read_are_told_of_the_end(void **state)
{
    (void)state;
    for (int pair = 0; pair < 2; pair++) {
        rouse_fd ends[2];
        static struct actor actors[3];
        open_ends(pair, 0, ends);
        start_three(actors, actor_reads, ends[0]);
        CHECK_OK(NULL, rouse_sim_close(ends[1]));
        CHECK_AWAKE("cba");
        assert_int_equal(actors[0].result, 0);
    }
}

static void all_who_write_are_woken_when_there_is_room(void **state)
{
    (void)state;
    for (int pair = 0; pair < 2; pair++) {
        rouse_fd ends[2];
        static struct actor actors[3];
        open_ends(pair, 100, ends);
        fill(ends[0]);
        start_three(actors, actor_writes, ends[0]);
        assert_int_equal(get(ends[1], 80), 80);
        CHECK_AWAKE("cba");
    }
}

static void one_who_sleeps_is_told_of_a_reset(void **state)
{
    (void)state;
    rouse_fd ends[2];
    static struct actor reader, writer;
    open_ends(false, 10, ends);
    fill(ends[0]);
    CHECK_OK(NULL, rouse_sim_block(ends[0], true));
    actor_start(&writer, 'w', actor_writes, ends[0]);
    actor_start(&reader, 'r', actor_reads, ends[0]);
    CHECK_OK(NULL, rouse_sim_reset(ends[1]));
    CHECK_AWAKE("rw");
    assert_int_equal(reader.result, -ECONNRESET);
    assert_int_equal(writer.result, -EPIPE);
}

static void own_end_of_reading_is_told_to_who_sleeps(void **state)
{
    (void)state;
    for (int pair = 0; pair < 2; pair++) {
        rouse_fd ends[2];
        static struct actor a;
        open_ends(pair, 0, ends);
        CHECK_OK(NULL, rouse_sim_block(ends[0], true));
        actor_start(&a, 'a', actor_reads, ends[0]);
        CHECK_OK(NULL, rouse_sim_shut(ends[0], ROUSE_READ));
        CHECK_AWAKE("a");
        assert_int_equal(a.result, 0);
        assert_int_equal(put(ends[0], 1), 1);
        assert_int_equal(get(ends[1], 1), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(streams_cross_and_keep_their_order),
        CASE(one_direction_full_leaves_the_other_free),
        CASE(writable_says_that_there_is_some_room),
        CASE(writer_is_told_when_a_message_was_read_to_its_end),
        CASE(full_is_not_writable_however_small_the_room),
        CASE(half_of_it_may_end_before_the_other),
        CASE(end_comes_behind_bytes_that_were_not_sent_yet),
        CASE(write_to_one_that_was_closed_is_answered_by_a_reset),
        CASE(write_to_one_of_a_pair_that_was_closed_is_refused),
        CASE(unread_bytes_at_a_close_reset_the_peer),
        CASE(bytes_for_one_that_was_shut_both_ways_reset_it),
        CASE(end_for_one_that_was_shut_both_ways_is_no_error),
        CASE(one_that_reads_no_more_can_be_written_to),
        CASE(reset_is_an_error_that_is_told_once),
        CASE(one_that_is_not_connected_moves_nothing),
        CASE(all_who_read_are_woken_the_last_comer_first),
        CASE(all_who_read_are_told_of_the_end),
        CASE(all_who_write_are_woken_when_there_is_room),
        CASE(one_who_sleeps_is_told_of_a_reset),
        CASE(own_end_of_reading_is_told_to_who_sleeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
