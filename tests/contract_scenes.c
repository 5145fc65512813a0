/*
 * The situations of the readiness matrix, made one by one: each function leaves a descriptor in the
 * state that its name says.
 *
 * What the kernel does in its own time (a reset, a refusal, a line of a terminal) is awaited, so
 * that the state has been reached when the function returns.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract_scenes.h"

/* One end of a pair is watched. */
static void pair(struct scene *scene, enum world_kind kind, int end)
{
    rouse_fd ends[2];
    contract_pair(kind, ends);
    scene->fd = ends[end];
    scene->others[0] = ends[!end];
}

static void end_peer(struct scene *scene)
{
    MUST(world_close(scene->others[0]));
    scene->others[0] = -1;
}

static void send_byte(struct scene *scene)
{
    MUST(world_send(scene->others[0], "x", 1));
    world_await(scene->fd, ROUSE_READ);
}

/* ---- Pipes -------------------------------------------------------------------------------- */

void pipe_reader_empty(struct scene *scene)
{
    pair(scene, WORLD_PIPE, 0);
}

void pipe_reader_with_data(struct scene *scene)
{
    pair(scene, WORLD_PIPE, 0);
    send_byte(scene);
}

void pipe_reader_with_data_and_no_writer(struct scene *scene)
{
    pipe_reader_with_data(scene);
    end_peer(scene);
}

void pipe_reader_at_the_end(struct scene *scene)
{
    pair(scene, WORLD_PIPE, 0);
    end_peer(scene);
}

void pipe_writer_empty(struct scene *scene)
{
    pair(scene, WORLD_PIPE, 1);
}

void pipe_writer_full(struct scene *scene)
{
    pair(scene, WORLD_PIPE, 1);
    MUST(world_fill(scene->fd));
}

void pipe_writer_without_a_reader(struct scene *scene)
{
    pair(scene, WORLD_PIPE, 1);
    end_peer(scene);
}

void pipe_writer_full_without_a_reader(struct scene *scene)
{
    pipe_writer_full(scene);
    end_peer(scene);
}

void fifo_never_written(struct scene *scene)
{
    MUST(world_fifo(&scene->fd, false));
}

void fifo_whose_writer_has_gone(struct scene *scene)
{
    MUST(world_fifo(&scene->fd, true));
}

/* ---- Streams ------------------------------------------------------------------------------ */

void unix_idle(struct scene *scene)
{
    pair(scene, WORLD_UNIX, 0);
}

void unix_with_data(struct scene *scene)
{
    pair(scene, WORLD_UNIX, 0);
    send_byte(scene);
}

void unix_full(struct scene *scene)
{
    pair(scene, WORLD_UNIX, 0);
    MUST(world_fill(scene->fd));
}

void unix_full_and_peer_stopped_writing(struct scene *scene)
{
    unix_full(scene);
    MUST(world_shut(scene->others[0], ROUSE_WRITE));
}

void unix_peer_stopped_writing(struct scene *scene)
{
    pair(scene, WORLD_UNIX, 0);
    MUST(world_shut(scene->others[0], ROUSE_WRITE));
}

void unix_peer_closed(struct scene *scene)
{
    pair(scene, WORLD_UNIX, 0);
    end_peer(scene);
}

void unix_peer_closed_with_unread_data(struct scene *scene)
{
    pair(scene, WORLD_UNIX, 0);
    MUST(world_send(scene->fd, "x", 1));
    end_peer(scene);
}

void unix_own_reading_shut(struct scene *scene)
{
    pair(scene, WORLD_UNIX, 0);
    MUST(world_shut(scene->fd, ROUSE_READ));
}

void unix_own_both_shut(struct scene *scene)
{
    pair(scene, WORLD_UNIX, 0);
    MUST(world_shut(scene->fd, ROUSE_READ | ROUSE_WRITE));
}

void tcp_idle(struct scene *scene)
{
    pair(scene, WORLD_TCP, 0);
}

void tcp_with_data(struct scene *scene)
{
    pair(scene, WORLD_TCP, 0);
    send_byte(scene);
}

void tcp_peer_stopped_writing(struct scene *scene)
{
    pair(scene, WORLD_TCP, 0);
    MUST(world_shut(scene->others[0], ROUSE_WRITE));
    world_await(scene->fd, ROUSE_READ | ROUSE_HANGUP);
}

void tcp_peer_closed(struct scene *scene)
{
    pair(scene, WORLD_TCP, 0);
    end_peer(scene);
    world_await(scene->fd, ROUSE_READ | ROUSE_HANGUP);
}

void tcp_peer_closed_and_written_to(struct scene *scene)
{
    tcp_peer_closed(scene);
    MUST(world_send(scene->fd, "x", 1));
    world_await(scene->fd, ROUSE_ERROR);
}

void tcp_reset_by_peer(struct scene *scene)
{
    pair(scene, WORLD_TCP, 0);
    MUST(world_reset(scene->others[0]));
    scene->others[0] = -1;
    world_await(scene->fd, ROUSE_ERROR);
}

void tcp_own_writing_shut(struct scene *scene)
{
    pair(scene, WORLD_TCP, 0);
    MUST(world_shut(scene->fd, ROUSE_WRITE));
}

void tcp_own_both_shut(struct scene *scene)
{
    pair(scene, WORLD_TCP, 0);
    MUST(world_shut(scene->fd, ROUSE_READ | ROUSE_WRITE));
}

void tcp_urgent_byte(struct scene *scene)
{
    pair(scene, WORLD_TCP, 0);
    MUST(world_priority(scene->others[0], '!'));
    world_await(scene->fd, ROUSE_PRIORITY);
}

void tcp_never_connected(struct scene *scene)
{
    MUST(world_unconnected(&scene->fd));
}

void tcp_refused(struct scene *scene)
{
    MUST(world_refused(&scene->fd));
}

void tcp_refused_and_told(struct scene *scene)
{
    MUST(world_refused(&scene->fd));
    assert_int_equal(world_take_error(scene->fd), -ECONNREFUSED);
}

void listener_idle(struct scene *scene)
{
    MUST(world_listen(&scene->fd));
}

void listener_with_a_client(struct scene *scene)
{
    MUST(world_listen(&scene->fd));
    MUST(world_connect(scene->fd, &scene->others[0]));
    world_await(scene->fd, ROUSE_READ);
}

void listener_whose_client_has_gone(struct scene *scene)
{
    listener_with_a_client(scene);
    end_peer(scene);
}

/* ---- Messages ----------------------------------------------------------------------------- */

void datagram_idle(struct scene *scene)
{
    pair(scene, WORLD_DATAGRAM, 0);
}

void datagram_waiting(struct scene *scene)
{
    pair(scene, WORLD_DATAGRAM, 0);
    send_byte(scene);
}

void seqpacket_peer_closed(struct scene *scene)
{
    pair(scene, WORLD_SEQPACKET, 0);
    end_peer(scene);
}

void udp_idle(struct scene *scene)
{
    pair(scene, WORLD_UDP, 0);
}

void udp_waiting(struct scene *scene)
{
    pair(scene, WORLD_UDP, 0);
    send_byte(scene);
}

void udp_refused(struct scene *scene)
{
    MUST(world_refused_datagram(&scene->fd, false));
}

void udp_refused_and_told(struct scene *scene)
{
    MUST(world_refused_datagram(&scene->fd, false));
    assert_int_equal(world_take_error(scene->fd), -ECONNREFUSED);
}

/* ---- Others ------------------------------------------------------------------------------- */

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

void timerfd_expired(struct scene *scene)
{
    MUST(world_timerfd(&scene->fd));
}

void timerfd_read(struct scene *scene)
{
    MUST(world_timerfd(&scene->fd));
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

void terminal_idle(struct scene *scene)
{
    pair(scene, WORLD_PTY, 0);
}

void terminal_with_a_line(struct scene *scene)
{
    pair(scene, WORLD_PTY, 0);
    MUST(world_send(scene->others[0], "x\n", 2));
    world_await(scene->fd, ROUSE_READ);
}

void terminal_without_a_master(struct scene *scene)
{
    pair(scene, WORLD_PTY, 0);
    end_peer(scene);
}

void master_idle(struct scene *scene)
{
    pair(scene, WORLD_PTY, 1);
}

void master_without_a_terminal(struct scene *scene)
{
    pair(scene, WORLD_PTY, 1);
    end_peer(scene);
}
