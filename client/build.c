#include "client/build.h"

#include <stdio.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"
#include "client/jar.h"
#include "proto/decode.h"
#include "proto/request.h"

#define METHOD_BYTES_MAX 64

void tern_call_build_init(struct tern_call *call)
{
    tern_buf_init(&call->method, METHOD_BYTES_MAX);
    tern_buf_init(&call->resume.validator, TERN_RESUME_VALIDATOR_BYTES_MAX);
    tern_buf_init(&call->authority, TERN_HOST_TEXT_MAX + 16);
    tern_fields_init(&call->own, TERN_REQUEST_FIELDS_MAX, TERN_REQUEST_HEAD_BYTES_MAX);
    tern_fields_init(&call->fields, TERN_REQUEST_FIELDS_MAX, TERN_REQUEST_HEAD_BYTES_MAX);
}

/* Requests hold secrets. */
static void wipe(struct tern_buf *buf)
{
    if (buf->data != NULL)
        tern_mem_wipe(buf->data, buf->cap);
}

static void forget_url(struct tern_url *url)
{
    if (url->user.ptr == NULL)
        return;
    wipe(&url->buf);
    tern_url_deinit(url);
}

void tern_call_build_forget(struct tern_call *call)
{
    if (call->own.count > 0)
        wipe(&call->own.bytes);
    if (call->fields.count > 0)
        wipe(&call->fields.bytes);
    forget_url(&call->url);
    forget_url(&call->next_url);
}

void tern_call_build_deinit(struct tern_call *call)
{
    tern_identity_end(call);
    wipe(&call->url.buf);
    wipe(&call->next_url.buf);
    wipe(&call->own.bytes);
    wipe(&call->fields.bytes);
    tern_url_deinit(&call->url);
    tern_url_deinit(&call->next_url);
    tern_keep_deinit(&call->hop_texts);
    tern_mem_free(call->hops);
    tern_mem_free(call->hedge);
    tern_buf_deinit(&call->method);
    tern_buf_deinit(&call->authority);
    tern_buf_deinit(&call->resume.validator);
    tern_fields_deinit(&call->own);
    tern_fields_deinit(&call->fields);
}

/* ---- what the user gave ---- */

static enum tern_error check_scheme(const struct tern_url *url, struct tern_fault *why)
{
    char shown[TERN_ESCAPE_MAX];

    if (tern_str_eq(url->scheme, TERN_STR("http")) || tern_str_eq(url->scheme, TERN_STR("https")))
        return TERN_OK;
    return tern_fault_set(why, TERN_ESCHEME, "URL scheme \"%s\": must be http or https",
                          tern_escape(shown, sizeof(shown), url->scheme));
}

void tern_origin_set(struct tern_origin *out, const struct tern_url *url)
{
    out->is_secure = url->scheme.len == 5;
    out->port = url->port;
    tern_host_copy(&out->host, &url->host);
}

enum tern_error tern_origin_of_url(struct tern_origin *out, const struct tern_url *url, struct tern_fault *why)
{
    enum tern_error error = check_scheme(url, why);

    if (error == TERN_OK)
        tern_origin_set(out, url);
    return error;
}

static enum tern_error take_url(struct tern_call *call, const struct tern_request *request, struct tern_fault *why)
{
    enum tern_error error = tern_url_parse(&call->url, request->url, why);

    return error == TERN_OK ? check_scheme(&call->url, why) : error;
}

static enum tern_error take_method(struct tern_call *call, const struct tern_request *request, struct tern_fault *why)
{
    struct tern_str method = request->method.len != 0 ? request->method : TERN_STR("GET");
    char shown[TERN_ESCAPE_MAX];

    if (!tern_is_token(method) || method.len > METHOD_BYTES_MAX)
        return tern_fault_set(why, TERN_EINVAL, "method \"%s\": must be a token of at most %d bytes (RFC 9110 9.1)",
                              tern_escape(shown, sizeof(shown), method), METHOD_BYTES_MAX);
    tern_buf_clear(&call->method);
    if (tern_buf_append_str(&call->method, method) != TERN_OK)
        return tern_fault_plain(why, TERN_ENOMEM);
    return TERN_OK;
}

static enum tern_error take_host(struct tern_call *call, struct tern_str value, struct tern_fault *why)
{
    if (call->authority.len > 0)
        return tern_fault_set(why, TERN_EFIELD, "field Host: given twice");
    if (tern_buf_append_str(&call->authority, tern_str_trim(value)) != TERN_OK)
        return tern_fault_set(why, TERN_EFIELD, "field Host: longer than a host and port can be");
    return TERN_OK;
}

/* Kept in own: a name that is taken away, not a field to send. */
#define FIELD_AWAY 0x80000000u

static enum tern_error add_own(struct tern_call *call, struct tern_str name, struct tern_str value, uint32_t flags,
                               struct tern_fault *why)
{
    enum tern_error error = tern_fields_add(&call->own, name, value, flags);

    if (error == TERN_ELIMIT)
        return tern_fault_set(why, TERN_EFIELD, "fields: more than %d, or more than %u bytes", TERN_REQUEST_FIELDS_MAX,
                              TERN_REQUEST_HEAD_BYTES_MAX);
    return error == TERN_OK ? TERN_OK : tern_fault_plain(why, error);
}

/* A field without value: none of that name is sent. */
static enum tern_error take_away(struct tern_call *call, struct tern_str name, struct tern_fault *why)
{
    static const char *const needed[] = {"Host", "Content-Length", "Transfer-Encoding"};

    if (!tern_is_token(name))
        return tern_field_check(name, TERN_STR(""), why);
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        if (tern_str_ieq(name, tern_str(needed[i])))
            return tern_fault_set(why, TERN_EFIELD, "field %s: cannot be left out (RFC 9112 3.2 and 6)", needed[i]);
    if (tern_str_ieq(name, TERN_STR("Expect")))
        call->expect = TERN_EXPECT_NEVER;
    return add_own(call, name, TERN_STR(""), FIELD_AWAY, why);
}

static enum tern_error take_field(struct tern_call *call, const struct tern_field *field, struct tern_fault *why)
{
    enum tern_request_field use;
    enum tern_error error;

    if (field->value.ptr == NULL)
        return take_away(call, field->name, why);
    error = tern_request_field_check(field, &use, why);
    if (error != TERN_OK)
        return error;
    switch (use) {
    case TERN_REQUEST_FIELD_HOST:
        return take_host(call, field->value, why);
    case TERN_REQUEST_FIELD_EXPECT:
        call->expect = TERN_EXPECT_ALWAYS;
        return TERN_OK;
    case TERN_REQUEST_FIELD_CLOSE:
        call->wants_close = true;
        return TERN_OK;
    case TERN_REQUEST_FIELD_DROP:
        return TERN_OK;
    case TERN_REQUEST_FIELD_SEND:
        break;
    }
    return add_own(call, field->name, field->value, field->flags & TERN_FIELD_SECRET, why);
}

static enum tern_error take_fields(struct tern_call *call, const struct tern_request *request, struct tern_fault *why)
{
    tern_fields_clear(&call->own);
    tern_buf_clear(&call->authority);
    for (size_t i = 0; i < request->field_count; i++) {
        enum tern_error error = take_field(call, &request->fields[i], why);

        if (error != TERN_OK)
            return error;
    }
    return TERN_OK;
}

static enum tern_error check_body(const struct tern_body *body, struct tern_fault *why)
{
    switch (body->kind) {
    case TERN_BODY_NONE:
        return TERN_OK;
    case TERN_BODY_MEMORY:
        if (body->length == TERN_LENGTH_UNKNOWN || (body->data == NULL && body->length > 0))
            return tern_fault_set(why, TERN_EINVAL, "body: TERN_BODY_MEMORY needs data and length");
        return TERN_OK;
    case TERN_BODY_CALLBACK:
        if (body->read == NULL)
            return tern_fault_set(why, TERN_EINVAL, "body: TERN_BODY_CALLBACK needs read");
        return TERN_OK;
    case TERN_BODY_FD:
        if (body->fd < 0)
            return tern_fault_set(why, TERN_EINVAL, "body: TERN_BODY_FD needs a descriptor, not %d", body->fd);
        return TERN_OK;
    }
    return tern_fault_set(why, TERN_EINVAL, "body: unknown kind %d", (int)body->kind);
}

/* Their values may not be known yet: the codec checks them when they are read. */
static enum tern_error check_trailers(const struct tern_request *request, struct tern_fault *why)
{
    if (request->trailer_count != 0 && request->body.kind == TERN_BODY_NONE)
        return tern_fault_set(why, TERN_EINVAL, "trailers: must follow a body (RFC 9110 6.5)");
    return TERN_OK;
}

static enum tern_error check_expect(enum tern_expect expect, struct tern_fault *why)
{
    if (expect != TERN_EXPECT_AUTO && expect != TERN_EXPECT_NEVER && expect != TERN_EXPECT_ALWAYS)
        return tern_fault_set(why, TERN_EINVAL, "expect %d: must be one of enum tern_expect", (int)expect);
    return TERN_OK;
}

/* RFC 9218 4: a dictionary of structured fields; i without a value is true. */
enum tern_error tern_call_build_priority(struct tern_call *call, const struct tern_priority *priority,
                                         struct tern_fault *why)
{
    if (priority->urgency > 7)
        return tern_fault_set(why, TERN_EINVAL, "priority: urgency %u: must be 0 to 7 (RFC 9218 4.1)",
                              priority->urgency);
    snprintf(call->priority, sizeof(call->priority), "u=%u%s", priority->urgency, priority->incremental ? ", i" : "");
    call->exchange.outgoing.priority = tern_str(call->priority);
    return TERN_OK;
}

static enum tern_error take_policy(struct tern_call *call, const struct tern_policy *policy, struct tern_fault *why)
{
    enum tern_error error = TERN_OK;

    call->has_own_policy = policy != NULL;
    call->redirects_policy = NULL;
    call->retries_policy = NULL;
    call->hedging_policy = NULL;
    call->decoding.policy = NULL;
    call->jar = policy != NULL ? policy->cookies : NULL;
    if (policy != NULL && policy->redirects != NULL) {
        call->own_redirects = *policy->redirects;
        call->redirects_policy = &call->own_redirects;
        error = tern_settings_check_redirects(&call->own_redirects, why);
    }
    if (error == TERN_OK && policy != NULL && policy->retries != NULL) {
        call->own_retries = *policy->retries;
        call->retries_policy = &call->own_retries;
        error = tern_settings_check_retries(&call->own_retries, why);
    }
    if (error == TERN_OK && policy != NULL && policy->hedging != NULL) {
        call->own_hedging = *policy->hedging;
        call->hedging_policy = &call->own_hedging;
        error = tern_settings_check_hedging(&call->own_hedging, why);
    }
    if (error == TERN_OK && policy != NULL && policy->decoding != NULL) {
        call->own_decoding = *policy->decoding;
        call->decoding.policy = &call->own_decoding;
        error = tern_settings_check_decoding(&call->own_decoding, why);
    }
    tern_identity_end(call);
    return error == TERN_OK && policy != NULL && policy->auth != NULL ? tern_identity_take(call, policy->auth, why)
                                                                      : error;
}

enum tern_error tern_call_build(struct tern_call *call, const struct tern_request *request, struct tern_fault *why)
{
    enum tern_error error;

    call->wants_close = call->is_fresh = request->fresh_connection;
    call->expect = request->expect;
    call->credits_itself = request->credit;
    call->body_bytes_max = request->body_bytes_max;
    call->has_body = request->body.kind != TERN_BODY_NONE;
    call->priority[0] = '\0';
    if (request->priority != NULL && (error = tern_call_build_priority(call, request->priority, why)) != TERN_OK)
        return error;
    if ((error = take_policy(call, request->policy, why)) != TERN_OK)
        return error;
    call->has_own_timeouts = request->timeouts != NULL;
    if (call->has_own_timeouts)
        call->own_timeouts = *request->timeouts;
    if ((error = take_url(call, request, why)) != TERN_OK || (error = take_method(call, request, why)) != TERN_OK ||
        (error = take_fields(call, request, why)) != TERN_OK || (error = check_expect(request->expect, why)) != TERN_OK)
        return error;
    if ((error = check_trailers(request, why)) != TERN_OK)
        return error;
    call->trailers = request->trailers;
    call->trailer_count = request->trailer_count;
    return check_body(&request->body, why);
}

/* ---- what goes to the wire ---- */

static bool is_own(const struct tern_call *call, struct tern_str name)
{
    return tern_fields_find(&call->own, name, 0) < call->own.count;
}

/* What this build decodes, where neither the call nor the client has that field. A range would be one of the coded body
 * (RFC 9110 14.2), of no use without the rest of it. */
static enum tern_error add_accept_encoding(struct tern_call *call)
{
    const struct tern_client_config *config = &call->profile->config;
    struct tern_str name = TERN_STR("Accept-Encoding"), value = tern_decode_accepts();

    if (call->decoding.policy == NULL || value.len == 0 || is_own(call, name) || is_own(call, TERN_STR("Range")) ||
        tern_fields_get(config->fields, config->field_count, name.ptr).ptr != NULL)
        return TERN_OK;
    return tern_fields_add(&call->fields, name, value, 0);
}

/* The attempt's credentials, if it has any. */
static enum tern_error add_identity(struct tern_call *call)
{
    if (call->identity == NULL || call->identity->value.len == 0)
        return TERN_OK;
    return tern_fields_add(&call->fields, TERN_STR("Authorization"), tern_buf_view(&call->identity->value),
                           TERN_FIELD_SECRET);
}

/* Secrets belong to the origin that they were given for. */
static bool is_withheld(const struct tern_call *call, const struct tern_field *field)
{
    return call->drops_secrets && ((field->flags & TERN_FIELD_SECRET) != 0 || tern_field_is_secret(field->name));
}

/* With a jar there is one field Cookie, made of all. */
static bool is_cookie(const struct tern_call *call, const struct tern_field *field)
{
    return call->jar != NULL && tern_str_ieq(field->name, TERN_STR("Cookie"));
}

static enum tern_error join_cookie(const struct tern_call *call, const struct tern_field *field, struct tern_buf *value)
{
    enum tern_error error = TERN_OK;

    if (!is_cookie(call, field) || is_withheld(call, field))
        return TERN_OK;
    if (value->len > 0)
        error = tern_buf_append_str(value, TERN_STR("; "));
    return error == TERN_OK ? tern_buf_append_str(value, field->value) : error;
}

static bool takes_cookies_away(const struct tern_call *call)
{
    for (uint32_t i = 0; i < call->own.count; i++) {
        struct tern_field field = tern_fields_at(&call->own, i);

        if (is_cookie(call, &field) && (field.flags & FIELD_AWAY) != 0)
            return true;
    }
    return false;
}

/* The call's own cookies, or else the client's, then the jar's. */
static enum tern_error add_cookies(struct tern_call *call)
{
    const struct tern_client_config *config = &call->profile->config;
    struct tern_str name = TERN_STR("Cookie");
    struct tern_buf value;
    enum tern_error error = TERN_OK;

    tern_buf_init(&value, TERN_REQUEST_HEAD_BYTES_MAX);
    for (uint32_t i = 0; i < call->own.count && error == TERN_OK; i++) {
        struct tern_field field = tern_fields_at(&call->own, i);

        error = join_cookie(call, &field, &value);
    }
    for (size_t i = 0; i < config->field_count && error == TERN_OK && !is_own(call, name); i++)
        error = join_cookie(call, &config->fields[i], &value);
    if (error == TERN_OK)
        error = tern_call_add_cookies(call, &value);
    if (error == TERN_OK && value.len > 0)
        error = tern_fields_add(&call->fields, name, tern_buf_view(&value), TERN_FIELD_SECRET);
    tern_buf_wipe(&value);
    return error;
}

/* All of them stay behind where one must: a value may not be known before the body is sent, so none can be copied. */
static size_t count_trailers(const struct tern_call *call)
{
    for (size_t i = 0; i < call->trailer_count; i++)
        if (is_withheld(call, &call->trailers[i]))
            return 0;
    return call->trailer_count;
}

static enum tern_error add_all(struct tern_call *call)
{
    const struct tern_client_config *config = &call->profile->config;
    enum tern_error error;

    tern_fields_clear(&call->fields);
    if ((error = add_identity(call)) != TERN_OK)
        return error;
    for (size_t i = 0; i < config->field_count; i++) {
        const struct tern_field *field = &config->fields[i];
        bool is_ours = call->identity != NULL && tern_str_ieq(field->name, TERN_STR("Authorization"));

        if (!is_ours && !is_own(call, field->name) && !is_withheld(call, field) && !is_cookie(call, field) &&
            (error = tern_fields_add(&call->fields, field->name, field->value, field->flags)) != TERN_OK)
            return error;
    }
    if ((error = add_accept_encoding(call)) != TERN_OK)
        return error;
    if (call->resume.fault.error != TERN_OK && (error = tern_call_resume_ask(call)) != TERN_OK)
        return error;
    for (uint32_t i = 0; i < call->own.count; i++) {
        struct tern_field field = tern_fields_at(&call->own, i);

        if ((field.flags & FIELD_AWAY) == 0 && !is_withheld(call, &field) && !is_cookie(call, &field) &&
            (error = tern_fields_add(&call->fields, field.name, field.value, field.flags)) != TERN_OK)
            return error;
    }
    return call->jar != NULL && !takes_cookies_away(call) ? add_cookies(call) : TERN_OK;
}

/* The site's fields as they are, or, where the call has a say in them, a list of its own. */
static enum tern_error choose_fields(struct tern_call *call, struct tern_outgoing *out)
{
    const struct tern_site *site = call->site;
    enum tern_error error;

    if (call->own.count == 0 && call->identity == NULL && !call->drops_secrets &&
        call->decoding.policy == site->policy.decoding && call->jar == NULL && call->resume.fault.error == TERN_OK) {
        out->fields = site->fields;
        out->field_count = site->field_count;
        out->fields_bytes = site->fields_bytes;
        return TERN_OK;
    }
    error = add_all(call);
    out->fields = tern_fields_view(&call->fields);
    out->field_count = call->fields.count;
    out->fields_bytes = 0;
    return error;
}

static bool asks_for_leave(const struct tern_call *call, uint64_t length)
{
    if (!call->has_body || length == 0 || call->expect == TERN_EXPECT_NEVER)
        return false;
    return call->expect == TERN_EXPECT_ALWAYS || length == TERN_LENGTH_UNKNOWN || length > TERN_EXPECT_OVER_BYTES ||
           (tern_identity_awaits_challenge(call) && !tern_body_reader_can_rewind(&call->body));
}

enum tern_error tern_call_build_outgoing(struct tern_call *call, struct tern_fault *why)
{
    uint64_t length = call->has_body ? call->body.body.length : 0;
    struct tern_outgoing *out = &call->exchange.outgoing;
    enum tern_error error = choose_fields(call, out);

    out->method = tern_buf_view(&call->method);
    out->scheme = call->url.scheme;
    out->authority = call->authority.len > 0 ? tern_buf_view(&call->authority) : call->url.authority;
    out->target = call->url.target;
    out->body = call->has_body ? &call->body.source : NULL;
    out->body_length = length;
    out->trailers = call->trailers;
    out->trailer_count = count_trailers(call);
    out->priority = tern_str(call->priority);
    out->expect_continue = asks_for_leave(call, length);
    out->close = call->wants_close;
    /* Only now: whoever is told of the failure is shown this hop's request, not what is left of the last one's. */
    if (error == TERN_ELIMIT)
        return tern_fault_set(why, TERN_EFIELD, "fields: too many or too long with the client's own");
    if (error != TERN_OK)
        return tern_fault_plain(why, error);
    return tern_request_check(out, why);
}
