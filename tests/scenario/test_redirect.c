/* Redirects through the whole client: what goes where, what is left behind, and what the audit says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/faultmem.h"
#include "tests/support/scenario.h"

#define B_ADDRESS "192.0.2.2:80"

static const struct tern_redirects follow = {0};

static void open_with(struct scenario *s, const struct tern_redirects *redirects)
{
    const struct tern_policy policy = {.redirects = redirects};

    scenario_open(s, &(struct tern_client_config){.policy = &policy, .user_agent = ""});
    fakedns_answer(s->servers, "b.test", "192.0.2.2", 60);
    simio_listen(s->sim, B_ADDRESS);
}

static void redirect(struct scenario *s, struct simio_peer *peer, int status, const char *location, const char *body)
{
    char text[4096];

    snprintf(text, sizeof(text), "HTTP/1.1 %d X\r\nLocation: %s\r\nContent-Length: %zu\r\n\r\n%s", status, location,
             strlen(body), body);
    simio_say(peer, text);
    scenario_run(s, 0);
}

static void answer(struct scenario *s, struct simio_peer *peer)
{
    simio_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    scenario_run(s, 0);
}

static void test_off_until_asked_for(void **state)
{
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, NULL);
    call = scenario_get(&s, "http://a.test/");
    redirect(&s, scenario_accept(&s), 302, "/next", "");
    seen_is(call, "head 302 | done");
    assert_string_equal(call->audit, "");
    scenario_close(&s);
}

/* The connection is kept: what stands in the redirect's body is read and dropped. */
static void test_followed_on_the_same_connection(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    open_with(&s, &follow);
    call = scenario_get(&s, "http://a.test/one/two?q#frag");
    peer = scenario_accept(&s);
    simio_forget(peer);
    redirect(&s, peer, 301, "../three", "moved");
    simio_expect(peer, "GET /three HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\n\r\n");
    answer(&s, peer);
    seen_is(call, "head 200 | body hi | done");
    assert_string_equal(call->audit, "301 http://a.test/one/two?q > http://a.test/three\n");
    assert_int_equal(call->result.hop, 2);
    assert_int_equal(call->result.attempt, 1);
    assert_int_equal(call->result.reused, true);
    assert_int_equal(scenario_stats(&s).redirected, 1);
    scenario_close(&s);
}

static void test_secrets_stay_with_their_origin_for_good(void **state)
{
    const struct tern_field fields[] = {{TERN_STR("X-Key"), TERN_STR("k"), TERN_FIELD_SECRET},
                                        {TERN_STR("Cookie"), TERN_STR("c=1"), 0},
                                        {TERN_STR("X-Plain"), TERN_STR("p"), 0},
                                        {TERN_STR("Host"), TERN_STR("virtual.test"), 0}};
    const struct tern_request request = {.url = TERN_STR("http://u:p@a.test/"), .fields = fields, .field_count = 4};
    struct scenario s;
    struct simio_peer *a, *b;
    struct seen *call;

    (void)state;
    open_with(&s, &follow);
    call = scenario_start(&s, &request);
    a = scenario_accept(&s);
    simio_forget(a);
    redirect(&s, a, 307, "http://a.test/same", "");
    simio_expect(a,
                 "GET /same HTTP/1.1\r\nHost: virtual.test\r\nAuthorization: Basic dTpw\r\nAccept: */*\r\nX-Key: k\r\n"
                 "Cookie: c=1\r\nX-Plain: p\r\n\r\n");
    redirect(&s, a, 307, "http://x:y@b.test/", "");
    b = scenario_accept_at(&s, B_ADDRESS);
    simio_expect(b, "GET / HTTP/1.1\r\nHost: b.test\r\nAccept: */*\r\nX-Plain: p\r\n\r\n");
    redirect(&s, b, 307, "http://a.test/back", "");
    simio_expect(a, "GET /back HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\nX-Plain: p\r\n\r\n");
    answer(&s, a);
    seen_is(call, "head 200 | body hi | done");
    assert_string_equal(call->audit, "307 http://a.test/ > http://a.test/same\n"
                                     "307 http://a.test/same > http://b.test/ -secrets\n"
                                     "307 http://b.test/ > http://a.test/back -secrets\n");
    scenario_close(&s);
}

static void test_a_post_becomes_get_or_is_sent_again(void **state)
{
    static const struct {
        int status;
        const char *method;
        bool keep;
        const char *heard;
    } cases[] = {
        {301, "POST", false, "GET /n "},      {302, "POST", false, "GET /n "},  {303, "POST", false, "GET /n "},
        {307, "POST", false, "POST /n "},     {308, "POST", false, "POST /n "}, {301, "POST", true, "POST /n "},
        {302, "POST", true, "POST /n "},      {303, "POST", true, "POST /n "},  {301, "PUT", false, "PUT /n "},
        {302, "PUT", false, "PUT /n "},       {303, "PUT", false, "GET /n "},   {303, "HEAD", false, "HEAD /n "},
        {302, "DELETE", false, "DELETE /n "},
    };
    const struct tern_field type = {TERN_STR("Content-Type"), TERN_STR("text/plain"), 0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tern_redirects keep = {.keep_post_301 = true, .keep_post_302 = true, .keep_post_303 = true};
        bool has_body = strcmp(cases[i].method, "HEAD") != 0;
        const struct tern_request request = {
            .url = TERN_STR("http://a.test/"),
            .method = tern_str(cases[i].method),
            .fields = &type,
            .field_count = 1,
            .body = {.kind = has_body ? TERN_BODY_MEMORY : TERN_BODY_NONE, .data = "data", .length = has_body ? 4 : 0}};
        struct scenario s;
        struct simio_peer *peer;
        struct seen *call;
        bool is_same = strncmp(cases[i].heard, cases[i].method, strlen(cases[i].method)) == 0;

        open_with(&s, cases[i].keep ? &keep : &follow);
        call = scenario_start(&s, &request);
        peer = scenario_accept(&s);
        simio_forget(peer);
        redirect(&s, peer, cases[i].status, "/n", "");
        assert_true(scenario_heard(peer, cases[i].heard));
        assert_int_equal(scenario_heard(peer, "data"), is_same && has_body);
        assert_int_equal(scenario_heard(peer, "Content-Type"), is_same);
        assert_int_equal(strstr(call->audit, "GET") != NULL, false); /* told at the end */
        simio_say(peer, "HTTP/1.1 204 X\r\n\r\n");
        scenario_run(&s, 0);
        seen_is(call, "head 204 | done");
        assert_int_equal(strstr(call->audit, " GET") != NULL, !is_same);
        scenario_close(&s);
    }
}

static enum tern_read read_once(void *user, void *buffer, size_t capacity, size_t *n)
{
    bool *is_read = user;

    (void)capacity;
    if (*is_read)
        return TERN_READ_END;
    memcpy(buffer, "data", 4);
    *n = 4;
    *is_read = true;
    return TERN_READ_DATA;
}

static void test_what_is_not_followed_is_delivered(void **state)
{
    const struct tern_redirects here = {.same_origin_only = true};
    bool is_read = false;
    const struct tern_request once = {
        .url = TERN_STR("http://a.test/"),
        .method = TERN_STR("PUT"),
        .body = {.kind = TERN_BODY_CALLBACK, .length = 4, .read = read_once, .user = &is_read}};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    open_with(&s, &here);
    call = scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    redirect(&s, peer, 302, "http://b.test/", "go");
    seen_is(call, "head 302 | body go | done");
    assert_string_equal(call->audit, "302 http://a.test/ > http://b.test/ -secrets refused: another origin is not "
                                     "allowed\n");
    call = scenario_get(&s, "http://a.test/");
    redirect(&s, peer, 302, "ftp://a.test/", "");
    seen_is(call, "head 302 | done");
    assert_non_null(strstr(call->audit, "refused: neither http nor https"));
    call = scenario_get(&s, "http://a.test/");
    redirect(&s, peer, 302, "http://[bad", "");
    seen_is(call, "head 302 | done");
    assert_string_equal(call->audit, "302 http://a.test/ > http://[bad refused: Location is no URL\n");
    call = scenario_start(&s, &once);
    redirect(&s, peer, 307, "/n", "");
    seen_is(call, "head 307 | done");
    assert_non_null(strstr(call->audit, "refused: the body cannot be sent again"));
    call = scenario_get(&s, "http://a.test/");
    redirect(&s, peer, 304, "/n", "");
    seen_is(call, "head 304 | done");
    scenario_close(&s);
}

static void test_loops_and_long_chains_end(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    open_with(&s, &follow);
    call = scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    redirect(&s, peer, 302, "/", ""); /* as with a cookie set: once more */
    redirect(&s, peer, 302, "/", "");
    seen_is(call, "done EREDIRECTS READ");
    assert_non_null(strstr(call->result.fault.text, "loop"));
    call = scenario_get(&s, "http://a.test/0");
    for (int i = 1; i <= 11; i++) {
        char location[16];

        seen_is(call, "");
        snprintf(location, sizeof(location), "/%d", i);
        redirect(&s, scenario_stats(&s).connections_opened > 1 && i == 1 ? (peer = scenario_accept(&s)) : peer, 302,
                 location, "");
    }
    seen_is(call, "done EREDIRECTS READ");
    assert_int_equal(call->result.hop, 11);
    scenario_close(&s);
}

/* A long body of a redirect is not worth its connection. */
static void test_long_body_is_cut_off(void **state)
{
    static char filler[32 << 10];
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    memset(filler, 'x', sizeof(filler) - 1);
    open_with(&s, &follow);
    call = scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    simio_say(peer, "HTTP/1.1 302 X\r\nLocation: /n\r\nContent-Length: 1000000\r\n\r\n");
    for (int i = 0; i < 2; i++) {
        simio_say(peer, filler);
        scenario_run(&s, 0);
    }
    assert_false(simio_is_closed(peer));
    simio_say(peer, filler);
    scenario_run(&s, 0);
    assert_true(simio_is_closed(peer));
    answer(&s, scenario_accept(&s));
    seen_is(call, "head 200 | body hi | done");
    scenario_close(&s);
}

static void test_cancel_between_hops(void **state)
{
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    open_with(&s, &follow);
    call = scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    simio_say(peer, "HTTP/1.1 302 X\r\nLocation: /n\r\nContent-Length: 10\r\n\r\n12345");
    scenario_run(&s, 0);
    assert_int_equal(tern_call_cancel(s.engine, call->id), TERN_OK);
    scenario_run(&s, 0);
    seen_is(call, "done ECANCELLED READ");
    scenario_close(&s);
}

static void test_a_call_may_differ_from_its_client(void **state)
{
    const struct tern_policy off = {0}, on = {.redirects = &follow};
    struct tern_request request = {.url = TERN_STR("http://a.test/"), .policy = &off};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    open_with(&s, &follow);
    call = scenario_start(&s, &request);
    peer = scenario_accept(&s);
    redirect(&s, peer, 302, "/n", "");
    seen_is(call, "head 302 | done");
    request.policy = &on;
    call = scenario_start(&s, &request);
    redirect(&s, peer, 302, "/n", "");
    seen_is(call, "");
    answer(&s, peer);
    seen_is(call, "head 200 | body hi | done");
    scenario_close(&s);
}

/* Whichever allocation for the second step fails, the audit can be read. */
static void test_no_memory_for_a_step(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        struct scenario s;
        struct simio_peer *peer;
        bool has_failed;
        struct seen *call;

        open_with(&s, &follow);
        call = scenario_get(&s, "http://a.test/");
        peer = scenario_accept(&s);
        redirect(&s, peer, 302, "/one", "");
        faultmem_fail_nth(n);
        redirect(&s, peer, 302, "/two", "");
        has_failed = faultmem_failed();
        faultmem_never_fail();
        scenario_run(&s, 60 * TERN_S);
        assert_int_equal(strncmp(call->audit, "302 http://a.test/ ", 19), 0);
        scenario_close(&s);
        if (!has_failed)
            return;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off_until_asked_for),
        cmocka_unit_test(test_followed_on_the_same_connection),
        cmocka_unit_test(test_secrets_stay_with_their_origin_for_good),
        cmocka_unit_test(test_a_post_becomes_get_or_is_sent_again),
        cmocka_unit_test(test_what_is_not_followed_is_delivered),
        cmocka_unit_test(test_loops_and_long_chains_end),
        cmocka_unit_test(test_long_body_is_cut_off),
        cmocka_unit_test(test_cancel_between_hops),
        cmocka_unit_test(test_a_call_may_differ_from_its_client),
        cmocka_unit_test(test_no_memory_for_a_step),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
