/*
 * A backend of rouse as the truth table asks it: alone, by the calls of <rouse/backend.h>, without
 * the loop that would make all of them alike. It is one of this machine or one of the model's.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef LESSON_SUBJECT_H
#define LESSON_SUBJECT_H

#include "model.h"

/* How descriptors are made where a backend waits for them. */
struct means {
    int (*pair)(int fds[2]); /* sockets, non-blocking */
    int (*send)(int fd);     /* a byte */
    int (*close)(int fd);
    int (*dup)(int fd);
    int (*dup2)(int fd, int number);
    int64_t (*now)(void);
};

extern const struct means means_real, means_sim;

enum { SUBJECT_MOST = 100 }; /* descriptors that are watched at a time */

struct subject {
    const struct rouse_backend *backend;
    const struct means *means;
    struct rouse_backend table;
    struct rouse_work work;
    struct rouse_setup setup;
    void *state;
    struct rouse_event events[2 * SUBJECT_MOST];
    int count; /* of the last answer */
};

/* Opens the backend; false: it cannot be. */
bool subject_open(struct subject *subject);
void subject_close(struct subject *subject);

void subject_pair(struct subject *subject, int fds[2]);
void subject_unpair(struct subject *subject, const int fds[2]);
void subject_send(struct subject *subject, int fd);

/* Waits. Then subject_event() is what was told of the descriptor in a slot, or NULL. */
void subject_wait(struct subject *subject, int64_t timeout);
const struct rouse_event *subject_event(const struct subject *subject, uint32_t slot);

/* Hands over a change of one descriptor, and asks. */
void subject_watch(struct subject *subject, int fd, uint32_t slot, uint32_t had, uint32_t want);
void subject_forget(struct subject *subject, int fd, uint32_t slot);

#endif
