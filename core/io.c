/*
 * Watchers of descriptors. Interest is bits in user space: to change it is a store, and before the
 * next wait the loop compares, for each watcher on the PENDING list, what the backend should hold
 * with what it does hold; several changes become one, or none.
 *
 * A level watcher is held for just what it wants, or if it is paused for what it has read, until
 * there is something to read. An edge watcher keeps what it once wanted,
 * because an edge that nobody wants costs nothing until it comes: a pause, or WRITE wanted now and
 * then, sends nothing. Its readiness is remembered here until it is drained, so that what was
 * reported once is called again in every turn, without a system call.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>

#include "due.h"

static bool has_edges(const struct rouse_loop *loop, const struct slot *slot)
{
    return (slot->want & ROUSE_EDGE) && !(slot->state & SLOT_LEVEL) &&
           (loop->backend.traits & ROUSE_TRAIT_EDGE);
}

/* What the backend should hold. Who reads is told of the peer's end; by edges also of urgent data,
 * for both decide whether a short count has drained what is read. Who is paused may stay held until
 * that brings something: nearly always it is resumed before. But WRITE would bring it at once. */
static uint32_t target(const struct rouse_loop *loop, const struct slot *slot)
{
    if (slot->state & (SLOT_ALWAYS | SLOT_REFUSED))
        return 0;
    uint32_t want = slot->want & LOOP_DIRECTIONS;
    if (!has_edges(loop, slot)) {
        bool may_stay = !(slot->state & SLOT_SHRINK) && !(slot->held & (ROUSE_WRITE | ROUSE_EDGE));
        if (want == 0 && may_stay)
            return slot->held;
        return want & ROUSE_READ ? want | ROUSE_HANGUP : want;
    }
    uint32_t kept = slot->state & SLOT_SHRINK ? 0 : slot->held & (ROUSE_READ | ROUSE_WRITE);
    want |= kept;
    if (want & ROUSE_READ)
        want |= ROUSE_PRIORITY | ROUSE_HANGUP;
    return want != 0 ? want | ROUSE_EDGE : 0;
}

static uint32_t still_due(const struct slot *slot)
{
    return slot->ready & slot->want & LOOP_DIRECTIONS;
}

/* Whether the backend must be told something. */
static bool must_change(const struct rouse_loop *loop, const struct slot *slot)
{
    return target(loop, slot) != slot->held || (slot->state & SLOT_ANEW);
}

/* Whether to want this is but a store: the backend holds it anyway, and nothing of it is still
 * ready; or it is listed, and so will be looked at. Of other states it is not known at a glance. */
static HOT bool is_store(const struct slot *slot, uint32_t want)
{
    if (slot->state != 0)
        return slot->state == SLOT_LISTED;
    uint32_t held = slot->held;
    if (held & ROUSE_EDGE)
        return (want & (slot->ready | ~held)) == 0;
    if (want == 0)
        return !(held & ROUSE_WRITE);
    return held == (want & ROUSE_READ ? want | ROUSE_HANGUP : want);
}

APART static void list(struct rouse_loop *loop, uint32_t index)
{
    slots_list(loop, index, SLOT_PENDING);
    loop->agenda |= AGENDA_PENDING;
}

/* Lists a slot if there is something to do for it before the next wait. */
APART void io_list_if_needed(struct rouse_loop *loop, uint32_t index)
{
    const struct slot *slot = &loop->slots[index];
    if (must_change(loop, slot) || still_due(slot) != 0)
        list(loop, index);
}

void rouse_io_init(struct rouse_io *io, void (*fn)(struct rouse_io *io, uint32_t ready))
{
    *io = (struct rouse_io){.fn = fn, .fd = -1};
}

static void set_want(struct rouse_loop *loop, uint32_t index, uint32_t want)
{
    struct slot *slot = &loop->slots[index];
    slot->want = (uint8_t)want;
    slot->state &= (uint8_t) ~(SLOT_REFUSED | SLOT_SHRINK);
    loop->counters.changes_asked++;
    io_list_if_needed(loop, index);
}

/* The reasons for which rouse_io_start() refuses; 0 if there is none. */
static int refuse_start(struct rouse_loop *loop, const struct rouse_io *io, rouse_fd fd,
                        uint32_t want)
{
    static const char tried[] = "watch descriptor %lld";
    if (io->fn == NULL)
        return loop_fail(loop, EINVAL, tried, fd, "give rouse_io_init() a callback");
    if (want & ~(uint32_t)(LOOP_DIRECTIONS | ROUSE_EDGE | ROUSE_ONESHOT))
        return loop_fail(
            loop, EINVAL, tried, fd,
            "ask for READ, WRITE and PRIORITY, with EDGE or ONESHOT; HANGUP and ERROR are "
            "told without being asked");
    if (io->slot != 0)
        return io->loop == loop && io->fd == fd
                   ? 0
                   : loop_fail(loop, EBUSY, tried, fd,
                               "stop the watcher first: it watches another");
    if (fd < 0)
        return loop_fail(loop, EBADF, tried, fd, "it is no descriptor");
    if (fdmap_find(loop, fd) != 0)
        return loop_fail(loop, EEXIST, tried, fd,
                         "another watcher of this loop has it: stop that one before the descriptor "
                         "is closed, or watch a dup()");
    int error = loop->system->check(fd);
    if (error != 0)
        return loop_fail(loop, -error, tried, fd,
                         error == -EBADF
                             ? "it is not open"
                             : "only sockets can be watched here, once Winsock was started");
    if (loop->backend.fd_limit != 0 && fd >= loop->backend.fd_limit)
        return loop_fail(
            loop, ERANGE, tried, fd,
            "the backend cannot hold a number that high (FD_SETSIZE): use another one");
    return 0;
}

int rouse_io_start(struct rouse_loop *loop, struct rouse_io *io, rouse_fd fd, uint32_t want)
{
    if (loop == NULL || io == NULL)
        return -EINVAL;
    int error = owner_check(loop);
    if (error == 0)
        error = refuse_start(loop, io, fd, want);
    if (error != 0)
        return error;
    if (io->slot == 0) {
        uint32_t index = fdmap_reserve(loop, fd) == 0 ? slots_take(loop, io) : 0;
        if (index == 0)
            return loop_fail(loop, ENOMEM, "watch descriptor %lld", fd, NULL);
        io->loop = loop;
        io->fd = fd;
        io->slot = index;
        io->flags &= (uint32_t)~IO_KIND;
        fdmap_set(loop, fd, index);
        loop->alive += !(io->flags & IO_UNREF);
    }
    loop->slots[io->slot].state &= (uint8_t)~SLOT_LEVEL;
    set_want(loop, io->slot, want);
    return 0;
}

static uint32_t mode_of(const struct slot *slot)
{
    return slot->want & (ROUSE_EDGE | ROUSE_ONESHOT);
}

/* Where it is more than a store, or wrong. */
APART static int change_want(struct rouse_io *io, uint32_t want)
{
    int error = io_check(io);
    if (error != 0)
        return error;
    struct rouse_loop *loop = io->loop;
    if (want & ~(uint32_t)LOOP_DIRECTIONS)
        return loop_fail(
            loop, EINVAL, "change what is wanted of descriptor %lld", io->fd,
            "ask for READ, WRITE and PRIORITY; EDGE and ONESHOT are rouse_io_start()'s");
    set_want(loop, io->slot, mode_of(&loop->slots[io->slot]) | want);
    return 0;
}

int rouse_io_want(struct rouse_io *io, uint32_t want)
{
    bool wrong = io == NULL || io->slot == 0 || io->loop->owner != owner_self ||
                 (want & ~(uint32_t)LOOP_DIRECTIONS) != 0;
    if (wrong)
        return change_want(io, want);
    struct slot *slot = &io->loop->slots[io->slot];
    bool store = is_store(slot, want);
    if (!store && slot->state != 0)
        return change_want(io, want);
    slot->want = (uint8_t)(mode_of(slot) | want);
    io->loop->counters.changes_asked++;
    if (!store)
        list(io->loop, io->slot);
    return 0;
}

int rouse_io_stop(struct rouse_io *io)
{
    if (io == NULL)
        return -EINVAL;
    if (io->slot == 0)
        return 0;
    struct rouse_loop *loop = io->loop;
    int error = owner_check(loop);
    if (error != 0)
        return error;
    uint32_t index = io->slot;
    loop->counters.changes_asked++;
    if (loop->slots[index].held != 0 && loop->backend_open) {
        loop->backend.drop(loop->state, io->fd, slots_token(loop->slots, index));
        loop->counters.changes_sent++;
    }
    fdmap_set(loop, io->fd, 0);
    slots_give(loop, index);
    io->slot = 0;
    loop->alive -= !(io->flags & IO_UNREF);
    if (loop->current == io)
        loop->current = NULL;
    return 0;
}

int rouse_io_close(struct rouse_io *io)
{
    int error = io_check(io);
    if (error != 0)
        return error;
    struct rouse_loop *loop = io->loop;
    rouse_fd fd = io->fd;
    rouse_io_stop(io);
    error = loop->system->close(fd);
    if (error != 0 && error != -EINTR)
        return loop_fail(loop, -error, "close descriptor %lld", fd,
                         error == -EBADF ? "it was closed behind the loop's back" : NULL);
    return 0;
}

static int keep_alive(struct rouse_io *io, bool keep)
{
    if (io == NULL)
        return -EINVAL;
    int error = io->slot != 0 ? owner_check(io->loop) : 0;
    if (error != 0)
        return error;
    bool was_unref = io->flags & IO_UNREF;
    io->flags = keep ? io->flags & (uint32_t)~IO_UNREF : io->flags | IO_UNREF;
    if (io->slot != 0)
        io->loop->alive += (uint32_t)was_unref - (uint32_t)!keep;
    return 0;
}

int rouse_io_ref(struct rouse_io *io)
{
    return keep_alive(io, true);
}

int rouse_io_unref(struct rouse_io *io)
{
    return keep_alive(io, false);
}

int rouse_io_error(const struct rouse_io *io)
{
    return io != NULL && io->slot != 0 && io->loop->current == io ? io->loop->refusal : 0;
}

int rouse_io_active(const struct rouse_io *io)
{
    return io != NULL && io->slot != 0;
}

/* Before the wait: turns the PENDING list into changes, and moves what is still ready to AGAIN.
 * What does not fit in one batch follows in the next turn. Returns the number of changes. */
uint32_t io_collect(struct rouse_loop *loop)
{
    uint32_t n = 0;
    while (!slots_empty(loop->slots, SLOT_PENDING)) {
        uint32_t index = loop->slots[SLOT_PENDING].next;
        struct slot *slot = &loop->slots[index];
        if (must_change(loop, slot)) {
            if (n == loop->capacity && loop_grow(loop) != 0)
                break;
            uint32_t want = target(loop, slot);
            loop->changes[n++] = (struct rouse_change){
                .fd = slot->of.io->fd,
                .had = slot->held,
                .want = want,
                .token = slots_token(loop->slots, index),
            };
            slot->held = (uint8_t)want;
            /* What is no longer held by edges will be told anew. */
            slot->ready &= (uint8_t)(want & ROUSE_EDGE ? want | ROUSE_ERROR : 0);
        }
        slot->state &= (uint8_t) ~(SLOT_SHRINK | SLOT_ANEW);
        slots_unlist(loop, index);
        if (still_due(slot) != 0) {
            slots_list(loop, index, SLOT_AGAIN);
            loop->agenda |= AGENDA_AGAIN;
        }
    }
    if (slots_empty(loop->slots, SLOT_PENDING))
        loop->agenda &= ~(uint32_t)AGENDA_PENDING;
    loop->counters.changes_sent += n;
    return n;
}

/* The kernel refused the last change: told once, unless the descriptor is simply always ready.
 * Returns what the callback is to be told. */
uint32_t io_refused(struct rouse_loop *loop, uint32_t index, int error)
{
    struct slot *slot = &loop->slots[index];
    slot->held = 0;
    slot->ready = 0;
    slot->state &= (uint8_t)~SLOT_ANEW;
    if (error == -EPERM) {
        slot->state |= SLOT_ALWAYS;
        slot->ready = ROUSE_READ | ROUSE_WRITE;
        return still_due(slot);
    }
    if ((slot->want & LOOP_DIRECTIONS) == 0)
        return 0;
    slot->state |= SLOT_REFUSED;
    loop->refusal = error;
    return ROUSE_ERROR;
}

/* A report brought nothing that is wanted: a watcher that is paused, or by edges, gives up what it
 * holds for nothing. (Else a level watcher holds only what it wanted when the wait began.) */
void io_unwanted(struct rouse_loop *loop, uint32_t index)
{
    loop->counters.spurious++;
    struct slot *slot = &loop->slots[index];
    if ((slot->held & ROUSE_EDGE) || (slot->want & LOOP_DIRECTIONS) == 0)
        slot->state |= SLOT_SHRINK;
    io_list_if_needed(loop, index);
}

/* The backend holds nothing for it any more. */
void io_spent(struct rouse_loop *loop, uint32_t index)
{
    loop->slots[index].held = 0;
    loop->slots[index].state &= (uint8_t)~SLOT_ANEW;
    io_list_if_needed(loop, index);
}

/* After the callback of an edge watcher: a direction of which it said nothing may have been drained
 * or not, and the kernel will not tell again; so the kernel is asked by level from now on. */
void io_settle(struct rouse_loop *loop, uint32_t index, uint32_t ready)
{
    struct slot *slot = &loop->slots[index];
    uint32_t unsaid = ready & slot->ready & LOOP_DIRECTIONS & ~loop->told;
    if (!(slot->want & ROUSE_ONESHOT))
        unsaid &= slot->want;
    if (unsaid != 0 && has_edges(loop, slot) && !(slot->state & SLOT_ALWAYS)) {
        slot->state |= SLOT_LEVEL | SLOT_ANEW;
        slot->ready = 0;
    }
    io_list_if_needed(loop, index);
}

/* The backend holds nothing any more: everything is sent again. */
void io_forget(struct rouse_loop *loop)
{
    for (uint32_t index = SLOT_FIRST; index < loop->nslots; index++) {
        struct slot *slot = &loop->slots[index];
        if (!(slot->generation & 1))
            continue;
        slot->held = 0;
        slot->state &= (uint8_t)~SLOT_ANEW;
        if (!(slot->state & SLOT_ALWAYS))
            slot->ready = 0;
        slots_unlist(loop, index); /* from AGAIN too, which a wait that failed left behind */
        io_list_if_needed(loop, index);
    }
}

void io_detach(struct rouse_loop *loop)
{
    for (uint32_t index = SLOT_FIRST; index < loop->nslots; index++)
        if (loop->slots[index].generation & 1)
            loop->slots[index].of.io->slot = 0;
}
