/*
 * epoll: a file that watches files. For each it keeps an item, found by descriptor and file in a
 * tree, and an entry in the file's wait queue, put there once, whose wake function is not "wake a
 * thread" but the hook: it moves the item to the ready list and wakes who sleeps in epoll's own
 * queue. A wait looks at the ready list alone, and asks each file on it whether it is still ready;
 * by level an item that was told goes back to its end, to be asked by the next wait.
 *
 * What surprises: the tree is searched when somebody changes what is watched, never for an event.
 *
 * Linux: fs/eventpoll.c, ep_insert(), ep_poll_callback() and ep_send_events().
 *
 * SPDX-License-Identifier: MIT
 */
#include "kernel.h"

struct epoll {
    struct sim_file file;
    struct rouse_link ready;
    struct item *items; /* a tree; see find() */
};

struct item {
    struct item *less, *more;
    uint64_t weight; /* of all below it none is heavier, which keeps the tree low */
    struct rouse_link ready;
    struct rouse_link watched; /* of the file */
    struct sim_entry hook;
    struct epoll *epoll;
    struct sim_file *file;
    rouse_fd fd;
    uint32_t want; /* 0: it was told once, and is to be told no more */
    uint64_t token;
};

enum { MOST_NESTED = 4 }; /* as on Linux */

static struct epoll *epoll_of(rouse_fd fd)
{
    struct sim_file *file = file_of(fd);
    return file != NULL && file->kind == &eventpoll_kind ? LINK_OWNER(file, struct epoll, file)
                                                         : NULL;
}

/* ---- The tree of items --------------------------------------------------------------------- */

static int compare(const struct item *item, rouse_fd fd, const struct sim_file *file)
{
    if (item->fd != fd)
        return fd < item->fd ? -1 : 1;
    return file->id < item->file->id ? -1 : file->id > item->file->id;
}

static struct item *find(const struct epoll *epoll, rouse_fd fd, const struct sim_file *file)
{
    struct item *item = epoll->items;
    unsigned looked_at = 0;
    while (item != NULL) {
        looked_at++;
        int order = compare(item, fd, file);
        if (order == 0)
            break;
        item = order < 0 ? item->less : item->more;
    }
    machine_step(ROUSE_SIM_SEARCHED, epoll->file.id, looked_at);
    return item;
}

/* Splits a tree into what is less than an item, and what is more. */
static void split(struct item *tree, const struct item *at, struct item **less, struct item **more)
{
    while (tree != NULL) {
        if (compare(tree, at->fd, at->file) < 0) {
            *more = tree;
            more = &tree->less;
            tree = tree->less;
        } else {
            *less = tree;
            less = &tree->more;
            tree = tree->more;
        }
    }
    *less = *more = NULL;
}

static void plant(struct epoll *epoll, struct item *item)
{
    struct item **at = &epoll->items;
    while (*at != NULL && (*at)->weight >= item->weight)
        at = compare(*at, item->fd, item->file) < 0 ? &(*at)->less : &(*at)->more;
    split(*at, item, &item->less, &item->more);
    *at = item;
}

static void uproot(struct epoll *epoll, struct item *item)
{
    struct item **at = &epoll->items;
    while (*at != item)
        at = compare(*at, item->fd, item->file) < 0 ? &(*at)->less : &(*at)->more;
    struct item *less = item->less, *more = item->more;
    while (less != NULL && more != NULL) {
        if (less->weight >= more->weight) {
            *at = less;
            at = &less->more;
            less = less->more;
        } else {
            *at = more;
            at = &more->less;
            more = more->less;
        }
    }
    *at = less != NULL ? less : more;
}

/* ---- What is watched ------------------------------------------------------------------------- */

static void list(struct item *item)
{
    if (item->ready.next != NULL)
        return;
    link_append(&item->epoll->ready, &item->ready);
    machine_step(ROUSE_SIM_LISTED, item->file->id, 1);
}

static void unlist(struct item *item)
{
    if (item->ready.next == NULL)
        return;
    link_remove(&item->ready);
    machine_step(ROUSE_SIM_UNLISTED, item->file->id, 1);
}

static uint32_t concerns(const struct item *item, uint32_t ready)
{
    return item->want != 0 ? file_concerns(ready, item->want) : 0;
}

static bool hook(struct sim_entry *entry, uint32_t ready)
{
    struct item *item = LINK_OWNER(entry, struct item, hook);
    machine_step(ROUSE_SIM_HOOKED, item->file->id, 1);
    if (concerns(item, ready) == 0)
        return false;
    list(item);
    bool somebody_waits = !link_empty(&item->epoll->file.queue);
    queue_walk(&item->epoll->file, ROUSE_READ);
    return somebody_waits;
}

static void list_if_ready(struct item *item, struct sim_entry *hooks)
{
    if (concerns(item, file_ask(item->file, hooks)) == 0)
        return;
    list(item);
    queue_walk(&item->epoll->file, ROUSE_READ);
}

static void forget(struct item *item)
{
    queue_unlink(&item->hook);
    unlist(item);
    link_remove(&item->watched);
    uproot(item->epoll, item);
    machine_free(item, sizeof *item);
}

void eventpoll_forget(struct sim_file *file)
{
    while (!link_empty(&file->watched))
        forget(LINK_OWNER(file->watched.next, struct item, watched));
}

static bool tree_reaches(const struct item *item, const struct epoll *epoll, int depth);

/* Whether `epoll` is what a file watches, or what that watches ..., or is too deep. */
static bool reaches(const struct sim_file *file, const struct epoll *epoll, int depth)
{
    if (file->kind != &eventpoll_kind)
        return false;
    const struct epoll *other = LINK_OWNER(file, const struct epoll, file);
    if (other == epoll || depth == MOST_NESTED)
        return true;
    return tree_reaches(other->items, epoll, depth + 1);
}

static bool tree_reaches(const struct item *item, const struct epoll *epoll, int depth)
{
    return item != NULL &&
           (reaches(item->file, epoll, depth) || tree_reaches(item->less, epoll, depth) ||
            tree_reaches(item->more, epoll, depth));
}

/* How many watch it, one above the other. */
static int height(const struct epoll *epoll)
{
    const struct rouse_link *watched = &epoll->file.watched;
    int most = 0;
    for (struct rouse_link *link = watched->next; link != watched; link = link->next) {
        int above = 1 + height(LINK_OWNER(link, struct item, watched)->epoll);
        most = above > most ? above : most;
    }
    return most;
}

static int add(struct epoll *epoll, struct sim_file *file, rouse_fd fd, uint32_t want,
               uint64_t token)
{
    if (reaches(file, epoll, height(epoll)))
        return -ELOOP;
    struct item *item = machine_new(sizeof *item);
    if (item == NULL)
        return -ENOMEM;
    *item = (struct item){.weight = machine_random(),
                          .hook = {.wake = hook, .exclusive = want & ROUSE_SIM_EXCLUSIVE},
                          .epoll = epoll,
                          .file = file,
                          .fd = fd,
                          .want = want | ROUSE_ERROR,
                          .token = token};
    plant(epoll, item);
    link_append(&file->watched, &item->watched);
    list_if_ready(item, &item->hook);
    return 0;
}

static int modify(struct item *item, uint32_t want, uint64_t token)
{
    if (item->hook.exclusive)
        return -EINVAL;
    item->want = want | ROUSE_ERROR;
    item->token = token;
    list_if_ready(item, NULL);
    return 0;
}

/* From the start, of what is no epoll, and of what one alone can see to: a hangup, or urgent data,
 * is for all to know. An error is told without being asked for. */
static bool may_be_exclusive(const struct sim_file *file, enum rouse_sim_op op, uint32_t want)
{
    const uint32_t possible =
        ROUSE_READ | ROUSE_WRITE | ROUSE_ERROR | ROUSE_EDGE | ROUSE_SIM_EXCLUSIVE;
    return op == ROUSE_SIM_ADD && file->kind != &eventpoll_kind && (want & ~possible) == 0;
}

int rouse_sim_epoll_ctl(rouse_fd epoll_fd, enum rouse_sim_op op, rouse_fd fd, uint32_t want,
                        uint64_t token)
{
    struct epoll *epoll = epoll_of(epoll_fd);
    struct sim_file *file = file_of(fd);
    if (file == NULL || file_of(epoll_fd) == NULL)
        return -EBADF;
    if (epoll == NULL || file == &epoll->file)
        return -EINVAL;
    machine_step(ROUSE_SIM_CALLED, epoll->file.id, 1);
    if (op != ROUSE_SIM_REMOVE)
        machine_step(ROUSE_SIM_COPIED_IN, 0, ROUSE_SIM_EVENT_SIZE);
    bool exclusive = op != ROUSE_SIM_REMOVE && want & ROUSE_SIM_EXCLUSIVE;
    if (exclusive && !may_be_exclusive(file, op, want))
        return -EINVAL;
    struct item *item = find(epoll, fd, file);
    if (op == ROUSE_SIM_ADD)
        return item != NULL ? -EEXIST : add(epoll, file, fd, want, token);
    if (op != ROUSE_SIM_MODIFY && op != ROUSE_SIM_REMOVE)
        return -EINVAL;
    if (item == NULL)
        return -ENOENT;
    if (op == ROUSE_SIM_MODIFY)
        return modify(item, want, token);
    forget(item);
    return 0;
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static int collect(struct epoll *epoll, struct rouse_event *events, int nevents)
{
    struct rouse_link to_ask;
    link_init(&to_ask);
    link_append_all(&to_ask, &epoll->ready);
    int n = 0;
    while (!link_empty(&to_ask) && n < nevents) {
        struct item *item = LINK_OWNER(to_ask.next, struct item, ready);
        unlist(item);
        uint32_t ready = concerns(item, file_ask(item->file, NULL));
        if (ready == 0)
            continue;
        events[n++] = (struct rouse_event){.token = item->token, .ready = ready};
        if (item->want & ROUSE_ONESHOT)
            item->want = 0;
        else if (!(item->want & ROUSE_EDGE))
            list(item);
    }
    /* Those that were not asked come first the next time. */
    link_append_all(&to_ask, &epoll->ready);
    link_append_all(&epoll->ready, &to_ask);
    if (!link_empty(&epoll->ready))
        queue_pass_on(&epoll->file);
    return n;
}

int rouse_sim_epoll_wait(rouse_fd fd, struct rouse_event *events, int nevents, int64_t timeout_ns)
{
    struct epoll *epoll = epoll_of(fd);
    if (epoll == NULL || nevents <= 0)
        return file_of(fd) == NULL ? -EBADF : -EINVAL;
    if (timeout_ns > 0 && machine->running != &machine->first)
        return -EPERM;
    machine_step(ROUSE_SIM_CALLED, epoll->file.id, 1);
    file_take(&epoll->file);
    struct sim_alarm alarm;
    int error = alarm_set(&alarm, timeout_ns);
    if (error == 0 && timeout_ns == 0)
        error = task_yield();
    int n = collect(epoll, events, nevents);
    while (n == 0 && error == 0 && !alarm.over) {
        error = task_sleep_on(&epoll->file, true);
        if (error != -ROUSE_SIM_ASLEEP)
            n = collect(epoll, events, nevents);
    }
    alarm_cancel(&alarm);
    file_drop(&epoll->file);
    task_answered();
    if (n > 0)
        machine_step(ROUSE_SIM_COPIED_OUT, 0, (uint64_t)n * ROUSE_SIM_EVENT_SIZE);
    return n > 0 ? n : error;
}

/* Of what is on its list, something may be ready no more. */
static uint32_t ready_epoll(struct sim_file *file)
{
    struct epoll *epoll = LINK_OWNER(file, struct epoll, file);
    while (!link_empty(&epoll->ready)) {
        struct item *item = LINK_OWNER(epoll->ready.next, struct item, ready);
        if (concerns(item, file_ask(item->file, NULL)) != 0)
            return ROUSE_READ;
        unlist(item);
    }
    return 0;
}

static void look_at(struct sim_file *file, struct rouse_sim_file *look)
{
    struct epoll *epoll = LINK_OWNER(file, struct epoll, file);
    look->ready = link_empty(&epoll->ready) ? 0 : (uint32_t)ROUSE_READ;
}

static void release(struct sim_file *file)
{
    struct epoll *epoll = LINK_OWNER(file, struct epoll, file);
    while (epoll->items != NULL)
        forget(epoll->items);
    machine_free(epoll, sizeof *epoll);
}

const struct sim_kind eventpoll_kind = {
    .name = ROUSE_SIM_EPOLL,
    .system = ROUSE_KIND_OTHER,
    .exclusive = true,
    .last_first = true,
    .refusal = -EINVAL,
    .ready = ready_epoll,
    .look = look_at,
    .release = release,
};

int rouse_sim_epoll_create(void)
{
    if (machine == NULL)
        return -EINVAL;
    struct epoll *epoll = machine_new(sizeof *epoll);
    if (epoll == NULL)
        return -ENOMEM;
    file_init(&epoll->file, &eventpoll_kind);
    link_init(&epoll->ready);
    return file_open(&epoll->file);
}

/* ---- Looking in ------------------------------------------------------------------------------ */

uint32_t eventpoll_hooked(struct sim_entry *entry)
{
    return LINK_OWNER(entry, struct item, hook)->epoll->file.id;
}

static const struct item *nth(const struct item *item, unsigned *index)
{
    if (item == NULL)
        return NULL;
    const struct item *found = nth(item->less, index);
    if (found != NULL)
        return found;
    if ((*index)-- == 0)
        return item;
    return nth(item->more, index);
}

int rouse_sim_watched(rouse_fd fd, unsigned index)
{
    const struct epoll *epoll = epoll_of(fd);
    if (epoll == NULL)
        return -EBADF;
    const struct item *item = nth(epoll->items, &index);
    return item != NULL ? (int)item->fd : -ENOENT;
}

int rouse_sim_listed(rouse_fd fd, unsigned index)
{
    struct epoll *epoll = epoll_of(fd);
    if (epoll == NULL)
        return -EBADF;
    struct rouse_link *link = epoll->ready.next;
    while (link != &epoll->ready && index-- > 0)
        link = link->next;
    return link != &epoll->ready ? (int)LINK_OWNER(link, struct item, ready)->fd : -ENOENT;
}
