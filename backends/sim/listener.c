/*
 * Connections. Who connects sends a packet to a listener, which makes a socket for it, joins the
 * two, and puts that socket into its queue until somebody accepts it; it is connected by then. Of
 * several that sleep in accept one is woken for each.
 *
 * What surprises: a queue that is full refuses, where Linux lets the client try again for minutes.
 *
 * Linux: net/ipv4/inet_connection_sock.c, inet_csk_accept(); net/ipv4/tcp_minisocks.c,
 * tcp_child_process().
 *
 * SPDX-License-Identifier: MIT
 */
#include "socket.h"

static uint32_t ready_listener(struct sim_file *file)
{
    return socket_of(file)->waiting > 0 ? (uint32_t)ROUSE_READ : 0;
}

static void look_at(struct sim_file *file, struct rouse_sim_file *look)
{
    look->ready = ready_listener(file);
    look->received = socket_of(file)->waiting;
}

/* Those who wait are reset. */
static void turn_away(struct sim_socket *listener)
{
    while (!link_empty(&listener->queue)) {
        struct sim_socket *waits = LINK_OWNER(listener->queue.next, struct sim_socket, link);
        link_remove(&waits->link);
        socket_reset(waits);
        file_drop(&waits->file);
    }
}

/* As on Linux, not -ENOTCONN as for a read. */
static int64_t write_listener(struct sim_file *file, const void *data, size_t size)
{
    (void)file;
    (void)data;
    (void)size;
    return -EPIPE;
}

/* Who does not read listens no more: it is a socket without a peer then. */
static int shut_listener(struct sim_file *file, uint32_t directions)
{
    if (directions & ROUSE_READ) {
        turn_away(socket_of(file));
        file->kind = &socket_kind;
    }
    queue_walk_all(file, SIM_EVERYTHING);
    return 0;
}

static int no_error(struct sim_file *file)
{
    (void)file;
    return 0;
}

static void release(struct sim_file *file)
{
    struct sim_socket *listener = socket_of(file);
    turn_away(listener);
    listener->closed = true;
    socket_finish(listener);
}

const struct sim_kind listener_kind = {
    .name = ROUSE_SIM_LISTENER,
    .system = ROUSE_KIND_STREAM,
    .exclusive = true,
    .refusal = -ENOTCONN,
    .ready = ready_listener,
    .write = write_listener,
    .shut = shut_listener,
    .error = no_error,
    .look = look_at,
    .release = release,
};

int rouse_sim_listen(int backlog)
{
    if (machine == NULL || backlog < 0)
        return -EINVAL;
    struct sim_socket *listener = socket_new(&listener_kind);
    if (listener == NULL)
        return -ENOMEM;
    listener->backlog = (uint32_t)backlog;
    return file_open(&listener->file);
}

/* As on Linux, the queue holds one more than the backlog. */
static struct sim_socket *take_in(struct sim_socket *listener)
{
    bool listens = listener->file.kind == &listener_kind && !listener->closed;
    if (!listens || listener->waiting > listener->backlog)
        return NULL;
    struct sim_socket *accepted = socket_new(&socket_kind);
    if (accepted == NULL)
        return NULL;
    listener->waiting++;
    link_append(&listener->queue, &accepted->link);
    return accepted;
}

/* The packet has come to the listener, if that is one and was not closed meanwhile. */
static void knock(struct rouse_sim_event *event)
{
    struct sim_socket *socket = LINK_OWNER(event, struct sim_socket, packet);
    struct sim_socket *listener = socket->knocks;
    socket->travels = false;
    socket->knocks = NULL;
    listener->knocked--;
    machine_step(ROUSE_SIM_ARRIVED, listener->file.id, 0);
    struct sim_socket *accepted = socket->closed ? NULL : take_in(listener);
    if (accepted != NULL) {
        socket_join(socket, accepted);
        queue_walk(&listener->file, SIM_DATA);
        queue_walk(&socket->file, ROUSE_WRITE);
    } else if (socket->closed) {
        socket_finish(socket);
    } else {
        socket_fail(socket, -ECONNREFUSED);
    }
    socket_finish(listener);
}

int rouse_sim_connect(rouse_fd listener)
{
    struct sim_file *file = file_of(listener);
    if (file == NULL)
        return -EBADF;
    if (file->kind != &listener_kind && file->kind != &socket_kind)
        return -ENOTSOCK;
    int fd = rouse_sim_socket();
    if (fd < 0)
        return fd;
    struct sim_socket *socket = socket_of(file_of(fd));
    socket->knocks = socket_of(file);
    socket->knocks->knocked++;
    socket_post(socket, knock);
    return fd;
}

static int take_out(struct sim_socket *listener)
{
    struct sim_socket *accepted = LINK_OWNER(listener->queue.next, struct sim_socket, link);
    file_take(&accepted->file); /* without a descriptor for it, it waits on */
    int number = file_open(&accepted->file);
    if (number < 0)
        return number;
    link_remove(&accepted->link);
    listener->waiting--;
    file_drop(&accepted->file);
    return number;
}

/* Until somebody waits to be accepted. */
static int wait_for_client(struct sim_file *file)
{
    int error = 0;
    while (error == 0) {
        if (file->kind != &listener_kind)
            return -EINVAL;
        if (socket_of(file)->waiting > 0)
            return 0;
        error = file->blocks ? task_sleep_on(file, true) : -EAGAIN;
    }
    return error;
}

/* Who fails may have been woken for a client: the next who sleeps is woken for it then. */
static int find_memory(struct sim_file *file)
{
    if (!machine_fails(ROUSE_SIM_NO_MEMORY))
        return 0;
    if (file->kind == &listener_kind && socket_of(file)->waiting > 0)
        queue_pass_on(file);
    return -ENOMEM;
}

/* As on Linux, what a new descriptor needs is looked for first, whether somebody waits or not. */
int rouse_sim_accept(rouse_fd fd)
{
    struct sim_file *file = file_of(fd);
    if (file == NULL)
        return -EBADF;
    int number = file_number();
    if (number < 0)
        return number;
    machine_step(ROUSE_SIM_CALLED, file->id, 1);
    file_take(file);
    int error = find_memory(file);
    if (error == 0)
        error = wait_for_client(file);
    number = error == 0 ? take_out(socket_of(file)) : error;
    file_drop(file);
    task_answered();
    return number;
}
