#include "proto/request.h"

#include <stdio.h>

#include "base/fault.h"
#include "base/fields.h"
#include "base/str.h"
#include "proto/h1_head.h"

static bool name_in(struct tern_str name, const struct tern_str *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (tern_str_ieq(name, names[i]))
            return true;
    return false;
}

/* RFC 3986 3.2.2 and 3.2.3: what host and port are written in, beside letters and digits. No '@': userinfo never
 * reaches the wire. */
static const bool authority_marks[256] = {
    ['-'] = 1, ['.'] = 1, ['_'] = 1, ['~'] = 1, ['%'] = 1, ['!'] = 1, ['$'] = 1, ['&'] = 1, ['\''] = 1, ['('] = 1,
    [')'] = 1, ['*'] = 1, ['+'] = 1, [','] = 1, [';'] = 1, ['='] = 1, [':'] = 1, ['['] = 1, [']'] = 1,
};

static bool authority_valid(struct tern_str authority)
{
    for (size_t i = 0; i < authority.len; i++) {
        char c = authority.ptr[i];
        if (!tern_ascii_is_alpha(c) && !tern_ascii_is_digit(c) && !authority_marks[(unsigned char)c])
            return false;
    }
    return authority.len != 0;
}

/* RFC 9110 7.6.1. Only what tern does itself may be asked for. */
static enum tern_error check_connection(struct tern_str value, enum tern_request_field *use, struct tern_fault *fault)
{
    struct tern_str option;

    *use = TERN_REQUEST_FIELD_DROP;
    while (tern_field_list_next(&value, &option)) {
        if (tern_str_ieq(option, TERN_STR("close"))) {
            *use = TERN_REQUEST_FIELD_CLOSE;
        } else if (!tern_str_ieq(option, TERN_STR("keep-alive"))) {
            char text[TERN_ESCAPE_MAX];
            return tern_fault_set(fault, TERN_EFIELD,
                                  "field Connection: \"%s\": only close and keep-alive can be asked for",
                                  tern_escape(text, sizeof(text), option));
        }
    }
    return TERN_OK;
}

enum tern_error tern_request_field_check(const struct tern_field *field, enum tern_request_field *use,
                                         struct tern_fault *fault)
{
    static const struct tern_str of_body[] = {{"Content-Length", 14}, {"Transfer-Encoding", 17}};
    static const struct tern_str of_connection[] = {
        {"Keep-Alive", 10}, {"Proxy-Connection", 16}, {"TE", 2}, {"Upgrade", 7}, {"HTTP2-Settings", 14}};
    struct tern_str name = field->name;
    enum tern_error error = tern_field_check(name, field->value, fault);

    if (error != TERN_OK)
        return error;
    *use = TERN_REQUEST_FIELD_SEND;
    /* Behind the check, so the name is a token and needs no escape. */
    if (name_in(name, of_body, sizeof(of_body) / sizeof(*of_body))) {
        return tern_fault_set(fault, TERN_EFIELD, "field %.*s: comes from the body and cannot be given",
                              TERN_ARG(name));
    }
    if (name_in(name, of_connection, sizeof(of_connection) / sizeof(*of_connection))) {
        return tern_fault_set(fault, TERN_EFIELD, "field %.*s: belongs to the connection and cannot be given",
                              TERN_ARG(name));
    }
    struct tern_str value = tern_str_trim(field->value);
    if (tern_str_ieq(name, TERN_STR("Connection")))
        return check_connection(value, use, fault);
    char text[TERN_ESCAPE_MAX];
    if (tern_str_ieq(name, TERN_STR("Host"))) {
        *use = TERN_REQUEST_FIELD_HOST;
        if (!authority_valid(value)) {
            return tern_fault_set(fault, TERN_EFIELD, "field Host: \"%s\": must be a host, and a port where needed",
                                  tern_escape(text, sizeof(text), value));
        }
    }
    if (tern_str_ieq(name, TERN_STR("Expect"))) {
        *use = TERN_REQUEST_FIELD_EXPECT;
        if (!tern_str_ieq(value, TERN_STR("100-continue"))) {
            return tern_fault_set(fault, TERN_EFIELD, "field Expect: \"%s\": only 100-continue is defined",
                                  tern_escape(text, sizeof(text), value));
        }
    }
    return TERN_OK;
}

enum tern_error tern_request_fields_check(const struct tern_field *fields, size_t count, size_t *bytes,
                                          struct tern_fault *fault)
{
    *bytes = 0;
    for (size_t i = 0; i < count; i++) {
        enum tern_request_field use;
        enum tern_error error = tern_request_field_check(&fields[i], &use, fault);
        if (error != TERN_OK)
            return error;
        if (use != TERN_REQUEST_FIELD_SEND) {
            return tern_fault_set(fault, TERN_EFIELD, "field %.*s: is not sent as it stands", TERN_ARG(fields[i].name));
        }
        *bytes += fields[i].name.len + fields[i].value.len + 4;
    }
    return TERN_OK;
}

static enum tern_error check_fields(const struct tern_outgoing *message, struct tern_fault *fault)
{
    size_t bytes = message->fields_bytes;
    enum tern_error error =
        bytes != 0 ? TERN_OK : tern_request_fields_check(message->fields, message->field_count, &bytes, fault);

    if (error != TERN_OK)
        return error;
    /* Room for the request line's own bytes and the fields that the writer adds. */
    bytes += message->method.len + message->target.len + message->authority.len + 256;
    if (bytes > TERN_REQUEST_HEAD_BYTES_MAX) {
        return tern_fault_set(fault, TERN_EFIELD, "request head: about %zu bytes, more than %u", bytes,
                              TERN_REQUEST_HEAD_BYTES_MAX);
    }
    return TERN_OK;
}

enum tern_error tern_request_check(const struct tern_outgoing *message, struct tern_fault *fault)
{
    char text[TERN_ESCAPE_MAX];
    struct tern_str target = message->target;

    if (!tern_is_token(message->method)) {
        return tern_fault_set(fault, TERN_EINVAL, "method \"%s\": must be a token (RFC 9110 5.6.2)",
                              tern_escape(text, sizeof(text), message->method));
    }
    if (tern_str_eq(message->method, TERN_STR("CONNECT")))
        return tern_fault_set(fault, TERN_EINVAL, "method \"CONNECT\": asks for a tunnel, which a call cannot use");
    bool asterisk = tern_str_eq(target, TERN_STR("*")) && tern_str_eq(message->method, TERN_STR("OPTIONS"));
    if (!tern_target_valid(target) || (target.ptr[0] != '/' && !asterisk) || tern_str_find(target, '#') != target.len) {
        return tern_fault_set(
            fault, TERN_EURL,
            "request target \"%s\": must begin with / and hold visible ASCII without # (RFC 9112 3.2.1)",
            tern_escape(text, sizeof(text), target));
    }
    if (!authority_valid(message->authority)) {
        return tern_fault_set(fault, TERN_EURL,
                              "authority \"%s\": must be a host, and a port where needed (RFC 3986 3.2)",
                              tern_escape(text, sizeof(text), message->authority));
    }
    return check_fields(message, fault);
}

static enum tern_error write_field(struct tern_buf *out, struct tern_str name, struct tern_str value)
{
    size_t len = name.len + value.len + 4;
    enum tern_error error = tern_buf_reserve(out, len);

    if (error != TERN_OK)
        return error;
    char *at = tern_buf_tail(out);
    memcpy(at, name.ptr, name.len);
    at += name.len;
    *at++ = ':';
    *at++ = ' ';
    if (value.len != 0)
        memcpy(at, value.ptr, value.len);
    at[value.len] = '\r';
    at[value.len + 1] = '\n';
    tern_buf_commit(out, len);
    return TERN_OK;
}

/* RFC 9110 8.6: where a method has a meaning for a body, that there is none is said. */
static bool method_expects_body(struct tern_str method)
{
    return tern_str_eq(method, TERN_STR("POST")) || tern_str_eq(method, TERN_STR("PUT")) ||
           tern_str_eq(method, TERN_STR("PATCH"));
}

static enum tern_error write_framing(struct tern_buf *out, const struct tern_outgoing *message)
{
    if (tern_request_is_chunked(message))
        return write_field(out, TERN_STR("Transfer-Encoding"), TERN_STR("chunked"));
    if (message->body != NULL || method_expects_body(message->method)) {
        char digits[24];
        uint64_t length = message->body != NULL ? message->body_length : 0;
        int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)length);
        return write_field(out, TERN_STR("Content-Length"), tern_str_n(digits, (size_t)n));
    }
    return TERN_OK;
}

static enum tern_error write_line(struct tern_buf *out, const struct tern_outgoing *message)
{
    static const char version[] = " HTTP/1.1\r\n";
    enum tern_error error = tern_buf_reserve(out, message->method.len + message->target.len + sizeof(version));

    if (error == TERN_OK)
        error = tern_buf_append_str(out, message->method);
    if (error == TERN_OK)
        error = tern_buf_append_byte(out, ' ');
    if (error == TERN_OK)
        error = tern_buf_append_str(out, message->target);
    return error == TERN_OK ? tern_buf_append(out, version, sizeof(version) - 1) : error;
}

enum tern_error tern_request_head_write(struct tern_buf *out, const struct tern_outgoing *message,
                                        enum tern_request_form form)
{
    enum tern_error error = write_line(out, message);

    if (error == TERN_OK)
        error = write_field(out, TERN_STR("Host"), message->authority);
    for (size_t i = 0; i < message->field_count && error == TERN_OK; i++) {
        const struct tern_field *field = &message->fields[i];
        bool hide = form == TERN_REQUEST_TRACE && (field->flags & TERN_FIELD_SECRET) != 0;
        if (tern_request_replaces(message, field))
            continue;
        error = write_field(out, field->name, hide ? TERN_STR("[secret]") : tern_str_trim(field->value));
    }
    if (error == TERN_OK && message->priority.len != 0)
        error = write_field(out, TERN_STR("Priority"), message->priority);
    if (error == TERN_OK)
        error = write_framing(out, message);
    /* RFC 9110 10.1.1: no expectation without content. */
    if (error == TERN_OK && message->expect_continue && tern_request_has_body(message))
        error = write_field(out, TERN_STR("Expect"), TERN_STR("100-continue"));
    if (error == TERN_OK && message->close)
        error = write_field(out, TERN_STR("Connection"), TERN_STR("close"));
    return error == TERN_OK ? tern_buf_append(out, "\r\n", 2) : error;
}

enum tern_error tern_request_trailers_check(const struct tern_outgoing *message, struct tern_fault *fault)
{
    size_t bytes = 0;

    for (size_t i = 0; i < message->trailer_count; i++) {
        const struct tern_field *field = &message->trailers[i];
        enum tern_request_field use;
        enum tern_error error = tern_request_field_check(field, &use, fault);
        if (error != TERN_OK)
            return error;
        if (use != TERN_REQUEST_FIELD_SEND || tern_h1_trailer_judge(field->name) != TERN_H1_TRAILER_KEEP)
            return tern_fault_set(fault, TERN_EFIELD, "trailer %.*s: cannot stand behind a body (RFC 9110 6.5.1)",
                                  TERN_ARG(field->name));
        bytes += field->name.len + field->value.len + 4;
    }
    if (bytes > TERN_REQUEST_HEAD_BYTES_MAX)
        return tern_fault_set(fault, TERN_EFIELD, "trailers: %zu bytes, more than %u", bytes,
                              TERN_REQUEST_HEAD_BYTES_MAX);
    return TERN_OK;
}

enum tern_error tern_request_trailers_write(struct tern_buf *out, const struct tern_outgoing *message)
{
    enum tern_error error = TERN_OK;

    for (size_t i = 0; i < message->trailer_count && error == TERN_OK; i++)
        error = write_field(out, message->trailers[i].name, tern_str_trim(message->trailers[i].value));
    return error == TERN_OK ? tern_buf_append(out, "\r\n", 2) : error;
}
