/*
 * Which backend runs: a name, a list, the environment, the default, or one of the user's own. A
 * name that cannot be had is an error and never something else; a list falls back, and says why.
 * Runs once, for it chooses among all backends itself.
 *
 * SPDX-License-Identifier: MIT
 */
#include <rouse/sim.h>

#include "stage.h"

enum { WHY = 512 };

static char why[WHY];

static int set_up(void **state)
{
    (void)state;
    memset(why, '?', sizeof why);
    return world_setenv("ROUSE_BACKEND", NULL);
}

/* Opens a loop on `list`; NULL with the error in `*error`. */
static struct rouse_loop *open_list(const char *list, int *error)
{
    struct rouse_config config = {
        .size = sizeof config, .backend = list, .why = why, .why_size = WHY};
    struct rouse_loop *loop = (struct rouse_loop *)(void *)&config; /* anything but NULL */
    *error = rouse_open(&loop, &config);
    assert_int_equal(*error == 0, loop != NULL);
    return loop;
}

/* Of those that are compiled in and can stand alone. */
static const struct rouse_rung *rung_compiled_in(unsigned which)
{
    const struct rouse_rung *rung;
    for (unsigned i = 0; (rung = rouse_rung_at(i)) != NULL; i++)
        if (rung->backend != NULL && !(rung->backend->traits & ROUSE_TRAIT_WRAPS) && which-- == 0)
            return rung;
    return NULL;
}

/* The first that stands before another, or the case ends as skipped. */
static const char *wrapper_compiled_in(void)
{
    const struct rouse_rung *rung;
    unsigned i = 0;
    while ((rung = rouse_rung_at(i)) != NULL &&
           (rung->backend == NULL || !(rung->backend->traits & ROUSE_TRAIT_WRAPS)))
        i++;
    if (rung == NULL)
        SKIP("no backend of this build wraps another");
    return rung->name;
}

static const char *compiled_in(unsigned which)
{
    const struct rouse_rung *rung = rung_compiled_in(which);
    return rung != NULL ? rung->name : NULL;
}

static const char *last_compiled_in(void)
{
    unsigned n = 0;
    while (compiled_in(n + 1) != NULL)
        n++;
    return compiled_in(n);
}

static void check_opens(const char *list, const char *expected, const char *passed_over)
{
    int error;
    struct rouse_loop *loop = open_list(list, &error);
    if (error != 0)
        fail_msg("\"%s\": %s", list, why);
    assert_string_equal(rouse_backend_name(loop), expected);
    assert_string_equal(rouse_passed_over(loop), passed_over);
    assert_string_equal(rouse_error(loop), "");
    assert_int_equal(rouse_turn(loop, 0), 0);
    CHECK_OK(NULL, rouse_close(loop));
}

/* The default: the first one, and those before it that are missing from this build. */
static void check_opens_default(void)
{
    char passed_over[512] = "";
    size_t length = 0;
    const struct rouse_rung *rung;
    for (unsigned i = 0; (rung = rouse_rung_at(i))->backend == NULL; i++)
        length += (size_t)snprintf(passed_over + length, sizeof passed_over - length, "%s: %s\n",
                                   rung->name, rung->missing);
    check_opens(NULL, compiled_in(0), passed_over);
}

static void check_fails(const char *list, int expected)
{
    int error;
    unsigned descriptors = world_open_descriptors();
    assert_null(open_list(list, &error));
    assert_int_equal(error, expected);
    assert_int_equal(world_open_descriptors(), descriptors);
}

static void rungs_are_complete(void **state)
{
    (void)state;
    bool opt_in = false;
    unsigned n = 0;
    for (const struct rouse_rung *rung; (rung = rouse_rung_at(n)) != NULL; n++) {
        assert_int_equal(rung->backend == NULL, rung->missing != NULL);
        if (rung->backend == NULL)
            continue;
        const struct rouse_backend *backend = rung->backend;
        assert_string_equal(backend->name, rung->name);
        assert_int_equal(backend->abi, ROUSE_BACKEND_ABI);
        assert_true(backend->open && backend->close && backend->poll && backend->drop);
        assert_true(!opt_in || (backend->traits & ROUSE_TRAIT_OPT_IN)); /* those stand last */
        opt_in = backend->traits & ROUSE_TRAIT_OPT_IN;
        assert_true(opt_in || !(backend->traits & (ROUSE_TRAIT_LESSON | ROUSE_TRAIT_WRAPS)));
    }
    assert_true(n >= 3);
    assert_null(rouse_rung_at(n));
    assert_null(rouse_rung_at(UINT32_MAX));
}

static void every_backend_opens_by_its_name(void **state)
{
    (void)state;
    for (unsigned i = 0; compiled_in(i) != NULL; i++)
        check_opens(compiled_in(i), compiled_in(i), "");
}

static void loops_on_different_backends_live_side_by_side(void **state)
{
    (void)state;
    struct rouse_loop *loops[32];
    struct player players[32];
    rouse_fd ends[2];
    int error;
    unsigned n = 0;
    CHECK_OK(NULL, world_pair(WORLD_ANY, ends));
    for (unsigned i = 0; compiled_in(i) != NULL && n < 32; i++) {
        if (rung_compiled_in(i)->backend->system != NULL)
            continue; /* its descriptors are others */
        loops[n] = open_list(compiled_in(i), &error);
        assert_int_equal(error, 0);
        player_init(&players[n], loops[n], (char)('a' + n), NULL);
        CHECK_OK(loops[n], rouse_io_start(loops[n], &players[n].io, ends[0], ROUSE_READ));
        n++;
    }
    journal_take();
    assert_int_equal(world_send(ends[1], "x", 1), 1);
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(rouse_turn(loops[i], -1), 1);
        char word[2] = {(char)('a' + i), '\0'};
        CHECK_JOURNAL(word);
    }
    while (n > 0)
        CHECK_OK(NULL, rouse_close(loops[--n]));
    CHECK_OK(NULL, world_close(ends[0]));
    CHECK_OK(NULL, world_close(ends[1]));
}

static void default_is_the_first_that_opens(void **state)
{
    (void)state;
    check_opens_default();
    struct rouse_loop *loop = NULL;
    CHECK_OK(NULL, rouse_open(&loop, NULL));
    assert_string_equal(rouse_backend_name(loop), compiled_in(0));
    CHECK_OK(NULL, rouse_close(loop));
}

static void environment_names_the_backend_unless_the_program_does(void **state)
{
    (void)state;
    assert_int_equal(world_setenv("ROUSE_BACKEND", last_compiled_in()), 0);
    check_opens(NULL, last_compiled_in(), "");
    check_opens(compiled_in(0), compiled_in(0), "");
    assert_int_equal(world_setenv("ROUSE_BACKEND", "nonesuch"), 0);
    check_fails(NULL, -ENOENT);
    assert_non_null(strstr(why, "nonesuch"));
    assert_int_equal(world_setenv("ROUSE_BACKEND", ""), 0);
    check_opens_default();
}

static void unknown_name_fails_and_the_words_list_what_there_is(void **state)
{
    (void)state;
    check_fails("nonesuch", -ENOENT);
    assert_non_null(strstr(why, "nonesuch"));
    const struct rouse_rung *rung;
    for (unsigned i = 0; (rung = rouse_rung_at(i)) != NULL; i++) {
        assert_non_null(strstr(why, rung->name));
        if (rung->missing != NULL)
            assert_non_null(strstr(why, rung->missing));
    }
}

static void names_are_taken_as_they_are(void **state)
{
    (void)state;
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strlen(compiled_in(0)) - 1, compiled_in(0));
    check_fails(name, -ENOENT); /* a part of one */
    snprintf(name, sizeof name, "%sx", compiled_in(0));
    check_fails(name, -ENOENT);
    snprintf(name, sizeof name, "%c%s", compiled_in(0)[0] - 'a' + 'A', compiled_in(0) + 1);
    check_fails(name, -ENOENT);
    snprintf(name, sizeof name, "%s;%s", compiled_in(0), last_compiled_in());
    check_fails(name, -ENOENT);
}

static void list_falls_back_and_says_why(void **state)
{
    (void)state;
    char list[128];
    snprintf(list, sizeof list, "nonesuch,%s,neither", last_compiled_in());
    int error;
    struct rouse_loop *loop = open_list(list, &error);
    assert_int_equal(error, 0);
    assert_string_equal(rouse_backend_name(loop), last_compiled_in());
    const char *passed_over = rouse_passed_over(loop);
    assert_memory_equal(passed_over, "nonesuch: ", 10);
    assert_true(strlen(passed_over) > 12);
    assert_null(strstr(passed_over, "neither")); /* never tried */
    /* One line. */
    assert_ptr_equal(strchr(passed_over, '\n'), passed_over + strlen(passed_over) - 1);
    CHECK_OK(NULL, rouse_close(loop));
}

static void list_of_which_nothing_opens_says_why_of_each(void **state)
{
    (void)state;
    check_fails("nonesuch,neither", -ENOENT);
    assert_non_null(strstr(why, "nonesuch"));
    assert_non_null(strstr(why, "neither"));
}

static void empty_entries_of_a_list_are_none(void **state)
{
    (void)state;
    char list[128];
    snprintf(list, sizeof list, ",,%s,", last_compiled_in());
    check_opens(list, last_compiled_in(), "");
    check_fails(",", -ENOENT);
    assert_true(strlen(why) > 0);
}

static void missing_backend_is_passed_over_with_the_reason(void **state)
{
    (void)state;
    const struct rouse_rung *rung;
    unsigned i = 0;
    while ((rung = rouse_rung_at(i)) != NULL && rung->missing == NULL)
        i++;
    if (rung == NULL)
        SKIP("no backend is left out of this build");
    char list[128];
    snprintf(list, sizeof list, "%s,%s", rung->name, compiled_in(0));
    char expected[256];
    snprintf(expected, sizeof expected, "%s: %s\n", rung->name, rung->missing);
    check_opens(list, compiled_in(0), expected);
    check_fails(rung->name, -ENOENT);
}

/* A name put together as by printf; until the next one is. */
static const char *composed(const char *format, ...)
{
    static char name[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    return name;
}

static void wrapper_stands_before_every_other(void **state)
{
    (void)state;
    const char *wrapper = wrapper_compiled_in();
    for (unsigned i = 0; compiled_in(i) != NULL; i++) {
        const char *name = composed("%s:%s", wrapper, compiled_in(i));
        check_opens(name, name, "");
        assert_int_equal(world_setenv("ROUSE_BACKEND", name), 0);
        check_opens(NULL, name, "");
    }
}

/* What is said of a name that cannot be had: that it is that name, and why. */
static void check_refused(const char *name, int error, const char *reason)
{
    check_fails(name, error);
    char words[256];
    snprintf(words, sizeof words, "%s: %s", name, reason);
    if (strstr(why, words) == NULL)
        fail_msg("\"%s\" is not in: %s", words, why);
}

static void wrapper_needs_one_other_and_others_take_none(void **state)
{
    (void)state;
    const char *wrapper = wrapper_compiled_in();
    const char *first = compiled_in(0);
    const char *alone = "it wraps another backend: name one after a colon";
    const char *unknown = "not a backend of this library";
    check_refused(wrapper, -EINVAL, alone);
    check_refused(composed("%s:", wrapper), -ENOENT, unknown);
    check_refused(composed("%s:nonesuch", wrapper), -ENOENT, unknown);
    check_refused(composed("%s:%s:", wrapper, first), -ENOENT, unknown);
    check_refused(composed("%s:%s:%s", wrapper, wrapper, first), -ENOENT, unknown);
    check_refused(composed("%s:%s", wrapper, wrapper), -EINVAL, "it wraps no other that wraps");
    check_refused(composed("%s:%s", first, last_compiled_in()), -EINVAL,
                  "it takes nothing after its name");
    check_refused(composed("%s:", first), -EINVAL, "it takes nothing after its name");
    check_refused(composed("nonesuch:%s", first), -ENOENT, unknown);
    check_refused(composed(":%s", first), -ENOENT, unknown);

    char list[128];
    char passed_over[256];
    snprintf(list, sizeof list, "%s,%s", wrapper, first);
    snprintf(passed_over, sizeof passed_over, "%s: %s\n", wrapper, alone);
    check_opens(list, first, passed_over);
}

static struct rouse_backend renamed(void)
{
    struct rouse_backend backend = *rung_compiled_in(0)->backend;
    backend.name = "renamed";
    return backend;
}

static int open_never(void *state, const struct rouse_setup *setup)
{
    (void)state;
    snprintf(setup->why, setup->why_size, "this one never opens");
    return -ENODEV;
}

/* Whatever the environment says; and it can be one name in a list. */
static void own_backend_is_used_when_nothing_or_its_name_is_named(void **state)
{
    (void)state;
    struct rouse_backend own = renamed();
    const char *const names[] = {NULL, "renamed", "nonesuch,renamed"};
    assert_int_equal(world_setenv("ROUSE_BACKEND", "nonesuch"), 0);
    for (int i = 0; i < 3; i++) {
        struct rouse_config config = {.size = sizeof config, .backend = names[i], .own = &own};
        struct rouse_loop *loop = NULL;
        CHECK_OK(NULL, rouse_open(&loop, &config));
        assert_string_equal(rouse_backend_name(loop), "renamed");
        assert_int_equal(rouse_turn(loop, 0), 0);
        CHECK_OK(NULL, rouse_close(loop));
    }
    struct rouse_config config = {.size = sizeof config, .backend = "nonesuch", .own = &own};
    struct rouse_loop *loop = NULL;
    assert_int_equal(rouse_open(&loop, &config), -ENOENT);
}

static void own_backend_stands_behind_a_wrapper_by_its_name(void **state)
{
    (void)state;
    struct rouse_backend own = renamed();
    const char *name = composed("%s:renamed", wrapper_compiled_in());
    struct rouse_config config = {.size = sizeof config, .backend = name, .own = &own};
    struct rouse_loop *loop = NULL;
    CHECK_OK(NULL, rouse_open(&loop, &config));
    assert_string_equal(rouse_backend_name(loop), name);
    assert_int_equal(rouse_turn(loop, 0), 0);
    CHECK_OK(NULL, rouse_close(loop));
    check_fails(name, -ENOENT); /* nobody else has it */
    own.abi++;
    config.why = why;
    config.why_size = WHY;
    assert_int_equal(rouse_open(&loop, &config), -ENOTSUP);
    assert_non_null(strstr(why, "version"));
}

static void own_backend_for_another_contract_is_refused(void **state)
{
    (void)state;
    for (int wrong = -1; wrong <= 1; wrong += 2) {
        struct rouse_backend own = renamed();
        own.abi = (uint32_t)(ROUSE_BACKEND_ABI + wrong);
        struct rouse_config config = {
            .size = sizeof config, .own = &own, .why = why, .why_size = WHY};
        struct rouse_loop *loop = NULL;
        assert_int_equal(rouse_open(&loop, &config), -ENOTSUP);
        assert_null(loop);
        assert_non_null(strstr(why, "version"));
    }
}

static void own_backend_that_does_not_open_says_why(void **state)
{
    (void)state;
    struct rouse_backend own = renamed();
    own.open = open_never;
    struct rouse_config config = {.size = sizeof config, .own = &own, .why = why, .why_size = WHY};
    struct rouse_loop *loop = NULL;
    assert_int_equal(rouse_open(&loop, &config), -ENODEV);
    assert_null(loop);
    assert_non_null(strstr(why, "this one never opens"));
}

static void words_are_cut_where_their_room_ends(void **state)
{
    (void)state;
    for (size_t room = 0; room < 80; room++) {
        memset(why, '?', sizeof why);
        struct rouse_config config = {
            .size = sizeof config, .backend = "nonesuch", .why = why, .why_size = room};
        struct rouse_loop *loop = NULL;
        assert_int_equal(rouse_open(&loop, &config), -ENOENT);
        assert_int_equal(why[room], '?');
        if (room > 0)
            assert_true(memchr(why, '\0', room) != NULL);
    }
    struct rouse_config config = {.size = sizeof config, .backend = "nonesuch", .why_size = WHY};
    struct rouse_loop *loop = NULL;
    assert_int_equal(rouse_open(&loop, &config), -ENOENT); /* no buffer at all */
}

static void config_of_another_size_is_read_as_far_as_it_is_known(void **state)
{
    (void)state;
    struct {
        struct rouse_config config;
        char future[16];
    } newer = {.config = {.size = sizeof newer}};
    struct rouse_loop *loop = NULL;
    CHECK_OK(NULL, rouse_open(&loop, &newer.config)); /* says nothing that is not known */
    CHECK_OK(NULL, rouse_close(loop));
    newer.future[3] = 1;
    assert_int_equal(rouse_open(&loop, &newer.config), -EINVAL);
    assert_null(loop);
    struct rouse_config none = {.size = 0};
    assert_int_equal(rouse_open(&loop, &none), -EINVAL);
    struct rouse_config older = {.size = offsetof(struct rouse_config, own),
                                 .backend = last_compiled_in()};
    older.own = (const struct rouse_backend *)(const void *)why; /* was not there then */
    CHECK_OK(NULL, rouse_open(&loop, &older));
    assert_string_equal(rouse_backend_name(loop), last_compiled_in());
    CHECK_OK(NULL, rouse_close(loop));
}

/* Opens `name` with `left` descriptors left to the process; true if it opened. */
static bool opens_with(const char *name, long left)
{
    rouse_fd lowest; /* all numbers below it are taken */
    long limit, ignored;
    int error = 0;
    if (world_limit_descriptors(-1, &limit) != 0)
        SKIP("this world cannot limit its descriptors");
    CHECK_OK(NULL, world_null(&lowest));
    CHECK_OK(NULL, world_close(lowest));
    CHECK_OK(NULL, world_limit_descriptors((long)lowest + left, &limit));
    struct rouse_loop *loop = open_list(name, &error);
    if (loop != NULL)
        rouse_close(loop);
    CHECK_OK(NULL, world_limit_descriptors(limit, &ignored));
    assert_true(error == 0 || error == -EMFILE);
    assert_true(error == 0 || strlen(why) > 0);
    return error == 0;
}

/* N4, N1: a failed open leaked what it had made so far. */
static void open_without_descriptors_left_fails_and_leaks_nothing(void **state)
{
    (void)state;
    unsigned held = world_open_descriptors();
    for (unsigned i = 0; compiled_in(i) != NULL; i++) {
        if (subject_emulates(rung_compiled_in(i)->backend))
            continue;
        long left = 0;
        while (!opens_with(compiled_in(i), left)) {
            assert_int_equal(world_open_descriptors(), held);
            assert_true(++left < 10);
        }
        /* The one by which it is woken, at least, unless it knows how to do without. */
        assert_true(left > 0 || rung_compiled_in(i)->backend->wake != NULL);
        assert_int_equal(world_open_descriptors(), held);
    }
}

/* For the backends that run on it. */
static int boot_machine(void **state)
{
    (void)state;
    return rouse_sim_boot(NULL);
}

static int halt_machine(void **state)
{
    (void)state;
    rouse_sim_halt();
    return 0;
}

#define CASE(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(rungs_are_complete),
        CASE(every_backend_opens_by_its_name),
        CASE(loops_on_different_backends_live_side_by_side),
        CASE(default_is_the_first_that_opens),
        CASE(environment_names_the_backend_unless_the_program_does),
        CASE(unknown_name_fails_and_the_words_list_what_there_is),
        CASE(names_are_taken_as_they_are),
        CASE(list_falls_back_and_says_why),
        CASE(list_of_which_nothing_opens_says_why_of_each),
        CASE(empty_entries_of_a_list_are_none),
        CASE(missing_backend_is_passed_over_with_the_reason),
        CASE(wrapper_stands_before_every_other),
        CASE(wrapper_needs_one_other_and_others_take_none),
        CASE(own_backend_is_used_when_nothing_or_its_name_is_named),
        CASE(own_backend_stands_behind_a_wrapper_by_its_name),
        CASE(own_backend_for_another_contract_is_refused),
        CASE(own_backend_that_does_not_open_says_why),
        CASE(words_are_cut_where_their_room_ends),
        CASE(config_of_another_size_is_read_as_far_as_it_is_known),
        CASE(open_without_descriptors_left_fails_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, boot_machine, halt_machine);
}
