/*
 * What the tests of iocp share: a kernel that can be told to refuse, to answer what nobody asked,
 * and to keep what it owes. The linker puts the functions of this file before those of Windows by
 * which the backend reaches the driver and the port (--wrap; those that come from a library's table
 * of imports by the name of their entry in it).
 *
 * It knows which requests are the kernel's, from when they are handed over until they have been
 * fetched, and so does the allocator here: to free the memory of one fails the case.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KERNEL_IOCP_H
#define KERNEL_IOCP_H

#include "backends/afd.h"

#include "stage.h"

enum { KERNEL_REQUESTS = 1024 };

/* How often a call fails, after how many that went well, and with what status or error. */
struct kernel_fault {
    unsigned passes;
    unsigned times;
    NTSTATUS error;
};

/* How the kernel is to behave. All zero: as it is. */
static struct kernel {
    struct kernel_fault create, device, port, fetch; /* a driver, a request, a port, a wait */
    SOCKET refuses;       /* not 0: the socket whose requests `device` is about */
    unsigned no_memory;   /* n: the n-th time that memory is asked for there is none */
    bool keeps;           /* what was cancelled, for as long as this is set; it then never sleeps */
    bool deaf;            /* cancels nothing, and says that it has */
    ULONG tells;          /* not 0: what the next answer tells instead */
    bool silent;          /* the next answer tells nothing */
    NTSTATUS fails_with;  /* not 0: what the next answer fails with */
    void (*sleeps)(void); /* called once, before a wait that may sleep */
    SOCKET layered;       /* not 0: a socket whose provider hides the one below, which is */
    SOCKET below;
} kernel;

/* What it has seen, and what it has. */
static struct seen {
    unsigned creates, devices, cancels, fetches;
    DWORD timeouts[16];
    unsigned requests;
    struct {
        void *request;
        HANDLE driver;
    } has[KERNEL_REQUESTS];
    OVERLAPPED_ENTRY kept[KERNEL_REQUESTS];
    unsigned nkept;
    long bytes; /* of the loop's memory */
    unsigned asked_memory;
} seen;

static inline bool kernel_met(struct kernel_fault *fault)
{
    if (fault->passes > 0) {
        fault->passes--;
        return false;
    }
    if (fault->times == 0)
        return false;
    fault->times--;
    return true;
}

/* ---- The driver --------------------------------------------------------------------------- */

#define CREATE_FILE_PARAMETERS                                                                     \
    PHANDLE handle, ACCESS_MASK access, POBJECT_ATTRIBUTES attributes, PIO_STATUS_BLOCK status,    \
        PLARGE_INTEGER size, ULONG file_attributes, ULONG share, ULONG disposition, ULONG options, \
        PVOID extra, ULONG extra_size
NTSTATUS NTAPI __real_NtCreateFile(CREATE_FILE_PARAMETERS);
NTSTATUS NTAPI __wrap_NtCreateFile(CREATE_FILE_PARAMETERS);
NTSTATUS NTAPI __wrap_NtCreateFile(CREATE_FILE_PARAMETERS)
{
    seen.creates++;
    if (kernel_met(&kernel.create))
        return kernel.create.error;
    return __real_NtCreateFile(handle, access, attributes, status, size, file_attributes, share,
                               disposition, options, extra, extra_size);
}

#define DEVICE_PARAMETERS                                                                          \
    HANDLE file, HANDLE event, PIO_APC_ROUTINE routine, PVOID context, PIO_STATUS_BLOCK status,    \
        ULONG code, PVOID in, ULONG in_size, PVOID out, ULONG out_size
NTSTATUS NTAPI __real_NtDeviceIoControlFile(DEVICE_PARAMETERS);
NTSTATUS NTAPI __wrap_NtDeviceIoControlFile(DEVICE_PARAMETERS);
NTSTATUS NTAPI __wrap_NtDeviceIoControlFile(DEVICE_PARAMETERS)
{
    const AFD_POLL_INFO *asked = in;
    seen.devices++;
    assert_int_equal(code, IOCTL_AFD_POLL);
    assert_int_equal(asked->NumberOfHandles, 1);
    bool of_interest = kernel.refuses == 0 || asked->Handles[0].Handle == (HANDLE)kernel.refuses;
    if (of_interest && kernel_met(&kernel.device))
        return kernel.device.error;
    for (unsigned i = 0; i < seen.requests; i++)
        if (seen.has[i].request == context)
            fail_msg("the kernel still writes to what is used again");
    NTSTATUS result = __real_NtDeviceIoControlFile(file, event, routine, context, status, code, in,
                                                   in_size, out, out_size);
    if (NT_SUCCESS(result)) {
        assert_in_range(seen.requests, 0, KERNEL_REQUESTS - 1);
        seen.has[seen.requests].request = context;
        seen.has[seen.requests++].driver = file;
    }
    return result;
}

NTSTATUS NTAPI __real_NtCancelIoFileEx(HANDLE file, PIO_STATUS_BLOCK request,
                                       PIO_STATUS_BLOCK status);
NTSTATUS NTAPI __wrap_NtCancelIoFileEx(HANDLE file, PIO_STATUS_BLOCK request,
                                       PIO_STATUS_BLOCK status);
NTSTATUS NTAPI __wrap_NtCancelIoFileEx(HANDLE file, PIO_STATUS_BLOCK request,
                                       PIO_STATUS_BLOCK status)
{
    seen.cancels++;
    return kernel.deaf ? STATUS_SUCCESS : __real_NtCancelIoFileEx(file, request, status);
}

/* ---- The port ----------------------------------------------------------------------------- */

typedef HANDLE(WINAPI create_port)(HANDLE file, HANDLE port, ULONG_PTR key, DWORD threads);
extern create_port *__real___imp_CreateIoCompletionPort;
extern create_port *__wrap___imp_CreateIoCompletionPort;

static HANDLE WINAPI kernel_create_port(HANDLE file, HANDLE port, ULONG_PTR key, DWORD threads)
{
    assert_true(port != NULL || threads > 1); /* a loop may pass from one to another */
    if (kernel_met(&kernel.port)) {
        SetLastError((DWORD)kernel.port.error);
        return NULL;
    }
    return __real___imp_CreateIoCompletionPort(file, port, key, threads);
}

create_port *__wrap___imp_CreateIoCompletionPort = kernel_create_port;

/* What is the kernel's no longer. */
static inline void kernel_gives(const OVERLAPPED_ENTRY *entry)
{
    unsigned i = 0;
    while (i < seen.requests && seen.has[i].request != entry->lpOverlapped)
        i++;
    if (i < seen.requests)
        seen.has[i] = seen.has[--seen.requests];
}

/* A request is its status and then the answer. */
struct kernel_request {
    IO_STATUS_BLOCK status;
    AFD_POLL_INFO poll;
};

static inline void kernel_answers(struct kernel_request *request)
{
    if (request->status.Status != STATUS_SUCCESS)
        return;
    if (kernel.tells != 0)
        request->poll.Handles[0].Events = kernel.tells;
    kernel.tells = 0;
    if (kernel.silent)
        request->poll.NumberOfHandles = 0;
    kernel.silent = false;
    if (kernel.fails_with != 0)
        request->status.Status = kernel.fails_with;
    kernel.fails_with = 0;
}

/* Passes on what may be given back; the count of it. */
static inline ULONG kernel_pass(OVERLAPPED_ENTRY *entries, ULONG count)
{
    ULONG passed = 0;
    for (ULONG i = 0; i < count; i++) {
        struct kernel_request *request = (void *)entries[i].lpOverlapped;
        if (kernel.keeps && request != NULL && request->status.Status == STATUS_CANCELLED) {
            seen.kept[seen.nkept++] = entries[i];
            continue;
        }
        if (request != NULL)
            kernel_answers(request);
        kernel_gives(&entries[i]);
        entries[passed++] = entries[i];
    }
    return passed;
}

typedef WINBOOL(WINAPI fetch)(HANDLE port, LPOVERLAPPED_ENTRY entries, ULONG room, PULONG count,
                              DWORD timeout, WINBOOL alertable);
extern fetch *__real___imp_GetQueuedCompletionStatusEx;
extern fetch *__wrap___imp_GetQueuedCompletionStatusEx;

static WINBOOL WINAPI kernel_fetch(HANDLE port, LPOVERLAPPED_ENTRY entries, ULONG room,
                                   PULONG count, DWORD timeout, WINBOOL alertable)
{
    seen.timeouts[seen.fetches++ % 16] = timeout;
    assert_false(alertable);
    if (timeout != 0 && kernel.sleeps != NULL) {
        kernel.sleeps();
        kernel.sleeps = NULL;
    }
    if (kernel_met(&kernel.fetch)) {
        SetLastError((DWORD)kernel.fetch.error);
        return FALSE;
    }
    if (!kernel.keeps && seen.nkept > 0) { /* now */
        entries[0] = seen.kept[--seen.nkept];
        *count = kernel_pass(entries, 1);
        return TRUE;
    }
    if (!__real___imp_GetQueuedCompletionStatusEx(port, entries, room, count,
                                                  kernel.keeps ? 0 : timeout, alertable))
        return FALSE;
    *count = kernel_pass(entries, *count);
    SetLastError(WAIT_TIMEOUT);
    return *count > 0;
}

fetch *__wrap___imp_GetQueuedCompletionStatusEx = kernel_fetch;

/* ---- Winsock ------------------------------------------------------------------------------ */

#define IOCTL_PARAMETERS                                                                           \
    SOCKET socket, DWORD code, LPVOID in, DWORD in_size, LPVOID out, DWORD out_size, LPDWORD size, \
        LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine
typedef int(WSAAPI ioctl)(IOCTL_PARAMETERS);
extern ioctl *__real___imp_WSAIoctl;
extern ioctl *__wrap___imp_WSAIoctl;

static int WSAAPI kernel_ioctl(IOCTL_PARAMETERS)
{
    if (kernel.layered == 0 || socket != kernel.layered)
        return __real___imp_WSAIoctl(socket, code, in, in_size, out, out_size, size, overlapped,
                                     routine);
    if (code == SIO_BSP_HANDLE_POLL && kernel.below != 0) {
        memcpy(out, &kernel.below, sizeof kernel.below);
        return 0;
    }
    WSASetLastError(WSAEOPNOTSUPP);
    return SOCKET_ERROR;
}

ioctl *__wrap___imp_WSAIoctl = kernel_ioctl;

/* ---- Memory ------------------------------------------------------------------------------- */

static inline void kernel_frees(const char *block, size_t size)
{
    for (unsigned i = 0; i < seen.requests; i++) {
        const char *request = seen.has[i].request;
        if (request >= block && request < block + size)
            fail_msg("the kernel still writes to what is freed");
    }
}

/* Moves every block that grows, and spoils what is freed. */
static void *kernel_resize(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    void *moved = NULL;
    if (new_size > old_size && ++seen.asked_memory == kernel.no_memory)
        return NULL;
    if (new_size != 0) {
        moved = malloc(new_size);
        if (moved == NULL)
            return NULL;
        memset(moved, 0xee, new_size);
        if (block != NULL)
            memcpy(moved, block, old_size < new_size ? old_size : new_size);
    }
    if (block != NULL) {
        kernel_frees(block, old_size);
        memset(block, 0xdd, old_size);
        free(block);
    }
    seen.bytes += (long)new_size - (long)old_size;
    return moved;
}

static const struct rouse_allocator kernel_allocator = {kernel_resize, NULL};

/* The setup of each case. */
static inline int kernel_setup(void **state)
{
    (void)state;
    kernel = (struct kernel){0};
    seen = (struct seen){0};
    journal_take();
    return 0;
}

/* Opens a loop whose memory is that of this file. */
static inline struct rouse_loop *kernel_open(void)
{
    struct rouse_loop *loop = NULL;
    struct rouse_config config = {
        .size = sizeof config, .backend = "iocp", .allocator = &kernel_allocator};
    CHECK_OK(NULL, rouse_open(&loop, &config));
    return loop;
}

/* Closes it; then nothing is left, of its memory or in the kernel. */
static inline void kernel_close(struct rouse_loop *loop)
{
    CHECK_OK(NULL, rouse_close(loop));
    assert_int_equal(seen.requests, 0);
    assert_int_equal(seen.bytes, 0);
}

#endif
