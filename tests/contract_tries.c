/*
 * What a program makes of a report that is not so: it tries, is told EAGAIN, and comes back when it
 * is called again. Any backend may report what has just passed away, and one that guesses does
 * little else; so these callbacks take each report at its word, and must move the same data on all.
 *
 * The other cases of a loop leave guesses that are not so aside (subject.h); these do not. What
 * surprises: a one-shot watcher that was called for nothing has had its shot, and must arm itself
 * again.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"

enum { AMOUNT = 200000, PIECE = 5000 };

static const uint32_t modes[] = {0, ROUSE_EDGE, ROUSE_ONESHOT};

struct trier {
    struct rouse_io io;
    struct rig *rig;
    size_t moved;
    unsigned vain; /* tries that moved nothing */
    ssize_t last;
};

static void note(struct trier *trier, uint32_t direction, ssize_t n)
{
    trier->last = n;
    if (n > 0)
        trier->moved += (size_t)n;
    else
        trier->vain++;
    CHECK_OK(trier->rig->loop, rouse_io_want(&trier->io, direction));
}

static void try_to_read(struct rouse_io *io, uint32_t ready)
{
    static char buffer[PIECE];
    if (ready & ROUSE_READ)
        note((struct trier *)io, ROUSE_READ, rouse_read(io, buffer, sizeof buffer));
}

static void try_to_write(struct rouse_io *io, uint32_t ready)
{
    static const char zeros[PIECE];
    if (ready & ROUSE_WRITE)
        note((struct trier *)io, ROUSE_WRITE, rouse_write(io, zeros, sizeof zeros));
}

static void try_to_accept(struct rouse_io *io, uint32_t ready)
{
    if (!(ready & ROUSE_READ))
        return;
    rouse_fd client;
    int result = rouse_accept(io, &client);
    if (result == 0)
        MUST(world_close(client));
    note((struct trier *)io, ROUSE_READ, result == 0 ? 1 : result);
}

static void try_and_stop_at_an_error(struct rouse_io *io, uint32_t ready)
{
    struct trier *trier = (struct trier *)io;
    try_to_read(io, ready);
    if (ready & ROUSE_ERROR || (trier->last < 0 && trier->last != -EAGAIN))
        CHECK_OK(trier->rig->loop, rouse_io_stop(io));
}

static void trier_start(struct rig *rig, struct trier *trier, rouse_fd fd, uint32_t want,
                        void (*fn)(struct rouse_io *io, uint32_t ready))
{
    *trier = (struct trier){.rig = rig};
    rouse_io_init(&trier->io, fn);
    CHECK_OK(rig->loop, rouse_io_start(rig->loop, &trier->io, fd, want));
}

static void trier_end(struct trier *trier)
{
    CHECK_OK(trier->rig->loop, rouse_io_close(&trier->io));
}

/* The contract of the reports that are tried: never more than is wanted; and of a guess, all that
 * is wanted, at every call, or something ready might be missed. */
static void reports_hold_no_more_than_is_wanted_and_guesses_all_of_it(void **state)
{
    struct bare *bare = *state;
    const uint32_t wants[] = {ROUSE_READ, ROUSE_WRITE, ROUSE_PRIORITY, ROUSE_READ | ROUSE_WRITE,
                              ROUSE_READ | ROUSE_PRIORITY | ROUSE_WRITE};
    rouse_fd ends[2];
    contract_pair(WORLD_STREAM, ends);
    uint32_t had = 0;
    for (int i = 0; i < 5; had = wants[i++]) {
        bare_change(bare, ends[0], TOKEN(1, 0), had, wants[i]);
        for (int call = 0; call < 3; call++) {
            struct rouse_event event = {0};
            int count = bare->backend->poll(bare->state, NULL, 0, &event, 1, 0);
            assert_in_range(count, 0, 1);
            assert_int_equal(event.ready & ~wants[i], 0);
            if (subject_guesses())
                assert_int_equal(event.ready, wants[i]);
        }
    }
    contract_close(ends);
}

static void reader_gets_all_that_was_sent(void **state)
{
    struct rig *rig = *state;
    const enum world_kind kinds[] = {WORLD_ANY, WORLD_STREAM, WORLD_TCP, WORLD_DATAGRAM};
    for (int i = 0; i < 12 && world_has(kinds[i / 3]); i++) {
        rouse_fd ends[2];
        struct trier trier;
        contract_pair(kinds[i / 3], ends);
        trier_start(rig, &trier, ends[0], ROUSE_READ | modes[i % 3], try_to_read);
        for (size_t round = 1; round <= 5; round++) {
            rig_turns(rig, 3);
            MUST(world_send(ends[1], "12345", 5));
            world_await(ends[0], ROUSE_READ);
            TURN_UNTIL(rig, trier.moved == 5 * round);
        }
        assert_true(trier.last == 5 || trier.last == -EAGAIN);
        assert_true(!subject_guesses() || trier.vain > 5);
        trier_end(&trier);
        MUST(world_close(ends[1]));
    }
}

static void writer_sends_all_that_there_is_room_for(void **state)
{
    struct rig *rig = *state;
    const enum world_kind kinds[] = {WORLD_STREAM, WORLD_TCP};
    for (int i = 0; i < 6; i++) {
        rouse_fd ends[2];
        struct trier trier;
        size_t arrived = 0;
        contract_pair(kinds[i / 3], ends);
        trier_start(rig, &trier, ends[0], ROUSE_WRITE | modes[i % 3], try_to_write);
        for (int round = 0; round < 1000 && arrived < AMOUNT; round++) {
            rig_turns(rig, 3);
            if (trier.moved > arrived)
                world_await(ends[1], ROUSE_READ);
            arrived += (size_t)MUST(world_drain(ends[1]));
        }
        assert_true(arrived >= AMOUNT);
        MUST(world_fill(ends[0]));
        if (subject_guesses())
            TURN_UNTIL(rig, trier.last == -EAGAIN);
        trier_end(&trier);
        MUST(world_close(ends[1]));
    }
}

static void listener_accepts_every_client(void **state)
{
    struct rig *rig = *state;
    enum { CLIENTS = 5 };
    for (int i = 0; i < 3; i++) {
        rouse_fd listener, client;
        struct trier trier;
        MUST(world_listen(&listener));
        trier_start(rig, &trier, listener, ROUSE_READ | modes[i], try_to_accept);
        for (size_t round = 1; round <= CLIENTS; round++) {
            rig_turns(rig, 3);
            MUST(world_connect(listener, &client));
            world_await(listener, ROUSE_READ);
            TURN_UNTIL(rig, trier.moved == round);
            MUST(world_close(client));
        }
        assert_true(!subject_guesses() || trier.vain > 0);
        trier_end(&trier);
    }
}

/* Guarantee 4. Who cannot be told that his descriptor is closed learns it from what he tries. */
static void descriptor_closed_behind_the_back_is_tried_once(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 3; i++) {
        rouse_fd ends[2];
        struct trier trier;
        contract_pair(WORLD_ANY, ends);
        trier_start(rig, &trier, ends[0], ROUSE_READ | modes[i], try_and_stop_at_an_error);
        rig_turns(rig, 3);
        unsigned vain = trier.vain;
        contract_close(ends);
        rig_turns(rig, 5);
        assert_in_range(trier.vain - vain, 0, 1);
        assert_true(!subject_guesses() || trier.last == -EBADF);
        CHECK_OK(rig->loop, rouse_io_stop(&trier.io));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BARE(reports_hold_no_more_than_is_wanted_and_guesses_all_of_it),
        RIG(reader_gets_all_that_was_sent),
        RIG(writer_sends_all_that_there_is_room_for),
        RIG(listener_accepts_every_client),
        RIG(descriptor_closed_behind_the_back_is_tried_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
