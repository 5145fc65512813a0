/*
 * The errors of Winsock, which are not in errno, as errors of this library.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ROUSE_CORE_WINSOCK_H
#define ROUSE_CORE_WINSOCK_H

#include <winsock2.h>

#include <rouse.h>

#include "names.h"

/* The -errno of a code of Winsock; 0 for 0. */
int winsock_errno(int code);

/* That of the last call of this thread that failed. */
int winsock_error(void);

/* That of a handle that is no socket to Winsock: -EBADF if it is none of this process either, else
 * -ENOTSOCK; which it also is as long as Winsock was not started. */
int winsock_no_socket(rouse_fd fd);

#endif
