/*
 * The descriptor by which other threads end a wait on Windows, where only sockets can be watched: a
 * UDP socket that is connected to itself. Bound to this machine's own address and to nobody else,
 * and connected, it takes no datagram but its own. A ring sends an empty one; if there is no room
 * for it a wake is pending anyway.
 *
 * SPDX-License-Identifier: MIT
 */
#include "winsock.h"

#include <errno.h>
#include <ws2tcpip.h>

#include "loop.h"

/* Winsock counts how often it was started, so that this does not concern the caller. */
int notifier_open(rouse_fd fds[2])
{
    WSADATA data;
    int error = winsock_errno(WSAStartup(MAKEWORD(2, 2), &data));
    if (error != 0)
        return error;
    SOCKET own = WSASocketW(AF_INET, SOCK_DGRAM, IPPROTO_UDP, NULL, 0,
                            WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    fds[0] = fds[1] = (rouse_fd)own;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int size = sizeof address;
    if (own != INVALID_SOCKET &&
        setsockopt(own, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (char *)&(int){1}, sizeof(int)) == 0 &&
        bind(own, (struct sockaddr *)&address, size) == 0 &&
        getsockname(own, (struct sockaddr *)&address, &size) == 0 &&
        connect(own, (struct sockaddr *)&address, size) == 0 && rouse_nonblock(fds[0]) == 0)
        return 0;
    error = winsock_error();
    notifier_close(fds);
    return error;
}

void notifier_close(rouse_fd fds[2])
{
    closesocket((SOCKET)fds[0]);
    WSACleanup();
    fds[0] = fds[1] = -1;
}

/* For forked children only, of which there are none. */
int notifier_renew(rouse_fd fds[2])
{
    (void)fds;
    return -ENOTSUP;
}

void notifier_silence(const rouse_fd fds[2])
{
    char byte;
    while (recv((SOCKET)fds[0], &byte, sizeof byte, 0) >= 0)
        ;
}

/* Also while another thread rings a send may say that it would block (Wine), though there is room:
 * it is tried again, unless there is something to be read. */
void notifier_ring(const rouse_fd fds[2])
{
    char byte;
    while (send((SOCKET)fds[1], "", 0, 0) < 0 && WSAGetLastError() == WSAEWOULDBLOCK &&
           recv((SOCKET)fds[0], &byte, sizeof byte, MSG_PEEK) < 0)
        system_yield();
}
