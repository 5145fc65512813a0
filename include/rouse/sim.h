/*
 * A kernel in miniature: the part of an operating system in which threads sleep, as a model inside
 * the process, with a time of its own.
 *
 * A loop on the backend `sim:select`, `sim:poll` or `sim:epoll` runs on it unchanged, with
 * descriptors that exist only here. So a server is tried with thousands of clients, through hours,
 * in a second, and the same seed gives the same run, byte for byte. And because each step is told
 * and counted, it can be seen who is linked into which queue, who wakes whom, and what is copied.
 *
 * There is one machine in a process at a time, and one thread may use it. The thread that boots it
 * is its first task; the others are functions that the machine calls when it is their turn. Nothing
 * else happens while a task runs. Time moves when all sleep, to the next thing that is due.
 *
 * What surprises: a call by which a task would sleep cannot keep its place in a C function that has
 * to return. It returns -ROUSE_SIM_ASLEEP, and the task's function returns with it; when the task
 * is woken, its function is called again and makes the same call again, on what the number stands
 * for by then. The first task has a stack of its own, and its calls sleep as real ones do.
 *
 * A loop runs in the first task; a turn of it in another is -EPERM. To a loop the other tasks, and
 * events, are what other threads are: they may call rouse_wake() and rouse_post(), and nothing else
 * of it, which here nobody notices. To end its run, they post a task that calls rouse_stop(). And
 * threads of the operating system have no part in the machine's time: that a thread is still to
 * post something does not keep it from ending a wait with -EDEADLK. Make them tasks.
 *
 * The descriptors are numbers from 0 up, and the operating system knows nothing of them: to it they
 * are others, or none. What is to be done to one is done through the loop, or by a call of this
 * header: rouse_sim_block() in place of rouse_nonblock(), and rouse_sim_close().
 *
 * To try a server: boot; open a loop on a backend sim:NAME (by default it is one of the real ones);
 * make a listener that does not block, and hand it to the server; start tasks that connect to it;
 * run. When the run has ended, rouse_sim_sleep() lets tasks that are left go on. Then close the
 * loop, and halt. docs/examples/rehearsal.c is short, and does that.
 *
 * Results are 0 (or a count, or a descriptor), or -errno: -EBADF for what is no open descriptor,
 * and for any without a machine; -EINVAL for other calls without one, and for arguments that mean
 * nothing; -ENOMEM; and of calls that sleep -EINTR, -EDEADLK (all sleep, and nothing is to come),
 * -EAGAIN (in an event, which cannot sleep), -EALREADY (of a task that another call has put to
 * sleep, and that has not returned). Others are told where they come from.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_SIM_H
#define ROUSE_SIM_H

#include <rouse/backend.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- What happens -------------------------------------------------------------------------- */

/* A step of the machine; `object` is a file unless it is said otherwise, and `amount` is 1. */
enum rouse_sim_what {
    ROUSE_SIM_CALLED,     /* a read, a write, an accept or a call for many begins, or is made again
                             by a task that slept in it; object 0 if it concerns many */
    ROUSE_SIM_ASKED,      /* a file was asked what it is ready for */
    ROUSE_SIM_LOOKED,     /* select has looked at the bits of 64 descriptors; object 0 */
    ROUSE_SIM_SEARCHED,   /* an epoll's tree was searched; amount: the items looked at */
    ROUSE_SIM_LINKED,     /* an entry was put into the file's wait queue */
    ROUSE_SIM_UNLINKED,   /* and taken out */
    ROUSE_SIM_WALKED,     /* the wait queue of a file that has changed is walked */
    ROUSE_SIM_HOOKED,     /* the walk has called epoll's hook */
    ROUSE_SIM_LISTED,     /* the file was put on an epoll's ready list */
    ROUSE_SIM_UNLISTED,   /* and taken from it */
    ROUSE_SIM_READIED,    /* a task that slept, or is new, joined the run queue; object: the task */
    ROUSE_SIM_SLEPT,      /* the task that ran went to sleep; object: the task */
    ROUSE_SIM_SCHEDULED,  /* a task was given the processor; object: the task */
    ROUSE_SIM_COPIED_IN,  /* amount: bytes copied from a task to the machine; object 0: a call's
                             arguments */
    ROUSE_SIM_COPIED_OUT, /* amount: bytes copied from the machine to a task, alike */
    ROUSE_SIM_ARRIVED,    /* amount: bytes that came to a socket */
    ROUSE_SIM_PASSED,     /* amount: nanoseconds until the next thing was due; object 0. Of what is
                             computed only those until the last of them */
    ROUSE_SIM_COMPUTED,   /* amount: nanoseconds that a task computes; object: the task */
    ROUSE_SIM_INTERRUPTED, /* a signal ended the sleep of a task; object: the task */
    ROUSE_SIM_FAULTED, /* something is made to go wrong; object 0, amount: enum rouse_sim_fault */
    ROUSE_SIM_WHATS    /* how many there are */
};

struct rouse_sim_step {
    int64_t time; /* ns since the machine was booted */
    enum rouse_sim_what what;
    uint32_t task; /* who runs; the first is 1, and 0 is nobody: an interrupt */
    uint32_t object;
    uint64_t amount;
};

/* ---- The machine --------------------------------------------------------------------------- */

/* What goes wrong, in how many of a thousand cases. */
enum rouse_sim_fault {
    ROUSE_SIM_SHORT_COUNT,
    ROUSE_SIM_INTERRUPT,
    ROUSE_SIM_SPURIOUS,
    ROUSE_SIM_NO_MEMORY,
    ROUSE_SIM_LATE
};
struct rouse_sim_faults {
    uint16_t short_counts; /* a read or write moves less than it could; but what a pipe promises to
                              write whole is whole */
    uint16_t interrupts;   /* a sleep ends with -EINTR; at 1000 none lasts, and time stands still */
    uint16_t spurious;     /* a sleep ends for nothing; of a task not twice at the same time */
    uint16_t no_memory;    /* a new file, an accept or a registration finds none: -ENOMEM; a connect
                              is refused for want of it at the other end, and data resets */
    uint16_t late;         /* a packet takes ten times as long */
};

struct rouse_sim_config {
    uint32_t size;        /* sizeof(struct rouse_sim_config) */
    uint32_t descriptors; /* how many the process may have; 0: 1024 */
    uint32_t room;        /* bytes in a pipe, which counts in pages of 4096, and in either direction
                             of a socket; 0: 65536 */
    uint32_t reserved;
    uint64_t seed;   /* of all that is left to chance: the order of what is due at the same time,
                        and the faults */
    int64_t latency; /* ns that a packet travels, of which a connection has one at a time in either
                        direction; 0: it is there when the call returns */
    struct rouse_sim_faults faults;
    const struct rouse_allocator *allocator;                         /* NULL: realloc and free */
    void (*trace)(void *context, const struct rouse_sim_step *step); /* NULL: counted only */
    void *context;
};

/* Boots the machine; NULL: as it is by default. Errors: -EBUSY (there is one), -EINVAL, -ENOMEM. */
ROUSE_API int rouse_sim_boot(const struct rouse_sim_config *config);

/* Everything is gone, open descriptors and tasks included. Loops on it are closed before, as are
 * the descriptors: returns how many were still open. For the first task, and not while it sleeps or
 * a step is told; -EPERM for others. */
ROUSE_API int rouse_sim_halt(void);

ROUSE_API void rouse_sim_fail(const struct rouse_sim_faults *faults); /* from now on; NULL: none */
ROUSE_API uint64_t rouse_sim_count(enum rouse_sim_what what); /* how often so far; 0: no machine */
ROUSE_API int64_t rouse_sim_now(void);                        /* ns since it was booted */

/* ---- Tasks --------------------------------------------------------------------------------- */

enum rouse_sim_state { ROUSE_SIM_RUNNING, ROUSE_SIM_READY, ROUSE_SIM_SLEEPING, ROUSE_SIM_ENDED };

/* What a call returns, negated, to a task that it has put to sleep. */
#define ROUSE_SIM_ASLEEP 9999

struct rouse_sim_task {
    struct rouse_link link;
    const char *name;
    /* Called when it is the task's turn. Returns 0 when it has ended, 1 to give up the processor;
     * what it returns does not count if a call has put it to sleep. Time does not move as long as
     * any task is ready. */
    int (*run)(struct rouse_sim_task *task);
    enum rouse_sim_state state;
    uint32_t id;
    uint64_t reserved[12];
};

/* Starts a task, which is ready then. The struct is the caller's, zeroed but for name and run, and
 * stays until it has ended, as it does when the machine is halted; then it may be started again.
 * -EALREADY. */
ROUSE_API int rouse_sim_start(struct rouse_sim_task *task);

/* Sleeps for so many nanoseconds, or if it is not more than 0 until all others sleep. */
ROUSE_API int rouse_sim_sleep(int64_t ns);

/* Computes for so many nanoseconds, during which the others have a processor of their own, and
 * until they sleep. For the first task; -EPERM for others. */
ROUSE_API int rouse_sim_compute(int64_t ns);

/* Interrupts the sleep of a task, the present or else the next one. NULL: of the first task; this
 * from any thread, and from signal handlers. */
ROUSE_API void rouse_sim_interrupt(struct rouse_sim_task *task);

/* Has the machine call `fn` at a time: what a device does, or a script. It belongs to no task, and
 * its calls do not sleep. The struct is the caller's, zeroed, and stays until then or until it is
 * cancelled; `fn` may set it again. What interrupts a task in a read so gives that a timeout. */
struct rouse_sim_event {
    int64_t time;
    void (*fn)(struct rouse_sim_event *event);
    uint64_t reserved[2];
};

ROUSE_API int rouse_sim_at(struct rouse_sim_event *event, int64_t time);
ROUSE_API void rouse_sim_cancel(struct rouse_sim_event *event);

/* ---- System calls -------------------------------------------------------------------------- */

/* Descriptors: the lowest free number each. -EMFILE. A listener keeps one connection more than its
 * backlog for who accepts, as on Linux. A connect tells of a socket whose request is on its way:
 * WRITE says that it is connected, or ERROR that it was refused, as reads and writes do by
 * -ECONNREFUSED: nobody listens, or as many wait as may. -ENOTSOCK. An accept: -EMFILE and -ENOMEM
 * also if nobody waits, and who does waits on; then -EINVAL (no listener), -EAGAIN. */
ROUSE_API int rouse_sim_pipe(rouse_fd fds[2]); /* fds[0] reads, fds[1] writes */
ROUSE_API int rouse_sim_pair(rouse_fd fds[2]); /* two connected sockets of this machine */
ROUSE_API int rouse_sim_socket(void);          /* one that is not connected */
ROUSE_API int rouse_sim_listen(int backlog);
ROUSE_API int rouse_sim_connect(rouse_fd listener);
ROUSE_API int rouse_sim_accept(rouse_fd listener);
ROUSE_API int rouse_sim_dup(rouse_fd fd);
ROUSE_API int rouse_sim_dup2(rouse_fd fd, rouse_fd number);
ROUSE_API int rouse_sim_close(rouse_fd fd);

/* Closes a socket so that its peer is told of an error; one of a pair it just closes. -ENOTSOCK. */
ROUSE_API int rouse_sim_reset(rouse_fd fd);

/* Whether calls on what the descriptor stands for sleep; at first they do. */
ROUSE_API int rouse_sim_block(rouse_fd fd, int blocks);

/* As read(2) and write(2), shutdown(2) of ROUSE_READ, ROUSE_WRITE or both, and SO_ERROR, which is
 * consumed. A write moves what there is room for, and sleeps only if that is nothing; to what
 * nobody reads it is -EPIPE, and raises no signal. There is no urgent data. Bytes that come to a
 * socket that is shut both ways reset it, and a listener that is shut for READ is one no more. */
ROUSE_API int64_t rouse_sim_read(rouse_fd fd, void *buffer, size_t size);
ROUSE_API int64_t rouse_sim_write(rouse_fd fd, const void *data, size_t size);
ROUSE_API int rouse_sim_shut(rouse_fd fd, uint32_t directions);
ROUSE_API int rouse_sim_error(rouse_fd fd);

/* Waiting for many. Timeouts in ns; negative is for ever, 0 does not sleep, and of the first task
 * lets others run before. HANGUP in `want` asks to be told of the half of one, too: the peer writes
 * no more. Calls that can sleep for a time, and select and poll, are for the first task: -EPERM for
 * others. */

/* Three sets of bits in and out, any of which may be NULL, up to but not including the descriptor
 * `bound`, which is at most ROUSE_SIM_SETSIZE. How many bits are set; -EBADF if one is not open. As
 * on Linux whole words are copied; and what comes to a socket wakes also who asks something else of
 * it, as it might be urgent. */
#define ROUSE_SIM_SETSIZE 1024
struct rouse_sim_set {
    uint64_t words[ROUSE_SIM_SETSIZE / 64];
};
ROUSE_API int rouse_sim_select(int bound, struct rouse_sim_set *read, struct rouse_sim_set *write,
                               struct rouse_sim_set *priority, int64_t timeout_ns);

/* An array in and out. How many entries are ready; ROUSE_SIM_CLOSED: it is not open. -EINVAL if
 * there are more than the process may have descriptors. */
#define ROUSE_SIM_CLOSED     0x4000u
#define ROUSE_SIM_ENTRY_SIZE 8 /* bytes that an entry is copied in as, and 2 out, as on Linux */
struct rouse_sim_pollfd {
    rouse_fd fd; /* negative: none */
    uint16_t want;
    uint16_t ready;
};
ROUSE_API int rouse_sim_poll(struct rouse_sim_pollfd *entries, uint32_t count, int64_t timeout_ns);

/* A descriptor that keeps what is wanted. `want` may have EDGE, ONESHOT and EXCLUSIVE (of several
 * that watch a file, one is woken; from the start, with READ, WRITE and EDGE only, and not of an
 * epoll: -EINVAL). -EEXIST, -ENOENT, -ELOOP. */
#define ROUSE_SIM_EXCLUSIVE  0x8000u
#define ROUSE_SIM_EVENT_SIZE 12 /* bytes that an event is copied as, as on Linux */
enum rouse_sim_op { ROUSE_SIM_ADD, ROUSE_SIM_MODIFY, ROUSE_SIM_REMOVE };
ROUSE_API int rouse_sim_epoll_create(void);
ROUSE_API int rouse_sim_epoll_ctl(rouse_fd epoll, enum rouse_sim_op op, rouse_fd fd, uint32_t want,
                                  uint64_t token);
ROUSE_API int rouse_sim_epoll_wait(rouse_fd epoll, struct rouse_event *events, int nevents,
                                   int64_t timeout_ns);

/* ---- Looking in, as no program can and a learner should -------------------------------- */

enum rouse_sim_kind { ROUSE_SIM_PIPE, ROUSE_SIM_SOCKET, ROUSE_SIM_LISTENER, ROUSE_SIM_EPOLL };

struct rouse_sim_file {
    uint32_t object;     /* its number in steps */
    uint32_t references; /* how many descriptors, and calls in progress, hold it */
    enum rouse_sim_kind kind;
    int blocks;
    uint32_t ready;    /* READ, WRITE, ERROR and HANGUP; an epoll's READ: something is listed */
    uint32_t received; /* bytes that wait to be read, or connections to be accepted */
    uint32_t sent;     /* bytes that the peer does not have yet; of a pipe, that nobody has read */
    uint32_t room;
};

/* What a descriptor stands for, as it is now. */
ROUSE_API int rouse_sim_look(rouse_fd fd, struct rouse_sim_file *file);

/* The entries of a file's wait queue, in order; 0, or -ENOENT behind the last. */
enum rouse_sim_how { ROUSE_SIM_BY_CALL, ROUSE_SIM_BY_WALK, ROUSE_SIM_BY_HOOK };
struct rouse_sim_waiter {
    enum rouse_sim_how how;
    uint32_t who;  /* the task that sleeps in a read, write, accept or wait, or in a walk (select,
                      poll); of a hook the epoll's number in steps */
    int exclusive; /* it stands behind the others, and ends the walk if it was woken */
};
ROUSE_API int rouse_sim_waiter_at(rouse_fd fd, unsigned index, struct rouse_sim_waiter *waiter);

/* The descriptors that an epoll watches, in the order of its tree, and those on its ready list. */
ROUSE_API int rouse_sim_watched(rouse_fd epoll, unsigned index);
ROUSE_API int rouse_sim_listed(rouse_fd epoll, unsigned index);

/* The first task, whose name is "main", and the run queue; NULL behind the last. */
ROUSE_API const struct rouse_sim_task *rouse_sim_first(void);
ROUSE_API const struct rouse_sim_task *rouse_sim_queued(unsigned index);

#ifdef __cplusplus
}
#endif

#endif
