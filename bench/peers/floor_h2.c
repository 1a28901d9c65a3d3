/* The least that HTTP/2 by nghttp2 can cost: one connection, requests submitted as streams end, all that nghttp2 has to
 * send in one write, all that the socket has in one feed. */
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

#include "bench/peers/stream.h"

#define WINDOW (1 << 30)
#define OUT_MAX (256 * 1024)

struct slot {
    uint64_t start_ns;
    uint64_t bytes;
    bool good;
    bool busy;
};

static struct peer peer;
static struct stream stream;
static nghttp2_session *session;
static struct slot *slots;
static struct slot *again[4096]; /* ended inside a feed: start after it */
static size_t again_count;
static nghttp2_nv fields[4];
static char in[256 * 1024];
static uint8_t out[OUT_MAX];
static size_t out_len;
static size_t out_sent;

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

static void start(struct slot *slot)
{
    slot->busy = peer_next(&peer, &slot->start_ns);
    if (!slot->busy)
        return;
    slot->bytes = 0;
    slot->good = false;
    if (nghttp2_submit_request(session, NULL, fields, 4, NULL, slot) < 0)
        peer_die("nghttp2 refuses a request");
}

static int on_header(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    struct slot *slot = nghttp2_session_get_stream_user_data(s, frame->hd.stream_id);

    (void)flags;
    (void)user;
    if (name_len == 7 && memcmp(name, ":status", 7) == 0)
        slot->good = value_len == 3 && value[0] == '2';
    return 0;
}

static int on_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *user)
{
    struct slot *slot = nghttp2_session_get_stream_user_data(s, id);

    (void)flags;
    (void)data;
    (void)user;
    slot->bytes += len;
    return 0;
}

static int on_close(nghttp2_session *s, int32_t id, uint32_t code, void *user)
{
    struct slot *slot = nghttp2_session_get_stream_user_data(s, id);

    (void)user;
    peer_ended(&peer, slot->start_ns, slot->bytes, slot->good && code == 0);
    again[again_count++] = slot;
    return 0;
}

static void make_session(void)
{
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                         {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW}};
    nghttp2_session_callbacks *callbacks;

    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    if (nghttp2_session_client_new(&session, callbacks, NULL) != 0 ||
        nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, 2) != 0 ||
        nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, WINDOW) != 0)
        peer_die("no session");
    nghttp2_session_callbacks_del(callbacks);
}

/* Gathers what there is and writes it at once. False: the socket takes no more now. */
static bool flush(void)
{
    for (;;) {
        const uint8_t *data;
        ssize_t len = 0;
        ssize_t sent;

        while (out_len <= OUT_MAX - 20000 && (len = nghttp2_session_mem_send(session, &data)) > 0) {
            memcpy(out + out_len, data, (size_t)len);
            out_len += (size_t)len;
        }
        if (len < 0)
            peer_die("nghttp2 has nothing to send");
        if (out_len == 0)
            return true;
        sent = stream_write(&stream, out + out_sent, out_len - out_sent);
        if (sent < 0)
            return false;
        out_sent += (size_t)sent;
        if (out_sent == out_len)
            out_sent = out_len = 0;
    }
}

static void on_readable(void)
{
    ssize_t got;

    while ((got = stream_read(&stream, in, sizeof(in))) > 0) {
        if (nghttp2_session_mem_recv(session, (uint8_t *)in, (size_t)got) != got)
            peer_die("nghttp2 refuses what came");
        while (again_count > 0)
            start(again[--again_count]);
        if (stream.ssl == NULL && (size_t)got < sizeof(in))
            return;
    }
    if (got == 0)
        peer_die("the server closed the connection");
}

static void serve(int epoll_fd)
{
    uint32_t watched = EPOLLIN;

    while (!peer_is_over(&peer)) {
        uint32_t wanted = flush() ? EPOLLIN : EPOLLIN | EPOLLOUT;
        struct epoll_event event = {.events = wanted};

        if (wanted != watched)
            epoll_ctl(epoll_fd, EPOLL_CTL_MOD, stream.fd, &event);
        watched = wanted;
        if (peer_wait(&peer, epoll_fd, &event, 1, peer_due_in_ns(&peer)) > 0 && (event.events & EPOLLIN) != 0)
            on_readable();
        for (uint32_t i = 0; peer.options.rate > 0 && i < peer.options.concurrency && peer_due_in_ns(&peer) == 0; i++)
            if (!slots[i].busy)
                start(&slots[i]);
    }
}

int main(int argc, char **argv)
{
    struct epoll_event event = {.events = EPOLLIN};
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    char authority[PEER_HOST_MAX + 8];

    peer_init(&peer, "nghttp2", argc, argv);
    stream_setup(&peer.options, "h2");
    snprintf(authority, sizeof(authority), "%s:%u", peer.options.host, peer.options.port);
    fields[0] = field(":method", "GET");
    fields[1] = field(":scheme", peer.options.tls ? "https" : "http");
    fields[2] = field(":authority", authority);
    fields[3] = field(":path", peer.options.path);
    slots = calloc(peer.options.concurrency, sizeof(slots[0]));
    if (slots == NULL || epoll_fd < 0 || peer.options.concurrency > sizeof(again) / sizeof(again[0]))
        peer_die("cannot start");
    peer_begin(&peer);
    stream_open(&stream);
    peer.report.connections_opened++;
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, stream.fd, &event);
    make_session();
    for (uint32_t i = 0; i < peer.options.concurrency; i++)
        start(&slots[i]);
    serve(epoll_fd);
    peer_finish(&peer);
    nghttp2_session_del(session);
    return 0;
}
