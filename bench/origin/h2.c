#include "bench/origin/h2.h"

#include <nghttp2/nghttp2.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "bench/origin/server.h"

/* What a peer may send ahead, of a stream and of them all: the first bounds what an echo holds. */
#define STREAM_WINDOW (256 * 1024)
#define CONNECTION_WINDOW (4 * 1024 * 1024)

#define METHOD_MAX 64
#define QUEUE_HIGH 1024 /* frames */

/* A peer that cancels a lot is what some tests are about, and costs no more than one that does not: a request is
 * answered or forgotten at once. */
#define RESETS_PER_S 1000000

#define NVS_MAX (ORIGIN_HEAD_FIELDS_MAX + 16)
#define LENGTH_DIGITS 20

struct origin_h2 {
    struct origin_server *server;
    nghttp2_session *session;
    struct tern_list live;  /* struct stream, by node */
    struct tern_list spare; /* the same, with their memory for the next */
    struct tern_list timed; /* by timed_node, the earliest first */
    struct tern_buf *out;   /* while writing */
    size_t out_max;
    int32_t last_id; /* of the stream behind which none is taken, or 0 */
    bool cut;        /* the connection is to close as it is */
    bool failed;     /* out of memory */

    /* The head that comes in. There is one at a time (RFC 9113 4.3). */
    struct origin_request request;
    struct tern_buf method;
    struct tern_buf target;
    bool too_large;
    bool has_priority;
};

struct stream {
    struct origin_h2 *h2;
    struct tern_list node;
    struct tern_list timed_node;
    uint64_t due_ns; /* where timed_node is linked: when the answer begins or, once it has, goes on */
    int32_t id;
    bool request_ended;
    bool responding; /* the response's head is said */
    bool bodyless;   /* it has no body, whatever the route made */
    bool deferred;   /* nghttp2 asks no more for its body until it is told to */
    uint64_t received;
    uint64_t started_ns; /* of the response's body */
    struct origin_response response;
    struct tern_buf echo; /* what the request's body brought, and the response's has not yet taken */
};

static void check(struct origin_h2 *h2, bool done)
{
    h2->failed = h2->failed || !done;
}

/* ---- streams ---- */

static struct stream *stream_new(struct origin_h2 *h2, int32_t id)
{
    struct tern_list *node = tern_list_pop_front(&h2->spare);
    struct stream *stream =
        node != NULL ? TERN_CONTAINER_OF(node, struct stream, node) : tern_mem_alloc(sizeof(*stream));

    if (stream == NULL)
        return NULL;
    if (node == NULL) {
        origin_response_init(&stream->response);
        tern_buf_init(&stream->echo, STREAM_WINDOW);
        tern_list_init(&stream->timed_node);
        stream->h2 = h2;
    }
    tern_list_push_back(&h2->live, &stream->node);
    stream->id = id;
    stream->request_ended = false;
    stream->responding = false;
    stream->bodyless = false;
    stream->deferred = false;
    stream->received = 0;
    return stream;
}

static void stream_retire(struct stream *stream)
{
    tern_list_remove(&stream->timed_node);
    tern_list_remove(&stream->node);
    tern_buf_deinit(&stream->echo);
    tern_list_push_back(&stream->h2->spare, &stream->node);
}

static void free_streams(struct tern_list *streams)
{
    struct tern_list *node;

    while ((node = tern_list_pop_front(streams)) != NULL) {
        struct stream *stream = TERN_CONTAINER_OF(node, struct stream, node);

        origin_response_deinit(&stream->response);
        tern_buf_deinit(&stream->echo);
        tern_mem_free(stream);
    }
}

static void stream_wait(struct stream *stream, uint64_t in_ns)
{
    struct tern_list *head = &stream->h2->timed;
    struct tern_list *place = head;

    tern_list_remove(&stream->timed_node);
    stream->due_ns = stream->h2->server->now_ns + in_ns;
    /* As a connection's deadline: look from the end. */
    while (place->prev != head && TERN_CONTAINER_OF(place->prev, struct stream, timed_node)->due_ns > stream->due_ns)
        place = place->prev;
    tern_list_insert_before(place, &stream->timed_node);
}

static void stream_reset(struct stream *stream, uint32_t code)
{
    check(stream->h2, nghttp2_submit_rst_stream(stream->h2->session, NGHTTP2_FLAG_NONE, stream->id, code) == 0);
}

/* ---- heads ---- */

/* nghttp2 copies names and values, and makes names lower case. */
static nghttp2_nv nv(struct tern_str name, struct tern_str value)
{
    return (nghttp2_nv){(uint8_t *)name.ptr, (uint8_t *)value.ptr, name.len, value.len, NGHTTP2_NV_FLAG_NONE};
}

static struct tern_str print_number(char digits[LENGTH_DIGITS], uint64_t n)
{
    size_t i = LENGTH_DIGITS;

    do
        digits[--i] = (char)('0' + n % 10);
    while ((n /= 10) != 0);
    return tern_str_n(digits + i, LENGTH_DIGITS - i);
}

static void say_early(struct stream *stream, uint16_t status, const struct tern_field *field)
{
    char digits[LENGTH_DIGITS];
    nghttp2_nv nvs[2] = {nv(TERN_STR(":status"), print_number(digits, status)), nv(field->name, field->value)};

    check(stream->h2, nghttp2_submit_headers(stream->h2->session, NGHTTP2_FLAG_NONE, stream->id, NULL, nvs,
                                             field->name.len != 0 ? 2 : 1, NULL) == 0);
}

static size_t put_fields(nghttp2_nv *nvs, const struct tern_fields *fields)
{
    for (uint32_t i = 0; i < fields->count; i++) {
        struct tern_field field = tern_fields_at(fields, i);

        nvs[i] = nv(field.name, field.value);
    }
    return fields->count;
}

static void say_trailers(struct stream *stream)
{
    nghttp2_nv nvs[NVS_MAX];
    size_t count = put_fields(nvs, &stream->response.trailers);

    check(stream->h2, nghttp2_submit_trailer(stream->h2->session, stream->id, nvs, count) == 0);
}

static void say_head(struct stream *stream, const nghttp2_data_provider *body)
{
    const struct origin_response *response = &stream->response;
    nghttp2_nv nvs[NVS_MAX];
    char status[LENGTH_DIGITS];
    char length[LENGTH_DIGITS];
    size_t count = 0;

    nvs[count++] = nv(TERN_STR(":status"), print_number(status, response->status));
    nvs[count++] = nv(TERN_STR("date"), tern_str_n(stream->h2->server->date, TERN_DATE_SIZE - 1));
    count += put_fields(nvs + count, &response->fields);
    if (response->status != 204 && response->status != 304 && response->announced != ORIGIN_LENGTH_UNKNOWN)
        nvs[count++] = nv(TERN_STR("content-length"), print_number(length, response->announced));
    check(stream->h2, nghttp2_submit_response(stream->h2->session, stream->id, nvs, count, body) == 0);
}

/* ---- bodies ---- */

/* How many of the body's bytes could go now, and whether they are the last. */
static uint64_t available(const struct stream *stream, bool *last)
{
    const struct origin_body *body = &stream->response.body;
    uint64_t n;

    if (stream->bodyless) {
        *last = true;
        return 0;
    }
    if (body->kind == ORIGIN_BODY_ECHO) {
        *last = stream->request_ended;
        return stream->echo.len;
    }
    n = origin_response_allowance(&stream->response, stream->h2->server->now_ns - stream->started_ns);
    *last = n == body->size - body->at;
    return n;
}

static uint32_t code_of(enum origin_ending ending)
{
    return ending == ORIGIN_END_CUT ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_CANCEL;
}

/* Tells how much comes in the next frame; send_body then writes it. */
static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buffer, size_t max, uint32_t *flags,
                         nghttp2_data_source *source, void *user)
{
    struct stream *stream = source->ptr;
    bool last;
    uint64_t n = available(stream, &last);

    (void)session, (void)id, (void)buffer, (void)user;
    *flags = NGHTTP2_DATA_FLAG_NO_COPY;
    if (n > max) {
        n = max;
        last = false;
    }
    if (last && origin_ending_is_whole(stream->response.ending)) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (stream->response.trailers.count != 0 && !stream->bodyless) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            say_trailers(stream);
        }
        if (!stream->request_ended) /* The rest of it is not wanted (RFC 9113 8.1). */
            stream_reset(stream, NGHTTP2_NO_ERROR);
    } else if (n == 0) {
        stream->deferred = true;
        if (last)
            stream_reset(stream, code_of(stream->response.ending));
        else if (stream->response.body.kind != ORIGIN_BODY_ECHO)
            stream_wait(stream, ORIGIN_PACE_NS);
        return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)n;
}

static int send_body(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t len,
                     nghttp2_data_source *source, void *user)
{
    struct origin_h2 *h2 = user;
    struct stream *stream = source->ptr;
    struct origin_body *body = &stream->response.body;
    bool echoes = body->kind == ORIGIN_BODY_ECHO;
    struct tern_str bytes;

    (void)frame; /* Never padded: no callback asks for it. */
    if (h2->out->len >= h2->out_max)
        return NGHTTP2_ERR_WOULDBLOCK;
    if (tern_buf_reserve(h2->out, 9 + len) != TERN_OK)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    memcpy(tern_buf_tail(h2->out), head, 9);
    tern_buf_commit(h2->out, 9);
    if (len == 0)
        return 0;
    bytes = echoes ? tern_buf_view(&stream->echo) : origin_body_peek(body, len);
    memcpy(tern_buf_tail(h2->out), bytes.ptr, len);
    tern_buf_commit(h2->out, len);
    if (!echoes) {
        body->at += len;
        return 0;
    }
    tern_buf_consume(&stream->echo, len);
    check(h2, nghttp2_session_consume_stream(session, stream->id, len) == 0);
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

static void go_on(struct stream *stream)
{
    if (!stream->deferred)
        return;
    stream->deferred = false;
    check(stream->h2, nghttp2_session_resume_data(stream->h2->session, stream->id) == 0);
}

/* ---- responses ---- */

static void start_nothing(struct stream *stream)
{
    switch (stream->response.ending) {
    case ORIGIN_END_REFUSE:
        stream_reset(stream, NGHTTP2_REFUSED_STREAM);
        break;
    case ORIGIN_END_CUT:
        stream->h2->cut = true;
        break;
    default:
        stream_reset(stream, code_of(stream->response.ending));
        break;
    }
}

/* More than a frame of one answer would keep all others back (RFC 9218 4.2 allows that, but it is not what one who
 * asked for nothing expects). */
static void share_turns(struct stream *stream)
{
    static const nghttp2_extpri shared = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};

    check(stream->h2, nghttp2_session_change_extpri_stream_priority(stream->h2->session, stream->id, &shared, 0) == 0);
}

static void start_response(struct stream *stream)
{
    struct origin_response *response = &stream->response;
    nghttp2_data_provider body = {{.ptr = stream}, read_body};
    bool empty;

    stream->responding = true;
    if (response->status == 0) {
        start_nothing(stream);
        return;
    }
    if (response->early_status != 0)
        say_early(stream, response->early_status, &response->early_field);
    stream->bodyless = stream->bodyless || response->status == 204 || response->status == 304;
    stream->started_ns = stream->h2->server->now_ns;
    empty = stream->bodyless ||
            (response->body.size == 0 && response->body.kind != ORIGIN_BODY_ECHO && response->trailers.count == 0);
    if (empty && stream->request_ended && origin_ending_is_whole(response->ending))
        say_head(stream, NULL);
    else
        say_head(stream, &body);
}

static void begin_response(struct stream *stream)
{
    if (stream->response.delay_ns == 0)
        start_response(stream);
    else
        stream_wait(stream, stream->response.delay_ns);
}

static void run_timers(struct origin_h2 *h2)
{
    while (!tern_list_is_empty(&h2->timed)) {
        struct stream *stream = TERN_CONTAINER_OF(h2->timed.next, struct stream, timed_node);

        if (stream->due_ns > h2->server->now_ns)
            return;
        tern_list_remove(&stream->timed_node);
        if (stream->responding)
            go_on(stream);
        else
            start_response(stream);
    }
}

/* ---- requests ---- */

static void refuse(struct stream *stream, uint16_t status)
{
    check(stream->h2, origin_response_refuse(&stream->response, status) == TERN_OK);
    stream->response.at_once = true;
}

/* Completes what the fields said. False: it is answered already. */
static bool complete_request(struct stream *stream, bool ended)
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

static void head_arrived(struct stream *stream, bool ended)
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

        check(h2, origin_route(&h2->server->stats, &h2->request, response) == TERN_OK);
        if (origin_response_continues(response, expects)) {
            say_early(stream, 100, &none);
            response->early_status = 0;
        }
    }
    if (response->ending == ORIGIN_END_LAST)
        h2->last_id = stream->id;
    if (!h2->has_priority && (response->body.kind == ORIGIN_BODY_ECHO || response->body.size > 16 * 1024))
        share_turns(stream);
    if (response->at_once)
        begin_response(stream);
}

static void end_arrived(struct stream *stream)
{
    stream->request_ended = true;
    if (stream->response.at_once) {
        go_on(stream);
        return;
    }
    if (stream->response.tells_received)
        check(stream->h2, origin_response_received(&stream->response, stream->received) == TERN_OK);
    begin_response(stream);
}

/* ---- what nghttp2 tells ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct origin_h2 *h2 = user;
    struct stream *stream;

    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST || (h2->last_id != 0 && frame->hd.stream_id > h2->last_id))
        return 0;
    stream = stream_new(h2, frame->hd.stream_id);
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
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);

    (void)flags;
    /* No stream holds the others back: the connection's credit comes again at once, its own when it is used. */
    check(h2, nghttp2_session_consume_connection(session, len) == 0);
    if (stream == NULL || stream->bodyless || stream->response.body.kind != ORIGIN_BODY_ECHO) {
        check(h2, nghttp2_session_consume_stream(session, id, len) == 0);
    } else {
        check(h2, tern_buf_append(&stream->echo, bytes, len) == TERN_OK);
        go_on(stream);
    }
    if (stream != NULL)
        stream->received += len;
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct origin_h2 *h2 = user;
    struct stream *stream;
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
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);

    (void)code;
    if (stream != NULL)
        stream_retire(stream);
    if (id == h2->last_id)
        check(h2, nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR, NULL, 0) == 0);
    return 0;
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
    nghttp2_session_callbacks_set_send_data_callback(callbacks, send_body);
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
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
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
    free_streams(&h2->live);
    free_streams(&h2->spare);
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
    run_timers(h2);
    h2->out = out;
    h2->out_max = max;
    return nghttp2_session_send(h2->session) == 0 && !h2->failed;
}

uint64_t origin_h2_due_ns(const struct origin_h2 *h2)
{
    if (tern_list_is_empty(&h2->timed))
        return TERN_OFF;
    return TERN_CONTAINER_OF(h2->timed.next, struct stream, timed_node)->due_ns;
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
