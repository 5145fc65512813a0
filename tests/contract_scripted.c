/*
 * The loop's side of the contract, and what no kernel at hand does: a backend of a case's own,
 * which reports what a script says, watches one descriptor that exists only in its model, and notes
 * what it is sent.
 *
 * So these cases run once, and not for each backend. The backend checks all that the loop sends it:
 * one change for a descriptor, `had` as it was left, room for every refusal. What surprises: a
 * refusal, a SPENT and a rebuild all mean that it holds nothing, and the next change must say so.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"

enum { MODEL_FD = 77, LENGTH = 8, CHUNK = 100 };

/* What the next calls say, and what was seen; all of it is reset by each case. */
static struct {
    struct rouse_event events[LENGTH]; /* one in each poll; ready 0: none; the token is filled in */
    int polls, nevents;
    ssize_t reads[LENGTH];
    int nreads;
    int poll_error, open_error;
    uint64_t token;
    uint32_t held;
    int opens, closes, drops, sent;
    struct rouse_change last;
} script;

static int script_open(void *state, const struct rouse_setup *setup)
{
    (void)state;
    (void)setup;
    if (script.open_error != 0)
        return script.open_error;
    script.opens++;
    script.held = 0;
    return 0;
}

static void script_close(void *state)
{
    (void)state;
    script.closes++;
}

static int script_poll(void *state, const struct rouse_change *changes, int nchanges,
                       struct rouse_event *events, int nevents, int64_t timeout_ns)
{
    (void)state;
    assert_int_equal(timeout_ns, 0); /* the clock is virtual */
    assert_in_range(nevents, nchanges > 1 ? nchanges : 1, INT32_MAX);
    assert_in_range(nchanges, 0, 1);
    if (nchanges == 1) {
        assert_int_equal(changes->fd, MODEL_FD);
        assert_int_equal(changes->had, script.held);
        assert_int_equal(changes->spare, 0);
        assert_int_not_equal(changes->want, script.held);
        script.last = *changes;
        script.token = changes->token;
        script.held = changes->want;
        script.sent++;
    }
    if (script.poll_error != 0) {
        int error = script.poll_error;
        script.poll_error = 0;
        return error;
    }
    if (script.nevents == LENGTH || script.events[script.nevents].ready == 0) {
        script.nevents += script.nevents < LENGTH;
        return 0;
    }
    *events = script.events[script.nevents++];
    if (events->token == 0)
        events->token = script.token;
    if (events->ready & ROUSE_SPENT || events->result < 0)
        script.held = 0;
    return 1;
}

static void script_drop(void *state, rouse_fd fd, uint64_t token)
{
    (void)state;
    assert_int_equal(fd, MODEL_FD);
    assert_int_equal(token, script.token);
    assert_int_not_equal(script.held, 0);
    script.held = 0;
    script.drops++;
}

static int script_wake(void *state)
{
    (void)state;
    return 0;
}

static int64_t system_now(void)
{
    return 0;
}

static int system_check(rouse_fd fd)
{
    return fd == MODEL_FD ? 0 : -EBADF;
}

static int system_kind(rouse_fd fd)
{
    (void)fd;
    return ROUSE_KIND_STREAM;
}

static ssize_t system_read(rouse_fd fd, int kind, void *buffer, size_t size)
{
    assert_int_equal(fd, MODEL_FD);
    assert_int_equal(kind, ROUSE_KIND_STREAM);
    assert_int_equal(size, CHUNK);
    memset(buffer, 'x', size);
    return script.nreads < LENGTH ? script.reads[script.nreads++] : -EAGAIN;
}

static const struct rouse_system model = {
    .now = system_now, .check = system_check, .kind = system_kind, .read = system_read};

static const struct rouse_backend scripted = {
    .abi = ROUSE_BACKEND_ABI,
    .traits = ROUSE_TRAIT_EDGE | ROUSE_TRAIT_HANGUP,
    .name = "scripted",
    .state_size = 1,
    .open = script_open,
    .close = script_close,
    .poll = script_poll,
    .drop = script_drop,
    .wake = script_wake,
    .system = &model,
};

static int setup(void **state)
{
    memset(&script, 0, sizeof script);
    struct rig *rig = calloc(1, sizeof *rig);
    if (rig == NULL)
        return -1;
    rig->descriptors = world_open_descriptors();
    struct rouse_clock clock = world_clock(&rig->clock);
    struct rouse_config config = {.size = sizeof config, .own = &scripted, .clock = &clock};
    *state = rig;
    return rouse_open(&rig->loop, &config);
}

static int teardown(void **state)
{
    int result = rig_teardown(state);
    return result < 0 || script.opens != script.closes ? -1 : 0;
}

/* Reports `ready` in the first turn, and lets the edge watcher read a short count and then `then`.
 */
static void short_read_after(struct rig *rig, struct probe *probe, uint32_t ready, ssize_t then)
{
    script.events[0].ready = ready;
    script.reads[0] = 3;
    script.reads[1] = then;
    probe_start(rig, probe, MODEL_FD, ROUSE_READ | ROUSE_EDGE, probe_read);
    probe->chunk = CHUNK;
    rig_turns(rig, 5);
    assert_int_equal(probe->received, 3);
}

/* An error that is told beside data, without a hangup: the read after the data brings it. */
static void short_count_with_an_error_does_not_drain(void **state)
{
    struct probe probe;
    short_read_after(*state, &probe, ROUSE_READ | ROUSE_ERROR, -ETIMEDOUT);
    assert_true(probe.calls >= 2);
    assert_true(script.nreads >= 2);
    probe_stop(&probe);
}

static void short_count_with_a_hangup_does_not_drain(void **state)
{
    struct probe probe;
    short_read_after(*state, &probe, ROUSE_READ | ROUSE_HANGUP, 0);
    assert_true(probe.ended);
    probe_stop(&probe);
}

static void short_count_with_priority_does_not_drain(void **state)
{
    struct probe probe;
    short_read_after(*state, &probe, ROUSE_READ | ROUSE_PRIORITY, -EAGAIN);
    assert_int_equal(probe.calls, 2);
    probe_stop(&probe);
}

static void short_count_alone_drains(void **state)
{
    struct probe probe;
    short_read_after(*state, &probe, ROUSE_READ, -EAGAIN);
    assert_int_equal(probe.calls, 1);
    probe_stop(&probe);
}

/* EINTR is nothing that a user is told of. */
static void interrupted_read_is_made_again(void **state)
{
    struct rig *rig = *state;
    struct probe probe;
    script.events[0].ready = ROUSE_READ;
    script.reads[0] = script.reads[1] = -EINTR;
    script.reads[2] = 5;
    probe_start(rig, &probe, MODEL_FD, ROUSE_READ | ROUSE_EDGE, probe_read);
    probe.chunk = CHUNK;
    rig_turns(rig, 3);
    assert_int_equal(probe.calls, 1);
    assert_int_equal(probe.received, 5);
    probe_stop(&probe);
}

/* P3: the kernel holds nothing any more, and what is wanted is sent again, once. */
static void spent_registration_is_sent_again(void **state)
{
    struct rig *rig = *state;
    const uint32_t modes[] = {0, ROUSE_EDGE};
    for (int mode = 0; mode < 2; mode++) {
        struct probe probe;
        memset(script.events, 0, sizeof script.events);
        script.nevents = script.nreads = script.sent = 0;
        script.reads[0] = script.reads[1] = script.reads[2] = -EAGAIN;
        for (int i = 0; i < 3; i++)
            script.events[i].ready = ROUSE_READ | ROUSE_SPENT;
        probe_start(rig, &probe, MODEL_FD, ROUSE_READ | modes[mode], probe_read);
        probe.chunk = CHUNK;
        rig_turns(rig, 6);
        assert_int_equal(probe.calls, 3);
        assert_int_equal(probe.seen, ROUSE_READ);
        assert_int_equal(script.sent, 4);
        assert_int_equal(script.last.had, 0);
        probe_stop(&probe);
    }
}

/* SPENT alone calls nobody; while nothing is wanted nothing is sent. */
static void spent_alone_is_no_event(void **state)
{
    struct rig *rig = *state;
    struct probe probe;
    script.events[0].ready = ROUSE_SPENT;
    script.events[2].ready = ROUSE_SPENT;
    probe_start(rig, &probe, MODEL_FD, ROUSE_READ, NULL);
    rig_turns(rig, 2);
    assert_int_equal(script.sent, 2);
    rig_turns(rig, 1);
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, 0));
    rig_turns(rig, 3);
    assert_int_equal(script.sent, 2);
    assert_int_equal(probe.calls, 0);
    CHECK_OK(rig->loop, rouse_io_stop(&probe.io));
    assert_int_equal(script.drops, 0); /* it held nothing */
}

/* N3: no memory in the kernel: told once, still started, and sent again by the next change alone.
 */
static void refused_for_want_of_memory(void **state)
{
    struct rig *rig = *state;
    struct probe probe;
    script.events[0] = (struct rouse_event){.ready = ROUSE_ERROR, .result = -ENOMEM};
    script.events[5].ready = ROUSE_READ;
    probe_start(rig, &probe, MODEL_FD, ROUSE_READ, NULL);
    rig_turns(rig, 4);
    assert_int_equal(probe.calls, 1);
    assert_int_equal(probe.ready, ROUSE_ERROR);
    assert_int_equal(probe.error, -ENOMEM);
    assert_int_equal(script.sent, 1);
    assert_true(rouse_io_active(&probe.io));
    CHECK_OK(rig->loop, rouse_io_want(&probe.io, ROUSE_READ));
    rig_turns(rig, 2);
    assert_int_equal(script.sent, 2);
    assert_int_equal(script.last.had, 0);
    assert_int_equal(probe.calls, 2);
    assert_int_equal(probe.ready, ROUSE_READ);
    assert_int_equal(probe.error, 0);
    probe_stop(&probe);
    assert_int_equal(script.drops, 1);
}

/* The backend has become unusable: the call says why, and the next one opens it anew and sends all.
 */
static void unusable_backend_is_opened_anew(void **state)
{
    struct rig *rig = *state;
    struct probe probe;
    probe_start(rig, &probe, MODEL_FD, ROUSE_READ, NULL);
    rig_turns(rig, 1);
    script.poll_error = -EIO;
    assert_int_equal(rouse_turn(rig->loop, 0), -EIO);
    assert_true(strlen(rouse_error(rig->loop)) > 0);
    script.open_error = -EMFILE;
    assert_int_equal(rouse_turn(rig->loop, 0), -EMFILE);
    assert_int_equal(rouse_turn(rig->loop, 0), -EMFILE);
    script.open_error = 0;
    script.nevents = 0;
    script.events[0].ready = ROUSE_READ;
    assert_int_equal(rouse_turn(rig->loop, 0), 1);
    assert_int_equal(probe.calls, 1);
    assert_int_equal(script.sent, 2);
    assert_int_equal(script.last.had, 0);
    assert_int_equal(script.last.want & ROUSE_READ, ROUSE_READ);
    assert_int_equal(script.opens, 2);
    assert_int_equal(rig_counters(rig).rebuilds, 1);
    probe_stop(&probe);
}

/* While it is closed, a watcher can be stopped, and nobody is asked to drop anything. */
static void stopped_while_the_backend_is_closed(void **state)
{
    struct rig *rig = *state;
    struct probe probe;
    probe_start(rig, &probe, MODEL_FD, ROUSE_READ, NULL);
    rig_turns(rig, 1);
    script.poll_error = -EIO;
    assert_int_equal(rouse_turn(rig->loop, 0), -EIO);
    script.open_error = -EMFILE;
    assert_int_equal(rouse_turn(rig->loop, 0), -EMFILE);
    CHECK_OK(rig->loop, rouse_io_stop(&probe.io));
    assert_int_equal(script.drops, 0);
    script.open_error = 0;
    rig_turns(rig, 2);
    assert_int_equal(script.sent, 1);
}

/* O1: a token of nobody's, and of a slot that never was: no crash, and a rebuild against a spin. */
static void token_of_nobody(void **state)
{
    struct rig *rig = *state;
    struct probe probe;
    script.events[1] = (struct rouse_event){.token = TOKEN(9, 0x00ffffff), .ready = ROUSE_READ};
    script.events[3] = (struct rouse_event){.token = TOKEN(9, 0), .ready = ROUSE_READ};
    probe_start(rig, &probe, MODEL_FD, ROUSE_READ, NULL);
    rig_turns(rig, 6);
    assert_int_equal(probe.calls, 0);
    assert_int_equal(rig_counters(rig).stale, 2);
    assert_int_equal(rig_counters(rig).rebuilds, 2);
    probe_stop(&probe);
}

/* Reports may be spurious: with nothing that is wanted, nobody is called. */
static void report_of_what_is_not_wanted(void **state)
{
    struct rig *rig = *state;
    const uint32_t modes[] = {0, ROUSE_EDGE};
    for (int mode = 0; mode < 2; mode++) {
        struct probe probe;
        script.nevents = 0;
        for (int i = 0; i < 3; i++)
            script.events[i].ready = ROUSE_WRITE | ROUSE_PRIORITY;
        probe_start(rig, &probe, MODEL_FD, ROUSE_READ | modes[mode], NULL);
        uint64_t spurious = rig_counters(rig).spurious;
        rig_turns(rig, 4);
        assert_int_equal(probe.calls, 0);
        assert_int_equal(rig_counters(rig).spurious - spurious, 3);
        probe_stop(&probe);
    }
}

#define SCRIPTED(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRIPTED(short_count_with_an_error_does_not_drain),
        SCRIPTED(short_count_with_a_hangup_does_not_drain),
        SCRIPTED(short_count_with_priority_does_not_drain),
        SCRIPTED(short_count_alone_drains),
        SCRIPTED(interrupted_read_is_made_again),
        SCRIPTED(spent_registration_is_sent_again),
        SCRIPTED(spent_alone_is_no_event),
        SCRIPTED(refused_for_want_of_memory),
        SCRIPTED(unusable_backend_is_opened_anew),
        SCRIPTED(stopped_while_the_backend_is_closed),
        SCRIPTED(token_of_nobody),
        SCRIPTED(report_of_what_is_not_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
