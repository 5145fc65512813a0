/*
 * Descriptors: numbers into the table of one process, each slot of which holds an open file. A new
 * one gets the lowest free number. Several may hold the same file, which counts them, and is
 * released when nobody holds it any more: a call in progress holds it too.
 *
 * Linux: fs/file.c, alloc_fd(); fs/file_table.c, fput(); fs/read_write.c, vfs_read().
 *
 * SPDX-License-Identifier: MIT
 */
#include "kernel.h"

void file_init(struct sim_file *file, const struct sim_kind *kind)
{
    *file = (struct sim_file){.kind = kind, .references = 1, .blocks = true};
    file->id = ++machine->ids;
    link_init(&file->queue);
    link_init(&file->watched);
}

void file_take(struct sim_file *file)
{
    file->references++;
}

static void release(struct sim_file *file)
{
    eventpoll_forget(file);
    file->kind->release(file);
}

void file_drop(struct sim_file *file)
{
    if (--file->references > 0)
        return;
    if (machine->walks > 0)
        link_append(&machine->dropped, &file->dropped);
    else
        release(file);
}

void file_release_dropped(void)
{
    while (machine->walks == 0 && !link_empty(&machine->dropped)) {
        struct rouse_link *link = machine->dropped.next;
        link_remove(link);
        release(LINK_OWNER(link, struct sim_file, dropped));
    }
}

int file_number(void)
{
    uint32_t number = machine->lowest;
    while (number < machine->config.descriptors && machine->files[number] != NULL)
        number++;
    machine->lowest = number;
    return number < machine->config.descriptors ? (int)number : -EMFILE;
}

int file_open(struct sim_file *file)
{
    int number = file_number();
    if (number >= 0)
        machine->files[number] = file;
    else
        file_drop(file);
    return number;
}

struct sim_file *file_of(rouse_fd fd)
{
    bool exists = machine != NULL && fd >= 0 && fd < (rouse_fd)machine->config.descriptors;
    return exists ? machine->files[fd] : NULL;
}

int rouse_sim_close(rouse_fd fd)
{
    struct sim_file *file = file_of(fd);
    if (file == NULL)
        return -EBADF;
    machine->files[fd] = NULL;
    if ((uint32_t)fd < machine->lowest)
        machine->lowest = (uint32_t)fd;
    file_drop(file);
    return 0;
}

int rouse_sim_dup(rouse_fd fd)
{
    struct sim_file *file = file_of(fd);
    if (file == NULL)
        return -EBADF;
    file_take(file);
    return file_open(file);
}

int rouse_sim_dup2(rouse_fd fd, rouse_fd number)
{
    struct sim_file *file = file_of(fd);
    if (file == NULL || number < 0 || number >= (rouse_fd)machine->config.descriptors)
        return -EBADF;
    if (fd == number)
        return (int)number;
    file_take(file);
    rouse_sim_close(number);
    machine->files[number] = file;
    return (int)number;
}

int rouse_sim_block(rouse_fd fd, int blocks)
{
    struct sim_file *file = file_of(fd);
    if (file == NULL)
        return -EBADF;
    file->blocks = blocks != 0;
    return 0;
}

uint32_t file_ask(struct sim_file *file, struct sim_entry *entry)
{
    if (entry != NULL)
        queue_link(entry, file);
    machine_step(ROUSE_SIM_ASKED, file->id, 1);
    return file->kind->ready(file);
}

uint32_t file_concerns(uint32_t ready, uint32_t want)
{
    if ((ready & SIM_HALF) && (want & ROUSE_HANGUP))
        ready |= ROUSE_HANGUP;
    uint32_t directions = want & (ROUSE_READ | ROUSE_PRIORITY | ROUSE_WRITE);
    return ready & (directions | ROUSE_ERROR | ROUSE_HANGUP);
}

/* What is left of a size when a count is to be short, which is more than so many bytes. */
static size_t shortened(size_t size, size_t whole)
{
    if (size < 2 || size <= whole || !machine_fails(ROUSE_SIM_SHORT_COUNT))
        return size;
    return 1 + (size_t)(machine_random() % (size - 1));
}

/* A short count says that there is no more; so if there is, it has come right behind. */
static void tell_of_rest(struct sim_file *file, int64_t n, size_t size, uint32_t direction)
{
    if (n > 0 && (size_t)n < size && machine->config.faults.short_counts != 0 &&
        (file->kind->ready(file) & direction))
        queue_walk(file, direction);
}

/* Whether a call that would sleep has done so, and is to be tried again now that it is awake. */
static bool sleeps(struct sim_file *file, int64_t *result, bool waits)
{
    if (*result != -EAGAIN || !waits || !file->blocks)
        return false;
    *result = task_sleep_on(file, file->kind->exclusive);
    return *result == 0;
}

int64_t file_read(rouse_fd fd, void *buffer, size_t size, bool waits)
{
    struct sim_file *file = file_of(fd);
    if (file == NULL || file->kind->read == NULL)
        return file == NULL ? -EBADF : file->kind->refusal;
    machine_step(ROUSE_SIM_CALLED, file->id, 1);
    file_take(file);
    int64_t n;
    do
        n = file->kind->read(file, buffer, shortened(size, 0));
    while (sleeps(file, &n, waits));
    tell_of_rest(file, n, size, ROUSE_READ);
    file_drop(file);
    task_answered();
    return n;
}

/* What surprises: as a task that was asleep comes again, a write tells what it has written at once,
 * and not only when all is. */
int64_t file_write(rouse_fd fd, const void *data, size_t size, bool waits)
{
    struct sim_file *file = file_of(fd);
    if (file == NULL || file->kind->write == NULL)
        return file == NULL ? -EBADF : file->kind->refusal;
    machine_step(ROUSE_SIM_CALLED, file->id, 1);
    file_take(file);
    int64_t n;
    do
        n = file->kind->write(file, data, shortened(size, file->kind->whole));
    while (sleeps(file, &n, waits));
    tell_of_rest(file, n, size, ROUSE_WRITE);
    file_drop(file);
    task_answered();
    return n;
}

int64_t rouse_sim_read(rouse_fd fd, void *buffer, size_t size)
{
    return file_read(fd, buffer, size, true);
}

int64_t rouse_sim_write(rouse_fd fd, const void *data, size_t size)
{
    return file_write(fd, data, size, true);
}

int rouse_sim_shut(rouse_fd fd, uint32_t directions)
{
    struct sim_file *file = file_of(fd);
    if (file == NULL)
        return -EBADF;
    return file->kind->shut != NULL ? file->kind->shut(file, directions) : -ENOTSOCK;
}

int rouse_sim_error(rouse_fd fd)
{
    struct sim_file *file = file_of(fd);
    if (file == NULL)
        return -EBADF;
    return file->kind->error != NULL ? file->kind->error(file) : -ENOTSOCK;
}

int rouse_sim_look(rouse_fd fd, struct rouse_sim_file *look)
{
    struct sim_file *file = file_of(fd);
    if (file == NULL)
        return -EBADF;
    *look = (struct rouse_sim_file){.object = file->id,
                                    .references = file->references,
                                    .kind = file->kind->name,
                                    .blocks = file->blocks,
                                    .room = machine->config.room};
    file->kind->look(file, look);
    look->ready &= ROUSE_READ | ROUSE_PRIORITY | ROUSE_WRITE | ROUSE_ERROR | ROUSE_HANGUP;
    return 0;
}
