/* pool/bdp.h - how large a receive window a path can use: its bandwidth-delay product, measured. Arithmetic alone: the
 * connection's pump (pool/conn.c) brings the facts.
 *
 *     RESTING --is_due: PING sent, begin--> SAMPLING --its answer, end--> RESTING
 *
 * A sample is what arrives between a PING and its answer: one round trip's worth. Where that is most of the window, and
 * it came faster than ever before, the window is what holds the peer up, and grows. Where it is not, the path is what
 * holds it up; then samples become rarer.
 *
 * A sample begins only as bulk data arrives, so a peer that punishes PINGs on a quiet connection sees none. */
#ifndef TERN_POOL_BDP_H
#define TERN_POOL_BDP_H

#include "tern/types.h"

/* The first window for whoever has shown that he has use for a wide one: no path is too short for that. */
#define TERN_BDP_WINDOW_BYTES (1u << 20)

/* Less than this since the last sample is no bulk: small answers cause no PING. */
#define TERN_BDP_BULK_BYTES (16u << 10)

/* The longest rest between two samples while data arrives: a path that gets faster is noticed within this. */
#define TERN_BDP_REST_NS_MAX TERN_S

struct tern_bdp {
    uint32_t window_bytes;     /* wanted */
    uint32_t window_bytes_max; /* no more is asked for */
    bool is_sampling;
    uint64_t begun_ns;         /* the sample */
    uint64_t bytes;            /* since it began; between two: since the last ended */
    uint64_t bytes_per_s_best; /* of all samples that made the window grow */
    uint64_t rest_ns;          /* how long the last rest was; 0: none, the window has just grown */
    uint64_t due_ns;           /* no sample before */
};

void tern_bdp_init(struct tern_bdp *bdp, uint32_t window_bytes, uint32_t window_bytes_max);

/* So many bytes have arrived. */
void tern_bdp_arrived(struct tern_bdp *bdp, size_t bytes);

/* Whether a sample should begin now, while data arrives. */
bool tern_bdp_is_due(const struct tern_bdp *bdp, uint64_t now_ns);

/* A PING goes out now; its answer has come. end: true if window_bytes has grown. */
void tern_bdp_begin(struct tern_bdp *bdp, uint64_t now_ns);
bool tern_bdp_end(struct tern_bdp *bdp, uint64_t now_ns);

#endif
