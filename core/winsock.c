/*
 * The one table of Winsock's errors: each stands for an errno of the C library, which has no words
 * for most of them.
 *
 * What surprises: a call that would block says so with WSAEWOULDBLOCK, but a connect that is under
 * way says the same; and a handle of a socket that was closed is as little a socket as that of a
 * file.
 *
 * SPDX-License-Identifier: MIT
 */
#include "winsock.h"

#include <errno.h>
#include <string.h>

#include "loop.h"

static const struct {
    int code;
    int error;
    const char *words;
} errors[] = {
    {WSAEINTR, EINTR, "interrupted"},
    {WSAEACCES, EACCES, "not permitted"},
    {WSAEFAULT, EFAULT, "bad address"},
    {WSAEINVAL, EINVAL, "invalid argument"},
    {WSAEMFILE, EMFILE, "too many open descriptors"},
    {WSAEWOULDBLOCK, EAGAIN, "would block"},
    {WSAEINPROGRESS, EINPROGRESS, "in progress"},
    {WSAEALREADY, EALREADY, "under way already"},
    {WSAENOTSOCK, ENOTSOCK, "not a socket"},
    {WSANOTINITIALISED, ENOTSOCK, "not a socket"},
    {WSAEDESTADDRREQ, EDESTADDRREQ, "a destination is needed"},
    {WSAEMSGSIZE, EMSGSIZE, "message too long"},
    {WSAEPROTOTYPE, EPROTOTYPE, "wrong protocol for this socket"},
    {WSAENOPROTOOPT, ENOPROTOOPT, "no such option of the protocol"},
    {WSAEPROTONOSUPPORT, EPROTONOSUPPORT, "protocol not supported"},
    {WSAESOCKTNOSUPPORT, EPROTONOSUPPORT, "type of socket not supported"},
    {WSAEOPNOTSUPP, EOPNOTSUPP, "not supported by this socket"},
    {WSAEAFNOSUPPORT, EAFNOSUPPORT, "address family not supported"},
    {WSAEADDRINUSE, EADDRINUSE, "address in use"},
    {WSAEADDRNOTAVAIL, EADDRNOTAVAIL, "address not available"},
    {WSAENETDOWN, ENETDOWN, "network is down"},
    {WSAENETUNREACH, ENETUNREACH, "network not reachable"},
    {WSAENETRESET, ENETRESET, "connection lost by the network"},
    {WSAECONNABORTED, ECONNABORTED, "connection aborted"},
    {WSAECONNRESET, ECONNRESET, "connection reset by the peer"},
    {WSAENOBUFS, ENOBUFS, "no room for buffers"},
    {WSAEISCONN, EISCONN, "connected already"},
    {WSAENOTCONN, ENOTCONN, "not connected"},
    {WSAESHUTDOWN, EPIPE, "the connection was shut down"},
    {WSAETIMEDOUT, ETIMEDOUT, "timed out"},
    {WSAECONNREFUSED, ECONNREFUSED, "connection refused"},
    {WSAEHOSTDOWN, EHOSTUNREACH, "host not reachable"},
    {WSAEHOSTUNREACH, EHOSTUNREACH, "host not reachable"},
    {WSA_NOT_ENOUGH_MEMORY, ENOMEM, "no memory"},
    {WSA_INVALID_HANDLE, EBADF, "bad descriptor"},
    {WSA_OPERATION_ABORTED, ECANCELED, "canceled"},
};
enum { ERRORS = sizeof errors / sizeof *errors };

int winsock_errno(int code)
{
    if (code == 0)
        return 0;
    for (int i = 0; i < ERRORS; i++)
        if (errors[i].code == code)
            return -errors[i].error;
    return -EIO;
}

int winsock_error(void)
{
    return winsock_errno(WSAGetLastError());
}

int winsock_no_socket(rouse_fd fd)
{
    DWORD flags;
    return fd >= 0 && GetHandleInformation((HANDLE)fd, &flags) ? -ENOTSOCK : -EBADF;
}

const char *words_of(int error, char *buffer, size_t size)
{
    for (int i = 0; i < ERRORS; i++)
        if (errors[i].error == error)
            return errors[i].words;
    if (strerror_s(buffer, size, error) != 0)
        return "error";
    return buffer;
}
