/* client/call.h - one call: the state machine that joins policy to transport. Whoever wants to know what a call does
 * next reads call.c.
 *
 *     NEW --task, delay--> RUNNING --on_end--> (another attempt or hop: NEW) or DONE
 *      |               |  \--on_end--> DECODING --all delivered--> DONE
 *      +---------------+-----------------+--cancel, limit--> ENDING --task--> DONE
 *
 *  1. From NEW to ENDING the handle is live and the call is on its client's list; on_done is its last callback.
 *  2. RUNNING has an exchange with the transport, or two (client/hedge.h); no other state has. In DECODING it has ended
 *     well, and what it brought is not yet decoded and delivered: the user has paused the call, or owes credit, or it
 *     takes more than a turn.
 *  3. In ENDING no callback comes but on_done.
 *  4. DONE is dead: its memory goes to the client's spares after the turn. */
#ifndef TERN_CLIENT_CALL_H
#define TERN_CLIENT_CALL_H

#include "base/fields.h"
#include "base/url.h"
#include "client/body.h"
#include "client/client.h"
#include "client/decoding.h"
#include "client/hedge.h"
#include "client/identity.h"
#include "client/resume.h"

/* Exchanges sent again on top of the first, where that is safe: a pool full of connections that died together must not
 * loop. */
#define TERN_REPLAYS_MAX 2

#define TERN_REQUEST_FIELDS_MAX 512

/* A body longer than this asks for leave first (curl's EXPECT_100_THRESHOLD since 7.84). */
#define TERN_EXPECT_OVER_BYTES (1024 * 1024)

/* Of a response that is retried or redirected so much is read to keep its connection; a longer one is cut off. */
#define TERN_DISCARD_BYTES_MAX (64 * 1024)

/* What follows once the present response is out of the way. */
enum tern_call_next { TERN_CALL_NEXT_NONE, TERN_CALL_NEXT_RETRY, TERN_CALL_NEXT_AUTH, TERN_CALL_NEXT_HOP };

enum tern_call_state { TERN_CALL_NEW, TERN_CALL_RUNNING, TERN_CALL_DECODING, TERN_CALL_ENDING, TERN_CALL_DONE };

/* What every call works with stands first and together: with hundreds of calls under way each cache line counts. */
struct tern_call {
    struct tern_corpse corpse;
    struct tern_list node;
    struct tern_client *client;
    tern_call_id id;
    enum tern_call_state state;
    enum tern_call_next next;
    struct tern_handlers handlers;
    void *user;
    void (*on_drop)(void *user); /* NULL, or the one callback of an end that is silent: user is freed in there */
    struct tern_task task;
    struct tern_settings *settings; /* owned count */
    const struct tern_site *site;   /* of them: what holds for the present hop's host */
    struct tern_profile *profile;   /* the site's */
    struct tern_exchange *active;   /* while RUNNING: the exchange that the call goes by; its own, or the hedge's */
    uint64_t deadline_ns;
    uint64_t body_bytes_max;
    uint64_t owed_bytes; /* delivered and not credited, where the call credits itself */
    uint32_t attempts;   /* of this hop */
    uint32_t replays;
    uint32_t hedges; /* of all hops */
    uint32_t resumes;
    enum tern_expect expect;
    bool credits_itself;
    bool has_body;
    bool has_own_policy, has_own_timeouts;
    bool is_fresh, wants_close;
    bool is_paused;        /* by the user */
    bool pauses_transport; /* what it was told last */
    bool was_told;         /* the attempt's end, to the hooks */
    bool was_answered;     /* something of a response was shown to the user: no other attempt */
    bool to_get;           /* with NEXT_HOP: its method */
    bool drops_secrets;    /* another origin was visited: secrets do not come back */
    bool drops_host;
    bool is_cross_site; /* the chain has been to another site: not all cookies go out any more */
    bool is_upgraded;   /* the hop's URL was http, and HSTS has made it https */
    bool is_retrying;   /* counted as such by its client */
    char priority[8];   /* value of the field, "u=3, i"; empty: none */

    /* What only some have. */
    const struct tern_redirects *redirects_policy; /* what holds for this call, or NULL */
    const struct tern_retries *retries_policy;
    const struct tern_hedging *hedging_policy;
    struct tern_jar *jar;            /* the policy's own or the site's, or NULL */
    struct tern_identity *identity;  /* NULL: it has no credentials */
    struct tern_host_state *breaker; /* pinned: what the attempt's outcome is told to; NULL: nothing, or told */
    struct tern_host_state *rate;    /* pinned while the attempt waits or runs */
    struct tern_host_state *pace; /* pinned until the attempt is answered: how fast its origin is; NULL: it goes once */
    struct tern_hedge *hedge;     /* owned, or NULL */
    struct tern_hop *hops;
    size_t hop_count;
    struct tern_keep hop_texts;
    const struct tern_field *trailers; /* the user's */
    size_t trailer_count;
    struct tern_timer delay; /* in NEW: of the next attempt; RUNNING: of its hedge; DECODING: the deadline */

    /* The request, as it stays, and what is under way. */
    struct tern_fields own;    /* the user's fields, and the names that are taken away */
    struct tern_buf authority; /* of a Host field of the user's */
    struct tern_buf method;
    struct tern_url url;
    struct tern_origin origin;
    struct tern_exchange exchange;
    struct tern_result result;
    struct tern_decoding_state decoding;
    struct tern_resume resume;
    struct tern_body_reader body; /* with has_body */
    struct tern_fields fields;    /* as they are sent, unless they are the profile's */

    /* Rarely looked at. */
    uint64_t delay_ns;
    uint64_t discarded_bytes;
    uint64_t assigned_ns; /* with pace: it got its connection; 0: not yet */
    uint64_t patience_ns; /* while it waits for its rate: until then */
    uint32_t breaker_round;
    struct tern_list in_line;          /* of its rate, while it waits */
    struct tern_message post;          /* while a post brings it */
    struct tern_url next_url;          /* with NEXT_HOP */
    struct tern_timeouts own_timeouts; /* as asked for */
    struct tern_timeouts timeouts;     /* the same with the site's for what it left out */
    struct tern_decoding own_decoding;
    struct tern_redirects own_redirects;
    struct tern_retries own_retries;
    struct tern_hedging own_hedging;
};

/* Where its exchanges go: the pool, or a mock. */
static inline struct tern_transport *tern_call_transport(const struct tern_call *call)
{
    return call->client->transport;
}

/* One that has just become its client's: its first attempt begins from a task. */
void tern_call_begin(struct tern_call *call);

/* All 0, but for what is behind the end of its texts and of its tries. */
void tern_result_clear(struct tern_result *result);

/* What the result of its next attempt begins as; *out may be the call's. */
void tern_call_begin_result(const struct tern_call *call, struct tern_result *out);

/* Who hears an exchange that is the call's only one. */
const struct tern_exchange_events *tern_call_exchange_events(const struct tern_call *call);

/* Ends the call from a task. */
void tern_call_end_later(struct tern_call *call, enum tern_error error);

void tern_call_end_with(struct tern_call *call, const struct tern_fault *fault);

/* Gives the user bytes of the body, total with them; or ends the call, where that is more than it may be. */
void tern_call_deliver(struct tern_call *call, const void *data, size_t len, uint64_t total);

/* Tells the transport whether to pause, if that has changed. */
void tern_call_update_pause(struct tern_call *call);

/* All that came was decoded and delivered: the call is over. */
void tern_call_end_decoding(struct tern_call *call);

/* Ends it now, through its callback or (silent) without. */
void tern_call_end_now(struct tern_call *call, enum tern_error error, bool is_silent);

/* Frees what the call holds. */
void tern_call_free(struct tern_call *call);

/* The engine's hook for cancels from other threads. */
void tern_call_on_post_cancel(struct tern_slots *slots, void *object);

#endif
