/*
 * poll and select: a walk over all that is asked for, before each sleep and after each. The first
 * walk links the task into the wait queue of every file; whoever is ready first makes the task
 * ready, which knows no more than that, so it walks again; then it is unlinked from all of them. So
 * a call costs by what is asked for, however little of it is ready.
 *
 * What surprises: once the first walk has found something there will be no sleep, and from there on
 * nothing is linked. A busy program pays for less than an idle one. And whatever a select asks for,
 * urgent data wakes it: so what comes to a socket wakes one that only wants to write.
 *
 * Linux: fs/select.c, do_select(), wait_key_set(), core_sys_select(), do_poll() and do_sys_poll();
 * poll_freewait() does the unlinking.
 *
 * SPDX-License-Identifier: MIT
 */
#include "kernel.h"

struct walk_entry {
    struct sim_entry entry;
    uint32_t want; /* what wakes */
};

struct walker {
    struct walk_entry *entries;
    uint32_t room;
    uint32_t linked;
    bool links; /* this walk does, and has found nothing yet */
    struct sim_alarm alarm;
};

bool walk_wakes(struct sim_entry *entry, uint32_t ready)
{
    const struct walk_entry *one = LINK_OWNER(entry, const struct walk_entry, entry);
    if (file_concerns(ready, one->want) == 0)
        return false;
    task_ready(&machine->first);
    return true;
}

static struct sim_entry *new_entry(struct walker *walker, struct sim_file *file, uint32_t want)
{
    struct walk_entry *one = &walker->entries[walker->linked++];
    *one = (struct walk_entry){.entry.wake = walk_wakes, .want = want};
    file_take(file);
    return &one->entry;
}

static uint32_t ask(struct walker *walker, struct sim_file *file, uint32_t want)
{
    struct sim_entry *entry = walker->links ? new_entry(walker, file, want) : NULL;
    return file_concerns(file_ask(file, entry), want);
}

/* With room to link into so many queues, if it is to sleep at all. */
static int begin(struct walker *walker, uint32_t count, int64_t timeout_ns)
{
    *walker = (struct walker){.links = timeout_ns != 0};
    if (machine->running != &machine->first)
        return -EPERM;
    void *entries = NULL;
    int error = 0;
    if (walker->links)
        error = memory_grow(&machine->allocator, &entries, &walker->room, count,
                            sizeof *walker->entries);
    walker->entries = entries;
    if (error == 0)
        error = alarm_set(&walker->alarm, timeout_ns);
    return error == 0 && timeout_ns == 0 ? task_yield() : error;
}

static void end(struct walker *walker)
{
    alarm_cancel(&walker->alarm);
    for (uint32_t i = 0; i < walker->linked; i++) {
        struct sim_file *file = walker->entries[i].entry.file;
        queue_unlink(&walker->entries[i].entry);
        file_drop(file);
    }
    machine_free(walker->entries, walker->room * sizeof *walker->entries);
}

/* Sleeps, if it found nothing, until something may be different. False: the call is over. */
static bool sleeps(struct walker *walker, int found, int *error)
{
    walker->links = false;
    if (found > 0 || *error != 0 || walker->alarm.over)
        return false;
    *error = task_sleep();
    return true;
}

/* ---- poll ------------------------------------------------------------------------------------ */

static int walk_entries(struct walker *walker, struct rouse_sim_pollfd *entries, uint32_t count)
{
    int found = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct rouse_sim_pollfd *one = &entries[i];
        struct sim_file *file = file_of(one->fd);
        if (file != NULL)
            one->ready = (uint16_t)ask(walker, file, one->want);
        else
            one->ready = one->fd < 0 ? 0 : ROUSE_SIM_CLOSED;
        walker->links &= one->ready == 0;
        found += one->ready != 0;
    }
    return found;
}

int rouse_sim_poll(struct rouse_sim_pollfd *entries, uint32_t count, int64_t timeout_ns)
{
    if (machine == NULL || count > machine->config.descriptors)
        return -EINVAL;
    machine_step(ROUSE_SIM_CALLED, 0, 1);
    machine_step(ROUSE_SIM_COPIED_IN, 0, (uint64_t)count * ROUSE_SIM_ENTRY_SIZE);
    struct walker walker;
    int error = begin(&walker, count, timeout_ns);
    int found;
    do
        found = error == 0 || error == -EINTR ? walk_entries(&walker, entries, count) : 0;
    while (sleeps(&walker, found, &error));
    end(&walker);
    if (found == 0 && error != 0 && error != -EINTR)
        return error;
    /* Of each entry, also if it is that there is nothing. */
    machine_step(ROUSE_SIM_COPIED_OUT, 0, (uint64_t)count * sizeof entries->ready);
    return found > 0 ? found : error;
}

/* ---- select ---------------------------------------------------------------------------------- */

enum { READABLE, WRITABLE, EXCEPTIONAL, SETS };

/* What of READY puts a bit into a set. */
static const uint32_t meaning[SETS] = {
    [READABLE] = ROUSE_READ | ROUSE_HANGUP | ROUSE_ERROR,
    [WRITABLE] = ROUSE_WRITE | ROUSE_ERROR,
    [EXCEPTIONAL] = ROUSE_PRIORITY,
};

struct sets {
    const struct rouse_sim_set *in[SETS];
    struct rouse_sim_set out[SETS];
    int bound;
};

static uint64_t bit_of(const struct rouse_sim_set *set, int fd)
{
    return set != NULL ? set->words[fd / 64] & UINT64_C(1) << fd % 64 : 0;
}

static uint32_t wanted(const struct sets *sets, int fd)
{
    uint32_t want = 0;
    for (int i = 0; i < SETS; i++)
        if (bit_of(sets->in[i], fd))
            want |= meaning[i];
    return want;
}

static int answer(struct sets *sets, int fd, uint32_t ready)
{
    int bits = 0;
    for (int i = 0; i < SETS; i++)
        if (bit_of(sets->in[i], fd) && (ready & meaning[i])) {
            sets->out[i].words[fd / 64] |= UINT64_C(1) << fd % 64;
            bits++;
        }
    return bits;
}

static int walk_sets(struct walker *walker, struct sets *sets)
{
    int found = 0;
    for (int fd = 0; fd < sets->bound; fd++) {
        uint32_t want = wanted(sets, fd);
        if (fd % 64 == 0)
            machine_step(ROUSE_SIM_LOOKED, 0, 1);
        if (want == 0 || file_of(fd) == NULL)
            continue;
        int bits = answer(sets, fd, ask(walker, file_of(fd), want | ROUSE_PRIORITY));
        walker->links &= bits == 0;
        found += bits;
    }
    return found;
}

static int count_wanted(const struct sets *sets)
{
    int count = 0;
    for (int fd = 0; fd < sets->bound; fd++) {
        if (wanted(sets, fd) == 0)
            continue;
        if (file_of(fd) == NULL)
            return -EBADF;
        count++;
    }
    return count;
}

/* Whole words, of the sets that there are. */
static uint64_t bytes_of(const struct sets *sets)
{
    uint64_t bytes = 0;
    for (int i = 0; i < SETS; i++)
        if (sets->in[i] != NULL)
            bytes += ((unsigned)sets->bound + 63) / 64 * sizeof sets->in[i]->words[0];
    return bytes;
}

int rouse_sim_select(int bound, struct rouse_sim_set *read, struct rouse_sim_set *write,
                     struct rouse_sim_set *priority, int64_t timeout_ns)
{
    if (machine == NULL || bound < 0 || bound > ROUSE_SIM_SETSIZE)
        return -EINVAL;
    struct rouse_sim_set *given[SETS] = {read, write, priority};
    struct sets sets = {.in = {read, write, priority}, .bound = bound};
    machine_step(ROUSE_SIM_CALLED, 0, 1);
    machine_step(ROUSE_SIM_COPIED_IN, 0, bytes_of(&sets));
    int count = count_wanted(&sets);
    if (count < 0)
        return count;
    struct walker walker;
    int error = begin(&walker, (uint32_t)count, timeout_ns);
    int found;
    do
        found = error == 0 || error == -EINTR ? walk_sets(&walker, &sets) : 0;
    while (sleeps(&walker, found, &error));
    end(&walker);
    if (found == 0 && error != 0)
        return error;
    machine_step(ROUSE_SIM_COPIED_OUT, 0, bytes_of(&sets));
    for (int i = 0; i < SETS; i++)
        if (given[i] != NULL)
            *given[i] = sets.out[i];
    return found;
}
