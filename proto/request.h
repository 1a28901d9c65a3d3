/* proto/request.h - the one gate for requests, whatever the protocol, and the one writer of HTTP/1.1 heads.
 *
 * All that a user can put into a request passes tern_request_field_check and tern_request_check before a codec sees it,
 * so that codecs trust a struct tern_outgoing. Any thread; nothing is kept. */
#ifndef TERN_PROTO_REQUEST_H
#define TERN_PROTO_REQUEST_H

#include "base/buf.h"
#include "base/str.h"
#include "proto/codec.h"

/* What becomes of a field that a user gave. */
enum tern_request_field {
    TERN_REQUEST_FIELD_SEND, /* goes into the fields */
    TERN_REQUEST_FIELD_HOST, /* its value is the authority instead (RFC 9110 7.2); a second is the caller's to refuse */
    TERN_REQUEST_FIELD_EXPECT, /* 100-continue: as expect_continue */
    TERN_REQUEST_FIELD_CLOSE,  /* Connection: close: as close */
    TERN_REQUEST_FIELD_DROP    /* says what is so anyway: Connection: keep-alive */
};

/* Checks one field of the user's and says what becomes of it. Refused are: a name that is no token, a value with CR,
 * LF, NUL or another control character (RFC 9110 5.1, 5.5), Content-Length and Transfer-Encoding, which come from the
 * body, and what belongs to the connection (RFC 9110 7.6.1).
 * Errors: TERN_EFIELD; fault names the field and the rule, and never shows the value of a secret. */
TERN_MUST_USE enum tern_error tern_request_field_check(const struct tern_field *field, enum tern_request_field *use,
                                                       struct tern_fault *fault);

/* How long a request head may be: more than any server takes, little enough for memory. */
#define TERN_REQUEST_HEAD_BYTES_MAX (1u << 20)

/* Checks fields that are to be sent as they stand: their names and values once more. *bytes is what they come to on an
 * HTTP/1.1 wire. A list that stays as it is needs that once only: see tern_outgoing.fields_bytes. Errors:
 * TERN_EFIELD. */
TERN_MUST_USE enum tern_error tern_request_fields_check(const struct tern_field *fields, size_t count, size_t *bytes,
                                                        struct tern_fault *fault);

/* Checks the rest: method (a token; not CONNECT, which asks for a tunnel), target (RFC 9112 3.2.1 origin-form, or "*"
 * for OPTIONS), authority (RFC 3986 3.2, without userinfo), the fields by tern_request_fields_check (unless
 * fields_bytes says that they have passed it), and the sum of it all.
 * Errors: TERN_EINVAL, TERN_EURL (target, authority), TERN_EFIELD. */
TERN_MUST_USE enum tern_error tern_request_check(const struct tern_outgoing *message, struct tern_fault *fault);

enum tern_request_form {
    TERN_REQUEST_WIRE,
    TERN_REQUEST_TRACE /* for a person: the values of fields with TERN_FIELD_SECRET are replaced */
};

/* Appends the whole HTTP/1.1 head, with the empty line: request line, Host, the fields in their order, then what
 * framing and connection need (RFC 9112 3, 6). message has passed tern_request_check.
 * Errors: TERN_ENOMEM, TERN_ELIMIT (of out). */
TERN_MUST_USE enum tern_error tern_request_head_write(struct tern_buf *out, const struct tern_outgoing *message,
                                                      enum tern_request_form form);

/* The priority takes the place of a field of that name. */
static inline bool tern_request_replaces(const struct tern_outgoing *message, const struct tern_field *field)
{
    return message->priority.len != 0 && tern_str_ieq(field->name, TERN_STR("Priority"));
}

/* There are bytes to send behind the head. */
static inline bool tern_request_has_body(const struct tern_outgoing *message)
{
    return message->body != NULL && (message->body_length != 0 || message->trailer_count != 0);
}

/* How HTTP/1.1 frames it (RFC 9112 6.1). */
static inline bool tern_request_is_chunked(const struct tern_outgoing *message)
{
    return message->body != NULL && (message->body_length == TERN_LENGTH_UNKNOWN || message->trailer_count != 0);
}

/* Checks the trailers: as fields, that they may stand there (RFC 9110 6.5.1), and the sum of them. Errors:
 * TERN_EFIELD. */
TERN_MUST_USE enum tern_error tern_request_trailers_check(const struct tern_outgoing *message,
                                                          struct tern_fault *fault);

/* Appends them, with the empty line. Errors: TERN_ENOMEM, TERN_ELIMIT. */
TERN_MUST_USE enum tern_error tern_request_trailers_write(struct tern_buf *out, const struct tern_outgoing *message);

#endif
