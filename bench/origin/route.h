/* bench/origin/route.h - which answer a path gets, in no protocol's own terms. bench/README.md lists the paths. */
#ifndef BENCH_ORIGIN_ROUTE_H
#define BENCH_ORIGIN_ROUTE_H

#include "bench/origin/body.h"
#include "bench/origin/parse.h"
#include "bench/origin/tally.h"

enum origin_ending {
    ORIGIN_END_WHOLE, /* as the protocol ends a response */
    ORIGIN_END_CLOSE, /* whole, and the connection closes; it says where the body ends if the length is not announced */
    ORIGIN_END_CUT,   /* the connection closes in the middle, when body.size bytes have gone */
    ORIGIN_END_RESET, /* it is reset there */
};

struct origin_response {
    uint16_t status;       /* 0: not a byte is answered; ending then says how the connection goes */
    uint16_t early_status; /* of an informational response that goes first, or 0 */
    struct tern_field early_field;
    struct tern_fields fields; /* without those that frame the body */
    struct origin_body body;
    uint64_t announced; /* the body's length as it is told, or ORIGIN_LENGTH_UNKNOWN */
    struct tern_fields trailers;
    enum origin_ending ending;
    bool at_once;         /* goes out as soon as the request's head is here; else after the request's body */
    bool tells_received;  /* the text is to tell how long the request's body was */
    uint32_t piece_bytes; /* where the length is not announced: bytes a chunk; 0: as it comes */
    uint64_t bytes_per_s; /* pace of the body; 0: none */
    uint64_t delay_ns;    /* before its first byte */
};

/* What the whole server has seen. */
struct origin_stats {
    uint64_t connections;
    uint64_t connections_open;
    uint64_t requests;
    uint64_t tls_handshakes;
    uint64_t tls_resumed;
    struct origin_tally methods;
    struct origin_tally ids;      /* ?id= of any request */
    struct origin_tally failures; /* keys of /fail */
};

TERN_MUST_USE enum tern_error origin_stats_init(struct origin_stats *stats);
void origin_stats_deinit(struct origin_stats *stats);

void origin_response_init(struct origin_response *response);
void origin_response_deinit(struct origin_response *response);

/* Fills response, which has been initialised, from a request's head. Whatever it held goes. On an error (TERN_ENOMEM) it
 * is good for deinit and for another request. */
TERN_MUST_USE enum tern_error origin_route(struct origin_stats *stats, const struct origin_request *request,
                                           struct origin_response *response);

/* Where tells_received is set: once the request's body, bytes long, is here. Errors: TERN_ENOMEM. */
TERN_MUST_USE enum tern_error origin_response_received(struct origin_response *response, uint64_t bytes);

/* The answer to what cannot be parsed; the connection closes after it. Errors: TERN_ENOMEM. */
TERN_MUST_USE enum tern_error origin_response_refuse(struct origin_response *response, uint16_t status);

#endif
