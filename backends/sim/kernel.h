/*
 * The machine as its own parts see it: tasks, the wait queues in which they sleep, files, and time.
 *
 * Everything that a task can wait for is a file, and every file has a wait queue. An entry of a
 * queue is a wake function and what it needs: that of a sleeping task makes the task ready, that of
 * an epoll puts the file on its ready list. Who changes a file walks its queue and calls them.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_SIM_KERNEL_H
#define ROUSE_SIM_KERNEL_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include <rouse/sim.h>

#include "link.h"
#include "memory.h"

/* As in core/names.h: what these files call each other by. */
#define alarm_cancel         rouse_sim_alarm_cancel
#define alarm_set            rouse_sim_alarm_set
#define clock_pass           rouse_sim_clock_pass
#define eventpoll_forget     rouse_sim_eventpoll_forget
#define eventpoll_hooked     rouse_sim_eventpoll_hooked
#define eventpoll_kind       rouse_sim_eventpoll_kind
#define file_ask             rouse_sim_file_ask
#define file_concerns        rouse_sim_file_concerns
#define file_drop            rouse_sim_file_drop
#define file_init            rouse_sim_file_init
#define file_of              rouse_sim_file_of
#define file_number          rouse_sim_file_number
#define file_open            rouse_sim_file_open
#define file_read            rouse_sim_file_read
#define file_release_dropped rouse_sim_file_release_dropped
#define file_take            rouse_sim_file_take
#define file_write           rouse_sim_file_write
#define listener_kind        rouse_sim_listener_kind
#define machine              rouse_sim_machine
#define machine_fails        rouse_sim_machine_fails
#define machine_free         rouse_sim_machine_free
#define machine_new          rouse_sim_machine_new
#define machine_random       rouse_sim_machine_random
#define machine_step         rouse_sim_machine_step
#define queue_link           rouse_sim_queue_link
#define queue_pass_on        rouse_sim_queue_pass_on
#define queue_unlink         rouse_sim_queue_unlink
#define queue_walk           rouse_sim_queue_walk
#define queue_walk_all       rouse_sim_queue_walk_all
#define ring_close           rouse_sim_ring_close
#define ring_get             rouse_sim_ring_get
#define ring_move            rouse_sim_ring_move
#define ring_put             rouse_sim_ring_put
#define socket_fail          rouse_sim_socket_fail
#define socket_finish        rouse_sim_socket_finish
#define socket_free_finished rouse_sim_socket_free_finished
#define socket_join          rouse_sim_socket_join
#define socket_kind          rouse_sim_socket_kind
#define socket_new           rouse_sim_socket_new
#define socket_of            rouse_sim_socket_of
#define socket_post          rouse_sim_socket_post
#define socket_reset         rouse_sim_socket_reset
#define task_answered        rouse_sim_task_answered
#define task_ready           rouse_sim_task_ready
#define task_sleep           rouse_sim_task_sleep
#define task_sleep_on        rouse_sim_task_sleep_on
#define task_wakes           rouse_sim_task_wakes
#define task_woken           rouse_sim_task_woken
#define task_yield           rouse_sim_task_yield
#define tasks_end            rouse_sim_tasks_end
#define walk_wakes           rouse_sim_walk_wakes

/* The half of a hangup: the peer has stopped writing. Told as HANGUP to who asks for that. */
#define SIM_HALF 0x2000u

/* What has come to a socket is told as: some of it might be urgent (sock_def_readable()). */
#define SIM_DATA (ROUSE_READ | ROUSE_PRIORITY)

/* What a change of state is told as: to all who wait, whatever they wait for. */
#define SIM_EVERYTHING (ROUSE_READ | ROUSE_WRITE | ROUSE_ERROR | ROUSE_HANGUP | SIM_HALF)

/* ---- Wait queues: queue.c ------------------------------------------------------------------ */

/* `ready` is what the file has become. True if somebody was woken. */
struct sim_entry;
typedef bool sim_wake(struct sim_entry *entry, uint32_t ready);

struct sim_entry {
    struct rouse_link link;
    sim_wake *wake;
    struct sim_file *file; /* in whose queue it is */
    bool exclusive;        /* the walk ends behind it, if it was woken */
};

void queue_link(struct sim_entry *entry, struct sim_file *file);
void queue_unlink(struct sim_entry *entry);
void queue_walk(struct sim_file *file, uint32_t ready);
void queue_walk_all(struct sim_file *file, uint32_t ready); /* past the exclusive ones, too */

/* Wakes the next who sleeps in a call: who was woken has left something for it. */
void queue_pass_on(struct sim_file *file);

/* ---- Tasks: task.c ------------------------------------------------------------------------- */

void task_ready(struct rouse_sim_task *task);

/* All of them end where they are. */
void tasks_end(void);

/* Lets the others that are ready have their turn. */
int task_yield(void);

/* Puts who runs to sleep until somebody makes it ready; in the second, in the queue of a file. 0,
 * -EINTR, -EDEADLK, -EAGAIN (nobody runs), -EALREADY (it sleeps), or -ROUSE_SIM_ASLEEP. */
int task_sleep(void);
int task_sleep_on(struct sim_file *file, bool exclusive);

/* The wake function of the second, and whom it wakes. */
sim_wake task_wakes;
struct rouse_sim_task *task_woken(struct sim_entry *entry);

/* A call that might have slept has an answer: a signal that ended its sleep before is spent. */
void task_answered(void);

/* Makes the first task ready after a time; never if it is negative, and is over at once if it is
 * 0. */
struct sim_alarm {
    struct rouse_sim_event event;
    bool over;
};

int alarm_set(struct sim_alarm *alarm, int64_t timeout_ns);
void alarm_cancel(struct sim_alarm *alarm);

/* ---- Time: clock.c ------------------------------------------------------------------------- */

/* To what is due next, which happens; false if nothing is, until a time. */
bool clock_pass(int64_t until);

/* ---- Files: file.c ------------------------------------------------------------------------- */

struct sim_kind {
    enum rouse_sim_kind name;
    enum rouse_kind system; /* what rouse_read() takes it for */
    bool exclusive;         /* of those who sleep in its calls one is woken at a time */
    bool last_first;        /* and that is who came last */
    int refusal;            /* what it answers to a read or write that it does not have */
    uint32_t whole;         /* so many bytes are written at once or not at all */
    uint32_t (*ready)(struct sim_file *file);
    int64_t (*read)(struct sim_file *file, void *buffer, size_t size); /* -EAGAIN: would sleep */
    int64_t (*write)(struct sim_file *file, const void *data, size_t size);
    int (*shut)(struct sim_file *file, uint32_t directions);
    int (*error)(struct sim_file *file);
    void (*look)(struct sim_file *file,
                 struct rouse_sim_file *look); /* `ready` and what it holds */
    void (*release)(struct sim_file *file);    /* nobody holds it any more */
};

struct sim_file {
    const struct sim_kind *kind;
    uint32_t references;
    uint32_t id;
    bool blocks;
    struct rouse_link queue;   /* of those who wait for it; the exclusive ones behind the others */
    struct rouse_link watched; /* the items of the epolls that watch it */
    struct rouse_link dropped; /* during a walk, which may be that of its own queue */
};

void file_init(struct sim_file *file, const struct sim_kind *kind);
int file_number(void);                /* the lowest that is free, or -EMFILE */
int file_open(struct sim_file *file); /* a descriptor for it; it is dropped if there is none */
struct sim_file *file_of(rouse_fd fd);
void file_take(struct sim_file *file);
void file_drop(struct sim_file *file);
void file_release_dropped(void);

/* As rouse_sim_read() and rouse_sim_write(); `waits`: or -EAGAIN. */
int64_t file_read(rouse_fd fd, void *buffer, size_t size, bool waits);
int64_t file_write(rouse_fd fd, const void *data, size_t size, bool waits);

/* What it is ready for; and first puts an entry into its queue, if there is one. */
uint32_t file_ask(struct sim_file *file, struct sim_entry *entry);

/* Of what a file is ready for, what concerns somebody who wants this. */
uint32_t file_concerns(uint32_t ready, uint32_t want);

/* ---- Bytes in a ring: ring.c --------------------------------------------------------------- */

struct sim_ring {
    unsigned char *bytes;
    uint32_t size; /* of `bytes`, which grows with what comes in */
    uint32_t first, count;
};

void ring_close(struct sim_ring *ring);
uint32_t ring_put(struct sim_ring *ring, const void *data, size_t size);
uint32_t ring_get(struct sim_ring *ring, void *buffer, size_t size);
uint32_t ring_move(struct sim_ring *from, struct sim_ring *to, uint32_t size);

/* ---- Waiting for many: eventpoll.c, walk.c --------------------------------------------------- */

extern const struct sim_kind eventpoll_kind;

void eventpoll_forget(struct sim_file *file); /* that is being released */

/* The number of the epoll whose hook an entry is. */
uint32_t eventpoll_hooked(struct sim_entry *entry);

/* The wake function of select and poll, by which the first task sleeps. */
sim_wake walk_wakes;

/* ---- The machine: machine.c ---------------------------------------------------------------- */

struct sim_machine {
    struct rouse_allocator allocator;
    struct rouse_sim_config config;
    uint64_t random;
    uint64_t counts[ROUSE_SIM_WHATS];
    uint32_t ids; /* given to files */

    /* Tasks. */
    struct rouse_sim_task first;
    struct rouse_sim_task *running; /* NULL: an interrupt */
    struct rouse_link ready;        /* the run queue */
    struct rouse_link sleeping;     /* no queue of the kernel's: for halt() to find them */
    uint32_t tasks;
    atomic_bool interrupt;    /* for the first task, from outside */
    const atomic_bool *woken; /* by which the wait of a loop is ended from outside; NULL: no wait */

    /* Time. */
    int64_t now;
    struct rouse_sim_event **due; /* a heap, the first first */
    uint32_t ndue;
    uint32_t most_due;

    /* The descriptors of the one process. */
    struct sim_file **files;
    uint32_t lowest;            /* no number below it is free */
    uint32_t walks;             /* of wait queues, in progress */
    struct rouse_link dropped;  /* files that nobody holds any more, since a walk began */
    struct rouse_link sockets;  /* all, also those without a descriptor */
    struct rouse_link finished; /* those that nobody needs any more: freed when the next is made */
};

extern struct sim_machine *machine;

void machine_step(enum rouse_sim_what what, uint32_t object, uint64_t amount);
uint64_t machine_random(void);
bool machine_fails(enum rouse_sim_fault fault); /* whether it strikes now */
void *machine_new(size_t size);                 /* zeroed; NULL also if it is to fail */
void machine_free(void *block, size_t size);

#endif
