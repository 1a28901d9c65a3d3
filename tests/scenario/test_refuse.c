/* What cannot be right is refused before anything is sent, in words that name the field, the value and the rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/fields.h"
#include "tests/support/faultmem.h"
#include "tests/support/scenario.h"

#define URL TERN_STR("http://a.test/")

/* Nothing was opened, nothing is live, and the client is as good as before. */
static void close_unharmed(struct scenario *s)
{
    struct seen *call;

    assert_int_equal(simio_counts(s->sim).sockets, 0);
    assert_int_equal(scenario_stats(s).calls_live, 0);
    call = scenario_get(s, "http://a.test/");
    simio_say(scenario_accept(s), "HTTP/1.1 204 No Content\r\n\r\n");
    scenario_run(s, 0);
    seen_is(call, "head 204 | done");
    scenario_close(s);
}

static void never(void *user, tern_call_id call, const struct tern_result *result)
{
    (void)user, (void)call, (void)result;
    fail_msg("a call that was not started has ended");
}

/* Refused alike on both ways in, and no word of it reaches a callback. */
static void refused(struct scenario *s, const struct tern_request *request, enum tern_error error, const char *words)
{
    static const struct tern_handlers handlers = {.on_done = never};
    struct tern_fault why = {0};
    tern_call_id id = 77;

    if (tern_call_start(s->client, request, &handlers, NULL, &id, &why) != error)
        fail_msg("\"%.*s\": %s instead of \"%s\"", (int)request->url.len, request->url.ptr, why.text, words);
    assert_int_equal(why.error, error);
    if (strstr(why.text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why.text, words);
    for (const char *c = why.text; *c != '\0'; c++)
        assert_in_range(*c, 0x20, 0x7e);
    assert_int_equal(id, 77);
    assert_int_equal(tern_call_start(s->client, request, &handlers, NULL, NULL, NULL), error);
    scenario_run(s, 0);
}

/* Taken: it would be sent. It is cancelled before it is. */
static void taken(struct scenario *s, const struct tern_request *request)
{
    struct tern_fault why = {0};
    tern_call_id id;

    if (tern_call_start(s->client, request, NULL, NULL, &id, &why) != TERN_OK)
        fail_msg("refused: %s", why.text);
    assert_int_equal(tern_call_cancel(s->engine, id), TERN_OK);
    scenario_run(s, 0);
}

static void test_urls(void **state)
{
    static const struct {
        const char *url;
        enum tern_error error;
        const char *words;
    } cases[] = {
        {"", TERN_EURL, "URL scheme: is missing"},
        {"a.test", TERN_EURL, "URL scheme: is missing"},
        {"/path", TERN_EURL, "URL scheme: is missing"},
        {"http:", TERN_EURL, "URL host: is missing"},
        {"http:///x", TERN_EURL, "host \"\": is empty"},
        {"ftp://a.test/", TERN_ESCHEME, "URL scheme \"ftp\": must be http or https"},
        {"javascript://a.test/", TERN_ESCHEME, "URL scheme \"javascript\": must be http or https"},
        {"http://a.test:0/", TERN_EURL, "URL port \"0\": must be a number from 1 to 65535"},
        {"http://a.test:99999/", TERN_EURL, "URL port \"99999\": must be a number from 1 to 65535"},
        {"http://a.test/a b", TERN_EURL, "URL byte 16 \" \": spaces, controls and backslashes"},
        {"http://a.test/\r\nX: y", TERN_EURL, "URL byte 15 \"\\x0d\""},
        {"http://a.test\\@b.test/", TERN_EURL, "URL byte 14 \"\\\\\""},
        {"http://a@b@c/", TERN_EURL, "URL userinfo: '@' must be written as %40"},
        {"http://1.2.3/", TERN_EURL, "host \"1.2.3\": ends in a number"},
        {"http://0x7f000001/", TERN_EURL, "host \"0x7f000001\": ends in a number"},
        {"http://[::1/", TERN_EURL, "the bracket is not closed"},
        {"http://a.test/%4", TERN_EURL, "URL path: '%' must be followed by two hexadecimal digits"},
        {"http://u:secret%@a.test/", TERN_EURL, "URL password: '%' must be followed"},
    };
    struct scenario s;

    (void)state;
    scenario_open(&s, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        refused(&s, &(struct tern_request){.url = tern_str(cases[i].url)}, cases[i].error, cases[i].words);
    close_unharmed(&s);
}

/* RFC 9110 5.6.2, written out anew: what the code under test uses would agree with itself. */
static bool is_token_byte(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static void test_every_byte_in_a_url(void **state)
{
    struct scenario s;

    (void)state;
    scenario_open(&s, NULL);
    for (int c = 0; c < 256; c++) {
        char url[] = "http://a.test/x?y";
        struct tern_request request = {.url = {url, strlen(url)}};

        url[14] = (char)c;
        if (c <= ' ' || c == 0x7f || c == '\\')
            refused(&s, &request, TERN_EURL, "URL byte 15 ");
        else if (c == '%')
            refused(&s, &request, TERN_EURL, "URL path: '%'");
        else
            taken(&s, &request);
    }
    scenario_close(&s);
}

static void test_every_byte_in_a_method(void **state)
{
    struct scenario s;

    (void)state;
    scenario_open(&s, NULL);
    for (int c = 0; c < 256; c++) {
        char method[] = "G?T";
        struct tern_request request = {.url = URL, .method = {method, 3}};

        method[1] = (char)c;
        if (is_token_byte(c))
            taken(&s, &request);
        else
            refused(&s, &request, TERN_EINVAL, "\": must be a token of at most 64 bytes (RFC 9110 9.1)");
    }
    scenario_close(&s);
}

static void test_methods(void **state)
{
    static const char long_method[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLM";
    struct scenario s;

    (void)state;
    scenario_open(&s, NULL);
    refused(&s, &(struct tern_request){.url = URL, .method = TERN_STR("CONNECT")}, TERN_EINVAL, "method \"CONNECT\"");
    refused(&s, &(struct tern_request){.url = URL, .method = TERN_STR("GET / HTTP/1.1\r\nX: y")}, TERN_EINVAL,
            "method \"GET / HTTP/1.1\\x0d\\x0aX: y\": must be a token");
    refused(&s, &(struct tern_request){.url = URL, .method = tern_str(long_method)}, TERN_EINVAL, "at most 64 bytes");
    close_unharmed(&s);
}

/* ---- header fields ---- */

static void test_every_byte_in_a_field_name(void **state)
{
    struct scenario s;

    (void)state;
    scenario_open(&s, NULL);
    for (int c = 0; c < 256; c++)
        for (int has_value = 0; has_value < 2; has_value++) {
            char name[] = "X-?";
            struct tern_field field = {{name, 3}, {has_value ? "v" : NULL, has_value ? 1 : 0}, 0};
            struct tern_request request = {.url = URL, .fields = &field, .field_count = 1};

            name[2] = (char)c;
            if (is_token_byte(c))
                taken(&s, &request);
            else
                refused(&s, &request, TERN_EFIELD, "field");
        }
    close_unharmed(&s);
}

static void test_every_byte_in_a_field_value(void **state)
{
    struct scenario s;

    (void)state;
    scenario_open(&s, NULL);
    for (int c = 0; c < 256; c++)
        for (size_t at = 0; at < 3; at++) {
            char value[] = "abc";
            struct tern_field field = {TERN_STR("X-Y"), {value, 3}, 0};
            struct tern_request request = {.url = URL, .fields = &field, .field_count = 1};

            value[at] = (char)c;
            if (c == '\t' || (c >= ' ' && c != 0x7f))
                taken(&s, &request);
            else
                refused(&s, &request, TERN_EFIELD, "field \"X-Y\": must not hold CR, LF, NUL");
        }
    close_unharmed(&s);
}

static void test_fields(void **state)
{
    static const struct {
        const char *name, *value;
        const char *words;
    } cases[] = {
        {"", "x", "field"},
        {"", NULL, "field"},
        {"Content-Length", "5", "field Content-Length: comes from the body and cannot be given"},
        {"transfer-encoding", "chunked", "field transfer-encoding: comes from the body"},
        {"Keep-Alive", "timeout=5", "field Keep-Alive: belongs to the connection"},
        {"Upgrade", "h2c", "field Upgrade: belongs to the connection"},
        {"Connection", "close, x-secret", "field Connection: \"x-secret\": only close and keep-alive"},
        {"Expect", "200-maybe", "field Expect: \"200-maybe\": only 100-continue is defined"},
        {"Host", "", "field Host: \"\": must be a host"},
        {"Host", "a b", "field Host: \"a b\": must be a host"},
        {"Host", "u@h", "field Host: \"u@h\": must be a host"},
        {"Host", NULL, "field Host: cannot be left out"},
        {"Content-Length", NULL, "field Content-Length: cannot be left out"},
        {"Transfer-Encoding", NULL, "field Transfer-Encoding: cannot be left out"},
    };
    const struct tern_field hosts[] = {{TERN_STR("Host"), TERN_STR("a"), 0}, {TERN_STR("hOST"), TERN_STR("b"), 0}};
    const struct tern_field secret = {TERN_STR("Authorization"), TERN_STR("Bearer s3cr3t\n"), 0};
    struct tern_fault why;
    struct scenario s;

    (void)state;
    scenario_open(&s, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tern_field field = {tern_str(cases[i].name), tern_str(cases[i].value), 0};

        refused(&s, &(struct tern_request){.url = URL, .fields = &field, .field_count = 1}, TERN_EFIELD,
                cases[i].words);
    }
    refused(&s, &(struct tern_request){.url = URL, .fields = hosts, .field_count = 2}, TERN_EFIELD,
            "Host: given twice");
    (void)!tern_call_start(s.client,
                           &(struct tern_request){.url = URL,
                                                  .fields = &(struct tern_field){secret.name, {"s3cr3t\n?", 8}, 0},
                                                  .field_count = 1},
                           NULL, NULL, NULL, &why);
    assert_int_equal(why.error, TERN_EFIELD);
    assert_null(strstr(why.text, "s3cr3t"));
    close_unharmed(&s);
}

static void test_heads_have_a_size(void **state)
{
    static char value[1 << 20];
    static struct tern_field many[513];
    const struct tern_field big = {TERN_STR("X"), {value, sizeof(value)}, 0};
    struct scenario s;

    (void)state;
    memset(value, 'x', sizeof(value));
    for (size_t i = 0; i < 513; i++)
        many[i] = (struct tern_field){TERN_STR("X"), TERN_STR("y"), 0};
    scenario_open(&s, NULL);
    taken(&s, &(struct tern_request){.url = URL, .fields = many, .field_count = 500});
    refused(&s, &(struct tern_request){.url = URL, .fields = many, .field_count = 513}, TERN_EFIELD,
            "fields: more than 512, or more than 1048576 bytes");
    refused(&s, &(struct tern_request){.url = URL, .fields = &big, .field_count = 1}, TERN_EFIELD, "1048576");
    close_unharmed(&s);
}

/* ---- bodies ---- */

static void test_bodies(void **state)
{
    static const struct {
        struct tern_body body;
        const char *words;
    } cases[] = {
        {{.kind = TERN_BODY_MEMORY, .length = 5}, "TERN_BODY_MEMORY needs data and length"},
        {{.kind = TERN_BODY_MEMORY, .data = "x", .length = TERN_LENGTH_UNKNOWN}, "needs data and length"},
        {{.kind = TERN_BODY_CALLBACK}, "TERN_BODY_CALLBACK needs read"},
        {{.kind = TERN_BODY_FD, .fd = -1}, "needs a descriptor, not -1"},
        {{.kind = (enum tern_body_kind)9}, "unknown kind 9"},
    };
    struct scenario s;

    (void)state;
    scenario_open(&s, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        refused(&s, &(struct tern_request){.url = URL, .body = cases[i].body}, TERN_EINVAL, cases[i].words);
    refused(&s, &(struct tern_request){.url = URL, .expect = (enum tern_expect)7}, TERN_EINVAL, "expect 7");
    close_unharmed(&s);
}

/* ---- configuration ---- */

static void refused_config(struct scenario *s, const struct tern_client_config *config, const char *words)
{
    uint64_t live = faultmem_live();
    struct tern_client *client = NULL;
    struct tern_fault why = {0};

    if (tern_client_configure(s->client, config, &why) != TERN_ECONFIG)
        fail_msg("not refused: %s (%s)", words, why.text);
    if (strstr(why.text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why.text, words);
    assert_int_equal(why.error, TERN_ECONFIG);
    assert_int_equal(tern_client_configure(s->client, config, NULL), TERN_ECONFIG);
    assert_int_equal(tern_client_new(s->engine, config, &client, &why), TERN_ECONFIG);
    assert_null(client);
    assert_int_equal(faultmem_live(), live);
}

static void test_configurations(void **state)
{
    static char long_text[5000];
    static const char *const no_ip[] = {"example.test"};
    static const char *const ip[] = {"192.0.2.1"};
    const struct tern_field lf = {TERN_STR("X"), TERN_STR("a\nb"), 0}, nameless = {TERN_STR("a b"), TERN_STR("x"), 0},
                            host = {TERN_STR("Host"), TERN_STR("x"), 0}, no_value = {TERN_STR("X-Y"), {NULL, 0}, 0},
                            length = {TERN_STR("Content-Length"), TERN_STR("0"), 0},
                            big = {TERN_STR("X-Y"), {long_text, sizeof(long_text) - 1}, 0};
    const struct tern_connect_to bad_from = {.host = "a b"}, bad_to = {.to_host = "1.2.3"};
    const struct tern_resolve_override bad_ip = {.host = "x", .addresses = no_ip, .address_count = 1},
                                       bad_name = {.host = "a b", .addresses = ip, .address_count = 1},
                                       no_addresses = {.host = "x"};
    const struct {
        struct tern_client_config config;
        const char *words;
    } cases[] = {
        {{.ip_family = (enum tern_ip_family)5}, "ip_family 5: must be"},
        {{.name = long_text}, "name: 4999 bytes, more than 4096"},
        {{.interface = long_text}, "interface: 4999 bytes"},
        {{.interface = "no-such-interface-name"}, "interface \"no-such-interface-name\": must be an IP address or"},
        {{.unix_socket = long_text}, "unix_socket \""},
        {{.user_agent = "a\r\nb"}, "user_agent \"a\\x0d\\x0ab\": must be a header value"},
        {{.user_agent = long_text}, "user_agent: 4999 bytes, more than 4096"},
        {{.fields = &lf, .field_count = 1}, "fields: value of header field \"X\""},
        {{.fields = &nameless, .field_count = 1}, "fields: header field name \"a b\""},
        {{.fields = &host, .field_count = 1}, "fields: field Host: belongs to a call"},
        {{.fields = &length, .field_count = 1}, "fields: field Content-Length: comes from the body"},
        {{.fields = &no_value, .field_count = 1}, "fields: field X-Y: has no value"},
        {{.fields = &big, .field_count = 1}, "fields: field X-Y: 4999 bytes"},
        {{.fields = &lf, .field_count = 257}, "field_count 257: more than 256"},
        {{.connect_to = &bad_from, .connect_to_count = 1}, "connect_to host: host \"a b\""},
        {{.connect_to = &bad_to, .connect_to_count = 1}, "connect_to to_host: host \"1.2.3\""},
        {{.connect_to = &bad_to, .connect_to_count = 10001}, "connect_to_count 10001: more than 10000"},
        {{.limits = {.warm_per_host = 5, .idle_max = 4}},
         "limits.warm_per_host 5: more than connections_per_host_max 100 or idle_max 4"},
        {{.limits = {.connections_max = 2, .connections_per_host_max = 3}},
         "limits.connections_per_host_max 3: more than connections_max 2"},
        {{.limits = {.head_bytes_max = 100, .head_line_bytes_max = 101}},
         "limits.head_line_bytes_max 101: more than head_bytes_max 100"},
        {{.limits = {.body_window_bytes_max = UINT32_C(1) << 31}},
         "limits.body_window_bytes_max 2147483648: more than 2147483647"},
        {{.limits = {.body_window_bytes = 1001, .body_window_bytes_max = 1000}},
         "limits.body_window_bytes 1001: more than body_window_bytes_max 1000"},
        {{.limits = {.connection_memory_bytes_max = 131071}},
         "limits.connection_memory_bytes_max 131071: less than 131072"},
        {{.limits = {.connection_memory_bytes_max = 200000, .memory_bytes_max = 199999}},
         "limits.connection_memory_bytes_max 200000: more than memory_bytes_max 199999"},
        {{.dns = {.servers = "ns.example"}}, "dns.servers \"ns.example\""},
        {{.dns = {.servers = "192.0.2.1:0"}}, "dns.servers \"192.0.2.1:0\""},
        {{.dns = {.servers = ","}}, "dns.servers \""},
        {{.dns = {.timeout_ns = 1}}, "dns.timeout_ns 1: must be 1 ms to 60 s"},
        {{.dns = {.tries = 1000}}, "dns.tries 1000: must be"},
        {{.dns = {.overrides = &bad_ip, .override_count = 1}}, "\"example.test\""},
        {{.dns = {.overrides = &bad_name, .override_count = 1}}, "dns.overrides"},
        {{.dns = {.overrides = &no_addresses, .override_count = 1}}, "dns.overrides"},
        {{.tls = {.version_min = (enum tern_tls_version)11}}, "tls.version_min 11: must be TERN_TLS_1_2 or"},
        {{.tls = {.version_max = (enum tern_tls_version)14}}, "tls.version_max 14"},
        {{.tls = {.version_min = TERN_TLS_1_3, .version_max = TERN_TLS_1_2}}, "tls.version_min is above"},
        {{.tls = {.key_file = "/k"}}, "tls.key_file without tls.cert_file"},
        {{.tls = {.ca_pem = "x"}}, "tls.ca_pem and tls.ca_pem_len: both or none"},
        {{.tls = {.pins = "sha256//short"}}, "tls.pins \"sha256//short\""},
    };
    struct scenario s;

    (void)state;
    memset(long_text, 'x', sizeof(long_text) - 1);
    scenario_open(&s, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        refused_config(&s, &cases[i].config, cases[i].words);
    close_unharmed(&s);
}

/* The client's policy, a host's, and (but for the gate) a call's own: the same words. */
static void test_policies(void **state)
{
    static char long_text[300];
    static const char *const many_patterns[5000];
    static const uint16_t many[65] = {[0 ... 64] = 500}, informational[] = {503, 199}, unknown[] = {600};
    const struct tern_gate gate = {.deny = many_patterns, .deny_count = 5000};
    const struct tern_retries r_many = {.statuses = many, .status_count = 65},
                              r_informational = {.statuses = informational, .status_count = 2},
                              r_budget = {.budget_percent = 101};
    const struct tern_breaker b_unknown = {.statuses = unknown, .status_count = 1},
                              b_percent = {.failure_percent = 101};
    const struct tern_rate no_calls = {0}, long_group = {.calls = 1, .group = long_text};
    const struct tern_decoding layers = {.layers_max = 9};
    const struct {
        struct tern_policy policy;
        const char *words;
        bool is_for_calls;
    } cases[] = {
        {{.gate = &gate}, "policy.gate: 5000 host patterns, at most 4096", false},
        {{.retries = &r_many}, "policy.retries.statuses: 65 statuses, at most 64", true},
        {{.retries = &r_informational}, "policy.retries.statuses 199: must be a final status, 200 to 599", true},
        {{.retries = &r_budget}, "policy.retries.budget_percent 101: more than 100", true},
        {{.breaker = &b_unknown}, "policy.breaker.statuses 600: must be a final status", false},
        {{.breaker = &b_percent}, "policy.breaker.failure_percent 101: more than 100", false},
        {{.rate = &no_calls}, "policy.rate.calls 0: say how many calls a period has", false},
        {{.rate = &long_group}, "policy.rate.group: longer than 253 bytes", false},
        {{.decoding = &layers}, "policy.decoding.layers_max 9: more than 8", true},
    };
    struct scenario s;

    (void)state;
    memset(long_text, 'g', sizeof(long_text) - 1);
    scenario_open(&s, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tern_client_config config = {.policy = &cases[i].policy};
        const struct tern_host_config host = {.host = "a.test", .config = &config};

        refused_config(&s, &config, cases[i].words);
        refused_config(&s, &(struct tern_client_config){.hosts = &host, .host_count = 1}, cases[i].words);
        if (cases[i].is_for_calls)
            refused(&s, &(struct tern_request){.url = URL, .policy = &cases[i].policy}, TERN_ECONFIG, cases[i].words);
    }
    refused_config(&s, &(struct tern_client_config){.host_count = 4097}, "host_count 4097: at most 4096");
    close_unharmed(&s);
}

static void test_a_closed_client_is_not_configured(void **state)
{
    struct scenario s;
    struct tern_fault why;

    (void)state;
    scenario_open(&s, NULL);
    tern_client_close(s.client, TERN_CLOSE_DRAIN);
    s.is_client_closed = true;
    assert_int_equal(tern_client_configure(s.client, &(struct tern_client_config){0}, &why), TERN_ECLOSED);
    assert_int_equal(why.error, TERN_ECLOSED);
    scenario_close(&s);
}

static void test_engine_configurations(void **state)
{
    static const struct {
        struct tern_engine_config config;
        const char *words;
    } cases[] = {
        {{.calls_max = 16777217}, "calls_max 16777217: must be 1 to 16777216"},
        {{.file_threads = 17}, "file_threads 17: must be 1 to 16"},
    };
    struct tern_engine *engine = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tern_fault why = {0};

        assert_int_equal(tern_engine_new(&cases[i].config, &engine, &why), TERN_ECONFIG);
        assert_non_null(strstr(why.text, cases[i].words));
        assert_int_equal(tern_engine_new(&cases[i].config, &engine, NULL), TERN_ECONFIG);
        assert_null(engine);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_every_byte_in_a_url),
        cmocka_unit_test(test_every_byte_in_a_method),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_every_byte_in_a_field_name),
        cmocka_unit_test(test_every_byte_in_a_field_value),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_heads_have_a_size),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_configurations),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_a_closed_client_is_not_configured),
        cmocka_unit_test(test_engine_configurations),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
