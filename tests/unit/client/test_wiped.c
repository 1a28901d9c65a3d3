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
#include "tern/engine.h"
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

/* No block that is given back holds a password, neither the configuration's nor a call's own nor netrc's nor a token. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passwords_are_wiped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
