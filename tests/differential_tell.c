/*
 * Plays told line by line, for check_worlds.py, which has two programs play the same scripts, one
 * in the world of the operating system, the other in that of the model, and compares.
 *
 * What surprises: what was told is told exactly, ERROR and HANGUP included, in the order of the
 * callbacks, and also where the oracle would have allowed another thing.
 *
 * SPDX-License-Identifier: MIT
 */
#include "differential.h"

#include <inttypes.h>
#include <stdlib.h>

static void print_note(const struct note *note)
{
    static const char *const formats[] = {
        [PLACE_OUTSIDE] = "operation %" PRIu32 " gave %" PRId64,
        [PLACE_END] = "end %" PRIu32 " had to be told %" PRId64,
        [PLACE_TIMER] = "timer %" PRIu32 " was called, and is now due at %" PRId64,
        [PLACE_TASK] = "task %" PRIu32 " was called",
        [NOTE_TOLD] = "end %" PRIu32 " was told %" PRId64,
        [NOTE_DOUBT] = "in doubt",
    };
    printf("turn %" PRIu32 ": ", note->turn);
    printf(formats[note->what], note->who, note->value);
    putchar('\n');
}

bool contest_tell(const struct rouse_backend *backend, const struct script *script)
{
    struct outcome outcome;
    bool agrees = script_play(script, backend, KEEP_ALL, &outcome);
    puts("script:");
    script_print(script, stdout);
    puts("play:");
    for (int i = 0; i < outcome.nnotes; i++)
        print_note(&outcome.notes[i]);
    free(outcome.notes);
    if (!agrees)
        printf("failed: %s\n", outcome.failure);
    return agrees;
}
