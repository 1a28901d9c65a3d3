/* policy/rate.h - when the next call to a host may start: the generic cell rate algorithm (ITU-T I.371), which is a token
 * bucket without a bucket: one time per host says all. Pure: the time comes in.
 *
 * A call takes the next free moment when it arrives and waits for that, so calls start in the order in which they came.
 * One that gives up gives its moment back for those to come. */
#ifndef TERN_POLICY_RATE_H
#define TERN_POLICY_RATE_H

#include "tern/policy.h"

#define TERN_RATE_PERIOD_NS TERN_S
#define TERN_RATE_QUEUE_MAX 1024
#define TERN_RATE_WAIT_MAX_NS (30 * TERN_S)

/* How far answers may push a host's calls back: what a server says by mistake shall not silence it for days. */
#define TERN_RATE_HOLD_MAX_NS (900 * TERN_S)

struct tern_rate_state { /* all zero: nothing was asked yet */
    uint64_t full_ns;    /* when all of the burst is there again */
    uint64_t hold_ns;    /* the host said: not before this */
    uint32_t waiting;    /* calls that wait for their moment */
};

struct tern_rate_answer {
    enum tern_error error; /* TERN_OK, TERN_EQUEUE, TERN_ERATE */
    uint64_t at_ns;        /* the call's moment: now or later. With TERN_ERATE when it would have been */
};

/* A call has come; deadline_ns (or TERN_OFF) is its own. Unless refused it has its moment, and counts as waiting if that
 * is not now. config has its defaults filled in. */
struct tern_rate_answer tern_rate_take(const struct tern_rate *config, struct tern_rate_state *state, uint64_t now_ns,
                                       uint64_t deadline_ns);

/* The moment of a waiting call has come, or the call gave up; then back says that its moment is not used. */
void tern_rate_leave(const struct tern_rate *config, struct tern_rate_state *state, bool back);

/* An answer came: 429 and 503 with Retry-After, and RateLimit fields with nothing left
 * (draft-ietf-httpapi-ratelimit-headers, and the X-RateLimit-* ones before it) hold the host's calls back. */
void tern_rate_heard(const struct tern_rate *config, struct tern_rate_state *state, uint64_t now_ns, int64_t wall_s,
                     uint16_t status, const struct tern_field *fields, size_t field_count);

#endif
