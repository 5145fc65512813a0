/*
 * What a lesson needs to go on: connected sockets, room for descriptors, and time. See lesson.h.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <limits.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lesson.h"

void lesson_tcp(int ends[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = lesson_must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    lesson_must(bind(listener, (struct sockaddr *)&address, size), "bind");
    lesson_must(listen(listener, 1), "listen");
    lesson_must(getsockname(listener, (struct sockaddr *)&address, &size), "getsockname");
    ends[1] = lesson_must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    lesson_must(connect(ends[1], (struct sockaddr *)&address, size), "connect");
    ends[0] = lesson_must(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept");
    close(listener);
}

int lesson_descriptors(int wanted)
{
    struct rlimit limit;
    lesson_must(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
    if (limit.rlim_cur < (rlim_t)wanted) {
        struct rlimit more = {.rlim_cur = (rlim_t)wanted, .rlim_max = limit.rlim_max};
        if (more.rlim_max < more.rlim_cur)
            more.rlim_max = more.rlim_cur; /* root may */
        if (setrlimit(RLIMIT_NOFILE, &more) != 0) {
            more.rlim_cur = more.rlim_max = limit.rlim_max;
            lesson_must(setrlimit(RLIMIT_NOFILE, &more), "setrlimit");
        }
        limit = more;
    }
    return limit.rlim_cur < INT_MAX ? (int)limit.rlim_cur : INT_MAX;
}

void lesson_share_processor(void)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    lesson_must(sched_setaffinity(0, sizeof one, &one), "sched_setaffinity");
}

static int64_t nanoseconds(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * LESSON_SECOND + time.tv_nsec;
}

int64_t lesson_now(void)
{
    return nanoseconds(CLOCK_MONOTONIC);
}

int64_t lesson_thread_cpu(void)
{
    return nanoseconds(CLOCK_THREAD_CPUTIME_ID);
}

int64_t lesson_process_cpu(void)
{
    return nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
}

void lesson_sleep(int64_t ns)
{
    int64_t until = lesson_now() + ns;
    struct timespec time = {.tv_sec = (time_t)(until / LESSON_SECOND),
                            .tv_nsec = (long)(until % LESSON_SECOND)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) != 0)
        ; /* a signal came */
}

/* The one in the middle: what a virtual machine charges a thread for may be too little now and
 * then, as well as too much. */
double lesson_cost(void (*act)(void *argument), void *argument, int times)
{
    enum { ROUNDS = 7 };
    int64_t sorted[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        int64_t before = lesson_thread_cpu();
        for (int i = 0; i < times; i++)
            act(argument);
        int64_t took = lesson_thread_cpu() - before;
        int place = round;
        for (; place > 0 && sorted[place - 1] > took; place--)
            sorted[place] = sorted[place - 1];
        sorted[place] = took;
    }
    return (double)sorted[ROUNDS / 2] / times;
}
