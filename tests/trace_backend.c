/*
 * Breaches of the contract by a backend: every clause of the backend's that trace checks, broken on
 * purpose. The last words of the process must say that it was the backend, which clause, and with
 * which values.
 *
 * As in trace_caller.c a case is a body and the line that it must end with.
 *
 * SPDX-License-Identifier: MIT
 */
#define _DEFAULT_SOURCE /* fork */
#include "witness.h"

static void open_returns_a_positive_number(void)
{
    witness.result = EMFILE;
    open_trace();
}

static void failed_open_without_words(void)
{
    witness.result = -EMFILE;
    open_trace();
}

static void take_memory(void)
{
    const struct rouse_allocator *allocator = &witness.given.allocator;
    free(allocator->resize(allocator->context, NULL, 0, 10)); /* for the sake of AddressSanitizer */
    snprintf(witness.given.why, witness.given.why_size, "no luck");
}

static void failed_open_that_keeps_memory(void)
{
    witness.result = -EMFILE;
    witness.during = take_memory;
    open_trace();
}

static void alter_poll(void)
{
    witness.given.table->poll = NULL;
}

static void open_alters_a_function(void)
{
    witness.during = alter_poll;
    open_trace();
}

static void close_keeps_memory(void)
{
    open_trace();
    witness.during = take_memory;
    poll_told(0, 0, 0);
    close_trace();
}

static void memory_between_calls(void)
{
    open_trace();
    witness.during = take_memory;
    witness.table.wake(witness.state); /* which is no time to ask for memory */
}

static void give_back_nothing(void)
{
    const struct rouse_allocator *allocator = &witness.given.allocator;
    allocator->resize(allocator->context, &witness, 0, 0);
}

static void memory_given_back_without_a_size(void)
{
    open_trace();
    witness.during = give_back_nothing;
    poll_told(0, 0, 0);
}

static void give_back_too_much(void)
{
    const struct rouse_allocator *allocator = &witness.given.allocator;
    void *block = allocator->resize(allocator->context, NULL, 0, 10);
    allocator->resize(allocator->context, block, 11, 0);
}

static void memory_given_back_with_a_wrong_size(void)
{
    open_trace();
    witness.during = give_back_too_much;
    poll_told(0, 0, 0);
}

#define COUNTS_BACK(counter)                                                                       \
    static void count_##counter##_back(void)                                                       \
    {                                                                                              \
        witness.work.counter--;                                                                    \
    }                                                                                              \
    static void counter##_counted_back(void)                                                       \
    {                                                                                              \
        witness.work = (struct rouse_work){5, 5, 5, 5, 5};                                         \
        open_trace();                                                                              \
        poll_change(FD, token, 0, READ);                                                           \
        witness.during = count_##counter##_back;                                                   \
        drop(FD, token);                                                                           \
    }

COUNTS_BACK(system_calls)
COUNTS_BACK(descriptors)
COUNTS_BACK(bytes_in)
COUNTS_BACK(bytes_out)
COUNTS_BACK(scanned)

static void more_events_than_room(void)
{
    open_trace();
    witness.result = ROOM + 1;
    poll_told(0, 0, 0);
}

static void error_that_is_no_errno(void)
{
    open_trace();
    witness.result = -4096;
    poll_told(0, 0, 0);
}

static void event_of_a_token_never_given(void)
{
    open_trace();
    poll_told(token, READ, 0);
}

static void event_of_an_older_generation(void)
{
    open_trace();
    poll_change(FD, token, 0, READ);
    drop(FD, token);
    poll_change(FD, TOKEN(9, 3), 0, READ);
    poll_told(token, READ, 0);
}

static void two_events_for_a_token(void)
{
    open_trace();
    poll_change(FD, token, 0, READ | WRITE);
    witness.told[witness.ntold++] = (struct rouse_event){token, READ, 0};
    poll_told(token, WRITE, 0);
}

static void event_after_a_drop(void)
{
    open_trace();
    poll_change(FD, token, 0, READ);
    drop(FD, token);
    poll_told(token, READ, 0);
}

static void event_after_silence(void)
{
    open_trace();
    poll_change(FD, token, 0, READ);
    poll_change(FD, token, READ, 0);
    poll_told(token, ROUSE_HANGUP, 0);
}

static void event_in_the_call_that_silences(void)
{
    open_trace();
    poll_change(FD, token, 0, READ);
    witness.told[witness.ntold++] = (struct rouse_event){token, READ, 0};
    poll_change(FD, token, READ, 0);
}

static void event_after_a_refusal(void)
{
    open_trace();
    witness.told[witness.ntold++] = (struct rouse_event){token, ROUSE_ERROR, -EPERM};
    poll_change(FD, token, 0, READ);
    poll_told(token, READ, 0);
}

static void second_refusal(void)
{
    open_trace();
    poll_change(FD, token, 0, READ);
    poll_told(token, ROUSE_ERROR, -EBADF);
    poll_told(token, ROUSE_ERROR, -EBADF);
}

static void event_after_spent(void)
{
    open_trace();
    poll_change(FD, token, 0, READ);
    poll_told(token, READ | ROUSE_SPENT, 0);
    poll_told(token, READ, 0);
}

static void event_of_nothing(void)
{
    open_trace();
    witness.told[witness.ntold++] = (struct rouse_event){token, 0, 0};
    poll_change(FD, token, 0, READ);
}

static void event_with_edge(void)
{
    open_trace();
    poll_change(FD, token, 0, READ | ROUSE_EDGE);
    poll_told(token, READ | ROUSE_EDGE, 0);
}

static void positive_result(void)
{
    open_trace();
    poll_change(FD, token, 0, READ);
    poll_told(token, ROUSE_ERROR, EBADF);
}

static void refusal_with_more_than_an_error(void)
{
    open_trace();
    poll_change(FD, token, 0, READ);
    poll_told(token, READ | ROUSE_ERROR, -EBADF);
}

static void hangup_from_one_that_cannot_tell(void)
{
    witness.inner.traits = 0;
    open_trace();
    poll_change(FD, token, 0, READ | ROUSE_HANGUP);
    poll_told(token, READ | ROUSE_HANGUP, 0);
}

static void error_from_one_that_cannot_tell(void)
{
    witness.inner.traits = 0;
    open_trace();
    poll_change(FD, token, 0, READ);
    poll_told(token, ROUSE_ERROR, 0);
}

static void direction_that_is_not_wanted(void)
{
    open_trace();
    poll_change(FD, token, 0, READ);
    poll_told(token, READ | WRITE, 0);
}

static void direction_that_is_wanted_no_more(void)
{
    open_trace();
    poll_change(FD, token, 0, READ | WRITE);
    witness.told[witness.ntold++] = (struct rouse_event){token, READ, 0};
    poll_change(FD, token, READ | WRITE, WRITE);
}

static void spent_alone_twice(void)
{
    open_trace();
    poll_change(FD, token, 0, READ);
    poll_told(token, ROUSE_SPENT, 0);
    poll_change(FD, token, 0, READ);
    poll_told(0, 0, 0);
    poll_told(token, ROUSE_SPENT, 0);
}

static const struct CMUnitTest tests[] = {
    BACKEND(open_returns_a_positive_number, "open returns 0 or -errno", "result 24, 0 bytes"),
    BACKEND(failed_open_without_words, "an open that fails says why", "result -24, 0 bytes"),
    BACKEND(failed_open_that_keeps_memory, "an open that fails holds nothing",
            "result -24, 10 bytes"),
    BACKEND(open_alters_a_function, "open alters name, traits, fd_limit, wake and system alone",
            "result 0, 0 bytes"),
    BACKEND(close_keeps_memory, "close gives all memory back", "10 bytes are left"),
    BACKEND(system_calls_counted_back, "work is counted upwards: system_calls", "in drop"),
    BACKEND(descriptors_counted_back, "work is counted upwards: descriptors", "in drop"),
    BACKEND(bytes_in_counted_back, "work is counted upwards: bytes_in", "in drop"),
    BACKEND(bytes_out_counted_back, "work is counted upwards: bytes_out", "in drop"),
    BACKEND(scanned_counted_back, "work is counted upwards: scanned", "in drop"),
    BACKEND(memory_between_calls, "memory is asked for and given back during calls only",
            "from 0 bytes to 10, of 0 in all"),
    BACKEND(memory_given_back_without_a_size, "memory is given back with its size",
            "from 0 bytes to 0, of 0 in all"),
    BACKEND(memory_given_back_with_a_wrong_size, "memory is given back with its size",
            "from 11 bytes to 0, of 10 in all"),
    BACKEND(more_events_than_room, "poll returns a number of events that fit, or -errno",
            "it returns 9, nevents 8"),
    BACKEND(error_that_is_no_errno, "poll returns a number of events that fit, or -errno",
            "it returns -4096, nevents 8"),

    BACKEND(event_of_a_token_never_given, "a token that is reported was given",
            "fd -1, slot 3, generation 7, ready READ, result 0; it is not known, held 0"),
    BACKEND(event_of_an_older_generation, "a token that is reported was given",
            "fd -1, slot 3, generation 7, ready READ, result 0; it is not known, held 0"),
    BACKEND(two_events_for_a_token, "at most one event for a token",
            IT "ready WRITE, result 0; it is held, held READ|WRITE"),
    BACKEND(event_after_a_drop, "nothing is reported for what is not held",
            IT "ready READ, result 0; it is dropped, held 0"),
    BACKEND(event_after_silence, "nothing is reported for what is not held",
            IT "ready HANGUP, result 0; it is silenced, held 0"),
    BACKEND(event_in_the_call_that_silences, "nothing is reported for what is not held",
            IT "ready READ, result 0; it is silenced, held 0"),
    BACKEND(event_after_a_refusal, "nothing is reported for what is not held",
            IT "ready READ, result 0; it is refused, held 0"),
    BACKEND(second_refusal, "nothing is reported for what is not held",
            IT "ready ERROR, result -9; it is refused, held 0"),
    BACKEND(event_after_spent, "nothing is reported for what is not held",
            IT "ready READ, result 0; it is spent, held 0"),
    BACKEND(event_of_nothing, "an event has a bit in ready",
            IT "ready 0, result 0; it is held, held READ"),
    BACKEND(event_with_edge, "ready has no bits but those of an event",
            IT "ready READ|EDGE, result 0; it is held, held READ|EDGE"),
    BACKEND(positive_result, "result is 0 or -errno",
            IT "ready ERROR, result 9; it is held, held READ"),
    BACKEND(refusal_with_more_than_an_error, "ready of a refused change is ERROR",
            IT "ready READ|ERROR, result -9; it is held, held READ"),
    BACKEND(hangup_from_one_that_cannot_tell, "ERROR and HANGUP are told only if the trait is set",
            IT "ready READ|HANGUP, result 0; it is held, held READ|HANGUP"),
    BACKEND(error_from_one_that_cannot_tell, "ERROR and HANGUP are told only if the trait is set",
            IT "ready ERROR, result 0; it is held, held READ"),
    BACKEND(direction_that_is_not_wanted, "directions are told only if wanted",
            IT "ready READ|WRITE, result 0; it is held, held READ"),
    BACKEND(direction_that_is_wanted_no_more, "directions are told only if wanted",
            IT "ready READ, result 0; it is held, held WRITE"),
    BACKEND(spent_alone_twice, "SPENT alone is not told twice in a row",
            IT "ready SPENT, result 0; it is held, held READ"),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
