/* What differs by host: which configuration a call gets, why, and that it stays the other's nowhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/scenario.h"

#define B_ADDRESS "192.0.2.2:80"

static void open_with(struct scenario *s, const struct tern_client_config *config)
{
    scenario_open(s, config);
    fakedns_answer(s->servers, "b.test", "192.0.2.2", 60);
    fakedns_answer(s->servers, "x.b.test", "192.0.2.2", 60);
    fakedns_answer(s->servers, "y.x.b.test", "192.0.2.2", 60);
    simio_listen(s->sim, B_ADDRESS);
}

static const struct tern_field key_a[] = {{TERN_STR("X-Key"), TERN_STR("for-a"), TERN_FIELD_SECRET}};
static const struct tern_client_config for_a = {
    .fields = key_a, .field_count = 1, .user_agent = "agent-a", .timeouts = {.read_ns = TERN_S}};
static const struct tern_client_config below_b = {.user_agent = "below"};
static const struct tern_client_config for_x = {.user_agent = "x"};
static const struct tern_client_config for_all = {.user_agent = "all"};

static void test_the_most_specific_pattern_holds(void **state)
{
    const struct tern_host_config hosts[] = {{.host = "*", .config = &for_all},
                                             {.host = "*.b.test", .config = &below_b},
                                             {.host = "x.b.test", .config = &for_x},
                                             {.host = "a.test", .config = &for_a}};
    static const struct {
        const char *url, *pattern, *agent;
    } cases[] = {{"http://A.test./", "a.test", "User-Agent: agent-a\r\n"},
                 {"http://b.test/", "*", "User-Agent: all\r\n"},
                 {"http://x.b.test/", "x.b.test", "User-Agent: x\r\n"},
                 {"http://y.x.b.test/", "*.b.test", "User-Agent: below\r\n"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scenario s;
        struct simio_peer *peer;
        struct seen *call;

        open_with(&s, &(struct tern_client_config){.hosts = hosts, .host_count = 4});
        call = scenario_get(&s, cases[i].url);
        peer = scenario_accept_at(&s, i == 0 ? SCENARIO_ADDRESS : B_ADDRESS);
        assert_true(scenario_heard(peer, cases[i].agent));
        simio_say(peer, "HTTP/1.1 204 X\r\n\r\n");
        scenario_run(&s, 0);
        seen_is(call, "head 204 | done");
        assert_string_equal(call->host_config, cases[i].pattern);
        scenario_close(&s);
    }
}

static void test_fields_are_added_and_replaced(void **state)
{
    const struct tern_field common[] = {{TERN_STR("x-key"), TERN_STR("common"), 0},
                                        {TERN_STR("X-Common"), TERN_STR("1"), 0}};
    const struct tern_host_config hosts[] = {{.host = "a.test", .config = &for_a}};
    struct scenario s;
    struct simio_peer *peer;

    (void)state;
    open_with(&s, &(struct tern_client_config){
                      .hosts = hosts, .host_count = 1, .fields = common, .field_count = 2, .user_agent = "own"});
    scenario_get(&s, "http://a.test/");
    simio_expect(scenario_accept(&s), "GET / HTTP/1.1\r\nHost: a.test\r\nUser-Agent: agent-a\r\nAccept: */*\r\n"
                                      "X-Key: for-a\r\nX-Common: 1\r\n\r\n");
    scenario_get(&s, "http://b.test/");
    peer = scenario_accept_at(&s, B_ADDRESS);
    simio_expect(peer, "GET / HTTP/1.1\r\nHost: b.test\r\nUser-Agent: own\r\nAccept: */*\r\n"
                       "x-key: common\r\nX-Common: 1\r\n\r\n");
    scenario_run(&s, TERN_S);
    seen_is(s.seen[0], "done EREAD_TIMEOUT WAIT"); /* its own limit */
    seen_is(s.seen[1], "");
    scenario_close(&s);
}

/* Each hop has the configuration of its host. */
static void test_a_redirect_changes_it(void **state)
{
    const struct tern_redirects follow = {0};
    const struct tern_policy policy = {.redirects = &follow};
    const struct tern_host_config hosts[] = {{.host = "a.test", .config = &for_a}};
    struct scenario s;
    struct simio_peer *a, *b;
    struct seen *call;

    (void)state;
    open_with(&s,
              &(struct tern_client_config){.policy = &policy, .hosts = hosts, .host_count = 1, .user_agent = "own"});
    call = scenario_get(&s, "http://a.test/");
    a = scenario_accept(&s);
    assert_true(scenario_heard(a, "X-Key: for-a"));
    simio_say(a, "HTTP/1.1 302 X\r\nLocation: http://b.test/\r\nContent-Length: 0\r\n\r\n");
    scenario_run(&s, 0);
    b = scenario_accept_at(&s, B_ADDRESS);
    simio_expect(b, "GET / HTTP/1.1\r\nHost: b.test\r\nUser-Agent: own\r\nAccept: */*\r\n\r\n");
    scenario_run(&s, 2 * TERN_S); /* and not the other's limit */
    simio_say(b, "HTTP/1.1 204 X\r\n\r\n");
    scenario_run(&s, 0);
    seen_is(call, "head 204 | done");
    assert_string_equal(call->host_config, "");
    scenario_close(&s);
}

/* Where a host's connections go is its own matter too: so are its certificates, which nobody else may trust. */
static void test_connections_by_host(void **state)
{
    const struct tern_connect_to elsewhere = {.to_host = "192.0.2.2", .to_port = 8080};
    const struct tern_client_config through = {.connect_to = &elsewhere, .connect_to_count = 1};
    const struct tern_client_config broken = {.tls = {.ca_file = "/nonexistent/ca.pem"}};
    const struct tern_host_config hosts[] = {{.host = "b.test", .config = &through},
                                             {.host = "x.b.test", .config = &broken}};
    struct scenario s;
    struct seen *call;

    (void)state;
    open_with(&s, &(struct tern_client_config){.hosts = hosts, .host_count = 2, .tls = {.insecure = true}});
    simio_listen(s.sim, "192.0.2.2:8080");
    simio_listen(s.sim, "192.0.2.2:443");
    call = scenario_get(&s, "http://b.test/");
    simio_say(scenario_accept_at(&s, "192.0.2.2:8080"), "HTTP/1.1 204 X\r\n\r\n");
    scenario_run(&s, 0);
    seen_is(call, "head 204 | done");
    scenario_get(&s, "http://x.b.test/");
    assert_non_null(simio_accept(s.sim, B_ADDRESS));
    call = scenario_get(&s, "https://x.b.test/");
    scenario_run(&s, TERN_S);
    assert_int_equal(call->result.fault.error, TERN_ETLS_TRUST); /* and not the client's "insecure" */
    scenario_get(&s, "https://y.x.b.test/");
    assert_non_null(simio_accept(s.sim, "192.0.2.2:443"));
    scenario_close(&s);
}

static void test_limits_by_host(void **state)
{
    const struct tern_client_config strict = {
        .limits = {.head_fields_max = 1, .head_bytes_max = 200, .head_line_bytes_max = 100, .informational_max = 1}};
    static const struct {
        const char *answer, *seen;
    } cases[] = {{"HTTP/1.1 204 X\r\nA: 1\r\nB: 2\r\n\r\n", "done EHEAD_MAX WAIT"},
                 {"HTTP/1.1 103 X\r\n\r\nHTTP/1.1 103 X\r\n\r\nHTTP/1.1 204 X\r\n\r\n",
                  "informational 103 | done EHEAD_MAX WAIT"},
                 {"HTTP/1.1 204 X\r\nA: 1234567890123456789012345678901234567890123456789012345678901234567890123456789"
                  "0123456789012345678901\r\n\r\n",
                  "done EHEAD_MAX WAIT"}};
    const struct tern_host_config hosts[] = {{.host = "b.test", .config = &strict}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scenario s;
        struct seen *strictly, *call;

        open_with(&s, &(struct tern_client_config){.hosts = hosts, .host_count = 1});
        strictly = scenario_get(&s, "http://b.test/");
        simio_say(scenario_accept_at(&s, B_ADDRESS), cases[i].answer);
        call = scenario_get(&s, "http://a.test/");
        simio_say(scenario_accept(&s), cases[i].answer);
        scenario_run(&s, 0);
        seen_is(strictly, cases[i].seen);
        assert_int_equal(call->result.status, 204);
        assert_int_equal(call->result.fault.error, TERN_OK);
        scenario_close(&s);
    }
}

static void test_policies_by_host(void **state)
{
    const struct tern_redirects follow = {0};
    const struct tern_policy follows = {.redirects = &follow};
    const struct tern_client_config follower = {.policy = &follows};
    const struct tern_host_config hosts[] = {{.host = "192.0.2.0/24", .config = &follower}};
    struct scenario s;
    struct simio_peer *peer;
    struct seen *call;

    (void)state;
    open_with(&s, &(struct tern_client_config){.hosts = hosts, .host_count = 1});
    call = scenario_get(&s, "http://a.test/"); /* the pattern is for URLs, not for what a name leads to */
    peer = scenario_accept(&s);
    simio_say(peer, "HTTP/1.1 302 X\r\nLocation: /n\r\nContent-Length: 0\r\n\r\n");
    scenario_run(&s, 0);
    seen_is(call, "head 302 | done");
    call = scenario_get(&s, "http://192.0.2.1/");
    peer = scenario_accept(&s);
    simio_say(peer, "HTTP/1.1 302 X\r\nLocation: /n\r\nContent-Length: 0\r\n\r\n");
    scenario_run(&s, 0);
    seen_is(call, "");
    simio_say(peer, "HTTP/1.1 204 X\r\n\r\n");
    scenario_run(&s, 0);
    seen_is(call, "head 204 | done");
    scenario_close(&s);
}

/* What the client does for all others may be off for one. */
static void test_a_policy_stands_alone(void **state)
{
    const struct tern_redirects follow = {0};
    const struct tern_policy follows = {.redirects = &follow}, nothing = {0};
    const struct tern_client_config plain = {.policy = &nothing}, silent = {0};
    const struct tern_host_config hosts[] = {{.host = "b.test", .config = &plain, .policy_alone = true},
                                             {.host = "x.b.test", .config = &silent, .policy_alone = true},
                                             {.host = "y.x.b.test", .config = &plain}};
    static const char *const urls[] = {"http://b.test/", "http://x.b.test/", "http://y.x.b.test/"};
    static const char *const seen[] = {"head 302 | done", "head 302 | done", ""};

    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct scenario s;
        struct seen *call;

        open_with(&s, &(struct tern_client_config){.policy = &follows, .hosts = hosts, .host_count = 3});
        call = scenario_get(&s, urls[i]);
        simio_say(scenario_accept_at(&s, B_ADDRESS), "HTTP/1.1 302 X\r\nLocation: /n\r\nContent-Length: 0\r\n\r\n");
        scenario_run(&s, 0);
        seen_is(call, seen[i]);
        scenario_close(&s);
    }
}

static void test_fields_are_taken_away(void **state)
{
    const struct tern_field common[] = {{TERN_STR("X-Key"), TERN_STR("common"), 0},
                                        {TERN_STR("X-Common"), TERN_STR("1"), 0}};
    const struct tern_field fields[] = {{TERN_STR("x-key"), {NULL, 0}, 0}, {TERN_STR("X-B"), TERN_STR("2"), 0}};
    const struct tern_client_config without = {.fields = fields, .field_count = 2};
    const struct tern_host_config hosts[] = {{.host = "b.test", .config = &without}};
    struct scenario s;

    (void)state;
    open_with(&s, &(struct tern_client_config){
                      .hosts = hosts, .host_count = 1, .fields = common, .field_count = 2, .user_agent = "own"});
    scenario_get(&s, "http://b.test/");
    simio_expect(scenario_accept_at(&s, B_ADDRESS),
                 "GET / HTTP/1.1\r\nHost: b.test\r\nUser-Agent: own\r\nAccept: */*\r\nX-B: 2\r\n"
                 "X-Common: 1\r\n\r\n");
    scenario_close(&s);
}

static void test_it_is_explained(void **state)
{
    const struct tern_host_config hosts[] = {{.host = "*", .config = &for_all},
                                             {.host = "*.b.test", .config = &below_b},
                                             {.host = "X.b.test", .config = &for_x},
                                             {.host = "192.0.2.0/24", .config = &for_a}};
    static const struct {
        const char *url;
        size_t count; /* of the patterns, from the second on */
        const char *text;
    } cases[] = {{"http://X.b.test./a?b", 3, "x.b.test: \"X.b.test\" holds, more specific than \"*\", \"*.b.test\""},
                 {"https://192.0.2.9", 4, "192.0.2.9: \"192.0.2.0/24\" holds, more specific than \"*\""},
                 {"http://b.test/", 1, "b.test: \"*\" holds, and no other matches"},
                 {"http://b.test/", 0, "b.test: no pattern matches"}};
    struct scenario s;
    struct tern_fault why = {0};
    char text[128] = "as it was";

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        open_with(&s, &(struct tern_client_config){.hosts = hosts, .host_count = cases[i].count});
        assert_int_equal(tern_client_explain(s.client, tern_str(cases[i].url), text, sizeof(text), NULL), TERN_OK);
        assert_string_equal(text, cases[i].text);
        for (size_t size = 0; size <= strlen(cases[i].text); size++) { /* none is written beyond */
            char *room = malloc(size + 1);

            room[size] = '#';
            assert_int_equal(tern_client_explain(s.client, tern_str(cases[i].url), room, size, NULL), TERN_OK);
            if (size > 0)
                assert_int_equal(strlen(room), size - 1);
            assert_int_equal(room[size], '#');
            free(room);
        }
        assert_int_equal(tern_client_explain(s.client, TERN_STR("b.test"), text, sizeof(text), &why), TERN_EURL);
        assert_string_equal(text, cases[i].text);
        scenario_close(&s);
    }
}

static void test_refused_configurations(void **state)
{
    const struct tern_client_config wrong = {.http_mode = (enum tern_http_mode)9};
    const struct tern_host_config cases[] = {{.host = "*.", .config = &for_a},
                                             {.host = "a.test", .config = NULL},
                                             {.host = "a.test", .config = &wrong},
                                             {.host = NULL, .config = &for_a}};
    struct tern_engine *engine;
    struct tern_client *client;

    (void)state;
    assert_int_equal(tern_engine_new(NULL, &engine, NULL), TERN_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tern_client_config config = {.hosts = &cases[i], .host_count = 1};

        assert_int_equal(tern_client_new(engine, &config, &client, NULL), TERN_ECONFIG);
    }
    assert_int_equal(tern_engine_free(engine), TERN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_most_specific_pattern_holds),
        cmocka_unit_test(test_fields_are_added_and_replaced),
        cmocka_unit_test(test_a_redirect_changes_it),
        cmocka_unit_test(test_connections_by_host),
        cmocka_unit_test(test_policies_by_host),
        cmocka_unit_test(test_a_policy_stands_alone),
        cmocka_unit_test(test_fields_are_taken_away),
        cmocka_unit_test(test_it_is_explained),
        cmocka_unit_test(test_limits_by_host),
        cmocka_unit_test(test_refused_configurations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
