/*
 * The machine: what is booted and halted, what it counts, and how it throws its dice.
 *
 * SPDX-License-Identifier: MIT
 */
#include "socket.h"

struct sim_machine *machine;

void machine_step(enum rouse_sim_what what, uint32_t object, uint64_t amount)
{
    machine->counts[what]++;
    if (machine->config.trace == NULL)
        return;
    uint32_t task = machine->running != NULL ? machine->running->id : 0;
    struct rouse_sim_step step = {machine->now, what, task, object, amount};
    machine->config.trace(machine->config.context, &step);
}

/* splitmix64 */
uint64_t machine_random(void)
{
    uint64_t word = machine->random += UINT64_C(0x9e3779b97f4a7c15);
    word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
    return word ^ word >> 31;
}

bool machine_fails(enum rouse_sim_fault fault)
{
    const struct rouse_sim_faults *faults = &machine->config.faults;
    const uint16_t per_thousand[] = {
        [ROUSE_SIM_SHORT_COUNT] = faults->short_counts,
        [ROUSE_SIM_INTERRUPT] = faults->interrupts,
        [ROUSE_SIM_SPURIOUS] = faults->spurious,
        [ROUSE_SIM_NO_MEMORY] = faults->no_memory,
        [ROUSE_SIM_LATE] = faults->late,
    };
    bool strikes = per_thousand[fault] != 0 && machine_random() % 1000 < per_thousand[fault];
    if (strikes)
        machine_step(ROUSE_SIM_FAULTED, 0, fault);
    return strikes;
}

static void *zeroed(const struct rouse_allocator *allocator, size_t size)
{
    void *block = allocator->resize(allocator->context, NULL, 0, size);
    return block != NULL ? memset(block, 0, size) : NULL;
}

void *machine_new(size_t size)
{
    return machine_fails(ROUSE_SIM_NO_MEMORY) ? NULL : zeroed(&machine->allocator, size);
}

void machine_free(void *block, size_t size)
{
    memory_free(&machine->allocator, block, size);
}

static void release(struct sim_machine *one)
{
    const struct rouse_allocator allocator = one->allocator;
    memory_free(&allocator, one->files, one->config.descriptors * sizeof(struct sim_file *));
    memory_free(&allocator, one->due, one->most_due * sizeof *one->due);
    memory_free(&allocator, one, sizeof *one);
}

/* Their table has a size in bytes on 32 bit machines, too. */
enum { MOST_DESCRIPTORS = INT32_MAX / 8 };

int rouse_sim_boot(const struct rouse_sim_config *config)
{
    if (machine != NULL)
        return -EBUSY;
    struct rouse_sim_config known = {.size = sizeof known};
    if (config != NULL && config->size != sizeof known)
        return -EINVAL;
    if (config != NULL)
        known = *config;
    if (known.descriptors == 0)
        known.descriptors = 1024;
    if (known.room == 0)
        known.room = 65536;
    if (known.descriptors > MOST_DESCRIPTORS || known.room > INT32_MAX || known.latency < 0)
        return -EINVAL;
    const struct rouse_allocator *allocator =
        known.allocator != NULL ? known.allocator : &memory_default;
    struct sim_machine *booted = zeroed(allocator, sizeof *booted);
    if (booted == NULL)
        return -ENOMEM;
    booted->allocator = *allocator;
    booted->config = known;
    booted->random = known.seed;
    link_init(&booted->ready);
    link_init(&booted->sleeping);
    link_init(&booted->dropped);
    link_init(&booted->sockets);
    link_init(&booted->finished);
    booted->first.name = "main";
    booted->first.id = booted->tasks = 1;
    booted->running = &booted->first;
    booted->files = zeroed(allocator, known.descriptors * sizeof(struct sim_file *));
    if (booted->files == NULL) {
        release(booted);
        return -ENOMEM;
    }
    machine = booted;
    return 0;
}

int rouse_sim_halt(void)
{
    if (machine == NULL)
        return 0;
    if (machine->running != &machine->first)
        return -EPERM;
    int open = 0;
    tasks_end();
    for (uint32_t fd = 0; fd < machine->config.descriptors; fd++)
        open += rouse_sim_close((rouse_fd)fd) == 0;
    while (machine->ndue > 0)
        rouse_sim_cancel(machine->due[0]);
    link_append_all(&machine->finished, &machine->sockets);
    socket_free_finished();
    struct sim_machine *halted = machine;
    machine = NULL;
    release(halted);
    return open;
}

void rouse_sim_fail(const struct rouse_sim_faults *faults)
{
    static const struct rouse_sim_faults none;
    if (machine != NULL)
        machine->config.faults = faults != NULL ? *faults : none;
}

uint64_t rouse_sim_count(enum rouse_sim_what what)
{
    return machine != NULL && what < ROUSE_SIM_WHATS ? machine->counts[what] : 0;
}
