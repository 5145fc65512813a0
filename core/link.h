/*
 * A doubly linked ring through the objects of the caller: in, out and empty in a few stores, with
 * no allocation that could fail. A link that is in no ring is zero.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_CORE_LINK_H
#define ROUSE_CORE_LINK_H

#include <stdbool.h>

#include <rouse.h>

#define LINK_OWNER(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

static inline void link_init(struct rouse_link *head)
{
    head->next = head;
    head->previous = head;
}

static inline bool link_empty(const struct rouse_link *head)
{
    return head->next == head;
}

static inline void link_append(struct rouse_link *head, struct rouse_link *link)
{
    link->next = head;
    link->previous = head->previous;
    head->previous->next = link;
    head->previous = link;
}

static inline void link_remove(struct rouse_link *link)
{
    link->next->previous = link->previous;
    link->previous->next = link->next;
    link->next = NULL;
    link->previous = NULL;
}

/* Moves all of the ring `from` to the end of the ring `to`. */
static inline void link_append_all(struct rouse_link *to, struct rouse_link *from)
{
    if (link_empty(from))
        return;
    from->next->previous = to->previous;
    from->previous->next = to;
    to->previous->next = from->next;
    to->previous = from->previous;
    link_init(from);
}

#endif
