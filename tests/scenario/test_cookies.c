/* Cookies through the whole client: what is kept of every answer, and what each attempt of each hop says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tern/jar.h"
#include "tests/support/scenario.h"
#include "tests/support/tls_rig.h"
#include "tests/support/torture.h"

#define B_ADDRESS "192.0.2.2:80"
#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static const struct tern_redirects follow = {0};
static const struct tern_retries again = {.backoff_ns = 1};

struct world {
    struct scenario s;
    struct tern_jar *jar;
};

static struct tern_client_config config_with(const struct tern_policy *policy)
{
    static const char *const a[] = {"192.0.2.1"}, *const b[] = {"192.0.2.2"};
    static const struct tern_resolve_override overrides[] = {{.host = "b.test", .addresses = b, .address_count = 1},
                                                             {.host = "*", .addresses = a, .address_count = 1}};

    return (struct tern_client_config){
        .policy = policy, .user_agent = "", .dns = {.overrides = overrides, .override_count = 2}};
}

/* A jar that only the client of this policy has, so that it goes with its engine, however the test ends. */
static struct tern_jar *new_jar(struct scenario *s, struct tern_client *client, struct tern_policy *policy)
{
    struct tern_client_config config = config_with(policy);
    struct tern_jar *jar;

    torture_hold();
    assert_int_equal(tern_jar_new(s->engine, &jar), TERN_OK);
    policy->cookies = jar;
    assert_int_equal(client != NULL ? tern_client_configure(client, &config, NULL)
                                    : tern_client_new(s->engine, &config, &client, NULL),
                     TERN_OK);
    tern_jar_free(jar);
    torture_release();
    return jar;
}

/* a.test, www.a.test and a.test:8080 at one address, b.test at another; a client with a jar. */
static void open_world(struct world *w)
{
    struct tern_policy policy = {.redirects = &follow, .retries = &again};
    struct tern_client_config config = config_with(&policy);

    scenario_open(&w->s, &config);
    simio_listen(w->s.sim, B_ADDRESS);
    simio_listen(w->s.sim, "192.0.2.1:8080");
    simio_set_wall(w->s.sim, 1700000000);
    w->jar = new_jar(&w->s, w->s.client, &policy);
}

static void close_world(struct world *w)
{
    scenario_close(&w->s);
}

static void say(struct world *w, struct simio_peer *peer, const char *text)
{
    simio_say(peer, text);
    scenario_run(&w->s, 0);
}

/* The next request on the connection has this field Cookie ("": none), and gets text. */
static void heard(struct world *w, struct simio_peer *peer, const char *cookie, const char *text)
{
    char field[512];

    snprintf(field, sizeof(field), "\r\nCookie: %s\r\n", cookie);
    if (cookie[0] != '\0')
        assert_true(scenario_heard(peer, field));
    else
        assert_false(scenario_heard(peer, "\r\nCookie"));
    simio_forget(peer);
    say(w, peer, text);
}

static void set(struct world *w, const char *url, const char *cookie)
{
    assert_int_equal(tern_jar_set(w->jar, tern_str(url), tern_str(cookie), NULL), TERN_OK);
}

static char *saved(struct world *w)
{
    static char out[4096];
    char *text;

    assert_int_equal(tern_jar_save(w->jar, &text), TERN_OK);
    snprintf(out, sizeof(out), "%s", text);
    tern_jar_text_free(text);
    return out;
}

static void test_off_until_asked_for(void **state)
{
    struct scenario s;
    struct simio_peer *peer;

    (void)state;
    scenario_open(&s, NULL);
    scenario_get(&s, "http://a.test/");
    peer = scenario_accept(&s);
    simio_say(peer, "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n");
    scenario_run(&s, 0);
    scenario_get(&s, "http://a.test/");
    assert_false(scenario_heard(peer, "Cookie"));
    scenario_close(&s);
}

static void test_what_is_set_is_sent(void **state)
{
    struct world w;
    struct simio_peer *peer;

    (void)state;
    open_world(&w);
    scenario_get(&w.s, "http://a.test/x/y");
    peer = scenario_accept(&w.s);
    heard(&w, peer, "",
          "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nset-cookie:  b=2; Path=/ \r\nSet-Cookie: c=3; Domain=test\r\n"
          "Content-Length: 0\r\n\r\n");
    assert_int_equal(tern_jar_count(w.jar), 2);
    simio_forget(peer);
    scenario_get(&w.s, "http://a.test/x/z");
    simio_expect(peer, "GET /x/z HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\nCookie: a=1; b=2\r\n\r\n");
    heard(&w, peer, "", "HTTP/1.1 404 No\r\nSet-Cookie: b=3; Path=/\r\nContent-Length: 0\r\n\r\n");
    scenario_get(&w.s, "http://a.test/");
    heard(&w, peer, "b=3", "HTTP/1.1 401 No\r\nSet-Cookie: b=; Max-Age=0; Path=/\r\nContent-Length: 0\r\n\r\n");
    scenario_get(&w.s, "http://a.test/");
    heard(&w, peer, "", OK_HI);
    close_world(&w);
}

/* Informational heads and trailers set nothing. */
static void test_only_final_heads_count(void **state)
{
    struct world w;

    (void)state;
    open_world(&w);
    scenario_get(&w.s, "http://a.test/");
    say(&w, scenario_accept(&w.s),
        "HTTP/1.1 103 Early\r\nSet-Cookie: a=1\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        "Set-Cookie: b=1\r\n\r\n");
    assert_int_equal(tern_jar_count(w.jar), 0);
    close_world(&w);
}

static void test_each_hop_has_its_own(void **state)
{
    struct world w;
    struct simio_peer *a, *b;
    struct seen *call;

    (void)state;
    open_world(&w);
    set(&w, "http://b.test/", "b=1");
    call = scenario_get(&w.s, "http://a.test/");
    a = scenario_accept(&w.s);
    heard(&w, a, "",
          "HTTP/1.1 302 Found\r\nLocation: /in\r\nSet-Cookie: a=1\r\nSet-Cookie: all=1; Domain=a.test\r\n"
          "Content-Length: 0\r\n\r\n");
    heard(&w, a, "a=1; all=1",
          "HTTP/1.1 302 Found\r\nLocation: http://b.test/\r\nSet-Cookie: a=2\r\nContent-Length: 0\r\n\r\n");
    b = scenario_accept_at(&w.s, B_ADDRESS);
    heard(&w, b, "b=1",
          "HTTP/1.1 307 Found\r\nLocation: http://www.a.test/\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n");
    a = scenario_accept(&w.s);
    heard(&w, a, "all=1", "HTTP/1.1 307 Found\r\nLocation: http://a.test:8080/\r\nContent-Length: 0\r\n\r\n");
    a = scenario_accept_at(&w.s, "192.0.2.1:8080"); /* ports do not matter */
    heard(&w, a, "a=2; all=1", "HTTP/1.1 307 Found\r\nLocation: http://b.test/\r\nContent-Length: 0\r\n\r\n");
    heard(&w, b, "b=2", OK_HI);
    seen_is(call, "head 200 | body hi | done");
    close_world(&w);
}

/* What the call itself says goes to the first origin alone; the jar's cookies go by their own rules. */
static void test_beside_the_calls_own(void **state)
{
    const struct tern_field field = {TERN_STR("cookie"), TERN_STR("own=1; a=own"), 0};
    const struct tern_request request = {.url = TERN_STR("http://a.test/"), .fields = &field, .field_count = 1};
    struct world w;
    struct simio_peer *a, *b;

    (void)state;
    open_world(&w);
    set(&w, "http://a.test/", "a=1");
    set(&w, "http://a.test/", "z=1");
    set(&w, "http://b.test/", "b=1");
    scenario_start(&w.s, &request);
    a = scenario_accept(&w.s);
    heard(&w, a, "own=1; a=own; z=1", "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n");
    heard(&w, a, "own=1; a=own; z=1", "HTTP/1.1 302 Found\r\nLocation: http://b.test/\r\nContent-Length: 0\r\n\r\n");
    b = scenario_accept_at(&w.s, B_ADDRESS);
    heard(&w, b, "b=1", "HTTP/1.1 302 Found\r\nLocation: http://a.test/\r\nContent-Length: 0\r\n\r\n");
    heard(&w, a, "a=1; z=1", OK_HI);
    close_world(&w);
}

static void test_beside_the_clients_own(void **state)
{
    const struct tern_field clients = {TERN_STR("Cookie"), TERN_STR("c=1"), 0};
    const struct tern_field own[] = {{TERN_STR("Cookie"), TERN_STR("x=1"), 0},
                                     {TERN_STR("COOKIE"), TERN_STR("y=1"), 0}};
    const struct tern_field away = {TERN_STR("Cookie"), {NULL, 0}, 0};
    struct tern_request request = {.url = TERN_STR("http://a.test/")};
    struct world w;
    struct simio_peer *a;

    (void)state;
    open_world(&w);
    set(&w, "http://a.test/", "a=1");
    {
        const struct tern_policy policy = {.cookies = w.jar};
        struct tern_client_config config = config_with(&policy);

        config.fields = &clients;
        config.field_count = 1;
        assert_int_equal(tern_client_configure(w.s.client, &config, NULL), TERN_OK);
    }
    scenario_start(&w.s, &request);
    a = scenario_accept(&w.s);
    heard(&w, a, "c=1; a=1", OK_HI);
    request.fields = own;
    request.field_count = 2;
    scenario_start(&w.s, &request);
    heard(&w, a, "x=1; y=1; a=1", OK_HI);
    request.fields = &away;
    request.field_count = 1;
    scenario_start(&w.s, &request);
    heard(&w, a, "", "HTTP/1.1 200 OK\r\nSet-Cookie: a=2\r\nContent-Length: 0\r\n\r\n");
    request.field_count = 0;
    scenario_start(&w.s, &request);
    heard(&w, a, "c=1; a=2", OK_HI);
    close_world(&w);
}

static void test_each_attempt_has_what_is_there_by_then(void **state)
{
    struct world w;
    struct simio_peer *a;
    struct seen *call;

    (void)state;
    open_world(&w);
    call = scenario_get(&w.s, "http://a.test/");
    a = scenario_accept(&w.s);
    heard(&w, a, "", "HTTP/1.1 503 Later\r\nSet-Cookie: a=1\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n");
    set(&w, "http://a.test/", "b=1; Max-Age=10");
    scenario_run(&w.s, 2 * TERN_S);
    heard(&w, a, "a=1; b=1", "HTTP/1.1 503 Later\r\nSet-Cookie: a=2\r\nRetry-After: 10\r\nContent-Length: 0\r\n\r\n");
    scenario_run(&w.s, 10 * TERN_S);
    heard(&w, a, "a=2", OK_HI); /* the other one's time is over */
    seen_is(call, "head 200 | body hi | done");
    assert_int_equal(call->result.attempt, 3);
    /* The kept connection dies under the next one, which is sent again. */
    scenario_get(&w.s, "http://a.test/");
    set(&w, "http://a.test/", "a=3");
    simio_reset(a);
    scenario_run(&w.s, 0);
    heard(&w, scenario_accept(&w.s), "a=3", OK_HI);
    close_world(&w);
}

static void test_other_sites_do_not_ask_for_you(void **state)
{
    static const struct {
        const char *method, *cookies;
    } cases[] = {{"POST", "n=3"}, {"GET", "l=2; n=3; d=4"}, {"HEAD", "l=2; n=3; d=4"}, {"PUT", "n=3"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tern_request request = {.url = TERN_STR("http://b.test/"), .method = tern_str(cases[i].method)};
        struct world w;
        struct simio_peer *a;

        open_world(&w);
        set(&w, "http://a.test/", "s=1; SameSite=Strict; Domain=a.test");
        set(&w, "http://a.test/", "l=2; SameSite=Lax; Domain=a.test");
        set(&w, "http://a.test/", "n=3; SameSite=None; Domain=a.test");
        set(&w, "http://a.test/", "d=4; Domain=a.test");
        scenario_start(&w.s, &request);
        heard(&w, scenario_accept_at(&w.s, B_ADDRESS), "",
              "HTTP/1.1 307 X\r\nLocation: http://a.test/\r\nContent-Length: 0\r\n\r\n");
        a = scenario_accept(&w.s);
        heard(&w, a, cases[i].cookies, "HTTP/1.1 307 X\r\nLocation: /on\r\nContent-Length: 0\r\n\r\n");
        heard(&w, a, cases[i].cookies, OK_HI); /* it was asked for from elsewhere all the same */
        close_world(&w);
        /* Within the site, and started by the user, all go along. */
        open_world(&w);
        set(&w, "http://a.test/", "s=1; SameSite=Strict; Domain=a.test");
        scenario_start(
            &w.s, &(struct tern_request){.url = TERN_STR("http://www.a.test/"), .method = tern_str(cases[i].method)});
        heard(&w, scenario_accept(&w.s), "s=1",
              "HTTP/1.1 307 X\r\nLocation: http://a.test/\r\nContent-Length: 0\r\n\r\n");
        heard(&w, scenario_accept(&w.s), "s=1", OK_HI);
        close_world(&w);
    }
}

static void test_a_jar_for_each_call(void **state)
{
    struct world w;
    struct tern_policy own = {0};
    struct tern_request request = {.url = TERN_STR("http://a.test/"), .policy = &own};
    struct simio_peer *a;

    (void)state;
    open_world(&w);
    (void)new_jar(&w.s, NULL, &own);
    set(&w, "http://a.test/", "clients=1");
    scenario_start(&w.s, &request);
    a = scenario_accept(&w.s);
    heard(&w, a, "", "HTTP/1.1 200 OK\r\nSet-Cookie: others=1\r\nContent-Length: 0\r\n\r\n");
    scenario_start(&w.s, &request);
    heard(&w, a, "others=1", OK_HI);
    own.cookies = NULL; /* a policy of its own without a jar: none */
    scenario_start(&w.s, &request);
    heard(&w, a, "", OK_HI);
    request.policy = NULL;
    scenario_start(&w.s, &request);
    heard(&w, a, "clients=1", OK_HI);
    close_world(&w);
}

static void test_hosts_have_jars(void **state)
{
    struct tern_policy host_policy = {0};
    struct world w;
    struct tern_jar *other;

    (void)state;
    open_world(&w);
    other = new_jar(&w.s, NULL, &host_policy);
    {
        const struct tern_policy policy = {.cookies = w.jar};
        const struct tern_client_config host = {.policy = &host_policy};
        const struct tern_host_config hosts = {.host = "b.test", .config = &host};
        struct tern_client_config config = config_with(&policy);

        config.hosts = &hosts;
        config.host_count = 1;
        assert_int_equal(tern_client_configure(w.s.client, &config, NULL), TERN_OK);
    }
    set(&w, "http://b.test/", "wrong=1");
    assert_int_equal(tern_jar_set(other, TERN_STR("http://b.test/"), TERN_STR("b=1"), NULL), TERN_OK);
    scenario_get(&w.s, "http://b.test/");
    heard(&w, scenario_accept_at(&w.s, B_ADDRESS), "b=1", OK_HI);
    close_world(&w);
}

static void test_a_jar_stays_with_its_engine(void **state)
{
    struct tern_engine *engine;
    struct world w;
    struct tern_jar *foreign;
    struct tern_fault why;

    (void)state;
    open_world(&w);
    torture_hold();
    assert_int_equal(tern_engine_new(NULL, &engine, NULL), TERN_OK);
    assert_int_equal(tern_jar_new(engine, &foreign), TERN_OK);
    {
        const struct tern_policy policy = {.cookies = foreign};
        struct tern_client_config config = config_with(&policy);
        const struct tern_request request = {.url = TERN_STR("http://a.test/"), .policy = &policy};

        assert_int_equal(tern_client_configure(w.s.client, &config, &why), TERN_ECONFIG);
        assert_string_equal(why.text, "policy.cookies: a jar of another engine");
        assert_null(scenario_try(&w.s, &request, &why));
        assert_int_equal(why.error, TERN_EINVAL);
    }
    tern_engine_free(engine);
    tern_jar_free(foreign);
    torture_release();
    close_world(&w);
}

static void test_the_jar_by_hand(void **state)
{
    static const struct {
        const char *url, *cookie;
        enum tern_error error;
    } refused[] = {
        {"a.test", "a=1", TERN_EURL},
        {"ftp://a.test/", "a=1", TERN_ESCHEME},
        {"http://a.test/", "a=1; Secure", TERN_EINVAL},
        {"http://a.test/", "a=1\r\nX: y", TERN_EINVAL},
    };
    struct world w;
    struct tern_fault why;
    char text[4096];

    (void)state;
    open_world(&w);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_int_equal(tern_jar_set(w.jar, tern_str(refused[i].url), tern_str(refused[i].cookie), &why),
                         refused[i].error);
        assert_int_equal(why.error, refused[i].error);
    }
    assert_string_equal(why.text, "cookie: a control character");
    set(&w, "http://a.test/", "a=1");
    set(&w, "http://a.test/", "b=1; Max-Age=10");
    strcpy(text, saved(&w));
    tern_jar_clear(w.jar, true);
    assert_int_equal(tern_jar_count(w.jar), 1);
    tern_jar_clear(w.jar, false);
    assert_int_equal(tern_jar_count(w.jar), 0);
    assert_int_equal(tern_jar_load(w.jar, tern_str(text), NULL), TERN_OK);
    assert_string_equal(saved(&w), "# Netscape HTTP Cookie File\na.test\tFALSE\t/\tFALSE\t0\ta\t1\n"
                                   "a.test\tFALSE\t/\tFALSE\t1700000010\tb\t1\n");
    close_world(&w);
}

/* As many as a head may have, as long as they may be, for whatever they may name. */
static void test_a_hostile_flood(void **state)
{
    static const char *const domains[] = {"com",    ".",         "..",      "a.test", "test",
                                          "b.test", "192.0.2.1", "a.test.", "%00",    "::1"};
    static char text[70000];
    struct world w;
    struct simio_peer *a = NULL;
    size_t len;

    (void)state;
    open_world(&w);
    set(&w, "http://b.test/", "good=1");
    for (int round = 0; round < 10; round++) {
        len = (size_t)snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
        for (int i = 0; i < 250; i++)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "Set-Cookie: n%d=%0*d; Domain=%s; Path=/%d\r\n", i,
                                    150, round, domains[i % 10], i % 7 ? 0 : i);
        snprintf(text + len, sizeof(text) - len, "\r\n");
        scenario_get(&w.s, "http://a.test/0/0");
        if (round == 0)
            a = scenario_accept(&w.s);
        simio_forget(a);
        say(&w, a, text);
    }
    assert_true(tern_jar_count(w.jar) <= 181);
    simio_forget(a);
    scenario_get(&w.s, "http://a.test/0/0");
    assert_true(scenario_heard(a, "\r\nCookie: n"));
    say(&w, a, OK_HI);
    scenario_get(&w.s, "http://b.test/");
    heard(&w, scenario_accept_at(&w.s, B_ADDRESS), "good=1", OK_HI);
    close_world(&w);
}

/* ---- over TLS ---- */

/* http, https and http again: what is Secure goes over TLS alone, and another scheme is another site. */
static void test_schemes(void **state)
{
    struct tern_policy policy = {.redirects = &(struct tern_redirects){.allow_downgrade = true}};
    struct tern_client_config config = config_with(&policy);
    static struct tls_rig rig;
    struct world w;
    struct simio_peer *plain;
    struct seen *call, *last;

    (void)state;
    tls_rig_init(&rig, NULL);
    simio_listen(rig.sim, SCENARIO_ADDRESS);
    w.s = (struct scenario){.sim = rig.sim, .engine = rig.engine};
    policy.cookies = w.jar = new_jar(&w.s, NULL, &policy);
    config.tls.ca_pem = rig.root_pem;
    config.tls.ca_pem_len = strlen(rig.root_pem);
    assert_int_equal(tern_client_new(rig.engine, &config, &w.s.client, NULL), TERN_OK);
    call = scenario_get(&w.s, "http://example.test/");
    plain = scenario_accept(&w.s);
    heard(&w, plain, "",
          "HTTP/1.1 307 X\r\nLocation: https://example.test/\r\nSet-Cookie: p=1\r\nSet-Cookie: t=1; SameSite=Strict\r\n"
          "Set-Cookie: no=1; Secure\r\nContent-Length: 0\r\n\r\n");
    scenario_run(&w.s, TERN_S);
    tls_rig_expect(&rig, "GET / HTTP/1.1\r\nHost: example.test\r\nAccept: */*\r\nCookie: p=1\r\n\r\n");
    tls_server_say(tls_rig_server(&rig), "HTTP/1.1 307 X\r\nLocation: http://example.test/\r\nSet-Cookie: p=2\r\n"
                                         "Set-Cookie: s=1; Secure\r\nContent-Length: 0\r\n\r\n");
    scenario_run(&w.s, TERN_S);
    heard(&w, plain, "p=2", OK_HI);
    seen_is(call, "head 200 | body hi | done");
    last = scenario_get(&w.s, "https://example.test/");
    scenario_run(&w.s, TERN_S);
    tls_rig_expect(&rig, "GET / HTTP/1.1\r\nHost: example.test\r\nAccept: */*\r\nCookie: p=2; t=1; s=1\r\n\r\n");
    tern_client_close(w.s.client, TERN_CLOSE_DROP);
    simio_run(rig.sim, 0);
    free(call);
    free(last);
    tls_rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off_until_asked_for),
        cmocka_unit_test(test_what_is_set_is_sent),
        cmocka_unit_test(test_only_final_heads_count),
        cmocka_unit_test(test_each_hop_has_its_own),
        cmocka_unit_test(test_beside_the_calls_own),
        cmocka_unit_test(test_beside_the_clients_own),
        cmocka_unit_test(test_each_attempt_has_what_is_there_by_then),
        cmocka_unit_test(test_other_sites_do_not_ask_for_you),
        cmocka_unit_test(test_a_jar_for_each_call),
        cmocka_unit_test(test_hosts_have_jars),
        cmocka_unit_test(test_a_jar_stays_with_its_engine),
        cmocka_unit_test(test_the_jar_by_hand),
        cmocka_unit_test(test_a_hostile_flood),
        cmocka_unit_test(test_schemes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
