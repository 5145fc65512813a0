/*
 * The connections of the world of Windows: TCP and UDP on this machine's own address.
 *
 * What surprises: a connect that is refused is tried again for two seconds before it is told. Pairs
 * are made through one listener that lives as long as the process, so that they cost less and use
 * up no ports but the client's.
 *
 * SPDX-License-Identifier: MIT
 */
#include "world_windows.h"

#include <errno.h>
#include <ws2tcpip.h>

#include "core/winsock.h"

static SOCKET nursery; /* where pairs come from */

static SOCKET new_socket(int type)
{
    return WSASocketW(AF_INET, type, 0, NULL, 0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
}

/* Closes a socket that could not be made what it was to be, and says why. */
static int give_up(SOCKET socket)
{
    int error = winsock_error();
    closesocket(socket);
    return error;
}

static int keep(SOCKET socket, rouse_fd *fd)
{
    if (socket == INVALID_SOCKET)
        return winsock_error();
    SetHandleInformation((HANDLE)socket, HANDLE_FLAG_INHERIT, 0);
    ioctlsocket(socket, (long)FIONBIO, &(u_long){1});
    *fd = (rouse_fd)socket;
    return 0;
}

static int bound_socket(int type, SOCKET *fd)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *fd = new_socket(type);
    if (bind(*fd, (struct sockaddr *)&here, sizeof here) < 0)
        return give_up(*fd);
    return 0;
}

/* Connects `socket` to where `to` is bound; 0 also while a connection is being made. */
static int connect_to(SOCKET socket, SOCKET to)
{
    struct sockaddr_in there;
    int size = sizeof there;
    if (getsockname(to, (struct sockaddr *)&there, &size) < 0 ||
        (connect(socket, (struct sockaddr *)&there, size) < 0 &&
         WSAGetLastError() != WSAEWOULDBLOCK))
        return winsock_error();
    return 0;
}

unsigned world_port(SOCKET socket, int(WSAAPI *name)(SOCKET, struct sockaddr *, int *))
{
    struct sockaddr_in address;
    int size = sizeof address;
    return name(socket, (struct sockaddr *)&address, &size) < 0 ? 0 : ntohs(address.sin_port);
}

/* ---- Pairs -------------------------------------------------------------------------------- */

/* Winsock must be started before any of its calls, by every program that makes some. */
__attribute__((constructor)) static void start(void)
{
    WSADATA data;
    WSAStartup(MAKEWORD(2, 2), &data);
    if (bound_socket(SOCK_STREAM, &nursery) == 0)
        listen(nursery, 1);
}

int world_tcp_sockets(SOCKET ends[2])
{
    ends[0] = new_socket(SOCK_STREAM);
    int error = connect_to(ends[0], nursery);
    if (error != 0) {
        closesocket(ends[0]);
        return error;
    }
    ends[1] = accept(nursery, NULL, NULL);
    if (ends[1] == INVALID_SOCKET)
        return give_up(ends[0]);
    for (int end = 0; end < 2; end++) { /* what is sent is sent now */
        setsockopt(ends[end], IPPROTO_TCP, TCP_NODELAY, (char *)&(int){1}, sizeof(int));
        keep(ends[end], &(rouse_fd){0});
    }
    return 0;
}

int world_udp_sockets(SOCKET ends[2])
{
    int error = bound_socket(SOCK_DGRAM, &ends[0]);
    if (error != 0)
        return error;
    error = bound_socket(SOCK_DGRAM, &ends[1]);
    if (error == 0) {
        error = connect_to(ends[0], ends[1]);
        if (error == 0)
            error = connect_to(ends[1], ends[0]);
        if (error != 0)
            closesocket(ends[1]);
    }
    if (error != 0)
        closesocket(ends[0]);
    for (int end = 0; end < 2 && error == 0; end++)
        keep(ends[end], &(rouse_fd){0});
    return error;
}

/* ---- Connections -------------------------------------------------------------------------- */

int world_listen(rouse_fd *listener)
{
    SOCKET made;
    int error = bound_socket(SOCK_STREAM, &made);
    if (error != 0)
        return error;
    return listen(made, 128) < 0 ? give_up(made) : keep(made, listener);
}

int world_connect(rouse_fd listener, rouse_fd *client)
{
    int error = keep(new_socket(SOCK_STREAM), client);
    if (error != 0)
        return error;
    error = connect_to((SOCKET)*client, (SOCKET)listener);
    if (error != 0)
        closesocket((SOCKET)*client);
    return error;
}

int world_accept(rouse_fd listener, rouse_fd *accepted)
{
    return keep(accept((SOCKET)listener, NULL, NULL), accepted);
}

int world_unconnected(rouse_fd *socket)
{
    return keep(new_socket(SOCK_STREAM), socket);
}

int world_bound(rouse_fd *socket)
{
    SOCKET made;
    int error = bound_socket(SOCK_STREAM, &made);
    return error != 0 ? error : keep(made, socket);
}

int world_refused(rouse_fd *client)
{
    SOCKET held; /* bound, and does not listen */
    int error = bound_socket(SOCK_STREAM, &held);
    if (error != 0)
        return error;
    error = world_connect((rouse_fd)held, client);
    if (error == 0)
        world_await(*client, ROUSE_ERROR);
    closesocket(held);
    return error;
}

int world_take_error(rouse_fd fd)
{
    int code = 0, size = sizeof code;
    if (getsockopt((SOCKET)fd, SOL_SOCKET, SO_ERROR, (char *)&code, &size) < 0)
        return winsock_error();
    return winsock_errno(code);
}
