/*
 * What every lesson is made of: how it speaks, what it claims, and how it looks at threads.
 *
 * A lesson is one program, which runs the same thing twice: on the kernel of this machine, and on
 * the model. Its main() is a list of these calls, in this order:
 *
 *     lesson_begin(argc, argv, "asleep");    the title
 *     lesson_say("...");                     what will happen
 *     int guess = lesson_guess(...);         asked on a terminal only
 *     lesson_kernel();                       then lesson_show() what was seen, lesson_claim() of it
 *     lesson_model();                        the same in the model
 *     lesson_answer(guess, 2, "...");        what it is
 *     return lesson_end();
 *
 * Two kinds of lines must not be confused. What lesson_show() and lesson_bar() print was observed
 * and differs from one run to the next. The words of a lesson_claim() are the same in every run and
 * on every machine, so they hold no measured number; a test compares them with the lesson's page.
 * All that is printed below lesson_model() must be the same to the byte.
 *
 * A claim must be able to fail, and must not fail because a machine is slow or busy: claim states,
 * counts, order, and ratios with wide margins. What cannot be had (no memory, no descriptor) ends
 * the program by lesson_must() with status 1.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef LESSON_H
#define LESSON_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <rouse.h>

enum { LESSON_MS = 1000000, LESSON_SECOND = 1000000000 }; /* in nanoseconds */

/* ---- What it says ------------------------------------------------------------------------ */

/* Reads the options (--yes, --backend B), ends with status 2 if they are wrong, and prints the
 * title of the lesson `name`, a row of the table in meson.build. From here on ROUSE_BACKEND is not
 * set. The first thing in main(). */
void lesson_begin(int argc, char **argv, const char *name);

/* A paragraph, wrapped. One line break in `format` begins a new line; two, a new paragraph. */
void lesson_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Asks for a guess: the question, and its answers, ended by NULL. The number of the answer chosen,
 * from 0; -1 where nobody was asked (no terminal, or --yes) or nobody answered. */
int lesson_guess(const char *question, ...) __attribute__((sentinel));

/* The headings of the two parts. Everything that is shown or claimed stands below one of them. */
void lesson_kernel(void);
void lesson_model(void);

/* What was observed: a line "name  value". */
void lesson_show(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with a bar before the value, as long as `value` is to `most`; for several lines that are
 * to be compared. `format` is of one double. */
void lesson_bar(const char *name, double value, double most, const char *format);

/* Before each line that somebody prints himself, as model.c does: lines of different kinds are
 * separated by an empty one. */
enum lesson_kind {
    LESSON_NOTHING,
    LESSON_PROSE,
    LESSON_FACT,
    LESSON_CLAIM,
    LESSON_STEP,
    LESSON_DRAWING,
};
void lesson_line(enum lesson_kind kind);

/* Lines as they are, indented: of /proc, of strace. */
void lesson_lines(const char *text);

/* Says whether `holds`, and counts. The words name what is claimed, so that they can be read as a
 * sentence whether it holds or not: "it used no processor time in that second". Returns `holds`. */
bool lesson_claim(bool holds, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says what this machine cannot show and why, in place of claims about it: "who runs this may not
 * read /proc/PID/stack". Counted, and no failure. */
void lesson_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What it is, and whether that was the guess; `right` is the number of the right answer. */
void lesson_answer(int guess, int right, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Prints how many claims held. Returns the status for main() to return: 1 if one did not. Ends the
 * program if what it said could not be written. */
int lesson_end(void);

/* ---- What it needs to go on -------------------------------------------------------------- */

/* Returns what a system call returned; -1 ends the program, with `what` and errno in words. */
int lesson_must(int result, const char *what);

/* The same for a function of rouse on this loop, whose error is negative. */
int lesson_ok(struct rouse_loop *loop, int result);

/* Opens a loop on the backend of --backend, else on the default one. */
struct rouse_loop *lesson_loop(void);

/* The backend of --backend, or NULL. Only for lessons whose row has the word 'backend'. */
const char *lesson_backend(void);

/* Two connected TCP sockets on the loopback interface, blocking; ends[0] is the one accepted. */
void lesson_tcp(int ends[2]);

/* Lets this process have `wanted` descriptors if it may; returns how many it may have. */
int lesson_descriptors(int wanted);

/* From here on this thread, and those that it starts, share one processor. */
void lesson_share_processor(void);

/* ---- Times, in nanoseconds --------------------------------------------------------------- */

int64_t lesson_now(void);         /* of the monotonic clock */
int64_t lesson_thread_cpu(void);  /* processor time of the calling thread */
int64_t lesson_process_cpu(void); /* processor time of all threads of this process */

/* Sleeps this long, signals or not. */
void lesson_sleep(int64_t ns);

/* Sleeps until a condition holds that another thread, a process or the kernel makes true. So
 * nothing depends on how long that takes. */
#define lesson_until(condition)                                                                    \
    do {                                                                                           \
        while (!(condition))                                                                       \
            lesson_sleep(LESSON_MS / 5);                                                           \
    } while (0)

/* What one call of `act` costs in processor time of this thread: seven rounds of `times` calls, of
 * which the one in the middle counts. Others who want the processor meanwhile are not in it. */
double lesson_cost(void (*act)(void *argument), void *argument, int times);

/* ---- Looking at threads ------------------------------------------------------------------ */

/* A thread of this process. */
struct lesson_thread {
    pthread_t thread;
    _Atomic pid_t tid; /* its number in the kernel, for lesson_look() */
    void *(*run)(void *argument);
    void *argument;
};

/* Starts a thread that runs `run`; returns when it is running and its tid is known. */
void lesson_start(struct lesson_thread *thread, void *(*run)(void *argument), void *argument);

/* Waits until it has ended. Returns what `run` returned. */
void *lesson_join(struct lesson_thread *thread);

/* What /proc says of one thread, here or in another process. */
struct lesson_seen {
    char state;          /* R running or ready, S asleep, D asleep and not to be interrupted, ... */
    long call;           /* the number of the system call it sleeps in (SYS_read); -1: not known */
    char where[64];      /* the function in the kernel it sleeps in (wchan); "": not known */
    int64_t voluntary;   /* how often it gave up the processor because it had to wait */
    int64_t involuntary; /* how often the processor was taken from it */
    int64_t cpu_ns;      /* how long it has run (schedstat); -1: not known */
    int64_t ticks;       /* the same in ticks of 1/100 s: user and system time of stat */
};

/* Looks at a thread; false if there is none of that number. That of the main thread is getpid(). */
bool lesson_look(pid_t tid, struct lesson_seen *seen);

/* A state in words: "S, asleep". */
const char *lesson_state(char state);

/* Returns when the thread is asleep (S) and stays so: two looks a moment apart find that it has not
 * run in between. Ends the program if there is no such thread. */
void lesson_until_asleep(pid_t tid);

/* Reads a small file, of /proc say, as text with a 0 after it. Its length, or -errno. */
int lesson_file(const char *path, char *text, size_t size);

/* The number after "name:" in such a file: lesson_field("/proc/self/status", "VmRSS") is in kB; -1
 * if there is none. */
int64_t lesson_field(const char *path, const char *name);

/*
 * Runs `act` in a child of this process under strace and stores the lines of the calls named
 * ("read, write", or what strace takes after -e trace=) in `text`. False where there is no strace,
 * or it may not trace: use lesson_skip() then.
 */
bool lesson_strace(const char *calls, void (*act)(void *argument), void *argument, char *text,
                   size_t size);

#endif
