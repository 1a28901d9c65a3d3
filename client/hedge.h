/* client/hedge.h - a second attempt beside a first that is slow to be answered (policy.hedging), and the race between
 * the two. Called by call.c alone, and by what steers a call.
 *
 *     IDLE --due--> RACING --one is answered well, or one leaves--> IDLE
 *                      \----the call ends----> CUT ----its hooks were told----> IDLE
 *
 *  1. While RACING both exchanges are the call's, and of neither does anything reach the user but traces.
 *  2. Else call->active is the only one, the first or the second, and what it says goes to call.c.
 *  3. RACING counts one in client->retrying_count. */
#ifndef TERN_CLIENT_HEDGE_H
#define TERN_CLIENT_HEDGE_H

#include "client/body.h"
#include "pool/transport.h"

struct tern_call;

enum tern_hedge_phase { TERN_HEDGE_IDLE, TERN_HEDGE_RACING, TERN_HEDGE_CUT };

/* Made with a call's first hedge, and kept with its memory. */
struct tern_hedge {
    enum tern_hedge_phase phase;
    struct tern_exchange exchange;
    struct tern_body_reader body; /* its own place in the request's body */
    struct tern_result result;    /* of the exchange, while it is not the call's only one */
};

/* An attempt is about to start. */
void tern_call_hedge_begin(struct tern_call *call);

/* It has its connection: from now on its answer is waited for. */
void tern_call_hedge_assigned(struct tern_call *call);

/* The wait is over. was_long_enough: how long it took says something of the origin. */
void tern_call_hedge_end(struct tern_call *call, bool was_long_enough);

/* The wait is longer than usual: the second attempt goes out, if nothing speaks against it. Events may come from
 * inside. */
void tern_call_hedge_due(struct tern_call *call);

/* The exchange that is under way beside call->active, or NULL. */
struct tern_exchange *tern_call_hedge_beside(struct tern_call *call);

/* The call ends, while perhaps two are under way: cuts the second off; later, tells the hooks of it. */
void tern_call_hedge_cut(struct tern_call *call);
void tern_call_hedge_over(struct tern_call *call, bool is_silent);

#endif
