/*
 * Wait queues. An entry is data in a list, and nothing in it runs: what sleeps is set aside here
 * until somebody who changes the file walks the list and calls each entry's wake function. Those
 * that are exclusive stand behind the others, and the walk ends with the first of them that was
 * woken: else a hundred threads that wait for one connection would all be woken for it (the herd).
 *
 * What surprises: it is no queue of first come, first served. Who is not exclusive goes to its
 * head, and all of these are woken, the last comer first. Exclusive ones are woken in the order in
 * which they came; but of those who sleep in an epoll, too, the last comer is.
 *
 * Linux: include/linux/wait.h, __add_wait_queue() and __add_wait_queue_exclusive();
 * kernel/sched/wait.c, add_wait_queue_exclusive() and __wake_up_common().
 *
 * SPDX-License-Identifier: MIT
 */
#include "kernel.h"

/* In front of what an entry is linked: of the others that are exclusive, or at the end. */
static struct rouse_link *first_exclusive(struct sim_file *file)
{
    struct rouse_link *link = file->queue.next;
    while (link != &file->queue && !LINK_OWNER(link, struct sim_entry, link)->exclusive)
        link = link->next;
    return link;
}

void queue_link(struct sim_entry *entry, struct sim_file *file)
{
    struct rouse_link *behind = file->queue.next;
    if (entry->exclusive)
        behind = file->kind->last_first ? first_exclusive(file) : &file->queue;
    entry->file = file;
    link_append(behind, &entry->link);
    machine_step(ROUSE_SIM_LINKED, file->id, 1);
}

void queue_unlink(struct sim_entry *entry)
{
    if (entry->link.next == NULL)
        return;
    link_remove(&entry->link);
    machine_step(ROUSE_SIM_UNLINKED, entry->file->id, 1);
}

/* A wake function may take out its own entry, and no other. */
static void walk(struct sim_file *file, uint32_t ready, bool all)
{
    if (link_empty(&file->queue))
        return;
    machine_step(ROUSE_SIM_WALKED, file->id, 1);
    machine->walks++;
    struct rouse_link *next;
    for (struct rouse_link *link = file->queue.next; link != &file->queue; link = next) {
        next = link->next;
        struct sim_entry *entry = LINK_OWNER(link, struct sim_entry, link);
        bool exclusive = entry->exclusive;
        if (entry->wake(entry, ready) && exclusive && !all)
            break;
    }
    machine->walks--;
    file_release_dropped();
}

void queue_walk(struct sim_file *file, uint32_t ready)
{
    walk(file, ready, false);
}

void queue_walk_all(struct sim_file *file, uint32_t ready)
{
    walk(file, ready, true);
}

void queue_pass_on(struct sim_file *file)
{
    for (struct rouse_link *link = file->queue.next; link != &file->queue; link = link->next) {
        struct sim_entry *entry = LINK_OWNER(link, struct sim_entry, link);
        if (entry->wake != task_wakes)
            continue;
        machine_step(ROUSE_SIM_WALKED, file->id, 1);
        entry->wake(entry, 0);
        break;
    }
}

int rouse_sim_waiter_at(rouse_fd fd, unsigned index, struct rouse_sim_waiter *waiter)
{
    struct sim_file *file = file_of(fd);
    if (file == NULL)
        return -EBADF;
    struct rouse_link *link = file->queue.next;
    while (link != &file->queue && index-- > 0)
        link = link->next;
    if (link == &file->queue)
        return -ENOENT;
    struct sim_entry *entry = LINK_OWNER(link, struct sim_entry, link);
    *waiter = (struct rouse_sim_waiter){.exclusive = entry->exclusive};
    if (entry->wake == task_wakes) {
        waiter->how = ROUSE_SIM_BY_CALL;
        waiter->who = task_woken(entry)->id;
    } else if (entry->wake == walk_wakes) {
        waiter->how = ROUSE_SIM_BY_WALK;
        waiter->who = machine->first.id;
    } else {
        waiter->how = ROUSE_SIM_BY_HOOK;
        waiter->who = eventpoll_hooked(entry);
    }
    return 0;
}
