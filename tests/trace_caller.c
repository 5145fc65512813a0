/*
 * Breaches of the contract by a loop: every clause of the caller's that trace checks, broken on
 * purpose. The last words of the process must say that it was the caller, which clause, and with
 * which values.
 *
 * A case is a body and the line that it must end with. What surprises: nearly every body begins
 * with calls that are right; it is the last one that is not.
 *
 * SPDX-License-Identifier: MIT
 */
#define _DEFAULT_SOURCE /* fork */
#include <pthread.h>

#include "witness.h"

/* ---- Calls ---- */

static void call_before_open(void)
{
    poll_told(0, 0, 0);
}

static void call_after_close(void)
{
    open_trace();
    close_trace();
    drop(FD, token);
}

static void open_on_a_used_state(void)
{
    open_trace();
    close_trace();
    open_trace();
}

static void drop_it(void)
{
    drop(FD, token);
}

static void call_during_another(void)
{
    open_trace();
    poll_change(FD, token, 0, READ);
    witness.during = drop_it;
    poll_told(0, 0, 0);
}

static void call_in_a_forked_child(void)
{
    open_trace();
    int status = 0;
    if (fork() == 0)
        poll_told(0, 0, 0);
    EXPECT(wait(&status) > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    abort();
}

static void *poll_elsewhere(void *unused)
{
    poll_told(0, 0, 0);
    return unused;
}

static void bound_one_called_by_another_thread(void)
{
    witness.inner.traits |= ROUSE_TRAIT_BOUND;
    open_trace(); /* does not bind */
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, poll_elsewhere, NULL) == 0);
    pthread_join(thread, NULL);
    poll_told(0, 0, 0);
}

static void negative_number_of_changes(void)
{
    open_trace();
    witness.table.poll(witness.state, NULL, -1, witness.events, ROOM, 0);
}

static void room_for_no_event(void)
{
    open_trace();
    witness.table.poll(witness.state, NULL, 0, witness.events, 0, 0);
}

static void less_room_than_changes(void)
{
    open_trace();
    const struct rouse_change changes[2] = {{.fd = FD, .token = 1, .want = READ},
                                            {.fd = OTHER_FD, .token = 2, .want = READ}};
    witness.table.poll(witness.state, changes, 2, witness.events, 1, 0);
}

static void poll_after_an_error(void)
{
    open_trace();
    witness.result = -EIO;
    poll_told(0, 0, 0);
    poll_told(0, 0, 0);
}

static void spare_is_used(void)
{
    open_trace();
    const struct rouse_change change = {.fd = FD, .token = token, .want = READ, .spare = 9};
    witness.table.poll(witness.state, &change, 1, witness.events, ROOM, 0);
}

static void negative_descriptor(void)
{
    open_trace();
    poll_change(-1, token, 0, READ);
}

static void descriptor_at_the_limit(void)
{
    witness.inner.fd_limit = FD;
    open_trace();
    poll_change(FD - 1, TOKEN(1, 1), 0, READ);
    poll_change(FD, token, 0, READ);
}

static void error_is_asked(void)
{
    open_trace();
    poll_change(FD, token, 0, READ | ROUSE_ERROR);
}

static void oneshot_is_asked(void)
{
    open_trace();
    poll_change(FD, token, 0, READ | ROUSE_ONESHOT | 0x100);
}

static void hangup_alone_is_asked(void)
{
    open_trace();
    poll_change(FD, token, 0, ROUSE_HANGUP);
}

static void edge_is_asked_of_one_without(void)
{
    witness.inner.traits = 0;
    open_trace();
    poll_change(FD, token, 0, READ | ROUSE_EDGE);
}

static void two_changes_for_a_token(void)
{
    open_trace();
    const struct rouse_change changes[2] = {{.fd = FD, .token = token, .want = READ},
                                            {.fd = FD, .token = token, .had = READ}};
    witness.table.poll(witness.state, changes, 2, witness.events, ROOM, 0);
}

static void two_changes_for_a_descriptor(void)
{
    open_trace();
    const struct rouse_change changes[2] = {{.fd = FD, .token = token},
                                            {.fd = FD, .token = TOKEN(1, 1), .want = WRITE}};
    witness.table.poll(witness.state, changes, 2, witness.events, ROOM, 0);
}

static void new_token_for_a_slot_that_is_held(void)
{
    open_trace();
    poll_change(FD, token, 0, READ);
    poll_change(OTHER_FD, TOKEN(9, 3), 0, READ);
}

static void had_of_a_new_token(void)
{
    open_trace();
    poll_change(FD, token, READ, WRITE);
}

static void had_is_not_what_was_wanted_last(void)
{
    open_trace();
    poll_change(FD, token, 0, READ);
    poll_change(FD, token, READ, WRITE);
    poll_change(FD, token, READ, READ | WRITE);
}

static void had_after_a_refusal(void)
{
    open_trace();
    witness.told[witness.ntold++] = (struct rouse_event){token, ROUSE_ERROR, -ENOSPC};
    poll_change(FD, token, 0, READ);
    poll_change(FD, token, READ, WRITE);
}

static void had_after_spent(void)
{
    open_trace();
    poll_change(FD, token, 0, READ);
    poll_told(token, READ | ROUSE_SPENT, 0);
    poll_change(FD, token, READ, READ);
}

static void had_after_a_drop(void)
{
    open_trace();
    poll_change(FD, token, 0, READ);
    drop(FD, token);
    poll_change(FD, token, READ, READ);
}

static void other_descriptor_for_a_token(void)
{
    open_trace();
    poll_change(FD, token, 0, READ);
    poll_change(OTHER_FD, token, READ, WRITE);
}

static void two_tokens_for_a_descriptor(void)
{
    open_trace();
    poll_change(FD, token, 0, READ);
    poll_change(FD, TOKEN(1, 1), 0, WRITE);
}

static void drop_of_a_token_never_given(void)
{
    open_trace();
    drop(FD, token);
}

static void drop_of_another_descriptor(void)
{
    open_trace();
    poll_change(FD, token, 0, READ);
    drop(OTHER_FD, token);
}

static void drop_long_after_the_refusal(void)
{
    open_trace();
    witness.told[witness.ntold++] = (struct rouse_event){token, ROUSE_ERROR, -ENOSPC};
    poll_change(FD, token, 0, READ);
    poll_told(0, 0, 0);
    drop(FD, token);
}

static const struct CMUnitTest tests[] = {
    BREACH(call_before_open, "trace: the caller broke \"no call before open or after close\": "
                             "poll, in progress: nothing"),
    CALLER(call_after_close, "no call before open or after close", "drop, in progress: nothing"),
    BREACH(open_on_a_used_state,
           "trace:mine: the caller broke \"state is zeroed before open\": it is in use"),
    CALLER(call_during_another, "no call during another", "drop, in progress: poll"),
    CALLER(call_in_a_forked_child, "nothing but close in a forked child",
           "poll, in progress: nothing"),
    CALLER(bound_one_called_by_another_thread,
           "one that is bound is called by the thread that polled first",
           "poll, in progress: nothing"),
    CALLER(negative_number_of_changes, "nchanges is not negative", "nchanges -1, nevents 8"),
    CALLER(room_for_no_event, "there is room for one event at least", "nchanges 0, nevents 0"),
    CALLER(less_room_than_changes, "there is room for an event for each change",
           "nchanges 2, nevents 1"),
    CALLER(poll_after_an_error, "after an error of poll nothing but drop and close",
           "nchanges 0, nevents 8"),
    CALLER(drop_of_a_token_never_given, "a token that is dropped was given",
           "drop, " IT "of fd -1 it is not known"),
    CALLER(drop_of_another_descriptor, "a token is dropped with its descriptor",
           "drop, fd 41, slot 3, generation 7, of fd 40 it is held"),
    CALLER(drop_long_after_the_refusal,
           "a token that is dropped is held, or was until the last poll",
           "drop, " IT "of fd 40 it is refused"),

    CALLER(spare_is_used, "spare is zero", IT "had 0, want READ, spare 9; held 0"),
    CALLER(negative_descriptor, "a descriptor is not negative",
           "fd -1, slot 3, generation 7, had 0, want READ, spare 0; held 0"),
    CALLER(descriptor_at_the_limit, "a descriptor is below fd_limit",
           IT "had 0, want READ, spare 0; held 0"),
    CALLER(error_is_asked, "ERROR is never asked", IT "had 0, want READ|ERROR, spare 0; held 0"),
    CALLER(oneshot_is_asked, "interest is READ, PRIORITY, WRITE, HANGUP and EDGE",
           IT "had 0, want READ|ONESHOT|0x100, spare 0; held 0"),
    CALLER(hangup_alone_is_asked, "want is 0 or has a direction",
           IT "had 0, want HANGUP, spare 0; held 0"),
    CALLER(edge_is_asked_of_one_without, "EDGE is sent only if the trait is set",
           IT "had 0, want READ|EDGE, spare 0; held 0"),
    CALLER(two_changes_for_a_token, "at most one change for a token",
           IT "had READ, want 0, spare 0; held READ"),
    CALLER(two_changes_for_a_descriptor, "at most one change for a descriptor",
           "fd 40, slot 1, generation 1, had 0, want WRITE, spare 0; held 0"),
    CALLER(new_token_for_a_slot_that_is_held,
           "a slot gets a new token when nothing is held for the old one",
           "fd 41, slot 3, generation 9, had 0, want READ, spare 0; held 0"),
    CALLER(had_of_a_new_token, "had is what is held for the token",
           IT "had READ, want WRITE, spare 0; held 0"),
    CALLER(had_is_not_what_was_wanted_last, "had is what is held for the token",
           IT "had READ, want READ|WRITE, spare 0; held WRITE"),
    CALLER(had_after_a_refusal, "had is what is held for the token",
           IT "had READ, want WRITE, spare 0; held 0"),
    CALLER(had_after_spent, "had is what is held for the token",
           IT "had READ, want READ, spare 0; held 0"),
    CALLER(had_after_a_drop, "had is what is held for the token",
           IT "had READ, want READ, spare 0; held 0"),
    CALLER(other_descriptor_for_a_token, "a token keeps its descriptor while it is held",
           "fd 41, slot 3, generation 7, had READ, want WRITE, spare 0; held READ"),
    CALLER(two_tokens_for_a_descriptor, "had is what is held for the descriptor",
           "fd 40, slot 1, generation 1, had 0, want WRITE, spare 0; held 0"),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
