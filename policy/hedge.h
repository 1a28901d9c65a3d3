/* policy/hedge.h - when a call that has no answer yet is sent a second time (Dean and Barroso, "The Tail at Scale",
 * CACM 56(2), 2013: "hedged requests", deferred until the first has been outstanding for longer than the 95th
 * percentile). Pure: latencies come in. How many may be under way at a time is the retries' budget (policy/retry.h). */
#ifndef TERN_POLICY_HEDGE_H
#define TERN_POLICY_HEDGE_H

#include "tern/policy.h"

#define TERN_HEDGE_PERCENTILE 95
#define TERN_HEDGE_SLOW_NS TERN_S

/* Fewer answers say nothing: of 20 one is slower than 95 percent. */
#define TERN_HEDGE_ANSWERS_MIN 20

/* At this many all counts are halved, so that what is known follows the host: half of it is of the latest 512
 * answers. */
#define TERN_HEDGE_ANSWERS_MAX 1024

/* Four to a power of two, from 2^18 ns (0.26 ms) to 2^33 ns (9 s) and one for all above. */
#define TERN_HEDGE_BUCKETS 62

/* How long an origin's latest answers took, to within a quarter. All zero: nothing is known. */
struct tern_hedge_state {
    uint16_t counts[TERN_HEDGE_BUCKETS];
    uint16_t total;
};

/* An answer took so long, or longer: where it was not waited for. */
void tern_hedge_note(struct tern_hedge_state *state, uint64_t latency_ns);

/* How long a call waits for its first answer before it is sent again; TERN_OFF: it is not. *is_slow: since the origin
 * as a whole is slow. config has its defaults filled in. */
uint64_t tern_hedge_delay(const struct tern_hedging *config, const struct tern_hedge_state *state, bool *is_slow);

#endif
