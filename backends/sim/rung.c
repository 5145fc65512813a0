/*
 * What a loop finds on the machine in place of the operating system: its clock and its calls. A
 * server that reads, writes and accepts through the loop runs here unchanged.
 *
 * What surprises: a wake from another thread comes at a moment that no seed decides. What is to be
 * the same in every run is done by tasks and events of the machine.
 *
 * SPDX-License-Identifier: MIT
 */
#include "rung.h"

#include <string.h>

#include "kernel.h"

int rung_open(struct sim_rung *rung, const struct rouse_setup *setup)
{
    static const char why[] = "there is no machine to run on: see rouse_sim_boot()";
    rung->work = setup->work;
    if (machine != NULL)
        return 0;
    if (setup->why_size >= sizeof why)
        memcpy(setup->why, why, sizeof why);
    return -ENODEV;
}

int rung_wake(void *state)
{
    struct sim_rung *rung = state;
    atomic_store(&rung->woken, true);
    return 0;
}

int rung_enter(struct sim_rung *rung, int64_t *timeout_ns)
{
    if (machine == NULL)
        return -ENODEV;
    if (machine->running != &machine->first)
        return -EPERM;
    machine->woken = &rung->woken;
    if (atomic_load(&rung->woken))
        *timeout_ns = 0;
    return 0;
}

int rung_leave(struct sim_rung *rung, int n)
{
    machine->woken = NULL;
    atomic_store(&rung->woken, false);
    return n == -EINTR ? 0 : n;
}

static int system_check(rouse_fd fd)
{
    return file_of(fd) != NULL ? 0 : -EBADF;
}

static int system_kind(rouse_fd fd)
{
    const struct sim_file *file = file_of(fd);
    return file != NULL ? (int)file->kind->system : ROUSE_KIND_OTHER;
}

static bool may_block(int kind)
{
    return kind != ROUSE_KIND_STREAM && kind != ROUSE_KIND_SOCKET;
}

static ssize_t system_read(rouse_fd fd, int kind, void *buffer, size_t size)
{
    return (ssize_t)file_read(fd, buffer, size, may_block(kind));
}

static ssize_t system_write(rouse_fd fd, int kind, const void *data, size_t size)
{
    return (ssize_t)file_write(fd, data, size, may_block(kind));
}

static int system_accept(rouse_fd fd, rouse_fd *accepted)
{
    int result = rouse_sim_accept(fd);
    if (result < 0)
        return result;
    *accepted = result;
    return rouse_sim_block(result, false);
}

static int system_take_error(rouse_fd fd)
{
    return rouse_sim_error(fd);
}

static int system_close(rouse_fd fd)
{
    return rouse_sim_close(fd);
}

const struct rouse_system rung_system = {
    .now = rouse_sim_now,
    .check = system_check,
    .kind = system_kind,
    .read = system_read,
    .write = system_write,
    .accept = system_accept,
    .take_error = system_take_error,
    .close = system_close,
};
