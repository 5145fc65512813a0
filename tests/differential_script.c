/*
 * Scripts as text, to be read by people and played again.
 *
 * A line is an operation: a verb and its arguments, "write 3 100"; "in end 3: stop 5" is one for
 * the inside of the next callback of end 3. Pair p has the ends 2p and 2p + 1. What surprises: the
 * words "tangled" and "asleep", on lines of their own, say how the script is played; see
 * struct script.
 *
 * SPDX-License-Identifier: MIT
 */
#define _POSIX_C_SOURCE 200809L /* strtok_r */

#include "differential.h"

#include <stdlib.h>
#include <string.h>

enum { MODES = 4 };

static const char *const mode_names[MODES] = {"level", "edge", "oneshot", "edge-oneshot"};
static const char *const style_names[STYLES] = {"not", "once", "all", "raw"};
static const char *const place_names[PLACES] = {"outside", "end", "timer", "task"};

/* The verbs, and their arguments: p pair, e end, t timer, j task, k kind, w directions, m mode,
 * s style, n number. */
static const struct {
    const char *name;
    const char *args;
} verbs[VERBS] = {
    [VERB_OPEN] = {"open", "pk"},      [VERB_WATCH] = {"watch", "ewm"},
    [VERB_WANT] = {"want", "ew"},      [VERB_STOP] = {"stop", "e"},
    [VERB_CLOSE] = {"close", "e"},     [VERB_RESET] = {"reset", "e"},
    [VERB_SHUT] = {"shut", "ew"},      [VERB_REACT] = {"react", "essn"},
    [VERB_RIVAL] = {"rival", "e"},     [VERB_READ] = {"read", "en"},
    [VERB_WRITE] = {"write", "en"},    [VERB_RECEIVE] = {"receive", "en"},
    [VERB_SEND] = {"send", "en"},      [VERB_DRAIN] = {"drain", "e"},
    [VERB_FILL] = {"fill", "e"},       [VERB_URGENT] = {"urgent", "e"},
    [VERB_AT] = {"at", "tnn"},         [VERB_AFTER] = {"after", "tnn"},
    [VERB_HALT] = {"halt", "t"},       [VERB_DEFER] = {"defer", "j"},
    [VERB_POST] = {"post", "j"},       [VERB_CANCEL] = {"cancel", "j"},
    [VERB_ADVANCE] = {"advance", "n"}, [VERB_TURN] = {"turn", "n"},
};

static const char *kind_name(int kind)
{
    return kind == KIND_FILE   ? "file"
           : kind == KIND_NULL ? "null"
                               : world_name((enum world_kind)kind);
}

/* ---- Text --------------------------------------------------------------------------------- */

static const char *want_text(uint32_t want, char text[4])
{
    char *at = text;
    if (want & ROUSE_READ)
        *at++ = 'r';
    if (want & ROUSE_WRITE)
        *at++ = 'w';
    if (want & ROUSE_PRIORITY)
        *at++ = 'p';
    if (at == text)
        *at++ = '-';
    *at = '\0';
    return text;
}

static void print_op(const struct op *op, FILE *file)
{
    if (op->place != PLACE_OUTSIDE)
        fprintf(file, "in %s %d: ", place_names[op->place], op->who);
    fputs(verbs[op->verb].name, file);
    for (int i = 0; verbs[op->verb].args[i] != '\0'; i++) {
        char text[4];
        switch (verbs[op->verb].args[i]) {
        case 'k':
            fprintf(file, " %s", kind_name(op->args[i]));
            break;
        case 'w':
            fprintf(file, " %s", want_text((uint32_t)op->args[i], text));
            break;
        case 'm':
            fprintf(file, " %s", mode_names[op->args[i]]);
            break;
        case 's':
            fprintf(file, " %s", style_names[op->args[i]]);
            break;
        default:
            fprintf(file, " %d", op->args[i]);
        }
    }
    fputc('\n', file);
}

void script_print(const struct script *script, FILE *file)
{
    if (script->tangled)
        fputs("tangled\n", file);
    if (script->asleep)
        fputs("asleep\n", file);
    for (int i = 0; i < script->count; i++)
        print_op(&script->ops[i], file);
}

/* The index of `word` among `names`, or -1. */
static int index_of(const char *word, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(word, names[i]) == 0)
            return i;
    return -1;
}

/* A whole number in [low, high], or low - 1. */
static int32_t number(const char *word, int32_t low, int32_t high)
{
    char *end;
    long value = strtol(word, &end, 10);
    return *word == '\0' || *end != '\0' || value < low || value > high ? low - 1 : (int32_t)value;
}

static bool parse_arg(char type, const char *word, int32_t *arg)
{
    static const char letters[] = "rwp-";
    static const uint32_t bits[] = {ROUSE_READ, ROUSE_WRITE, ROUSE_PRIORITY, 0};
    switch (type) {
    case 'p':
        return (*arg = number(word, 0, PAIRS - 1)) >= 0;
    case 'e':
        return (*arg = number(word, 0, ENDS - 1)) >= 0;
    case 't':
        return (*arg = number(word, 0, TIMERS - 1)) >= 0;
    case 'j':
        return (*arg = number(word, 0, TASKS - 1)) >= 0;
    case 'k':
        for (*arg = 0; *arg < KINDS && strcmp(word, kind_name(*arg)) != 0;)
            ++*arg;
        return *arg < KINDS && *arg != WORLD_PTY; /* which changes what is sent through it */
    case 'm':
        return (*arg = index_of(word, mode_names, MODES)) >= 0;
    case 's':
        return (*arg = index_of(word, style_names, STYLES)) >= 0;
    case 'w':
        for (*arg = 0; *word != '\0' && strchr(letters, *word) != NULL; word++)
            *arg |= (int32_t)bits[strchr(letters, *word) - letters];
        return *word == '\0';
    default:
        return (*arg = number(word, -2000000000, 2000000000)) >= -2000000000;
    }
}

static bool parse_op(struct op *op, char *line)
{
    static const int places[PLACES] = {0, ENDS, TIMERS, TASKS};
    char *rest;
    char *word = strtok_r(line, " \n", &rest);
    *op = (struct op){.verb = VERBS};
    if (word != NULL && strcmp(word, "in") == 0) {
        char *place = strtok_r(NULL, " \n", &rest);
        char *who = strtok_r(NULL, ": \n", &rest);
        int index = place != NULL ? index_of(place, place_names, PLACES) : -1;
        int32_t value = who != NULL && index > 0 ? number(who, 0, places[index] - 1) : -1;
        if (value < 0)
            return false;
        op->place = (uint8_t)index;
        op->who = (uint8_t)value;
        word = strtok_r(NULL, ": \n", &rest);
    }
    for (int verb = 0; word != NULL && verb < VERBS; verb++)
        if (strcmp(word, verbs[verb].name) == 0)
            op->verb = (uint8_t)verb;
    if (op->verb == VERBS)
        return false;
    const char *args = verbs[op->verb].args;
    for (int i = 0; args[i] != '\0'; i++) {
        word = strtok_r(NULL, " \n", &rest);
        if (word == NULL || !parse_arg(args[i], word, &op->args[i]))
            return false;
    }
    return strtok_r(NULL, " \n", &rest) == NULL;
}

int script_parse(struct script *script, FILE *file)
{
    *script = (struct script){0};
    char line[200];
    for (int number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        size_t blank = strspn(line, " \n");
        if (line[blank] == '\0' || line[blank] == '#')
            continue;
        if (strncmp(line, "tangled", 7) == 0)
            script->tangled = true;
        else if (strncmp(line, "asleep", 6) == 0)
            script->asleep = true;
        else if (script->count == LONGEST || !parse_op(&script->ops[script->count++], line))
            return number;
    }
    return 0;
}
