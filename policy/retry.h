/* policy/retry.h - whether a call is tried again, and after how long. Pure: the time and the dice come in.
 *
 * The budget bounds how many of a client's calls are in a retry at a time, as a share of its live ones, so that an
 * outage is not answered with a storm (the rule is Envoy's: "retry budget" of its circuit breakers). */
#ifndef TERN_POLICY_RETRY_H
#define TERN_POLICY_RETRY_H

#include "base/rand.h"
#include "tern/call.h"
#include "tern/policy.h"

#define TERN_RETRY_ATTEMPTS_MAX 4
#define TERN_RETRY_BACKOFF_NS (200 * TERN_MS)
#define TERN_RETRY_BACKOFF_MAX_NS (4 * TERN_S)
#define TERN_RETRY_AFTER_MAX_NS (900 * TERN_S)
#define TERN_RETRY_BUDGET_PERCENT 20
#define TERN_RETRY_BUDGET_MIN 3

struct tern_retry_question {
    const struct tern_retries *config; /* defaults filled in */
    uint32_t attempt;                  /* that has ended: 1 for the first */
    uint16_t status;                   /* 0: it failed */
    enum tern_error error;             /* with status 0 */
    enum tern_replay replay;           /* with status 0: what the peer can have seen */
    bool is_idempotent;                /* or has an Idempotency-Key */
    bool has_body_again;               /* it has no body, or one that can be sent again */
    struct tern_str retry_after;       /* ptr NULL: none */
    uint64_t now_ns;
    uint64_t start_ns;    /* of the call */
    int64_t wall_s;       /* seconds since 1970, for dates */
    uint64_t deadline_ns; /* or TERN_OFF */
    uint32_t live;        /* calls of the client */
    uint32_t retrying;    /* of them: in a retry, without this one */
};

struct tern_retry_answer {
    bool again;
    uint64_t delay_ns;
    const char *reason; /* why not: static text, for the trace; NULL where nothing called for a retry */
};

/* Whether an answer calls for another attempt. config NULL: by the default. */
bool tern_retry_is_for(const struct tern_retries *config, uint16_t status);

/* Whether one more may be in a retry. config NULL: by the default. */
bool tern_retry_has_budget(const struct tern_retries *config, uint32_t live, uint32_t retrying);

extern const uint16_t tern_retry_statuses[4]; /* the default */

/* rand is used only where the answer is yes. */
void tern_retry_decide(const struct tern_retry_question *question, struct tern_rand *rand,
                       struct tern_retry_answer *out);

/* Retry-After (RFC 9110 10.2.3): seconds or a date, which may be past (0). False: neither. Saturates at TERN_OFF. */
bool tern_retry_after_parse(struct tern_str value, int64_t wall_s, uint64_t *out_ns);

#endif
