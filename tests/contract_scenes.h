/*
 * The situations of the readiness matrix; contract_scenes.c and contract_objects.c make them.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CONTRACT_SCENES_H
#define CONTRACT_SCENES_H

#include "contract.h"

/* A descriptor to watch, and those that must stay open beside it; -1: none. */
struct scene {
    rouse_fd fd;
    rouse_fd others[2];
};

#define SCENE_NONE ((struct scene){-1, {-1, -1}})

/* Closes all of it. */
void scene_end(struct scene *scene);

/* What scenes are made of: a pair of which one end is watched; the other end is closed. */
void scene_pair(struct scene *scene, enum world_kind kind, int end);
void scene_end_peer(struct scene *scene);

void pipe_reader_empty(struct scene *scene);
void pipe_reader_with_data(struct scene *scene);
void pipe_reader_with_data_and_no_writer(struct scene *scene);
void pipe_reader_at_the_end(struct scene *scene);
void pipe_writer_empty(struct scene *scene);
void pipe_writer_full(struct scene *scene);
void pipe_writer_without_a_reader(struct scene *scene);
void pipe_writer_full_without_a_reader(struct scene *scene);
void fifo_never_written(struct scene *scene);
void fifo_whose_writer_has_gone(struct scene *scene);
void unix_idle(struct scene *scene);
void unix_with_data(struct scene *scene);
void unix_full(struct scene *scene);
void unix_full_and_peer_stopped_writing(struct scene *scene);
void unix_peer_stopped_writing(struct scene *scene);
void unix_peer_closed(struct scene *scene);
void unix_peer_closed_with_unread_data(struct scene *scene);
void unix_own_reading_shut(struct scene *scene);
void unix_own_both_shut(struct scene *scene);
void tcp_idle(struct scene *scene);
void tcp_with_data(struct scene *scene);
void tcp_full(struct scene *scene);
void tcp_full_and_peer_stopped_writing(struct scene *scene);
void tcp_peer_stopped_writing(struct scene *scene);
void tcp_peer_closed(struct scene *scene);
void tcp_peer_closed_and_written_to(struct scene *scene);
void tcp_reset_by_peer(struct scene *scene);
void tcp_own_writing_shut(struct scene *scene);
void tcp_own_both_shut(struct scene *scene);
void tcp_urgent_byte(struct scene *scene);
void tcp_never_connected(struct scene *scene);
void tcp_bound_and_not_listening(struct scene *scene);
void tcp_refused(struct scene *scene);
void tcp_refused_and_told(struct scene *scene);
void listener_idle(struct scene *scene);
void listener_with_a_client(struct scene *scene);
void listener_whose_client_has_gone(struct scene *scene);
void datagram_idle(struct scene *scene);
void datagram_waiting(struct scene *scene);
void seqpacket_peer_closed(struct scene *scene);
void udp_idle(struct scene *scene);
void udp_waiting(struct scene *scene);
void udp_refused(struct scene *scene);
void udp_refused_and_told(struct scene *scene);
void eventfd_0(struct scene *scene);
void eventfd_1(struct scene *scene);
void eventfd_max(struct scene *scene);
void timerfd_unarmed(struct scene *scene);
void timerfd_expired(struct scene *scene);
void timerfd_read(struct scene *scene);
void signalfd_idle(struct scene *scene);
void signalfd_pending(struct scene *scene);
void inotify_with_tidings(struct scene *scene);
void pidfd_of_a_running_process(struct scene *scene);
void pidfd_of_an_ended_process(struct scene *scene);
void pidfd_of_a_reaped_process(struct scene *scene);
void epoll_of_nothing_ready(struct scene *scene);
void epoll_of_something_ready(struct scene *scene);
void regular_file(struct scene *scene);
void directory(struct scene *scene);
void null_device(struct scene *scene);
void zero_device(struct scene *scene);
void random_device(struct scene *scene);
void memory_file(struct scene *scene);
void mounts_file(struct scene *scene);
void terminal_idle(struct scene *scene);
void terminal_with_a_line(struct scene *scene);
void terminal_without_a_master(struct scene *scene);
void master_idle(struct scene *scene);
void master_without_a_terminal(struct scene *scene);

#endif
