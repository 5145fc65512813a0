/*
 * Tasks: a state, a place in the run queue while it is ready, a place in a wait queue while it
 * sleeps. The one that runs is in neither. A task that sleeps does nothing, not even wait: it is
 * somebody else who finds its entry, sets its state and puts it into the run queue.
 *
 * The first task is the thread that has booted the machine. When it sleeps, the others are run
 * here, on its stack, until it is its turn again; when nobody is ready, time passes.
 *
 * Linux: kernel/sched/core.c, try_to_wake_up() and __schedule().
 *
 * SPDX-License-Identifier: MIT
 */
#include "kernel.h"

/* rouse_sim_task.reserved */
struct sleep {
    struct sim_entry entry;       /* with which it sleeps on a file */
    struct rouse_sim_event alarm; /* with which it sleeps for a time */
    bool rested;                  /* that time is over */
    bool pending;                 /* a signal, for the next sleep */
    bool interrupted;             /* it was, and is to be told */
    bool told;                    /* by the call that it makes again, as it runs now */
    uint64_t fooled;              /* the time of the last wake for nothing, plus 1 */
};

_Static_assert(sizeof(struct sleep) <= sizeof((struct rouse_sim_task){0}.reserved),
               "what a task needs to sleep has room in it");

static struct sleep *sleep_of(struct rouse_sim_task *task)
{
    return (struct sleep *)(void *)task->reserved;
}

static void enqueue(struct rouse_sim_task *task)
{
    task->state = ROUSE_SIM_READY;
    link_append(&machine->ready, &task->link);
}

int rouse_sim_start(struct rouse_sim_task *task)
{
    if (machine == NULL || task == NULL || task->run == NULL)
        return -EINVAL;
    if (task->id != 0 && task->state != ROUSE_SIM_ENDED)
        return -EALREADY;
    memset(task->reserved, 0, sizeof task->reserved);
    task->id = ++machine->tasks;
    enqueue(task);
    machine_step(ROUSE_SIM_READIED, task->id, 1);
    return 0;
}

/* A task sleeps with one entry at most, which is done with when it is woken. */
void task_ready(struct rouse_sim_task *task)
{
    if (task->state != ROUSE_SIM_SLEEPING)
        return;
    struct sleep *sleep = sleep_of(task);
    struct sim_file *file = sleep->entry.file;
    queue_unlink(&sleep->entry);
    sleep->entry.file = NULL;
    link_remove(&task->link);
    enqueue(task);
    machine_step(ROUSE_SIM_READIED, task->id, 1);
    if (file != NULL)
        file_drop(file);
}

struct rouse_sim_task *task_woken(struct sim_entry *entry)
{
    struct sleep *sleep = LINK_OWNER(entry, struct sleep, entry);
    return LINK_OWNER(sleep, struct rouse_sim_task, reserved);
}

bool task_wakes(struct sim_entry *entry, uint32_t ready)
{
    (void)ready;
    task_ready(task_woken(entry));
    return true;
}

/* The time for which it slept is no longer of interest. */
static void forget_rest(struct sleep *sleep)
{
    rouse_sim_cancel(&sleep->alarm);
    sleep->rested = false;
}

/* Gives the processor to the first of the run queue. */
static void switch_to_next(void)
{
    struct rouse_sim_task *task = LINK_OWNER(machine->ready.next, struct rouse_sim_task, link);
    link_remove(&task->link);
    task->state = ROUSE_SIM_RUNNING;
    machine->running = task;
    machine_step(ROUSE_SIM_SCHEDULED, task->id, 1);
    if (task == &machine->first)
        return;
    struct sleep *sleep = sleep_of(task);
    sleep->told = sleep->interrupted;
    sleep->interrupted = false;
    bool goes_on = task->run(task) != 0;
    machine->running = NULL;
    if (task->state != ROUSE_SIM_RUNNING)
        return;
    forget_rest(sleep);
    if (goes_on)
        enqueue(task);
    else
        task->state = ROUSE_SIM_ENDED;
}

static void interrupt(struct rouse_sim_task *task)
{
    sleep_of(task)->interrupted = true;
    sleep_of(task)->pending = false;
    machine_step(ROUSE_SIM_INTERRUPTED, task->id, 1);
    task_ready(task);
}

static bool is_called_from_outside(void)
{
    return atomic_exchange(&machine->interrupt, false) ||
           (machine->woken != NULL && atomic_load(machine->woken));
}

/* Goes on until it is the first task's turn. */
static int schedule(void)
{
    machine->running = NULL;
    while (machine->first.state != ROUSE_SIM_RUNNING) {
        if (machine->first.state == ROUSE_SIM_SLEEPING && is_called_from_outside())
            interrupt(&machine->first);
        if (!link_empty(&machine->ready)) {
            switch_to_next();
        } else if (!clock_pass(INT64_MAX)) {
            task_ready(&machine->first);
            switch_to_next();
            return -EDEADLK;
        }
    }
    return 0;
}

int task_yield(void)
{
    if (machine->running != &machine->first || link_empty(&machine->ready))
        return 0;
    enqueue(&machine->first);
    return schedule();
}

/* Whether who runs can be put to sleep, which one call of a task does that then returns. */
static int may_sleep(void)
{
    if (machine->running == NULL)
        return -EAGAIN;
    return machine->running->state == ROUSE_SIM_RUNNING ? 0 : -EALREADY;
}

/* For nothing, but not twice at one time: or time would stand still where all sleeps end so. */
static bool is_fooled(struct sleep *sleep)
{
    uint64_t now = (uint64_t)machine->now + 1;
    if (sleep->fooled == now || !machine_fails(ROUSE_SIM_SPURIOUS))
        return false;
    sleep->fooled = now;
    return true;
}

int task_sleep(void)
{
    int refusal = may_sleep();
    if (refusal != 0)
        return refusal;
    struct rouse_sim_task *task = machine->running;
    struct sleep *sleep = sleep_of(task);
    task->state = ROUSE_SIM_SLEEPING;
    link_append(&machine->sleeping, &task->link);
    machine_step(ROUSE_SIM_SLEPT, task->id, 1);
    if (sleep->pending || machine_fails(ROUSE_SIM_INTERRUPT))
        interrupt(task);
    else if (is_fooled(sleep))
        task_ready(task);
    if (task != &machine->first)
        return -ROUSE_SIM_ASLEEP;
    int error = schedule();
    if (sleep->interrupted)
        error = -EINTR;
    sleep->interrupted = false;
    return error;
}

int task_sleep_on(struct sim_file *file, bool exclusive)
{
    int refusal = may_sleep();
    if (refusal != 0)
        return refusal;
    struct sleep *sleep = sleep_of(machine->running);
    forget_rest(sleep);
    if (sleep->told) {
        sleep->told = false;
        return -EINTR;
    }
    file_take(file);
    sleep->entry.wake = task_wakes;
    sleep->entry.exclusive = exclusive;
    queue_link(&sleep->entry, file);
    return task_sleep();
}

void task_answered(void)
{
    if (machine->running != NULL)
        sleep_of(machine->running)->told = false;
}

void tasks_end(void)
{
    while (!link_empty(&machine->sleeping))
        task_ready(LINK_OWNER(machine->sleeping.next, struct rouse_sim_task, link));
    while (!link_empty(&machine->ready)) {
        struct rouse_sim_task *task = LINK_OWNER(machine->ready.next, struct rouse_sim_task, link);
        link_remove(&task->link);
        task->state = ROUSE_SIM_ENDED;
    }
}

void rouse_sim_interrupt(struct rouse_sim_task *task)
{
    if (machine == NULL)
        return;
    if (task == NULL || task == &machine->first)
        atomic_store(&machine->interrupt, true);
    else if (task->state == ROUSE_SIM_SLEEPING)
        interrupt(task);
    else
        sleep_of(task)->pending = true;
}

static int64_t later(int64_t ns)
{
    int64_t left = INT64_MAX - machine->now;
    return machine->now + (ns < left ? ns : left);
}

static void end_rest(struct rouse_sim_event *event)
{
    struct sleep *sleep = LINK_OWNER(event, struct sleep, alarm);
    sleep->rested = true;
    task_ready(LINK_OWNER(sleep, struct rouse_sim_task, reserved));
}

/* A task that has no stack of its own comes here twice: to fall asleep, and when it is woken; or
 * once more if that was for nothing, which it is at once, so that its time is the same. */
int rouse_sim_sleep(int64_t ns)
{
    int error = machine == NULL ? -EINVAL : may_sleep();
    if (error != 0)
        return error;
    struct sleep *sleep = sleep_of(machine->running);
    if (!sleep->rested && !sleep->told) {
        sleep->alarm.fn = end_rest;
        error = rouse_sim_at(&sleep->alarm, later(ns > 0 ? ns : 0));
        while (error == 0 && !sleep->rested)
            error = task_sleep();
        if (error == -ROUSE_SIM_ASLEEP)
            return error;
    }
    if (sleep->told)
        error = -EINTR;
    sleep->told = false;
    forget_rest(sleep);
    return error;
}

int rouse_sim_compute(int64_t ns)
{
    if (machine == NULL || ns < 0)
        return -EINVAL;
    if (machine->running != &machine->first)
        return -EPERM;
    int64_t until = later(ns);
    machine_step(ROUSE_SIM_COMPUTED, machine->first.id, (uint64_t)ns);
    machine->running = NULL;
    do
        while (!link_empty(&machine->ready))
            switch_to_next();
    while (clock_pass(until));
    machine->now = until;
    machine->running = &machine->first;
    return 0;
}

static void end_alarm(struct rouse_sim_event *event)
{
    LINK_OWNER(event, struct sim_alarm, event)->over = true;
    task_ready(&machine->first);
}

int alarm_set(struct sim_alarm *alarm, int64_t timeout_ns)
{
    *alarm = (struct sim_alarm){.event.fn = end_alarm, .over = timeout_ns == 0};
    return timeout_ns > 0 ? rouse_sim_at(&alarm->event, later(timeout_ns)) : 0;
}

void alarm_cancel(struct sim_alarm *alarm)
{
    rouse_sim_cancel(&alarm->event);
}

const struct rouse_sim_task *rouse_sim_queued(unsigned index)
{
    if (machine == NULL)
        return NULL;
    struct rouse_link *link = machine->ready.next;
    while (link != &machine->ready && index-- > 0)
        link = link->next;
    return link != &machine->ready ? LINK_OWNER(link, struct rouse_sim_task, link) : NULL;
}

const struct rouse_sim_task *rouse_sim_first(void)
{
    return machine != NULL ? &machine->first : NULL;
}
