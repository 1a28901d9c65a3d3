#include "tests/support/simio.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/list.h"
#include "base/rand.h"
#include "tests/support/faultfiles.h"
#include "tests/support/torture.h"

#define FD_FIRST 1000
#define FD_PROBE_V4 (FD_FIRST - 3) /* datagram sockets: only ever asked from where a destination would be dialled */
#define FD_PROBE_V6 (FD_FIRST - 2)
#define SOCKETS_MAX 20000
#define RULES_MAX 64
#define STEPS_WITHOUT_TIME_MAX 100000
#define RUNS_IN_VAIN_MAX 20000

enum rule_kind { REFUSE, LISTEN, BLACK_HOLE, FAIL };

struct rule {
    struct tern_sockaddr address;
    enum rule_kind kind;
    int os_errno;
    uint64_t delay_ns;
    uint64_t path_ns, bytes_per_s; /* one way; 0: what is said is there at once */
    uint32_t connects;
    void (*on_heard)(struct simio_peer *peer, void *user);
    void *user;
};

enum act_kind { CONNECTED, REFUSED, SAY, SAY_END, END, RESET, HEAR };

/* One thing that happens to a socket (HEAR: to its peer), in the order of the list. */
struct act {
    struct tern_list node;
    enum act_kind kind;
    uint64_t at_ns;
    size_t len;
    char bytes[];
};

struct bytes {
    char *data;
    size_t len, at;
};

/* A socket and the peer at its other end. */
struct simio_peer {
    struct simio *sim;
    int fd;
    struct rule *rule;
    struct tern_watch *watch;
    uint32_t level; /* 0: edge-triggered */
    uint32_t edges; /* not yet told */
    bool connected, accepted, closed, ended, reset;
    int so_error;
    struct tern_sockaddr local, address;
    struct tern_list acts;
    uint64_t last_act_ns;
    struct tern_list hears; /* what the engine wrote and is on the path yet */
    uint64_t sent_ns;       /* when the last byte has left the peer */
    struct bytes in;        /* arrived, not yet read */
    struct bytes heard;     /* written by the engine */
    size_t recv_max, window;
    void *user;
};

struct simio {
    struct tern_io io;
    struct tern_list node; /* among all */
    struct tern_engine *engine;
    uint64_t now_ns;
    uint64_t wall_offset_ns;
    struct tern_rand rand;
    bool woken, is_child;
    uint32_t runs_in_vain; /* simio_run since torture has something failed */
    int socket_errno;
    size_t recv_max, window;
    struct simio_counts counts;
    struct rule rules[RULES_MAX];
    size_t rule_count;
    struct simio_peer *sockets[SOCKETS_MAX];
    size_t socket_count;
    bool no_ipv4, no_ipv6;
    struct tern_sockaddr probed; /* what a datagram socket was last connected to */
};

static struct tern_list all = {&all, &all};

/* Whether torture has this operation of the system fail. */
static bool fails(void)
{
    return torture_fails(TORTURE_SYSTEM);
}

static struct simio *self(struct tern_io *io)
{
    return TERN_CONTAINER_OF(io, struct simio, io);
}

static void *xalloc(void *block, size_t size)
{
    block = realloc(block, size);
    if (block == NULL)
        abort();
    return block;
}

static void append(struct bytes *bytes, const void *data, size_t len)
{
    if (len == 0)
        return;
    bytes->data = xalloc(bytes->data, bytes->len + len);
    memcpy(bytes->data + bytes->len, data, len);
    bytes->len += len;
}

/* ---- addresses ---- */

static struct rule *rule_of(struct simio *sim, const struct tern_sockaddr *address)
{
    for (size_t i = 0; i < sim->rule_count; i++) {
        if (tern_sockaddr_equal(&sim->rules[i].address, address))
            return &sim->rules[i];
    }
    if (sim->rule_count == RULES_MAX)
        fail_msg("simio: more than %d addresses", RULES_MAX);
    struct rule *rule = &sim->rules[sim->rule_count++];
    *rule = (struct rule){.address = *address, .kind = REFUSE};
    return rule;
}

static struct rule *rule_at(struct simio *sim, const char *address)
{
    struct tern_sockaddr parsed;
    if (!tern_sockaddr_parse(&parsed, tern_str(address)))
        fail_msg("simio: \"%s\" is no address", address);
    return rule_of(sim, &parsed);
}

void simio_serve(struct simio *sim, const char *address, void (*on_heard)(struct simio_peer *peer, void *user),
                 void *user)
{
    struct rule *rule = rule_at(sim, address);
    rule->kind = LISTEN;
    rule->on_heard = on_heard;
    rule->user = user;
}

void simio_listen(struct simio *sim, const char *address)
{
    simio_serve(sim, address, NULL, NULL);
}

void simio_refuse(struct simio *sim, const char *address)
{
    rule_at(sim, address)->kind = REFUSE;
}

void simio_black_hole(struct simio *sim, const char *address)
{
    rule_at(sim, address)->kind = BLACK_HOLE;
}

void simio_connect_fails(struct simio *sim, const char *address, int os_errno)
{
    struct rule *rule = rule_at(sim, address);
    rule->kind = FAIL;
    rule->os_errno = os_errno;
}

void simio_connect_takes(struct simio *sim, const char *address, uint64_t ns)
{
    rule_at(sim, address)->delay_ns = ns;
}

void simio_path(struct simio *sim, const char *address, uint64_t round_trip_ns, uint64_t bytes_per_s)
{
    struct rule *rule = rule_at(sim, address);
    assert_true(round_trip_ns > 1 && bytes_per_s > 0);
    rule->path_ns = round_trip_ns / 2;
    rule->bytes_per_s = bytes_per_s;
}

uint32_t simio_connects(struct simio *sim, const char *address)
{
    return rule_at(sim, address)->connects;
}

struct simio_peer *simio_accept(struct simio *sim, const char *address)
{
    struct rule *rule = rule_at(sim, address);
    for (size_t i = 0; i < sim->socket_count; i++) {
        struct simio_peer *peer = sim->sockets[i];
        if (peer->rule == rule && peer->connected && !peer->accepted) {
            peer->accepted = true;
            return peer;
        }
    }
    return NULL;
}

/* ---- what peers do ---- */

static struct act *new_act(enum act_kind kind, uint64_t at_ns, const void *bytes, size_t len)
{
    struct act *act = xalloc(NULL, sizeof *act + len);
    act->kind = kind;
    act->at_ns = at_ns;
    act->len = len;
    if (len != 0)
        memcpy(act->bytes, bytes, len);
    return act;
}

static void add_act(struct simio_peer *peer, enum act_kind kind, uint64_t after_ns, const void *bytes, size_t len)
{
    assert_non_null(peer); /* no such connection was made */
    struct act *act = new_act(kind, peer->sim->now_ns + after_ns, bytes, len);
    if (peer->connected && peer->rule->path_ns != 0) {
        peer->sent_ns = (act->at_ns > peer->sent_ns ? act->at_ns : peer->sent_ns) +
                        (uint64_t)((double)len * (double)TERN_S / (double)peer->rule->bytes_per_s);
        act->at_ns = peer->sent_ns + peer->rule->path_ns;
    }
    if (act->at_ns < peer->last_act_ns)
        act->at_ns = peer->last_act_ns;
    peer->last_act_ns = act->at_ns;
    tern_list_push_back(&peer->acts, &act->node);
}

static struct act *first_act(const struct tern_list *acts)
{
    return tern_list_is_empty(acts) ? NULL : TERN_CONTAINER_OF(acts->next, struct act, node);
}

static void hear(struct simio_peer *peer, const void *bytes, size_t len)
{
    append(&peer->heard, bytes, len);
    if (peer->rule->on_heard != NULL) {
        torture_hold();
        peer->rule->on_heard(peer, peer->rule->user);
        torture_release();
    }
}

static void happen(struct simio_peer *peer, struct act *act)
{
    switch (act->kind) {
    case CONNECTED:
        peer->connected = true;
        peer->edges |= TERN_IO_WRITE;
        break;
    case REFUSED:
        peer->so_error = ECONNREFUSED;
        peer->edges |= TERN_IO_READ | TERN_IO_WRITE | TERN_IO_END;
        break;
    case SAY:
        append(&peer->in, act->bytes, act->len);
        peer->edges |= TERN_IO_READ;
        break;
    case SAY_END:
        append(&peer->in, act->bytes, act->len);
        peer->ended = true;
        peer->edges |= TERN_IO_READ | TERN_IO_END;
        break;
    case END:
        peer->ended = true;
        peer->edges |= TERN_IO_READ | TERN_IO_END;
        break;
    case RESET:
        peer->reset = true;
        peer->so_error = ECONNRESET;
        peer->edges |= TERN_IO_READ | TERN_IO_WRITE | TERN_IO_END;
        break;
    case HEAR:
        hear(peer, act->bytes, act->len);
        break;
    }
}

void simio_say_bytes(struct simio_peer *peer, const void *bytes, size_t len)
{
    add_act(peer, SAY, 0, bytes, len);
}

void simio_say(struct simio_peer *peer, const char *text)
{
    add_act(peer, SAY, 0, text, strlen(text));
}

void simio_say_after(struct simio_peer *peer, uint64_t ns, const char *text)
{
    add_act(peer, SAY, ns, text, strlen(text));
}

void simio_say_split(struct simio_peer *peer, const char *text, size_t at)
{
    size_t len = strlen(text);
    assert_true(at <= len);
    if (at > 0)
        add_act(peer, SAY, 0, text, at);
    if (at < len)
        add_act(peer, SAY, 0, text + at, len - at);
}

void simio_end(struct simio_peer *peer)
{
    add_act(peer, END, 0, NULL, 0);
}

void simio_say_and_end(struct simio_peer *peer, const char *text)
{
    add_act(peer, SAY_END, 0, text, strlen(text));
}

void simio_end_after(struct simio_peer *peer, uint64_t ns)
{
    add_act(peer, END, ns, NULL, 0);
}

void simio_reset(struct simio_peer *peer)
{
    add_act(peer, RESET, 0, NULL, 0);
}

void simio_reset_after(struct simio_peer *peer, uint64_t ns)
{
    add_act(peer, RESET, ns, NULL, 0);
}

void simio_recv_max(struct simio_peer *peer, size_t bytes)
{
    assert_non_null(peer);
    assert_true(bytes > 0);
    peer->recv_max = bytes;
}

void simio_recv_max_all(struct simio *sim, size_t bytes)
{
    assert_true(bytes > 0);
    sim->recv_max = bytes;
}

void simio_window(struct simio_peer *peer, size_t bytes)
{
    assert_non_null(peer);
    peer->window = bytes;
    if (bytes > 0)
        peer->edges |= TERN_IO_WRITE;
}

void simio_window_all(struct simio *sim, size_t bytes)
{
    sim->window = bytes;
}

/* ---- what peers see ---- */

struct tern_str simio_heard(struct simio_peer *peer)
{
    assert_non_null(peer);
    return (struct tern_str){peer->heard.len != 0 ? peer->heard.data : "", peer->heard.len};
}

void simio_forget(struct simio_peer *peer)
{
    assert_non_null(peer);
    peer->heard.len = 0;
}

void simio_expect(struct simio_peer *peer, const char *text)
{
    struct tern_str heard = simio_heard(peer);
    if (!torture_has_failed() && (heard.len != strlen(text) || memcmp(heard.ptr, text, heard.len) != 0))
        fail_msg("simio: heard\n----\n%.*s\n---- instead of\n%s\n----", (int)heard.len, heard.ptr, text);
    simio_forget(peer);
}

bool simio_is_closed(const struct simio_peer *peer)
{
    assert_non_null(peer);
    return peer->closed;
}

void *simio_user(struct simio_peer *peer)
{
    assert_non_null(peer);
    return peer->user;
}

void simio_set_user(struct simio_peer *peer, void *user)
{
    assert_non_null(peer);
    peer->user = user;
}

/* ---- the operations: sockets ---- */

static struct simio_peer *socket_at(struct simio *sim, int fd)
{
    size_t index = (size_t)(fd - FD_FIRST);
    if (fd < FD_FIRST || index >= sim->socket_count || sim->sockets[index]->closed)
        torture_found("simio: descriptor %d is not open", fd);
    return sim->sockets[index];
}

static struct tern_sockaddr own_address(int family)
{
    if (family == AF_INET)
        return tern_sockaddr_ipv4((const uint8_t[]){192, 0, 2, 200}, 0);
    if (family == AF_INET6)
        return tern_sockaddr_ipv6((const uint8_t[16]){0x20, 0x01, 0x0d, 0xb8, [15] = 200}, 0, 0);
    return (struct tern_sockaddr){0};
}

static bool is_loopback(const struct tern_sockaddr *address)
{
    return tern_sockaddr_family(address) == AF_INET ? ntohl(address->u.in.sin_addr.s_addr) >> 24 == 127
                                                    : IN6_IS_ADDR_LOOPBACK(&address->u.in6.sin6_addr);
}

static bool is_probe(int fd)
{
    return fd == FD_PROBE_V4 || fd == FD_PROBE_V6;
}

static int sim_socket(struct tern_io *io, const struct tern_io_socket *how)
{
    if (fails())
        return -EMFILE;
    struct simio *sim = self(io);
    if (how->type == SOCK_DGRAM)
        return how->family == AF_INET ? FD_PROBE_V4 : FD_PROBE_V6;
    sim->counts.sockets++;
    if (sim->socket_errno != 0) {
        int rc = -sim->socket_errno;
        sim->socket_errno = 0;
        return rc;
    }
    assert_int_equal(how->type, SOCK_STREAM);
    if (sim->socket_count == SOCKETS_MAX)
        fail_msg("simio: more than %d sockets", SOCKETS_MAX);
    struct simio_peer *peer = xalloc(NULL, sizeof *peer);
    *peer = (struct simio_peer){.sim = sim, .recv_max = sim->recv_max, .window = sim->window};
    tern_list_init(&peer->acts);
    tern_list_init(&peer->hears);
    peer->fd = FD_FIRST + (int)sim->socket_count;
    peer->local = how->bind != NULL ? *how->bind : own_address(how->family);
    tern_sockaddr_set_port(&peer->local, (uint16_t)(40000 + sim->socket_count));
    sim->sockets[sim->socket_count++] = peer;
    sim->counts.open++;
    return peer->fd;
}

static int sim_connect(struct tern_io *io, int fd, const struct tern_sockaddr *address)
{
    if (fails())
        return -EADDRNOTAVAIL;
    struct simio *sim = self(io);
    if (is_probe(fd)) {
        sim->probed = *address;
        return (fd == FD_PROBE_V4 ? sim->no_ipv4 : sim->no_ipv6) ? -ENETUNREACH : 0;
    }
    struct simio_peer *peer = socket_at(sim, fd);
    sim->counts.connects++;
    peer->rule = rule_of(sim, address);
    peer->rule->connects++;
    peer->address = *address;
    switch (peer->rule->kind) {
    case FAIL:
        return -peer->rule->os_errno;
    case BLACK_HOLE:
        break;
    case REFUSE:
        add_act(peer, REFUSED, peer->rule->delay_ns, NULL, 0);
        break;
    case LISTEN:
        if (tern_sockaddr_family(address) == AF_UNIX) { /* connects at once, or not at all */
            peer->connected = true;
            return 0;
        }
        add_act(peer, CONNECTED, peer->rule->delay_ns, NULL, 0);
        break;
    }
    return -EINPROGRESS;
}

static ssize_t sim_recv(struct tern_io *io, int fd, void *buf, size_t cap)
{
    if (fails())
        return -ECONNRESET;
    struct simio *sim = self(io);
    struct simio_peer *peer = socket_at(sim, fd);
    sim->counts.recvs++;
    size_t n = peer->in.len - peer->in.at;
    size_t most = cap < peer->recv_max ? cap : peer->recv_max;
    if (n > most)
        n = most;
    if (n > 0) {
        memcpy(buf, peer->in.data + peer->in.at, n);
        peer->in.at += n;
        if (peer->in.at == peer->in.len)
            peer->in.at = peer->in.len = 0;
        if (n < cap && peer->in.at < peer->in.len)
            peer->edges |= TERN_IO_READ; /* to the reader a short read is all there was: the rest arrives anew */
        return (ssize_t)n;
    }
    if (peer->so_error != 0) {
        int error = peer->so_error;
        peer->so_error = 0;
        return -error;
    }
    return peer->ended || peer->reset ? 0 : -EAGAIN;
}

static ssize_t sim_sendmsg(struct tern_io *io, int fd, const struct iovec *iov, int iov_count)
{
    if (fails())
        return -EPIPE;
    struct simio *sim = self(io);
    struct simio_peer *peer = socket_at(sim, fd);
    struct bytes written = {0};
    size_t sent = 0;
    sim->counts.sendmsgs++;
    assert_true(iov_count > 0 && iov_count <= TERN_IO_IOV_MAX);
    if (sim->is_child)
        torture_found("simio: a write in a forked child");
    if (!peer->connected)
        torture_found("simio: a write before the connect was over");
    if (peer->so_error != 0 || peer->reset) {
        int error = peer->so_error != 0 ? peer->so_error : EPIPE;
        peer->so_error = 0;
        return -error;
    }
    for (int i = 0; i < iov_count && peer->window > 0; i++) {
        size_t n = iov[i].iov_len < peer->window ? iov[i].iov_len : peer->window;
        append(peer->rule->path_ns != 0 ? &written : &peer->heard, iov[i].iov_base, n);
        sent += n;
        if (peer->window != SIZE_MAX)
            peer->window -= n;
    }
    if (sent == 0)
        return -EAGAIN;
    if (peer->rule->path_ns != 0) {
        struct act *act = new_act(HEAR, sim->now_ns + peer->rule->path_ns, written.data, written.len);
        tern_list_push_back(&peer->hears, &act->node);
        free(written.data);
    } else {
        hear(peer, NULL, 0);
    }
    return (ssize_t)sent;
}

static int sim_so_error(struct tern_io *io, int fd)
{
    if (fails())
        return -ETIMEDOUT;
    struct simio_peer *peer = socket_at(self(io), fd);
    int error = peer->so_error;
    peer->so_error = 0;
    return -error;
}

static int sim_names(struct tern_io *io, int fd, struct tern_sockaddr *local, struct tern_sockaddr *peer)
{
    if (fails())
        return -ENOTCONN;
    if (is_probe(fd)) {
        *local =
            is_loopback(&self(io)->probed) ? self(io)->probed : own_address(fd == FD_PROBE_V4 ? AF_INET : AF_INET6);
        return 0;
    }
    struct simio_peer *socket = socket_at(self(io), fd);
    if (local != NULL)
        *local = socket->local;
    if (peer != NULL)
        *peer = socket->address;
    return 0;
}

static void sim_close(struct tern_io *io, int fd)
{
    struct simio *sim = self(io);
    if (is_probe(fd))
        return;
    struct simio_peer *peer = socket_at(sim, fd);
    if (peer->watch != NULL && !sim->is_child)
        torture_found("simio: descriptor %d was closed before unwatch", fd);
    peer->closed = true;
    sim->counts.closes++;
    sim->counts.open--;
}

/* ---- the operations: readiness and time ---- */

static int sim_watch(struct tern_io *io, struct tern_watch *watch)
{
    if (fails())
        return -ENOSPC;
    struct simio *sim = self(io);
    struct simio_peer *peer = socket_at(sim, watch->fd);
    sim->counts.watches++;
    assert_null(peer->watch);
    peer->watch = watch;
    if (peer->connected)
        peer->edges |= TERN_IO_WRITE; /* epoll tells at once what is so already */
    return 0;
}

static int sim_watch_level(struct tern_io *io, struct tern_watch *watch, uint32_t events, bool is_new)
{
    if (fails())
        return -ENOSPC;
    struct simio *sim = self(io);
    if (watch->fd < FD_FIRST)
        return -EPERM; /* what epoll says of files */
    struct simio_peer *peer = socket_at(sim, watch->fd);
    sim->counts.watches++;
    assert_true(is_new == (peer->watch == NULL));
    peer->watch = watch;
    peer->level = events;
    return 0;
}

static void sim_unwatch(struct tern_io *io, struct tern_watch *watch)
{
    struct simio *sim = self(io);
    sim->counts.unwatches++;
    struct simio_peer *peer = socket_at(sim, watch->fd);
    peer->watch = NULL;
    peer->level = 0;
}

static uint32_t level_of(const struct simio_peer *peer)
{
    uint32_t level = 0;
    if (peer->in.at < peer->in.len || peer->ended || peer->reset || peer->so_error != 0)
        level |= TERN_IO_READ;
    if (peer->connected && peer->window > 0)
        level |= TERN_IO_WRITE;
    return level & peer->level;
}

static uint32_t ready_of(const struct simio_peer *peer)
{
    return peer->level != 0 ? level_of(peer) : peer->edges;
}

static void happen_if_due(struct simio_peer *peer, struct tern_list *acts)
{
    struct act *act = first_act(acts);
    if (act != NULL && act->at_ns <= peer->sim->now_ns) {
        tern_list_remove(&act->node);
        happen(peer, act);
        free(act);
    }
}

/* Lets one act of each socket happen that is due, and tells what is ready. Nothing happens to a socket that is not
 * watched yet. */
static int collect(struct simio *sim, struct tern_io_event *out, int cap)
{
    int count = 0;
    for (size_t i = 0; i < sim->socket_count && count < cap; i++) {
        struct simio_peer *peer = sim->sockets[i];
        if (peer->closed || peer->watch == NULL)
            continue;
        happen_if_due(peer, &peer->hears);
        happen_if_due(peer, &peer->acts);
        uint32_t ready = ready_of(peer);
        if (ready == 0)
            continue;
        peer->edges = 0;
        out[count++] = (struct tern_io_event){peer->watch, ready};
    }
    return count;
}

/* When something next happens below the engine: now, later, or TERN_OFF. */
static uint64_t next_event(const struct simio *sim)
{
    uint64_t next_ns = TERN_OFF;
    for (size_t i = 0; i < sim->socket_count; i++) {
        const struct simio_peer *peer = sim->sockets[i];
        if (peer->closed || peer->watch == NULL)
            continue;
        if (ready_of(peer) != 0)
            return sim->now_ns;
        const struct act *act = first_act(&peer->acts), *heard = first_act(&peer->hears);
        if (act != NULL && act->at_ns < next_ns)
            next_ns = act->at_ns;
        if (heard != NULL && heard->at_ns < next_ns)
            next_ns = heard->at_ns;
    }
    return next_ns;
}

static void move_clock(struct simio *sim, uint64_t to_ns)
{
    if (to_ns > sim->now_ns)
        sim->now_ns = to_ns;
}

static int sim_wait(struct tern_io *io, struct tern_io_event *out, int cap, uint64_t deadline_ns)
{
    struct simio *sim = self(io);
    sim->counts.waits++;
    int n = collect(sim, out, cap);
    if (n == 0 && deadline_ns != 0 && !sim->woken) {
        uint64_t next_ns = next_event(sim);
        if (deadline_ns == TERN_OFF && next_ns == TERN_OFF)
            torture_found("simio: the engine would sleep for ever");
        move_clock(sim, next_ns < deadline_ns ? next_ns : deadline_ns);
        n = collect(sim, out, cap);
    }
    sim->woken = false;
    return n;
}

static void sim_wake(struct tern_io *io)
{
    self(io)->counts.wakes++;
    self(io)->woken = true;
}

static int sim_pollable(struct tern_io *io)
{
    (void)io;
    return FD_FIRST - 1;
}

static int sim_arm(struct tern_io *io, uint64_t deadline_ns)
{
    (void)deadline_ns;
    self(io)->counts.arms++;
    return 0;
}

static uint64_t sim_now(struct tern_io *io)
{
    return self(io)->now_ns;
}

static uint64_t sim_wall(struct tern_io *io)
{
    struct simio *sim = self(io);
    return sim->now_ns + sim->wall_offset_ns;
}

static int sim_random(struct tern_io *io, void *buf, size_t len)
{
    if (fails())
        return -EIO;
    unsigned char *bytes = buf;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)tern_rand_next(&self(io)->rand);
    return 0;
}

static bool sim_forked(struct tern_io *io)
{
    return self(io)->is_child;
}

static void sim_abandon(struct tern_io *io)
{
    assert_true(self(io)->is_child);
}

static void sim_free(struct tern_io *io)
{
    struct simio *sim = self(io);
    for (size_t i = 0; i < sim->socket_count; i++) {
        struct simio_peer *peer = sim->sockets[i];
        struct tern_list *node;
        while ((node = tern_list_pop_front(&peer->acts)) != NULL || (node = tern_list_pop_front(&peer->hears)) != NULL)
            free(TERN_CONTAINER_OF(node, struct act, node));
        free(peer->in.data);
        free(peer->heard.data);
        free(peer);
    }
    tern_list_remove(&sim->node);
    free(sim);
}

static uint32_t sim_interface_number(struct tern_io *io, const char *name)
{
    (void)io;
    if (fails())
        return 0;
    return strcmp(name, "eth0") == 0 ? 2 : 0;
}

static const struct tern_io_ops ops = {
    .socket = sim_socket,
    .connect = sim_connect,
    .recv = sim_recv,
    .sendmsg = sim_sendmsg,
    .so_error = sim_so_error,
    .names = sim_names,
    .close = sim_close,
    .interface_number = sim_interface_number,
    .watch = sim_watch,
    .watch_level = sim_watch_level,
    .unwatch = sim_unwatch,
    .wait = sim_wait,
    .wake = sim_wake,
    .pollable = sim_pollable,
    .arm = sim_arm,
    .now = sim_now,
    .wall = sim_wall,
    .random = sim_random,
    .forked = sim_forked,
    .abandon = sim_abandon,
    .free = sim_free,
};

/* ---- the test's side ---- */

struct simio *simio_new_bare(void)
{
    struct simio *sim = xalloc(NULL, sizeof *sim);
    memset(sim, 0, sizeof *sim);
    sim->io.ops = &ops;
    tern_list_push_back(&all, &sim->node);
    sim->now_ns = SIMIO_START_NS;
    sim->recv_max = SIZE_MAX;
    sim->window = SIZE_MAX;
    simio_set_wall(sim, SIMIO_WALL_START_S);
    tern_rand_seed(&sim->rand, 1);
    return sim;
}

struct simio *simio_new(const struct tern_engine_config *config, struct tern_engine **engine)
{
    struct simio *sim = simio_new_bare();
    struct tern_engine_seams seams = {.io = &sim->io, .files = faultfiles(), .inline_jobs = true};
    torture_hold();
    assert_int_equal(tern_engine_new_with(config, &seams, engine, NULL), TERN_OK);
    torture_release();
    sim->engine = *engine;
    torture_begin();
    return sim;
}

struct tern_io *simio_io(struct simio *sim)
{
    return &sim->io;
}

void simio_set_engine(struct simio *sim, struct tern_engine *engine)
{
    sim->engine = engine;
}

struct simio_counts simio_counts(const struct simio *sim)
{
    return sim->counts;
}

uint64_t simio_now(const struct simio *sim)
{
    return sim->now_ns;
}

void simio_set_wall(struct simio *sim, uint64_t seconds)
{
    sim->wall_offset_ns = seconds * TERN_S - sim->now_ns;
}

void simio_socket_fails(struct simio *sim, int os_errno)
{
    sim->socket_errno = os_errno;
}

void simio_no_route(struct simio *sim, int family)
{
    sim->no_ipv4 |= family == AF_INET;
    sim->no_ipv6 |= family == AF_INET6;
}

void simio_fork(struct simio *sim)
{
    sim->is_child = true;
}

void simio_run(struct simio *sim, uint64_t for_ns)
{
    uint64_t until_ns = sim->now_ns + for_ns;
    if (torture_has_failed() && ++sim->runs_in_vain > RUNS_IN_VAIN_MAX)
        fail_msg("simio: the test waits for what cannot come any more");
    for (unsigned steps = 0; steps < STEPS_WITHOUT_TIME_MAX; steps++) {
        enum tern_error error = tern_engine_step(sim->engine);
        if (error != TERN_OK && error != TERN_EFORK)
            fail_msg("simio: step says %s", tern_error_name(error));
        uint64_t below_ns = next_event(sim);
        uint64_t above_ns = tern_engine_next(sim->engine);
        uint64_t next_ns = below_ns < above_ns ? below_ns : above_ns;
        if (error == TERN_EFORK || next_ns > until_ns) {
            move_clock(sim, until_ns);
            return;
        }
        if (next_ns > sim->now_ns) {
            sim->now_ns = next_ns;
            steps = 0;
        }
    }
    torture_found("simio: the engine spins");
}

bool simio_shut_down_all(void)
{
    TERN_LIST_FOREACH(node, &all) {
        struct simio *sim = TERN_CONTAINER_OF(node, struct simio, node);
        if (sim->engine != NULL && tern_engine_shutdown(sim->engine) != TERN_OK)
            return false;
    }
    return true;
}

bool simio_is_live(const struct simio *sim)
{
    TERN_LIST_FOREACH(node, &all) {
        if (TERN_CONTAINER_OF(node, struct simio, node) == sim)
            return true;
    }
    return false;
}

void simio_free_all(void)
{
    struct tern_list *node, *next;
    for (node = all.next; node != &all; node = next) {
        struct simio *sim = TERN_CONTAINER_OF(node, struct simio, node);
        next = node->next;
        if (sim->counts.open != 0 && !sim->is_child && torture_looks_for_leaks())
            torture_found("simio: %u sockets are open after the engine's shutdown", sim->counts.open);
        if (sim->engine != NULL)
            tern_engine_free(sim->engine);
    }
}
