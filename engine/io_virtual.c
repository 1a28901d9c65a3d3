#include "engine/io_virtual.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/rand.h"

#define START_NS TERN_S                               /* never 0 */
#define WALL_START_NS (UINT64_C(1735689600) * TERN_S) /* 2025-01-01 00:00:00 UTC */

struct virtual_io {
    struct tern_io io;
    struct tern_io *real; /* owned */
    uint64_t now_ns;
    uint64_t armed_ns; /* the pollable descriptor becomes readable then */
    struct tern_rand rand;
    atomic_bool is_woken; /* since the last wait: time does not pass while there is work */
};

static struct virtual_io *of(struct tern_io *io)
{
    return TERN_CONTAINER_OF(io, struct virtual_io, io);
}

/* ---- there is no network ---- */

static int no_socket(struct tern_io *io, const struct tern_io_socket *how)
{
    (void)io, (void)how;
    return -EACCES;
}

static int no_connect(struct tern_io *io, int fd, const struct tern_sockaddr *peer)
{
    (void)io, (void)fd, (void)peer;
    return -EACCES;
}

/* ---- as it is ---- */

static ssize_t real_recv(struct tern_io *io, int fd, void *buf, size_t cap)
{
    return of(io)->real->ops->recv(of(io)->real, fd, buf, cap);
}

static ssize_t real_sendmsg(struct tern_io *io, int fd, const struct iovec *iov, int iov_count)
{
    return of(io)->real->ops->sendmsg(of(io)->real, fd, iov, iov_count);
}

static int real_so_error(struct tern_io *io, int fd)
{
    return of(io)->real->ops->so_error(of(io)->real, fd);
}

static int real_names(struct tern_io *io, int fd, struct tern_sockaddr *local, struct tern_sockaddr *peer)
{
    return of(io)->real->ops->names(of(io)->real, fd, local, peer);
}

static void real_close(struct tern_io *io, int fd)
{
    of(io)->real->ops->close(of(io)->real, fd);
}

static uint32_t real_interface_number(struct tern_io *io, const char *name)
{
    return of(io)->real->ops->interface_number(of(io)->real, name);
}

static int real_watch(struct tern_io *io, struct tern_watch *watch)
{
    return of(io)->real->ops->watch(of(io)->real, watch);
}

static int real_watch_level(struct tern_io *io, struct tern_watch *watch, uint32_t events, bool is_new)
{
    return of(io)->real->ops->watch_level(of(io)->real, watch, events, is_new);
}

static void real_unwatch(struct tern_io *io, struct tern_watch *watch)
{
    of(io)->real->ops->unwatch(of(io)->real, watch);
}

static int real_pollable(struct tern_io *io)
{
    return of(io)->real->ops->pollable(of(io)->real);
}

static bool real_forked(struct tern_io *io)
{
    return of(io)->real->ops->forked(of(io)->real);
}

static void real_abandon(struct tern_io *io)
{
    of(io)->real->ops->abandon(of(io)->real);
}

/* ---- time and chance ---- */

static void virtual_wake(struct tern_io *io)
{
    atomic_store_explicit(&of(io)->is_woken, true, memory_order_release);
    of(io)->real->ops->wake(of(io)->real);
}

/* The pollable descriptor is readable at the armed time, as soon as the clock has come to it. */
static void show_armed(struct virtual_io *self)
{
    if (self->now_ns < self->armed_ns)
        return;
    self->armed_ns = TERN_OFF;
    self->real->ops->wake(self->real);
}

static int virtual_arm(struct tern_io *io, uint64_t deadline_ns)
{
    of(io)->armed_ns = deadline_ns;
    show_armed(of(io));
    return 0;
}

static int virtual_wait(struct tern_io *io, struct tern_io_event *out, int cap, uint64_t deadline_ns)
{
    struct virtual_io *self = of(io);
    bool is_woken = atomic_exchange_explicit(&self->is_woken, false, memory_order_acquire);
    int n = self->real->ops->wait(self->real, out, cap, 0);

    if (n != 0 || is_woken || deadline_ns == 0)
        return n;
    if (deadline_ns == TERN_OFF) /* only another thread, or a descriptor of the user's, can help */
        return self->real->ops->wait(self->real, out, cap, TERN_OFF);
    if (deadline_ns > self->now_ns)
        tern_io_virtual_set_now(io, deadline_ns);
    return 0;
}

static uint64_t virtual_now(struct tern_io *io)
{
    return of(io)->now_ns;
}

static uint64_t virtual_wall(struct tern_io *io)
{
    return WALL_START_NS + (of(io)->now_ns - START_NS);
}

static int virtual_random(struct tern_io *io, void *buf, size_t len)
{
    unsigned char *bytes = buf;

    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)tern_rand_below(&of(io)->rand, 256);
    return 0;
}

static void virtual_free(struct tern_io *io)
{
    of(io)->real->ops->free(of(io)->real);
    tern_mem_free(of(io));
}

static const struct tern_io_ops virtual_ops = {
    .socket = no_socket,
    .connect = no_connect,
    .recv = real_recv,
    .sendmsg = real_sendmsg,
    .so_error = real_so_error,
    .names = real_names,
    .close = real_close,
    .interface_number = real_interface_number,
    .watch = real_watch,
    .watch_level = real_watch_level,
    .unwatch = real_unwatch,
    .wait = virtual_wait,
    .wake = virtual_wake,
    .pollable = real_pollable,
    .arm = virtual_arm,
    .now = virtual_now,
    .wall = virtual_wall,
    .random = virtual_random,
    .forked = real_forked,
    .abandon = real_abandon,
    .free = virtual_free,
};

bool tern_io_is_virtual(const struct tern_io *io)
{
    return io->ops == &virtual_ops;
}

void tern_io_virtual_set_now(struct tern_io *io, uint64_t now_ns)
{
    TERN_ASSERT(tern_io_is_virtual(io) && now_ns >= of(io)->now_ns);
    of(io)->now_ns = now_ns;
    show_armed(of(io));
}

enum tern_error tern_io_virtual_new(struct tern_io **out, struct tern_fault *why)
{
    struct virtual_io *self = tern_mem_calloc(1, sizeof(*self));
    enum tern_error error;

    if (self == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    error = tern_io_epoll_new(&self->real, why);
    if (error != TERN_OK) {
        tern_mem_free(self);
        return error;
    }
    self->io.ops = &virtual_ops;
    self->now_ns = START_NS;
    self->armed_ns = TERN_OFF;
    tern_rand_seed(&self->rand, 1);
    *out = &self->io;
    return TERN_OK;
}
