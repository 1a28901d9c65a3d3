/* pool/transport.h - what the call's state machine sees below it: start an exchange, steer it, be told how it ended.
 *
 * The pool is one transport; a mock is another. An exchange is one request and response; its storage is the caller's
 * and stays in place from start to on_end or cancel.
 *
 *  1. on_end comes exactly once for a started exchange, and last. Events may come from inside start (so that is the
 *     last thing its caller does), but from no other function here.
 *  2. After cancel no event comes. cancel may be called from inside any event.
 *  3. The transport judges nothing: it says how an exchange failed (fault and replay class); whether another attempt
 *     is made is the call's to decide. */
#ifndef TERN_POOL_TRANSPORT_H
#define TERN_POOL_TRANSPORT_H

#include "base/host.h"
#include "base/list.h"
#include "engine/engine.h"
#include "pool/profile.h"
#include "pool/watchdog.h"
#include "proto/codec.h"

struct tern_exchange;
struct tern_conn;
struct tern_dial;

/* Whom to talk to. */
struct tern_origin {
    bool is_secure;
    uint16_t port;
    struct tern_host host;
};

struct tern_exchange_events {
    void (*on_assigned)(struct tern_exchange *exchange); /* it has its connection and is about to be written; or NULL */
    void (*on_informational)(struct tern_exchange *exchange, const struct tern_head *head);
    void (*on_head)(struct tern_exchange *exchange, const struct tern_head *head);
    void (*on_body)(struct tern_exchange *exchange, const uint8_t *data, size_t len);
    void (*on_trailers)(struct tern_exchange *exchange, const struct tern_field *fields, size_t count);
    /* result->fault and result->replay say how; all of result that the transport knows is filled in. */
    void (*on_end)(struct tern_exchange *exchange);
    void (*on_trace)(struct tern_exchange *exchange, enum tern_trace_kind kind, struct tern_str text); /* or NULL */
};

enum tern_exchange_state {
    TERN_EXCHANGE_IDLE,    /* not started, ended or cancelled */
    TERN_EXCHANGE_WAITING, /* for a connection */
    TERN_EXCHANGE_RUNNING, /* on one */
    TERN_EXCHANGE_FAILING  /* ended by the pool itself; on_end comes from a task */
};

struct tern_exchange {
    /* Set by the caller before start, borrowed until the end. */
    const struct tern_exchange_events *events; /* may change on the way */
    void *owner;                               /* the caller's own */
    struct tern_profile *profile;
    const struct tern_origin *origin;
    struct tern_outgoing outgoing;
    const struct tern_timeouts *timeouts; /* every field resolved */
    uint64_t total_deadline_ns;           /* or TERN_OFF */
    struct tern_result *result;           /* may change on the way, to a copy of it */
    uint32_t window_bytes;
    uint32_t window_bytes_max; /* what it may be raised to; window_bytes: it stays */
    bool is_fresh;             /* take no pooled connection (outgoing.close leaves none) */
    /* One under way that this repeats, or NULL: read by start alone, which prefers a connection other than its, to
     * another address, and where none is ready or can be dialled refuses. */
    const struct tern_exchange *apart_from;

    /* The transport's own. */
    enum tern_exchange_state state;
    bool is_paused;
    struct tern_list node;       /* among the bucket's waiters, then among its connection's exchanges */
    struct tern_list reuse_node; /* among those of them that take a used connection */
    struct tern_stream stream;
    struct tern_watchdog watchdog;
    uint64_t sent_mark; /* body bytes that were sent when the write limit began to run */
    struct tern_timer timer;
    struct tern_task task;
    struct tern_bucket *bucket;
    struct tern_conn *conn;
    struct tern_dial *dial;
    struct tern_transport *transport;
    size_t choices;          /* addresses among which its connection's was one; 0: it had no choice, or no connection */
    uint64_t coalesced_pair; /* it is on a connection of another host; 0: not */
    uint64_t begun_ns;       /* start was called */
    uint64_t assigned_ns;    /* it got its connection */
    uint64_t sent_ns;        /* its last byte was written; 0: not yet */
    uint64_t answered_ns;    /* the final head came; 0: not yet */
};

struct tern_transport_ops {
    /* Errors: TERN_EQUEUE, TERN_EDEADLINE, TERN_EPOOL_TIMEOUT, TERN_ENOMEM; no event comes then and why is filled. */
    enum tern_error (*start)(struct tern_transport *transport, struct tern_exchange *exchange, struct tern_fault *why);
    void (*cancel)(struct tern_exchange *exchange);
    void (*credit)(struct tern_exchange *exchange, uint32_t bytes);
    void (*pause)(struct tern_exchange *exchange, bool is_paused);
    void (*body_ready)(struct tern_exchange *exchange);
    void (*priority_changed)(struct tern_exchange *exchange); /* outgoing.priority is another */
    /* Until then as few exchanges as can be go to result->remote, which was one of several choices; else it is not
     * called, and may be NULL. Also in and behind on_end. */
    void (*avoid)(struct tern_exchange *exchange, uint64_t until_ns);
};

struct tern_transport {
    const struct tern_transport_ops *ops;
};

/* The phase in which a started exchange is, for results. */
enum tern_phase tern_exchange_phase(const struct tern_exchange *exchange);

#endif
