/*
 * Wakes: from a signal handler, from other threads, before the loop runs and while it sleeps. The
 * one promise that matters is that the last wake is followed by a callback; a loop that breaks it
 * hangs, and so does the case. The rest is what a wake may cost: while one is pending, nothing.
 *
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#include "core/loop.h"
#include "gate.h"
#include "observer.h"

static struct rouse_loop *loop;
static struct player a;

static int set_up(void **state)
{
    (void)state;
    loop = stage_open(NULL);
    player_init(&a, loop, 'a', NULL);
    return rouse_hook_start(loop, &a.hook, ROUSE_ON_WAKE);
}

static int tear_down(void **state)
{
    (void)state;
    return rouse_close(loop);
}

static void wake_before_the_turn_ends_its_wait(void **state)
{
    (void)state;
    CHECK_OK(NULL, rouse_wake(loop));
    CHECK_OK(NULL, rouse_wake(loop));
    assert_int_equal(rouse_turn(loop, -1), 0);
    CHECK_JOURNAL("a");
    assert_int_equal(rouse_turn(loop, 0), 0);
    CHECK_JOURNAL("");
}

static void wake_without_a_loop_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(rouse_wake(NULL), -EINVAL);
    assert_int_equal(rouse_post(NULL, &a.task), -EINVAL);
    assert_int_equal(rouse_post(loop, NULL), -EINVAL);
    struct rouse_task zeroed = {0};
    assert_int_equal(rouse_post(loop, &zeroed), -EINVAL);
    assert_int_equal(rouse_turn(loop, 0), 0);
    CHECK_JOURNAL("");
}

static int errno_in_handler;

static void wake_in_handler(int number)
{
    signal(number, wake_in_handler); /* which some systems forget */
    errno = EDOM;
    rouse_wake(loop);
    errno_in_handler = errno;
}

/* J5, J8: the handler's own errors, and what it may do at all. */
static void wake_from_a_signal_handler_keeps_errno(void **state)
{
    (void)state;
    void (*before)(int) = signal(SIGTERM, wake_in_handler);
    for (int i = 0; i < 3; i++) { /* the first rings, the others find it pending */
        errno_in_handler = 0;
        assert_int_equal(raise(SIGTERM), 0);
        assert_int_equal(errno_in_handler, EDOM);
    }
    assert_int_equal(rouse_turn(loop, -1), 0);
    CHECK_JOURNAL("a");
    signal(SIGTERM, before);
}

static void raise_when_asleep(int64_t timeout)
{
    (void)timeout;
    assert_int_equal(raise(SIGTERM), 0);
}

/* M9, L6: the signal comes when all has been looked at and the wait has not yet begun. */
static void signal_right_before_the_wait_is_not_lost(void **state)
{
    (void)state;
    struct rouse_loop *other = loop;
    loop = observer_open(false);
    observed.before_sleep = raise_when_asleep;
    void (*before)(int) = signal(SIGTERM, wake_in_handler);
    struct player b;
    player_init(&b, loop, 'b', NULL);
    CHECK_OK(loop, rouse_hook_start(loop, &b.hook, ROUSE_ON_WAKE));
    for (int i = 0; i < 100; i++)
        while (strcmp(journal_take(), "b") != 0)
            assert_int_equal(rouse_turn(loop, -1), 0);
    signal(SIGTERM, before);
    CHECK_OK(NULL, rouse_close(loop));
    loop = other;
}

enum { WAKERS = 4, WAKES = 20000, ROUNDS = 5000 };

static atomic_long announced;
static long seen;

static void *wake_often(void *unused)
{
    (void)unused;
    for (int i = 0; i < WAKES; i++) {
        atomic_fetch_add_explicit(&announced, 1, memory_order_relaxed);
        rouse_wake(loop);
    }
    return NULL;
}

static void look(struct player *self)
{
    seen = atomic_load_explicit(&announced, memory_order_relaxed);
    if (seen == (long)WAKERS * WAKES)
        rouse_stop(self->loop);
}

/* L1, L7: a wake between the look and the clearing of the flag was lost. This hangs if the last one
 * is. */
static void last_wake_of_four_threads_is_followed_by_a_callback(void **state)
{
    (void)state;
    a.also = look;
    atomic_store(&announced, 0);
    CHECK_OK(loop, rouse_hold(loop));
    pthread_t threads[WAKERS];
    for (int i = 0; i < WAKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wake_often, NULL), 0);
    assert_int_equal(rouse_run(loop), 1);
    assert_int_equal(seen, WAKERS * WAKES);
    for (int i = 0; i < WAKERS; i++)
        pthread_join(threads[i], NULL);
}

enum { LINE = 64, DUELS = 20000 };

/* What the waker says, on a line of the cache that both write, so that a store takes its time. */
static struct {
    _Alignas(LINE) atomic_int said;
    atomic_int scratch;
    _Alignas(LINE) atomic_int begun; /* which duel */
    _Alignas(LINE) atomic_int ended;
} duel;

static void *wake_behind_another(void *unused)
{
    (void)unused;
    for (int i = 1; i <= DUELS; i++) {
        while (atomic_load(&duel.begun) != i)
            sched_yield();
        rouse_wake(loop);
        for (volatile int wait = i % 1024; wait > 0; wait--)
            ;
        atomic_store_explicit(&duel.said, i, memory_order_release);
        rouse_wake(loop);
        atomic_store(&duel.ended, i);
    }
    return NULL;
}

static void hear(struct player *self)
{
    (void)self;
    seen = atomic_load_explicit(&duel.said, memory_order_relaxed);
    atomic_store_explicit(&duel.scratch, (int)seen, memory_order_relaxed);
}

/* L1: a waker that finds another wake pending, while the loop clears that, has loaded the flag
 * before its own store was visible. */
static void what_is_said_before_a_wake_is_heard_after_it(void **state)
{
    (void)state;
    a.also = hear;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake_behind_another, NULL), 0);
    int lost = 0;
    for (int i = 1; i <= DUELS; i++) {
        rouse_wake(loop);
        atomic_store(&duel.begun, i);
        rouse_turn(loop, 0);
        while (atomic_load(&duel.ended) != i)
            sched_yield();
        rouse_turn(loop, 0);
        lost += seen != i;
    }
    pthread_join(thread, NULL);
    assert_int_equal(lost, 0);
}

static struct gate answered;

static void *wake_and_await(void *unused)
{
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        rouse_wake(loop);
        gate_pass(&answered);
    }
    return NULL;
}

static void answer(struct player *self)
{
    gate_open(&answered);
    if (++seen == ROUNDS)
        rouse_stop(self->loop);
}

/* L1, L7: each wake is the last one until it is answered. */
static void every_single_wake_is_answered(void **state)
{
    (void)state;
    a.also = answer;
    seen = 0;
    answered = GATE_CLOSED;
    CHECK_OK(loop, rouse_hold(loop));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake_and_await, NULL), 0);
    assert_int_equal(rouse_run(loop), 1);
    assert_int_equal(seen, ROUNDS);
    pthread_join(thread, NULL);
}

/* L4, J2, J3: a notifier that filled up blocked the thread that rang it, or lost the wake. */
static void storm_of_wakes_neither_blocks_nor_fills(void **state)
{
    (void)state;
    for (int i = 0; i < 300000; i++)
        CHECK_OK(NULL, rouse_wake(loop));
    assert_int_equal(rouse_turn(loop, -1), 0);
    CHECK_JOURNAL("a");
    assert_int_equal(rouse_turn(loop, 0), 0);
    CHECK_JOURNAL("");
    CHECK_OK(NULL, rouse_wake(loop));
    assert_int_equal(rouse_turn(loop, -1), 0);
    CHECK_JOURNAL("a");
}

/* L4, L10, L11: the notifier alone, rung more often than a pipe has room. */
static void notifier_rung_beyond_its_room_still_tells(void **state)
{
    (void)state;
    rouse_fd notifier[2];
    CHECK_OK(NULL, notifier_open(notifier));
    for (int round = 0; round < 2; round++) {
        assert_int_equal(world_ready(notifier[0], ROUSE_READ), 0);
        for (int i = 0; i < 100000; i++)
            notifier_ring(notifier);
        assert_int_equal(world_ready(notifier[0], ROUSE_READ), ROUSE_READ);
        notifier_silence(notifier);
    }
    assert_int_equal(world_ready(notifier[0], ROUSE_READ), 0);
    notifier_close(notifier);
}

/* L11: a counter that is never read comes to its end, and a write there says EAGAIN. */
static void counter_that_has_come_to_its_end_still_tells(void **state)
{
    (void)state;
    if (loop->notifier[0] < 0)
        SKIP("the backend needs no notifier");
    if (loop->notifier[0] != loop->notifier[1])
        SKIP("the notifier of this system is no counter");
    const uint64_t most = UINT64_MAX - 1;
    for (int i = 0; i < 3; i++) {
        uint64_t count;
        world_receive(loop->notifier[0], &count, sizeof count); /* whatever is left in it */
        assert_int_equal(world_send(loop->notifier[1], &most, sizeof most), sizeof most);
        CHECK_OK(loop, rouse_turn(loop, 0)); /* takes the edge */
        journal_take();
        if (world_ready(loop->notifier[0], ROUSE_READ) == 0)
            assert_int_equal(world_send(loop->notifier[1], &most, sizeof most), sizeof most);
        CHECK_OK(NULL, rouse_wake(loop));
        assert_int_equal(rouse_turn(loop, -1), 0);
        CHECK_JOURNAL("a");
    }
}

static atomic_int rings;

static int count_ring(void *state)
{
    (void)state;
    atomic_fetch_add(&rings, 1);
    return 0;
}

static int open_with_bell(void *state, const struct rouse_setup *setup)
{
    int error = subject_backend()->open(state, setup);
    setup->table->wake = count_ring;
    return error;
}

/* A wake that finds another one pending rings nothing; counted by a backend that has a bell. */
static void pending_wake_makes_the_next_one_free(void **state)
{
    (void)state;
    struct rouse_backend backend = *subject_backend();
    backend.open = open_with_bell;
    struct rouse_config config = {
        .size = sizeof config, .own = &backend, .backend = subject_name()};
    struct rouse_loop *other;
    CHECK_OK(NULL, rouse_open(&other, &config));
    struct player b;
    player_init(&b, other, 'b', NULL);
    CHECK_OK(other, rouse_hook_start(other, &b.hook, ROUSE_ON_WAKE));
    for (int round = 1; round <= 3; round++) {
        for (int i = 0; i < 1000; i++)
            CHECK_OK(NULL, rouse_wake(other));
        CHECK_OK(NULL, rouse_post(other, &b.task));
        assert_int_equal(atomic_load(&rings), round);
        assert_int_equal(rouse_turn(other, 0), 1);
        CHECK_JOURNAL("bb");
    }
    CHECK_OK(NULL, rouse_close(other));
}

static int refusals;

static int refuse_changes(void *state, const struct rouse_change *changes, int nchanges,
                          struct rouse_event *events, int nevents, int64_t timeout)
{
    if (refusals == 0 || nchanges == 0)
        return subject_backend()->poll(state, changes, nchanges, events, nevents, timeout);
    refusals--;
    events[0] = (struct rouse_event){changes[0].token, ROUSE_ERROR, -ENOSPC};
    return 1;
}

/* A loop that nobody could wake says so, rather than sleep on; run again, it tries again. */
static void loop_that_cannot_be_woken_says_so(void **state)
{
    (void)state;
    struct rouse_backend backend = *subject_backend();
    backend.poll = refuse_changes;
    struct rouse_config config = {
        .size = sizeof config, .own = &backend, .backend = subject_name()};
    struct rouse_loop *other;
    CHECK_OK(NULL, rouse_open(&other, &config));
    if (other->backend.wake != NULL) {
        CHECK_OK(NULL, rouse_close(other));
        SKIP("the backend needs no notifier");
    }
    struct player b;
    player_init(&b, other, 'b', NULL);
    CHECK_OK(other, rouse_hook_start(other, &b.hook, ROUSE_ON_WAKE));
    CHECK_OK(other, rouse_hold(other));
    refusals = 2;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rouse_run(other), -ENOSPC);
        assert_non_null(strstr(rouse_error(other), "woken"));
    }
    assert_int_equal(refusals, 0);
    CHECK_OK(NULL, rouse_wake(other));
    for (int i = 0; i < 3; i++)
        CHECK_OK(other, rouse_turn(other, 0));
    CHECK_JOURNAL("b");
    CHECK_OK(NULL, rouse_close(other));
}

static void stop_loop(struct player *self)
{
    rouse_stop(self->loop);
}

static void *post_stop(void *task)
{
    rouse_post(loop, task);
    return NULL;
}

/* M9: the way to end a run from another thread is to post the stop. */
static void posted_stop_ends_a_sleeping_run(void **state)
{
    (void)state;
    struct player b;
    player_init(&b, loop, 'b', stop_loop);
    CHECK_OK(loop, rouse_hold(loop));
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, post_stop, &b.task), 0);
        assert_int_equal(rouse_run(loop), 1);
        CHECK_JOURNAL("b");
        pthread_join(thread, NULL);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(wake_before_the_turn_ends_its_wait),
        CASE(wake_without_a_loop_is_an_error),
        CASE(wake_from_a_signal_handler_keeps_errno),
        CASE(signal_right_before_the_wait_is_not_lost),
        CASE(last_wake_of_four_threads_is_followed_by_a_callback),
        CASE(what_is_said_before_a_wake_is_heard_after_it),
        CASE(every_single_wake_is_answered),
        CASE(storm_of_wakes_neither_blocks_nor_fills),
        CASE(notifier_rung_beyond_its_room_still_tells),
        CASE(counter_that_has_come_to_its_end_still_tells),
        CASE(pending_wake_makes_the_next_one_free),
        CASE(loop_that_cannot_be_woken_says_so),
        CASE(posted_stop_ends_a_sleeping_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
