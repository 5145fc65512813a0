/*
 * Counters: exact, for a loop that does a known thing. They are what the comparison of backends and
 * the tests of guarantees read, so they must count what they say: turns, waits and events of the
 * loop; and the work of each wait, by which O(N) is a number and not a claim.
 *
 * What surprises: the loop watches a descriptor of its own, to be woken by, and it counts.
 *
 * SPDX-License-Identifier: MIT
 */
#include <rouse/backend.h>

#include "stage.h"
#include "subject.h"

static struct rouse_loop *loop;
static struct world_clock clock_;
static struct player a, b;
static rouse_fd ends[2], others[2];
static struct rouse_counters before;

static int set_up(void **state)
{
    (void)state;
    loop = stage_open(&clock_);
    player_init(&a, loop, 'a', NULL);
    player_init(&b, loop, 'b', NULL);
    CHECK_OK(loop, rouse_turn(loop, 0)); /* the loop's own watcher is sent */
    before = stage_counters(loop);
    return world_pair(WORLD_ANY, ends) != 0 || world_pair(WORLD_ANY, others) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    CHECK_OK(NULL, rouse_close(loop));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(NULL, world_close(ends[i]));
        CHECK_OK(NULL, world_close(others[i]));
    }
    return 0;
}

/* What has been counted since the last call. */
static struct rouse_counters counted(void)
{
    struct rouse_counters now = stage_counters(loop);
    struct rouse_counters since = {
        .turns = now.turns - before.turns,
        .waits = now.waits - before.waits,
        .wakeups = now.wakeups - before.wakeups,
        .events = now.events - before.events,
        .stale = now.stale - before.stale,
        .spurious = now.spurious - before.spurious,
        .callbacks = now.callbacks - before.callbacks,
        .changes_asked = now.changes_asked - before.changes_asked,
        .changes_sent = now.changes_sent - before.changes_sent,
        .rebuilds = now.rebuilds - before.rebuilds,
        .system_calls = now.system_calls - before.system_calls,
        .descriptors = now.descriptors - before.descriptors,
        .bytes_in = now.bytes_in - before.bytes_in,
        .bytes_out = now.bytes_out - before.bytes_out,
        .scanned = now.scanned - before.scanned,
    };
    before = now;
    return since;
}

static void turns_waits_events_and_callbacks(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    for (int i = 0; i < 3; i++)
        assert_int_equal(subject_turn(loop, 0), 0);
    struct rouse_counters since = counted();
    unsigned guesses = subject_guesses() ? 3 : 0; /* reports, and callbacks for nothing */
    assert_int_equal(since.turns, 3);
    assert_int_equal(since.waits, 3);
    assert_int_equal(since.events, guesses);
    assert_int_equal(since.callbacks, guesses);
    assert_int_equal(since.changes_asked, 1);
    assert_int_equal(since.changes_sent, 1);

    assert_int_equal(world_send(ends[1], "x", 1), 1);
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 0, 0));
    CHECK_OK(loop, rouse_defer(loop, &a.task));
    assert_int_equal(rouse_turn(loop, -1), 3);
    assert_int_equal(rouse_turn(loop, -1), 1);
    since = counted();
    assert_int_equal(since.turns, 2);
    assert_int_equal(since.waits, 2);
    assert_int_equal(since.events, 2);
    assert_int_equal(since.callbacks, 4);
    assert_int_equal(since.changes_asked, 0);
    assert_int_equal(since.changes_sent, 0);
    assert_int_equal(since.stale + since.spurious + since.rebuilds, 0);

    CHECK_OK(loop, rouse_io_stop(&a.io));
    assert_int_equal(rouse_turn(loop, 0), 0);
    since = counted();
    assert_int_equal(since.events, 0);
    assert_int_equal(since.changes_asked, 1);
    assert_int_equal(since.changes_sent, 1);
}

static void waits_with_leave_to_sleep_are_wakeups(void **state)
{
    (void)state;
    struct rouse_loop *virtual_loop = loop;
    loop = stage_open(NULL);
    CHECK_OK(NULL, rouse_wake(loop));
    assert_int_equal(rouse_turn(loop, 0), 0);
    assert_int_equal(stage_counters(loop).wakeups, 0);
    for (uint64_t i = 1; i <= 3; i++) {
        CHECK_OK(NULL, rouse_wake(loop));
        uint64_t waits = stage_counters(loop).waits;
        assert_int_equal(rouse_turn(loop, -1), 0);
        assert_in_range(stage_counters(loop).waits, waits + 1, waits + 2);
        assert_in_range(stage_counters(loop).wakeups, 0, i);
    }
    CHECK_OK(NULL, rouse_close(loop));
    loop = virtual_loop;
    assert_int_equal(stage_counters(loop).wakeups, 0); /* an own clock sleeps by itself */
}

static void count_inside(struct player *self)
{
    journal_write((char)('0' + stage_counters(self->loop).callbacks));
}

static void callbacks_count_from_where_they_begin(void **state)
{
    (void)state;
    a.also = b.also = count_inside;
    CHECK_OK(loop, rouse_defer(loop, &a.task));
    CHECK_OK(loop, rouse_defer(loop, &b.task));
    assert_int_equal(rouse_turn(loop, -1), 2);
    CHECK_JOURNAL("a1b2");
}

/* Several changes in a turn become one, or none. */
static void changes_are_merged(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        CHECK_OK(loop, i == 0 ? rouse_io_start(loop, &a.io, ends[0], ROUSE_READ)
                              : rouse_io_want(&a.io, i % 2 ? 0 : ROUSE_READ));
    CHECK_OK(loop, rouse_io_want(&a.io, ROUSE_READ));
    CHECK_OK(loop, rouse_turn(loop, 0));
    struct rouse_counters since = counted();
    assert_int_equal(since.changes_asked, 11);
    assert_int_equal(since.changes_sent, 1);
    for (int i = 0; i < 5; i++) { /* there and back is nothing */
        CHECK_OK(loop, rouse_io_want(&a.io, 0));
        CHECK_OK(loop, rouse_io_want(&a.io, ROUSE_READ));
        CHECK_OK(loop, rouse_turn(loop, 0));
    }
    since = counted();
    assert_int_equal(since.changes_asked, 10);
    assert_int_equal(since.changes_sent, 0);
    CHECK_OK(loop, rouse_io_stop(&a.io));
    assert_int_equal(counted().changes_sent, 1);
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    CHECK_OK(loop, rouse_io_stop(&a.io)); /* nor was this ever sent */
    CHECK_OK(loop, rouse_turn(loop, 0));
    assert_int_equal(counted().changes_sent, 0);
}

/* Pausing a watcher is a store, by level and by edge, as long as nothing comes. */
static void watchers_pause_for_nothing(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ | ROUSE_EDGE));
    CHECK_OK(loop, rouse_io_start(loop, &b.io, others[0], ROUSE_READ));
    CHECK_OK(loop, rouse_turn(loop, 0));
    assert_int_equal(counted().changes_sent, 2);
    for (int i = 0; i < 10; i++) {
        CHECK_OK(loop, rouse_io_want(&a.io, i % 2 ? ROUSE_READ : 0));
        CHECK_OK(loop, rouse_io_want(&b.io, i % 2 ? ROUSE_READ : 0));
        CHECK_OK(loop, rouse_turn(loop, 0));
    }
    assert_int_equal(counted().changes_sent, 0);
}

static void stop_other(struct player *self)
{
    CHECK_OK(loop, rouse_io_stop(&self->other->io));
}

static void pause_other(struct player *self)
{
    CHECK_OK(loop, rouse_io_want(&self->other->io, 0));
}

static void watch_both(void (*also)(struct player *self))
{
    a.also = b.also = also;
    a.other = &b;
    b.other = &a;
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    CHECK_OK(loop, rouse_io_start(loop, &b.io, others[0], ROUSE_READ));
    CHECK_OK(loop, rouse_turn(loop, 0));
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    assert_int_equal(world_send(others[1], "x", 1), 1);
    counted();
}

static void event_of_a_watcher_stopped_in_the_batch_is_stale(void **state)
{
    (void)state;
    watch_both(stop_other);
    assert_int_equal(rouse_turn(loop, -1), 1);
    struct rouse_counters since = counted();
    assert_int_equal(since.events, 2);
    assert_int_equal(since.stale, 1);
    assert_int_equal(since.spurious, 0);
    assert_int_equal(since.callbacks, 1);
    assert_int_equal(since.rebuilds, 0);
}

enum { SUCCESSORS = 8 };

static struct player successors[SUCCESSORS];

static void replace_other(struct player *self)
{
    CHECK_OK(loop, rouse_io_stop(&self->other->io));
    for (int i = 0; i < SUCCESSORS; i++) {
        rouse_fd copy;
        CHECK_OK(NULL, world_dup(others[1], &copy));
        player_init(&successors[i], loop, 'c', NULL);
        CHECK_OK(loop, rouse_io_start(loop, &successors[i].io, copy, ROUSE_PRIORITY));
    }
    self->also = NULL;
}

/* What was fetched before the stop is no registration that only the kernel knows: no rebuild, even
 * if all room for watchers that is free is given out again at once. */
static void stale_event_is_no_reason_to_rebuild(void **state)
{
    (void)state;
    watch_both(replace_other);
    for (int i = 0; i < 3; i++) /* guesses may fill a turn */
        assert_in_range(subject_turn(loop, -1), subject_guesses() ? 0 : 1, 1);
    struct rouse_counters since = counted();
    assert_int_equal(since.stale, 1);
    assert_int_equal(since.rebuilds, 0);
    for (int i = 0; i < SUCCESSORS; i++)
        CHECK_OK(loop, rouse_io_close(&successors[i].io));
}

static void event_of_a_watcher_paused_in_the_batch_is_spurious(void **state)
{
    (void)state;
    watch_both(pause_other);
    assert_int_equal(rouse_turn(loop, -1), 1);
    struct rouse_counters since = counted();
    assert_int_equal(since.events, 2);
    assert_int_equal(since.stale, 0);
    assert_int_equal(since.spurious, 1);
    assert_int_equal(since.callbacks, 1);
}

static void smaller_structs_are_filled_as_far_as_they_go(void **state)
{
    (void)state;
    struct rouse_counters all = stage_counters(loop);
    for (uint32_t size = 0; size < sizeof all; size++) {
        struct rouse_counters some;
        memset(&some, 0xee, sizeof some);
        some.size = size;
        int error = rouse_count(loop, &some);
        unsigned char untouched = 0xee;
        for (size_t i = error == 0 ? size : sizeof some.size; i < sizeof some; i++)
            assert_int_equal(((unsigned char *)&some)[i], untouched);
        assert_int_equal(some.size, size);
        if (size >= offsetof(struct rouse_counters, waits)) {
            assert_int_equal(error, 0);
            assert_int_equal(some.turns, all.turns);
        }
        if (size < sizeof some.size)
            assert_int_equal(error, -EINVAL);
    }
    struct {
        struct rouse_counters counters;
        uint64_t future;
    } larger = {.counters = {.size = sizeof larger}, .future = 7};
    assert_int_equal(rouse_count(loop, &larger.counters), 0);
    assert_int_equal(larger.counters.turns, all.turns);
    assert_int_equal(larger.future, 7);
    assert_int_equal(rouse_count(NULL, &all), -EINVAL);
    assert_int_equal(rouse_count(loop, NULL), -EINVAL);
}

enum { WATCHED = 50 };

/* Watches `WATCHED` quiet pipes and one that is ready, and counts one turn. */
static struct rouse_counters work_of_a_turn(rouse_fd *highest)
{
    static rouse_fd quiet[WATCHED][2];
    static struct player players[WATCHED];
    for (int i = 0; i < WATCHED; i++) {
        CHECK_OK(NULL, world_pair(WORLD_ANY, quiet[i]));
        player_init(&players[i], loop, 'q', NULL);
        CHECK_OK(loop, rouse_io_start(loop, &players[i].io, quiet[i][0], ROUSE_READ));
        *highest = quiet[i][0] > *highest ? quiet[i][0] : *highest;
    }
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    CHECK_OK(loop, rouse_turn(loop, 0));
    counted();
    assert_int_equal(subject_turn(loop, 0), 1);
    struct rouse_counters since = counted();
    for (int i = 0; i < WATCHED; i++) {
        CHECK_OK(loop, rouse_io_close(&players[i].io));
        CHECK_OK(NULL, world_close(quiet[i][1]));
    }
    return since;
}

/* The bytes of a struct epoll_event. On x86-64 it is packed, to be that of i386. */
struct events_and_data {
    uint32_t events;
    uint64_t data;
};
#ifdef __x86_64__
enum { EPOLL_EVENT = 12 };
#else
enum { EPOLL_EVENT = sizeof(struct events_and_data) };
#endif

/* One of 51 is ready, and the loop's own is watched too: what is O(N) is seen in numbers. */
static void work_of_a_wait_is_what_the_backend_must_do(void **state)
{
    (void)state;
    rouse_fd highest = 0;
    struct rouse_counters since = work_of_a_turn(&highest);
    const char *name = subject_backend()->name;
    bool asks = subject_backend()->traits & ROUSE_TRAIT_ASK;
    if (asks) /* each thread gets a signal, is interrupted, looks, and waits again */
        assert_in_range(since.system_calls, 2 * WATCHED, 4 * (WATCHED + 2));
    else
        assert_int_equal(since.system_calls,
                         subject_guesses() ? 0 : 1 + (strcmp(name, "iocp") == 0));
    assert_int_equal(since.events, subject_guesses() ? WATCHED + 1 : 1);
    if (strcmp(name, "epoll") == 0) {
        assert_int_equal(since.descriptors, 0);
        assert_int_equal(since.bytes_in, 0);
        assert_int_equal(since.bytes_out, EPOLL_EVENT);
        assert_int_equal(since.scanned, 1);
    } else if (strcmp(name, "poll") == 0) {
        assert_int_equal(since.descriptors, WATCHED + 2);
        assert_int_equal(since.bytes_in, (WATCHED + 2) * 2 * sizeof(rouse_fd));
        assert_int_equal(since.bytes_out, (WATCHED + 2) * 2); /* the revents */
        assert_in_range(since.scanned, 1, WATCHED + 2);
    } else if (strcmp(name, "select") == 0 && subject_backend()->fd_limit == 0) { /* by lists */
        assert_int_equal(since.descriptors, WATCHED + 2);
        assert_int_equal(since.bytes_in, 3 * 4 + (WATCHED + 2) * sizeof(rouse_fd));
        assert_int_equal(since.bytes_out, 3 * 4 + sizeof(rouse_fd));
        assert_in_range(since.scanned, 1, 2 * (WATCHED + 2));
    } else if (strcmp(name, "select") == 0) {
        uint64_t bytes = 3 * (((uint64_t)highest + 1 + 7) / 8);
        assert_int_equal(since.descriptors, highest + 1);
        assert_int_equal(since.bytes_in, bytes);
        assert_int_equal(since.bytes_out, bytes);
        assert_in_range(since.scanned, 1, (uint64_t)highest + 1);
    } else if (strcmp(name, "kqueue") == 0) {
        assert_int_equal(since.descriptors, 0);
        assert_int_equal(since.bytes_in, 0);
        assert_in_range(since.bytes_out, 20, 64); /* one struct kevent */
        assert_int_equal(since.scanned, 1);
    } else if (strcmp(name, "io_uring") == 0) {
        assert_int_equal(since.descriptors, 1); /* what was reported is armed anew */
        assert_int_equal(since.bytes_in, 64);
        assert_int_equal(since.bytes_out, 16);
        assert_int_equal(since.scanned, 1);
    } else if (strcmp(name, "iocp") == 0) {
        assert_int_equal(since.descriptors, 1); /* armed anew by a call of its own */
        assert_int_equal(since.bytes_in, 32);
        assert_int_equal(since.bytes_out, 64); /* the answer, and that there is one */
        assert_int_equal(since.scanned, 1);
    } else if (strcmp(name, "spin") == 0) {
        assert_int_equal(since.descriptors + since.bytes_in + since.bytes_out, 0);
        assert_in_range(since.scanned, WATCHED + 1, 2 * WATCHED + 2);
    } else {
        SKIP("nothing is promised of the work of this backend");
    }
}

/* On epoll and iocp each change is a system call; on poll it is a store, but where only sockets can
 * be watched it asks whether this is one; select asks whether it is open; io_uring takes any number
 * at once, waits for each removal, and sees by itself that nothing is ready. kqueue takes any
 * number with the wait, asks what kind of file each is, and removes one at a time. */
static void work_of_a_change_is_what_the_backend_must_do(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_turn(loop, 0));
    uint64_t idle = counted().system_calls;
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    CHECK_OK(loop, rouse_io_start(loop, &b.io, others[0], ROUSE_READ));
    CHECK_OK(loop, rouse_turn(loop, 0));
    uint64_t started = counted().system_calls - idle;
    CHECK_OK(loop, rouse_io_stop(&a.io));
    CHECK_OK(loop, rouse_io_stop(&b.io));
    uint64_t stopped = counted().system_calls;
    const char *name = subject_backend()->name;
    if (subject_backend()->traits & ROUSE_TRAIT_ASK)
        SKIP("of the work of threads only what is O(N) is promised");
    bool epoll = strcmp(name, "epoll") == 0;
    bool uring = strcmp(name, "io_uring") == 0;
    assert_int_equal(idle, uring || subject_guesses() ? 0 : 1);
    bool iocp = strcmp(name, "iocp") == 0;
    bool kqueue = strcmp(name, "kqueue") == 0;
    bool each = epoll || iocp || kqueue;
    bool asks =
        strcmp(name, "select") == 0 || (strcmp(name, "poll") == 0 && !world_has(WORLD_PIPE));
    assert_int_equal(started, each || asks ? 2 : uring ? 1 : 0);
    assert_int_equal(stopped, each || uring ? 2 : 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(turns_waits_events_and_callbacks),
        CASE(waits_with_leave_to_sleep_are_wakeups),
        CASE(callbacks_count_from_where_they_begin),
        CASE(changes_are_merged),
        CASE(watchers_pause_for_nothing),
        CASE(event_of_a_watcher_stopped_in_the_batch_is_stale),
        CASE(stale_event_is_no_reason_to_rebuild),
        CASE(event_of_a_watcher_paused_in_the_batch_is_spurious),
        CASE(smaller_structs_are_filled_as_far_as_they_go),
        CASE(work_of_a_wait_is_what_the_backend_must_do),
        CASE(work_of_a_change_is_what_the_backend_must_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
