/*
 * The readiness matrix as a test: each situation of contract_situations.h is asked by level, edge
 * and one-shot watchers, whose first answers are alike, and must tell what is written there.
 *
 * SPDX-License-Identifier: MIT
 */
#include "contract_situations.h"

static const struct situation *situation; /* of the case that runs */

static uint32_t expected(const char *letters, rouse_fd fd)
{
    bool untold = strchr(letters, 'h') && !(world_ready(fd, ROUSE_READ) & ROUSE_HANGUP);
    bool knows = contract_has(ROUSE_TRAIT_HANGUP) && !untold;
    uint32_t ready = 0;
    for (; *letters; letters++)
        switch (*letters) {
        case 'R':
            ready |= ROUSE_READ;
            break;
        case 'W':
            ready |= ROUSE_WRITE;
            break;
        case 'P':
            ready |= ROUSE_PRIORITY;
            break;
        case 'w':
            ready |= knows ? ROUSE_WRITE : 0;
            break;
        case 'p':
            ready |= knows ? ROUSE_PRIORITY : 0;
            break;
        case 'E':
            ready |= ROUSE_ERROR;
            break;
        case 'h':
            ready |= untold ? 0 : ROUSE_HANGUP;
            break;
        case 'H':
            ready |= ROUSE_HANGUP;
            break;
        }
    return contract_told(ready);
}

static bool is_among(const struct situation *others, int count, uint32_t told, int want,
                     rouse_fd fd)
{
    for (int i = 0; i < count; i++)
        if (others[i].make == situation->make && told == expected(others[i].told[want], fd))
            return true;
    return false;
}

/* Whether kqueue or Winsock, which knows no pipes, may tell so. */
static bool may_be_told(uint32_t told, int want, rouse_fd fd)
{
    if (strcmp(subject_backend()->name, "kqueue") == 0)
        return is_among(kqueue_situations, KQUEUE_SITUATIONS, told, want, fd);
    return !world_has(WORLD_PIPE) &&
           is_among(winsock_situations, WINSOCK_SITUATIONS, told, want, fd);
}

static int begin(void **state)
{
    situation = *state;
    return rig_setup(state);
}

/* C1, C12: all that one situation says. */
static void readiness(void **state)
{
    static const uint32_t wants[4] = {ROUSE_READ, ROUSE_WRITE, ROUSE_READ | ROUSE_WRITE,
                                      ROUSE_PRIORITY};
    static const uint32_t modes[3] = {0, ROUSE_EDGE, ROUSE_ONESHOT};
    struct rig *rig = *state;
    struct scene scene = SCENE_NONE;
    situation->make(&scene);
    unsigned wrong = 0;
    for (int mode = 0; mode < 3; mode++)
        for (int i = 0; i < 4; i++) {
            struct probe probe;
            probe_start(rig, &probe, scene.fd, wants[i] | modes[mode], NULL);
            rig_turns(rig, 1);
            uint32_t told = contract_told(probe.ready);
            uint32_t right = expected(situation->told[i], scene.fd);
            if (told != right && !may_be_told(told, i, scene.fd)) {
                fprintf(stderr, "%s: want %u is told %u, not %u\n", situation->name,
                        wants[i] | modes[mode], told, right);
                wrong++;
            }
            CHECK_OK(rig->loop, rouse_io_stop(&probe.io));
        }
    scene_end(&scene);
    if (wrong > 0)
        contract_not_on_libkqueue("tells otherwise");
    assert_int_equal(wrong, 0);
}

int main(void)
{
    struct CMUnitTest tests[SITUATIONS];
    for (int i = 0; i < SITUATIONS; i++)
        tests[i] = (struct CMUnitTest){.name = situations[i].name,
                                       .test_func = readiness,
                                       .setup_func = begin,
                                       .teardown_func = rig_teardown,
                                       .initial_state = (void *)(uintptr_t)&situations[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
