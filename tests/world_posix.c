/*
 * The world of POSIX: descriptors, and what their peers do.
 *
 * Pairs cost a few system calls each. What surprises: a terminal and a TCP connection deliver what
 * was sent a moment later, from a kernel thread, so that a test has to await it.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* posix_openpt */

#include "subject.h"
#include "world_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* SO_NOSIGPIPE does its work */
#endif

/* The result of a system call as the count or -errno. */
static ssize_t outcome(ssize_t result)
{
    return result < 0 ? -errno : result;
}

int world_prepare(rouse_fd fd)
{
    if (fd < 0)
        return -errno;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
#ifdef SO_NOSIGPIPE
    setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &(int){1}, sizeof(int));
#endif
    return fd;
}

/* ---- Pairs -------------------------------------------------------------------------------- */

const char *world_name(enum world_kind kind)
{
    static const char *const names[WORLD_KINDS] = {"pipe", "unix",      "tcp", "datagram",
                                                   "udp",  "seqpacket", "pty"};
    return names[kind];
}

bool world_has(enum world_kind kind)
{
    rouse_fd ends[2];
    if (world_pair(kind, ends) < 0)
        return false;
    world_close(ends[0]);
    world_close(ends[1]);
    return true;
}

static int make_terminal(rouse_fd ends[2])
{
    rouse_fd master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0) /* /dev/pts is not there, as in a bare chroot: no terminals */
        return errno == ENODEV || errno == ENOENT ? -ENOTSUP : -errno;
    struct termios settings;
    rouse_fd terminal = -1;
    if (grantpt(master) == 0 && unlockpt(master) == 0)
        terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    if (terminal < 0 || tcgetattr(terminal, &settings) < 0) {
        int error = -errno;
        close(master);
        return error;
    }
    settings.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    settings.c_lflag |= ICANON;
    settings.c_oflag &= ~(tcflag_t)OPOST;
    tcsetattr(terminal, TCSANOW, &settings);
    ends[0] = terminal;
    ends[1] = master;
    return 0;
}

int world_pair(enum world_kind kind, rouse_fd ends[2])
{
    int result = -ENOTSUP;
    switch (kind) {
    case WORLD_ANY:
    case WORLD_PIPE:
        result = (int)outcome(pipe(ends));
        break;
    case WORLD_STREAM:
    case WORLD_UNIX:
        result = (int)outcome(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
        break;
    case WORLD_DATAGRAM:
        result = (int)outcome(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
        break;
    case WORLD_SEQPACKET:
        result = (int)outcome(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends));
        break;
    case WORLD_PTY:
        result = make_terminal(ends);
        break;
    case WORLD_TCP:
        return world_tcp_pair(ends);
    case WORLD_UDP:
        return world_udp_pair(ends);
    case WORLD_KINDS:
        break;
    }
    if (result < 0)
        return result == -EPROTONOSUPPORT ? -ENOTSUP : result;
    world_prepare(ends[0]);
    world_prepare(ends[1]);
    return 0;
}

/* ---- Single descriptors ------------------------------------------------------------------- */

static int open_single(rouse_fd *fd, const char *path, int flags)
{
    int result = world_prepare(open(path, flags));
    if (result < 0)
        return result;
    *fd = result;
    return 0;
}

int world_file(rouse_fd *fd)
{
    char path[] = "/tmp/rouse-test-XXXXXX";
    int result = world_prepare(mkstemp(path));
    if (result < 0)
        return result;
    unlink(path);
    *fd = result;
    return 0;
}

int world_null(rouse_fd *fd)
{
    return open_single(fd, "/dev/null", O_RDWR);
}

int world_directory(rouse_fd *fd)
{
    return open_single(fd, "/", O_RDONLY);
}

int world_stranger(rouse_fd *fd)
{
    (void)fd;
    return -ENOTSUP;
}

int world_fifo(rouse_fd *fd, bool visited)
{
    char folder[] = "/tmp/rouse-test-XXXXXX";
    if (!mkdtemp(folder))
        return -errno;
    char path[sizeof folder + 8];
    strcpy(path, folder);
    strcat(path, "/fifo");
    int result = (int)outcome(mkfifo(path, 0600));
    if (result == 0)
        result = open_single(fd, path, O_RDONLY | O_NONBLOCK);
    if (result == 0 && visited)
        close(open(path, O_WRONLY | O_NONBLOCK));
    unlink(path);
    rmdir(folder);
    return result;
}

/* ---- What a peer does --------------------------------------------------------------------- */

ssize_t world_send(rouse_fd fd, const void *data, size_t size)
{
    ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == ENOTSOCK) {
        void (*before)(int) = signal(SIGPIPE, SIG_IGN);
        sent = write(fd, data, size);
        int error = errno;
        signal(SIGPIPE, before);
        errno = error;
    }
    return outcome(sent);
}

ssize_t world_receive(rouse_fd fd, void *buffer, size_t size)
{
    return outcome(read(fd, buffer, size));
}

/* Large pieces first and single bytes last, so that not one more byte fits. */
ssize_t world_fill(rouse_fd fd)
{
    static const char zeros[65536];
    ssize_t total = 0;
    for (size_t piece = sizeof zeros; piece > 0;) {
        ssize_t sent = world_send(fd, zeros, piece);
        if (sent >= 0)
            total += sent;
        else if (sent == -EAGAIN || sent == -EMSGSIZE)
            piece /= 4;
        else
            return sent;
    }
    return total;
}

ssize_t world_drain(rouse_fd fd)
{
    static char sink[65536];
    ssize_t total = 0;
    ssize_t received;
    while ((received = world_receive(fd, sink, sizeof sink)) > 0)
        total += received;
    return total;
}

int world_priority(rouse_fd fd, char byte)
{
    return send(fd, &byte, 1, MSG_OOB | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int world_shut(rouse_fd fd, uint32_t directions)
{
    int how = directions == ROUSE_READ ? SHUT_RD : directions == ROUSE_WRITE ? SHUT_WR : SHUT_RDWR;
    return (int)outcome(shutdown(fd, how));
}

int world_reset(rouse_fd fd)
{
    struct linger none = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    return world_close(fd);
}

int world_rewind(rouse_fd fd)
{
    return lseek(fd, 0, SEEK_SET) < 0 ? -errno : 0;
}

int world_close(rouse_fd fd)
{
    return (int)outcome(close(fd));
}

void world_ignore_lost_readers(void)
{
    signal(SIGPIPE, SIG_IGN);
}

/* ---- Descriptors as numbers --------------------------------------------------------------- */

int world_dup(rouse_fd fd, rouse_fd *copy)
{
    *copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return *copy < 0 ? -errno : 0;
}

int world_dup2(rouse_fd fd, rouse_fd number)
{
    if (dup2(fd, number) < 0)
        return -errno;
    return fcntl(number, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

int world_inherited(rouse_fd fd)
{
    int flags = fcntl(fd, F_GETFD);
    return flags < 0 ? -errno : !(flags & FD_CLOEXEC);
}

bool world_blocks(rouse_fd fd)
{
    return !(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

int world_block(rouse_fd fd, bool blocks)
{
    int flags = fcntl(fd, F_GETFL);
    return fcntl(fd, F_SETFL, blocks ? flags & ~O_NONBLOCK : flags | O_NONBLOCK) < 0 ? -errno : 0;
}

/* Numbers above this are not used by any case. */
enum { HIGHEST = 6000 };

unsigned world_open_descriptors(void)
{
    if (subject_is_emulated())
        return 0;
    unsigned count = 0;
    for (rouse_fd fd = 0; fd < HIGHEST; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

int world_limit_descriptors(long limit, long *before)
{
    struct rlimit now;
    if (getrlimit(RLIMIT_NOFILE, &now) < 0)
        return -errno;
    if (before)
        *before = (long)now.rlim_cur;
    if (limit >= 0)
        now.rlim_cur = (rlim_t)limit;
    return setrlimit(RLIMIT_NOFILE, &now) < 0 ? -errno : 0;
}

bool world_emulates_limits(void)
{
    const char *preloaded = getenv("LD_PRELOAD");
    return preloaded != NULL && strstr(preloaded, "valgrind") != NULL;
}

bool world_is_wine(void)
{
    return false;
}

/* ---- What is ready ------------------------------------------------------------------------ */

void world_await(rouse_fd fd, uint32_t ready)
{
    while ((world_ready(fd, ready) & ready) != ready)
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
}

void world_await_bytes(rouse_fd fd, int count)
{
    for (int bytes = 0; ioctl(fd, FIONREAD, &bytes) < 0 || bytes < count;)
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
}
