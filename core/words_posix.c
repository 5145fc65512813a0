/*
 * What an error is in words, from the C library; strerror() may not be called by two threads at
 * once.
 *
 * SPDX-License-Identifier: MIT
 */
#define _POSIX_C_SOURCE 200809L /* the strerror_r that returns int */
#include <stdio.h>
#include <string.h>

#include "loop.h"

const char *words_of(int error, char *buffer, size_t size)
{
    if (strerror_r(error, buffer, size) != 0)
        snprintf(buffer, size, "error %d", error);
    return buffer;
}
