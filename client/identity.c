#include "client/identity.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "client/build.h"
#include "client/call.h"
#include "client/trace.h"
#include "policy/spaces.h"
#include "tls/hash.h"

#define VALUE_BYTES_MAX (128 * 1024) /* Digest repeats the target */

/* Of a body to hash, in one go: some 3 ms. */
#define HASHED_BYTES_MAX (1024 * 1024)

static uint64_t now(const struct tern_call *call)
{
    return call->client->engine->now_ns;
}

/* ---- life ---- */

static struct tern_identity *need(struct tern_call *call)
{
    struct tern_identity *identity = call->identity;

    if (identity != NULL)
        return identity;
    identity = tern_mem_calloc(1, sizeof(*identity));
    if (identity == NULL)
        return NULL;
    tern_buf_init(&identity->value, VALUE_BYTES_MAX);
    tern_list_init(&identity->in_line);
    identity->call = call;
    call->identity = identity;
    return identity;
}

static void leave_token(struct tern_identity *identity)
{
    tern_list_remove(&identity->in_line);
    if (identity->token != NULL)
        tern_tokens_unpin(identity->token);
    identity->token = NULL;
}

void tern_identity_end(struct tern_call *call)
{
    struct tern_identity *identity = call->identity;

    if (identity == NULL)
        return;
    call->identity = NULL;
    leave_token(identity);
    tern_buf_wipe(&identity->value);
    tern_keep_deinit(&identity->keep);
    tern_mem_free(identity);
}

enum tern_error tern_identity_take(struct tern_call *call, const struct tern_auth *auth, struct tern_fault *why)
{
    struct tern_identity *identity = need(call);

    if (identity == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    identity->has_own = true;
    return tern_auth_compile(&identity->own, auth, &identity->keep, why);
}

/* ---- what holds on a hop ---- */

static enum tern_error decode(struct tern_identity *identity, struct tern_str coded, struct tern_str *out)
{
    struct tern_buf plain;
    enum tern_error error;

    tern_buf_init(&plain, TERN_AUTH_TEXT_MAX);
    error = tern_percent_decode(&plain, coded);
    *out = tern_buf_view(&plain);
    if (error == TERN_OK && !tern_keep_str(&identity->keep, out))
        error = TERN_ENOMEM;
    tern_buf_wipe(&plain);
    return error;
}

/* RFC 7617 for those who put it into a URL (RFC 3986 3.2.1). */
static enum tern_error take_userinfo(struct tern_call *call)
{
    struct tern_identity *identity = need(call);
    enum tern_error error;

    if (identity == NULL)
        return TERN_ENOMEM;
    error = decode(identity, call->url.user, &identity->url_user);
    return error == TERN_OK ? decode(identity, call->url.password, &identity->url_password) : error;
}

/* Name and password of this hop: the URL's, the configuration's, or netrc's for this host. */
static void find_credentials(struct tern_call *call, struct tern_identity *identity)
{
    const struct tern_auth_rules *rules = identity->rules;
    const struct tern_netrc_entry *entry;

    identity->user = identity->url_user;
    identity->password = identity->url_password;
    if (identity->user.ptr != NULL || rules == NULL)
        return;
    identity->user = rules->config.user;
    identity->password = rules->config.password;
    if (identity->user.ptr != NULL || (entry = tern_netrc_find(&rules->netrc, &call->origin.host)) == NULL)
        return;
    identity->user = entry->user;
    identity->password = entry->password;
}

/* The host twice: in a URL's authority an address has no zone. */
static enum tern_error name_who(struct tern_call *call, struct tern_identity *identity)
{
    const struct tern_url *url = &call->url;
    struct tern_buf text;
    enum tern_error error;

    tern_buf_init(&text, TERN_AUTH_TEXT_MAX + 2 * TERN_HOST_TEXT_MAX + 64);
    error = tern_buf_printf(&text, "%.*s://%.*s", TERN_ARG(url->scheme), TERN_ARG(url->authority));
    identity->origin.len = text.len;
    if (error == TERN_OK)
        error = tern_buf_printf(&text, "\n%s\n%.*s", call->origin.host.text, TERN_ARG(identity->user));
    identity->who = tern_buf_view(&text);
    if (error == TERN_OK && !tern_keep_str(&identity->keep, &identity->who))
        error = TERN_ENOMEM;
    identity->origin.ptr = identity->who.ptr;
    tern_buf_deinit(&text);
    return error;
}

enum tern_error tern_identity_settle(struct tern_call *call)
{
    const struct tern_auth_rules *rules;
    struct tern_identity *identity;
    enum tern_error error = TERN_OK;

    if (call->drops_secrets || tern_fields_find(&call->own, TERN_STR("Authorization"), 0) < call->own.count) {
        tern_identity_end(call);
        return TERN_OK;
    }
    if (call->result.hop == 1 && call->url.user.ptr != NULL && (error = take_userinfo(call)) != TERN_OK)
        return error;
    rules = call->has_own_policy ? NULL : call->site->auth;
    if (rules == NULL && call->identity == NULL)
        return TERN_OK;
    identity = need(call);
    if (identity == NULL)
        return TERN_ENOMEM;
    leave_token(identity); /* another host's configuration may have another one */
    identity->rules = identity->has_own ? &identity->own : rules;
    identity->answered = TERN_ANSWERED_NONE;
    find_credentials(call, identity);
    return name_who(call, identity);
}

/* ---- tokens ---- */

static bool wants_token(const struct tern_identity *identity)
{
    return identity->rules != NULL && identity->rules->config.ask_token != NULL && identity->user.ptr == NULL;
}

/* Whether Basic and tokens may go there: all on the way can read them unless there is TLS. */
static bool may_show(const struct tern_call *call)
{
    const struct tern_auth_rules *rules = call->identity->rules;

    return rules == NULL || rules->config.plaintext || call->origin.is_secure;
}

static void join_line(struct tern_call *call, struct tern_identity *identity)
{
    identity->patience_ns = tern_u64_add_sat(now(call), identity->rules->config.token_wait_ns);
    if (identity->patience_ns > call->deadline_ns)
        identity->patience_ns = call->deadline_ns;
    tern_list_push_back(&identity->token->line, &identity->in_line);
    tern_call_trace(call, "Waiting for a token");
}

static bool give_up(struct tern_call *call, struct tern_fault *why)
{
    tern_list_remove(&call->identity->in_line);
    if (now(call) >= call->deadline_ns)
        tern_fault_plain(why, TERN_EDEADLINE);
    else
        tern_fault_set(why, TERN_ETOKEN, "no answer to policy.auth.ask_token within token_wait_ns");
    return false;
}

bool tern_identity_await(struct tern_call *call, uint64_t *at_ns, struct tern_fault *why)
{
    struct tern_identity *identity = call->identity;

    *at_ns = now(call);
    if (identity == NULL || !wants_token(identity) || !may_show(call))
        return true;
    if (identity->token == NULL) {
        identity->token = tern_tokens_pin(&call->client->tokens, &identity->rules->config);
        if (identity->token == NULL) {
            tern_fault_plain(why, TERN_ENOMEM);
            return false;
        }
    }
    if (tern_token_is_good(identity->token, now(call))) {
        tern_list_remove(&identity->in_line);
        return true;
    }
    if (!tern_list_is_linked(&identity->in_line))
        join_line(call, identity);
    if (now(call) >= identity->patience_ns)
        return give_up(call, why);
    *at_ns = identity->patience_ns;
    tern_token_ask(&call->client->tokens, identity->token, call->client);
    if (!tern_list_is_linked(&identity->in_line))
        *at_ns = TERN_OFF; /* answered already: its task is due */
    return true;
}

/* ---- what an attempt carries ---- */

static enum tern_error sign_bearer(struct tern_identity *identity)
{
    enum tern_error error = tern_buf_append_str(&identity->value, TERN_STR("Bearer "));

    if (error == TERN_OK)
        error = tern_buf_append_str(&identity->value, tern_buf_view(&identity->token->text));
    identity->round = identity->token->round;
    identity->used = TERN_SCHEME_BEARER;
    return error;
}

static enum tern_error sign_basic(struct tern_identity *identity)
{
    identity->used = TERN_SCHEME_BASIC;
    return tern_auth_basic(&identity->value, identity->user, identity->password);
}

static bool has_body_text(const struct tern_call *call)
{
    const struct tern_body *body = &call->body.body;

    return !call->has_body || (body->kind == TERN_BODY_MEMORY && body->length <= HASHED_BYTES_MAX);
}

/* The generator's own numbers would tell a server what it gives next. */
static void draw_cnonce(struct tern_client *client, struct tern_space *space)
{
    for (size_t i = 0; i < TERN_SPACE_CNONCE_LEN; i++) {
        uint64_t drawn = tern_rand_next(&client->rand);

        space->cnonce[i] = "0123456789abcdef"[tern_hash_bytes(client->engine->hash_seed, &drawn, sizeof(drawn)) & 15];
    }
}

static enum tern_error sign_digest(struct tern_call *call, struct tern_identity *identity, struct tern_space *space)
{
    static const struct tern_digest_hashes hashes = {.md5 = tern_hash_md5, .sha256 = tern_hash_sha256};
    struct tern_digest_request request = {.user = identity->user,
                                          .password = identity->password,
                                          .method = tern_buf_view(&call->method),
                                          .uri = call->url.target,
                                          .body = {"", 0}};
    enum tern_error error;

    if (space->digest.qop == TERN_DIGEST_QOP_INT && call->has_body)
        request.body = tern_str_n(call->body.body.data, (size_t)call->body.body.length);
    if (space->nc == 0)
        draw_cnonce(call->client, space);
    request.cnonce = tern_str_n(space->cnonce, sizeof(space->cnonce));
    request.nc = ++space->nc;
    error = tern_digest_answer(&space->digest, &request, &hashes, &identity->value);
    identity->used = TERN_SCHEME_DIGEST;
    if (error != TERN_EFIELD && space->nc < UINT32_MAX)
        return error;
    tern_spaces_forget(&call->client->spaces, space);
    if (error != TERN_EFIELD)
        return error;
    tern_buf_clear(&identity->value); /* its next answer 401 is delivered */
    identity->used = TERN_SCHEME_NONE;
    return TERN_OK;
}

/* What is known to be wanted, or may be sent unasked. */
static enum tern_error sign(struct tern_call *call, struct tern_identity *identity)
{
    uint32_t schemes = identity->rules != NULL ? identity->rules->config.schemes : TERN_AUTH_BASIC;
    struct tern_space *space;
    bool is_basic;

    if (wants_token(identity))
        return may_show(call) ? sign_bearer(identity) : TERN_OK;
    if (identity->user.ptr == NULL)
        return TERN_OK;
    space = tern_spaces_find(&call->client->spaces, identity->who, call->url.path);
    if (space != NULL && space->is_digest && (schemes & TERN_AUTH_DIGEST) != 0)
        return space->digest.qop != TERN_DIGEST_QOP_INT || has_body_text(call) ? sign_digest(call, identity, space)
                                                                               : TERN_OK;
    is_basic = schemes == TERN_AUTH_BASIC || (space != NULL && !space->is_digest && (schemes & TERN_AUTH_BASIC) != 0);
    return is_basic && may_show(call) ? sign_basic(identity) : TERN_OK;
}

enum tern_error tern_identity_sign(struct tern_call *call, struct tern_fault *why)
{
    struct tern_identity *identity = call->identity;
    enum tern_error error;
    bool had_value;

    if (identity == NULL)
        return TERN_OK;
    had_value = identity->value.len > 0;
    tern_buf_clear(&identity->value);
    identity->used = TERN_SCHEME_NONE;
    error = sign(call, identity);
    if (error == TERN_ELIMIT)
        return tern_fault_set(why, TERN_EFIELD, "field Authorization: longer than %d bytes", VALUE_BYTES_MAX);
    if (error != TERN_OK)
        return tern_fault_plain(why, error);
    return had_value || identity->value.len > 0 ? tern_call_build_outgoing(call, why) : TERN_OK;
}

bool tern_identity_awaits_challenge(const struct tern_call *call)
{
    const struct tern_identity *identity = call->identity;

    return identity != NULL && identity->user.ptr != NULL && identity->value.len == 0;
}

bool tern_identity_is_for_once(const struct tern_call *call)
{
    return call->identity != NULL && call->identity->used == TERN_SCHEME_DIGEST;
}

/* ---- what an answer says ---- */

static void hear_next_nonce(struct tern_call *call, const struct tern_head *head)
{
    struct tern_identity *identity = call->identity;
    struct tern_str value = tern_fields_get(head->fields, head->field_count, "Authentication-Info");
    struct tern_space *space;

    if (identity->used != TERN_SCHEME_DIGEST || value.ptr == NULL)
        return;
    space = tern_spaces_find(&call->client->spaces, identity->who, call->url.path);
    if (space != NULL && space->is_digest && tern_digest_next_nonce(&space->digest, value))
        space->nc = 0;
}

static const char *judge_token(struct tern_identity *identity)
{
    if (identity->used != TERN_SCHEME_BEARER)
        return "a token is not sent over http (tern_auth.plaintext)";
    if (identity->answered != TERN_ANSWERED_NONE)
        return "the server refuses the token";
    identity->answered = TERN_ANSWERED_CHALLENGE;
    tern_token_refused(identity->token, identity->round);
    return NULL;
}

/* Why Basic may not be the answer, or NULL. */
static const char *judge_basic(struct tern_call *call, const struct tern_space *space)
{
    struct tern_identity *identity = call->identity;

    if (!may_show(call))
        return "Basic is not sent over http (tern_auth.plaintext)";
    if (identity->used == TERN_SCHEME_DIGEST || (space != NULL && space->is_digest))
        return "the server wants Basic where it wanted Digest";
    if (identity->used == TERN_SCHEME_BASIC || identity->answered != TERN_ANSWERED_NONE)
        return "the server refuses the name and password";
    identity->answered = TERN_ANSWERED_CHALLENGE;
    return NULL;
}

/* The same for Digest. Stale says that the password is right: that is heard once. */
static const char *judge_digest(struct tern_identity *identity, const struct tern_digest *digest)
{
    if (digest->is_stale && identity->used == TERN_SCHEME_DIGEST) {
        if (identity->answered == TERN_ANSWERED_STALE)
            return "the server finds every nonce stale";
        identity->answered = TERN_ANSWERED_STALE;
        return NULL;
    }
    if (identity->answered != TERN_ANSWERED_NONE)
        return "the server refuses the name and password";
    identity->answered = TERN_ANSWERED_CHALLENGE;
    return NULL;
}

static enum tern_error answer(struct tern_call *call, const struct tern_head *head, struct tern_digest *digest,
                              const char **reason)
{
    struct tern_identity *identity = call->identity;
    struct tern_spaces *spaces = &call->client->spaces;
    uint32_t schemes = identity->rules != NULL ? identity->rules->config.schemes : TERN_AUTH_BASIC;
    struct tern_space *space = tern_spaces_find(spaces, identity->who, call->url.path);
    enum tern_auth_scheme scheme;
    enum tern_error error;

    error = tern_auth_choose(head->fields, head->field_count, schemes, has_body_text(call), digest, &scheme, reason);
    if (error != TERN_OK)
        return error;
    if (scheme == TERN_SCHEME_BASIC)
        *reason = judge_basic(call, schemes == TERN_AUTH_BASIC ? NULL : space);
    if (scheme == TERN_SCHEME_DIGEST && (*reason = judge_digest(identity, digest)) != NULL && space != NULL)
        tern_spaces_forget(spaces, space); /* the next call may have another password */
    if (*reason != NULL)
        return TERN_OK;
    digest = scheme == TERN_SCHEME_DIGEST ? digest : NULL;
    space = tern_spaces_note(spaces, identity->who, tern_auth_space(identity->origin, call->url.path, digest), digest);
    if (space == NULL)
        return TERN_ENOMEM;
    tern_call_trace(call, "401: answering the server's %s challenge",
                    scheme == TERN_SCHEME_DIGEST ? "Digest" : "Basic");
    return TERN_OK;
}

static enum tern_error judge(struct tern_call *call, const struct tern_head *head, const char **reason)
{
    struct tern_identity *identity = call->identity;
    struct tern_digest digest;
    enum tern_error error;

    *reason = NULL;
    if (identity->user.ptr == NULL && !wants_token(identity))
        *reason = "there are no credentials for this host";
    else if (call->has_body && !tern_body_reader_has_way_back(&call->body))
        *reason = "the request's body cannot be sent again";
    else if (wants_token(identity))
        *reason = judge_token(identity);
    if (*reason != NULL || wants_token(identity))
        return TERN_OK;
    tern_digest_init(&digest);
    error = answer(call, head, &digest, reason);
    tern_digest_deinit(&digest);
    return error;
}

bool tern_identity_judge(struct tern_call *call, const struct tern_head *head)
{
    const char *reason;

    if (call->identity == NULL)
        return false;
    hear_next_nonce(call, head);
    if (head->status != 401)
        return false;
    if (judge(call, head, &reason) != TERN_OK) {
        tern_call_end_later(call, TERN_ENOMEM);
        return true;
    }
    call->result.auth_reason = reason;
    if (reason != NULL) {
        tern_call_trace(call, "401 stands: %s", reason);
        return false;
    }
    call->next = TERN_CALL_NEXT_AUTH;
    call->delay_ns = 0;
    return true;
}

/* ---- the user's answer ---- */

static struct tern_token *find_question(struct tern_client *client, uint64_t question)
{
    TERN_LIST_FOREACH(node, &client->tokens.order) {
        struct tern_token *token = TERN_CONTAINER_OF(node, struct tern_token, node);

        if (question != 0 && token->question == question)
            return token;
    }
    return NULL;
}

/* Takes the next call off the line that is to be told; those that are about to end are not. */
static struct tern_call *next_in_line(struct tern_token *token)
{
    for (struct tern_list *node; (node = tern_list_pop_front(&token->line)) != NULL;) {
        struct tern_identity *identity = TERN_CONTAINER_OF(node, struct tern_identity, in_line);

        if (identity->call->state == TERN_CALL_NEW)
            return identity->call;
    }
    return NULL;
}

enum tern_error tern_client_token(struct tern_client *client, uint64_t question, struct tern_str text,
                                  uint64_t valid_ns)
{
    struct tern_token *token = find_question(client, question);
    struct tern_buf copy;
    struct tern_call *call;

    if (token == NULL)
        return TERN_EGONE;
    if (!tern_auth_is_token(text) || text.len > TERN_TOKEN_BYTES_MAX)
        return TERN_EINVAL;
    tern_buf_init(&copy, TERN_TOKEN_BYTES_MAX);
    if (tern_buf_append_str(&copy, text) != TERN_OK)
        return TERN_ENOMEM;
    tern_buf_wipe(&token->text);
    token->text = copy;
    token->question = 0;
    token->was_refused = false;
    token->round++;
    token->expires_ns = valid_ns != 0 ? tern_u64_add_sat(tern_engine_now(client->engine), valid_ns) : TERN_OFF;
    while ((call = next_in_line(token)) != NULL) {
        tern_timer_cancel(client->engine, &call->delay);
        tern_engine_defer(client->engine, &call->task);
    }
    return TERN_OK;
}

enum tern_error tern_client_token_failed(struct tern_client *client, uint64_t question, const char *why)
{
    struct tern_token *token = find_question(client, question);
    struct tern_fault fault;
    struct tern_call *call;
    char shown[TERN_ESCAPE_MAX];

    if (token == NULL)
        return TERN_EGONE;
    token->question = 0;
    tern_fault_set(&fault, TERN_ETOKEN, "%s: %s", tern_error_text(TERN_ETOKEN),
                   tern_escape(shown, sizeof(shown), tern_str(why)));
    while ((call = next_in_line(token)) != NULL)
        tern_call_end_with(call, &fault);
    return TERN_OK;
}
