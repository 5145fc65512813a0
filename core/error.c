/*
 * Failures in words. A failing call records what it tried in a few stores, because failures can be
 * as frequent as events; the sentence is written when somebody asks for it.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include "loop.h"

APART int loop_fail(struct rouse_loop *loop, int error, const char *tried, long long subject,
                    const char *advice)
{
    loop->failure = (struct failure){tried, advice, subject, error};
    return -error;
}

const char *rouse_error(struct rouse_loop *loop)
{
    if (loop == NULL)
        return "no loop";
    const struct failure *failure = &loop->failure;
    if (failure->tried == NULL)
        return "";
    const struct rouse_allocator *allocator = &loop->setup.allocator;
    if (loop->words == NULL)
        loop->words = allocator->resize(allocator->context, NULL, 0, LOOP_WORDS);
    if (loop->words == NULL)
        return "something failed, and there is no memory to say what in words";
    char room[96];
    const char *reason = words_of(failure->error, room, sizeof room);
    char tried[96];
    /* The format is a literal of the caller's, with at most one %lld. */
    snprintf(tried, sizeof tried, failure->tried, failure->subject);
    snprintf(loop->words, LOOP_WORDS, "%s: %s%s%s", tried, reason,
             failure->advice != NULL ? "; " : "", failure->advice != NULL ? failure->advice : "");
    return loop->words;
}
