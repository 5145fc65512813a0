/*
 * Failures in words. A failing call records what it tried in a few stores, because failures can be
 * as frequent as events; the sentence is written when somebody asks for it.
 *
 * SPDX-License-Identifier: MIT
 */
#define _POSIX_C_SOURCE 200809L /* the strerror_r that returns int */
#include <stdio.h>
#include <string.h>

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
    loop->words[0] = '\0';
    if (failure->tried == NULL)
        return loop->words;
    char reason[96];
    if (strerror_r(failure->error, reason, sizeof reason) != 0)
        snprintf(reason, sizeof reason, "error %d", failure->error);
    char tried[96];
    /* The format is a literal of the caller's, with at most one %lld. */
    snprintf(tried, sizeof tried, failure->tried, failure->subject);
    snprintf(loop->words, sizeof loop->words, "%s: %s%s%s", tried, reason,
             failure->advice != NULL ? "; " : "", failure->advice != NULL ? failure->advice : "");
    return loop->words;
}
