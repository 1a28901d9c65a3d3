/* proto/h1_head.h - what tern itself demands of a response head, line by line: pure functions.
 *
 * Each answers an error and a static text that says what rule was broken, without the outside's bytes in it. */
#ifndef TERN_PROTO_H1_HEAD_H
#define TERN_PROTO_H1_HEAD_H

#include "proto/h1.h"

/* status-line (RFC 9112 4), without its CRLF. reason borrows from line. Errors: TERN_EPROTO_VERSION, TERN_EPROTO. */
TERN_MUST_USE enum tern_error tern_h1_status_parse(struct tern_str line, uint16_t *status,
                                                   enum tern_http_version *version, struct tern_str *reason,
                                                   const char **why);

/* field-line (RFC 9112 5), unfolded, without its CRLF. Both views borrow from line. Errors: TERN_EPROTO. */
TERN_MUST_USE enum tern_error tern_h1_field_parse(struct tern_str line, struct tern_str *name, struct tern_str *value,
                                                  const char **why);

/* The same for a line that begins data and is plain: ends in CRLF, holds no other control character, HTAB included (and
 * in a status line nothing that has to be refused). Answers its length with the CRLF, or 0: it is not plain, or not all
 * there. What is plain here the functions above take as well, and find the same in it. */
size_t tern_h1_plain_status(struct tern_str data, uint16_t *status, enum tern_http_version *version,
                            struct tern_str *reason);
size_t tern_h1_plain_field(struct tern_str data, struct tern_field *field);

/* Whether a field of that name may say how the message is framed or what becomes of the connection, for whoever reads
 * it: told by its length alone, so that no other mistake can hide one. */
bool tern_h1_may_frame(struct tern_str name);

/* The body's length by RFC 9112 6.3 as strictly as it can be read, and whether the connection lives on (9.3): begin
 * with zero, take each field as it comes, then decide. Any doubt about the length is TERN_EPROTO_FRAMING; any doubt
 * about the connection ends it. head_method: the request was HEAD. */
TERN_MUST_USE enum tern_error tern_h1_framing_take(struct tern_h1_framing *framing, struct tern_str name,
                                                   struct tern_str value, const char **why);
TERN_MUST_USE enum tern_error tern_h1_framing_decide(struct tern_h1_framing *framing, uint16_t status,
                                                     enum tern_http_version version, bool head_method,
                                                     const char **why);

/* What RFC 9110 6.5.1 keeps out of trailers: those that frame the message refuse it, the others are not passed on. */
enum tern_h1_trailer { TERN_H1_TRAILER_KEEP, TERN_H1_TRAILER_DROP, TERN_H1_TRAILER_REFUSE };
enum tern_h1_trailer tern_h1_trailer_judge(struct tern_str name);

#endif
