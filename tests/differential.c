/*
 * Random scripts, on every backend, lessons too, against an oracle and against each other; see
 * differential.h.
 *
 * Without arguments the cases run: a million operations in all, from a fixed first seed, so that
 * two runs are the same run (fewer under a sanitizer, which is slower;
 * ROUSE_DIFFERENTIAL_OPERATIONS says how many). A failure prints its seed, and a script that was
 * made as small as it gets:
 *
 *     differential --seed N|random   plays the scripts from that seed on
 *     differential --script FILE     plays that script
 *                  --backend NAME    on that backend only
 *                  --operations N
 *                  --tell N          so many scripts that every world can play, told line by line
 *
 * SPDX-License-Identifier: MIT
 */
#include "differential.h"
#include "check.h"
#include "subject.h"

#include <errno.h>
#include <inttypes.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define OPERATIONS 200000
#else
#define OPERATIONS 1000000
#endif

enum { BACKENDS = 16, FEW = 10, FIRST_SEED = 1 };

static struct contest contests[BACKENDS];
static char names[BACKENDS][60];
static int ncontests;

/* A backend that cannot be opened here. */
struct left_out {
    char name[60];
    char why[200];
};

static struct left_out left_out[BACKENDS];
static int nleft_out;

static void print_left_out(void)
{
    for (int i = 0; i < nleft_out; i++)
        printf("differential: left out: %s\n", left_out[i].why);
}

static void print_total(void)
{
    struct outcome total = {0};
    int scripts = 0;
    for (int i = 0; i < ncontests; i++) {
        const struct contest *contest = &contests[i];
        contest_add(&total, &contest->total);
        scripts += contest->scripts;
        printf("differential: %s has performed %" PRIu64 " operations in %d plays; its share was "
               "%" PRIu64 "\n",
               contest->backend->name, contest->total.operations, contest->scripts, contest->share);
    }
    print_left_out();
    printf("differential: %" PRIu64 " operations in %d plays on %d backends, from seed %" PRIu64
           ": %" PRIu64 " turns, %" PRIu64 " callbacks that had to be made and %" PRIu64
           " that were allowed\n",
           total.operations, scripts, ncontests, contests[0].first_seed, total.turns, total.musts,
           total.mays);
}

/* ---- Cases -------------------------------------------------------------------------------- */

/* A1, A3, A5, B3, B6, B7, C2, C3, C4, C7, I13, I15, M2, M3: random scripts do all of this, in every
 * order. */
static void agrees_with_poll_oracle(void **state)
{
    struct contest *contest = *state;
    if (!contest->played)
        contest_play(contest);
    assert_false(contest->failed);
    assert_true(contest->total.operations >= contest->share);
}

static void cannot_be_opened(void **state)
{
    const struct left_out *one = *state;
    fprintf(stderr, "skip: %s\n", one->why);
    skip();
}

static void backends_agree_with_each_other(void **state)
{
    (void)state;
    if (ncontests < 2)
        SKIP("there is only one backend to play on");
    for (int i = 0; i < ncontests; i++)
        if (!contests[i].played)
            contest_play(&contests[i]);
    for (int i = 1; i < ncontests; i++) {
        int compared = contest_compare(&contests[0], &contests[i]);
        int both =
            contests[i].scripts < contests[0].scripts ? contests[i].scripts : contests[0].scripts;
        assert_true(compared > both / 4);
        printf("differential: %s and %s did the same in %d scripts\n", contests[0].backend->name,
               contests[i].backend->name, compared);
    }
}

/* The first script that fails on a faulty backend, shrunk. */
static void find_and_shrink(const struct rouse_backend *faulty, const char *expected)
{
    static struct script script;
    struct outcome outcome;
    bool found = false;
    for (uint64_t seed = FIRST_SEED; !found && seed < FIRST_SEED + 100; seed++) {
        script_random(&script, seed, false);
        found = !script_play(&script, faulty, KEEP_HASH, &outcome);
    }
    assert_true(found);
    script_shrink(&script, contest_fails, (void *)(uintptr_t)faulty);
    assert_false(script_play(&script, faulty, KEEP_HASH, &outcome));
    if (script.count > FEW || strstr(outcome.failure, expected) == NULL) {
        fprintf(stderr, "%d operations are left, and say: %s\n", script.count, outcome.failure);
        script_print(&script, stderr);
        fail();
    }
}

static void planted_lost_event_is_found_and_shrunk(void **state)
{
    (void)state;
    for (int i = 0; i < ncontests; i++)
        find_and_shrink(fault_losing(contests[i].backend), "was not called, though");
}

static void planted_stale_token_is_found_and_shrunk(void **state)
{
    (void)state;
    for (int i = 0; i < ncontests; i++)
        find_and_shrink(fault_stale(contests[i].backend), "stale");
}

static void scripts_that_once_failed_agree(void **state)
{
    (void)state;
    static struct script script;
    int failed = 0;
    for (const struct found *found = found_scripts; found->lesson != NULL; found++) {
        FILE *file = tmpfile();
        assert_non_null(file);
        fputs(found->script, file);
        rewind(file);
        assert_int_equal(script_parse(&script, file), 0);
        fclose(file);
        for (int i = 0; i < ncontests; i++) {
            struct outcome outcome;
            if (script_play(&script, contests[i].backend, KEEP_HASH, &outcome))
                continue;
            failed++;
            fprintf(stderr, "differential: %s: %s: %s\n", contests[i].backend->name, found->lesson,
                    outcome.failure);
        }
    }
    assert_int_equal(failed, 0);
}

/* A script that was printed is the same script when it is read again. */
static void script_survives_being_printed(void **state)
{
    (void)state;
    static struct script script, again;
    for (uint64_t seed = FIRST_SEED; seed < FIRST_SEED + 50; seed++) {
        FILE *file = tmpfile();
        assert_non_null(file);
        script_random(&script, seed, false);
        script_print(&script, file);
        rewind(file);
        assert_int_equal(script_parse(&again, file), 0);
        fclose(file);
        assert_memory_equal(&script, &again, sizeof script);
    }
}

static int run_cases(void)
{
    struct CMUnitTest tests[2 * BACKENDS + 5] = {
        cmocka_unit_test(script_survives_being_printed),
        cmocka_unit_test(planted_lost_event_is_found_and_shrunk),
        cmocka_unit_test(planted_stale_token_is_found_and_shrunk),
        cmocka_unit_test(scripts_that_once_failed_agree),
    };
    size_t count = 4;
    for (int i = 0; i < ncontests; i++)
        tests[count++] = (struct CMUnitTest){
            .name = names[i], .test_func = agrees_with_poll_oracle, .initial_state = &contests[i]};
    for (int i = 0; i < nleft_out; i++)
        tests[count++] = (struct CMUnitTest){
            .name = left_out[i].name, .test_func = cannot_be_opened, .initial_state = &left_out[i]};
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(backends_agree_with_each_other);
    int failed = check_run("differential", tests, count, NULL, NULL);
    if (getenv("ROUSE_TEST_LIST") == NULL)
        print_total();
    return failed;
}

/* ---- The command line --------------------------------------------------------------------- */

static bool read_script(struct script *script, const char *path)
{
    FILE *file = fopen(path, "r");
    int line = file != NULL ? script_parse(script, file) : 0;
    if (file == NULL || line != 0)
        fprintf(stderr, "differential: %s: %s %d\n", path,
                file == NULL ? "cannot be opened: error" : "is no operation: line",
                file == NULL ? errno : line);
    if (file != NULL)
        fclose(file);
    return file != NULL && line == 0;
}

static int play_file(const char *path)
{
    static struct script script;
    if (!read_script(&script, path))
        return 2;
    int failed = 0;
    for (int i = 0; i < ncontests; i++) {
        struct outcome outcome;
        failed |= !script_play(&script, contests[i].backend, KEEP_HASH, &outcome);
        printf("%s: %s\n", contests[i].backend->name,
               outcome.failure[0] != '\0' ? outcome.failure : "agrees with the oracle");
    }
    print_left_out();
    return failed;
}

/* The scripts from a seed on, or one. */
static int tell(const char *path, uint64_t first_seed, int scripts)
{
    static struct script script;
    if (path != NULL && !read_script(&script, path))
        return 2;
    int failed = 0;
    for (int i = 0; i < scripts && !failed; i++) {
        if (path == NULL)
            script_random(&script, first_seed + (uint64_t)i, true);
        failed |= !contest_tell(contests[0].backend, &script);
    }
    return failed;
}

static int play_seeds(void)
{
    int failed = 0;
    for (int i = 0; i < ncontests; i++) {
        contest_play(&contests[i]);
        failed |= contests[i].failed;
    }
    for (int i = 1; i < ncontests && !failed; i++)
        failed |= contest_compare(&contests[0], &contests[i]) < 0;
    print_total();
    return failed;
}

static void choose(const struct rouse_backend *backend)
{
    static const char format[] = "%s_agrees_with_poll_oracle";
    char why[150] = "libkqueue is no kernel, and tells otherwise";
    struct rouse_config config = {.size = sizeof config, .own = backend, .why = why};
    config.why_size = sizeof why;
    struct rouse_loop *loop;
    if (!subject_emulates(backend) && rouse_open(&loop, &config) == 0) {
        rouse_close(loop);
        snprintf(names[ncontests], sizeof names[0], format, backend->name);
        contests[ncontests++].backend = backend;
    } else {
        struct left_out *one = &left_out[nleft_out++];
        snprintf(one->name, sizeof one->name, format, backend->name);
        snprintf(one->why, sizeof one->why, "%s: %s", backend->name, why);
    }
}

/* All backends that are compiled in and have this world's descriptors, but those that need another
 * one to wrap; or the one that is named. */
static void choose_backends(const char *name)
{
    const struct rouse_rung *rung;
    for (unsigned i = 0; (rung = rouse_rung_at(i)) != NULL && i < BACKENDS; i++)
        if (rung->backend != NULL && !(rung->backend->traits & ROUSE_TRAIT_WRAPS) &&
            (rung->backend->system != NULL) == world_is_model() &&
            (name == NULL || strcmp(name, rung->name) == 0))
            choose(rung->backend);
}

/* The lessons are slow: each of the others has four times as much to do. */
static uint64_t weight(const struct contest *contest)
{
    return contest->backend->traits & ROUSE_TRAIT_LESSON ? 1 : 4;
}

static void share_out(uint64_t operations, uint64_t first_seed)
{
    uint64_t all = 0;
    for (int i = 0; i < ncontests; i++)
        all += weight(&contests[i]);
    for (int i = 0; i < ncontests; i++) {
        contests[i].share = operations * weight(&contests[i]) / all;
        contests[i].first_seed = first_seed;
    }
}

static int usage(const char *wrong)
{
    fprintf(stderr,
            "differential: %s\nusage: differential [--seed N|random | --script FILE] "
            "[--backend NAME] [--operations N | --tell N]\n",
            wrong);
    return 2;
}

int main(int argc, char **argv)
{
    const char *backend = getenv("ROUSE_BACKEND");
    const char *budget = getenv("ROUSE_DIFFERENTIAL_OPERATIONS");
    const char *seed = NULL;
    const char *script = NULL;
    const char *scripts = NULL;
    for (int i = 1; i < argc; i += 2) {
        const char **value = strcmp(argv[i], "--seed") == 0         ? &seed
                             : strcmp(argv[i], "--script") == 0     ? &script
                             : strcmp(argv[i], "--backend") == 0    ? &backend
                             : strcmp(argv[i], "--operations") == 0 ? &budget
                             : strcmp(argv[i], "--tell") == 0       ? &scripts
                                                                    : NULL;
        if (value == NULL || i + 1 == argc)
            return usage(argv[i]);
        *value = argv[i + 1];
    }
    choose_backends(backend);
    if (ncontests == 0)
        return usage(nleft_out > 0 ? left_out[0].why : "no such backend is compiled in");
    uint64_t first = seed == NULL                  ? FIRST_SEED
                     : strcmp(seed, "random") == 0 ? script_mix((uint64_t)world_now()) >> 32
                                                   : strtoull(seed, NULL, 10);
    share_out(budget != NULL ? strtoull(budget, NULL, 10) : OPERATIONS, first);
    world_ignore_lost_readers();
    if (scripts != NULL)
        return tell(script, first, atoi(scripts));
    if (script != NULL)
        return play_file(script);
    return seed != NULL || argc > 1 ? play_seeds() : run_cases();
}
