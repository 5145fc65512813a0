/*
 * A buffer: bytes in a ring, as many as the machine's room. Its memory grows with what is in it,
 * and goes when that has gone, so that ten thousand connections that say little cost little.
 *
 * SPDX-License-Identifier: MIT
 */
#include "kernel.h"

enum { RING_LEAST = 64 };

void ring_close(struct sim_ring *ring)
{
    memory_free(&machine->allocator, ring->bytes, ring->size);
    *ring = (struct sim_ring){0};
}

static uint32_t least(uint32_t a, size_t b)
{
    return b < a ? (uint32_t)b : a;
}

static void consume(struct sim_ring *ring, uint32_t count)
{
    ring->first = (ring->first + count) % ring->size;
    ring->count -= count;
    if (ring->count == 0 && ring->size > RING_LEAST)
        ring_close(ring);
}

/* Makes the memory larger, if it can be had, and puts what it holds to its beginning. */
static bool grow(struct sim_ring *ring, uint32_t need)
{
    uint32_t size = ring->size > 0 ? ring->size : RING_LEAST;
    while (size < need)
        size *= 2;
    size = least(size, machine->config.room);
    const struct rouse_allocator *allocator = &machine->allocator;
    struct sim_ring larger = {.size = size};
    larger.bytes = allocator->resize(allocator->context, NULL, 0, size);
    if (larger.bytes == NULL)
        return false;
    larger.count = ring_get(ring, larger.bytes, ring->count);
    ring_close(ring);
    *ring = larger;
    return true;
}

uint32_t ring_put(struct sim_ring *ring, const void *data, size_t size)
{
    uint32_t count = least(machine->config.room - ring->count, size);
    if (count == 0 || (ring->count + count > ring->size && !grow(ring, ring->count + count)))
        return 0;
    uint32_t end = (ring->first + ring->count) % ring->size;
    uint32_t straight = least(count, ring->size - end);
    memcpy(ring->bytes + end, data, straight);
    memcpy(ring->bytes, (const unsigned char *)data + straight, count - straight);
    ring->count += count;
    return count;
}

uint32_t ring_get(struct sim_ring *ring, void *buffer, size_t size)
{
    uint32_t count = least(ring->count, size);
    if (count == 0)
        return 0;
    uint32_t straight = least(count, ring->size - ring->first);
    memcpy(buffer, ring->bytes + ring->first, straight);
    memcpy((unsigned char *)buffer + straight, ring->bytes, count - straight);
    consume(ring, count);
    return count;
}

uint32_t ring_move(struct sim_ring *from, struct sim_ring *to, uint32_t size)
{
    uint32_t moved = 0;
    while (from->count > 0 && moved < size) {
        uint32_t straight = least(least(from->count, from->size - from->first), size - moved);
        uint32_t n = ring_put(to, from->bytes + from->first, straight);
        consume(from, n);
        moved += n;
        if (n < straight)
            break;
    }
    return moved;
}
