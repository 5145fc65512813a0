/*
 * The lesson epoll: what is wanted is kept in the kernel, whoever becomes ready puts itself on a
 * list, and a wait looks at that list alone.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "model.h"

enum { FEW = 3, MOST = 10000, READY = 1000, SIZES = 4 /* from 10 to 10,000, or 1 to 1000 */ };

/* ---- On the kernel: what is kept ------------------------------------------------------------ */

/* The sockets a, b and c, and their peers. What epoll keeps for each to tell it by is its letter.
 */
static struct {
    int epoll;
    int sockets[FEW], peers[FEW];
    char told[FEW + 1]; /* by the last wait, in order */
} few;

static void watch(int op, uint32_t events)
{
    for (int i = 0; i < FEW; i++) {
        struct epoll_event event = {.events = events, .data.u64 = (uint64_t)('a' + i)};
        lesson_must(epoll_ctl(few.epoll, op, few.sockets[i], &event), "epoll_ctl");
    }
}

/* Bytes come for these sockets, in this order. */
static void send_to(const char *letters)
{
    for (; *letters != '\0'; letters++)
        lesson_must((int)write(few.peers[*letters - 'a'], "x", 1), "write");
}

static void drain(void)
{
    char bytes[16];
    for (int i = 0; i < FEW; i++)
        while (recv(few.sockets[i], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
            ; /* until it is empty */
}

static void wait_for(int timeout)
{
    struct epoll_event events[FEW];
    int n = lesson_must(epoll_wait(few.epoll, events, FEW, timeout), "epoll_wait");
    for (int i = 0; i < n; i++)
        few.told[i] = (char)events[i].data.u64;
    few.told[n] = '\0';
}

/* Shows what a wait tells; whether it is this. */
static bool tells(const char *name, const char *letters)
{
    wait_for(0);
    lesson_show(name, "%s", few.told[0] != '\0' ? few.told : "nothing");
    return strcmp(few.told, letters) == 0;
}

static void open_few(void)
{
    few.epoll = lesson_must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    for (int i = 0; i < FEW; i++) {
        int ends[2];
        lesson_must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
        few.sockets[i] = ends[0];
        few.peers[i] = ends[1];
    }
    watch(EPOLL_CTL_ADD, EPOLLIN);
}

/* What is in the interest set, from the lines that begin with "tfd:". */
static void show_interest_set(void)
{
    char path[64], text[2048], *line = text;
    int entries = 0, found = 0, added = 0;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", few.epoll);
    lesson_say("Three connected sockets, a, b and c, have been given to an epoll by epoll_ctl(), "
               "to be told when they can be read. Nobody has waited yet. What the kernel keeps, "
               "from %s:",
               path);
    if (lesson_file(path, text, sizeof text) < 0 || (line = strstr(text, "tfd:")) == NULL) {
        lesson_skip("the interest set: this kernel does not tell it in /proc/self/fdinfo");
        return;
    }
    lesson_lines(line);
    for (; line != NULL; line = strstr(line + 1, "tfd:")) {
        int fd;
        unsigned events;
        uint64_t data;
        if (sscanf(line, "tfd: %d events: %x data: %" SCNx64, &fd, &events, &data) != 3)
            continue;
        entries++;
        found += data >= 'a' && data < 'a' + FEW && few.sockets[data - 'a'] == fd;
        added += events == (EPOLLIN | EPOLLERR | EPOLLHUP);
    }
    lesson_claim(entries == FEW && found == FEW,
                 "there is an entry for each socket, and nothing else; its data is the letter");
    lesson_claim(added == FEW, "each wants EPOLLIN, and what is always told: EPOLLERR, EPOLLHUP");
}

/* ---- On the kernel: the hook and the ready list ---------------------------------------------- */

static void *wait_once(void *unused)
{
    (void)unused;
    wait_for(-1);
    return NULL;
}

static void wake_a_sleeper(void)
{
    struct lesson_thread thread;
    struct lesson_seen seen;
    lesson_say("A thread calls epoll_wait(). Then a byte comes for b:");
    lesson_start(&thread, wait_once, NULL);
    lesson_until_asleep(thread.tid);
    lesson_look(thread.tid, &seen);
    send_to("b");
    lesson_join(&thread);
    lesson_show("its state, before the byte", "%s", lesson_state(seen.state));
    lesson_show("the function in the kernel it is in", "%s", seen.where);
    lesson_show("what it is told", "%s", few.told);
    lesson_claim(seen.state == 'S', "it sleeps while none of the three is ready");
    lesson_claim(strcmp(few.told, "b") == 0, "it is told of b, and need not look for it");
    drain();
    wait_for(0);
}

static void collect_from_the_list(void)
{
    lesson_say("Now nobody waits while bytes come for c, then a, then b. A wait afterwards:");
    send_to("cab");
    bool first = tells("bytes came for c, a, b; it tells", "cab");
    lesson_claim(first, "what came while nobody waited was kept, in the order in which it came");

    lesson_say("All is read, nothing is ready, and nobody waits. Bytes come in another order: b, "
               "c, a. Are they told in that order?");
    drain();
    send_to("bca");
    bool old = tells("bytes came for b, c, a; it tells", "cab");
    lesson_claim(old, "they are told in the old order, so none of them had left the list");

    lesson_say("The same again, but with a wait in between that finds nothing:");
    drain();
    bool nothing = tells("all was read; it tells", "");
    send_to("bca");
    bool new = tells("bytes came for b, c, a; it tells", "bca");
    lesson_claim(nothing && new, "the wait in between has taken them off the list");
    drain();
    wait_for(0);
}

static void look_at_nothing_else(void)
{
    lesson_say(
        "With EPOLLET, who has been told does leave the list. A byte comes for a, and is not "
        "read:");
    watch(EPOLL_CTL_MOD, EPOLLIN | EPOLLET);
    send_to("a");
    bool once = tells("the first wait tells", "a") && tells("the second wait tells", "");
    struct pollfd asked = {.fd = few.sockets[0], .events = POLLIN};
    lesson_must(poll(&asked, 1, 0), "poll");
    bool readable = asked.revents & POLLIN;
    lesson_show("poll(), which asks a itself, tells", "%s", readable ? "a" : "nothing");
    lesson_claim(once && readable, "a can be read, but a wait looks at the list and nowhere else");
}

/* ---- On the kernel: what it costs ------------------------------------------------------------ */

static struct {
    int epoll;
    int files[MOST]; /* eventfds, which take one descriptor each */
    int count;
} many;

static void watch_many(int count)
{
    for (; many.count < count; many.count++) {
        int fd = lesson_must(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        lesson_must(epoll_ctl(many.epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
        many.files[many.count] = fd;
    }
}

static void collect(void *unused)
{
    static struct epoll_event events[READY];
    (void)unused;
    lesson_must(epoll_wait(many.epoll, events, READY, 0), "epoll_wait");
}

static void make_ready(int count)
{
    for (int i = 0; i < count; i++)
        lesson_must(eventfd_write(many.files[i], 1), "write");
}

static void read_all(int count)
{
    eventfd_t value;
    for (int i = 0; i < count; i++)
        lesson_must(eventfd_read(many.files[i], &value), "read");
}

static void one_event(void *unused)
{
    make_ready(1);
    collect(unused);
    read_all(1);
}

static void one_change(void *unused)
{
    (void)unused;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = many.files[many.count / 2]};
    lesson_must(epoll_ctl(many.epoll, EPOLL_CTL_MOD, event.data.fd, &event), "epoll_ctl");
}

static void draw_costs(const char *format, int first, const double costs[SIZES])
{
    for (int i = 0, n = first; i < SIZES; i++, n *= 10) {
        char name[32];
        snprintf(name, sizeof name, format, n);
        lesson_bar(name, costs[i], costs[SIZES - 1], "%.0f ns");
    }
}

static void measure(void)
{
    double events[SIZES], changes[SIZES], waits[SIZES];
    if (lesson_descriptors(MOST + 100) < MOST + 100) {
        lesson_skip("what it costs: this process may not have 10,100 descriptors");
        return;
    }
    many.epoll = lesson_must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    for (int i = 0, n = 10; i < SIZES; i++, n *= 10) {
        watch_many(n);
        events[i] = lesson_cost(one_event, NULL, 1000);
        changes[i] = lesson_cost(one_change, NULL, 1000);
    }
    for (int i = 0, n = 1; i < SIZES; i++, n *= 10) {
        make_ready(n);
        waits[i] = lesson_cost(collect, NULL, 100);
        read_all(n);
        collect(NULL);
    }
    lesson_say("One of N becomes ready, is told by a wait, and is read. What that costs in all:");
    draw_costs("of %d", 10, events);
    lesson_claim(events[SIZES - 1] < 3 * events[0],
                 "an event among 10,000 costs less than three times one among 10");
    lesson_say("epoll_ctl() changes what is wanted of one of N, for which it searches the tree:");
    draw_costs("of %d", 10, changes);
    lesson_claim(changes[SIZES - 1] < 3 * changes[0],
                 "a change among 10,000 costs less than three times one among 10");
    lesson_say("So many of 10,000 are ready at once, and one wait collects them:");
    draw_costs("%d ready", 1, waits);
    lesson_claim(waits[SIZES - 1] > 20 * waits[0],
                 "a wait that collects 1000 costs more than 20 times one that collects 1");
}

/* ---- In the model: one event ----------------------------------------------------------------- */

/* The same sockets, and files by the thousand. All numbers are of the machine. */
static struct {
    int epoll;
    int files[MOST], peers[MOST];
} model;

static void watch_in_model(int place)
{
    int error = rouse_sim_epoll_ctl(model.epoll, ROUSE_SIM_ADD, model.files[place], ROUSE_READ, 0);
    model_must(error, "rouse_sim_epoll_ctl");
}

static void wait_in_model(int64_t timeout)
{
    static struct rouse_event events[READY];
    model_must(rouse_sim_epoll_wait(model.epoll, events, READY, timeout), "rouse_sim_epoll_wait");
}

static void write_byte(int place)
{
    model_must(rouse_sim_write(model.peers[place], "x", 1), "rouse_sim_write");
}

static void read_byte(int place)
{
    char byte;
    model_must(rouse_sim_read(model.files[place], &byte, 1), "rouse_sim_read");
}

static void open_model(int count, int watched)
{
    struct rouse_sim_config config = {.size = sizeof config, .descriptors = 2 * MOST + 1};
    model_boot(&config);
    model.epoll = model_must(rouse_sim_epoll_create(), "rouse_sim_epoll_create");
    for (int i = 0; i < count; i++) {
        int ends[2];
        model_must(rouse_sim_pair(ends), "rouse_sim_pair");
        model.files[i] = ends[0];
        model.peers[i] = ends[1];
        if (i < watched)
            watch_in_model(i);
    }
}

/* While main sleeps. */
static void packet_for_b(struct rouse_sim_event *event)
{
    (void)event;
    model_draw(model.epoll, model.files[1], -1);
    model_note("a packet comes, with a byte for b");
    model_mark();
    write_byte(1);
}

static void follow_an_event(void)
{
    lesson_say("The same three sockets. a and b are watched already, and c is added. Then main "
               "waits:");
    open_model(FEW, 2);
    model_name(model.epoll, "the epoll");
    model_name(model.files[0], "a");
    model_name(model.files[1], "b");
    model_name(model.files[2], "c");
    model_name(model.peers[1], "the peer of b");
    model_tell(true);
    model_note("main calls epoll_ctl() for c");
    watch_in_model(2);
    struct rouse_sim_event event = {.fn = packet_for_b};
    model_must(rouse_sim_at(&event, LESSON_MS), "rouse_sim_at");
    model_note("main calls epoll_wait()");
    wait_in_model(-1);
    lesson_claim(model_since(ROUSE_SIM_SEARCHED) == 0,
                 "from the packet to the end of the wait no tree is searched");
    lesson_claim(model_since(ROUSE_SIM_ASKED) == 1, "one socket is asked what it is ready for");
    lesson_claim(rouse_sim_listed(model.epoll, 0) == model.files[1],
                 "b has been told, and is on the ready list again");

    lesson_say("That it was put there again, before the wait returned, is what level-triggered "
               "means. Now main reads the byte, and waits once more:");
    model_note("main calls read()");
    read_byte(1);
    model_draw(model.epoll, -1);
    model_note("main calls epoll_wait(), but not to sleep");
    model_mark();
    wait_in_model(0);
    lesson_claim(model_since(ROUSE_SIM_ASKED) == 1 && rouse_sim_listed(model.epoll, 0) < 0,
                 "it is this wait that takes b off the list, as it asks b again");
    model_tell(false);
    model_halt();
}

/* ---- In the model: what it costs ------------------------------------------------------------- */

static void packet(struct rouse_sim_event *event)
{
    (void)event;
    model_mark();
    write_byte(0);
}

static unsigned steps(void)
{
    uint64_t sum = 0;
    for (int what = 0; what < ROUSE_SIM_WHATS; what++)
        sum += model_since((enum rouse_sim_what)what);
    return (unsigned)sum;
}

static void count_by_watched(void)
{
    unsigned first = 0, same = 0, searches = 0, low = 0;
    lesson_say("One of N becomes ready while main waits. Then what is wanted is changed, of each:");
    lesson_lines("      N  steps of the event  searches in it  looked at by a change, on average");
    for (int n = 10; n <= MOST; n *= 10) {
        struct rouse_sim_event event = {.fn = packet};
        char line[100];
        open_model(n, n);
        model_must(rouse_sim_at(&event, LESSON_MS), "rouse_sim_at");
        wait_in_model(-1);
        unsigned of_event = steps(), searched = (unsigned)model_since(ROUSE_SIM_SEARCHED);
        model_mark();
        for (int i = 0; i < n; i++)
            rouse_sim_epoll_ctl(model.epoll, ROUSE_SIM_MODIFY, model.files[i], ROUSE_READ, 0);
        double average = (double)model_amount(ROUSE_SIM_SEARCHED) / n;
        snprintf(line, sizeof line, "%7d  %18u  %14u  %6.1f", n, of_event, searched, average);
        lesson_lines(line);
        model_halt();
        first = n == 10 ? of_event : first;
        same += of_event == first;
        searches += searched;
        low += average < 2 * log2(n);
    }
    lesson_claim(same == SIZES, "an event takes the same steps, however many are watched: O(1)");
    lesson_claim(searches == 0, "there is never a search in it");
    lesson_claim(low == SIZES,
                 "a change looks at fewer than twice the logarithm of N, on average: O(log N)");
}

static void count_by_ready(void)
{
    int exact = 0;
    lesson_say("So many of 10,000 are ready at once. One wait collects them, all is read, and two "
               "more waits find nothing:");
    lesson_lines("  ready  asked by the wait  listed again  asked by the next  by the last");
    open_model(MOST, MOST);
    for (int n = 1; n <= READY; n *= 10) {
        int asked[3], listed[3];
        char line[100];
        for (int i = 0; i < n; i++)
            write_byte(i);
        for (int i = 0; i < 3; i++) {
            model_mark();
            wait_in_model(0);
            asked[i] = (int)model_since(ROUSE_SIM_ASKED);
            listed[i] = (int)model_since(ROUSE_SIM_LISTED);
            for (int place = 0; i == 0 && place < n; place++)
                read_byte(place);
        }
        snprintf(line, sizeof line, "%7d  %17d  %12d  %17d  %11d", n, asked[0], listed[0], asked[1],
                 asked[2]);
        lesson_lines(line);
        exact += asked[0] == n && listed[0] == n && asked[1] == n && asked[2] == 0;
    }
    model_halt();
    lesson_claim(exact == SIZES, "a wait asks who is on the list, and nobody else: O(ready)");
}

int main(int argc, char **argv)
{
    lesson_begin(argc, argv, "epoll");
    lesson_say("An epoll watches three sockets, and then ten thousand files. We look at what it "
               "keeps of them in the kernel, what it does when one becomes ready, and what a wait "
               "has to look at.");
    int guess = lesson_guess("Of 10,000 watched sockets one becomes ready. How does epoll find it?",
                             "it asks all of them", "it searches a tree of them",
                             "it does not have to", NULL);
    lesson_kernel();
    open_few();
    show_interest_set();
    wake_a_sleeper();
    collect_from_the_list();
    look_at_nothing_else();
    measure();
    lesson_model();
    follow_an_event();
    count_by_watched();
    count_by_ready();
    lesson_answer(guess, 2,
                  "It does not have to. The socket's own wait queue holds epoll's hook, which "
                  "knows its entry and puts it on the ready list. A wait asks who is on that list. "
                  "The tree is for epoll_ctl(), which is handed a descriptor and has to find its "
                  "entry.");
    return lesson_end();
}
