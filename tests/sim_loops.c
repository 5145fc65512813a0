/*
 * A loop and the machine's tasks and events: what wakes it, what ends its run, and where it runs.
 *
 * SPDX-License-Identifier: MIT
 */
#include "sim.h"

static struct rouse_loop *loop;

static void open_on(const char *backend)
{
    struct rouse_config config = {.size = sizeof config, .backend = backend};
    CHECK_OK(NULL, rouse_open(&loop, &config));
}

/* Runs a case on each of the backends, on a machine of its own. */
static void on_each(void (*play)(void))
{
    static const char *const backends[] = {"sim:select", "sim:poll", "sim:epoll"};
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
        if (!sim_is_built(backends[i]))
            continue;
        sim_reboot((struct rouse_sim_config){.seed = 1});
        open_on(backends[i]);
        play();
        CHECK_OK(loop, rouse_close(loop));
        assert_int_equal(rouse_sim_halt(), 0);
    }
}

/* ---- A wait that nothing can end ---- */

static void is_closed(struct rouse_io *io, uint32_t ready)
{
    journal_write(ready == ROUSE_READ ? 'r' : '?');
    rouse_io_close(io);
}

static void wait_in_vain(void)
{
    rouse_fd pipe[2];
    struct rouse_io io;
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    rouse_io_init(&io, is_closed);
    CHECK_OK(loop, rouse_io_start(loop, &io, pipe[0], ROUSE_READ));
    assert_int_equal(rouse_run(loop), -EDEADLK);
    assert_non_null(strstr(rouse_error(loop), "nothing is to come that could end the wait"));
    CHECK_JOURNAL("");
    assert_int_equal(rouse_sim_write(pipe[1], "x", 1), 1);
    CHECK_OK(loop, rouse_run(loop));
    CHECK_JOURNAL("r");
    CHECK_OK(NULL, rouse_sim_close(pipe[1]));
}

/* It says so in words, and runs again once there is something to come. */
static void loop_that_nothing_can_wake_says_so(void **state)
{
    (void)state;
    on_each(wait_in_vain);
}

/* ---- Wakes ---- */

static void wake(struct rouse_sim_event *event)
{
    (void)event;
    CHECK_OK(loop, rouse_wake(loop));
}

static void be_woken(void)
{
    struct rouse_sim_event event = {.fn = wake};
    CHECK_OK(NULL, rouse_sim_at(&event, 500));
    assert_int_equal(rouse_turn(loop, -1), 0);
    assert_int_equal(rouse_sim_now(), 500);
    CHECK_OK(loop, rouse_wake(loop));
    CHECK_OK(NULL, rouse_sim_sleep(100)); /* it is not for this sleep */
    assert_int_equal(rouse_sim_now(), 600);
    uint64_t slept = rouse_sim_count(ROUSE_SIM_SLEPT);
    assert_int_equal(rouse_turn(loop, -1), 0);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_SLEPT),
                     slept);                   /* but the loop does not sleep then */
    assert_int_equal(rouse_turn(loop, 50), 0); /* and once */
    assert_int_equal(rouse_sim_now(), 650);
}

static void wake_ends_a_wait_of_the_loop_and_no_other_sleep(void **state)
{
    (void)state;
    on_each(be_woken);
}

static void stop(struct rouse_task *task)
{
    (void)task;
    journal_write('s');
    CHECK_OK(loop, rouse_stop(loop));
}

static struct rouse_task stopper;

static void post(struct rouse_sim_event *event)
{
    (void)event;
    CHECK_OK(loop, rouse_post(loop, &stopper));
}

static int post_later(struct rouse_sim_task *task)
{
    (void)task;
    if (rouse_sim_sleep(300) == -ROUSE_SIM_ASLEEP)
        return 1;
    post(NULL);
    return 0;
}

static void be_stopped(void)
{
    struct rouse_sim_event event = {.fn = post};
    struct rouse_sim_task task = {.run = post_later};
    rouse_task_init(&stopper, stop);
    CHECK_OK(loop, rouse_hold(loop));
    CHECK_OK(NULL, rouse_sim_at(&event, 200));
    assert_int_equal(rouse_run(loop), 1);
    assert_int_equal(rouse_sim_now(), 200);
    CHECK_OK(NULL, rouse_sim_start(&task));
    assert_int_equal(rouse_run(loop), 1);
    assert_int_equal(rouse_sim_now(), 500);
    CHECK_JOURNAL("ss");
}

static void run_is_ended_by_what_an_event_or_a_task_posts(void **state)
{
    (void)state;
    on_each(be_stopped);
}

/* ---- Where it runs ---- */

static int turns_here(struct rouse_sim_task *task)
{
    (void)task;
    assert_int_equal(rouse_turn(loop, -1), -EPERM);
    assert_int_equal(task->state, ROUSE_SIM_RUNNING);
    journal_write('t');
    return 0;
}

static void turns_there(struct rouse_sim_event *event)
{
    (void)event;
    assert_int_equal(rouse_turn(loop, -1), -EPERM);
    journal_write('e');
}

static void be_run_elsewhere(void)
{
    struct rouse_sim_event event = {.fn = turns_there};
    struct rouse_sim_task task = {.run = turns_here};
    CHECK_OK(NULL, rouse_sim_start(&task));
    CHECK_OK(NULL, rouse_sim_at(&event, 10));
    sim_pass(20);
    CHECK_JOURNAL("te");
    assert_int_equal(rouse_turn(loop, 30), 0);
    assert_int_equal(rouse_sim_now(), 50);
}

static void loop_runs_in_the_first_task_only(void **state)
{
    (void)state;
    on_each(be_run_elsewhere);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(loop_that_nothing_can_wake_says_so),
        CASE(wake_ends_a_wait_of_the_loop_and_no_other_sleep),
        CASE(run_is_ended_by_what_an_event_or_a_task_posts),
        CASE(loop_runs_in_the_first_task_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
