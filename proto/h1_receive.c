#include <stdarg.h>
#include <stdio.h>

#include "base/str.h"
#include "proto/h1_head.h"
#include "proto/h1_internal.h"

/* ---- faults ---- */

static enum tern_error fail_line(struct tern_h1 *h1, enum tern_error error, const char *format, ...) TERN_PRINTF(3, 4);

/* "response head, line 3: has no colon" */
static enum tern_error fail_line(struct tern_h1 *h1, enum tern_error error, const char *format, ...)
{
    static const char *const where[TERN_H1_RECEIVE_COUNT] = {
        [TERN_H1_RECEIVE_STATUS] = "head",
        [TERN_H1_RECEIVE_FIELDS] = "head",
        [TERN_H1_RECEIVE_CHUNK_LINE] = "chunk size",
        [TERN_H1_RECEIVE_TRAILERS] = "trailers",
    };
    char text[TERN_FAULT_TEXT_MAX];
    struct tern_fault fault;
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    tern_fault_set(&fault, error, "response %s, line %u: %s", where[h1->receive], h1->scratch->line_number, text);
    return tern_h1_fail(h1, &fault);
}

static enum tern_error fail_memory(struct tern_h1 *h1)
{
    struct tern_fault fault;

    tern_fault_plain(&fault, TERN_ENOMEM);
    return tern_h1_fail(h1, &fault);
}

/* Feeds llhttp a line that tern has found good, and the CRLF that stands behind the view. *ended: the message has. */
static enum tern_error parse_line(struct tern_h1 *h1, struct tern_str line, bool *ended)
{
    size_t used;

    if (!tern_h1_parser_feed(h1, line.ptr, line.len + 2, &used, ended) || used != line.len + 2) {
        const char *reason = llhttp_get_error_reason(&h1->scratch->parser);
        return fail_line(h1, TERN_EPROTO, "%s", reason != NULL ? reason : "ends too early");
    }
    return TERN_OK;
}

/* ---- lines ---- */

static void next_line(struct tern_h1 *h1)
{
    tern_buf_clear(&h1->scratch->line);
    h1->scratch->line_whole = false;
    h1->scratch->fold_at = 0;
    h1->scratch->line_bytes = 0;
    h1->scratch->line_number++;
}

/* A head, the lines of chunk sizes, or trailers. */
static void begin_lines(struct tern_h1 *h1, enum tern_h1_receive state)
{
    tern_h1_set_receive(h1, state);
    h1->scratch->line_number = 0;
    h1->scratch->head_bytes = 0;
    next_line(h1);
    tern_fields_clear(&h1->scratch->fields);
}

void tern_h1_receive_begin(struct tern_h1 *h1)
{
    begin_lines(h1, TERN_H1_RECEIVE_STATUS);
    tern_h1_parser_init(h1);
}

static enum tern_error status_line(struct tern_h1 *h1, struct tern_str line)
{
    const char *why;
    struct tern_str reason;
    bool ended;
    enum tern_error error = tern_h1_status_parse(line, &h1->scratch->status, &h1->scratch->version, &reason, &why);

    if (error != TERN_OK)
        return fail_line(h1, error, "%s", why);
    if (h1->scratch->status == 101)
        return fail_line(h1, TERN_EPROTO, "101 (Switching Protocols) was not asked for");
    if (h1->scratch->status < 200 && ++h1->scratch->informational > h1->limits.informational_max) {
        return fail_line(h1, TERN_EHEAD_MAX, "more 1xx responses than informational_max %u",
                         h1->limits.informational_max);
    }
    if (tern_fields_add(&h1->scratch->fields, TERN_STR(""), reason, 0) != TERN_OK)
        return fail_memory(h1);
    error = parse_line(h1, line, &ended);
    if (error != TERN_OK)
        return error;
    next_line(h1);
    h1->scratch->framing = (struct tern_h1_framing){0};
    tern_h1_set_receive(h1, TERN_H1_RECEIVE_FIELDS);
    return TERN_OK;
}

/* A field line that the next one does not continue. */
static enum tern_error field_line(struct tern_h1 *h1, struct tern_str line)
{
    struct tern_fields *fields = &h1->scratch->fields;
    enum tern_h1_trailer trailer = TERN_H1_TRAILER_KEEP;
    struct tern_str name;
    struct tern_str value;
    const char *why;
    bool ended;
    enum tern_error error = tern_h1_field_parse(line, &name, &value, &why);

    if (error != TERN_OK)
        return fail_line(h1, error, "%s", why);
    if (h1->receive == TERN_H1_RECEIVE_TRAILERS) {
        trailer = tern_h1_trailer_judge(name);
    } else {
        error = tern_h1_framing_take(&h1->scratch->framing, name, value, &why);
        if (error != TERN_OK)
            return fail_line(h1, error, "%s", why);
    }
    if (trailer == TERN_H1_TRAILER_REFUSE)
        return fail_line(h1, TERN_EPROTO_FRAMING, "%.*s cannot stand in trailers", TERN_ARG(name));
    uint32_t nameless = h1->receive == TERN_H1_RECEIVE_FIELDS ? 1 : 0;
    if (fields->count - nameless >= h1->limits.head_fields_max)
        return fail_line(h1, TERN_EHEAD_MAX, "more fields than head_fields_max %u", h1->limits.head_fields_max);
    if (trailer == TERN_H1_TRAILER_KEEP && tern_fields_add(fields, name, value, 0) != TERN_OK)
        return fail_memory(h1);
    error = parse_line(h1, line, &ended);
    if (error == TERN_OK)
        next_line(h1);
    return error;
}

static enum tern_error chunk_line(struct tern_h1 *h1, struct tern_str line)
{
    bool ended;
    enum tern_error error = parse_line(h1, line, &ended);

    if (error != TERN_OK)
        return error;
    /* llhttp has left the chunk's size here. */
    if (h1->scratch->parser.content_length == 0) {
        begin_lines(h1, TERN_H1_RECEIVE_TRAILERS);
    } else {
        next_line(h1);
        tern_h1_set_receive(h1, TERN_H1_RECEIVE_CHUNK_DATA);
    }
    return TERN_OK;
}

static enum tern_error trailers_end(struct tern_h1 *h1, struct tern_str line)
{
    struct tern_stream *stream = h1->stream;
    struct tern_fields *fields = &h1->scratch->fields;
    bool ended;
    enum tern_error error = parse_line(h1, line, &ended);

    if (error != TERN_OK)
        return error;
    if (!ended)
        return fail_line(h1, TERN_EPROTO, "the end cannot be told");
    tern_h1_set_receive(h1, TERN_H1_RECEIVE_DONE);
    if (fields->count != 0)
        stream->events->on_trailers(stream, tern_fields_view(fields), fields->count);
    return TERN_OK;
}

static enum tern_error informational_head(struct tern_h1 *h1, const struct tern_head *head)
{
    struct tern_stream *stream = h1->stream;

    stream->events->on_informational(stream, head);
    if (h1->stream == NULL)
        return TERN_OK;
    if (head->status == 100)
        tern_h1_lift_hold(h1);
    tern_h1_receive_begin(h1);
    return TERN_OK;
}

/* RFC 9112 9.5: an answer that does not want the body ends the upload. One that may is read while the upload goes on,
 * since some servers answer as they read. */
static void judge_upload(struct tern_h1 *h1)
{
    if (h1->send != TERN_H1_SEND_DONE && (h1->scratch->hold || h1->scratch->status >= 300)) {
        tern_h1_set_send(h1, TERN_H1_SEND_STOPPED);
        tern_h1_set_state(h1, TERN_CODEC_DRAIN);
    }
}

/* Both readers have agreed on the head. ended: nothing stands behind it. */
static void take_head(struct tern_h1 *h1, const struct tern_head *head, bool ended)
{
    struct tern_stream *stream = h1->stream;
    const struct tern_h1_framing *framing = &h1->scratch->framing;

    h1->idle_hint_ns = framing->idle_hint_ns;
    if (!framing->persistent)
        tern_h1_set_state(h1, TERN_CODEC_DRAIN);
    judge_upload(h1);
    tern_h1_set_receive(h1, ended              ? TERN_H1_RECEIVE_DONE
                            : framing->chunked ? TERN_H1_RECEIVE_CHUNK_LINE
                                               : TERN_H1_RECEIVE_BODY);
    h1->scratch->line_number = 0;
    next_line(h1);
    stream->events->on_head(stream, head);
}

/* Whether llhttp ended the message with its head where tern does. */
static bool ends_alike(const struct tern_h1_framing *framing, bool ended)
{
    return ended == (framing->none || (framing->has_length && framing->length == 0));
}

static enum tern_error decide_framing(struct tern_h1 *h1, const char **why)
{
    bool head_method = tern_str_eq(h1->stream->message->method, TERN_STR("HEAD"));

    return tern_h1_framing_decide(&h1->scratch->framing, h1->scratch->status, h1->scratch->version, head_method, why);
}

static enum tern_error head_end(struct tern_h1 *h1, struct tern_str line)
{
    struct tern_fields *fields = &h1->scratch->fields;
    const struct tern_field *view = tern_fields_view(fields);
    const char *why;
    bool ended;
    enum tern_error error = decide_framing(h1, &why);

    if (error != TERN_OK)
        return fail_line(h1, error, "%s", why);
    error = parse_line(h1, line, &ended);
    if (error != TERN_OK)
        return error;
    if (!ends_alike(&h1->scratch->framing, ended))
        return fail_line(h1, TERN_EPROTO_FRAMING, "cannot be read in one way only");
    struct tern_head head = {.status = h1->scratch->status,
                             .version = h1->scratch->version,
                             .reason = view[0].value,
                             .fields = view + 1,
                             .field_count = fields->count - 1};
    if (head.status < 200)
        return informational_head(h1, &head);
    take_head(h1, &head, ended);
    return TERN_OK;
}

/* ---- heads that came whole ---- */

/* llhttp's opinion of a plain head: of its status line, its end, and the lines that by the length of their names might
 * frame. No other plain line can change what it thinks. */
static bool parser_agrees(struct tern_h1 *h1, struct tern_str head, const struct tern_field *fields, size_t count,
                          bool *ended)
{
    const char *from = head.ptr, *end = head.ptr + head.len;
    size_t used;

    for (size_t i = 0; i < count; i++) {
        const char *line = fields[i].name.ptr;
        if (tern_h1_may_frame(fields[i].name))
            continue;
        if (from != line && (!tern_h1_parser_feed(h1, from, (size_t)(line - from), &used, ended) || *ended))
            return false;
        from = i + 1 < count ? fields[i + 1].name.ptr : end - 2;
    }
    return tern_h1_parser_feed(h1, from, (size_t)(end - from), &used, ended) && used == (size_t)(end - from) &&
           ends_alike(&h1->scratch->framing, *ended);
}

/* Reads the plain lines of a head where they stand. Returns the head's length with its empty line; 0: it is not whole,
 * not plain, above a limit, or wrong. */
static size_t scan_head(struct tern_h1 *h1, struct tern_str data, struct tern_str *reason, struct tern_field *fields,
                        size_t *count)
{
    struct tern_h1_scratch *scratch = h1->scratch;
    size_t line_max = h1->limits.head_line_bytes_max, fields_max = h1->limits.head_fields_max;
    size_t n = tern_h1_plain_status(data, &scratch->status, &scratch->version, reason), at = n;
    const char *why;

    if (fields_max > TERN_H1_PLAIN_FIELDS_MAX)
        fields_max = TERN_H1_PLAIN_FIELDS_MAX;
    scratch->framing = (struct tern_h1_framing){0};
    for (*count = 0; n != 0 && n <= line_max; at += n) {
        struct tern_str rest = tern_str_from(data, at);
        struct tern_field *field = &fields[*count];
        if (rest.len >= 2 && rest.ptr[0] == '\r' && rest.ptr[1] == '\n')
            return at + 2 <= h1->limits.head_bytes_max ? at + 2 : 0;
        if (*count == fields_max)
            return 0;
        n = tern_h1_plain_field(rest, field);
        if (n != 0 && tern_h1_framing_take(&scratch->framing, field->name, field->value, &why) != TERN_OK)
            return 0;
        ++*count;
    }
    return 0;
}

/* Nearly every head comes in one piece and is plain: such a one is shown as it lies there. Whatever is not so is left
 * to the reader of lines, which knows what is wrong with it: then nothing has happened, and this returns 0. */
static size_t take_whole_head(struct tern_h1 *h1, const char *data, size_t len)
{
    struct tern_field fields[TERN_H1_PLAIN_FIELDS_MAX];
    struct tern_head head = {.fields = fields};
    const char *why;
    bool ended;
    size_t n = scan_head(h1, tern_str_n(data, len), &head.reason, fields, &head.field_count);

    if (n == 0 || h1->scratch->status < 200 || decide_framing(h1, &why) != TERN_OK)
        return 0;
    if (!parser_agrees(h1, tern_str_n(data, n), fields, head.field_count, &ended)) {
        tern_h1_parser_init(h1);
        return 0;
    }
    head.status = h1->scratch->status;
    head.version = h1->scratch->version;
    h1->stream->received_head_bytes += n;
    tern_h1_set_receive(h1, TERN_H1_RECEIVE_FIELDS);
    take_head(h1, &head, ended);
    return n;
}

/* ---- line by line ---- */

/* A line, or what there is of it with its folds, has come to its LF. A field is whole then, but waits for the byte
 * behind it, which may continue it. */
static enum tern_error line_end(struct tern_h1 *h1, struct tern_str line)
{
    /* RFC 9112 2.2 allows to take a bare LF for an end of line; it is what response splitting is made of. */
    if (line.len < 2 || line.ptr[line.len - 2] != '\r')
        return fail_line(h1, TERN_EPROTO, "ends in a bare LF");
    line.len -= 2;
    /* What stands before a fold was looked at before it: with each fold all of the line again would be quadratic. */
    if (!tern_field_value_valid(tern_str_trim(tern_str_from(line, h1->scratch->fold_at))))
        return fail_line(h1, TERN_EPROTO, "holds a control character");
    if (h1->receive == TERN_H1_RECEIVE_STATUS)
        return status_line(h1, line);
    if (h1->receive == TERN_H1_RECEIVE_CHUNK_LINE)
        return chunk_line(h1, line);
    if (line.len == 0)
        return h1->receive == TERN_H1_RECEIVE_FIELDS ? head_end(h1, line) : trailers_end(h1, line);
    if (tern_ascii_is_blank(line.ptr[0]))
        return fail_line(h1, TERN_EPROTO, "continues a field, but there is none");
    h1->scratch->line_whole = true;
    return TERN_OK;
}

/* RFC 9112 5.2: the line's end and the blanks around it become one space. */
static void fold(struct tern_buf *buf, size_t at)
{
    char *line = buf->data + buf->head;
    size_t to = at;

    while (to < buf->len && tern_ascii_is_blank(line[to]))
        to++;
    line[at] = ' ';
    memmove(line + at + 1, line + to, buf->len - to + 2); /* with the CRLF behind it */
    tern_buf_truncate(buf, to - at - 1);
}

/* The line in the buffer has come to its LF. */
static enum tern_error kept_line(struct tern_h1 *h1)
{
    struct tern_buf *buf = &h1->scratch->line;
    enum tern_error error = line_end(h1, tern_buf_view(buf));

    if (error != TERN_OK || !h1->scratch->line_whole)
        return error;
    tern_buf_truncate(buf, 2); /* out of sight, but still behind it */
    if (h1->scratch->fold_at != 0)
        fold(buf, h1->scratch->fold_at);
    return TERN_OK;
}

/* Counts n more bytes of the line against the caps. Which cap is named does not depend on how the bytes were split. */
static enum tern_error count_line(struct tern_h1 *h1, size_t n)
{
    if (h1->receive == TERN_H1_RECEIVE_CHUNK_LINE) {
        if (n > TERN_H1_CHUNK_LINE_BYTES_MAX - h1->scratch->line_bytes)
            return fail_line(h1, TERN_EPROTO, "longer than %u bytes", TERN_H1_CHUNK_LINE_BYTES_MAX);
        h1->scratch->line_bytes += (uint32_t)n;
        return TERN_OK;
    }
    size_t line_room = h1->limits.head_line_bytes_max - h1->scratch->line_bytes;
    size_t head_room = h1->limits.head_bytes_max - h1->scratch->head_bytes;
    h1->stream->received_head_bytes += n;
    if (n > line_room && line_room <= head_room)
        return fail_line(h1, TERN_EHEAD_MAX, "longer than head_line_bytes_max %u", h1->limits.head_line_bytes_max);
    if (n > head_room)
        return fail_line(h1, TERN_EHEAD_MAX, "with it, more than head_bytes_max %u bytes", h1->limits.head_bytes_max);
    h1->scratch->line_bytes += (uint32_t)n;
    h1->scratch->head_bytes += (uint32_t)n;
    return TERN_OK;
}

/* What speaks another protocol is told by its first bytes: a line's end may never come. */
static bool begins_as_http(struct tern_str line)
{
    size_t n = line.len < 5 ? line.len : 5;

    return memcmp(line.ptr, "HTTP/", n) == 0;
}

static enum tern_error take_line(struct tern_h1 *h1, const char *data, size_t len, size_t *used)
{
    struct tern_buf *line = &h1->scratch->line;
    enum tern_error error;

    if (h1->receive == TERN_H1_RECEIVE_STATUS && line->len == 0) {
        *used = take_whole_head(h1, data, len);
        if (*used != 0)
            return TERN_OK;
    }
    if (h1->scratch->line_whole && tern_ascii_is_blank(data[0])) {
        tern_buf_truncate(line, line->len - tern_str_trim(tern_buf_view(line)).len);
        h1->scratch->fold_at = line->len;
        h1->scratch->line_whole = false;
        h1->scratch->line_number++;
    } else if (h1->scratch->line_whole) {
        error = field_line(h1, tern_buf_view(line));
        if (error != TERN_OK)
            return error;
    }
    const char *lf = memchr(data, '\n', len);
    size_t n = lf != NULL ? (size_t)(lf - data) + 1 : len;
    error = count_line(h1, n);
    if (error != TERN_OK)
        return error;
    *used = n;
    if (tern_buf_append(line, data, n) != TERN_OK)
        return fail_memory(h1);
    if (h1->receive == TERN_H1_RECEIVE_STATUS && !begins_as_http(tern_buf_view(line)))
        return fail_line(h1, TERN_EPROTO_VERSION, "is not HTTP/1");
    return lf != NULL ? kept_line(h1) : TERN_OK;
}

/* ---- bodies ---- */

/* How much of len may be taken now. */
static size_t body_room(const struct tern_h1 *h1, size_t len)
{
    const struct tern_stream *stream = h1->stream;

    /* Only the CRLF behind the chunk is still to come: a full window is no reason to wait for it. */
    if (h1->receive == TERN_H1_RECEIVE_CHUNK_DATA && h1->scratch->parser.content_length == 0)
        return len;
    size_t room = stream->owed_bytes < stream->window_bytes ? stream->window_bytes - stream->owed_bytes : 0;
    return len < room ? len : room;
}

static enum tern_error take_body(struct tern_h1 *h1, const char *data, size_t len, size_t *used)
{
    struct tern_fault fault;
    bool paused;

    len = body_room(h1, len);
    if (len == 0)
        return TERN_OK;
    if (!tern_h1_parser_feed(h1, data, len, used, &paused)) {
        if (h1->stream == NULL)
            return TERN_OK;
        tern_fault_set(&fault, TERN_EPROTO, "response body, after %llu bytes: %s",
                       (unsigned long long)h1->stream->received_body_bytes,
                       llhttp_get_error_reason(&h1->scratch->parser));
        return tern_h1_fail(h1, &fault);
    }
    if (paused) {
        tern_h1_set_receive(h1, h1->receive == TERN_H1_RECEIVE_CHUNK_DATA ? TERN_H1_RECEIVE_CHUNK_LINE
                                                                          : TERN_H1_RECEIVE_DONE);
    }
    return TERN_OK;
}

/* ---- the codec's functions ---- */

enum tern_error tern_h1_feed(struct tern_codec *codec, const uint8_t *data, size_t len, size_t *used)
{
    struct tern_h1 *h1 = tern_h1_of(codec);
    const char *bytes = (const char *)data;
    struct tern_fault fault;

    *used = 0;
    if (h1->state == TERN_CODEC_CLOSED || len == 0) {
        *used = len;
        return h1->error;
    }
    if (h1->stream == NULL || h1->stream->sent_head_bytes == 0) {
        tern_fault_set(&fault, TERN_EPROTO, "the peer sent bytes that answer no request");
        return tern_h1_fail(h1, &fault);
    }
    while (*used < len && h1->stream != NULL) {
        bool lines = h1->receive != TERN_H1_RECEIVE_BODY && h1->receive != TERN_H1_RECEIVE_CHUNK_DATA;
        if (h1->paused && h1->receive > TERN_H1_RECEIVE_FIELDS)
            break;
        size_t n = 0;
        enum tern_error error =
            lines ? take_line(h1, bytes + *used, len - *used, &n) : take_body(h1, bytes + *used, len - *used, &n);
        *used += n;
        if (error != TERN_OK)
            return error;
        if (h1->receive == TERN_H1_RECEIVE_DONE) {
            bool more = *used < len;
            *used = len;
            tern_h1_finish(h1, more);
            return h1->error;
        }
        if (n == 0)
            break;
    }
    if (h1->state == TERN_CODEC_CLOSED)
        *used = len; /* cancelled: nobody wants the rest */
    tern_h1_check(h1);
    return TERN_OK;
}

static void truncated(const struct tern_h1 *h1, struct tern_fault *fault)
{
    unsigned long long body = h1->stream->received_body_bytes;

    if (h1->stream->received_head_bytes == 0) {
        tern_fault_plain(fault, TERN_EPEER_EMPTY);
    } else if (h1->receive == TERN_H1_RECEIVE_STATUS || h1->receive == TERN_H1_RECEIVE_FIELDS) {
        tern_fault_set(fault, TERN_EPEER_TRUNCATED, "the peer closed the connection in the response head, line %u",
                       h1->scratch->line_number);
    } else if (h1->receive == TERN_H1_RECEIVE_BODY) {
        tern_fault_set(fault, TERN_EPEER_TRUNCATED,
                       "the peer closed the connection after %llu of %llu bytes of the body", body,
                       (unsigned long long)h1->scratch->framing.length);
    } else {
        tern_fault_set(fault, TERN_EPEER_TRUNCATED,
                       "the peer closed the connection after %llu bytes of the chunked body, before its end", body);
    }
}

void tern_h1_feed_end(struct tern_codec *codec, const struct tern_fault *reason)
{
    struct tern_h1 *h1 = tern_h1_of(codec);
    struct tern_fault fault;

    if (h1->state == TERN_CODEC_CLOSED)
        return;
    bool eof = reason->error == TERN_OK;
    if (h1->stream == NULL) {
        h1->error = reason->error;
        tern_h1_set_state(h1, TERN_CODEC_CLOSED);
    } else if (eof && h1->receive == TERN_H1_RECEIVE_BODY && !h1->scratch->framing.has_length) {
        /* RFC 9112 6.3, rule 8: the end of the connection is the end of the body. */
        tern_h1_set_receive(h1, TERN_H1_RECEIVE_DONE);
        tern_h1_finish(h1, false);
    } else {
        /* Cut off below (TLS without its close_notify) before the answer began is still no answer. */
        if (eof || (reason->error == TERN_EPEER_TRUNCATED && h1->stream->received_head_bytes == 0))
            truncated(h1, &fault);
        else
            fault = *reason;
        (void)tern_h1_fail(h1, &fault);
    }
}
