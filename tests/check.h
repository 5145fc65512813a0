/*
 * What every test program includes first: cmocka with the headers that it needs, and three words of
 * our own. `./tests/run` asks a program for its cases (ROUSE_TEST_LIST) and may run only some of
 * them (ROUSE_TEST_CASES, names separated by commas); cmocka knows neither, so its runner is
 * replaced by one that does and is otherwise the same. A case that is skipped must say why.
 *
 * The name of the backend under test is in the environment variable ROUSE_BACKEND, which
 * rouse_open() reads by itself.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CHECK_H
#define CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rouse.h>

/* Ends the case as skipped: SKIP("needs 5000 descriptors"). */
#define SKIP(reason)                                                                               \
    do {                                                                                           \
        fputs("skip: " reason "\n", stderr);                                                       \
        skip();                                                                                    \
    } while (0)

/* Fails the case if a call returned an error, and says which, in words. `loop` may be NULL. */
#define CHECK_OK(loop, call) check_ok((loop), (int64_t)(call), #call, __FILE__, __LINE__)

static inline void check_ok(struct rouse_loop *loop, int64_t result, const char *call,
                            const char *file, int line)
{
    if (result >= 0)
        return;
    fprintf(stderr, "%s:%d: %s returned %lld (%s): %s\n", file, line, call, (long long)result,
            strerror((int)-result), loop != NULL ? rouse_error(loop) : "");
    _fail(file, line);
}

/* Whether `name` is one of the comma-separated `names`. */
static inline int check_listed(const char *names, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = names; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return 1;
    }
    return 0;
}

static inline int check_run(const char *group, const struct CMUnitTest *tests, size_t count,
                            CMFixtureFunction setup, CMFixtureFunction teardown)
{
    if (getenv("ROUSE_TEST_LIST") != NULL) {
        for (size_t i = 0; i < count; i++)
            puts(tests[i].name);
        return 0;
    }
    const char *names = getenv("ROUSE_TEST_CASES");
    struct CMUnitTest *chosen = calloc(count, sizeof *chosen);
    if (chosen == NULL)
        return 1;
    size_t many = 0;
    for (size_t i = 0; i < count; i++)
        if (names == NULL || check_listed(names, tests[i].name))
            chosen[many++] = tests[i];
    setvbuf(stderr, NULL, _IONBF, 0); /* in order with stdout, which Windows does not see to */
    int failed = many > 0 ? _cmocka_run_group_tests(group, chosen, many, setup, teardown) : 0;
    free(chosen);
    return failed;
}

#undef cmocka_run_group_tests
#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    check_run(#tests, tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)

#endif
