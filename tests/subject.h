/*
 * The backend under test: the one that ROUSE_BACKEND names, or the first that is compiled in. With
 * "trace:NAME" it is NAME, which is then run behind the backend that checks both sides.
 *
 * One whose reports are guesses (ROUSE_TRAIT_GUESS) makes callbacks for nothing, which the cases do
 * not expect; those who are called ask subject_true() first, and do as if they had not been called.
 * So what a case asks for it must still get: no guess takes the place of a report that is due.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef SUBJECT_H
#define SUBJECT_H

#include <rouse/backend.h>
#include <stdbool.h>

/* The backend itself; NULL if it is not compiled in. */
const struct rouse_backend *subject_backend(void);

/* What stands before it, or NULL. */
const struct rouse_backend *subject_wrapper(void);

/* What to ask rouse_open() for, as config.backend: the whole name. A backend of the test's own that
 * bears the name of the subject is then put in its place, behind the wrapper too. */
const char *subject_name(void);

/* What of a report of `ready` for a descriptor is so, as the world says; all of it, unless the
 * backend guesses. A guess for a descriptor that is not open is not so. */
uint32_t subject_true(rouse_fd fd, uint32_t ready);

/* rouse_turn(), where callbacks are counted: not those that were made for what is not so. */
int subject_turn(struct rouse_loop *loop, int64_t timeout_ns);

/* Whether it guesses; such a one neither sleeps nor asks the kernel for anything. */
bool subject_guesses(void);

/* Whether a backend is kqueue on a system that has none: libkqueue, a program over epoll. It keeps
 * descriptors that are closed while a duplicate is open, makes descriptors of its own and closes
 * them later, in a thread, takes the errors of sockets, and forgets refusals. */
bool subject_emulates(const struct rouse_backend *backend);
bool subject_is_emulated(void);

/* Whether it tells PRIORITY, which kqueue does not. */
bool subject_tells_priority(void);

#endif
