/*
 * Random scripts, on every backend, against an oracle and against each other; see differential.h.
 *
 * Without arguments the cases run: a million operations in all, from a fixed first seed, so that two
 * runs are the same run (fewer under a sanitizer, which is slower; ROUSE_DIFFERENTIAL_OPERATIONS
 * says how many). A failure prints its seed, and a script that was made as small as it gets:
 *
 *     differential --seed N|random   plays the scripts from that seed on
 *     differential --script FILE     plays that script
 *                  --backend NAME    on that backend only
 *                  --operations N
 *
 * SPDX-License-Identifier: MIT
 */
#include "check.h"
#include "differential.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define OPERATIONS 200000
#else
#define OPERATIONS 1000000
#endif

enum { BACKENDS = 16, SCRIPTS = 100000, FEW = 10, FIRST_SEED = 1 };

/* What a backend is to play, or has played. */
struct contest {
    const struct rouse_backend *backend;
    char name[60];
    bool played;
    bool failed;
    int scripts;
    struct outcome total; /* the counts of all of them */
    uint64_t *hashes;     /* by script; 0: not comparable */
};

static struct contest contests[BACKENDS];
static int ncontests;
static uint64_t first_seed = FIRST_SEED;
static uint64_t operations = OPERATIONS; /* of all backends together */

/* ---- Failures ----------------------------------------------------------------------------- */

static bool fails_on(const struct script *script, void *backend)
{
    struct outcome outcome;
    return !script_play(script, backend, false, &outcome);
}

static void print_script(const struct script *script, const char *backend)
{
    fprintf(stderr, "shrunk to %d operations; replay them with --backend %s --script FILE:\n",
            script->count, backend);
    script_print(script, stderr);
}

static void report(struct script *script, const struct rouse_backend *backend, uint64_t seed,
                   const char *failure)
{
    struct outcome outcome;
    fprintf(stderr,
            "differential: %s and the oracle disagree: %s\n"
            "replay with: differential --backend %s --seed %" PRIu64 "\n",
            backend->name, failure, backend->name, seed);
    script_shrink(script, fails_on, (void *)(uintptr_t)backend);
    print_script(script, backend->name);
    script_play(script, backend, false, &outcome);
    fprintf(stderr, "then: %s\n", outcome.failure);
}

/* ---- Playing ------------------------------------------------------------------------------ */

static void add(struct outcome *total, const struct outcome *one)
{
    total->operations += one->operations;
    total->turns += one->turns;
    total->musts += one->musts;
    total->mays += one->mays;
}

/* Plays scripts on one backend until it has done its share of operations, or one fails. */
static void play_all(struct contest *contest)
{
    static struct script script;
    uint64_t share = operations / (uint64_t)ncontests;
    contest->played = true;
    contest->hashes = calloc(SCRIPTS, sizeof *contest->hashes);
    if (contest->hashes == NULL)
        contest->failed = true;
    while (!contest->failed && contest->total.operations < share && contest->scripts < SCRIPTS) {
        struct outcome outcome;
        uint64_t seed = first_seed + (uint64_t)contest->scripts;
        script_random(&script, seed);
        contest->failed = !script_play(&script, contest->backend, false, &outcome);
        if (contest->failed)
            report(&script, contest->backend, seed, outcome.failure);
        add(&contest->total, &outcome);
        contest->hashes[contest->scripts++] = outcome.comparable ? outcome.hash | 1 : 0;
    }
}

static void print_total(void)
{
    struct outcome total = {0};
    int scripts = 0;
    for (int i = 0; i < ncontests; i++) {
        add(&total, &contests[i].total);
        scripts += contests[i].scripts;
    }
    printf("differential: %" PRIu64 " operations in %d plays on %d backends, from seed %" PRIu64
           ": %" PRIu64 " turns, %" PRIu64 " callbacks that had to be made and %" PRIu64
           " that were allowed\n",
           total.operations, scripts, ncontests, first_seed, total.turns, total.musts, total.mays);
}

/* ---- Backends against each other ----------------------------------------------------------- */

static int by_turn(const void *left, const void *right)
{
    const struct note *a = left;
    const struct note *b = right;
    if (a->turn != b->turn)
        return a->turn < b->turn ? -1 : 1;
    if (a->what != b->what)
        return a->what < b->what ? -1 : 1;
    if (a->who != b->who)
        return a->who < b->who ? -1 : 1;
    return a->value < b->value ? -1 : a->value > b->value;
}

/* Prints the first note in which two plays of a script differ. */
static void print_difference(struct outcome outcomes[2])
{
    static const char *const places[] = {"operation", "end", "timer", "task"};
    for (int i = 0; i < 2; i++)
        qsort(outcomes[i].notes, (size_t)outcomes[i].nnotes, sizeof(struct note), by_turn);
    for (int n = 0; n < outcomes[0].nnotes || n < outcomes[1].nnotes; n++) {
        const struct note *notes[2] = {NULL, NULL};
        for (int i = 0; i < 2; i++)
            if (n < outcomes[i].nnotes)
                notes[i] = &outcomes[i].notes[n];
        if (notes[0] != NULL && notes[1] != NULL && by_turn(notes[0], notes[1]) == 0)
            continue;
        for (int i = 0; i < 2; i++)
            if (notes[i] != NULL)
                fprintf(stderr, "  %d: turn %" PRIu32 ", %s %" PRIu32 ": %" PRId64 "\n", i + 1,
                        notes[i]->turn, places[notes[i]->what], notes[i]->who, notes[i]->value);
        return;
    }
}

static bool differ(const struct script *script, const struct rouse_backend *const pair[2],
                   bool print)
{
    struct outcome outcomes[2];
    bool comparable = true;
    for (int i = 0; i < 2; i++)
        comparable &= script_play(script, pair[i], print, &outcomes[i]) && outcomes[i].comparable;
    if (print)
        print_difference(outcomes);
    for (int i = 0; i < 2; i++)
        free(outcomes[i].notes);
    return comparable && outcomes[0].hash != outcomes[1].hash;
}

static bool still_differ(const struct script *script, void *pair)
{
    return differ(script, pair, false);
}

/* Returns how many scripts could be compared; fails if one led to different plays. */
static int compare(const struct contest *a, const struct contest *b)
{
    int compared = 0;
    for (int i = 0; i < a->scripts && i < b->scripts; i++) {
        if (a->hashes[i] == 0 || b->hashes[i] == 0)
            continue;
        compared++;
        if (a->hashes[i] == b->hashes[i])
            continue;
        static struct script script;
        const struct rouse_backend *pair[2] = {a->backend, b->backend};
        fprintf(stderr, "differential: %s and %s differ, with seed %" PRIu64 "\n",
                a->backend->name, b->backend->name, first_seed + (uint64_t)i);
        script_random(&script, first_seed + (uint64_t)i);
        script_shrink(&script, still_differ, (void *)pair);
        print_script(&script, a->backend->name);
        differ(&script, pair, true);
        return -1;
    }
    return compared;
}

/* ---- Cases -------------------------------------------------------------------------------- */

static void agrees_with_poll_oracle(void **state)
{
    struct contest *contest = *state;
    if (!contest->played)
        play_all(contest);
    assert_false(contest->failed);
    assert_true(contest->total.operations >= operations / (uint64_t)ncontests);
}

static void backends_agree_with_each_other(void **state)
{
    (void)state;
    if (ncontests < 2)
        SKIP("there is only one backend to play on");
    for (int i = 0; i < ncontests; i++)
        if (!contests[i].played)
            play_all(&contests[i]);
    for (int i = 1; i < ncontests; i++) {
        int compared = compare(&contests[0], &contests[i]);
        assert_true(compared > contests[0].scripts / 4);
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
        script_random(&script, seed);
        found = !script_play(&script, faulty, false, &outcome);
    }
    assert_true(found);
    script_shrink(&script, fails_on, (void *)(uintptr_t)faulty);
    assert_false(script_play(&script, faulty, false, &outcome));
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

/* A script that was printed is the same script when it is read again. */
static void script_survives_being_printed(void **state)
{
    (void)state;
    static struct script script, again;
    for (uint64_t seed = FIRST_SEED; seed < FIRST_SEED + 50; seed++) {
        FILE *file = tmpfile();
        assert_non_null(file);
        script_random(&script, seed);
        script_print(&script, file);
        rewind(file);
        assert_int_equal(script_parse(&again, file), 0);
        fclose(file);
        assert_memory_equal(&script, &again, sizeof script);
    }
}

static int run_cases(void)
{
    struct CMUnitTest tests[BACKENDS + 4] = {
        cmocka_unit_test(script_survives_being_printed),
        cmocka_unit_test(planted_lost_event_is_found_and_shrunk),
        cmocka_unit_test(planted_stale_token_is_found_and_shrunk),
    };
    size_t count = 3;
    for (int i = 0; i < ncontests; i++)
        tests[count++] = (struct CMUnitTest){.name = contests[i].name,
                                             .test_func = agrees_with_poll_oracle,
                                             .initial_state = &contests[i]};
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(backends_agree_with_each_other);
    int failed = check_run("differential", tests, count, NULL, NULL);
    if (getenv("ROUSE_TEST_LIST") == NULL)
        print_total();
    return failed;
}

/* ---- The command line --------------------------------------------------------------------- */

static int play_file(const char *path)
{
    static struct script script;
    FILE *file = fopen(path, "r");
    int line = file != NULL ? script_parse(&script, file) : 0;
    if (file == NULL || line != 0) {
        fprintf(stderr, "differential: %s: %s %d\n", path,
                file == NULL ? "cannot be opened: error" : "is no operation: line",
                file == NULL ? errno : line);
        return 2;
    }
    fclose(file);
    int failed = 0;
    for (int i = 0; i < ncontests; i++) {
        struct outcome outcome;
        failed |= !script_play(&script, contests[i].backend, false, &outcome);
        printf("%s: %s\n", contests[i].backend->name,
               outcome.failure[0] != '\0' ? outcome.failure : "agrees with the oracle");
    }
    return failed;
}

static int play_seeds(void)
{
    int failed = 0;
    for (int i = 0; i < ncontests; i++) {
        play_all(&contests[i]);
        failed |= contests[i].failed;
    }
    for (int i = 1; i < ncontests && !failed; i++)
        failed |= compare(&contests[0], &contests[i]) < 0;
    print_total();
    return failed;
}

/* All backends that are compiled in and no lessons, or the one that is named. */
static void choose_backends(const char *name)
{
    const struct rouse_rung *rung;
    for (unsigned i = 0; (rung = rouse_rung_at(i)) != NULL && ncontests < BACKENDS; i++) {
        bool wanted = name != NULL ? strcmp(name, rung->name) == 0
                                   : rung->backend && !(rung->backend->traits & ROUSE_TRAIT_LESSON);
        if (!wanted || rung->backend == NULL)
            continue;
        struct contest *contest = &contests[ncontests++];
        contest->backend = rung->backend;
        snprintf(contest->name, sizeof contest->name, "%s_agrees_with_poll_oracle", rung->name);
    }
}

static int usage(const char *wrong)
{
    fprintf(stderr,
            "differential: %s\nusage: differential [--seed N|random | --script FILE] "
            "[--backend NAME] [--operations N]\n",
            wrong);
    return 2;
}

int main(int argc, char **argv)
{
    const char *backend = getenv("ROUSE_BACKEND");
    const char *budget = getenv("ROUSE_DIFFERENTIAL_OPERATIONS");
    const char *seed = NULL;
    const char *script = NULL;
    for (int i = 1; i < argc; i += 2) {
        const char **value = strcmp(argv[i], "--seed") == 0         ? &seed
                             : strcmp(argv[i], "--script") == 0     ? &script
                             : strcmp(argv[i], "--backend") == 0    ? &backend
                             : strcmp(argv[i], "--operations") == 0 ? &budget
                                                                    : NULL;
        if (value == NULL || i + 1 == argc)
            return usage(argv[i]);
        *value = argv[i + 1];
    }
    if (budget != NULL)
        operations = strtoull(budget, NULL, 10);
    if (seed != NULL)
        first_seed = strcmp(seed, "random") == 0 ? script_mix((uint64_t)world_now()) >> 16
                                                 : strtoull(seed, NULL, 10);
    choose_backends(backend);
    if (ncontests == 0)
        return usage("no such backend is compiled in");
    signal(SIGPIPE, SIG_IGN);
    if (script != NULL)
        return play_file(script);
    return seed != NULL || argc > 1 ? play_seeds() : run_cases();
}
