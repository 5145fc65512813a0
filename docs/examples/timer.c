/*
 * Timers: one that repeats, and an idle timeout that is pushed back by everything that happens.
 *
 * A heart beats five times, every 20 ms. Each beat moves the idle timeout 50 ms into the future,
 * which is one store, however often it is done: so a server can afford it for every message of
 * every connection. After the last beat nothing moves it any more, and it is called. Then no timer
 * is left to keep the loop alive, and rouse_run() returns 0.
 *
 * What surprises: timers are never early, but a busy machine makes them late. A repeating timer
 * that missed several periods is called once and keeps its phase.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <string.h>

#include <rouse.h>

static const int64_t millisecond = 1000 * 1000;

static struct rouse_loop *loop;

/* Timers are embedded in what they belong to. */
struct patient {
    struct rouse_timer heart; /* first, so that a pointer to it is one to the patient */
    struct rouse_timer idle;
    int beats;
};

static void on_idle(struct rouse_timer *timer)
{
    (void)timer;
    puts("nothing for 50 ms");
}

static void on_beat(struct rouse_timer *timer)
{
    struct patient *patient = (struct patient *)timer;
    printf("beat %d\n", ++patient->beats);
    /* By the loop's cached clock: as cheap as it gets. _after would read the clock. */
    int64_t deadline = rouse_now(loop) + 50 * millisecond;
    if (rouse_timer_at(loop, &patient->idle, deadline, 0) != 0)
        fprintf(stderr, "timer: %s\n", rouse_error(loop));
    if (patient->beats == 5)
        rouse_timer_stop(timer);
}

int main(void)
{
    struct patient patient = {.beats = 0};
    int error = rouse_open(&loop, NULL);
    if (error != 0) {
        fprintf(stderr, "timer: no loop: %s\n", strerror(-error));
        return 1;
    }
    rouse_timer_init(&patient.heart, on_beat);
    rouse_timer_init(&patient.idle, on_idle);
    error = rouse_timer_after(loop, &patient.heart, 20 * millisecond, 20 * millisecond);
    if (error == 0)
        error = rouse_run(loop);
    if (error < 0)
        fprintf(stderr, "timer: %s\n", rouse_error(loop));
    rouse_close(loop);
    return error < 0;
}
