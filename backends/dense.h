/*
 * A dense array with an entry for each descriptor that is watched, for backends that hand all of
 * them over in each wait; and, by slot, where its entry is, so that none is searched for. Whatever
 * is taken out leaves no gap: the last entry moves into it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_BACKENDS_DENSE_H
#define ROUSE_BACKENDS_DENSE_H

#include <string.h>

#include "support.h"

struct dense {
    struct rouse_allocator allocator;
    size_t size;      /* of an entry */
    void *entries;    /* as the backend has them */
    uint64_t *tokens; /* beside them */
    uint32_t *places; /* by slot: where its entry is, plus 1; 0: it has none */
    uint32_t entries_capacity;
    uint32_t tokens_capacity;
    uint32_t places_capacity;
    uint32_t count;
};

static void dense_free(struct dense *dense)
{
    memory_free(&dense->allocator, dense->entries, dense->entries_capacity * dense->size);
    memory_free(&dense->allocator, dense->tokens, dense->tokens_capacity * sizeof *dense->tokens);
    memory_free(&dense->allocator, dense->places, dense->places_capacity * sizeof *dense->places);
}

/* Room for one entry more, and for a slot. */
static int dense_grow(struct dense *dense, uint32_t slot)
{
    void *tokens = dense->tokens;
    void *places = dense->places;
    uint32_t old = dense->places_capacity;
    int error = memory_grow(&dense->allocator, &dense->entries, &dense->entries_capacity,
                            dense->count + 1, dense->size);
    if (error == 0)
        error = memory_grow(&dense->allocator, &tokens, &dense->tokens_capacity, dense->count + 1,
                            sizeof *dense->tokens);
    dense->tokens = tokens;
    if (error == 0)
        error = memory_grow(&dense->allocator, &places, &dense->places_capacity, slot + 1,
                            sizeof *dense->places);
    dense->places = places;
    if (dense->places_capacity > old)
        memset(dense->places + old, 0, (dense->places_capacity - old) * sizeof *dense->places);
    return error;
}

/* Finds the entry of a token's slot, or adds one behind the others. 0, or -ENOMEM. */
static int dense_place(struct dense *dense, uint64_t token, uint32_t *place)
{
    uint32_t slot = ROUSE_SLOT(token);
    if (slot >= dense->places_capacity || dense->places[slot] == 0) {
        int error = dense_grow(dense, slot);
        if (error != 0)
            return error;
        dense->places[slot] = ++dense->count;
    }
    *place = dense->places[slot] - 1;
    dense->tokens[*place] = token;
    return 0;
}

/* There is none if the kernel was found to hold nothing, and not even a place if the change was
 * refused for want of memory. */
static void dense_remove(struct dense *dense, uint64_t token)
{
    uint32_t slot = ROUSE_SLOT(token);
    if (slot >= dense->places_capacity || dense->places[slot] == 0)
        return;
    uint32_t place = dense->places[slot] - 1;
    uint32_t last = --dense->count;
    char *entries = dense->entries;
    memmove(entries + place * dense->size, entries + last * dense->size, dense->size);
    dense->tokens[place] = dense->tokens[last];
    dense->places[ROUSE_SLOT(dense->tokens[place])] = place + 1;
    dense->places[slot] = 0;
}

#endif
