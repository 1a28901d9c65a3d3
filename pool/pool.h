/* pool/pool.h - connections kept by key, and the calls that wait for one.
 *
 *     start --> one with room, or idle? -----------------------------> assigned
 *        |                                                                 ^
 *        +--> wait, first in first out, and dial if the limits allow --+   |
 *                 |                                                    |   |
 *                 |      a connection becomes free, or a dial ends: ---+---+
 *                 |      whichever is first serves the first waiter, the other is pooled
 *                 +--> pool timeout, dial failed, cancelled
 *
 * Invariants (tern_pool_check)
 *  1. connection_count = active + idle + dials under way <= limits.connections_max, and likewise in each bucket. (A
 *     race between addresses counts as one.)
 *  2. A connection is in exactly one bucket; an idle one has no exchange and is in both the bucket's list and the
 *     pool's. One that is shared is active, and only HTTP/2 has room beside an exchange.
 *  3. A dial serves at most one waiter and a waiter has at most one dial; they point at each other.
 *  4. A bucket without connections, dials and waiters exists only to be warmed again (pool/warm.h).
 *  5. A waiter without a dial waits only where the limits forbid one, or where HTTP/2 may be spoken and another's dial
 *     goes on: its bucket is hungry, or has no leave to be.
 *  6. In a bucket waiters with a dial stand before those without, and no dial is nobody's while there are any without.
 *  7. Every connection from its connect to its close is counted at its address, at most
 *     limits.connections_per_address_max at one (as the limit stood when it was dialled). */
#ifndef TERN_POOL_POOL_H
#define TERN_POOL_POOL_H

#include "base/hash.h"
#include "pool/spoken.h"
#include "pool/transport.h"
#include "proto/h1.h"
#include "proto/h2.h"
#include "tls/provider.h"

/* Addresses that were found full (pool/addresses.h). So many are remembered of one bucket. */
#define TERN_CROWD_MAX 8

struct tern_crowd {
    uint64_t hashes[TERN_CROWD_MAX];
    uint32_t count;
    bool has_leave; /* something has changed since: one dial may look again */
};

/* All connections of one key. The hash finds it, the whole key decides. */
struct tern_bucket {
    struct tern_hash_node hash;
    struct tern_pool *pool;
    struct tern_profile *profile; /* one with the key's shape; owned count */
    struct tern_origin origin;
    struct tern_list idle;         /* tern_conn.bucket_node, the latest used first */
    struct tern_list shared;       /* tern_conn.bucket_node: active ones that had room for more when last looked at */
    struct tern_list waiters;      /* tern_exchange.node, first come first; those with a dial before those without */
    struct tern_list reusers;      /* tern_exchange.reuse_node: of them those that take a used connection */
    struct tern_list *undialled;   /* the first waiter without a dial; &waiters: none */
    struct tern_list hungry_node;  /* in the pool's list */
    struct tern_list crowded_node; /* likewise */
    struct tern_crowd crowd;       /* count 0: not crowded */
    struct tern_list dials;        /* tern_dial.node; those that are nobody's first */
    uint32_t connection_count;
    uint64_t used_ns;       /* when a call last got a connection of it; 0: never */
    uint64_t warm_delay_ns; /* before the next dial for the floor */
    uint64_t warmed_ns;     /* when the last dials for it began */
    struct tern_timer warm;
    struct tern_retire_check *check; /* under way, or NULL; see pool/retire.h, as for the next */
    uint64_t check_ns;               /* when the next is due; TERN_OFF: never */
    size_t choices;                  /* addresses among which the latest answer lets dials choose; or 0 */
};

/* Pairs of origins that answered 421 (pool/coalesce.h); the oldest is forgotten. */
#define TERN_MISDIRECTED_MAX 64

struct tern_pool {
    struct tern_transport transport; /* first */
    struct tern_engine *engine;
    struct tern_tls_provider *tls;
    struct tern_limits limits;
    struct tern_client_stats *stats; /* the client's */
    struct tern_h1_spares h1_spares; /* what exchanges under way work in */
    struct tern_h2_spares h2_spares;
    struct tern_spoken_table spoken;
    struct tern_ledger ledger; /* below the engine's */
    struct tern_hash buckets;
    struct tern_list connections; /* tern_conn.pool_node: all but those under a dial */
    struct tern_list idle;        /* tern_conn.idle_node, the longest idle first */
    struct tern_list hungry;      /* tern_bucket.hungry_node: that want a dial; whose turn it is first */
    struct tern_list crowded;     /* tern_bucket.crowded_node: that wait for an address, the latest served last */
    struct tern_hash addresses;   /* tern_conn.address_node */
    struct tern_task serve;       /* look again what the waiters can get */
    uint64_t misdirected[TERN_MISDIRECTED_MAX];
    uint32_t misdirected_next;
    uint32_t connection_count;
    uint32_t idle_count;
    uint32_t dial_count;
    uint32_t waiter_count;
    uint32_t undialled_count; /* of them: without a dial */
    uint32_t hungry_count;
    uint32_t crowded_count;
    uint32_t yield_count; /* connections that go when their calls are over, for another bucket */
    bool is_draining;     /* keep nothing */
};

/* In the owner's storage. tls is borrowed and outlives the pool; so are stats. */
void tern_pool_init(struct tern_pool *pool, struct tern_engine *engine, struct tern_tls_provider *tls,
                    const struct tern_limits *limits, struct tern_client_stats *stats);

/* Limits for what comes; what is too many now goes as it becomes idle. */
void tern_pool_set_limits(struct tern_pool *pool, const struct tern_limits *limits);

/* Idle connections close now, others when their exchange ends. */
void tern_pool_drain(struct tern_pool *pool);

/* Drops every connection and dial. No exchange may be left. */
void tern_pool_drop(struct tern_pool *pool);

/* The same, and all else. */
void tern_pool_deinit(struct tern_pool *pool);

/* Asserts the invariants, in debug builds. */
void tern_pool_check(const struct tern_pool *pool);

/* ---- for the rest of the pool ---- */

/* The bucket of a key, made if there is none. profile gets a count of its own. NULL: out of memory. */
struct tern_bucket *tern_bucket_get(struct tern_pool *pool, struct tern_profile *profile,
                                    const struct tern_origin *origin);
bool tern_bucket_same_shape(const struct tern_profile *a, const struct tern_profile *b);
void tern_bucket_drop_if_empty(struct tern_bucket *bucket);

/* Begins a dial that is nobody's; the limits are the caller's to ask. NULL: out of memory. */
struct tern_dial *tern_pool_dial(struct tern_bucket *bucket, struct tern_profile *profile, uint64_t connect_timeout_ns);

/* The longest idle connection of the whole pool goes. False: there is none. */
bool tern_pool_evict(struct tern_pool *pool);

/* A connection that can carry an exchange: gives it to the first waiter, keeps it idle, or closes it. */
void tern_pool_offer(struct tern_pool *pool, struct tern_conn *conn);

/* An active connection that may have room for more: serves waiters, and is found by calls that come. unshare takes it
 * off. */
void tern_pool_share(struct tern_conn *conn);
void tern_pool_unshare(struct tern_conn *conn);

/* Takes an idle connection off the lists: it is used or closed now. */
void tern_pool_unidle(struct tern_pool *pool, struct tern_conn *conn);

/* A connection or dial of the bucket has gone. The bucket may be gone afterwards. */
void tern_pool_lost(struct tern_pool *pool, struct tern_bucket *bucket);

/* A dial has ended with a connection (its exchange, if any, is served, or another is and theirs changes hands), or
 * without. */
void tern_pool_dialled(struct tern_dial *dial, struct tern_conn *conn);
void tern_pool_dial_failed(struct tern_dial *dial, const struct tern_fault *fault, enum tern_phase phase);

/* A dial has ended because conn, of another bucket, can carry its waiters (pool/coalesce.h). */
void tern_pool_coalesced(struct tern_dial *dial, struct tern_conn *conn);

/* A dial has ended because all its addresses are full: whom it was for waits on. */
void tern_pool_dial_crowded(struct tern_dial *dial, const struct tern_crowd *crowd);

/* What the bucket's origin spoke. */
enum tern_spoken tern_pool_spoken(const struct tern_bucket *bucket);
void tern_pool_note_spoken(struct tern_bucket *bucket, enum tern_spoken what);

/* Takes a waiter off the lists. */
void tern_pool_unwait(struct tern_pool *pool, struct tern_exchange *exchange);

/* ---- exchanges (exchange.c) ---- */

struct tern_dial_report;

/* Before anything else: all that is the transport's own. */
void tern_exchange_begin(struct tern_exchange *exchange, struct tern_transport *transport);

/* What the peer can have seen so far. */
enum tern_replay tern_exchange_replay(const struct tern_exchange *exchange);

/* The wait for a connection is over: fills in how long its parts took. dial NULL: there was none. */
void tern_exchange_waited(struct tern_exchange *exchange, const struct tern_dial_report *dial);

/* Ends the exchange, which neither waits nor is on a connection any more: fills in the result and calls on_end. fault
 * NULL: well. */
void tern_exchange_end(struct tern_exchange *exchange, enum tern_phase phase, const struct tern_fault *fault,
                       enum tern_replay replay);

/* The same without on_end: for a cancel. */
void tern_exchange_close(struct tern_exchange *exchange, enum tern_phase phase, const struct tern_fault *fault,
                         enum tern_replay replay);

/* As tern_exchange_end from a task, unsent: for what is found out where on_end may not be called. */
void tern_exchange_fail_later(struct tern_exchange *exchange, enum tern_phase phase, const struct tern_fault *fault);

/* Sets the timer again if the watchdog's next deadline is earlier. */
void tern_exchange_watch(struct tern_exchange *exchange);

/* Sees whether the peer's silence counts now: once the request is out or an answer has begun, while somebody listens.
 * */
void tern_exchange_listen(struct tern_exchange *exchange);

/* The peer has said something for this exchange. */
void tern_exchange_heard(struct tern_exchange *exchange);

/* Stops and restarts what waits for the peer's bytes. */
void tern_exchange_set_paused(struct tern_exchange *exchange, bool is_paused);

/* A time limit has ended it: counts that, and fills in fault. */
void tern_exchange_limit(const struct tern_exchange *exchange, enum tern_phase phase,
                         const struct tern_watchdog_verdict *verdict, struct tern_client_stats *stats,
                         struct tern_fault *fault);

void tern_exchange_trace(struct tern_exchange *exchange, const char *format, ...) TERN_PRINTF(2, 3);

extern const struct tern_stream_events tern_exchange_stream_events;

#endif
