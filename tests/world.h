/*
 * The world that the tests act on: descriptors, their peers, and time.
 *
 * Every case makes, fills, reads, shuts and closes descriptors through these functions and no
 * others, so that the same cases run in other worlds: Windows sockets, or a kernel in miniature.
 * What a world does not have it answers with -ENOTSUP, and the case is skipped with that reason.
 * Nothing here blocks but world_await(), and nothing here knows the library's loop. All
 * descriptors are non-blocking and close-on-exec; results are 0 or a count, or -errno.
 *
 * What surprises: bytes sent over TCP arrive when the kernel gets round to it, also on one
 * machine. A case that has sent them calls world_await() on the other end before it goes on; pipes
 * and unix sockets need no such thing, nor does a pair of any kind that comes in their place.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WORLD_H
#define WORLD_H

#include <rouse.h>
#include <stdbool.h>

/* ---- Pairs: what is sent to one end arrives at the other ---------------------------------- */

enum world_kind {
    WORLD_PIPE,      /* one way: ends[0] reads, ends[1] writes */
    WORLD_UNIX,      /* a stream */
    WORLD_TCP,       /* a stream with priority data and resets */
    WORLD_DATAGRAM,  /* unix datagrams */
    WORLD_UDP,       /* datagrams that may be refused */
    WORLD_SEQPACKET, /* datagrams in a connection that can end */
    WORLD_PTY,       /* ends[0] the terminal, ends[1] its master; a read gives one line; no echo */
    WORLD_KINDS,

    /* The cheapest of these that a world has, for who does not care which: what is sent, shut or
     * closed at one end is told at the other when the call returns. */
    WORLD_ANY,   /* one way, at least: ends[0] reads, ends[1] writes */
    WORLD_STREAM /* both ways */
};

/* "pipe", "unix" ... */
const char *world_name(enum world_kind kind);

/* Whether this world has such pairs. */
bool world_has(enum world_kind kind);

/* Makes a pair. ends[0] is what a test watches for READ, ends[1] is its peer. */
int world_pair(enum world_kind kind, rouse_fd ends[2]);

int world_packets(rouse_fd ends[2]); /* a pipe of which a read gives one packet, as it was sent */

/* ---- Single descriptors ------------------------------------------------------------------- */

int world_file(rouse_fd *fd);        /* an unnamed regular file, empty, for reading and writing */
int world_memory_file(rouse_fd *fd); /* a file that has no place in a file system */
int world_null(rouse_fd *fd);        /* what swallows all and gives nothing */
int world_zero(rouse_fd *fd);        /* what gives zeros without end */
int world_random(rouse_fd *fd);      /* what gives noise without end */
int world_mounts(rouse_fd *fd);      /* the list of what is mounted, which tells when it changes */
int world_directory(rouse_fd *fd);   /* a directory */
int world_stranger(rouse_fd *fd);    /* what nobody can watch, not even as always ready */
int world_nest(rouse_fd inner, rouse_fd *outer); /* is ready for READ while `inner` is */
/* The reading end of a named pipe that never had a writer, or one that has come and gone. */
int world_fifo(rouse_fd *fd, bool visited);
int world_eventfd(
    rouse_fd *fd); /* a semaphore, 0; an eight byte number adds to it, a read takes 1 */
int world_timerfd(rouse_fd *fd, bool expired); /* a timer of the kernel: unarmed, or unread */
int world_signalfd(rouse_fd *fd); /* a queue of signals; world_signal() puts one into it */
int world_signal(void);        /* sends this process one of the two that the queue takes, in turn */
int world_signal_thread(void); /* sends it to the calling thread alone */
int world_inotify(
    rouse_fd *fd); /* tells of a directory: two files were made there, and it is gone */

/* A descriptor of a process: of this one, or of a child that has ended. A child that was not reaped
 * stays so until this process ends. */
enum world_process { WORLD_RUNS, WORLD_HAS_ENDED, WORLD_WAS_REAPED };
int world_pidfd(rouse_fd *fd, enum world_process process);

/* ---- Connections -------------------------------------------------------------------------- */

int world_listen(rouse_fd *listener);                    /* TCP on a free port of this machine */
int world_connect(rouse_fd listener, rouse_fd *client);  /* begins to connect to it */
int world_accept(rouse_fd listener, rouse_fd *accepted); /* what accept(2) says */
int world_refused(rouse_fd *client);     /* a TCP connect that has been refused; not yet told */
int world_unconnected(rouse_fd *socket); /* a TCP socket fresh from socket(2) */
int world_bound(rouse_fd *socket);       /* one that has a port, and does not listen */
int world_take_error(rouse_fd fd);       /* what failed, as -errno; consumed */

/* A UDP socket whose last datagram was refused; not yet told. With `queued` the refusal also waits
 * in the socket's queue of errors, where it keeps ERROR up until world_take_refusal(). */
int world_refused_datagram(rouse_fd *fd, bool queued);
int world_take_refusal(rouse_fd fd);

void world_ignore_lost_readers(void); /* from now on, writes to them raise no signal in any world */

/* ---- What a peer does --------------------------------------------------------------------- */

ssize_t world_send(rouse_fd fd, const void *data, size_t size);

/* Has one byte sent in a moment, while the caller waits for it; world_sent() is called after that,
 * and says how the sending went. One at a time. */
int world_send_soon(rouse_fd fd);
int world_sent(void);

ssize_t world_send_with(rouse_fd fd, const void *data, size_t size,
                        rouse_fd passed);                      /* and a descriptor beside it */
ssize_t world_receive(rouse_fd fd, void *buffer, size_t size); /* 0 at the end */
ssize_t world_fill(rouse_fd fd);        /* sends until EAGAIN; how many bytes it took; not to UDP */
int world_fill_connection(rouse_fd fd); /* of TCP: both sides' buffers; it stays full */
ssize_t world_drain(rouse_fd fd); /* receives until EAGAIN, the end or an error; how many bytes */
int world_priority(rouse_fd fd, char byte);       /* sends one byte out of band */
int world_shut(rouse_fd fd, uint32_t directions); /* half close: of READ, WRITE or both */
int world_reset(rouse_fd fd);                     /* closes so that the peer is told of an error */
int world_rewind(rouse_fd fd); /* the next receive from a file begins at its beginning */
int world_close(rouse_fd fd);

/* ---- Descriptors as numbers --------------------------------------------------------------- */

int world_dup(rouse_fd fd, rouse_fd *copy);
int world_dup2(rouse_fd fd, rouse_fd number); /* closes `number` first if it is open */
int world_inherited(rouse_fd fd); /* 1 if a program that is executed would get it, else 0; -EBADF */
bool world_is_model(void); /* whether descriptors are not the operating system's, but of a model */
bool world_blocks(rouse_fd fd);   /* whether O_NONBLOCK is not set */
int world_block(rouse_fd fd, bool blocks);
/* How many of this process are open; 0 where others than the test open and close some. */
unsigned world_open_descriptors(void);
/* -ENOTSUP, or what setrlimit(2) said; -1 changes nothing. */
int world_limit_descriptors(long limit, long *before);

int world_threads(void); /* how many this process has */

/* Whether a program that emulates limits stands between this process and its kernel (valgrind does:
 * a descriptor past the limit is made, taken back, and what it was of is lost). */
bool world_emulates_limits(void);

/* Whether this is Windows as Wine plays it, which has faults that Windows has not. */
bool world_is_wine(void);

int world_setenv(const char *name, const char *value); /* for this process; NULL: takes it away */

/* ---- What is ready ------------------------------------------------------------------------ */

/* What of READ, PRIORITY and WRITE in `want` is ready now, and of HANGUP and ERROR, as the world
 * itself says, and not a backend. HANGUP is told of a peer that stopped writing if `want` has it.
 */
uint32_t world_ready(rouse_fd fd, uint32_t want);

/* Wait until all bits of `ready` are up, or that many bytes can be read; for ever if need be. */
void world_await(rouse_fd fd, uint32_t ready);
void world_await_bytes(rouse_fd fd, int count);

/* Waits until all that a socket has sent has arrived. */
void world_await_sent(rouse_fd fd);

/* ---- Time --------------------------------------------------------------------------------- */

/* Virtual time: stands still but when a case moves it, or the loop idles towards a deadline. */
struct world_clock {
    int64_t now;
    int64_t asked;  /* the deadline of the last idling */
    unsigned reads; /* how often the clock was read */
    unsigned idles; /* how often the loop idled */
    bool stands;    /* idling does not move it */
};

/* A clock for rouse_config.clock that reads and moves `clock`. */
struct rouse_clock world_clock(struct world_clock *clock);

int64_t world_now(void); /* the machine's own monotonic clock */

/* A signal every millisecond that does nothing but interrupt; and how many have come so far. */
int world_interrupt(bool come);
int world_interrupts(void);

#endif
