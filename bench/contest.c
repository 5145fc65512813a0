/*
 * The same work done by turns by several loops. The length of a slice is found by a trial of the
 * reference that grows until it is long enough to tell, and is then the same for all, so that each
 * ratio compares the same number of events.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contest.h"
#include "process.h"

#include <inttypes.h>
#include <stdio.h>

#define LEAST_PIECES  8
#define MOST_PIECES   1000000
#define WARMUP_PIECES 4
#define MOST_ENTRANTS 64

struct contest {
    const struct entrant *entrants;
    int count;
    const struct shape *shape;
    const struct plan *plan;
    void *stage;
    uint64_t events;
    uint64_t warmup;
    uint64_t random;
};

static void print_counts(const struct counts *counts)
{
    printf(",\"waits\":%" PRIu64 ",\"callbacks\":%" PRIu64 ",\"spurious\":%" PRIu64
           ",\"system_calls\":%" PRIu64 ",\"descriptors\":%" PRIu64 ",\"bytes_in\":%" PRIu64
           ",\"bytes_out\":%" PRIu64 ",\"scanned\":%" PRIu64,
           counts->waits, counts->callbacks, counts->spurious, counts->system_calls,
           counts->descriptors, counts->bytes_in, counts->bytes_out, counts->scanned);
}

static void print_latencies(const struct sample *sample)
{
    printf(",\"late_ns\":%" PRIu64, sample->late_ns);
    for (uint64_t i = 0; i < sample->events; i++)
        printf("%s%" PRIu64, i == 0 ? ",\"latencies_ns\":[" : ",", sample->latencies_ns[i]);
    putchar(']');
}

/* `place` counts the slices of a round: even ones are the reference's. */
static void print_sample(const struct contest *contest, const struct entrant *entrant, long round,
                         int place, const struct sample *sample)
{
    const struct shape *shape = contest->shape;
    printf("{\"workload\":\"%s\",\"n\":%ld,\"active\":%ld,\"timers\":%ld,\"rate\":%ld,"
           "\"subject\":\"%s\",\"round\":%ld,\"place\":%d,\"events\":%" PRIu64
           ",\"cpu_ns\":%" PRIu64 ",\"wall_ns\":%" PRIu64 ",\"empty\":%" PRIu64
           ",\"switches\":%" PRIu64,
           entrant->workload->name, shape->n, shape->active, shape->timers, shape->rate,
           entrant->name, round, place, sample->events, sample->cpu_ns, sample->wall_ns,
           sample->empty, sample->switches);
    if (sample->counted)
        print_counts(&sample->counts);
    if (sample->bytes != 0)
        printf(",\"bytes\":%" PRIu64, sample->bytes);
    if (sample->latencies_ns)
        print_latencies(sample);
    if (sample->look)
        look_print(sample->look);
    printf("}\n");
    fflush(stdout);
}

static void slice(const struct contest *contest, int entrant, struct sample *sample)
{
    const struct entrant *who = &contest->entrants[entrant];
    who->workload->slice(contest->stage, who->backend, contest->warmup, contest->events, sample);
    if (sample->events != contest->events)
        die("%s: %" PRIu64 " events, %" PRIu64 " asked", who->name, sample->events,
            contest->events);
}

/* How many events fit into a slice. The trial grows until it is long enough to tell. */
static void calibrate(struct contest *contest)
{
    uint64_t piece = contest->entrants[0].workload->piece(contest->shape);
    contest->warmup = WARMUP_PIECES * piece;
    uint64_t pieces = (uint64_t)contest->plan->events / piece;
    if (pieces > 0) { /* one counts instructions, and wants no others */
        contest->events = pieces * piece;
        return;
    }
    uint64_t wanted = (uint64_t)contest->plan->slice_us * 1000;
    struct sample sample = {.cpu_ns = 0};
    for (pieces = LEAST_PIECES; pieces < MOST_PIECES; pieces *= 8) {
        contest->events = pieces * piece;
        slice(contest, 0, &sample);
        if (sample.cpu_ns * 8 >= wanted)
            break;
    }
    uint64_t fit = pieces * wanted / (sample.cpu_ns + 1);
    fit = fit < MOST_PIECES ? fit : MOST_PIECES;
    contest->events = (fit > LEAST_PIECES ? fit : LEAST_PIECES) * piece;
    contest->warmup += contest->events / 10;
}

/* xorshift64 */
static uint64_t draw(struct contest *contest)
{
    contest->random ^= contest->random << 13;
    contest->random ^= contest->random >> 7;
    contest->random ^= contest->random << 17;
    return contest->random;
}

static void shuffle(struct contest *contest, int *order, int count)
{
    for (int i = 0; i < count; i++)
        order[i] = i + 1;
    for (int i = count - 1; i > 0; i--) {
        int other = (int)(draw(contest) % (uint64_t)(i + 1));
        int kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
}

static void run_round(struct contest *contest, long round)
{
    int order[MOST_ENTRANTS];
    int others = contest->count - 1;
    shuffle(contest, order, others);
    for (int place = 0; place < 2 * others + 1; place++) {
        int entrant = place % 2 == 0 ? 0 : order[place / 2];
        struct sample sample;
        slice(contest, entrant, &sample);
        print_sample(contest, &contest->entrants[entrant], round, place, &sample);
    }
}

void contest_run(const struct entrant *entrants, int count, const struct shape *shape,
                 const struct plan *plan)
{
    if (count > MOST_ENTRANTS)
        die("at most %d subjects", MOST_ENTRANTS);
    struct contest contest = {.entrants = entrants,
                              .count = count,
                              .shape = shape,
                              .plan = plan,
                              .stage = entrants->workload->open(shape),
                              .random = (uint64_t)plan->seed * 2654435761u + 88172645463325252u};
    calibrate(&contest);
    for (long round = 0; round < plan->rounds; round++)
        run_round(&contest, round);
    entrants->workload->close(contest.stage);
}
