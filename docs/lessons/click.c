/*
 * The lesson click: a click on its way from a device through a browser to a tab, and where it is
 * while the tab is busy.
 *
 * Three processes, with a socket between each two. The mouse is a timer of the kernel, because that
 * is a piece of hardware which interrupts every machine. The tab's epoll instance is made before
 * the processes part, so this process has a descriptor of it too, and can look into it.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lesson.h"
#include "model.h"

/* What goes through the sockets: 8 bytes. */
struct click {
    int x, y;
};

enum step { T0, T2, T3, T4, T5, T7, T8, T9, T10, T11, STEPS };

static const char *const steps[STEPS] = {
    [T0] = "T0   the mouse, a timer, is due", [T2] = "T1-2 interrupt; the device has it",
    [T3] = "T3   it sends it to the browser", [T4] = "T4   the browser writes to the tab",
    [T5] = "T5-6 that call has returned",     [T7] = "T7   the tab's epoll_wait returned",
    [T8] = "T8   it has read the click",      [T9] = "T9   it has found what is at x, y",
    [T10] = "T10  it has queued a task",      [T11] = "T11  the handler runs",
};

/* What all processes share. */
struct shared {
    _Atomic int64_t at[STEPS]; /* of the last click */
    atomic_int sent;           /* clicks that the browser has written to the tab */
    atomic_int handled;        /* and that the tab's handler was called for */
    atomic_bool freeze;        /* the handler does not return while this is set */
    atomic_bool frozen;
    atomic_long slept; /* how often the tab has slept in epoll_wait */
};

static struct shared *shared;
static int mouse, to_browser[2], to_tab[2], epoll;
static pid_t device, browser, tab;

static void stamp(enum step step)
{
    shared->at[step] = lesson_now();
}

/* ---- The three processes --------------------------------------------------------------------- */

static void run_device(void)
{
    uint64_t times;
    while (read(mouse, &times, sizeof times) == sizeof times) {
        stamp(T2);
        const struct click click = {30, 20};
        stamp(T3);
        lesson_must((int)write(to_browser[0], &click, sizeof click), "write");
    }
}

static void run_browser(void)
{
    struct click click;
    while (read(to_browser[1], &click, sizeof click) == sizeof click) {
        stamp(T4); /* there is one tab, so it is the one */
        lesson_must((int)write(to_tab[0], &click, sizeof click), "write");
        stamp(T5);
        shared->sent++;
    }
}

static void on_click(void)
{
    stamp(T11);
    shared->handled++;
    while (shared->freeze)
        shared->frozen = true; /* while (true) {} */
}

/* The page has one element, and its handler is called for clicks on it. */
static void (*find_handler(struct click at))(void)
{
    bool is_on_it = at.x >= 20 && at.x < 60 && at.y >= 10 && at.y < 30;
    return is_on_it ? on_click : NULL;
}

static long times_slept(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nvcsw;
}

static void run_tab(void)
{
    void (*tasks[1])(void); /* the queue of tasks, which is a plain array of this program */
    struct click click;
    struct epoll_event event;
    for (;;) {
        long before = times_slept();
        lesson_must(epoll_wait(epoll, &event, 1, -1), "epoll_wait");
        stamp(T7);
        shared->slept += times_slept() - before;
        lesson_must((int)read(to_tab[1], &click, sizeof click), "read");
        stamp(T8);
        tasks[0] = find_handler(click);
        stamp(T9);
        stamp(T10);
        tasks[0]();
    }
}

static pid_t start(void (*run)(void))
{
    pid_t parent = getpid();
    pid_t child = lesson_must(fork(), "fork");
    if (child != 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent)
        run();
    _exit(1);
}

static void end(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

/* ---- On the kernel --------------------------------------------------------------------------- */

static void set_up(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    lesson_must(shared == MAP_FAILED ? -1 : 0, "mmap");
    mouse = lesson_must(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), "timerfd_create");
    lesson_must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, to_browser), "socketpair");
    lesson_must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, to_tab), "socketpair");
    epoll = lesson_must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    struct epoll_event event = {.events = EPOLLIN};
    lesson_must(epoll_ctl(epoll, EPOLL_CTL_ADD, to_tab[1], &event), "epoll_ctl");
    device = start(run_device);
    browser = start(run_browser);
    tab = start(run_tab);
}

/* The hand: the mouse is due in a moment. Returns when the browser has sent it on. */
static void make_click(void)
{
    int sent = shared->sent;
    int64_t due = lesson_now() + LESSON_MS;
    const struct itimerspec time = {
        .it_value = {.tv_sec = (time_t)(due / LESSON_SECOND), .tv_nsec = due % LESSON_SECOND}};
    shared->at[T0] = due;
    lesson_must(timerfd_settime(mouse, TFD_TIMER_ABSTIME, &time, NULL), "timerfd_settime");
    lesson_until(shared->sent == sent + 1);
}

static int bytes_in_socket(void)
{
    int bytes;
    lesson_must(ioctl(to_tab[1], FIONREAD, &bytes), "ioctl");
    return bytes;
}

/* An epoll instance can be polled itself: it is readable when its ready list brings something. */
static bool list_brings_something(void)
{
    struct pollfd entry = {.fd = epoll, .events = POLLIN};
    return lesson_must(poll(&entry, 1, 0), "poll") == 1;
}

/* What another epoll_wait on the tab's instance is told. Level-triggered entries stay listed. */
static int events_told(void)
{
    struct epoll_event events[8];
    return lesson_must(epoll_wait(epoll, events, 8, 0), "epoll_wait");
}

static void show_where_it_is(void)
{
    lesson_show("bytes in the receive buffer", "%d", bytes_in_socket());
    lesson_show("the epoll instance is readable", "%s", list_brings_something() ? "yes" : "no");
    lesson_show("events it has to tell", "%d", events_told());
}

/* Those that follow from each other. The browser's call may return before or after the tab runs. */
static bool in_order(void)
{
    static const enum step tab_side[] = {T0, T2, T3, T4, T7, T8, T9, T10, T11};
    for (size_t i = 1; i < sizeof tab_side / sizeof tab_side[0]; i++)
        if (shared->at[tab_side[i]] < shared->at[tab_side[i - 1]])
            return false;
    return shared->at[T4] <= shared->at[T5];
}

/* Returns when all three sleep, and how often each has had to wait so far. */
static void all_asleep(int64_t waits[3])
{
    const pid_t all[3] = {device, browser, tab};
    for (int i = 0; i < 3; i++) {
        struct lesson_seen seen;
        lesson_until_asleep(all[i]);
        lesson_look(all[i], &seen);
        waits[i] = seen.voluntary;
    }
}

static void click_on_an_idle_tab(void)
{
    struct lesson_seen seen;
    int64_t before[3], after[3];
    all_asleep(before);
    lesson_look(tab, &seen);
    lesson_say("The tab is idle. The device sleeps in read(), the browser too, and the tab:");
    lesson_show("its state", "%s", lesson_state(seen.state));
    if (seen.where[0] != '\0')
        lesson_show("the function in the kernel it is in", "%s", seen.where);
    show_where_it_is();
    lesson_claim(bytes_in_socket() == 0 && !list_brings_something(),
                 "there is nothing in the socket and nothing in the ready list");

    make_click();
    lesson_until(shared->handled == 1);
    all_asleep(after);
    lesson_say("Now somebody clicks. The steps of its way, with the time since T0:");
    for (int i = 0; i < STEPS; i++)
        lesson_show(steps[i], "%8.1f us", (double)(shared->at[i] - shared->at[T0]) / 1000);
    lesson_claim(in_order(), "each step of the chain comes after the one before it");
    lesson_claim(after[0] > before[0] && after[1] > before[1] && after[2] > before[2],
                 "each of the three was woken, has run, and sleeps again");
}

/* Makes a click whose handler does not return, then two more. */
static void freeze_the_tab(void)
{
    shared->frozen = false;
    shared->freeze = true;
    make_click();
    lesson_until(shared->frozen);
    make_click();
    make_click();
}

static void click_on_a_busy_tab(void)
{
    struct lesson_seen before, after;
    freeze_the_tab();
    lesson_until(lesson_look(tab, &before) && before.state == 'R');
    lesson_until(lesson_look(tab, &after) && after.ticks > before.ticks);
    lesson_say("A click whose handler runs while (true) {}. Then two more clicks. Each time the "
               "browser's write() has returned; it does not wait for the tab. The tab:");
    lesson_show("its state", "%s", lesson_state(after.state));
    lesson_show("processor time, in ticks of 1/100 s", "%" PRId64, before.ticks);
    lesson_show("    a little later", "%" PRId64, after.ticks);
    lesson_claim(after.voluntary == before.voluntary, "in between it has not waited for anything");
    lesson_say("Where are the two clicks?");
    show_where_it_is();
    lesson_claim(shared->handled == 2, "the handler has been called for neither of them");
    lesson_claim(bytes_in_socket() == 2 * sizeof(struct click),
                 "the clicks, all their bytes, are in the socket's receive buffer");
    lesson_claim(list_brings_something(), "the ready list of the tab's epoll is not empty");
    lesson_claim(events_told() == 1, "it holds one entry, for the socket: not one for each click");

    long slept = shared->slept;
    int64_t let_go = lesson_now();
    shared->freeze = false;
    lesson_until(shared->handled == 4);
    lesson_say("Now the handler is let go, and returns:");
    lesson_show("until the last of the two is handled", "%.1f us",
                (double)(shared->at[T11] - let_go) / 1000);
    lesson_claim(shared->at[T7] >= let_go && in_order(), "both are handled then, T7 to T11");
    lesson_claim(shared->slept == slept, "the tab has not slept: epoll_wait returned at once");
    lesson_until_asleep(tab);
    lesson_claim(bytes_in_socket() == 0 && !list_brings_something(),
                 "the socket is empty, and the ready list too");
}

static void kill_the_busy_tab(void)
{
    freeze_the_tab();
    end(tab);
    lesson_say("Once more: a handler that does not return, two clicks behind it. This time the tab "
               "is killed. The socket and the epoll instance are still there, because this "
               "process has descriptors of them; else they would be gone, and the clicks too.");
    show_where_it_is();
    lesson_claim(bytes_in_socket() == 2 * sizeof(struct click) && events_told() == 1,
                 "the clicks have outlived the tab that they were for");
    struct click clicks[2];
    lesson_must((int)read(to_tab[1], clicks, sizeof clicks), "read");
    lesson_say("This process reads them, and tells the epoll instance nothing:");
    show_where_it_is();
    lesson_claim(!list_brings_something() && events_told() == 0,
                 "without the bytes, the entry in the ready list brings nothing");
}

/* ---- A freeze and a timer, in a loop of rouse ------------------------------------------------ */

/* A tab on a loop of rouse, on the kernel or in the model. */
static struct {
    struct rouse_loop *loop;
    struct rouse_io io;
    struct rouse_timer timer;
    struct rouse_task script;
    void (*freeze)(void); /* returns when there is a click, and the timer is due */
    bool frozen;
    char order[32]; /* what came after the freeze */
} page;

static void came(const char *what)
{
    size_t length = strlen(page.order);
    snprintf(page.order + length, sizeof page.order - length, "%s%s", length > 0 ? ", " : "", what);
    if (length > 0)
        rouse_stop(page.loop);
}

static void on_socket(struct rouse_io *io, uint32_t ready)
{
    struct click click;
    (void)ready;
    if (rouse_read(io, &click, sizeof click) != sizeof click)
        return;
    if (page.frozen) {
        came("click");
        return;
    }
    page.frozen = true;
    page.freeze();
}

static void on_timer(struct rouse_timer *timer)
{
    (void)timer;
    came("timer");
}

/* As it is told: it freezes, and at its end it sets a timer of no time. */
static void on_script(struct rouse_task *task)
{
    (void)task;
    page.frozen = true;
    page.freeze();
    lesson_ok(page.loop, rouse_timer_after(page.loop, &page.timer, 0, 0));
}

static void open_page(struct rouse_loop *loop, int fd)
{
    page.loop = loop;
    page.frozen = false;
    page.order[0] = '\0';
    rouse_io_init(&page.io, on_socket);
    rouse_timer_init(&page.timer, on_timer);
    rouse_task_init(&page.script, on_script);
    lesson_ok(loop, rouse_io_start(loop, &page.io, fd, ROUSE_READ));
}

static void run_page(const char *frozen)
{
    lesson_ok(page.loop, rouse_run(page.loop));
    lesson_ok(page.loop, rouse_close(page.loop));
    lesson_show(frozen, "%s", page.order);
}

/* The script freezes, and there is a click meanwhile. */
static void freeze_in_a_script(struct rouse_loop *loop, int fd)
{
    open_page(loop, fd);
    lesson_ok(loop, rouse_defer(loop, &page.script));
    run_page("after a script, which set the timer");
    lesson_claim(strcmp(page.order, "click, timer") == 0,
                 "after a script comes the next wait: so the click, then the timer");
}

/* The handler of a click, which is there already, freezes, and there is another click meanwhile. */
static void freeze_in_a_handler(struct rouse_loop *loop, int fd, int64_t delay)
{
    open_page(loop, fd);
    lesson_ok(loop, rouse_timer_after(loop, &page.timer, delay, 0));
    run_page("after a handler; it was set before");
    lesson_claim(strcmp(page.order, "timer, click") == 0,
                 "after a handler come the timers that are due: so the timer, then the click");
}

enum { DELAY = 2 * LESSON_MS };

static void freeze_on_kernel(void)
{
    int64_t until = lesson_now() + DELAY;
    make_click();
    while (lesson_now() < until)
        ; /* while (true) {}, for a while */
}

/* This process is the tab now; device and browser are as before. */
static void freezes_on_kernel(void)
{
    lesson_say("What if a timer comes due in the same freeze? This process is the tab now, on a "
               "loop of rouse. It freezes until there is a click and the timer is due, which here "
               "is soon. What the loop calls after that:");
    page.freeze = freeze_on_kernel;
    freeze_in_a_script(lesson_loop(), to_tab[1]);
    make_click();
    freeze_in_a_handler(lesson_loop(), to_tab[1], DELAY);
}

/* ---- In the model ---------------------------------------------------------------------------- */

static struct {
    int to_browser[2], to_tab[2], epoll;
    int clicks; /* that the device is to make yet */
    struct rouse_sim_task device, browser;
    struct rouse_sim_event look;
} model;

static const int64_t second = LESSON_SECOND;

/* A click every two seconds. */
static int model_device(struct rouse_sim_task *task)
{
    const struct click click = {30, 20};
    (void)task;
    for (; model.clicks > 0 && rouse_sim_sleep(2 * second) == 0; model.clicks--)
        model_must(rouse_sim_write(model.to_browser[0], &click, sizeof click), "write");
    return 0;
}

static int model_browser(struct rouse_sim_task *task)
{
    struct click click;
    (void)task;
    while (rouse_sim_read(model.to_browser[1], &click, sizeof click) == sizeof click)
        model_must(rouse_sim_write(model.to_tab[0], &click, sizeof click), "write");
    return 0;
}

static void look(struct rouse_sim_event *event)
{
    (void)event;
    model_draw(model.to_tab[1], model.epoll, -1);
}

/* A machine with the three; the tab is its first task. */
static void boot(int clicks)
{
    model_boot(NULL);
    model_must(rouse_sim_pair(model.to_browser), "pair");
    model_must(rouse_sim_pair(model.to_tab), "pair");
    model_must(rouse_sim_block(model.to_tab[1], false), "block");
    model_name(model.to_browser[0], "the device's socket");
    model_name(model.to_browser[1], "the browser's mouse socket");
    model_name(model.to_tab[0], "the browser's tab socket");
    model_name(model.to_tab[1], "the tab's socket");
    model.clicks = clicks;
    model_task(&model.device, "device", model_device);
    model_task(&model.browser, "browser", model_browser);
    model_must(rouse_sim_sleep(0), "sleep"); /* they begin, and fall asleep */
}

static void take_click(void)
{
    struct rouse_event event;
    struct click click;
    model_note("The tab calls epoll_wait(), then read().");
    model_must(rouse_sim_epoll_wait(model.epoll, &event, 1, -1), "epoll_wait");
    model_must(rouse_sim_read(model.to_tab[1], &click, sizeof click), "read");
}

static void click_on_an_idle_task(void)
{
    struct rouse_event event;
    lesson_say("Three tasks: the tab is called main. The mouse is clicked every two seconds. "
               "First, the tab is idle:");
    model_mark();
    model_tell(true);
    take_click();
    model_note("The tab asks once more, with a timeout of 0.");
    model_must(rouse_sim_epoll_wait(model.epoll, &event, 1, 0), "epoll_wait");
    model_tell(false);
    lesson_claim(model_since(ROUSE_SIM_READIED) == 3,
                 "three tasks were made READY: device, browser and tab");
}

static void click_on_a_busy_task(void)
{
    lesson_say("Now the tab computes for five seconds. After three, we look:");
    int64_t begun = rouse_sim_now();
    model.look = (struct rouse_sim_event){.fn = look};
    model_must(rouse_sim_at(&model.look, begun + 3 * second), "at");
    model_mark();
    model_tell(true);
    model_must(rouse_sim_compute(5 * second), "compute");
    uint64_t readied = model_since(ROUSE_SIM_READIED), listed = model_since(ROUSE_SIM_LISTED);
    take_click();
    model_tell(false);
    lesson_claim(readied == 2, "in these five seconds two were made READY: device and browser");
    lesson_claim(listed == 1, "the tab's socket was put on the ready list, once");
    lesson_claim(rouse_sim_now() == begun + 5 * second && model_since(ROUSE_SIM_SLEPT) == 1,
                 "the tab took the click after five seconds, and did not sleep");
}

static void clicks_in_model(void)
{
    boot(2);
    model.epoll = model_must(rouse_sim_epoll_create(), "epoll_create");
    model_name(model.epoll, "epoll");
    model_must(rouse_sim_epoll_ctl(model.epoll, ROUSE_SIM_ADD, model.to_tab[1], ROUSE_READ, 0),
               "epoll_ctl");
    click_on_an_idle_task();
    click_on_a_busy_task();
    model_halt();
}

static void freeze_in_model(void)
{
    model_must(rouse_sim_compute(5 * second), "compute");
}

static struct rouse_loop *loop_in_model(void)
{
    const struct rouse_config config = {.size = sizeof config, .backend = "sim:epoll"};
    struct rouse_loop *loop;
    boot(1);
    lesson_ok(NULL, rouse_open(&loop, &config));
    return loop;
}

static void freezes_in_model(void)
{
    const struct click click = {30, 20};
    lesson_say("And the freeze with a timer, on the same loop of rouse, which now runs in the "
               "model. Here it can be five seconds, for they take no time:");
    page.freeze = freeze_in_model;
    freeze_in_a_script(loop_in_model(), model.to_tab[1]);
    model_halt();
    struct rouse_loop *loop = loop_in_model();
    model_must(rouse_sim_write(model.to_tab[0], &click, sizeof click), "write");
    freeze_in_a_handler(loop, model.to_tab[1], 3 * second);
    model_halt();
}

int main(int argc, char **argv)
{
    lesson_begin(argc, argv, "click");
    lesson_say("A click goes from a device to a browser to a tab, which are three processes. First "
               "the tab is idle. Then it is busy and does not come back, and we look for the "
               "click.");
    int guess =
        lesson_guess("A tab runs while (true) {}, and somebody clicks. Where is the click?",
                     "nowhere: it is lost", "in the browser, which waits for the tab",
                     "in a ready list of the kernel",
                     "in the receive buffer of a socket, with an entry in a ready list", NULL);
    lesson_kernel();
    set_up();
    click_on_an_idle_tab();
    click_on_a_busy_tab();
    kill_the_busy_tab();
    freezes_on_kernel();
    end(browser);
    end(device);
    lesson_model();
    clicks_in_model();
    freezes_in_model();
    lesson_answer(
        guess, 3,
        "In the receive buffer of the tab's socket. The ready list has an entry that says "
        "so: look at this socket. Nobody is woken, because nobody sleeps there.");
    return lesson_end();
}
