/*
 * System calls that fail. The backend under test is copied and given a table of system calls that
 * answers what a case tells it to; and the observing backend fails where a real one would only fail
 * on a bad day. A failed call is an answer: it is handed on, or made again, but never made up for
 * by guessing, and the loop goes on.
 *
 * SPDX-License-Identifier: MIT
 */
#include "core/loop.h" /* system_table */
#include "observer.h"
#include "words.h"

/* ---- A system that answers what it is told ---- */

static struct script {
    int calls;
    int answers[8]; /* the first ones; REAL: what the system says */
    int count;      /* of answers */
} script;

enum { REAL = 1 << 20 };

#define ANSWER(...)                                                                                \
    do {                                                                                           \
        const int answers_[] = {__VA_ARGS__};                                                      \
        script = (struct script){.count = sizeof answers_ / sizeof answers_[0]};                   \
        memcpy(script.answers, answers_, sizeof answers_);                                         \
    } while (0)

static int next_answer(void)
{
    int call = script.calls++;
    return call < script.count ? script.answers[call] : REAL;
}

static ssize_t scripted_read(rouse_fd fd, int kind, void *buffer, size_t size)
{
    int answer = next_answer();
    if (answer < 0)
        return answer;
    return system_table.read(fd, kind, buffer, answer == REAL ? size : (size_t)answer);
}

static ssize_t scripted_write(rouse_fd fd, int kind, const void *data, size_t size)
{
    int answer = next_answer();
    if (answer < 0)
        return answer;
    return system_table.write(fd, kind, data, answer == REAL ? size : (size_t)answer);
}

static int scripted_accept(rouse_fd fd, rouse_fd *accepted)
{
    int answer = next_answer();
    return answer == REAL ? system_table.accept(fd, accepted) : answer;
}

static int scripted_close(rouse_fd fd)
{
    int answer = next_answer();
    int closed = system_table.close(fd); /* the descriptor is gone whatever it returns */
    return answer == REAL ? closed : answer;
}

static int scripted_take_error(rouse_fd fd)
{
    int answer = next_answer();
    return answer == REAL ? system_table.take_error(fd) : answer;
}

static struct rouse_loop *loop;
static struct rouse_backend backend;
static struct rouse_system scripted;
static struct player a;
static rouse_fd ends[2];

static int set_up(void **state)
{
    (void)state;
    scripted = system_table;
    scripted.read = scripted_read;
    scripted.write = scripted_write;
    scripted.accept = scripted_accept;
    scripted.close = scripted_close;
    scripted.take_error = scripted_take_error;
    script = (struct script){0};
    backend = observer_backend(&scripted);
    struct rouse_config config = {
        .size = sizeof config, .own = &backend, .backend = subject_name()};
    CHECK_OK(NULL, rouse_open(&loop, &config));
    CHECK_OK(NULL, world_pair(WORLD_STREAM, ends));
    player_init(&a, loop, 'a', NULL);
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    CHECK_OK(loop, rouse_turn(loop, 0));
    journal_take();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (rouse_io_active(&a.io))
        CHECK_OK(NULL, world_close(ends[0]));
    CHECK_OK(NULL, world_close(ends[1]));
    CHECK_OK(NULL, rouse_close(loop));
    assert_int_equal(observed.opens, observed.closes); /* also of those that failed and rebuilt */
    return 0;
}

static void reads_and_writes_are_made_again_after_a_signal(void **state)
{
    (void)state;
    char buffer[4] = "";
    assert_int_equal(world_send(ends[1], "ab", 2), 2);
    ANSWER(-EINTR, -EINTR, -EINTR);
    assert_int_equal(rouse_read(&a.io, buffer, sizeof buffer), 2);
    assert_int_equal(script.calls, 4);
    assert_memory_equal(buffer, "ab", 2);
    ANSWER(-EINTR, -EINTR);
    assert_int_equal(rouse_write(&a.io, "cde", 3), 3);
    assert_int_equal(script.calls, 3);
    assert_int_equal(world_receive(ends[1], buffer, sizeof buffer), 3);
}

static void errors_and_short_counts_are_handed_on(void **state)
{
    (void)state;
    static const int errors[] = {-EAGAIN, -ECONNRESET, -EIO, -ENOBUFS, -ENOMEM, -EPIPE};
    char buffer[4];
    assert_int_equal(world_send(ends[1], "abcd", 4), 4);
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        ANSWER(errors[i]);
        assert_int_equal(rouse_read(&a.io, buffer, sizeof buffer), errors[i]);
        ANSWER(errors[i]);
        assert_int_equal(rouse_write(&a.io, buffer, sizeof buffer), errors[i]);
        assert_int_equal(script.calls, 1);
    }
    ANSWER(1, 2);
    assert_int_equal(rouse_read(&a.io, buffer, sizeof buffer), 1);
    assert_int_equal(rouse_read(&a.io, buffer, sizeof buffer), 2);
    assert_int_equal(rouse_turn(loop, -1), 1); /* one byte is left, and told */
    CHECK_JOURNAL("a");
    ANSWER(3);
    assert_int_equal(rouse_write(&a.io, "wxyz", 4), 3);
}

static void result_of_a_connect_is_handed_on(void **state)
{
    (void)state;
    ANSWER(-ECONNREFUSED);
    assert_int_equal(rouse_connect_result(&a.io), -ECONNREFUSED);
    assert_int_equal(rouse_connect_result(&a.io), 0);
}

/* A25: after EINTR from close the number may be somebody else's by then. */
static void close_is_never_made_again(void **state)
{
    (void)state;
    ANSWER(-EINTR, -EINTR);
    assert_int_equal(rouse_io_close(&a.io), 0);
    assert_int_equal(script.calls, 1);
    assert_int_equal(rouse_io_active(&a.io), 0);
    assert_int_equal(world_inherited(ends[0]), -EBADF);
    assert_int_equal(rouse_run(loop), 0);
}

static void failed_close_is_told_and_the_watcher_stopped(void **state)
{
    (void)state;
    ANSWER(-EIO);
    assert_int_equal(rouse_io_close(&a.io), -EIO);
    assert_int_equal(script.calls, 1);
    assert_int_equal(rouse_io_active(&a.io), 0);
    assert_non_null(strstr(rouse_error(loop), in_words(EIO)));
    assert_int_equal(rouse_run(loop), 0);
}

static rouse_fd listener, client;

static void listen_with_a_client(struct player *player, uint32_t want)
{
    CHECK_OK(NULL, world_listen(&listener));
    CHECK_OK(NULL, world_connect(listener, &client));
    world_await(listener, ROUSE_READ);
    player_init(player, loop, 'l', NULL);
    CHECK_OK(loop, rouse_io_start(loop, &player->io, listener, want));
}

static void hang_up(struct player *player)
{
    CHECK_OK(NULL, world_close(client));
    CHECK_OK(loop, rouse_io_close(&player->io));
}

static void clients_that_have_gone_are_passed_over(void **state)
{
    (void)state;
    struct player l;
    rouse_fd accepted = -1;
    listen_with_a_client(&l, ROUSE_READ);
    ANSWER(-ECONNABORTED, -EINTR, -ECONNABORTED);
    assert_int_equal(rouse_accept(&l.io, &accepted), 0);
    assert_int_equal(script.calls, 4);
    CHECK_OK(NULL, world_close(accepted));
    ANSWER(-ECONNABORTED);
    assert_int_equal(rouse_accept(&l.io, &accepted), -EAGAIN);
    hang_up(&l);
}

static rouse_fd last_accepted;
static int last_result;

static void accept_one(struct player *self)
{
    last_result = rouse_accept(&self->io, &last_accepted);
}

/* N1: without descriptors a listener stays ready, and the loop spins; who pauses it has peace. */
static void accept_without_descriptors(uint32_t mode)
{
    static const int errors[] = {-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct player l;
        listen_with_a_client(&l, ROUSE_READ | mode);
        l.also = accept_one;
        ANSWER(errors[i], errors[i]);
        journal_take();
        for (int k = 0; k < 2; k++) { /* the connection is in the queue, the listener ready */
            assert_int_equal(subject_turn(loop, -1), 1);
            assert_int_equal(last_result, errors[i]);
        }
        assert_non_null(strstr(rouse_error(loop), in_words(-errors[i])));
        CHECK_OK(loop, rouse_io_want(&l.io, 0));
        for (int k = 0; k < 3; k++)
            assert_int_equal(subject_turn(loop, 0), 0);
        CHECK_OK(loop, rouse_io_want(&l.io, ROUSE_READ));
        assert_int_equal(subject_turn(loop, -1), 1);
        assert_int_equal(last_result, 0);
        CHECK_JOURNAL("lll");
        CHECK_OK(NULL, world_close(last_accepted));
        hang_up(&l);
    }
}

static void accept_without_descriptors_keeps_the_connection(void **state)
{
    (void)state;
    accept_without_descriptors(0);
}

static void accept_without_descriptors_keeps_the_connection_with_edges(void **state)
{
    (void)state;
    accept_without_descriptors(ROUSE_EDGE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(reads_and_writes_are_made_again_after_a_signal),
        CASE(errors_and_short_counts_are_handed_on),
        CASE(result_of_a_connect_is_handed_on),
        CASE(close_is_never_made_again),
        CASE(failed_close_is_told_and_the_watcher_stopped),
        CASE(clients_that_have_gone_are_passed_over),
        CASE(accept_without_descriptors_keeps_the_connection),
        CASE(accept_without_descriptors_keeps_the_connection_with_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
