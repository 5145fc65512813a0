/*
 * Memory: every allocation can fail. A scenario that grows every table is played once for each
 * allocation that it makes, and that one fails; then once more for each from which on all fail. A
 * call that says -ENOMEM has changed nothing, so the same call made again succeeds and the scenario
 * ends as if nothing had happened; and at the end nothing is left over. A descriptor for which the
 * backend found no room is a refused change, which its callback is told of and asks for again.
 *
 * SPDX-License-Identifier: MIT
 */
#include "stage.h"

enum { PIPES = 12, TIMERS = 20 };

/* ---- An allocator that fails, and knows what it gave ---- */

struct heap {
    unsigned calls; /* that ask for more */
    unsigned failed;
    unsigned first; /* the call that fails; 0: none */
    bool all_after; /* and all that follow */
    bool suspended;
    size_t bytes;
    size_t blocks;
    bool wrong_size; /* a block was given back with a size that it did not have */
};

static struct heap heap;

/* What stands before each block. */
union head {
    size_t size;
    max_align_t align;
};

static bool fails(void)
{
    if (heap.suspended)
        return false;
    heap.calls++;
    bool fail = heap.first != 0 &&
                (heap.calls == heap.first || (heap.all_after && heap.calls > heap.first));
    heap.failed += fail;
    return fail;
}

static void *resize(void *context, void *block, size_t old_size, size_t new_size)
{
    assert_ptr_equal(context, &heap);
    union head *old = block != NULL ? (union head *)block - 1 : NULL;
    heap.wrong_size |= old_size != (old != NULL ? old->size : 0);
    if (new_size > old_size && fails())
        return NULL;
    /* Always elsewhere, so that whoever keeps an old pointer is found out. */
    union head *moved = NULL;
    if (new_size != 0) {
        moved = malloc(sizeof *moved + new_size);
        assert_non_null(moved);
        moved->size = new_size;
        memset(moved + 1, 0xa5, new_size);
        if (old != NULL)
            memcpy(moved + 1, old + 1, old_size < new_size ? old_size : new_size);
        heap.blocks++;
        heap.bytes += new_size;
    }
    if (old != NULL) {
        heap.blocks--;
        heap.bytes -= old->size;
        memset(old, 0x5a, sizeof *old + old->size);
        free(old);
    }
    return moved != NULL ? moved + 1 : NULL;
}

static const struct rouse_allocator failing = {resize, &heap};

/* ---- The scenario ---- */

static struct rouse_loop *loop;
static struct world_clock clock_;
static rouse_fd pipes[PIPES][2];
static struct rouse_io readers[PIPES];
static struct rouse_timer timers[TIMERS];
static unsigned received, fired, told;

static void receive(struct rouse_io *io, uint32_t ready)
{
    if (rouse_io_error(io) != 0) {
        assert_int_equal(rouse_io_error(io), -ENOMEM);
        assert_int_equal(ready, ROUSE_ERROR);
        told++;
        heap.suspended = true;
        CHECK_OK(loop, rouse_io_want(io, ROUSE_READ)); /* sends it again */
        return;
    }
    if (subject_true(io->fd, ready) == 0)
        return; /* a guess, and not so */
    char byte;
    assert_int_equal(rouse_read(io, &byte, 1), 1);
    received++;
    CHECK_OK(loop, rouse_io_stop(io));
}

static void fire(struct rouse_timer *timer)
{
    (void)timer;
    fired++;
}

/* Makes a call; if it says that there is no memory, makes it again with some. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        unsigned before_ = heap.failed;                                                            \
        int result_ = (call);                                                                      \
        if (result_ == -ENOMEM) {                                                                  \
            assert_true(heap.failed > before_);                                                    \
            heap.suspended = true;                                                                 \
            result_ = (call);                                                                      \
            heap.suspended = false;                                                                \
        }                                                                                          \
        CHECK_OK(loop, result_);                                                                   \
    } while (0)

static void open_it(bool edges)
{
    struct rouse_clock own = world_clock(&clock_);
    char why[64] = "";
    struct rouse_config config = {.size = sizeof config,
                                  .allocator = &failing,
                                  .clock = edges ? NULL : &own,
                                  .why = why,
                                  .why_size = sizeof why};
    clock_ = (struct world_clock){.now = STAGE_START};
    unsigned descriptors = world_open_descriptors();
    int result = rouse_open(&loop, &config);
    if (result == -ENOMEM) {
        assert_null(loop);
        assert_true(strlen(why) > 0);
        assert_int_equal(heap.blocks, 0);
        assert_int_equal(world_open_descriptors(), descriptors);
        heap.suspended = true;
        result = rouse_open(&loop, &config);
        heap.suspended = false;
    }
    CHECK_OK(NULL, result);
}

static void take_turns(void)
{
    for (int i = 0; i < 8 && (received < PIPES || fired < TIMERS); i++) {
        int result = rouse_turn(loop, 0); /* that events do not fit is no error */
        if (result == -ENOMEM) {          /* but that the loop's own watcher was refused is one */
            heap.suspended = true;
            assert_non_null(strstr(rouse_error(loop), "woken"));
            result = rouse_turn(loop, 0);
        }
        CHECK_OK(loop, result);
        heap.suspended = false;
    }
    /* What is left was served one by one because the array of events could not grow. */
    heap.suspended = true;
    for (int i = 0; i < 4 * PIPES && received < PIPES; i++)
        CHECK_OK(loop, rouse_turn(loop, 0));
    heap.suspended = false;
}

static void play(bool edges)
{
    received = fired = told = 0;
    open_it(edges);
    for (int i = 0; i < PIPES; i++) {
        rouse_io_init(&readers[i], receive);
        TRY(rouse_io_start(loop, &readers[i], pipes[i][0], ROUSE_READ | (edges ? ROUSE_EDGE : 0)));
        assert_int_equal(rouse_io_active(&readers[i]), 1);
        assert_int_equal(world_send(pipes[i][1], "x", 1), 1);
    }
    for (int i = 0; i < TIMERS; i++) {
        rouse_timer_init(&timers[i], fire);
        TRY(rouse_timer_at(loop, &timers[i], 0, 0));
        assert_int_equal(rouse_timer_active(&timers[i]), 1);
    }
    take_turns();
    assert_int_equal(received, PIPES);
    assert_int_equal(fired, TIMERS);
    assert_int_equal(rouse_run(loop), 0); /* nothing is left alive */
    CHECK_OK(NULL, rouse_close(loop));
    assert_int_equal(heap.blocks, 0);
    assert_int_equal(heap.bytes, 0);
    assert_false(heap.wrong_size);
}

static int set_up(void **state)
{
    (void)state;
    heap = (struct heap){0};
    for (int i = 0; i < PIPES; i++)
        CHECK_OK(NULL, world_pair(WORLD_ANY, pipes[i]));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < PIPES; i++) {
        CHECK_OK(NULL, world_close(pipes[i][0]));
        CHECK_OK(NULL, world_close(pipes[i][1]));
    }
    return 0;
}

/* N3, N4, N5: a failed call that left its object half added, or leaked. */
static void play_with_failures(bool edges)
{
    play(edges);
    unsigned calls = heap.calls;
    assert_true(calls > 10); /* the tables begin with one entry each and grow */
    assert_int_equal(told, 0);
    for (int all_after = 0; all_after < 2; all_after++)
        for (unsigned first = 1; first <= calls; first++) {
            heap = (struct heap){.first = first, .all_after = all_after};
            play(edges);
            assert_true(heap.failed > 0);
        }
}

static void every_single_allocation_may_fail(void **state)
{
    (void)state;
    play_with_failures(false);
}

static void every_single_allocation_may_fail_with_edges(void **state)
{
    (void)state;
    play_with_failures(true);
}

/* The path of an event allocates nothing, and neither do tasks, hooks, posts and wakes. */
static void steady_loop_allocates_nothing(void **state)
{
    (void)state;
    open_it(false);
    struct player a;
    player_init(&a, loop, 'a', NULL);
    assert_int_equal(world_send(pipes[0][1], "x", 1), 1);
    CHECK_OK(loop, rouse_io_start(loop, &a.io, pipes[0][0], ROUSE_READ));
    CHECK_OK(loop, rouse_timer_after(loop, &a.timer, 1, 1));
    unsigned calls = 0;
    for (int i = 0; i < 1000; i++) {
        if (i == 10) /* by then there is room for all that is ready at once */
            calls = heap.calls;
        CHECK_OK(loop, i % 2 ? rouse_defer(loop, &a.task) : rouse_post(loop, &a.task));
        CHECK_OK(loop, rouse_hook_start(loop, &a.hook, ROUSE_ON_WAKE));
        CHECK_OK(loop, rouse_wake(loop));
        CHECK_OK(loop, rouse_io_want(&a.io, i % 3 ? ROUSE_READ : 0));
        clock_.now++;
        CHECK_OK(loop, rouse_turn(loop, 0));
        CHECK_OK(loop, rouse_hook_stop(&a.hook));
    }
    assert_int_equal(heap.calls, calls);
    journal_take();
    CHECK_OK(NULL, rouse_close(loop));
    assert_int_equal(heap.blocks, 0);
}

/* A slot is not given out again in the turn that freed it, so many starts in one turn need many;
 * but no more than that, and none once turns pass in between. */
static void starts_and_stops_do_not_pile_up(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    open_it(false);
    rouse_io_init(&readers[0], receive);
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(loop, rouse_io_start(loop, &readers[0], pipes[0][0], ROUSE_READ));
        CHECK_OK(loop, rouse_io_stop(&readers[0]));
    }
    assert_true(heap.bytes < MANY * 256);
    size_t bytes = heap.bytes;
    for (int i = 0; i < 20 * MANY; i++) {
        CHECK_OK(loop, rouse_io_start(loop, &readers[0], pipes[0][0], ROUSE_READ));
        CHECK_OK(loop, rouse_turn(loop, 0));
        CHECK_OK(loop, rouse_io_stop(&readers[0]));
        CHECK_OK(loop, rouse_turn(loop, 0));
    }
    /* A backend's entries for each slot come with the first change, and those of a wrapper too. */
    size_t wrapper = subject_wrapper() != NULL ? MANY * 128 : 0;
    assert_true(heap.bytes <= 2 * bytes + wrapper);
    CHECK_OK(NULL, rouse_close(loop));
    assert_int_equal(heap.blocks, 0);
}

enum { CROWD = 40, EARLY = 26 };

static struct rouse_io crowd[CROWD];

static void stop_the_crowd(struct rouse_io *io, uint32_t ready)
{
    (void)io;
    (void)ready;
    for (int i = 0; i < CROWD; i++)
        CHECK_OK(loop, rouse_io_stop(&crowd[i]));
}

/* A4: a backend that had no memory for a change knows nothing of its slot, and may be told to
 * forget it before the loop has read that. */
static void stopped_before_its_refusal_is_read(void **state)
{
    (void)state;
    open_it(false);
    rouse_fd copies[CROWD];
    for (int i = 0; i < CROWD; i++) {
        CHECK_OK(NULL, world_dup(pipes[0][0], &copies[i]));
        rouse_io_init(&crowd[i], stop_the_crowd);
    }
    for (int i = 0; i < CROWD; i++) {
        CHECK_OK(loop, rouse_io_start(loop, &crowd[i], copies[i], ROUSE_READ));
        if (i == EARLY)
            CHECK_OK(loop, rouse_turn(loop, 0));
    }
    assert_int_equal(world_send(pipes[0][1], "x", 1), 1);
    heap.first = heap.calls + 1;
    heap.all_after = true;
    CHECK_OK(loop, rouse_turn(loop, 0));
    heap.first = 0;
    for (int i = 0; i < CROWD; i++) {
        CHECK_OK(loop, rouse_io_stop(&crowd[i]));
        CHECK_OK(NULL, world_close(copies[i]));
    }
    CHECK_OK(NULL, rouse_close(loop));
    assert_int_equal(heap.blocks, 0);
}

/* A24, guarantee 11: tables as large as the limit of descriptors: 32 GB in some containers. */
static void memory_does_not_depend_on_the_limit_of_descriptors(void **state)
{
    (void)state;
    size_t bytes[2];
    long limit = 0;
    if (world_limit_descriptors(256, &limit) != 0)
        SKIP("this world cannot limit its descriptors");
    for (int i = 0; i < 2; i++) {
        open_it(false);
        rouse_io_init(&readers[0], receive);
        CHECK_OK(loop, rouse_io_start(loop, &readers[0], pipes[0][0], ROUSE_READ));
        CHECK_OK(loop, rouse_turn(loop, 0));
        bytes[i] = heap.bytes;
        CHECK_OK(NULL, rouse_close(loop));
        long ignored;
        CHECK_OK(NULL, world_limit_descriptors(limit, &ignored));
    }
    assert_int_equal(bytes[0], bytes[1]);
    assert_true(bytes[1] < 65536);
}

static void failure_is_told_without_memory_for_words(void **state)
{
    (void)state;
    heap.suspended = true;
    open_it(false);
    assert_int_equal(rouse_release(loop), -EINVAL);
    heap.suspended = false;
    heap.first = heap.calls + 1;
    assert_non_null(strstr(rouse_error(loop), "memory"));
    assert_non_null(strstr(rouse_error(loop), "release the loop"));
    CHECK_OK(NULL, rouse_close(loop));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(every_single_allocation_may_fail),
        CASE(every_single_allocation_may_fail_with_edges),
        CASE(steady_loop_allocates_nothing),
        CASE(starts_and_stops_do_not_pile_up),
        CASE(stopped_before_its_refusal_is_read),
        CASE(memory_does_not_depend_on_the_limit_of_descriptors),
        CASE(failure_is_told_without_memory_for_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
