/*
 * iocp (Windows NT 3.5, 1994): a completion port, a queue in the kernel of requests that are done.
 *
 * Where epoll tells that a read would not block, Windows would rather do the read and tell when it
 * is done. Readiness can be had of it all the same: the driver of the sockets knows a request whose
 * whole work is to wait until a socket is ready. One such request for each socket is handed over;
 * when it completes it is put into the queue of the port, first in, first out, from where one call
 * fetches many. A request completes once, and is armed anew before the next wait: so each event
 * costs a call beside its share of the wait, and who waits costs nothing, however many are watched.
 *
 * What surprises: from when it is handed over until it has been fetched, a request is the kernel's,
 * which writes its answer into our memory whenever it likes. It cannot be changed, and cancelling
 * it only makes it come back sooner. So each request is a block of its own that never moves, and
 * one that nobody wants any more is disowned: cancelled, and left alone until it has come back,
 * while another takes its place. A request is named by its block and not by the socket, whose
 * number may be that of another one by then. The interface to the driver is not documented (see
 * afd.h). Only sockets can be watched. There are no edges: a request for what is ready completes at
 * once, however long it has been so.
 *
 * SPDX-License-Identifier: MIT
 */
#include "afd.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "link.h"
#include "support.h"
#include "winsock.h"

enum {
    IOCP_GROUP = 32,     /* slots to one handle of the driver */
    IOCP_LAYERS = 16,    /* of providers, at most, between a socket and the one the driver knows */
    IOCP_UNIT = 1000000, /* a wait is in milliseconds */
};

/* How long closing waits for a kernel that gives nothing back. */
static const int64_t iocp_patience = 1000000000;

/* Where a request is. */
enum iocp_place {
    IOCP_IDLE,     /* here, to be armed before the next wait */
    IOCP_ARMED,    /* in the kernel */
    IOCP_DISOWNED, /* in the kernel, and of no slot any more */
};

struct iocp_request {
    IO_STATUS_BLOCK status; /* this and the next are the kernel's until the request is fetched */
    AFD_POLL_INFO poll;
    enum iocp_place place;
    uint32_t want;
    uint64_t token;
    ULONG asked;
    SOCKET socket; /* as the driver knows it */
    HANDLE driver;
    struct rouse_link link; /* of the idle, or of the spare */
};

/* To cancel a request the kernel walks over all that were made through the same handle, which comes
 * to milliseconds if there are tens of thousands; so there is a handle for every few slots. */
struct iocp_group {
    HANDLE driver;
    struct iocp_request *requests[IOCP_GROUP]; /* by slot; NULL: none */
};

struct iocp_state {
    struct rouse_work *work;
    HANDLE port;
    OVERLAPPED_ENTRY *entries; /* what one call has fetched */
    uint32_t nentries;
    uint32_t disowned; /* how many requests */
    struct rouse_link idle;
    struct rouse_link spare;   /* memory of requests that are no more */
    struct iocp_group *groups; /* by slot */
    uint32_t ngroups;
    bool woken; /* by iocp_wake(), as the last fetch has told */
    struct rouse_allocator allocator;
};

/* Who reads is told of the end of a stream, and everybody of one that has failed. */
static ULONG to_afd(uint32_t want)
{
    return (want & ROUSE_READ ? AFD_POLL_RECEIVE | AFD_POLL_ACCEPT | AFD_POLL_DISCONNECT : 0U) |
           (want & ROUSE_PRIORITY ? AFD_POLL_RECEIVE_EXPEDITED : 0U) |
           (want & ROUSE_WRITE ? AFD_POLL_SEND : 0U) |
           (want & ROUSE_HANGUP ? AFD_POLL_DISCONNECT : 0U) |
           (AFD_POLL_ABORT | AFD_POLL_CONNECT_FAIL | AFD_POLL_LOCAL_CLOSE);
}

/* What is not wanted is left out: it was wanted when the request was made, or the driver has told
 * this request what another one of the same socket had asked. */
static uint32_t from_afd(ULONG told, uint32_t want)
{
    bool failed = told & (AFD_POLL_ABORT | AFD_POLL_CONNECT_FAIL);
    uint32_t ready = (told & (AFD_POLL_RECEIVE | AFD_POLL_ACCEPT) ? ROUSE_READ : 0U) |
                     (told & AFD_POLL_RECEIVE_EXPEDITED ? ROUSE_PRIORITY : 0U) |
                     (told & AFD_POLL_SEND ? ROUSE_WRITE : 0U) |
                     (told & AFD_POLL_DISCONNECT ? ROUSE_READ | ROUSE_HANGUP : 0U) |
                     (failed ? ROUSE_READ | ROUSE_WRITE : 0U);
    return (ready & want) | (failed ? ROUSE_ERROR | ROUSE_HANGUP : 0U);
}

/* The -errno of what the kernel says of a request for a socket. */
static int from_status(NTSTATUS status, SOCKET socket)
{
    switch (status) {
    case STATUS_SUCCESS:
        return 0;
    case STATUS_INVALID_HANDLE:
    case STATUS_OBJECT_TYPE_MISMATCH:
        return winsock_no_socket((rouse_fd)socket);
    case STATUS_NO_MEMORY:
    case STATUS_QUOTA_EXCEEDED:
    case STATUS_INSUFFICIENT_RESOURCES:
        return -ENOMEM;
    default:
        return -EIO;
    }
}

/* A handle of the driver; what is asked through it comes back through the port. */
static NTSTATUS iocp_open_driver(struct iocp_state *state, HANDLE *driver)
{
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK ignored;
    RtlInitUnicodeString(&name, AFD_DEVICE);
    InitializeObjectAttributes(&attributes, &name, 0, NULL, NULL);
    NTSTATUS status = NtCreateFile(driver, SYNCHRONIZE, &attributes, &ignored, NULL, 0,
                                   FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_OPEN, 0, NULL, 0);
    state->work->system_calls += 3;
    if (status == STATUS_SUCCESS && CreateIoCompletionPort(*driver, state->port, 0, 0) == NULL) {
        CloseHandle(*driver);
        status = STATUS_INSUFFICIENT_RESOURCES;
    }
    if (status != STATUS_SUCCESS)
        *driver = NULL;
    else /* nobody waits for the handle itself, and to set it costs time */
        SetFileCompletionNotificationModes(*driver, FILE_SKIP_SET_EVENT_ON_HANDLE);
    return status;
}

/* The place of a slot's request; NULL if there is none for slots that high. */
static struct iocp_request **iocp_at(struct iocp_state *state, uint32_t slot)
{
    if (slot / IOCP_GROUP >= state->ngroups)
        return NULL;
    return &state->groups[slot / IOCP_GROUP].requests[slot % IOCP_GROUP];
}

/* Makes a place for a slot's request, with a handle to make it through. */
static NTSTATUS iocp_reserve(struct iocp_state *state, uint32_t slot)
{
    uint32_t old = state->ngroups;
    uint32_t index = slot / IOCP_GROUP;
    void *groups = state->groups;
    if (memory_grow(&state->allocator, &groups, &state->ngroups, index + 1,
                    sizeof *state->groups) != 0)
        return STATUS_NO_MEMORY;
    state->groups = groups;
    if (state->ngroups > old)
        memset(state->groups + old, 0, (state->ngroups - old) * sizeof *state->groups);
    if (state->groups[index].driver != NULL)
        return STATUS_SUCCESS;
    return iocp_open_driver(state, &state->groups[index].driver);
}

/* Room to fetch more at a time; if there is none, less will do. */
APART static int iocp_widen(struct iocp_state *state, int nevents)
{
    void *entries = state->entries;
    int error = memory_grow(&state->allocator, &entries, &state->nentries, (uint32_t)nevents,
                            sizeof *state->entries);
    state->entries = entries;
    return error;
}

static void iocp_release(struct iocp_state *state)
{
    for (uint32_t i = 0; i < state->ngroups; i++)
        if (state->groups[i].driver != NULL)
            CloseHandle(state->groups[i].driver);
    CloseHandle(state->port);
    while (!link_empty(&state->spare)) {
        struct iocp_request *request = LINK_OWNER(state->spare.next, struct iocp_request, link);
        link_remove(&request->link);
        memory_free(&state->allocator, request, sizeof *request);
    }
    memory_free(&state->allocator, state->groups, state->ngroups * sizeof *state->groups);
    memory_free(&state->allocator, state->entries, state->nentries * sizeof *state->entries);
}

static int iocp_open(void *opaque, const struct rouse_setup *setup)
{
    struct iocp_state *state = opaque;
    state->allocator = setup->allocator;
    state->work = setup->work;
    link_init(&state->idle);
    link_init(&state->spare);
    /* Of the threads that have waited for a port only so many may run before the next one is woken;
     * but one that gave the loop away and is busy must not keep its heir asleep. */
    state->port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, INT32_MAX);
    if (state->port == NULL) {
        DWORD error = GetLastError();
        snprintf(setup->why, setup->why_size, "CreateIoCompletionPort: error %lu", error);
        return winsock_errno((int)error);
    }
    NTSTATUS status = iocp_widen(state, 1) == 0 ? iocp_reserve(state, 0) : STATUS_NO_MEMORY;
    if (status == STATUS_SUCCESS)
        return 0;
    snprintf(setup->why, setup->why_size, "the driver of the sockets: status 0x%08lx", status);
    iocp_release(state);
    return from_status(status, INVALID_SOCKET);
}

/* What a slot no longer wants. */
static void iocp_forget(struct iocp_state *state, struct iocp_request **at)
{
    struct iocp_request *request = *at;
    IO_STATUS_BLOCK ignored;
    *at = NULL;
    switch (request->place) {
    case IOCP_IDLE:
        link_remove(&request->link);
        link_append(&state->spare, &request->link);
        break;
    case IOCP_ARMED: /* or on its way back, where there is nothing to cancel: it comes either way */
        state->work->system_calls++;
        NtCancelIoFileEx(request->driver, &request->status, &ignored);
        request->place = IOCP_DISOWNED;
        state->disowned++;
        break;
    case IOCP_DISOWNED: /* is of no slot */
        break;
    }
}

/* Hands a request to the kernel. 0, or -errno and it is still idle. */
static int iocp_arm(struct iocp_state *state, struct iocp_request *request)
{
    request->asked = to_afd(request->want);
    request->poll = (AFD_POLL_INFO){
        .Timeout.QuadPart = INT64_MAX,
        .NumberOfHandles = 1,
        .Handles = {{(HANDLE)request->socket, request->asked, 0}},
    };
    NTSTATUS status = NtDeviceIoControlFile(request->driver, NULL, NULL, request, &request->status,
                                            IOCTL_AFD_POLL, &request->poll, sizeof request->poll,
                                            &request->poll, sizeof request->poll);
    state->work->system_calls++;
    state->work->descriptors++;
    state->work->bytes_in += sizeof request->poll;
    if (!NT_SUCCESS(status))
        return from_status(status, request->socket);
    link_remove(&request->link);
    request->place = IOCP_ARMED; /* even if it is done already: it comes back through the port */
    return 0;
}

/* Arms what is idle; what the kernel does not take becomes an event, and is forgotten. */
static int iocp_arm_all(struct iocp_state *state, struct rouse_event *events, int nevents)
{
    int n = 0;
    while (n < nevents && !link_empty(&state->idle)) {
        struct iocp_request *request = LINK_OWNER(state->idle.next, struct iocp_request, link);
        int error = iocp_arm(state, request);
        if (error == 0)
            continue;
        events[n++] = (struct rouse_event){request->token, ROUSE_ERROR, error};
        iocp_forget(state, iocp_at(state, ROUSE_SLOT(request->token)));
    }
    return n;
}

/* The answer to an armed request, which is idle now. Returns the number of events, 0 or 1. */
static int iocp_report(struct iocp_state *state, struct iocp_request *request,
                       struct rouse_event *event)
{
    NTSTATUS status = request->status.Status;
    bool answered = NT_SUCCESS(status) && request->poll.NumberOfHandles > 0;
    ULONG told = answered ? request->poll.Handles[0].Events : 0;
    int error = 0;
    if (told & AFD_POLL_LOCAL_CLOSE) /* behind the loop's back */
        error = -EBADF;
    else if (!NT_SUCCESS(status) && status != STATUS_CANCELLED)
        error = from_status(status, request->socket);
    uint32_t ready = error != 0 ? ROUSE_ERROR : from_afd(told, request->want);
    *event = (struct rouse_event){request->token, ready, error};
    request->place = IOCP_IDLE;
    link_append(&state->idle, &request->link);
    if (error != 0)
        iocp_forget(state, iocp_at(state, ROUSE_SLOT(request->token)));
    return ready != 0;
}

/* One that has come back. */
static int iocp_receive(struct iocp_state *state, struct iocp_request *request,
                        struct rouse_event *event)
{
    switch (request->place) {
    case IOCP_ARMED:
        state->work->bytes_out += sizeof request->poll;
        return iocp_report(state, request, event);
    case IOCP_DISOWNED:
        state->disowned--;
        link_append(&state->spare, &request->link);
        return 0;
    case IOCP_IDLE: /* was not away */
        break;
    }
    return 0;
}

/* Waits, and puts what has become of it behind the first `n` events. What comes back and is none
 * takes up no room for those that are. */
static int iocp_fetch(struct iocp_state *state, struct rouse_event *events, int n, int nevents,
                      int64_t timeout_ns)
{
    ULONG room, count;
    state->woken = false;
    do {
        room = (ULONG)(nevents - n) < state->nentries ? (ULONG)(nevents - n) : state->nentries;
        DWORD timeout = (DWORD)support_round_up(timeout_ns, IOCP_UNIT, INT32_MAX);
        state->work->system_calls++;
        if (!GetQueuedCompletionStatusEx(state->port, state->entries, room, &count, timeout, FALSE))
            return GetLastError() == WAIT_TIMEOUT || n > 0 ? n : winsock_error();
        state->work->bytes_out += count * sizeof *state->entries;
        state->work->scanned += count;
        for (ULONG i = 0; i < count; i++) {
            void *request = state->entries[i].lpOverlapped;
            if (request == NULL)
                state->woken = true;
            else
                n += iocp_receive(state, request, &events[n]);
        }
        timeout_ns = 0;
    } while (count == room && n < nevents);
    return n;
}

/* Until the last request has come back, or the kernel is silent: then it keeps its memory. */
static void iocp_close(void *opaque)
{
    struct iocp_state *state = opaque;
    for (uint32_t slot = 0; slot < state->ngroups * IOCP_GROUP; slot++)
        if (*iocp_at(state, slot) != NULL)
            iocp_forget(state, iocp_at(state, slot));
    uint32_t before = state->disowned + 1;
    while (state->disowned > 0 && (state->disowned < before || state->woken)) {
        before = state->disowned;
        iocp_fetch(state, NULL, 0, INT_MAX, iocp_patience);
    }
    iocp_release(state);
}

/* There is a reference to the socket no longer than the request is armed, and a socket ends its
 * connection with its last handle, whatever refers to it. */
static void iocp_drop(void *opaque, rouse_fd fd, uint64_t token)
{
    (void)fd;
    struct iocp_state *state = opaque;
    struct iocp_request **at = iocp_at(state, ROUSE_SLOT(token));
    if (at != NULL && *at != NULL && (*at)->token == token)
        iocp_forget(state, at);
}

/* Providers may be layered over the one whose sockets the driver knows. One that does not say which
 * that is, though all must, says at least which is below. This is all Winsock's, in the process. */
static int iocp_base(rouse_fd fd, SOCKET *base)
{
    SOCKET socket = (SOCKET)fd;
    DWORD size;
    for (int layer = 0; layer < IOCP_LAYERS; layer++) {
        if (WSAIoctl(socket, SIO_BASE_HANDLE, NULL, 0, base, sizeof *base, &size, NULL, NULL) == 0)
            return 0;
        int error = winsock_error();
        if (error == -ENOTSOCK)
            return winsock_no_socket(fd);
        if (WSAIoctl(socket, SIO_BSP_HANDLE_POLL, NULL, 0, base, sizeof *base, &size, NULL, NULL) !=
            0)
            return error;
        socket = *base;
    }
    return -ENOTSUP;
}

/* Whether a slot's request will do for a change of what it wants. */
static bool iocp_serves(struct iocp_request *request, uint32_t want)
{
    switch (request->place) {
    case IOCP_IDLE: /* it is still to be made */
        break;
    case IOCP_ARMED: /* if it asks for more, what comes of that is left out */
        if (to_afd(want) & ~request->asked)
            return false;
        break;
    case IOCP_DISOWNED: /* is of no slot */
        return false;
    }
    request->want = want;
    return true;
}

static struct iocp_request *iocp_allocate(struct iocp_state *state)
{
    if (link_empty(&state->spare))
        return state->allocator.resize(state->allocator.context, NULL, 0,
                                       sizeof(struct iocp_request));
    struct iocp_request *request = LINK_OWNER(state->spare.next, struct iocp_request, link);
    link_remove(&request->link);
    return request;
}

static int iocp_apply(void *opaque, const struct rouse_change *change)
{
    struct iocp_state *state = opaque;
    uint32_t slot = ROUSE_SLOT(change->token);
    NTSTATUS status = iocp_reserve(state, slot);
    if (status != STATUS_SUCCESS)
        return from_status(status, (SOCKET)change->fd);
    struct iocp_request **at = iocp_at(state, slot);
    struct iocp_request *held = *at;
    bool known = change->had != 0 && held != NULL && held->token == change->token;
    if (known && change->want != 0 && iocp_serves(held, change->want))
        return 0;
    SOCKET socket = known ? held->socket : INVALID_SOCKET;
    if (held != NULL)
        iocp_forget(state, at);
    if (change->want == 0)
        return 0;
    int error = known ? 0 : iocp_base(change->fd, &socket);
    if (error != 0)
        return error;
    struct iocp_request *request = iocp_allocate(state);
    if (request == NULL)
        return -ENOMEM;
    *request = (struct iocp_request){
        .place = IOCP_IDLE,
        .want = change->want,
        .token = change->token,
        .socket = socket,
        .driver = state->groups[slot / IOCP_GROUP].driver,
    };
    link_append(&state->idle, &request->link);
    *at = request;
    return 0;
}

/* Arms and fetches. */
static int iocp_turn(struct iocp_state *state, struct rouse_event *events, int nevents,
                     int64_t timeout_ns)
{
    int n = iocp_arm_all(state, events, nevents);
    return n < nevents ? iocp_fetch(state, events, n, nevents, n > 0 ? 0 : timeout_ns) : n;
}

static int iocp_poll(void *opaque, const struct rouse_change *changes, int nchanges,
                     struct rouse_event *events, int nevents, int64_t timeout_ns)
{
    struct iocp_state *state = opaque;
    if (nchanges > 0)
        return support_apply(state, iocp_apply, iocp_poll, changes, nchanges, events, nevents,
                             timeout_ns);

    if ((uint32_t)nevents > state->nentries)
        iocp_widen(state, nevents);
    /* What is disowned is back soon, and is not worth a wake. */
    if (state->disowned > 0 && timeout_ns != 0) {
        int n = iocp_turn(state, events, nevents, 0);
        if (n != 0 || state->woken)
            return n;
    }
    return iocp_turn(state, events, nevents, timeout_ns);
}

static int iocp_wake(void *opaque)
{
    struct iocp_state *state = opaque;
    return PostQueuedCompletionStatus(state->port, 0, 0, NULL) ? 0 : winsock_error();
}

const struct rouse_backend rouse_iocp_backend = {
    .abi = ROUSE_BACKEND_ABI,
    .traits = ROUSE_TRAIT_HANGUP | ROUSE_TRAIT_LATE,
    .name = "iocp",
    .state_size = sizeof(struct iocp_state),
    .open = iocp_open,
    .close = iocp_close,
    .poll = iocp_poll,
    .drop = iocp_drop,
    .wake = iocp_wake,
};
