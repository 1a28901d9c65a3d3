/* client/client.h - a client: where configuration, pool and calls meet.
 *
 *     OPEN --close(DRAIN)--> DRAINING --close(DROP)--> DROPPING
 *       \______________________________________________^
 *
 * Closed in either way it is freed when its last call has ended. */
#ifndef TERN_CLIENT_CLIENT_H
#define TERN_CLIENT_CLIENT_H

#include "base/rand.h"
#include "client/hosts.h"
#include "client/settings.h"
#include "client/tokens.h"
#include "policy/hsts.h"
#include "policy/spaces.h"
#include "pool/pool.h"

/* Ended calls kept with their memory for the next ones: a service's usual concurrency. */
#define TERN_CALL_SPARES_MAX 256

struct tern_mock;

enum tern_client_state { TERN_CLIENT_OPEN, TERN_CLIENT_DRAINING, TERN_CLIENT_DROPPING };

struct tern_client {
    struct tern_member member;
    struct tern_corpse corpse;
    struct tern_engine *engine;
    enum tern_client_state state;
    struct tern_settings *settings; /* for calls started from now on; owned count */
    struct tern_pool_seams seams;
    struct tern_tls_provider *tls; /* owned */
    struct tern_pool pool;
    struct tern_transport *transport; /* where calls go: the pool, or */
    struct tern_mock *mock;           /* owned count; NULL: none */
    struct tern_list calls;           /* tern_call.node: live */
    struct tern_list spares;          /* the same, ended, to be used again */
    uint32_t spare_count;
    uint32_t call_count;
    struct tern_hosts hosts;
    struct tern_hsts hsts;
    struct tern_spaces spaces;
    struct tern_tokens tokens;
    uint32_t retrying_count; /* of them: between their first failure and their end; and hedges beside another attempt */
    struct tern_rand rand;   /* for jitter */
    struct tern_client_stats stats;
};

/* As tern_client_new, with stand-ins for what lies below. Tests and simulation. */
TERN_MUST_USE enum tern_error tern_client_new_with(struct tern_engine *engine, const struct tern_client_config *config,
                                                   const struct tern_pool_seams *seams, struct tern_client **out,
                                                   struct tern_fault *why);

/* Whether it takes what is new. Errors: TERN_ECLOSED, TERN_EFORK. */
TERN_MUST_USE enum tern_error tern_client_check_open(const struct tern_client *client);

/* A call has ended for good; the client may go with it. */
void tern_client_call_ended(struct tern_client *client);

#endif
