#include "policy/digest.h"

#include "base/fields.h"
#include "base/str.h"

#define HEX_MAX 64

void tern_digest_init(struct tern_digest *digest)
{
    *digest = (struct tern_digest){0};
    tern_buf_init(&digest->text, TERN_DIGEST_BYTES_MAX);
    tern_buf_init(&digest->nonce, TERN_DIGEST_BYTES_MAX);
}

void tern_digest_deinit(struct tern_digest *digest)
{
    tern_buf_deinit(&digest->text);
    tern_buf_deinit(&digest->nonce);
}

/* ---- reading a challenge ---- */

enum { REALM, NONCE, OPAQUE, DOMAIN, ALGORITHM, QOP, STALE, USERHASH, CHARSET, KNOWN };

static const char *const names[KNOWN] = {"realm", "nonce", "opaque",   "domain", "algorithm",
                                         "qop",   "stale", "userhash", "charset"};

/* RFC 9110 11.2: each once. */
static bool collect(struct tern_str params, struct tern_auth_param found[KNOWN])
{
    struct tern_auth_param param;

    while (tern_auth_param_next(&params, &param))
        for (size_t i = 0; i < KNOWN; i++)
            if (tern_auth_param_is(&param, names[i])) {
                if (found[i].name.len > 0)
                    return false;
                found[i] = param;
            }
    return true;
}

static bool is_true(const struct tern_auth_param *param)
{
    return tern_auth_param_says(param, "true");
}

static const char *read_algorithm(struct tern_digest *digest, const struct tern_auth_param *param)
{
    digest->names_algorithm = param->name.len > 0;
    digest->is_sess = tern_auth_param_says(param, "MD5-sess") || tern_auth_param_says(param, "SHA-256-sess");
    digest->is_sha256 = tern_auth_param_says(param, "SHA-256") || tern_auth_param_says(param, "SHA-256-sess");
    if (!digest->names_algorithm || digest->is_sess || digest->is_sha256 || tern_auth_param_says(param, "MD5"))
        return NULL;
    return "the server's Digest algorithm is not one of MD5 and SHA-256";
}

static const char *read_qop(struct tern_digest *digest, const struct tern_auth_param *param)
{
    struct tern_str rest = param->value, element;

    digest->qop = TERN_DIGEST_QOP_NONE;
    while (tern_field_list_next(&rest, &element))
        if (tern_str_ieq(element, TERN_STR("auth")))
            digest->qop = TERN_DIGEST_QOP_AUTH;
        else if (tern_str_ieq(element, TERN_STR("auth-int")) && digest->qop == TERN_DIGEST_QOP_NONE)
            digest->qop = TERN_DIGEST_QOP_INT;
    if (param->name.len > 0 && digest->qop == TERN_DIGEST_QOP_NONE)
        return "the server's Digest qop is neither auth nor auth-int";
    if (digest->is_sess && digest->qop == TERN_DIGEST_QOP_NONE)
        return "the server's Digest challenge has a -sess algorithm without qop";
    return NULL;
}

/* Room for all of it is there: nothing moves, so views stay. */
static struct tern_str keep(struct tern_buf *text, const struct tern_auth_param *param, enum tern_error *error)
{
    size_t before = text->len;

    if (param->name.len == 0)
        return (struct tern_str){NULL, 0};
    if (*error == TERN_OK)
        *error = tern_auth_param_append(text, param);
    return tern_str_from(tern_buf_view(text), before);
}

static const char *read_flags(struct tern_digest *digest, const struct tern_auth_param found[KNOWN])
{
    const char *reason = read_algorithm(digest, &found[ALGORITHM]);

    digest->is_stale = is_true(&found[STALE]);
    digest->hashes_user = is_true(&found[USERHASH]);
    digest->is_utf8 = tern_auth_param_says(&found[CHARSET], "UTF-8");
    return reason != NULL ? reason : read_qop(digest, &found[QOP]);
}

enum tern_error tern_digest_read(struct tern_digest *digest, const struct tern_challenge *challenge,
                                 const char **reason)
{
    struct tern_auth_param found[KNOWN] = {0};
    enum tern_error error;

    *reason = NULL;
    tern_buf_clear(&digest->text);
    tern_buf_clear(&digest->nonce);
    if (challenge->params.len > TERN_DIGEST_BYTES_MAX)
        *reason = "the server's Digest challenge is longer than 4 KiB";
    else if (!collect(challenge->params, found))
        *reason = "the server's Digest challenge says something twice";
    else if (found[REALM].name.len == 0 || found[NONCE].value.len == 0)
        *reason = "the server's Digest challenge has no realm or no nonce";
    else
        *reason = read_flags(digest, found);
    if (*reason != NULL)
        return TERN_EPROTO;
    error = tern_buf_reserve(&digest->text, challenge->params.len);
    if (error == TERN_OK)
        error = tern_auth_param_append(&digest->nonce, &found[NONCE]);
    digest->realm = keep(&digest->text, &found[REALM], &error);
    digest->opaque = keep(&digest->text, &found[OPAQUE], &error);
    digest->domain = keep(&digest->text, &found[DOMAIN], &error);
    return error;
}

bool tern_digest_next_nonce(struct tern_digest *digest, struct tern_str value)
{
    struct tern_auth_param param, found = {0};
    struct tern_buf next;
    bool is_new;

    while (tern_auth_param_next(&value, &param))
        if (tern_auth_param_is(&param, "nextnonce"))
            found = param;
    if (found.value.len == 0 || digest->is_sess)
        return false;
    tern_buf_init(&next, TERN_DIGEST_BYTES_MAX);
    is_new = tern_auth_param_append(&next, &found) == TERN_OK &&
             !tern_str_eq(tern_buf_view(&next), tern_buf_view(&digest->nonce));
    if (is_new) {
        struct tern_buf old = digest->nonce;

        digest->nonce = next;
        next = old;
    }
    tern_buf_deinit(&next);
    return is_new;
}

/* ---- answering it ---- */

static const char hex_digits[] = "0123456789abcdef";

/* A hash as it is written and hashed on. */
struct hex {
    char text[HEX_MAX];
    size_t len;
};

static struct tern_str view(const struct hex *hex)
{
    return tern_str_n(hex->text, hex->len);
}

static bool hash(const struct tern_digest *digest, const struct tern_digest_hashes *hashes,
                 const struct tern_str *parts, size_t count, struct hex *out)
{
    size_t size = digest->is_sha256 ? 32 : 16;
    uint8_t bytes[32];

    if (!(digest->is_sha256 ? hashes->sha256(parts, count, bytes) : hashes->md5(parts, count, bytes)))
        return false;
    for (size_t i = 0; i < size; i++) {
        out->text[2 * i] = hex_digits[bytes[i] >> 4];
        out->text[2 * i + 1] = hex_digits[bytes[i] & 15];
    }
    out->len = 2 * size;
    return true;
}

#define COLON TERN_STR(":")
#define HASH(out, ...)                                                                                                 \
    hash(digest, hashes, (const struct tern_str[]){__VA_ARGS__},                                                       \
         sizeof((const struct tern_str[]){__VA_ARGS__}) / sizeof(struct tern_str), out)

static const char *qop_text(enum tern_digest_qop qop)
{
    return qop == TERN_DIGEST_QOP_INT ? "auth-int" : "auth";
}

/* RFC 7616 3.4.1 to 3.4.3, and RFC 2617 3.2.2.1 without qop. */
static bool respond(const struct tern_digest *digest, const struct tern_digest_request *request,
                    const struct tern_digest_hashes *hashes, struct tern_str nc, struct hex *out)
{
    struct tern_str nonce = tern_buf_view(&digest->nonce), qop = tern_str(qop_text(digest->qop));
    struct hex first, second, body;
    bool ok = HASH(&first, request->user, COLON, digest->realm, COLON, request->password);

    if (digest->is_sess)
        ok = ok && HASH(&first, view(&first), COLON, nonce, COLON, request->cnonce);
    if (digest->qop == TERN_DIGEST_QOP_INT)
        ok =
            ok && HASH(&body, request->body) && HASH(&second, request->method, COLON, request->uri, COLON, view(&body));
    else
        ok = ok && HASH(&second, request->method, COLON, request->uri);
    if (digest->qop == TERN_DIGEST_QOP_NONE)
        return ok && HASH(out, view(&first), COLON, nonce, COLON, view(&second));
    return ok &&
           HASH(out, view(&first), COLON, nonce, COLON, nc, COLON, request->cnonce, COLON, qop, COLON, view(&second));
}

/* RFC 9110 5.6.4, with its name before it. */
static enum tern_error append_quoted(struct tern_buf *out, const char *before, struct tern_str value)
{
    enum tern_error error = tern_buf_printf(out, "%s\"", before);

    for (size_t i = 0; error == TERN_OK && i < value.len; i++) {
        if (value.ptr[i] == '"' || value.ptr[i] == '\\')
            error = tern_buf_append_byte(out, '\\');
        if (error == TERN_OK)
            error = tern_buf_append_byte(out, value.ptr[i]);
    }
    return error == TERN_OK ? tern_buf_append_byte(out, '"') : error;
}

static bool is_ascii(struct tern_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] > 0x7e)
            return false;
    return true;
}

/* RFC 8187 3.2.1: its attr-char is a token's without these. */
static enum tern_error append_extended(struct tern_buf *out, struct tern_str text)
{
    enum tern_error error = tern_buf_append_str(out, TERN_STR("UTF-8''"));

    for (size_t i = 0; error == TERN_OK && i < text.len; i++) {
        struct tern_str one = tern_str_n(text.ptr + i, 1);
        unsigned char byte = (unsigned char)one.ptr[0];

        if (tern_is_token(one) && memchr("*'%", byte, 3) == NULL)
            error = tern_buf_append_str(out, one);
        else
            error = tern_buf_printf(out, "%%%02X", byte);
    }
    return error;
}

/* RFC 7616 3.4 and 3.4.4. */
static enum tern_error append_user(const struct tern_digest *digest, const struct tern_digest_request *request,
                                   const struct tern_digest_hashes *hashes, struct tern_buf *out)
{
    struct hex hashed;
    enum tern_error error;

    if (digest->hashes_user)
        return HASH(&hashed, request->user, COLON, digest->realm)
                   ? append_quoted(out, "Digest userhash=true, username=", view(&hashed))
                   : TERN_ENOMEM;
    if (!digest->is_utf8 || is_ascii(request->user))
        return append_quoted(out, "Digest username=", request->user);
    error = tern_buf_append_str(out, TERN_STR("Digest username*="));
    return error == TERN_OK ? append_extended(out, request->user) : error;
}

static enum tern_error append_algorithm(const struct tern_digest *digest, struct tern_buf *out)
{
    if (!digest->names_algorithm)
        return TERN_OK;
    return tern_buf_printf(out, ", algorithm=%s%s", digest->is_sha256 ? "SHA-256" : "MD5",
                           digest->is_sess ? "-sess" : "");
}

enum tern_error tern_digest_answer(const struct tern_digest *digest, const struct tern_digest_request *request,
                                   const struct tern_digest_hashes *hashes, struct tern_buf *out)
{
    char nc[9];
    struct hex response;
    size_t before = out->len;
    enum tern_error error;

    for (int i = 0; i < 8; i++)
        nc[i] = hex_digits[request->nc >> (28 - 4 * i) & 15];
    nc[8] = '\0';
    if (!respond(digest, request, hashes, tern_str(nc), &response))
        return TERN_ENOMEM;
    if ((error = append_user(digest, request, hashes, out)) != TERN_OK ||
        (error = append_quoted(out, ", realm=", digest->realm)) != TERN_OK ||
        (error = append_quoted(out, ", uri=", request->uri)) != TERN_OK ||
        (error = append_algorithm(digest, out)) != TERN_OK ||
        (error = append_quoted(out, ", nonce=", tern_buf_view(&digest->nonce))) != TERN_OK)
        return error;
    if (digest->qop != TERN_DIGEST_QOP_NONE &&
        ((error = tern_buf_printf(out, ", nc=%s, qop=%s", nc, qop_text(digest->qop))) != TERN_OK ||
         (error = append_quoted(out, ", cnonce=", request->cnonce)) != TERN_OK))
        return error;
    if ((error = append_quoted(out, ", response=", view(&response))) != TERN_OK)
        return error;
    if (digest->opaque.ptr != NULL && (error = append_quoted(out, ", opaque=", digest->opaque)) != TERN_OK)
        return error;
    return tern_field_value_valid(tern_str_from(tern_buf_view(out), before)) ? TERN_OK : TERN_EFIELD;
}
