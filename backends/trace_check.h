/*
 * The clauses of the contract (include/rouse/backend.h) that can be seen from between a loop and a
 * backend, for each call and each thing that passes in it. A list of clauses is the contract's text
 * again, each beside the condition that breaks it; the first that is broken ends the process.
 *
 * What it takes to see them is one entry for each slot: the last token, what the backend should
 * hold for it, and why it holds nothing.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_BACKENDS_TRACE_CHECK_H
#define ROUSE_BACKENDS_TRACE_CHECK_H

#include <stdbool.h>

#include "memory.h"
#include "trace_record.h"

enum {
    TRACE_DIRECTIONS = ROUSE_READ | ROUSE_PRIORITY | ROUSE_WRITE,
    TRACE_ASKED = TRACE_DIRECTIONS | ROUSE_HANGUP | ROUSE_EDGE,
    TRACE_UNASKED = ROUSE_ERROR | ROUSE_HANGUP,
    TRACE_TOLD = TRACE_DIRECTIONS | TRACE_UNASKED | ROUSE_SPENT,
    TRACE_LAST_ERROR = 4095,
};

/* What is known of a slot. Polls are counted from 1. */
struct trace_slot {
    uint64_t token;   /* the last one that was given to the backend */
    uint64_t changed; /* the poll that gave or changed it last; 0: none did */
    uint64_t told;    /* the poll that reported it last */
    uint64_t ended;   /* the last poll when it was said that nothing is held any more */
    uint64_t ghosts;  /* tokens of generations below this one may be ghosts */
    rouse_fd fd;
    uint32_t held;
    uint32_t spent; /* what was held when SPENT alone was told, and nothing else since */
    const char *is; /* "held", or why it is not */
};

struct trace_check {
    char name[64]; /* "trace:epoll" */
    const struct rouse_backend *backend;
    const struct rouse_system *system; /* that goes with it */
    const char *call;                  /* in progress, or NULL */
    uint64_t polls;
    bool open;
    bool lost;            /* the last poll has returned an error */
    bool short_of_memory; /* the last poll refused a change because of us */
    pid_t process;
    const char *thread; /* that polled first */
    struct trace_slot *slots;
    struct trace_slot unknown;   /* stands for the slot of a token that was not given */
    struct rouse_change *handed; /* the changes of a poll that are handed on: one for each slot */
    uint32_t slots_capacity;
    uint32_t handed_capacity;
    struct rouse_allocator allocator; /* the loop's */
    size_t bytes;                     /* of it that the backend has */
    const struct rouse_work *work;
    struct rouse_work worked; /* `work` before the call */
};

/* ---- Clauses ---- */

struct trace_clause {
    bool broken;
    const char *words;
};

/* Says who broke which clause, with which values, and ends the process. */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
_Noreturn static void
trace_breach(const struct trace_check *check, const char *who, const char *clause,
             const char *format, ...)
{
    char line[TRACE_LINE];
    int n = snprintf(line, sizeof line,
                     "%s: the %s broke \"%s\": ", check->name[0] != '\0' ? check->name : "trace",
                     who, clause);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + n, sizeof line - (size_t)n, format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s\n", line);
    abort();
}

/* Checks a list of clauses. What follows are the values, as for printf. */
#define TRACE_CHECK(check, who, clauses, ...)                                                      \
    do {                                                                                           \
        for (size_t i_ = 0; i_ < sizeof(clauses) / sizeof *(clauses); i_++)                        \
            if ((clauses)[i_].broken)                                                              \
                trace_breach(check, who, (clauses)[i_].words, __VA_ARGS__);                        \
    } while (0)

/* ---- Calls ---- */

/* Its address tells the threads apart that live. */
static _Thread_local const char trace_thread;

static void trace_enter(struct trace_check *check, const char *call)
{
    bool closes = strcmp(call, "close") == 0;
    bool forked = check->process != getpid();
    bool bound = check->open && (check->backend->traits & ROUSE_TRAIT_BOUND) && check->polls > 0;
    const struct trace_clause clauses[] = {
        {!check->open, "no call before open or after close"},
        {forked && !closes, "nothing but close in a forked child"},
        {!forked && check->call != NULL, "no call during another"},
        {bound && !closes && check->thread != &trace_thread,
         "one that is bound is called by the thread that polled first"},
    };
    TRACE_CHECK(check, "caller", clauses, "%s, in progress: %s", call,
                check->call != NULL ? check->call : "nothing");
    check->call = call;
    check->worked = *check->work;
}

static void trace_leave(struct trace_check *check)
{
    const struct rouse_work *before = &check->worked;
    const struct rouse_work *after = check->work;
    const struct trace_clause clauses[] = {
        {after->system_calls < before->system_calls, "work is counted upwards: system_calls"},
        {after->descriptors < before->descriptors, "work is counted upwards: descriptors"},
        {after->bytes_in < before->bytes_in, "work is counted upwards: bytes_in"},
        {after->bytes_out < before->bytes_out, "work is counted upwards: bytes_out"},
        {after->scanned < before->scanned, "work is counted upwards: scanned"},
    };
    TRACE_CHECK(check, "backend", clauses, "in %s", check->call);
    check->call = NULL;
}

/* ---- Memory ---- */

/* The allocator of the backend: the loop's, counted. */
static void *trace_resize(void *context, void *block, size_t old_size, size_t new_size)
{
    struct trace_check *check = context;
    const struct trace_clause clauses[] = {
        {check->call == NULL, "memory is asked for and given back during calls only"},
        {(block == NULL) != (old_size == 0), "memory is given back with its size"},
        {old_size > check->bytes, "memory is given back with its size"},
    };
    TRACE_CHECK(check, "backend", clauses, "from %llu bytes to %llu, of %llu in all",
                (unsigned long long)old_size, (unsigned long long)new_size,
                (unsigned long long)check->bytes);
    void *resized = check->allocator.resize(check->allocator.context, block, old_size, new_size);
    if (resized != NULL || new_size == 0)
        check->bytes = check->bytes - old_size + new_size;
    return resized;
}

static void trace_check_closed(const struct trace_check *check)
{
    if (check->bytes != 0)
        trace_breach(check, "backend", "close gives all memory back", "%llu bytes are left",
                     (unsigned long long)check->bytes);
}

/* `before` is its table as it was, `why` its words, or NULL if it had no room for any. */
static void trace_check_opened(const struct trace_check *check, const struct rouse_backend *before,
                               int result, const char *why)
{
    const struct rouse_backend *after = check->backend;
    bool same = after->abi == before->abi && after->state_size == before->state_size &&
                after->open == before->open && after->close == before->close &&
                after->poll == before->poll && after->drop == before->drop;
    const struct trace_clause clauses[] = {
        {result > 0 || result < -TRACE_LAST_ERROR, "open returns 0 or -errno"},
        {result < 0 && why != NULL && *why == '\0', "an open that fails says why"},
        {result < 0 && check->bytes != 0, "an open that fails holds nothing"},
        {!same, "open alters name, traits, fd_limit, wake and system alone"},
    };
    TRACE_CHECK(check, "backend", clauses, "result %d, %llu bytes", result,
                (unsigned long long)check->bytes);
}

/* ---- Slots ---- */

/* The slot of a token that is the last that was given there; else one that stands for all others.
 */
static struct trace_slot *trace_find(struct trace_check *check, uint64_t token)
{
    uint32_t index = ROUSE_SLOT(token);
    bool known = index < check->slots_capacity && check->slots[index].changed != 0 &&
                 check->slots[index].token == token;
    return known ? &check->slots[index] : &check->unknown;
}

static bool trace_is_ghost(struct trace_check *check, uint64_t token)
{
    uint32_t index = ROUSE_SLOT(token);
    return trace_find(check, token)->held == 0 && index < check->slots_capacity &&
           token >> 32 < check->slots[index].ghosts;
}

/* Whether a descriptor is held for a token other than that of `slot`. */
static bool trace_holds(const struct trace_check *check, rouse_fd fd, const struct trace_slot *slot)
{
    for (uint32_t i = 0; i < check->slots_capacity; i++)
        if (check->slots[i].held != 0 && check->slots[i].fd == fd && &check->slots[i] != slot)
            return true;
    return false;
}

/* Notes that nothing is held any more. A descriptor that was closed before it was given up cannot
 * be removed from a kernel that knows files and not numbers: while a duplicate keeps the file open,
 * its token may be reported as a ghost. The loop knows that, and opens the backend anew. */
static void trace_end(struct trace_check *check, struct trace_slot *slot, const char *is,
                      bool closed)
{
    if (closed)
        slot->ghosts = (slot->token >> 32) + 1;
    slot->held = 0;
    slot->ended = check->polls;
    slot->is = is;
}

/* Room for what is known of a slot, and to hand a change of it on. */
static int trace_grow(struct trace_check *check, uint32_t index)
{
    void *slots = check->slots;
    void *handed = check->handed;
    uint32_t old = check->slots_capacity;
    memory_grow(&check->allocator, &slots, &check->slots_capacity, index + 1, sizeof *check->slots);
    memory_grow(&check->allocator, &handed, &check->handed_capacity, index + 1,
                sizeof *check->handed);
    check->slots = slots;
    check->handed = handed;
    if (check->slots_capacity > old)
        memset(check->slots + old, 0, (check->slots_capacity - old) * sizeof *check->slots);
    return index < check->slots_capacity && index < check->handed_capacity ? 0 : -ENOMEM;
}

/* ---- What goes in ---- */

static void trace_check_asked(struct trace_check *check, int nchanges, int nevents)
{
    const struct trace_clause clauses[] = {
        {nchanges < 0, "nchanges is not negative"},
        {nevents < 1, "there is room for one event at least"},
        {nevents < nchanges, "there is room for an event for each change"},
        {check->lost, "after an error of poll nothing but drop and close"},
    };
    TRACE_CHECK(check, "caller", clauses, "nchanges %d, nevents %d", nchanges, nevents);
    if (check->polls++ == 0)
        check->thread = &trace_thread;
}

/* Checks a change of a batch, and notes it. -ENOMEM if there is no room to note it. */
static int trace_check_change(struct trace_check *check, const struct rouse_change *batch, int i)
{
    const struct rouse_change change = batch[i];
    int error = trace_grow(check, ROUSE_SLOT(change.token));
    if (error != 0)
        return error;
    struct trace_slot *slot = &check->slots[ROUSE_SLOT(change.token)];
    bool same = slot == trace_find(check, change.token);
    uint32_t held = same ? slot->held : 0;
    rouse_fd limit = check->backend->fd_limit;
    bool twice = false;
    for (int earlier = 0; earlier < i; earlier++)
        twice |= batch[earlier].fd == change.fd;
    const struct trace_clause clauses[] = {
        {change.spare != 0, "spare is zero"},
        {change.fd < 0, "a descriptor is not negative"},
        {limit != 0 && change.fd >= limit, "a descriptor is below fd_limit"},
        {change.want & ROUSE_ERROR, "ERROR is never asked"},
        {(change.had | change.want) & ~(uint32_t)TRACE_ASKED,
         "interest is READ, PRIORITY, WRITE, HANGUP and EDGE"},
        {change.want != 0 && !(change.want & TRACE_DIRECTIONS), "want is 0 or has a direction"},
        {(change.want & ROUSE_EDGE) && !(check->backend->traits & ROUSE_TRAIT_EDGE),
         "EDGE is sent only if the trait is set"},
        {slot->changed == check->polls, "at most one change for a token"},
        {twice, "at most one change for a descriptor"},
        {!same && slot->held != 0, "a slot gets a new token when nothing is held for the old one"},
        {change.had != held, "had is what is held for the token"},
        {held != 0 && change.fd != slot->fd, "a token keeps its descriptor while it is held"},
        {change.had == 0 && change.want != 0 && trace_holds(check, change.fd, slot),
         "had is what is held for the descriptor"},
    };
    TRACE_CHECK(check, "caller", clauses,
                "fd %lld, slot %u, generation %u, had %s, want %s, spare %u; held %s",
                (long long)change.fd, ROUSE_SLOT(change.token), (unsigned)(change.token >> 32),
                trace_bits(change.had).text, trace_bits(change.want).text, (unsigned)change.spare,
                trace_bits(held).text);
    if (!same)
        *slot = (struct trace_slot){.token = change.token, .ghosts = slot->ghosts};
    slot->changed = check->polls;
    slot->fd = change.fd;
    slot->held = change.want;
    slot->is = "held";
    if (change.want == 0)
        trace_end(check, slot, "silenced", check->system->check(change.fd) != 0);
    if (slot->spent != change.want)
        slot->spent = 0;
    return 0;
}

/* false: a token of which the backend was not told, because there was no room to note it. */
static bool trace_check_drop(struct trace_check *check, rouse_fd fd, uint64_t token)
{
    struct trace_slot *slot = trace_find(check, token);
    bool known = slot != &check->unknown;
    if (!known && check->short_of_memory)
        return false;
    const struct trace_clause clauses[] = {
        {!known, "a token that is dropped was given"},
        {slot->fd != fd, "a token is dropped with its descriptor"},
        {slot->held == 0 && slot->ended != check->polls,
         "a token that is dropped is held, or was until the last poll"},
    };
    TRACE_CHECK(check, "caller", clauses,
                "drop, fd %lld, slot %u, generation %u, of fd %lld it is %s", (long long)fd,
                ROUSE_SLOT(token), (unsigned)(token >> 32), (long long)slot->fd, slot->is);
    trace_end(check, slot, "dropped", check->system->check(fd) != 0);
    return true;
}

/* ---- What comes out ---- */

static void trace_check_told(struct trace_check *check, int n, int nevents)
{
    if (n < -TRACE_LAST_ERROR || n > nevents)
        trace_breach(check, "backend", "poll returns a number of events that fit, or -errno",
                     "it returns %d, nevents %d", n, nevents);
    check->lost = n < 0;
}

/* Checks an event, and notes what it says. */
static void trace_check_event(struct trace_check *check, const struct rouse_event *told)
{
    const struct rouse_event event = *told;
    if (event.result == 0 && trace_is_ghost(check, event.token))
        return;
    struct trace_slot *slot = trace_find(check, event.token);
    bool refusal = event.result < 0;
    bool changed = slot->changed == check->polls;
    const struct trace_clause clauses[] = {
        {slot == &check->unknown, "a token that is reported was given"},
        {slot->told == check->polls, "at most one event for a token"},
        {slot->held == 0 && !(refusal && changed), "nothing is reported for what is not held"},
        {event.ready == 0, "an event has a bit in ready"},
        {event.ready & ~(uint32_t)TRACE_TOLD, "ready has no bits but those of an event"},
        {event.result > 0 || event.result < -TRACE_LAST_ERROR, "result is 0 or -errno"},
        {refusal && event.ready != ROUSE_ERROR, "ready of a refused change is ERROR"},
        {!refusal && (event.ready & TRACE_UNASKED) &&
             !(check->backend->traits & ROUSE_TRAIT_HANGUP),
         "ERROR and HANGUP are told only if the trait is set"},
        {event.ready & TRACE_DIRECTIONS & ~slot->held, "directions are told only if wanted"},
        {event.ready == ROUSE_SPENT && slot->spent == slot->held,
         "SPENT alone is not told twice in a row"},
    };
    TRACE_CHECK(check, "backend", clauses,
                "fd %lld, slot %u, generation %u, ready %s, result %d; it is %s, held %s",
                (long long)slot->fd, ROUSE_SLOT(event.token), (unsigned)(event.token >> 32),
                trace_bits(event.ready).text, event.result, slot->is, trace_bits(slot->held).text);
    slot->told = check->polls;
    slot->spent = event.ready == ROUSE_SPENT ? slot->held : 0;
    if (refusal)
        trace_end(check, slot, "refused", event.result == -EBADF);
    else if (event.ready & ROUSE_SPENT)
        trace_end(check, slot, "spent", false);
}

#endif
