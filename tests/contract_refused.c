/*
 * The contract of poll(): changes that the kernel refuses, and descriptors that were closed behind
 * the backend's back.
 *
 * A refusal is an event with a result, and leaves the other changes and the wait as they are. What
 * surprises: select and poll are not told of a change when it is made, so they find a bad
 * descriptor only by waiting for it; and select says EBADF of all of them at once, so it must look
 * for the bad one.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"

/* A number that is certainly not open. */
static rouse_fd closed_number(void)
{
    rouse_fd ends[2];
    contract_pair(WORLD_ANY, ends);
    contract_close(ends);
    return ends[0];
}

static void assert_refused(const struct bare *bare, uint64_t token, int error)
{
    const struct rouse_event *event = bare_event(bare, token);
    assert_non_null(event);
    assert_true(event->ready & ROUSE_ERROR);
    assert_int_equal(event->result, error);
}

static void refused_change_is_an_event(void **state)
{
    if (subject_guesses())
        SKIP("spin asks nobody, so nothing is refused");
    struct bare *bare = *state;
    bare_change(bare, closed_number(), TOKEN(7, 0), 0, ROUSE_READ);
    assert_refused(bare, TOKEN(7, 0), -EBADF);
    assert_int_equal(bare->count, 1);
}

/* O1: the backend holds nothing for a refused token, and says nothing more of it. */
static void refused_token_is_forgotten(void **state)
{
    if (subject_guesses())
        SKIP("spin asks nobody, so nothing is refused");
    struct bare *bare = *state;
    rouse_fd number = closed_number();
    bare_change(bare, number, TOKEN(7, 0), 0, ROUSE_READ);
    for (int i = 0; i < 3; i++)
        assert_int_equal(bare_poll(bare, NULL, 0, 0), 0);
    rouse_fd ends[2];
    contract_pair_at(number, WORLD_ANY, ends);
    MUST(world_send(ends[1], "x", 1));
    assert_int_equal(bare_poll(bare, NULL, 0, 0), 0);
    assert_int_equal(bare_change(bare, ends[0], TOKEN(7, 0), 0, ROUSE_READ), ROUSE_READ);
    contract_close(ends);
}

/* A wait without end, with a refusal: signals see to it that a fault ends, too. */
static void refused_change_does_not_block(void **state)
{
    if (subject_guesses())
        SKIP("spin asks nobody, so nothing is refused");
    struct bare *bare = *state;
    struct rouse_change change = {.fd = closed_number(), .token = TOKEN(1, 0), .want = ROUSE_READ};
    world_interrupt(true);
    bare_poll(bare, &change, 1, -1);
    world_interrupt(false);
    assert_refused(bare, TOKEN(1, 0), -EBADF);
}

static void refused_change_leaves_the_others(void **state)
{
    if (subject_guesses())
        SKIP("spin asks nobody, so nothing is refused");
    struct bare *bare = *state;
    rouse_fd bad[2], first[2], second[2];
    contract_pair(WORLD_ANY, bad);
    contract_pair(WORLD_ANY, first);
    contract_pair(WORLD_ANY, second);
    MUST(world_send(first[1], "x", 1));
    MUST(world_send(second[1], "x", 1));
    contract_close(bad);
    struct rouse_change changes[3] = {
        {.fd = first[0], .token = TOKEN(1, 0), .want = ROUSE_READ},
        {.fd = bad[0], .token = TOKEN(1, 1), .want = ROUSE_READ},
        {.fd = second[0], .token = TOKEN(1, 2), .want = ROUSE_READ},
    };
    bare_poll(bare, changes, 3, 0);
    assert_refused(bare, TOKEN(1, 1), -EBADF);
    assert_int_equal(bare_ready(bare, TOKEN(1, 0)), ROUSE_READ);
    assert_int_equal(bare_ready(bare, TOKEN(1, 2)), ROUSE_READ);
    assert_int_equal(bare->count, 2);
    contract_close(first);
    contract_close(second);
}

/* G5: there are as many events as changes, and each change is refused. */
static void there_is_room_for_every_refusal(void **state)
{
    if (subject_guesses())
        SKIP("spin asks nobody, so nothing is refused");
    struct bare *bare = *state;
    enum { MANY = 20 };
    rouse_fd ends[MANY / 2][2];
    struct rouse_change changes[MANY];
    for (uint32_t i = 0; i < MANY / 2; i++) {
        contract_pair(WORLD_ANY, ends[i]);
        for (uint32_t end = 0; end < 2; end++)
            changes[2 * i + end] = (struct rouse_change){
                .fd = ends[i][end], .token = TOKEN(1, 2 * i + end), .want = ROUSE_READ};
    }
    for (int i = 0; i < MANY / 2; i++)
        contract_close(ends[i]);
    assert_int_equal(bare_poll_into(bare, changes, MANY, MANY, -1), MANY);
    for (uint32_t i = 0; i < MANY; i++)
        assert_refused(bare, TOKEN(1, i), -EBADF);
}

/* What is ready waits for its turn when refusals have taken the room. */
static void refusals_do_not_crowd_out_what_is_ready(void **state)
{
    if (subject_guesses())
        SKIP("spin asks nobody, so nothing is refused");
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_ANY, ends);
    MUST(world_send(ends[1], "x", 1));
    struct rouse_change changes[2] = {
        {.fd = ends[0], .token = TOKEN(1, 0), .want = ROUSE_READ},
        {.fd = closed_number(), .token = TOKEN(1, 1), .want = ROUSE_READ},
    };
    assert_in_range(bare_poll_into(bare, changes, 2, 2, 0), 1, 2);
    assert_refused(bare, TOKEN(1, 1), -EBADF);
    assert_int_equal(bare_ready(bare, TOKEN(1, 0)), ROUSE_READ);
    contract_close(ends);
}

/* A14, A15, A16: it is told or not, but never again and again. A backend that holds the file may
 * tell of its end first. */
static void descriptor_closed_while_watched_is_no_spin(void **state)
{
    struct bare *bare = *state;
    bool ended = false;
    rouse_fd good[2], bad[2];
    contract_pair(WORLD_ANY, good);
    contract_pair(WORLD_ANY, bad);
    bare_change(bare, good[0], TOKEN(1, 0), 0, ROUSE_READ);
    bare_change(bare, bad[0], TOKEN(1, 1), 0, ROUSE_READ);
    contract_close(bad);
    unsigned told = 0;
    for (int i = 0; i < 10; i++) {
        bare_poll(bare, NULL, 0, 0);
        const struct rouse_event *event = bare_event(bare, TOKEN(1, 1));
        assert_int_equal(bare->count, event != NULL);
        if (event != NULL && !ended && told == 0 && (event->ready & ROUSE_HANGUP)) {
            ended = true;
        } else if (event != NULL) {
            assert_refused(bare, TOKEN(1, 1), -EBADF);
            told++;
        }
    }
    assert_in_range(told, 0, 1);
    MUST(world_send(good[1], "x", 1));
    assert_int_equal(bare_ready(bare, TOKEN(1, 0)), ROUSE_READ);
    contract_close(good);
}

/* A21: not only the first of them is found. */
static void a_hundred_closed_while_watched(void **state)
{
    struct bare *bare = *state;
    enum { MANY = 200 };
    static rouse_fd ends[MANY][2];
    for (uint32_t i = 0; i < MANY; i++) {
        contract_pair(WORLD_ANY, ends[i]);
        bare_change(bare, ends[i][0], TOKEN(1, i), 0, ROUSE_READ);
    }
    for (uint32_t i = 0; i < MANY; i += 2)
        contract_close(ends[i]);
    unsigned told = 0;
    for (int i = 0; i < 5; i++)
        told += (unsigned)bare_poll(bare, NULL, 0, 0);
    assert_in_range(told, 0, 2 * MANY / 2); /* of the end of the file, and that it is closed */
    assert_int_equal(bare_poll(bare, NULL, 0, 0), 0);
    for (uint32_t i = 1; i < MANY; i += 2)
        MUST(world_send(ends[i][1], "x", 1));
    told += (unsigned)bare_poll(bare, NULL, 0, 0) - MANY / 2; /* beside what is ready */
    assert_in_range(told, 0, 2 * MANY / 2);
    assert_int_equal(bare_poll(bare, NULL, 0, 0), MANY / 2);
    for (uint32_t i = 1; i < MANY; i += 2) {
        assert_non_null(bare_event(bare, TOKEN(1, i)));
        contract_close(ends[i]);
    }
}

/* A12: to change what is watched of a closed descriptor is refused, not fatal. */
static void change_of_a_closed_descriptor_is_refused(void **state)
{
    if (subject_guesses())
        SKIP("spin asks nobody, so nothing is refused");
    contract_not_on_libkqueue("forgets a refusal when nothing is ready");
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_STREAM, ends);
    bare_change(bare, ends[0], TOKEN(1, 0), 0, ROUSE_READ);
    contract_close(ends);
    bare_change(bare, ends[0], TOKEN(1, 0), ROUSE_READ, ROUSE_WRITE);
    assert_refused(bare, TOKEN(1, 0), -EBADF);
    assert_int_equal(bare_poll(bare, NULL, 0, 0), 0);
}

/* A12: the number is another file's by now. A kernel that remembers what it watches says so; the
 * others cannot know, and watch the stranger. */
static void change_of_a_number_that_is_used_again(void **state)
{
    struct bare *bare = *state;
    rouse_fd old[2], fresh[2];
    contract_pair(WORLD_STREAM, old);
    bare_change(bare, old[0], TOKEN(1, 0), 0, ROUSE_READ);
    contract_close(old);
    contract_pair_at(old[0], WORLD_STREAM, fresh);
    bare_change(bare, fresh[0], TOKEN(1, 0), ROUSE_READ, ROUSE_WRITE);
    if (strstr(subject_backend()->name, "epoll") != NULL) {
        assert_refused(bare, TOKEN(1, 0), -EBADF);
        assert_int_equal(bare_poll(bare, NULL, 0, 0), 0);
    } else {
        assert_int_equal(bare_event(bare, TOKEN(1, 0))->ready, ROUSE_WRITE);
    }
    contract_close(fresh);
}

/* A13: nothing is left to remove, and that is what was asked for. */
static void want_0_of_a_closed_descriptor_is_silent(void **state)
{
    struct bare *bare = *state;
    rouse_fd ends[2];
    contract_pair(WORLD_STREAM, ends);
    bare_change(bare, ends[0], TOKEN(1, 0), 0, ROUSE_READ);
    contract_close(ends);
    assert_int_equal(bare_change(bare, ends[0], TOKEN(1, 0), ROUSE_READ, 0), 0);
    assert_int_equal(bare_poll(bare, NULL, 0, 0), 0);
}

/* A19: a file is refused with -EPERM, which says that it is always ready, or it is ready. */
static void file_is_refused_or_ready(void **state)
{
    struct bare *bare = *state;
    rouse_fd fd;
    MUST(world_file(&fd));
    uint32_t both = ROUSE_READ | ROUSE_WRITE;
    uint32_t ready = bare_change(bare, fd, TOKEN(1, 0), 0, both);
    if (ready == ROUSE_ERROR)
        assert_refused(bare, TOKEN(1, 0), -EPERM);
    else
        assert_int_equal(ready, both);
    assert_int_equal(bare_ready(bare, TOKEN(1, 0)), ready == both ? both : 0);
    MUST(world_close(fd));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BARE(refused_change_is_an_event),
        BARE(refused_token_is_forgotten),
        BARE(refused_change_does_not_block),
        BARE(refused_change_leaves_the_others),
        BARE(there_is_room_for_every_refusal),
        BARE(refusals_do_not_crowd_out_what_is_ready),
        BARE(descriptor_closed_while_watched_is_no_spin),
        BARE(a_hundred_closed_while_watched),
        BARE(change_of_a_closed_descriptor_is_refused),
        BARE(change_of_a_number_that_is_used_again),
        BARE(want_0_of_a_closed_descriptor_is_silent),
        BARE(file_is_refused_or_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
