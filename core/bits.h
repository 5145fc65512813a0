/*
 * The highest and the lowest bit of a number that is not 0: one instruction each, where the
 * compiler has a word for it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_CORE_BITS_H
#define ROUSE_CORE_BITS_H

#include <stdint.h>

#if defined(__GNUC__)
static inline unsigned bits_highest(uint64_t bits)
{
    return 63 - (unsigned)__builtin_clzll(bits);
}

static inline unsigned bits_lowest(uint64_t bits)
{
    return (unsigned)__builtin_ctzll(bits);
}
#else
static inline unsigned bits_highest(uint64_t bits)
{
    unsigned number = 0;
    while ((bits >>= 1) != 0)
        number++;
    return number;
}

static inline unsigned bits_lowest(uint64_t bits)
{
    return bits_highest(bits & (~bits + 1));
}
#endif

#endif
