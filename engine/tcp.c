#include "engine/tcp.h"

#include <errno.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/list.h"
#include "engine/engine.h"

static const uint8_t successors[] = {
    [TERN_TCP_IDLE] = 1 << TERN_TCP_CONNECTING | 1 << TERN_TCP_OPEN | 1 << TERN_TCP_CLOSED,
    [TERN_TCP_CONNECTING] = 1 << TERN_TCP_OPEN | 1 << TERN_TCP_FAILED | 1 << TERN_TCP_CLOSED,
    [TERN_TCP_OPEN] = 1 << TERN_TCP_FAILED | 1 << TERN_TCP_CLOSED,
    [TERN_TCP_FAILED] = 1 << TERN_TCP_CLOSED,
    [TERN_TCP_CLOSED] = 0,
};

static void set_state(struct tern_tcp *tcp, enum tern_tcp_state state)
{
    TERN_ASSERT((successors[tcp->state] & 1 << state) != 0);
    tcp->state = state;
}

static struct tern_tcp *self(const struct tern_bytestream *stream)
{
    return TERN_CONTAINER_OF(stream, struct tern_tcp, stream);
}

/* "what ADDRESS: reason", and the error for the caller. */
static enum tern_error say(struct tern_fault *out, enum tern_error error, int os_errno, const char *what,
                           const struct tern_sockaddr *address)
{
    char peer[TERN_SOCKADDR_TEXT_MAX];

    tern_sockaddr_print(address, peer, sizeof(peer));
    return tern_fault_errno(out, error, os_errno, "%s %s", what, peer);
}

static void note(struct tern_tcp *tcp, enum tern_error error, int os_errno, const char *what)
{
    tcp->error = error;
    tcp->os_errno = os_errno;
    tcp->failed = what;
}

static enum tern_flow fail(struct tern_tcp *tcp, enum tern_error error, int os_errno, const char *what)
{
    note(tcp, error, os_errno, what);
    set_state(tcp, TERN_TCP_FAILED);
    return TERN_FLOW_ERROR;
}

static void on_event(struct tern_watch *watch, uint32_t events)
{
    struct tern_tcp *tcp = TERN_CONTAINER_OF(watch, struct tern_tcp, watch);

    if ((events & TERN_IO_READ) != 0)
        tcp->may_read = true;
    if ((events & TERN_IO_WRITE) != 0)
        tcp->may_write = true;
    if ((events & TERN_IO_END) != 0)
        tcp->end_announced = true;
    if (tcp->stream.on_ready != NULL)
        tcp->stream.on_ready(&tcp->stream);
}

static enum tern_flow tcp_handshake(struct tern_bytestream *stream)
{
    struct tern_tcp *tcp = self(stream);
    struct tern_io *io = tcp->engine->io;

    TERN_ASSERT(tcp->state != TERN_TCP_IDLE && tcp->state != TERN_TCP_CLOSED);
    if (tcp->state == TERN_TCP_OPEN)
        return TERN_FLOW_OK;
    if (tcp->state == TERN_TCP_FAILED)
        return TERN_FLOW_ERROR;
    if (!tcp->may_write)
        return TERN_FLOW_WANT_WRITE;
    int rc = tcp->end_announced ? io->ops->so_error(io, tcp->watch.fd) : 0;
    if (rc != 0)
        return fail(tcp, tern_error_of_connect(-rc), -rc, "connect to");
    set_state(tcp, TERN_TCP_OPEN);
    return TERN_FLOW_OK;
}

static enum tern_flow tcp_read(struct tern_bytestream *stream, void *buf, size_t cap, size_t *n)
{
    struct tern_tcp *tcp = self(stream);
    struct tern_io *io = tcp->engine->io;

    TERN_ASSERT(cap > 0 && (tcp->state == TERN_TCP_OPEN || tcp->state == TERN_TCP_FAILED));
    if (tcp->state == TERN_TCP_FAILED)
        return TERN_FLOW_ERROR;
    if (tcp->at_eof)
        return TERN_FLOW_EOF;
    if (!tcp->may_read)
        return TERN_FLOW_WANT_READ;
    ssize_t got = io->ops->recv(io, tcp->watch.fd, buf, cap);
    if (got > 0) {
        if ((size_t)got < cap && !tcp->end_announced)
            tcp->may_read = false;
        *n = (size_t)got;
        return TERN_FLOW_OK;
    }
    if (got == -EAGAIN) {
        tcp->may_read = false;
        return TERN_FLOW_WANT_READ;
    }
    if (tcp->write_failed) { /* the system has told the reason to the write, and would tell only "end" here */
        set_state(tcp, TERN_TCP_FAILED);
        return TERN_FLOW_ERROR;
    }
    if (got < 0)
        return fail(tcp, tern_error_of_stream((int)-got), (int)-got, "read from");
    tcp->at_eof = true;
    return TERN_FLOW_EOF;
}

static enum tern_flow tcp_writev(struct tern_bytestream *stream, const struct iovec *iov, int iov_count, size_t *n)
{
    struct tern_tcp *tcp = self(stream);
    struct tern_io *io = tcp->engine->io;

    TERN_ASSERT(tcp->state == TERN_TCP_OPEN || tcp->state == TERN_TCP_FAILED);
    if (tcp->state == TERN_TCP_FAILED || tcp->write_failed)
        return TERN_FLOW_ERROR;
    if (!tcp->may_write)
        return TERN_FLOW_WANT_WRITE;
    if (iov_count > TERN_IO_IOV_MAX)
        iov_count = TERN_IO_IOV_MAX;
    size_t sum = 0;
    for (int i = 0; i < iov_count; i++)
        sum += iov[i].iov_len;
    TERN_ASSERT(sum > 0);
    ssize_t put = io->ops->sendmsg(io, tcp->watch.fd, iov, iov_count);
    if (put > 0) {
        if ((size_t)put < sum)
            tcp->may_write = false;
        *n = (size_t)put;
        return TERN_FLOW_OK;
    }
    if (put == -EAGAIN || put == 0) {
        tcp->may_write = false;
        return TERN_FLOW_WANT_WRITE;
    }
    note(tcp, tern_error_of_stream((int)-put), (int)-put, "write to");
    tcp->write_failed = true;
    tcp->may_read = true; /* what the peer said before it went may be there, and its event still to come */
    return TERN_FLOW_ERROR;
}

static enum tern_flow tcp_shutdown(struct tern_bytestream *stream)
{
    (void)stream;
    return TERN_FLOW_OK; /* a half-close gains a client nothing, and some servers take it for a cancel */
}

static void tcp_close(struct tern_bytestream *stream)
{
    struct tern_tcp *tcp = self(stream);
    struct tern_io *io = tcp->engine->io;

    stream->on_ready = NULL;
    if (tcp->state == TERN_TCP_CLOSED)
        return;
    set_state(tcp, TERN_TCP_CLOSED);
    if (tcp->watch.fd >= 0) {
        int fd = tcp->watch.fd;
        tern_engine_unwatch(tcp->engine, &tcp->watch);
        tcp->watch.fd = -1;
        io->ops->close(io, fd);
    }
}

static void tcp_names(struct tern_bytestream *stream, struct tern_sockaddr *local, struct tern_sockaddr *peer)
{
    struct tern_tcp *tcp = self(stream);
    struct tern_io *io = tcp->engine->io;

    if (local != NULL && (tcp->watch.fd < 0 || io->ops->names(io, tcp->watch.fd, local, NULL) != 0))
        local->len = 0;
    if (peer != NULL)
        *peer = *tcp->peer;
}

static void tcp_fault(const struct tern_bytestream *stream, struct tern_fault *out)
{
    const struct tern_tcp *tcp = self(stream);

    say(out, tcp->error, tcp->os_errno, tcp->failed, tcp->peer);
}

static const struct tern_bytestream_ops ops = {
    .handshake = tcp_handshake,
    .read = tcp_read,
    .writev = tcp_writev,
    .shutdown = tcp_shutdown,
    .close = tcp_close,
    .names = tcp_names,
    .fault = tcp_fault,
};

/* Whether a socket could not be made because of where it was to start from. */
static bool is_local_fault(const struct tern_tcp_options *options, int os_errno)
{
    if (options == NULL || (options->bind == NULL && options->device == NULL))
        return false;
    return os_errno == EADDRNOTAVAIL || os_errno == EADDRINUSE || os_errno == ENODEV || os_errno == EPERM ||
           os_errno == EACCES || os_errno == EINVAL;
}

static enum tern_error say_local(struct tern_fault *out, const struct tern_tcp_options *options, int os_errno)
{
    char from[TERN_SOCKADDR_TEXT_MAX] = "any address";
    char device[TERN_ESCAPE_MAX];

    if (options->bind != NULL)
        tern_sockaddr_print(options->bind, from, sizeof(from));
    tern_escape(device, sizeof(device), options->device != NULL ? tern_str(options->device) : TERN_STR("any device"));
    return tern_fault_errno(out, TERN_ECONFIG, os_errno, "no socket from %s on %s", from, device);
}

/* Whole milliseconds, upwards; the system takes an int of them. */
static uint32_t unacked_ms(uint64_t ns)
{
    uint64_t ms = ns / TERN_MS + (ns % TERN_MS != 0);

    return ms < INT32_MAX ? (uint32_t)ms : INT32_MAX;
}

enum tern_error tern_tcp_start(struct tern_engine *engine, struct tern_tcp *tcp, const struct tern_sockaddr *peer,
                               const struct tern_tcp_options *options, struct tern_fault *why)
{
    struct tern_io *io = engine->io;

    *tcp = (struct tern_tcp){
        .stream.ops = &ops,
        .watch = {.fd = -1, .on_ready = on_event},
        .engine = engine,
        .peer = peer,
        .state = TERN_TCP_IDLE,
    };
    struct tern_io_socket how = {.family = tern_sockaddr_family(peer), .type = SOCK_STREAM};
    if (options != NULL) {
        how.bind = options->bind;
        how.device = options->device;
        if (options->unacked_ns != TERN_OFF)
            how.unacked_ms = unacked_ms(options->unacked_ns);
    }
    int fd = io->ops->socket(io, &how);
    if (fd < 0)
        return is_local_fault(options, -fd) ? say_local(why, options, -fd)
                                            : say(why, tern_error_of_connect(-fd), -fd, "make a socket for", peer);
    int rc = io->ops->connect(io, fd, peer);
    if (rc != 0 && rc != -EINPROGRESS) {
        io->ops->close(io, fd);
        return say(why, tern_error_of_connect(-rc), -rc, "connect to", peer);
    }
    tcp->watch.fd = fd;
    enum tern_error error = tern_engine_watch(engine, &tcp->watch);
    if (error != TERN_OK) {
        tcp->watch.fd = -1;
        io->ops->close(io, fd);
        return tern_fault_plain(why, error);
    }
    tcp->may_write = rc == 0;
    set_state(tcp, rc == 0 ? TERN_TCP_OPEN : TERN_TCP_CONNECTING);
    return TERN_OK;
}
