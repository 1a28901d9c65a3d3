/* pool/coalesce.h - calls for one host on an HTTP/2 connection of another (RFC 9113 9.1.1), where that is asked for.
 *
 * Looked for anew by every dial, when it has an address and before it connects there: so what held yesterday is not
 * held to be true today, and no table of aliases is kept. It needs all of: both https, the same port, the same shape;
 * an address of the new host that the connection is made to, and that the gate allows for the new host; a certificate
 * on it that was verified and names the new host too, is still valid and not excused or pinned; no rule that sends
 * calls elsewhere (connect_to, unix_socket); and no 421 (RFC 9110 15.5.20) that this connection's host has answered for
 * the new one before.
 */
#ifndef TERN_POOL_COALESCE_H
#define TERN_POOL_COALESCE_H

#include "pool/pool.h"

/* A connection to address with room for calls of the dial's bucket, or NULL. */
struct tern_conn *tern_coalesce_find(const struct tern_dial *dial, const struct tern_sockaddr *address);

/* For the exchange that conn, of another bucket, is about to carry. */
uint64_t tern_coalesce_pair(const struct tern_bucket *bucket, const struct tern_conn *conn);

/* The server has answered 421 to a coalesced exchange: never again these two. */
void tern_coalesce_undo(struct tern_pool *pool, uint64_t pair);

#endif
