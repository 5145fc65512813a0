/*
 * The backend under test: the one that ROUSE_BACKEND names, or the first that is compiled in. With
 * "trace:NAME" it is NAME, which is then run behind the backend that checks both sides.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef SUBJECT_H
#define SUBJECT_H

#include <rouse/backend.h>

/* The backend itself; NULL if it is not compiled in. */
const struct rouse_backend *subject_backend(void);

/* What stands before it, or NULL. */
const struct rouse_backend *subject_wrapper(void);

/* What to ask rouse_open() for, as config.backend: the whole name. A backend of the test's own that
 * bears the name of the subject is then put in its place, behind the wrapper too. */
const char *subject_name(void);

#endif
