/*
 * The loop: hand over what has changed, wait, call back for what is ready, then for timers that are
 * due, then run the tasks; over and over, in one thread. An event takes three jumps in two files:
 * the wait in backends/NAME.c, deliver() below, the user's callback. An idle loop is asleep in the
 * first of them and costs nothing.
 *
 * SPDX-License-Identifier: MIT
 */
#include "due.h"

/* Room for more events and changes; both are in one block, changes first. */
RARE int loop_grow(struct rouse_loop *loop)
{
    if (loop->capacity >= LOOP_BATCH)
        return -ENOBUFS;
    void *block = loop->changes;
    int error = memory_grow(&loop->setup.allocator, &block, &loop->capacity, loop->capacity + 1,
                            sizeof *loop->changes + sizeof *loop->events);
    if (error == 0) {
        loop->changes = block;
        loop->events = (struct rouse_event *)(loop->changes + loop->capacity);
    }
    return error;
}

/* Calls a watcher that is not a plain level watcher. What is to be done about what it says is up to
 * the caller. */
static HOT void tell(struct rouse_loop *loop, struct rouse_io *io, uint32_t due)
{
    loop->current = io;
    loop->told = 0;
    loop->called++;
    io->fn(io, due);
}

static void invoke(struct rouse_loop *loop, uint32_t index, uint32_t due)
{
    struct slot *slot = &loop->slots[index];
    uint32_t generation = slot->generation;
    slots_unlist(loop, index);
    if (slot->want & ROUSE_ONESHOT)
        slot->want &= (uint8_t)~LOOP_DIRECTIONS;
    tell(loop, slot->of.io, due);
    if (loop->slots[index].generation == generation)
        io_settle(loop, index, due);
}

/* What is due to the watcher, by what it wants, what is reported, and what it has not drained yet.
 */
static void deliver_special(struct rouse_loop *loop, uint32_t index, uint32_t ready)
{
    struct slot *slot = &loop->slots[index];
    bool remembers = (slot->held & ROUSE_EDGE) || (slot->state & SLOT_ALWAYS);
    uint32_t due = remembers ? io_due_edge(slot, ready) : io_due_level(slot, ready);
    if (due != 0)
        invoke(loop, index, due);
    else if (ready != 0)
        io_unwanted(loop, index);
}

/* An event of a registration that only the kernel knows: the descriptor was closed behind our back
 * while a duplicate, here or in a child, keeps the file open. To skip it would be to spin. */
RARE static void ghost(struct rouse_loop *loop)
{
    loop->counters.stale++;
    loop->agenda |= AGENDA_REBUILD;
}

/* An event for a watcher that was stopped. If that was in this turn, the event was fetched before.
 */
RARE static void stale(struct rouse_loop *loop, uint32_t index)
{
    if (index < loop->nslots && !(loop->slots[index].generation & 1) &&
        loop->slots[index].of.freed == loop->turns)
        loop->counters.stale++;
    else
        ghost(loop);
}

RARE static void refused(struct rouse_loop *loop, uint32_t index, int error)
{
    uint32_t due = io_refused(loop, index, error);
    if (due != 0)
        invoke(loop, index, due);
    loop->refusal = 0;
}

APART static void receive(struct rouse_loop *loop, struct rouse_event event)
{
    uint32_t index = ROUSE_SLOT(event.token);
    bool held = loop->slots[index].held != 0;
    if (event.ready & ROUSE_SPENT)
        io_spent(loop, index);
    event.ready &= ~(uint32_t)ROUSE_SPENT;
    if (event.result < 0)
        refused(loop, index, event.result);
    else if (held)
        deliver_special(loop, index, event.ready);
    else
        ghost(loop);
}

/* Calls back for each descriptor that the wait has told of. Nearly always that is a level or an
 * edge watcher, ready for what it wants; the refused, the spent and those with an error have other
 * bits. An edge watcher that has drained what it was told leaves its slot as it was before.
 */
static HOT void deliver(struct rouse_loop *loop)
{
    const struct rouse_event *event = loop->events;
    for (uint32_t i = 0; i < loop->fetched; i++, event++) { /* rouse_adopt may forget the rest */
        uint32_t index = ROUSE_SLOT(event->token);
        uint32_t generation = (uint32_t)(event->token >> 32);
        if (index >= loop->nslots || loop->slots[index].generation != generation) {
            stale(loop, index);
            continue;
        }
        struct slot *slot = &loop->slots[index];
        uint64_t word = slot->word;
        struct rouse_io *io = slot->of.io;
        if (i + 1 < loop->fetched) /* its callback takes longer than the cache to be filled */
            PREFETCH(&loop->slots[ROUSE_SLOT(event[1].token)]);
        uint32_t due = event->ready & slot->want;
        bool usual = event->ready <= LOOP_DIRECTIONS && due != 0;
        if (usual && slots_is_plain(word)) {
            loop->called++;
            io->fn(io, due);
        } else if (usual && slots_is_edge(word)) {
            slot->ready |= (uint8_t)event->ready;
            tell(loop, io, due);
            if (loop->slots[index].word != word && loop->slots[index].generation == generation)
                io_settle(loop, index, due);
        } else {
            receive(loop, *event);
        }
    }
}

/* Calls back for those that were still ready before the wait, unless the wait has told of them. */
APART static void deliver_again(struct rouse_loop *loop)
{
    while (!slots_empty(loop->slots, SLOT_AGAIN)) {
        if (loop->agenda & AGENDA_FORKED)
            return;
        uint32_t index = loop->slots[SLOT_AGAIN].next;
        slots_unlist(loop, index);
        io_list_if_needed(loop, index);
        deliver_special(loop, index, 0);
    }
    loop->agenda &= ~(uint32_t)AGENDA_AGAIN;
}

RARE static int lost(struct rouse_loop *loop, int error)
{
    loop->agenda |= AGENDA_REBUILD;
    return loop_fail(loop, -error, "wait in the backend", 0,
                     error == -EDEADLK ? "nothing is to come that could end the wait"
                                       : "run the loop again: it then opens the backend anew");
}

/* One call of the backend. */
static HOT int ask(struct rouse_loop *loop, uint32_t nchanges, int64_t timeout)
{
    int n = loop->backend.poll(loop->state, loop->changes, (int)nchanges, loop->events,
                               (int)loop->capacity, timeout);
    if (n < 0)
        return lost(loop, n);
    loop->reported += (uint64_t)n;
    loop->fetched = (uint32_t)n;
    if (loop->fetched == loop->capacity)
        loop->agenda |= AGENDA_FULL;
    return n;
}

/* How long the wait may sleep: until the first timer, but no longer than `timeout`. */
static int64_t sleep_time(struct rouse_loop *loop, int64_t timeout)
{
    if (loop->ntimers == 0)
        return timeout;
    int64_t left = timers_left(loop);
    return timeout < 0 || left < timeout ? left : timeout;
}

/* With a clock of the user's own the backend is only asked, and the clock does the sleeping; unless
 * there has been a wake, of which a backend with a wake of its own does not tell in an event. */
static int sleep_by_clock(struct rouse_loop *loop, int64_t timeout)
{
    int64_t left = sleep_time(loop, timeout);
    int64_t now = loop_clock(loop);
    bool for_ever = left < 0 || (now > 0 && left > INT64_MAX - now);
    int64_t deadline = for_ever ? INT64_MAX : now + left;
    if (left != 0 && !wake_pending(loop))
        loop->clock.idle_until(loop->clock.context, deadline);
    return 0;
}

APART static int sleep_in_backend(struct rouse_loop *loop, uint32_t nchanges, int64_t timeout)
{
    timeout = sleep_time(loop, timeout);
    int n = ask(loop, nchanges, timeout);
    loop->asked += timeout == 0;
    if (n > 0 && timeout != 0 && loop->pause > 0)
        loop->pause--;
    return n;
}

APART static int sleep_after_a_miss(struct rouse_loop *loop, int64_t timeout)
{
    if (loop->agenda & AGENDA_CLOCK)
        return sleep_by_clock(loop, timeout);
    loop->missed++;
    loop->patience = loop->patience < 31 ? (uint8_t)(2 * loop->patience + 1) : 63;
    loop->pause = loop->patience;
    return sleep_in_backend(loop, 0, timeout);
}

/*
 * A wait that may sleep costs more than one that may not, even if something is ready: a finite
 * timeout sets up a timer in the kernel (114 ns of 510), and select and poll link the thread into
 * every wait queue first. So a busy loop asks before it sleeps. To ask in vain costs a call; each
 * miss therefore doubles the number of sleeps that must end in an event before it is tried again,
 * and each hit halves it: 1 extra call in 64 waits at the worst, none in a loop that only waits for
 * timers. Where to sleep costs nothing, it sleeps at once.
 */
static HOT int wait_for(struct rouse_loop *loop, uint32_t nchanges, int64_t timeout)
{
    bool sleeps_for_free = timeout < 0 && loop->ntimers == 0 && !(loop->agenda & AGENDA_CLOCK) &&
                           !(loop->backend.traits & ROUSE_TRAIT_SCAN);
    if (sleeps_for_free)
        return ask(loop, nchanges, timeout);
    loop->timer_limit = loop->timer_sequence;
    bool asks = loop->pause == 0 && !(loop->backend.traits & ROUSE_TRAIT_ASK);
    if (!asks && timeout != 0 && !(loop->agenda & AGENDA_CLOCK))
        return sleep_in_backend(loop, nchanges, timeout);
    int n = ask(loop, nchanges, 0);
    loop->asked++;
    if (n == 0 && timeout != 0)
        return sleep_after_a_miss(loop, timeout);
    loop->patience /= 2;
    return n;
}

RARE int loop_reopen(struct rouse_loop *loop)
{
    wake_hold(loop);
    if (loop->backend_open)
        loop->backend.close(loop->state);
    int error = registry_open_chosen(loop);
    if (error != 0) {
        loop->agenda |= AGENDA_REBUILD;
        return loop_fail(loop, -error, "open the backend anew", 0, "run the loop again to retry");
    }
    loop->agenda &= ~(uint32_t)AGENDA_REBUILD;
    loop->counters.rebuilds++;
    io_forget(loop);
    wake_again(loop);
    return 0;
}

/* Sees to the agenda before the wait. Returns the number of changes to hand over, or -errno. */
APART static int prepare(struct rouse_loop *loop)
{
    if (loop->agenda & AGENDA_FORKED)
        return -ECHILD;
    if (loop->agenda & AGENDA_DEAF) {
        loop->agenda &= ~(uint32_t)AGENDA_DEAF;
        return loop_fail(loop, -loop->deaf, "watch the descriptor by which the loop is woken", 0,
                         "free what it needs and run the loop again");
    }
    if (loop->agenda & AGENDA_REBUILD) {
        int error = loop_reopen(loop);
        if (error != 0)
            return error;
    }
    if (loop->agenda & AGENDA_FULL) {
        loop->agenda &= ~(uint32_t)AGENDA_FULL;
        loop_grow(loop); /* or the rest is served in the next turn, as this one was */
    }
    hooks_run(loop, ROUSE_BEFORE_WAIT);
    if (loop->agenda & AGENDA_FORKED)
        return -ECHILD;
    return (int)io_collect(loop);
}

APART static void after_wait(struct rouse_loop *loop)
{
    hooks_run(loop, ROUSE_AFTER_WAIT);
    if (loop->agenda & AGENDA_WAKE)
        wake_collect(loop);
}

/* Whether no timer can be due: there is none, or the loop is busy and the first is so far off that
 * the clock need not be read. */
static HOT bool timers_are_far(const struct rouse_loop *loop)
{
    if (loop->ntimers == 0)
        return true;
    return loop->fetched != 0 && !loop->now_known && !(loop->agenda & AGENDA_CLOCK) &&
           loop->system->soon != NULL && loop->earliest > loop->system->soon();
}

/* What comes after the events. */
APART static void finish(struct rouse_loop *loop)
{
    if (loop->agenda & AGENDA_AGAIN)
        deliver_again(loop);
    if (!timers_are_far(loop))
        timers_run(loop);
    if (loop->agenda & AGENDA_TASKS)
        tasks_run(loop);
}

static HOT int turn(struct rouse_loop *loop, int64_t timeout)
{
    int nchanges = 0;
    if (loop->agenda != 0) {
        nchanges = prepare(loop);
        if (nchanges < 0)
            return nchanges;
        if ((loop->agenda & (AGENDA_STOP | AGENDA_AGAIN | AGENDA_PENDING)) ||
            !link_empty(&loop->tasks))
            timeout = 0;
    }
    loop->turns++;
    int n = wait_for(loop, (uint32_t)nchanges, timeout);
    if (n < 0)
        return n;
    loop->now_known = false;
    if (loop->agenda & (AGENDA_HOOKS | AGENDA_WAKE))
        after_wait(loop);
    deliver(loop);
    if (loop->ntimers != 0 || (loop->agenda & (AGENDA_AGAIN | AGENDA_TASKS)))
        finish(loop);
    return 0;
}

static int enter(struct rouse_loop *loop)
{
    if (loop == NULL)
        return -EINVAL;
    int error = owner_check(loop);
    if (error != 0)
        return error;
    if (loop->running)
        return loop_fail(loop, EBUSY, "run the loop", 0, "it runs already: this is its callback");
    loop->running = true;
    loop->outer = owner_running;
    owner_running = loop;
    loop->now_known = false;
    loop->called = 0;
    return 0;
}

static int leave(struct rouse_loop *loop, int error)
{
    loop->running = false;
    owner_running = loop->outer;
    loop->now_known = false;
    loop->counters.callbacks += loop->called;
    return loop->agenda & AGENDA_FORKED ? -ECHILD : error;
}

static bool is_alive(const struct rouse_loop *loop)
{
    return loop->alive != 0 || !link_empty(&loop->tasks) ||
           atomic_load_explicit(&loop->posted, memory_order_relaxed) != NULL;
}

int rouse_run(struct rouse_loop *loop)
{
    int error = enter(loop);
    if (error != 0)
        return error;
    while (error == 0 && !(loop->agenda & AGENDA_STOP) && is_alive(loop))
        error = turn(loop, -1);
    error = leave(loop, error);
    if (error != 0)
        return error;
    bool stopped = loop->agenda & AGENDA_STOP;
    loop->agenda &= ~(uint32_t)AGENDA_STOP;
    return stopped;
}

int rouse_turn(struct rouse_loop *loop, int64_t timeout_ns)
{
    int error = enter(loop);
    if (error != 0)
        return error;
    error = leave(loop, turn(loop, timeout_ns));
    loop->agenda &= ~(uint32_t)AGENDA_STOP;
    return error != 0 ? error : (int)loop->called;
}

int rouse_stop(struct rouse_loop *loop)
{
    if (loop == NULL)
        return -EINVAL;
    int error = owner_check(loop);
    if (error == 0)
        loop->agenda |= AGENDA_STOP;
    return error;
}

int rouse_hold(struct rouse_loop *loop)
{
    if (loop == NULL)
        return -EINVAL;
    int error = owner_check(loop);
    if (error != 0)
        return error;
    loop->holds++;
    loop->alive++;
    return 0;
}

int rouse_release(struct rouse_loop *loop)
{
    if (loop == NULL)
        return -EINVAL;
    int error = owner_check(loop);
    if (error != 0)
        return error;
    if (loop->holds == 0)
        return loop_fail(loop, EINVAL, "release the loop", 0, "it is not held");
    loop->holds--;
    loop->alive--;
    return 0;
}
