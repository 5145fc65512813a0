/*
 * What Windows does not document of its driver for sockets, AFD: a request that tells when a socket
 * is ready. select and WSAPoll of Windows are made of it, so it has not changed since Windows 2000;
 * libuv, wepoll, mio and others rest on it as well.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_BACKENDS_AFD_H
#define ROUSE_BACKENDS_AFD_H

#define WIN32_NO_STATUS /* <ntstatus.h> has more of them, and as what they are */
#include <winsock2.h>
#undef WIN32_NO_STATUS

#include <mswsock.h>
#include <ntstatus.h>
#include <winternl.h>

/* A handle with which the driver can be asked, and which is no socket itself; the driver does not
 * look at the last part of the name. */
#define AFD_DEVICE L"\\Device\\Afd\\Rouse"

/* The request: AFD_POLL_INFO in, and out again with the handles that are ready. */
#define IOCTL_AFD_POLL 0x00012024

/* Of a socket; asked and told. */
enum {
    AFD_POLL_RECEIVE = 1,           /* data, or a datagram */
    AFD_POLL_RECEIVE_EXPEDITED = 2, /* out-of-band data */
    AFD_POLL_SEND = 4,              /* there is room; also: connected */
    AFD_POLL_DISCONNECT = 8,        /* the peer has closed its writing side */
    AFD_POLL_ABORT = 16,            /* the connection was reset */
    AFD_POLL_LOCAL_CLOSE = 32,      /* the last handle of the socket was closed */
    AFD_POLL_ACCEPT = 128,          /* a connection waits */
    AFD_POLL_CONNECT_FAIL = 256,    /* a connect has failed */
};

typedef struct {
    HANDLE Handle;
    ULONG Events;
    NTSTATUS Status;
} AFD_POLL_HANDLE_INFO;

typedef struct {
    LARGE_INTEGER Timeout; /* of the request; INT64_MAX: none */
    ULONG NumberOfHandles;
    ULONG Exclusive; /* ends those that others have made for the socket */
    AFD_POLL_HANDLE_INFO Handles[1];
} AFD_POLL_INFO;

/* Ends one request, which then completes as any other does, with STATUS_CANCELLED. The second block
 * is of this call itself, which is over when it returns. */
NTSTATUS NTAPI NtCancelIoFileEx(HANDLE file, PIO_STATUS_BLOCK request, PIO_STATUS_BLOCK status);

#endif
