#include "tests/sim/net.h"

#include <errno.h>

#include "tests/sim/seams.h"
#include "tests/sim/server.h"
#include "tests/sim/user.h"

#define SOCKETS_OPEN_MAX 4096
#define FD_PROBE_V4 10 /* datagram sockets: only ever asked from where a destination would be dialled */
#define FD_PROBE_V6 11

static struct sim_socket *table[SOCKETS_OPEN_MAX]; /* by descriptor */
static int table_end;                              /* behind the highest that was ever used */
static struct sim_socket *all;

static struct sim_io *self(struct tern_io *io)
{
    return TERN_CONTAINER_OF(io, struct sim_io, io);
}

static struct sim_socket *socket_of(struct tern_io *io, int fd)
{
    int at = fd - SIM_FD_FIRST;

    SIM_CHECK(at >= 0 && at < SOCKETS_OPEN_MAX && table[at] != NULL && table[at]->io == self(io),
              "descriptor %d is used, which is not open", fd);
    return table[at];
}

/* ---- from the server to the client ---- */

enum packet_kind { PACKET_BYTES, PACKET_END, PACKET_RESET, PACKET_CONNECTED, PACKET_REFUSED };

struct packet {
    struct sim_socket *socket;
    enum packet_kind kind;
    int os_errno;
    size_t len;
    unsigned char bytes[];
};

static void on_packet(void *context, uint64_t number)
{
    struct packet *packet = context;
    struct sim_socket *socket = packet->socket;

    (void)number;
    if (socket->io == NULL || socket->reset) {
        sim_free(packet);
        return;
    }
    switch (packet->kind) {
    case PACKET_BYTES:
        sim_bytes_add(&socket->in, packet->bytes, packet->len);
        socket->edges |= TERN_IO_READ;
        break;
    case PACKET_END:
        socket->ended = true;
        socket->edges |= TERN_IO_READ | TERN_IO_END;
        break;
    case PACKET_RESET:
        socket->reset = true;
        socket->so_error = packet->os_errno;
        socket->edges |= TERN_IO_READ | TERN_IO_WRITE | TERN_IO_END;
        break;
    case PACKET_CONNECTED:
        socket->connected = true;
        socket->edges |= TERN_IO_WRITE;
        break;
    case PACKET_REFUSED:
        socket->refused = true;
        socket->so_error = packet->os_errno;
        socket->edges |= TERN_IO_READ | TERN_IO_WRITE | TERN_IO_END;
        break;
    }
    sim_free(packet);
}

static void send_packet(struct sim_socket *socket, enum packet_kind kind, int os_errno, const void *bytes, size_t len)
{
    struct packet *packet;
    uint64_t at_ns = sim.now_ns + socket->latency_ns;

    if (socket->io == NULL)
        return;
    if (sim_fault(SIM_FAULT_LATENCY))
        at_ns += sim_some_time(200 * TERN_MS);
    if (at_ns < socket->last_arrival_ns)
        at_ns = socket->last_arrival_ns;
    socket->last_arrival_ns = at_ns;
    packet = sim_alloc(sizeof(*packet) + len);
    *packet = (struct packet){.socket = socket, .kind = kind, .os_errno = os_errno, .len = len};
    if (len != 0)
        memcpy(packet->bytes, bytes, len);
    sim_after(at_ns - sim.now_ns, on_packet, packet, 0);
}

void sim_socket_send(struct sim_socket *socket, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;

    while (len > 0) {
        size_t n = len;

        if (sim_fault(SIM_FAULT_SPLIT))
            n = sim_chance(500) ? 1 + sim_below(len < 40 ? len : 40) : 1 + sim_below(len);
        if (n > 65536)
            n = 65536;
        send_packet(socket, PACKET_BYTES, 0, at, n);
        at += n;
        len -= n;
    }
}

void sim_socket_end(struct sim_socket *socket)
{
    send_packet(socket, PACKET_END, 0, NULL, 0);
}

void sim_socket_reset(struct sim_socket *socket)
{
    static const int reasons[] = {ECONNRESET, ECONNRESET, ECONNRESET, ETIMEDOUT, EHOSTUNREACH};

    send_packet(socket, PACKET_RESET, reasons[sim_below(5)], NULL, 0);
}

/* ---- from the client to the server ---- */

static void on_up(void *context, uint64_t number)
{
    struct sim_socket *socket = context;
    struct sim_bytes bytes;
    bool was_full = socket->up.len >= socket->up_max;

    (void)number;
    socket->is_up_due = false;
    if (socket->up.len == 0 || socket->peer == NULL || socket->peer->is_deaf)
        return;
    bytes = socket->up;
    socket->up = (struct sim_bytes){0};
    if (was_full)
        socket->edges |= TERN_IO_WRITE;
    sim_peer_hear(socket->peer, bytes.data, bytes.len);
    sim_bytes_free(&bytes);
}

void sim_socket_listen(struct sim_socket *socket)
{
    if (socket->is_up_due || socket->up.len == 0)
        return;
    socket->is_up_due = true;
    sim_after(socket->latency_ns, on_up, socket, 0);
}

/* The client's end is gone: the server learns of it later, after what was written before. */
static void on_left(void *context, uint64_t number)
{
    struct sim_socket *socket = context;

    on_up(socket, number);
    if (socket->peer != NULL)
        sim_peer_left(socket->peer);
    sim_bytes_free(&socket->up);
}

/* ---- sockets ---- */

static struct tern_sockaddr own_address(int family)
{
    if (family == AF_INET)
        return tern_sockaddr_ipv4((const uint8_t[]){192, 0, 2, 200}, 0);
    if (family == AF_INET6)
        return tern_sockaddr_ipv6((const uint8_t[16]){0x20, 0x01, 0x0d, 0xb8, [15] = 200}, 0, 0);
    return (struct tern_sockaddr){0};
}

static bool is_probe(int fd)
{
    return fd == FD_PROBE_V4 || fd == FD_PROBE_V6;
}

static int net_socket(struct tern_io *io, const struct tern_io_socket *how)
{
    struct sim_socket *socket;
    int at = 0;

    if (how->type == SOCK_DGRAM)
        return how->family == AF_INET ? FD_PROBE_V4 : FD_PROBE_V6;
    if (sim_fault(SIM_FAULT_EMFILE))
        return -EMFILE;
    if (sim_fault(SIM_FAULT_ENOBUFS))
        return -ENOBUFS;
    while (at < SOCKETS_OPEN_MAX && table[at] != NULL)
        at++;
    SIM_CHECK(at < SOCKETS_OPEN_MAX, "%d sockets are open", SOCKETS_OPEN_MAX);
    socket = sim_alloc(sizeof(*socket));
    socket->io = self(io);
    socket->fd = SIM_FD_FIRST + at;
    socket->local = how->bind != NULL ? *how->bind : own_address(how->family);
    socket->latency_ns = sim_some_time(2 * TERN_MS);
    socket->up_max = (size_t)1 << (10 + sim_below(8));
    socket->next = all;
    all = socket;
    table[at] = socket;
    if (at >= table_end)
        table_end = at + 1;
    self(io)->open++;
    return socket->fd;
}

static int net_connect(struct tern_io *io, int fd, const struct tern_sockaddr *address)
{
    static const int errors[] = {ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL, EACCES, ETIMEDOUT, ECONNREFUSED};
    struct sim_socket *socket;
    bool is_there;

    if (is_probe(fd)) {
        self(io)->probed = *address;
        return 0;
    }
    socket = socket_of(io, fd);
    socket->address = *address;
    SIM_CHECK(!self(io)->is_child, "a forked child connects");
    SIM_CHECK(!sim_users.is_gated || !sim_policy_forbids(address),
              "an address is connected to that every gate refuses");
    if (sim_fault(SIM_FAULT_CONNECT_ERROR)) {
        int error = errors[sim_below(6)];

        if (sim_chance(500))
            return -error;
        send_packet(socket, PACKET_REFUSED, error, NULL, 0);
        return -EINPROGRESS;
    }
    if (sim_fault(SIM_FAULT_BLACK_HOLE))
        return -EINPROGRESS;
    is_there = sim_server_is_at(address);
    if (!is_there || sim_fault(SIM_FAULT_REFUSED)) {
        if (tern_sockaddr_family(address) == AF_UNIX)
            return -ECONNREFUSED;
        send_packet(socket, PACKET_REFUSED, ECONNREFUSED, NULL, 0);
        return -EINPROGRESS;
    }
    socket->peer = sim_peer_new(socket);
    sim_note("connect %d to peer %u", fd, sim_peer_number(socket->peer));
    if (tern_sockaddr_family(address) == AF_UNIX) {
        socket->connected = true;
        return 0;
    }
    send_packet(socket, PACKET_CONNECTED, 0, NULL, 0);
    return -EINPROGRESS;
}

static void on_edge(void *context, uint64_t events)
{
    struct sim_socket *socket = context;

    socket->edges |= (uint32_t)events;
}

/* EAGAIN although it would do: an edge comes later. */
static ssize_t not_now(struct sim_socket *socket, uint32_t edge)
{
    sim_after(sim_some_time(TERN_MS), on_edge, socket, edge);
    return -EAGAIN;
}

static ssize_t net_recv(struct tern_io *io, int fd, void *buf, size_t cap)
{
    struct sim_socket *socket = socket_of(io, fd);
    size_t n = socket->in.len < cap ? socket->in.len : cap;

    SIM_CHECK(socket->connected || socket->refused, "descriptor %d is read before the connect was over", fd);
    if (n > 0 && sim_fault(SIM_FAULT_EAGAIN))
        return not_now(socket, TERN_IO_READ);
    if (n > 1 && sim_fault(SIM_FAULT_SHORT_READ))
        n = sim_chance(300) ? 1 : 1 + sim_below(n);
    if (n > 0) {
        memcpy(buf, socket->in.data, n);
        sim_bytes_drop(&socket->in, n);
        if (n < cap && socket->in.len > 0)
            socket->edges |= TERN_IO_READ; /* a short read is all there was: the rest arrives anew */
        return (ssize_t)n;
    }
    if (socket->so_error != 0) {
        int error = socket->so_error;

        socket->so_error = 0;
        return -error;
    }
    return socket->ended || socket->reset ? 0 : -EAGAIN;
}

static ssize_t net_sendmsg(struct tern_io *io, int fd, const struct iovec *iov, int iov_count)
{
    struct sim_socket *socket = socket_of(io, fd);
    size_t room = socket->up.len < socket->up_max ? socket->up_max - socket->up.len : 0, sent = 0;

    SIM_CHECK(iov_count > 0 && iov_count <= TERN_IO_IOV_MAX, "sendmsg of %d pieces", iov_count);
    SIM_CHECK(!self(io)->is_child, "a forked child writes");
    SIM_CHECK(socket->connected, "descriptor %d is written before the connect was over", fd);
    if (socket->so_error != 0 || socket->reset) {
        int error = socket->so_error != 0 ? socket->so_error : EPIPE;

        socket->so_error = 0;
        return -error;
    }
    if (sim_fault(SIM_FAULT_ENOBUFS))
        return -ENOBUFS;
    if (room > 0 && sim_fault(SIM_FAULT_EAGAIN))
        return not_now(socket, TERN_IO_WRITE);
    if (room > 1 && sim_fault(SIM_FAULT_SHORT_WRITE)) {
        room = 1 + sim_below(room < 3000 ? room : 3000);
        sim_after(sim_some_time(TERN_MS), on_edge, socket, TERN_IO_WRITE);
    }
    for (int i = 0; i < iov_count && sent < room; i++) {
        size_t n = iov[i].iov_len < room - sent ? iov[i].iov_len : room - sent;

        sim_bytes_add(&socket->up, iov[i].iov_base, n);
        sent += n;
    }
    sim_socket_listen(socket);
    return sent > 0 ? (ssize_t)sent : -EAGAIN;
}

static int net_so_error(struct tern_io *io, int fd)
{
    struct sim_socket *socket = socket_of(io, fd);
    int error = socket->so_error;

    socket->so_error = 0;
    return -error;
}

static int net_names(struct tern_io *io, int fd, struct tern_sockaddr *local, struct tern_sockaddr *peer)
{
    struct sim_socket *socket;

    if (is_probe(fd)) {
        *local = own_address(fd == FD_PROBE_V4 ? AF_INET : AF_INET6);
        return 0;
    }
    socket = socket_of(io, fd);
    if (local != NULL)
        *local = socket->local;
    if (peer != NULL)
        *peer = socket->address;
    return 0;
}

static void net_close(struct tern_io *io, int fd)
{
    struct sim_socket *socket;

    if (is_probe(fd))
        return;
    socket = socket_of(io, fd);
    SIM_CHECK(socket->watch == NULL || self(io)->is_child, "descriptor %d is closed before unwatch", fd);
    table[fd - SIM_FD_FIRST] = NULL;
    socket->io->open--;
    socket->io = NULL;
    socket->watch = NULL;
    sim_bytes_free(&socket->in);
    sim_after(socket->latency_ns, on_left, socket, 0);
}

static uint32_t net_interface_number(struct tern_io *io, const char *name)
{
    (void)io, (void)name;
    return 0;
}

/* ---- readiness ---- */

static int net_watch(struct tern_io *io, struct tern_watch *watch)
{
    struct sim_socket *socket = socket_of(io, watch->fd);

    SIM_CHECK(socket->watch == NULL, "descriptor %d is watched twice", watch->fd);
    if (sim_fault(SIM_FAULT_ENOSPC))
        return -ENOSPC;
    socket->watch = watch;
    self(io)->watched++;
    if (socket->connected)
        socket->edges |= TERN_IO_WRITE;
    return 0;
}

static int net_watch_level(struct tern_io *io, struct tern_watch *watch, uint32_t events, bool is_new)
{
    int rc;

    (void)events;
    if (is_new && sim_fault(SIM_FAULT_ENOSPC))
        return -ENOSPC;
    rc = sim_file_watch(self(io)->number, watch);
    self(io)->watched += rc == 0 && is_new;
    return rc;
}

static void net_unwatch(struct tern_io *io, struct tern_watch *watch)
{
    self(io)->watched--;
    if (sim_file_unwatch(watch))
        return;
    struct sim_socket *socket = socket_of(io, watch->fd);
    SIM_CHECK(socket->watch == watch, "descriptor %d is unwatched by who does not watch it", watch->fd);
    socket->watch = NULL;
}

static bool is_ready(const struct sim_socket *socket, const struct sim_io *io)
{
    return socket != NULL && socket->io == io && socket->watch != NULL && socket->edges != 0;
}

bool sim_io_has_ready(const struct sim_io *io)
{
    for (int i = 0; i < table_end; i++)
        if (is_ready(table[i], io))
            return true;
    return sim_file_ready(io->number, NULL, 0) > 0;
}

bool sim_io_is_readable(const struct sim_io *io)
{
    return io->woken || io->armed_ns <= sim.now_ns || sim_io_has_ready(io);
}

static void shuffle(struct tern_io_event *events, int count)
{
    for (int i = count - 1; i > 0; i--) {
        int at = (int)sim_below((uint64_t)i + 1);
        struct tern_io_event event = events[i];

        events[i] = events[at];
        events[at] = event;
    }
}

static int net_wait(struct tern_io *io, struct tern_io_event *out, int cap, uint64_t deadline_ns)
{
    struct sim_io *net = self(io);
    bool is_new;
    int count = 0;

    (void)deadline_ns; /* the driver only steps when there is something, and moves the clock itself */
    net->woken = false;
    if (net->armed_ns <= sim.now_ns)
        net->armed_ns = TERN_OFF; /* the wait reads the timer descriptor */
    if (sim_fault(SIM_FAULT_EINTR))
        return 0;
    is_new = net->waited_ns != sim.now_ns; /* else one spurious edge would bring about the next */
    net->waited_ns = sim.now_ns;
    for (int i = 0; i < table_end && count < cap; i++) {
        struct sim_socket *socket = table[i];

        if (socket != NULL && socket->io == net && socket->watch != NULL && is_new && sim_fault(SIM_FAULT_SPURIOUS))
            socket->edges |= socket->connected ? TERN_IO_READ | TERN_IO_WRITE : TERN_IO_READ;
        if (!is_ready(socket, net) || sim_fault(SIM_FAULT_REORDER))
            continue;
        out[count++] = (struct tern_io_event){socket->watch, socket->edges};
        socket->edges = 0;
    }
    count += sim_file_ready(net->number, out + count, cap - count);
    if (sim_chance(sim.rate[SIM_FAULT_REORDER]))
        shuffle(out, count);
    return count;
}

static void net_wake(struct tern_io *io)
{
    self(io)->woken = true;
}

static int net_pollable(struct tern_io *io)
{
    return 20 + self(io)->number;
}

static int net_arm(struct tern_io *io, uint64_t deadline_ns)
{
    self(io)->armed_ns = deadline_ns;
    return 0;
}

/* ---- time, chance and life ---- */

static uint64_t net_now(struct tern_io *io)
{
    (void)io;
    return sim.now_ns;
}

static uint64_t net_wall(struct tern_io *io)
{
    (void)io;
    return sim.now_ns + sim.wall_offset_ns;
}

static int net_random(struct tern_io *io, void *buf, size_t len)
{
    (void)io;
    for (size_t i = 0; i < len; i++)
        ((unsigned char *)buf)[i] = (unsigned char)tern_rand_next(&sim.rand);
    return 0;
}

static bool net_forked(struct tern_io *io)
{
    return self(io)->is_child;
}

static void net_abandon(struct tern_io *io)
{
    (void)io;
}

static void net_free(struct tern_io *io)
{
    struct sim_io *net = self(io);

    SIM_CHECK(net->open == 0, "engine %d is freed and leaves %u sockets open", net->number, net->open);
    SIM_CHECK(net->watched == 0 || net->is_child, "engine %d is freed and leaves %u descriptors watched", net->number,
              net->watched);
    sim_free(net);
}

static const struct tern_io_ops ops = {
    .socket = net_socket,
    .connect = net_connect,
    .recv = net_recv,
    .sendmsg = net_sendmsg,
    .so_error = net_so_error,
    .names = net_names,
    .close = net_close,
    .interface_number = net_interface_number,
    .watch = net_watch,
    .watch_level = net_watch_level,
    .unwatch = net_unwatch,
    .wait = net_wait,
    .wake = net_wake,
    .pollable = net_pollable,
    .arm = net_arm,
    .now = net_now,
    .wall = net_wall,
    .random = net_random,
    .forked = net_forked,
    .abandon = net_abandon,
    .free = net_free,
};

struct sim_io *sim_io_new(int number)
{
    struct sim_io *io = sim_alloc(sizeof(*io));

    io->io.ops = &ops;
    io->number = number;
    io->armed_ns = TERN_OFF;
    return io;
}

void sim_net_end(void)
{
    while (all != NULL) {
        struct sim_socket *socket = all;

        all = socket->next;
        sim_bytes_free(&socket->in);
        sim_bytes_free(&socket->up);
        sim_free(socket);
    }
    memset(table, 0, sizeof(table));
    table_end = 0;
}
