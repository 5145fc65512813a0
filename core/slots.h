/*
 * Slots: what the loop knows of each watched descriptor, in one array, so that a token leads to it
 * without a search. The low half of a token is the index of a slot, the high half its generation.
 * When a watcher stops, the generation moves on, and whatever still carries the old token is stale:
 * one comparison for each event keeps an old file's events from a new watcher, even if descriptor,
 * slot and watcher are the same three as before.
 *
 * A slot is in at most one of two lists, linked by index because the array moves when it grows:
 * PENDING, of those that need something done before the next wait (a change to send, or a direction
 * that is still ready), and AGAIN, of those that are called in this turn without having been asked
 * about. The first two slots are the heads of these lists. Free slots form a queue: a slot is
 * given out again only in a later turn than the one that freed it, which makes it certain
 * that an event for it in between was fetched before it stopped.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_CORE_SLOTS_H
#define ROUSE_CORE_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include <rouse.h>

#include "names.h"

struct slot {
    union {
        struct rouse_io *io;
        uint64_t freed; /* in a free slot: the turn that freed it */
    } of;
    union {
        struct {
            uint32_t generation; /* odd while in use */
            uint8_t want;        /* what the caller asked for; EDGE and ONESHOT too */
            uint8_t held;        /* what the backend holds; 0: it does not know the descriptor */
            uint8_t ready;       /* edges: what was reported and not yet drained */
            uint8_t state;
        };
        uint64_t word; /* the five at once: one comparison tells that nothing has changed */
    };
    uint32_t next;
    uint32_t previous;
};

/* slot.state */
enum {
    SLOT_LISTED = 1,  /* in PENDING or AGAIN */
    SLOT_LEVEL = 2,   /* an edge watcher whose callback did not say what it drained */
    SLOT_ALWAYS = 4,  /* a file that the kernel does not watch because it is always ready */
    SLOT_REFUSED = 8, /* the kernel refused; nothing is sent until the caller changes something */
    SLOT_SHRINK = 16, /* give up the directions that are held and no longer wanted */
    SLOT_ANEW = 32,   /* an edge was told and is lost: ask again, even for what is held already */
};

enum { SLOT_PENDING = 0, SLOT_AGAIN = 1, SLOT_FREE = 2, SLOT_FIRST = 3 };

struct rouse_loop;

int slots_open(struct rouse_loop *loop);
uint32_t slots_take(struct rouse_loop *loop, struct rouse_io *io); /* 0: no memory */
void slots_give(struct rouse_loop *loop, uint32_t index);
void slots_list(struct rouse_loop *loop, uint32_t index, uint32_t head);
void slots_unlist(struct rouse_loop *loop, uint32_t index);

/* What kind of watcher it is, for the path of an event, from its word. Two kinds are told at a
 * glance: one that is held by level, and one that is held by edges, of which nothing else is to be
 * thought. Neither is in a list, so each is held for all that it wants, and nothing that it wants
 * is still ready. */
static inline uint64_t slots_kind(uint64_t word)
{
    const struct slot asked = {.want = ROUSE_ONESHOT,
                               .held = ROUSE_EDGE,
                               .ready = ROUSE_ERROR | ROUSE_HANGUP,
                               .state = UINT8_MAX};
    return word & asked.word;
}

static inline bool slots_is_plain(uint64_t word)
{
    return slots_kind(word) == 0;
}

static inline bool slots_is_edge(uint64_t word)
{
    const struct slot edge = {.held = ROUSE_EDGE};
    return slots_kind(word) == edge.word;
}

static inline bool slots_empty(const struct slot *slots, uint32_t head)
{
    return slots[head].next == head;
}

static inline uint64_t slots_token(const struct slot *slots, uint32_t index)
{
    return (uint64_t)slots[index].generation << 32 | index;
}

/* fdmap.c: from a descriptor to its slot, on start and stop only. */
uint32_t fdmap_find(const struct rouse_loop *loop, rouse_fd fd);
int fdmap_reserve(struct rouse_loop *loop, rouse_fd fd);
void fdmap_set(struct rouse_loop *loop, rouse_fd fd, uint32_t index);

#endif
