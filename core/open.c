/*
 * Opening and closing: what is held is taken in one order and given back in the other, and a step
 * that fails gives back all that was taken before it.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <string.h>

#include "loop.h"

#include <errno.h>

static int refuse(const struct rouse_config *config, int error, const char *why)
{
    if (config != NULL && config->why != NULL && config->why_size > 0)
        snprintf(config->why, config->why_size, "open a loop: %s", why);
    return -error;
}

/* A config of another version of the library is fine as far as it says nothing that this one does
 * not know. */
static int read_config(struct rouse_config *known, const struct rouse_config *config)
{
    *known = (struct rouse_config){.size = sizeof *known};
    if (config == NULL)
        return 0;
    if (config->size < offsetof(struct rouse_config, backend))
        return -EINVAL;
    for (size_t i = sizeof *known; i < config->size; i++)
        if (((const char *)config)[i] != 0)
            return -EINVAL;
    memcpy(known, config, config->size < sizeof *known ? config->size : sizeof *known);
    return 0;
}

static void free_tables(struct rouse_loop *loop)
{
    const struct rouse_allocator allocator = loop->setup.allocator;
    if (loop->passed_over != NULL)
        memory_free(&allocator, loop->passed_over, strlen(loop->passed_over) + 1);
    memory_free(&allocator, loop->words, LOOP_WORDS);
    memory_free(&allocator, loop->wheel, sizeof *loop->wheel);
    memory_free(&allocator, loop->fd_slots, loop->nfds * sizeof *loop->fd_slots);
    memory_free(&allocator, loop->slots, loop->nslots * sizeof *loop->slots);
    memory_free(&allocator, loop->changes,
                loop->capacity * (sizeof *loop->changes + sizeof *loop->events));
    memory_free(&allocator, loop, sizeof *loop);
}

static struct rouse_loop *allocate(const struct rouse_config *config)
{
    const struct rouse_allocator *allocator =
        config->allocator != NULL ? config->allocator : &memory_default;
    struct rouse_loop *loop = allocator->resize(allocator->context, NULL, 0, sizeof *loop);
    if (loop == NULL)
        return NULL;
    memset(loop, 0, sizeof *loop);
    loop->setup.allocator = *allocator;
    loop->setup.work = &loop->work;
    loop->setup.table = &loop->backend;
    loop->latest = INT64_MIN;
    link_init(&loop->tasks);
    for (int i = 0; i < 3; i++)
        link_init(&loop->hooks[i]);
    if (config->clock != NULL) {
        loop->clock = *config->clock;
        loop->agenda |= AGENDA_CLOCK;
    }
    if (slots_open(loop) != 0 || loop_grow(loop) != 0) {
        free_tables(loop);
        return NULL;
    }
    return loop;
}

int rouse_open(struct rouse_loop **loop, const struct rouse_config *config)
{
    if (loop == NULL)
        return -EINVAL;
    *loop = NULL;
    struct rouse_config known;
    if (read_config(&known, config) != 0)
        return -EINVAL;
    if (known.why != NULL && known.why_size > 0)
        known.why[0] = '\0';
    int error = owner_enter();
    if (error != 0)
        return refuse(&known, -error, "no memory to watch for forks");
    struct rouse_loop *opened = allocate(&known);
    if (opened == NULL)
        return refuse(&known, ENOMEM, "no memory");
    opened->owner = owner_self;
    opened->forks = owner_forks();
    char why[512] = "";
    error = registry_open(opened, &known, why, sizeof why);
    if (error != 0) {
        free_tables(opened);
        return refuse(&known, -error, why);
    }
    *loop = opened;
    return 0;
}

int rouse_close(struct rouse_loop *loop)
{
    if (loop == NULL)
        return -EINVAL;
    int error = owner_check(loop);
    if (error != 0 && error != -ECHILD)
        return error;
    if (loop->running && (error == 0 || (loop->agenda & AGENDA_FORKED)))
        return loop_fail(loop, EBUSY, "close the loop", 0,
                         "stop it, and close it when it has returned");
    if (error == 0)
        wake_hold(loop);
    io_detach(loop);
    timers_detach(loop);
    tasks_detach(loop);
    hooks_detach(loop);
    registry_close(loop);
    free_tables(loop);
    return 0;
}

const char *rouse_version(void)
{
    return ROUSE_VERSION;
}
