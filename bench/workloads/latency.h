/*
 * Workload `latency`: how long a request waits for its answer, on n connections (64) in turn, at a
 * constant `rate` (10,000 a second) over all of them.
 *
 * The client sends when a request is due, whatever has come back, and counts from then, not from
 * when it sent: a server that does not answer for a while delays all that would have been asked
 * meanwhile, and a client that waited for it would not see that. Every latency is kept and told.
 * The client never sleeps, so that no latency contains its waking up; that of the server is in
 * each, and is most of it. How late the client itself was at the worst is told as `late_ns`: if it
 * was kept from its processor, the latencies of that slice are those of the machine.
 *
 * An event is a request. It is the percentiles of the latencies that are compared; the CPU time of
 * the server is told as well, and is more than in `echo`, for here it sleeps between requests.
 *
 * SPDX-License-Identifier: MIT
 */
#include <sys/mman.h>

#define LATENCY_RATE 10000
#define LATENCY_MOST ((uint64_t)1 << 22) /* that are kept of a slice */

static struct shape latency_shape(const struct shape *given)
{
    struct shape shape = echo_shape(given);
    shape.rate = shape.rate != 0 ? shape.rate : LATENCY_RATE;
    return shape;
}

/* The client writes where the server reads. */
static void *latency_open(const struct shape *given)
{
    struct shape shape = latency_shape(given);
    struct paced *paced =
        mmap(NULL, sizeof *paced + LATENCY_MOST * sizeof paced->latencies_ns[0],
             PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (paced == MAP_FAILED)
        die("latency: no memory: %s", strerror(errno));
    return server_open(&shape, paced);
}

static void latency_close(void *stage)
{
    server_close(stage);
}

static void latency_slice(void *stage, const char *backend, uint64_t warmup, uint64_t events,
                          struct sample *sample)
{
    struct server *server = stage;
    if (events > LATENCY_MOST)
        die("latency: at most %llu events in a slice", (unsigned long long)LATENCY_MOST);
    echo_requests(server, backend, ORDER_PACE, warmup, events, sample);
    sample->late_ns = server->paced->late_ns;
    sample->latencies_ns = server->paced->latencies_ns;
}

/* What comes in ten milliseconds. */
static uint64_t latency_piece(const struct shape *given)
{
    long rate = latency_shape(given).rate;
    return rate < 100 ? 1 : (uint64_t)rate / 100;
}
