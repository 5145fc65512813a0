/*
 * What docs/lessons/lesson.h promises, part by part, for check_lesson_kit.py: `lesson_kit PART
 * [OPTIONS OF A LESSON]`. It calls itself by the name of the first lesson.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lesson.h"

static void speak(void)
{
    lesson_say("A paragraph that is too long for one line of eighty columns, and is broken at one "
               "of its spaces.\n\nAnother one.");
    lesson_kernel();
    lesson_show("a fact", "%d", 7);
    lesson_bar("a bar", 1, 2, "%.1f");
    lesson_lines("one\n  two\n");
    lesson_claim(true, "it is %s", "so");
    lesson_model();
    lesson_claim(false, "it is otherwise");
    lesson_skip("for want of a reason");
}

static void guess(void)
{
    int number = lesson_guess("Which?", "this", "that", NULL);
    lesson_kernel();
    lesson_show("guess", "%d", number);
    lesson_answer(number, 1, "That.");
}

static void open_loop(void)
{
    struct rouse_loop *loop = lesson_loop();
    lesson_kernel();
    lesson_show("backend", "%s", rouse_backend_name(loop));
    lesson_ok(loop, rouse_close(loop));
}

static void last(void)
{
    lesson_sleep(10 * (int64_t)LESSON_SECOND);
}

static void must(void)
{
    lesson_must(lesson_must(3, "three") - 3, "nothing");
    errno = EMFILE;
    lesson_must(-1, "a thing");
}

static atomic_bool stops;

static void *spin(void *unused)
{
    while (!stops)
        ;
    return unused;
}

static void *read_one(void *argument)
{
    char byte;
    return read(*(int *)argument, &byte, 1) == 1 ? argument : NULL;
}

static void look(void)
{
    struct lesson_thread sleeper, spinner;
    struct lesson_seen seen, then;
    int ends[2];
    lesson_tcp(ends);
    lesson_start(&sleeper, read_one, &ends[0]);
    lesson_until_asleep(sleeper.tid);
    lesson_kernel();
    lesson_claim(lesson_look(sleeper.tid, &seen) && seen.state == 'S', "who reads sleeps");
    lesson_claim(seen.call == -1 || seen.call == SYS_read, "in read()");
    lesson_claim(!lesson_look(0x7fffffff, &then), "who is not there is not seen");
    lesson_must((int)write(ends[1], "x", 1), "write");
    lesson_claim(lesson_join(&sleeper) == &ends[0], "what a thread returns is told");
    lesson_start(&spinner, spin, NULL);
    do {
        lesson_look(spinner.tid, &seen);
    } while (seen.ticks == 0);
    lesson_claim(seen.state == 'R', "who spins runs, and has had time");
    stops = true;
    lesson_join(&spinner);
    lesson_claim(lesson_field("/proc/self/status", "Threads") == 1, "one thread is left");
    lesson_claim(lesson_field("/proc/self/status", "Thread") == -1, "half a name is none");
    char text[4];
    lesson_claim(lesson_file("/proc/self/status", text, sizeof text) == 3 &&
                     strcmp(text, "Nam") == 0,
                 "a text is no longer than there is room");
    lesson_claim(lesson_file("/proc/self/nonesuch", text, sizeof text) == -ENOENT, "or -errno");
    close(ends[0]);
    close(ends[1]);
}

static void ask(void *times)
{
    getppid();
    ++*(int *)times;
}

static void cost(void)
{
    int times = 0;
    lesson_kernel();
    int64_t began = lesson_now();
    lesson_sleep(2 * LESSON_MS);
    lesson_claim(lesson_now() - began >= 2 * LESSON_MS, "a sleep is not too short");
    lesson_claim(lesson_cost(ask, &times, 1000) > 0, "a call costs something");
    lesson_claim(times == 7000, "it was made in seven rounds");
    lesson_claim(lesson_process_cpu() > 0 && lesson_thread_cpu() > 0, "that was work");
    int may = lesson_descriptors(64);
    lesson_claim(may >= 64 && lesson_descriptors(1) == may, "a limit is only raised");
}

static void say_hello(void *out)
{
    dprintf(*(int *)out, "hello");
}

static void trace(void)
{
    char text[1024];
    int ends[2];
    lesson_must(pipe(ends), "pipe");
    lesson_kernel();
    for (int i = 0; i < 5; i++) {
        if (!lesson_strace("write,read", say_hello, &ends[1], text, sizeof text)) {
            lesson_skip("there is no strace here, or it may not trace");
            return;
        }
        lesson_claim(strncmp(text, "write(", 6) == 0 && strstr(text, "\"hello\", 5)") != NULL &&
                         strchr(text, '\n') == strrchr(text, '\n'),
                     "the call is the only line");
    }
    lesson_lines(text);
}

int main(int argc, char **argv)
{
    const struct {
        const char *name;
        void (*part)(void);
    } parts[] = {{"speak", speak}, {"guess", guess}, {"open", open_loop}, {"last", last},
                 {"must", must},   {"look", look},   {"cost", cost},      {"trace", trace}};
    lesson_begin(argc - 1, argv + 1, "asleep");
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (strcmp(argv[1], parts[i].name) == 0)
            parts[i].part();
    return lesson_end();
}
