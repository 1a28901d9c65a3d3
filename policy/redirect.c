#include "policy/redirect.h"

#include "base/str.h"

static bool is_redirect(uint16_t status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* RFC 9110 15.4.2 to 15.4.4: what browsers do, unless the client keeps POST. */
static bool becomes_get(const struct tern_redirect_question *q)
{
    bool is_post = tern_str_eq(q->method, TERN_STR("POST"));

    if (q->status == 303)
        return !tern_str_eq(q->method, TERN_STR("GET")) && !tern_str_eq(q->method, TERN_STR("HEAD")) &&
               !(is_post && q->config->keep_post_303);
    if (!is_post)
        return false;
    return (q->status == 301 && !q->config->keep_post_301) || (q->status == 302 && !q->config->keep_post_302);
}

static void refuse(struct tern_redirect_answer *out, enum tern_error error, const char *reason)
{
    out->verdict = TERN_REDIRECT_REFUSE;
    out->error = error;
    out->reason = reason;
}

static bool is_scheme(const struct tern_url *url, const char *scheme)
{
    return tern_str_eq(url->scheme, tern_str(scheme));
}

static void judge(const struct tern_redirect_question *q, const struct tern_url *next, struct tern_redirect_answer *out)
{
    const struct tern_redirects *config = q->config;
    bool is_same = tern_url_same_origin(q->url, next);

    out->to_get = becomes_get(q);
    out->drop_secrets = !is_same && !config->keep_secrets;
    if (!is_scheme(next, "http") && !is_scheme(next, "https"))
        refuse(out, TERN_ESCHEME, "neither http nor https");
    else if (is_scheme(q->url, "https") && is_scheme(next, "http") && !config->allow_downgrade)
        refuse(out, TERN_EGATE, "https to http is not allowed");
    else if (!is_same && config->same_origin_only)
        refuse(out, TERN_EGATE, "another origin is not allowed");
    else if (q->has_body && !out->to_get && !q->has_body_again)
        refuse(out, TERN_EBODY_SOURCE, "the body cannot be sent again");
}

static bool is_scheme_char(char c)
{
    return tern_ascii_is_alpha(c) || tern_ascii_is_digit(c) || c == '+' || c == '-' || c == '.';
}

/* "mailto:x" and "file:///x" are URLs, though none that tern could ask for (RFC 3986 3.1). */
static bool has_other_scheme(struct tern_str location)
{
    size_t len = 0;

    while (len < location.len && is_scheme_char(location.ptr[len]))
        len++;
    if (len == 0 || len == location.len || location.ptr[len] != ':' || !tern_ascii_is_alpha(location.ptr[0]))
        return false;
    location = tern_str_n(location.ptr, len);
    return !tern_str_ieq(location, TERN_STR("http")) && !tern_str_ieq(location, TERN_STR("https"));
}

enum tern_error tern_redirect_decide(const struct tern_redirect_question *q, struct tern_url *next,
                                     struct tern_redirect_answer *out)
{
    enum tern_error error;
    bool upgraded;

    *out = (struct tern_redirect_answer){.verdict = TERN_REDIRECT_NONE, .reason = ""};
    if (!is_redirect(q->status) || q->location.ptr == NULL)
        return TERN_OK;
    error = tern_url_resolve(next, q->url, q->location, NULL);
    if (error == TERN_ENOMEM)
        return error;
    if (q->config->audit_only) {
        refuse(out, TERN_OK, "redirects are not followed");
        return TERN_OK;
    }
    out->verdict = TERN_REDIRECT_FOLLOW;
    if (error != TERN_OK) {
        if (has_other_scheme(q->location))
            refuse(out, TERN_ESCHEME, "neither http nor https");
        else
            refuse(out, TERN_EURL, "Location is no URL");
        return TERN_OK;
    }
    if (q->hsts != NULL && (error = tern_hsts_upgrade(q->hsts, next, q->wall_s, &upgraded)) != TERN_OK)
        return error;
    judge(q, next, out);
    if (out->verdict == TERN_REDIRECT_FOLLOW && q->hop > q->config->hops_max) {
        out->verdict = TERN_REDIRECT_END;
        out->error = TERN_EREDIRECTS;
        out->reason = "too many redirects";
    }
    return TERN_OK;
}
