/*
 * Loops and threads: several loops in several threads, a task that travels between them, and a loop
 * that is handed from thread to thread. All of it also runs under ThreadSanitizer; see posts.c.
 *
 * SPDX-License-Identifier: MIT
 */
#define _POSIX_C_SOURCE 200809L
#include "threads.h"
#include "gate.h"

static struct rouse_loop *loop;

/* ---- Several loops ---- */

struct ring {
    struct rouse_task ball;
    struct rouse_loop *loops[THREADS];
    struct rouse_task stops[THREADS];
    int rounds;
    struct meeting open;
    struct meeting ended;
};

static struct ring ring;

static void stop_own_loop(struct rouse_task *task)
{
    rouse_stop(ring.loops[task - ring.stops]);
}

static void pass_on(struct rouse_task *task)
{
    int next = ++ring.rounds % THREADS;
    if (ring.rounds < ROUNDS) {
        rouse_post(ring.loops[next], task);
        return;
    }
    for (int i = 0; i < THREADS; i++)
        rouse_post(ring.loops[i], &ring.stops[i]);
}

static void *play_ball(void *place)
{
    struct rouse_loop **own = place;
    if (rouse_open(own, NULL) != 0 || rouse_hold(*own) != 0)
        return "open";
    rouse_task_init(&ring.stops[own - ring.loops], stop_own_loop);
    meeting_join(&ring.open);
    if (own == ring.loops && rouse_post(*own, &ring.ball) != 0)
        return "post";
    int ended = rouse_run(*own);
    meeting_join(&ring.ended); /* nobody posts to a loop that is closed: L2, L3 */
    return ended == 1 && rouse_close(*own) == 0 ? NULL : "run";
}

/* S3: opening in several threads at once; M4: loops that share nothing. */
static void task_goes_round_four_loops_in_four_threads(void **state)
{
    (void)state;
    ring.rounds = 0;
    rouse_task_init(&ring.ball, pass_on);
    ring.open = ring.ended = MEETING_OF(THREADS);
    pthread_t threads[THREADS];
    threads_begin(threads, play_ball, ring.loops, sizeof ring.loops[0]);
    threads_end(threads);
    assert_int_equal(ring.rounds, ROUNDS);
}

/* ---- Loops that are handed over ---- */

static pthread_mutex_t baton = PTHREAD_MUTEX_INITIALIZER;
static int turns_taken;
static rouse_fd ends[2];
static struct player reader;

static void take_byte(struct player *self)
{
    (void)self;
    char byte;
    turns_taken += world_receive(ends[0], &byte, 1) == 1;
}

static void *take_turns(void *unused)
{
    (void)unused;
    const char *wrong = NULL;
    for (int i = 0; i < ROUNDS / 10 && wrong == NULL; i++) {
        rouse_wake(loop); /* from any thread, whoever owns it */
        pthread_mutex_lock(&baton);
        if (rouse_adopt(loop) != 0)
            wrong = "adopt";
        else if (world_send(ends[1], "x", 1) != 1)
            wrong = "send";
        else if (rouse_turn(loop, -1) < 0)
            wrong = "turn";
        else if (world_drain(ends[0]) > 0) /* the wake came first */
            turns_taken++;
        pthread_mutex_unlock(&baton);
    }
    return (void *)(uintptr_t)wrong;
}

static void loop_is_handed_from_thread_to_thread(void **state)
{
    (void)state;
    loop = stage_open(NULL);
    CHECK_OK(NULL, world_pair(WORLD_ANY, ends));
    player_init(&reader, loop, 'r', take_byte);
    CHECK_OK(loop, rouse_io_start(loop, &reader.io, ends[0], ROUSE_READ));
    turns_taken = 0;
    pthread_t threads[THREADS];
    threads_begin(threads, take_turns, NULL, 0);
    threads_end(threads);
    assert_int_equal(turns_taken, THREADS * (ROUNDS / 10));
    assert_int_equal(rouse_turn(loop, 0), -EPERM);
    CHECK_OK(loop, rouse_adopt(loop));
    CHECK_OK(loop, rouse_io_close(&reader.io));
    CHECK_OK(NULL, world_close(ends[1]));
    CHECK_OK(NULL, rouse_close(loop));
}

static void *open_and_close(void *unused)
{
    (void)unused;
    for (int i = 0; i < 200; i++) {
        struct rouse_loop *own = NULL;
        if (rouse_open(&own, NULL) != 0)
            return "open";
        if (rouse_wake(own) != 0 || rouse_turn(own, -1) != 0)
            return "turn";
        if (rouse_close(own) != 0)
            return "close";
    }
    return NULL;
}

/* S3: what is made once, by whoever comes first. */
static void loops_open_and_close_in_four_threads_at_once(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    threads_begin(threads, open_and_close, NULL, 0);
    threads_end(threads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(task_goes_round_four_loops_in_four_threads),
        cmocka_unit_test(loop_is_handed_from_thread_to_thread),
        cmocka_unit_test(loops_open_and_close_in_four_threads_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
