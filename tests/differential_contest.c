/*
 * Contests: one backend plays script after script until it has done its share of operations, or
 * does not agree with the oracle; then what two of them have shown is compared.
 *
 * What surprises: a play is kept as one number, the hash of all that had to happen in it, so that a
 * million operations cost no memory. Two plays whose hashes differ are played again, to see where.
 *
 * SPDX-License-Identifier: MIT
 */
#include "differential.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- Failures ----------------------------------------------------------------------------- */

bool contest_fails(const struct script *script, void *backend)
{
    struct outcome outcome;
    return !script_play(script, backend, KEEP_HASH, &outcome);
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
    script_shrink(script, contest_fails, (void *)(uintptr_t)backend);
    print_script(script, backend->name);
    script_play(script, backend, KEEP_HASH, &outcome);
    fprintf(stderr, "then: %s\n", outcome.failure);
}

/* ---- Playing ------------------------------------------------------------------------------ */

void contest_add(struct outcome *total, const struct outcome *one)
{
    total->operations += one->operations;
    total->turns += one->turns;
    total->musts += one->musts;
    total->mays += one->mays;
}

/* Plays scripts on one backend until it has done its share of operations, or one fails. */
void contest_play(struct contest *contest)
{
    static struct script script;
    contest->played = true;
    contest->hashes = calloc(SCRIPTS, sizeof *contest->hashes);
    if (contest->hashes == NULL)
        contest->failed = true;
    while (!contest->failed && contest->total.operations < contest->share &&
           contest->scripts < SCRIPTS) {
        struct outcome outcome;
        uint64_t seed = contest->first_seed + (uint64_t)contest->scripts;
        script_random(&script, seed, false);
        contest->failed = !script_play(&script, contest->backend, KEEP_HASH, &outcome);
        if (contest->failed)
            report(&script, contest->backend, seed, outcome.failure);
        contest_add(&contest->total, &outcome);
        contest->hashes[contest->scripts++] = outcome.comparable ? outcome.hash | 1 : 0;
    }
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
        comparable &= script_play(script, pair[i], print ? KEEP_NOTES : KEEP_HASH, &outcomes[i]) &&
                      outcomes[i].comparable;
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
int contest_compare(const struct contest *a, const struct contest *b)
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
        fprintf(stderr, "differential: %s and %s differ, with seed %" PRIu64 "\n", a->backend->name,
                b->backend->name, a->first_seed + (uint64_t)i);
        script_random(&script, a->first_seed + (uint64_t)i, false);
        script_shrink(&script, still_differ, (void *)pair);
        print_script(&script, a->backend->name);
        differ(&script, pair, true);
        return -1;
    }
    return compared;
}
