/*
 * What the tests of the loop itself share: a loop in virtual time, players who are called in every
 * way in which a loop calls, and a journal in which each of them writes its letter when it is. So
 * a case can say who was called, and in what order, as a word.
 *
 * What surprises: there is one journal for the whole program, because callbacks get nothing but
 * their own object. Reading it starts it anew.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef STAGE_H
#define STAGE_H

#include <errno.h>

#include "check.h"
#include "subject.h"
#include "world.h"

enum { STAGE_START = 1000 }; /* what the virtual clock shows first */

static char stage_journal[4096];
static size_t stage_written;
static char stage_read[sizeof stage_journal];

static inline void journal_write(char letter)
{
    if (stage_written < sizeof stage_journal - 1)
        stage_journal[stage_written++] = letter;
}

static inline const char *journal_take(void)
{
    memcpy(stage_read, stage_journal, stage_written);
    stage_read[stage_written] = '\0';
    stage_written = 0;
    return stage_read;
}

/* The letters written since the journal was last read. */
#define CHECK_JOURNAL(word) assert_string_equal(journal_take(), word)

/* Opens a loop on the backend under test, in virtual time unless `clock` is NULL; the journal
 * begins anew. */
static inline struct rouse_loop *stage_open(struct world_clock *clock)
{
    struct rouse_clock own = {0};
    struct rouse_config config = {.size = sizeof config};
    if (clock != NULL) {
        *clock = (struct world_clock){.now = STAGE_START};
        own = world_clock(clock);
        config.clock = &own;
    }
    struct rouse_loop *loop = NULL;
    CHECK_OK(NULL, rouse_open(&loop, &config));
    stage_written = 0;
    return loop;
}

struct player {
    struct rouse_io io;
    struct rouse_timer timer;
    struct rouse_task task;
    struct rouse_hook hook;
    char name;
    uint32_t ready;                    /* what its last io callback was given */
    void (*also)(struct player *self); /* what it does when called; may be NULL */
    struct player *other;              /* to whom */
    struct rouse_loop *loop;           /* on which loop */
};

static inline void player_called(struct player *player)
{
    journal_write(player->name);
    if (player->also != NULL)
        player->also(player); /* which may free it */
}

#define PLAYER_OF(pointer, member)                                                                 \
    ((struct player *)(void *)((char *)(pointer) - offsetof(struct player, member)))

static inline void player_io(struct rouse_io *io, uint32_t ready)
{
    if (rouse_io_error(io) == 0)
        ready = subject_true(io->fd, ready);
    if (ready == 0)
        return; /* a guess, and not so */
    PLAYER_OF(io, io)->ready = ready;
    player_called(PLAYER_OF(io, io));
}

static inline void player_timer(struct rouse_timer *timer)
{
    player_called(PLAYER_OF(timer, timer));
}

static inline void player_task(struct rouse_task *task)
{
    player_called(PLAYER_OF(task, task));
}

static inline void player_hook(struct rouse_hook *hook)
{
    player_called(PLAYER_OF(hook, hook));
}

static inline void player_init(struct player *player, struct rouse_loop *loop, char name,
                               void (*also)(struct player *self))
{
    *player = (struct player){.name = name, .also = also, .loop = loop};
    rouse_io_init(&player->io, player_io);
    rouse_timer_init(&player->timer, player_timer);
    rouse_task_init(&player->task, player_task);
    rouse_hook_init(&player->hook, player_hook);
}

/* The counters of a loop, as they are now. */
static inline struct rouse_counters stage_counters(const struct rouse_loop *loop)
{
    struct rouse_counters counters = {.size = sizeof counters};
    assert_int_equal(rouse_count(loop, &counters), 0);
    return counters;
}

#endif
