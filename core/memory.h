/*
 * Tables that grow through the caller's allocator.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_CORE_MEMORY_H
#define ROUSE_CORE_MEMORY_H

#include <stdint.h>

#include <rouse.h>

#include "names.h"

extern const struct rouse_allocator memory_default;

/* Makes room for at least `need` items of `item` bytes in `*array`. The new ones are not cleared.
 * 0, or -ENOMEM with everything as it was. */
int memory_grow(const struct rouse_allocator *allocator, void **array, uint32_t *capacity,
                uint32_t need, size_t item);

void memory_free(const struct rouse_allocator *allocator, void *array, size_t size);

#endif
