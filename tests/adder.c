/*
 * A backend that somebody adds: written from the contract alone, in one page, for descriptors that
 * exist only in its own model. They are cells, each of which holds a number of bytes; READ is ready
 * while there are some, WRITE while there is room. With its own table of system calls and a wake of
 * its own the loop runs on it and never meets the operating system.
 *
 * Runs once: it is itself the backend.
 *
 * SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include <rouse/backend.h>
#include <stdatomic.h>

#include "stage.h"

enum { CELLS = 8, ROOM = 4 };

/* ---- The model ---- */

static struct cell {
    bool open;
    int bytes;
} cells[CELLS];

static uint32_t cell_ready(rouse_fd fd)
{
    return (cells[fd].bytes > 0 ? (uint32_t)ROUSE_READ : 0) |
           (cells[fd].bytes < ROOM ? (uint32_t)ROUSE_WRITE : 0);
}

static int64_t cell_now(void)
{
    return STAGE_START;
}

static int cell_check(rouse_fd fd)
{
    return fd >= 0 && fd < CELLS && cells[fd].open ? 0 : -EBADF;
}

static int cell_kind(rouse_fd fd)
{
    (void)fd;
    return ROUSE_KIND_PIPE;
}

static ssize_t cell_read(rouse_fd fd, int kind, void *buffer, size_t size)
{
    (void)kind;
    int n = cells[fd].bytes < (int)size ? cells[fd].bytes : (int)size;
    if (n == 0)
        return -EAGAIN;
    memset(buffer, 'x', (size_t)n);
    cells[fd].bytes -= n;
    return n;
}

static ssize_t cell_write(rouse_fd fd, int kind, const void *data, size_t size)
{
    (void)kind;
    (void)data;
    int room = ROOM - cells[fd].bytes;
    int n = room < (int)size ? room : (int)size;
    cells[fd].bytes += n;
    return n > 0 ? n : -EAGAIN;
}

static int cell_accept(rouse_fd fd, rouse_fd *accepted)
{
    (void)fd;
    (void)accepted;
    return -EINVAL;
}

static int cell_take_error(rouse_fd fd)
{
    (void)fd;
    return 0;
}

static int cell_close(rouse_fd fd)
{
    int error = cell_check(fd);
    if (error == 0)
        cells[fd].open = false;
    return error;
}

static const struct rouse_system cell_system = {
    .now = cell_now,
    .check = cell_check,
    .kind = cell_kind,
    .read = cell_read,
    .write = cell_write,
    .accept = cell_accept,
    .take_error = cell_take_error,
    .close = cell_close,
};

/* ---- The backend ---- */

struct cells_state {
    uint32_t wanted[CELLS];
    uint64_t tokens[CELLS];
    struct rouse_work *work;
    int first; /* where the walk begins */
    atomic_bool woken;
};

static int cells_opened, cells_closed;

static int cells_open(void *opaque, const struct rouse_setup *setup)
{
    struct cells_state *state = opaque;
    state->work = setup->work;
    cells_opened++;
    return 0;
}

static void cells_close(void *opaque)
{
    (void)opaque;
    cells_closed++;
}

static void cells_drop(void *opaque, rouse_fd fd, uint64_t token)
{
    struct cells_state *state = opaque;
    (void)token;
    state->wanted[fd] = 0;
}

static int cells_poll(void *opaque, const struct rouse_change *changes, int nchanges,
                      struct rouse_event *events, int nevents, int64_t timeout_ns)
{
    struct cells_state *state = opaque;
    int n = 0;
    for (int i = 0; i < nchanges; i++) {
        if (cell_check(changes[i].fd) != 0) {
            events[n++] = (struct rouse_event){changes[i].token, ROUSE_ERROR, -EBADF};
            continue;
        }
        state->wanted[changes[i].fd] = changes[i].want;
        state->tokens[changes[i].fd] = changes[i].token;
    }
    do {
        int fd = state->first;
        for (int walked = 0; walked < CELLS && n < nevents; walked++, fd = (fd + 1) % CELLS) {
            uint32_t ready = state->wanted[fd] & cell_ready(fd);
            if (ready != 0)
                events[n++] = (struct rouse_event){.token = state->tokens[fd], .ready = ready};
            state->work->scanned++;
        }
        state->first = fd;
    } while (n == 0 && timeout_ns < 0 && !atomic_exchange(&state->woken, false));
    return n;
}

static int cells_wake(void *opaque)
{
    struct cells_state *state = opaque;
    atomic_store(&state->woken, true);
    return 0;
}

static const struct rouse_backend cells_backend = {
    .abi = ROUSE_BACKEND_ABI,
    .name = "cells",
    .state_size = sizeof(struct cells_state),
    .fd_limit = CELLS,
    .open = cells_open,
    .close = cells_close,
    .poll = cells_poll,
    .drop = cells_drop,
    .wake = cells_wake,
    .system = &cell_system,
};

/* ---- The cases ---- */

static struct rouse_loop *loop;
static struct player a, b;

static int set_up(void **state)
{
    (void)state;
    for (int i = 0; i < CELLS; i++)
        cells[i] = (struct cell){.open = true};
    cells_opened = cells_closed = 0;
    struct rouse_config config = {.size = sizeof config, .own = &cells_backend};
    CHECK_OK(NULL, rouse_open(&loop, &config));
    player_init(&a, loop, 'a', NULL);
    player_init(&b, loop, 'b', NULL);
    journal_take();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    CHECK_OK(NULL, rouse_close(loop));
    assert_int_equal(cells_opened, cells_closed);
    return 0;
}

static void loop_on_a_model_takes_no_descriptor_of_the_system(void **state)
{
    (void)state;
    unsigned descriptors = world_open_descriptors();
    struct rouse_config config = {.size = sizeof config, .own = &cells_backend};
    struct rouse_loop *second = NULL;
    CHECK_OK(NULL, rouse_open(&second, &config));
    assert_int_equal(world_open_descriptors(), descriptors);
    assert_string_equal(rouse_backend_name(second), "cells");
    CHECK_OK(NULL, rouse_close(second));
    assert_int_equal(cells_opened, 2);
    assert_int_equal(cells_closed, 1);
}

static void level_watchers_run_on_it(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_io_start(loop, &a.io, 3, ROUSE_READ));
    CHECK_OK(loop, rouse_io_start(loop, &b.io, 5, ROUSE_READ | ROUSE_WRITE));
    assert_int_equal(rouse_turn(loop, -1), 1);
    assert_int_equal(b.ready, ROUSE_WRITE);
    cells[3].bytes = 2;
    cells[5].bytes = ROOM;
    assert_int_equal(rouse_turn(loop, -1), 2);
    assert_int_equal(a.ready, ROUSE_READ);
    assert_int_equal(b.ready, ROUSE_READ);
    CHECK_OK(loop, rouse_io_stop(&b.io));
    journal_take();
    assert_int_equal(rouse_turn(loop, -1), 1);
    CHECK_JOURNAL("a");
    assert_int_equal(stage_counters(loop).stale, 0);
}

static ssize_t last_read;

static void read_two(struct player *self)
{
    char buffer[2];
    last_read = rouse_read(&self->io, buffer, sizeof buffer);
}

static void edge_watchers_run_on_it_by_level(void **state)
{
    (void)state;
    a.also = read_two;
    CHECK_OK(loop, rouse_io_start(loop, &a.io, 0, ROUSE_READ | ROUSE_EDGE));
    cells[0].bytes = 3;
    assert_int_equal(rouse_turn(loop, 0), 1);
    assert_int_equal(last_read, 2);
    assert_int_equal(rouse_turn(loop, 0), 1);
    assert_int_equal(last_read, 1);
    assert_int_equal(rouse_turn(loop, 0), 0);
    assert_int_equal(rouse_write(&a.io, "12345", 5), ROOM);
    assert_int_equal(rouse_write(&a.io, "1", 1), -EAGAIN);
    assert_int_equal(rouse_turn(loop, 0), 1);
}

static void its_own_system_is_asked(void **state)
{
    (void)state;
    cells[2].open = false;
    assert_int_equal(rouse_io_start(loop, &a.io, 2, ROUSE_READ), -EBADF);
    assert_int_equal(rouse_io_start(loop, &a.io, CELLS, ROUSE_READ), -EBADF);
    assert_int_equal(rouse_now(loop), STAGE_START);
    CHECK_OK(loop, rouse_io_start(loop, &a.io, 4, ROUSE_READ));
    CHECK_OK(loop, rouse_io_close(&a.io));
    assert_false(cells[4].open);
}

static void descriptor_closed_behind_its_back_is_told(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_io_start(loop, &a.io, 6, ROUSE_READ));
    cells[6].open = false;
    assert_int_equal(rouse_turn(loop, -1), 1);
    assert_int_equal(a.ready, ROUSE_ERROR);
    assert_int_equal(rouse_turn(loop, 0), 0);
    CHECK_JOURNAL("a");
}

static void *wake_it(void *unused)
{
    (void)unused;
    rouse_post(loop, &b.task);
    return NULL;
}

/* Its poll spins until its own wake is rung: no notifier is watched. */
static void wake_of_its_own_ends_the_wait(void **state)
{
    (void)state;
    CHECK_OK(loop, rouse_hook_start(loop, &a.hook, ROUSE_ON_WAKE));
    CHECK_OK(NULL, rouse_wake(loop));
    assert_int_equal(rouse_turn(loop, -1), 0);
    CHECK_JOURNAL("a");
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake_it, NULL), 0);
    assert_int_equal(rouse_turn(loop, -1), 1);
    CHECK_JOURNAL("b");
    pthread_join(thread, NULL);
    assert_int_equal(stage_counters(loop).events, 0);
    CHECK_OK(loop, rouse_hook_stop(&a.hook));
}

static void its_work_is_counted(void **state)
{
    (void)state;
    assert_int_equal(rouse_turn(loop, 0), 0);
    assert_int_equal(stage_counters(loop).scanned, CELLS);
    assert_int_equal(stage_counters(loop).system_calls, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(loop_on_a_model_takes_no_descriptor_of_the_system),
        CASE(level_watchers_run_on_it),
        CASE(edge_watchers_run_on_it_by_level),
        CASE(its_own_system_is_asked),
        CASE(descriptor_closed_behind_its_back_is_told),
        CASE(wake_of_its_own_ends_the_wait),
        CASE(its_work_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
