/*
 * The situations of the readiness matrix, made one by one: each function leaves a descriptor in the
 * state that its name says. Here are those of pipes and sockets.
 *
 * What the kernel does in its own time (a reset, a refusal, a line of a terminal) is awaited, so
 * that the state has been reached when the function returns.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract_scenes.h"

void scene_pair(struct scene *scene, enum world_kind kind, int end)
{
    rouse_fd ends[2];
    contract_pair(kind, ends);
    scene->fd = ends[end];
    scene->others[0] = ends[!end];
}

void scene_end_peer(struct scene *scene)
{
    MUST(world_close(scene->others[0]));
    scene->others[0] = -1;
}

void scene_end(struct scene *scene)
{
    MUST(world_close(scene->fd));
    for (int i = 0; i < 2; i++)
        if (scene->others[i] >= 0)
            MUST(world_close(scene->others[i]));
    *scene = SCENE_NONE;
}

static void send_byte(struct scene *scene)
{
    MUST(world_send(scene->others[0], "x", 1));
    world_await(scene->fd, ROUSE_READ);
}

/* ---- Pipes -------------------------------------------------------------------------------- */

void pipe_reader_empty(struct scene *scene)
{
    scene_pair(scene, WORLD_PIPE, 0);
}

void pipe_reader_with_data(struct scene *scene)
{
    scene_pair(scene, WORLD_PIPE, 0);
    send_byte(scene);
}

void pipe_reader_with_data_and_no_writer(struct scene *scene)
{
    pipe_reader_with_data(scene);
    scene_end_peer(scene);
}

void pipe_reader_at_the_end(struct scene *scene)
{
    scene_pair(scene, WORLD_PIPE, 0);
    scene_end_peer(scene);
}

void pipe_writer_empty(struct scene *scene)
{
    scene_pair(scene, WORLD_PIPE, 1);
}

void pipe_writer_full(struct scene *scene)
{
    scene_pair(scene, WORLD_PIPE, 1);
    MUST(world_fill(scene->fd));
}

void pipe_writer_without_a_reader(struct scene *scene)
{
    scene_pair(scene, WORLD_PIPE, 1);
    scene_end_peer(scene);
}

void pipe_writer_full_without_a_reader(struct scene *scene)
{
    pipe_writer_full(scene);
    scene_end_peer(scene);
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
    scene_pair(scene, WORLD_UNIX, 0);
}

void unix_with_data(struct scene *scene)
{
    scene_pair(scene, WORLD_UNIX, 0);
    send_byte(scene);
}

void unix_full(struct scene *scene)
{
    scene_pair(scene, WORLD_UNIX, 0);
    MUST(world_fill(scene->fd));
}

void unix_full_and_peer_stopped_writing(struct scene *scene)
{
    unix_full(scene);
    MUST(world_shut(scene->others[0], ROUSE_WRITE));
}

void unix_peer_stopped_writing(struct scene *scene)
{
    scene_pair(scene, WORLD_UNIX, 0);
    MUST(world_shut(scene->others[0], ROUSE_WRITE));
}

void unix_peer_closed(struct scene *scene)
{
    scene_pair(scene, WORLD_UNIX, 0);
    scene_end_peer(scene);
}

void unix_peer_closed_with_unread_data(struct scene *scene)
{
    scene_pair(scene, WORLD_UNIX, 0);
    MUST(world_send(scene->fd, "x", 1));
    scene_end_peer(scene);
}

void unix_own_reading_shut(struct scene *scene)
{
    scene_pair(scene, WORLD_UNIX, 0);
    MUST(world_shut(scene->fd, ROUSE_READ));
}

void unix_own_both_shut(struct scene *scene)
{
    scene_pair(scene, WORLD_UNIX, 0);
    MUST(world_shut(scene->fd, ROUSE_READ | ROUSE_WRITE));
}

void tcp_idle(struct scene *scene)
{
    scene_pair(scene, WORLD_TCP, 0);
}

void tcp_with_data(struct scene *scene)
{
    scene_pair(scene, WORLD_TCP, 0);
    send_byte(scene);
}

void tcp_full(struct scene *scene)
{
    scene_pair(scene, WORLD_TCP, 0);
    MUST(world_fill_connection(scene->fd));
}

void tcp_full_and_peer_stopped_writing(struct scene *scene)
{
    tcp_full(scene);
    MUST(world_shut(scene->others[0], ROUSE_WRITE));
    world_await(scene->fd, ROUSE_READ | ROUSE_HANGUP);
}

void tcp_peer_stopped_writing(struct scene *scene)
{
    scene_pair(scene, WORLD_TCP, 0);
    MUST(world_shut(scene->others[0], ROUSE_WRITE));
    world_await(scene->fd, ROUSE_READ | ROUSE_HANGUP);
}

void tcp_peer_closed(struct scene *scene)
{
    scene_pair(scene, WORLD_TCP, 0);
    scene_end_peer(scene);
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
    scene_pair(scene, WORLD_TCP, 0);
    MUST(world_reset(scene->others[0]));
    scene->others[0] = -1;
    world_await(scene->fd, ROUSE_ERROR);
}

void tcp_own_writing_shut(struct scene *scene)
{
    scene_pair(scene, WORLD_TCP, 0);
    MUST(world_shut(scene->fd, ROUSE_WRITE));
}

void tcp_own_both_shut(struct scene *scene)
{
    scene_pair(scene, WORLD_TCP, 0);
    MUST(world_shut(scene->fd, ROUSE_READ | ROUSE_WRITE));
}

void tcp_urgent_byte(struct scene *scene)
{
    scene_pair(scene, WORLD_TCP, 0);
    MUST(world_priority(scene->others[0], '!'));
    world_await(scene->fd, ROUSE_PRIORITY);
}

void tcp_never_connected(struct scene *scene)
{
    MUST(world_unconnected(&scene->fd));
}

void tcp_bound_and_not_listening(struct scene *scene)
{
    MUST(world_bound(&scene->fd));
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
    scene_end_peer(scene);
}

/* ---- Messages ----------------------------------------------------------------------------- */

void datagram_idle(struct scene *scene)
{
    scene_pair(scene, WORLD_DATAGRAM, 0);
}

void datagram_waiting(struct scene *scene)
{
    scene_pair(scene, WORLD_DATAGRAM, 0);
    send_byte(scene);
}

void seqpacket_peer_closed(struct scene *scene)
{
    scene_pair(scene, WORLD_SEQPACKET, 0);
    scene_end_peer(scene);
}

void udp_idle(struct scene *scene)
{
    scene_pair(scene, WORLD_UDP, 0);
}

void udp_waiting(struct scene *scene)
{
    scene_pair(scene, WORLD_UDP, 0);
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
