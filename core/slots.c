/*
 * The array of slots and its lists. It grows and never shrinks; taking, giving back, listing and
 * unlisting are a few stores each.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "loop.h"

static void insert_after(struct slot *slots, uint32_t before, uint32_t index)
{
    uint32_t after = slots[before].next;
    slots[index].next = after;
    slots[index].previous = before;
    slots[before].next = index;
    slots[after].previous = index;
}

static void append(struct slot *slots, uint32_t head, uint32_t index)
{
    insert_after(slots, slots[head].previous, index);
}

static void unlink_slot(struct slot *slots, uint32_t index)
{
    slots[slots[index].previous].next = slots[index].next;
    slots[slots[index].next].previous = slots[index].previous;
}

/* Makes room for at least `need` slots. The new ones are first in the queue of free ones: so if
 * its head was freed in this turn, all others were too. */
static int grow(struct rouse_loop *loop, uint32_t need)
{
    uint32_t old = loop->nslots;
    void *array = loop->slots;
    int error =
        memory_grow(&loop->setup.allocator, &array, &loop->nslots, need, sizeof *loop->slots);
    if (error != 0)
        return error;
    loop->slots = array;
    memset(loop->slots + old, 0, (loop->nslots - old) * sizeof *loop->slots);
    for (uint32_t i = old; i < SLOT_FIRST; i++)
        loop->slots[i].next = loop->slots[i].previous = i;
    for (uint32_t i = loop->nslots; i-- > (old > SLOT_FIRST ? old : SLOT_FIRST);)
        insert_after(loop->slots, SLOT_FREE, i);
    return 0;
}

int slots_open(struct rouse_loop *loop)
{
    return grow(loop, SLOT_FIRST + 1);
}

uint32_t slots_take(struct rouse_loop *loop, struct rouse_io *io)
{
    uint32_t index = loop->slots[SLOT_FREE].next;
    if (index == SLOT_FREE ||
        (loop->slots[index].generation != 0 && loop->slots[index].of.freed == loop->turns)) {
        index = loop->nslots;
        if (index == UINT32_MAX || grow(loop, index + 1) != 0)
            return 0;
    }
    struct slot *slot = &loop->slots[index];
    unlink_slot(loop->slots, index);
    uint32_t generation = slot->generation + 1;
    *slot = (struct slot){.of.io = io, .generation = generation};
    return index;
}

void slots_give(struct rouse_loop *loop, uint32_t index)
{
    slots_unlist(loop, index);
    struct slot *slot = &loop->slots[index];
    slot->generation++;
    slot->of.freed = loop->turns;
    append(loop->slots, SLOT_FREE, index);
}

void slots_list(struct rouse_loop *loop, uint32_t index, uint32_t head)
{
    if (loop->slots[index].state & SLOT_LISTED)
        return;
    loop->slots[index].state |= SLOT_LISTED;
    append(loop->slots, head, index);
}

void slots_unlist(struct rouse_loop *loop, uint32_t index)
{
    if (!(loop->slots[index].state & SLOT_LISTED))
        return;
    loop->slots[index].state &= (uint8_t)~SLOT_LISTED;
    unlink_slot(loop->slots, index);
}
