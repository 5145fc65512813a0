/*
 * trace: no way to wait, but a witness. "trace:epoll" stands between a loop and epoll, hands every
 * call on, and checks on both sides what the contract (include/rouse/backend.h) says of it.
 *
 * Whoever breaks a clause, the loop ("the caller") or the backend, is named on stderr with the
 * clause and the values, and the process is aborted, as a sanitizer would do: nothing that happens
 * afterwards could be trusted. No other part of the library prints or aborts, and this one is used
 * only when it is named. With ROUSE_TRACE=FILE in the environment it also records all that passes,
 * a JSON line each; docs/trace.md shows one. The clauses stand in trace_check.h, the lines in
 * trace_record.h; here every call is handed on. It costs an entry for each slot, a copy of each
 * change, and a walk over all entries for each descriptor that is added.
 *
 * What surprises: what it cannot see. A witness of calls knows nothing of files: whether something
 * ready is reported at all, whether a report is true, or is repeated while it lasts; whether a call
 * with timeout 0 or a refusal blocks, a sleep ends too early, or some are starved by others;
 * whether a dropped file is let go of, or a descriptor is leaked. Nor what a wake does, which comes
 * from other threads and signal handlers and is only handed on. The contract suite and the
 * differential test see to these. And a descriptor that was closed behind the loop's back, while a
 * duplicate keeps its file open, may be reported after its drop: that is no fault of the backend
 * and let pass, unless the number was in use again when it was dropped, which cannot be told apart.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* secure_getenv */
#include "loop.h"   /* system_table */
#include "trace_check.h"
#include "trace_record.h"

struct trace_state {
    struct rouse_backend inner; /* the inner table, as its `open` left it */
    struct rouse_setup setup;   /* what it was given */
    void *memory;               /* its state */
    struct trace_check check;
    struct trace_record record;
};

/* The time, if it is to be recorded. */
static int64_t trace_now(const struct trace_state *state)
{
    return state->record.fd >= 0 ? state->check.system->now() : 0;
}

/* "trace:epoll", without what would break a line of JSON. */
static void trace_name(struct trace_state *state)
{
    char *name = state->check.name;
    snprintf(name, sizeof state->check.name, "trace:%s", state->inner.name);
    for (; *name != '\0'; name++)
        if (*name == '"' || *name == '\\' || (unsigned char)*name < ' ')
            *name = '?';
}

static size_t trace_state_size(const struct trace_state *state)
{
    return state->inner.state_size != 0 ? state->inner.state_size : 1;
}

/* Gives back what is held besides the inner. */
static void trace_release(struct trace_state *state)
{
    struct trace_check *check = &state->check;
    memory_free(&check->allocator, state->memory, trace_state_size(state));
    memory_free(&check->allocator, check->slots, check->slots_capacity * sizeof *check->slots);
    memory_free(&check->allocator, check->handed, check->handed_capacity * sizeof *check->handed);
    trace_record_close(&state->record);
}

/* Opens the inner with a setup of its own. */
static int trace_open_inner(struct trace_state *state, const struct rouse_setup *setup)
{
    struct trace_check *check = &state->check;
    state->memory =
        check->allocator.resize(check->allocator.context, NULL, 0, trace_state_size(state));
    if (state->memory == NULL) {
        snprintf(setup->why, setup->why_size, "no memory for %s", state->inner.name);
        return -ENOMEM;
    }
    memset(state->memory, 0, trace_state_size(state));
    state->setup = *setup;
    state->setup.allocator = (struct rouse_allocator){trace_resize, check};
    state->setup.table = &state->inner;
    state->setup.inner = NULL;
    if (setup->why_size > 0)
        setup->why[0] = '\0';
    check->call = "open";
    check->worked = *check->work;
    int error = setup->inner->open(state->memory, &state->setup);
    trace_check_opened(check, setup->inner, error, setup->why_size > 0 ? setup->why : NULL);
    state->setup.why_size = 0; /* the words are gone when this has returned */
    trace_leave(check);
    return error;
}

static int trace_open(void *opaque, const struct rouse_setup *setup)
{
    struct trace_state *state = opaque;
    struct trace_check *check = &state->check;
    for (size_t i = 0; i < sizeof *state; i++)
        if (((const char *)opaque)[i] != 0)
            trace_breach(check, "caller", "state is zeroed before open", "it is in use");
    if (setup->inner->abi != ROUSE_BACKEND_ABI) {
        snprintf(setup->why, setup->why_size, "%s is written for version %u of the contract",
                 setup->inner->name, (unsigned)setup->inner->abi);
        return -ENOTSUP;
    }
    int error = trace_record_open(&state->record, setup);
    if (error != 0)
        return error;
    state->inner = *setup->inner;
    check->backend = &state->inner;
    check->allocator = setup->allocator;
    check->work = setup->work;
    check->process = getpid();
    check->unknown = (struct trace_slot){.fd = -1, .is = "not known"};
    trace_name(state);
    error = trace_open_inner(state, setup);
    check->system = state->inner.system != NULL ? state->inner.system : &system_table;
    trace_name(state);
    trace_line(&state->record, trace_now(state), "open",
               ",\"backend\":\"%s\",\"traits\":\"%s\",\"fd_limit\":%lld,\"result\":%d", check->name,
               trace_traits(state->inner.traits).text, (long long)state->inner.fd_limit, error);
    if (error != 0) {
        trace_release(state);
        return error;
    }
    check->open = true;
    setup->table->name = check->name;
    setup->table->traits = state->inner.traits;
    setup->table->fd_limit = state->inner.fd_limit;
    setup->table->system = state->inner.system;
    if (state->inner.wake == NULL)
        setup->table->wake = NULL;
    return 0;
}

static void trace_close(void *opaque)
{
    struct trace_state *state = opaque;
    trace_enter(&state->check, "close");
    state->inner.close(state->memory);
    trace_check_closed(&state->check);
    trace_leave(&state->check);
    trace_line(&state->record, trace_now(state), "close", "%s", "");
    trace_release(state);
    state->check.open = false;
}

static void trace_drop(void *opaque, rouse_fd fd, uint64_t token)
{
    struct trace_state *state = opaque;
    trace_enter(&state->check, "drop");
    if (trace_check_drop(&state->check, fd, token))
        state->inner.drop(state->memory, fd, token);
    trace_leave(&state->check);
    trace_line(&state->record, trace_now(state), "drop",
               ",\"fd\":%lld,\"slot\":%u,\"generation\":%u", (long long)fd, ROUSE_SLOT(token),
               (unsigned)(token >> 32));
}

static void trace_record_changes(struct trace_state *state, int64_t time,
                                 const struct rouse_change *changes, int nchanges)
{
    for (int i = 0; i < nchanges; i++)
        trace_line(&state->record, time, "change",
                   ",\"fd\":%lld,\"slot\":%u,\"generation\":%u,\"had\":\"%s\",\"want\":\"%s\"",
                   (long long)changes[i].fd, ROUSE_SLOT(changes[i].token),
                   (unsigned)(changes[i].token >> 32), trace_bits(changes[i].had).text,
                   trace_bits(changes[i].want).text);
}

static void trace_record_events(struct trace_state *state, int64_t time,
                                const struct rouse_event *events, int n)
{
    for (int i = 0; i < n; i++)
        trace_line(&state->record, time, "event",
                   ",\"fd\":%lld,\"slot\":%u,\"generation\":%u,\"ready\":\"%s\",\"result\":%d",
                   (long long)trace_find(&state->check, events[i].token)->fd,
                   ROUSE_SLOT(events[i].token), (unsigned)(events[i].token >> 32),
                   trace_bits(events[i].ready).text, events[i].result);
}

/* A change of a slot for which there is no memory here is refused, and the inner not told of it.
 * Events are recorded before they are checked, so that the last line tells of the wrong one. */
static int trace_poll(void *opaque, const struct rouse_change *changes, int nchanges,
                      struct rouse_event *events, int nevents, int64_t timeout_ns)
{
    struct trace_state *state = opaque;
    struct trace_check *check = &state->check;
    trace_enter(check, "poll");
    trace_check_asked(check, nchanges, nevents);
    int handed = 0;
    int refused = 0;
    for (int i = 0; i < nchanges; i++)
        if (trace_check_change(check, changes, i) == 0)
            check->handed[handed++] = changes[i];
        else
            events[refused++] = (struct rouse_event){changes[i].token, ROUSE_ERROR, -ENOMEM};
    check->short_of_memory = refused > 0;

    int64_t began = trace_now(state);
    int room = nevents - refused;
    int n = 0;
    if (room > 0)
        n = state->inner.poll(state->memory, check->handed, handed, events + refused, room,
                              refused > 0 ? 0 : timeout_ns);
    int64_t ended = trace_now(state);
    trace_check_told(check, n, room);

    int all = n < 0 ? n : refused + n;
    trace_record_changes(state, began, changes, nchanges);
    trace_line(&state->record, began, "wait",
               ",\"timeout\":%lld,\"took\":%lld,\"changes\":%d,\"room\":%d,\"result\":%d",
               (long long)timeout_ns, (long long)(ended - began), nchanges, nevents, all);
    trace_record_events(state, ended, events, all);
    for (int i = 0; i < n; i++)
        trace_check_event(check, &events[refused + i]);
    trace_leave(check);
    return all;
}

/* From any thread and from signal handlers, so it is only handed on. */
static int trace_wake(void *opaque)
{
    const struct trace_state *state = opaque;
    return state->inner.wake(state->memory);
}

const struct rouse_backend rouse_trace_backend = {
    .abi = ROUSE_BACKEND_ABI,
    .traits = ROUSE_TRAIT_WRAPS | ROUSE_TRAIT_OPT_IN,
    .name = "trace",
    .state_size = sizeof(struct trace_state),
    .open = trace_open,
    .close = trace_close,
    .poll = trace_poll,
    .drop = trace_drop,
    .wake = trace_wake,
};
