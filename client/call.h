/* client/call.h - one call: the state machine that joins policy to transport. Whoever wants to know what a call does
 * next reads call.c.
 *
 *     NEW --task--> RUNNING --on_end--> (another attempt: NEW) or DONE
 *      |               |
 *      +---------------+--cancel, limit--> ENDING --task--> DONE
 *
 *  1. From NEW to ENDING the handle is live and the call is on its client's list; on_done is its last callback.
 *  2. RUNNING has an exchange with the transport; no other state has.
 *  3. In ENDING no callback comes but on_done.
 *  4. DONE is dead: its memory goes to the client's spares after the turn. */
#ifndef TERN_CLIENT_CALL_H
#define TERN_CLIENT_CALL_H

#include "base/fields.h"
#include "base/url.h"
#include "client/body.h"
#include "client/client.h"

/* Exchanges sent again on top of the first, where that is safe: a pool full of connections that died together must not
 * loop. */
#define TERN_REPLAYS_MAX 2

#define TERN_REQUEST_FIELDS_MAX 512

/* A body longer than this asks for leave first (curl's EXPECT_100_THRESHOLD since 7.84). */
#define TERN_EXPECT_OVER_BYTES (1024 * 1024)

enum tern_call_state { TERN_CALL_NEW, TERN_CALL_RUNNING, TERN_CALL_ENDING, TERN_CALL_DONE };

struct tern_call {
    struct tern_corpse corpse;
    struct tern_list node;
    struct tern_client *client;
    tern_call_id id;
    enum tern_call_state state;
    struct tern_handlers handlers;
    void *user;
    struct tern_task task;
    struct tern_message post; /* while a post brings it */

    /* The request, as it stays. */
    struct tern_url url;
    struct tern_origin origin;
    struct tern_buf method;
    struct tern_buf authority; /* of a Host field of the user's */
    struct tern_fields own;    /* the user's fields, and the names that are taken away */
    struct tern_fields fields; /* as they are sent */
    struct tern_timeouts own_timeouts;
    struct tern_timeouts timeouts;
    enum tern_expect expect;
    char priority[8]; /* value of the field, "u=3, i"; empty: none */
    uint64_t body_bytes_max;
    bool credits_itself;
    bool has_body;
    bool is_fresh, wants_close;

    /* Under way. */
    struct tern_profile *profile; /* owned count */
    struct tern_body_reader body;
    struct tern_exchange exchange;
    struct tern_result result;
    uint64_t deadline_ns;
    uint64_t owed_bytes; /* delivered and not credited, where the call credits itself */
    uint32_t replays;
    bool is_paused;
    bool was_answered; /* something of a response was shown to the user: no other attempt */
};

/* Ends the call from a task. */
void tern_call_end_later(struct tern_call *call, enum tern_error error);

/* Ends it now, through its callback or (silent) without. */
void tern_call_end_now(struct tern_call *call, enum tern_error error, bool is_silent);

/* Frees what the call holds. */
void tern_call_free(struct tern_call *call);

/* The engine's hook for cancels from other threads. */
void tern_call_on_post_cancel(struct tern_slots *slots, void *object);

#endif
