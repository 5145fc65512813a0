/*
 * What the files of the world of Windows share among themselves; no case includes it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef WORLD_WINDOWS_H
#define WORLD_WINDOWS_H

#include <winsock2.h>

#include "world.h"

/* Of getsockname or getpeername; 0 if there is none. */
unsigned world_port(SOCKET socket, int(WSAAPI *name)(SOCKET, struct sockaddr *, int *));

/* Two sockets of this machine that are connected with each other. */
int world_tcp_sockets(SOCKET ends[2]);
int world_udp_sockets(SOCKET ends[2]);

/* There is one more descriptor now for this end of a pair. */
void world_copied(SOCKET socket, SOCKET copy);

#endif
