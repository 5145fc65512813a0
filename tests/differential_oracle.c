/*
 * The oracle of descriptors: what the loop must call in a turn, and with what, by the rules of
 * rouse.h and by what the world says of each watched descriptor right before the wait (on POSIX,
 * poll(2) with timeout 0, for each by itself).
 *
 * MUST: a direction that is wanted and ready has to be reported in this turn, to level, edge and
 * one-shot watchers alike: for an edge, "until it is drained" and "when it becomes ready" come to
 * just that, because what is drained is not ready. MAY, and each for one reason only:
 *
 *   what the kernel delivered while the turn waited (TCP), seen by asking again after the wait;
 *   on backends with edges, what an edge watcher was told before and has not drained, as far as the
 *     loop can know: it remembers that and asks nobody;
 *   a direction that was wanted only after the wait had begun, by a callback of the same turn;
 *   a hangup alone, which says that a write would fail, but not on select; and hangups and errors
 *     to who wants nothing but PRIORITY;
 *   on backends that are late, what was ready at some time since the wait before (and READ for
 *     urgent data, which wakes as any data does; and WRITE for a full pipe that was read from,
 *     which wakes on Linux 6.1 whether there is room or not); what has become ready after it may be
 *     told later;
 *   on backends that guess, whatever is wanted.
 *
 * Everything else is MUST NOT, as is any call to a watcher that was stopped or paused, by whomever,
 * earlier in the turn, and any second call in one turn.
 *
 * SPDX-License-Identifier: MIT
 */
#include "differential_play.h"

#include <errno.h>

enum { CONDITIONS = ROUSE_ERROR | ROUSE_HANGUP };

/* Whether the loop remembers what was reported, instead of asking the kernel again. */
static bool remembers(const struct end *end)
{
    return end->edge && !end->levelled && end->play->traits & ROUSE_TRAIT_EDGE;
}

/* The directions of `want` that `ready` makes due, for certain. */
static uint32_t due(uint32_t ready, uint32_t want)
{
    return (ready & want & DIRECTIONS) |
           (ready & ROUSE_ERROR ? want & (ROUSE_READ | ROUSE_WRITE) : 0) |
           (ready & ROUSE_HANGUP ? want & ROUSE_READ : 0);
}

/* And those that it may. */
static uint32_t arguable(uint32_t ready, uint32_t want)
{
    return due(ready, want) | (ready & ROUSE_HANGUP ? want & ROUSE_WRITE : 0) |
           (ready & CONDITIONS ? want & ROUSE_PRIORITY : 0);
}

static bool is_late(const struct end *end)
{
    return end->play->traits & ROUSE_TRAIT_LATE;
}

static uint32_t ask(const struct end *end)
{
    if (!remembers(end) && end->want == 0)
        return 0;
    return world_ready(end->fd, remembers(end) || is_late(end) ? DIRECTIONS : end->want);
}

/* What a backend that is late may tell of at the next wait. */
static void note(struct end *end, uint32_t now)
{
    end->lately |= now;
    if (end->first == 0 && arguable(now, end->want) != 0)
        end->first = now;
}

void oracle_look(struct play *play)
{
    for (struct end *end = play->ends; end < play->ends + ENDS; end++)
        if (is_late(end) && end->started)
            note(end, ask(end));
}

void oracle_before_wait(struct play *play)
{
    for (struct end *end = play->ends; end < play->ends + ENDS; end++) {
        end->barred = end->called = false;
        end->must = end->may = 0;
        end->steady = end->want;
        end->before = end->started ? ask(end) : 0;
    }
    play->stops = 0;
}

bool oracle_is_due(const struct play *play)
{
    for (const struct end *end = play->ends; end < play->ends + ENDS; end++)
        if (end->started && due(end->before, end->want) != 0)
            return true;
    return false;
}

/* Whether a wait may bring what its owner does not want. */
static bool may_be_unwanted(const struct end *end)
{
    if (remembers(end))
        return end->before != 0;
    bool guesses = end->play->traits & ROUSE_TRAIT_GUESS;
    return end->want == 0 && (guesses || world_ready(end->fd, DIRECTIONS) != 0);
}

/* An edge that is no longer wanted is reported once, and so is what comes to a watcher that is
 * paused; that the kernel will not watch a file is said once. Each ends the wait of that turn. */
bool oracle_may_wake(const struct play *play)
{
    for (const struct end *end = play->ends; end < play->ends + ENDS; end++) {
        bool refused = end->kind >= WORLD_KINDS && end->want != 0;
        bool late = end->lately & ~end->before;
        if (end->started && (may_be_unwanted(end) || refused || late))
            return true;
    }
    return oracle_may_guess(play);
}

bool oracle_may_guess(const struct play *play)
{
    for (const struct end *end = play->ends; end < play->ends + ENDS; end++)
        if (end->started && end->want != 0)
            return play->traits & ROUSE_TRAIT_GUESS;
    return false;
}

static void judge(struct end *end)
{
    uint32_t after = ask(end);
    uint32_t ever = end->lately | end->before | after;
    uint32_t noted = end->first != 0 ? end->first : DIRECTIONS | CONDITIONS;
    uint32_t want = end->want;
    bool guessed = end->play->traits & ROUSE_TRAIT_GUESS;
    if (is_late(end) && ever & ROUSE_PRIORITY)
        ever |= ROUSE_READ;
    end->memory = remembers(end);
    end->believed = end->memory ? end->believed | arguable(ever, DIRECTIONS) : 0;
    end->must = due(end->before, want) & due(after, want);
    if (after != end->before || end->must & ~due(noted, want)) {
        end->play->raced = true;
        play_note(end->play, NOTE_DOUBT, (uint32_t)end_number(end), 0);
    }
    end->must &= due(noted, want);
    end->may = guessed ? want : arguable(ever, want) | (end->believed & want);
    end->certain = end->before & after & noted & CONDITIONS;
    end->possible = ever & CONDITIONS;
    end->doubt |= end->edge && (ever & (CONDITIONS | ROUSE_PRIORITY));
    end->lately = end->first = 0;
}

/* Called by a hook, right after the wait and before anybody is called. */
void oracle_after_wait(struct play *play)
{
    for (struct end *end = play->ends; end < play->ends + ENDS; end++)
        if (end->started)
            judge(end);
}

static const char *letters(uint32_t bits, char text[6])
{
    char *at = text;
    static const char names[] = "rpweh";
    for (int i = 0; i < 5; i++)
        if (bits & 1u << i)
            *at++ = names[i];
    *at = '\0';
    return text;
}

/* ERROR and HANGUP, on backends that can tell them. A memory of edges may be older than what the
 * world says now. */
static void check_conditions(struct end *end, uint32_t ready)
{
    struct play *play = end->play;
    char text[6];
    uint32_t told = ready & CONDITIONS;
    if (!(play->traits & ROUSE_TRAIT_HANGUP)) {
        if (told != 0)
            play_fail(play, "end %d was told %s by a backend that cannot know", end_number(end),
                      letters(told, text));
        return;
    }
    if (end->memory)
        return;
    if (end->certain & ~told)
        play_fail(play, "end %d was not told %s", end_number(end),
                  letters(end->certain & ~told, text));
    uint32_t wrong = told & ~end->possible;
    if (wrong & ROUSE_HANGUP) /* advisory: the peer has stopped writing */
        wrong &= ~(world_ready(end->fd, ROUSE_HANGUP) & ROUSE_HANGUP);
    if (wrong != 0)
        play_fail(play, "end %d was told %s, wrongly", end_number(end), letters(wrong, text));
}

static const char *why_not(const struct end *end)
{
    if (!end->started)
        return "after it was stopped";
    if (end->called)
        return "twice in one turn";
    if (end->barred)
        return "for what was fetched before it was started";
    if (end->want == 0)
        return "while it was paused";
    return end->play->tasks_begun ? "after the tasks of its turn" : NULL;
}

uint32_t oracle_io(struct end *end, uint32_t ready)
{
    struct play *play = end->play;
    char text[6], others[6];
    const char *why = why_not(end);
    play->callbacks++;
    if (why != NULL) {
        play_fail(play, "end %d was called %s, with %s", end_number(end), why,
                  letters(ready, text));
        return 0;
    }
    uint32_t must = end->must & end->steady & end->want;
    uint32_t may = (end->must | end->may | ~end->steady) & end->want;
    uint32_t told = ready & DIRECTIONS;
    end->called = true;
    end->said = 0;
    if (must & ~told)
        play_fail(play, "end %d was told %s and not %s, which is ready", end_number(end),
                  letters(ready, text), letters(must & ~told, others));
    else if (told & ~may || ready & ~(uint32_t)(DIRECTIONS | CONDITIONS))
        play_fail(play, "end %d was told %s, of which %s is not ready", end_number(end),
                  letters(ready, text), letters(ready & ~may & ~(uint32_t)CONDITIONS, others));
    else if (told == 0)
        play_fail(play, "end %d was told nothing that it wants, but %s", end_number(end),
                  letters(ready, text));
    check_conditions(end, ready);
    play->outcome->musts += must != 0;
    play->outcome->mays += must == 0;
    if (end->oneshot)
        end->want = end->steady = 0;
    return must;
}

/* Of what it was given and still wants a callback has to say what became of it; but not if it was
 * fetched by level, and another callback has made an edge watcher of it since. */
void oracle_called(struct end *end, uint32_t ready)
{
    if (end->called && end->memory && ready & end->want & DIRECTIONS & ~end->said)
        end->levelled = true;
}

void oracle_after_turn(struct play *play)
{
    for (struct end *end = play->ends; end < play->ends + ENDS; end++) {
        uint32_t must = end->must & end->steady & end->want;
        char text[6];
        if (end->started && !end->barred && !end->called && must != 0)
            play_fail(play, "end %d was not called, though %s is ready", end_number(end),
                      letters(must, text));
    }
}

/* ---- What the owner of a watcher does ------------------------------------------------------ */

void oracle_started(struct end *end, uint32_t want, bool edge, bool oneshot)
{
    if (!end->started) {
        end->believed = end->lately = end->first = 0;
        end->doubt = false;
        end->steady = 0;
        end->barred = end->play->turning;
    }
    end->started = true;
    end->levelled = false;
    end->said = DIRECTIONS; /* nothing has been reported to this start yet */
    end->edge = edge;
    end->oneshot = oneshot;
    oracle_wanted(end, want);
}

void oracle_wanted(struct end *end, uint32_t want)
{
    end->want = want;
    end->steady &= want;
}

void oracle_stopped(struct end *end)
{
    if (end->play->turning && end->started && !end->called && !end->barred)
        end->play->stops++;
    end->started = false;
    end->barred = end->play->turning;
    end->want = end->steady = 0;
}

/* Whether a short count says that nothing is left: by the rules of transfer.c only on pipes and
 * TCP; elsewhere, and in doubt, the loop goes on to believe that something is. */
static bool tells(const struct end *end, ssize_t result, size_t size)
{
    bool stream = end->kind == WORLD_TCP || end->kind == WORLD_PIPE;
    return stream && result > 0 && (size_t)result < size;
}

void oracle_read(struct end *end, ssize_t result, size_t size)
{
    if (result == -EAGAIN || (tells(end, result, size) && !end->doubt))
        oracle_drained(end, ROUSE_READ);
    end->said |= ROUSE_READ;
}

void oracle_emptied(struct end *end)
{
    struct end *peer = end_peer(end);
    if (is_late(peer) && peer->started && peer->kind == WORLD_PIPE)
        note(peer, ROUSE_WRITE);
}

void oracle_wrote(struct end *end, ssize_t result, size_t size)
{
    if (result == -EAGAIN || tells(end, result, size))
        oracle_drained(end, ROUSE_WRITE);
    end->said |= ROUSE_WRITE;
}

void oracle_drained(struct end *end, uint32_t directions)
{
    end->believed &= ~directions;
    if (end->memory) /* what somebody else has drained since the wait is not told any more */
        end->must &= ~directions;
    end->said |= directions;
}
