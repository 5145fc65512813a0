/*
 * io_uring when the kernel says no, to the rings and to calls while they are in use. See
 * kernel_io_uring.h for how it is made to. What is refused when the loop is opened is said in
 * words, and a list goes on to the next backend; what fails later passes, or ends the run with an
 * error that the next run mends.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* setenv, and what liburing.h needs */
#include "kernel_io_uring_pair.h"

/* ---- Rings that are refused ---------------------------------------------------------------- */

/* A backend that a list may name after io_uring. */
static const char *another(void)
{
    for (unsigned i = 0; rouse_rung_at(i) != NULL; i++) {
        const struct rouse_backend *backend = rouse_rung_at(i)->backend;
        if (backend != NULL && !(backend->traits & ROUSE_TRAIT_OPT_IN))
            return rouse_rung_at(i)->name;
    }
    return NULL;
}

/* A single name fails with `error` and these words; a list goes on, and says why. */
static void check_refused(int error, const char *word, const char *other_word)
{
    char why[256] = "", list[64];
    unsigned descriptors = world_open_descriptors();
    struct rouse_config config = {
        .size = sizeof config, .backend = "io_uring", .why = why, .why_size = sizeof why};
    assert_int_equal(rouse_open(&loop, &config), error);
    assert_null(loop);
    assert_non_null(strstr(why, "io_uring: io_uring_setup: "));
    assert_non_null(strstr(why, word));
    assert_non_null(strstr(why, other_word));
    assert_int_equal(world_open_descriptors(), descriptors);
    if (another() == NULL)
        return;
    snprintf(list, sizeof list, "io_uring,%s", another());
    config.backend = list;
    CHECK_OK(NULL, rouse_open(&loop, &config));
    assert_string_equal(rouse_backend_name(loop), another());
    assert_memory_equal(rouse_passed_over(loop), "io_uring: io_uring_setup: ", 26);
    assert_non_null(strstr(rouse_passed_over(loop), word));
    CHECK_OK(NULL, rouse_close(loop));
    assert_int_equal(world_open_descriptors(), descriptors);
}

/* P7, P8, N4: containers forbid it, old kernels do not have it, a limit is reached. */
static void refused_rings_are_a_reason_in_words(void **state)
{
    (void)state;
    static const struct {
        int error;
        const char *word, *other_word;
    } refusals[] = {
        {-EPERM, "seccomp", "kernel.io_uring_disabled"},
        {-ENOSYS, "kernel", "5.13"},
        {-ENOMEM, "memory", "ulimit -l"},
        {-EMFILE, "open files", ""},
        {-ENFILE, "open files", ""},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        kernel.setup_error = refusals[i].error;
        check_refused(refusals[i].error, refusals[i].word, refusals[i].other_word);
    }
}

/* Linux 5.1 to 5.5 have rings, and refuse every flag that is asked for; those up to 5.12 have no
 * multishot polls, which is seen by another feature as old as these. */
static void kernel_without_multishot_polls_is_refused_with_its_version(void **state)
{
    (void)state;
    kernel.no_features = IORING_FEAT_RSRC_TAGS;
    check_refused(-ENOSYS, "multishot", "5.13");
    kernel.unknown_flags = ~0U;
    char why[256] = "";
    struct rouse_config config = {
        .size = sizeof config, .backend = "io_uring", .why = why, .why_size = sizeof why};
    assert_true(rouse_open(&loop, &config) < 0);
    assert_non_null(strstr(why, "5.13"));
}

/* P11: nobody gets it who has not asked for it, not even when nothing else can be had. */
static void rings_are_never_the_default(void **state)
{
    (void)state;
    bool found = false;
    for (unsigned i = 0; rouse_rung_at(i) != NULL; i++) {
        const struct rouse_rung *rung = rouse_rung_at(i);
        found |= strcmp(rung->name, "io_uring") == 0;
        assert_true(!found || rung->backend == NULL ||
                    (rung->backend->traits & ROUSE_TRAIT_OPT_IN));
    }
    assert_true(found);
    CHECK_OK(NULL, unsetenv("ROUSE_BACKEND"));
    int opened = rouse_open(&loop, NULL);
    long limit = 0;
    assert_true(opened == 0 || another() == NULL);
    if (opened == 0) {
        assert_string_not_equal(rouse_backend_name(loop), "io_uring");
        assert_string_equal(rouse_passed_over(loop), "");
        CHECK_OK(NULL, rouse_close(loop));
    }
    CHECK_OK(NULL, world_limit_descriptors(3, &limit));
    opened = rouse_open(&loop, NULL);
    CHECK_OK(NULL, world_limit_descriptors(limit, NULL));
    assert_true(opened < 0);
    assert_int_equal(seen.setups, 0);
    CHECK_OK(NULL, setenv("ROUSE_BACKEND", "io_uring", 1));
}

/* ---- Calls that fail while it runs --------------------------------------------------------- */

static const int passing[] = {-EINTR, -EAGAIN, -EBUSY, -ENOMEM, -ETIME};
enum { PASSING = sizeof passing / sizeof *passing };

/* A call that fails for a while has handed over nothing, and waited for nothing. */
static void check_passes(int error, unsigned times)
{
    for (unsigned passes = 0; passes < 3; passes++) {
        kernel_fails(error, passes, times);
        check_both_are_told();
    }
    kernel_fails(error, 0, times);
    CHECK_OK(loop, rouse_io_want(&a.io, ROUSE_READ | ROUSE_WRITE));
    CHECK_OK(loop, rouse_turn(loop, 0));
    CHECK_OK(loop, rouse_io_want(&a.io, ROUSE_READ));
    CHECK_OK(loop, rouse_turn(loop, 0));
    check_both_are_told();
    assert_int_equal(seen.met, times);
}

static void failures_that_pass_are_no_errors(void **state)
{
    (void)state;
    for (int age = 0; age < KERNEL_AGES; age++) {
        kernel_is_older(age);
        begin();
        for (int i = 0; i < PASSING; i++) {
            check_passes(passing[i], 1);
            check_passes(passing[i], 7);
        }
        assert_int_equal(stage_counters(loop).rebuilds, 0);
        end();
    }
}

/* The sleeping call, with a timeout and without. */
static void failed_sleep_only_costs_a_turn(void **state)
{
    (void)state;
    struct player t;
    begin();
    for (int i = 0; i < PASSING; i++) {
        kernel_fails(passing[i], 0, 2);
        assert_int_equal(rouse_turn(loop, -1), 0);
        assert_int_equal(rouse_turn(loop, -1), 0);
        assert_int_equal(seen.met, 2);
        player_init(&t, loop, 't', NULL);
        int64_t begun = world_now();
        CHECK_OK(loop, rouse_timer_after(loop, &t.timer, 2000000, 0));
        kernel_fails(passing[i], 0, 2);
        while (rouse_timer_active(&t.timer))
            CHECK_OK(loop, rouse_turn(loop, -1));
        assert_in_range(seen.met, 0,
                        2); /* fewer if the machine is so slow that it is due by then */
        assert_true(world_now() - begun >= 2000000);
        kernel.times = 0;
        journal_take();
        check_both_are_told();
    }
    end();
}

static void ring_that_is_lost_ends_the_run_and_the_next_has_another(void **state)
{
    (void)state;
    static const int errors[] = {-EBADR, -EBADF, -EINVAL, -EFAULT, -EOPNOTSUPP, -EEXIST};
    begin();
    for (unsigned i = 0; i < sizeof errors / sizeof *errors; i++) {
        unsigned descriptors = world_open_descriptors();
        kernel_fails(errors[i], 0, 1);
        assert_int_equal(rouse_run(loop), errors[i]);
        assert_int_equal(seen.met, 1);
        assert_non_null(strstr(rouse_error(loop), strerror(-errors[i])));
        check_both_are_told();
        assert_int_equal(stage_counters(loop).rebuilds, i + 1);
        check_level();
        check_edge();
        assert_int_equal(world_open_descriptors(), descriptors);
    }
    end();
}

enum { MANY = 64 };

/* P1: the kernel has no memory for a completion that does not fit, and says so once: EBADR. Whose
 * it was nobody knows, so all must be asked anew; also if there is something to report beside it,
 * or if it is said to a call that only fetches more; Linux 6.1 needs no second call, though. */
static void lost_completion_is_told_anew(void **state)
{
    (void)state;
    if (!kernel_knows(FLAGS_OF_5_19))
        SKIP("the kernel tells nobody of lost completions (Linux 5.19)");
    struct player many[MANY];
    rouse_fd pairs[MANY][2];
    for (unsigned time = 1; time <= 3; time++) {
        loop = stage_open(NULL);
        for (int i = 0; i < MANY; i++) {
            player_init(&many[i], loop, '.', take_all);
            CHECK_OK(NULL, world_pair(WORLD_PIPE, pairs[i]));
            CHECK_OK(loop, rouse_io_start(loop, &many[i].io, pairs[i][0], ROUSE_READ | ROUSE_EDGE));
        }
        CHECK_OK(loop, rouse_turn(loop, 0));
        for (int i = 0; i < MANY; i++)
            assert_int_equal(world_send(pairs[i][1], "x", 1), 1);
        kernel.loses = time;
        seen.met = 0;
        for (unsigned i = 0; i < 20; i++) {
            int result = rouse_turn(loop, 0);
            assert_true(result >= 0 || result == -EBADR);
        }
        assert_true(seen.met == 1 || time > 1);
        for (int i = 0; i < MANY; i++) {
            assert_int_equal(world_ready(pairs[i][0], ROUSE_READ), 0); /* was called, and read */
            CHECK_OK(loop, rouse_io_close(&many[i].io));
            CHECK_OK(NULL, world_close(pairs[i][1]));
        }
        CHECK_OK(NULL, rouse_close(loop));
    }
}

#define CASE(name) cmocka_unit_test_setup(name, kernel_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(refused_rings_are_a_reason_in_words),
        CASE(kernel_without_multishot_polls_is_refused_with_its_version),
        CASE(rings_are_never_the_default),
        CASE(failures_that_pass_are_no_errors),
        CASE(failed_sleep_only_costs_a_turn),
        CASE(ring_that_is_lost_ends_the_run_and_the_next_has_another),
        CASE(lost_completion_is_told_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
