#include "client/judge.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"
#include "client/build.h"
#include "client/jar.h"
#include "client/trace.h"
#include "policy/redirect.h"
#include "policy/retry.h"
#include "policy/suffix.h"

static struct tern_engine *engine_of(const struct tern_call *call)
{
    return call->client->engine;
}

/* Where HSTS asks for it http becomes https (RFC 6797 8.3), at the same host. */
static enum tern_error upgrade(struct tern_call *call)
{
    struct tern_client *client = call->client;

    call->is_upgraded = false;
    if (!call->site->policy.hsts || client->hsts.count == 0)
        return TERN_OK;
    return tern_hsts_upgrade(&client->hsts, &call->url, tern_engine_wall_s(client->engine), &call->is_upgraded);
}

/* What a host says of itself counts only where nobody can have put it into its mouth (8.1). */
static void hear_hsts(struct tern_call *call, const struct tern_head *head)
{
    struct tern_client *client = call->client;
    struct tern_str value;

    if (!call->site->policy.hsts || !call->origin.is_secure || call->result.tls_verify != TERN_OK)
        return;
    value = tern_fields_get(head->fields, head->field_count, "Strict-Transport-Security");
    if (value.ptr != NULL &&
        tern_hsts_heard(&client->hsts, &call->origin.host, value, tern_engine_wall_s(client->engine)) != TERN_OK)
        tern_call_trace(call, "No memory to remember that %s wants TLS alone", call->origin.host.text);
}

/* Its own timeouts where it asked for any, else the site's as they are. */
static const struct tern_timeouts *settle_timeouts(struct tern_call *call)
{
    const struct tern_timeouts *base = &call->profile->config.timeouts;

    if (!call->has_own_timeouts)
        return base;
    tern_timeouts_resolve(&call->timeouts, &call->own_timeouts, base);
    return &call->timeouts;
}

enum tern_error tern_call_settle(struct tern_call *call)
{
    enum tern_error error;

    call->site = tern_settings_site(call->settings, &call->url.host);
    if ((error = upgrade(call)) != TERN_OK)
        return error;
    tern_origin_set(&call->origin, &call->url);
    call->profile = call->site->profile;
    call->result.host_config = call->site->pattern;
    if ((error = tern_identity_settle(call)) != TERN_OK)
        return error;
    call->exchange.timeouts = settle_timeouts(call);
    if (call->has_own_policy)
        return call->jar == NULL || call->jar->engine == engine_of(call) ? TERN_OK : TERN_EINVAL;
    call->redirects_policy = call->site->policy.redirects;
    call->retries_policy = call->site->policy.retries;
    call->hedging_policy = call->site->policy.hedging;
    call->decoding.policy = call->site->policy.decoding;
    call->jar = call->site->policy.cookies;
    return TERN_OK;
}

bool tern_call_is_idempotent(const struct tern_call *call)
{
    static const struct tern_str methods[] = {{"GET", 3},    {"HEAD", 4},    {"PUT", 3},
                                              {"DELETE", 6}, {"OPTIONS", 7}, {"TRACE", 5}};
    struct tern_str method = call->exchange.outgoing.method;

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (tern_str_eq(method, methods[i]))
            return true;
    return tern_fields_get(call->exchange.outgoing.fields, call->exchange.outgoing.field_count, "Idempotency-Key")
               .ptr != NULL;
}

/* ---- again ---- */

static bool judge_retry(struct tern_call *call, uint16_t status, struct tern_str retry_after)
{
    struct tern_client *client = call->client;
    struct tern_retry_question question = {
        .config = call->retries_policy,
        .attempt = call->attempts,
        .status = status,
        .error = call->result.fault.error,
        .replay = call->result.replay,
        .is_idempotent = tern_call_is_idempotent(call),
        .has_body_again = !call->has_body || tern_body_reader_has_way_back(&call->body),
        .retry_after = retry_after,
        .now_ns = engine_of(call)->now_ns,
        .start_ns = call->result.times.start_ns,
        .wall_s = tern_engine_wall_s(engine_of(call)),
        .deadline_ns = call->deadline_ns,
        .live = client->call_count,
        .retrying = client->retrying_count - call->is_retrying,
    };
    struct tern_retry_answer answer;

    tern_retry_decide(&question, &client->rand, &answer);
    if (answer.reason != NULL)
        tern_call_trace(call, "No retry: %s", answer.reason);
    if (!answer.again)
        return false;
    call->next = TERN_CALL_NEXT_RETRY;
    call->delay_ns = answer.delay_ns;
    client->retrying_count += !call->is_retrying; /* from now on: others decide while this response goes by */
    call->is_retrying = true;
    return true;
}

bool tern_call_judge_failure(struct tern_call *call)
{
    if (call->retries_policy == NULL || (call->was_answered && !tern_call_resume_may(call)))
        return false;
    return judge_retry(call, 0, (struct tern_str){NULL, 0});
}

bool tern_call_judge_again(struct tern_call *call, const struct tern_head *head)
{
    return call->retries_policy != NULL && tern_retry_is_for(call->retries_policy, head->status) &&
           judge_retry(call, head->status, tern_fields_get(head->fields, head->field_count, "Retry-After"));
}

/* Who is told may cancel the call. */
static void tell_retry(struct tern_call *call, const struct tern_retry *retry)
{
    const struct tern_retries *config = call->retries_policy;

    call->client->stats.retried++;
    tern_call_trace(call, "Trying again in %llu ms (attempt %u)", (unsigned long long)(retry->delay_ns / TERN_MS),
                    retry->attempt);
    if (config->on_retry != NULL && call->state == TERN_CALL_NEW)
        config->on_retry(config->user, call->id, retry);
}

/* ---- elsewhere ---- */

/* The text of a URL as the audit and traces show it: its userinfo is left out. */
static bool keep_url(struct tern_call *call, const struct tern_url *url, struct tern_str *out)
{
    size_t len = url->scheme.len + 3 + url->authority.len + url->target.len;
    char *text = tern_keep_alloc(&call->hop_texts, len + 1);

    if (text == NULL)
        return false;
    *out = tern_str_n(text, len);
    memcpy(text, url->scheme.ptr, url->scheme.len);
    text += url->scheme.len;
    memcpy(text, "://", 3);
    memcpy(text + 3, url->authority.ptr, url->authority.len);
    memcpy(text + 3 + url->authority.len, url->target.ptr, url->target.len);
    text[3 + url->authority.len + url->target.len] = '\0';
    return true;
}

static struct tern_hop *add_hop(struct tern_call *call)
{
    struct tern_hop *hops = tern_mem_realloc(call->hops, call->hop_count + 1, sizeof(*hops));

    if (hops == NULL)
        return NULL;
    call->hops = hops;
    call->result.hops = hops; /* also where the call ends before the step is on record */
    hops[call->hop_count] = (struct tern_hop){.reason = ""};
    return &hops[call->hop_count];
}

/* How often the chain has come to this URL. */
static uint32_t visits(const struct tern_call *call, struct tern_str url)
{
    uint32_t count = 0;

    for (size_t i = 0; i < call->hop_count; i++)
        count += tern_str_eq(call->hops[i].from, url);
    return count;
}

/* Puts the step on record. False: out of memory. */
static bool audit(struct tern_call *call, const struct tern_redirect_question *question,
                  struct tern_redirect_answer *answer)
{
    struct tern_hop *hop = add_hop(call);
    struct tern_str location = question->location;

    if (hop == NULL || !keep_url(call, &call->url, &hop->from))
        return false;
    if (call->next_url.text.len > 0) {
        if (!keep_url(call, &call->next_url, &hop->to))
            return false;
    } else {
        hop->to = location;
        if (!tern_keep_str(&call->hop_texts, &hop->to))
            return false;
    }
    call->hop_count++;
    if (answer->verdict == TERN_REDIRECT_FOLLOW && visits(call, hop->to) >= TERN_REDIRECT_VISITS_MAX) {
        answer->verdict = TERN_REDIRECT_END;
        answer->error = TERN_EREDIRECTS;
        answer->reason = "the redirects go round in a loop";
    }
    hop->status = question->status;
    hop->followed = answer->verdict == TERN_REDIRECT_FOLLOW;
    hop->method_changed = answer->to_get;
    hop->body_dropped = answer->to_get && question->has_body;
    hop->secrets_dropped = answer->drop_secrets;
    hop->reason = answer->reason;
    hop->error = answer->error;
    call->result.hop_count = call->hop_count;
    return true;
}

static bool judge_redirect(struct tern_call *call, const struct tern_head *head)
{
    struct tern_redirect_question question = {
        .config = call->redirects_policy,
        .url = &call->url,
        .method = call->exchange.outgoing.method,
        .location = tern_fields_get(head->fields, head->field_count, "Location"),
        .status = head->status,
        .hop = call->result.hop,
        .hsts = call->site->policy.hsts ? &call->client->hsts : NULL,
        .wall_s = tern_engine_wall_s(engine_of(call)),
        .has_body = call->has_body,
        .has_body_again = !call->has_body || tern_body_reader_has_way_back(&call->body),
    };
    struct tern_redirect_answer answer;

    if (tern_redirect_decide(&question, &call->next_url, &answer) != TERN_OK) {
        tern_call_end_later(call, TERN_ENOMEM);
        return true;
    }
    if (answer.verdict == TERN_REDIRECT_NONE)
        return false;
    if (!audit(call, &question, &answer)) {
        tern_call_end_later(call, TERN_ENOMEM);
        return true;
    }
    if (answer.verdict == TERN_REDIRECT_END) {
        struct tern_fault fault;

        tern_fault_set(&fault, answer.error, "%s (%u of them, policy.redirects.hops_max is %u)", answer.reason,
                       (unsigned)call->hop_count, call->redirects_policy->hops_max);
        tern_call_end_with(call, &fault);
        return true;
    }
    if (answer.verdict == TERN_REDIRECT_REFUSE) {
        tern_call_trace(call, "Redirect not followed: %s", answer.reason);
        return false;
    }
    call->next = TERN_CALL_NEXT_HOP;
    call->to_get = answer.to_get;
    call->drops_secrets |= answer.drop_secrets;
    call->drops_host |= !tern_url_same_origin(&call->url, &call->next_url);
    call->delay_ns = 0;
    return true;
}

/* Fields that speak of a body that is not sent (RFC 9110 15.4). */
static void drop_body_fields(struct tern_call *call)
{
    static const char *const names[] = {"Content-Type",   "Content-Encoding", "Content-Language", "Content-Location",
                                        "Content-Digest", "Repr-Digest",      "Digest",           "Last-Modified"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        tern_fields_remove(&call->own, tern_str(names[i]));
}

static enum tern_error prepare_hop(struct tern_call *call, struct tern_fault *why)
{
    struct tern_url old = call->url;
    enum tern_error error;

    call->client->stats.redirected++;
    call->is_cross_site |= !tern_suffix_same_site(&call->url, &call->next_url);
    call->url = call->next_url;
    call->next_url = old; /* its memory serves the next hop */
    error = tern_call_settle(call);
    if (error != TERN_OK)
        return tern_fault_plain(why, error);
    if (call->to_get) {
        tern_buf_clear(&call->method);
        if (tern_buf_append_str(&call->method, TERN_STR("GET")) != TERN_OK)
            return tern_fault_plain(why, TERN_ENOMEM);
        if (call->has_body)
            tern_body_reader_deinit(&call->body);
        call->has_body = false;
        drop_body_fields(call);
    }
    if (call->drops_host)
        tern_buf_clear(&call->authority); /* the user's Host field was for the first origin */
    tern_call_trace(call, "Following the redirect to %.*s", (int)call->hops[call->hop_count - 1].to.len,
                    call->hops[call->hop_count - 1].to.ptr);
    return tern_call_build_outgoing(call, why);
}

/* ---- both ---- */

bool tern_call_judge_head(struct tern_call *call, const struct tern_head *head)
{
    hear_hsts(call, head);
    if (tern_identity_judge(call, head))
        return true;
    if (call->redirects_policy != NULL && head->status / 100 == 3 && judge_redirect(call, head))
        return true;
    return tern_call_judge_again(call, head);
}

enum tern_error tern_call_prepare_next(struct tern_call *call, struct tern_fault *why)
{
    bool is_hop = call->next == TERN_CALL_NEXT_HOP, is_auth = call->next == TERN_CALL_NEXT_AUTH;
    struct tern_result *result = &call->result;
    const struct tern_retry retry = {.attempt = call->attempts + 1,
                                     .delay_ns = call->delay_ns,
                                     .status = result->fault.error == TERN_OK ? result->status : 0,
                                     .error = result->fault.error};

    call->next = TERN_CALL_NEXT_NONE;
    call->was_told = false;
    call->attempts = is_hop ? 1 : call->attempts + 1;
    result->hop += is_hop;
    tern_call_begin_result(call, result);
    if (is_hop) {
        enum tern_error error = prepare_hop(call, why);

        if (error != TERN_OK)
            return error;
    } else if (is_auth) {
        call->client->stats.challenged++;
    } else {
        tell_retry(call, &retry);
    }
    if (call->state == TERN_CALL_NEW && call->has_body && !call->body.source.ops->rewind(&call->body.source))
        return tern_fault_set(why, TERN_EBODY_SOURCE, "the request body could not be had again (its rewind said no)");
    if (call->state == TERN_CALL_NEW && call->resume.fault.error != TERN_OK)
        return tern_call_build_outgoing(call, why); /* asks for the rest of a body */
    return TERN_OK;
}
