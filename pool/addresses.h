/* pool/addresses.h - how many connections each address has (limits.connections_per_address_max).
 *
 * Every socket that connects or is connected counts, racers too. A dial passes over an address that is full; one that
 * finds all of them full ends, and its bucket is crowded: it dials no more until one of these addresses has room, and
 * then one dial at a time, for as long as it has waiters. */
#ifndef TERN_POOL_ADDRESSES_H
#define TERN_POOL_ADDRESSES_H

#include "pool/pool.h"

/* An address and its text, once for all connections to it: their tcp.peer. */
struct tern_peer {
    struct tern_sockaddr address;
    uint32_t conn_count;
    char text[]; /* as in struct tern_result */
};

/* That of an open connection to address, or a new one: for one connection more. NULL: out of memory. */
struct tern_peer *tern_peer_acquire(struct tern_pool *pool, const struct tern_sockaddr *address);
void tern_peer_release(struct tern_peer *peer);

/* The one that conn was made with. */
struct tern_peer *tern_peer_of(const struct tern_conn *conn);

/* True if one more connection may go to address. An idle one makes room; else the address is noted in crowd. */
bool tern_addresses_have_room(struct tern_pool *pool, const struct tern_sockaddr *address, struct tern_crowd *crowd);

/* conn connects to its tcp.peer; it is closed. */
void tern_addresses_add(struct tern_conn *conn);
void tern_addresses_remove(struct tern_conn *conn);

/* The first connection to address that suits the bucket, or NULL. */
struct tern_conn *tern_addresses_find(const struct tern_bucket *bucket, const struct tern_sockaddr *address,
                                      bool (*suits)(const struct tern_conn *conn, const struct tern_bucket *bucket));

/* conn is idle now: it would make room. */
void tern_addresses_idle(struct tern_conn *conn);

/* All addresses of the bucket were found full. */
void tern_addresses_crowded(struct tern_bucket *bucket, const struct tern_crowd *crowd);

/* The limits have changed: who is crowded looks again. */
void tern_addresses_reopen(struct tern_bucket *bucket);

/* False: the bucket is crowded, and nothing has changed since. */
bool tern_addresses_may_dial(const struct tern_bucket *bucket);

/* A dial has begun; it has brought a connection, so that another may find room too. */
void tern_addresses_dialling(struct tern_bucket *bucket);
void tern_addresses_dialled(struct tern_bucket *bucket);

/* It is others' turn at its addresses first. */
void tern_addresses_had_turn(struct tern_bucket *bucket);

/* Nobody waits any more: the bucket is as new. */
void tern_addresses_forget(struct tern_bucket *bucket);

/* The first crowded bucket that wants the address of conn, or NULL. */
const struct tern_bucket *tern_addresses_wanted(const struct tern_conn *conn);

#endif
