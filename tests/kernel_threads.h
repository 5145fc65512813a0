/*
 * What the tests of the kernel behind the backend `threads` share: its calls of the system, which
 * each can be made to fail, as kernel_epoll.c says; a loop with two watchers; and a count of the
 * threads that there are.
 *
 * What surprises: the functions put before the system's are called in many threads at once, and
 * step aside at every turn, so that whatever may come in between does.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KERNEL_THREADS_H
#define KERNEL_THREADS_H

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "stage.h"

enum { FEW = 20 };

static struct rouse_loop *loop;
static struct player a, b;
static rouse_fd ends[2], others[2];
static pthread_t program; /* the thread of the program */
static unsigned threads_before;
static int last_error;

/* ---- What fails ---- */

static int created, first_fault, last_fault; /* calls of pthread_create, and which of them fail */
static atomic_uint signals;
static atomic_int wait_faults, wait_error, wait_fd; /* of ppoll on that descriptor alone */
static atomic_bool late;                            /* and it returns late */
static int sleep_faults, sleep_error;               /* of ppoll in the program's thread */
static int pipe_error;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*body)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*body)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*body)(void *), void *argument)
{
    created++;
    if (created >= first_fault && created <= last_fault)
        return EAGAIN;
    return __real_pthread_create(thread, attributes, body, argument);
}

int __real_pthread_kill(pthread_t thread, int number);
int __wrap_pthread_kill(pthread_t thread, int number);
int __wrap_pthread_kill(pthread_t thread, int number)
{
    signals++;
    sched_yield();
    return __real_pthread_kill(thread, number);
}

int __real_ppoll(struct pollfd *entries, nfds_t count, const struct timespec *timeout,
                 const sigset_t *mask);
int __wrap_ppoll(struct pollfd *entries, nfds_t count, const struct timespec *timeout,
                 const sigset_t *mask);
int __wrap_ppoll(struct pollfd *entries, nfds_t count, const struct timespec *timeout,
                 const sigset_t *mask)
{
    bool sleeps = pthread_equal(pthread_self(), program);
    if (sleeps && sleep_faults > 0) {
        sleep_faults--;
        errno = sleep_error;
        return -1;
    }
    bool chosen = !sleeps && count == 1 && entries->fd == wait_fd;
    if (chosen && wait_faults > 0) {
        wait_faults--;
        errno = wait_error;
        return -1;
    }
    sched_yield();
    int n = __real_ppoll(entries, count, timeout, mask);
    int error = errno;
    sched_yield();
    if (chosen && late)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    errno = error;
    return n;
}

int __real_pipe2(int fds[2], int flags);
int __wrap_pipe2(int fds[2], int flags);
int __wrap_pipe2(int fds[2], int flags)
{
    errno = pipe_error;
    return pipe_error != 0 ? -1 : __real_pipe2(fds, flags);
}

/* ---- What the cases share ---- */

static inline void note_error(struct player *self)
{
    last_error = rouse_io_error(&self->io);
}

static inline unsigned threads_now(void)
{
    DIR *tasks = opendir("/proc/self/task");
    unsigned count = 0;
    for (struct dirent *task; tasks != NULL && (task = readdir(tasks)) != NULL;)
        count += task->d_name[0] != '.';
    if (tasks != NULL)
        closedir(tasks);
    return count;
}

/* A thread that has been joined is listed for a moment yet. */
static inline void check_threads(unsigned count)
{
    while (threads_now() > count)
        sched_yield();
    assert_int_equal(threads_now(), count);
}

static int set_up(void **state)
{
    (void)state;
    first_fault = last_fault = 0;
    sleep_faults = pipe_error = 0;
    wait_faults = 0;
    late = false;
    program = pthread_self();
    threads_before = threads_now();
    loop = stage_open(NULL);
    CHECK_OK(NULL, world_pair(WORLD_UNIX, ends));
    CHECK_OK(NULL, world_pair(WORLD_UNIX, others));
    player_init(&a, loop, 'a', note_error);
    player_init(&b, loop, 'b', note_error);
    CHECK_OK(loop, rouse_io_start(loop, &a.io, ends[0], ROUSE_READ));
    CHECK_OK(loop, rouse_io_start(loop, &b.io, others[0], ROUSE_READ));
    CHECK_OK(loop, rouse_turn(loop, 0));
    check_threads(threads_before + 3); /* the loop watches a descriptor of its own */
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    CHECK_OK(NULL, rouse_close(loop));
    check_threads(threads_before);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(NULL, world_close(ends[i]));
        CHECK_OK(NULL, world_close(others[i]));
    }
    return 0;
}

/* An event of `player`, whose other end is `peer`, and nothing else. */
static inline void check_served(struct player *player, rouse_fd peer)
{
    journal_take();
    assert_int_equal(world_send(peer, "x", 1), 1);
    assert_int_equal(rouse_turn(loop, -1), 1);
    assert_int_equal(player->ready, ROUSE_READ);
    const char name[] = {player->name, '\0'};
    CHECK_JOURNAL(name);
    assert_int_equal(world_drain(player->io.fd), 1);
    assert_int_equal(rouse_turn(loop, 0), 0);
}

static inline void check_both_are_served(void)
{
    check_served(&a, ends[1]);
    check_served(&b, others[1]);
}

/* What `few` watch is quiet. */
static struct player few[FEW];
static rouse_fd few_ends[FEW][2];

static inline void few_start(void)
{
    for (int i = 0; i < FEW; i++) {
        CHECK_OK(NULL, world_pair(WORLD_PIPE, few_ends[i]));
        player_init(&few[i], loop, 'f', note_error);
        CHECK_OK(loop, rouse_io_start(loop, &few[i].io, few_ends[i][0], ROUSE_READ));
    }
}

static inline void few_end(void)
{
    for (int i = 0; i < FEW; i++) {
        CHECK_OK(loop, rouse_io_close(&few[i].io));
        CHECK_OK(NULL, world_close(few_ends[i][1]));
    }
}

static void *tell_id(void *id)
{
    *(pid_t *)id = gettid();
    return NULL;
}

/* A sanitizer may have a thread of its own, from the first of the program's on. That one is not
 * counted once it is listed no more. */
static int begin(void **state)
{
    (void)state;
    pthread_t first;
    pid_t id = 0;
    int error = __real_pthread_create(&first, NULL, tell_id, &id);
    if (error != 0 || (error = pthread_join(first, NULL)) != 0)
        return error;
    char listed[40];
    snprintf(listed, sizeof listed, "/proc/self/task/%d", (int)id);
    while (access(listed, F_OK) == 0)
        sched_yield();
    return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
