/*
 * trace with a loop and a backend that do nothing wrong: it says nothing, hands every call on as it
 * is, passes on what its inner backend finds out, and records what has passed if it is asked to.
 * What it says of those that do wrong is in trace_caller.c and trace_backend.c.
 *
 * What surprises: much looks like a breach and is none. A dropped token may be dropped again while
 * the loop reads a batch, and a kernel may report one whose descriptor had been closed before.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* fork, mkstemp, setenv */
#include <pthread.h>

#include "witness.h"

enum { SPENT = ROUSE_SPENT };

static int set_up(void **state)
{
    (void)state;
    return unsetenv("ROUSE_TRACE");
}

/* ---- No noise ---- */

/* Runs `body` in a child, which must end well and say nothing. */
static void check_silent(void (*body)(void))
{
    char text[1024];
    witness_reset();
    int status = witness_child(body, text, sizeof text);
    assert_string_equal(text, "");
    assert_int_equal(status, 0);
}

static void refuse(int error)
{
    witness.told[witness.ntold++] = (struct rouse_event){token, ROUSE_ERROR, error};
}

static void change_in_every_way(void)
{
    EXPECT(open_trace() == 0);
    poll_change(FD, token, 0, READ | ROUSE_HANGUP);
    poll_change(FD, token, READ | ROUSE_HANGUP, READ | ROUSE_PRIORITY | WRITE | ROUSE_EDGE);
    uint32_t held = READ | ROUSE_PRIORITY | WRITE | ROUSE_EDGE;
    poll_change(FD, token, held, held); /* an edge was lost */
    poll_change(FD, token, held, 0);
    poll_change(FD, token, 0, 0);
    poll_change(FD, TOKEN(9, 3), 0, READ); /* another has the slot, and the descriptor */
    drop(FD, TOKEN(9, 3));
    poll_change(FD, TOKEN(1, 1), 0, WRITE); /* another slot has the descriptor */
    poll_change(OTHER_FD, TOKEN(11, 3), 0, READ);
    poll_change(OTHER_FD, TOKEN(11, 3), READ, 0);
    poll_change(OTHER_FD + 1, TOKEN(11, 3), 0, READ); /* and the token another descriptor */
    close_trace();
}

static void report_in_every_way(void)
{
    EXPECT(open_trace() == 0);
    poll_change(FD, token, 0, READ | WRITE);
    EXPECT(poll_told(token, READ, 0) == 1 && poll_told(token, WRITE, 0) == 1);
    EXPECT(poll_told(token, ROUSE_ERROR | ROUSE_HANGUP, 0) == 1); /* unasked */
    EXPECT(poll_told(token, READ | WRITE | SPENT, 0) == 1);
    for (uint32_t i = 0; i < 3; i++) { /* each time something else is wanted */
        poll_change(FD, token, 0, (uint32_t)READ << i);
        EXPECT(poll_told(token, SPENT, 0) == 1);
    }
    poll_change(FD, token, 0, READ);
    EXPECT(poll_told(token, SPENT, 0) == 1);
    poll_change(FD, token, 0, READ);
    EXPECT(poll_told(token, READ, 0) == 1); /* so it is not twice in a row */
    EXPECT(poll_told(token, SPENT, 0) == 1);
    close_trace();
}

static void drop_in_every_way(void)
{
    EXPECT(open_trace() == 0);
    poll_change(FD, token, 0, READ);
    drop(FD, token);
    drop(FD, token);
    refuse(-ENOSPC);
    poll_change(FD, token, 0, READ);
    drop(FD, token);
    poll_change(FD, token, 0, READ);
    EXPECT(poll_told(token, ROUSE_ERROR, -EIO) == 1); /* late */
    drop(FD, token);
    poll_change(FD, token, 0, READ);
    EXPECT(poll_told(token, SPENT, 0) == 1);
    drop(FD, token);
    poll_change(FD, token, 0, READ);
    refuse(-EIO);
    poll_change(FD, token, READ, 0); /* to refuse silence is silence, too */
    witness.result = -EIO;
    EXPECT(poll_change(FD, token, 0, READ) == -EIO);
    drop(FD, token);
    close_trace();
}

/* Closed before it was given up, with a duplicate that keeps the file open. */
static void haunt(void)
{
    EXPECT(open_trace() == 0);
    poll_change(CLOSED_FD, token, 0, READ);
    drop(CLOSED_FD, token);
    EXPECT(poll_told(token, READ, 0) == 1);
    poll_change(FD, TOKEN(9, 3), 0, READ);
    EXPECT(poll_told(token, READ, 0) == 1); /* the slot is another's by now */
    drop(FD, TOKEN(9, 3));
    poll_change(CLOSED_FD, TOKEN(11, 3), 0, READ);
    poll_change(CLOSED_FD, TOKEN(11, 3), READ, 0);
    EXPECT(poll_told(TOKEN(11, 3), READ, 0) == 1);
    refuse(-EBADF);
    witness.told[0].token = TOKEN(13, 3);
    poll_change(FD, TOKEN(13, 3), 0, READ);
    EXPECT(poll_told(TOKEN(13, 3), READ, 0) == 1);
    close_trace();
}

static void use_memory(void)
{
    const struct rouse_allocator *allocator = &witness.given.allocator;
    void *block = allocator->resize(allocator->context, NULL, 0, 10);
    block = allocator->resize(allocator->context, block, 10, 1000);
    block = allocator->resize(allocator->context, block, 1000, 5);
    EXPECT(witness.allocated > 5);
    allocator->resize(allocator->context, block, 5, 0);
    witness.work.scanned++;
}

static void use_memory_and_count(void)
{
    EXPECT(open_trace() == 0);
    witness.during = use_memory;
    poll_told(0, 0, 0);
    close_trace();
    EXPECT(witness.allocated == 0);
}

static void *close_it(void *unused)
{
    close_trace();
    return unused;
}

static void close_elsewhere(void)
{
    witness.inner.traits |= ROUSE_TRAIT_BOUND;
    EXPECT(open_trace() == 0);
    poll_change(FD, token, 0, READ);
    pid_t child = fork();
    if (child == 0) {
        close_trace();
        EXPECT(witness.closes == 1 && witness.allocated == 0);
        _exit(0);
    }
    int status = -1;
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, close_it, NULL) == 0);
    pthread_join(thread, NULL);
}

static void nothing_is_said_of_what_is_right(void **state)
{
    (void)state;
    check_silent(change_in_every_way);
    check_silent(report_in_every_way);
    check_silent(drop_in_every_way);
    check_silent(haunt);
    check_silent(use_memory_and_count);
    check_silent(close_elsewhere);
}

/* ---- What is handed on ---- */

static void every_call_is_handed_on(void **state)
{
    (void)state;
    witness_reset();
    assert_int_equal(open_trace(), 0);
    assert_ptr_equal(witness.given.work, &witness.work);
    assert_ptr_equal(witness.given.why, witness.why);
    assert_null(witness.given.inner);
    const struct rouse_change changes[2] = {{.fd = FD, .token = token, .want = READ},
                                            {.fd = OTHER_FD, .token = 1, .want = WRITE}};
    witness.told[witness.ntold++] = (struct rouse_event){1, WRITE, 0};
    int n = witness.table.poll(witness.state, changes, 2, witness.events, 5, 123);
    assert_int_equal(n, 1);
    assert_int_equal(witness.events[0].token, 1);
    assert_int_equal(witness.events[0].ready, WRITE);
    assert_int_equal(witness.nchanges, 2);
    assert_memory_equal(witness.changes, changes, sizeof changes);
    assert_int_equal(witness.nevents, 5);
    assert_int_equal(witness.timeout, 123);
    drop(FD, token);
    assert_int_equal(witness.drops, 1);
    assert_int_equal(witness.table.wake(witness.state), -EAGAIN);
    assert_int_equal(witness.wakes, 1);
    witness.result = -EIO;
    assert_int_equal(poll_told(0, 0, 0), -EIO);
    close_trace();
    assert_int_equal(witness.closes, 1);
    assert_int_equal(witness.allocated, 0);
}

static void find_out(void)
{
    struct rouse_backend *table = witness.given.table;
    table->name = "found\"out";
    table->traits = ROUSE_TRAIT_SCAN;
    table->fd_limit = 99;
    table->wake = NULL;
    table->system = NULL;
}

static void table_is_that_of_the_inner(void **state)
{
    (void)state;
    witness_reset();
    assert_int_equal(open_trace(), 0);
    assert_string_equal(witness.table.name, "trace:mine");
    assert_int_equal(witness.table.traits, witness.inner.traits);
    assert_int_equal(witness.table.fd_limit, 0);
    assert_ptr_equal(witness.table.system, &witness_system);
    close_trace();
    witness_reset();
    witness.during = find_out;
    assert_int_equal(open_trace(), 0);
    assert_string_equal(witness.table.name, "trace:found?out");
    assert_int_equal(witness.table.traits, ROUSE_TRAIT_SCAN);
    assert_int_equal(witness.table.fd_limit, 99);
    assert_null(witness.table.system);
    assert_null(witness.table.wake);
    assert_string_equal(witness.inner.name, "mine"); /* it has a copy */
    close_trace();
}

static void say_why(void)
{
    snprintf(witness.given.why, witness.given.why_size, "not today");
}

static void inner_that_does_not_open_says_why(void **state)
{
    (void)state;
    witness_reset();
    witness.during = say_why;
    witness.result = -ENODEV;
    assert_int_equal(open_trace(), -ENODEV);
    assert_string_equal(witness.why, "not today");
    assert_int_equal(witness.allocated, 0);
    assert_int_equal(witness.closes, 0);
    witness_reset();
    witness.setup.why_size = 0; /* when a loop opens its backend anew */
    witness.result = -ENODEV;
    assert_int_equal(open_trace(), -ENODEV);
    witness_reset();
    witness.inner.abi++;
    assert_int_equal(open_trace(), -ENOTSUP);
    assert_non_null(strstr(witness.why, "version"));
}

static void own_backend_behind_it(void **state)
{
    (void)state;
    witness_reset();
    witness.inner.system = NULL;
    struct rouse_config config = {
        .size = sizeof config, .backend = "trace:mine", .own = &witness.inner};
    struct rouse_loop *loop = NULL;
    CHECK_OK(NULL, rouse_open(&loop, &config));
    assert_string_equal(rouse_backend_name(loop), "trace:mine");
    assert_int_equal(rouse_turn(loop, 0), 0);
    assert_int_equal(witness.polls, 1);
    CHECK_OK(NULL, rouse_close(loop));
    assert_int_equal(witness.closes, 1);
}

/* ---- Memory ---- */

static void open_without_memory_says_so(void **state)
{
    (void)state;
    witness_reset();
    witness.failing = 1;
    assert_int_equal(open_trace(), -ENOMEM);
    assert_string_equal(witness.why, "no memory for mine");
    assert_int_equal(witness.allocated, 0);
}

/* Its own two tables: for each slot what is known of it, and room to hand a change on. */
static void change_without_memory_is_refused_and_not_handed_on(void **state)
{
    (void)state;
    for (int spared = 0; spared < 2; spared++) {
        witness_reset();
        assert_int_equal(open_trace(), 0);
        assert_int_equal(poll_change(FD, TOKEN(1, 0), 0, READ), 0);
        const struct rouse_change changes[3] = {
            {.fd = FD, .token = TOKEN(1, 0), .had = READ, .want = WRITE},
            {.fd = OTHER_FD, .token = token, .want = READ},
            {.fd = OTHER_FD + 1, .token = TOKEN(1, UINT32_MAX), .want = READ}};
        witness.failing = 4 - spared;
        witness.spared = spared;
        witness.told[witness.ntold++] = (struct rouse_event){TOKEN(1, 0), WRITE, 0};
        int n = witness.table.poll(witness.state, changes, 3, witness.events, ROOM, -1);
        assert_int_equal(n, 3);
        assert_int_equal(witness.nchanges, 1);
        assert_memory_equal(witness.changes, changes, sizeof changes[0]);
        assert_int_equal(witness.nevents, ROOM - 2);
        assert_int_equal(witness.timeout, 0); /* a refusal does not block */
        for (int i = 0; i < 2; i++) {
            assert_int_equal(witness.events[i].token, changes[1 + i].token);
            assert_int_equal(witness.events[i].ready, ROUSE_ERROR);
            assert_int_equal(witness.events[i].result, -ENOMEM);
        }
        assert_int_equal(witness.events[2].token, TOKEN(1, 0));
        drop(OTHER_FD, token); /* the loop is still reading the batch */
        assert_int_equal(witness.drops, 0);
        witness.failing = 0;
        assert_int_equal(poll_change(OTHER_FD, token, 0, READ), 0);
        assert_int_equal(witness.nchanges, 1);
        drop(OTHER_FD, token);
        assert_int_equal(witness.drops, 1);
        close_trace();
        assert_int_equal(witness.allocated, 0);
    }
}

static void refusals_that_fill_the_room_leave_none_to_ask_for(void **state)
{
    (void)state;
    witness_reset();
    assert_int_equal(open_trace(), 0);
    witness.failing = 2;
    struct rouse_change change = {.fd = FD, .token = token, .want = READ};
    assert_int_equal(witness.table.poll(witness.state, &change, 1, witness.events, 1, -1), 1);
    assert_int_equal(witness.events[0].result, -ENOMEM);
    assert_int_equal(witness.polls, 0);
    close_trace();
}

#define CASE(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(nothing_is_said_of_what_is_right),
        CASE(every_call_is_handed_on),
        CASE(table_is_that_of_the_inner),
        CASE(inner_that_does_not_open_says_why),
        CASE(own_backend_behind_it),
        CASE(open_without_memory_says_so),
        CASE(change_without_memory_is_refused_and_not_handed_on),
        CASE(refusals_that_fill_the_room_leave_none_to_ask_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
