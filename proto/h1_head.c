#include "proto/h1_head.h"

#include "base/num.h"
#include "base/str.h"

enum tern_error tern_h1_status_parse(struct tern_str line, uint16_t *status, enum tern_http_version *version,
                                     struct tern_str *reason, const char **why)
{
    const char *p = line.ptr;

    if (line.len < 8 || memcmp(p, "HTTP/1.", 7) != 0 || (p[7] != '0' && p[7] != '1')) {
        *why = "begins with neither HTTP/1.1 nor HTTP/1.0";
        return TERN_EPROTO_VERSION;
    }
    *version = p[7] == '1' ? TERN_HTTP_1_1 : TERN_HTTP_1_0;
    /* RFC 9110 15: three digits, 100 to 999. The blank in front of an empty reason is often left out. */
    if (line.len < 12 || p[8] != ' ' || p[9] < '1' || p[9] > '9' || !tern_ascii_is_digit(p[10]) ||
        !tern_ascii_is_digit(p[11]) || (line.len > 12 && p[12] != ' ')) {
        *why = "has no status code of 100 to 999 behind the version";
        return TERN_EPROTO;
    }
    *status = (uint16_t)((p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0'));
    *reason = tern_str_from(line, line.len > 12 ? 13 : 12);
    return TERN_OK;
}

enum tern_error tern_h1_field_parse(struct tern_str line, struct tern_str *name, struct tern_str *value,
                                    const char **why)
{
    size_t colon = tern_token_length(line);

    /* RFC 9112 5.1: no blank before the colon, which is no token either. */
    if (colon == 0 || colon == line.len || line.ptr[colon] != ':') {
        *why = tern_str_find(line, ':') == line.len ? "has no colon" : "has a field name that is not a token";
        return TERN_EPROTO;
    }
    *name = tern_str_n(line.ptr, colon);
    *value = tern_str_trim(tern_str_from(line, colon + 1));
    return TERN_OK;
}

/* The length of the plain text that data begins with, if a CRLF stands behind it and it is not empty; or 0. */
static size_t plain_length(struct tern_str data)
{
    size_t n = tern_text_length(data);

    return data.len - n >= 2 && data.ptr[n] == '\r' && data.ptr[n + 1] == '\n' ? n : 0;
}

size_t tern_h1_plain_status(struct tern_str data, uint16_t *status, enum tern_http_version *version,
                            struct tern_str *reason)
{
    size_t n = plain_length(data);
    const char *why;

    if (n == 0 || tern_h1_status_parse(tern_str_n(data.ptr, n), status, version, reason, &why) != TERN_OK)
        return 0;
    *reason = tern_str_trim(*reason);
    return n + 2;
}

size_t tern_h1_plain_field(struct tern_str data, struct tern_field *field)
{
    size_t colon = tern_token_length(data);

    if (colon == 0 || colon == data.len || data.ptr[colon] != ':')
        return 0;
    struct tern_str value = tern_str_from(data, colon + 1);
    value.len = tern_text_length(value);
    const char *end = value.ptr + value.len;
    if (data.ptr + data.len - end < 2 || end[0] != '\r' || end[1] != '\n')
        return 0;
    field->name = tern_str_n(data.ptr, colon);
    field->value = tern_str_trim(value);
    field->flags = tern_field_is_secret(field->name) ? TERN_FIELD_SECRET : 0;
    return (size_t)(end - data.ptr) + 2;
}

bool tern_h1_may_frame(struct tern_str name)
{
    switch (name.len) {
    case sizeof("Upgrade") - 1:
    case sizeof("Connection") - 1:
    case sizeof("Content-Length") - 1:
    case sizeof("Proxy-Connection") - 1:
    case sizeof("Transfer-Encoding") - 1:
        return true;
    default:
        return false;
    }
}

/* RFC 9110 7.6.1. What cannot be read closes. */
static void read_connection(struct tern_h1_framing *framing, struct tern_str value)
{
    struct tern_str option;

    while (tern_field_list_next(&value, &option))
        if (tern_str_ieq(option, TERN_STR("keep-alive")))
            framing->keep_alive = true;
        else if (tern_str_ieq(option, TERN_STR("close")) || !tern_is_token(option))
            framing->close = true;
}

/* "timeout=5, max=100": a hint without a standard, so what cannot be read is no hint. */
static uint64_t read_keep_alive(struct tern_str value)
{
    struct tern_str element;

    while (tern_field_list_next(&value, &element)) {
        uint64_t seconds;
        size_t equals = tern_str_find(element, '=');
        if (equals != element.len && tern_str_ieq(tern_str_n(element.ptr, equals), TERN_STR("timeout")) &&
            tern_u64_parse(tern_str_from(element, equals + 1), UINT64_MAX / TERN_S, &seconds))
            return seconds * TERN_S;
    }
    return 0;
}

/* RFC 9112 6.1 and 6.3. No transfer coding was asked for, so chunked alone, once, is all that can be meant; and two
 * statements of the length, even equal ones, are one too many (RFC 9110 8.6 allows to refuse them). */
enum tern_error tern_h1_framing_take(struct tern_h1_framing *framing, struct tern_str name, struct tern_str value,
                                     const char **why)
{
    if (tern_str_ieq(name, TERN_STR("Connection"))) {
        read_connection(framing, value);
    } else if (tern_str_ieq(name, TERN_STR("Keep-Alive"))) {
        framing->idle_hint_ns = read_keep_alive(value);
    } else if (tern_str_ieq(name, TERN_STR("Transfer-Encoding"))) {
        if (framing->chunked || !tern_str_ieq(value, TERN_STR("chunked"))) {
            *why = "Transfer-Encoding is not \"chunked\", once and alone";
            return TERN_EPROTO_FRAMING;
        }
        framing->chunked = true;
    } else if (tern_str_ieq(name, TERN_STR("Content-Length"))) {
        /* One below the largest number, which means "unknown" elsewhere. */
        if (framing->has_length || !tern_u64_parse(value, UINT64_MAX - 1, &framing->length)) {
            *why = "Content-Length is not one decimal number of at most 64 bits";
            return TERN_EPROTO_FRAMING;
        }
        framing->has_length = true;
    }
    if (framing->chunked && framing->has_length) {
        *why = "both Transfer-Encoding and Content-Length are there";
        return TERN_EPROTO_FRAMING;
    }
    return TERN_OK;
}

enum tern_error tern_h1_framing_decide(struct tern_h1_framing *framing, uint16_t status, enum tern_http_version version,
                                       bool head_method, const char **why)
{
    if (framing->chunked && version == TERN_HTTP_1_0) {
        *why = "HTTP/1.0 has no Transfer-Encoding"; /* RFC 9112 6.1 */
        return TERN_EPROTO_FRAMING;
    }
    /* RFC 9112 6.1, RFC 9110 8.6: these have no body and may not speak of one. A length of 0 does no harm. */
    bool bodiless = status < 200 || status == 204;
    if (bodiless && (framing->chunked || framing->length != 0)) {
        *why = status == 204 ? "a body is announced with status 204" : "a body is announced with a 1xx status";
        return TERN_EPROTO_FRAMING;
    }
    framing->none = bodiless || status == 304 || head_method;
    bool until_close = !framing->none && !framing->chunked && !framing->has_length;
    framing->persistent = !framing->close && !until_close && (version == TERN_HTTP_1_1 || framing->keep_alive);
    return TERN_OK;
}

enum tern_h1_trailer tern_h1_trailer_judge(struct tern_str name)
{
    /* Routing, authentication, and how content and connection are to be handled. */
    static const char *const dropped[] = {
        "Host",
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Upgrade",
        "Authorization",
        "Set-Cookie",
        "WWW-Authenticate",
        "Proxy-Authenticate",
        "Content-Type",
        "Content-Range",
        "Cache-Control",
        "Content-Encoding",
        "Proxy-Authorization",
        "Location",
        "Expires",
        "Date",
        "Age",
        "Vary",
        "Retry-After",
    };

    if (tern_str_ieq(name, TERN_STR("Content-Length")) || tern_str_ieq(name, TERN_STR("Transfer-Encoding")))
        return TERN_H1_TRAILER_REFUSE;
    for (size_t i = 0; i < sizeof(dropped) / sizeof(*dropped); i++)
        if (tern_str_ieq(name, tern_str(dropped[i])))
            return TERN_H1_TRAILER_DROP;
    return TERN_H1_TRAILER_KEEP;
}
