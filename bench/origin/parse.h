/* bench/origin/parse.h - bytes to HTTP/1.1 requests (RFC 9112), over llhttp. In memory only. */
#ifndef BENCH_ORIGIN_PARSE_H
#define BENCH_ORIGIN_PARSE_H

#include <llhttp.h>

#include "base/fields.h"

#define ORIGIN_TARGET_MAX (8 * 1024)
#define ORIGIN_HEAD_MAX (32 * 1024)
#define ORIGIN_HEAD_FIELDS_MAX 128
#define ORIGIN_LENGTH_UNKNOWN UINT64_MAX

/* What a request asks, in no protocol's own terms. Good until its end. */
struct origin_request {
    struct tern_str protocol; /* as statistics name it */
    struct tern_str method;
    struct tern_str path;  /* begins with a slash, or is "*" */
    struct tern_str query; /* behind the question mark */
    struct tern_fields fields;
    uint64_t length; /* of its body: 0 without one, or ORIGIN_LENGTH_UNKNOWN */
};

/* Fills path and query from a target in origin-form, absolute-form or asterisk-form (RFC 9112 3.2). False: it is
 * none. */
bool origin_request_set_target(struct origin_request *request, struct tern_str target);

struct origin_parser {
    llhttp_t llhttp;
    struct tern_buf target;
    struct origin_request request;
    bool persist; /* the connection may live on after this request */
    bool http_1_0;
    bool expects;     /* Expect: 100-continue (RFC 9110 10.1.1) */
    bool in_field;    /* between a field's first byte and its last */
    uint16_t refusal; /* the status that says what is wrong with the bytes, or 0 */
    bool at_head;     /* the head has just been told: feed again, even if it is nothing */
    void (*on_body)(void *user, struct tern_str bytes);
    void *user;
};

/* Prepares caller's storage, which is not to be moved. on_body comes from feed, with each part of a request's body. */
void origin_parser_init(struct origin_parser *parser, void (*on_body)(void *user, struct tern_str bytes), void *user);
void origin_parser_deinit(struct origin_parser *parser);

enum origin_parsed {
    ORIGIN_PARSED_MORE, /* all was taken */
    ORIGIN_PARSED_HEAD, /* a request's head is whole; its end comes from a later feed */
    ORIGIN_PARSED_END,  /* a request is whole */
    ORIGIN_PARSED_BAD   /* refusal says why; nothing more can be parsed */
};

/* Takes *used of bytes, up to the next head or end. */
enum origin_parsed origin_parser_feed(struct origin_parser *parser, struct tern_str bytes, size_t *used);

#endif
