/* Promise: secrets belong to an origin. Generated chains of redirects over hosts, subdomains, ports and schemes, and
 * which secrets reach whom, against an oracle that only looks at where the chain has been. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "base/str.h"
#include "tests/support/scenario.h"
#include "tests/support/tls_rig.h"

#define HOPS 5
#define CHAINS 400

/* Places that differ in just one thing from some other. (https has a test of its own below.) */
static const struct place {
    const char *url;     /* as a Location has it */
    const char *origin;  /* as a person reads it */
    const char *address; /* where it is served */
} places[] = {
    {"http://a.test/", "a.test 80", "192.0.2.1:80"},           {"http://A.test.:80/other", "a.test 80", "192.0.2.1:80"},
    {"http://evil:evil@a.test/", "a.test 80", "192.0.2.1:80"}, {"http://a.test:8080/", "a.test 8080", "192.0.2.1:8080"},
    {"http://www.a.test/", "www.a.test 80", "192.0.2.1:80"},   {"http://b.test/", "b.test 80", "192.0.2.2:80"},
    {"http://u:p@b.test/", "b.test 80", "192.0.2.2:80"},
};

#define PLACES (sizeof(places) / sizeof(places[0]))

static const struct tern_field own_fields[] = {{TERN_STR("Cookie"), TERN_STR("cookie-secret"), 0},
                                               {TERN_STR("X-Api-Key"), TERN_STR("key-secret"), TERN_FIELD_SECRET},
                                               {TERN_STR("X-Plain"), TERN_STR("plain"), 0}};
static const struct tern_field client_fields[] = {
    {TERN_STR("Proxy-Authorization"), TERN_STR("client-secret"), 0},
    {TERN_STR("X-Client-Key"), TERN_STR("clientkey-secret"), TERN_FIELD_SECRET},
    {TERN_STR("X-Client"), TERN_STR("client-plain"), 0}};
static const struct tern_field trailer_fields[] = {{TERN_STR("X-Sum"), TERN_STR("trailer-secret"), TERN_FIELD_SECRET}};

/* All that a request to the first origin carries, and others must not; "dTpw" is the userinfo of the first URL. */
static const char *const secrets[] = {"cookie-secret",    "key-secret", "client-secret",
                                      "clientkey-secret", "u:p",        "dTpw"};

/* One chain: what is asked where, and what each request said. */
struct chain {
    struct scenario *s;
    const struct place *path[HOPS + 1];
    uint16_t statuses[HOPS];
    uint32_t count, at;
    bool has_userinfo; /* in the first URL */
    char said[HOPS + 1][4096];
    const char *heard_at[HOPS + 1];
};

static struct chain chain;

static void hear(struct simio_peer *peer, const char *address)
{
    struct tern_str heard = simio_heard(peer);
    char answer[512];

    if (memmem(heard.ptr, heard.len, "\r\n\r\n", 4) == NULL)
        return;
    assert_true(chain.at <= chain.count);
    snprintf(chain.said[chain.at], sizeof(chain.said[0]), "%.*s", (int)heard.len, heard.ptr);
    chain.heard_at[chain.at] = address;
    simio_forget(peer);
    if (chain.at == chain.count)
        snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    else
        snprintf(answer, sizeof(answer), "HTTP/1.1 %u X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
                 chain.statuses[chain.at], chain.path[chain.at + 1]->url);
    chain.at++;
    simio_say(peer, answer);
}

static void on_heard(struct simio_peer *peer, void *user)
{
    hear(peer, user);
}

/* The oracle: secrets go where no other origin than the first was visited on the way. */
static bool may_know(uint32_t hop, bool keeps)
{
    for (uint32_t i = 0; i <= hop; i++)
        if (strcmp(chain.path[i]->origin, chain.path[0]->origin) != 0)
            return keeps;
    return true;
}

static void check_hop(uint32_t hop, bool keeps)
{
    const char *said = chain.said[hop];
    bool may = may_know(hop, keeps);

    assert_string_equal(chain.heard_at[hop], chain.path[hop]->address);
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        /* Userinfo is never sent as it stands, and that of a Location not at all. */
        bool is_carried = strcmp(secrets[i], "u:p") != 0 && (chain.has_userinfo || strcmp(secrets[i], "dTpw") != 0);

        if ((strstr(said, secrets[i]) != NULL) != (may && is_carried))
            fail_msg("hop %u at %s: %s\n%s", hop, chain.path[hop]->url, secrets[i], said);
    }
    assert_null(strstr(said, "evil"));
    assert_null(strstr(said, "ZXZpbDpldmls")); /* evil:evil */
    assert_non_null(strstr(said, "X-Plain: plain"));
    assert_non_null(strstr(said, "X-Client: client-plain"));
    assert_non_null(strstr(said, "Host: "));
}

static void open_chain(struct scenario *s, const struct tern_redirects *redirects)
{
    static const char *const addresses[] = {"192.0.2.1:80", "192.0.2.1:8080", "192.0.2.2:80"};
    const struct tern_policy policy = {.redirects = redirects};

    scenario_open(s, &(struct tern_client_config){.policy = &policy, .fields = client_fields, .field_count = 3});
    fakedns_answer(s->servers, "www.a.test", "192.0.2.1", 600);
    fakedns_answer(s->servers, "b.test", "192.0.2.2", 600);
    for (size_t i = 0; i < 3; i++)
        simio_serve(s->sim, addresses[i], on_heard, (void *)(uintptr_t)addresses[i]);
}

static void generate(struct tern_rand *rand)
{
    static const uint16_t statuses[] = {301, 302, 303, 307, 308};

    chain.at = 0;
    chain.count = 1 + (uint32_t)tern_rand_below(rand, HOPS);
    chain.path[0] = &places[0];
    for (uint32_t i = 0; i < chain.count; i++) {
        do
            chain.path[i + 1] = &places[tern_rand_below(rand, PLACES)];
        while (chain.path[i + 1] == chain.path[i]);
        chain.statuses[i] = statuses[tern_rand_below(rand, 5)];
    }
}

/* Half of them POST with a body, which 307 and 308 take along; the trailer's secret too. */
static void test_generated_chains(void **state)
{
    struct tern_rand rand;
    uint32_t kept = 0, dropped = 0;

    (void)state;
    tern_rand_seed(&rand, 7231);
    for (int i = 0; i < CHAINS; i++) {
        const struct tern_redirects redirects = {.keep_secrets = i % 8 == 7};
        struct tern_request request = {.url = tern_str(i % 3 == 0 ? "http://a.test/" : "http://u:p@a.test/"),
                                       .fields = own_fields,
                                       .field_count = 3,
                                       .method = TERN_STR("GET")};
        struct scenario s;
        struct seen *call;

        open_chain(&s, &redirects);
        generate(&rand);
        chain.has_userinfo = i % 3 != 0;
        if (i % 2 == 1) {
            request.method = TERN_STR("POST");
            request.body = (struct tern_body){.kind = TERN_BODY_MEMORY, .data = "form", .length = 4};
        }
        call = scenario_start(&s, &request);
        scenario_run(&s, TERN_S);
        if (call->result.fault.error == TERN_EREDIRECTS) { /* a loop: the hops up to there count */
            assert_true(chain.at <= chain.count);
        } else {
            seen_is(call, "head 200 | done");
            assert_int_equal(chain.at, chain.count + 1);
        }
        for (uint32_t hop = 0; hop < chain.at; hop++) {
            check_hop(hop, redirects.keep_secrets);
            kept += hop > 0 && may_know(hop, false);
            dropped += !may_know(hop, false);
        }
        scenario_close(&s);
    }
    assert_true(kept > 50 && dropped > 500); /* they were worth generating */
}

/* A secret that follows the body stays behind like any other. */
static void test_trailers_too(void **state)
{
    static const char *const to[] = {"http://a.test/same", "http://b.test/"};

    (void)state;
    for (int i = 0; i < 2; i++)
        for (uint16_t status = 303; status <= 307; status = (uint16_t)(status + 4)) {
            const struct tern_redirects redirects = {0};
            const struct tern_policy policy = {.redirects = &redirects};
            const struct tern_request request = {.url = TERN_STR("http://a.test/"),
                                                 .method = TERN_STR("POST"),
                                                 .body = {.kind = TERN_BODY_MEMORY, .data = "form", .length = 4},
                                                 .trailers = trailer_fields,
                                                 .trailer_count = 1};
            struct scenario s;
            struct simio_peer *peer;
            struct seen *call;
            char text[128];

            scenario_open(&s, &(struct tern_client_config){.policy = &policy});
            fakedns_answer(s.servers, "b.test", "192.0.2.2", 600);
            simio_listen(s.sim, "192.0.2.2:80");
            call = scenario_start(&s, &request);
            peer = scenario_accept(&s);
            scenario_run(&s, TERN_S);
            assert_true(scenario_heard(peer, "trailer-secret"));
            simio_forget(peer);
            snprintf(text, sizeof(text), "HTTP/1.1 %u X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", status, to[i]);
            simio_say(peer, text);
            scenario_run(&s, TERN_S);
            if (i == 1)
                peer = scenario_accept_at(&s, "192.0.2.2:80");
            scenario_run(&s, TERN_S);
            assert_int_equal(scenario_heard(peer, "trailer-secret"), i == 0 && status == 307);
            assert_int_equal(scenario_heard(peer, "form"), status == 307);
            simio_say(peer, "HTTP/1.1 204 X\r\n\r\n");
            scenario_run(&s, 0);
            seen_is(call, "head 204 | done");
            scenario_close(&s);
        }
}

/* Another scheme is another origin: http to https, and back where that is allowed. */
static void test_schemes(void **state)
{
    static const char plain[] = "GET /%s HTTP/1.1\r\nHost: example.test\r\n%sAccept: */*\r\n%sX-Plain: plain\r\n\r\n";
    static const char known[] = "Cookie: cookie-secret\r\nX-Api-Key: key-secret\r\n";
    static const char *const addresses[] = {"192.0.2.1"};
    const struct tern_resolve_override override = {.host = "*", .addresses = addresses, .address_count = 1};
    const struct tern_redirects redirects = {.allow_downgrade = true};
    const struct tern_auth auth = {
        .user = TERN_STR("u"), .password = TERN_STR("p"), .schemes = TERN_AUTH_BASIC}; /* with TLS alone */
    const struct tern_policy policy = {.redirects = &redirects, .auth = &auth};
    struct tern_client_config config = {
        .user_agent = "", .policy = &policy, .dns = {.overrides = &override, .override_count = 1}};

    (void)state;
    for (int is_first_secure = 0; is_first_secure < 2; is_first_secure++) {
        const struct tern_request request = {.url = is_first_secure ? TERN_STR("https://example.test/first")
                                                                    : TERN_STR("http://example.test/first"),
                                             .fields = own_fields,
                                             .field_count = 3};
        static struct tls_rig rig;
        struct scenario s;
        struct simio_peer *peer;
        struct seen *call;
        char expected[2][256];

        tls_rig_init(&rig, NULL);
        simio_listen(rig.sim, SCENARIO_ADDRESS);
        config.tls.ca_pem = rig.root_pem;
        config.tls.ca_pem_len = strlen(rig.root_pem);
        s = (struct scenario){.sim = rig.sim, .engine = rig.engine};
        assert_int_equal(tern_client_new(rig.engine, &config, &s.client, NULL), TERN_OK);
        snprintf(expected[0], sizeof(expected[0]), plain, "first",
                 is_first_secure ? "Authorization: Basic dTpw\r\n" : "", known);
        snprintf(expected[1], sizeof(expected[1]), plain, "next", "", "");
        call = scenario_start(&s, &request);
        scenario_run(&s, TERN_S);
        if (is_first_secure) {
            tls_rig_expect(&rig, expected[0]);
            tls_server_say(tls_rig_server(&rig), "HTTP/1.1 307 X\r\nLocation: http://example.test/next\r\n"
                                                 "Content-Length: 0\r\n\r\n");
            scenario_run(&s, TERN_S);
            peer = scenario_accept(&s);
            simio_expect(peer, expected[1]);
            simio_say(peer, "HTTP/1.1 204 X\r\n\r\n");
        } else {
            peer = scenario_accept(&s);
            simio_expect(peer, expected[0]);
            simio_say(peer, "HTTP/1.1 307 X\r\nLocation: https://example.test/next\r\nContent-Length: 0\r\n\r\n");
            scenario_run(&s, TERN_S);
            tls_rig_expect(&rig, expected[1]);
            tls_server_say(tls_rig_server(&rig), "HTTP/1.1 204 X\r\n\r\n");
        }
        scenario_run(&s, 0);
        seen_is(call, "head 204 | done");
        tern_client_close(s.client, TERN_CLOSE_DROP);
        simio_run(rig.sim, 0);
        free(call);
        tls_rig_deinit(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generated_chains),
        cmocka_unit_test(test_trailers_too),
        cmocka_unit_test(test_schemes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
