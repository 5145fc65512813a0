/*
 * What BSD sockets and Winsock call differently, as far as the examples need it: the headers, the
 * type of a socket, its close, and the words for what went wrong.
 *
 * What surprises: on Windows a program asks for sockets before it uses any; a socket is no small
 * number and no file, so it is read, written and closed by calls of its own; and with SO_REUSEADDR,
 * which elsewhere lets a server have its port back at once, another program could take it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef NET_H
#define NET_H

#include <rouse.h>

#if defined(_WIN32)

#include <stdio.h>
#include <winsock2.h>
#include <ws2tcpip.h>

#define NET_REUSE SO_EXCLUSIVEADDRUSE
typedef SOCKET net_fd;

/* If this fails, so does the first socket. */
static inline void net_start(void)
{
    WSADATA data;
    WSAStartup(MAKEWORD(2, 2), &data);
}

static inline int net_close(rouse_fd fd)
{
    return closesocket((SOCKET)fd);
}

/* Why the last call failed. */
static inline const char *net_error(void)
{
    static char words[256];
    DWORD error = (DWORD)WSAGetLastError();
    DWORD how =
        FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS | FORMAT_MESSAGE_MAX_WIDTH_MASK;
    if (FormatMessageA(how, NULL, error, 0, words, sizeof words, NULL) == 0)
        snprintf(words, sizeof words, "error %lu of Winsock", error);
    return words;
}

#else

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NET_REUSE SO_REUSEADDR
typedef int net_fd;

static inline void net_start(void)
{
}

static inline int net_close(rouse_fd fd)
{
    return close(fd);
}

/* Why the last call failed. */
static inline const char *net_error(void)
{
    return strerror(errno);
}

#endif

#endif
