/*
 * What the tests of the machine share: a machine for each case whose memory is counted, so that the
 * teardown finds what a halt leaves behind, and actors. An actor is a task that makes one call,
 * ends when it has returned, and then writes its letter into the journal; so a case can say who
 * slept through it, and in what order the others came out of it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef SIM_H
#define SIM_H

#include <rouse/sim.h>

#include "stage.h"

/* ---- The machine ---- */

static struct {
    int64_t bytes;  /* held */
    int64_t before; /* so many can be had before one that cannot; negative: all can */
} sim_memory = {0, -1};

static inline void *sim_resize(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    if (new_size > old_size && sim_memory.before >= 0 && sim_memory.before-- == 0)
        return NULL;
    sim_memory.bytes += (int64_t)new_size - (int64_t)old_size;
    if (new_size != 0)
        return realloc(block, new_size);
    free(block);
    return NULL;
}

static const struct rouse_allocator sim_counted = {sim_resize, NULL};

/* Boots another machine in place of the one that there may be. */
static inline void sim_reboot(struct rouse_sim_config config)
{
    rouse_sim_halt();
    assert_int_equal(sim_memory.bytes, 0);
    config.size = sizeof config;
    config.allocator = &sim_counted;
    assert_int_equal(rouse_sim_boot(&config), 0);
}

static inline int sim_setup(void **state)
{
    (void)state;
    sim_memory.before = -1;
    sim_reboot((struct rouse_sim_config){.seed = 1});
    stage_written = 0;
    return 0;
}

static inline int sim_teardown(void **state)
{
    (void)state;
    rouse_sim_halt();
    assert_int_equal(sim_memory.bytes, 0);
    return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, sim_setup, sim_teardown)

/* Whether a backend is compiled in. */
static inline bool sim_is_built(const char *name)
{
    for (unsigned i = 0; rouse_rung_at(i) != NULL; i++)
        if (strcmp(rouse_rung_at(i)->name, name) == 0)
            return rouse_rung_at(i)->backend != NULL;
    return false;
}

/* The descriptor that a call returned, which has to. */
#define OPENED(call) sim_opened((int64_t)(call), #call, __FILE__, __LINE__)

static inline rouse_fd sim_opened(int64_t result, const char *call, const char *file, int line)
{
    check_ok(NULL, result, call, file, line);
    return (rouse_fd)result;
}

/* What a descriptor stands for, as it is now. */
static inline struct rouse_sim_file sim_look(rouse_fd fd)
{
    struct rouse_sim_file file = {.object = 0};
    CHECK_OK(NULL, rouse_sim_look(fd, &file));
    return file;
}

/* A pipe, and two sockets that are connected, none of which blocks. */
static inline void sim_pipe(rouse_fd pipe[2])
{
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    CHECK_OK(NULL, rouse_sim_block(pipe[0], false));
    CHECK_OK(NULL, rouse_sim_block(pipe[1], false));
}

static inline void sim_connect(rouse_fd ends[2])
{
    rouse_fd listener = OPENED(rouse_sim_listen(1));
    ends[0] = OPENED(rouse_sim_connect(listener));
    ends[1] = OPENED(rouse_sim_accept(listener));
    CHECK_OK(NULL, rouse_sim_close(listener));
    CHECK_OK(NULL, rouse_sim_block(ends[0], false));
    CHECK_OK(NULL, rouse_sim_block(ends[1], false));
}

/* Lets time pass, and all that is due and all who are ready come as far as they can. A sleep does
 * not promise so much: of what is due at its end some comes behind it. */
static inline void sim_pass(int64_t ns)
{
    CHECK_OK(NULL, rouse_sim_compute(ns));
}

/* ---- Actors ---- */

struct actor {
    struct rouse_sim_task task;
    char name;
    int64_t (*calls)(struct actor *self);
    rouse_fd fd;    /* what on */
    int64_t result; /* -ROUSE_SIM_ASLEEP as long as it sleeps */
    struct rouse_event event;
};

static inline int actor_run(struct rouse_sim_task *task)
{
    struct actor *self = (struct actor *)(void *)task;
    self->result = self->calls(self);
    if (self->result != -ROUSE_SIM_ASLEEP)
        journal_write(self->name);
    return 0;
}

static inline int64_t actor_reads(struct actor *self)
{
    char byte;
    return rouse_sim_read(self->fd, &byte, 1);
}

static inline int64_t actor_writes(struct actor *self)
{
    return rouse_sim_write(self->fd, "x", 1);
}

static inline int64_t actor_accepts(struct actor *self)
{
    return rouse_sim_accept(self->fd);
}

static inline int64_t actor_waits(struct actor *self)
{
    return rouse_sim_epoll_wait(self->fd, &self->event, 1, -1);
}

static inline int64_t actor_rests(struct actor *self)
{
    (void)self;
    return rouse_sim_sleep(1000000);
}

/* Starts one, and lets it come as far as it can. */
static inline void actor_start(struct actor *self, char name, int64_t (*calls)(struct actor *self),
                               rouse_fd fd)
{
    *self = (struct actor){.name = name, .calls = calls, .fd = fd};
    self->task.name = "actor";
    self->task.run = actor_run;
    CHECK_OK(NULL, rouse_sim_start(&self->task));
    sim_pass(0);
}

/* Lets all come as far as they can, and says who has come out of its call. */
#define CHECK_AWAKE(word)                                                                          \
    do {                                                                                           \
        sim_pass(0);                                                                               \
        CHECK_JOURNAL(word);                                                                       \
    } while (0)

/* A task that takes so many turns, and writes its letter in each. */
struct turner {
    struct rouse_sim_task task;
    int turns; /* left */
};

static inline int turner_run(struct rouse_sim_task *task)
{
    struct turner *self = (struct turner *)(void *)task;
    journal_write(task->name[0]);
    assert_int_equal(task->state, ROUSE_SIM_RUNNING);
    return --self->turns > 0;
}

static inline struct turner turner(const char *name, int turns)
{
    return (struct turner){.task = {.name = name, .run = turner_run}, .turns = turns};
}

#endif
