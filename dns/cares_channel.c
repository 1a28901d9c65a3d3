#include "dns/cares_channel.h"

#include <errno.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/num.h"

/* One of c-ares's sockets. */
struct cares_socket {
    struct tern_watch watch;
    bool is_watched;
    struct tern_list node;
    struct tern_cares_channel *channel;
    struct tern_sockaddr peer;
    struct tern_corpse corpse;
};

/* ---- c-ares's sockets, through the OS seam ---- */

/* The seam's answer in the way of the C library. */
static ssize_t to_errno(ssize_t result)
{
    if (result >= 0)
        return result;
    errno = (int)-result;
    return -1;
}

/* A channel has a socket or two for each server. */
static struct cares_socket *find_socket(struct tern_cares_channel *channel, int fd)
{
    TERN_LIST_FOREACH(node, &channel->sockets) {
        struct cares_socket *found = TERN_CONTAINER_OF(node, struct cares_socket, node);

        if (found->watch.fd == fd)
            return found;
    }
    return NULL;
}

static void on_socket_ready(struct tern_watch *watch, uint32_t events)
{
    struct cares_socket *ready = TERN_CONTAINER_OF(watch, struct cares_socket, watch);
    struct tern_cares_channel *channel = ready->channel;
    int fd = watch->fd;

    ares_process_fd(channel->handle, (events & (TERN_IO_READ | TERN_IO_END)) != 0 ? fd : ARES_SOCKET_BAD,
                    (events & TERN_IO_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
    tern_cares_channel_rearm(channel);
}

static void bury_socket(struct tern_corpse *corpse)
{
    tern_mem_free(TERN_CONTAINER_OF(corpse, struct cares_socket, corpse));
}

static ares_socket_t open_socket(int family, int type, int protocol, void *user)
{
    struct tern_cares_channel *channel = user;
    struct tern_io *io = channel->engine->io;
    struct tern_io_socket how = {.family = family, .type = type};
    struct cares_socket *opened = tern_mem_calloc(1, sizeof(*opened));
    int fd = opened != NULL ? io->ops->socket(io, &how) : -ENOMEM;

    (void)protocol; /* what belongs to the type */
    if (fd < 0) {
        tern_mem_free(opened);
        return (int)to_errno(fd);
    }
    opened->watch = (struct tern_watch){.fd = fd, .on_ready = on_socket_ready};
    opened->channel = channel;
    opened->corpse.bury = bury_socket;
    tern_list_push_back(&channel->sockets, &opened->node);
    return fd;
}

/* c-ares tells what it waits for on a socket; for nothing before it closes it. */
static void on_socket_state(void *user, ares_socket_t fd, int readable, int writable)
{
    struct tern_cares_channel *channel = user;
    struct cares_socket *changed = find_socket(channel, fd);
    uint32_t events = (readable ? TERN_IO_READ : 0) | (writable ? TERN_IO_WRITE : 0);

    if (changed == NULL)
        return;
    if (events == 0) {
        if (changed->is_watched)
            tern_engine_unwatch(channel->engine, &changed->watch);
        changed->is_watched = false;
    } else if (tern_engine_watch_level(channel->engine, &changed->watch, events, !changed->is_watched) == TERN_OK) {
        changed->is_watched = true;
    } /* else the query ends by its timeout */
}

static int close_socket(ares_socket_t fd, void *user)
{
    struct tern_cares_channel *channel = user;
    struct cares_socket *closed = find_socket(channel, fd);

    TERN_ASSERT(closed != NULL);
    on_socket_state(user, fd, 0, 0);
    channel->engine->io->ops->close(channel->engine->io, fd);
    closed->watch.fd = -1;
    tern_list_remove(&closed->node);
    tern_engine_bury(channel->engine, &closed->corpse);
    return 0;
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *address, ares_socklen_t len, void *user)
{
    struct tern_cares_channel *channel = user;
    struct cares_socket *connected = find_socket(channel, fd);
    struct tern_io *io = channel->engine->io;

    TERN_ASSERT(connected != NULL && len <= sizeof(connected->peer.u));
    connected->peer.len = len;
    memcpy(&connected->peer.u, address, len);
    return (int)to_errno(io->ops->connect(io, fd, &connected->peer));
}

/* The kernel drops what comes from others than the connected peer, so the sender is known. */
static ares_ssize_t receive(ares_socket_t fd, void *buffer, size_t cap, int flags, struct sockaddr *from,
                            ares_socklen_t *from_len, void *user)
{
    struct tern_cares_channel *channel = user;
    const struct cares_socket *source = find_socket(channel, fd);
    struct tern_io *io = channel->engine->io;
    ssize_t n = to_errno(io->ops->recv(io, fd, buffer, cap));

    (void)flags;
    if (n >= 0 && from != NULL && from_len != NULL && *from_len >= source->peer.len) {
        memcpy(from, &source->peer.u, source->peer.len);
        *from_len = source->peer.len;
    }
    return n;
}

static ares_ssize_t send_pieces(ares_socket_t fd, const struct iovec *pieces, int count, void *user)
{
    struct tern_cares_channel *channel = user;
    struct tern_io *io = channel->engine->io;

    return to_errno(io->ops->sendmsg(io, fd, pieces, count));
}

#if ARES_VERSION >= 0x012200 /* 1.34 calls the older form deprecated */

static int set_option(ares_socket_t fd, ares_socket_opt_t option, const void *value, ares_socklen_t len, void *user)
{
    (void)fd, (void)option, (void)value, (void)len, (void)user;
    errno = ENOSYS;
    return -1;
}

static int connect_with_flags(ares_socket_t fd, const struct sockaddr *address, ares_socklen_t len, unsigned int flags,
                              void *user)
{
    (void)flags;
    return connect_socket(fd, address, len, user);
}

static ares_ssize_t send_to(ares_socket_t fd, const void *bytes, size_t len, int flags, const struct sockaddr *to,
                            ares_socklen_t to_len, void *user)
{
    struct iovec piece = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};

    (void)flags, (void)to, (void)to_len; /* the socket is connected */
    return send_pieces(fd, &piece, 1, user);
}

static bool use_seam(struct tern_cares_channel *channel)
{
    static const struct ares_socket_functions_ex functions = {.version = 1,
                                                              .flags = ARES_SOCKFUNC_FLAG_NONBLOCKING,
                                                              .asocket = open_socket,
                                                              .aclose = close_socket,
                                                              .asetsockopt = set_option,
                                                              .aconnect = connect_with_flags,
                                                              .arecvfrom = receive,
                                                              .asendto = send_to};

    return ares_set_socket_functions_ex(channel->handle, &functions, channel) == ARES_SUCCESS;
}

#else

static bool use_seam(struct tern_cares_channel *channel)
{
    static const struct ares_socket_functions functions = {.asocket = open_socket,
                                                           .aclose = close_socket,
                                                           .aconnect = connect_socket,
                                                           .arecvfrom = receive,
                                                           .asendv = send_pieces};

    ares_set_socket_functions(channel->handle, &functions, channel);
    return true;
}

#endif

/* ---- the channel ---- */

static void on_timer(struct tern_timer *timer)
{
    struct tern_cares_channel *channel = TERN_CONTAINER_OF(timer, struct tern_cares_channel, timer);

    ares_process_fd(channel->handle, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    tern_cares_channel_rearm(channel);
}

struct tern_cares_channel *tern_cares_channel_new(const char *resolv_conf_path, const char *servers,
                                                  uint64_t timeout_ns, uint32_t tries)
{
    struct tern_cares_channel *channel = tern_mem_calloc(1, sizeof(*channel));
    char lookups[] = "b"; /* DNS and not the hosts file */
    struct ares_options options = {.timeout = (int)(timeout_ns / TERN_MS),
                                   .tries = (int)tries,
                                   .lookups = lookups,
                                   .sock_state_cb = on_socket_state,
                                   .sock_state_cb_data = channel,
                                   .resolvconf_path = (char *)(uintptr_t)resolv_conf_path};
    int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF;

#ifdef ARES_OPT_QUERY_CACHE
    mask |= ARES_OPT_QUERY_CACHE; /* options.qcache_max_ttl is 0: off */
#endif
    if (channel == NULL)
        return NULL;
    if (ares_init_options(&channel->handle, &options, mask) != ARES_SUCCESS) {
        tern_mem_free(channel);
        return NULL;
    }
    tern_list_init(&channel->sockets);
    if (!use_seam(channel) ||
        (servers != NULL && ares_set_servers_ports_csv(channel->handle, servers) != ARES_SUCCESS)) {
        tern_cares_channel_free(channel);
        return NULL;
    }
    return channel;
}

void tern_cares_channel_attach(struct tern_cares_channel *channel, struct tern_engine *engine)
{
    channel->engine = engine;
    tern_list_init(&channel->node);
    tern_timer_init(&channel->timer, on_timer);
}

void tern_cares_channel_free(struct tern_cares_channel *channel)
{
    ares_destroy(channel->handle);
    TERN_ASSERT(tern_list_is_empty(&channel->sockets));
    if (channel->engine != NULL) {
        tern_timer_cancel(channel->engine, &channel->timer);
        tern_list_remove(&channel->node);
    }
    tern_mem_free(channel);
}

void tern_cares_channel_rearm(struct tern_cares_channel *channel)
{
    struct timeval wait;

    if (ares_timeout(channel->handle, NULL, &wait) == NULL) {
        tern_timer_cancel(channel->engine, &channel->timer);
        return;
    }
    /* c-ares cuts to whole milliseconds: one more, so as not to come before the time and spin until it is there. */
    tern_timer_arm(channel->engine, &channel->timer,
                   tern_u64_add_sat(tern_engine_now(channel->engine),
                                    (uint64_t)wait.tv_sec * TERN_S + (uint64_t)wait.tv_usec * 1000 + TERN_MS));
}
