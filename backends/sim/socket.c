/*
 * Stream sockets. Each has two buffers: what its task has written and is not there yet, and what
 * has arrived and was not read. What is sent travels from the one to the peer's other, as far as
 * there is room; a task that writes more than both hold has to wait.
 *
 * Between sockets that were connected a packet takes the machine's latency, and one is on its way
 * at a time; so the end of a stream, too, comes behind the last byte and some time later. A reset
 * is told at once.
 *
 * Linux: net/ipv4/tcp.c, tcp_recvmsg(), tcp_sendmsg() and tcp_poll(); net/core/sock.c,
 * sock_def_readable().
 *
 * SPDX-License-Identifier: MIT
 */
#include "socket.h"

struct sim_socket *socket_of(struct sim_file *file)
{
    return LINK_OWNER(file, struct sim_socket, file);
}

struct sim_socket *socket_new(const struct sim_kind *kind)
{
    socket_free_finished();
    struct sim_socket *socket = machine_new(sizeof *socket);
    if (socket == NULL)
        return NULL;
    file_init(&socket->file, kind);
    link_init(&socket->queue);
    link_append(&machine->sockets, &socket->all);
    return socket;
}

static void finish(struct sim_socket *socket)
{
    link_remove(&socket->all);
    link_append(&machine->finished, &socket->all);
}

/* By who holds it, or by a packet that comes from it or asks it for a connection. */
static bool is_needed(const struct sim_socket *socket)
{
    return !socket->closed || socket->travels || socket->knocked > 0;
}

void socket_finish(struct sim_socket *socket)
{
    struct sim_socket *peer = socket->peer;
    if (is_needed(socket) || (peer != NULL && is_needed(peer)))
        return;
    if (peer != NULL)
        finish(peer);
    finish(socket);
}

void socket_free_finished(void)
{
    while (!link_empty(&machine->finished)) {
        struct sim_socket *socket = LINK_OWNER(machine->finished.next, struct sim_socket, all);
        rouse_sim_cancel(&socket->packet);
        ring_close(&socket->incoming);
        ring_close(&socket->outgoing);
        link_remove(&socket->all);
        machine_free(socket, sizeof *socket);
    }
}

static uint32_t left(const struct sim_ring *ring)
{
    return machine->config.room - ring->count;
}

/* If there is half as much room as is in use, which is a third of it all. */
static bool is_writable(const struct sim_socket *socket)
{
    if (socket->knocks != NULL)
        return false;
    uint32_t room = left(&socket->outgoing);
    return socket->shut || socket->peer == NULL || (room > 0 && room >= socket->outgoing.count / 2);
}

static uint32_t ready_socket(struct sim_file *file)
{
    const struct sim_socket *socket = socket_of(file);
    uint32_t ready = socket->error != 0 ? (uint32_t)ROUSE_ERROR : 0;
    if (socket->incoming.count > 0 || socket->ended)
        ready |= ROUSE_READ;
    if (socket->ended)
        ready |= SIM_HALF;
    bool unconnected = socket->peer == NULL && socket->knocks == NULL;
    if (unconnected || (socket->ended && socket->shut))
        ready |= ROUSE_HANGUP;
    if (is_writable(socket))
        ready |= ROUSE_WRITE;
    return ready;
}

void socket_fail(struct sim_socket *socket, int error)
{
    socket->error = error;
    socket->ended = socket->shut = socket->told = true;
    socket->outgoing.count = 0;
    queue_walk_all(&socket->file, SIM_EVERYTHING);
}

/* Nothing of it is on its way any more, and nothing will be. */
static void fall_silent(struct sim_socket *socket)
{
    socket->peer = NULL;
    socket->outgoing.count = 0;
    rouse_sim_cancel(&socket->packet);
    socket->travels = false;
}

/* There is nobody, or both have said that no more will come, and have heard it. */
static bool is_over(const struct sim_socket *socket)
{
    return socket->peer == NULL || (socket->told && socket->heard);
}

void socket_reset(struct sim_socket *socket)
{
    if (is_over(socket))
        return;
    struct sim_socket *peer = socket->peer;
    fall_silent(socket);
    fall_silent(peer);
    if (peer->closed)
        socket_finish(peer);
    else
        socket_fail(peer, peer->heard ? -EPIPE : -ECONNRESET);
}

static void send_on(struct sim_socket *socket);

/* Bytes, and the end of the stream if it is the last packet. */
static void deliver(struct sim_socket *socket, struct sim_socket *peer)
{
    bool was_writable = is_writable(socket);
    uint32_t count = ring_move(&socket->outgoing, &peer->incoming, socket->carries);
    machine_step(ROUSE_SIM_ARRIVED, peer->file.id, count);
    if (socket->last && socket->outgoing.count == 0) {
        socket->told = peer->ended = peer->heard = true;
        queue_walk_all(&peer->file, SIM_EVERYTHING);
    } else if (count > 0) {
        queue_walk(&peer->file, SIM_DATA);
    }
    if (!was_writable && is_writable(socket) && !socket->closed)
        queue_walk(&socket->file, ROUSE_WRITE);
}

/* Nobody reads what comes: it was closed, or was shut in both directions. */
static bool is_deaf(const struct sim_socket *socket)
{
    return socket->closed || (socket->shut && socket->ended);
}

/* Bytes that come to a socket that is deaf are answered by a reset, of which it is told itself; so
 * are those that no memory can be had for. The end of a stream is heard by all but the closed. */
static void arrive(struct rouse_sim_event *event)
{
    struct sim_socket *socket = LINK_OWNER(event, struct sim_socket, packet);
    struct sim_socket *peer = socket->peer;
    socket->travels = false;
    uint32_t had = socket->outgoing.count;
    bool deaf = is_deaf(peer);
    if (socket->carries > 0 ? !deaf : !peer->closed)
        deliver(socket, peer);
    else if (socket->carries == 0)
        socket->told = true;
    bool lost = socket->carries > 0 && socket->outgoing.count == had;
    if (lost && (deaf || left(&peer->incoming) > 0)) {
        socket_reset(peer);
        if (!peer->closed)
            socket_fail(peer, deaf ? -ECONNRESET : -ENOMEM);
        socket_finish(peer);
        return;
    }
    send_on(socket);
    socket_finish(socket);
}

/* When a packet that is sent now will be there; at the end of time, if that is later. */
static int64_t arrival(void)
{
    int64_t latency = machine->config.latency;
    int64_t times = machine_fails(ROUSE_SIM_LATE) ? 10 : 1;
    int64_t left_of_time = INT64_MAX - machine->now;
    return latency <= left_of_time / times ? machine->now + times * latency : INT64_MAX;
}

void socket_post(struct sim_socket *socket, void (*fn)(struct rouse_sim_event *event))
{
    socket->travels = true;
    socket->carries = socket->outgoing.count;
    socket->last = socket->shut;
    socket->packet.fn = fn;
    if (machine->config.latency == 0 || rouse_sim_at(&socket->packet, arrival()) != 0)
        fn(&socket->packet);
}

/* Sends what there is, if there is room for it and nothing is on its way. */
static void send_on(struct sim_socket *socket)
{
    const struct sim_socket *peer = socket->peer;
    if (socket->travels || peer == NULL)
        return;
    bool has_bytes = socket->outgoing.count > 0;
    bool has_room = peer->closed || left(&peer->incoming) > 0;
    bool ends = socket->shut && !socket->told && !has_bytes;
    if (ends || (has_bytes && has_room))
        socket_post(socket, arrive);
}

static int take_error(struct sim_file *file)
{
    struct sim_socket *socket = socket_of(file);
    int error = socket->error;
    socket->error = 0;
    return error;
}

static int64_t read_socket(struct sim_file *file, void *buffer, size_t size)
{
    struct sim_socket *socket = socket_of(file);
    uint32_t n = ring_get(&socket->incoming, buffer, size);
    if (n > 0 || size == 0) {
        machine_step(ROUSE_SIM_COPIED_OUT, file->id, n);
        if (socket->peer != NULL)
            send_on(socket->peer);
        return n;
    }
    if (socket->error != 0 && !socket->heard)
        return take_error(file);
    if (socket->ended)
        return 0;
    return socket->peer != NULL || socket->knocks != NULL ? -EAGAIN : -ENOTCONN;
}

static int64_t write_socket(struct sim_file *file, const void *data, size_t size)
{
    struct sim_socket *socket = socket_of(file);
    if (socket->error != 0)
        return take_error(file);
    if (socket->knocks != NULL)
        return -EAGAIN;
    if (socket->shut || socket->peer == NULL)
        return -EPIPE;
    uint32_t n = ring_put(&socket->outgoing, data, size);
    if (n == 0 && size != 0)
        return left(&socket->outgoing) == 0 ? -EAGAIN : -ENOMEM;
    machine_step(ROUSE_SIM_COPIED_IN, file->id, n);
    send_on(socket);
    return n;
}

/* Who comes when all is over is told so, and wakes those who wait all the same. */
static int shut_socket(struct sim_file *file, uint32_t directions)
{
    struct sim_socket *socket = socket_of(file);
    if (socket->knocks != NULL)
        return -ENOTCONN;
    bool over = is_over(socket);
    socket->ended |= (directions & ROUSE_READ) != 0;
    socket->shut |= (directions & ROUSE_WRITE) != 0;
    send_on(socket);
    queue_walk_all(&socket->file, SIM_EVERYTHING);
    return over ? -ENOTCONN : 0;
}

static void look_at(struct sim_file *file, struct rouse_sim_file *look)
{
    look->ready = ready_socket(file);
    look->received = socket_of(file)->incoming.count;
    look->sent = socket_of(file)->outgoing.count;
}

/* Who closes and has not read all that came resets. */
static void release(struct sim_file *file)
{
    struct sim_socket *socket = socket_of(file);
    socket->shut = true;
    if (socket->incoming.count > 0)
        socket_reset(socket);
    send_on(socket);
    socket->closed = true; /* from here on it may be freed by what arrives */
    socket_finish(socket);
}

const struct sim_kind socket_kind = {
    .name = ROUSE_SIM_SOCKET,
    .system = ROUSE_KIND_STREAM,
    .ready = ready_socket,
    .read = read_socket,
    .write = write_socket,
    .shut = shut_socket,
    .error = take_error,
    .look = look_at,
    .release = release,
};

void socket_join(struct sim_socket *a, struct sim_socket *b)
{
    a->peer = b;
    b->peer = a;
}

int rouse_sim_socket(void)
{
    if (machine == NULL)
        return -EINVAL;
    struct sim_socket *socket = socket_new(&socket_kind);
    return socket != NULL ? file_open(&socket->file) : -ENOMEM;
}

int rouse_sim_reset(rouse_fd fd)
{
    struct sim_file *file = file_of(fd);
    if (file == NULL || file->kind->name != ROUSE_SIM_SOCKET)
        return file == NULL ? -EBADF : -ENOTSOCK;
    if (file->kind == &socket_kind)
        socket_reset(socket_of(file));
    return rouse_sim_close(fd);
}
