/*
 * The lesson kqueue-iocp-uring: the same bytes received after being told that they are there
 * (readiness), and by having handed out the memory they go to (completion). How many system calls
 * either takes, when the bytes are copied, and whose the memory is meanwhile.
 *
 * There is no kqueue here. Its call takes changes and gives events, and so does the function `poll`
 * of rouse's backends, which stands for it; what that costs underneath is counted. Completions are
 * those of io_uring, by liburing.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <liburing.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rouse/backend.h>

#include "lesson.h"
#include "model.h"

/* In each round a message comes through one half of the pipes, and only that half is watched. In
 * the next round it is the other half: so all of the interest changes. */
enum { PIPES = 8, HALF = PIPES / 2, ROUNDS = 50, BYTES = 64 };
enum { CHANGES = PIPES, WAIT = 1 }; /* in a round */

static struct {
    int fds[PIPES][2];
    char buffers[PIPES][BYTES];
    uint64_t calls; /* of the receiver */
    uint64_t received;
} job;

/* What is different on the model. */
struct side {
    const char *prefix; /* of the names of its backends */
    int (*pipe)(int fds[2]);
    int64_t (*write)(int fd, const void *data, size_t size);
    int64_t (*read)(int fd, void *buffer, size_t size);
};

static int system_pipe(int fds[2])
{
    return pipe(fds);
}

static int64_t system_write(int fd, const void *data, size_t size)
{
    return write(fd, data, size);
}

static int64_t system_read(int fd, void *buffer, size_t size)
{
    return read(fd, buffer, size);
}

static const struct side kernel = {"", system_pipe, system_write, system_read};
static const struct side machine = {"sim:", rouse_sim_pipe, rouse_sim_write, rouse_sim_read};
static const struct side *side = &kernel;

/* The result of a call on either side, which must not fail. */
static int must(int64_t result, const char *what)
{
    return side == &machine ? model_must(result, what) : lesson_must((int)result, what);
}

/* ---- The job, by readiness ------------------------------------------------------------------- */

static int pipe_of(int round, int i)
{
    return round % 2 * HALF + i;
}

static void open_pipes(void)
{
    memset(&job, 0, sizeof job);
    for (int i = 0; i < PIPES; i++)
        must(side->pipe(job.fds[i]), "pipe");
}

static void close_pipes(void)
{
    for (int i = 0; i < PIPES; i++) {
        close(job.fds[i][0]);
        close(job.fds[i][1]);
    }
}

static void send_messages(int round)
{
    static const char message[BYTES] = "a message";
    for (int i = 0; i < HALF; i++)
        must(side->write(job.fds[pipe_of(round, i)][1], message, BYTES), "write");
}

static void receive(int pipe)
{
    job.received += (uint64_t)must(side->read(job.fds[pipe][0], job.buffers[pipe], BYTES), "read");
    job.calls++;
}

/* A backend of rouse without its loop. */
static struct {
    struct rouse_backend table;
    struct rouse_work work;
    void *state;
    uint32_t held[PIPES]; /* what the kernel has been told to watch */
} backend;

static void *resize(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    (void)old_size;
    if (new_size > 0)
        return realloc(block, new_size);
    free(block);
    return NULL;
}

static void open_backend(const char *name)
{
    char full[32];
    snprintf(full, sizeof full, "%s%s", side->prefix, name);
    unsigned rung = 0;
    while (strcmp(rouse_rung_at(rung)->name, full) != 0)
        rung++;
    memset(&backend, 0, sizeof backend);
    backend.table = *rouse_rung_at(rung)->backend;
    backend.state = calloc(1, backend.table.state_size);
    lesson_must(backend.state != NULL ? 0 : -1, full);
    struct rouse_setup setup = {
        .allocator.resize = resize, .work = &backend.work, .table = &backend.table};
    lesson_must(backend.table.open(backend.state, &setup) == 0 ? 0 : -1, full);
}

/* One call, shaped as kevent(): changes in, events out. */
static void change_and_wait(int round, int64_t timeout)
{
    struct rouse_change changes[PIPES];
    struct rouse_event events[PIPES];
    int nchanges = 0;
    for (int pipe = 0; pipe < PIPES; pipe++) {
        uint32_t want = pipe / HALF == round % 2 ? ROUSE_READ : 0;
        if (want == backend.held[pipe])
            continue;
        changes[nchanges++] = (struct rouse_change){.fd = job.fds[pipe][0],
                                                    .had = backend.held[pipe],
                                                    .want = want,
                                                    .token = (uint64_t)1 << 32 | (unsigned)pipe};
        backend.held[pipe] = want;
    }
    int n = backend.table.poll(backend.state, changes, nchanges, events, PIPES, timeout);
    lesson_must(n >= 0 ? 0 : -1, backend.table.name);
    for (int i = 0; i < n; i++) {
        int pipe = (int)ROUSE_SLOT(events[i].token);
        if (events[i].ready & ROUSE_READ)
            receive(pipe);
    }
}

static void by_backend(const char *name)
{
    open_backend(name);
    open_pipes();
    change_and_wait(1, 0);
    backend.work.system_calls = 0;
    if (side == &machine)
        model_mark();
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t wanted = (uint64_t)(round + 1) * HALF * BYTES;
        send_messages(round);
        while (job.received < wanted)
            change_and_wait(round, -1);
    }
    job.calls += backend.work.system_calls;
    backend.table.close(backend.state);
    free(backend.state);
}

/* ---- The job, by completions ----------------------------------------------------------------- */

static struct io_uring ring;

/* Writes a request into the ring: no call. */
static void request_read(int pipe)
{
    struct io_uring_sqe *request = io_uring_get_sqe(&ring);
    io_uring_prep_read(request, job.fds[pipe][0], job.buffers[pipe], BYTES, 0);
}

/* Takes what answers there are out of the ring: no call. */
static int take_answers(void)
{
    struct io_uring_cqe *answer;
    unsigned head, n = 0;
    io_uring_for_each_cqe(&ring, head, answer)
    {
        job.received += answer->res > 0 ? (uint64_t)answer->res : 0;
        n++;
    }
    io_uring_cq_advance(&ring, n);
    return (int)n;
}

static int uring_must(int result, const char *what)
{
    errno = result < 0 ? -result : 0;
    return lesson_must(result < 0 ? -1 : result, what);
}

/* The one call: hands over all requests, and waits for so many answers. */
static void hand_over(unsigned answers)
{
    uring_must(io_uring_submit_and_wait(&ring, answers), "io_uring_enter");
    job.calls++;
}

static void show_rings(const char *when)
{
    lesson_show(when, "requests %u, answers %u", io_uring_sq_ready(&ring),
                io_uring_cq_ready(&ring));
}

static void by_completions(void)
{
    open_pipes();
    for (int round = 0; round < ROUNDS; round++) {
        send_messages(round);
        for (int i = 0; i < HALF; i++)
            request_read(pipe_of(round, i));
        if (round == 0)
            show_rings("in the rings, before the call");
        hand_over(HALF);
        if (round == 0)
            show_rings("after it");
        take_answers();
    }
    close_pipes();
}

/* From here on any system call but exit_group() ends this process by a signal. */
static void forbid_calls(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(2);
}

/* A thread of the kernel looks at the ring, so that requests need not be handed over. It begins
 * asleep, and the first round wakes it. */
static void receive_without_calls(void)
{
    struct io_uring_params params = {.flags = IORING_SETUP_SQPOLL, .sq_thread_idle = 60000};
    if (io_uring_queue_init_params(PIPES, &ring, &params) != 0)
        _exit(2);
    job.received = 0;
    for (int round = 0; round < ROUNDS; round++) {
        if (round == 1)
            forbid_calls();
        for (int i = 0; i < HALF; i++)
            request_read(pipe_of(round, i));
        io_uring_submit(&ring);
        for (int answers = 0; answers < HALF;)
            answers += take_answers();
    }
    /* By _exit() the address sanitizer would make a call of its own. */
    syscall(SYS_exit_group, job.received == (uint64_t)ROUNDS * HALF * BYTES ? 0 : 1);
}

static int by_shared_rings(void)
{
    int status;
    open_pipes();
    for (int round = 0; round < ROUNDS; round++)
        send_messages(round);
    pid_t child = lesson_must(fork(), "fork");
    if (child == 0)
        receive_without_calls();
    lesson_must(waitpid(child, &status, 0), "waitpid");
    close_pipes();
    return status;
}

/* ---- Whose the memory is --------------------------------------------------------------------- */

static const char message[] = "bytes";

/* Somebody else, who writes once he is told to. */
static struct {
    int fd;
    atomic_bool may;
} writer;

static void *write_message(void *unused)
{
    while (!writer.may)
        lesson_sleep(LESSON_MS);
    lesson_must((int)write(writer.fd, message, sizeof message), "write");
    return unused;
}

static void memory_by_readiness(void)
{
    int fds[2], left;
    char memory[BYTES] = "mine";
    struct epoll_event event = {.events = EPOLLIN};
    lesson_must(pipe(fds), "pipe");
    int epoll = lesson_must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    lesson_must(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[0], &event), "epoll_ctl");
    lesson_must((int)write(fds[1], message, sizeof message), "write");
    int told = lesson_must(epoll_wait(epoll, &event, 1, -1), "epoll_wait");
    lesson_must(ioctl(fds[0], FIONREAD, &left), "FIONREAD");
    lesson_say("By readiness. The wait has told of %d bytes:", (int)sizeof message);
    lesson_show("bytes in the pipe, after the wait", "%d", left);
    lesson_show("what is in the memory", "\"%s\"", memory);
    bool was_mine = strcmp(memory, "mine") == 0;
    lesson_must((int)read(fds[0], memory, sizeof memory), "read");
    lesson_show("    after read()", "\"%s\"", memory);
    lesson_claim(told == 1 && left == sizeof message && was_mine,
                 "the wait copies nothing: the bytes are still in the kernel");
    lesson_claim(strcmp(memory, message) == 0, "read() copies them, to where it is told just then");

    close(fds[0]);
    lesson_claim(write(fds[1], message, sizeof message) == -1 && errno == EPIPE,
                 "the reader closes, and is gone: a write says EPIPE");
    close(fds[1]);
    close(epoll);
}

static int await_answer(void)
{
    struct io_uring_cqe *answer;
    uring_must(io_uring_wait_cqe(&ring, &answer), "io_uring_wait_cqe");
    int result = answer->res;
    io_uring_cqe_seen(&ring, answer);
    return result;
}

static void memory_by_completion(void)
{
    struct lesson_thread thread;
    volatile char *memory = job.buffers[0];
    lesson_must(pipe(job.fds[0]), "pipe");
    writer.fd = job.fds[0][1];
    lesson_start(&thread, write_message, NULL);
    request_read(0);
    hand_over(0);
    strcpy(job.buffers[0], "mine"); /* too late: the memory has been given away */
    writer.may = true;
    while (memory[0] != message[0]) /* no call is made here */
        continue;
    int result = await_answer();
    lesson_join(&thread);
    lesson_say("By completion. A read of the empty pipe has been handed over. Then \"mine\" is put "
               "into its memory, and this thread makes no more calls. Somebody else writes:");
    lesson_show("what is in the memory", "\"%s\"", job.buffers[0]);
    lesson_claim(result == sizeof message && strcmp(job.buffers[0], message) == 0,
                 "the bytes came into the memory by themselves, over what was put there");

    request_read(0);
    hand_over(0);
    close(job.fds[0][0]);
    int64_t written = write(job.fds[0][1], message, sizeof message);
    result = await_answer();
    lesson_claim(written == sizeof message && result == sizeof message,
                 "the reader closes, and the read goes on: the bytes of a later write arrive");
    close(job.fds[0][1]);
}

/* ---- The two parts --------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint64_t calls; /* in a round */
    const char *claim;
} backends[] = {
    {"epoll", CHANGES + WAIT + HALF, "on epoll each change is a call, and so is each read"},
    {"poll", WAIT + HALF, "on poll changes and the wait are one call; the reads are left"},
};

static void show_calls(const char *name)
{
    lesson_bar(name, (double)job.calls / ROUNDS, CHANGES + WAIT + HALF, "%4.1f");
}

static bool all_received(void)
{
    return job.received == (uint64_t)ROUNDS * HALF * BYTES;
}

/* Where completions are to be had. */
static void by_rings(void)
{
    lesson_say("The same job by io_uring. A read is a request in memory that is shared with the "
               "kernel; so is the answer. A call hands over all requests and waits for answers:");
    by_completions();
    show_calls("completions");
    lesson_claim(all_received() && job.calls == ROUNDS, "one call in a round, for all of it");
    memory_by_completion();
    lesson_say("With a thread of the kernel that looks at the ring (SQPOLL). The first round wakes "
               "that thread. From then on any system call but exit_group(), its last, ends the "
               "process that receives:");
    int status = by_shared_rings();
    if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
        lesson_skip("a ring that the kernel looks at: not to be had");
        return;
    }
    lesson_show("how the process ended", WIFSIGNALED(status) ? "by signal %d" : "with status %d",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    lesson_claim(status == 0, "no call in all other rounds, and all bytes received");
}

static void on_kernel(void)
{
    bool exact[2];
    lesson_say(
        "%d pipes. In each round %d of them are watched and get a message; in the next it is "
        "the other %d. So a round has %d changes of interest, a wait, and %d reads.\n\n"
        "kevent() takes changes and gives events in one call. It is not of this system. A "
        "function of that shape, of rouse's backends, stands for it, and its system calls "
        "are counted. The receiver's in a round:",
        PIPES, HALF, HALF, CHANGES, HALF);
    for (int i = 0; i < 2; i++) {
        by_backend(backends[i].name);
        close_pipes();
        show_calls(backends[i].name);
        exact[i] = all_received() && job.calls == ROUNDS * backends[i].calls;
    }
    for (int i = 0; i < 2; i++)
        lesson_claim(exact[i], "%s", backends[i].claim);
    memory_by_readiness();
    int error = io_uring_queue_init(PIPES, &ring, 0);
    if (error != 0) {
        lesson_skip("completions: io_uring is not to be had (%s)", strerror(-error));
    } else {
        by_rings();
        io_uring_queue_exit(&ring);
    }
    lesson_say("Completion ports (IOCP) are Windows', and not run here. Their shape, by their "
               "manual: a call begins each read and is given its memory (WSARecv), a call takes "
               "many answers (GetQueuedCompletionStatusEx).");
}

/* ---- In the model ---------------------------------------------------------------------------- */

static void calls_in_model(void)
{
    bool exact[2], counted = true;
    lesson_say("The same function on the model's epoll and poll. System calls in a round:");
    for (int i = 0; i < 2; i++) {
        model_boot(NULL);
        by_backend(backends[i].name);
        uint64_t sent = (uint64_t)ROUNDS * HALF; /* calls of who sends */
        counted = counted && model_since(ROUSE_SIM_CALLED) == job.calls + sent;
        model_halt();
        show_calls(backends[i].name);
        exact[i] = all_received() && job.calls == ROUNDS * backends[i].calls;
    }
    for (int i = 0; i < 2; i++)
        lesson_claim(exact[i], "%s", backends[i].claim);
    lesson_claim(counted, "the machine has counted as many as the backend says");
}

/* A socket, its peer who writes after a while, and a task that reads on behalf of main. */
static struct {
    int ends[2];
    int done[2]; /* a pipe: the queue of completions */
    struct rouse_sim_task peer, helper;
    char memory[BYTES];
} model;

static int sim_peer(struct rouse_sim_task *task)
{
    (void)task;
    if (rouse_sim_sleep(LESSON_MS) == 0)
        must(rouse_sim_write(model.ends[1], message, sizeof message), "write");
    return 0;
}

static int sim_helper(struct rouse_sim_task *task)
{
    (void)task;
    if (rouse_sim_read(model.ends[0], model.memory, BYTES) > 0)
        must(rouse_sim_write(model.done[1], "1", 1), "write");
    return 0;
}

static void boot(void)
{
    memset(&model, 0, sizeof model);
    model_boot(NULL);
    must(rouse_sim_pair(model.ends), "socketpair");
    model_name(model.ends[0], "the socket");
    model_name(model.ends[1], "the peer's socket");
}

static uint32_t bytes_in_socket(void)
{
    struct rouse_sim_file file;
    must(rouse_sim_look(model.ends[0], &file), "look");
    return file.received;
}

static void steps_of_readiness(void)
{
    struct rouse_event event;
    boot();
    int epoll = must(rouse_sim_epoll_create(), "epoll_create");
    model_name(epoll, "the epoll");
    must(rouse_sim_epoll_ctl(epoll, ROUSE_SIM_ADD, model.ends[0], ROUSE_READ, 0), "epoll_ctl");
    model_task(&model.peer, "peer", sim_peer);
    lesson_say("Readiness, step by step:");
    model_tell(true);
    model_note("main waits");
    must(rouse_sim_epoll_wait(epoll, &event, 1, -1), "epoll_wait");
    model_note("main has been told, and reads");
    uint32_t left = bytes_in_socket();
    bool empty = model.memory[0] == '\0';
    must(rouse_sim_read(model.ends[0], model.memory, BYTES), "read");
    model_tell(false);
    lesson_claim(left == sizeof message && empty,
                 "after the first call the bytes are in the socket, and the memory is empty");
    lesson_claim(bytes_in_socket() == 0 && strcmp(model.memory, message) == 0,
                 "the second has copied them");
    model_halt();
}

static void steps_of_completion(void)
{
    char which;
    boot();
    must(rouse_sim_pipe(model.done), "pipe");
    model_name(model.done[0], "the completions");
    model_name(model.done[1], "the completions' other end");
    model_task(&model.helper, "helper", sim_helper);
    model_task(&model.peer, "peer", sim_peer);
    lesson_say(
        "Completion. The model has no rings. In place of the kernel there is a task, helper, "
        "which has been given main's memory and reads on its behalf. When it has, it says so "
        "in a queue, in which main waits:");
    model_tell(true);
    model_note("main waits");
    must(rouse_sim_read(model.done[0], &which, 1), "read");
    model_note("main has been told");
    model_tell(false);
    lesson_claim(bytes_in_socket() == 0 && strcmp(model.memory, message) == 0,
                 "after the first call of main the bytes are in its memory");
    model_halt();
}

static void in_model(void)
{
    side = &machine;
    calls_in_model();
    steps_of_readiness();
    steps_of_completion();
}

int main(int argc, char **argv)
{
    lesson_begin(argc, argv, "kqueue-iocp-uring");
    signal(SIGPIPE, SIG_IGN);
    lesson_say("To be told that something can be read, or that it has been read: the two ways in "
               "which a kernel can serve many descriptors at once. We receive the same bytes in "
               "both, and count.");
    int guess = lesson_guess("4 messages are received from 4 pipes. What is the least number of "
                             "system calls for that?",
                             "5: a wait and 4 reads", "4: a read each", "1", "0", NULL);
    lesson_kernel();
    on_kernel();
    lesson_model();
    in_model();
    lesson_answer(guess, 3,
                  "0, if a thread of the kernel looks at the rings; 1 without. By readiness there "
                  "is a call for each read, for only then does the kernel learn where the bytes "
                  "are to go. By completion it knows before; so the memory is not yours until it "
                  "says that it is done.");
    return lesson_end();
}
