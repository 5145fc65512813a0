/*
 * Pipes: a buffer between two files, one for either end, each with a wait queue of its own.
 *
 * Linux: fs/pipe.c, pipe_read(), pipe_write() and pipe_poll().
 *
 * SPDX-License-Identifier: MIT
 */
#include "kernel.h"

enum { WHOLE = 4096 }; /* so many bytes are written at once or not at all (PIPE_BUF) */

enum { READER, WRITER };

struct pipe {
    struct sim_file ends[2];
    bool open[2];
    struct sim_ring ring;
};

static struct pipe *pipe_of(struct sim_file *file, int end)
{
    return LINK_OWNER(file, struct pipe, ends[end]);
}

static uint32_t whole(void)
{
    return machine->config.room < WHOLE ? machine->config.room : WHOLE;
}

static uint32_t free_room(const struct pipe *pipe)
{
    return machine->config.room - pipe->ring.count;
}

static uint32_t ready_reader(struct sim_file *file)
{
    const struct pipe *pipe = pipe_of(file, READER);
    return (pipe->ring.count > 0 ? (uint32_t)ROUSE_READ : 0) |
           (pipe->open[WRITER] ? 0 : (uint32_t)ROUSE_HANGUP);
}

static uint32_t ready_writer(struct sim_file *file)
{
    const struct pipe *pipe = pipe_of(file, WRITER);
    return (free_room(pipe) >= whole() ? (uint32_t)ROUSE_WRITE : 0) |
           (pipe->open[READER] ? 0 : (uint32_t)ROUSE_ERROR);
}

static int64_t read_pipe(struct sim_file *file, void *buffer, size_t size)
{
    struct pipe *pipe = pipe_of(file, READER);
    if (pipe->ring.count == 0)
        return size == 0 || !pipe->open[WRITER] ? 0 : -EAGAIN;
    bool was_full = free_room(pipe) < whole();
    uint32_t n = ring_get(&pipe->ring, buffer, size);
    machine_step(ROUSE_SIM_COPIED_OUT, file->id, n);
    if (was_full && free_room(pipe) >= whole())
        queue_walk(&pipe->ends[WRITER], ROUSE_WRITE);
    return n;
}

static int64_t write_pipe(struct sim_file *file, const void *data, size_t size)
{
    struct pipe *pipe = pipe_of(file, WRITER);
    if (!pipe->open[READER])
        return -EPIPE;
    if (size == 0)
        return 0;
    if (free_room(pipe) == 0 || (size <= whole() && free_room(pipe) < size))
        return -EAGAIN;
    uint32_t n = ring_put(&pipe->ring, data, size);
    if (n == 0)
        return -ENOMEM;
    machine_step(ROUSE_SIM_COPIED_IN, file->id, n);
    queue_walk(&pipe->ends[READER], ROUSE_READ);
    return n;
}

static void look_at_reader(struct sim_file *file, struct rouse_sim_file *look)
{
    look->ready = ready_reader(file);
    look->received = pipe_of(file, READER)->ring.count;
}

static void look_at_writer(struct sim_file *file, struct rouse_sim_file *look)
{
    look->ready = ready_writer(file);
    look->sent = pipe_of(file, WRITER)->ring.count;
}

static void release(struct pipe *pipe, int end, uint32_t told)
{
    pipe->open[end] = false;
    if (pipe->open[!end]) {
        queue_walk(&pipe->ends[!end], told);
        return;
    }
    ring_close(&pipe->ring);
    machine_free(pipe, sizeof *pipe);
}

static void release_reader(struct sim_file *file)
{
    release(pipe_of(file, READER), READER, ROUSE_WRITE | ROUSE_ERROR);
}

static void release_writer(struct sim_file *file)
{
    release(pipe_of(file, WRITER), WRITER, ROUSE_READ | ROUSE_HANGUP);
}

static const struct sim_kind kinds[2] = {
    [READER] = {.name = ROUSE_SIM_PIPE,
                .system = ROUSE_KIND_PIPE,
                .exclusive = true,
                .ready = ready_reader,
                .read = read_pipe,
                .look = look_at_reader,
                .release = release_reader},
    [WRITER] = {.name = ROUSE_SIM_PIPE,
                .system = ROUSE_KIND_PIPE,
                .exclusive = true,
                .ready = ready_writer,
                .write = write_pipe,
                .look = look_at_writer,
                .release = release_writer},
};

int rouse_sim_pipe(rouse_fd fds[2])
{
    if (machine == NULL)
        return -EINVAL;
    struct pipe *pipe = machine_new(sizeof *pipe);
    if (pipe == NULL)
        return -ENOMEM;
    for (int end = READER; end <= WRITER; end++) {
        file_init(&pipe->ends[end], &kinds[end]);
        pipe->open[end] = true;
    }
    int reader = file_open(&pipe->ends[READER]);
    int writer = file_open(&pipe->ends[WRITER]);
    if (writer < 0) {
        if (reader >= 0)
            rouse_sim_close(reader);
        return writer;
    }
    fds[READER] = reader;
    fds[WRITER] = writer;
    return 0;
}
