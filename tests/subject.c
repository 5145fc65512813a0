/*
 * Finds the backend under test by the name in the environment, once for each question: a few
 * comparisons.
 *
 * SPDX-License-Identifier: MIT
 */
#include "subject.h"

#include <stdlib.h>
#include <string.h>

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

const struct rouse_backend *subject_backend(void)
{
    const char *colon = strchr(subject_name(), ':');
    const char *name = colon != NULL ? colon + 1 : subject_name();
    return named(name, strlen(name));
}

const struct rouse_backend *subject_wrapper(void)
{
    const char *colon = strchr(subject_name(), ':');
    return colon != NULL ? named(subject_name(), (size_t)(colon - subject_name())) : NULL;
}
