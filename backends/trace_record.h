/*
 * The words of trace, and its record: a JSON line for each thing that passes between a loop and a
 * backend. A line is written by one write(2) to the end of the file, when the call that it tells of
 * has ended. So several loops, threads and processes may share a file, nothing lies in a buffer
 * that a fork would copy, and what was recorded before a crash is there after it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_BACKENDS_TRACE_RECORD_H
#define ROUSE_BACKENDS_TRACE_RECORD_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rouse/backend.h>

#include "config.h"

enum { TRACE_LINE = 512 }; /* more than the longest one */

/* What only Windows needs, or calls differently. */
#ifndef O_BINARY
#define O_BINARY 0
#endif
#ifndef O_CLOEXEC
#define O_CLOEXEC O_NOINHERIT
#endif

/* ---- Bits in words ---- */

struct trace_words {
    char text[96];
};

/* "READ|HANGUP", or "0". The names are those of the bits from the lowest on, and NULL; bits without
 * a name are a number. */
static struct trace_words trace_words_of(uint32_t bits, const char *const *names)
{
    struct trace_words words = {"0"};
    size_t length = 0;
    for (uint32_t bit = 1; *names != NULL; bit <<= 1, names++)
        if (bits & bit) {
            length += (size_t)snprintf(words.text + length, sizeof words.text - length, "%s%s",
                                       length > 0 ? "|" : "", *names);
            bits &= ~bit;
        }
    if (bits != 0)
        snprintf(words.text + length, sizeof words.text - length, "%s0x%x", length > 0 ? "|" : "",
                 (unsigned)bits);
    return words;
}

static struct trace_words trace_bits(uint32_t bits)
{
    static const char *const names[] = {"READ", "PRIORITY", "WRITE", "ERROR", "HANGUP",
                                        "EDGE", "ONESHOT",  "SPENT", NULL};
    return trace_words_of(bits, names);
}

static struct trace_words trace_traits(uint32_t traits)
{
    static const char *const names[] = {"EDGE",  "HANGUP", "SCAN", "GUESS", "LESSON", "OPT_IN",
                                        "WRAPS", "BOUND",  "LATE", "ASK",   NULL};
    return trace_words_of(traits, names);
}

/* ---- The record ---- */

struct trace_record {
    int fd;        /* -1: nothing is recorded */
    unsigned loop; /* counts what this process, and those that it was forked from, have opened */
};

static int trace_record_open(struct trace_record *record, const struct rouse_setup *setup)
{
    static _Atomic(unsigned) opened;
    const char *path = ROUSE_GETENV("ROUSE_TRACE");
    *record = (struct trace_record){.fd = -1, .loop = atomic_fetch_add(&opened, 1) + 1};
    if (path == NULL || *path == '\0')
        return 0;
    record->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_BINARY, 0666);
    if (record->fd >= 0)
        return 0;
    int error = errno;
    snprintf(setup->why, setup->why_size, "cannot record to ROUSE_TRACE=%s: %s", path,
             strerror(error));
    return -error;
}

static void trace_record_close(struct trace_record *record)
{
    if (record->fd >= 0)
        close(record->fd);
    record->fd = -1;
}

/* Adds a line: the time, which process and loop, what happened, and what `format` says of it. A
 * record with a gap would lie, so it ends where a line cannot be written. */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
static void
trace_line(struct trace_record *record, int64_t time, const char *what, const char *format, ...)
{
    if (record->fd < 0)
        return;
    char line[TRACE_LINE];
    int n = snprintf(line, sizeof line, "{\"time\":%lld,\"pid\":%ld,\"loop\":%u,\"what\":\"%s\"",
                     (long long)time, (long)getpid(), record->loop, what);
    va_list arguments;
    va_start(arguments, format);
    n += vsnprintf(line + n, sizeof line - (size_t)n, format, arguments);
    va_end(arguments);
    n += snprintf(line + n, sizeof line - (size_t)n, "}\n");
    ssize_t written;
    do
        written = write(record->fd, line, (unsigned)n);
    while (written < 0 && errno == EINTR);
    if (written == n)
        return;
    fprintf(stderr, "trace: the record ends, for a line cannot be written: %s\n",
            written < 0 ? strerror(errno) : "no room");
    trace_record_close(record);
}

#endif
