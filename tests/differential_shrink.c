/*
 * Makes a failing script small: takes out half of its operations, then quarters of what is left,
 * and so on down to single ones, and keeps each change after which it still fails. It costs about
 * n log n plays for n operations, and nothing is left in the end that could be taken out alone.
 *
 * SPDX-License-Identifier: MIT
 */
#include "differential.h"

#include <string.h>

static void take_out(struct script *script, int start, int count)
{
    memmove(script->ops + start, script->ops + start + count,
            (size_t)(script->count - start - count) * sizeof script->ops[0]);
    script->count -= count;
}

/* Tries to take out each piece of that size, the last first; whether any could be. */
static bool shrink_by(struct script *script, int piece,
                      bool (*fails)(const struct script *, void *), void *context)
{
    bool any = false;
    for (int start = script->count - piece; start > -piece; start -= piece) {
        int from = start > 0 ? start : 0;
        int count = start > 0 ? piece : piece + start;
        struct script smaller = *script;
        take_out(&smaller, from, count);
        if (fails(&smaller, context)) {
            *script = smaller;
            any = true;
        }
    }
    return any;
}

void script_shrink(struct script *script, bool (*fails)(const struct script *, void *),
                   void *context)
{
    for (int piece = script->count / 2; piece > 1; piece /= 2)
        if (piece <= script->count)
            shrink_by(script, piece, fails, context);
    while (script->count > 0 && shrink_by(script, 1, fails, context))
        ;
}
