/*
 * What a script does to descriptors, and the data that must arrive: every byte that is sent is
 * known by the end that sends it and by its place in the stream, so that each byte received proves
 * that nothing was lost, doubled or put out of order, by the kernel or by the library's reads and
 * writes.
 *
 * What surprises: TCP and UDP deliver what was sent a moment later, so after each step these
 * functions await its effect on the other end. They cannot do so once more is under way than a
 * receiver is certain to take; such a pair is `flooded`, and only the oracle looks at it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "differential_play.h"

#include <errno.h>
#include <string.h>

enum {
    TCP_CERTAIN = 32768, /* what TCP takes over at once, whatever the size of its buffers */
    TCP_PACKETS = 8,     /* how many it sends without hearing of the first */
    UNIX_CERTAIN = 8192, /* after so much, and so many, a unix socket is writable in all worlds */
    UNIX_PACKETS = 16,
    UDP_CERTAIN = 32, /* datagrams that no receiver's buffer loses */
    MESSAGE = 1000    /* the largest message of a script */
};

static uint8_t buffer[LARGEST];

struct end *end_peer(struct end *end)
{
    return &end->play->ends[(end - end->play->ends) ^ 1];
}

int end_number(const struct end *end)
{
    return (int)(end - end->play->ends);
}

static bool has_messages(int kind)
{
    return kind == WORLD_DATAGRAM || kind == WORLD_UDP || kind == WORLD_SEQPACKET;
}

static bool has_data(const struct end *end)
{
    return end->kind < WORLD_KINDS;
}

static uint8_t pattern(const struct end *sender, uint64_t place)
{
    return (uint8_t)(place * 31 + (place >> 8) * 7 + (place >> 16) +
                     (uint64_t)end_number(sender) * 89);
}

uint64_t end_unread(struct end *end)
{
    const struct channel *in = &end_peer(end)->out;
    return has_data(end) ? in->sent - in->received : 0;
}

bool end_flooded(struct end *end)
{
    return end->out.flooded || end_peer(end)->out.flooded;
}

/* The library's reads and writes are for watchers that are started. */
static void check_refused(struct end *end, const char *call, ssize_t n)
{
    if (n != -EINVAL)
        play_fail(end->play, "%s on a stopped watcher of end %d returned %lld", call,
                  end_number(end), (long long)n);
}

/* ---- Opening and closing ------------------------------------------------------------------ */

bool end_open(struct play *play, int pair, int kind)
{
    struct end *ends = &play->ends[2 * pair];
    if (ends[0].fd >= 0 || ends[1].fd >= 0)
        return false;
    rouse_fd fds[2] = {-1, -1};
    int error = kind == KIND_FILE   ? world_file(&fds[0])
                : kind == KIND_NULL ? world_null(&fds[0])
                                    : world_pair((enum world_kind)kind, fds);
    if (error < 0)
        return false;
    for (int i = 0; i < 2; i++)
        ends[i] = (struct end){.play = play, .fd = fds[i], .kind = kind, .size = 1};
    return true;
}

/* Whether what one end of a TCP connection does is certain to be seen by the other. */
static bool is_seen(struct end *end)
{
    const struct end *peer = end_peer(end);
    return end->kind == WORLD_TCP && peer->fd >= 0 && !peer->lost && !end->lost &&
           !end_flooded(end);
}

/* After the descriptor has been closed. */
void end_closed(struct end *end, bool reset)
{
    struct end *peer = end_peer(end);
    end->fd = -1;
    if (!is_seen(end))
        return;
    if (end->shut && peer->shut) {
        peer->lost = true; /* their connection was over already */
    } else if (reset || end_unread(end) > 0 || peer->out.urgent) {
        world_await(peer->fd, ROUSE_ERROR);
        peer->lost = true;
    } else {
        world_await(peer->fd, ROUSE_HANGUP);
    }
}

/* What other kinds do with data that nobody wants any more is not for here. */
int end_shut(struct end *end, uint32_t directions)
{
    if (end->kind != WORLD_UNIX && end->kind != WORLD_SEQPACKET)
        directions = ROUSE_WRITE;
    int result = world_shut(end->fd, directions);
    if (result != 0)
        return result;
    if (directions & ROUSE_WRITE)
        end->shut = true;
    if (directions & ROUSE_READ)
        end_peer(end)->shut = true;
    if (is_seen(end))
        world_await(end_peer(end)->fd, ROUSE_HANGUP);
    return 0;
}

/* ---- Sending ------------------------------------------------------------------------------ */

/* Awaits what has been sent by an end. */
static void settle(struct end *end)
{
    struct end *peer = end_peer(end);
    struct channel *out = &end->out;
    if (end->kind == WORLD_UDP && peer->fd >= 0)
        world_await(peer->fd, ROUSE_READ);
    if (end->kind != WORLD_TCP || end->lost || end_flooded(end))
        return;
    if (peer->fd < 0) {
        world_await(end->fd, ROUSE_ERROR);
        end->lost = true;
        return;
    }
    if (out->urgent)
        world_await(peer->fd, ROUSE_PRIORITY);
    world_await_bytes(peer->fd, (int)((out->urgent ? out->mark : out->sent) - out->received));
}

/* Whether this world tells of a refused datagram until somebody takes that away. */
static bool tells_refusals(void)
{
    static bool asked, tells;
    rouse_fd fd;
    if (!asked) {
        tells = world_refused_datagram(&fd, false) == 0;
        if (tells)
            world_close(fd);
    }
    asked = true;
    return tells;
}

/* How much of `size` may be sent now; 0: nothing. */
static size_t allowed(struct end *end, size_t size)
{
    struct channel *out = &end->out;
    bool tangled = end->play->script->tangled;
    if (end->kind == WORLD_UDP && end_peer(end)->fd < 0 && !(tangled && tells_refusals()))
        return 0; /* when it is refused, and whether, nobody can know */
    if (has_messages(end->kind)) {
        uint32_t most = end->kind != WORLD_UDP ? MESSAGES : tangled ? UDP_CERTAIN : 1;
        return out->waiting >= most ? 0 : size > MESSAGE ? MESSAGE : size;
    }
    bool certain = out->sent - out->received + size <= TCP_CERTAIN && out->waiting < TCP_PACKETS;
    if (end->kind == WORLD_TCP && !certain && !out->flooded) {
        if (!tangled || size < TCP_CERTAIN || end_peer(end)->fd < 0 || out->urgent)
            return 0;
        out->flooded = true;
    }
    return size > LARGEST ? LARGEST : size;
}

static void count_sent(struct end *end, size_t n)
{
    struct channel *out = &end->out;
    out->sent += n;
    if (has_messages(end->kind) && end_peer(end)->fd >= 0)
        out->sizes[(out->first + out->waiting++) % MESSAGES] = (uint16_t)n;
    else
        out->waiting++;
    settle(end);
}

/* Linux: a unix socket for datagrams that finds its peer gone throws away what it has received. */
static void forget(struct channel *in)
{
    in->received = in->sent;
    in->waiting = 0;
}

/* After a write: how much fits is the world's own, but in a pipe; and so is when a TCP socket is
 * told that the end of its stream has arrived, at the latest with what comes the other way. */
static void note_doubt(struct end *end, ssize_t n, size_t size)
{
    const struct channel *out = &end->out;
    bool full = n == -EAGAIN || (n > 0 && n < (ssize_t)size);
    bool crowded = end->kind == WORLD_UNIX &&
                   (out->waiting > UNIX_PACKETS || out->sent - out->received > UNIX_CERTAIN);
    bool acknowledges = end->kind == WORLD_TCP && end_peer(end)->shut;
    if ((full && end->kind != WORLD_PIPE) || crowded || out->flooded || acknowledges)
        play_note(end->play, NOTE_DOUBT, (uint32_t)end_number(end), n);
}

ssize_t end_send(struct end *end, size_t size, bool through_loop)
{
    if (through_loop && !end->started) {
        check_refused(end, "rouse_write", rouse_write(&end->io, buffer, size));
        return PASSED_OVER;
    }
    size = allowed(end, size);
    if (size == 0)
        return PASSED_OVER;
    for (size_t i = 0; i < size && has_data(end); i++)
        buffer[i] = pattern(end, end->out.sent + i);
    ssize_t n =
        through_loop ? rouse_write(&end->io, buffer, size) : world_send(end->fd, buffer, size);
    if (n > (ssize_t)size || n == 0)
        play_fail(end->play, "a write of %llu bytes to end %d returned %lld",
                  (unsigned long long)size, end_number(end), (long long)n);
    else if (n > 0 && has_data(end))
        count_sent(end, (size_t)n);
    else if (n == -ECONNREFUSED && end->kind == WORLD_DATAGRAM)
        forget(&end_peer(end)->out);
    note_doubt(end, n, size);
    if (through_loop)
        oracle_wrote(end, n, size);
    return n;
}

ssize_t end_fill(struct end *end)
{
    if (end->kind == WORLD_UDP || !has_data(end) ||
        (end->kind == WORLD_TCP && !end->play->script->tangled))
        return PASSED_OVER;
    ssize_t total = 0;
    for (size_t piece = LARGEST; piece > 0;) {
        ssize_t n = end_send(end, piece, false);
        if (n > 0)
            total += n;
        else
            piece = n == -EAGAIN ? piece / 4 : 0;
    }
    return total;
}

int end_urgent(struct end *end)
{
    struct end *peer = end_peer(end);
    if (end->kind != WORLD_TCP || end->out.urgent || end_flooded(end) || peer->fd < 0 || end->lost)
        return PASSED_OVER;
    int result = world_priority(end->fd, '!');
    if (result == 0) {
        end->out.urgent = true;
        end->out.mark = end->out.sent;
        settle(end);
    }
    return result;
}

/* ---- Receiving ---------------------------------------------------------------------------- */

/* Whether all data that comes before urgent data has been received; what comes after it could not
 * be awaited yet. */
static bool is_at_mark(struct end *end)
{
    const struct channel *in = &end_peer(end)->out;
    return in->urgent && in->received == in->mark;
}

/* The end of the stream or an error was received: whether that can be. */
static void check_nothing(struct end *end, ssize_t n)
{
    const struct end *peer = end_peer(end);
    if (n == -EAGAIN && is_at_mark(end))
        return;
    if (n == 0 && !peer->shut && peer->fd >= 0 && !end->lost && !end_flooded(end))
        play_fail(end->play, "a read of end %d returned its end, which has not come",
                  end_number(end));
    if (end_unread(end) == 0 || end_flooded(end) || end->kind == WORLD_UDP)
        return;
    if (n == 0 || n == -EAGAIN)
        play_fail(end->play, "a read of end %d returned %s, though %llu bytes were sent to it",
                  end_number(end), n == 0 ? "its end" : "EAGAIN",
                  (unsigned long long)end_unread(end));
}

static void check_data(struct end *end, size_t n, size_t size)
{
    struct end *peer = end_peer(end);
    struct channel *in = &peer->out;
    size_t expected = n;
    size_t cut = 0; /* what did not fit of a message */
    if (has_messages(end->kind) && in->waiting > 0) {
        size_t message = in->sizes[in->first];
        expected = message < size ? message : size;
        cut = message - expected;
        in->first = (in->first + 1) % MESSAGES;
        in->waiting--;
    }
    if (n != expected || n > in->sent - in->received) {
        play_fail(end->play, "a read of end %d returned %llu bytes, where %llu of %llu were due",
                  end_number(end), (unsigned long long)n, (unsigned long long)expected,
                  (unsigned long long)(in->sent - in->received));
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (buffer[i] != pattern(peer, in->received + i)) {
            play_fail(end->play, "byte %llu sent to end %d arrived wrong",
                      (unsigned long long)(in->received + i), end_number(end));
            return;
        }
    in->received += n + cut;
    if (!has_messages(end->kind) && in->received == in->sent)
        in->waiting = 0;
}

ssize_t end_receive(struct end *end, size_t size, bool through_loop)
{
    if (through_loop && !end->started) {
        check_refused(end, "rouse_read", rouse_read(&end->io, buffer, size));
        return PASSED_OVER;
    }
    bool at_mark = is_at_mark(end);
    ssize_t n =
        through_loop ? rouse_read(&end->io, buffer, size) : world_receive(end->fd, buffer, size);
    if (n > (ssize_t)size)
        play_fail(end->play, "a read of %llu bytes returned %lld", (unsigned long long)size,
                  (long long)n);
    else if (has_data(end) && n > 0)
        check_data(end, (size_t)n, size);
    else if (has_data(end))
        check_nothing(end, n);
    if (at_mark) {
        end_peer(end)->out.urgent = false; /* the read has gone past it */
        if (!end->lost)
            settle(end_peer(end));
    }
    if (through_loop)
        oracle_read(end, n, size);
    if (n > 0)
        oracle_emptied(end);
    return n;
}

ssize_t end_drain(struct end *end)
{
    ssize_t total = 0;
    ssize_t n = 0;
    for (int i = 0; i < 2 * MESSAGES && (n = end_receive(end, LARGEST, false)) > 0; i++)
        total += n;
    return n < 0 && n != -EAGAIN ? n : total;
}
