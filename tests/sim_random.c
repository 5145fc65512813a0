/*
 * The machine under calls that nobody would make, in any order: on descriptors of every kind, by
 * tasks that sleep, by events, with faults and without memory. Each may fail; none may break
 * anything, which the sanitizers see, and in the end nothing is left.
 *
 * SPDX-License-Identifier: MIT
 */
#include "sim.h"

enum { RUNS = 200, STEPS = 1000, DESCRIPTORS = 24, POOL = 20 };

static uint64_t random_state;
static struct actor actors[POOL];
static struct rouse_sim_event events[POOL];
static bool in_event;

static uint32_t below(uint32_t bound)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % bound;
}

static rouse_fd any_fd(void)
{
    return (rouse_fd)below(DESCRIPTORS);
}

static int64_t any_timeout(void)
{
    return (int64_t)below(3) * 500 - 500;
}

/* ---- What is done ---- */

static void make(void)
{
    rouse_fd fds[2];
    switch (below(9)) {
    case 0:
        rouse_sim_pipe(fds);
        break;
    case 1:
        rouse_sim_pair(fds);
        break;
    case 2:
        rouse_sim_listen(1 + (int)below(3));
        break;
    case 3:
        rouse_sim_epoll_create();
        break;
    case 4:
        rouse_sim_socket();
        break;
    case 5:
        rouse_sim_dup(any_fd());
        break;
    case 6:
        rouse_sim_dup2(any_fd(), any_fd());
        break;
    default:
        rouse_sim_connect(any_fd());
    }
}

static void end(void)
{
    switch (below(8)) {
    case 0:
        rouse_sim_reset(any_fd());
        break;
    case 1:
        rouse_sim_shut(any_fd(), 1 + below(4));
        break;
    case 2:
        rouse_sim_error(any_fd());
        break;
    default:
        rouse_sim_close(any_fd());
    }
}

static void move(void)
{
    static char bytes[5000];
    size_t size = below(4) > 0 ? below(200) : below(sizeof bytes);
    rouse_fd fd = any_fd();
    rouse_sim_block(fd, false);
    switch (below(3)) {
    case 0:
        rouse_sim_read(fd, bytes, size);
        break;
    case 1:
        rouse_sim_write(fd, bytes, size);
        break;
    default:
        rouse_sim_accept(fd);
    }
    rouse_sim_block(fd, true);
}

static void watch(void)
{
    uint32_t want = below(2) > 0 ? below(0x10000)
                                 : ROUSE_READ | (below(2) > 0 ? ROUSE_EDGE : 0) |
                                       (below(2) > 0 ? ROUSE_SIM_EXCLUSIVE : 0);
    enum rouse_sim_op op = below(3) > 0 ? ROUSE_SIM_ADD : (enum rouse_sim_op)below(3);
    rouse_sim_epoll_ctl(any_fd(), op, any_fd(), want, below(9));
}

static void wait_for_many(void)
{
    struct rouse_event told[4];
    struct rouse_sim_set sets[3] = {{{below(1 << 20)}}, {{below(1 << 10)}}, {{below(1 << 5)}}};
    struct rouse_sim_pollfd entries[6];
    for (int i = 0; i < 6; i++)
        entries[i] = (struct rouse_sim_pollfd){.fd = any_fd(), .want = (uint16_t)below(256)};
    if (in_event)
        return;
    switch (below(3)) {
    case 0:
        rouse_sim_epoll_wait(any_fd(), told, 1 + (int)below(4), any_timeout());
        break;
    case 1:
        rouse_sim_poll(entries, 6, any_timeout());
        break;
    default:
        for (int i = 0; i < 3; i++)
            for (rouse_fd fd = 0; fd < DESCRIPTORS; fd++)
                if (rouse_sim_look(fd, &(struct rouse_sim_file){0}) != 0)
                    sets[i].words[0] &= ~(UINT64_C(1) << fd);
        rouse_sim_select(DESCRIPTORS, &sets[0], &sets[1], &sets[2], any_timeout());
    }
}

static void pass_time(void)
{
    if (!in_event && below(2) > 0)
        rouse_sim_sleep(below(3000));
    else if (!in_event)
        rouse_sim_compute(below(500));
}

/* Makes three calls, which are not the same for each. */
static int64_t act(struct actor *self)
{
    char bytes[300] = "";
    int64_t (*const calls[])(struct actor * self) = {actor_accepts, actor_waits, actor_rests};
    uint32_t first = self->task.id;
    int64_t n = 0;
    for (uint32_t i = first; i < first + 3 && n != -ROUSE_SIM_ASLEEP; i++)
        n = i % 5 < 3    ? calls[i % 5](self)
            : i % 5 == 3 ? rouse_sim_read(self->fd, bytes, 1 + first % 200)
                         : rouse_sim_write(self->fd, bytes, 1 + first % 300);
    return n;
}

static void start_or_interrupt(void)
{
    struct actor *actor = &actors[below(POOL)];
    if (actor->task.run != NULL && actor->task.state != ROUSE_SIM_ENDED) {
        rouse_sim_interrupt(&actor->task);
        return;
    }
    *actor = (struct actor){.task.run = actor_run, .calls = act, .fd = any_fd()};
    rouse_sim_start(&actor->task);
}

static void do_something(void);

static void come(struct rouse_sim_event *event)
{
    in_event = true;
    do_something();
    in_event = false;
    if (below(3) == 0)
        rouse_sim_at(event, rouse_sim_now() + below(2000));
}

static void set_or_cancel(void)
{
    struct rouse_sim_event *event = &events[below(POOL)];
    event->fn = come;
    if (below(4) > 0)
        rouse_sim_at(event, rouse_sim_now() + below(3000));
    else
        rouse_sim_cancel(event);
}

static void do_something(void)
{
    static void (*const what[])(void) = {
        make,         make,  end,           move,          move,      move,
        watch,        watch, wait_for_many, wait_for_many, pass_time, start_or_interrupt,
        set_or_cancel};
    what[below(sizeof what / sizeof *what)]();
    stage_written = 0;
}

static void nothing_breaks_and_nothing_is_left(void **state)
{
    (void)state;
    for (uint32_t run = 0; run < RUNS; run++) {
        sim_reboot((struct rouse_sim_config){.seed = run,
                                             .descriptors = DESCRIPTORS,
                                             .room = run % 3 * 150 + run % 2,
                                             .latency = run % 2 * 700});
        random_state = run;
        memset(actors, 0, sizeof actors);
        memset(events, 0, sizeof events);
        if (run % 4 == 0)
            rouse_sim_fail(&(struct rouse_sim_faults){100, 100, 100, 100, 100});
        for (int step = 0; step < STEPS; step++) {
            if (run % 7 == 0 && below(50) == 0)
                sim_memory.before = below(3);
            do_something();
        }
        assert_true(rouse_sim_count(ROUSE_SIM_HOOKED) + rouse_sim_count(ROUSE_SIM_SLEPT) > 0);
        rouse_sim_halt();
        assert_int_equal(sim_memory.bytes, 0);
        sim_memory.before = -1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(nothing_breaks_and_nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
