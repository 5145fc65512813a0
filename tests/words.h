/*
 * What the library says of an error: the words of the C library, but on Windows, where it has none
 * for most of them.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WORDS_H
#define WORDS_H

#include "core/loop.h" /* words_of */

static inline const char *in_words(int error)
{
    static char buffer[64];
    return words_of(error, buffer, sizeof buffer);
}

#endif
