/*
 * The machine without memory: a whole day of calls, in which each allocation in turn cannot be had.
 * The call that needed it says so and leaves everything as it was, and succeeds when it is made
 * again; what nobody can be told of takes its course all the same.
 *
 * SPDX-License-Identifier: MIT
 */
#include "sim.h"

static int refusals;

/* Counts what is open, and what holds it. */
static uint32_t count_references(void)
{
    uint32_t count = 0;
    struct rouse_sim_file file;
    for (rouse_fd fd = 0; fd < 40; fd++)
        if (rouse_sim_look(fd, &file) == 0)
            count += file.references + file.received + file.sent;
    return count;
}

/* Makes a call that may find no memory, and then again. */
#define TRY(result, call)                                                                          \
    do {                                                                                           \
        uint32_t before = count_references();                                                      \
        (result) = (call);                                                                         \
        if ((result) == -ENOMEM) {                                                                 \
            refusals++;                                                                            \
            assert_int_equal(count_references(), before);                                          \
            (result) = (call);                                                                     \
        }                                                                                          \
        CHECK_OK(NULL, result);                                                                    \
    } while (0)

static void write_all(rouse_fd fd, size_t size)
{
    static char bytes[5000];
    for (size_t at = 0; at < size;) {
        for (size_t i = at; i < size; i++)
            bytes[i] = (char)(i * 7);
        int64_t n;
        TRY(n, rouse_sim_write(fd, bytes + at, size - at));
        at += (size_t)n;
    }
}

static void read_all(rouse_fd fd, size_t size)
{
    static char bytes[5000];
    size_t has = 0;
    for (int64_t n; (n = rouse_sim_read(fd, bytes + has, sizeof bytes - has)) > 0;)
        has += (size_t)n;
    assert_int_equal(has, size);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(bytes[i], (char)(i * 7));
}

static void come(struct rouse_sim_event *event)
{
    (void)event;
    journal_write('!');
}

static void watch(rouse_fd fds[], int count)
{
    int64_t result;
    struct rouse_sim_pollfd entries[8];
    struct rouse_sim_set set = {{0}};
    TRY(result, rouse_sim_epoll_create());
    rouse_fd epoll = (rouse_fd)result;
    TRY(result, rouse_sim_epoll_create());
    rouse_fd outer = (rouse_fd)result;
    TRY(result, rouse_sim_epoll_ctl(outer, ROUSE_SIM_ADD, epoll, ROUSE_READ, 7));
    for (int i = 0; i < count; i++) {
        TRY(result, rouse_sim_epoll_ctl(epoll, ROUSE_SIM_ADD, fds[i], ROUSE_READ, 7));
        entries[i] = (struct rouse_sim_pollfd){.fd = fds[i], .want = ROUSE_READ};
        set.words[0] |= UINT64_C(1) << fds[i];
    }
    struct rouse_event event;
    TRY(result, rouse_sim_epoll_wait(outer, &event, 1, 10));
    TRY(result, rouse_sim_poll(entries, (uint32_t)count, 10));
    TRY(result, rouse_sim_select(40, &set, NULL, NULL, 10));
    CHECK_OK(NULL, rouse_sim_close(epoll));
    CHECK_OK(NULL, rouse_sim_close(outer));
}

static void spend_a_day(void)
{
    int64_t result;
    rouse_fd pipe[2], pair[2];
    struct rouse_sim_event events[5];
    TRY(result, rouse_sim_pipe(pipe));
    TRY(result, rouse_sim_pair(pair));
    TRY(result, rouse_sim_listen(5));
    rouse_fd listener = (rouse_fd)result;
    for (int i = 0; i < 2; i++) {
        CHECK_OK(NULL, rouse_sim_block(pipe[i], false));
        CHECK_OK(NULL, rouse_sim_block(pair[i], false));
    }
    rouse_fd fds[] = {pipe[0], pair[0], pair[1], listener};
    watch(fds, 4);
    for (int i = 0; i < 5; i++) {
        events[i] = (struct rouse_sim_event){.fn = come};
        TRY(result, rouse_sim_at(&events[i], rouse_sim_now() + 10 + i));
    }
    write_all(pipe[1], 3000);
    write_all(pair[0], 3000);
    watch(fds, 4);
    read_all(pipe[0], 3000);
    read_all(pair[1], 3000);
    TRY(result, rouse_sim_connect(listener));
    rouse_fd client = (rouse_fd)result;
    TRY(result, rouse_sim_sleep(100));
    CHECK_JOURNAL("!!!!!");
    result = rouse_sim_error(client);
    if (result == -ECONNREFUSED) /* as there was no memory for the other end */
        refusals++;
    else
        assert_int_equal(result, 0);
    TRY(result, rouse_sim_dup(client));
}

static void each_allocation_in_turn_cannot_be_had(void **state)
{
    (void)state;
    int most = 0;
    for (int n = 0;; n++) {
        sim_reboot((struct rouse_sim_config){.seed = 1});
        refusals = 0;
        sim_memory.before = n;
        spend_a_day();
        if (sim_memory.before >= 0)
            break; /* it was not so many */
        assert_int_equal(refusals, 1);
        most = n;
    }
    assert_true(most > 20);
}

static void small_write_to_a_pipe_is_whole_even_so(void **state)
{
    (void)state;
    static const char bytes[4000];
    rouse_fd pipe[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    assert_int_equal(rouse_sim_write(pipe[1], bytes, 10), 10);
    sim_memory.before = 0;
    assert_int_equal(rouse_sim_write(pipe[1], bytes, 4000), -ENOMEM);
    assert_int_equal(sim_look(pipe[0]).received, 10);
    assert_int_equal(rouse_sim_write(pipe[1], bytes, 4000), 4000);
}

/* The sender is told, and so is who waits for it, or would for ever. */
static void bytes_that_find_no_memory_reset_the_connection(void **state)
{
    (void)state;
    static struct actor a;
    static const char bytes[4000];
    rouse_fd ends[2];
    sim_reboot((struct rouse_sim_config){.latency = 1000});
    rouse_fd listener = OPENED(rouse_sim_listen(1));
    ends[0] = OPENED(rouse_sim_connect(listener));
    ends[1] = OPENED(rouse_sim_accept(listener));
    actor_start(&a, 'a', actor_reads, ends[1]);
    assert_int_equal(rouse_sim_write(ends[0], bytes, 4000), 4000);
    sim_memory.before = 0;
    sim_pass(1000);
    CHECK_JOURNAL("a");
    assert_int_equal(a.result, -ENOMEM);
    assert_int_equal(rouse_sim_error(ends[0]), -ECONNRESET);
    assert_int_equal(rouse_sim_write(ends[0], bytes, 4000), -EPIPE);
    assert_true(sim_look(ends[1]).ready & ROUSE_HANGUP);
}

/* A packet that no alarm can be had for is there at once. */
static void packet_that_finds_no_alarm_arrives_early(void **state)
{
    (void)state;
    rouse_fd ends[2];
    sim_reboot((struct rouse_sim_config){.latency = 1000});
    rouse_fd listener = OPENED(rouse_sim_listen(2));
    sim_memory.before = 1; /* the socket */
    ends[0] = OPENED(rouse_sim_connect(listener));
    assert_int_equal(sim_memory.before, -1);
    assert_int_equal(sim_look(listener).received, 1);
    ends[1] = OPENED(rouse_sim_accept(listener));
    assert_int_equal(rouse_sim_write(ends[0], "x", 1), 1);
    assert_int_equal(sim_look(ends[1]).received, 0);
    sim_pass(1000);
    assert_int_equal(sim_look(ends[1]).received, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(each_allocation_in_turn_cannot_be_had),
        CASE(small_write_to_a_pipe_is_whole_even_so),
        CASE(bytes_that_find_no_memory_reset_the_connection),
        CASE(packet_that_finds_no_alarm_arrives_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
