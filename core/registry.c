/*
 * Which backend runs: the caller's own, or the first of a list of names that can be opened. A list
 * says of each that it passed over why; a single name is an order, and fails in words.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* secure_getenv */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"

ROUSE_BACKEND_DECLARATIONS

static const struct rouse_rung rungs[] = {ROUSE_RUNGS};
enum { RUNGS = sizeof rungs / sizeof *rungs };

const struct rouse_rung *rouse_rung_at(unsigned index)
{
    return index < RUNGS ? &rungs[index] : NULL;
}

/* Words, cut where the room ends. */
struct text {
    char *at;
    size_t left;
};

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static void
add(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text->at, text->left, format, arguments);
    va_end(arguments);
    size_t written = n < 0 ? 0 : (size_t)n;
    if (written >= text->left)
        written = text->left > 0 ? text->left - 1 : 0;
    text->at += written;
    text->left -= written;
}

static void add_rungs(struct text *text)
{
    add(text, "there are");
    const char *between = " ";
    for (int i = 0; i < RUNGS; i++)
        if (rungs[i].backend != NULL) {
            add(text, "%s%s", between, rungs[i].name);
            between = ", ";
        }
    for (int i = 0; i < RUNGS; i++)
        if (rungs[i].missing != NULL)
            add(text, "; %s is missing: %s", rungs[i].name, rungs[i].missing);
}

/* Opens the chosen backend in its memory, which is there already. */
int registry_open_chosen(struct rouse_loop *loop)
{
    memset(loop->state, 0, loop->chosen->state_size);
    loop->backend = *loop->chosen;
    int error = loop->chosen->open(loop->state, &loop->setup);
    loop->backend_open = error == 0;
    loop->system = loop->backend.system != NULL ? loop->backend.system : &system_table;
    return error;
}

/* Opens `backend` for the loop, with a wake that it can watch. On failure nothing is held. */
static int try_backend(struct rouse_loop *loop, const struct rouse_backend *backend,
                       struct text *why)
{
    if (backend->abi != ROUSE_BACKEND_ABI) {
        add(why, "written for version %u of the contract, this is %u", (unsigned)backend->abi,
            (unsigned)ROUSE_BACKEND_ABI);
        return -ENOTSUP;
    }
    const struct rouse_allocator *allocator = &loop->setup.allocator;
    size_t size = backend->state_size != 0 ? backend->state_size : 1;
    char words[256] = "";
    int error = -ENOMEM;
    loop->setup.why = words;
    loop->setup.why_size = sizeof words;
    loop->chosen = backend;
    loop->state = allocator->resize(allocator->context, NULL, 0, size);
    if (loop->state != NULL) {
        error = registry_open_chosen(loop);
        if (error == 0) {
            error = wake_open(loop);
            if (error == 0) {
                loop->setup.why_size = 0;
                return 0;
            }
            snprintf(words, sizeof words, "%s", rouse_error(loop));
            backend->close(loop->state);
            loop->backend_open = false;
        }
        memory_free(allocator, loop->state, size);
        loop->state = NULL;
    }
    char room[96];
    add(why, "%s", words[0] != '\0' ? words : words_of(-error, room, sizeof room));
    return error;
}

static bool is_called(const char *known, const char *name, size_t length)
{
    return strlen(known) == length && memcmp(known, name, length) == 0;
}

static const struct rouse_rung *rung_of(const char *name, size_t length)
{
    for (int i = 0; i < RUNGS; i++)
        if (is_called(rungs[i].name, name, length))
            return &rungs[i];
    return NULL;
}

/* The backend of a name, or NULL with words. The caller's own comes before the library's. */
static const struct rouse_backend *find(const struct rouse_backend *own, const char *name,
                                        size_t length, struct text *why)
{
    if (own != NULL && is_called(own->name, name, length))
        return own;
    const struct rouse_rung *rung = rung_of(name, length);
    if (rung == NULL)
        add(why, "not a backend of this library");
    else if (rung->backend == NULL)
        add(why, "%s", rung->missing);
    return rung != NULL ? rung->backend : NULL;
}

/* "NAME", which may have a colon of its own ("sim:epoll"), or "NAME:INNER" for one that wraps
 * another. */
static int try_name(struct rouse_loop *loop, const struct rouse_backend *own, const char *name,
                    size_t length, struct text *why)
{
    const char *colon = rung_of(name, length) == NULL ? memchr(name, ':', length) : NULL;
    size_t first = colon != NULL ? (size_t)(colon - name) : length;
    const struct rouse_backend *backend = find(own, name, first, why);
    if (backend == NULL)
        return -ENOENT;
    bool wraps = backend->traits & ROUSE_TRAIT_WRAPS;
    if (wraps != (colon != NULL)) {
        add(why, wraps ? "it wraps another backend: name one after a colon"
                       : "it takes nothing after its name");
        return -EINVAL;
    }
    loop->setup.inner = NULL;
    if (wraps) {
        loop->setup.inner = find(own, colon + 1, length - first - 1, why);
        if (loop->setup.inner == NULL)
            return -ENOENT;
        if (loop->setup.inner->traits & ROUSE_TRAIT_WRAPS) {
            add(why, "it wraps no other that wraps");
            return -EINVAL;
        }
    }
    return try_backend(loop, backend, why);
}

/* Tries the names of a list in turn; what was passed over stays in `words`, a line for each. */
static int try_list(struct rouse_loop *loop, const struct rouse_backend *own, const char *list,
                    struct text *words)
{
    int error = -ENOENT;
    while (*list != '\0') {
        size_t length = strcspn(list, ",");
        if (length > 0) {
            struct text before = *words;
            add(words, "%.*s: ", (int)length, list);
            error = try_name(loop, own, list, length, words);
            if (error == 0) {
                *before.at = '\0';
                return 0;
            }
            add(words, "\n");
        }
        list += length + (list[length] == ',');
    }
    return error;
}

static int try_default(struct rouse_loop *loop, struct text *words)
{
    int error = -ENOENT;
    for (int i = 0; i < RUNGS; i++) {
        if (rungs[i].backend != NULL && (rungs[i].backend->traits & ROUSE_TRAIT_OPT_IN))
            continue;
        struct text before = *words;
        add(words, "%s: ", rungs[i].name);
        error = try_name(loop, NULL, rungs[i].name, strlen(rungs[i].name), words);
        if (error == 0) {
            *before.at = '\0';
            return 0;
        }
        add(words, "\n");
    }
    return error;
}

/* Words that are no reason to fail, if there is no memory for them. */
static void keep(struct rouse_loop *loop, const char *words, size_t size)
{
    const struct rouse_allocator *allocator = &loop->setup.allocator;
    if (size > 1)
        loop->passed_over = allocator->resize(allocator->context, NULL, 0, size);
    if (loop->passed_over != NULL)
        memcpy(loop->passed_over, words, size);
}

int registry_open(struct rouse_loop *loop, const struct rouse_config *config, char *why,
                  size_t size)
{
    struct text text = {why, size};
    if (config->own != NULL && config->backend == NULL)
        return try_backend(loop, config->own, &text);
    const char *list = config->backend != NULL ? config->backend : ROUSE_GETENV("ROUSE_BACKEND");
    char passed_over[512] = "";
    struct text words = {passed_over, sizeof passed_over};
    int error = list != NULL && *list != '\0' ? try_list(loop, config->own, list, &words)
                                              : try_default(loop, &words);
    size_t length = strlen(passed_over);
    if (error == 0) {
        keep(loop, passed_over, length + 1);
        return 0;
    }
    while (length > 0 && passed_over[length - 1] == '\n')
        length--;
    add(&text, "%.*s; ", (int)length, passed_over);
    add_rungs(&text);
    return error;
}

void registry_close(struct rouse_loop *loop)
{
    size_t size = loop->chosen->state_size != 0 ? loop->chosen->state_size : 1;
    if (loop->backend_open)
        loop->backend.close(loop->state);
    wake_close(loop);
    memory_free(&loop->setup.allocator, loop->state, size);
}

const char *rouse_backend_name(const struct rouse_loop *loop)
{
    return loop == NULL ? "" : loop->backend.name;
}

const char *rouse_passed_over(const struct rouse_loop *loop)
{
    return loop == NULL || loop->passed_over == NULL ? "" : loop->passed_over;
}
