/*
 * A socket, as streams and connections see it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_SIM_SOCKET_H
#define ROUSE_SIM_SOCKET_H

#include "kernel.h"

struct sim_socket {
    struct sim_file file;
    struct rouse_link all; /* of the machine */
    struct sim_ring incoming;
    struct sim_ring outgoing;
    struct sim_socket *peer; /* NULL: there is none, or none any more */
    int error;               /* -errno */
    bool ended;              /* nothing more comes in */
    bool heard;              /* because the peer has said so */
    bool shut;               /* nothing more goes out, but what is in `outgoing` */
    bool told;               /* that, to the peer */
    bool closed;             /* nobody holds it any more, but its peer */

    /* The packet that is on its way: bytes, `last` with or without them (TCP's FIN, by which
     * `told` here and `heard` at the peer come true), or one that `knocks` (its SYN). */
    struct rouse_sim_event packet;
    bool travels;
    bool last;        /* it says that no more will come */
    uint32_t carries; /* bytes of `outgoing` */

    /* A listener, and who waits to be accepted; who asks to be, and is on the way to it. */
    uint32_t backlog;
    uint32_t waiting;
    uint32_t knocked; /* packets on their way to it, for which it is not freed */
    struct rouse_link queue;
    struct rouse_link link; /* in that of a listener */
    struct sim_socket *knocks;
};

extern const struct sim_kind socket_kind;
extern const struct sim_kind listener_kind;

struct sim_socket *socket_of(struct sim_file *file);
struct sim_socket *socket_new(const struct sim_kind *kind);
void socket_join(struct sim_socket *a, struct sim_socket *b);
void socket_post(struct sim_socket *socket, void (*fn)(struct rouse_sim_event *event));

/* Both directions end, and why. */
void socket_fail(struct sim_socket *socket, int error);

/* The same at the other end, which loses its peer. */
void socket_reset(struct sim_socket *socket);

/* Marks it as one to be freed, if nobody needs it any more. It is not freed at once: who calls may
 * be in the middle of telling it of something. */
void socket_finish(struct sim_socket *socket);
void socket_free_finished(void);

#endif
