/*
 * What the files of the library call each other by. A static library cannot hide a symbol from the
 * program that it is linked into, so outside of these files each of them bears the library's name.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_CORE_NAMES_H
#define ROUSE_CORE_NAMES_H

#define fdmap_find           rouse_fdmap_find
#define fdmap_reserve        rouse_fdmap_reserve
#define fdmap_set            rouse_fdmap_set
#define forks_watch          rouse_forks_watch
#define hooks_detach         rouse_hooks_detach
#define hooks_run            rouse_hooks_run
#define io_collect           rouse_io_collect
#define io_detach            rouse_io_detach
#define io_forget            rouse_io_forget
#define io_list_if_needed    rouse_io_list_if_needed
#define io_refused           rouse_io_refused
#define io_settle            rouse_io_settle
#define io_spent             rouse_io_spent
#define io_unwanted          rouse_io_unwanted
#define loop_clock           rouse_loop_clock
#define loop_fail            rouse_loop_fail
#define loop_grow            rouse_loop_grow
#define loop_now             rouse_loop_now
#define loop_reopen          rouse_loop_reopen
#define memory_default       rouse_memory_default
#define memory_free          rouse_memory_free
#define memory_grow          rouse_memory_grow
#define notifier_close       rouse_notifier_close
#define notifier_open        rouse_notifier_open
#define notifier_renew       rouse_notifier_renew
#define notifier_ring        rouse_notifier_ring
#define notifier_silence     rouse_notifier_silence
#define owner_enter          rouse_owner_enter
#define owner_forked         rouse_owner_forked
#define owner_forks          rouse_owner_forks
#define owner_refuse         rouse_owner_refuse
#define owner_running        rouse_owner_running
#define owner_self           rouse_owner_self
#define registry_close       rouse_registry_close
#define registry_open        rouse_registry_open
#define registry_open_chosen rouse_registry_open_chosen
#define slots_give           rouse_slots_give
#define slots_list           rouse_slots_list
#define slots_open           rouse_slots_open
#define slots_take           rouse_slots_take
#define slots_unlist         rouse_slots_unlist
#define system_table         rouse_system_table
#define system_yield         rouse_system_yield
#define tasks_detach         rouse_tasks_detach
#define tasks_run            rouse_tasks_run
#define timers_detach        rouse_timers_detach
#define timers_left          rouse_timers_left
#define timers_run           rouse_timers_run
#define wake_again           rouse_wake_again
#define wake_close           rouse_wake_close
#define wake_collect         rouse_wake_collect
#define wake_hold            rouse_wake_hold
#define wake_open            rouse_wake_open
#define wake_pending         rouse_wake_pending
#define wake_renew           rouse_wake_renew
#define wake_take_posted     rouse_wake_take_posted
#define wheel_clear          rouse_wheel_clear
#define wheel_open           rouse_wheel_open
#define wheel_search         rouse_wheel_search
#define wheel_settle         rouse_wheel_settle
#define winsock_errno        rouse_winsock_errno
#define winsock_error        rouse_winsock_error
#define winsock_no_socket    rouse_winsock_no_socket
#define words_of             rouse_words_of

#endif
