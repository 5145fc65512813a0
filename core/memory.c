/*
 * Memory. All of it is tables that grow through the caller's allocator; a table that cannot grow is
 * left as it was. A small one begins with what is needed, and doubles. A large one grows by an
 * eighth, so that of what it holds hardly a ninth is room; it is moved more often for that, which
 * most allocators do by handing its pages on, without a copy.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <stdlib.h>

#include "memory.h"

static void *resize(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    (void)old_size;
    if (new_size != 0)
        return realloc(block, new_size);
    free(block);
    return NULL;
}

/* How many entries a table has that is large. */
enum { MEMORY_LARGE = 4096 };

const struct rouse_allocator memory_default = {resize, NULL};

int memory_grow(const struct rouse_allocator *allocator, void **array, uint32_t *capacity,
                uint32_t need, size_t item)
{
    if (need <= *capacity)
        return 0;
    uint64_t wanted = *capacity != 0 ? *capacity : 1;
    while (wanted < need)
        wanted += wanted < MEMORY_LARGE ? wanted : wanted / 8;
    if (wanted > UINT32_MAX || wanted > SIZE_MAX / item)
        return -ENOMEM;
    void *larger =
        allocator->resize(allocator->context, *array, *capacity * item, (size_t)wanted * item);
    if (larger == NULL)
        return -ENOMEM;
    *array = larger;
    *capacity = (uint32_t)wanted;
    return 0;
}

void memory_free(const struct rouse_allocator *allocator, void *array, size_t size)
{
    if (array != NULL)
        allocator->resize(allocator->context, array, size, 0);
}
