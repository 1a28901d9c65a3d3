/* policy/rate.h - when the next call to a host may start: the generic cell rate algorithm (ITU-T I.371), which is a
 * token bucket without a bucket: one time per host says all. Pure: the time comes in.
 *
 * Only calls that start count. Those that must wait stand in line, which is the caller's to keep; when its first may
 * start is asked anew each time, so who gives up costs nobody anything and what the host says holds for the whole
 * line. */
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
};

/* When a call may start, now or later, if ahead others start before it. config has its defaults filled in. */
uint64_t tern_rate_at(const struct tern_rate *config, const struct tern_rate_state *state, uint64_t now_ns,
                      uint32_t ahead);

/* A call starts, which it may. */
void tern_rate_start(const struct tern_rate *config, struct tern_rate_state *state, uint64_t now_ns);

/* An answer came: 429 and 503 with Retry-After, and RateLimit fields with nothing left
 * (draft-ietf-httpapi-ratelimit-headers, and the X-RateLimit-* ones before it) hold the host's calls back. */
void tern_rate_heard(const struct tern_rate *config, struct tern_rate_state *state, uint64_t now_ns, int64_t wall_s,
                     uint16_t status, const struct tern_field *fields, size_t field_count);

#endif
