/*
 * The contract between the loop and a backend: how a thread waits for many descriptors.
 *
 * A backend is one file and one table of functions, `struct rouse_backend`. Its main call is shaped
 * after kevent(2): changes in, events out, one call. Write one, hand it to rouse_open() as
 * `config.own`, and the same callbacks run on it; docs/add-a-backend.md leads through it.
 *
 * A backend remembers nothing that the loop knows. It does not know watchers or callbacks, timers,
 * signals or other threads; it echoes tokens. The low half of a token is a dense slot number, so
 * that whatever a backend needs for each descriptor is an array indexed by it; the high half is a
 * generation that tells registrations apart. The loop owns the truth about what is wanted and sends
 * it again whenever the kernel has lost it.
 *
 * All functions are called by one thread, never during one another. They print nothing, and never
 * end the process.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_BACKEND_H
#define ROUSE_BACKEND_H

#include <rouse.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this contract. A backend written for another is refused with -ENOTSUP. */
#define ROUSE_BACKEND_ABI 1

/* What the kernel should hold for one descriptor. */
struct rouse_change {
    rouse_fd fd;
    uint32_t had;   /* interest that the kernel holds; 0: it does not know this descriptor */
    uint32_t want;  /* interest that it must hold; 0: silence, hangup and errors included */
    uint32_t spare; /* zero */
    uint64_t token; /* echoed in every event of this registration: generation << 32 | slot */
};

/* What a descriptor has become. */
struct rouse_event {
    uint64_t token;
    uint32_t ready; /* READ, PRIORITY, WRITE, ERROR, HANGUP; and SPENT */
    int32_t result; /* 0, or -errno of a refused change */
};

/* The slot number of a token. */
#define ROUSE_SLOT(token) ((uint32_t)(token))

/* What a backend can do; rouse_backend.traits. */
enum {
    ROUSE_TRAIT_EDGE = 1,    /* knows edges: honours ROUSE_EDGE in `want` */
    ROUSE_TRAIT_HANGUP = 2,  /* can tell HANGUP and ERROR */
    ROUSE_TRAIT_SCAN = 4,    /* to sleep costs O(N) more than to ask */
    ROUSE_TRAIT_GUESS = 8,   /* reports are guesses */
    ROUSE_TRAIT_LESSON = 16, /* for lessons: reports mark it */
    ROUSE_TRAIT_OPT_IN = 32, /* only used when it is named */
    ROUSE_TRAIT_WRAPS = 64,  /* stands before another, "NAME:INNER": rouse_setup.inner */
    ROUSE_TRAIT_BOUND = 128, /* bound to the thread that polls; opened anew when another adopts */
    ROUSE_TRAIT_LATE = 256,  /* may tell of what was ready since the last wait, and is no more */
    ROUSE_TRAIT_ASK = 512,   /* to ask costs O(N) more than to sleep */
};

/* The work of the backend, which it counts as it goes. Read through rouse_count(). */
struct rouse_work {
    uint64_t system_calls;
    uint64_t descriptors; /* handed to the kernel, call by call */
    uint64_t bytes_in;    /* copied into the kernel */
    uint64_t bytes_out;   /* copied out of it */
    uint64_t scanned;     /* entries looked at on this side to find what is ready */
};

/* What `open` is given; valid until `close`. */
struct rouse_setup {
    struct rouse_allocator allocator; /* for all memory of the backend */
    struct rouse_work *work;
    /* The loop's own copy of the backend's table. In it `open` may set what it finds out only then:
     * the name, traits, fd_limit, wake and system. */
    struct rouse_backend *table;
    const struct rouse_backend *inner; /* what one that wraps is to wrap; else NULL */
    char *why; /* where `open` says in words why it failed */
    size_t why_size;
};

/* What rouse_read() and its like must know of a descriptor; rouse_system.kind. */
enum rouse_kind {
    ROUSE_KIND_STREAM = 1, /* a TCP socket: a short count says that it is drained */
    ROUSE_KIND_SOCKET,     /* any other socket: only EAGAIN says so */
    ROUSE_KIND_PIPE,       /* a pipe: a short count says that it is drained */
    ROUSE_KIND_OTHER       /* terminals, eventfd, files ...: only EAGAIN says so */
};

/*
 * The system calls that the loop makes on behalf of its user. There is one table for the operating
 * system; a backend may bring its own, for descriptors that exist only in its model, or to make the
 * n-th call fail in a test. Results are 0 (or a count) or -errno; -EINTR may be returned. Nothing
 * blocks, but on what is not non-blocking an accept, and reads and writes if it is no socket.
 */
struct rouse_system {
    /* The monotonic clock, in nanoseconds. */
    int64_t (*now)(void);
    /* Optional: a time that `now` has not reached, within some 20 ms, found for less. */
    int64_t (*soon)(void);
    /* 0 if it is an open descriptor, else -EBADF; -ENOTSOCK if only sockets can be watched. */
    int (*check)(rouse_fd fd);
    /* enum rouse_kind */
    int (*kind)(rouse_fd fd);
    ssize_t (*read)(rouse_fd fd, int kind, void *buffer, size_t size);
    /* Raises no SIGPIPE on sockets. */
    ssize_t (*write)(rouse_fd fd, int kind, const void *data, size_t size);
    /* Non-blocking, close-on-exec. */
    int (*accept)(rouse_fd fd, rouse_fd *accepted);
    /* SO_ERROR, consumed, as -errno. */
    int (*take_error)(rouse_fd fd);
    /* The descriptor is gone whatever it returns. */
    int (*close)(rouse_fd fd);
};

struct rouse_backend {
    uint32_t abi; /* ROUSE_BACKEND_ABI */
    uint32_t traits;
    const char *name;
    size_t state_size; /* of the state that the loop allocates, zeroes, and hands to each call */
    rouse_fd fd_limit; /* rouse_io_start() refuses descriptors from here on with -ERANGE; 0: none */

    /*
     * Makes the state usable. `state` is zeroed. May fail with -errno and words in `setup->why`; it
     * then holds nothing, `close` is not called, and the loop may try another backend. What binds
     * to a thread binds at the first `poll`, not here. Every descriptor made is close-on-exec.
     */
    int (*open)(void *state, const struct rouse_setup *setup);

    /* Releases everything. Also called in a forked child, where it must touch nothing that the
     * parent shares: closing its own descriptors is fine, changing what they hold is not. */
    void (*close)(void *state);

    /*
     * Applies all changes, then waits, then reports.
     *
     * changes: at most one for a descriptor. After it the kernel holds `want` for `fd`, or for want
     *   0 nothing at all, so that nothing is reported for it, hangup and errors included. With
     *   ROUSE_EDGE in `want` (sent only if the trait is set) a direction is reported when it
     *   becomes ready, and once right after a change if it is ready then. HANGUP in `want` asks to
     *   be told of a peer that closes its writing side; ERROR is never asked and always told.
     *   `had` and `want` may be the same: an edge was lost, and what is ready is to be told anew.
     * refused changes: an event {token, ROUSE_ERROR, -errno}, while the others still apply. The
     *   backend then holds nothing for that token, and the call does not block. `nevents >=
     *   nchanges`, and at least 1, so that there is always room. -EPERM says that the kernel cannot
     *   watch such a file because it is always ready; the loop sees to it.
     * timeout_ns: 0 never blocks; negative is for ever; anything else is rounded up to the unit
     *   of the backend and clamped to its range (the loop waits again).
     * events: at most one for a token and call, with all that is ready of what is wanted, and ERROR
     *   and HANGUP where the backend can tell them. Level: as long as the condition lasts.
     *   May be spurious. Must not starve: when more are ready than fit, later calls report the
     *   others first. Never a token that was not given to it, or that was dropped before this call.
     *   SPENT in `ready` says that the kernel holds nothing for this token now; the loop sends
     *   what it wants again before the next wait. `ready` may be SPENT alone.
     * returns the number of events; 0 after a timeout or a signal; -errno only if the backend has
     *   become unusable, and what the kernel holds is then unknown: the loop closes and opens it.
     *   -EDEADLK says that the wait could never end, as a kernel can know that is a model.
     */
    int (*poll)(void *state, const struct rouse_change *changes, int nchanges,
                struct rouse_event *events, int nevents, int64_t timeout_ns);

    /*
     * Forgets a descriptor that the kernel holds, now: the caller is about to close it. Afterwards
     * no reference to the open file remains and nothing new is reported for the token. Never fails.
     * It may hold nothing: an event that says so may be in a batch that the loop is still reading.
     */
    void (*drop)(void *state, rouse_fd fd, uint64_t token);

    /* Optional. Makes the `poll` in progress in another thread, or the next one, return. From any
     * thread and from signal handlers, but not during `open` and `close`. NULL: the loop watches a
     * descriptor of its own for this. */
    int (*wake)(void *state);

    /* Optional. NULL: the operating system's. */
    const struct rouse_system *system;
};

#ifdef __cplusplus
}
#endif

#endif
