/*
 * Pairs: two sockets of this machine, joined with each other from the start. Nothing travels here.
 * What one writes is put straight into the other's queue, as a message of its own, where it stays
 * though the writer is gone, and what one end does the other is told at once.
 *
 * What surprises: a reader does not see where one message ends and the next begins, but the writer
 * is told when one was read to its end. And it is writable only while three quarters are free.
 *
 * Linux: net/unix/af_unix.c, unix_stream_sendmsg(), unix_stream_read_generic(), unix_poll(),
 * unix_shutdown() and unix_release_sock().
 *
 * SPDX-License-Identifier: MIT
 */
#include "kernel.h"

struct message {
    struct rouse_link link;
    uint32_t size;
    uint32_t taken; /* was read */
    unsigned char bytes[];
};

struct pair {
    struct pair_end {
        struct sim_file file;
        struct rouse_link messages; /* that have come in */
        uint32_t received;          /* bytes of them that were not read */
        uint32_t held;              /* of those that were not read to their ends, all bytes */
        int number;                 /* of the two */
        int error;                  /* -errno */
        bool ended;                 /* nothing more comes in */
        bool shut;                  /* nothing more goes out */
        bool closed;
    } ends[2];
};

static struct pair_end *end_of(struct sim_file *file)
{
    return LINK_OWNER(file, struct pair_end, file);
}

static struct pair_end *other_of(struct pair_end *end)
{
    return end->number == 0 ? end + 1 : end - 1;
}

static bool is_writable(struct pair_end *end)
{
    return end->shut || other_of(end)->held <= machine->config.room / 4;
}

static uint32_t ready_end(struct sim_file *file)
{
    struct pair_end *end = end_of(file);
    return (end->received > 0 || end->ended ? (uint32_t)ROUSE_READ : 0) |
           (is_writable(end) ? (uint32_t)ROUSE_WRITE : 0) |
           (end->error != 0 ? (uint32_t)ROUSE_ERROR : 0) | (end->ended ? SIM_HALF : 0) |
           (end->ended && end->shut ? (uint32_t)ROUSE_HANGUP : 0);
}

static int take_error(struct sim_file *file)
{
    struct pair_end *end = end_of(file);
    int error = end->error;
    end->error = 0;
    return error;
}

/* ---- Messages ------------------------------------------------------------------------------ */

static bool put(struct pair_end *end, const void *data, uint32_t size)
{
    const struct rouse_allocator *allocator = &machine->allocator;
    struct message *message =
        allocator->resize(allocator->context, NULL, 0, sizeof *message + size);
    if (message == NULL)
        return false;
    *message = (struct message){.size = size};
    memcpy(message->bytes, data, size);
    link_append(&end->messages, &message->link);
    end->received += size;
    end->held += size;
    return true;
}

/* Takes so many bytes, or all, to `buffer` if there is one. Whether a message was read to its end.
 */
static bool take(struct pair_end *end, unsigned char *buffer, uint32_t size)
{
    bool finished = false;
    for (uint32_t left = size; left > 0;) {
        struct message *first = LINK_OWNER(end->messages.next, struct message, link);
        uint32_t n = first->size - first->taken < left ? first->size - first->taken : left;
        if (buffer != NULL)
            memcpy(buffer + (size - left), first->bytes + first->taken, n);
        first->taken += n;
        left -= n;
        if (first->taken < first->size)
            break;
        end->held -= first->size;
        link_remove(&first->link);
        machine_free(first, sizeof *first + first->size);
        finished = true;
    }
    end->received -= size;
    return finished;
}

/* ---- Calls --------------------------------------------------------------------------------- */

static int64_t read_end(struct sim_file *file, void *buffer, size_t size)
{
    struct pair_end *end = end_of(file);
    struct pair_end *writer = other_of(end);
    uint32_t n = size < end->received ? (uint32_t)size : end->received;
    if (n == 0 && size > 0)
        return end->error != 0 ? take_error(file) : end->ended ? 0 : -EAGAIN;
    bool finished = take(end, buffer, n);
    machine_step(ROUSE_SIM_COPIED_OUT, file->id, n);
    if (finished && !writer->closed && is_writable(writer))
        queue_walk(&writer->file, ROUSE_WRITE);
    return n;
}

static int64_t write_end(struct sim_file *file, const void *data, size_t size)
{
    struct pair_end *end = end_of(file);
    struct pair_end *reader = other_of(end);
    if (end->shut)
        return -EPIPE;
    if (size == 0)
        return 0;
    uint32_t room = machine->config.room - reader->held;
    uint32_t n = size < room ? (uint32_t)size : room;
    if (n == 0 || !put(reader, data, n))
        return n == 0 ? -EAGAIN : -ENOMEM;
    machine_step(ROUSE_SIM_COPIED_IN, file->id, n);
    machine_step(ROUSE_SIM_ARRIVED, reader->file.id, n);
    queue_walk(&reader->file, SIM_DATA);
    return n;
}

/* Tells the other end what is over here. */
static void tell_other(struct pair_end *end, uint32_t directions)
{
    struct pair_end *other = other_of(end);
    other->shut |= (directions & ROUSE_READ) != 0;
    other->ended |= (directions & ROUSE_WRITE) != 0;
    machine_step(ROUSE_SIM_ARRIVED, other->file.id, 0);
    queue_walk_all(&other->file, SIM_EVERYTHING);
}

static int shut_end(struct sim_file *file, uint32_t directions)
{
    struct pair_end *end = end_of(file);
    end->ended |= (directions & ROUSE_READ) != 0;
    end->shut |= (directions & ROUSE_WRITE) != 0;
    queue_walk_all(file, SIM_EVERYTHING);
    if (!other_of(end)->closed)
        tell_other(end, directions);
    return 0;
}

static void look_at(struct sim_file *file, struct rouse_sim_file *look)
{
    look->ready = ready_end(file);
    look->received = end_of(file)->received;
}

/* Who has not read all is the cause of an error. */
static void release_end(struct sim_file *file)
{
    struct pair_end *end = end_of(file);
    struct pair_end *other = other_of(end);
    end->closed = true;
    if (other->closed) {
        take(end, NULL, end->received);
        take(other, NULL, other->received);
        machine_free(LINK_OWNER(end - end->number, struct pair, ends), sizeof(struct pair));
        return;
    }
    if (end->received > 0)
        other->error = -ECONNRESET;
    tell_other(end, ROUSE_READ | ROUSE_WRITE);
}

static const struct sim_kind pair_kind = {
    .name = ROUSE_SIM_SOCKET,
    .system = ROUSE_KIND_SOCKET,
    .ready = ready_end,
    .read = read_end,
    .write = write_end,
    .shut = shut_end,
    .error = take_error,
    .look = look_at,
    .release = release_end,
};

int rouse_sim_pair(rouse_fd fds[2])
{
    if (machine == NULL || fds == NULL)
        return -EINVAL;
    struct pair *pair = machine_new(sizeof *pair);
    if (pair == NULL)
        return -ENOMEM;
    for (int i = 0; i < 2; i++) {
        file_init(&pair->ends[i].file, &pair_kind);
        link_init(&pair->ends[i].messages);
        pair->ends[i].number = i;
    }
    int one = file_open(&pair->ends[0].file);
    int other = file_open(&pair->ends[1].file);
    if (other < 0) {
        if (one >= 0)
            rouse_sim_close(one);
        return other;
    }
    fds[0] = one;
    fds[1] = other;
    return 0;
}
