/*
 * The same work done by turns by two loops. The length of a slice is found by a trial that grows
 * until it is long enough to tell, and is then the same for both loops and all pairs, so that the
 * ratio of a pair compares the same number of events.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contest.h"

#include <inttypes.h>
#include <stdio.h>

#define LEAST_ROUNDS  8
#define MOST_ROUNDS   1000000
#define WARMUP_ROUNDS 4

static void print_sample(const struct contest *contest, const char *against, const char *loop,
                         long pair, const struct sample *sample)
{
    printf("{%s,\"against\":\"%s\",\"loop\":\"%s\",\"pair\":%ld,\"events\":%" PRIu64
           ",\"cpu_ns\":%" PRIu64 ",\"empty\":%" PRIu64 ",\"switches\":%" PRIu64,
           contest->label, against ? against : "", loop, pair, sample->events, sample->cpu_ns,
           sample->empty, sample->switches);
    if (sample->counted) {
        const struct rouse_counters *work = &sample->work;
        printf(",\"waits\":%" PRIu64 ",\"callbacks\":%" PRIu64 ",\"spurious\":%" PRIu64
               ",\"system_calls\":%" PRIu64 ",\"descriptors\":%" PRIu64 ",\"bytes_in\":%" PRIu64
               ",\"bytes_out\":%" PRIu64 ",\"scanned\":%" PRIu64,
               work->waits, work->callbacks, work->spurious, work->system_calls, work->descriptors,
               work->bytes_in, work->bytes_out, work->scanned);
    }
    printf("}\n");
    fflush(stdout);
}

/* How many events fit into a slice, by the speed of the backend's raw loop where that is run, else
 * by that of the library. The trial grows until it is long enough to tell. */
static uint64_t calibrate(const struct contest *contest, const struct plan *plan)
{
    uint64_t rounds = (uint64_t)plan->events / contest->active;
    if (rounds > 0)
        return rounds * contest->active;
    int own = contest->raw && plan->raw && !plan->against;
    slice_fn *slice = own ? contest->raw : contest->rouse;
    uint64_t wanted = (uint64_t)plan->slice_us * 1000;
    struct sample sample = {.cpu_ns = 0};
    for (rounds = LEAST_ROUNDS; rounds < MOST_ROUNDS; rounds *= 64) {
        slice(contest->work, WARMUP_ROUNDS * contest->active, rounds * contest->active, &sample);
        if (sample.cpu_ns * 8 >= wanted)
            break;
    }
    uint64_t fit = rounds * wanted / (sample.cpu_ns + 1);
    fit = fit < MOST_ROUNDS ? fit : MOST_ROUNDS;
    return (fit > LEAST_ROUNDS ? fit : LEAST_ROUNDS) * contest->active;
}

void contest_run(const struct contest *contest, const struct plan *plan)
{
    uint64_t events = calibrate(contest, plan);
    uint64_t warmup = WARMUP_ROUNDS * contest->active;
    if (plan->events == 0) /* else one counts instructions, and wants no others */
        warmup += events / 10;
    for (long pair = 0; pair < plan->pairs; pair++) {
        for (long turn = 0; turn < 2; turn++) {
            int rouse = (pair + turn) % 2 == 0;
            slice_fn *slice = rouse ? contest->rouse : contest->raw;
            if (!slice || !(rouse ? plan->rouse : plan->raw))
                continue;
            struct sample sample;
            slice(contest->work, warmup, events, &sample);
            print_sample(contest, plan->against, rouse ? "rouse" : "raw", pair, &sample);
        }
    }
}
