/*
 * rouse_read, rouse_write, rouse_accept: the system calls, and what their results say of the
 * descriptor. An edge is told once; who does not know whether he has drained a direction must ask
 * again, or hang. These know:
 *
 * - EAGAIN has drained it, always.
 * - A short count has, on TCP and on pipes only; and for READ only if neither the peer's end nor an
 *   error was reported, which would still be waiting behind the data and would never be told again,
 *   and no urgent data, at whose mark a read stops short. On everything else a short count says
 *   nothing: datagrams and records end where they end, and a read from a unix stream stops behind
 *   passed descriptors.
 * - Anything else has not: the end of a stream and errors stay, as they do for a level watcher.
 *
 * SPDX-License-Identifier: MIT
 */
#include "due.h"
#include ROUSE_SYSTEM

/* Nothing is left to read or write: waits for the next edge. With READ goes what made a short count
 * doubtful. */
static void drained(struct slot *slot, uint32_t directions)
{
    if (directions & ROUSE_READ) {
        directions |= ROUSE_HANGUP | ROUSE_ERROR;
        if (!(slot->want & ROUSE_PRIORITY))
            directions |= ROUSE_PRIORITY;
    }
    slot->ready &= (uint8_t)~directions;
}

static struct slot *slot_of(const struct rouse_io *io)
{
    return &io->loop->slots[io->slot];
}

void rouse_io_drained(struct rouse_io *io, uint32_t directions)
{
    if (io_check(io) == 0 && !(slot_of(io)->state & SLOT_ALWAYS))
        drained(slot_of(io), directions & LOOP_DIRECTIONS);
}

/* Looked up once for a watcher and descriptor. */
static HOT int kind_of(struct rouse_io *io)
{
    if ((io->flags & IO_KIND) == 0)
        io->flags |= (uint32_t)io->loop->system->kind(io->fd);
    return (int)(io->flags & IO_KIND);
}

/* What a result that is no short count says of a direction: if it has not been drained, it has been
 * tried at least. */
APART static void note_rest(struct rouse_io *io, uint32_t direction, ssize_t n, size_t size)
{
    struct slot *slot = slot_of(io);
    if (io->loop->current == io)
        io->loop->told |= direction;
    if (slot->state & SLOT_ALWAYS)
        return;
    if (n == -EAGAIN || n == -EWOULDBLOCK)
        drained(slot, direction);
    else if (n <= 0 && direction == ROUSE_READ && size != 0)
        slot->ready &= (uint8_t) ~(ROUSE_HANGUP | ROUSE_ERROR);
}

/* Notes what `n`, the result of an attempt to move `size` bytes, says of a direction. */
static HOT void note(struct rouse_io *io, uint32_t direction, ssize_t n, size_t size)
{
    struct slot *slot = slot_of(io);
    uint32_t kind = io->flags & IO_KIND;
    bool tells = kind == ROUSE_KIND_STREAM || kind == ROUSE_KIND_PIPE;
    uint32_t doubt = direction == ROUSE_READ ? ROUSE_HANGUP | ROUSE_ERROR | ROUSE_PRIORITY : 0;
    if (n > 0 && (size_t)n < size && tells && !(slot->ready & doubt))
        slot->ready &= (uint8_t)~direction;
    else if (slot->ready != 0)
        note_rest(io, direction, n, size);
}

ssize_t rouse_read(struct rouse_io *io, void *buffer, size_t size)
{
    int error = io_check(io);
    if (error != 0)
        return error;
    int kind = kind_of(io);
    const struct rouse_system *system = io->loop->system;
    ssize_t n = system == &system_table ? system_read(io->fd, kind, buffer, size)
                                        : system->read(io->fd, kind, buffer, size);
    while (n == -EINTR)
        n = io->loop->system->read(io->fd, kind_of(io), buffer, size);
    note(io, ROUSE_READ, n, size);
    return n;
}

ssize_t rouse_write(struct rouse_io *io, const void *data, size_t size)
{
    int error = io_check(io);
    if (error != 0)
        return error;
    int kind = kind_of(io);
    const struct rouse_system *system = io->loop->system;
    ssize_t n = system == &system_table ? system_write(io->fd, kind, data, size)
                                        : system->write(io->fd, kind, data, size);
    while (n == -EINTR)
        n = io->loop->system->write(io->fd, kind_of(io), data, size);
    note(io, ROUSE_WRITE, n, size);
    return n;
}

int rouse_accept(struct rouse_io *io, rouse_fd *fd)
{
    int error = io_check(io);
    if (error != 0)
        return error;
    do
        error = io->loop->system->accept(io->fd, fd);
    while (error == -EINTR || error == -ECONNABORTED);
    note(io, ROUSE_READ, error != 0 ? error : 1, 1);
    if (error != 0 && error != -EAGAIN && error != -EWOULDBLOCK)
        loop_fail(io->loop, -error, "accept a connection on descriptor %lld", io->fd,
                  error == -EMFILE || error == -ENFILE
                      ? "pause the listener until a descriptor has been closed"
                      : NULL);
    return error;
}

int rouse_connect_result(struct rouse_io *io)
{
    int error = io_check(io);
    return error != 0 ? error : io->loop->system->take_error(io->fd);
}
