/* A server's HTTP/2, over nghttp2's server side: requests in any number, each answered as planned. nghttp2 also judges
 * what the client sends: a frame that it finds wrong fails the history. */
#include <nghttp2/nghttp2.h>
#include <stdio.h>

#include "tests/sim/server.h"
#include "tests/sim/user.h"

struct sim_h2 {
    struct sim_peer *peer;
    nghttp2_session *session;
    struct sim_request *requests;
    bool is_parsing; /* what is to be said waits until the end of what was heard */
    bool is_leaving; /* GOAWAY was said */
    bool is_stingy;  /* gives no window back for now */
};

static struct sim_request *find(const struct sim_h2 *h2, int32_t stream)
{
    struct sim_request *request = h2->requests;

    while (request != NULL && request->stream != stream)
        request = request->next;
    return request;
}

static void flush(struct sim_h2 *h2)
{
    const uint8_t *data;
    ssize_t n;

    while (!h2->is_parsing && (n = nghttp2_session_mem_send(h2->session, &data)) > 0)
        sim_peer_say(h2->peer, data, (size_t)n);
    if (!h2->is_parsing && !nghttp2_session_want_read(h2->session) && !nghttp2_session_want_write(h2->session))
        sim_peer_end(h2->peer);
}

/* ---- rudeness ---- */

static void put_frame(struct sim_peer *peer, unsigned length, uint8_t type, uint8_t flags, uint32_t stream,
                      const void *payload, size_t len)
{
    uint8_t header[9] = {
        (uint8_t)(length >> 16), (uint8_t)(length >> 8),  (uint8_t)length,        type,           flags,
        (uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};

    sim_peer_say(peer, header, sizeof(header));
    sim_peer_say(peer, payload, len);
}

/* Frames that break the connection, past nghttp2. */
static void be_rude(struct sim_h2 *h2, int32_t stream)
{
    static const uint8_t zeros[16384];
    struct sim_peer *peer = h2->peer;
    unsigned kind = (unsigned)sim_below(10);

    sim_note("peer %u is rude in way %u on stream %d", peer->number, kind, stream);
    peer->is_tainted = true;
    switch (kind) {
    case 0:
        put_frame(peer, 5, NGHTTP2_DATA, 0, 0, zeros, 5);
        break;
    case 1:
        put_frame(peer, 4, NGHTTP2_WINDOW_UPDATE, 0, (uint32_t)stream, zeros, 4);
        break;
    case 2:
        put_frame(peer, 16500, NGHTTP2_DATA, 0, (uint32_t)stream, zeros, 16384);
        break;
    case 3:
        put_frame(peer, 10, NGHTTP2_HEADERS, 5, (uint32_t)stream, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10);
        break;
    case 4:
        put_frame(peer, 6, NGHTTP2_SETTINGS, 0, 0, "\0\4\xff\xff\xff\xff", 6);
        break;
    case 5:
        put_frame(peer, 5, NGHTTP2_PUSH_PROMISE, 4, (uint32_t)stream, zeros, 5);
        break;
    case 6:
        for (int i = 0; i < 3000; i++)
            put_frame(peer, 8, NGHTTP2_PING, 0, 0, zeros, 8);
        break;
    case 7:
        put_frame(peer, 4, NGHTTP2_RST_STREAM, 0, 1 << 20 | 1, zeros, 4);
        break;
    case 8:
        for (int i = 0; i < 3000; i++)
            put_frame(peer, 0, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
        break;
    default:
        sim_peer_say(peer, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
        break;
    }
}

/* Frames that are allowed, and tiresome. */
static void be_a_nuisance(struct sim_h2 *h2)
{
    nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1 + (uint32_t)sim_below(20)};

    switch (sim_below(4)) {
    case 0:
        nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, NULL);
        break;
    case 1:
        nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, &entry, 1);
        break;
    case 2:
        entry.settings_id = NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE;
        entry.value = (uint32_t)sim_below(200000);
        nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, &entry, 1);
        break;
    default:
        put_frame(h2->peer, 3, 0xbb, 0xff, 0, "abc", 3); /* RFC 9113 5.5: unknown types are ignored */
        break;
    }
}

/* ---- the answer ---- */

static nghttp2_nv nv(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NONE};
}

static void on_resume(void *context, uint64_t number)
{
    struct sim_peer *peer = context;

    if (peer->h2 == NULL || peer->is_over || find(peer->h2, (int32_t)number) == NULL)
        return;
    (void)nghttp2_session_resume_data(peer->h2->session, (int32_t)number);
    if (!sim_peer_strikes(peer))
        flush(peer->h2);
}

static ssize_t on_read(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t length, uint32_t *flags,
                       nghttp2_data_source *source, void *user)
{
    struct sim_h2 *h2 = user;
    struct sim_request *request = find(h2, stream);
    const struct sim_answer *answer = &request->answer;
    uint64_t n = answer->wire_len - request->sent;
    nghttp2_nv trailer = nv("x-trailer", "yes");

    (void)source;
    if (answer->cut_at <= request->sent)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* RST_STREAM with INTERNAL_ERROR */
    if (n > length)
        n = length;
    if (answer->is_slow && !sim.is_calm && n > 1)
        n = 1 + sim_below(n);
    if (answer->is_slow && !sim.is_calm && sim_chance(500)) {
        sim_after(sim_some_time(100 * TERN_MS), on_resume, h2->peer, (uint64_t)stream);
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n > answer->cut_at - request->sent)
        n = answer->cut_at - request->sent;
    sim_answer_fill(answer, buf, request->sent, (size_t)n);
    request->sent += n;
    if (request->sent < answer->wire_len || answer->cut_at <= request->sent)
        return (ssize_t)n;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (answer->has_trailers) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        (void)nghttp2_submit_trailer(session, stream, &trailer, 1);
    }
    return (ssize_t)n;
}

static void submit(struct sim_h2 *h2, struct sim_request *request)
{
    const struct sim_answer *answer = &request->answer;
    char status[8], id[16], body[64], length[24];
    nghttp2_data_provider provider = {.read_callback = on_read};
    nghttp2_nv early[] = {nv(":status", "103"), nv("link", "</x>")};
    nghttp2_nv head[4 + SIM_FIELDS_MAX];
    size_t count = 3;

    snprintf(status, sizeof(status), "%u", answer->status);
    snprintf(id, sizeof(id), "%u", request->id);
    snprintf(body, sizeof(body), "%llu %llu", (unsigned long long)answer->body_seed,
             (unsigned long long)answer->body_len);
    snprintf(length, sizeof(length), "%llu", (unsigned long long)answer->wire_len);
    head[0] = nv(":status", status);
    head[1] = nv("x-id", id);
    head[2] = nv("x-body", body);
    for (size_t i = 0; i < answer->field_count; i++)
        head[count++] = nv(answer->fields[i].name, answer->fields[i].value);
    if (answer->framing == SIM_LENGTH && answer->status != 204)
        head[count++] = nv("content-length", length);
    for (unsigned i = 0; i < answer->informational; i++)
        (void)nghttp2_submit_headers(h2->session, NGHTTP2_FLAG_NONE, request->stream, NULL, early, 2, NULL);
    (void)nghttp2_submit_response(h2->session, request->stream, head, count,
                                  sim_answer_has_body(request) ? &provider : NULL);
}

/* GOAWAY: what has a higher number than the last one that was answered will not be. */
static void leave(struct sim_h2 *h2)
{
    int32_t last = nghttp2_session_get_last_proc_stream_id(h2->session);
    bool spares_none = sim_chance(500);

    if (h2->is_leaving)
        return;
    h2->is_leaving = true;
    if (spares_none) {
        last = 0;
        for (struct sim_request *request = h2->requests; request != NULL; request = request->next)
            if (request->is_answered && request->stream > last)
                last = request->stream;
        for (struct sim_request *request = h2->requests; request != NULL; request = request->next)
            if (request->stream > last)
                sim_request_refuse(request);
    }
    (void)nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
}

static void on_answer(void *context, uint64_t number)
{
    struct sim_peer *peer = context;
    struct sim_h2 *h2 = peer->h2;
    struct sim_request *request;

    if (h2 == NULL || peer->is_over || (request = find(h2, (int32_t)number)) == NULL || request->is_answered ||
        !request->is_processed || sim_peer_strikes(peer))
        return;
    if (sim_fault(SIM_FAULT_NUISANCE))
        be_a_nuisance(h2);
    if (request->answer.is_rude) {
        be_rude(h2, request->stream);
    } else if (sim_fault(SIM_FAULT_REFUSE_STREAM)) {
        sim_request_refuse(request);
        (void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, request->stream, NGHTTP2_REFUSED_STREAM);
    } else if (sim_fault(SIM_FAULT_RESET_STREAM)) {
        static const uint32_t codes[] = {NGHTTP2_NO_ERROR, NGHTTP2_INTERNAL_ERROR, NGHTTP2_CANCEL,
                                         NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_HTTP_1_1_REQUIRED};
        (void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, request->stream, codes[sim_below(5)]);
    } else {
        request->is_answered = true;
        submit(h2, request);
    }
    if (request->answer.closes)
        leave(h2);
    flush(h2);
}

/* ---- what comes ---- */

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct sim_h2 *h2 = user;
    struct sim_request *request;

    (void)session;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    request = sim_alloc(sizeof(*request));
    request->peer = h2->peer;
    request->stream = frame->hd.stream_id;
    request->next = h2->requests;
    h2->requests = request;
    return 0;
}

static int on_field(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                    const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    struct sim_request *request = find(user, frame->hd.stream_id);
    bool is_secret = (name_len == 13 && memcmp(name, "authorization", 13) == 0) ||
                     (name_len == 5 && memcmp(name, "x-key", 5) == 0) ||
                     (name_len == 6 && memcmp(name, "cookie", 6) == 0);

    (void)session;
    /* RFC 7541 7.1.3: what is secret is not put where others' guesses could be compared with it. */
    SIM_CHECK(!is_secret || (flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0, "a secret is indexed by HPACK");
    if (request != NULL)
        sim_request_field(request, (const char *)name, name_len, (const char *)value, value_len);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct sim_h2 *h2 = user;
    struct sim_request *request = find(h2, frame->hd.stream_id);
    nghttp2_nv go_on = nv(":status", "100");

    if (request == NULL || frame->hd.type > NGHTTP2_HEADERS)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && request->call == NULL) {
        sim_request_head(request);
        if (request->expect[0] != '\0' && sim_chance(700))
            (void)nghttp2_submit_headers(session, NGHTTP2_FLAG_NONE, request->stream, NULL, &go_on, 1, NULL);
        if (request->answer.is_early)
            sim_after(request->answer.delay_ns, on_answer, h2->peer, (uint64_t)request->stream);
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        sim_request_end(request);
        if (!request->answer.is_early)
            sim_after(request->answer.delay_ns, on_answer, h2->peer, (uint64_t)request->stream);
    }
    return 0;
}

static void on_generous(void *context, uint64_t number)
{
    struct sim_peer *peer = context;

    if (peer->h2 == NULL || peer->is_over)
        return;
    peer->h2->is_stingy = false;
    (void)nghttp2_session_consume_connection(peer->h2->session, (size_t)(number & 0xffffffff));
    (void)nghttp2_session_consume_stream(peer->h2->session, (int32_t)(number >> 32), (size_t)(number & 0xffffffff));
    flush(peer->h2);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t len, void *user)
{
    struct sim_h2 *h2 = user;
    struct sim_request *request = find(h2, stream);

    (void)flags;
    if (request != NULL)
        sim_request_body(request, data, len);
    if (sim_fault(SIM_FAULT_STALL))
        h2->is_stingy = true;
    if (h2->is_stingy)
        sim_after(sim_some_time(TERN_S), on_generous, h2->peer, (uint64_t)stream << 32 | len);
    else
        (void)nghttp2_session_consume(session, stream, len);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user)
{
    struct sim_h2 *h2 = user;

    (void)session, (void)code;
    for (struct sim_request **at = &h2->requests; *at != NULL; at = &(*at)->next) {
        struct sim_request *request = *at;

        if (request->stream != stream)
            continue;
        *at = request->next;
        sim_free(request);
        return 0;
    }
    return 0;
}

static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
    struct sim_h2 *h2 = user;

    (void)session;
    if (error == NGHTTP2_ERR_REFUSED_STREAM)
        return 0; /* more streams than allowed, before the client can know how many are */
    if (h2->peer->is_tainted)
        return 0; /* it may answer what nghttp2 does not know to have been said */
    sim_fail("peer %u: the client's frame of type %d on stream %d is wrong: %s", h2->peer->number, frame->hd.type,
             frame->hd.stream_id, nghttp2_strerror(error));
}

/* ---- life ---- */

struct sim_h2 *sim_h2_new(struct sim_peer *peer)
{
    struct sim_h2 *h2 = sim_alloc(sizeof(*h2));
    nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)sim_between(&peer->rand, 1, 30)},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)sim_between(&peer->rand, 1000, 100000)}};
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;

    h2->peer = peer;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_field);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid);
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session_server_new2(&h2->session, callbacks, h2, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, entries, 2);
    return h2;
}

void sim_h2_hear(struct sim_h2 *h2, const unsigned char *bytes, size_t len)
{
    ssize_t n;

    h2->is_parsing = true;
    n = nghttp2_session_mem_recv(h2->session, bytes, len);
    h2->is_parsing = false;
    SIM_CHECK(n == (ssize_t)len || h2->peer->is_tainted, "peer %u cannot read the client's HTTP/2: %s",
              h2->peer->number, n < 0 ? nghttp2_strerror((int)n) : "not all of it");
    if (n < 0)
        sim_peer_reset(h2->peer);
    else if (!sim_peer_strikes(h2->peer))
        flush(h2);
}

void sim_h2_free(struct sim_h2 *h2)
{
    nghttp2_session_del(h2->session);
    while (h2->requests != NULL) {
        struct sim_request *request = h2->requests;

        h2->requests = request->next;
        sim_free(request);
    }
    sim_free(h2);
}
