/*
 * Pipes: a buffer between two files, one for either end, each with a wait queue of its own.
 *
 * What surprises: the buffer is counted in pages. A write begins a new one, unless what it has
 * beyond whole pages still fits into the last; and it can be written while a page is free.
 *
 * Linux: fs/pipe.c, pipe_read(), pipe_write() and pipe_poll().
 *
 * SPDX-License-Identifier: MIT
 */
#include "kernel.h"

enum { PAGE = 4096 }; /* and PIPE_BUF */

enum { READER, WRITER };

struct pipe {
    struct sim_file ends[2];
    bool open[2];
    struct sim_ring ring;
    uint32_t first, used; /* pages */
    uint32_t taken;       /* bytes, from the first */
    uint16_t filled[];    /* how far each is */
};

static struct pipe *pipe_of(struct sim_file *file, int end)
{
    return LINK_OWNER(file, struct pipe, ends[end]);
}

/* ---- Pages --------------------------------------------------------------------------------- */

static uint32_t page(void)
{
    return machine->config.room < PAGE ? machine->config.room : PAGE;
}

static uint32_t pages(void)
{
    return machine->config.room / page();
}

static size_t size_of_pipe(void)
{
    return sizeof(struct pipe) + pages() * sizeof(uint16_t);
}

static bool is_full(const struct pipe *pipe)
{
    return pipe->used == pages();
}

static uint16_t *page_at(struct pipe *pipe, uint32_t index)
{
    return &pipe->filled[(pipe->first + index) % pages()];
}

/* How much of so many bytes goes into the last page. */
static uint32_t joins(struct pipe *pipe, size_t size)
{
    uint32_t odd = (uint32_t)(size % page());
    return pipe->used > 0 && *page_at(pipe, pipe->used - 1) + odd <= page() ? odd : 0;
}

/* How much of them fits. */
static size_t fits(struct pipe *pipe, size_t size)
{
    size_t room = joins(pipe, size) + (size_t)(pages() - pipe->used) * page();
    return size < room ? size : room;
}

static void fill(struct pipe *pipe, uint32_t count, uint32_t joined)
{
    if (joined > 0)
        *page_at(pipe, pipe->used - 1) += (uint16_t)joined;
    for (uint32_t left = count - joined; left > 0;) {
        uint32_t n = left < page() ? left : page();
        *page_at(pipe, pipe->used++) = (uint16_t)n;
        left -= n;
    }
}

static void empty(struct pipe *pipe, uint32_t count)
{
    pipe->taken += count;
    while (pipe->used > 0 && pipe->taken >= *page_at(pipe, 0)) {
        pipe->taken -= *page_at(pipe, 0);
        pipe->first = (pipe->first + 1) % pages();
        pipe->used--;
    }
}

/* ---- Ends ---------------------------------------------------------------------------------- */

static uint32_t ready_reader(struct sim_file *file)
{
    const struct pipe *pipe = pipe_of(file, READER);
    return (pipe->ring.count > 0 ? (uint32_t)ROUSE_READ : 0) |
           (pipe->open[WRITER] ? 0 : (uint32_t)ROUSE_HANGUP);
}

static uint32_t ready_writer(struct sim_file *file)
{
    const struct pipe *pipe = pipe_of(file, WRITER);
    return (is_full(pipe) ? 0 : (uint32_t)ROUSE_WRITE) |
           (pipe->open[READER] ? 0 : (uint32_t)ROUSE_ERROR);
}

static int64_t read_pipe(struct sim_file *file, void *buffer, size_t size)
{
    struct pipe *pipe = pipe_of(file, READER);
    if (pipe->ring.count == 0)
        return size == 0 || !pipe->open[WRITER] ? 0 : -EAGAIN;
    bool was_full = is_full(pipe);
    uint32_t n = ring_get(&pipe->ring, buffer, size);
    empty(pipe, n);
    machine_step(ROUSE_SIM_COPIED_OUT, file->id, n);
    if (was_full && !is_full(pipe))
        queue_walk(&pipe->ends[WRITER], ROUSE_WRITE);
    if (pipe->ring.count > 0)
        queue_pass_on(file);
    return n;
}

static int64_t write_pipe(struct sim_file *file, const void *data, size_t size)
{
    struct pipe *pipe = pipe_of(file, WRITER);
    if (size == 0)
        return 0;
    if (!pipe->open[READER])
        return -EPIPE;
    size_t fitting = fits(pipe, size);
    if (fitting == 0) { /* which wakes those who watch the reader all the same */
        queue_walk(&pipe->ends[READER], ROUSE_READ);
        return -EAGAIN;
    }
    uint32_t n = ring_put(&pipe->ring, data, fitting);
    if (n == 0)
        return -ENOMEM;
    fill(pipe, n, joins(pipe, size));
    machine_step(ROUSE_SIM_COPIED_IN, file->id, n);
    queue_walk(&pipe->ends[READER], ROUSE_READ);
    if (!is_full(pipe))
        queue_pass_on(file);
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
        queue_walk_all(&pipe->ends[!end], told);
        return;
    }
    ring_close(&pipe->ring);
    machine_free(pipe, size_of_pipe());
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
                .refusal = -EBADF,
                .ready = ready_reader,
                .read = read_pipe,
                .look = look_at_reader,
                .release = release_reader},
    [WRITER] = {.name = ROUSE_SIM_PIPE,
                .system = ROUSE_KIND_PIPE,
                .exclusive = true,
                .refusal = -EBADF,
                .whole = PAGE,
                .ready = ready_writer,
                .write = write_pipe,
                .look = look_at_writer,
                .release = release_writer},
};

int rouse_sim_pipe(rouse_fd fds[2])
{
    if (machine == NULL || fds == NULL)
        return -EINVAL;
    struct pipe *pipe = machine_new(size_of_pipe());
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
