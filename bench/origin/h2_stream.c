#include "bench/origin/h2_stream.h"

#include "base/mem.h"
#include "base/str.h"

#define NVS_MAX (ORIGIN_HEAD_FIELDS_MAX + 16)
#define LENGTH_DIGITS 20

/* ---- streams ---- */

struct origin_stream *origin_stream_new(struct origin_h2 *h2, int32_t id)
{
    struct tern_list *node = tern_list_pop_front(&h2->spare);
    struct origin_stream *stream =
        node != NULL ? TERN_CONTAINER_OF(node, struct origin_stream, node) : tern_mem_alloc(sizeof(*stream));

    if (stream == NULL)
        return NULL;
    if (node == NULL) {
        origin_response_init(&stream->response);
        tern_buf_init(&stream->echo, ORIGIN_STREAM_WINDOW);
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

void origin_stream_retire(struct origin_stream *stream)
{
    tern_list_remove(&stream->timed_node);
    tern_list_remove(&stream->node);
    tern_buf_deinit(&stream->echo);
    tern_list_push_back(&stream->h2->spare, &stream->node);
}

void origin_streams_free(struct tern_list *streams)
{
    struct tern_list *node;

    while ((node = tern_list_pop_front(streams)) != NULL) {
        struct origin_stream *stream = TERN_CONTAINER_OF(node, struct origin_stream, node);

        origin_response_deinit(&stream->response);
        tern_buf_deinit(&stream->echo);
        tern_mem_free(stream);
    }
}

static void stream_wait(struct origin_stream *stream, uint64_t in_ns)
{
    struct tern_list *head = &stream->h2->timed;
    struct tern_list *place = head;

    tern_list_remove(&stream->timed_node);
    stream->due_ns = stream->h2->server->now_ns + in_ns;
    /* As a connection's deadline: look from the end. */
    while (place->prev != head &&
           TERN_CONTAINER_OF(place->prev, struct origin_stream, timed_node)->due_ns > stream->due_ns)
        place = place->prev;
    tern_list_insert_before(place, &stream->timed_node);
}

static void stream_reset(struct origin_stream *stream, uint32_t code)
{
    origin_h2_check(stream->h2,
                    nghttp2_submit_rst_stream(stream->h2->session, NGHTTP2_FLAG_NONE, stream->id, code) == 0);
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

void origin_stream_say_early(struct origin_stream *stream, uint16_t status, const struct tern_field *field)
{
    char digits[LENGTH_DIGITS];
    nghttp2_nv nvs[2] = {nv(TERN_STR(":status"), print_number(digits, status)), nv(field->name, field->value)};

    origin_h2_check(stream->h2, nghttp2_submit_headers(stream->h2->session, NGHTTP2_FLAG_NONE, stream->id, NULL, nvs,
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

static void say_trailers(struct origin_stream *stream)
{
    nghttp2_nv nvs[NVS_MAX];
    size_t count = put_fields(nvs, &stream->response.trailers);

    origin_h2_check(stream->h2, nghttp2_submit_trailer(stream->h2->session, stream->id, nvs, count) == 0);
}

static void say_head(struct origin_stream *stream, const nghttp2_data_provider *body)
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
    origin_h2_check(stream->h2, nghttp2_submit_response(stream->h2->session, stream->id, nvs, count, body) == 0);
}

/* ---- bodies ---- */

/* How many of the body's bytes could go now, and whether they are the last. */
static uint64_t available(const struct origin_stream *stream, bool *last)
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
    struct origin_stream *stream = source->ptr;
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

int origin_stream_send_body(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t len,
                            nghttp2_data_source *source, void *user)
{
    struct origin_h2 *h2 = user;
    struct origin_stream *stream = source->ptr;
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
    origin_h2_check(h2, nghttp2_session_consume_stream(session, stream->id, len) == 0);
    return 0;
}

void origin_stream_go_on(struct origin_stream *stream)
{
    if (!stream->deferred)
        return;
    stream->deferred = false;
    origin_h2_check(stream->h2, nghttp2_session_resume_data(stream->h2->session, stream->id) == 0);
}

/* ---- responses ---- */

static void start_nothing(struct origin_stream *stream)
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
void origin_stream_share_turns(struct origin_stream *stream)
{
    static const nghttp2_extpri shared = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};

    origin_h2_check(stream->h2,
                    nghttp2_session_change_extpri_stream_priority(stream->h2->session, stream->id, &shared, 0) == 0);
}

static void start_response(struct origin_stream *stream)
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
        origin_stream_say_early(stream, response->early_status, &response->early_field);
    stream->bodyless = stream->bodyless || response->status == 204 || response->status == 304;
    stream->started_ns = stream->h2->server->now_ns;
    empty = stream->bodyless ||
            (response->body.size == 0 && response->body.kind != ORIGIN_BODY_ECHO && response->trailers.count == 0);
    if (empty && stream->request_ended && origin_ending_is_whole(response->ending))
        say_head(stream, NULL);
    else
        say_head(stream, &body);
}

void origin_stream_begin_response(struct origin_stream *stream)
{
    if (stream->response.delay_ns == 0)
        start_response(stream);
    else
        stream_wait(stream, stream->response.delay_ns);
}

void origin_streams_run_timers(struct origin_h2 *h2)
{
    while (!tern_list_is_empty(&h2->timed)) {
        struct origin_stream *stream = TERN_CONTAINER_OF(h2->timed.next, struct origin_stream, timed_node);

        if (stream->due_ns > h2->server->now_ns)
            return;
        tern_list_remove(&stream->timed_node);
        if (stream->responding)
            origin_stream_go_on(stream);
        else
            start_response(stream);
    }
}
