/*
 * The world of Windows, continued: descriptors as numbers, time, and what a process knows of
 * itself.
 *
 * What surprises: a descriptor is a handle, as all objects of the system are. Its number is a
 * multiple of four, mostly the lowest that is free, and nobody can ask for a certain one; who wants
 * one makes copies until it comes.
 *
 * SPDX-License-Identifier: MIT
 */
#include "world_windows.h"

#include <errno.h>
#include <stdlib.h>
#include <wchar.h>
#include <winternl.h>

#include "core/winsock.h"

/* To copy a socket takes a handle for a moment, which would be the number that somebody waits for:
 * so there is one to spare. */
static HANDLE spare;

__attribute__((constructor)) static void take_spare(void)
{
    spare = CreateEventW(NULL, FALSE, FALSE, NULL);
}

int world_dup(rouse_fd fd, rouse_fd *copy)
{
    WSAPROTOCOL_INFOW described;
    CloseHandle(spare);
    bool failed = WSADuplicateSocketW((SOCKET)fd, GetCurrentProcessId(), &described) != 0;
    int error = winsock_error();
    take_spare();
    if (failed)
        return error;
    SOCKET made = WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &described,
                             0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    if (made == INVALID_SOCKET)
        return winsock_error();
    world_copied((SOCKET)fd, made);
    *copy = (rouse_fd)made;
    return 0;
}

enum { TRIES = 64 };

/* -ENOTSUP if the system does not come up with the number. */
int world_dup2(rouse_fd fd, rouse_fd number)
{
    rouse_fd copies[TRIES];
    int made = 0, error = 0;
    bool found = false;
    if (world_inherited(number) >= 0)
        world_close(number);
    while (made < TRIES && error == 0 && !found) {
        error = world_dup(fd, &copies[made]);
        found = error == 0 && copies[made] == number;
        made += error == 0 && !found;
    }
    while (made > 0)
        world_close(copies[--made]);
    return error != 0 || found ? error : -ENOTSUP;
}

int world_inherited(rouse_fd fd)
{
    DWORD flags;
    if (fd % 4 != 0 || !GetHandleInformation((HANDLE)fd, &flags))
        return -EBADF;
    return flags & HANDLE_FLAG_INHERIT ? 1 : 0;
}

/* A file: the system has no call that says when one is ready. */
int world_stranger(rouse_fd *fd)
{
    HANDLE file = CreateFileW(L"NUL", GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
    *fd = (rouse_fd)file;
    return file == INVALID_HANDLE_VALUE ? -EIO : 0;
}

/* A read that may block says that it took too long, and another that it would. Of a socket that has
 * nothing to read. */
bool world_blocks(rouse_fd fd)
{
    char byte;
    setsockopt((SOCKET)fd, SOL_SOCKET, SO_RCVTIMEO, (char *)&(DWORD){1}, sizeof(DWORD));
    recv((SOCKET)fd, &byte, 1, MSG_PEEK);
    bool blocks = WSAGetLastError() == WSAETIMEDOUT;
    setsockopt((SOCKET)fd, SOL_SOCKET, SO_RCVTIMEO, (char *)&(DWORD){0}, sizeof(DWORD));
    return blocks;
}

/* The C library and the threads have handles too, which come and go as they like. */
static bool is_descriptor(rouse_fd fd)
{
    union {
        PUBLIC_OBJECT_TYPE_INFORMATION type;
        char room[1024];
    } answer = {.room = {0}};
    NtQueryObject((HANDLE)fd, ObjectTypeInformation, &answer, sizeof answer, NULL);
    const wchar_t *name = answer.type.TypeName.Buffer;
    return name != NULL && (wcscmp(name, L"File") == 0 || wcscmp(name, L"IoCompletion") == 0);
}

/* No number above a gap of this many is used by any case. */
enum { GAP = 500 };

unsigned world_open_descriptors(void)
{
    unsigned count = 0;
    rouse_fd last = 0;
    for (rouse_fd fd = 4; fd < last + 4 * GAP; fd += 4)
        if (world_inherited(fd) >= 0) {
            count += is_descriptor(fd);
            last = fd;
        }
    return count;
}

bool world_is_wine(void)
{
    return GetProcAddress(GetModuleHandleA("ntdll"), "wine_get_version") != NULL;
}

int64_t world_now(void)
{
    LARGE_INTEGER frequency, count;
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&count);
    int64_t seconds = count.QuadPart / frequency.QuadPart;
    int64_t rest = count.QuadPart % frequency.QuadPart;
    return seconds * 1000000000 + rest * 1000000000 / frequency.QuadPart;
}
