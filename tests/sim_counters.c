/*
 * The work that a loop counts on a model is what it counts on the kernel that is modelled: select,
 * poll and epoll and their models do the same play, and after each step of it the counters of the
 * two loops are equal. They are those that ./bench/compare prints of the real backends.
 *
 * What surprises: on the kernel a loop watches a descriptor of its own, to be woken by. On the
 * machine it is woken without one, so there the play watches one more, first, in its place.
 *
 * SPDX-License-Identifier: MIT
 */
#include "sim.h"

enum {
    MOST = 10000,
    FIRST = 100, /* the number of the first that is watched; what else is open is below */
    SENDERS = 3, /* pipes of which something comes: the first watched, a middle one, the last */
    STEPS = 9,
    MORE = MOST + FIRST + 8
};

/* A backend, and how descriptors are made for it. */
struct side {
    const char *backend;
    int (*pipe)(rouse_fd ends[2]);
    int (*dup2)(rouse_fd fd, rouse_fd number);
    ssize_t (*send)(rouse_fd fd, const void *data, size_t size);
    int (*close)(rouse_fd fd);
};

static int kernel_pipe(rouse_fd ends[2])
{
    return world_pair(WORLD_PIPE, ends);
}

static const struct side kernel = {NULL, kernel_pipe, world_dup2, world_send, world_close};

static int machine_pipe(rouse_fd ends[2])
{
    int error = rouse_sim_pipe(ends);
    for (int i = 0; i < 2 && error == 0; i++)
        error = rouse_sim_block(ends[i], false);
    return error;
}

static int machine_dup2(rouse_fd fd, rouse_fd number)
{
    int result = rouse_sim_dup2(fd, number);
    return result < 0 ? result : 0;
}

static ssize_t machine_send(rouse_fd fd, const void *data, size_t size)
{
    return (ssize_t)rouse_sim_write(fd, data, size);
}

static const struct side machine_ = {NULL, machine_pipe, machine_dup2, machine_send,
                                     rouse_sim_close};

/* ---- The play ---- */

static struct {
    const struct side *side;
    struct rouse_loop *loop;
    unsigned n;
    rouse_fd idle[2], active[SENDERS][2];
    struct rouse_io ios[MOST], another;
    struct rouse_counters counted[STEPS];
    int steps;
} play;

static void receive(struct rouse_io *io, uint32_t ready)
{
    (void)ready;
    char byte;
    assert_int_equal(rouse_read(io, &byte, 1), 1);
}

static unsigned place_of(unsigned sender)
{
    return sender * (play.n - 1) / (SENDERS - 1);
}

static bool is_sender(unsigned i)
{
    return i == place_of(0) || i == place_of(1) || i == place_of(2);
}

static void begin(const struct side *side, const char *backend, unsigned n)
{
    struct rouse_config config = {.size = sizeof config, .backend = backend};
    play.side = side;
    play.n = n;
    play.steps = 0;
    CHECK_OK(NULL, rouse_open(&play.loop, &config));
    CHECK_OK(NULL, side->pipe(play.idle));
    if (side == &machine_) {
        rouse_io_init(&play.another, receive);
        CHECK_OK(play.loop, rouse_io_start(play.loop, &play.another, play.idle[0], ROUSE_READ));
    }
    for (unsigned i = 0; i < SENDERS; i++)
        CHECK_OK(NULL, side->pipe(play.active[i]));
    for (unsigned i = 0; i < n; i++)
        CHECK_OK(NULL, side->dup2(play.idle[0], (rouse_fd)(FIRST + i)));
    for (unsigned i = 0; i < SENDERS; i++)
        CHECK_OK(NULL, side->dup2(play.active[i][0], (rouse_fd)(FIRST + place_of(i))));
    for (unsigned i = 0; i < n; i++) {
        rouse_io_init(&play.ios[i], receive);
        CHECK_OK(play.loop,
                 rouse_io_start(play.loop, &play.ios[i], (rouse_fd)(FIRST + i), ROUSE_READ));
    }
}

/* Has the loop do what there is to do, and notes what it has counted so far. */
static void step(void)
{
    for (int i = 0; i < 8;
         i++) /* changes and events beyond the room of one wait come in the next */
        CHECK_OK(play.loop, rouse_turn(play.loop, 0));
    play.counted[play.steps++] = stage_counters(play.loop);
}

static void send_to(unsigned sender)
{
    assert_int_equal(play.side->send(play.active[sender][1], "x", 1), 1);
}

static void perform(void)
{
    step();
    for (unsigned i = 0; i < SENDERS; i++) {
        send_to(i);
        CHECK_OK(play.loop, rouse_turn(play.loop, -1));
        step();
    }
    for (unsigned i = 0; i < SENDERS; i++)
        send_to(i);
    step();
    for (unsigned i = 0; i < play.n; i += 2)
        if (!is_sender(i))
            CHECK_OK(play.loop, rouse_io_want(&play.ios[i], 0));
    step();
    send_to(1);
    step();
    for (unsigned i = 0; i < play.n; i++)
        if (!is_sender(i))
            CHECK_OK(play.loop, i % 3 == 0 ? rouse_io_stop(&play.ios[i])
                                           : rouse_io_want(&play.ios[i], ROUSE_READ));
    step();
    send_to(2);
    step();
    assert_int_equal(play.steps, STEPS);
}

static void end(void)
{
    for (unsigned i = 0; i < play.n; i++) {
        CHECK_OK(play.loop, rouse_io_stop(&play.ios[i]));
        CHECK_OK(NULL, play.side->close((rouse_fd)(FIRST + i)));
    }
    if (play.side == &machine_)
        CHECK_OK(play.loop, rouse_io_stop(&play.another));
    CHECK_OK(NULL, rouse_close(play.loop));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(NULL, play.side->close(play.idle[i]));
        for (int sender = 0; sender < SENDERS; sender++)
            CHECK_OK(NULL, play.side->close(play.active[sender][i]));
    }
}

/* ---- Cases ---- */

/* `size`: of what epoll's calls take and give in the one and in the other; the model's is that of
 * x86-64, and elsewhere Linux has a larger one. */
static void check_equal(const struct rouse_counters *real, const struct rouse_counters *model,
                        const uint64_t size[2])
{
    assert_int_equal(model->turns, real->turns);
    assert_int_equal(model->waits, real->waits);
    assert_int_equal(model->events, real->events);
    assert_int_equal(model->callbacks, real->callbacks);
    assert_int_equal(model->system_calls, real->system_calls);
    assert_int_equal(model->descriptors, real->descriptors);
    assert_int_equal(model->bytes_in * size[0], real->bytes_in * size[1]);
    assert_int_equal(model->bytes_out * size[0], real->bytes_out * size[1]);
    assert_int_equal(model->scanned, real->scanned);
}

static void check_same_work(const char *model, unsigned n)
{
    const char *real = model + strlen("sim:");
    struct rouse_counters expected[STEPS];
    begin(&kernel, real, n);
    perform();
    memcpy(expected, play.counted, sizeof expected);
    end();
    sim_reboot((struct rouse_sim_config){.descriptors = MORE});
    begin(&machine_, model, n);
    perform();
    const struct rouse_counters *last = &expected[STEPS - 1];
    uint64_t size[2] = {1, 1};
    if (strcmp(real, "epoll") == 0) {
        size[0] = last->bytes_out / last->scanned;
        size[1] = ROUSE_SIM_EVENT_SIZE;
    }
    for (int i = 0; i < STEPS; i++)
        check_equal(&expected[i], &play.counted[i], size);
    assert_int_equal(last->callbacks, 8);
    end();
}

static bool can_be_compared(const char *model)
{
    return sim_is_built(model) && sim_is_built(model + strlen("sim:")) && world_has(WORLD_PIPE);
}

static void model_does_the_work_of_the_kernel(void **state)
{
    const char *model = *state;
    if (!can_be_compared(model))
        SKIP("needs the backend, its model, and pipes");
    for (unsigned n = 10; n <= 1000; n = n == 100 ? 900 : n * 10) /* below FD_SETSIZE */
        check_same_work(model, n);
    sim_teardown(NULL);
}

static void and_so_it_does_for_ten_thousand(void **state)
{
    const char *model = *state;
    long before = 0;
    if (!can_be_compared(model))
        SKIP("needs the backend, its model, and pipes");
    if (world_emulates_limits())
        SKIP("limits are emulated here");
    if (world_limit_descriptors(-1, &before) < 0 ||
        (before < MORE && world_limit_descriptors(MORE, NULL) < 0))
        SKIP("a process may not have ten thousand descriptors here");
    check_same_work(model, MOST);
    sim_teardown(NULL);
    world_limit_descriptors(before, NULL);
}

#define ON(name, model)                                                                            \
    {                                                                                              \
#name "_" #model, name, NULL, NULL, (void *)(uintptr_t) "sim:" #model                      \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON(model_does_the_work_of_the_kernel, select), ON(model_does_the_work_of_the_kernel, poll),
        ON(model_does_the_work_of_the_kernel, epoll),  ON(and_so_it_does_for_ten_thousand, poll),
        ON(and_so_it_does_for_ten_thousand, epoll),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
