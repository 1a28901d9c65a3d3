#include "proto/h1_internal.h"

/* The second opinion on the framing (proto/h1.h). 1: there is no body, whatever the fields say. */
static int parser_headers_complete(llhttp_t *parser)
{
    const struct tern_h1 *h1 = parser->data;
    const struct tern_h1_framing *framing = &h1->scratch->framing;
    bool chunked = (parser->flags & F_CHUNKED) != 0;
    bool has_length = (parser->flags & F_CONTENT_LENGTH) != 0;

    if (parser->status_code != h1->scratch->status || chunked != framing->chunked ||
        has_length != framing->has_length || (has_length && parser->content_length != framing->length)) {
        llhttp_set_error_reason(parser, "cannot be read in one way only");
        return -1;
    }
    return framing->none ? 1 : 0;
}

static int parser_body(llhttp_t *parser, const char *data, size_t len)
{
    struct tern_h1 *h1 = parser->data;
    struct tern_stream *stream = h1->stream;

    stream->received_body_bytes += len;
    stream->owed_bytes += (uint32_t)len;
    stream->events->on_body(stream, (const uint8_t *)data, len);
    return h1->stream == NULL ? -1 : 0;
}

static int parser_pause(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED;
}

/* Behind the last chunk come the trailers, and the message's end is what counts. */
static int parser_chunk_complete(llhttp_t *parser)
{
    const struct tern_h1 *h1 = parser->data;

    return h1->receive == TERN_H1_RECEIVE_CHUNK_DATA ? HPE_PAUSED : 0;
}

void tern_h1_parser_init(struct tern_h1 *h1)
{
    static const llhttp_settings_t settings = {
        .on_headers_complete = parser_headers_complete,
        .on_body = parser_body,
        .on_message_complete = parser_pause,
        .on_chunk_complete = parser_chunk_complete,
    };

    llhttp_init(&h1->scratch->parser, HTTP_RESPONSE, &settings);
    h1->scratch->parser.data = h1;
}

bool tern_h1_parser_feed(struct tern_h1 *h1, const char *data, size_t len, size_t *used, bool *paused)
{
    llhttp_errno_t error = llhttp_execute(&h1->scratch->parser, data, len);

    *paused = error == HPE_PAUSED;
    if (*paused) {
        *used = (size_t)(llhttp_get_error_pos(&h1->scratch->parser) - data);
        llhttp_resume(&h1->scratch->parser);
        return true;
    }
    *used = len;
    return error == HPE_OK;
}
