/*
 * The machine as a lesson shows it: the words of its steps, and the drawings of its queues.
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

enum { NAMES = 64, BAR = 16 };

/* What files and tasks are called, by their numbers on the machine. */
static struct {
    const char *files[NAMES];
    const char *tasks[NAMES];
    const struct rouse_sim_task *started[NAMES];
    uint64_t before[ROUSE_SIM_WHATS];
    uint64_t amounts[ROUSE_SIM_WHATS]; /* since then */
    unsigned steps;
    bool tells;
} model;

static const char *name_of(const char *const names[NAMES], uint32_t number, const char *otherwise)
{
    static char rooms[4][24];
    static unsigned room;
    if (number < NAMES && names[number] != NULL)
        return names[number];
    char *text = rooms[room++ % 4];
    snprintf(text, sizeof rooms[0], "%s %" PRIu32, otherwise, number);
    return text;
}

static const char *file_name(uint32_t number)
{
    return name_of(model.files, number, "file");
}

static const char *task_name(uint32_t number)
{
    return number == 0 ? "(interrupt)" : name_of(model.tasks, number, "task");
}

/* ---- Steps ----------------------------------------------------------------------------------- */

/* In words. %s is the name of the object, %n the amount, and %b the amount in bytes. */
static const char *const words[ROUSE_SIM_WHATS] = {
    [ROUSE_SIM_CALLED] = "crosses into the kernel: a call on %s",
    [ROUSE_SIM_ASKED] = "asks %s what it is ready for",
    [ROUSE_SIM_LOOKED] = "looks at the bits of 64 descriptors",
    [ROUSE_SIM_SEARCHED] = "searches the tree of %s: %n looked at",
    [ROUSE_SIM_LINKED] = "puts an entry into the wait queue of %s",
    [ROUSE_SIM_UNLINKED] = "takes an entry out of the wait queue of %s",
    [ROUSE_SIM_WALKED] = "walks the wait queue of %s",
    [ROUSE_SIM_HOOKED] = "calls the hook in it, which is about %s",
    [ROUSE_SIM_LISTED] = "puts %s on the ready list",
    [ROUSE_SIM_UNLISTED] = "takes %s off the ready list",
    [ROUSE_SIM_READIED] = "makes %s READY: into the run queue",
    [ROUSE_SIM_SLEPT] = "goes to sleep: SLEEPING, in no run queue",
    [ROUSE_SIM_SCHEDULED] = "%s is given the processor: RUNNING",
    [ROUSE_SIM_COPIED_IN] = "copies %b to %s",
    [ROUSE_SIM_COPIED_OUT] = "copies %b from %s",
    [ROUSE_SIM_ARRIVED] = "%s receives %b",
    [ROUSE_SIM_PASSED] = "nobody runs; %n ns pass",
    [ROUSE_SIM_COMPUTED] = "computes for %n ns",
    [ROUSE_SIM_INTERRUPTED] = "a signal ends the sleep of %s",
    [ROUSE_SIM_FAULTED] = "something goes wrong",
};

static const char *object_of(const struct rouse_sim_step *step)
{
    switch (step->what) {
    case ROUSE_SIM_READIED:
    case ROUSE_SIM_SLEPT:
    case ROUSE_SIM_SCHEDULED:
    case ROUSE_SIM_COMPUTED:
    case ROUSE_SIM_INTERRUPTED:
        return task_name(step->object);
    case ROUSE_SIM_COPIED_IN:
        return step->object == 0 ? "the kernel, its arguments" : file_name(step->object);
    case ROUSE_SIM_COPIED_OUT:
        return step->object == 0 ? "the kernel, its answer" : file_name(step->object);
    default:
        return step->object == 0 ? "many descriptors" : file_name(step->object);
    }
}

static void print_step(void *context, const struct rouse_sim_step *step)
{
    (void)context;
    model.amounts[step->what] += step->amount;
    if (!model.tells)
        return;
    bool switches = step->what == ROUSE_SIM_SCHEDULED || step->what == ROUSE_SIM_PASSED;
    lesson_line(LESSON_STEP);
    printf("  %3u  %-12s ", ++model.steps, switches ? "" : task_name(step->task));
    bool computes = step->what == ROUSE_SIM_PASSED && rouse_sim_first()->state == ROUSE_SIM_RUNNING;
    const char *at = computes ? "all others sleep; %n ns pass" : words[step->what];
    for (; *at != '\0'; at++) {
        if (at[0] == '%' && at[1] == 's')
            fputs(object_of(step), stdout);
        else if (at[0] == '%' && at[1] == 'n')
            printf("%" PRIu64, step->amount);
        else if (at[0] == '%' && at[1] == 'b')
            printf("%" PRIu64 " byte%s", step->amount, step->amount == 1 ? "" : "s");
        else {
            putchar(*at);
            continue;
        }
        at++;
    }
    putchar('\n');
}

void model_tell(bool tells)
{
    if (tells && !model.tells)
        model.steps = 0;
    model.tells = tells;
}

void model_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    lesson_line(LESSON_STEP);
    printf("       ");
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

/* ---- The machine ----------------------------------------------------------------------------- */

void model_boot(const struct rouse_sim_config *config)
{
    struct rouse_sim_config known = {.size = sizeof known};
    if (config != NULL)
        known = *config;
    known.trace = print_step;
    memset(&model, 0, sizeof model);
    model.tasks[1] = "main";
    model_must(rouse_sim_boot(&known), "rouse_sim_boot");
}

void model_halt(void)
{
    rouse_sim_halt();
}

int model_must(int64_t result, const char *what)
{
    if (result >= 0)
        return (int)result;
    fprintf(stderr, "the model: %s returned %" PRId64 " (%s)\n", what, result,
            result == -ROUSE_SIM_ASLEEP ? "the task sleeps" : strerror((int)-result));
    exit(1);
}

void model_name(int fd, const char *name)
{
    struct rouse_sim_file file;
    model_must(rouse_sim_look(fd, &file), "rouse_sim_look");
    if (file.object < NAMES)
        model.files[file.object] = name;
}

void model_task(struct rouse_sim_task *task, const char *name,
                int (*run)(struct rouse_sim_task *task))
{
    *task = (struct rouse_sim_task){.name = name, .run = run};
    uint32_t number = 2; /* the first is main */
    while (number < NAMES - 1 && model.tasks[number] != NULL)
        number++;
    model.tasks[number] = name;
    model.started[number] = task;
    model_must(rouse_sim_start(task), "rouse_sim_start");
}

void model_mark(void)
{
    for (int what = 0; what < ROUSE_SIM_WHATS; what++)
        model.before[what] = rouse_sim_count((enum rouse_sim_what)what);
    memset(model.amounts, 0, sizeof model.amounts);
}

uint64_t model_since(enum rouse_sim_what what)
{
    return rouse_sim_count(what) - model.before[what];
}

uint64_t model_amount(enum rouse_sim_what what)
{
    return model.amounts[what];
}

/* ---- Drawings -------------------------------------------------------------------------------- */

static void draw_tasks(void)
{
    static const char *const states[] = {"RUNNING", "READY", "SLEEPING", "ended"};
    lesson_line(LESSON_DRAWING);
    printf("    tasks        main %s", states[rouse_sim_first()->state]);
    for (uint32_t number = 2; number < NAMES && model.started[number] != NULL; number++)
        printf(", %s %s", model.tasks[number], states[model.started[number]->state]);
    printf("\n    run queue    ");
    const struct rouse_sim_task *task;
    for (unsigned i = 0; (task = rouse_sim_queued(i)) != NULL; i++)
        printf("%s%s", i > 0 ? " -> " : "", task->name);
    puts(rouse_sim_queued(0) == NULL ? "empty" : "");
}

static void draw_wait_queue(int fd)
{
    struct rouse_sim_waiter waiter;
    printf("        wait queue     ");
    unsigned count = 0;
    for (; rouse_sim_waiter_at(fd, count, &waiter) == 0; count++) {
        const char *who =
            waiter.how == ROUSE_SIM_BY_HOOK ? file_name(waiter.who) : task_name(waiter.who);
        printf("%s", count > 0 ? " -> " : "");
        if (waiter.how == ROUSE_SIM_BY_HOOK)
            printf("the hook of %s", who);
        else
            printf("%s%s", who, waiter.how == ROUSE_SIM_BY_WALK ? ", by its walk" : "");
        if (waiter.exclusive)
            printf(" (exclusive)");
    }
    puts(count == 0 ? "empty" : "");
}

static void draw_buffer(const char *name, uint32_t count, uint32_t room)
{
    char bar[BAR + 1];
    uint32_t filled = (uint32_t)(((uint64_t)count * BAR + room - 1) / room);
    memset(bar, '.', BAR);
    memset(bar, '#', filled);
    bar[BAR] = '\0';
    printf("        %-14s [%s] %" PRIu32 " of %" PRIu32 " bytes\n", name, bar, count, room);
}

static void draw_descriptors(const char *name, int epoll, int (*nth)(int epoll, unsigned index))
{
    struct rouse_sim_file file;
    printf("        %-14s ", name);
    unsigned count = 0;
    for (int fd; (fd = nth(epoll, count)) >= 0; count++) {
        if (rouse_sim_look(fd, &file) == 0)
            printf("%s%s", count > 0 ? ", " : "", file_name(file.object));
        else
            printf("%sdescriptor %d, which is closed", count > 0 ? ", " : "", fd);
    }
    puts(count == 0 ? "empty" : "");
}

static void draw_ready(uint32_t ready)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } bits[] = {{ROUSE_READ, "READ"},
                {ROUSE_WRITE, "WRITE"},
                {ROUSE_ERROR, "ERROR"},
                {ROUSE_HANGUP, "HANGUP"}};
    printf("        ready for     ");
    for (unsigned i = 0; i < sizeof bits / sizeof *bits; i++)
        if (ready & bits[i].bit)
            printf(" %s", bits[i].name);
    puts(ready == 0 ? " nothing" : "");
}

static void draw(int fd)
{
    struct rouse_sim_file file;
    model_must(rouse_sim_look(fd, &file), "rouse_sim_look");
    printf("    %s, descriptor %d\n", file_name(file.object), fd);
    switch (file.kind) {
    case ROUSE_SIM_EPOLL:
        draw_descriptors("interest set", fd, rouse_sim_watched);
        draw_descriptors("ready list", fd, rouse_sim_listed);
        break;
    case ROUSE_SIM_LISTENER:
        printf("        to be accepted %" PRIu32 "\n", file.received);
        break;
    case ROUSE_SIM_PIPE:
        draw_buffer("holds", file.received + file.sent, file.room);
        break;
    case ROUSE_SIM_SOCKET:
        draw_buffer("received", file.received, file.room);
        draw_buffer("not yet sent", file.sent, file.room);
        break;
    }
    draw_ready(file.ready);
    draw_wait_queue(fd);
}

void model_draw(int fd, ...)
{
    va_list more;
    va_start(more, fd);
    draw_tasks();
    for (; fd >= 0; fd = va_arg(more, int))
        draw(fd);
    va_end(more);
}
