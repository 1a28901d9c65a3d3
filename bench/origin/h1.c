#include "bench/origin/h1.h"

#include "base/str.h"

/* Room for everything but the fields: status line, Date, framing, Connection. */
#define HEAD_REST_MAX 256

static struct tern_str reason(uint16_t status)
{
    switch (status) {
    case 100:
        return TERN_STR("Continue");
    case 103:
        return TERN_STR("Early Hints");
    case 200:
        return TERN_STR("OK");
    case 204:
        return TERN_STR("No Content");
    case 302:
        return TERN_STR("Found");
    case 304:
        return TERN_STR("Not Modified");
    case 400:
        return TERN_STR("Bad Request");
    case 401:
        return TERN_STR("Unauthorized");
    case 404:
        return TERN_STR("Not Found");
    case 413:
        return TERN_STR("Content Too Large");
    case 414:
        return TERN_STR("URI Too Long");
    case 417:
        return TERN_STR("Expectation Failed");
    case 431:
        return TERN_STR("Request Header Fields Too Large");
    case 500:
        return TERN_STR("Internal Server Error");
    case 501:
        return TERN_STR("Not Implemented");
    case 503:
        return TERN_STR("Service Unavailable");
    case 505:
        return TERN_STR("HTTP Version Not Supported");
    default:
        return TERN_STR(""); /* RFC 9112 4: it may be empty */
    }
}

/* The writers below append where room has been made before: no check for each piece, and no printf on the hot path. */
static char *put(char *to, struct tern_str s)
{
    if (s.len != 0)
        memcpy(to, s.ptr, s.len);
    return to + s.len;
}

static char *put_number(char *to, uint64_t n)
{
    char digits[20];
    size_t i = sizeof(digits);

    do
        digits[--i] = (char)('0' + n % 10);
    while ((n /= 10) != 0);
    return put(to, tern_str_n(digits + i, sizeof(digits) - i));
}

static char *put_field(char *to, struct tern_field field)
{
    to = put(to, field.name);
    to = put(to, TERN_STR(": "));
    to = put(to, field.value);
    return put(to, TERN_STR("\r\n"));
}

static char *put_fields(char *to, const struct tern_fields *fields)
{
    for (uint32_t i = 0; i < fields->count; i++)
        to = put_field(to, tern_fields_at(fields, i));
    return to;
}

static size_t fields_size(const struct tern_fields *fields)
{
    return fields->bytes.len + fields->count * sizeof(": \r\n");
}

static char *put_status_line(char *to, uint16_t status)
{
    to = put(to, TERN_STR("HTTP/1.1 "));
    to = put_number(to, status);
    *to++ = ' ';
    to = put(to, reason(status));
    return put(to, TERN_STR("\r\n"));
}

static void commit(struct tern_buf *out, const char *end)
{
    tern_buf_commit(out, (size_t)(end - tern_buf_tail(out)));
}

enum origin_framing origin_h1_framing(const struct origin_response *response, const struct origin_h1_context *context)
{
    if (context->head_only || response->status == 204 || response->status == 304)
        return ORIGIN_FRAMING_NONE;
    if (response->announced != ORIGIN_LENGTH_UNKNOWN)
        return ORIGIN_FRAMING_LENGTH;
    return context->http_1_0 || response->ending == ORIGIN_END_CLOSE ? ORIGIN_FRAMING_CLOSE : ORIGIN_FRAMING_CHUNKED;
}

enum tern_error origin_h1_write_early(struct tern_buf *out, uint16_t status, const struct tern_field *field)
{
    enum tern_error error = tern_buf_reserve(out, HEAD_REST_MAX + field->name.len + field->value.len);
    char *to;

    if (error != TERN_OK)
        return error;
    to = put_status_line(tern_buf_tail(out), status);
    if (field->name.len != 0)
        to = put_field(to, *field);
    commit(out, put(to, TERN_STR("\r\n")));
    return TERN_OK;
}

enum tern_error origin_h1_write_head(struct tern_buf *out, const struct origin_response *response,
                                     const struct origin_h1_context *context)
{
    enum tern_error error = tern_buf_reserve(out, HEAD_REST_MAX + fields_size(&response->fields));
    char *to;

    if (error != TERN_OK)
        return error;
    to = put_status_line(tern_buf_tail(out), response->status);
    to = put_field(to, (struct tern_field){TERN_STR("Date"), context->date, 0});
    to = put_fields(to, &response->fields);
    /* RFC 9110 8.6: none with 204, and with 304 only the one a 200 would have had. */
    if (response->status != 204 && response->status != 304) {
        if (response->announced != ORIGIN_LENGTH_UNKNOWN) {
            to = put(to, TERN_STR("Content-Length: "));
            to = put_number(to, response->announced);
            to = put(to, TERN_STR("\r\n"));
        } else if (!context->http_1_0 && response->ending != ORIGIN_END_CLOSE) {
            to = put(to, TERN_STR("Transfer-Encoding: chunked\r\n"));
        }
    }
    if (context->closes)
        to = put(to, TERN_STR("Connection: close\r\n"));
    else if (context->http_1_0)
        to = put(to, TERN_STR("Connection: keep-alive\r\n"));
    commit(out, put(to, TERN_STR("\r\n")));
    return TERN_OK;
}

enum tern_error origin_h1_write_body(struct tern_buf *out, enum origin_framing framing, struct tern_str bytes)
{
    enum tern_error error;

    if (framing != ORIGIN_FRAMING_CHUNKED)
        return framing == ORIGIN_FRAMING_NONE ? TERN_OK : tern_buf_append_str(out, bytes);
    error = tern_buf_printf(out, "%zx\r\n", bytes.len);
    if (error == TERN_OK)
        error = tern_buf_append_str(out, bytes);
    return error != TERN_OK ? error : tern_buf_append_str(out, TERN_STR("\r\n"));
}

enum tern_error origin_h1_write_end(struct tern_buf *out, enum origin_framing framing,
                                    const struct tern_fields *trailers)
{
    enum tern_error error;
    char *to;

    if (framing != ORIGIN_FRAMING_CHUNKED)
        return TERN_OK;
    error = tern_buf_reserve(out, HEAD_REST_MAX + fields_size(trailers));
    if (error != TERN_OK)
        return error;
    to = put(tern_buf_tail(out), TERN_STR("0\r\n"));
    to = put_fields(to, trailers);
    commit(out, put(to, TERN_STR("\r\n")));
    return TERN_OK;
}
