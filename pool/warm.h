/* pool/warm.h - connections that are there before a call is: opened when asked to, and kept above a floor.
 *
 * Whoever opens for nobody takes no place from others: no idle connection closes for it, and what could not be kept
 * idle is not opened.
 *
 * The floor (limits.warm_per_host) holds for an origin that was used in the last limits.warm_ns: while it has fewer
 * connections, busy ones counted, some are dialled, after a delay that doubles from one time to the next and is short
 * again after a use, or when they have lasted. Then it is left alone: no timer runs for an origin that nobody uses. */
#ifndef TERN_POOL_WARM_H
#define TERN_POOL_WARM_H

#include "pool/pool.h"

#define TERN_WARM_DELAY_NS_MIN (100 * TERN_MS)
#define TERN_WARM_DELAY_NS_MAX (10 * TERN_S)

void tern_warm_init(struct tern_bucket *bucket);

/* Sees to it that the origin has count connections, busy ones and those under a dial counted, as far as the limits go.
 * Errors: TERN_ENOMEM; what was begun goes on. */
TERN_MUST_USE enum tern_error tern_warm_open(struct tern_pool *pool, struct tern_profile *profile,
                                             const struct tern_origin *origin, uint32_t count);

/* A call has got a connection of the bucket. */
void tern_warm_used(struct tern_bucket *bucket);

/* The bucket has lost a connection, or the limits have changed. */
void tern_warm_review(struct tern_bucket *bucket);

/* Keeps it warm no longer; an empty one is gone then. */
void tern_warm_end(struct tern_bucket *bucket);

/* True while a bucket without connections stays for this. */
bool tern_warm_is_due(const struct tern_bucket *bucket);

#endif
