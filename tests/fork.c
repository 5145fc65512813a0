/*
 * Loops and fork. A child has a copy of the loop, but what lies in the kernel behind it is the
 * parent's: an epoll descriptor in the child is the very one of the parent. So the child's calls
 * are refused until it adopts the loop, which then gets a backend and a notifier of its own over
 * the descriptors that both share.
 *
 * What surprises: assertions of cmocka do not work in a child; it says with its exit status what
 * went wrong, and where on stderr.
 *
 * SPDX-License-Identifier: MIT
 */
#define _POSIX_C_SOURCE 200809L /* fork */
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"
#include "observer.h"

/* In the child. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: in the child: %s is false\n", __FILE__, __LINE__, #condition); \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static struct calls calls;

static pid_t child_begin(void (*body)(void))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        body();
        _exit(0);
    }
    assert_true(child > 0);
    return child;
}

static void child_end(pid_t child)
{
    int status = -1;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    assert_int_equal(status, 0);
}

static void in_a_child(void (*body)(void))
{
    child_end(child_begin(body));
}

static int set_up(void **state)
{
    (void)state;
    calls_open(&calls);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    calls_close(&calls);
    return 0;
}

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
        EXPECT(rouse_adopt(calls.loop) == 0 && rouse_turn(calls.loop, 0) == 0);
        _exit(0);
    }
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
}

static void grandchildren_are_children(void **state)
{
    (void)state;
    in_a_child(let_a_grandchild_go_on);
    assert_true(calls_unchanged(&calls));
}

static void change_everything_in_the_child(void)
{
    struct rouse_loop *loop = calls.loop;
    EXPECT(rouse_adopt(loop) == 0);
    EXPECT(rouse_io_start(loop, &calls.idle.io, calls.others[0], ROUSE_READ | ROUSE_EDGE) == 0);
    EXPECT(rouse_io_want(&calls.started.io, ROUSE_WRITE) == 0);
    EXPECT(rouse_turn(loop, 0) == 2);
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

static void take_pending_wake(void)
{
    struct rouse_loop *loop = calls.loop;
    EXPECT(rouse_adopt(loop) == 0);
    EXPECT(rouse_turn(loop, -1) == 1);
    EXPECT(strcmp(journal_take(), "sws") == 0); /* hook before the wait, wake, task */
    struct rouse_counters before = stage_counters(loop);
    for (int i = 0; i < 10; i++)
        EXPECT(rouse_turn(loop, 0) == 0);
    EXPECT(stage_counters(loop).events == before.events); /* no spin */
    for (int i = 0; i < 3; i++) {
        journal_take();
        EXPECT(rouse_wake(loop) == 0); /* not deaf */
        EXPECT(rouse_turn(loop, -1) == 0);
        EXPECT(strchr(journal_take(), 'w') != NULL);
    }
}

/* H3: a wake that was pending at the fork left the child spinning, or deaf. */
static void wake_pending_at_the_fork_is_told_once_on_either_side(void **state)
{
    (void)state;
    struct player waker;
    player_init(&waker, calls.loop, 'w', NULL);
    CHECK_OK(calls.loop, rouse_hook_start(calls.loop, &waker.hook, ROUSE_ON_WAKE));
    CHECK_OK(NULL, rouse_wake(calls.loop));
    in_a_child(take_pending_wake);
    assert_int_equal(rouse_turn(calls.loop, -1), 1);
    CHECK_JOURNAL("sws"); /* hook before the wait, wake, task */
    assert_int_equal(rouse_turn(calls.loop, 0), 0);
    CHECK_JOURNAL("s"); /* the child's wakes were its own */
    CHECK_OK(calls.loop, rouse_hook_stop(&waker.hook));
}

static rouse_fd to_child[2], to_parent[2];

static void tell(const rouse_fd ends[2])
{
    if (world_send(ends[1], "x", 1) != 1)
        abort();
}

static void await(const rouse_fd ends[2])
{
    char byte;
    world_await(ends[0], ROUSE_READ);
    if (world_receive(ends[0], &byte, 1) != 1)
        abort();
}

static void look_while_the_parent_is_woken(void)
{
    struct rouse_loop *loop = calls.loop;
    EXPECT(rouse_adopt(loop) == 0);
    EXPECT(rouse_turn(loop, 0) == 1);
    uint64_t events = stage_counters(loop).events;
    tell(to_parent);
    await(to_child); /* now a wake of the parent is pending */
    journal_take();
    for (int i = 0; i < 5; i++)
        EXPECT(rouse_turn(loop, 0) == 0);
    EXPECT(strchr(journal_take(), 'w') == NULL);
    EXPECT(stage_counters(loop).events == events);
    EXPECT(rouse_wake(loop) == 0);
    EXPECT(rouse_turn(loop, -1) == 0);
    EXPECT(strchr(journal_take(), 'w') != NULL);
}

/* H2, H3: both sides rang, and silenced, one bell. */
static void wakes_after_the_fork_are_each_sides_own(void **state)
{
    (void)state;
    struct player waker;
    player_init(&waker, calls.loop, 'w', NULL);
    CHECK_OK(calls.loop, rouse_hook_start(calls.loop, &waker.hook, ROUSE_ON_WAKE));
    CHECK_OK(calls.loop, rouse_hook_stop(&calls.started.hook));
    CHECK_OK(NULL, world_pair(WORLD_PIPE, to_child));
    CHECK_OK(NULL, world_pair(WORLD_PIPE, to_parent));
    pid_t child = child_begin(look_while_the_parent_is_woken);
    await(to_parent);
    CHECK_OK(NULL, rouse_wake(calls.loop));
    tell(to_child);
    child_end(child);
    assert_int_equal(rouse_turn(calls.loop, -1), 1);
    CHECK_JOURNAL("ws"); /* wake, task */
    CHECK_OK(calls.loop, rouse_io_unref(&calls.started.io));
    assert_int_equal(rouse_run(calls.loop), 0);
    CHECK_JOURNAL("s"); /* the timer */
    CHECK_OK(calls.loop, rouse_hook_stop(&waker.hook));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(NULL, world_close(to_child[i]));
        CHECK_OK(NULL, world_close(to_parent[i]));
    }
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
    observed_loop = observer_open(false);
    in_a_child(adopt_at_the_second_attempt);
    CHECK_OK(observed_loop, rouse_turn(observed_loop, 0));
    CHECK_OK(NULL, rouse_close(observed_loop));
}

static void hold_the_file_until_told(void)
{
    world_await(calls.others[0], ROUSE_READ);
}

/* A6, A10: a child that holds the open file kept it registered after the parent had closed it. */
static void closed_descriptor_that_a_child_holds_is_silent(void **state)
{
    (void)state;
    pid_t child = child_begin(hold_the_file_until_told);
    struct rouse_loop *loop = calls.loop;
    rouse_fd number = calls.started.io.fd;
    assert_int_equal(rouse_turn(loop, 0), 1);
    journal_take();
    CHECK_OK(loop, rouse_io_close(&calls.started.io));
    assert_int_equal(world_dup2(calls.others[0], number), 0); /* the number is used again */
    CHECK_OK(loop, rouse_io_start(loop, &calls.started.io, number, ROUSE_READ));
    assert_int_equal(world_send(calls.ends[1], "x", 1), 1); /* to the file that the child holds */
    for (int i = 0; i < 10; i++)
        assert_int_equal(rouse_turn(loop, 0), 0);
    struct rouse_counters counters = stage_counters(loop);
    assert_int_equal(counters.stale, 0);
    assert_int_equal(counters.events, 0);
    assert_int_equal(world_send(calls.others[1], "x", 1), 1);
    child_end(child);
}

/* A7, A8, A11: closed behind the loop's back, it cannot even be removed from the interest set of
 * epoll; to skip its events would be to spin. */
static void registration_that_only_a_child_keeps_up_does_not_spin(void **state)
{
    (void)state;
    struct rouse_loop *loop = calls.loop;
    assert_int_equal(rouse_turn(loop, 0), 1);
    pid_t child = child_begin(hold_the_file_until_told);
    CHECK_OK(NULL, world_close(calls.ends[0]));
    CHECK_OK(loop, rouse_io_stop(&calls.started.io));
    assert_int_equal(world_send(calls.ends[1], "x", 1), 1);
    CHECK_OK(loop, rouse_hook_stop(&calls.started.hook));
    journal_take();
    for (int i = 0; i < 20; i++)
        assert_int_equal(rouse_turn(loop, 0), 0);
    assert_in_range(stage_counters(loop).events, 0, 2);
    CHECK_OK(NULL, rouse_wake(loop)); /* and all else goes on */
    assert_int_equal(rouse_turn(loop, -1), 0);
    assert_int_equal(rouse_turn(loop, -1), 1);
    CHECK_JOURNAL("s"); /* the timer */
    assert_int_equal(world_send(calls.others[1], "x", 1), 1);
    child_end(child);
    CHECK_OK(NULL, world_dup(calls.others[0], &calls.ends[0]));
}

/* R10, H6: descriptors of the library leaked into programs that the user's program executes. */
static void every_descriptor_of_the_library_is_closed_on_exec(void **state)
{
    (void)state;
    enum { NUMBERS = 200 };
    bool open_before[NUMBERS];
    for (rouse_fd fd = 0; fd < NUMBERS; fd++)
        open_before[fd] = world_inherited(fd) >= 0;
    struct rouse_loop *loop = stage_open(NULL);
    struct player a;
    player_init(&a, loop, 'a', NULL);
    rouse_fd listener, client, accepted = -1;
    CHECK_OK(NULL, world_listen(&listener));
    CHECK_OK(NULL, world_connect(listener, &client));
    world_await(listener, ROUSE_READ);
    CHECK_OK(loop, rouse_io_start(loop, &a.io, listener, ROUSE_READ));
    CHECK_OK(loop, rouse_wake(loop));
    CHECK_OK(loop, rouse_turn(loop, 0));
    CHECK_OK(loop, rouse_accept(&a.io, &accepted));
    unsigned fresh = 0;
    for (rouse_fd fd = 0; fd < NUMBERS; fd++)
        if (!open_before[fd] && world_inherited(fd) >= 0) {
            assert_int_equal(world_inherited(fd), 0);
            fresh++;
        }
    assert_true(fresh >= 3);
    CHECK_OK(NULL, world_close(accepted));
    CHECK_OK(NULL, world_close(client));
    CHECK_OK(loop, rouse_io_close(&a.io));
    CHECK_OK(NULL, rouse_close(loop));
    for (rouse_fd fd = 0; fd < NUMBERS; fd++)
        assert_int_equal(world_inherited(fd) >= 0, open_before[fd]);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(every_call_in_a_child_is_refused_before_it_adopts),
        CASE(child_that_adopts_goes_on_where_the_parent_was),
        CASE(grandchildren_are_children),
        CASE(changes_of_the_child_do_not_touch_the_parent),
        CASE(child_that_closes_without_adopting_does_not_touch_the_parent),
        CASE(child_may_open_a_loop_of_its_own_beside),
        CASE(wake_pending_at_the_fork_is_told_once_on_either_side),
        CASE(wakes_after_the_fork_are_each_sides_own),
        CASE(fork_in_a_callback),
        CASE(adopt_that_fails_may_be_tried_again),
        CASE(closed_descriptor_that_a_child_holds_is_silent),
        CASE(registration_that_only_a_child_keeps_up_does_not_spin),
        CASE(every_descriptor_of_the_library_is_closed_on_exec),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
