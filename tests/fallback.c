/*
 * Opens a loop as the environment has it, runs a timer on it, and prints which backend that was and
 * which were passed over; or why there is none. For check_fallback.py.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include <rouse.h>

static void fire(struct rouse_timer *timer)
{
    (void)timer;
}

int main(void)
{
    char why[512] = "";
    struct rouse_loop *loop;
    struct rouse_config config = {.size = sizeof config, .why = why, .why_size = sizeof why};
    if (rouse_open(&loop, &config) != 0) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    struct rouse_timer timer;
    rouse_timer_init(&timer, fire);
    rouse_timer_after(loop, &timer, 1000000, 0);
    int result = rouse_run(loop);
    printf("ran on %s\n%s", rouse_backend_name(loop), rouse_passed_over(loop));
    rouse_close(loop);
    return result != 0;
}
