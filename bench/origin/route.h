/* bench/origin/route.h - which answer a path gets, in no protocol's own terms. bench/README.md lists the paths. */
#ifndef BENCH_ORIGIN_ROUTE_H
#define BENCH_ORIGIN_ROUTE_H

#include "bench/origin/body.h"
#include "bench/origin/parse.h"
#include "bench/origin/tally.h"

enum origin_ending {
    ORIGIN_END_WHOLE,  /* as the protocol ends a response */
    ORIGIN_END_CLOSE,  /* whole, by the connection's end where a protocol knows that; it may also be without a length */
    ORIGIN_END_LAST,   /* whole, and no request is taken that came on the connection after this one */
    ORIGIN_END_CUT,    /* broken off in the middle, when body.size bytes have gone */
    ORIGIN_END_RESET,  /* reset there */
    ORIGIN_END_REFUSE, /* the request is not processed: another one may be sent in its place */
};

/* How often the pace of a body is looked after. */
#define ORIGIN_PACE_NS (10 * TERN_MS)

struct origin_response {
    uint16_t status;       /* 0: not a byte is answered; ending then says what happens instead */
    uint16_t early_status; /* of an informational response that goes first, or 0 */
    struct tern_field early_field;
    struct tern_fields fields; /* without those that frame the body */
    struct origin_body body;
    uint64_t announced; /* the body's length as it is told, or ORIGIN_LENGTH_UNKNOWN */
    struct tern_fields trailers;
    enum origin_ending ending;
    bool at_once;         /* goes out as soon as the request's head is here; else after the request's body */
    bool tells_received;  /* the text is to tell how long the request's body was */
    uint32_t piece_bytes; /* where the length is not announced: bytes a chunk, or frame; 0: as it comes */
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
    uint64_t refused; /* requests that /refuse-stream did not process */
    uint64_t resets;  /* RST_STREAM from peers */
    uint64_t pings;   /* PING from peers */
    struct origin_tally protocols;
    struct origin_tally methods;
    struct origin_tally ids;      /* ?id= of any request */
    struct origin_tally failures; /* keys of /fail */
};

TERN_MUST_USE enum tern_error origin_stats_init(struct origin_stats *stats);
void origin_stats_deinit(struct origin_stats *stats);

static inline bool origin_ending_is_whole(enum origin_ending ending)
{
    return ending == ORIGIN_END_WHOLE || ending == ORIGIN_END_CLOSE || ending == ORIGIN_END_LAST;
}

void origin_response_init(struct origin_response *response);
void origin_response_deinit(struct origin_response *response);

/* Fills response, which has been initialised, from a request's head. Whatever it held goes. On an error (TERN_ENOMEM)
 * it is good for deinit and for another request. */
TERN_MUST_USE enum tern_error origin_route(struct origin_stats *stats, const struct origin_request *request,
                                           struct origin_response *response);

/* Whether 100 is to be said before the request's body comes. expects: the request asked for it (RFC 9110 10.1.1). */
bool origin_response_continues(const struct origin_response *response, bool expects);

/* How much of a body that is no echo may be made, elapsed_ns after its first byte might have been. */
uint64_t origin_response_allowance(const struct origin_response *response, uint64_t elapsed_ns);

/* Where tells_received is set: once the request's body, bytes long, is here. Errors: TERN_ENOMEM. */
TERN_MUST_USE enum tern_error origin_response_received(struct origin_response *response, uint64_t bytes);

/* The answer to what cannot be parsed; the connection closes after it. Errors: TERN_ENOMEM. */
TERN_MUST_USE enum tern_error origin_response_refuse(struct origin_response *response, uint16_t status);

#endif
