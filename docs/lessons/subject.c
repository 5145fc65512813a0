/*
 * Backends as the truth table asks them. See subject.h.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "subject.h"

/* ---- Means ----------------------------------------------------------------------------------- */

static int real_pair(int fds[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds);
}

static int real_send(int fd)
{
    return (int)write(fd, "x", 1);
}

const struct means means_real = {real_pair, real_send, close, dup, dup2, lesson_now};

static int sim_pair(int fds[2])
{
    int error = rouse_sim_pair(fds);
    for (int i = 0; i < 2 && error == 0; i++)
        error = rouse_sim_block(fds[i], 0);
    return error;
}

static int sim_send(int fd)
{
    return (int)rouse_sim_write(fd, "x", 1);
}

const struct means means_sim = {sim_pair,      sim_send,       rouse_sim_close,
                                rouse_sim_dup, rouse_sim_dup2, rouse_sim_now};

void subject_pair(struct subject *subject, int fds[2])
{
    lesson_must(subject->means->pair(fds), "a pair of sockets");
}

void subject_send(struct subject *subject, int fd)
{
    lesson_must(subject->means->send(fd), "send");
}

void subject_unpair(struct subject *subject, const int fds[2])
{
    subject->means->close(fds[0]);
    subject->means->close(fds[1]);
}

/* ---- Asking a backend ------------------------------------------------------------------------ */

static void *resize(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    (void)old_size;
    if (new_size != 0)
        return realloc(block, new_size);
    free(block);
    return NULL;
}

bool subject_open(struct subject *subject)
{
    subject->setup = (struct rouse_setup){
        .allocator = {.resize = resize}, .work = &subject->work, .table = &subject->table};
    subject->table = *subject->backend;
    subject->state = calloc(1, subject->backend->state_size);
    return subject->state != NULL && subject->backend->open(subject->state, &subject->setup) == 0;
}

void subject_close(struct subject *subject)
{
    subject->backend->close(subject->state);
    free(subject->state);
}

static void ask(struct subject *subject, const struct rouse_change *changes, int count,
                int64_t timeout)
{
    subject->count = subject->backend->poll(subject->state, changes, count, subject->events,
                                            2 * SUBJECT_MOST, timeout);
}

void subject_wait(struct subject *subject, int64_t timeout)
{
    ask(subject, NULL, 0, timeout);
}

const struct rouse_event *subject_event(const struct subject *subject, uint32_t slot)
{
    for (int i = 0; i < subject->count; i++)
        if (ROUSE_SLOT(subject->events[i].token) == slot)
            return &subject->events[i];
    return NULL;
}

void subject_watch(struct subject *subject, int fd, uint32_t slot, uint32_t had, uint32_t want)
{
    struct rouse_change change = {.fd = fd, .token = slot, .had = had, .want = want};
    ask(subject, &change, 1, 0);
}

void subject_forget(struct subject *subject, int fd, uint32_t slot)
{
    subject->backend->drop(subject->state, fd, slot);
}
