/*
 * The situations of the readiness matrix, continued: kernel objects, files and terminals.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract_scenes.h"

/* ---- What stands for a counter, a timer, a signal, a directory, a process ------------------ */

void eventfd_0(struct scene *scene)
{
    MUST(world_eventfd(&scene->fd));
}

void eventfd_1(struct scene *scene)
{
    MUST(world_eventfd(&scene->fd));
    MUST(world_send(scene->fd, &(uint64_t){1}, 8));
}

void eventfd_max(struct scene *scene)
{
    MUST(world_eventfd(&scene->fd));
    MUST(world_send(scene->fd, &(uint64_t){UINT64_MAX - 1}, 8));
}

void timerfd_unarmed(struct scene *scene)
{
    MUST(world_timerfd(&scene->fd, false));
}

void timerfd_expired(struct scene *scene)
{
    MUST(world_timerfd(&scene->fd, true));
}

void timerfd_read(struct scene *scene)
{
    MUST(world_timerfd(&scene->fd, true));
    MUST(world_drain(scene->fd));
}

void signalfd_idle(struct scene *scene)
{
    MUST(world_signalfd(&scene->fd));
    MUST(world_drain(scene->fd)); /* of what another case has left */
}

void signalfd_pending(struct scene *scene)
{
    MUST(world_signalfd(&scene->fd));
    MUST(world_signal());
}

void inotify_with_tidings(struct scene *scene)
{
    MUST(world_inotify(&scene->fd));
}

void pidfd_of_a_running_process(struct scene *scene)
{
    MUST(world_pidfd(&scene->fd, WORLD_RUNS));
}

void pidfd_of_an_ended_process(struct scene *scene)
{
    MUST(world_pidfd(&scene->fd, WORLD_HAS_ENDED));
}

void pidfd_of_a_reaped_process(struct scene *scene)
{
    MUST(world_pidfd(&scene->fd, WORLD_WAS_REAPED));
}

void epoll_of_nothing_ready(struct scene *scene)
{
    rouse_fd ends[2];
    contract_pair(WORLD_PIPE, ends);
    scene->others[0] = ends[0];
    scene->others[1] = ends[1];
    MUST(world_nest(ends[0], &scene->fd));
}

void epoll_of_something_ready(struct scene *scene)
{
    epoll_of_nothing_ready(scene);
    MUST(world_send(scene->others[1], "x", 1));
}

/* ---- Files -------------------------------------------------------------------------------- */

void regular_file(struct scene *scene)
{
    MUST(world_file(&scene->fd));
}

void directory(struct scene *scene)
{
    MUST(world_directory(&scene->fd));
}

void null_device(struct scene *scene)
{
    MUST(world_null(&scene->fd));
}

void zero_device(struct scene *scene)
{
    MUST(world_zero(&scene->fd));
}

void random_device(struct scene *scene)
{
    MUST(world_random(&scene->fd));
}

void memory_file(struct scene *scene)
{
    MUST(world_memory_file(&scene->fd));
}

void mounts_file(struct scene *scene)
{
    MUST(world_mounts(&scene->fd));
}

/* ---- Terminals ---------------------------------------------------------------------------- */

void terminal_idle(struct scene *scene)
{
    scene_pair(scene, WORLD_PTY, 0);
}

void terminal_with_a_line(struct scene *scene)
{
    scene_pair(scene, WORLD_PTY, 0);
    MUST(world_send(scene->others[0], "x\n", 2));
    world_await(scene->fd, ROUSE_READ);
}

void terminal_without_a_master(struct scene *scene)
{
    scene_pair(scene, WORLD_PTY, 0);
    scene_end_peer(scene);
}

void master_idle(struct scene *scene)
{
    scene_pair(scene, WORLD_PTY, 1);
}

void master_without_a_terminal(struct scene *scene)
{
    scene_pair(scene, WORLD_PTY, 1);
    scene_end_peer(scene);
}
