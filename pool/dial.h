/* pool/dial.h - making a connection: names to addresses, the race between them, TLS.
 *
 *     START --> LOOKUP --> RACE <-> TLS --> DONE
 *        \________|__________|_______|______> FAILED
 *
 * The race is Happy Eyeballs version 2 (RFC 8305): addresses come sorted and interleaved from dns/, an attempt starts
 * with the first one, the next starts TERN_DIAL_STAGGER_NS later or as soon as one fails; the first to connect wins,
 * the others are closed. TLS is spoken with the winner only. While answers may still come the race waits for them.
 *
 * What is traced goes to the user, who may answer with a cancel: a dial may have ENDED behind every trace. */
#ifndef TERN_POOL_DIAL_H
#define TERN_POOL_DIAL_H

#include "dns/dns.h"
#include "pool/conn.h"

#define TERN_DIAL_STAGGER_NS (250 * TERN_MS) /* RFC 8305 section 5: the recommended connection attempt delay */
#define TERN_DIAL_ADDRESSES_MAX 32 /* tried in one dial, one after the other: more never help within a timeout */
#define TERN_DIAL_RACERS_MAX 6     /* sockets open at once for one dial; the oldest gives way to the next address */

enum tern_dial_state {
    TERN_DIAL_START,
    TERN_DIAL_LOOKUP, /* no address yet */
    TERN_DIAL_RACE,
    TERN_DIAL_TLS,
    TERN_DIAL_ENDED
};

struct tern_dial {
    struct tern_corpse corpse;
    struct tern_list node; /* in the bucket */
    enum tern_dial_state state;
    struct tern_pool *pool;
    struct tern_bucket *bucket;
    struct tern_profile *profile;   /* owned count */
    struct tern_exchange *exchange; /* whom its failure concerns, or NULL */
    struct tern_task begin;
    struct tern_timer deadline;
    struct tern_timer stagger;
    uint64_t connect_timeout_ns;

    struct tern_lookup lookup;
    bool is_looking; /* the lookup has not ended */
    struct tern_fault lookup_fault;
    struct tern_tls_waiter trust;
    bool has_redialled; /* after a handshake that a session on offer may have failed */
    bool needs_trust;   /* TLS, and the profile is not loaded yet */

    size_t address_count;    /* tried */
    struct tern_crowd crowd; /* passed over, because they are full */
    struct tern_conn *racers[TERN_DIAL_RACERS_MAX];
    size_t racer_try[TERN_DIAL_RACERS_MAX]; /* which of report.tries it is; TERN_ADDRESS_TRIES_MAX: none */
    uint64_t racer_ns[TERN_DIAL_RACERS_MAX];
    size_t racer_count;
    struct tern_conn *winner;

    uint64_t begun_ns, resolved_ns, connected_ns;
    struct tern_fault fault; /* of the last attempt that failed */
    struct tern_dial_report report;
};

/* Begins, from a task. NULL: out of memory. Its end comes through tern_pool_dialled, _dial_failed or _dial_crowded. The
 * timeout counts while it is nobody's. */
struct tern_dial *tern_dial_start(struct tern_bucket *bucket, struct tern_profile *profile,
                                  uint64_t connect_timeout_ns);

/* Gives up without a word; the caller tells the pool. */
void tern_dial_cancel(struct tern_dial *dial);

/* What there is to report of a dial that still goes on. */
void tern_dial_report_now(const struct tern_dial *dial, struct tern_dial_report *out);

/* DNS, CONNECT or TLS. */
enum tern_phase tern_dial_phase(const struct tern_dial *dial);

/* Where connections of bucket are dialled: connect_to's first rule that matches, else the origin itself. Errors:
 * TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_dial_target(const struct tern_bucket *bucket, struct tern_host *host,
                                               uint16_t *port);

/* Something happened to a connection that is being dialled. */
void tern_dial_on_ready(struct tern_conn *conn);

#endif
