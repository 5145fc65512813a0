/*
 * The machine of <rouse/sim.h> as a lesson shows it: its steps in words, and its queues drawn.
 *
 * All that it prints is the same in every run. Stands below lesson_model().
 *
 *     model_boot(NULL);
 *     model_name(fd, "socket");
 *     model_tell(true);                  each step from here on is a line
 *     rouse_sim_read(fd, ...);
 *     model_draw(fd, epoll, -1);         tasks, run queue, and these with their queues
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef LESSON_MODEL_H
#define LESSON_MODEL_H

#include <rouse/sim.h>

#include "lesson.h"

/* Boots the machine; `config` is of rouse_sim_boot() and may be NULL. Its trace is ours. */
void model_boot(const struct rouse_sim_config *config);
void model_halt(void);

/* What a call on the machine returned; below 0 it ends the program, with `what` and the error. */
int model_must(int64_t result, const char *what);

/* Names what a descriptor stands for, in steps and drawings. Without, it is "file 7". */
void model_name(int fd, const char *name);

/* Starts a task of that name; `task` is zeroed before. */
void model_task(struct rouse_sim_task *task, const char *name,
                int (*run)(struct rouse_sim_task *task));

/* Whether steps are printed. At first they are not. They are numbered from 1 since the last time
 * that this was set to true. */
void model_tell(bool tells);

/* A line among the steps, of what the program does: "main calls read()". */
void model_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Draws the tasks and the run queue, and each of these descriptors, ended by -1, with its buffers,
 * its wait queue, and, of an epoll, its interest set and ready list. */
void model_draw(int fd, ...);

/* How often something has happened since model_mark(), and the sum of its amounts. */
void model_mark(void);
uint64_t model_since(enum rouse_sim_what what);
uint64_t model_amount(enum rouse_sim_what what);

#endif
