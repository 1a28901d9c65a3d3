/* Identity: plans of it, and the users who get tokens. */
#include "tests/sim/identity.h"

#include <stdio.h>

#include "base/str.h"
#include "tests/sim/policy.h"
#include "tests/sim/user.h"

static bool chance(struct tern_rand *rand, uint32_t per_mille)
{
    return tern_rand_below(rand, 1000) < per_mille;
}

/* ---- tokens ---- */

static void print_token(char out[SIM_SECRET_MAX], const struct sim_token *token, unsigned round)
{
    snprintf(out, SIM_SECRET_MAX, "secret-t%u.%u", token->number, round);
}

void sim_token_init(struct sim_token *token, struct sim_client *client)
{
    *token = (struct sim_token){.client = client, .number = sim_users.token_count++};
}

static void on_late(void *context, uint64_t number);

/* Who answers twice, or what is no token, is told so. */
static void check_misuse(const struct sim_token *token)
{
    enum tern_error error;

    if (!sim_chance(200))
        return;
    error = tern_client_token(token->it, token->question, TERN_STR("no token"), 0);
    SIM_CHECK(error == (token->is_open ? TERN_EINVAL : TERN_EGONE), "what is no token, or too late, is answered %s",
              tern_error_name(error));
}

static void answer(struct sim_token *token)
{
    bool fails = sim_fault(SIM_FAULT_TOKEN_FAIL);
    uint64_t valid_ns = sim_chance(300) ? 1 + sim_some_time(300 * TERN_MS) : 0;
    char text[SIM_SECRET_MAX];
    enum tern_error error;

    print_token(text, token, token->round + 1);
    check_misuse(token);
    if (fails)
        error = tern_client_token_failed(token->it, token->question, "as the seed says");
    else
        error = tern_client_token(token->it, token->question, tern_str(text), valid_ns);
    sim_note("token %u, question %llu: %s %s", token->number, (unsigned long long)token->question,
             fails ? "failed" : text, tern_error_name(error));
    SIM_CHECK(error == TERN_OK || (error == TERN_ENOMEM && !fails), "the answer to a question is answered %s",
              tern_error_name(error));
    if (error == TERN_ENOMEM) {
        sim_after(TERN_MS, on_late, token, token->question);
        return;
    }
    token->is_open = false;
    check_misuse(token);
    if (fails)
        return;
    token->round++;
    token->is_gone = false;
    token->expires_ns = valid_ns != 0 ? sim.now_ns + valid_ns : TERN_OFF;
}

/* A client that is closed is nobody's to answer. */
static bool is_reachable(const struct sim_token *token)
{
    const struct sim_client *client = token->client;

    return client->engine->engine != NULL && client->client != NULL && client->client == token->it &&
           token >= client->config->tokens && token < client->config->tokens + SIM_TOKENS;
}

static void on_late(void *context, uint64_t number)
{
    struct sim_token *token = context;

    if (token->is_open && token->question == number && is_reachable(token))
        answer(token);
}

void sim_token_calm(struct sim_token *token)
{
    on_late(token, token->question);
}

static void on_ask(void *user, struct tern_client *it, uint64_t question, bool was_refused)
{
    struct sim_token *token = user;

    sim_note("token %u is asked for, question %llu%s", token->number, (unsigned long long)question,
             was_refused ? ", since one was refused" : "");
    SIM_CHECK(token->client->engine->is_in_step, "a token is asked for from outside a step");
    SIM_CHECK(token->it == NULL || token->it == it, "a token is asked for by another client");
    SIM_CHECK(!token->is_open, "token %u is asked for twice at once", token->number);
    SIM_CHECK(!was_refused || token->refused == token->round, "token %u was refused, says the engine", token->number);
    SIM_CHECK(was_refused || token->is_gone || token->round == 0 || sim.now_ns >= token->expires_ns,
              "token %u is asked for, and is good", token->number);
    token->it = it;
    token->question = question;
    token->is_open = true;
    token->is_gone |= was_refused;
    if (sim_fault(SIM_FAULT_TOKEN_LATE))
        sim_after(sim_some_time(sim_chance(100) ? 20 * TERN_S : 30 * TERN_MS), on_late, token, question);
    else
        answer(token);
}

/* ---- plans ---- */

static void print_netrc(char out[SIM_SECRET_MAX], const struct sim_identity *identity, unsigned origin)
{
    snprintf(out, SIM_SECRET_MAX, "secret-n%s.h%u", identity->name, origin);
}

/* A file with some of the hosts; behind them is who has no entry. */
static void plan_netrc(struct sim_identity *identity, struct tern_rand *rand)
{
    char password[SIM_SECRET_MAX];
    size_t len = 0;

    for (unsigned origin = 0; origin <= SIM_ORIGINS_ALL; origin++) {
        bool is_default = origin == SIM_ORIGINS_ALL;

        if (!chance(rand, is_default ? 300 : 600))
            continue;
        identity->netrc_origins |= 1u << origin;
        print_netrc(password, identity, origin);
        len +=
            (size_t)snprintf(identity->netrc + len, sizeof(identity->netrc) - len, "%s%s login xx password %s\n",
                             is_default ? "default" : "machine ", is_default ? "" : sim_origins[origin].host, password);
    }
    identity->auth.netrc = tern_str_n(identity->netrc, len);
}

/* Names are such that in base64 a password begins where a group of four does. */
void sim_identity_plan(struct sim_identity *identity, struct sim_token tokens[SIM_TOKENS], const char *name,
                       struct tern_rand *rand)
{
    static const uint32_t schemes[] = {0, 0, TERN_AUTH_BASIC, TERN_AUTH_DIGEST, TERN_AUTH_BASIC | TERN_AUTH_DIGEST};
    struct tern_auth *auth = &identity->auth;
    unsigned kind = (unsigned)tern_rand_below(rand, tokens != NULL ? 3 : 2);

    snprintf(identity->name, sizeof(identity->name), "%s", name);
    *auth = (struct tern_auth){.schemes = schemes[tern_rand_below(rand, 5)],
                               .plaintext = chance(rand, 600),
                               .token_wait_ns = chance(rand, 300) ? 1 + tern_rand_below(rand, 2 * TERN_S) : 0};
    if (kind == 0) {
        snprintf(identity->password, sizeof(identity->password), "secret-p%s", name);
        auth->user = chance(rand, 700) ? TERN_STR("xx") : TERN_STR("m\"\\ y");
        auth->password = tern_str(identity->password);
    } else if (kind == 1) {
        plan_netrc(identity, rand);
    } else {
        identity->token = &tokens[tern_rand_below(rand, SIM_TOKENS)];
        auth->ask_token = on_ask;
        auth->token_user = identity->token;
    }
}

static void find(struct sim_credentials *out, const struct sim_identity *identity, unsigned origin)
{
    out->token = identity->token;
    out->user = "xx";
    if ((identity->netrc_origins >> origin & 1) == 0)
        origin = SIM_ORIGINS_ALL; /* the default */
    if (identity->auth.user.ptr != NULL) {
        out->has_password = true;
        out->user = identity->auth.user.ptr;
        snprintf(out->password, sizeof(out->password), "%s", identity->password);
    } else if ((identity->netrc_origins >> origin & 1) != 0) {
        out->has_password = true;
        print_netrc(out->password, identity, origin);
    }
}

struct sim_credentials sim_identity_of(const struct sim_call *call, const struct sim_link *link)
{
    const struct sim_identity *identity = sim_policy_identity(call, link->origin);
    struct sim_credentials out = {.schemes = TERN_AUTH_BASIC, .may_show = true};

    if (!link->keeps_secrets || call->has_field)
        return out;
    if (identity != NULL) {
        out.schemes = identity->auth.schemes != 0 ? identity->auth.schemes : TERN_AUTH_BASIC | TERN_AUTH_DIGEST;
        out.may_show = identity->auth.plaintext || sim_origins[link->origin].is_secure;
    }
    if (call->has_userinfo) {
        out.has_password = true;
        out.user = "xx";
        snprintf(out.password, sizeof(out.password), "%s", call->secret);
    } else if (identity != NULL) {
        find(&out, identity, link->origin);
    }
    return out;
}

/* ---- what is seen of it ---- */

void sim_identity_check_attempt(const struct sim_call *call, const struct tern_attempt *attempt)
{
    struct tern_str value = tern_fields_get(attempt->fields, attempt->field_count, "Authorization");
    struct sim_link here = {.origin = call->policed.asked_of, .keeps_secrets = true};
    struct sim_credentials is = sim_identity_of(call, &here);
    char text[SIM_SECRET_MAX];

    if (is.token == NULL || value.ptr == NULL)
        return;
    print_token(text, is.token, is.token->round);
    SIM_CHECK(value.len == 7 + strlen(text) && memcmp(value.ptr + 7, text, value.len - 7) == 0,
              "call %u starts with another token than %s", call->number, text);
    SIM_CHECK(sim.now_ns < is.token->expires_ns && !is.token->is_gone, "call %u starts with %s, which is not good",
              call->number, text);
}

void sim_identity_check_refusal(const struct sim_call *call, const struct tern_head *head)
{
    struct tern_str value = tern_fields_get(head->fields, head->field_count, "X-Demand");
    char text[32] = "", had = '-', wants = '-';
    unsigned number = 0;
    struct sim_credentials is;

    if (value.ptr == NULL || value.len >= sizeof(text) || call->policed.refusals != 1)
        return;
    memcpy(text, value.ptr, value.len);
    if (sscanf(text, "%u %c %c", &number, &had, &wants) != 3 || number >= call->policed.link_count ||
        call->policed.links[number].has_body)
        return;
    is = sim_identity_of(call, &call->policed.links[number]);
    SIM_CHECK(is.token == NULL || had != 'T', "call %u shows the refusal of a token that was not renewed",
              call->number);
    SIM_CHECK(!is.has_password || wants != 'D' || (is.schemes & TERN_AUTH_DIGEST) == 0,
              "call %u shows a 401 that Digest would answer", call->number);
    SIM_CHECK(!is.has_password || wants != 'B' || had != '-' || (is.schemes & TERN_AUTH_BASIC) == 0 || !is.may_show,
              "call %u shows a 401 that Basic would answer", call->number);
}
