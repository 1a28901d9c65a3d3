/* The operating system as it is: epoll, one eventfd for wakes, one timerfd for the pollable descriptor.
 *
 * Both are registered edge-triggered and never read: each write and each expiry raises a new edge, wait takes the
 * edge off the ready list, and so a wake costs one system call less. */
#include "engine/io.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/list.h"
#include "base/mem.h"

/* Events of one wait; what does not fit comes with the next. */
#define WAIT_MAX 256

struct io_epoll {
    struct tern_io io;
    int epoll_fd;
    int event_fd;
    int timer_fd;
    bool has_pwait2;          /* Linux 5.11 and not forbidden by a filter */
    volatile int *not_forked; /* a page that a child finds wiped to 0; NULL: pid tells */
    pid_t pid;
};

static struct io_epoll *self(struct tern_io *io)
{
    return TERN_CONTAINER_OF(io, struct io_epoll, io);
}

static bool io_forked(struct tern_io *io)
{
    struct io_epoll *ep = self(io);

    return ep->not_forked != NULL ? *ep->not_forked == 0 : getpid() != ep->pid;
}

/* ---- sockets ---- */

static int set_int(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) == 0 ? 0 : -errno;
}

static int set_up(int fd, const struct tern_io_socket *how)
{
    int rc = 0;

    if (how->type == SOCK_STREAM && how->family != AF_UNIX)
        rc = set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (rc == 0 && how->type == SOCK_STREAM && how->family != AF_UNIX && how->unacked_ms != 0)
        rc = set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)how->unacked_ms);
    if (rc == 0 && how->device != NULL &&
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, how->device, (socklen_t)strlen(how->device)) != 0)
        rc = -errno;
    if (rc == 0 && how->bind != NULL) {
        /* The port is then chosen by connect, per destination, so that a local address has as many ports as there
         * are peers to use them with (ip(7)). An older kernel chooses at once. */
        if (tern_sockaddr_port(how->bind) == 0 && how->family != AF_UNIX)
            (void)set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
        rc = bind(fd, &how->bind->u.any, how->bind->len) == 0 ? 0 : -errno;
    }
    return rc;
}

static int io_socket(struct tern_io *io, const struct tern_io_socket *how)
{
    (void)io;
    int fd = socket(how->family, how->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int rc = set_up(fd, how);
    if (rc != 0) {
        close(fd);
        return rc;
    }
    return fd;
}

static int io_connect(struct tern_io *io, int fd, const struct tern_sockaddr *peer)
{
    (void)io;
    if (connect(fd, &peer->u.any, peer->len) == 0)
        return 0;
    /* connect(2): interrupted, it goes on by itself. */
    return errno == EINTR ? -EINPROGRESS : -errno;
}

static ssize_t io_recv(struct tern_io *io, int fd, void *buf, size_t cap)
{
    ssize_t n;

    (void)io;
    do
        n = read(fd, buf, cap); /* what recv without flags does, and good for pipes too */
    while (n < 0 && errno == EINTR);
    return n >= 0 ? n : -errno;
}

static ssize_t io_sendmsg(struct tern_io *io, int fd, const struct iovec *iov, int iov_count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)iov_count};
    ssize_t n;

    (void)io;
    do
        n = sendmsg(fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n >= 0 ? n : -errno;
}

static int io_so_error(struct tern_io *io, int fd)
{
    int error = 0;
    socklen_t len = sizeof(error);

    (void)io;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? -error : -errno;
}

static int io_names(struct tern_io *io, int fd, struct tern_sockaddr *local, struct tern_sockaddr *peer)
{
    (void)io;
    if (local != NULL) {
        *local = (struct tern_sockaddr){.len = sizeof local->u};
        if (getsockname(fd, &local->u.any, &local->len) != 0)
            return -errno;
    }
    if (peer != NULL) {
        *peer = (struct tern_sockaddr){.len = sizeof peer->u};
        if (getpeername(fd, &peer->u.any, &peer->len) != 0)
            return -errno;
    }
    return 0;
}

static void io_close(struct tern_io *io, int fd)
{
    (void)io;
    close(fd); /* Linux frees the descriptor whatever close answers, so there is nothing to repeat */
}

/* ---- readiness ---- */

static int epoll_control(struct io_epoll *ep, int op, struct tern_watch *watch, uint32_t events)
{
    if (io_forked(&ep->io))
        return 0;
    struct epoll_event event = {.events = events, .data.ptr = watch};
    return epoll_ctl(ep->epoll_fd, op, watch->fd, &event) == 0 ? 0 : -errno;
}

static int io_watch(struct tern_io *io, struct tern_watch *watch)
{
    return epoll_control(self(io), EPOLL_CTL_ADD, watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

static int io_watch_level(struct tern_io *io, struct tern_watch *watch, uint32_t events, bool is_new)
{
    uint32_t wanted = ((events & TERN_IO_READ) != 0 ? (uint32_t)EPOLLIN : 0) |
                      ((events & TERN_IO_WRITE) != 0 ? (uint32_t)EPOLLOUT : 0);

    return epoll_control(self(io), is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, watch, wanted);
}

static void io_unwatch(struct tern_io *io, struct tern_watch *watch)
{
    (void)epoll_control(self(io), EPOLL_CTL_DEL, watch, 0);
}

static uint64_t read_clock(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * TERN_S + (uint64_t)t.tv_nsec;
}

static uint64_t io_now(struct tern_io *io)
{
    (void)io;
    return read_clock(CLOCK_MONOTONIC);
}

static uint64_t io_wall(struct tern_io *io)
{
    (void)io;
    return read_clock(CLOCK_REALTIME);
}

/* epoll_wait in whole milliseconds, rounded up: too early would be a wake for nothing. */
static int timeout_ms(uint64_t timeout_ns)
{
    if (timeout_ns == TERN_OFF)
        return -1;
    uint64_t ms = timeout_ns / TERN_MS + (timeout_ns % TERN_MS != 0);
    return ms < 0x7fffffff ? (int)ms : 0x7fffffff;
}

static int raw_wait(struct io_epoll *ep, struct epoll_event *raw, int cap, uint64_t timeout_ns)
{
    if (ep->has_pwait2 && timeout_ns != 0) {
        struct timespec t = {.tv_sec = (time_t)(timeout_ns / TERN_S), .tv_nsec = (long)(timeout_ns % TERN_S)};
        int n = epoll_pwait2(ep->epoll_fd, raw, cap, timeout_ns != TERN_OFF ? &t : NULL, NULL);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM))
            return n;
        ep->has_pwait2 = false;
    }
    return epoll_wait(ep->epoll_fd, raw, cap, timeout_ms(timeout_ns));
}

static uint32_t readiness(uint32_t events)
{
    uint32_t ready = 0;

    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        ready |= TERN_IO_READ;
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
        ready |= TERN_IO_WRITE;
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        ready |= TERN_IO_END;
    return ready;
}

static int io_wait(struct tern_io *io, struct tern_io_event *out, int cap, uint64_t deadline_ns)
{
    struct epoll_event raw[WAIT_MAX];
    uint64_t timeout_ns = deadline_ns;

    if (deadline_ns != 0 && deadline_ns != TERN_OFF) {
        uint64_t now = io_now(io);
        timeout_ns = deadline_ns > now ? deadline_ns - now : 0;
    }
    int n = raw_wait(self(io), raw, cap < WAIT_MAX ? cap : WAIT_MAX, timeout_ns);
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    int count = 0;
    for (int i = 0; i < n; i++) {
        if (raw[i].data.ptr == NULL)
            continue; /* a wake, or the timer */
        out[count++] = (struct tern_io_event){raw[i].data.ptr, readiness(raw[i].events)};
    }
    return count;
}

static void io_wake(struct tern_io *io)
{
    struct io_epoll *ep = self(io);
    int saved_errno = errno; /* a signal handler may be calling */

    if (!io_forked(io)) {
        uint64_t one = 1;
        ssize_t n = write(ep->event_fd, &one, sizeof(one));
        (void)n; /* fails only where the counter is full, after 2^64 - 2 wakes */
    }
    errno = saved_errno;
}

static int io_pollable(struct tern_io *io)
{
    return self(io)->epoll_fd;
}

static int io_arm(struct tern_io *io, uint64_t deadline_ns)
{
    struct itimerspec when = {0}; /* all zero disarms */

    if (io_forked(io))
        return 0;
    if (deadline_ns != TERN_OFF) {
        when.it_value.tv_sec = (time_t)(deadline_ns / TERN_S);
        when.it_value.tv_nsec = (long)(deadline_ns % TERN_S);
    }
    return timerfd_settime(self(io)->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0 ? 0 : -errno;
}

static int io_random(struct tern_io *io, void *buf, size_t len)
{
    (void)io;
    TERN_ASSERT(len <= 256); /* getrandom(2): up to that it neither comes short nor is interrupted */
    return getrandom(buf, len, 0) == (ssize_t)len ? 0 : -errno;
}

/* ---- life ---- */

static void close_if_open(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* In a child this closes its own copies: the registrations are the parent's and stay. */
static void io_abandon(struct tern_io *io)
{
    struct io_epoll *ep = self(io);

    close_if_open(&ep->timer_fd);
    close_if_open(&ep->event_fd);
    close_if_open(&ep->epoll_fd);
}

static void io_free(struct tern_io *io)
{
    struct io_epoll *ep = self(io);

    io_abandon(io);
    if (ep->not_forked != NULL)
        munmap((void *)(uintptr_t)ep->not_forked, sizeof(*ep->not_forked));
    tern_mem_free(ep);
}

static uint32_t io_interface_number(struct tern_io *io, const char *name)
{
    (void)io;
    return if_nametoindex(name);
}

static const struct tern_io_ops ops = {
    .socket = io_socket,
    .connect = io_connect,
    .recv = io_recv,
    .sendmsg = io_sendmsg,
    .so_error = io_so_error,
    .names = io_names,
    .close = io_close,
    .interface_number = io_interface_number,
    .watch = io_watch,
    .watch_level = io_watch_level,
    .unwatch = io_unwatch,
    .wait = io_wait,
    .wake = io_wake,
    .pollable = io_pollable,
    .arm = io_arm,
    .now = io_now,
    .wall = io_wall,
    .random = io_random,
    .forked = io_forked,
    .abandon = io_abandon,
    .free = io_free,
};

/* A page that the kernel wipes in a child (madvise(2), Linux 4.14); without it the pid has to tell. */
static void map_fork_mark(struct io_epoll *ep)
{
    size_t size = sizeof(*ep->not_forked); /* the kernel rounds up to a page */
    int *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        return;
    if (madvise(page, size, MADV_WIPEONFORK) != 0) {
        munmap(page, size);
        return;
    }
    *page = 1;
    ep->not_forked = page;
}

static int open_descriptors(struct io_epoll *ep)
{
    ep->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (ep->epoll_fd < 0)
        return -errno;
    ep->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (ep->event_fd < 0)
        return -errno;
    ep->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (ep->timer_fd < 0)
        return -errno;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    if (epoll_ctl(ep->epoll_fd, EPOLL_CTL_ADD, ep->event_fd, &event) != 0 ||
        epoll_ctl(ep->epoll_fd, EPOLL_CTL_ADD, ep->timer_fd, &event) != 0)
        return -errno;
    return 0;
}

enum tern_error tern_io_epoll_new(struct tern_io **out, struct tern_fault *why)
{
    struct io_epoll *ep = tern_mem_alloc(sizeof(*ep));

    if (ep == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    *ep = (struct io_epoll){
        .io.ops = &ops, .epoll_fd = -1, .event_fd = -1, .timer_fd = -1, .has_pwait2 = true, .pid = getpid()};
    int rc = open_descriptors(ep);
    if (rc != 0) {
        io_free(&ep->io);
        enum tern_error error = rc == -EMFILE || rc == -ENFILE ? TERN_EDESCRIPTORS
                                : rc == -ENOMEM                ? TERN_ENOMEM
                                                               : TERN_EOS;
        return tern_fault_errno(why, error, -rc, "the engine's own descriptors could not be made");
    }
    map_fork_mark(ep);
    *out = &ep->io;
    return TERN_OK;
}
