/*
 * The truth table: the questions of the lessons, asked of every backend that is here, and of the
 * three of the model. It asks the backends themselves, by the calls of <rouse/backend.h>, and not a
 * loop, which would make them alike.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "subject.h"

enum { FEW = 10, MANY = SUBJECT_MOST, HIGH = 1500, MOST = 16, CELL = 24, MS_20 = 20 * LESSON_MS };
static const int64_t long_time = 10 * (int64_t)LESSON_SECOND; /* for what is ready already */

/* A question, and the answers of the backends. */
struct question {
    const char *words;
    void (*ask)(struct subject *subject, char answer[CELL]);
    char answers[MOST][CELL];
};

static void say(char answer[CELL], const char *words)
{
    snprintf(answer, CELL, "%s", words);
}

/* A pair of sockets of which the first is watched, in slot 0. */
static void begin(struct subject *subject, int fds[2], uint32_t want)
{
    subject_pair(subject, fds);
    subject_watch(subject, fds[0], 0, 0, want);
}

static void end(struct subject *subject, const int fds[2])
{
    subject_forget(subject, fds[0], 0);
    subject_unpair(subject, fds);
}

/* ---- The questions --------------------------------------------------------------------------- */

/* Three times, for a busy machine may make one wait long that does not sleep. */
static void does_it_sleep(struct subject *subject, char answer[CELL])
{
    int fds[2];
    bool sleeps = true;
    begin(subject, fds, ROUSE_READ);
    for (int i = 0; i < 3; i++) {
        int64_t since = subject->means->now();
        subject_wait(subject, MS_20);
        sleeps &= subject->means->now() - since >= MS_20;
    }
    say(answer, sleeps ? "yes" : "no");
    end(subject, fds);
}

/* The work of one wait that finds the last of `n` ready. */
static struct rouse_work work_of_a_wait(struct subject *subject, int n, int *highest)
{
    int fds[MANY][2];
    for (int i = 0; i < n; i++) {
        subject_pair(subject, fds[i]);
        subject_watch(subject, fds[i][0], (uint32_t)i, 0, ROUSE_READ);
    }
    *highest = fds[n - 1][0];
    subject_send(subject, fds[n - 1][1]);
    struct rouse_work before = subject->work;
    subject_wait(subject, long_time);
    struct rouse_work work = {
        subject->work.system_calls - before.system_calls,
        subject->work.descriptors - before.descriptors, subject->work.bytes_in - before.bytes_in,
        subject->work.bytes_out - before.bytes_out, subject->work.scanned - before.scanned};
    for (int i = 0; i < n; i++) {
        subject_forget(subject, fds[i][0], (uint32_t)i);
        subject_unpair(subject, fds[i]);
    }
    return work;
}

/* How a count grows with what is watched. */
static void fit(char answer[CELL], uint64_t few, uint64_t many)
{
    uint64_t slope = many > few ? (many - few) / (MANY - FEW) : 0;
    if (few == many)
        snprintf(answer, CELL, "%d", (int)few);
    else if (slope == 0)
        say(answer, "a few");
    else
        say(answer, slope == 1 && few <= FEW + 1 ? "N" : "more than N");
}

/* How one of the counts of a wait grows. A table that doubles has room for up to twice N. Threads
 * of a backend's own count for themselves, and never twice the same. */
static void grows(struct subject *subject, char answer[CELL],
                  uint64_t (*count)(const struct rouse_work *work))
{
    int low, high;
    struct rouse_work work = work_of_a_wait(subject, FEW, &low);
    uint64_t few = count(&work);
    work = work_of_a_wait(subject, MANY, &high);
    uint64_t many = count(&work);
    if (subject->backend->traits & ROUSE_TRAIT_ASK && few < 2 * FEW && many < 2 * FEW)
        say(answer, "few");
    else if (few == (uint64_t)low + 1 && many == (uint64_t)high + 1)
        say(answer, "highest");
    else if (many > MANY && many <= 2 * MANY && few >= FEW && few <= 2 * FEW)
        say(answer, "N");
    else
        fit(answer, few, many);
}

static uint64_t calls(const struct rouse_work *work)
{
    return work->system_calls;
}

static void how_many_calls(struct subject *subject, char answer[CELL])
{
    grows(subject, answer, calls);
}

static uint64_t handed_over(const struct rouse_work *work)
{
    return work->descriptors;
}

static void how_many_handed_over(struct subject *subject, char answer[CELL])
{
    grows(subject, answer, handed_over);
}

static uint64_t looked_at(const struct rouse_work *work)
{
    return work->scanned;
}

static void how_many_looked_at(struct subject *subject, char answer[CELL])
{
    grows(subject, answer, looked_at);
}

static void what_does_a_change_cost(struct subject *subject, char answer[CELL])
{
    int fds[2];
    begin(subject, fds, ROUSE_READ);
    uint64_t before = subject->work.system_calls;
    subject_wait(subject, 0);
    uint64_t alone = subject->work.system_calls - before;
    before = subject->work.system_calls;
    subject_watch(subject, fds[0], 0, ROUSE_READ, ROUSE_PRIORITY);
    uint64_t with = subject->work.system_calls - before;
    if (subject->backend->traits & ROUSE_TRAIT_ASK)
        say(answer, "signals");
    else
        snprintf(answer, CELL, "%d", (int)(with - alone));
    end(subject, fds);
}

static void is_it_told_again(struct subject *subject, char answer[CELL])
{
    int fds[2];
    begin(subject, fds, ROUSE_READ);
    subject_send(subject, fds[1]);
    subject_wait(subject, MS_20);
    const struct rouse_event *event = subject_event(subject, 0);
    bool again = event != NULL && event->ready & ROUSE_READ;
    if (again && event->ready & ROUSE_SPENT)
        subject_watch(subject, fds[0], 0, 0, ROUSE_READ);
    subject_wait(subject, MS_20);
    event = subject_event(subject, 0);
    say(answer, again && event != NULL && event->ready & ROUSE_READ ? "yes" : "no");
    end(subject, fds);
}

static void does_it_know_edges(struct subject *subject, char answer[CELL])
{
    if (!(subject->backend->traits & ROUSE_TRAIT_EDGE)) {
        say(answer, "no");
        return;
    }
    int fds[2];
    begin(subject, fds, ROUSE_READ | ROUSE_EDGE);
    subject_send(subject, fds[1]);
    subject_wait(subject, MS_20);
    bool once = subject_event(subject, 0) != NULL;
    subject_wait(subject, MS_20);
    say(answer, once && subject_event(subject, 0) == NULL ? "yes" : "no");
    end(subject, fds);
}

static void does_it_tell_a_hangup(struct subject *subject, char answer[CELL])
{
    int fds[2];
    begin(subject, fds, ROUSE_READ | ROUSE_HANGUP);
    subject->means->close(fds[1]);
    subject_wait(subject, MS_20);
    const struct rouse_event *event = subject_event(subject, 0);
    say(answer, event != NULL && event->ready & ROUSE_HANGUP ? "yes" : "no");
    subject_forget(subject, fds[0], 0);
    subject->means->close(fds[0]);
}

static int room; /* how many descriptors this process may have */

static bool has_high_numbers(const struct means *means)
{
    return means != &means_real || room > HIGH;
}

static void does_it_take_a_high_number(struct subject *subject, char answer[CELL])
{
    int fds[2];
    if (!has_high_numbers(subject->means)) {
        say(answer, "?");
        return;
    }
    subject_pair(subject, fds);
    lesson_must(subject->means->dup2(fds[0], HIGH), "dup2");
    subject_watch(subject, HIGH, 0, 0, ROUSE_READ);
    const struct rouse_event *event = subject_event(subject, 0);
    bool refused = event != NULL && event->result == -ERANGE;
    say(answer, refused ? "-ERANGE" : "yes");
    if (!refused)
        subject_forget(subject, HIGH, 0);
    subject->means->close(HIGH);
    subject_unpair(subject, fds);
}

/* Of a descriptor that is closed while it is watched; `left`: a duplicate is open, and a byte
 * comes. */
static void closed(struct subject *subject, bool left, char answer[CELL])
{
    int fds[2];
    begin(subject, fds, ROUSE_READ);
    int copy = left ? lesson_must(subject->means->dup(fds[0]), "dup") : -1;
    subject->means->close(fds[0]);
    if (left)
        subject_send(subject, fds[1]);
    subject_wait(subject, MS_20);
    const struct rouse_event *event = subject_event(subject, 0);
    if (event != NULL && event->result == -EBADF)
        say(answer, "-EBADF");
    else
        say(answer, event != NULL ? "tells" : "silent");
    subject_close(subject); /* which lets go of what cannot be reached by number any more */
    subject_open(subject);
    if (left)
        subject->means->close(copy);
    subject->means->close(fds[1]);
}

static void what_of_a_closed_one(struct subject *subject, char answer[CELL])
{
    closed(subject, false, answer);
}

static void what_of_a_ghost(struct subject *subject, char answer[CELL])
{
    closed(subject, true, answer);
}

static void what_of_a_file(struct subject *subject, char answer[CELL])
{
    FILE *file = tmpfile();
    lesson_must(file != NULL ? 0 : -1, "tmpfile");
    subject_watch(subject, fileno(file), 0, 0, ROUSE_READ);
    if (subject->count == 0)
        subject_wait(subject, MS_20);
    const struct rouse_event *event = subject_event(subject, 0);
    if (event != NULL && event->result == -EPERM)
        say(answer, "-EPERM");
    else
        say(answer, event != NULL ? "ready" : "silent");
    subject_forget(subject, fileno(file), 0);
    fclose(file);
}

/* ---- What can be asked in the model only ----------------------------------------------------- */

/* What a device does while a task sleeps: looks how many entries there are, and sends a byte. */
struct device {
    struct rouse_sim_event event;
    int fd;
    uint64_t entries; /* since model_mark() */
};

static void send_a_byte(struct rouse_sim_event *event)
{
    struct device *device = (struct device *)event; /* its first member */
    device->entries = model_since(ROUSE_SIM_LINKED) - model_since(ROUSE_SIM_UNLINKED);
    model_must(rouse_sim_write(device->fd, "x", 1), "rouse_sim_write");
}

/* A wait among `n` that sleeps until the last of them is ready; with steps since model_mark(). */
static uint64_t sleep_among(struct subject *subject, int n)
{
    int fds[MANY][2];
    struct device device = {.event.fn = send_a_byte};
    for (int i = 0; i < n; i++) {
        subject_pair(subject, fds[i]);
        subject_watch(subject, fds[i][0], (uint32_t)i, 0, ROUSE_READ);
    }
    device.fd = fds[n - 1][1];
    model_must(rouse_sim_at(&device.event, rouse_sim_now() + LESSON_MS), "rouse_sim_at");
    model_mark();
    subject_wait(subject, -1);
    return device.entries;
}

static void forget_all(struct subject *subject)
{
    subject_close(subject);
    rouse_sim_halt();
    model_boot(&(struct rouse_sim_config){.size = sizeof(struct rouse_sim_config),
                                          .descriptors = 2 * HIGH});
    subject_open(subject);
}

static void how_many_linked(struct subject *subject, char answer[CELL])
{
    uint64_t few = sleep_among(subject, FEW);
    forget_all(subject);
    uint64_t many = sleep_among(subject, MANY);
    forget_all(subject);
    fit(answer, few, many);
}

static void how_many_asked(struct subject *subject, char answer[CELL])
{
    sleep_among(subject, FEW);
    uint64_t few = model_since(ROUSE_SIM_ASKED);
    forget_all(subject);
    sleep_among(subject, MANY);
    uint64_t many = model_since(ROUSE_SIM_ASKED);
    forget_all(subject);
    if (few == 2 * FEW && many == 2 * MANY)
        say(answer, "2N");
    else
        fit(answer, few, many);
}

/* ---- The table ------------------------------------------------------------------------------- */

static struct question questions[] = {
    {.words = "sleeps while nothing is ready", .ask = does_it_sleep},
    {.words = "system calls for a wait", .ask = how_many_calls},
    {.words = "descriptors handed over in it", .ask = how_many_handed_over},
    {.words = "entries looked at to find the one", .ask = how_many_looked_at},
    {.words = "system calls for a change of interest", .ask = what_does_a_change_cost},
    {.words = "told again while it lasts", .ask = is_it_told_again},
    {.words = "knows edges", .ask = does_it_know_edges},
    {.words = "tells that a peer hung up", .ask = does_it_tell_a_hangup},
    {.words = "takes descriptor 1500", .ask = does_it_take_a_high_number},
    {.words = "one that was closed unasked", .ask = what_of_a_closed_one},
    {.words = "the same, a duplicate is left", .ask = what_of_a_ghost},
    {.words = "a regular file", .ask = what_of_a_file},
};
static struct question model_questions[] = {
    {.words = "entries in wait queues while it sleeps", .ask = how_many_linked},
    {.words = "files asked by a wait that sleeps", .ask = how_many_asked},
};
enum {
    QUESTIONS = sizeof questions / sizeof *questions,
    MODEL_QUESTIONS = sizeof model_questions / sizeof *model_questions
};

static void print_row(const char *words, const char *const answers[MOST], int columns)
{
    char line[256];
    int length = snprintf(line, sizeof line, "%-38s", words);
    for (int i = 0; i < columns; i++)
        length += snprintf(line + length, sizeof line - (size_t)length, " %-10s", answers[i]);
    while (length > 0 && line[length - 1] == ' ')
        line[--length] = '\0';
    lesson_lines(line);
}

static void print_question(const struct question *question, int columns)
{
    const char *answers[MOST] = {NULL};
    for (int i = 0; i < columns; i++)
        answers[i] = question->answers[i];
    print_row(question->words, answers, columns);
}

static const char *answer_of(const struct question *question, const char *const names[MOST],
                             int columns, const char *name)
{
    for (int i = 0; i < columns; i++)
        if (strcmp(names[i], name) == 0)
            return question->answers[i];
    return "";
}

/* Puts a question to a backend, opened anew for it. */
static void put(struct question *question, struct subject *subject, int column)
{
    subject_open(subject);
    question->ask(subject, question->answers[column]);
    subject_close(subject);
}

/* Asks all backends whose names begin so, but for those that stand before another. */
static int ask_all(const char *prefix, const struct means *means, int count,
                   const char *names[MOST])
{
    int columns = 0;
    for (unsigned n = 0; rouse_rung_at(n) != NULL && columns < MOST; n++) {
        const struct rouse_rung *rung = rouse_rung_at(n);
        bool is_of_model = strncmp(rung->name, "sim:", 4) == 0;
        if (rung->backend == NULL || rung->backend->traits & ROUSE_TRAIT_WRAPS ||
            is_of_model != (*prefix != '\0'))
            continue;
        struct subject subject = {.backend = rung->backend, .means = means};
        if (!subject_open(&subject)) {
            lesson_skip("%s: it cannot be opened here", rung->name);
            continue;
        }
        subject_close(&subject);
        names[columns] = rung->name;
        for (int i = 0; i < count; i++)
            put(&questions[i], &subject, columns);
        for (int i = 0; is_of_model && i < MODEL_QUESTIONS; i++)
            put(&model_questions[i], &subject, columns);
        columns++;
    }
    return columns;
}

static bool is(int question, const char *const names[MOST], int columns, const char *name,
               const char *expected)
{
    return strcmp(answer_of(&questions[question], names, columns, name), expected) == 0;
}

enum { SLEEPS, CALLS, HANDED, LOOKED, CHANGE, AGAIN, EDGES, HANGUP, NUMBER, CLOSED, GHOST, FILES };

static void claim_of_the_kernel(const char *const names[MOST], int columns)
{
    lesson_claim(is(SLEEPS, names, columns, "spin", "no") &&
                     is(SLEEPS, names, columns, "poll", "yes"),
                 "all sleep while nothing is ready, but for spin");
    lesson_claim(is(HANDED, names, columns, "poll", "N"),
                 "poll is handed every descriptor in every wait");
    lesson_claim(is(HANDED, names, columns, "select", "highest"),
                 "select is handed the bits up to the highest descriptor");
    lesson_claim(is(HANDED, names, columns, "epoll", "0") &&
                     is(LOOKED, names, columns, "epoll", "1"),
                 "epoll is handed none, and one entry is looked at");
    lesson_claim(is(CHANGE, names, columns, "epoll", "1") &&
                     is(CHANGE, names, columns, "poll", "0"),
                 "a change of interest is a call on epoll, and none on poll");
    if (has_high_numbers(&means_real))
        lesson_claim(is(NUMBER, names, columns, "select", "-ERANGE") &&
                         is(NUMBER, names, columns, "poll", "yes"),
                     "select has no bit for a high number, and poll needs none");
    else
        lesson_skip("takes descriptor %d: this process may not have it", HIGH);
    lesson_claim(is(GHOST, names, columns, "epoll", "tells") &&
                     is(GHOST, names, columns, "poll", "-EBADF"),
                 "epoll tells of a descriptor that is closed while a duplicate is open");
}

static void claim_of_the_model(const char *const names[MOST], int columns)
{
    lesson_claim(strcmp(answer_of(&model_questions[0], names, columns, "sim:poll"), "N") == 0 &&
                     strcmp(answer_of(&model_questions[1], names, columns, "sim:poll"), "2N") == 0,
                 "poll puts an entry into every wait queue, and asks every file twice");
    lesson_claim(strcmp(answer_of(&model_questions[0], names, columns, "sim:epoll"), "1") == 0 &&
                     strcmp(answer_of(&model_questions[1], names, columns, "sim:epoll"), "1") == 0,
                 "epoll puts one into its own, and asks the one file that is ready");
}

int main(int argc, char **argv)
{
    const char *names[MOST];
    lesson_begin(argc, argv, "truth-table");
    lesson_say("The questions of the lessons, asked of each backend. N is how many descriptors are "
               "watched; one of them, the last, is ready.");
    room = lesson_descriptors(2 * HIGH);

    lesson_kernel();
    int columns = ask_all("", &means_real, QUESTIONS, names);
    print_row("", names, columns);
    for (int i = 0; i < QUESTIONS; i++)
        print_question(&questions[i], columns);
    claim_of_the_kernel(names, columns);

    /* The answers of the real ones, to be compared with the model's. */
    struct question before[QUESTIONS];
    memcpy(before, questions, sizeof before);
    const char *before_names[MOST];
    memcpy(before_names, names, sizeof names);
    int before_columns = columns;

    lesson_model();
    model_boot(&(struct rouse_sim_config){.size = sizeof(struct rouse_sim_config),
                                          .descriptors = 2 * HIGH});
    columns = ask_all("sim:", &means_sim, FILES, names);
    print_row("", names, columns);
    bool alike = true;
    for (int i = 0; i < FILES; i++) {
        print_question(&questions[i], columns);
        for (int j = 0; j < columns && (i != NUMBER || has_high_numbers(&means_real)); j++)
            alike &= strcmp(questions[i].answers[j],
                            answer_of(&before[i], before_names, before_columns, names[j] + 4)) == 0;
    }
    for (int i = 0; i < MODEL_QUESTIONS; i++)
        print_question(&model_questions[i], columns);
    claim_of_the_model(names, columns);
    lesson_claim(alike, "what can be asked of both, the model and the kernel answer alike");
    model_halt();
    return lesson_end();
}
