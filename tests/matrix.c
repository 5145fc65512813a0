/*
 * What docs/backends.md says of a backend, measured: for each situation of the readiness matrix
 * what the backend that ROUSE_BACKEND names reports and what watchers are told, and what changes
 * and waits cost it. Printed as lines that check_backends.py reads; no judgement is made here.
 *
 * It runs against the library as it is installed, since tables that begin with room for one entry
 * would cost what no user pays. The cases are those of cmocka only so that a situation that this
 * world does not have is skipped, and a loop that leaks is noticed.
 *
 * SPDX-License-Identifier: MIT
 */
#include "matrix.h"
#include "contract_situations.h"

/* ---- Words -------------------------------------------------------------------------------- */

static const char *letters(uint32_t ready)
{
    static const char all[] = "RPWEH"; /* by the numbers of the bits */
    static char text[sizeof all];
    char *end = text;
    for (int bit = 0; all[bit] != '\0'; bit++)
        if (ready & 1u << bit)
            *end++ = all[bit];
    strcpy(end, end == text ? "-" : "");
    return text;
}

/* By name, for each system numbers its errors in its own way. */
static const char *name_of(int error)
{
    static const struct {
        int error;
        const char *name;
    } names[] = {
        {-EBADF, "EBADF"}, {-EINVAL, "EINVAL"}, {-ENOTSOCK, "ENOTSOCK"},
        {-EPERM, "EPERM"}, {-ERANGE, "ERANGE"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].error == error)
            return names[i].name;
    return strerror(-error);
}

/* What was told, or the error of what was refused. */
static void print_answer(uint32_t ready, int error)
{
    printf(" %s\n", error != 0 ? name_of(error) : letters(ready));
}

/* ---- Situations --------------------------------------------------------------------------- */

/* Whoever is not that thread is told nothing. */
static void signalfd_pending_for_one_thread(struct scene *scene)
{
    signalfd_idle(scene);
    MUST(world_signal_thread());
}

static void closed_descriptor(struct scene *scene)
{
    MUST(world_null(&scene->fd));
    MUST(world_close(scene->fd));
}

static void negative_descriptor(struct scene *scene)
{
    scene->fd = -1;
}

/* Those that are no part of the contract: one of which backends tell differently, and numbers that
 * stand for no open file, which no watcher can be started on. */
static const struct situation others[] = {
    {SITUATION(signalfd_pending_for_one_thread), {NULL}},
    {SITUATION(closed_descriptor), {NULL}},
    {SITUATION(negative_descriptor), {NULL}},
};

enum { ALL = SITUATIONS + sizeof others / sizeof others[0] };

static const struct situation *situation; /* of the case that runs */

static int begin_reports(void **state)
{
    situation = *state;
    return bare_setup(state);
}

static int begin_tells(void **state)
{
    situation = *state;
    return rig_setup(state);
}

static void finish(struct scene *scene)
{
    if (world_inherited(scene->fd) >= 0)
        scene_end(scene);
}

/* The backend is asked by itself, and not through bare_poll(), which takes guesses out. */
static void reports(void **state)
{
    struct bare *bare = *state;
    struct scene scene = SCENE_NONE;
    situation->make(&scene);
    struct rouse_change change = {
        .fd = scene.fd,
        .token = TOKEN(1, 0),
        .want = ROUSE_READ | ROUSE_PRIORITY | ROUSE_WRITE | ROUSE_HANGUP,
    };
    struct rouse_event event = {.ready = 0};
    MUST(bare->backend->poll(bare->state, &change, 1, &event, 1, 0));
    printf("reports %s", situation->name);
    print_answer(event.ready, event.result);
    if (event.result == 0)
        bare->backend->drop(bare->state, scene.fd, change.token);
    finish(&scene);
}

/* A watcher that remembers what its first call told. */
struct hearer {
    struct rouse_io io;
    uint32_t told;
    int error;
};

static void hear(struct rouse_io *io, uint32_t ready)
{
    struct hearer *hearer = (struct hearer *)io; /* its first member */
    hearer->told = ready;
    hearer->error = rouse_io_error(io);
}

static void tells(void **state)
{
    static const uint32_t wants[] = {ROUSE_READ,
                                     ROUSE_WRITE,
                                     ROUSE_PRIORITY,
                                     ROUSE_READ | ROUSE_WRITE,
                                     ROUSE_READ | ROUSE_PRIORITY | ROUSE_WRITE,
                                     0};
    static const struct {
        const char *name;
        uint32_t bits;
    } modes[] = {{"level", 0}, {"edge", ROUSE_EDGE}, {"oneshot", ROUSE_ONESHOT}};
    struct rig *rig = *state;
    struct scene scene = SCENE_NONE;
    situation->make(&scene);
    for (size_t mode = 0; mode < sizeof modes / sizeof modes[0]; mode++)
        for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++) {
            struct hearer hearer = {.told = 0};
            rouse_io_init(&hearer.io, hear);
            hearer.error =
                rouse_io_start(rig->loop, &hearer.io, scene.fd, wants[i] | modes[mode].bits);
            CHECK_OK(rig->loop, rouse_turn(rig->loop, 0));
            printf("tells %s %s %s", situation->name, modes[mode].name, letters(wants[i]));
            print_answer(hearer.told, hearer.error);
            CHECK_OK(rig->loop, rouse_io_stop(&hearer.io));
        }
    finish(&scene);
}

/* Whether it cannot be opened here; then why. */
static bool refused(void)
{
    char why[128] = "";
    struct rouse_loop *loop;
    struct rouse_config config = {
        .size = sizeof config, .backend = subject_name(), .why = why, .why_size = sizeof why};
    if (rouse_open(&loop, &config) == 0)
        return rouse_close(loop) != 0;
    printf("refused %s\n", why);
    return true;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* whole lines, wherever errors come between */
    if (getenv("ROUSE_TEST_LIST") == NULL && refused())
        return 0;
    struct CMUnitTest tests[2 * ALL + 2];
    size_t count = 0;
    tests[count++] = (struct CMUnitTest)BARE(matrix_backend);
    for (size_t i = 0; i < ALL; i++) {
        const struct situation *one = i < SITUATIONS ? &situations[i] : &others[i - SITUATIONS];
        void *initial = (void *)(uintptr_t)one;
        tests[count++] =
            (struct CMUnitTest){one->name, reports, begin_reports, bare_teardown, initial};
        tests[count++] = (struct CMUnitTest){one->name, tells, begin_tells, rig_teardown, initial};
    }
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(matrix_costs);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
