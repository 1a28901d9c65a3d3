/* tests/sim/policy.h - what clients and calls decide by policy: plans of it, and what must be so because of them.
 *
 * A client's configuration has sites: the client's own and those for host patterns. Each knows whom it belongs to,
 * through the hooks' user, so that every attempt says by which policy it goes. Configurations live until the world's
 * end.
 *
 * A call's links are the URLs that it may ask for: the first is its own, each redirect that a server says makes
 * another. Its path has its number, so a server knows which request it sees and what must be left of it. */
#ifndef TERN_TESTS_SIM_POLICY_H
#define TERN_TESTS_SIM_POLICY_H

#include "tern/tern.h"
#include "tests/sim/identity.h"
#include "tests/sim/server.h"

#define SIM_SITES_MAX 4
#define SIM_RATES 3 /* a client's rates: their numbers stay, which hosts have them changes */
#define SIM_LINKS_MAX 40
#define SIM_HOPS_MAX 16
#define SIM_ATTEMPTS_KEPT 16

struct sim_client;
struct sim_call;

struct sim_retries {
    struct tern_retries config; /* user: this struct */
    struct sim_client *client;
};

struct sim_site {
    struct sim_config *config;
    unsigned pattern; /* in sim_patterns; 0: the client's own */
    char user_agent[32];
    struct tern_gate gate;
    struct tern_redirects redirects;
    struct sim_retries retries;
    struct tern_decoding decoding;
    struct tern_hedging hedging;
    struct tern_breaker breaker;
    struct sim_identity identity;
    const struct sim_identity *effective_identity; /* or the client's own; NULL: none */
    struct tern_hooks hooks;
    struct tern_policy policy;    /* as it is configured */
    struct tern_policy effective; /* with what the client's own has */
    int rate;                     /* of effective; -1: none */
    struct tern_client_config difference;
};

/* What has started under one rate, by the algorithm's own definition (ITU-T I.371). */
struct sim_meter {
    uint64_t full_ns, hold_ns;
};

struct sim_meters {
    struct sim_meter of[SIM_RATES][SIM_ORIGINS_ALL]; /* a group's is the first */
};

struct sim_config {
    struct sim_config *next;
    struct sim_client *client;
    struct tern_client *it;    /* once it has been configured so */
    struct sim_meters *meters; /* its */
    struct sim_token *tokens;  /* SIM_TOKENS, the same for all configurations of it */
    bool owns_meters, owns_tokens;
    struct tern_jar *jar; /* of all its sites; NULL: none. The client's, once it has been given */
    struct sim_site sites[SIM_SITES_MAX];
    unsigned site_count;
    struct tern_host_config hosts[SIM_SITES_MAX];
};

struct sim_link {
    unsigned origin, hop;
    const char *method;
    bool has_body, keeps_secrets;
    bool is_refused; /* by the redirects policy: nobody may ask for it */
};

/* A call's, beside its plan. */
struct sim_policed {
    bool has_own;
    struct tern_policy own;
    struct tern_redirects redirects;
    struct sim_retries retries;
    struct tern_decoding decoding;
    struct tern_hedging hedging;
    struct sim_identity identity;
    const struct sim_config *config; /* that it started under */
    struct sim_link links[SIM_LINKS_MAX];
    unsigned link_count;
    uint32_t processed[SIM_HOPS_MAX];      /* by hop: how often the servers did */
    uint32_t asked, seen;                  /* attempts that began, requests that arrived */
    uint64_t had[SIM_ATTEMPTS_KEPT];       /* of the body, when the latest of them did */
    bool is_open, has_response, has_error; /* the present attempt: what the hooks were told */
    bool is_racing;                        /* a second one is under way beside it: the next word is one's farewell */
    uint32_t hop, retries_of_hop, error_attempt;
    uint32_t refusals; /* answers 401 on this hop */
    bool is_retrying;
    bool loops;             /* a redirect has led back: a hop's requests cannot be told from another's */
    unsigned asked_of;      /* the origin of the present attempt */
    uint64_t retry_wait_ns; /* what its answer said in Retry-After */
    uint32_t live_peak;     /* calls of the client since the present attempt's outcome */
};

/* ---- configurations (client.c asks) ---- */

void sim_policy_plan_client(struct sim_client *client, struct tern_rand *rand);
struct sim_config *sim_policy_configure(struct sim_client *client, struct tern_client_config *config);
void sim_policy_given(struct sim_config *config);      /* the client has it, or has refused it */
void sim_policy_configured(struct sim_config *config); /* it went well: the client's calls go by it */
void sim_policy_end(void);

/* What holds for a call's request to an origin; NULL: nothing. */
const struct sim_site *sim_policy_site(const struct sim_call *call, unsigned origin);
const struct tern_redirects *sim_policy_redirects(const struct sim_call *call, unsigned origin);
const struct tern_decoding *sim_policy_decoding(const struct sim_call *call, unsigned origin);
const struct tern_retries *sim_policy_retries(const struct sim_call *call, unsigned origin);
const struct tern_hedging *sim_policy_hedging(const struct sim_call *call, unsigned origin);
const struct sim_identity *sim_policy_identity(const struct sim_call *call, unsigned origin);

/* With sim_users.is_gated no such address is ever connected to. */
bool sim_policy_forbids(const struct tern_sockaddr *address);

/* What must hold of a client between steps: what its calls hold of it adds up; */
void sim_policy_check(const struct sim_client *client);
/* its breakers go from phase to phase as they may, and addresses that are set aside are left alone (aside.c). */
void sim_aside_check(const struct sim_client *client);
void sim_aside_end(void);

/* ---- calls (call.c asks) ---- */

void sim_policy_plan_call(struct sim_call *call);
void sim_policy_started(struct sim_call *call); /* it has become one of its client's live calls */
void sim_policy_ended(struct sim_call *call, const struct tern_result *result);
uint32_t sim_policy_attempts_max(const struct sim_call *call);

/* Hooks; user is a sim_site, or of the last one a sim_retries. */
void sim_policy_on_request(void *user, const struct tern_attempt *attempt);
void sim_policy_on_response(void *user, const struct tern_attempt *attempt, const struct tern_head *head);
void sim_policy_on_error(void *user, const struct tern_attempt *attempt, const struct tern_fault *fault);
void sim_policy_on_retry(void *user, uint64_t id, const struct tern_retry *retry);

/* ---- servers (request.c asks) ---- */

/* The link that a path asks for. */
unsigned sim_policy_link(const struct sim_call *call, const char *path);
void sim_policy_check_request(const struct sim_request *request, const struct sim_link *link);
bool sim_policy_may_repeat(const struct sim_call *call, const struct sim_link *link);
/* Perhaps a redirect, or a word about load. */
void sim_policy_plan_answer(struct sim_request *request);

#endif
