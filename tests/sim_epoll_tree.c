/*
 * The machine's epolls as trees: of the items that one keeps, ten thousand of them, and of epolls
 * in epolls.
 *
 * SPDX-License-Identifier: MIT
 */
#include "sim_epoll.h"

/* ---- Of items ---- */

enum { ITEMS = 10000 };

static uint64_t looked_at; /* in searches of the tree, at most */

static void note_search(void *context, const struct rouse_sim_step *step)
{
    (void)context;
    if (step->what == ROUSE_SIM_SEARCHED && step->amount > looked_at)
        looked_at = step->amount;
}

static uint32_t random_state = 1;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % bound;
}

static void shuffle(rouse_fd *fds, uint32_t count)
{
    for (uint32_t i = count; i > 1; i--) {
        uint32_t other = random_below(i);
        rouse_fd kept = fds[i - 1];
        fds[i - 1] = fds[other];
        fds[other] = kept;
    }
}

/* In the order of their numbers, however they came. */
static void check_tree(const bool *held)
{
    unsigned index = 0;
    for (rouse_fd fd = 0; fd < ITEMS + 1; fd++)
        if (held[fd] && index++ % 500 == 0)
            assert_int_equal(rouse_sim_watched(epoll, index - 1), fd);
    assert_int_equal(rouse_sim_watched(epoll, index), -ENOENT);
}

static void ten_thousand_come_and_go_in_any_order(void **state)
{
    (void)state;
    static rouse_fd fds[ITEMS];
    static bool held[ITEMS + 1];
    sim_reboot((struct rouse_sim_config){.descriptors = 20100, .trace = note_search});
    epoll = OPENED(rouse_sim_epoll_create());
    memset(held, 0, sizeof held);
    for (int i = 0; i < ITEMS; i++)
        fds[i] = OPENED(rouse_sim_socket());
    shuffle(fds, ITEMS);
    looked_at = 0;
    for (int i = 0; i < ITEMS; i++) {
        CHECK_OK(NULL, add_to(epoll, fds[i], ROUSE_READ | ROUSE_EDGE));
        held[fds[i]] = true;
    }
    check_tree(held);
    shuffle(fds, ITEMS);
    for (int i = 0; i < ITEMS; i++) {
        assert_int_equal(add_to(epoll, fds[i], ROUSE_READ), -EEXIST);
        if (i % 3 == 0)
            continue;
        CHECK_OK(NULL, i % 3 == 1 ? take_out(fds[i]) : rouse_sim_close(fds[i]));
        held[fds[i]] = false;
    }
    check_tree(held);
    for (int i = 0; i < ITEMS; i += 3)
        CHECK_OK(NULL, change(fds[i], ROUSE_WRITE));
    for (int i = 0; i < ITEMS; i += 3)
        CHECK_OK(NULL, take_out(fds[i]));
    assert_int_equal(rouse_sim_watched(epoll, 0), -ENOENT);
    assert_true(looked_at >= 13); /* log2(10000), and not by far more */
    assert_true(looked_at < 60);
}

static void numbers_in_their_order_make_no_list_of_the_tree(void **state)
{
    (void)state;
    sim_reboot((struct rouse_sim_config){.descriptors = 20100, .trace = note_search});
    epoll = OPENED(rouse_sim_epoll_create());
    looked_at = 0;
    for (int i = 0; i < ITEMS; i++)
        CHECK_OK(NULL, add_to(epoll, OPENED(rouse_sim_socket()), ROUSE_READ));
    assert_true(looked_at < 60);
}

/* ---- Of epolls ---- */

static void epoll_is_readable_when_something_is_ready(void **state)
{
    (void)state;
    rouse_fd pipe[2];
    sim_pipe(pipe);
    rouse_fd outer = OPENED(rouse_sim_epoll_create());
    CHECK_OK(NULL, add_to(outer, epoll, ROUSE_READ));
    CHECK_OK(NULL, add_to(epoll, pipe[0], ROUSE_READ));
    assert_int_equal(wait_on(outer).ready, 0);
    assert_int_equal(sim_look(epoll).ready, 0);
    send_byte(pipe);
    assert_int_equal(sim_look(epoll).ready, ROUSE_READ);
    assert_int_equal(wait_on(outer).token, (uint64_t)epoll + 1000);
    assert_int_equal(wait_on(outer).ready, ROUSE_READ);
    receive_byte(pipe);
    assert_int_equal(wait_on(outer).ready, 0);
    assert_int_equal(sim_look(epoll).ready, 0); /* it was asked, and is so no more */
    CHECK_OK(NULL, rouse_sim_close(epoll));
    assert_int_equal(rouse_sim_watched(outer, 0), -ENOENT);
}

static void circle_is_refused(void **state)
{
    (void)state;
    rouse_fd b = OPENED(rouse_sim_epoll_create()), c = OPENED(rouse_sim_epoll_create());
    CHECK_OK(NULL, add_to(epoll, b, ROUSE_READ));
    CHECK_OK(NULL, add_to(b, c, ROUSE_READ));
    assert_int_equal(add_to(c, epoll, ROUSE_READ), -ELOOP);
    assert_int_equal(add_to(b, epoll, ROUSE_READ), -ELOOP);
    CHECK_OK(NULL, add_to(epoll, c, ROUSE_READ));
    assert_int_equal(rouse_sim_watched(c, 0), -ENOENT);
}

/* Five, one in the other; whether the chain grows at its head, at its end, or is joined. */
static void chain_ends_with_the_fifth(void **state)
{
    (void)state;
    rouse_fd chain[8];
    for (int way = 0; way < 3; way++) {
        for (int i = 0; i < 8; i++)
            chain[i] = OPENED(rouse_sim_epoll_create());
        for (int i = 0; i < 4 && way == 0; i++)
            CHECK_OK(NULL, add_to(chain[i + 1], chain[i], ROUSE_READ));
        for (int i = 4; i > 0 && way == 1; i--)
            CHECK_OK(NULL, add_to(chain[i], chain[i - 1], ROUSE_READ));
        if (way == 2) {
            CHECK_OK(NULL, add_to(chain[1], chain[0], ROUSE_READ));
            CHECK_OK(NULL, add_to(chain[4], chain[3], ROUSE_READ));
            CHECK_OK(NULL, add_to(chain[3], chain[2], ROUSE_READ));
            CHECK_OK(NULL, add_to(chain[2], chain[1], ROUSE_READ));
        }
        assert_int_equal(add_to(chain[5], chain[4], ROUSE_READ), -ELOOP);
        assert_int_equal(add_to(chain[0], chain[6], ROUSE_READ), -ELOOP);
        CHECK_OK(NULL, add_to(chain[1], chain[6], ROUSE_READ));
        rouse_fd pipe[2];
        sim_pipe(pipe);
        CHECK_OK(NULL, add_to(chain[0], pipe[0], ROUSE_READ));
        send_byte(pipe);
        assert_int_equal(wait_on(chain[4]).ready, ROUSE_READ);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EPOLL(ten_thousand_come_and_go_in_any_order),
        EPOLL(numbers_in_their_order_make_no_list_of_the_tree),
        EPOLL(epoll_is_readable_when_something_is_ready),
        EPOLL(circle_is_refused),
        EPOLL(chain_ends_with_the_fifth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
