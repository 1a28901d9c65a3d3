/* The file format of Netscape, as curl writes it. */
#include <inttypes.h>

#include "base/num.h"
#include "base/str.h"
#include "policy/cookies.h"
#include "policy/suffix.h"
#include "tern/jar.h"

#define FIELDS 7
#define LINE_MORE_MAX 64 /* of a line, beside host, path, name and value */

static const struct tern_str http_only_mark = {"#HttpOnly_", 10};

/* ---- in ---- */

static bool split(struct tern_str line, struct tern_str fields[FIELDS])
{
    for (int i = 0; i < FIELDS; i++) {
        size_t tab = tern_str_find(line, '\t');

        if ((tab == line.len) != (i == FIELDS - 1))
            return false;
        fields[i] = tern_str_n(line.ptr, tab);
        if (i < FIELDS - 1)
            line = tern_str_from(line, tab + 1);
    }
    return true;
}

static bool parse_bool(struct tern_str text, bool *out)
{
    *out = tern_str_ieq(text, TERN_STR("TRUE"));
    return *out || tern_str_ieq(text, TERN_STR("FALSE"));
}

/* NULL, or why the line cannot be read. */
static const char *parse_line(struct tern_cookie *model, struct tern_host *domain, struct tern_str line,
                              enum tern_error *error)
{
    struct tern_str fields[FIELDS];
    bool below;
    uint64_t expires_s;
    const char *refusal;

    if (!split(line, fields))
        return "not seven fields with tabs between them";
    if (fields[0].len > 0 && fields[0].ptr[0] == '.')
        fields[0] = tern_str_from(fields[0], 1);
    *error = tern_host_parse(domain, fields[0], NULL);
    if (*error != TERN_OK)
        return "the domain is no host";
    if (!parse_bool(fields[1], &below) || !parse_bool(fields[3], &model->secure))
        return "neither TRUE nor FALSE";
    if (fields[2].len == 0 || fields[2].ptr[0] != '/' || fields[2].len > TERN_COOKIE_ATTRIBUTE_MAX)
        return "the path does not start with a slash, or is longer than 1,024 bytes";
    if (!tern_u64_parse(fields[4], INT64_MAX - 1, &expires_s))
        return "the time to expire is no number of seconds";
    if ((refusal = tern_cookie_refuses(fields[5], fields[6])) != NULL)
        return refusal;
    /* A name below which anybody may have one: then it is for the host itself. */
    model->host_only = !below || domain->kind != TERN_HOST_NAME || tern_suffix_is_public(domain);
    model->domain = tern_host_text(domain);
    model->path = fields[2];
    model->expires_s = expires_s == 0 ? INT64_MAX : (int64_t)expires_s;
    model->name = fields[5];
    model->value = fields[6];
    return tern_cookie_breaks_prefix(model->name, model->value, model->secure,
                                     model->host_only && tern_str_eq(model->path, TERN_STR("/")));
}

static bool starts_with(struct tern_str s, struct tern_str prefix)
{
    return s.len >= prefix.len && memcmp(s.ptr, prefix.ptr, prefix.len) == 0;
}

/* One line, without its end. *why: it is left out. */
static enum tern_error load_line(struct tern_cookies *cookies, struct tern_str line, int64_t now_s, bool drop_sessions,
                                 const char **why)
{
    struct tern_cookie model = {.http_only = starts_with(line, http_only_mark)};
    struct tern_host domain;
    enum tern_error error = TERN_OK;

    *why = NULL;
    if (model.http_only)
        line = tern_str_from(line, http_only_mark.len);
    else if (line.len == 0 || line.ptr[0] == '#')
        return TERN_OK;
    *why = tern_cookie_has_control(line) ? "a control character" : parse_line(&model, &domain, line, &error);
    if (*why != NULL)
        return error == TERN_ENOMEM ? error : TERN_OK;
    if (model.expires_s <= now_s || (drop_sessions && model.expires_s == INT64_MAX))
        return TERN_OK;
    return tern_cookies_keep(cookies, &domain, &model, now_s);
}

enum tern_error tern_cookies_load(struct tern_cookies *cookies, struct tern_str text, int64_t now_s,
                                  const struct tern_jar_loading *how)
{
    static const struct tern_jar_loading plain;
    size_t number = 1;

    if (how == NULL)
        how = &plain;
    for (size_t at = 0; at < text.len; number++) {
        size_t end = at + tern_str_find(tern_str_from(text, at), '\n');
        bool has_cr = end > at && text.ptr[end - 1] == '\r';
        const char *why;
        enum tern_error error =
            load_line(cookies, tern_str_n(text.ptr + at, end - at - has_cr), now_s, how->drop_sessions, &why);

        if (error != TERN_OK)
            return error;
        if (why != NULL && how->on_skipped != NULL)
            how->on_skipped(how->user, number, why);
        at = end + 1;
    }
    return TERN_OK;
}

/* ---- out ---- */

static enum tern_error save_one(const struct tern_cookie *cookie, struct tern_buf *out)
{
    return tern_buf_printf(out, "%s%s%.*s\t%s\t%.*s\t%s\t%" PRId64 "\t%.*s\t%.*s\n",
                           cookie->http_only ? "#HttpOnly_" : "", cookie->host_only ? "" : ".",
                           TERN_ARG(cookie->domain), cookie->host_only ? "FALSE" : "TRUE", TERN_ARG(cookie->path),
                           cookie->secure ? "TRUE" : "FALSE",
                           cookie->expires_s == INT64_MAX ? INT64_C(0) : cookie->expires_s, TERN_ARG(cookie->name),
                           TERN_ARG(cookie->value));
}

enum tern_error tern_cookies_save(const struct tern_cookies *cookies, struct tern_buf *out, int64_t now_s)
{
    size_t bytes = 32 + cookies->count * LINE_MORE_MAX;
    enum tern_error error;

    TERN_LIST_FOREACH(node, &cookies->order) {
        const struct tern_cookie *cookie = tern_cookie_of_order(node);

        bytes += cookie->domain.len + cookie->path.len + cookie->name.len + cookie->value.len;
    }
    error = tern_buf_reserve(out, bytes); /* what moves leaves its secrets behind */
    if (error == TERN_OK)
        error = tern_buf_append_str(out, TERN_STR("# Netscape HTTP Cookie File\n"));
    TERN_LIST_FOREACH(node, &cookies->order)
        if (error == TERN_OK && tern_cookie_of_order(node)->expires_s > now_s)
            error = save_one(tern_cookie_of_order(node), out);
    return error;
}
