/*
 * How a lesson speaks: titles, paragraphs, what was seen, what is claimed of it. See lesson.h.
 *
 * Everything goes to stdout line by line, so that a lesson may fork at any time; errors go to
 * stderr. Colours are for terminals only, and not for those who want none (https://no-color.org).
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lesson.h"
#include "table.h" /* made of the table in meson.build */

enum { WIDTH = 80, NAMES = 36, BAR = 24, ANSWERS = 8 };

/* One row of the table. */
struct row {
    const char *name;
    const char *shows;
    bool has_backend; /* its row has the word 'backend' */
};

static const struct row rows[] = {LESSON_ROWS};
static const struct row *lesson;
static const char *backend;
static bool asks, colours;
static enum lesson_kind before; /* of the last line */
static int held, broken, skipped, tally = -1;

static const char bold[] = "\033[1m", green[] = "\033[32m", red[] = "\033[1;31m",
                  yellow[] = "\033[33m";

/* Ends the program because it cannot go on: 2 if whoever started it can mend it, else 1. */
static void __attribute__((format(printf, 2, 3), noreturn))
stop(int status, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "%s: ", lesson->name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(status);
}

void lesson_line(enum lesson_kind kind)
{
    bool of_facts = before == LESSON_FACT && kind == LESSON_CLAIM; /* stand right below them */
    if (before != LESSON_NOTHING && before != kind && !of_facts)
        putchar('\n');
    before = kind;
}

static void coloured(const char *colour, const char *text)
{
    printf("%s%s%s", colours ? colour : "", text, colours ? "\033[0m" : "");
}

/* Prints text that fits into the width, broken at spaces. */
static void wrap(const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        if (length > WIDTH) {
            length = WIDTH;
            while (length > 0 && text[length] != ' ')
                length--;
            if (length == 0) /* one word that is longer */
                length = strcspn(text, " \n");
        }
        printf("%.*s\n", (int)length, text);
        text += length;
        if (*text != '\0')
            text++;
    }
}

/* Ends with run.py, which reads the counts, as the children of a lesson end with it. */
static void end_with_reader(void)
{
    struct pollfd counts = {.fd = tally};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (poll(&counts, 1, 0) == 1 && (counts.revents & POLLERR) != 0)
        exit(1); /* it has ended already */
}

/* Reads the options; whether one of them is --yes. */
static bool parse(int argc, char **argv)
{
    bool yes = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--yes") == 0)
            yes = true;
        else if (strcmp(argv[i], "--backend") == 0 && i + 1 < argc)
            backend = argv[++i];
        else if (strcmp(argv[i], "--tally") == 0 && i + 1 < argc)
            tally = atoi(argv[++i]); /* a descriptor on which run.py reads how many claims held */
        else
            stop(2, "'%s' is not understood: there are --yes and --backend B", argv[i]);
    }
    if (backend != NULL && !lesson->has_backend)
        stop(2, "it shows the same on every backend and takes no --backend");
    if (backend != NULL && *backend == '\0')
        stop(2, "--backend wants the name of a backend");
    return yes;
}

static bool wants_colours(void)
{
    const char *none = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return (none == NULL || *none == '\0') && (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

void lesson_begin(int argc, char **argv, const char *name)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (lesson = rows; strcmp(lesson->name, name) != 0;)
        lesson++;
    bool yes = parse(argc, argv);
    unsetenv("ROUSE_BACKEND"); /* only --backend says it, and only to lessons that take it */
    if (backend != NULL)
        rouse_close(lesson_loop());
    if (tally >= 0)
        end_with_reader();
    bool on_terminal = isatty(STDOUT_FILENO) == 1;
    colours = on_terminal && wants_colours();
    asks = !yes && on_terminal && isatty(STDIN_FILENO) == 1;
    char title[2 * WIDTH];
    snprintf(title, sizeof title, "%d. %s: %s", (int)(lesson - rows) + 1, name, lesson->shows);
    coloured(bold, title);
    putchar('\n');
    before = LESSON_PROSE;
}

void lesson_say(const char *format, ...)
{
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (before == LESSON_PROSE)
        putchar('\n');
    lesson_line(LESSON_PROSE);
    wrap(text);
}

enum { NO_ANSWER = -1, NOT_UNDERSTOOD = -2 };

/* Reads a line, whatever its length: the number of the answer whose letter it is, spaces aside. */
static int read_guess(int answers)
{
    char *line = NULL;
    size_t size = 0, first = 0;
    ssize_t got = getline(&line, &size, stdin);
    size_t end = got > 0 ? (size_t)got : 0;
    while (end > 0 && isspace((unsigned char)line[end - 1]))
        end--;
    while (first < end && isspace((unsigned char)line[first]))
        first++;
    int answer = NO_ANSWER;
    if (first < end) {
        answer = tolower((unsigned char)line[first]) - 'a';
        if (end > first + 1 || answer < 0 || answer >= answers)
            answer = NOT_UNDERSTOOD;
    }
    free(line);
    if (got <= 0)
        putchar('\n'); /* nobody has typed one */
    return answer;
}

int lesson_guess(const char *question, ...)
{
    if (!asks)
        return -1;
    lesson_say("%s", question);
    int answers = 0;
    va_list arguments;
    va_start(arguments, question);
    for (const char *text; (text = va_arg(arguments, const char *)) != NULL; answers++)
        printf("  %c  %s\n", 'a' + answers, text);
    va_end(arguments);
    for (;;) {
        printf("Your guess, a to %c (or Enter): ", 'a' + answers - 1);
        fflush(stdout);
        int answer = read_guess(answers);
        if (answer != NOT_UNDERSTOOD)
            return answer;
        printf("That is not one letter from a to %c.\n", 'a' + answers - 1);
    }
}

static void heading(const char *text)
{
    putchar('\n');
    coloured(bold, text);
    puts("\n");
    before = LESSON_NOTHING;
}

void lesson_kernel(void)
{
    heading("== On the kernel of this machine ==");
}

void lesson_model(void)
{
    heading("== In the model, step by step ==");
}

void lesson_show(const char *name, const char *format, ...)
{
    va_list arguments;
    lesson_line(LESSON_FACT);
    printf("  %-*s  ", NAMES, name);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

void lesson_bar(const char *name, double value, double most, const char *format)
{
    char bar[BAR + 1] = "";
    int length = most > 0 && value > 0 ? (int)(value / most * BAR + 0.5) : 0;
    memset(bar, '#', (size_t)(length < BAR ? length : BAR));
    lesson_line(LESSON_FACT);
    printf("  %-*s  %-*s  ", NAMES, name, BAR, bar);
    printf(format, value);
    putchar('\n');
}

void lesson_lines(const char *text)
{
    lesson_line(LESSON_FACT);
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        printf("    %.*s\n", (int)length, text);
        text += length;
        if (*text != '\0')
            text++;
    }
}

/* A line "  word: ...", as claims are. */
static void tell(const char *colour, const char *word, const char *format, va_list arguments)
{
    lesson_line(LESSON_CLAIM);
    printf("  ");
    coloured(colour, word);
    printf(": ");
    vprintf(format, arguments);
    putchar('\n');
}

bool lesson_claim(bool holds, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tell(holds ? green : red, holds ? "holds" : "DOES NOT HOLD", format, arguments);
    va_end(arguments);
    held += holds;
    broken += !holds;
    return holds;
}

void lesson_skip(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tell(yellow, "not shown here", format, arguments);
    va_end(arguments);
    skipped++;
}

void lesson_answer(int guess, int right, const char *format, ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    heading("== The answer ==");
    const char *verdict = guess < 0 ? "" : guess == right ? "As you guessed. " : "Not your guess. ";
    lesson_say("%s%s", verdict, text);
}

/* Not to have been heard is a failure, but not if whoever listened has gone: head, or a pager. */
static void must_be_heard(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return;
    if (errno == EPIPE) { /* a lesson may have it ignored */
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
    stop(1, "not all that it said was written: %s", strerror(errno != 0 ? errno : EIO));
}

int lesson_end(void)
{
    errno = 0;
    printf("\n%s: %d claims held, %d did not", lesson->name, held, broken);
    if (skipped > 0)
        printf(", %d could not be shown here", skipped);
    putchar('\n');
    must_be_heard();
    if (tally >= 0)
        dprintf(tally, "%d %d %d\n", held, broken, skipped);
    return broken > 0;
}

int lesson_must(int result, const char *what)
{
    if (result == -1)
        stop(1, "%s: %s", what, strerror(errno));
    return result;
}

int lesson_ok(struct rouse_loop *loop, int result)
{
    if (result < 0)
        stop(1, "%s", rouse_error(loop));
    return result;
}

/* Leaves out what else is missing here: the reason of the one that was named stands before it. */
static void shorten(char *why)
{
    char *missing = strstr(why, " is missing: ");
    while (missing != NULL && missing > why && *missing != ';')
        missing--;
    if (missing != NULL && *missing == ';')
        *missing = '\0';
}

struct rouse_loop *lesson_loop(void)
{
    char why[512];
    struct rouse_config config = {
        .size = sizeof config, .backend = backend, .why = why, .why_size = sizeof why};
    struct rouse_loop *loop;
    if (rouse_open(&loop, &config) != 0) {
        shorten(why);
        stop(2, "%s", why);
    }
    return loop;
}

const char *lesson_backend(void)
{
    return backend;
}
