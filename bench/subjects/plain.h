/*
 * How a loop reads, writes, accepts and closes that has no calls of its own for it: by the system
 * calls. Included by a subject behind watch_fd() and watch_stop(). One that closes in another way
 * defines SUBJECT_CLOSE and says how.
 *
 * SPDX-License-Identifier: MIT
 */
static HOT ssize_t watch_read(struct watch *watch, void *buffer, size_t size)
{
    return plain_read(watch_fd(watch), buffer, size);
}

static HOT ssize_t watch_write(struct watch *watch, const void *data, size_t size)
{
    return plain_write(watch_fd(watch), data, size);
}

static HOT int watch_accept(struct watch *watch)
{
    return plain_accept(watch_fd(watch));
}

#ifndef SUBJECT_CLOSE
/* Also frees the watch, which begins a block from malloc. */
static HOT void watch_close(struct loop *loop, struct watch *watch)
{
    int fd = watch_fd(watch);
    watch_stop(loop, watch);
    close(fd);
    free(watch);
}
#endif
