/*
 * The world of Windows: pairs of sockets on this machine, what their peers do, and what is ready.
 *
 * A pair costs some ten system calls. What surprises: a connection delivers what was sent a moment
 * later, and the end of it too, and cases that know only pipes do not wait for that. So this world
 * remembers which two sockets are the ends of one line, and a send, a shutdown and a close return
 * when the other end has got it: as long as it is so little that it has room for it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "world_windows.h"

#include <errno.h>

#include "core/winsock.h" /* the one table of errors */

/* By the port of ends[0]: streams, and datagrams. A line may be of sockets that are closed; who
 * looks for it asks a socket for its two ports, which no other line has. */
static struct line {
    SOCKET ends[2];
    unsigned ports[2];
    int copies[2]; /* to close an end that has some does not end the line */
    bool ended[2]; /* what this end reads has an end */
    bool datagrams;
    bool hidden[2]; /* what this end sends may lie behind priority data, or wait for room */
} lines[2][65536];

static struct line *line_at(SOCKET socket, unsigned port)
{
    int type = 0, size = sizeof type;
    getsockopt(socket, SOL_SOCKET, SO_TYPE, (char *)&type, &size);
    return &lines[type == SOCK_DGRAM][port];
}

static void line_make(const SOCKET ends[2], bool datagrams)
{
    struct line line = {.ends = {ends[0], ends[1]}, .datagrams = datagrams};
    for (int end = 0; end < 2; end++)
        line.ports[end] = world_port(ends[end], getsockname);
    lines[datagrams][line.ports[0]] = line;
}

/* The line of which a socket is an end, and which; NULL if it is of none that is known. */
static struct line *line_of(SOCKET socket, int *end)
{
    unsigned own = world_port(socket, getsockname), other = world_port(socket, getpeername);
    for (*end = 0; *end < 2 && other != 0; ++*end) {
        struct line *line = line_at(socket, *end == 0 ? own : other);
        if (line->ports[*end] == own && line->ports[!*end] == other)
            return line;
    }
    return NULL;
}

/* The other end, if it is open and its number is not that of another line by now. */
static SOCKET other_end(const struct line *line, int end)
{
    if (line == NULL)
        return INVALID_SOCKET;
    SOCKET other = line->ends[!end];
    bool open = world_port(other, getsockname) == line->ports[!end] &&
                world_port(other, getpeername) == line->ports[end];
    return open ? other : INVALID_SOCKET;
}

static SOCKET peer_of(SOCKET socket)
{
    int end;
    const struct line *line = line_of(socket, &end);
    return other_end(line, end);
}

void world_copied(SOCKET socket, SOCKET copy)
{
    int end;
    struct line *line = line_of(socket, &end);
    if (line == NULL)
        return;
    line->copies[end]++;
    line->ends[end] = copy;
}

/* ---- What is ready ------------------------------------------------------------------------ */

static short poll_one(SOCKET socket)
{
    WSAPOLLFD one = {.fd = socket, .events = POLLRDNORM | POLLRDBAND | POLLWRNORM};
    return WSAPoll(&one, 1, 0) < 0 ? POLLNVAL : one.revents;
}

/* Some systems tell of a refused connect only so. */
static bool is_exceptional(SOCKET socket)
{
    fd_set one = {.fd_count = 1, .fd_array = {socket}};
    return select(0, NULL, NULL, &one, &(struct timeval){0, 0}) == 1;
}

static int bytes_in(SOCKET socket)
{
    u_long bytes = 0;
    return ioctlsocket(socket, FIONREAD, &bytes) < 0 ? 0 : (int)bytes;
}

/* Whether what an end reads has an end, as far as this world itself has seen to it. */
static bool is_over(SOCKET socket)
{
    int end;
    const struct line *line = line_of(socket, &end);
    if (line == NULL || line->datagrams)
        return false;
    return line->ended[end] || (line->copies[!end] == 0 && other_end(line, end) == INVALID_SOCKET);
}

/* An end is READ, as an error is, which select(2) says and WSAPoll does not; and it is no HANGUP to
 * who does not ask for it. Behind data it may not be told. */
uint32_t world_ready(rouse_fd fd, uint32_t want)
{
    short now = poll_one((SOCKET)fd);
    if (!(now & POLLRDBAND) && is_exceptional((SOCKET)fd))
        now |= POLLERR;
    if (now & POLLRDNORM && want & ROUSE_HANGUP && is_over((SOCKET)fd))
        now |= POLLHUP;
    uint32_t ready =
        (now & (POLLRDNORM | POLLHUP | POLLERR) ? ROUSE_READ : 0u) |
        (now & POLLRDBAND ? ROUSE_PRIORITY : 0u) | (now & POLLWRNORM ? ROUSE_WRITE : 0u) |
        (now & (POLLERR | POLLNVAL) ? ROUSE_ERROR : 0u) | (now & POLLHUP ? ROUSE_HANGUP : 0u);
    return ready & (want | ROUSE_ERROR);
}

void world_await(rouse_fd fd, uint32_t ready)
{
    while ((world_ready(fd, ready) & ready) != ready)
        Sleep(1);
}

void world_await_bytes(rouse_fd fd, int count)
{
    while (bytes_in((SOCKET)fd) < count)
        Sleep(1);
}

/* Nobody says what of it is on its way: but it goes no other way than what is sent after it, and so
 * it has arrived when nothing more arrives for long. */
void world_await_sent(rouse_fd fd)
{
    SOCKET peer = peer_of((SOCKET)fd);
    int before = -1;
    for (int same = 0; peer != INVALID_SOCKET && same < 20; same++) {
        int bytes = bytes_in(peer);
        if (bytes != before)
            same = 0;
        before = bytes;
        Sleep(1);
    }
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
    return kind == WORLD_TCP || kind == WORLD_UDP || kind > WORLD_KINDS;
}

int world_pair(enum world_kind kind, rouse_fd ends[2])
{
    if (!world_has(kind))
        return -ENOTSUP;
    SOCKET made[2];
    int error = kind == WORLD_UDP ? world_udp_sockets(made) : world_tcp_sockets(made);
    if (error != 0)
        return error;
    line_make(made, kind == WORLD_UDP);
    ends[0] = (rouse_fd)made[0];
    ends[1] = (rouse_fd)made[1];
    return 0;
}

/* ---- What a peer does --------------------------------------------------------------------- */

enum { PROMPT = 4096 }; /* so much has room everywhere */

ssize_t world_send(rouse_fd fd, const void *data, size_t size)
{
    int end;
    struct line *line = line_of((SOCKET)fd, &end);
    SOCKET peer = other_end(line, end);
    int before = peer != INVALID_SOCKET ? bytes_in(peer) : 0;
    int sent = send((SOCKET)fd, data, (int)size, 0);
    int error = winsock_error();
    if (peer != INVALID_SOCKET && !line->datagrams)
        line->hidden[end] |= before + sent > PROMPT || sent < 0;
    if (sent >= 0 && peer != INVALID_SOCKET && !line->hidden[end])
        world_await_bytes((rouse_fd)peer, before > 0 && line->datagrams ? before : before + sent);
    return sent < 0 ? error : sent;
}

ssize_t world_receive(rouse_fd fd, void *buffer, size_t size)
{
    int received = recv((SOCKET)fd, buffer, (int)size, 0);
    if (received < 0 && WSAGetLastError() == WSAEMSGSIZE)
        return (ssize_t)size; /* the beginning of a datagram */
    return received < 0 ? winsock_error() : received;
}

/* Large pieces first and single bytes last, so that not one more byte fits. */
static ssize_t fill(SOCKET socket)
{
    static const char zeros[65536];
    ssize_t total = 0;
    for (int piece = sizeof zeros; piece > 0;) {
        int sent = send(socket, zeros, piece, 0);
        if (sent >= 0)
            total += sent;
        else if (WSAGetLastError() == WSAEWOULDBLOCK)
            piece /= 4;
        else
            return winsock_error();
    }
    return total;
}

/* What was sent makes room when it arrives, so it is full when nothing more fits or arrives. */
ssize_t world_fill(rouse_fd fd)
{
    int end;
    struct line *line = line_of((SOCKET)fd, &end);
    SOCKET peer = other_end(line, end);
    ssize_t total = 0;
    int before = -1;
    for (int same = 0; same < 20; same++) {
        ssize_t sent = fill((SOCKET)fd);
        if (sent < 0)
            return sent;
        int bytes = peer != INVALID_SOCKET ? bytes_in(peer) : 0;
        if (sent > 0 || bytes != before)
            same = 0;
        total += sent;
        before = bytes;
        Sleep(1);
    }
    if (line != NULL)
        line->hidden[end] = true;
    return total;
}

int world_fill_connection(rouse_fd fd)
{
    ssize_t sent = world_fill(fd);
    return sent < 0 ? (int)sent : 0;
}

/* What is received makes room for what the peer has not got rid of yet: that is received too. */
ssize_t world_drain(rouse_fd fd)
{
    static char sink[65536];
    int end;
    struct line *line = line_of((SOCKET)fd, &end);
    SOCKET peer = other_end(line, end);
    ssize_t total = 0;
    ssize_t received;
    do {
        while ((received = world_receive(fd, sink, sizeof sink)) > 0)
            total += received;
    } while (received == -EAGAIN && peer != INVALID_SOCKET && poll_one(peer) == 0);
    if (line != NULL)
        line->hidden[!end] = false;
    return total;
}

int world_priority(rouse_fd fd, char byte)
{
    int end;
    struct line *line = line_of((SOCKET)fd, &end);
    if (line != NULL)
        line->hidden[end] = true;
    return send((SOCKET)fd, &byte, 1, MSG_OOB) < 0 ? winsock_error() : 0;
}

/* Until the peer has been told that there will be no more; or has so much to read before that it
 * cannot be seen. */
static void await_end(struct line *line, int end, SOCKET peer)
{
    const short seen = POLLHUP | POLLERR | POLLNVAL | POLLRDBAND;
    line->ended[!end] = true;
    while (bytes_in(peer) == 0 && !(poll_one(peer) & seen))
        Sleep(1);
}

int world_shut(rouse_fd fd, uint32_t directions)
{
    int how = directions == ROUSE_READ ? SD_RECEIVE : directions == ROUSE_WRITE ? SD_SEND : SD_BOTH;
    int end;
    struct line *line = line_of((SOCKET)fd, &end);
    SOCKET peer = other_end(line, end);
    if (shutdown((SOCKET)fd, how) < 0)
        return winsock_error();
    if (how != SD_RECEIVE && peer != INVALID_SOCKET && !line->datagrams)
        await_end(line, end, peer);
    return 0;
}

int world_close(rouse_fd fd)
{
    int end;
    struct line *line = line_of((SOCKET)fd, &end);
    SOCKET peer = other_end(line, end);
    if (closesocket((SOCKET)fd) < 0)
        return CloseHandle((HANDLE)fd) ? 0 : -EBADF;
    if (peer == INVALID_SOCKET || line->datagrams || line->copies[end]-- > 0)
        return 0;
    await_end(line, end, peer);
    return 0;
}

int world_reset(rouse_fd fd)
{
    struct linger none = {.l_onoff = 1};
    setsockopt((SOCKET)fd, SOL_SOCKET, SO_LINGER, (char *)&none, sizeof none);
    return world_close(fd);
}
