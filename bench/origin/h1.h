/* bench/origin/h1.h - a response as HTTP/1.1 bytes (RFC 9112). In memory only. All errors: as tern_buf_append. */
#ifndef BENCH_ORIGIN_H1_H
#define BENCH_ORIGIN_H1_H

#include "bench/origin/route.h"

/* How the body's end is told (RFC 9112 6.3). */
enum origin_framing { ORIGIN_FRAMING_NONE, ORIGIN_FRAMING_LENGTH, ORIGIN_FRAMING_CHUNKED, ORIGIN_FRAMING_CLOSE };

struct origin_h1_context {
    struct tern_str date;
    bool head_only; /* the request's method was HEAD */
    bool http_1_0;  /* the peer knows neither chunks nor informational responses */
    bool closes;    /* no request is taken after this one */
};

enum origin_framing origin_h1_framing(const struct origin_response *response, const struct origin_h1_context *context);

TERN_MUST_USE enum tern_error origin_h1_write_early(struct tern_buf *out, uint16_t status,
                                                    const struct tern_field *field);
TERN_MUST_USE enum tern_error origin_h1_write_head(struct tern_buf *out, const struct origin_response *response,
                                                   const struct origin_h1_context *context);

/* Body bytes (at least one), and the end of a whole body. */
TERN_MUST_USE enum tern_error origin_h1_write_body(struct tern_buf *out, enum origin_framing framing,
                                                   struct tern_str bytes);
TERN_MUST_USE enum tern_error origin_h1_write_end(struct tern_buf *out, enum origin_framing framing,
                                                  const struct tern_fields *trailers);

#endif
