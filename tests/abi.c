/*
 * The binary interface: the sizes of the public structs and where their fields are. Watchers and
 * timers are embedded in the structs of those who use the library, so a field that moves breaks
 * programs that were compiled before. Whoever changes a number here changes the SONAME.
 *
 * The numbers hold where pointers and size_t have 64 bits; a descriptor has 32, but on Windows.
 *
 * SPDX-License-Identifier: MIT
 */
#include "check.h"

#include <rouse/sim.h>

struct number {
    const char *what;
    long long is;
    long long must_be;
};

#define SIZE(name, bytes)          "sizeof(struct " #name ")", sizeof(struct name), bytes
#define OFFSET(name, field, bytes) #name "." #field, offsetof(struct name, field), bytes
#define VALUE(name, value)         #name, name, value

enum { FD = sizeof(rouse_fd) };

static const struct number objects[] = {
    {SIZE(rouse_io, 24 + 2 * FD)},
    {OFFSET(rouse_io, loop, 0)},
    {OFFSET(rouse_io, fn, 8)},
    {OFFSET(rouse_io, fd, 16)},
    {OFFSET(rouse_io, slot, 16 + FD)},
    {OFFSET(rouse_io, flags, 20 + FD)},
    {OFFSET(rouse_io, reserved, 24 + FD)},
    {SIZE(rouse_timer, 56)},
    {OFFSET(rouse_timer, fn, 0)},
    {OFFSET(rouse_timer, period, 8)},
    {OFFSET(rouse_timer, loop, 16)},
    {OFFSET(rouse_timer, deadline, 24)},
    {OFFSET(rouse_timer, order, 32)},
    {OFFSET(rouse_timer, next, 40)},
    {OFFSET(rouse_timer, link, 48)},
    {SIZE(rouse_link, 16)},
    {OFFSET(rouse_link, next, 0)},
    {OFFSET(rouse_link, previous, 8)},
    {SIZE(rouse_task, 48)},
    {OFFSET(rouse_task, link, 0)},
    {OFFSET(rouse_task, fn, 16)},
    {OFFSET(rouse_task, loop, 24)},
    {OFFSET(rouse_task, posted, 32)},
    {OFFSET(rouse_task, state, 40)},
    {SIZE(rouse_hook, 40)},
    {OFFSET(rouse_hook, link, 0)},
    {OFFSET(rouse_hook, fn, 16)},
    {OFFSET(rouse_hook, loop, 24)},
    {OFFSET(rouse_hook, reserved, 32)},
};

static const struct number settings[] = {
    {SIZE(rouse_config, 56)},
    {OFFSET(rouse_config, size, 0)},
    {OFFSET(rouse_config, reserved, 4)},
    {OFFSET(rouse_config, backend, 8)},
    {OFFSET(rouse_config, own, 16)},
    {OFFSET(rouse_config, allocator, 24)},
    {OFFSET(rouse_config, clock, 32)},
    {OFFSET(rouse_config, why, 40)},
    {OFFSET(rouse_config, why_size, 48)},
    {SIZE(rouse_allocator, 16)},
    {OFFSET(rouse_allocator, resize, 0)},
    {OFFSET(rouse_allocator, context, 8)},
    {SIZE(rouse_clock, 24)},
    {OFFSET(rouse_clock, now, 0)},
    {OFFSET(rouse_clock, idle_until, 8)},
    {OFFSET(rouse_clock, context, 16)},
    {SIZE(rouse_rung, 24)},
    {OFFSET(rouse_rung, name, 0)},
    {OFFSET(rouse_rung, backend, 8)},
    {OFFSET(rouse_rung, missing, 16)},
    {SIZE(rouse_counters, 128)},
    {OFFSET(rouse_counters, size, 0)},
    {OFFSET(rouse_counters, reserved, 4)},
    {OFFSET(rouse_counters, turns, 8)},
    {OFFSET(rouse_counters, waits, 16)},
    {OFFSET(rouse_counters, wakeups, 24)},
    {OFFSET(rouse_counters, events, 32)},
    {OFFSET(rouse_counters, stale, 40)},
    {OFFSET(rouse_counters, spurious, 48)},
    {OFFSET(rouse_counters, callbacks, 56)},
    {OFFSET(rouse_counters, changes_asked, 64)},
    {OFFSET(rouse_counters, changes_sent, 72)},
    {OFFSET(rouse_counters, rebuilds, 80)},
    {OFFSET(rouse_counters, system_calls, 88)},
    {OFFSET(rouse_counters, descriptors, 96)},
    {OFFSET(rouse_counters, bytes_in, 104)},
    {OFFSET(rouse_counters, bytes_out, 112)},
    {OFFSET(rouse_counters, scanned, 120)},
};

static const struct number machine[] = {
    {SIZE(rouse_sim_config, 72)},
    {OFFSET(rouse_sim_config, size, 0)},
    {OFFSET(rouse_sim_config, descriptors, 4)},
    {OFFSET(rouse_sim_config, room, 8)},
    {OFFSET(rouse_sim_config, reserved, 12)},
    {OFFSET(rouse_sim_config, seed, 16)},
    {OFFSET(rouse_sim_config, latency, 24)},
    {OFFSET(rouse_sim_config, faults, 32)},
    {OFFSET(rouse_sim_config, allocator, 48)},
    {OFFSET(rouse_sim_config, trace, 56)},
    {OFFSET(rouse_sim_config, context, 64)},
    {SIZE(rouse_sim_faults, 10)},
    {OFFSET(rouse_sim_faults, short_counts, 0)},
    {OFFSET(rouse_sim_faults, interrupts, 2)},
    {OFFSET(rouse_sim_faults, spurious, 4)},
    {OFFSET(rouse_sim_faults, no_memory, 6)},
    {OFFSET(rouse_sim_faults, late, 8)},
    {SIZE(rouse_sim_step, 32)},
    {OFFSET(rouse_sim_step, time, 0)},
    {OFFSET(rouse_sim_step, what, 8)},
    {OFFSET(rouse_sim_step, task, 12)},
    {OFFSET(rouse_sim_step, object, 16)},
    {OFFSET(rouse_sim_step, amount, 24)},
    {SIZE(rouse_sim_task, 136)},
    {OFFSET(rouse_sim_task, link, 0)},
    {OFFSET(rouse_sim_task, name, 16)},
    {OFFSET(rouse_sim_task, run, 24)},
    {OFFSET(rouse_sim_task, state, 32)},
    {OFFSET(rouse_sim_task, id, 36)},
    {OFFSET(rouse_sim_task, reserved, 40)},
    {SIZE(rouse_sim_event, 32)},
    {OFFSET(rouse_sim_event, time, 0)},
    {OFFSET(rouse_sim_event, fn, 8)},
    {OFFSET(rouse_sim_event, reserved, 16)},
    {SIZE(rouse_sim_set, 128)},
    {OFFSET(rouse_sim_set, words, 0)},
    {SIZE(rouse_sim_pollfd, 2 * FD)},
    {OFFSET(rouse_sim_pollfd, fd, 0)},
    {OFFSET(rouse_sim_pollfd, want, FD)},
    {OFFSET(rouse_sim_pollfd, ready, FD + 2)},
    {SIZE(rouse_sim_file, 32)},
    {OFFSET(rouse_sim_file, object, 0)},
    {OFFSET(rouse_sim_file, references, 4)},
    {OFFSET(rouse_sim_file, kind, 8)},
    {OFFSET(rouse_sim_file, blocks, 12)},
    {OFFSET(rouse_sim_file, ready, 16)},
    {OFFSET(rouse_sim_file, received, 20)},
    {OFFSET(rouse_sim_file, sent, 24)},
    {OFFSET(rouse_sim_file, room, 28)},
    {SIZE(rouse_sim_waiter, 12)},
    {OFFSET(rouse_sim_waiter, how, 0)},
    {OFFSET(rouse_sim_waiter, who, 4)},
    {OFFSET(rouse_sim_waiter, exclusive, 8)},
};

static const struct number contract[] = {
    {SIZE(rouse_change, 16 + 2 * FD)},
    {OFFSET(rouse_change, fd, 0)},
    {OFFSET(rouse_change, had, FD)},
    {OFFSET(rouse_change, want, 4 + FD)},
    {OFFSET(rouse_change, spare, 8 + FD)},
    {OFFSET(rouse_change, token, 8 + 2 * FD)},
    {SIZE(rouse_event, 16)},
    {OFFSET(rouse_event, token, 0)},
    {OFFSET(rouse_event, ready, 8)},
    {OFFSET(rouse_event, result, 12)},
    {SIZE(rouse_work, 40)},
    {OFFSET(rouse_work, system_calls, 0)},
    {OFFSET(rouse_work, descriptors, 8)},
    {OFFSET(rouse_work, bytes_in, 16)},
    {OFFSET(rouse_work, bytes_out, 24)},
    {OFFSET(rouse_work, scanned, 32)},
    {SIZE(rouse_setup, 56)},
    {OFFSET(rouse_setup, allocator, 0)},
    {OFFSET(rouse_setup, work, 16)},
    {OFFSET(rouse_setup, table, 24)},
    {OFFSET(rouse_setup, inner, 32)},
    {OFFSET(rouse_setup, why, 40)},
    {OFFSET(rouse_setup, why_size, 48)},
    {SIZE(rouse_system, 72)},
    {OFFSET(rouse_system, now, 0)},
    {OFFSET(rouse_system, soon, 8)},
    {OFFSET(rouse_system, check, 16)},
    {OFFSET(rouse_system, kind, 24)},
    {OFFSET(rouse_system, read, 32)},
    {OFFSET(rouse_system, write, 40)},
    {OFFSET(rouse_system, accept, 48)},
    {OFFSET(rouse_system, take_error, 56)},
    {OFFSET(rouse_system, close, 64)},
    {SIZE(rouse_backend, 80)},
    {OFFSET(rouse_backend, abi, 0)},
    {OFFSET(rouse_backend, traits, 4)},
    {OFFSET(rouse_backend, name, 8)},
    {OFFSET(rouse_backend, state_size, 16)},
    {OFFSET(rouse_backend, fd_limit, 24)},
    {OFFSET(rouse_backend, open, 32)},
    {OFFSET(rouse_backend, close, 40)},
    {OFFSET(rouse_backend, poll, 48)},
    {OFFSET(rouse_backend, drop, 56)},
    {OFFSET(rouse_backend, wake, 64)},
    {OFFSET(rouse_backend, system, 72)},
};

static const struct number constants[] = {
    {VALUE(ROUSE_READ, 1)},          {VALUE(ROUSE_PRIORITY, 2)},
    {VALUE(ROUSE_WRITE, 4)},         {VALUE(ROUSE_ERROR, 8)},
    {VALUE(ROUSE_HANGUP, 16)},       {VALUE(ROUSE_EDGE, 32)},
    {VALUE(ROUSE_ONESHOT, 64)},      {VALUE(ROUSE_SPENT, 128)},
    {VALUE(ROUSE_BEFORE_WAIT, 0)},   {VALUE(ROUSE_AFTER_WAIT, 1)},
    {VALUE(ROUSE_ON_WAKE, 2)},       {VALUE(ROUSE_BACKEND_ABI, 1)},
    {VALUE(ROUSE_TRAIT_EDGE, 1)},    {VALUE(ROUSE_TRAIT_HANGUP, 2)},
    {VALUE(ROUSE_TRAIT_SCAN, 4)},    {VALUE(ROUSE_TRAIT_GUESS, 8)},
    {VALUE(ROUSE_TRAIT_LESSON, 16)}, {VALUE(ROUSE_TRAIT_OPT_IN, 32)},
    {VALUE(ROUSE_TRAIT_WRAPS, 64)},  {VALUE(ROUSE_TRAIT_BOUND, 128)},
    {VALUE(ROUSE_TRAIT_LATE, 256)},  {VALUE(ROUSE_TRAIT_ASK, 512)},
    {VALUE(ROUSE_KIND_STREAM, 1)},   {VALUE(ROUSE_KIND_SOCKET, 2)},
    {VALUE(ROUSE_KIND_PIPE, 3)},     {VALUE(ROUSE_KIND_OTHER, 4)},
    {VALUE(ROUSE_SIM_ASLEEP, 9999)}, {VALUE(ROUSE_SIM_SETSIZE, 1024)},
    {VALUE(ROUSE_SIM_WHATS, 20)},    {VALUE(ROUSE_SIM_EXCLUSIVE, 0x8000)},
    {VALUE(ROUSE_SIM_ADD, 0)},       {VALUE(ROUSE_SIM_MODIFY, 1)},
    {VALUE(ROUSE_SIM_REMOVE, 2)},    {VALUE(ROUSE_SIM_CLOSED, 0x4000)},
};

static void compare(const struct number *numbers, size_t count)
{
    int wrong = 0;
    for (size_t i = 0; i < count; i++) {
        if (numbers[i].is == numbers[i].must_be)
            continue;
        print_error("%s is %lld, was %lld\n", numbers[i].what, numbers[i].is, numbers[i].must_be);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

#define COMPARE(numbers) compare(numbers, sizeof(numbers) / sizeof((numbers)[0]))

static void only_where_pointers_have_64_bits(void)
{
    if (sizeof(void *) != 8 || sizeof(size_t) != 8)
        SKIP("the numbers are those of machines with 64-bit pointers");
}

static void objects_that_users_embed_keep_their_layout(void **state)
{
    (void)state;
    only_where_pointers_have_64_bits();
    COMPARE(objects);
}

static void configuration_and_counters_keep_their_layout(void **state)
{
    (void)state;
    only_where_pointers_have_64_bits();
    COMPARE(settings);
}

static void structs_of_the_backend_contract_keep_their_layout(void **state)
{
    (void)state;
    only_where_pointers_have_64_bits();
    COMPARE(contract);
}

static void structs_of_the_machine_keep_their_layout(void **state)
{
    (void)state;
    only_where_pointers_have_64_bits();
    COMPARE(machine);
}

static void constants_keep_their_values(void **state)
{
    (void)state;
    COMPARE(constants);
}

static void version_of_the_header_is_that_of_the_library(void **state)
{
    (void)state;
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", ROUSE_VERSION_MAJOR, ROUSE_VERSION_MINOR,
             ROUSE_VERSION_PATCH);
    assert_string_equal(rouse_version(), version);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_that_users_embed_keep_their_layout),
        cmocka_unit_test(configuration_and_counters_keep_their_layout),
        cmocka_unit_test(structs_of_the_backend_contract_keep_their_layout),
        cmocka_unit_test(structs_of_the_machine_keep_their_layout),
        cmocka_unit_test(constants_keep_their_values),
        cmocka_unit_test(version_of_the_header_is_that_of_the_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
