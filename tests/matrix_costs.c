/*
 * What changes of interest and waits cost a backend, counted and not timed: system calls,
 * descriptors handed over, bytes copied, entries looked at, as rouse_count() has them. Unless a
 * backend has threads of its own, they are the same on a fast machine and a slow one.
 *
 * Watched are the reading ends of pipes: 50, then 500. What surprises: the writing ends lie between
 * them, so the highest descriptor is twice as high, which is what select pays by.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract.h"
#include "matrix.h"

enum { FEW = 50, MANY = 500 };

struct reader {
    struct rouse_io io;
    rouse_fd writer;
};

static struct reader readers[MANY];
static struct rouse_loop *loop;
static int served; /* how many bytes have been read */

/* ---- What it is --------------------------------------------------------------------------- */

void matrix_backend(void **state)
{
    static const char *const traits[] = {"EDGE",   "HANGUP", "SCAN",  "GUESS", "LESSON",
                                         "OPT_IN", "WRAPS",  "BOUND", "LATE"};
    struct bare *bare = *state;
    MUST(bare->backend->poll(bare->state, NULL, 0, bare->events, 1, 0));
    printf("descriptors %u\n", world_open_descriptors() - bare->descriptors);
    printf("limit %lld\n", (long long)bare->table.fd_limit);
    printf("traits");
    for (size_t bit = 0; bit < sizeof traits / sizeof traits[0]; bit++)
        if (bare->table.traits & 1u << bit)
            printf(" %s", traits[bit]);
    printf("\n");
}

/* ---- Counting ----------------------------------------------------------------------------- */

static struct rouse_counters count(void)
{
    struct rouse_counters counters = {.size = sizeof counters};
    CHECK_OK(loop, rouse_count(loop, &counters));
    return counters;
}

/* What has been done since `before`, `times` times added to `sum`. */
static void add(struct rouse_work *sum, struct rouse_counters before, int times)
{
    struct rouse_counters now = count();
    uint64_t factor = (uint64_t)times;
    sum->system_calls += factor * (now.system_calls - before.system_calls);
    sum->descriptors += factor * (now.descriptors - before.descriptors);
    sum->bytes_in += factor * (now.bytes_in - before.bytes_in);
    sum->bytes_out += factor * (now.bytes_out - before.bytes_out);
    sum->scanned += factor * (now.scanned - before.scanned);
}

static void print(uint32_t mode, const char *what, int times, struct rouse_work work)
{
    printf("costs %s %s %d %lld %lld %lld %lld %lld\n", mode == 0 ? "level" : "edge", what, times,
           (long long)work.system_calls, (long long)work.descriptors, (long long)work.bytes_in,
           (long long)work.bytes_out, (long long)work.scanned);
}

/* ---- A crowd of readers ------------------------------------------------------------------- */

static void read_some(struct rouse_io *io, uint32_t ready)
{
    char buffer[64];
    if (rouse_io_error(io) == -EAGAIN)
        SKIP("needs 500 threads");
    CHECK_OK(loop, rouse_io_error(io));
    if (!(ready & ROUSE_READ))
        return;
    ssize_t got = rouse_read(io, buffer, sizeof buffer);
    served += got > 0 ? (int)got : 0;
}

static void start(int first, int n, uint32_t mode)
{
    for (int i = first; i < first + n; i++) {
        rouse_fd ends[2];
        int error = world_pair(WORLD_ANY, ends);
        if (error == -EMFILE)
            SKIP("needs 1100 descriptors: ulimit -n 1100");
        MUST(error);
        readers[i].writer = ends[1];
        rouse_io_init(&readers[i].io, read_some);
        CHECK_OK(loop, rouse_io_start(loop, &readers[i].io, ends[0], ROUSE_READ | mode));
    }
}

static void want(int first, int n, uint32_t directions)
{
    for (int i = first; i < first + n; i++)
        CHECK_OK(loop, rouse_io_want(&readers[i].io, directions));
}

/* A turn that finds nothing but a wake. */
static void turn(void)
{
    CHECK_OK(loop, rouse_wake(loop));
    CHECK_OK(loop, rouse_turn(loop, -1));
}

/* The turn that hands changes over and the one after it, in which the threads of a backend may
 * still be busy with them, less as many that have none. */
static void add_changes(struct rouse_work *sum)
{
    struct rouse_counters before = count();
    turn();
    turn();
    add(sum, before, 1);
    before = count();
    turn();
    add(sum, before, -2);
}

/* Every reader gets a byte, `together` of them at a time, and is waited for. */
static void print_waits(uint32_t mode, const char *what, int together, int all)
{
    struct rouse_work work = {0};
    int rounds = all / together;
    for (int round = 0; round < rounds; round++) {
        struct rouse_counters before = count();
        served = 0;
        for (int i = round; i < all; i += rounds)
            MUST(world_send(readers[i].writer, "x", 1));
        while (served < together)
            CHECK_OK(loop, rouse_turn(loop, -1));
        add(&work, before, 1);
    }
    print(mode, what, rounds, work);
}

/* ---- Changes ------------------------------------------------------------------------------ */

static void print_changes(uint32_t mode, int first)
{
    struct rouse_work write = {0};
    struct rouse_work again = {0};
    struct rouse_work pause = {0};
    struct rouse_work resume = {0};
    turn(); /* for a backend that is still busy with the last wait */
    want(first, FEW, ROUSE_WRITE);
    add_changes(&write);
    print(mode, "write", FEW, write);
    for (int i = 0; i < 2; i++) {
        want(first, FEW, i == 0 ? ROUSE_READ : ROUSE_WRITE);
        add_changes(&again);
    }
    print(mode, "again", 2 * FEW, again);
    want(first, FEW, ROUSE_READ);
    turn();
    want(first, FEW, 0);
    add_changes(&pause);
    print(mode, "pause", FEW, pause);
    want(first, FEW, ROUSE_READ);
    add_changes(&resume);
    print(mode, "resume", FEW, resume);
}

static void print_mode(uint32_t mode)
{
    struct rouse_work started = {0};
    struct rouse_work stopped = {0};
    MUST(rouse_open(&loop, &(struct rouse_config){.size = sizeof(struct rouse_config),
                                                  .backend = subject_name()}));
    turn(); /* in which the loop's own descriptor is handed over */
    start(0, FEW, mode);
    add_changes(&started);
    print(mode, "start", FEW, started);
    print_waits(mode, "1-of-50", 1, FEW);
    int threads = world_threads();
    if (threads >= 0)
        printf("threads %d\n", threads - 1);
    for (int first = FEW; first < MANY; first += FEW) {
        start(first, FEW, mode);
        turn();
    }
    print_waits(mode, "1-of-500", 1, MANY);
    print_waits(mode, "50-of-500", FEW, MANY);
    print_changes(mode, MANY - FEW);
    struct rouse_counters before = count();
    for (int i = MANY - FEW; i < MANY; i++)
        CHECK_OK(loop, rouse_io_close(&readers[i].io));
    add(&stopped, before, 1);
    print(mode, "stop", FEW, stopped);
    for (int i = 0; i < MANY; i++) {
        MUST(world_close(readers[i].writer));
        if (i < MANY - FEW)
            CHECK_OK(loop, rouse_io_close(&readers[i].io));
    }
    CHECK_OK(NULL, rouse_close(loop));
}

void matrix_costs(void **state)
{
    (void)state;
    print_mode(0);
    if (contract_has(ROUSE_TRAIT_EDGE))
        print_mode(ROUSE_EDGE);
}
