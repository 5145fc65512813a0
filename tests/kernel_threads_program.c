/*
 * What only threads can do to the program around it: hold its files open, stay behind, take its
 * signals, and be absent in its forked children.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* ppoll */
#include <sys/wait.h>

#include "child_threads.h"
#include "kernel_threads.h"

/* ---- What is left of a thread ---- */

/* P4, P10: whoever waits for a file holds it open, and its peer is not told that it was closed. */
static void closed_descriptor_is_told_to_its_peer_at_once(void **state)
{
    (void)state;
    char byte;
    for (int reported = 0; reported < 2; reported++) {
        rouse_fd pair[2];
        struct player player;
        player_init(&player, loop, 'p', NULL);
        CHECK_OK(NULL, world_pair(WORLD_UNIX, pair));
        CHECK_OK(loop, rouse_io_start(loop, &player.io, pair[0], ROUSE_READ));
        assert_int_equal(rouse_turn(loop, 0), 0);
        assert_int_equal(world_send(pair[1], "x", (size_t)reported), reported);
        assert_int_equal(rouse_turn(loop, 0), reported);
        assert_int_equal(world_drain(pair[0]), reported);
        CHECK_OK(loop, rouse_io_close(&player.io));
        assert_int_equal(world_receive(pair[1], &byte, 1), 0);
        CHECK_OK(NULL, world_close(pair[1]));
    }
}

/* Fewer where the process may not have as many descriptors or threads. */
static void two_thousand_sleep_and_end_with_the_loop(void **state)
{
    (void)state;
    if (world_emulates_limits())
        SKIP("valgrind has no room for so many threads");
    enum { MANY = 2000, ROOM = 8 };
    static struct player many[MANY];
    static rouse_fd copies[MANY];
    struct rouse_loop *kept = loop;
    loop = stage_open(NULL);
    int count = 0;
    while (count < MANY && world_dup(others[0], &copies[count]) == 0)
        count++;
    for (int i = 0; i < ROOM; i++) /* for what the case itself opens */
        CHECK_OK(NULL, world_close(copies[--count]));
    for (int i = 0; i < count; i++) {
        player_init(&many[i], loop, 'm', NULL);
        CHECK_OK(loop, rouse_io_start(loop, &many[i].io, copies[i], ROUSE_READ));
    }
    int refused = 0;
    for (int i = 0; i < 4; i++) /* one turn starts 512 */
        refused += rouse_turn(loop, 0);
    struct player last;
    player_init(&last, loop, 'l', NULL);
    CHECK_OK(loop, rouse_io_stop(&many[0].io)); /* so that there is a thread for it */
    assert_int_equal(world_dup2(ends[0], copies[0]), 0);
    CHECK_OK(loop, rouse_io_start(loop, &last.io, copies[0], ROUSE_READ));
    assert_int_equal(rouse_turn(loop, 0), 0);
    check_threads(threads_before + 3 + 1 + (unsigned)(count - refused));
    check_served(&last, ends[1]);
    CHECK_OK(NULL, rouse_close(loop));
    check_threads(threads_before + 3);
    for (int i = 0; i < count; i++)
        CHECK_OK(NULL, world_close(copies[i]));
    loop = kept;
}

/* ---- The signals of the program ---- */

static atomic_int handled, handled_elsewhere;

static void handle(int number)
{
    (void)number;
    handled++;
    handled_elsewhere += !pthread_equal(pthread_self(), program);
}

static void set_handler(int number, void (*handler)(int), struct sigaction *before)
{
    struct sigaction action = {.sa_handler = handler};
    assert_int_equal(sigaction(number, &action, before), 0);
}

/* A signal to the process goes to any thread that lets it in. */
static void signals_of_the_program_go_to_its_own_threads(void **state)
{
    (void)state;
    const int numbers[] = {SIGUSR1, SIGTERM, SIGCHLD, SIGALRM, SIGIO, SIGPIPE, SIGRTMIN};
    few_start();
    assert_int_equal(rouse_turn(loop, 0), 0);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction before;
        sigset_t one, mask;
        set_handler(numbers[i], handle, &before);
        sigemptyset(&one);
        sigaddset(&one, numbers[i]);
        handled = handled_elsewhere = 0;
        assert_int_equal(pthread_sigmask(SIG_BLOCK, &one, &mask), 0);
        assert_int_equal(kill(getpid(), numbers[i]), 0);
        assert_int_equal(rouse_turn(loop, 0), 0); /* all threads have been awake */
        assert_int_equal(handled, 0);
        assert_int_equal(pthread_sigmask(SIG_SETMASK, &mask, NULL), 0);
        assert_int_equal(handled, 1);
        assert_int_equal(handled_elsewhere, 0);
        assert_int_equal(sigaction(numbers[i], &before, NULL), 0);
    }
    few_end();
}

/* Any handler ends the wait of a thread; only if there is none, or none that is called, must one be
 * put there. */
static void handler_of_the_program_is_left_in_place(void **state)
{
    (void)state;
    void (*const handlers[])(int) = {handle, SIG_IGN, SIG_DFL};
    struct rouse_loop *kept = loop;
    for (int i = 0; i < 3; i++) {
        struct sigaction before, after;
        set_handler(SIGURG, handlers[i], &before);
        handled = handled_elsewhere = 0;
        loop = stage_open(NULL);
        few_start();
        assert_int_equal(rouse_turn(loop, 0), 0);
        check_served(&few[0], few_ends[0][1]);
        few_end();
        CHECK_OK(NULL, rouse_close(loop));
        assert_int_equal(handled, handled_elsewhere); /* in threads of the backend alone */
        assert_int_equal(handled > 0, handlers[i] == handle);
        assert_int_equal(sigaction(SIGURG, &before, &after), 0);
        assert_int_equal(after.sa_handler == handlers[i], handlers[i] == handle);
    }
    loop = kept;
}

/* ---- Forks ---- */

/* Returns 0, or which step failed. */
static int begin_anew_in_a_child(void)
{
    struct rouse_loop *own = NULL;
    if (rouse_close(loop) != 0 || threads_now() != 1)
        return 1;
    if (rouse_open(&own, NULL) != 0)
        return 2;
    player_init(&a, own, 'a', NULL);
    if (rouse_io_start(own, &a.io, few_ends[0][0], ROUSE_READ) != 0)
        return 3;
    if (rouse_turn(own, -1) != 1 || a.ready != ROUSE_READ || threads_now() != 3)
        return 4;
    return rouse_close(own) == 0 ? 0 : 5;
}

/* H1, H2: the child has none of the threads, and a lock that one of them held. */
static void child_of_a_fork_among_busy_threads_begins_anew(void **state)
{
    (void)state;
    child_threads_needed();
    few_start();
    assert_int_equal(rouse_turn(loop, 0), 0);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < FEW; i++)
            assert_int_equal(world_send(few_ends[i][1], "x", 1), 1);
        pid_t child = fork();
        if (child == 0)
            _exit(begin_anew_in_a_child());
        int status = -1;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        assert_int_equal(rouse_turn(loop, 0), FEW);
        for (int i = 0; i < FEW; i++)
            assert_int_equal(world_drain(few_ends[i][0]), 1);
        assert_int_equal(rouse_turn(loop, 0), 0);
        check_threads(threads_before + 3 + FEW);
    }
    check_both_are_served();
    few_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(closed_descriptor_is_told_to_its_peer_at_once),
        CASE(two_thousand_sleep_and_end_with_the_loop),
        CASE(signals_of_the_program_go_to_its_own_threads),
        CASE(handler_of_the_program_is_left_in_place),
        CASE(child_of_a_fork_among_busy_threads_begins_anew),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
