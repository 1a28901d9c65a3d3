#include "bench/origin/h2.h"

#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "bench/origin/h2_stream.h"

/* What a peer may send ahead on all streams together. */
#define CONNECTION_WINDOW (4 * 1024 * 1024)

#define METHOD_MAX 64
#define QUEUE_HIGH 1024 /* frames */

/* A peer that cancels a lot is what some tests are about, and costs no more than one that does not: a request is
 * answered or forgotten at once. */
#define RESETS_PER_S 1000000

/* ---- requests ---- */

static void refuse(struct origin_stream *stream, uint16_t status)
{
    origin_h2_check(stream->h2, origin_response_refuse(&stream->response, status) == TERN_OK);
    stream->response.at_once = true;
}

/* Completes what the fields said. False: it is answered already. */
static bool complete_request(struct origin_stream *stream, bool ended)
{
    struct origin_h2 *h2 = stream->h2;
    struct origin_request *request = &h2->request;
    struct tern_str length = tern_str("");

    request->method = tern_buf_view(&h2->method);
    if (h2->too_large)
        refuse(stream, 431);
    else if (tern_str_eq(request->method, TERN_STR("CONNECT")))
        refuse(stream, 501);
    else if (!origin_request_set_target(request, tern_buf_view(&h2->target)))
        refuse(stream, 400);
    else if (!ended)
        length = tern_fields_value(&request->fields, TERN_STR("content-length"));
    request->length = ended ? 0 : ORIGIN_LENGTH_UNKNOWN;
    if (length.len != 0 && !tern_u64_parse(length, INT64_MAX, &request->length))
        refuse(stream, 400);
    return !stream->response.at_once;
}

static void head_arrived(struct origin_stream *stream, bool ended)
{
    static const struct tern_field none = {0};
    struct origin_h2 *h2 = stream->h2;
    struct origin_response *response = &stream->response;

    stream->request_ended = ended;
    stream->bodyless = tern_str_eq(tern_buf_view(&h2->method), TERN_STR("HEAD"));
    response->at_once = false;
    if (complete_request(stream, ended)) {
        bool expects = !ended && tern_str_ieq(tern_fields_value(&h2->request.fields, TERN_STR("expect")),
                                              TERN_STR("100-continue"));

        origin_h2_check(h2, origin_route(&h2->server->stats, &h2->request, response) == TERN_OK);
        if (origin_response_continues(response, expects)) {
            origin_stream_say_early(stream, 100, &none);
            response->early_status = 0;
        }
    }
    if (response->ending == ORIGIN_END_LAST)
        h2->last_id = stream->id;
    if (!h2->has_priority && (response->body.kind == ORIGIN_BODY_ECHO || response->body.size > 16 * 1024))
        origin_stream_share_turns(stream);
    if (response->at_once)
        origin_stream_begin_response(stream);
}

static void end_arrived(struct origin_stream *stream)
{
    stream->request_ended = true;
    if (stream->response.at_once) {
        origin_stream_go_on(stream);
        return;
    }
    if (stream->response.tells_received)
        origin_h2_check(stream->h2, origin_response_received(&stream->response, stream->received) == TERN_OK);
    origin_stream_begin_response(stream);
}

/* ---- what nghttp2 tells ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct origin_h2 *h2 = user;
    struct origin_stream *stream;

    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST || (h2->last_id != 0 && frame->hd.stream_id > h2->last_id))
        return 0;
    stream = origin_stream_new(h2, frame->hd.stream_id);
    if (stream == NULL)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    nghttp2_session_set_stream_user_data(session, stream->id, stream);
    tern_buf_clear(&h2->method);
    tern_buf_clear(&h2->target);
    tern_fields_clear(&h2->request.fields);
    h2->too_large = false;
    h2->has_priority = false;
    return 0;
}

static enum tern_error take_field(struct origin_h2 *h2, struct tern_str name, struct tern_str value)
{
    struct tern_fields *fields = &h2->request.fields;

    if (tern_str_eq(name, TERN_STR(":method")))
        return tern_buf_append_str(&h2->method, value);
    if (tern_str_eq(name, TERN_STR(":path")))
        return tern_buf_append_str(&h2->target, value);
    if (tern_str_eq(name, TERN_STR(":authority"))) /* RFC 9113 8.3.1: it stands for Host. */
        return tern_fields_add(fields, TERN_STR("host"), value, 0);
    if (name.ptr[0] == ':' ||
        (tern_str_eq(name, TERN_STR("host")) && tern_fields_find(fields, name, 0) != fields->count))
        return TERN_OK;
    h2->has_priority = h2->has_priority || tern_str_eq(name, TERN_STR("priority"));
    return tern_fields_add(fields, name, value, 0);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    struct origin_h2 *h2 = user;
    enum tern_error error;

    (void)session, (void)flags;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    error = take_field(h2, tern_str_n((const char *)name, name_len), tern_str_n((const char *)value, value_len));
    if (error == TERN_ELIMIT)
        h2->too_large = true;
    return error == TERN_ENOMEM ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t len, void *user)
{
    struct origin_h2 *h2 = user;
    struct origin_stream *stream = nghttp2_session_get_stream_user_data(session, id);

    (void)flags;
    /* No stream holds the others back: the connection's credit comes again at once, its own when it is used. */
    origin_h2_check(h2, nghttp2_session_consume_connection(session, len) == 0);
    if (stream == NULL || stream->bodyless || stream->response.body.kind != ORIGIN_BODY_ECHO) {
        origin_h2_check(h2, nghttp2_session_consume_stream(session, id, len) == 0);
    } else {
        origin_h2_check(h2, tern_buf_append(&stream->echo, bytes, len) == TERN_OK);
        origin_stream_go_on(stream);
    }
    if (stream != NULL)
        stream->received += len;
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct origin_h2 *h2 = user;
    struct origin_stream *stream;
    bool ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

    switch (frame->hd.type) {
    case NGHTTP2_PING:
        h2->server->stats.pings += (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0;
        break;
    case NGHTTP2_RST_STREAM:
        h2->server->stats.resets++;
        break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
        if (stream == NULL)
            break;
        if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
            head_arrived(stream, ended);
        if (ended)
            end_arrived(stream);
        break;
    default:
        break;
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    struct origin_h2 *h2 = user;
    struct origin_stream *stream = nghttp2_session_get_stream_user_data(session, id);

    (void)code;
    if (stream != NULL)
        origin_stream_retire(stream);
    if (id == h2->last_id)
        origin_h2_check(h2, nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR, NULL, 0) == 0);
    return 0;
}

static ssize_t send_bytes(nghttp2_session *session, const uint8_t *bytes, size_t len, int flags, void *user)
{
    struct origin_h2 *h2 = user;

    (void)session, (void)flags;
    if (h2->out->len >= h2->out_max)
        return NGHTTP2_ERR_WOULDBLOCK;
    return tern_buf_append(h2->out, bytes, len) == TERN_OK ? (ssize_t)len : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* ---- the outside ---- */

static void *mem_alloc(size_t size, void *user)
{
    (void)user;
    return tern_mem_alloc(size != 0 ? size : 1);
}

static void mem_free(void *block, void *user)
{
    (void)user;
    tern_mem_free(block);
}

static void *mem_calloc(size_t count, size_t size, void *user)
{
    (void)user;
    return tern_mem_calloc(count != 0 ? count : 1, size != 0 ? size : 1);
}

static void *mem_realloc(void *block, size_t size, void *user)
{
    (void)user;
    return tern_mem_realloc(block, size != 0 ? size : 1, 1);
}

static void set_options(nghttp2_session_callbacks *callbacks, nghttp2_option *option)
{
    nghttp2_session_callbacks_set_send_callback(callbacks, send_bytes);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, origin_stream_send_body);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_stream_reset_rate_limit(option, RESETS_PER_S, RESETS_PER_S);
    nghttp2_option_set_builtin_recv_extension_type(option, NGHTTP2_PRIORITY_UPDATE);
    /* Its other limits are good as they are: acknowledgements that wait, entries of SETTINGS, CONTINUATIONs. */
}

static bool set_up(struct origin_h2 *h2)
{
    nghttp2_mem mem = {NULL, mem_alloc, mem_free, mem_calloc, mem_realloc};
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, h2->server->streams_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, ORIGIN_STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, ORIGIN_HEAD_MAX},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    bool done = nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0;

    if (done) {
        set_options(callbacks, option);
        done = nghttp2_session_server_new3(&h2->session, callbacks, h2, option, &mem) == 0;
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return done &&
           nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, sizeof(settings) / sizeof(settings[0])) ==
               0 &&
           nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) == 0;
}

struct origin_h2 *origin_h2_new(struct origin_server *server)
{
    struct origin_h2 *h2 = tern_mem_calloc(1, sizeof(*h2));

    if (h2 == NULL)
        return NULL;
    h2->server = server;
    tern_list_init(&h2->live);
    tern_list_init(&h2->spare);
    tern_list_init(&h2->timed);
    h2->request.protocol = TERN_STR("HTTP/2");
    tern_fields_init(&h2->request.fields, ORIGIN_HEAD_FIELDS_MAX, ORIGIN_HEAD_MAX);
    tern_buf_init(&h2->method, METHOD_MAX);
    tern_buf_init(&h2->target, ORIGIN_TARGET_MAX);
    if (set_up(h2))
        return h2;
    origin_h2_free(h2);
    return NULL;
}

void origin_h2_free(struct origin_h2 *h2)
{
    if (h2 == NULL)
        return;
    nghttp2_session_del(h2->session);
    origin_streams_free(&h2->live);
    origin_streams_free(&h2->spare);
    tern_fields_deinit(&h2->request.fields);
    tern_buf_deinit(&h2->method);
    tern_buf_deinit(&h2->target);
    tern_mem_free(h2);
}

bool origin_h2_receive(struct origin_h2 *h2, struct tern_str bytes)
{
    ssize_t n = nghttp2_session_mem_recv(h2->session, (const uint8_t *)bytes.ptr, bytes.len);

    return n >= 0 && !h2->failed;
}

bool origin_h2_write(struct origin_h2 *h2, struct tern_buf *out, size_t max)
{
    origin_streams_run_timers(h2);
    h2->out = out;
    h2->out_max = max;
    return nghttp2_session_send(h2->session) == 0 && !h2->failed;
}

uint64_t origin_h2_due_ns(const struct origin_h2 *h2)
{
    if (tern_list_is_empty(&h2->timed))
        return TERN_OFF;
    return TERN_CONTAINER_OF(h2->timed.next, struct origin_stream, timed_node)->due_ns;
}

bool origin_h2_is_full(const struct origin_h2 *h2)
{
    return nghttp2_session_get_outbound_queue_size(h2->session) > QUEUE_HIGH + h2->server->streams_max;
}

bool origin_h2_is_over(const struct origin_h2 *h2, enum origin_ending *ending)
{
    *ending = h2->cut ? ORIGIN_END_CUT : ORIGIN_END_WHOLE;
    return h2->cut || (!nghttp2_session_want_read(h2->session) && !nghttp2_session_want_write(h2->session));
}
