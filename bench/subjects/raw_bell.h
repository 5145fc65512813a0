/*
 * How other threads reach a raw loop: an eventfd that is watched beside all else, and a flag that
 * says whether it has been written to, so that who finds it set need not. The flag is cleared
 * before the loop looks at what it was rung for. Who watches edges never reads it.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdatomic.h>
#include <sys/eventfd.h>

struct bell {
    struct watch watch;
    int fd;
    atomic_bool pending;
};

#define RANG(name)                                                                                 \
    static HOT void name##_ring(struct bell *bell);                                                \
    READY(name)                                                                                    \
    {                                                                                              \
        struct bell *bell = (struct bell *)watch;                                                  \
        if (bell_answer(bell))                                                                     \
            name##_ring(bell);                                                                     \
    }                                                                                              \
    static HOT void name##_ring(struct bell *bell)

static HOT bool bell_answer(struct bell *bell)
{
#if !EDGE
    uint64_t value;
    ssize_t got = watch_read(&bell->watch, &value, sizeof value);
    if (got != sizeof value && got != -EAGAIN)
        die("raw: cannot read a bell: %s", strerror((int)-got));
#endif
    return atomic_exchange(&bell->pending, false);
}

static void bell_open(struct loop *loop, struct bell *bell, void (*rang)(struct watch *watch))
{
    bell->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (bell->fd < 0)
        die("raw: cannot make an eventfd: %s", strerror(errno));
    atomic_init(&bell->pending, false);
    watch_start(loop, &bell->watch, bell->fd, READ, rang);
}

static HOT void bell_ring(struct bell *bell)
{
    uint64_t one = 1;
    if (!atomic_exchange(&bell->pending, true) && write(bell->fd, &one, sizeof one) != sizeof one)
        die("raw: cannot ring a bell: %s", strerror(errno));
}

static void bell_close(struct loop *loop, struct bell *bell)
{
    watch_stop(loop, &bell->watch);
    close(bell->fd);
}

static HOT void loop_listen(struct loop *loop, void (*rang)(struct watch *watch))
{
    loop_run(loop, rang);
}

#define SUBJECT_BELL
