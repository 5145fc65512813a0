/*
 * The fixtures of the contract suite: a backend alone, or a loop upon it, and watchers that
 * remember.
 *
 * What surprises: bare_poll() checks every answer that it gets for what the contract says of all
 * answers (no token twice, no bits that mean nothing, never more than there was room for), so that
 * every case is a case for these too.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"

bool contract_has(uint32_t trait)
{
    return (subject_backend()->traits & trait) != 0;
}

uint32_t contract_told(uint32_t ready)
{
    uint32_t untold = contract_has(ROUSE_TRAIT_HANGUP) ? 0 : ROUSE_HANGUP | ROUSE_ERROR;
    return ready & ~untold;
}

/* A case that ends in the middle leaves what it has open. */
static bool skipped;

static unsigned count_leaked(unsigned before)
{
    unsigned leaked = skipped ? 0 : world_open_descriptors() - before;
    skipped = false;
    return leaked;
}

static void skip_for_want_of(const char *what)
{
    skipped = true;
    fprintf(stderr, "skip: this world does not have: %s\n", what);
    skip();
}

void contract_not_on_wine(const char *fault)
{
    if (!world_is_wine())
        return;
    skipped = true;
    fprintf(stderr, "skip: Wine %s\n", fault);
    skip();
}

void contract_not_on_libkqueue(const char *fault)
{
    if (!subject_is_emulated())
        return;
    skipped = true;
    fprintf(stderr, "skip: libkqueue %s\n", fault);
    skip();
}

void contract_needs_urgent_data(void)
{
    if (world_is_model())
        skip_for_want_of("urgent data");
}

void contract_needs_priority(void)
{
    contract_needs_urgent_data();
    if (subject_tells_priority())
        return;
    skipped = true;
    fputs("skip: kqueue does not tell PRIORITY\n", stderr);
    skip();
}

int64_t contract_must(int64_t result, const char *call, const char *file, int line)
{
    if (result == -ENOTSUP)
        skip_for_want_of(call);
    if (result < 0) {
        fprintf(stderr, "%s:%d: %s returned %lld (%s)\n", file, line, call, (long long)result,
                strerror((int)-result));
        _fail(file, line);
    }
    return result;
}

void contract_pair(enum world_kind kind, rouse_fd ends[2])
{
    int result = world_pair(kind, ends);
    if (result == -ENOTSUP)
        skip_for_want_of(world_name(kind));
    MUST(result);
}

void contract_close(rouse_fd ends[2])
{
    MUST(world_close(ends[0]));
    MUST(world_close(ends[1]));
}

void contract_pair_at(rouse_fd number, enum world_kind kind, rouse_fd ends[2])
{
    contract_pair(kind, ends);
    if (ends[0] == number)
        return;
    assert_int_not_equal(ends[1], number);
    MUST(world_dup2(ends[0], number));
    MUST(world_close(ends[0]));
    ends[0] = number;
}

/* ---- The backend alone -------------------------------------------------------------------- */

static void *count_bytes(void *context, void *block, size_t old_size, size_t new_size)
{
    struct bare *bare = context;
    if (new_size == 0) {
        bare->allocated -= (long)old_size;
        free(block);
        return NULL;
    }
    void *grown = realloc(block, new_size);
    if (grown != NULL)
        bare->allocated += (long)new_size - (long)old_size;
    return grown;
}

void bare_reopen(struct bare *bare)
{
    memset(bare->state, 0, bare->backend->state_size);
    memset(bare->held, 0, sizeof bare->held);
    bare->table = *bare->backend;
    MUST(bare->backend->open(bare->state, &bare->setup));
}

int bare_setup(void **state)
{
    struct bare *bare = calloc(1, sizeof *bare);
    if (bare == NULL || subject_backend() == NULL)
        return -1;
    bare->backend = subject_wrapper() != NULL ? subject_wrapper() : subject_backend();
    bare->descriptors = world_open_descriptors();
    bare->setup = (struct rouse_setup){
        .allocator = {.resize = count_bytes, .context = bare},
        .work = &bare->work,
        .table = &bare->table,
        .inner = subject_wrapper() != NULL ? subject_backend() : NULL,
        .why = bare->why,
        .why_size = sizeof bare->why,
    };
    bare->state = calloc(1, bare->backend->state_size);
    bare->table = *bare->backend;
    if (bare->state == NULL || bare->backend->open(bare->state, &bare->setup) < 0)
        return -1;
    *state = bare;
    return 0;
}

int bare_teardown(void **state)
{
    struct bare *bare = *state;
    world_interrupt(false);
    bare->backend->close(bare->state);
    unsigned leaked = count_leaked(bare->descriptors);
    long kept = bare->allocated;
    free(bare->state);
    free(bare);
    if (leaked != 0 || kept != 0)
        fprintf(stderr, "left: %d descriptors, %ld bytes\n", (int)leaked, kept);
    return leaked != 0 || kept != 0 ? -1 : 0;
}

static void check_answer(const struct bare *bare, int nevents)
{
    enum {
        DIRECTIONS = ROUSE_READ | ROUSE_PRIORITY | ROUSE_WRITE,
        MEANT = DIRECTIONS | ROUSE_ERROR | ROUSE_HANGUP | ROUSE_SPENT,
    };
    assert_in_range(bare->count, 0, nevents);
    for (int i = 0; i < bare->count; i++) {
        const struct rouse_event *event = &bare->events[i];
        assert_in_range(ROUSE_SLOT(event->token), 0, BARE_EVENTS - 1);
        const struct rouse_change *held = &bare->held[ROUSE_SLOT(event->token)];
        assert_int_equal(event->ready & ~(uint32_t)MEANT, 0);
        assert_int_equal(event->token, held->token);
        assert_int_equal(event->ready & DIRECTIONS & ~held->want, 0);
        assert_true(event->ready != 0 && held->want != 0);
        assert_true(event->result == 0 || (event->result < 0 && event->ready & ROUSE_ERROR));
        for (int other = 0; other < i; other++)
            assert_true(event->token != bare->events[other].token);
    }
}

static void keep_what_is_so(struct bare *bare)
{
    int kept = 0;
    for (int i = 0; i < bare->count; i++) {
        struct rouse_event event = bare->events[i];
        if (event.result == 0)
            event.ready = subject_true(bare->held[ROUSE_SLOT(event.token)].fd, event.ready);
        if (event.ready != 0)
            bare->events[kept++] = event;
    }
    bare->count = kept;
}

int bare_poll_into(struct bare *bare, const struct rouse_change *changes, int nchanges, int nevents,
                   int64_t timeout_ns)
{
    for (int i = 0; i < nchanges; i++)
        bare->held[ROUSE_SLOT(changes[i].token)] = changes[i];
    bare->count =
        bare->backend->poll(bare->state, changes, nchanges, bare->events, nevents, timeout_ns);
    MUST(bare->count);
    check_answer(bare, nevents);
    keep_what_is_so(bare);
    return bare->count;
}

int bare_poll(struct bare *bare, const struct rouse_change *changes, int nchanges,
              int64_t timeout_ns)
{
    return bare_poll_into(bare, changes, nchanges, BARE_EVENTS, timeout_ns);
}

int bare_poll_some(struct bare *bare, int nevents)
{
    return bare_poll_into(bare, NULL, 0, nevents, 0);
}

void bare_drop(struct bare *bare, rouse_fd fd, uint64_t token)
{
    bare->backend->drop(bare->state, fd, token);
    bare->held[ROUSE_SLOT(token)] = (struct rouse_change){0};
}

const struct rouse_event *bare_event(const struct bare *bare, uint64_t token)
{
    for (int i = 0; i < bare->count; i++)
        if (bare->events[i].token == token)
            return &bare->events[i];
    return NULL;
}

uint32_t bare_change(struct bare *bare, rouse_fd fd, uint64_t token, uint32_t had, uint32_t want)
{
    struct rouse_change change = {.fd = fd, .token = token, .had = had, .want = want};
    bare_poll(bare, &change, 1, 0);
    const struct rouse_event *event = bare_event(bare, token);
    return event != NULL ? event->ready : 0;
}

uint32_t bare_ready(struct bare *bare, uint64_t token)
{
    bare_poll(bare, NULL, 0, 0);
    const struct rouse_event *event = bare_event(bare, token);
    return event != NULL ? event->ready : 0;
}

/* ---- A loop upon it ----------------------------------------------------------------------- */

int rig_setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    if (rig == NULL || subject_backend() == NULL)
        return -1;
    rig->descriptors = world_open_descriptors();
    rig->clock.now = 1000000000;
    struct rouse_clock clock = world_clock(&rig->clock);
    char why[128] = "";
    struct rouse_config config = {.size = sizeof config,
                                  .backend = subject_name(),
                                  .clock = &clock,
                                  .why = why,
                                  .why_size = sizeof why};
    if (rouse_open(&rig->loop, &config) < 0) {
        fprintf(stderr, "%s\n", why);
        free(rig);
        return -1;
    }
    *state = rig;
    return 0;
}

int rig_teardown(void **state)
{
    struct rig *rig = *state;
    int result = rouse_close(rig->loop);
    unsigned leaked = count_leaked(rig->descriptors);
    free(rig);
    if (leaked != 0)
        fprintf(stderr, "left: %d descriptors\n", (int)leaked);
    return result < 0 || leaked != 0 ? -1 : 0;
}

struct rouse_counters rig_counters(const struct rig *rig)
{
    struct rouse_counters counters = {.size = sizeof counters};
    MUST(rouse_count(rig->loop, &counters));
    return counters;
}

uint64_t rig_changes_sent(const struct rig *rig)
{
    return rig_counters(rig).changes_sent;
}

unsigned rig_turns(struct rig *rig, unsigned count)
{
    uint64_t before = rig_counters(rig).events;
    unsigned called = rig->called;
    for (unsigned turn = 0; turn < count; turn++)
        CHECK_OK(rig->loop, rouse_turn(rig->loop, 0));
    return subject_guesses() ? rig->called - called : (unsigned)(rig_counters(rig).events - before);
}

static void probe_called(struct rouse_io *io, uint32_t ready)
{
    struct probe *probe = (struct probe *)io; /* its first member */
    int error = rouse_io_error(io);
    uint32_t is_so = error == 0 ? subject_true(io->fd, ready) : ready;
    if (is_so == 0) {
        if (probe->oneshot)
            CHECK_OK(probe->rig->loop, rouse_io_want(io, ready));
        return;
    }
    probe->rig->called++;
    probe->calls++;
    probe->ready = is_so;
    probe->seen |= is_so;
    probe->error = error;
    if (probe->then != NULL)
        probe->then(probe);
}

void probe_init(struct rig *rig, struct probe *probe, void (*then)(struct probe *probe))
{
    *probe = (struct probe){.then = then, .rig = rig, .spare = {-1, -1}};
    rouse_io_init(&probe->io, probe_called);
}

void probe_start(struct rig *rig, struct probe *probe, rouse_fd fd, uint32_t want,
                 void (*then)(struct probe *probe))
{
    probe_init(rig, probe, then);
    probe->oneshot = want & ROUSE_ONESHOT;
    CHECK_OK(rig->loop, rouse_io_start(rig->loop, &probe->io, fd, want));
}

void probe_read(struct probe *probe)
{
    static char sink[65536];
    if (!(probe->ready & ROUSE_READ))
        return;
    probe->last = rouse_read(&probe->io, sink, probe->chunk ? probe->chunk : sizeof sink);
    if (probe->last > 0)
        probe->received += (size_t)probe->last;
    probe->ended |= probe->last == 0;
}

void probe_pause(struct probe *probe)
{
    CHECK_OK(probe->rig->loop, rouse_io_want(&probe->io, 0));
}

void probe_stop(struct probe *probe)
{
    CHECK_OK(probe->rig->loop, rouse_io_stop(&probe->io));
}

/* Turns until a probe has read `total` bytes, and then some turns in which it must not be called.
 */
void rig_reads_all(struct rig *rig, const struct probe *probe, size_t total)
{
    TURN_UNTIL(rig, probe->received >= total);
    rig_turns(rig, 2); /* one call may be needed to find that there is no more */
    unsigned calls = probe->calls;
    rig_turns(rig, 5);
    assert_int_equal(probe->received, total);
    assert_int_equal(probe->calls, calls);
}

void two_start(struct rig *rig, struct two *two, uint32_t mode, void (*then)(struct probe *probe))
{
    for (int i = 0; i < 2; i++) {
        contract_pair(WORLD_ANY, two->ends[i]);
        probe_start(rig, &two->probes[i], two->ends[i][0], ROUSE_READ | mode, then);
        two->probes[i].other = &two->probes[!i];
    }
    rig_turns(rig, 1);
    for (int i = 0; i < 2; i++)
        MUST(world_send(two->ends[i][1], "x", 1));
}

void two_end(struct two *two)
{
    for (int i = 0; i < 2; i++) {
        rouse_io_close(&two->probes[i].io);
        MUST(world_close(two->ends[i][1]));
    }
}
