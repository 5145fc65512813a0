/*
 * A case in two processes: the child does its part and says with its exit status what went wrong,
 * and where on stderr, for the assertions of cmocka do not work there.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CHILD_H
#define CHILD_H

#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"

/* In the child. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: in the child: %s is false\n", __FILE__, __LINE__, #condition); \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static struct calls calls;

/* A case calls it first if it begins a child later than something that must be undone. */
static inline void child_needed(void)
{
    if (subject_is_emulated())
        SKIP("libkqueue closes descriptors of others in a forked child");
}

static inline pid_t child_begin(void (*body)(void))
{
    child_needed();
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        body();
        _exit(0);
    }
    assert_true(child > 0);
    return child;
}

static inline void child_end(pid_t child)
{
    int status = -1;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    assert_int_equal(status, 0);
}

static inline void in_a_child(void (*body)(void))
{
    child_end(child_begin(body));
}

static int set_up(void **state)
{
    (void)state;
    calls_open(&calls);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    calls_close(&calls);
    return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
