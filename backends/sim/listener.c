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

static void release(struct sim_file *file)
{
    struct sim_socket *listener = socket_of(file);
    while (!link_empty(&listener->queue)) {
        struct sim_socket *waits = LINK_OWNER(listener->queue.next, struct sim_socket, link);
        link_remove(&waits->link);
        socket_reset(waits);
        file_drop(&waits->file);
    }
    listener->closed = true;
    socket_finish(listener);
}

const struct sim_kind listener_kind = {
    .name = ROUSE_SIM_LISTENER,
    .system = ROUSE_KIND_STREAM,
    .exclusive = true,
    .refusal = -ENOTCONN,
    .ready = ready_listener,
    .look = look_at,
    .release = release,
};

int rouse_sim_listen(int backlog)
{
    if (machine == NULL || backlog <= 0)
        return -EINVAL;
    struct sim_socket *listener = socket_new(&listener_kind);
    if (listener == NULL)
        return -ENOMEM;
    listener->listens = true;
    listener->backlog = (uint32_t)backlog;
    return file_open(&listener->file);
}

static struct sim_socket *take_in(struct sim_socket *listener)
{
    if (!listener->listens || listener->waiting == listener->backlog)
        return NULL;
    struct sim_socket *accepted = socket_new(&socket_kind);
    if (accepted == NULL)
        return NULL;
    listener->waiting++;
    link_append(&listener->queue, &accepted->link);
    return accepted;
}

/* The packet has come to the listener, if that is one and is still there. */
static void knock(struct rouse_sim_event *event)
{
    struct sim_socket *socket = LINK_OWNER(event, struct sim_socket, packet);
    struct sim_socket *listener = socket->knocks;
    socket->travels = false;
    socket->knocks = NULL;
    machine_step(ROUSE_SIM_ARRIVED, listener->file.id, 0);
    bool alone = listener->file.references == listener->knocked--; /* closed meanwhile */
    struct sim_socket *accepted = alone || socket->closed ? NULL : take_in(listener);
    if (accepted != NULL) {
        socket_join(socket, accepted);
        socket_changed(listener, SIM_DATA);
        socket_changed(socket, ROUSE_WRITE);
    } else if (socket->closed) {
        socket_finish(socket);
    } else {
        socket_fail(socket, -ECONNREFUSED);
    }
    file_drop(&listener->file);
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
    file_take(file);
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

int rouse_sim_accept(rouse_fd fd)
{
    struct sim_file *file = file_of(fd);
    if (file == NULL || file->kind != &listener_kind)
        return file == NULL ? -EBADF : -EINVAL;
    struct sim_socket *listener = socket_of(file);
    machine_step(ROUSE_SIM_CALLED, file->id, 1);
    file_take(file);
    int error = 0;
    while (listener->waiting == 0 && error == 0)
        error = file->blocks ? task_sleep_on(file, true) : -EAGAIN;
    int number = error == 0 ? take_out(listener) : error;
    file_drop(file);
    return number;
}
