/* pool/retire.h - connections follow their name, and leave addresses that are set aside.
 *
 * A bucket knows when the answer that gave its connections their addresses is to be looked at again. The first call
 * that takes one of them after that starts a lookup, which holds up nobody: the call goes on. Once the TTL has ended
 * and a new answer is there, connections to addresses that it does not have retire: idle ones close, others finish what
 * they carry and take nothing new. Where the lookup fails, or gives a stale answer, they stay.
 *
 * The same lookup keeps the name's answer fresh in the cache while calls come (see dns/dns.h). Without calls nothing
 * is asked, and no timer runs. */
#ifndef TERN_POOL_RETIRE_H
#define TERN_POOL_RETIRE_H

#include "pool/conn.h"

struct tern_lookup;

/* A bucket's addresses are looked at no more often than this, however short the TTL. */
#define TERN_RETIRE_CHECK_NS_MIN TERN_S

/* A connection of the bucket was dialled, from what the lookup has found so far. */
void tern_retire_note(struct tern_bucket *bucket, struct tern_profile *profile, const struct tern_lookup *lookup);

/* A call under profile takes a connection of the bucket. Never calls back. */
void tern_retire_look(struct tern_bucket *bucket, struct tern_profile *profile);

/* Forgets the check that is under way, if any. */
void tern_retire_cancel(struct tern_bucket *bucket);

/* The connection's peer went silent: other addresses are dialled first for a while. */
void tern_retire_blame(const struct tern_conn *conn);

/* The address is set aside until then: the origin's connections to it retire, and others are dialled first. Never calls
 * back. */
void tern_retire_avoid(struct tern_pool *pool, struct tern_profile *profile, const struct tern_origin *origin,
                       const struct tern_sockaddr *address, uint64_t until_ns);

#endif
