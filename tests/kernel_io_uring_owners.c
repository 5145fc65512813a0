/*
 * io_uring and whose the rings are. They are memory that a forked child shares with its parent, so
 * a child that has not adopted the loop must not write there. And they belong to the thread that
 * polls, which has registered them under a small number: in another thread that number means
 * another ring, or none.
 *
 * What surprises: a thread that has registered a ring keeps it, and what is polled there, until the
 * thread ends, even if another one has closed the ring.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* what liburing.h needs */
#include <pthread.h>
#include <semaphore.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel_io_uring.h"

enum { MEMBERS = 40 };

/* A loop that watches many, half of them by level and half by edges. */
struct group {
    struct rouse_loop *loop;
    struct member {
        struct rouse_io io; /* first, so that a pointer to it is one to the member */
        rouse_fd peer;
        unsigned calls;
    } members[MEMBERS];
};

static struct group inherited, own;

static void take(struct rouse_io *io, uint32_t ready)
{
    (void)ready;
    char byte;
    ((struct member *)io)->calls++;
    rouse_read(io, &byte, 1);
}

/* The functions of groups are for other threads and processes too, where no assertion works: they
 * return whether all was well. */
static bool group_open(struct group *group)
{
    if (rouse_open(&group->loop, NULL) != 0)
        return false;
    for (int i = 0; i < MEMBERS; i++) {
        rouse_fd ends[2];
        struct member *member = &group->members[i];
        rouse_io_init(&member->io, take);
        if (world_pair(WORLD_UNIX, ends) != 0 ||
            rouse_io_start(group->loop, &member->io, ends[0],
                           ROUSE_READ | (i % 2 ? ROUSE_EDGE : 0)) != 0)
            return false;
        member->peer = ends[1];
    }
    return true;
}

/* Whether all are called when they become ready, twice, and no ring was lost. */
static bool group_is_served(struct group *group)
{
    uint64_t rebuilds = stage_counters(group->loop).rebuilds;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MEMBERS; i++) {
            group->members[i].calls = 0;
            if (world_send(group->members[i].peer, "x", 1) != 1)
                return false;
        }
        for (int turn = 0; turn < 10; turn++)
            if (rouse_turn(group->loop, 0) < 0)
                return false;
        for (int i = 0; i < MEMBERS; i++)
            if (group->members[i].calls == 0)
                return false;
    }
    return stage_counters(group->loop).rebuilds == rebuilds;
}

/* Closes what is watched, and the loop; whether the peers were told at once. Of what is left in a
 * ring that another thread has given up they are told a little later. */
static bool group_close(struct group *group, bool given_up)
{
    bool told = true;
    for (int i = 0; i < MEMBERS; i++) {
        struct member *member = &group->members[i];
        told &= rouse_io_close(&member->io) == 0;
        if (given_up)
            world_await(member->peer, ROUSE_HANGUP);
        told &= (world_ready(member->peer, ROUSE_READ | ROUSE_HANGUP) & ROUSE_HANGUP) != 0;
        world_close(member->peer);
    }
    return rouse_close(group->loop) == 0 && told;
}

/* ---- Processes ----------------------------------------------------------------------------- */

/* In a child, whose assertions do not work. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: in the child: %s is false\n", __FILE__, __LINE__, #condition); \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

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
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
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

static void run_on_in_turns(void)
{
    EXPECT(rouse_adopt(inherited.loop) == 0);
    for (int i = 0; i < 2; i++) {
        EXPECT(group_is_served(&inherited));
        tell(to_parent);
        await(to_child);
    }
    EXPECT(rouse_close(inherited.loop) == 0);
}

/* H2: the rings of the one must not be those of the other. */
static void parent_and_child_both_run_on(void **state)
{
    (void)state;
    CHECK_OK(NULL, world_pair(WORLD_PIPE, to_child));
    CHECK_OK(NULL, world_pair(WORLD_PIPE, to_parent));
    for (int age = 0; age < KERNEL_AGES; age++)
        for (int run_before = 0; run_before < 2; run_before++) {
            kernel_is_older(age);
            assert_true(group_open(&inherited));
            if (run_before)
                assert_true(group_is_served(&inherited));
            pid_t child = child_begin(run_on_in_turns);
            for (int i = 0; i < 2; i++) {
                await(to_parent);
                assert_true(group_is_served(&inherited));
                tell(to_child);
            }
            child_end(child);
            assert_true(group_is_served(&inherited));
            assert_true(group_close(&inherited, false));
        }
    for (int i = 0; i < 2; i++) {
        CHECK_OK(NULL, world_close(to_child[i]));
        CHECK_OK(NULL, world_close(to_parent[i]));
    }
}

static void close_unadopted(void)
{
    EXPECT(rouse_close(inherited.loop) == 0);
}

/* H1, H2: with requests that are queued in the memory that both share, and not handed over. */
static void child_that_closes_without_adopting_changes_nothing_for_the_parent(void **state)
{
    (void)state;
    for (int age = 0; age < KERNEL_AGES; age++) {
        kernel_is_older(age);
        assert_true(group_open(&inherited));
        assert_true(group_is_served(&inherited));
        for (int i = 0; i < MEMBERS; i++)
            assert_int_equal(world_send(inherited.members[i].peer, "x", 1), 1);
        CHECK_OK(inherited.loop, rouse_turn(inherited.loop, 0));
        struct io_uring *ring = seen.ring;
        unsigned queued = io_uring_sq_ready(ring);
        unsigned tail = *ring->sq.ktail;
        unsigned head = *ring->sq.khead;
        assert_in_range(queued, 1, 1000); /* those of level are armed anew */
        child_end(child_begin(close_unadopted));
        assert_int_equal(io_uring_sq_ready(ring), queued);
        assert_int_equal(*ring->sq.ktail, tail);
        assert_int_equal(*ring->sq.khead, head);
        assert_true(group_is_served(&inherited));
        assert_true(group_close(&inherited, false));
    }
}

static void close_beside_an_own_loop(void)
{
    EXPECT(group_open(&own));
    EXPECT(group_is_served(&own));
    EXPECT(rouse_close(inherited.loop) == 0);
    EXPECT(group_is_served(&own));
    EXPECT(group_close(&own, false));
}

/* H1: closing the number of the parent's closed another of the child's own. */
static void child_that_closes_the_loop_keeps_the_rings_of_its_own(void **state)
{
    (void)state;
    for (int age = 0; age < KERNEL_AGES; age++) {
        kernel_is_older(age);
        assert_true(group_open(&inherited));
        assert_true(group_is_served(&inherited));
        child_end(child_begin(close_beside_an_own_loop));
        assert_true(group_is_served(&inherited));
        assert_true(group_close(&inherited, false));
    }
}

/* ---- Threads ------------------------------------------------------------------------------- */

/* One other thread at a time. */
static pthread_t thread;
static int threads_before;

static void thread_begin(void *(*body)(void *), void *argument)
{
    threads_before = world_threads();
    assert_int_equal(pthread_create(&thread, NULL, body, argument), 0);
}

/* Returns what it returned. It can be joined before the kernel has let go of its files. */
static const char *thread_end(void)
{
    void *result = NULL;
    assert_int_equal(pthread_join(thread, &result), 0);
    while (world_threads() > threads_before)
        sched_yield();
    return result;
}

static void *adopt_and_serve(void *group)
{
    if (rouse_adopt(((struct group *)group)->loop) != 0)
        return "adopt";
    return group_is_served(group) ? NULL : "serve";
}

static void *resize(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    (void)old_size;
    if (new_size > 0)
        return realloc(block, new_size);
    free(block);
    return NULL;
}

static struct rouse_work work;
static struct rouse_backend table;
static const struct rouse_setup setup = {
    .allocator = {.resize = resize}, .work = &work, .table = &table};

static void *open_backend(void *opened)
{
    return subject_backend()->open(opened, &setup) == 0 ? NULL : "open";
}

/* The ring is bound by the first poll, not when it is opened. */
static void backend_opened_in_one_thread_is_polled_in_another(void **state)
{
    (void)state;
    const struct rouse_backend *backend = subject_backend();
    for (int age = 0; age < KERNEL_AGES; age++) {
        kernel_is_older(age);
        rouse_fd ends[2];
        struct rouse_event event;
        void *opened = calloc(1, backend->state_size);
        assert_non_null(opened);
        thread_begin(open_backend, opened);
        assert_null(thread_end());
        CHECK_OK(NULL, world_pair(WORLD_PIPE, ends));
        assert_int_equal(world_send(ends[1], "x", 1), 1);
        struct rouse_change change = {.fd = ends[0], .want = ROUSE_READ, .token = 7};
        assert_int_equal(backend->poll(opened, &change, 1, &event, 1, -1), 1);
        assert_int_equal(event.ready, ROUSE_READ);
        backend->drop(opened, ends[0], 7);
        backend->close(opened);
        free(opened);
        CHECK_OK(NULL, world_close(ends[0]));
        CHECK_OK(NULL, world_close(ends[1]));
    }
}

static void loop_opened_in_one_thread_first_runs_in_another(void **state)
{
    (void)state;
    for (int age = 0; age < KERNEL_AGES; age++) {
        kernel_is_older(age);
        assert_true(group_open(&own));
        for (int i = 0; i < 2; i++) { /* the second is not the thread that ran it before */
            thread_begin(adopt_and_serve, &own);
            assert_null(thread_end());
        }
        CHECK_OK(own.loop, rouse_adopt(own.loop));
        assert_true(group_is_served(&own));
        assert_true(group_close(&own, true));
    }
}

static sem_t ran, may_end;

static void *open_serve_and_stay(void *group)
{
    bool well = group_open(group) && group_is_served(group);
    sem_post(&ran);
    while (sem_wait(&may_end) != 0)
        ;
    return well ? NULL : "open or serve";
}

/* A thread that has run a loop and lives on. */
static void stayer_begin(void)
{
    assert_int_equal(sem_init(&ran, 0, 0), 0);
    assert_int_equal(sem_init(&may_end, 0, 0), 0);
    thread_begin(open_serve_and_stay, &inherited);
    while (sem_wait(&ran) != 0)
        ;
}

static void stayer_end(void)
{
    sem_post(&may_end);
    assert_null(thread_end());
    sem_destroy(&ran);
    sem_destroy(&may_end);
}

/* P4: a descriptor that is closed in between is let go by the ring of the thread that lives on when
 * that thread ends. */
static void loop_adopted_while_its_thread_lives_is_served(void **state)
{
    (void)state;
    for (int age = 0; age < KERNEL_AGES; age++) {
        kernel_is_older(age);
        stayer_begin();
        CHECK_OK(inherited.loop, rouse_adopt(inherited.loop));
        assert_true(group_is_served(&inherited));
        struct member *last = &inherited.members[MEMBERS - 1];
        rouse_fd peer = last->peer;
        CHECK_OK(inherited.loop, rouse_io_close(&last->io));
        stayer_end();
        world_await(peer, ROUSE_HANGUP); /* the kernel takes rings apart in a thread of its own */
        CHECK_OK(NULL, world_close(peer));
        rouse_fd ends[2];
        CHECK_OK(NULL, world_pair(WORLD_UNIX, ends));
        CHECK_OK(inherited.loop, rouse_io_start(inherited.loop, &last->io, ends[0], ROUSE_READ));
        last->peer = ends[1];
        assert_true(group_is_served(&inherited));
        assert_true(group_close(&inherited, true));
    }
}

/* The number under which the other thread had registered the ring is that of a ring of ours. */
static void thread_that_adopts_a_loop_keeps_its_own_rings(void **state)
{
    (void)state;
    for (int age = 0; age < KERNEL_AGES; age++)
        for (int lives = 0; lives < 2; lives++) {
            kernel_is_older(age);
            assert_true(group_open(&own));
            assert_true(group_is_served(&own));
            stayer_begin();
            if (!lives)
                stayer_end();
            CHECK_OK(inherited.loop, rouse_adopt(inherited.loop));
            assert_true(group_is_served(&own));
            assert_true(group_is_served(&inherited));
            if (lives)
                stayer_end();
            assert_true(group_is_served(&own));
            assert_true(group_close(&own, false));
            assert_true(group_is_served(&inherited));
            assert_true(group_close(&inherited, true));
        }
}

#define CASE(name) cmocka_unit_test_setup(name, kernel_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(parent_and_child_both_run_on),
        CASE(child_that_closes_without_adopting_changes_nothing_for_the_parent),
        CASE(child_that_closes_the_loop_keeps_the_rings_of_its_own),
        CASE(backend_opened_in_one_thread_is_polled_in_another),
        CASE(loop_opened_in_one_thread_first_runs_in_another),
        CASE(loop_adopted_while_its_thread_lives_is_served),
        CASE(thread_that_adopts_a_loop_keeps_its_own_rings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
