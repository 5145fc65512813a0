/*
 * Finds the backend under test by the name in the environment, once for each question: a few
 * comparisons. The truth of a guess costs two system calls.
 *
 * SPDX-License-Identifier: MIT
 */
#include "subject.h"

#include <stdlib.h>
#include <string.h>

#include "world.h"

static const struct rouse_backend *named(const char *name, size_t length)
{
    for (unsigned i = 0; rouse_rung_at(i) != NULL; i++) {
        const struct rouse_rung *rung = rouse_rung_at(i);
        if (strlen(rung->name) == length && memcmp(rung->name, name, length) == 0)
            return rung->backend;
    }
    return NULL;
}

const char *subject_name(void)
{
    const char *name = getenv("ROUSE_BACKEND");
    for (unsigned i = 0; name == NULL && rouse_rung_at(i) != NULL; i++)
        if (rouse_rung_at(i)->backend != NULL)
            name = rouse_rung_at(i)->name;
    return name;
}

/* "WRAPPER:NAME", or a name that may have a colon of its own. */
const struct rouse_backend *subject_wrapper(void)
{
    const char *colon = strchr(subject_name(), ':');
    return colon != NULL ? named(subject_name(), (size_t)(colon - subject_name())) : NULL;
}

const struct rouse_backend *subject_backend(void)
{
    const char *name = subject_name();
    if (subject_wrapper() != NULL)
        name = strchr(name, ':') + 1;
    return named(name, strlen(name));
}

bool subject_guesses(void)
{
    const struct rouse_backend *backend = subject_backend();
    return backend != NULL && backend->traits & ROUSE_TRAIT_GUESS;
}

static bool is_kqueue(const struct rouse_backend *backend)
{
    return backend != NULL && strcmp(backend->name, "kqueue") == 0;
}

bool subject_emulates(const struct rouse_backend *backend)
{
    return is_kqueue(backend) && SUBJECT_KQUEUE_IS_EMULATED;
}

bool subject_is_emulated(void)
{
    return subject_emulates(subject_backend());
}

bool subject_tells_priority(void)
{
    return !is_kqueue(subject_backend());
}

static _Thread_local int untrue; /* callbacks, since the turn began */

int subject_turn(struct rouse_loop *loop, int64_t timeout_ns)
{
    untrue = 0;
    int called = rouse_turn(loop, timeout_ns);
    return called > 0 ? called - untrue : called;
}

/* As select(2) has it: the end of what is read, and an error, are told by the next read or write.
 */
static uint32_t ready_now(rouse_fd fd, uint32_t ready)
{
    if (world_inherited(fd) < 0)
        return 0;
    uint32_t now = world_ready(fd, ready);
    if (now & (ROUSE_ERROR | ROUSE_HANGUP))
        now |= ROUSE_READ;
    if (now & ROUSE_ERROR)
        now |= ROUSE_WRITE;
    return now;
}

uint32_t subject_true(rouse_fd fd, uint32_t ready)
{
    if (!subject_guesses())
        return ready;
    ready &= ready_now(fd, ready);
    untrue += ready == 0;
    return ready;
}
