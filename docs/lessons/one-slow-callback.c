/*
 * The lesson one-slow-callback: what waits while one callback computes, for how long, and what a
 * thread changes about it.
 *
 * The same loop and the same callbacks run on the kernel and on the model; what they need of either
 * is in struct side. To compute is to use so much processor time.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lesson.h"
#include "model.h"

enum { MS = LESSON_MS, SLOW = 500 * MS, TIMER = 100 * MS, BYTES = 200 * MS };
enum { MANY = 1000, SHORT = MS / 10 };
enum { JOBS = 4, JOB = 75 * MS, TICK = 10 * MS };
enum { LOOP_EPOLL = 0 }; /* in the model: the first descriptor that is opened */

/* Something to watch that can be made ready: what is read, and what is written for it. */
struct source {
    int reads, writes;
};

/* One piece of work that takes a processor and no waiting. */
struct job {
    struct rouse_sim_task task; /* first, for who is handed it */
    struct lesson_thread thread;
    struct rouse_task result; /* posted by who has done it */
};

/* The kernel, or the model. */
struct side {
    int64_t (*now)(void);
    void (*compute)(int64_t ns);
    void (*open)(struct source *source);
    void (*close)(struct source *source);
    void (*raise)(const struct source *source);
    void (*raise_later)(struct source *source, int64_t ns); /* by somebody else */
    bool (*has_raised)(const struct source *source); /* when he has: is it known to be ready? */
    void (*start)(struct job *job);                  /* in a thread */
    void (*join)(struct job *job);
};

static const struct side *side;
static struct rouse_loop *loop;

/* ---- How long the loop is away from its wait ------------------------------------------------- */

static struct {
    struct rouse_hook before, after;
    int64_t left; /* when a wait last returned; -1: none has */
    int64_t longest;
} away;

static void after_wait(struct rouse_hook *hook)
{
    (void)hook;
    away.left = side->now();
}

static void before_wait(struct rouse_hook *hook)
{
    (void)hook;
    int64_t since = away.left >= 0 ? side->now() - away.left : 0;
    if (since > away.longest)
        away.longest = since;
}

static void open_loop(const char *backend)
{
    if (backend == NULL) {
        loop = lesson_loop();
    } else {
        struct rouse_config config = {.size = sizeof config, .backend = backend};
        model_must(rouse_open(&loop, &config), "rouse_open");
    }
    away.left = -1;
    away.longest = 0;
    rouse_hook_init(&away.before, before_wait);
    rouse_hook_init(&away.after, after_wait);
    lesson_ok(loop, rouse_hook_start(loop, &away.before, ROUSE_BEFORE_WAIT));
    lesson_ok(loop, rouse_hook_start(loop, &away.after, ROUSE_AFTER_WAIT));
}

static double in_ms(int64_t ns)
{
    return (double)ns / MS;
}

/* ---- One slow callback ----------------------------------------------------------------------- */

static struct {
    struct source source;
    struct rouse_task slow;
    struct rouse_timer timer;
    struct rouse_io io;
    int64_t began, ended;    /* the slow one */
    bool was_ready;          /* when it ended, as the kernel knew */
    int64_t timer_at, io_at; /* when they were called */
} freeze;

static void on_timer(struct rouse_timer *timer)
{
    (void)timer;
    freeze.timer_at = side->now();
}

static void on_bytes(struct rouse_io *io, uint32_t ready)
{
    uint64_t value;
    (void)ready;
    if (rouse_read(io, &value, sizeof value) != sizeof value)
        return; /* the backend guesses, and guessed wrong */
    freeze.io_at = side->now();
    rouse_io_stop(io);
}

static void compute_long(struct rouse_task *task)
{
    freeze.began = side->now();
    lesson_ok(loop, rouse_timer_after(task->loop, &freeze.timer, TIMER, 0));
    side->raise_later(&freeze.source, BYTES);
    side->compute(SLOW);
    freeze.was_ready = side->has_raised(&freeze.source);
    freeze.ended = side->now();
}

/* A line of a drawing, a character for 10 ms: when it could have been called, and when it was. */
static void draw(const char *name, int64_t due, int64_t called, char between)
{
    enum { COLUMN = 10 * MS, MOST = 64 };
    char line[128];
    int first = (int)(due / COLUMN), last = (int)(called / COLUMN);
    bool is_cut = last > MOST;
    last = is_cut ? MOST : last;
    int at = snprintf(line, sizeof line, "%-11s|%*s", name, first, "");
    for (int i = first; i < last; i++)
        line[at++] = between;
    const char *end = between == '=' ? "|" : "x";
    snprintf(line + at, sizeof line - (size_t)at, "%s%s", is_cut ? "... " : "", end);
    lesson_lines(line);
}

static void run_slow(const char *backend)
{
    lesson_say("One callback computes for %d ms. A timer is due when %d of them are over, and when "
               "it is %d, somebody sends bytes to a descriptor that is watched.",
               SLOW / MS, TIMER / MS, BYTES / MS);
    open_loop(backend);
    side->open(&freeze.source);
    rouse_task_init(&freeze.slow, compute_long);
    rouse_timer_init(&freeze.timer, on_timer);
    rouse_io_init(&freeze.io, on_bytes);
    lesson_ok(loop, rouse_io_start(loop, &freeze.io, freeze.source.reads, ROUSE_READ));
    lesson_ok(loop, rouse_defer(loop, &freeze.slow));
    lesson_ok(loop, rouse_run(loop));
    int64_t began = freeze.began;
    lesson_say("Each character is 10 ms; dots wait, x is the call:");
    draw("callback", 0, freeze.ended - began, '=');
    draw("timer", TIMER, freeze.timer_at - began, '.');
    draw("bytes", BYTES, freeze.io_at - began, '.');
    lesson_show("the timer was late by", "%.1f ms", in_ms(freeze.timer_at - began - TIMER));
    lesson_show("the bytes waited for about", "%.1f ms", in_ms(freeze.io_at - began - BYTES));
    lesson_show("the loop was away from its wait for", "%.1f ms", in_ms(away.longest));
    side->close(&freeze.source);
    lesson_ok(loop, rouse_close(loop));
}

/* ---- Many at once ---------------------------------------------------------------------------- */

static struct one {
    struct rouse_io io;
    struct source source;
} ones[MANY];

static struct {
    int called;
    int64_t raised;       /* when the last of them had become ready */
    int64_t waited[MANY]; /* from then until the call, in the order of the calls */
    int order[MANY];      /* who was called */
    int calls[MANY];
} many;

static void on_one(struct rouse_io *io, uint32_t ready)
{
    uint64_t value;
    (void)ready;
    if (rouse_read(io, &value, sizeof value) != sizeof value)
        return;
    int index = (int)((struct one *)io - ones);
    if (many.called < MANY) {
        many.waited[many.called] = side->now() - many.raised;
        many.order[many.called] = index;
    }
    many.called++;
    many.calls[index]++;
    side->compute(SHORT);
    if (many.called == MANY)
        rouse_stop(loop);
}

/* Whether they were called in an order: 1 as they are registered, -1 as they became ready. */
static bool called_in_order(int step)
{
    for (int i = 1; i < MANY; i++)
        if (many.order[i] != many.order[i - 1] + step)
            return false;
    return true;
}

/* They are registered from the first to the last, and become ready from the last to the first. */
static void run_many(const char *backend)
{
    memset(&many, 0, sizeof many);
    open_loop(backend);
    for (int i = 0; i < MANY; i++) {
        side->open(&ones[i].source);
        rouse_io_init(&ones[i].io, on_one);
        lesson_ok(loop, rouse_io_start(loop, &ones[i].io, ones[i].source.reads, ROUSE_READ));
    }
    lesson_ok(loop, rouse_turn(loop, 0)); /* in which the backend is told of them */
    for (int i = MANY - 1; i >= 0; i--)
        side->raise(&ones[i].source);
    many.raised = side->now();
    lesson_ok(loop, rouse_run(loop));
    for (int i = 0; i < MANY; i++)
        side->close(&ones[i].source);
    lesson_ok(loop, rouse_close(loop));
}

static void show_many(void)
{
    lesson_say("%d descriptors become ready, and then the loop runs. Each callback computes for "
               "%.1f ms. How long each waits for its call:",
               MANY, in_ms(SHORT));
    for (int i = 0; i < MANY; i += i == 0 ? MANY / 4 - 1 : MANY / 4) {
        char name[32];
        snprintf(name, sizeof name, "number %d", i + 1);
        lesson_bar(name, in_ms(many.waited[i]), in_ms(many.waited[MANY - 1]), "%.1f ms");
    }
    lesson_show("they are called", "%s",
                called_in_order(-1)  ? "in the order in which they became ready"
                : called_in_order(1) ? "in the order in which they were registered"
                                     : "in an order of the backend's own");
}

static bool each_was_called_once(void)
{
    for (int i = 0; i < MANY; i++)
        if (many.calls[i] != 1)
            return false;
    return true;
}

/* ---- Work that takes a processor ------------------------------------------------------------- */

static struct {
    struct job jobs[JOBS];
    struct rouse_task begin;
    struct rouse_timer pulse; /* beats until the last job is done */
    bool in_threads;
    bool elsewhere; /* a result was handed over in another thread */
    pthread_t thread;
    int64_t began, took;
    int ticks, results;
} work;

static void on_tick(struct rouse_timer *timer)
{
    (void)timer;
    work.ticks++;
}

static void on_result(struct rouse_task *task)
{
    (void)task;
    work.elsewhere |= !pthread_equal(work.thread, pthread_self());
    if (++work.results < JOBS)
        return;
    work.took = side->now() - work.began;
    rouse_timer_stop(&work.pulse);
}

static void begin_work(struct rouse_task *task)
{
    work.began = side->now();
    lesson_ok(loop, rouse_timer_after(task->loop, &work.pulse, TICK, TICK));
    for (struct job *job = work.jobs; work.in_threads && job < work.jobs + JOBS; job++)
        side->start(job);
    if (work.in_threads)
        return;
    for (struct job *job = work.jobs; job < work.jobs + JOBS; job++) {
        side->compute(JOB);
        rouse_post(loop, &job->result);
    }
    rouse_timer_stop(&work.pulse);
}

static void run_work(const char *backend, bool in_threads)
{
    memset(&work, 0, sizeof work);
    work.in_threads = in_threads;
    work.thread = pthread_self();
    open_loop(backend);
    rouse_task_init(&work.begin, begin_work);
    rouse_timer_init(&work.pulse, on_tick);
    for (struct job *job = work.jobs; job < work.jobs + JOBS; job++)
        rouse_task_init(&job->result, on_result);
    lesson_ok(loop, rouse_defer(loop, &work.begin));
    lesson_ok(loop, rouse_run(loop));
    for (struct job *job = work.jobs; in_threads && job < work.jobs + JOBS; job++)
        side->join(job);
    lesson_ok(loop, rouse_close(loop));
    lesson_say("%d jobs, each of %d ms of processor time, %s:", JOBS, JOB / MS,
               in_threads ? "each in a thread, which posts its result to the loop"
                          : "in a callback of the loop");
    lesson_show("all results were there after", "%.1f ms", in_ms(work.took));
    lesson_show("the loop was away from its wait for", "%.1f ms at most", in_ms(away.longest));
    lesson_show("a timer of 10 ms was called", "%d times meanwhile", work.ticks);
}

/* ---- On the kernel --------------------------------------------------------------------------- */

static struct {
    struct lesson_thread thread;
    int64_t ns;
} someone;

static void compute(int64_t ns)
{
    int64_t end = lesson_thread_cpu() + ns;
    while (lesson_thread_cpu() < end)
        continue;
}

static void open_source(struct source *source)
{
    source->reads = source->writes = lesson_must(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd");
}

static void close_source(struct source *source)
{
    close(source->reads);
}

static void raise_source(const struct source *source)
{
    uint64_t one = 1;
    lesson_must((int)write(source->writes, &one, sizeof one), "write");
}

static void *raise_later_run(void *argument)
{
    lesson_sleep(someone.ns);
    raise_source(argument);
    return NULL;
}

static void raise_later(struct source *source, int64_t ns)
{
    someone.ns = ns;
    lesson_start(&someone.thread, raise_later_run, source);
}

static bool has_raised(const struct source *source)
{
    struct pollfd pollfd = {.fd = source->reads, .events = POLLIN};
    lesson_join(&someone.thread);
    return lesson_must(poll(&pollfd, 1, 0), "poll") == 1;
}

static void *run_job(void *argument)
{
    struct job *job = argument;
    compute(JOB);
    rouse_post(loop, &job->result);
    return NULL;
}

static void start_job(struct job *job)
{
    lesson_start(&job->thread, run_job, job);
}

static void join_job(struct job *job)
{
    lesson_join(&job->thread);
}

static const struct side kernel = {lesson_now,  compute,    open_source, close_source, raise_source,
                                   raise_later, has_raised, start_job,   join_job};

static void on_kernel(void)
{
    side = &kernel;
    run_slow(NULL);
    lesson_claim(freeze.was_ready, "poll() in the callback itself: the kernel has the bytes");
    lesson_claim(freeze.timer_at >= freeze.ended && freeze.io_at >= freeze.ended,
                 "the timer and the bytes were called when it had ended, not before");
    lesson_claim(away.longest >= SLOW, "the loop's hooks see it: from one wait to the next");

    if (lesson_descriptors(MANY + 50) < MANY + 50) {
        lesson_skip("%d at once: this process may not have so many descriptors", MANY);
    } else {
        run_many(NULL);
        show_many();
        lesson_claim(each_was_called_once(), "each was called once: none twice before the last");
        lesson_claim(many.waited[MANY - 1] >= (int64_t)(MANY - 1) * SHORT,
                     "the last has waited for all others, one after the other");
    }

    run_work(NULL, false);
    lesson_claim(work.ticks == 0 && away.longest >= (int64_t)JOBS * JOB,
                 "nothing else was called until the last job was done");
    run_work(NULL, true);
    lesson_claim(work.ticks > 1, "with threads it was called again and again");
    lesson_claim(work.results == JOBS && !work.elsewhere,
                 "the results are handed over in the loop's own thread");
}

/* ---- In the model ---------------------------------------------------------------------------- */

static void sim_compute(int64_t ns)
{
    model_must(rouse_sim_compute(ns), "compute");
}

static void sim_open(struct source *source)
{
    int fds[2];
    model_must(rouse_sim_pipe(fds), "pipe");
    model_must(rouse_sim_block(fds[0], 0), "block");
    *source = (struct source){fds[0], fds[1]};
}

static void sim_close(struct source *source)
{
    rouse_sim_close(source->reads);
    rouse_sim_close(source->writes);
}

static void sim_raise(const struct source *source)
{
    uint64_t one = 1;
    model_must(rouse_sim_write(source->writes, &one, sizeof one), "write");
}

static struct {
    struct rouse_sim_task task;
    const struct source *source;
    int64_t ns;
} client;

static int sim_client(struct rouse_sim_task *task)
{
    (void)task;
    if (rouse_sim_sleep(client.ns) == 0)
        sim_raise(client.source);
    return 0;
}

/* From here on until it has, the steps are told. */
static void sim_raise_later(struct source *source, int64_t ns)
{
    client.source = source;
    client.ns = ns;
    model_task(&client.task, "client", sim_client);
    model_name(source->reads, "the pipe");
    model_name(source->writes, "the pipe's other end");
    model_name(LOOP_EPOLL, "the loop's epoll");
    model_tell(true);
}

static bool sim_has_raised(const struct source *source)
{
    model_tell(false);
    model_draw(source->reads, LOOP_EPOLL, -1);
    return rouse_sim_listed(LOOP_EPOLL, 0) == source->reads;
}

/* Sleeps as long as a thread computes that has a processor of its own. */
static int sim_job(struct rouse_sim_task *task)
{
    if (rouse_sim_sleep(JOB) == 0)
        rouse_post(loop, &((struct job *)task)->result);
    return 0;
}

static void sim_start(struct job *job)
{
    model_task(&job->task, "job", sim_job);
}

static void sim_join(struct job *job)
{
    (void)job; /* it has ended, for its result was there */
}

static const struct side machine = {rouse_sim_now,  sim_compute, sim_open,
                                    sim_close,      sim_raise,   sim_raise_later,
                                    sim_has_raised, sim_start,   sim_join};

static void boot(void)
{
    struct rouse_sim_config config = {.size = sizeof config, .descriptors = 4 * MANY};
    model_boot(&config);
}

static void in_model(void)
{
    side = &machine;
    boot();
    run_slow("sim:epoll");
    lesson_claim(freeze.ended - freeze.began == SLOW,
                 "the callback takes 500 ms to the nanosecond");
    lesson_claim(freeze.was_ready,
                 "meanwhile the pipe was put on the ready list, and stayed there");
    lesson_claim(freeze.timer_at == freeze.ended && freeze.io_at == freeze.ended,
                 "both are called at that moment: 400 ms late, and after 300 ms");
    model_halt();

    boot();
    run_many("sim:epoll");
    show_many();
    bool by_arrival = called_in_order(-1);
    lesson_claim(many.waited[MANY - 1] == (int64_t)(MANY - 1) * SHORT,
                 "the last waits for the 999 others to the nanosecond");
    run_many("sim:poll");
    lesson_claim(by_arrival && called_in_order(1) &&
                     many.waited[MANY - 1] == (int64_t)(MANY - 1) * SHORT,
                 "epoll calls them as they came; poll as they stand in its array, just as late");
    model_halt();

    boot();
    run_work("sim:epoll", false);
    lesson_claim(work.took == JOBS * JOB && away.longest == JOBS * JOB && work.ticks == 0,
                 "on the loop: 4 times 75 ms, away all the time");
    run_work("sim:epoll", true);
    lesson_claim(work.took == JOB && away.longest == 0 && work.ticks == JOB / TICK,
                 "with threads: 75 ms, never away, and no tick of the timer is missing");
    model_halt();
}

int main(int argc, char **argv)
{
    lesson_begin(argc, argv, "one-slow-callback");
    lesson_say("A loop calls one callback at a time. First one of them computes for half a second. "
               "Then %d are due at once. Then the computing is moved to threads.",
               MANY);
    int guess = lesson_guess(
        "A callback computes for 500 ms. 200 ms after it began, bytes come for another "
        "one. What becomes of them?",
        "they are lost", "the other callback interrupts the first",
        "they wait 300 ms in the kernel", NULL);
    lesson_kernel();
    on_kernel();
    lesson_model();
    in_model();
    lesson_answer(guess, 2,
                  "They wait. The kernel takes them, as it always does, and keeps them until "
                  "somebody asks. Nobody does before the callback has returned: the loop is not "
                  "asleep, and not slow; it is inside your function.");
    return lesson_end();
}
