/* Redirects: whatever Location says, nothing is followed but http and https, nor downwards unless allowed, secrets stay
 * with their origin, and the next URL is a canonical one. The input: a byte of options, a line with the URL, a line
 * with the method, then Location. */
#include "policy/redirect.h"
#include "tests/fuzz/fuzz.h"

enum { DOWNGRADE = 1, SAME_ORIGIN = 2, KEEP_POST = 4, BODY = 8, BODY_AGAIN = 16 };

static bool is(struct tern_str s, const char *text)
{
    return tern_str_eq(s, tern_str(text));
}

static void check_followed(const struct tern_redirect_question *q, const struct tern_redirect_answer *answer,
                           const struct tern_url *next)
{
    bool is_same = tern_url_same_origin(q->url, next);
    struct tern_url again = {0};

    FUZZ_CHECK(is(next->scheme, "http") || is(next->scheme, "https"));
    FUZZ_CHECK(is(next->scheme, "https") || !is(q->url->scheme, "https") || q->config->allow_downgrade);
    FUZZ_CHECK(is_same || !q->config->same_origin_only);
    FUZZ_CHECK(answer->drop_secrets == !is_same);
    FUZZ_CHECK(!q->has_body || answer->to_get || q->has_body_again);
    FUZZ_CHECK(!answer->to_get || (q->status != 307 && q->status != 308));
    FUZZ_CHECK(tern_url_parse(&again, next->text, NULL) == TERN_OK);
    fuzz_same(again.text, next->text);
    tern_url_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t statuses[] = {301, 302, 303, 307, 308, 300, 304, 200};
    struct tern_str rest = {(const char *)data, size};
    uint8_t options = fuzz_byte(&rest), status = fuzz_byte(&rest);
    const struct tern_redirects config = {.hops_max = TERN_REDIRECT_HOPS_MAX,
                                          .allow_downgrade = (options & DOWNGRADE) != 0,
                                          .same_origin_only = (options & SAME_ORIGIN) != 0,
                                          .keep_post_301 = (options & KEEP_POST) != 0};
    struct tern_url url = {0}, next = {0};
    struct tern_str text = fuzz_line(&rest);
    struct tern_redirect_question q = {.config = &config,
                                       .url = &url,
                                       .method = fuzz_line(&rest),
                                       .location = rest,
                                       .status = statuses[status % 8],
                                       .hop = 1,
                                       .has_body = (options & BODY) != 0,
                                       .has_body_again = (options & BODY_AGAIN) != 0};
    struct tern_redirect_answer answer;

    if (tern_url_parse(&url, text, NULL) == TERN_OK) {
        FUZZ_CHECK(tern_redirect_decide(&q, &next, &answer) == TERN_OK);
        FUZZ_CHECK(answer.verdict != TERN_REDIRECT_END);
        FUZZ_CHECK((answer.verdict == TERN_REDIRECT_REFUSE) == (answer.reason[0] != '\0'));
        if (answer.verdict == TERN_REDIRECT_FOLLOW)
            check_followed(&q, &answer, &next);
    }
    tern_url_deinit(&next);
    tern_url_deinit(&url);
    return 0;
}
