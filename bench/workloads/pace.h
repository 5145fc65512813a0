/*
 * Workloads `pace-sparse` and `pace-timers`: a loop that has something to do once in a millisecond,
 * a byte to read or a timer that is due, and sleeps in between. They show whether a loop wakes or
 * asks in vain: one wait for each event is what it takes.
 *
 * The bytes come from a process of its own, so that its time is not the loop's.
 *
 * SPDX-License-Identifier: MIT
 */
#include "calls.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#define PACE 1000000 /* ns */

struct pace {
    int pipe;
    int writer; /* a process */
};

struct pace_run {
    struct watch watch;
#ifdef SUBJECT_TIMERS
    struct timer timer;
#endif
    struct loop loop;
    uint64_t left;
    uint64_t empty;
};

READY(pace_ready)
{
    struct pace_run *run = (struct pace_run *)watch;
    char bytes[64];
    ssize_t got = watch_read(watch, bytes, sizeof bytes);
    if (got == -EAGAIN)
        run->empty++;
    else if (got <= 0)
        die("pace: cannot read the pipe: %s", strerror((int)-got));
    else if (--run->left == 0) /* late, one may find two bytes: one event all the same */
        loop_stop(&run->loop);
}

/* Writes a byte in each millisecond until it is ended, or nobody reads any more. */
static void pace_write(int pipe)
{
    struct timespec pause = {0, PACE};
    signal(SIGPIPE, SIG_DFL);
    for (;;) {
        nanosleep(&pause, NULL);
        if (write(pipe, "", 1) != 1 && errno != EAGAIN)
            _exit(1);
    }
}

static void *pace_open(const struct shape *shape)
{
    (void)shape;
    struct pace *pace = malloc(sizeof *pace);
    int ends[2];
    if (!pace || pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
        die("pace: cannot make a pipe");
    pace->pipe = ends[0];
    pace->writer = (int)fork();
    if (pace->writer < 0)
        die("pace: cannot fork: %s", strerror(errno));
    if (pace->writer == 0) {
        close(ends[0]);
        pace_write(ends[1]);
    }
    close(ends[1]);
    return pace;
}

static void pace_close(void *stage)
{
    struct pace *pace = stage;
    kill(pace->writer, SIGKILL);
    waitpid(pace->writer, NULL, 0);
    close(pace->pipe);
    free(pace);
}

static void pace_sparse_slice(void *stage, const char *backend, uint64_t warmup, uint64_t events,
                              struct sample *sample)
{
    const struct pace *pace = stage;
    char old[65536]; /* as much as a pipe holds: what came while nobody listened */
    struct pace_run *run = calloc(1, sizeof *run);
    if (!run)
        die("pace: no memory");
    loop_open(&run->loop, backend);
    while (plain_read(pace->pipe, old, sizeof old) > 0)
        ;
    watch_start(&run->loop, &run->watch, pace->pipe, READ, pace_ready);
    run->left = warmup;
    loop_run(&run->loop, pace_ready);
    run->left = events;
    run->empty = 0;
    loop_begin(&run->loop, sample);
    loop_run(&run->loop, pace_ready);
    loop_end(&run->loop, sample);
    sample->events = events;
    sample->empty = run->empty;
    watch_stop(&run->loop, &run->watch);
    loop_close(&run->loop);
    free(run);
}

#ifdef SUBJECT_TIMERS
FIRED(pace_fired)
{
    struct pace_run *run = (struct pace_run *)((char *)timer - offsetof(struct pace_run, timer));
    if (--run->left == 0)
        loop_stop(&run->loop);
    else
        timer_start(&run->loop, timer, PACE);
}

static void pace_time(struct pace_run *run, uint64_t events)
{
    run->left = events;
    timer_start(&run->loop, &run->timer, PACE);
    loop_run(&run->loop, pace_ready);
}

static void pace_timers_slice(void *stage, const char *backend, uint64_t warmup, uint64_t events,
                              struct sample *sample)
{
    (void)stage;
    struct pace_run *run = calloc(1, sizeof *run);
    if (!run)
        die("pace: no memory");
    loop_open(&run->loop, backend);
    timer_init(&run->loop, &run->timer, pace_fired);
    pace_time(run, warmup);
    loop_begin(&run->loop, sample);
    pace_time(run, events);
    loop_end(&run->loop, sample);
    sample->events = events;
    timer_stop(&run->loop, &run->timer);
    loop_close(&run->loop);
    free(run);
}
#endif

static uint64_t pace_piece(const struct shape *shape)
{
    (void)shape;
    return 1;
}
