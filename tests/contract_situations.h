/*
 * The readiness matrix: what each kind of descriptor says in each situation to who wants READ,
 * WRITE, both, or PRIORITY. The answers are the same on all backends.
 *
 * Written down is what poll(2) reports on Linux, put through the rules of <rouse.h>: ERROR and
 * HANGUP come with what was wanted, and HANGUP tells of a peer's end to who reads. A backend that
 * cannot tell HANGUP and ERROR leaves these two out; and since it does not know of them, it also
 * leaves out a WRITE or PRIORITY that has no other cause: w and p. An h is a HANGUP that only newer
 * kernels tell.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef CONTRACT_SITUATIONS_H
#define CONTRACT_SITUATIONS_H

#include "contract_scenes.h"

struct situation {
    const char *name;
    void (*make)(struct scene *scene);
    const char *told[4]; /* to who wants READ, WRITE, READ | WRITE, PRIORITY */
};

#define SITUATION(make) #make, make

static const struct situation situations[] = {
    {SITUATION(pipe_reader_empty), {"", "", "", ""}},
    {SITUATION(pipe_reader_with_data), {"R", "", "R", ""}},
    {SITUATION(pipe_reader_with_data_and_no_writer), {"RH", "wH", "RH", "pH"}},
    {SITUATION(pipe_reader_at_the_end), {"RH", "wH", "RH", "pH"}},
    {SITUATION(pipe_writer_empty), {"", "W", "W", ""}},
    {SITUATION(pipe_writer_full), {"", "", "", ""}},
    {SITUATION(pipe_writer_without_a_reader), {"RE", "WE", "RWE", "pE"}},
    {SITUATION(pipe_writer_full_without_a_reader), {"RE", "WE", "RWE", "pE"}},
    {SITUATION(fifo_never_written), {"", "", "", ""}},
    {SITUATION(fifo_whose_writer_has_gone), {"RH", "wH", "RH", "pH"}},
    {SITUATION(unix_idle), {"", "W", "W", ""}},
    {SITUATION(unix_with_data), {"R", "W", "RW", ""}},
    {SITUATION(unix_full), {"", "", "", ""}},
    {SITUATION(unix_full_and_peer_stopped_writing), {"RH", "", "RH", ""}},
    {SITUATION(unix_peer_stopped_writing), {"RH", "W", "RWH", ""}},
    {SITUATION(unix_peer_closed), {"RH", "WH", "RWH", "pH"}},
    {SITUATION(unix_peer_closed_with_unread_data), {"REH", "WEH", "RWEH", "pEH"}},
    {SITUATION(unix_own_reading_shut), {"RH", "W", "RWH", ""}},
    {SITUATION(unix_own_both_shut), {"RH", "WH", "RWH", "pH"}},
    {SITUATION(tcp_idle), {"", "W", "W", ""}},
    {SITUATION(tcp_with_data), {"R", "W", "RW", ""}},
    {SITUATION(tcp_full), {"", "", "", ""}},
    {SITUATION(tcp_full_and_peer_stopped_writing), {"RH", "", "RH", ""}},
    {SITUATION(tcp_peer_stopped_writing), {"RH", "W", "RWH", ""}},
    {SITUATION(tcp_peer_closed), {"RH", "W", "RWH", ""}},
    {SITUATION(tcp_peer_closed_and_written_to), {"REH", "WEH", "RWEH", "pEH"}},
    {SITUATION(tcp_reset_by_peer), {"REH", "WEH", "RWEH", "pEH"}},
    {SITUATION(tcp_own_writing_shut), {"", "W", "W", ""}},
    {SITUATION(tcp_own_both_shut), {"RH", "WH", "RWH", "pH"}},
    {SITUATION(tcp_urgent_byte), {"", "W", "W", "P"}},
    {SITUATION(tcp_never_connected), {"RH", "WH", "RWH", "pH"}},
    {SITUATION(tcp_bound_and_not_listening), {"RH", "WH", "RWH", "pH"}},
    {SITUATION(tcp_refused), {"REH", "WEH", "RWEH", "pEH"}},
    {SITUATION(tcp_refused_and_told), {"RH", "WH", "RWH", "pH"}},
    {SITUATION(listener_idle), {"", "", "", ""}},
    {SITUATION(listener_with_a_client), {"R", "", "R", ""}},
    {SITUATION(listener_whose_client_has_gone), {"R", "", "R", ""}},
    {SITUATION(datagram_idle), {"", "W", "W", ""}},
    {SITUATION(datagram_waiting), {"R", "W", "RW", ""}},
    {SITUATION(seqpacket_peer_closed), {"RH", "WH", "RWH", "pH"}},
    {SITUATION(udp_idle), {"", "W", "W", ""}},
    {SITUATION(udp_waiting), {"R", "W", "RW", ""}},
    {SITUATION(udp_refused), {"RE", "WE", "RWE", "pE"}},
    {SITUATION(udp_refused_and_told), {"", "W", "W", ""}},
    {SITUATION(eventfd_0), {"", "W", "W", ""}},
    {SITUATION(eventfd_1), {"R", "W", "RW", ""}},
    {SITUATION(eventfd_max), {"R", "", "R", ""}},
    {SITUATION(timerfd_unarmed), {"", "", "", ""}},
    {SITUATION(timerfd_expired), {"R", "", "R", ""}},
    {SITUATION(timerfd_read), {"", "", "", ""}},
    {SITUATION(signalfd_idle), {"", "", "", ""}},
    {SITUATION(signalfd_pending), {"R", "", "R", ""}},
    {SITUATION(inotify_with_tidings), {"R", "", "R", ""}},
    {SITUATION(pidfd_of_a_running_process), {"", "", "", ""}},
    {SITUATION(pidfd_of_an_ended_process), {"R", "", "R", ""}},
    {SITUATION(pidfd_of_a_reaped_process), {"Rh", "wh", "Rh", "ph"}},
    {SITUATION(epoll_of_nothing_ready), {"", "", "", ""}},
    {SITUATION(epoll_of_something_ready), {"R", "", "R", ""}},
    {SITUATION(regular_file), {"R", "W", "RW", ""}},
    {SITUATION(directory), {"R", "W", "RW", ""}},
    {SITUATION(null_device), {"R", "W", "RW", ""}},
    {SITUATION(zero_device), {"R", "W", "RW", ""}},
    {SITUATION(random_device), {"R", "W", "RW", ""}},
    {SITUATION(memory_file), {"R", "W", "RW", ""}},
    {SITUATION(mounts_file), {"R", "", "R", ""}},
    {SITUATION(terminal_idle), {"", "W", "W", ""}},
    {SITUATION(terminal_with_a_line), {"R", "W", "RW", ""}},
    {SITUATION(terminal_without_a_master), {"REH", "WEH", "RWEH", "pEH"}},
    {SITUATION(master_idle), {"", "W", "W", ""}},
    {SITUATION(master_without_a_terminal), {"RH", "WH", "RWH", "pH"}},
};

enum { SITUATIONS = sizeof situations / sizeof situations[0] };

/* What kqueue may tell otherwise, because its kernels do; written down as NetBSD and FreeBSD have
 * it. The end on the side that writes is also one's own, so it is no HANGUP, and ends are nothing
 * to who wants PRIORITY. A refused datagram is told by the read alone. */
static const struct situation kqueue_situations[] = {
    {SITUATION(pipe_reader_empty), {"", "W", "W", ""}}, /* FreeBSD's pipes go both ways */
    {SITUATION(pipe_reader_with_data), {"R", "W", "RW", ""}},
    {SITUATION(pipe_reader_with_data_and_no_writer), {"RH", "WE", "RWE", ""}},
    {SITUATION(pipe_reader_at_the_end), {"RH", "WE", "RWE", ""}},
    {SITUATION(pipe_writer_without_a_reader), {"RH", "WE", "RWE", ""}},
    {SITUATION(pipe_writer_full_without_a_reader), {"RH", "WE", "RWE", ""}},
    {SITUATION(fifo_never_written), {"", "WE", "RWE", ""}},
    {SITUATION(fifo_whose_writer_has_gone), {"RH", "WE", "RWEH", ""}},
    {SITUATION(unix_peer_closed), {"RH", "W", "RWH", ""}},
    {SITUATION(unix_peer_closed_with_unread_data), {"RH", "W", "RWH", ""}},
    {SITUATION(unix_own_both_shut), {"RH", "W", "RWH", ""}},
    {SITUATION(tcp_peer_closed_and_written_to), {"REH", "WEH", "RWEH", ""}},
    {SITUATION(tcp_reset_by_peer), {"REH", "WEH", "RWEH", ""}},
    {SITUATION(tcp_own_both_shut), {"RH", "W", "RWH", ""}},
    {SITUATION(tcp_urgent_byte), {"", "W", "W", ""}},
    {SITUATION(tcp_never_connected), {"", "", "", ""}},
    {SITUATION(tcp_bound_and_not_listening), {"", "", "", ""}},
    {SITUATION(tcp_refused), {"REH", "WEH", "RWEH", ""}},
    {SITUATION(tcp_refused_and_told), {"RH", "W", "RWH", ""}},
    {SITUATION(seqpacket_peer_closed), {"RH", "W", "RWH", ""}},
    {SITUATION(udp_refused), {"R", "W", "RW", ""}},
    {SITUATION(epoll_of_nothing_ready), {"", "E", "E", ""}},
    {SITUATION(epoll_of_something_ready), {"R", "E", "E", ""}},
    {SITUATION(terminal_without_a_master), {"", "", "", ""}},
    {SITUATION(master_without_a_terminal), {"", "", "", ""}},
};

enum { KQUEUE_SITUATIONS = sizeof kqueue_situations / sizeof kqueue_situations[0] };

/* What Winsock may tell otherwise; written down as Wine has it. A socket that was never connected
 * is nothing, nor is one's own end. A connect that failed is a condition of the socket, whoever has
 * been told, and exceptional, but not always a hangup. poll tells of that to readers only. */
static const struct situation winsock_situations[] = {
    {SITUATION(tcp_peer_closed_and_written_to), {"REH", "WE", "RWEH", "PE"}},
    {SITUATION(tcp_reset_by_peer), {"REH", "WE", "RWEH", "PE"}},
    {SITUATION(tcp_own_both_shut), {"", "W", "W", ""}},
    {SITUATION(tcp_never_connected), {"", "", "", ""}},
    {SITUATION(tcp_bound_and_not_listening), {"", "", "", ""}},
    {SITUATION(tcp_refused), {"RE", "WE", "RWE", "PE"}},
    {SITUATION(tcp_refused_and_told), {"REH", "WEH", "RWEH", "PEH"}},
    {SITUATION(tcp_refused_and_told), {"RE", "WE", "RWE", "PE"}},
};

enum { WINSOCK_SITUATIONS = sizeof winsock_situations / sizeof winsock_situations[0] };

#endif
