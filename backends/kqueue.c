/*
 * kqueue (FreeBSD 4.1, 2000): changes go in and events come out, in one call.
 *
 * The kernel keeps a filter for each direction of a descriptor that is watched: EVFILT_READ,
 * EVFILT_WRITE. The file itself moves a filter to the queue when it becomes ready, and a wait looks
 * at the queue alone, so it costs by what is ready. A change of interest, for which epoll needs a
 * call of its own, goes into the kernel with the wait: a turn is one call of kevent(), whatever has
 * changed. The contract of these backends is modelled on it.
 *
 * So edges (EV_CLEAR) would save nothing here, and cost: who is told once must read until EAGAIN,
 * or a stream's short count must be trusted, which is wrong behind urgent data, of which most
 * kernels cannot tell. All filters are levels.
 *
 * What surprises: the two directions of a descriptor come back as two events; they are made one. A
 * filter belongs to the descriptor, not to the open file: close() takes it away even while a
 * duplicate is open, and nobody is told. A change that is refused comes back as an event with
 * EV_ERROR, and then the call has neither waited nor told of anything else. A forked child has no
 * kqueue: the number is free there, and soon somebody else's.
 *
 * What it cannot: a regular file is taken, but is ready only before its end, which is not what
 * POSIX calls ready; so what kind of file it is, is asked first. PRIORITY is never told: FreeBSD
 * and NetBSD have no filter for it, and that of macOS (EVFILT_EXCEPT) tells of plain data too.
 * ERROR of a refused datagram is told by the read alone. macOS refuses some terminals (EINVAL for
 * /dev/tty), which the watcher is told, and does not tell the reader of a named pipe of its end;
 * NetBSD does not tell a terminal of its other end's, nor the writer of a full pipe that its reader
 * has gone.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* S_ISSOCK */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/event.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

struct kqueue_slot {
    uint64_t token;
    uint32_t next; /* in the line of those that are to be told */
    uint8_t ready; /* what they are to be told; 0: nothing any more */
    uint8_t held;  /* the directions for which the kernel holds a filter */
    bool in_line;
    bool known; /* what it is: a socket, or not */
    bool is_socket;
};

struct kqueue_state {
    struct rouse_allocator allocator;
    struct rouse_work *work;
    struct kqueue_slot *slots;
    struct kevent *list; /* changes on their way in, then events on their way out */
    uint32_t slots_capacity;
    uint32_t list_capacity;
    uint32_t queued; /* changes in the list */
    uint32_t first;  /* slot in the line, whose end is `last` */
    uint32_t last;
    uint32_t waiting; /* how many slots are in it; those that did not fit into the events */
    int fd;
    pid_t process;
};

static const struct {
    uint32_t direction;
    struct kevent filter;
} filters[] = {
    {ROUSE_READ, {.filter = EVFILT_READ}},
    {ROUSE_WRITE, {.filter = EVFILT_WRITE}},
};

enum { FILTERS = sizeof filters / sizeof filters[0] };

/* Who is told of an event: nobody, or a slot. */
#define NOBODY      ((uintptr_t)0)
#define SLOT(index) ((uintptr_t)(index) + 1)

/* Writes a change for each of the directions, and returns how many. `udata` is a pointer, and on
 * NetBSD before 10 a number; too small for a token where pointers have 32 bits. */
static uint32_t to_kqueue(struct kevent *list, rouse_fd fd, uint32_t directions, uint16_t flags,
                          uintptr_t whom)
{
    _Static_assert(sizeof whom == sizeof list->udata, "what is written is read back");
    uint32_t n = 0;
    for (int i = 0; i < FILTERS; i++) {
        if (!(directions & filters[i].direction))
            continue;
        list[n] = filters[i].filter;
        list[n].ident = (uintptr_t)fd;
        list[n].flags = flags;
        memcpy(&list[n].udata, &whom, sizeof whom);
        n++;
    }
    return n;
}

/* The end on the writer's side says that nobody reads any more: for a pipe that is an error of the
 * next write. A socket may have been shut on this side; its error, if it has one, is in fflags. */
static uint32_t from_kqueue(const struct kevent *report, bool is_socket)
{
    bool end = report->flags & EV_EOF;
    bool failed = end && is_socket && report->fflags != 0;
    uint32_t ready = failed ? (uint32_t)(ROUSE_ERROR | ROUSE_HANGUP) : 0;
    if (report->filter == EVFILT_READ)
        return ready | (uint32_t)ROUSE_READ | (end ? (uint32_t)ROUSE_HANGUP : 0);
    return ready | (uint32_t)ROUSE_WRITE | (end && !is_socket ? (uint32_t)ROUSE_ERROR : 0);
}

#ifdef EVFILT_USER
static int kqueue_wake(void *opaque)
{
    struct kqueue_state *state = opaque;
    struct kevent ring = {.filter = EVFILT_USER, .fflags = NOTE_TRIGGER};
    return kevent(state->fd, &ring, 1, NULL, 0, NULL) == 0 ? 0 : -errno;
}

/* A filter that another thread triggers: no descriptor is needed to be woken by. Its events concern
 * nobody. A kernel older than the header says EINVAL. */
static int kqueue_hear(struct kqueue_state *state, struct rouse_backend *table)
{
    struct kevent bell = {.filter = EVFILT_USER, .flags = EV_ADD | EV_CLEAR};
    if (kevent(state->fd, &bell, 1, NULL, 0, NULL) == 0)
        table->wake = kqueue_wake;
    else if (errno != EINVAL)
        return -errno;
    return 0;
}
#else
static int kqueue_hear(struct kqueue_state *state, struct rouse_backend *table)
{
    (void)state;
    (void)table;
    return 0;
}
#endif

static int kqueue_grow_list(struct kqueue_state *state, uint32_t need)
{
    void *list = state->list;
    int error =
        memory_grow(&state->allocator, &list, &state->list_capacity, need, sizeof *state->list);
    state->list = list;
    return error;
}

/* Also in a forked child, where the number is not a kqueue's. */
static void kqueue_close(void *opaque)
{
    struct kqueue_state *state = opaque;
    if (state->process == getpid())
        close(state->fd);
    memory_free(&state->allocator, state->list, state->list_capacity * sizeof *state->list);
    memory_free(&state->allocator, state->slots, state->slots_capacity * sizeof *state->slots);
}

/* That it is closed on exec only in a second call hurts nobody: a child that another thread forks
 * in between does not get it anyway. */
static int kqueue_open(void *opaque, const struct rouse_setup *setup)
{
    struct kqueue_state *state = opaque;
    state->allocator = setup->allocator;
    state->work = setup->work;
    state->process = getpid();
    state->fd = kqueue();
    int error = state->fd < 0 ? -errno : kqueue_grow_list(state, FILTERS + 1);
    if (error == 0)
        error = kqueue_hear(state, setup->table);
    if (error == 0) {
        fcntl(state->fd, F_SETFD, FD_CLOEXEC);
        return 0;
    }
    snprintf(setup->why, setup->why_size, "kqueue: %s", strerror(-error));
    kqueue_close(state);
    return error;
}

/* With no room for events the call fetches none; and with exactly what is held, none is refused. */
static void kqueue_drop(void *opaque, rouse_fd fd, uint64_t token)
{
    struct kqueue_state *state = opaque;
    if (ROUSE_SLOT(token) >= state->slots_capacity)
        return;
    struct kqueue_slot *slot = &state->slots[ROUSE_SLOT(token)];
    struct kevent list[FILTERS];
    uint32_t n = to_kqueue(list, fd, slot->held, EV_DELETE, NOBODY);
    slot->held = 0;
    slot->ready = 0;
    if (n == 0)
        return;
    state->work->system_calls++;
    kevent(state->fd, list, (int)n, NULL, 0, NULL);
}

/* A descriptor that is new here; one that was only paused is known. Files that are always ready are
 * left to the loop, as on every backend. */
static int kqueue_meet(struct kqueue_state *state, const struct rouse_change *change)
{
    uint32_t index = ROUSE_SLOT(change->token);
    if (index < state->slots_capacity && state->slots[index].known &&
        state->slots[index].token == change->token)
        return 0;
    struct stat status = {.st_mode = 0};
    state->work->system_calls++;
    if (fstat(change->fd, &status) != 0 && errno == EBADF)
        return -EBADF;
    if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) || S_ISBLK(status.st_mode))
        return -EPERM;
    void *slots = state->slots;
    uint32_t old = state->slots_capacity;
    int error = memory_grow(&state->allocator, &slots, &state->slots_capacity, index + 1,
                            sizeof *state->slots);
    if (error != 0)
        return error;
    state->slots = slots;
    memset(state->slots + old, 0, (state->slots_capacity - old) * sizeof *state->slots);
    struct kqueue_slot *slot = &state->slots[index]; /* which may stand in the line still */
    slot->token = change->token;
    slot->ready = slot->held = 0;
    slot->known = true;
    slot->is_socket = S_ISSOCK(status.st_mode);
    return 0;
}

/* Puts a change into the list: what is not wanted any more is deleted, and what is wanted newly is
 * added; the filters between stay as they are. */
static int kqueue_apply(void *opaque, const struct rouse_change *change)
{
    struct kqueue_state *state = opaque;
    int error = change->had == 0 ? kqueue_meet(state, change) : 0;
    if (error == 0)
        error = kqueue_grow_list(state, state->queued + FILTERS);
    if (error != 0) {
        kqueue_drop(state, change->fd, change->token);
        return error;
    }
    uint32_t index = ROUSE_SLOT(change->token);
    struct kqueue_slot *slot = &state->slots[index];
    uint32_t want = change->want & (ROUSE_READ | ROUSE_WRITE);
    uint32_t held = slot->held;
    state->queued +=
        to_kqueue(state->list + state->queued, change->fd, held & ~want, EV_DELETE, NOBODY);
    state->queued +=
        to_kqueue(state->list + state->queued, change->fd, want & ~held, EV_ADD, SLOT(index));
    slot->held = (uint8_t)want;
    slot->ready &= (uint8_t)(want != 0 ? want | ROUSE_ERROR | ROUSE_HANGUP : 0);
    return 0;
}

/* Hands over what is queued, waits, and fetches. macOS takes no more than some three years. */
static int kqueue_call(struct kqueue_state *state, uint32_t room, int64_t timeout_ns)
{
    const int64_t most = INT64_C(100000000) * 1000000000;
    struct timespec timeout = support_timespec(timeout_ns < most ? timeout_ns : most);
    int n = kevent(state->fd, state->list, (int)state->queued, state->list, (int)room,
                   timeout_ns < 0 ? NULL : &timeout);
    int result = n < 0 ? -errno : n;
    state->work->system_calls++;
    state->work->descriptors += state->queued;
    state->work->bytes_in += state->queued * sizeof *state->list;
    if (n > 0) {
        state->work->bytes_out += (uint64_t)n * sizeof *state->list;
        state->work->scanned += (uint64_t)n;
    }
    state->queued = 0;
    return result;
}

/* A report, for the one event of its descriptor. */
static void kqueue_line_up(struct kqueue_state *state, uint32_t index, uint32_t ready)
{
    struct kqueue_slot *slot = &state->slots[index];
    slot->ready |= (uint8_t)ready;
    if (slot->in_line)
        return;
    slot->in_line = true;
    if (state->waiting++ == 0)
        state->first = index;
    else
        state->slots[state->last].next = index;
    state->last = index;
}

static int kqueue_tell(struct kqueue_state *state, struct rouse_event *events, int n, int nevents)
{
    while (state->waiting > 0 && n < nevents) {
        struct kqueue_slot *slot = &state->slots[state->first];
        if (slot->ready != 0)
            events[n++] = (struct rouse_event){slot->token, slot->ready, 0};
        slot->ready = 0;
        slot->in_line = false;
        state->first = slot->next;
        state->waiting--;
    }
    return n;
}

/* A device whose driver knows no filters is always ready, as for poll. A terminal is not. */
static bool kqueue_is_device(rouse_fd fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) && !isatty(fd);
}

/* What a refusal means: 0 if it is none. That nobody reads from a pipe is none: it can be written,
 * and the write says so; the kernel says EPIPE, or on NetBSD EBADF for a descriptor that is open.
 * EPERM would say that it is always ready. */
static int kqueue_refusal(const struct kevent *report)
{
    rouse_fd fd = (rouse_fd)report->ident;
    int error = (int)report->data;
    if (report->filter == EVFILT_WRITE &&
        (error == EPIPE || (error == EBADF && fcntl(fd, F_GETFD) != -1)))
        return 0;
    return kqueue_is_device(fd) ? -EPERM : error == EPERM ? -EINVAL : -error;
}

/* The kernel does not hold the filter of this report: it was refused, or FreeBSD has taken it away,
 * as it does at a pipe whose other end is closed (EV_ONESHOT, for which nobody has asked). So none
 * is to stay for its descriptor. Returns why it was refused; if both were, the first has said so.
 */
static int kqueue_lost(struct kqueue_state *state, const struct kevent *report, uint32_t index)
{
    struct kqueue_slot *slot = &state->slots[index];
    if (slot->held == 0)
        return 0;
    uint32_t ready = slot->ready;
    slot->held &= report->filter == EVFILT_READ ? (uint8_t)~ROUSE_READ : (uint8_t)~ROUSE_WRITE;
    kqueue_drop(state, (rouse_fd)report->ident, slot->token);
    int error = 0;
    if (!(report->flags & EV_ERROR))
        kqueue_line_up(state, index, ready | from_kqueue(report, slot->is_socket) | ROUSE_SPENT);
    else if ((error = kqueue_refusal(report)) == 0)
        kqueue_line_up(state, index, ready | ROUSE_WRITE | ROUSE_ERROR | ROUSE_SPENT);
    return error;
}

/* Lines up what is ready; changes that were refused become the first events. */
static int kqueue_collect(struct kqueue_state *state, int count, struct rouse_event *events, int n,
                          int nevents)
{
    for (int i = 0; i < count; i++) {
        const struct kevent *report = &state->list[i];
        uintptr_t whom;
        memcpy(&whom, &report->udata, sizeof whom);
        if (whom == NOBODY)
            continue;
        uint32_t index = (uint32_t)(whom - SLOT(0));
        const struct kqueue_slot *slot = &state->slots[index];
        int error = 0;
        if (report->flags & (EV_ERROR | EV_ONESHOT))
            error = kqueue_lost(state, report, index);
        else
            kqueue_line_up(state, index, from_kqueue(report, slot->is_socket));
        if (error != 0 && n < nevents)
            events[n++] = (struct rouse_event){slot->token, ROUSE_ERROR, error};
    }
    return n;
}

/*
 * There is room for both filters of each descriptor, and for a wake. So every change may be
 * refused. Those who do not fit into the events afterwards are the first to be told by the next
 * call. A call with refusals has told of nothing else and not waited: there is a second one.
 */
static int kqueue_poll(void *opaque, const struct rouse_change *changes, int nchanges,
                       struct rouse_event *events, int nevents, int64_t timeout_ns)
{
    struct kqueue_state *state = opaque;
    if (nchanges > 0)
        return support_apply(state, kqueue_apply, kqueue_poll, changes, nchanges, events, nevents,
                             timeout_ns);

    uint32_t room = FILTERS * (uint32_t)nevents + 1;
    if (room > state->list_capacity && kqueue_grow_list(state, room) != 0)
        room = state->list_capacity; /* fewer are fetched at once */
    int n = 0;
    int count = 0;
    do {
        count = kqueue_call(state, room, n > 0 || state->waiting > 0 ? 0 : timeout_ns);
        if (count < 0 && count != -EINTR)
            return count;
        n = kqueue_collect(state, count, events, n, nevents);
    } while (count > 0 && state->list[0].flags & EV_ERROR);
    return kqueue_tell(state, events, n, nevents);
}

const struct rouse_backend rouse_kqueue_backend = {
    .abi = ROUSE_BACKEND_ABI,
    .traits = ROUSE_TRAIT_HANGUP | ROUSE_TRAIT_LATE,
    .name = "kqueue",
    .state_size = sizeof(struct kqueue_state),
    .open = kqueue_open,
    .close = kqueue_close,
    .poll = kqueue_poll,
    .drop = kqueue_drop,
};
