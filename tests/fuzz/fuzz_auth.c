/* Challenges: what is read is written and read the same again; what answers one is a field that says the same nonce
 * back, and nothing that a server sends breaks out of it. The input: a byte of options, an Authentication-Info, then
 * the values of WWW-Authenticate fields, one a line. */
#include "base/fields.h"
#include "policy/auth.h"
#include "tests/fuzz/fuzz.h"

#define FIELDS_MAX 16
#define TEXT_MAX (1024 * 1024)

/* Not the real ones, which the input cannot depend on. */
static bool hash(const struct tern_str *parts, size_t count, uint8_t *out, size_t size)
{
    memset(out, 7, size);
    for (size_t i = 0; i < count; i++)
        out[i % size] = (uint8_t)(out[i % size] + parts[i].len);
    return true;
}

static bool md5(const struct tern_str *parts, size_t count, uint8_t out[16])
{
    return hash(parts, count, out, 16);
}

static bool sha256(const struct tern_str *parts, size_t count, uint8_t out[32])
{
    return hash(parts, count, out, 32);
}

static void print(struct tern_buf *out, struct tern_str field)
{
    struct tern_challenge challenge;
    struct tern_auth_param param;

    while (tern_challenge_next(&field, &challenge)) {
        FUZZ_CHECK(tern_buf_printf(out, "%s%.*s ", out->len > 0 ? ", " : "", TERN_ARG(challenge.scheme)) == TERN_OK);
        if (challenge.token68.ptr != NULL)
            FUZZ_CHECK(tern_buf_append_str(out, challenge.token68) == TERN_OK);
        for (bool first = true; tern_auth_param_next(&challenge.params, &param); first = false) {
            const char *quote = param.is_quoted ? "\"" : "";

            FUZZ_CHECK(tern_buf_printf(out, "%s%.*s=%s", first ? "" : ", ", TERN_ARG(param.name), quote) == TERN_OK);
            FUZZ_CHECK(tern_buf_append_str(out, param.value) == TERN_OK);
            FUZZ_CHECK(tern_buf_printf(out, "%s", quote) == TERN_OK);
        }
        FUZZ_CHECK(challenge.params.len == 0);
    }
    FUZZ_CHECK(field.len == 0);
}

static void check_reading(struct tern_str field)
{
    struct tern_buf once, twice;

    tern_buf_init(&once, TEXT_MAX);
    tern_buf_init(&twice, TEXT_MAX);
    print(&once, field);
    print(&twice, tern_buf_view(&once));
    fuzz_same(tern_buf_view(&once), tern_buf_view(&twice));
    tern_buf_deinit(&once);
    tern_buf_deinit(&twice);
}

static struct tern_str find(struct tern_str answer, const char *name)
{
    struct tern_challenge challenge;
    struct tern_auth_param param;

    FUZZ_CHECK(tern_challenge_next(&answer, &challenge) && answer.len == 0);
    FUZZ_CHECK(tern_str_eq(challenge.scheme, TERN_STR("Digest")));
    while (tern_auth_param_next(&challenge.params, &param))
        if (tern_auth_param_is(&param, name))
            return param.value;
    return (struct tern_str){NULL, 0};
}

static void check_answer(struct tern_digest *digest, bool has_odd_user)
{
    static const struct tern_digest_hashes hashes = {.md5 = md5, .sha256 = sha256};
    const struct tern_digest_request request = {.user = has_odd_user ? TERN_STR("J\xc3\xa4s\"\\") : TERN_STR("user"),
                                                .password = TERN_STR("password"),
                                                .method = TERN_STR("GET"),
                                                .uri = TERN_STR("/\"x\"?a,b=c"),
                                                .cnonce = TERN_STR("0123"),
                                                .body = {"", 0},
                                                .nc = 1};
    struct tern_auth_param echo = {.is_quoted = true};
    struct tern_buf answer, plain;
    enum tern_error error;

    tern_buf_init(&answer, TEXT_MAX);
    tern_buf_init(&plain, TEXT_MAX);
    error = tern_digest_answer(digest, &request, &hashes, &answer);
    FUZZ_CHECK(error == TERN_OK || error == TERN_EFIELD);
    if (error == TERN_OK) {
        FUZZ_CHECK(tern_field_value_valid(tern_buf_view(&answer)));
        echo.value = find(tern_buf_view(&answer), "nonce");
        FUZZ_CHECK(tern_auth_param_append(&plain, &echo) == TERN_OK);
        fuzz_same(tern_buf_view(&plain), tern_buf_view(&digest->nonce));
        FUZZ_CHECK(find(tern_buf_view(&answer), "response").len == (digest->is_sha256 ? 64 : 32));
    }
    tern_buf_deinit(&answer);
    tern_buf_deinit(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tern_str rest = {(const char *)data, size}, info;
    uint8_t options = fuzz_byte(&rest);
    struct tern_field fields[FIELDS_MAX];
    enum tern_auth_scheme scheme;
    struct tern_digest digest;
    const char *reason;
    size_t count = 0;

    info = fuzz_line(&rest);
    while (rest.len > 0 && count < FIELDS_MAX) {
        struct tern_str value = tern_str_trim(fuzz_line(&rest));

        if (!tern_field_value_valid(value))
            continue; /* no codec lets it through */
        check_reading(value);
        fields[count++] = (struct tern_field){TERN_STR("WWW-Authenticate"), value, 0};
    }
    tern_digest_init(&digest);
    FUZZ_CHECK(tern_auth_choose(fields, count, options & 3u, (options & 4) != 0, &digest, &scheme, &reason) == TERN_OK);
    FUZZ_CHECK((scheme == TERN_SCHEME_NONE) == (reason != NULL));
    FUZZ_CHECK(scheme != TERN_SCHEME_BASIC || (options & TERN_AUTH_BASIC) != 0);
    if (scheme == TERN_SCHEME_DIGEST) {
        struct tern_str space = tern_auth_space(TERN_STR("http://a"), TERN_STR("/a/b"), &digest);

        FUZZ_CHECK((options & TERN_AUTH_DIGEST) != 0 && (digest.qop != TERN_DIGEST_QOP_INT || (options & 4) != 0));
        FUZZ_CHECK(space.len >= 1 && space.len <= 4);
        check_answer(&digest, (options & 8) != 0);
        (void)tern_digest_next_nonce(&digest, info);
        FUZZ_CHECK(digest.nonce.len > 0);
        check_answer(&digest, (options & 8) != 0);
    }
    tern_digest_deinit(&digest);
    return 0;
}
