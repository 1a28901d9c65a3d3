/* pool/conn.h - one connection: a byte stream with a codec on top, and the pump that joins the two.
 *
 *     DIALLING --ready--> IDLE <--> ACTIVE --> CLOSED
 *         |                +-------------------> ^
 *         +------------------------------------> |
 *
 *  1. DIALLING belongs to its dial (pool/dial.h) until it is ready; from IDLE on it belongs to its bucket.
 *  2. Only the pump calls feed and pull, and never from inside itself.
 *     ACTIVE has at least one exchange, or had one until its pump, which is due, puts the connection away; or its peer
 *     is asked whether it lives, after the last of them gave up waiting.
 *  3. An idle connection holds no buffers and stays watched: HTTP/1.1 closes on whatever arrives, HTTP/2 answers what
 *     keeps a connection and closes on a goodbye.
 *  4. CLOSED is final. The memory goes with the graveyard. */
#ifndef TERN_POOL_CONN_H
#define TERN_POOL_CONN_H

#include "pool/bdp.h"
#include "pool/liveness.h"
#include "pool/pool.h"
#include "proto/h1.h"

/* One read takes no more. Of HTTP/1.1 what a paused call may not take yet waits in the connection's stash; HTTP/2's
 * peers send what a window was opened for, and bulk costs a fourth of the system calls. */
#define TERN_CONN_READ_H1_BYTES ((size_t)64 << 10)
#define TERN_CONN_READ_H2_BYTES ((size_t)256 << 10)

/* What is read in one turn before other descriptors have theirs. */
#define TERN_CONN_TURN_BYTES ((size_t)512 << 10)

/* Writes likewise: 8 x what a body's source lends at a time. */
#define TERN_CONN_WRITES_MAX 8

/* A server closes an idle connection at its own timeout; a request that crosses that is lost. So the hint is taken with
 * this much less (Keep-Alive: timeout=5 is 4 s). */
#define TERN_IDLE_HINT_MARGIN_NS TERN_S

enum tern_conn_state { TERN_CONN_DIALLING, TERN_CONN_IDLE, TERN_CONN_ACTIVE, TERN_CONN_CLOSED };

/* What a dial was like, for the result of the call that it serves. */
struct tern_dial_report {
    uint64_t dns_ns, tcp_ns, tls_ns;
    struct tern_address_try tries[TERN_ADDRESS_TRIES_MAX];
    size_t try_count;
};

/* What HTTP/2 adds to a connection. */
struct tern_conn_h2 {
    struct tern_h2 codec;
    struct tern_conn *conn;
    struct tern_bdp bdp;
    struct tern_timer look; /* at the peer's silence */
    struct tern_liveness life;
    uint64_t calm_ns; /* when the allowances against floods were whole */
};

/* Thousands of them may be idle: what only some need is elsewhere. */
struct tern_conn {
    struct tern_corpse corpse;
    struct tern_list pool_node;
    struct tern_list idle_node;
    struct tern_list bucket_node;
    struct tern_hash_node address_node; /* while is_counted */
    enum tern_conn_state state;
    enum tern_error tls_verify;
    struct tern_pool *pool;
    struct tern_bucket *bucket;
    struct tern_dial *dial; /* while DIALLING */

    struct tern_tcp tcp;            /* its peer is in a struct tern_peer (pool/addresses.h) */
    struct tern_bytestream *stream; /* the top: tcp's, or TLS over it */
    struct tern_codec *codec;
    struct tern_h1 h1;
    struct tern_conn_h2 *h2;   /* in its place, or NULL */
    struct tern_buf *stash;    /* read, but not taken by the codec (its stream is paused); NULL: nothing */
    struct tern_ledger ledger; /* below the pool's */

    struct tern_list exchanges; /* tern_exchange.node, in the order of their start */
    uint32_t exchange_count;
    uint32_t upload_count; /* of them: with a body */
    struct tern_task pump;
    struct tern_timer expiry;
    bool is_pumping;
    bool is_spent;    /* an exchange said close: it takes no other */
    bool is_sharing;  /* waiters are being served */
    bool is_counted;  /* among those at its address */
    bool is_yielding; /* it goes when its calls are over, for another bucket */
    bool is_blocked;  /* the peer takes nothing for now: the write limits of the exchanges run */
    bool tls_resumed;
    uint64_t opened_ns;
    uint64_t idle_ns; /* since when */
    uint64_t uses;

    char *local;             /* the address as text */
    const char *tls_version; /* as in struct tern_result */
    const char *tls_suite;
};

/* A connection in DIALLING to address (copied), with nothing open yet. NULL: out of memory. */
struct tern_conn *tern_conn_new(struct tern_dial *dial, struct tern_bucket *bucket,
                                const struct tern_sockaddr *address);

/* The remote address as text. */
const char *tern_conn_remote(const struct tern_conn *conn);

/* Hears of stream from now on; it is the top of the connection. */
void tern_conn_listen(struct tern_conn *conn, struct tern_bytestream *stream);

/* The stream is ready: sets up the codec and moves to IDLE, belonging to the bucket but not yet in its list.
 * Errors: TERN_ENOMEM; then close it. */
TERN_MUST_USE enum tern_error tern_conn_ready(struct tern_conn *conn, const struct tern_profile *profile, bool is_h2);

/* Begins exchange on a connection that has room for it and, if idle, is on no list; writes what it can. Events may come
 * from inside. */
void tern_conn_assign(struct tern_conn *conn, struct tern_exchange *exchange);

/* Cuts the exchange off. The connection is closed or, if nothing of the exchange was written, pooled, from a task. */
void tern_conn_cancel(struct tern_conn *conn, struct tern_exchange *exchange);

/* Takes the exchange off: it has ended, or is cut off. */
void tern_conn_detach(struct tern_conn *conn, struct tern_exchange *exchange);

/* An exchange on it, begun at since_ns, has run into a time limit: an HTTP/2 peer is asked whether it lives. */
void tern_conn_doubt(struct tern_conn *conn, uint64_t since_ns);

/* An exchange on it that ends with an error ends because the connection does: always in HTTP/1.1. */
bool tern_conn_is_dead(const struct tern_conn *conn);

/* An exchange that takes more than its window lets through gets the window that the path needs. */
void tern_conn_widen(struct tern_conn *conn, struct tern_exchange *exchange);

/* How many more exchanges it takes now. */
uint32_t tern_conn_room(const struct tern_conn *conn);

/* After a credit, a resume, body bytes: pump again, from a task. */
void tern_conn_wake(struct tern_conn *conn);

/* True if an idle one may take another exchange: young, unused and quiet enough, and its peer lets it. */
bool tern_conn_is_usable(const struct tern_conn *conn, uint64_t now_ns);

/* Closes it from any state. is_orderly: says close_notify where that can be said at once. Its exchanges must have
 * ended. */
void tern_conn_close(struct tern_conn *conn, bool is_orderly);

#endif
