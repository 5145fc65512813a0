/*
 * Loops and fork. A child has a copy of the loop, but what lies in the kernel behind it is the
 * parent's: an epoll descriptor in the child is the very one of the parent. So the child's calls
 * are refused until it adopts the loop, which then gets a backend and a notifier of its own over
 * the descriptors that both share.
 *
 * SPDX-License-Identifier: MIT
 */
#define _POSIX_C_SOURCE 200809L /* fork */
#include "child.h"
#include "child_threads.h"
#include "observer.h"

static void be_refused(void)
{
    EXPECT(calls_make(&calls, -ECHILD) == NULL);
}

/* H5: a child that went on with the loop as if nothing had happened. */
static void every_call_in_a_child_is_refused_before_it_adopts(void **state)
{
    (void)state;
    in_a_child(be_refused);
    assert_true(calls_unchanged(&calls));
}

static void go_on_in_the_child(void)
{
    be_refused();
    EXPECT(rouse_adopt(calls.loop) == 0);
    EXPECT(calls_unchanged(&calls)); /* reads the byte that it has sent */
}

static void child_that_adopts_goes_on_where_the_parent_was(void **state)
{
    (void)state;
    in_a_child(go_on_in_the_child);
    assert_true(calls_unchanged(&calls));
}

/* The loop of the parent has had its turn, and with it the threads of a backend that has any. */
static void needs_threads_in_a_child(void)
{
    if (subject_backend()->traits & ROUSE_TRAIT_ASK)
        child_threads_needed();
}

static void let_a_grandchild_go_on(void)
{
    pid_t child = fork();
    if (child == 0) {
        go_on_in_the_child();
        _exit(0);
    }
    int status = -1;
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
    go_on_in_the_child();
    child = fork(); /* and once more, now from a child that has adopted */
    if (child == 0) {
        EXPECT(rouse_turn(calls.loop, 0) == -ECHILD);
        EXPECT(rouse_adopt(calls.loop) == 0 && subject_turn(calls.loop, 0) == 0);
        _exit(0);
    }
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
}

static void grandchildren_are_children(void **state)
{
    (void)state;
    needs_threads_in_a_child();
    in_a_child(let_a_grandchild_go_on);
    assert_true(calls_unchanged(&calls));
}

static void change_everything_in_the_child(void)
{
    struct rouse_loop *loop = calls.loop;
    EXPECT(rouse_adopt(loop) == 0);
    EXPECT(rouse_io_start(loop, &calls.idle.io, calls.others[0], ROUSE_READ | ROUSE_EDGE) == 0);
    EXPECT(rouse_io_want(&calls.started.io, ROUSE_WRITE) == 0);
    EXPECT(subject_turn(loop, 0) == 2);
    EXPECT(rouse_io_stop(&calls.started.io) == 0);
    EXPECT(rouse_io_close(&calls.idle.io) == 0);
    EXPECT(rouse_timer_stop(&calls.started.timer) == 0);
    EXPECT(rouse_wake(loop) == 0);
    EXPECT(rouse_turn(loop, -1) == 0);
    EXPECT(rouse_close(loop) == 0);
}

/* H2: the interest set of epoll is shared, and the child's changes hit the parent. */
static void changes_of_the_child_do_not_touch_the_parent(void **state)
{
    (void)state;
    in_a_child(change_everything_in_the_child);
    assert_true(calls_unchanged(&calls));
}

static void close_unadopted(void)
{
    EXPECT(rouse_close(calls.loop) == 0);
}

/* H1, H2: closing in the child removed what the parent watched. */
static void child_that_closes_without_adopting_does_not_touch_the_parent(void **state)
{
    (void)state;
    in_a_child(close_unadopted);
    CHECK_OK(NULL, rouse_wake(calls.loop));
    assert_true(calls_unchanged(&calls));
}

static void open_another(void)
{
    struct world_clock clock;
    struct rouse_loop *own = stage_open(&clock);
    struct player a;
    player_init(&a, own, 'a', NULL);
    EXPECT(rouse_timer_after(own, &a.timer, 5, 0) == 0);
    be_refused();
    EXPECT(rouse_run(own) == 0);
    EXPECT(strcmp(journal_take(), "a") == 0);
    EXPECT(rouse_close(own) == 0);
    EXPECT(rouse_close(calls.loop) == 0);
}

static void child_may_open_a_loop_of_its_own_beside(void **state)
{
    (void)state;
    in_a_child(open_another);
    assert_true(calls_unchanged(&calls));
}

static pid_t forked;

static void fork_and_adopt(struct player *self)
{
    char byte;
    CHECK_OK(self->loop, rouse_read(&self->io, &byte, 1)); /* there is more */
    if (forked != 0)
        return;
    forked = fork();
    if (forked == 0) {
        forked = -1;
        EXPECT(rouse_adopt(self->loop) == 0);
    }
}

/* The rest of the turn belongs to the parent; the child is told again of what lasts. */
static void fork_in_a_callback(void **state)
{
    (void)state;
    needs_threads_in_a_child();
    struct rouse_loop *loop = stage_open(NULL);
    struct player a, b;
    player_init(&a, loop, 'x', fork_and_adopt);
    player_init(&b, loop, 'x', fork_and_adopt);
    CHECK_OK(loop, rouse_io_start(loop, &a.io, calls.ends[0], ROUSE_READ | ROUSE_EDGE));
    CHECK_OK(loop, rouse_io_start(loop, &b.io, calls.others[0], ROUSE_READ));
    assert_int_equal(world_send(calls.ends[1], "0123456789", 10), 10);
    assert_int_equal(world_send(calls.others[1], "0123456789", 10), 10);
    forked = 1;
    assert_int_equal(rouse_turn(loop, -1), 2); /* now the edge is only remembered */
    journal_take();
    forked = 0;
    int made = rouse_turn(loop, -1);
    if (forked == -1) {
        EXPECT(made == 1);
        EXPECT(strcmp(journal_take(), "x") == 0);
        EXPECT(rouse_turn(loop, -1) == 2);
        EXPECT(rouse_io_stop(&a.io) == 0);
        EXPECT(rouse_turn(loop, -1) == 1);
        _exit(0);
    }
    assert_int_equal(made, 2);
    child_end(forked);
    assert_int_equal(rouse_turn(loop, -1), 2);
    CHECK_OK(NULL, rouse_close(loop));
}

static void fork_once(struct player *self)
{
    (void)self;
    if (forked < 0) {
        fflush(NULL);
        forked = fork();
    }
}

/* Turns a loop on which `a` and `b` are due, and whoever is called first forks. */
static void check_that_the_child_calls_nobody(struct rouse_loop *loop)
{
    forked = -1;
    int made = rouse_turn(loop, 0);
    if (forked == 0) {
        EXPECT(made == -ECHILD);
        EXPECT(strlen(journal_take()) == 1);
        EXPECT(rouse_turn(loop, 0) == -ECHILD);
        EXPECT(rouse_adopt(loop) == 0);
        EXPECT(rouse_turn(loop, 0) >= 0);
        EXPECT(strchr(journal_take(), 'b') != NULL);
        _exit(0);
    }
    assert_true(forked > 0);
    child_end(forked);
    CHECK_OK(loop, made < 0 ? made : 0);
    CHECK_JOURNAL("ab");
}

/* H5: what the parent was about to call is the parent's. */
static void child_that_returns_from_a_callback_unadopted_calls_nobody(void **state)
{
    (void)state;
    needs_threads_in_a_child();
    struct world_clock clock;
    struct rouse_loop *loop = stage_open(&clock);
    struct player a;
    struct player b;
    player_init(&a, loop, 'a', fork_once);
    player_init(&b, loop, 'b', fork_once);

    CHECK_OK(loop, rouse_timer_at(loop, &a.timer, 0, 1000000));
    CHECK_OK(loop, rouse_timer_at(loop, &b.timer, 0, 1000000));
    check_that_the_child_calls_nobody(loop);
    CHECK_OK(loop, rouse_timer_stop(&a.timer));
    CHECK_OK(loop, rouse_timer_stop(&b.timer));

    CHECK_OK(loop, rouse_defer(loop, &a.task));
    CHECK_OK(loop, rouse_defer(loop, &b.task));
    check_that_the_child_calls_nobody(loop);

    CHECK_OK(loop, rouse_hook_start(loop, &a.hook, ROUSE_BEFORE_WAIT));
    CHECK_OK(loop, rouse_hook_start(loop, &b.hook, ROUSE_BEFORE_WAIT));
    check_that_the_child_calls_nobody(loop);
    CHECK_OK(loop, rouse_close(loop));
}

static struct rouse_loop *observed_loop;

static void adopt_at_the_second_attempt(void)
{
    struct player a;
    player_init(&a, observed_loop, 'a', NULL);
    observed.open_fails = 1;
    observed.open_error = -EMFILE;
    EXPECT(rouse_adopt(observed_loop) == -EMFILE);
    EXPECT(strstr(rouse_error(observed_loop), strerror(EMFILE)) != NULL);
    EXPECT(rouse_adopt(observed_loop) == 0);
    EXPECT(rouse_io_start(observed_loop, &a.io, calls.ends[0], ROUSE_WRITE) == 0);
    EXPECT(rouse_turn(observed_loop, -1) == 1);
    EXPECT(strcmp(journal_take(), "a") == 0);
    EXPECT(rouse_close(observed_loop) == 0);
}

static void adopt_that_fails_may_be_tried_again(void **state)
{
    (void)state;
    needs_threads_in_a_child();
    observed_loop = observer_open(false);
    in_a_child(adopt_at_the_second_attempt);
    CHECK_OK(observed_loop, rouse_turn(observed_loop, 0));
    CHECK_OK(NULL, rouse_close(observed_loop));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(every_call_in_a_child_is_refused_before_it_adopts),
        CASE(child_that_adopts_goes_on_where_the_parent_was),
        CASE(grandchildren_are_children),
        CASE(changes_of_the_child_do_not_touch_the_parent),
        CASE(child_that_closes_without_adopting_does_not_touch_the_parent),
        CASE(child_may_open_a_loop_of_its_own_beside),
        CASE(fork_in_a_callback),
        CASE(child_that_returns_from_a_callback_unadopted_calls_nobody),
        CASE(adopt_that_fails_may_be_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
