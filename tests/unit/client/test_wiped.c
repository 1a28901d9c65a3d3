/* Secrets do not outlive their use in memory: an allocator that looks at what it gets back. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "client/call.h"
#include "client/client.h"
#include "policy/hsts.h"
#include "tern/engine.h"
#include "tern/jar.h"
#include "tests/support/scenario.h"

#define URL "http://a.test/"

static void open_with(struct scenario *s, const struct tern_auth *auth)
{
    const struct tern_policy policy = {.auth = auth};

    scenario_open(s, &(struct tern_client_config){.policy = &policy, .user_agent = ""});
}

/* What the peer answers now; fields end in CRLF each. */
static void answer(struct scenario *s, struct simio_peer *peer, int status, const char *fields)
{
    char text[8192];

    snprintf(text, sizeof(text), "HTTP/1.1 %d X\r\n%sContent-Length: 2\r\n\r\nhi", status, fields);
    simio_say(peer, text);
    scenario_run(s, 0);
}

static const char secret[] = "correct-horse-battery";
static size_t freed_with_secret;

static const char coded[] = "dTpjb3JyZWN0LWhvcnNlLWJhdHRlcnk="; /* base64 of u:correct-horse-battery */

static void look(const void *block)
{
    size_t size = block != NULL ? malloc_usable_size((void *)block) : 0;

    if (block != NULL && (memmem(block, size, secret, sizeof(secret) - 1) != NULL ||
                          memmem(block, size, coded, sizeof(coded) - 1) != NULL))
        freed_with_secret++;
}

static void *plain_alloc(size_t size, void *user)
{
    (void)user;
    return calloc(1, size);
}

static void *watched_realloc(void *block, size_t size, void *user)
{
    size_t old = block != NULL ? malloc_usable_size(block) : 0;
    void *fresh = calloc(1, size);

    (void)user;
    if (fresh == NULL)
        return NULL;
    if (block != NULL)
        memcpy(fresh, block, old < size ? old : size);
    look(block);
    free(block);
    return fresh;
}

static void watched_free(void *block, void *user)
{
    (void)user;
    look(block);
    free(block);
}

static void ask(void *user, struct tern_client *client, uint64_t question, bool was_refused)
{
    assert_null(user);
    assert_false(was_refused);
    assert_int_equal(tern_client_token(client, question, tern_str(secret), 0), TERN_OK);
}

/* No block that is given back holds a password, neither the configuration's nor a call's own nor netrc's nor a
 * token. */
static void test_passwords_are_wiped(void **state)
{
    char text[2000];
    const struct tern_allocator watched = {plain_alloc, watched_realloc, watched_free, NULL};
    const struct tern_auth auth = {.netrc = TERN_STR("machine a.test login u password \"correct-horse-battery\"")};
    const struct tern_auth own = {.user = TERN_STR("u"), .password = TERN_STR("correct-horse-battery")};
    const struct tern_policy policy = {.auth = &own};
    const struct tern_auth basic = {
        .user = own.user, .password = own.password, .schemes = TERN_AUTH_BASIC, .plaintext = true};
    const struct tern_field long_field = {TERN_STR("X-Long"), {memset(text, 'x', sizeof(text)), sizeof(text)}, 0};
    const struct tern_policy unasked = {.auth = &basic};
    const struct tern_auth token = {.ask_token = ask, .plaintext = true};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    assert_int_equal(tern_set_allocator(&watched), TERN_OK);
    freed_with_secret = 0;
    open_with(&s, &auth);
    call = scenario_get(&s, URL);
    peer = scenario_accept(&s);
    answer(&s, peer, 401, "WWW-Authenticate: Digest realm=\"r\", qop=auth, nonce=n\r\n");
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    call = scenario_start(&s, &(struct tern_request){.url = TERN_STR(URL), .policy = &policy});
    answer(&s, peer, 401, "WWW-Authenticate: Digest realm=\"r\", qop=auth, nonce=n\r\n");
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    call = scenario_start(
        &s, &(struct tern_request){.url = TERN_STR(URL), .policy = &unasked, .fields = &long_field, .field_count = 1});
    assert_true(scenario_heard(peer, coded));
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    scenario_close(&s);
    open_with(&s, &token);
    call = scenario_get(&s, URL);
    peer = scenario_accept(&s);
    assert_true(scenario_heard(peer, "Bearer correct-horse-battery"));
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    scenario_close(&s);
    assert_int_equal(freed_with_secret, 0);
}

static bool holds_secret(const struct tern_buf *buf)
{
    return buf->data != NULL && memmem(buf->data, buf->cap, secret, sizeof(secret) - 1) != NULL;
}

/* Nor do the calls that have ended and are kept for the next request. */
static void assert_spares_are_clean(const struct scenario *s)
{
    assert_false(tern_list_is_empty(&s->client->spares));
    TERN_LIST_FOREACH(node, &s->client->spares) {
        const struct tern_call *call = TERN_CONTAINER_OF(node, struct tern_call, node);

        assert_false(holds_secret(&call->own.bytes));
        assert_false(holds_secret(&call->fields.bytes));
        assert_false(holds_secret(&call->url.buf));
        assert_false(holds_secret(&call->next_url.buf));
    }
}

static void test_own_fields_are_wiped(void **state)
{
    const struct tern_allocator watched = {plain_alloc, watched_realloc, watched_free, NULL};
    const struct tern_field field = {TERN_STR("Authorization"), tern_str(secret), 0};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    assert_int_equal(tern_set_allocator(&watched), TERN_OK);
    freed_with_secret = 0;
    scenario_open(&s, NULL);
    call = scenario_start(&s, &(struct tern_request){.url = TERN_STR(URL), .fields = &field, .field_count = 1});
    peer = scenario_accept(&s);
    assert_true(scenario_heard(peer, secret));
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    assert_spares_are_clean(&s);
    scenario_close(&s);
    assert_int_equal(freed_with_secret, 0);
}

/* A URL's userinfo: where the text is longer than what was there before, and where hops and HSTS make another of it. */
static void test_userinfo_is_wiped(void **state)
{
    static char path[2000], text[2100];
    const struct tern_allocator watched = {plain_alloc, watched_realloc, watched_free, NULL};
    const struct tern_redirects follow = {0};
    const struct tern_policy policy = {.redirects = &follow};
    const struct tern_host host = {.kind = TERN_HOST_NAME, .len = 6, .text = "a.test"};
    struct tern_hsts hsts;
    struct tern_url url = {0};
    struct scenario s;
    struct simio_peer *peer = NULL;
    struct seen *call;
    bool upgraded;

    (void)state;
    memset(path, 'p', sizeof(path) - 1);
    assert_int_equal(tern_set_allocator(&watched), TERN_OK);
    freed_with_secret = 0;
    scenario_open(&s, &(struct tern_client_config){.policy = &policy, .user_agent = ""});
    for (int i = 0; i < 2; i++) {
        snprintf(text, sizeof(text), "http://u:%s@a.test/%s", secret, path + (i == 0 ? 1700 : 0));
        call = scenario_get(&s, text);
        peer = i == 0 ? scenario_accept(&s) : peer;
        for (int hop = 0; hop < 3; hop++) {
            snprintf(text, sizeof(text), "Location: /%s\r\n", path + 1000 - 450 * hop);
            answer(&s, peer, 302, text);
        }
        answer(&s, peer, 200, "");
        seen_is(call, "head 200 | body hi | done");
        assert_spares_are_clean(&s);
    }
    scenario_close(&s);
    assert_int_equal(freed_with_secret, 0);

    tern_hsts_init(&hsts, (struct tern_hash_seed){1, 2});
    assert_int_equal(tern_hsts_heard(&hsts, &host, TERN_STR("max-age=9"), 1), TERN_OK);
    snprintf(text, sizeof(text), "http://u:%s\xc3\xa9@a.test/", secret);
    assert_int_equal(tern_url_parse(&url, tern_str(text), NULL), TERN_OK);
    assert_int_equal(tern_hsts_upgrade(&hsts, &url, 1, &upgraded), TERN_OK);
    assert_true(upgraded);
    assert_int_equal(freed_with_secret, 0);
    tern_url_deinit(&url); /* whose owner wipes it */
    tern_hsts_deinit(&hsts);
}

/* A jar's cookies, in every request and as text. */
static void test_cookies_are_wiped(void **state)
{
    const struct tern_allocator watched = {plain_alloc, watched_realloc, watched_free, NULL};
    struct tern_policy policy = {.redirects = NULL};
    struct tern_client_config config = {.policy = &policy, .user_agent = ""};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;
    char *text;

    (void)state;
    assert_int_equal(tern_set_allocator(&watched), TERN_OK);
    freed_with_secret = 0;
    scenario_open(&s, &config);
    assert_int_equal(tern_jar_new(s.engine, &policy.cookies), TERN_OK);
    assert_int_equal(tern_jar_set(policy.cookies, TERN_STR(URL), TERN_STR("s=correct-horse-battery"), NULL), TERN_OK);
    for (int i = 0; i < 50; i++) {
        char cookie[64];

        snprintf(cookie, sizeof(cookie), "name-%d=a value of some bytes", i);
        assert_int_equal(tern_jar_set(policy.cookies, TERN_STR(URL), tern_str(cookie), NULL), TERN_OK);
    }
    call = scenario_start(&s, &(struct tern_request){.url = TERN_STR(URL), .policy = &policy});
    peer = scenario_accept(&s);
    assert_true(scenario_heard(peer, "Cookie: s=correct-horse-battery; name-0"));
    answer(&s, peer, 200, "");
    seen_is(call, "head 200 | body hi | done");
    assert_spares_are_clean(&s);
    assert_int_equal(tern_jar_save(policy.cookies, &text), TERN_OK);
    assert_non_null(strstr(text, secret));
    tern_jar_text_free(text);
    tern_jar_free(policy.cookies);
    scenario_close(&s);
    assert_int_equal(freed_with_secret, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passwords_are_wiped),
        cmocka_unit_test(test_own_fields_are_wiped),
        cmocka_unit_test(test_userinfo_is_wiped),
        cmocka_unit_test(test_cookies_are_wiped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
