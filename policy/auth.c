#include "policy/auth.h"

#include "base/base64.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"

/* ---- what the user gave ---- */

/* RFC 7617 2 for both schemes: in RFC 7616 3.4.2 too a colon ends the name. */
static enum tern_error check_text(const char *field, struct tern_str text, bool may_hold_colon, struct tern_fault *why)
{
    if (text.len > TERN_AUTH_TEXT_MAX)
        return tern_fault_set(why, TERN_ECONFIG, "policy.auth.%s: %zu bytes, at most %d", field, text.len,
                              TERN_AUTH_TEXT_MAX);
    for (size_t i = 0; text.ptr != NULL && i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f || (text.ptr[i] == ':' && !may_hold_colon))
            return tern_fault_set(why, TERN_ECONFIG, "policy.auth.%s: must not hold %s (RFC 7617 2)", field,
                                  text.ptr[i] == ':' ? "a colon" : "control characters");
    return TERN_OK;
}

static enum tern_error check(const struct tern_auth *config, struct tern_fault *why)
{
    bool has_name = config->user.ptr != NULL || config->netrc.ptr != NULL;
    enum tern_error error = check_text("user", config->user, false, why);

    if (error == TERN_OK)
        error = check_text("password", config->password, true, why);
    if (error == TERN_OK && (config->schemes & ~(TERN_AUTH_BASIC | TERN_AUTH_DIGEST)) != 0)
        return tern_fault_set(why, TERN_ECONFIG, "policy.auth.schemes %u: must be TERN_AUTH_*", config->schemes);
    if (error == TERN_OK && has_name == (config->ask_token != NULL))
        return tern_fault_set(why, TERN_ECONFIG, "policy.auth: needs user or netrc, or else ask_token");
    return error;
}

enum tern_error tern_auth_compile(struct tern_auth_rules *out, const struct tern_auth *config, struct tern_keep *keep,
                                  struct tern_fault *why)
{
    enum tern_error error = check(config, why);

    *out = (struct tern_auth_rules){.config = *config};
    if (error != TERN_OK)
        return error;
    out->config.netrc = (struct tern_str){NULL, 0};
    if (config->schemes == 0)
        out->config.schemes = TERN_AUTH_BASIC | TERN_AUTH_DIGEST;
    if (config->token_wait_ns == 0)
        out->config.token_wait_ns = TERN_AUTH_TOKEN_WAIT_NS;
    if (!tern_keep_str(keep, &out->config.user) || !tern_keep_str(keep, &out->config.password))
        return tern_fault_plain(why, TERN_ENOMEM);
    return config->netrc.ptr != NULL ? tern_netrc_parse(&out->netrc, config->netrc, keep, why) : TERN_OK;
}

/* ---- what the server says ---- */

struct choice {
    struct tern_digest *best;
    enum tern_auth_scheme scheme;
    bool has_body_text, heard_anything;
    const char *reason; /* why a challenge of an allowed scheme was not taken */
};

static enum tern_error consider_digest(struct choice *choice, const struct tern_challenge *challenge)
{
    struct tern_digest digest;
    enum tern_error error;

    tern_digest_init(&digest);
    error = tern_digest_read(&digest, challenge, &choice->reason);
    if (error == TERN_OK && digest.qop == TERN_DIGEST_QOP_INT && !choice->has_body_text) {
        choice->reason = "the server wants the body hashed (auth-int), and it is not in memory or over 1 MiB";
        error = TERN_EPROTO;
    }
    if (error == TERN_OK && (choice->scheme != TERN_SCHEME_DIGEST || (digest.is_sha256 && !choice->best->is_sha256))) {
        struct tern_digest old = *choice->best;

        *choice->best = digest;
        digest = old;
        choice->scheme = TERN_SCHEME_DIGEST;
    }
    tern_digest_deinit(&digest);
    return error == TERN_EPROTO ? TERN_OK : error;
}

static enum tern_error consider(struct choice *choice, struct tern_str value, uint32_t schemes)
{
    struct tern_challenge challenge;
    enum tern_error error = TERN_OK;

    while (error == TERN_OK && tern_challenge_next(&value, &challenge)) {
        choice->heard_anything = true;
        if ((schemes & TERN_AUTH_DIGEST) != 0 && tern_str_ieq(challenge.scheme, TERN_STR("Digest")))
            error = consider_digest(choice, &challenge);
        else if ((schemes & TERN_AUTH_BASIC) != 0 && tern_str_ieq(challenge.scheme, TERN_STR("Basic")) &&
                 choice->scheme == TERN_SCHEME_NONE)
            choice->scheme = TERN_SCHEME_BASIC;
    }
    return error;
}

enum tern_error tern_auth_choose(const struct tern_field *fields, size_t count, uint32_t schemes, bool has_body_text,
                                 struct tern_digest *digest, enum tern_auth_scheme *out, const char **reason)
{
    struct choice choice = {.best = digest, .has_body_text = has_body_text};
    enum tern_error error = TERN_OK;

    for (size_t i = 0; error == TERN_OK && i < count; i++)
        if (tern_str_ieq(fields[i].name, TERN_STR("WWW-Authenticate")))
            error = consider(&choice, fields[i].value, schemes);
    *out = choice.scheme;
    *reason = choice.scheme != TERN_SCHEME_NONE ? NULL
              : choice.reason != NULL           ? choice.reason
              : choice.heard_anything           ? "the server offers no scheme that is allowed"
                                                : "the server does not say what it wants (WWW-Authenticate)";
    return error;
}

/* ---- spaces ---- */

/* The part of path that a URI of the domain list speaks of: a space that its own path is not within would never be
 * found. What is relative to the path is left out. */
static struct tern_str within(struct tern_str uri, struct tern_str origin, struct tern_str path)
{
    if (uri.len >= origin.len && tern_bytes_ieq(uri.ptr, origin.ptr, origin.len))
        uri = tern_str_from(uri, origin.len);
    if (uri.len == 0 || uri.ptr[0] != '/' || !tern_path_is_within(path, uri))
        return (struct tern_str){NULL, 0};
    return tern_str_n(path.ptr, uri.len);
}

struct tern_str tern_auth_space(struct tern_str origin, struct tern_str path, const struct tern_digest *digest)
{
    struct tern_str rest = digest != NULL ? digest->domain : (struct tern_str){"", 0}, space = tern_str_n(path.ptr, 1);

    if (digest == NULL) /* all at or below the last slash */
        for (size_t i = 0; i < path.len; i++)
            if (path.ptr[i] == '/')
                space.len = i + 1;
    while (rest.len > 0) {
        size_t len = tern_str_find(rest, ' ');
        struct tern_str found = within(tern_str_n(rest.ptr, len), origin, path);

        if (found.len > space.len)
            space = found;
        rest = tern_str_from(rest, len < rest.len ? len + 1 : len);
    }
    return space;
}

/* ---- secrets ---- */

enum tern_error tern_auth_basic(struct tern_buf *out, struct tern_str user, struct tern_str password)
{
    struct tern_buf plain;
    enum tern_error error;

    tern_buf_init(&plain, user.len + 1 + password.len);
    if ((error = tern_buf_append_str(&plain, user)) == TERN_OK &&
        (error = tern_buf_append_byte(&plain, ':')) == TERN_OK &&
        (error = tern_buf_append_str(&plain, password)) == TERN_OK &&
        (error = tern_buf_append_str(out, TERN_STR("Basic "))) == TERN_OK)
        error = tern_base64_append(out, plain.data + plain.head, plain.len);
    tern_buf_wipe(&plain);
    return error;
}

bool tern_auth_is_token(struct tern_str token)
{
    size_t len = token.len;

    while (len > 0 && token.ptr[len - 1] == '=')
        len--;
    for (size_t i = 0; i < len; i++)
        if (!tern_ascii_is_alpha(token.ptr[i]) && !tern_ascii_is_digit(token.ptr[i]) &&
            memchr("-._~+/", token.ptr[i], 6) == NULL)
            return false;
    return len > 0;
}
