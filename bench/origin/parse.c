#include "bench/origin/parse.h"

#include "base/str.h"

/* llhttp's callbacks: 0 goes on. */
#define STOP (-1)

static struct origin_parser *self(llhttp_t *llhttp)
{
    return llhttp->data;
}

static int refuse(struct origin_parser *parser, uint16_t status)
{
    parser->refusal = status;
    return STOP;
}

static int take(struct origin_parser *parser, enum tern_error error, uint16_t too_long)
{
    if (error == TERN_OK)
        return 0;
    return refuse(parser, error == TERN_ELIMIT ? too_long : 500);
}

static int on_message_begin(llhttp_t *llhttp)
{
    struct origin_parser *parser = self(llhttp);

    tern_buf_clear(&parser->target);
    tern_fields_clear(&parser->request.fields);
    parser->in_field = false;
    return 0;
}

static int on_url(llhttp_t *llhttp, const char *at, size_t len)
{
    return take(self(llhttp), tern_buf_append(&self(llhttp)->target, at, len), 414);
}

static int on_header_field(llhttp_t *llhttp, const char *at, size_t len)
{
    struct origin_parser *parser = self(llhttp);
    enum tern_error error = TERN_OK;

    if (!parser->in_field)
        error = tern_fields_begin(&parser->request.fields);
    if (error == TERN_OK) {
        parser->in_field = true;
        error = tern_fields_name_append(&parser->request.fields, (struct tern_str){at, len});
    }
    return take(parser, error, 431);
}

static int on_header_value(llhttp_t *llhttp, const char *at, size_t len)
{
    return take(self(llhttp), tern_fields_value_append(&self(llhttp)->request.fields, (struct tern_str){at, len}), 431);
}

static int on_header_value_complete(llhttp_t *llhttp)
{
    tern_fields_end(&self(llhttp)->request.fields);
    self(llhttp)->in_field = false;
    return 0;
}

bool origin_request_set_target(struct origin_request *request, struct tern_str target)
{
    size_t query;

    if (target.len > 7 && memcmp(target.ptr, "http", 4) == 0) {
        size_t authority = target.ptr[4] == 's' ? 8 : 7;

        target = tern_str_from(target, authority < target.len ? authority : target.len);
        target = tern_str_from(target, tern_str_find(target, '/'));
        if (target.len == 0)
            target = TERN_STR("/");
    }
    query = tern_str_find(target, '?');
    request->path = tern_str_n(target.ptr, query);
    request->query = query < target.len ? tern_str_from(target, query + 1) : TERN_STR("");
    return (target.len != 0 && target.ptr[0] == '/') || tern_str_eq(target, TERN_STR("*"));
}

static int on_headers_complete(llhttp_t *llhttp)
{
    struct origin_parser *parser = self(llhttp);
    struct origin_request *request = &parser->request;
    struct tern_fields *fields = &request->fields;
    uint32_t host = tern_fields_find(fields, TERN_STR("Host"), 0);

    if (llhttp->http_major != 1 || llhttp->http_minor > 1)
        return refuse(parser, 505);
    if (llhttp->method == HTTP_CONNECT)
        return refuse(parser, 501);
    llhttp->upgrade = 0; /* A server may ignore Upgrade (RFC 9110 7.8). */
    parser->http_1_0 = llhttp->http_minor == 0;

    /* RFC 9112 3.2: a 1.1 request without Host, or any with two, is answered with 400. */
    if (host == fields->count ? !parser->http_1_0
                              : tern_fields_find(fields, TERN_STR("Host"), host + 1) != fields->count)
        return refuse(parser, 400);
    if (!origin_request_set_target(request, tern_buf_view(&parser->target)))
        return refuse(parser, 400);

    request->protocol = parser->http_1_0 ? TERN_STR("HTTP/1.0") : TERN_STR("HTTP/1.1");
    request->method = tern_str(llhttp_method_name((llhttp_method_t)llhttp->method));
    request->length = 0;
    if ((llhttp->flags & F_CHUNKED) != 0)
        request->length = ORIGIN_LENGTH_UNKNOWN;
    else if ((llhttp->flags & F_CONTENT_LENGTH) != 0)
        request->length = llhttp->content_length;
    parser->expects = !parser->http_1_0 && request->length != 0 &&
                      tern_str_ieq(tern_fields_value(fields, TERN_STR("Expect")), TERN_STR("100-continue"));
    parser->persist = llhttp_should_keep_alive(llhttp) != 0;
    parser->at_head = true;
    return HPE_PAUSED; /* Whoever feeds may want to wait here. */
}

static int on_body_bytes(llhttp_t *llhttp, const char *at, size_t len)
{
    self(llhttp)->on_body(self(llhttp)->user, (struct tern_str){at, len});
    return 0;
}

static int on_message_complete(llhttp_t *llhttp)
{
    (void)llhttp;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body_bytes,
    .on_message_complete = on_message_complete,
};

void origin_parser_init(struct origin_parser *parser, void (*on_body)(void *user, struct tern_str bytes), void *user)
{
    *parser = (struct origin_parser){.on_body = on_body, .user = user};
    llhttp_init(&parser->llhttp, HTTP_REQUEST, &settings);
    parser->llhttp.data = parser;
    tern_buf_init(&parser->target, ORIGIN_TARGET_MAX);
    tern_fields_init(&parser->request.fields, ORIGIN_HEAD_FIELDS_MAX, ORIGIN_HEAD_MAX);
}

void origin_parser_deinit(struct origin_parser *parser)
{
    tern_buf_deinit(&parser->target);
    tern_fields_deinit(&parser->request.fields);
}

enum origin_parsed origin_parser_feed(struct origin_parser *parser, struct tern_str bytes, size_t *used)
{
    llhttp_errno_t error;

    parser->at_head = false;
    error = llhttp_execute(&parser->llhttp, bytes.ptr, bytes.len);
    *used = bytes.len;
    if (error == HPE_OK)
        return ORIGIN_PARSED_MORE;
    if (error == HPE_PAUSED) {
        *used = (size_t)(llhttp_get_error_pos(&parser->llhttp) - bytes.ptr);
        llhttp_resume(&parser->llhttp);
        return parser->at_head ? ORIGIN_PARSED_HEAD : ORIGIN_PARSED_END;
    }
    if (parser->refusal == 0)
        parser->refusal = error == HPE_INVALID_METHOD ? 501 : 400;
    return ORIGIN_PARSED_BAD;
}
