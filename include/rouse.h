/*
 * rouse: one thread parks itself on many descriptors and is roused when any of them is ready.
 *
 * A loop owns a backend (select, poll, epoll ...) and calls back for descriptors that are ready,
 * timers that are due, tasks that were deferred or posted, and hooks around its wait. All objects
 * are owned by the caller and meant to be embedded in the caller's own structs; the library
 * allocates only tables that grow with the number of watchers, and one for all timers. Fields of
 * the structs are private. Zeroed memory is a stopped object.
 *
 * Every function that can fail returns 0 (or a count) or -errno, and leaves everything as it was
 * when it fails; rouse_error() then says in words what was tried, why it failed and what to do.
 * Nothing is printed and nothing aborts. Times are nanoseconds on a monotonic clock.
 *
 * A loop belongs to one thread (see rouse_adopt()). Only rouse_wake() and rouse_post() may be
 * called elsewhere; every other call from a wrong thread is -EPERM, and from a forked child before
 * rouse_adopt() it is -ECHILD.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_H
#define ROUSE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#if defined(__GNUC__)
#define ROUSE_API __attribute__((visibility("default")))
#else
#define ROUSE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define ROUSE_VERSION_MAJOR 0
#define ROUSE_VERSION_MINOR 1
#define ROUSE_VERSION_PATCH 0

/* The version of the library that is running, "0.1.0". Any thread, any time. */
ROUSE_API const char *rouse_version(void);

/* A descriptor of the operating system: on Windows a SOCKET, which this type can hold. Negative, as
 * INVALID_SOCKET is when it is converted, is none. */
#if defined(_WIN32)
typedef intptr_t rouse_fd;
#else
typedef int rouse_fd;
#endif

/*
 * Interest and readiness are one set of bits. READ, PRIORITY and WRITE are directions, which a
 * watcher wants; ERROR and HANGUP are told beside them and cannot be asked for. EDGE and ONESHOT
 * say how to watch and are given to rouse_io_start(). SPENT is between a backend and the loop only.
 */
enum {
    ROUSE_READ = 1,     /* a read, recv or accept would not block (data, the end, or an error) */
    ROUSE_PRIORITY = 2, /* out-of-band data, or what the kind of descriptor calls exceptional */
    ROUSE_WRITE = 4,    /* a write would not block */
    ROUSE_ERROR = 8,   /* a condition that the next read or write will tell; see rouse_io_error() */
    ROUSE_HANGUP = 16, /* advisory: the peer closed its writing side, or both sides */
    ROUSE_EDGE = 32,   /* call until drained, see rouse_io_start() */
    ROUSE_ONESHOT = 64, /* pause the watcher before each callback */
    ROUSE_SPENT = 128,
};

struct rouse_loop;
struct rouse_backend; /* <rouse/backend.h> */

/*
 * Memory for the loop's tables. `resize` is realloc, malloc (`block` is NULL, `old_size` 0) and
 * free (`new_size` is 0; returns NULL) in one; it returns NULL when it has none, and the block is
 * then as it was. It is called by the loop's own thread, never on the path of an event.
 */
struct rouse_allocator {
    void *(*resize)(void *context, void *block, size_t old_size, size_t new_size);
    void *context;
};

/*
 * A clock of the caller's own; virtual time in tests, say. `now` gives nanoseconds since any fixed
 * point and may stand still; steps back are clamped. The loop then never sleeps in its backend: it
 * asks with timeout 0, and when nothing is ready calls `idle_until`, which returns when `deadline`
 * (INT64_MAX: none) has come by this clock, or sooner.
 */
struct rouse_clock {
    int64_t (*now)(void *context);
    void (*idle_until)(void *context, int64_t deadline);
    void *context;
};

/*
 * How to open a loop. Set `size` to sizeof(struct rouse_config) and zero what is not wanted:
 *     struct rouse_config config = {.size = sizeof config, .backend = "epoll,poll"};
 * Everything is copied or used during rouse_open() only, but for the contexts and `own`.
 */
struct rouse_config {
    uint32_t size;
    uint32_t reserved;
    /* A name, or a list of names in order of preference, separated by commas. NULL: the environment
     * variable ROUSE_BACKEND (ignored in set-user-ID programs), else the default order. A single
     * name never falls back to another backend; a list does, and says why. "trace:NAME" puts the
     * backend that checks and records (backends/trace.c) before another. */
    const char *backend;
    /* A backend of the caller's. With `backend` NULL it is the one; else it can be named there, and
     * comes before the library's: "trace:mine". It stays in use until the loop is closed. */
    const struct rouse_backend *own;
    const struct rouse_allocator *allocator; /* NULL: realloc and free */
    const struct rouse_clock *clock;         /* NULL: the system's monotonic clock */
    char *why;       /* where a failed rouse_open() says why, in words; may be NULL */
    size_t why_size; /* the size of `why` */
};

/*
 * Opens a loop for the calling thread and stores it in `*loop`. `config` may be NULL.
 * Errors: -EINVAL (a NULL loop, a config of an unknown size), -ENOENT (a backend that is not known
 * or not compiled in), -ENOTSUP (a backend of the caller's own written for another contract),
 * -ENOMEM, -EMFILE, or why the last backend tried could not be opened. `*loop` is then NULL.
 */
ROUSE_API int rouse_open(struct rouse_loop **loop, const struct rouse_config *config);

/*
 * Closes the loop and frees what it holds. Watchers, timers, tasks and hooks that remain are
 * detached (stopped, not called); their descriptors stay open. Also allowed in a forked child that
 * has not adopted the loop; it then touches nothing that the parent shares. The caller sees to it
 * that no other thread begins to wake it or to post to it any more; one that is about to return is
 * waited for.
 * Errors: -EBUSY inside a callback of this loop, -EPERM.
 */
ROUSE_API int rouse_close(struct rouse_loop *loop);

/*
 * Turns the loop until nothing keeps it alive (returns 0) or rouse_stop() was called (returns 1).
 * What keeps it alive: started watchers and timers that are not unreferenced, tasks that wait,
 * and rouse_hold(). Errors: -EBUSY inside a callback of this loop, -EPERM, -ECHILD, or the error of
 * a backend that has become unusable; it may then be run again, which opens the backend anew. So
 * it may after -EDEADLK, by which the machine of rouse/sim.h says that nothing is left that could
 * end the wait.
 */
ROUSE_API int rouse_run(struct rouse_loop *loop);

/*
 * One turn: waits until something is ready, due or woken, for at most `timeout_ns` (0: does not
 * wait, negative: no limit), and calls what is. Returns the number of callbacks made, 0 if none;
 * which may be before the time is up, for a wait may end for nothing. After rouse_stop() it does
 * not wait. Errors: as rouse_run().
 */
ROUSE_API int rouse_turn(struct rouse_loop *loop, int64_t timeout_ns);

/*
 * Makes rouse_run() return when the turn in progress has ended, or at once when it is called next;
 * one call ends one run. From another thread, post a task that calls it. Errors: -EPERM, -ECHILD.
 */
ROUSE_API int rouse_stop(struct rouse_loop *loop);

/*
 * Makes the calling thread, in the calling process, the owner of a loop that is not running. In a
 * forked child it opens the backend anew and sends it all that is watched, so that parent and child
 * each have a loop of their own over the descriptors that they share; inside a callback of the
 * loop too: what its turn had still to tell of descriptors is forgotten, and told again if it
 * lasts. Errors: -EBUSY (the loop is running in its thread), -EMFILE, -ENOMEM, or the backend's.
 */
ROUSE_API int rouse_adopt(struct rouse_loop *loop);

/* Keeps the loop alive until it is released as often; for one that waits for posts. -EINVAL when
 * released more often than held, -EPERM, -ECHILD. */
ROUSE_API int rouse_hold(struct rouse_loop *loop);
ROUSE_API int rouse_release(struct rouse_loop *loop);

/*
 * The loop's clock as read in this turn: read at most once a turn, and only if somebody asks or a
 * timer is pending. Outside a turn it is read at each call.
 */
ROUSE_API int64_t rouse_now(struct rouse_loop *loop);

/* What the last failed call on this loop tried, why it failed and what to do; "" if none has. The
 * text stays until the next failure or call of rouse_error(). Its first call for a loop allocates
 * room for it; where that fails, the text says just so. */
ROUSE_API const char *rouse_error(struct rouse_loop *loop);

/* The name of the backend that runs: "epoll". */
ROUSE_API const char *rouse_backend_name(const struct rouse_loop *loop);

/* For each backend that was passed over when the loop was opened, a line "name: why"; else "". */
ROUSE_API const char *rouse_passed_over(const struct rouse_loop *loop);

/*
 * The backends that this library knows, for index 0, 1 ...; NULL after the last. Those that are
 * chosen by default come first, in that order; the others are only used when they are named.
 */
struct rouse_rung {
    const char *name;
    const struct rouse_backend *backend; /* NULL: not compiled in */
    const char *missing;                 /* why not, in words; NULL if it is */
};
ROUSE_API const struct rouse_rung *rouse_rung_at(unsigned index);

/*
 * What the loop has done since it was opened. The second half is the work of its waits, as counted
 * by the backend. The loop's own wake descriptor is one watched descriptor more.
 */
struct rouse_counters {
    uint32_t size; /* set by the caller to sizeof(struct rouse_counters) */
    uint32_t reserved;
    uint64_t turns;
    uint64_t waits;         /* calls of the backend, to ask or to sleep */
    uint64_t wakeups;       /* those with leave to sleep that have returned */
    uint64_t events;        /* reports of the backend */
    uint64_t stale;         /* of these: for a watcher that was stopped meanwhile */
    uint64_t spurious;      /* of these: with nothing that is wanted now */
    uint64_t callbacks;     /* of every kind, hooks excepted */
    uint64_t changes_asked; /* changes of interest by the caller */
    uint64_t changes_sent;  /* changes handed to the backend, removals included */
    uint64_t rebuilds;      /* times that the backend was opened anew */
    uint64_t system_calls;
    uint64_t descriptors; /* handed to the kernel, call by call */
    uint64_t bytes_in;    /* copied into the kernel */
    uint64_t bytes_out;   /* copied out of it */
    uint64_t scanned;     /* entries looked at on this side to find what is ready */
};

/* Fills in as much as `counters->size` has room for. Errors: -EINVAL. */
ROUSE_API int rouse_count(const struct rouse_loop *loop, struct rouse_counters *counters);

/* ---- Descriptors ------------------------------------------------------------------------- */

/* Watches one descriptor. */
struct rouse_io {
    struct rouse_loop *loop;
    void (*fn)(struct rouse_io *io, uint32_t ready);
    rouse_fd fd;
    uint32_t slot;
    uint32_t flags;
    uint32_t reserved;
};

/* Makes `io` a stopped watcher that will call `fn` with what is ready. Not on a started one. */
ROUSE_API void rouse_io_init(struct rouse_io *io, void (*fn)(struct rouse_io *io, uint32_t ready));

/*
 * Starts to watch `fd` for `want`: any of READ, WRITE and PRIORITY (none: starts paused), with
 * EDGE and ONESHOT.
 *
 * Level, the default: the callback runs in every turn in which the descriptor is ready.
 * Edge: it runs in every turn until each direction that was reported is drained. rouse_read(),
 * rouse_write() and rouse_accept() say so by themselves; who makes the system calls himself says it
 * with rouse_io_drained(). If a callback says nothing of a direction that it was given and still
 * wants, the watcher turns into a level watcher until it is started again: slower, never stuck.
 * The end of a stream is a condition, not an event: READ stays due until it is no longer wanted.
 * A pipe in packet mode (O_DIRECT) is for level watchers: rouse_read() cannot tell it from another,
 * on which a short count means that nothing is left.
 * One-shot: the watcher is paused before its callback runs; rouse_io_want() arms it again.
 *
 * One callback per descriptor and turn, with all that is ready. ERROR and HANGUP come with the
 * READ, WRITE or PRIORITY that was wanted. Regular files and what else the kernel cannot watch are
 * always ready. A change that the kernel refuses later is told once, as ROUSE_ERROR; see
 * rouse_io_error(). Starting a started watcher again on the same descriptor changes what it wants.
 * Errors: -EINVAL (no callback, other bits in `want`), -EBADF, -ENOTSOCK (Windows watches sockets
 * only; also as long as Winsock was not started), -EEXIST (another watcher of this
 * loop has the descriptor), -EBUSY (this one has another descriptor or loop), -ERANGE (the backend
 * cannot watch a number that high), -ENOMEM, -EPERM, -ECHILD.
 */
ROUSE_API int rouse_io_start(struct rouse_loop *loop, struct rouse_io *io, rouse_fd fd,
                             uint32_t want);

/*
 * Changes the directions that a started watcher wants; 0 pauses it. A store: the kernel is told
 * once, before the next wait, of what has become of all changes, if it must be told at all. A
 * paused watcher is not called, and still keeps the loop alive. It has not been stopped: the kernel
 * may still watch, and what comes meanwhile end a wait for nothing, once.
 * Errors: -EINVAL (not started, or other bits than directions), -EPERM, -ECHILD.
 */
ROUSE_API int rouse_io_want(struct rouse_io *io, uint32_t want);

/*
 * Stops a watcher, in the kernel too: once it has returned, the callback does not run, even if its
 * event was fetched in this turn. The caller may free it, inside its own callback too, may close
 * the descriptor and use the number again. 0 also if it was not started. Errors: -EPERM, -ECHILD.
 */
ROUSE_API int rouse_io_stop(struct rouse_io *io);

/* Stops a watcher and closes its descriptor. Errors: -EINVAL (not started), -EPERM, -ECHILD; or
 * what close() said, with the watcher stopped and the descriptor gone all the same. */
ROUSE_API int rouse_io_close(struct rouse_io *io);

/*
 * Says that a read (or accept), write, or read of priority data would block now, so that an edge
 * watcher is called for these directions at the next edge only. Only after a call that said EAGAIN.
 */
ROUSE_API void rouse_io_drained(struct rouse_io *io, uint32_t directions);

/* Whether the watcher keeps the loop alive while it is started; it does unless unreferenced, which
 * lasts over stops and starts. Twice is once. Errors: -EPERM, -ECHILD. */
ROUSE_API int rouse_io_ref(struct rouse_io *io);
ROUSE_API int rouse_io_unref(struct rouse_io *io);

/* Inside the callback with ROUSE_ERROR: the -errno with which the kernel refused to watch the
 * descriptor (-EBADF: it was closed behind the loop's back); 0 if it did not refuse. */
ROUSE_API int rouse_io_error(const struct rouse_io *io);

/* 1 if started, else 0. */
ROUSE_API int rouse_io_active(const struct rouse_io *io);

/*
 * read(2), write(2) and accept(2) on a started watcher: retried after EINTR, as errors 0 or -errno,
 * and telling the loop what has been drained. To read and write sockets never blocks, whether or
 * not the descriptor is non-blocking, and rouse_write never raises SIGPIPE there; on listeners,
 * pipes and terminals, and on Windows, use rouse_nonblock() first: rouse_accept would wait for the
 * next client. rouse_read returns 0 at the end of a stream.
 * Also: -EINVAL (not started), -EPERM, -ECHILD.
 */
ROUSE_API ssize_t rouse_read(struct rouse_io *io, void *buffer, size_t size);
ROUSE_API ssize_t rouse_write(struct rouse_io *io, const void *data, size_t size);

/*
 * Accepts a connection into `*fd`, non-blocking and close-on-exec. Clients that have gone meanwhile
 * are passed over. -EMFILE, -ENFILE, -ENOBUFS and -ENOMEM leave the connection in the queue and the
 * listener ready: pause it until a descriptor has been closed, or it is called again and again.
 */
ROUSE_API int rouse_accept(struct rouse_io *io, rouse_fd *fd);

/* How a non-blocking connect() ended, once WRITE was reported: 0, or the -errno of its failure.
 * After a spurious report (the rule on `spin`) it may be 0 while the connect is still under way;
 * the first write then says -EAGAIN. Consumes SO_ERROR, which nothing else in the library does.
 * Also -EINVAL, -EPERM, -ECHILD. */
ROUSE_API int rouse_connect_result(struct rouse_io *io);

/* Sets O_NONBLOCK, which is shared with every duplicate of the descriptor. Any thread. -EBADF. */
ROUSE_API int rouse_nonblock(rouse_fd fd);

/* ---- Timers ------------------------------------------------------------------------------ */

struct rouse_timer {
    void (*fn)(struct rouse_timer *timer);
    int64_t period;
    struct rouse_loop *loop;
    int64_t deadline;
    uint64_t order;
    struct rouse_timer *next;
    struct rouse_timer **link;
};

/* Makes `timer` a stopped timer that will call `fn`. Not on a started one. */
ROUSE_API void rouse_timer_init(struct rouse_timer *timer, void (*fn)(struct rouse_timer *timer));

/*
 * Starts a timer, or moves a started one. _at: at a time of rouse_now(); the hot path. _after:
 * `delay` from now, for which it reads the clock. With a `period` it repeats, in phase; late by
 * several periods it is called once. Moving a deadline later is a store: the idle timeout that is
 * pushed back by every message costs nothing. Never early; in the order of deadlines, and equal
 * ones in the order started; but one started in a callback is called in the next turn at the
 * soonest. A timer is no longer started when the callback of its last deadline runs, which may
 * start it again, stop it or free it.
 * Errors: -EINVAL (no callback, a negative delay or period), -EBUSY (started on another loop),
 * -ENOMEM (the first start on a loop only), -EPERM, -ECHILD. A sum beyond INT64_MAX is INT64_MAX.
 */
ROUSE_API int rouse_timer_at(struct rouse_loop *loop, struct rouse_timer *timer, int64_t deadline,
                             int64_t period);
ROUSE_API int rouse_timer_after(struct rouse_loop *loop, struct rouse_timer *timer, int64_t delay,
                                int64_t period);

/* Stops a timer: its callback does not run. 0 also if it was not started. -EPERM, -ECHILD. */
ROUSE_API int rouse_timer_stop(struct rouse_timer *timer);

/* As rouse_io_ref() and rouse_io_unref(). */
ROUSE_API int rouse_timer_ref(struct rouse_timer *timer);
ROUSE_API int rouse_timer_unref(struct rouse_timer *timer);

/* 1 if started, else 0. */
ROUSE_API int rouse_timer_active(const struct rouse_timer *timer);

/* ---- Tasks, hooks and wakes -------------------------------------------------------------- */

struct rouse_link {
    struct rouse_link *next;
    struct rouse_link *previous;
};

/* One call, soon. */
struct rouse_task {
    struct rouse_link link;
    void (*fn)(struct rouse_task *task);
    struct rouse_loop *loop;
    struct rouse_task *posted;
    uintptr_t state;
};

/* Makes `task` one that waits for nothing and will call `fn`. Not on a task that waits. */
ROUSE_API void rouse_task_init(struct rouse_task *task, void (*fn)(struct rouse_task *task));

/*
 * Runs the task after this turn's events and timers, before the loop sleeps; one deferred by a task
 * runs in the next turn. In the order deferred. A task that waits belongs to the loop until its
 * callback begins; deferring or posting it again before is -EALREADY.
 * Errors: -EINVAL (no callback), -EALREADY, -EPERM, -ECHILD.
 */
ROUSE_API int rouse_defer(struct rouse_loop *loop, struct rouse_task *task);

/*
 * The same from any thread: hands the task to the loop and wakes it. Allocates nothing, takes no
 * lock; tasks of one thread run in the order posted. Errors: -EINVAL, -EALREADY.
 */
ROUSE_API int rouse_post(struct rouse_loop *loop, struct rouse_task *task);

/* Takes back a task that waits, deferred or posted; the loop's thread only. Its callback does not
 * run. 0 also if it waits for nothing. Errors: -EBUSY (another thread is posting it at this
 * moment), -EPERM, -ECHILD. */
ROUSE_API int rouse_task_cancel(struct rouse_task *task);

/* When a hook is called. */
enum rouse_moment {
    ROUSE_BEFORE_WAIT, /* every turn, right before the wait */
    ROUSE_AFTER_WAIT,  /* every turn, right after it */
    ROUSE_ON_WAKE,     /* in a turn that was woken by rouse_wake() */
};

/* A call in every turn, or for every wake. Hooks do not keep the loop alive. */
struct rouse_hook {
    struct rouse_link link;
    void (*fn)(struct rouse_hook *hook);
    struct rouse_loop *loop;
    uintptr_t reserved;
};

ROUSE_API void rouse_hook_init(struct rouse_hook *hook, void (*fn)(struct rouse_hook *hook));

/* In the order started; may be started and stopped in any callback. A hook started while hooks of
 * its moment are being called waits for the next time. Errors: -EINVAL, -EBUSY (started), -EPERM,
 * -ECHILD; to stop one that is not started is 0. */
ROUSE_API int rouse_hook_start(struct rouse_loop *loop, struct rouse_hook *hook,
                               enum rouse_moment moment);
ROUSE_API int rouse_hook_stop(struct rouse_hook *hook);

/*
 * Makes the loop's wait, or its next one, return at once, and calls the hooks ROUSE_ON_WAKE. From
 * any thread and from signal handlers; errno is kept. Several wakes may become one call, and the
 * last is always followed by one. Nearly free while a wake is pending. Errors: -EINVAL.
 */
ROUSE_API int rouse_wake(struct rouse_loop *loop);

#ifdef __cplusplus
}
#endif

#endif
