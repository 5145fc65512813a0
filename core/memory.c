/*
 * Memory. All of it is tables that grow by doubling through the caller's allocator; a table that
 * cannot grow is left as it was.
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

const struct rouse_allocator memory_default = {resize, NULL};

int memory_grow(const struct rouse_allocator *allocator, void **array, uint32_t *capacity,
                uint32_t need, size_t item)
{
    if (need <= *capacity)
        return 0;
    uint64_t wanted = *capacity != 0 ? *capacity : ROUSE_INITIAL_CAPACITY;
    while (wanted < need)
        wanted *= 2;
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
