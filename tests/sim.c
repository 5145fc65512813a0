/*
 * The machine as a whole: one at a time, booted and halted, with whatever is open, asleep or on its
 * way when it ends.
 *
 * SPDX-License-Identifier: MIT
 */
#include "sim.h"

static void one_machine_at_a_time(void **state)
{
    (void)state;
    assert_int_equal(rouse_sim_boot(NULL), -EBUSY);
    rouse_sim_halt();
    assert_int_equal(rouse_sim_boot(NULL), 0);
    assert_int_equal(rouse_sim_halt(), 0);
    assert_int_equal(rouse_sim_halt(), 0);
}

static void config_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    rouse_sim_halt();
    struct rouse_sim_config config = {.size = sizeof config - 1};
    assert_int_equal(rouse_sim_boot(&config), -EINVAL);
    config = (struct rouse_sim_config){.size = sizeof config, .latency = -1};
    assert_int_equal(rouse_sim_boot(&config), -EINVAL);
    config = (struct rouse_sim_config){.size = sizeof config, .descriptors = UINT32_MAX};
    assert_int_equal(rouse_sim_boot(&config), -EINVAL);
    config = (struct rouse_sim_config){.size = sizeof config, .room = UINT32_MAX};
    assert_int_equal(rouse_sim_boot(&config), -EINVAL);
    assert_null(rouse_sim_first());
}

static void boot_without_memory_leaves_nothing(void **state)
{
    (void)state;
    rouse_sim_halt();
    struct rouse_sim_config config = {.size = sizeof config, .allocator = &sim_counted};
    for (sim_memory.before = 0; sim_memory.before < 2;) {
        int64_t had = sim_memory.before;
        assert_int_equal(rouse_sim_boot(&config), -ENOMEM);
        assert_int_equal(sim_memory.bytes, 0);
        assert_null(rouse_sim_first());
        sim_memory.before = had + 1;
    }
    assert_int_equal(rouse_sim_boot(&config), 0);
    assert_int_equal(sim_memory.before, 0);
}

static void without_a_machine_every_call_says_so(void **state)
{
    (void)state;
    rouse_sim_halt();
    rouse_fd fds[2];
    struct rouse_sim_pollfd entry = {.fd = -1};
    struct rouse_sim_task task = {.run = actor_run};
    struct rouse_sim_event event = {.time = 0};
    assert_int_equal(rouse_sim_pipe(fds), -EINVAL);
    assert_int_equal(rouse_sim_pair(fds), -EINVAL);
    assert_int_equal(rouse_sim_socket(), -EINVAL);
    assert_int_equal(rouse_sim_listen(1), -EINVAL);
    assert_int_equal(rouse_sim_epoll_create(), -EINVAL);
    assert_int_equal(rouse_sim_start(&task), -EINVAL);
    assert_int_equal(rouse_sim_sleep(1), -EINVAL);
    assert_int_equal(rouse_sim_compute(1), -EINVAL);
    assert_int_equal(rouse_sim_at(&event, 1), -EINVAL);
    assert_int_equal(rouse_sim_poll(&entry, 1, 0), -EINVAL);
    assert_int_equal(rouse_sim_select(0, NULL, NULL, NULL, 0), -EINVAL);
    assert_int_equal(rouse_sim_close(0), -EBADF);
    rouse_sim_cancel(&event);
    rouse_sim_interrupt(NULL);
    rouse_sim_fail(&(struct rouse_sim_faults){.late = 1});
    assert_int_equal(rouse_sim_now(), 0);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_CALLED), 0);
    assert_null(rouse_sim_first());
    assert_null(rouse_sim_queued(0));
}

static void loop_needs_a_machine(void **state)
{
    (void)state;
    static const char *const names[] = {"sim:select", "sim:poll", "sim:epoll"};
    rouse_sim_halt();
    for (int i = 0; i < 3; i++) {
        char why[200] = "";
        struct rouse_config config = {
            .size = sizeof config, .backend = names[i], .why = why, .why_size = sizeof why};
        struct rouse_loop *loop;
        assert_int_equal(rouse_open(&loop, &config), -ENODEV);
        assert_non_null(strstr(why, "rouse_sim_boot"));
    }
}

static void write_late(struct rouse_sim_event *event)
{
    (void)event;
    journal_write('!');
}

/* What a case leaves behind on purpose; the teardown weighs it. */
static void halt_with_everything_open(void **state)
{
    (void)state;
    sim_reboot((struct rouse_sim_config){.latency = 1000});
    static struct actor actors[4];
    static struct rouse_sim_event event = {.fn = write_late};
    rouse_fd pipe[2], pair[2];
    CHECK_OK(NULL, rouse_sim_pipe(pipe));
    CHECK_OK(NULL, rouse_sim_pair(pair));
    rouse_fd listener = OPENED(rouse_sim_listen(8));
    rouse_fd epoll = OPENED(rouse_sim_epoll_create());
    rouse_fd outer = OPENED(rouse_sim_epoll_create());
    CHECK_OK(NULL, rouse_sim_epoll_ctl(epoll, ROUSE_SIM_ADD, pipe[0], ROUSE_READ, 1));
    CHECK_OK(NULL, rouse_sim_epoll_ctl(epoll, ROUSE_SIM_ADD, pair[0], ROUSE_READ, 2));
    CHECK_OK(NULL, rouse_sim_epoll_ctl(outer, ROUSE_SIM_ADD, epoll, ROUSE_READ, 3));
    actor_start(&actors[0], 'a', actor_reads, pipe[0]);
    actor_start(&actors[1], 'b', actor_waits, outer);
    actor_start(&actors[2], 'c', actor_reads, pair[0]);
    actor_start(&actors[3], 'd', actor_rests, -1);
    rouse_fd client = OPENED(rouse_sim_connect(listener));
    sim_pass(900);
    OPENED(rouse_sim_connect(listener)); /* on its way still */
    sim_pass(100);
    assert_int_equal(sim_look(listener).received, 1); /* waits to be accepted */
    assert_int_equal(rouse_sim_write(client, "hello", 5), 5);
    CHECK_OK(NULL, rouse_sim_close(client)); /* with bytes on their way */
    CHECK_OK(NULL, rouse_sim_at(&event, rouse_sim_now() + 5));
    CHECK_JOURNAL("");
    assert_true(sim_memory.bytes > 0);
    assert_int_equal(rouse_sim_halt(), 8);
    assert_int_equal(sim_memory.bytes, 0);
    CHECK_JOURNAL("");
}

static void halt_now(struct rouse_sim_event *event)
{
    (void)event;
    assert_int_equal(rouse_sim_halt(), -EPERM);
    journal_write('e');
}

static int64_t halts(struct actor *self)
{
    (void)self;
    return rouse_sim_halt();
}

static void halt_is_for_the_first_task(void **state)
{
    (void)state;
    static struct actor a;
    struct rouse_sim_event event = {.fn = halt_now};
    CHECK_OK(NULL, rouse_sim_at(&event, 5));
    actor_start(&a, 'a', halts, -1);
    assert_int_equal(a.result, -EPERM);
    sim_pass(5);
    CHECK_JOURNAL("ae");
}

/* Set on one machine and due on none: a struct that is used again is not sought in the next one. */
static void event_that_a_halt_has_overtaken_is_free_again(void **state)
{
    (void)state;
    struct rouse_sim_event event = {.fn = write_late};
    CHECK_OK(NULL, rouse_sim_at(&event, 5));
    rouse_sim_halt();
    rouse_sim_cancel(&event);
    sim_reboot((struct rouse_sim_config){.seed = 2});
    CHECK_OK(NULL, rouse_sim_at(&event, 7));
    CHECK_OK(NULL, rouse_sim_sleep(10));
    CHECK_JOURNAL("!");
}

static void counts_begin_anew_with_each_machine(void **state)
{
    (void)state;
    OPENED(rouse_sim_epoll_create());
    CHECK_OK(NULL, rouse_sim_sleep(5));
    assert_int_equal(rouse_sim_count(ROUSE_SIM_SLEPT), 1);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_PASSED), 1);
    assert_int_equal(rouse_sim_count(ROUSE_SIM_WHATS), 0);
    assert_int_equal(rouse_sim_now(), 5);
    sim_reboot((struct rouse_sim_config){.seed = 1});
    for (int what = 0; what < ROUSE_SIM_WHATS; what++)
        assert_int_equal(rouse_sim_count((enum rouse_sim_what)what), 0);
    assert_int_equal(rouse_sim_now(), 0);
    assert_int_equal(OPENED(rouse_sim_socket()), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(one_machine_at_a_time),
        CASE(config_that_makes_no_sense_is_refused),
        CASE(boot_without_memory_leaves_nothing),
        CASE(without_a_machine_every_call_says_so),
        CASE(loop_needs_a_machine),
        CASE(halt_with_everything_open),
        CASE(halt_is_for_the_first_task),
        CASE(event_that_a_halt_has_overtaken_is_free_again),
        CASE(counts_begin_anew_with_each_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
