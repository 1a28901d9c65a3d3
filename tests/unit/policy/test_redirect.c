/* Redirects: each decision against a table and a few lines written from RFC 9110 15.4 and 10.2.2, RFC 3986 5.4 and
 * tern/policy.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "base/str.h"
#include "policy/redirect.h"

static const struct tern_redirects defaults = {.hops_max = 10};

static struct tern_redirect_answer decide(const struct tern_redirect_question *question, const char *url_text,
                                          char *next_text, size_t next_size)
{
    struct tern_redirect_question asked = *question;
    struct tern_redirect_answer answer;
    struct tern_url url = {0}, next = {0};

    assert_int_equal(tern_url_parse(&url, tern_str(url_text), NULL), TERN_OK);
    asked.url = &url;
    assert_int_equal(tern_redirect_decide(&asked, &next, &answer), TERN_OK);
    assert_non_null(answer.reason);
    snprintf(next_text, next_size, "%.*s", (int)next.text.len, next.text.len > 0 ? next.text.ptr : "");
    tern_url_deinit(&url);
    tern_url_deinit(&next);
    return answer;
}

/* RFC 3986 5.4, the examples for references without and with abnormal segments, with an authority that has none of the
 * odd ones; and what a Location may be besides. */
static void test_where_it_leads(void **state)
{
    static const struct {
        const char *location, *to;
    } cases[] = {
        {"http://g/", "http://g/"},
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g/"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q#s"},
        {"g#s", "http://a/b/c/g#s"},
        {";x", "http://a/b/c/;x"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {"..g", "http://a/b/c/..g"},
        {"./g/.", "http://a/b/c/g/"},
        {"g;x=1/../y", "http://a/b/c/y"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
        {"HTTP://G:80/%7e", "http://g/%7E"},
        {"/\xc3\xa9", "http://a/%C3%A9"},
    };
    const struct tern_redirect_question question = {
        .config = &defaults, .method = TERN_STR("GET"), .status = 302, .hop = 1};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tern_redirect_question asked = question;
        char next[128];

        asked.location = tern_str(cases[i].location);
        assert_int_equal(decide(&asked, "http://a/b/c/d;p?q", next, sizeof(next)).verdict, TERN_REDIRECT_FOLLOW);
        assert_string_equal(next, cases[i].to);
    }
}

/* ---- all of it ---- */

struct place {
    const char *url;
    const char *scheme, *origin; /* what the URL says, read by hand */
};

static const struct place places[] = {
    {"http://a.test/x", "http", "http a.test 80"},
    {"http://A.TEST.:80/y", "http", "http a.test 80"},
    {"http://a.test:8080/", "http", "http a.test 8080"},
    {"http://www.a.test/", "http", "http www.a.test 80"},
    {"https://a.test/", "https", "https a.test 443"},
    {"https://a.test:443/z", "https", "https a.test 443"},
    {"https://a.test:80/", "https", "https a.test 80"},
    {"https://b.test/", "https", "https b.test 443"},
    {"http://u:p@a.test/", "http", "http a.test 80"},
    {"ftp://a.test/", "ftp", "ftp a.test 21"},
    {"http://a b/", NULL, NULL},
    {"http://a.test:99999/", NULL, NULL},
    {"mailto:me@a.test", NULL, NULL},
    {"file:///etc/passwd", NULL, NULL},
    {"X-1.2+3:x", NULL, NULL},
};

#define STARTS 9 /* of them may be where a call is */
#define PLACES (sizeof(places) / sizeof(places[0]))

static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "post"};

/* RFC 9110 15.4.2 to 15.4.4: 303 is fetched by GET, by HEAD where HEAD was; 301 and 302 may turn POST into GET and
 * do. */
static bool to_get(const struct tern_redirects *config, uint16_t status, const char *method)
{
    bool is_post = strcmp(method, "POST") == 0;

    switch (status) {
    case 301:
        return is_post && !config->keep_post_301;
    case 302:
        return is_post && !config->keep_post_302;
    case 303:
        return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0 && !(is_post && config->keep_post_303);
    default:
        return false;
    }
}

static enum tern_redirect_verdict verdict(const struct tern_redirect_question *q, const struct place *from,
                                          const struct place *to)
{
    bool is_redirect = q->status == 301 || q->status == 302 || q->status == 303 || q->status == 307 || q->status == 308;

    if (!is_redirect || to == NULL)
        return TERN_REDIRECT_NONE;
    if (to->scheme == NULL || strcmp(to->scheme, "ftp") == 0)
        return TERN_REDIRECT_REFUSE;
    if (strcmp(from->scheme, "https") == 0 && strcmp(to->scheme, "http") == 0 && !q->config->allow_downgrade)
        return TERN_REDIRECT_REFUSE;
    if (strcmp(from->origin, to->origin) != 0 && q->config->same_origin_only)
        return TERN_REDIRECT_REFUSE;
    if (q->has_body && !q->has_body_again && !to_get(q->config, q->status, q->method.ptr))
        return TERN_REDIRECT_REFUSE;
    return q->hop > q->config->hops_max ? TERN_REDIRECT_END : TERN_REDIRECT_FOLLOW;
}

/* What tern/policy.h says of struct tern_hop's error. */
static enum tern_error error_of(const struct tern_redirect_question *q, const struct place *from,
                                const struct place *to, enum tern_redirect_verdict verdict)
{
    if (verdict == TERN_REDIRECT_NONE || verdict == TERN_REDIRECT_FOLLOW)
        return TERN_OK;
    if (verdict == TERN_REDIRECT_END)
        return TERN_EREDIRECTS;
    if (to->scheme == NULL)
        return strncmp(to->url, "http:", 5) == 0 ? TERN_EURL : TERN_ESCHEME;
    if (strcmp(to->scheme, "ftp") == 0)
        return TERN_ESCHEME;
    if (strcmp(from->scheme, "https") == 0 && strcmp(to->scheme, "http") == 0 && !q->config->allow_downgrade)
        return TERN_EGATE;
    return q->config->same_origin_only && strcmp(from->origin, to->origin) != 0 ? TERN_EGATE : TERN_EBODY_SOURCE;
}

static void test_every_decision(void **state)
{
    static const uint16_t statuses[] = {200, 201, 300, 301, 302, 303, 304, 305, 306, 307, 308, 309, 400, 503};
    struct tern_rand rand;
    uint32_t seen[4] = {0};

    (void)state;
    tern_rand_seed(&rand, 3986);
    for (int i = 0; i < 50000; i++) {
        uint64_t dice = tern_rand_next(&rand);
        const struct place *from = &places[tern_rand_below(&rand, STARTS)];
        const struct place *to = (dice & 15) == 0 ? NULL : &places[tern_rand_below(&rand, PLACES)];
        const char *method = methods[tern_rand_below(&rand, sizeof(methods) / sizeof(methods[0]))];
        const struct tern_redirects config = {.hops_max = 1 + (uint32_t)tern_rand_below(&rand, 12),
                                              .same_origin_only = (dice >> 4 & 3) == 0,
                                              .allow_downgrade = dice >> 6 & 1,
                                              .keep_secrets = dice >> 7 & 1,
                                              .keep_post_301 = dice >> 8 & 1,
                                              .keep_post_302 = dice >> 9 & 1,
                                              .keep_post_303 = dice >> 10 & 1};
        const struct tern_redirect_question question = {
            .config = &config,
            .method = tern_str(method),
            .location = to != NULL ? tern_str(to->url) : (struct tern_str){NULL, 0},
            .status = statuses[tern_rand_below(&rand, sizeof(statuses) / sizeof(statuses[0]))],
            .hop = 1 + (uint32_t)tern_rand_below(&rand, 12),
            .has_body = dice >> 11 & 1,
            .has_body_again = dice >> 12 & 1};
        char next[128];
        struct tern_redirect_answer answer = decide(&question, from->url, next, sizeof(next));
        enum tern_redirect_verdict expected = verdict(&question, from, to);

        seen[expected]++;
        if (answer.verdict != expected)
            fail_msg("%s %s, %u to %s: verdict %d, not %d", method, from->url, question.status,
                     to != NULL ? to->url : "nowhere", answer.verdict, expected);
        assert_int_equal(answer.error, error_of(&question, from, to, expected));
        assert_int_equal(strlen(answer.reason) > 0, expected == TERN_REDIRECT_REFUSE || expected == TERN_REDIRECT_END);
        if (expected != TERN_REDIRECT_FOLLOW || to == NULL)
            continue;
        assert_int_equal(answer.to_get, to_get(&config, question.status, method));
        assert_int_equal(answer.drop_secrets, strcmp(from->origin, to->origin) != 0 && !config.keep_secrets);
    }
    for (size_t i = 0; i < 4; i++)
        assert_true(seen[i] > 500); /* it was worth asking */
}

/* What it looks at is on record all the same. */
static void test_audit_only(void **state)
{
    const struct tern_redirects config = {.hops_max = 10, .audit_only = true};
    struct tern_redirect_question question = {
        .config = &config, .method = TERN_STR("GET"), .location = TERN_STR("../b?c"), .status = 301, .hop = 1};
    char next[128];
    struct tern_redirect_answer answer = decide(&question, "http://a.test/x/y", next, sizeof(next));

    (void)state;
    assert_int_equal(answer.verdict, TERN_REDIRECT_REFUSE);
    assert_int_equal(answer.error, TERN_OK);
    assert_string_equal(next, "http://a.test/b?c");
    question.location = TERN_STR("http://[");
    assert_int_equal(decide(&question, "http://a.test/", next, sizeof(next)).verdict, TERN_REDIRECT_REFUSE);
    question.status = 200;
    assert_int_equal(decide(&question, "http://a.test/", next, sizeof(next)).verdict, TERN_REDIRECT_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_it_leads),
        cmocka_unit_test(test_every_decision),
        cmocka_unit_test(test_audit_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
