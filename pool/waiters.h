/* pool/waiters.h - the queue: calls that wait for a connection, and whose turn it is to have one dialled.
 *
 * A bucket has its waiters in the order in which they came, and a connection of its own goes to the first that it
 * suits. Those that are dialled for stand before those that are not. A bucket is hungry while it has a waiter without a
 * dial and its own limits would let one begin; what the whole pool has to give goes round the hungry buckets, one dial
 * a turn. So a backlog of one host delays another host by a turn at most. Where the pool is full and nothing in it is
 * idle, that holds too: a busy bucket yields a connection to the one whose turn it is, if that has none or fewer.
 *
 * Nothing here walks a list of waiters: an event costs the same with one as with a thousand. */
#ifndef TERN_POOL_WAITERS_H
#define TERN_POOL_WAITERS_H

#include "pool/pool.h"

/* Puts exchange at the end of the bucket's queue, with a dial that is nobody's if there is one. */
void tern_waiters_add(struct tern_bucket *bucket, struct tern_exchange *exchange);

/* Takes a waiter off the queue. Its dial goes to the next without one; else it is given back, nobody's now. NULL: there
 * is none left to see to. */
struct tern_dial *tern_waiters_remove(struct tern_exchange *exchange);

/* The first waiter that this connection can serve, or NULL: one that wants a fresh connection takes no used one. */
struct tern_exchange *tern_waiters_first(const struct tern_bucket *bucket, const struct tern_conn *conn);

/* The dial has ended with a connection: it becomes that of the first waiter, who has waited longest, and whose dial it
 * was gets the other's. Returns that waiter, or NULL if none is left. */
struct tern_exchange *tern_waiters_hand_over(struct tern_dial *dial);

/* The dial, which is off its bucket's list, ends with nothing to blame on its waiter, who waits on: for one that is
 * nobody's, or without. */
void tern_waiters_return(struct tern_dial *dial);

/* Something of the bucket has changed: is it hungry now? */
void tern_waiters_review(struct tern_bucket *bucket);

/* True if one more dial should begin for the bucket's waiters, as far as it is the bucket's to say. */
bool tern_waiters_are_hungry(const struct tern_bucket *bucket);

/* Dials for those whose turn it is, as far as the limits go. Calls nobody back. */
void tern_waiters_serve(struct tern_pool *pool);

/* A connection of the bucket has come round, or is asked for: others come before it now. */
void tern_waiters_had_turn(struct tern_bucket *bucket);

/* A dial goes on already that may bring room for all who wait. */
bool tern_waiters_one_dial_is_enough(const struct tern_bucket *bucket);

/* The connection could serve its own bucket, and another's turn comes before. */
bool tern_waiters_must_yield(const struct tern_conn *conn);

#endif
