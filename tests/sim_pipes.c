/*
 * The machine's pipes: bytes in order, small writes whole or not at all, the end of either side,
 * and who is woken of several that sleep on one.
 *
 * SPDX-License-Identifier: MIT
 */
#include "sim.h"

enum { PAGE = 4096 };

static rouse_fd in, out; /* of the pipe */

static void open_pipe(uint32_t room)
{
    sim_reboot((struct rouse_sim_config){.room = room});
    rouse_fd pipe[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    out = pipe[0];
    in = pipe[1];
    CHECK_OK(NULL, rouse_sim_block(out, false));
    CHECK_OK(NULL, rouse_sim_block(in, false));
}

static int64_t put(uint32_t size)
{
    static const char bytes[70000];
    return rouse_sim_write(in, bytes, size);
}

static int64_t get(uint32_t size)
{
    static char bytes[70000];
    return rouse_sim_read(out, bytes, size);
}

static void bytes_come_out_as_they_went_in(void **state)
{
    (void)state;
    open_pipe(100);
    unsigned char sent = 0, received = 0, bytes[64];
    for (unsigned i = 0; i < 1000; i++) {
        size_t size = 1 + i * 7 % 60;
        for (size_t at = 0; at < size; at++)
            bytes[at] = (unsigned char)(sent + at);
        int64_t n = rouse_sim_write(in, bytes, size);
        assert_true(n == (int64_t)size || n == -EAGAIN);
        sent = (unsigned char)(sent + (n > 0 ? n : 0));
        n = rouse_sim_read(out, bytes, 1 + i * 11 % 50);
        for (int64_t at = 0; at < n; at++)
            assert_int_equal(bytes[at], received++);
        assert_int_equal(sim_look(out).received, (unsigned char)(sent - received));
        assert_int_equal(sim_look(in).sent, sim_look(out).received);
    }
    assert_int_equal(rouse_sim_now(), 0);
}

/* Of up to a page, as PIPE_BUF is. */
static void small_write_is_whole_or_not_at_all(void **state)
{
    (void)state;
    open_pipe(0);
    assert_int_equal(put(15 * PAGE), 15 * PAGE);
    assert_int_equal(put(100), 100);
    assert_int_equal(put(PAGE), -EAGAIN);
    assert_int_equal(put(PAGE - 99), -EAGAIN);
    assert_int_equal(put(PAGE + 904), 904); /* which is what it has beyond whole pages */
    assert_int_equal(put(PAGE - 1004), PAGE - 1004);
    assert_int_equal(put(1), -EAGAIN);
    assert_int_equal(put(2 * PAGE), -EAGAIN);
    assert_int_equal(sim_look(out).received, 16 * PAGE);
}

/* A write that does not fit into the last page begins another. */
static void it_is_full_when_all_pages_are_in_use(void **state)
{
    (void)state;
    open_pipe(0);
    for (int i = 0; i < 16; i++) {
        assert_int_equal(sim_look(in).ready, ROUSE_WRITE);
        assert_int_equal(put(PAGE / 2 + 1), PAGE / 2 + 1);
    }
    assert_int_equal(sim_look(in).ready, 0);
    assert_int_equal(put(PAGE / 2 + 1), -EAGAIN);
    assert_int_equal(put(PAGE / 2 - 1), PAGE / 2 - 1); /* there is room for this */
    assert_int_equal(get(PAGE / 2), PAGE / 2);
    assert_int_equal(sim_look(in).ready, 0);
    assert_int_equal(get(1), 1);
    assert_int_equal(sim_look(in).ready, ROUSE_WRITE);
}

static void room_may_be_a_byte(void **state)
{
    (void)state;
    open_pipe(1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sim_look(in).ready, ROUSE_WRITE);
        assert_int_equal(put(9), 1);
        assert_int_equal(sim_look(in).ready, 0);
        assert_int_equal(put(1), -EAGAIN);
        assert_int_equal(get(9), 1);
        assert_int_equal(get(1), -EAGAIN);
    }
}

static void end_comes_behind_the_bytes(void **state)
{
    (void)state;
    open_pipe(0);
    assert_int_equal(sim_look(out).ready, 0);
    assert_int_equal(get(10), -EAGAIN);
    assert_int_equal(get(0), 0);
    assert_int_equal(put(3), 3);
    assert_int_equal(sim_look(out).ready, ROUSE_READ);
    CHECK_OK(NULL, rouse_sim_close(in));
    assert_int_equal(sim_look(out).ready, ROUSE_READ | ROUSE_HANGUP);
    assert_int_equal(get(2), 2);
    assert_int_equal(get(2), 1);
    assert_int_equal(sim_look(out).ready, ROUSE_HANGUP);
    for (int i = 0; i < 3; i++)
        assert_int_equal(get(2), 0);
}

static void write_that_nobody_reads_is_refused(void **state)
{
    (void)state;
    open_pipe(0);
    assert_int_equal(put(1), 1);
    CHECK_OK(NULL, rouse_sim_close(out));
    assert_int_equal(sim_look(in).ready, ROUSE_WRITE | ROUSE_ERROR);
    assert_int_equal(put(1), -EPIPE);
    assert_int_equal(put(0), 0);
}

static void what_only_sockets_can_is_refused(void **state)
{
    (void)state;
    open_pipe(0);
    assert_int_equal(rouse_sim_shut(in, ROUSE_WRITE), -ENOTSOCK);
    assert_int_equal(rouse_sim_error(out), -ENOTSOCK);
    assert_int_equal(rouse_sim_reset(out), -ENOTSOCK);
    assert_int_equal(rouse_sim_connect(out), -ENOTSOCK);
    assert_int_equal(rouse_sim_accept(out), -EINVAL);
    assert_true(rouse_sim_read(in, "", 1) < 0);
    assert_true(rouse_sim_write(out, "", 1) < 0);
    assert_int_equal(put(1), 1);
}

/* ---- Who sleeps on it ---- */

static void start_three(struct actor actors[3], int64_t (*calls)(struct actor *self), rouse_fd fd)
{
    CHECK_OK(NULL, rouse_sim_block(fd, true));
    for (int i = 0; i < 3; i++)
        actor_start(&actors[i], (char)('a' + i), calls, fd);
    CHECK_JOURNAL("");
}

static void one_reader_is_woken_for_a_byte(void **state)
{
    (void)state;
    open_pipe(0);
    static struct actor actors[3];
    start_three(actors, actor_reads, out);
    uint64_t readied = rouse_sim_count(ROUSE_SIM_READIED);
    assert_int_equal(put(1), 1);
    CHECK_AWAKE("a");
    assert_int_equal(put(1), 1);
    CHECK_AWAKE("b");
    assert_int_equal(rouse_sim_count(ROUSE_SIM_READIED), readied + 2);
}

/* Who is woken alone and leaves something wakes the next, or it would lie there for ever. */
static void what_one_reader_leaves_the_next_one_is_woken_for(void **state)
{
    (void)state;
    open_pipe(0);
    static struct actor actors[3];
    rouse_fd epoll = OPENED(rouse_sim_epoll_create()); /* in whose hook nobody sleeps */
    CHECK_OK(NULL, rouse_sim_epoll_ctl(epoll, ROUSE_SIM_ADD, out, ROUSE_READ, 0));
    start_three(actors, actor_reads, out);
    assert_int_equal(put(2), 2);
    CHECK_AWAKE("ab");
    assert_int_equal(put(5), 5);
    CHECK_AWAKE("c");
    assert_int_equal(get(9), 4);
}

static void all_readers_are_told_of_the_end(void **state)
{
    (void)state;
    open_pipe(0);
    static struct actor actors[3];
    start_three(actors, actor_reads, out);
    CHECK_OK(NULL, rouse_sim_close(in));
    CHECK_AWAKE("abc");
    assert_int_equal(actors[2].result, 0);
}

static void writers_sleep_until_a_page_is_free(void **state)
{
    (void)state;
    open_pipe(0);
    static struct actor actors[3];
    assert_int_equal(put(65536), 65536);
    start_three(actors, actor_writes, in);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(get(PAGE - 1), PAGE - 1);
        CHECK_AWAKE("");
        assert_int_equal(get(1), 1);
        CHECK_AWAKE(i == 0 ? "a" : "bc"); /* b joins a in its page, and leaves the one for c */
    }
}

static void room_that_one_writer_leaves_the_next_one_is_woken_for(void **state)
{
    (void)state;
    open_pipe(0);
    static struct actor actors[3];
    assert_int_equal(put(65536), 65536);
    start_three(actors, actor_writes, in);
    assert_int_equal(get(65536), 65536);
    CHECK_AWAKE("abc");
    assert_int_equal(sim_look(out).received, 3);
}

static void all_writers_are_told_that_nobody_reads(void **state)
{
    (void)state;
    open_pipe(0);
    static struct actor actors[3];
    assert_int_equal(put(65536), 65536);
    start_three(actors, actor_writes, in);
    CHECK_OK(NULL, rouse_sim_close(out));
    CHECK_AWAKE("abc");
    assert_int_equal(actors[2].result, -EPIPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(bytes_come_out_as_they_went_in),
        CASE(small_write_is_whole_or_not_at_all),
        CASE(it_is_full_when_all_pages_are_in_use),
        CASE(room_may_be_a_byte),
        CASE(end_comes_behind_the_bytes),
        CASE(write_that_nobody_reads_is_refused),
        CASE(what_only_sockets_can_is_refused),
        CASE(one_reader_is_woken_for_a_byte),
        CASE(what_one_reader_leaves_the_next_one_is_woken_for),
        CASE(all_readers_are_told_of_the_end),
        CASE(writers_sleep_until_a_page_is_free),
        CASE(room_that_one_writer_leaves_the_next_one_is_woken_for),
        CASE(all_writers_are_told_that_nobody_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
