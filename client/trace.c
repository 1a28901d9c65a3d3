#include "client/trace.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/fault.h"
#include "base/str.h"
#include "proto/request.h"

#define LINE_BYTES_MAX 8192

void tern_call_tell(struct tern_call *call, enum tern_trace_kind kind, struct tern_str text)
{
    if (call->handlers.on_trace != NULL && call->state < TERN_CALL_ENDING)
        call->handlers.on_trace(call->user, call->id, kind, text);
}

void tern_call_trace(struct tern_call *call, const char *format, ...)
{
    char line[512];
    va_list args;
    int len;

    if (call->handlers.on_trace == NULL)
        return;
    va_start(args, format);
    len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (len > 0)
        tern_call_tell(call, TERN_TRACE_INFO, tern_str(line));
}

void tern_call_trace_request(struct tern_call *call)
{
    struct tern_buf text;
    struct tern_str rest;

    tern_buf_init(&text, TERN_REQUEST_HEAD_BYTES_MAX + 1024);
    if (tern_request_head_write(&text, &call->exchange.outgoing, TERN_REQUEST_TRACE) == TERN_OK) {
        rest = tern_str_n(text.data + text.head, text.len);
        while (rest.len > 0) {
            size_t end = tern_str_find(rest, '\r');

            tern_call_tell(call, TERN_TRACE_SENT_LINE, tern_str_n(rest.ptr, end));
            rest = tern_str_from(rest, end + 2 <= rest.len ? end + 2 : rest.len);
        }
    }
    tern_buf_deinit(&text);
}

static void received(struct tern_call *call, const char *line)
{
    tern_call_tell(call, TERN_TRACE_RECEIVED_LINE, tern_str(line));
}

void tern_call_trace_head(struct tern_call *call, const struct tern_head *head)
{
    char line[LINE_BYTES_MAX], name[256], value[LINE_BYTES_MAX - 512];

    if (head->version == TERN_HTTP_2)
        snprintf(line, sizeof(line), "HTTP/2 %u", head->status);
    else
        snprintf(line, sizeof(line), "HTTP/1.%d %u %s", (int)head->version % 10, head->status,
                 tern_escape(value, sizeof(value), head->reason));
    received(call, line);
    for (size_t i = 0; i < head->field_count; i++) {
        const struct tern_field *field = &head->fields[i];
        bool is_secret = tern_str_ieq(field->name, TERN_STR("Set-Cookie"));

        snprintf(line, sizeof(line), "%s: %s", tern_escape(name, sizeof(name), field->name),
                 is_secret ? "[secret]" : tern_escape(value, sizeof(value), field->value));
        received(call, line);
    }
    received(call, "");
}
