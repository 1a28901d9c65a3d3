/* tests/sim/identity.h - who calls say they are: names and passwords, netrc, tokens that users get; and servers that
 * want to know it.
 *
 * Every secret of the workload has "secret-" in it, and whose it is. A server knows from a call's plan which of them
 * may come to it; any other, in whatever field, fails the history. */
#ifndef TERN_TESTS_SIM_IDENTITY_H
#define TERN_TESTS_SIM_IDENTITY_H

#include "tern/tern.h"
#include "tests/sim/server.h"

#define SIM_TOKENS 2 /* of each client: hosts share them or not */
#define SIM_SECRET_MAX 64
#define SIM_REFUSALS_MAX 3 /* answers 401 on one hop: without a name, with an old nonce, and with the right one */

struct sim_client;
struct sim_link;

/* A user who is asked for tokens. */
struct sim_token {
    struct sim_client *client;
    struct tern_client *it; /* who asked */
    unsigned number;        /* of all of the history */
    bool is_open;           /* a question is */
    uint64_t question;
    unsigned round;   /* counts the tokens that were given; the latest is good until expires_ns, */
    unsigned refused; /* or when servers have refused that of this round */
    bool is_gone;     /* the engine was told so */
    uint64_t expires_ns;
};

/* A site's, or a call's own. */
struct sim_identity {
    struct tern_auth auth;
    char name[24], password[SIM_SECRET_MAX];
    uint32_t netrc_origins; /* bits: what netrc has an entry for */
    char netrc[1024];
    struct sim_token *token; /* NULL: a name and password */
};

/* What a request may say of who it is from. */
struct sim_credentials {
    bool has_password;
    const char *user;
    char password[SIM_SECRET_MAX];
    const struct sim_token *token;
    uint32_t schemes;
    bool may_show; /* Basic and tokens may go there */
};

void sim_token_init(struct sim_token *token, struct sim_client *client);
void sim_token_calm(struct sim_token *token);

/* name makes its secrets its own. tokens NULL: it wants none. */
void sim_identity_plan(struct sim_identity *identity, struct sim_token tokens[SIM_TOKENS], const char *name,
                       struct tern_rand *rand);
struct sim_credentials sim_identity_of(const struct sim_call *call, const struct sim_link *link);

/* The user is told of an attempt with these fields. */
void sim_identity_check_attempt(const struct sim_call *call, const struct tern_attempt *attempt);
/* An answer 401 is shown to the user. */
void sim_identity_check_refusal(const struct sim_call *call, const struct tern_head *head);

/* ---- servers (demand.c; request.c asks) ---- */

/* Whatever is secret in a field's value is noted. */
void sim_demand_scan(struct sim_request *request, const char *value, size_t len);
/* It has what it may have, and that is right. */
void sim_demand_check(struct sim_request *request, const struct sim_link *link);
/* True: the answer is 401. */
bool sim_demand_plan_answer(struct sim_request *request);
void sim_demand_end(void);

#endif
