/*
 * Random scripts. A script is made from a seed alone (of what the world has), so that a number is
 * enough to have it again.
 *
 * What surprises: this hardly knows what its operations will do, only what is probably open and
 * watched; whether they can be performed shows when they are played. It does know what makes the
 * order of callbacks within a turn matter, and keeps it out of scripts that are not tangled.
 *
 * SPDX-License-Identifier: MIT
 */
#include "differential.h"

/* What is probably the case where the script has got to. */
struct author {
    struct script *script;
    bool common;
    uint64_t random;
    int pairs; /* that this script uses: few, so that its operations meet */
    int kinds[PAIRS];
    bool open[PAIRS];
    bool watched[ENDS];
    uint8_t active[PAIRS]; /* the one end that acts in callbacks, if not tangled */
};

uint64_t script_mix(uint64_t value)
{
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
    value = (value ^ value >> 27) * 0x94d049bb133111eb;
    return value ^ value >> 31;
}

static int pick(struct author *author, int count)
{
    author->random += 0x9e3779b97f4a7c15;
    return (int)(script_mix(author->random) % (uint64_t)count);
}

static bool chance(struct author *author, int percent)
{
    return pick(author, 100) < percent;
}

static int32_t any_size(struct author *author)
{
    static const int32_t sizes[] = {1, 1, 2, 7, 16, 100, 100, 500, 1000, 4096, 4097, 20000, 65536};
    return sizes[pick(author, sizeof sizes / sizeof sizes[0])];
}

static uint32_t any_want(struct author *author, int end)
{
    static const uint32_t wants[] = {ROUSE_READ,
                                     ROUSE_READ,
                                     ROUSE_READ,
                                     ROUSE_WRITE,
                                     ROUSE_READ | ROUSE_WRITE,
                                     ROUSE_READ | ROUSE_PRIORITY,
                                     DIRECTIONS,
                                     ROUSE_PRIORITY,
                                     0};
    uint32_t want = wants[pick(author, sizeof wants / sizeof wants[0])];
    if (author->kinds[end / 2] == WORLD_PIPE && chance(author, 90)) {
        want &= end % 2 == 0 ? ~(uint32_t)ROUSE_WRITE : ~(uint32_t)ROUSE_READ;
        want |= chance(author, 80) ? end % 2 == 0 ? ROUSE_READ : ROUSE_WRITE : 0u;
    }
    return want;
}

static bool is_there(int kind)
{
    rouse_fd fd;
    if (kind < WORLD_KINDS)
        return world_has((enum world_kind)kind);
    if ((kind == KIND_FILE ? world_file(&fd) : world_null(&fd)) < 0)
        return false;
    world_close(fd);
    return true;
}

static int any_kind(struct author *author)
{
    static const int everywhere[] = {WORLD_PIPE, WORLD_UNIX, WORLD_TCP};
    static const int kinds[] = {WORLD_PIPE,      WORLD_PIPE,     WORLD_PIPE,      WORLD_UNIX,
                                WORLD_UNIX,      WORLD_UNIX,     WORLD_TCP,       WORLD_DATAGRAM,
                                WORLD_SEQPACKET, WORLD_DATAGRAM, WORLD_SEQPACKET, KIND_FILE,
                                KIND_NULL,       WORLD_UDP,      WORLD_UNIX,      WORLD_PIPE};
    enum { MANY = sizeof kinds / sizeof kinds[0] };
    static int there[MANY], count; /* those of them that this world has */
    if (author->common)
        return everywhere[pick(author, sizeof everywhere / sizeof everywhere[0])];
    if (count == 0)
        for (int i = 0; i < MANY; i++)
            if (is_there(kinds[i]))
                there[count++] = kinds[i];
    return there[pick(author, count)];
}

/* An end that is probably open; of a pipe the one that sends, or receives, if that matters. */
static int any_end(struct author *author, uint8_t verb)
{
    int pair = pick(author, author->pairs);
    for (int tries = 0; !author->open[pair] && tries < 4; tries++)
        pair = pick(author, author->pairs);
    int side = pick(author, 2);
    if (author->kinds[pair] >= WORLD_KINDS)
        side = 0;
    if (author->kinds[pair] == WORLD_PIPE) {
        if (verb == VERB_READ || verb == VERB_RECEIVE || verb == VERB_DRAIN)
            side = 0;
        if (verb == VERB_WRITE || verb == VERB_SEND || verb == VERB_FILL)
            side = 1;
    }
    return 2 * pair + side;
}

static struct op *append(struct author *author, uint8_t verb)
{
    struct op *op = &author->script->ops[author->script->count++];
    *op = (struct op){.verb = verb};
    return op;
}

static void open_pair(struct author *author)
{
    int pair = pick(author, author->pairs);
    struct op *op = append(author, VERB_OPEN);
    op->args[0] = pair;
    op->args[1] = author->kinds[pair] = any_kind(author);
    author->open[pair] = true;
}

/* The arguments of an operation on an end. */
static void on_end(struct author *author, struct op *op, int end)
{
    op->args[0] = end;
    switch (op->verb) {
    case VERB_WATCH:
        op->args[1] = (int32_t)any_want(author, end);
        op->args[2] = chance(author, 75) ? pick(author, 2) : 2 + pick(author, 2);
        author->watched[end] = true;
        break;
    case VERB_WANT:
        op->args[1] = (int32_t)any_want(author, end);
        break;
    case VERB_SHUT:
        op->args[1] = (int32_t[]){ROUSE_WRITE, ROUSE_WRITE, ROUSE_READ,
                                  ROUSE_READ | ROUSE_WRITE}[pick(author, 4)];
        break;
    case VERB_REACT:
        op->args[1] = pick(author, STYLES);
        op->args[2] = pick(author, STYLES);
        op->args[3] = any_size(author);
        break;
    case VERB_READ:
    case VERB_RECEIVE:
    case VERB_WRITE:
    case VERB_SEND:
        op->args[1] = any_size(author);
        break;
    default: /* no more arguments */
        break;
    }
}

static uint8_t end_verb(struct author *author)
{
    static const uint8_t often[] = {
        VERB_WATCH,   VERB_WATCH,   VERB_WATCH, VERB_WATCH, VERB_WATCH, VERB_WANT,  VERB_WANT,
        VERB_WANT,    VERB_SEND,    VERB_SEND,  VERB_SEND,  VERB_SEND,  VERB_SEND,  VERB_SEND,
        VERB_WRITE,   VERB_WRITE,   VERB_WRITE, VERB_READ,  VERB_READ,  VERB_READ,  VERB_RECEIVE,
        VERB_RECEIVE, VERB_RECEIVE, VERB_REACT, VERB_REACT, VERB_REACT, VERB_REACT, VERB_STOP,
        VERB_STOP,    VERB_DRAIN,   VERB_DRAIN, VERB_RIVAL};
    static const uint8_t seldom[] = {VERB_CLOSE, VERB_CLOSE, VERB_CLOSE, VERB_SHUT, VERB_URGENT,
                                     VERB_FILL,  VERB_FILL,  VERB_RESET, VERB_SHUT, VERB_URGENT};
    if (chance(author, 88))
        return often[pick(author, sizeof often)];
    uint8_t verb = seldom[pick(author, sizeof seldom)];
    return verb == VERB_URGENT && author->common ? (uint8_t)VERB_SHUT : verb;
}

static void timer_or_task(struct author *author, struct op *op)
{
    static const uint8_t verbs[] = {VERB_AT,    VERB_AT,    VERB_AFTER, VERB_AFTER, VERB_HALT,
                                    VERB_DEFER, VERB_DEFER, VERB_POST,  VERB_CANCEL};
    op->verb = verbs[pick(author, sizeof verbs)];
    if (op->verb == VERB_POST && author->common)
        op->verb = VERB_DEFER; /* when a post is seen is the backend's own */
    op->args[0] = pick(author, op->verb >= VERB_DEFER ? TASKS : TIMERS);
    if (op->verb != VERB_AT && op->verb != VERB_AFTER)
        return;
    op->args[1] = 100 * pick(author, 12) - (op->verb == VERB_AT ? 200 : 0);
    op->args[2] = chance(author, 30) ? 100 * (1 + pick(author, 5)) : 0;
}

static void turn(struct author *author)
{
    struct op *op = append(author, VERB_TURN);
    if (author->script->tangled && chance(author, 40))
        op->args[0] = chance(author, 40) ? -1 : pick(author, 2000);
}

/* One operation for the inside of a callback. */
static void inside(struct author *author)
{
    struct op *op = append(author, VERB_STOP);
    op->place = (uint8_t)(PLACE_END + (chance(author, 60) ? 0 : 1 + pick(author, 2)));
    op->who = (uint8_t)pick(author, op->place == PLACE_TIMER ? TIMERS : TASKS);
    if (op->place == PLACE_END)
        op->who = (uint8_t)any_end(author, VERB_STOP);
    bool apart = op->place == PLACE_END && !author->script->tangled;
    if (apart)
        op->who = author->active[op->who / 2];
    if (!apart && chance(author, 25)) {
        timer_or_task(author, op);
    } else if (!apart && chance(author, 3)) {
        op->verb = VERB_TURN;
    } else if (!apart && chance(author, 4)) {
        op->verb = VERB_OPEN;
        op->args[0] = pick(author, author->pairs);
        op->args[1] = any_kind(author);
    } else {
        op->verb = end_verb(author);
        on_end(author, op,
               op->place == PLACE_END && (apart || chance(author, 40)) ? op->who
                                                                       : any_end(author, op->verb));
    }
    /* A reaction is for the end that acts in callbacks. */
    if (op->verb == VERB_REACT && !author->script->tangled)
        op->args[0] = author->active[op->args[0] / 2];
}

/* An urgent byte between others, at which a read stops short. */
static void urgent(struct author *author, int end)
{
    static const uint8_t verbs[] = {VERB_SEND, VERB_URGENT, VERB_SEND};
    for (int i = 0; i < 3 && author->script->count < LONGEST; i++)
        on_end(author, append(author, verbs[i]), end);
}

static void outside(struct author *author)
{
    uint8_t verb = end_verb(author);
    int end = any_end(author, verb);
    if (verb == VERB_SEND && author->kinds[end / 2] == WORLD_TCP && !author->common &&
        chance(author, 40)) {
        urgent(author, end);
        return;
    }
    if (verb == VERB_REACT && !author->script->tangled)
        end = author->active[end / 2];
    if (verb == VERB_CLOSE || verb == VERB_RESET) {
        if (author->watched[end] && chance(author, 50))
            return; /* what is watched lives longer */
        author->watched[end] = false;
    }
    on_end(author, append(author, verb), end);
}

void script_random(struct script *script, uint64_t seed, bool common)
{
    struct author author = {.script = script, .common = common, .random = script_mix(seed + 1)};
    *script = (struct script){.tangled = chance(&author, 40), .asleep = chance(&author, 15)};
    author.pairs = 1 + pick(&author, chance(&author, 50) ? 2 : PAIRS);
    for (int pair = 0; pair < PAIRS; pair++)
        author.active[pair] = (uint8_t)(2 * pair + pick(&author, 2));
    int length = 40 + pick(&author, LONGEST - 40);
    while (script->count < length) {
        int dice = pick(&author, 100);
        if (dice < 22)
            turn(&author);
        else if (dice < 30 || script->count < author.pairs)
            open_pair(&author);
        else if (dice < 42)
            inside(&author);
        else if (dice < 50)
            timer_or_task(&author, append(&author, VERB_STOP));
        else if (dice < 53)
            append(&author, VERB_ADVANCE)->args[0] = 50 * pick(&author, 12);
        else
            outside(&author);
    }
}
