#include "tests/support/h2_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t cap, uint32_t *flags,
                         nghttp2_data_source *source, void *user)
{
    struct h2_server_link *link = user;
    uint64_t sent = (uint64_t)(uintptr_t)nghttp2_session_get_stream_user_data(session, id);
    uint64_t left = link->server->body_bytes - sent;
    size_t n = left < cap ? (size_t)left : cap;

    (void)source;
    memset(buf, 'x', n);
    link->server->sent_bytes += n;
    nghttp2_session_set_stream_user_data(session, id, (void *)(uintptr_t)(sent + n));
    if (n == left)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static void answer(struct h2_server_link *link, int32_t id)
{
    nghttp2_nv status = {(uint8_t *)":status", (uint8_t *)"200", 7, 3, NGHTTP2_NV_FLAG_NONE};
    nghttp2_data_provider body = {.read_callback = read_body};

    link->server->requests++;
    assert_int_equal(nghttp2_submit_response(link->session, id, &status, 1, &body), 0);
}

static void take_ping(struct h2_server *server)
{
    server->pings++;
    server->bare_pings += server->sent_bytes == server->sent_bytes_at_ping;
    server->sent_bytes_at_ping = server->sent_bytes;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_server_link *link = user;

    (void)session;
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
        take_ping(link->server);
    if (frame->hd.type == NGHTTP2_RST_STREAM)
        link->server->resets++;
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        answer(link, frame->hd.stream_id);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *user)
{
    struct h2_server_link *link = user;

    (void)session, (void)flags, (void)id, (void)data;
    link->server->received_bytes += len;
    return 0;
}

static struct h2_server_link *link_new(struct h2_server *server, struct simio_peer *peer)
{
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, server->streams_max != 0 ? server->streams_max : 100},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, server->window_bytes != 0 ? server->window_bytes : 65535},
    };
    nghttp2_session_callbacks *callbacks;
    struct h2_server_link *link = &server->links[server->connections++];

    assert_true(server->connections <= H2_SERVER_CONNECTIONS_MAX);
    *link = (struct h2_server_link){.server = server, .peer = peer};
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    assert_int_equal(nghttp2_session_server_new(&link->session, callbacks, link), 0);
    nghttp2_session_callbacks_del(callbacks);
    assert_int_equal(nghttp2_submit_settings(link->session, NGHTTP2_FLAG_NONE, settings, 2), 0);
    simio_set_user(peer, link);
    return link;
}

static void on_heard(struct simio_peer *peer, void *user)
{
    struct h2_server_link *link = simio_user(peer) != NULL ? simio_user(peer) : link_new(user, peer);
    struct tern_str heard = simio_heard(peer);
    const uint8_t *out;
    ssize_t n;

    assert_int_equal(nghttp2_session_mem_recv(link->session, (const uint8_t *)heard.ptr, heard.len), heard.len);
    simio_forget(peer);
    while ((n = nghttp2_session_mem_send(link->session, &out)) > 0)
        simio_say_bytes(peer, out, (size_t)n);
    assert_int_equal(n, 0);
}

void h2_server_listen(struct h2_server *server, struct simio *sim, const char *address)
{
    simio_serve(sim, address, on_heard, server);
}

void h2_server_end(struct h2_server *server)
{
    for (uint32_t i = 0; i < server->connections; i++)
        nghttp2_session_del(server->links[i].session);
}
