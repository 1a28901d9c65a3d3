/* fetch's command line: what the options about policies become, by tables; and the audit, line by line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Before cmocka, which has a macro of the name fail. */
#include "examples/fetch/audit.h"
#include "examples/fetch/options.h"

#include <cmocka.h>

/* -q: the user's own settings are none of the test's. */
static bool parse(struct options *o, const char *option, const char *value, struct failure *failure)
{
    const char *argv[] = {"fetch", "-q", option, value, "http://a.test/", NULL};

    *o = (struct options){0};
    *failure = (struct failure){0};
    return options_parse(o, 5, (char *const *)argv, failure);
}

static void right(struct options *o, const char *option, const char *value)
{
    struct failure failure;

    if (!parse(o, option, value, &failure))
        fail_msg("%s '%s': %s", option, value, failure.text);
}

static void wrong(const char *option, const char *value)
{
    struct options o;
    struct failure failure;
    char named[128];

    if (parse(&o, option, value, &failure))
        fail_msg("%s '%s' is taken", option, value);
    assert_int_equal(failure.code, CODE_USAGE);
    snprintf(named, sizeof(named), "option %s: '%s'", option, value);
    assert_memory_equal(failure.text, named, strlen(named));
    options_free(&o);
}

static void test_rates(void **state)
{
    static const struct {
        const char *value;
        uint64_t calls, seconds;
    } cases[] = {{"1", 1, 3600},
                 {"2/s", 2, 1},
                 {"3/m", 3, 60},
                 {"4/h", 4, 3600},
                 {"5/d", 5, 86400},
                 {"6/10s", 6, 10},
                 {"7/5m", 7, 300},
                 {"1000000000/s", 1000000000, 1},
                 {"1/10000d", 1, 864000000},
                 {"08/s", 8, 1}};
    static const char *const bad[] = {"",         "0",    "0/s",  "/s",   "x/s", "-1/s",  "1.5/s", "1/",
                                      "1/x",      "1/ss", "1/0s", "1/s/", "1/5", "1/-1s", "2 /s",  "1000000001/s",
                                      "1/10001d", "1s",   "1/S"};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct options o;

        right(&o, "--rate", cases[i].value);
        assert_int_equal(o.rate_calls, cases[i].calls);
        assert_true(o.rate_period_ns == cases[i].seconds * TERN_S);
        options_free(&o);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        wrong("--rate", bad[i]);
}

static void test_protocols(void **state)
{
    static const struct {
        const char *value;
        unsigned denied;
    } cases[] = {{"", 0},
                 {"all", 0},
                 {"=http", PROTO_HTTPS},
                 {"=https", PROTO_HTTP},
                 {"-http", PROTO_HTTP},
                 {"-all", PROTO_ALL},
                 {"-all,https", PROTO_HTTP},
                 {"-all,+HTTPS", PROTO_HTTP},
                 {"=ftp", PROTO_ALL},
                 {"=ftp,http", PROTO_HTTPS},
                 {"ftp,scp", 0},
                 {"=http,=https", PROTO_HTTP},
                 {"http,", 0}};
    static const char *const bad[] = {"htps", "=", "-", "http https", "==http", ",http", "http,,https", "http,bogus"};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct options o;

        right(&o, "--proto", cases[i].value);
        assert_int_equal(o.proto_denied, cases[i].denied);
        assert_false(o.has_proto_redir);
        options_free(&o);
        right(&o, "--proto-redir", cases[i].value);
        assert_int_equal(o.proto_redir_denied, cases[i].denied);
        assert_true(o.has_proto_redir);
        options_free(&o);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        wrong("--proto", bad[i]);
}

static void test_budgets_and_redirects(void **state)
{
    static const struct {
        const char *value;
        uint32_t percent, min;
    } cases[] = {{"1", 1, 0}, {"100", 100, 0}, {"20%", 20, 0}, {"10,5", 10, 5}, {"10%,2147483647", 10, 2147483647}};
    static const char *const bad[] = {"",  "0",    "101",    "x",  "10,", "10,0", "10,x",
                                      "%", "10%%", "10,1,1", "-1", ",1",  "10 ,1"};
    static const char *const bad_redirs[] = {"", "-2", "x", "1.5", "2147483648", "+1", " 1", "--1"};
    struct options o;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        right(&o, "--budget", cases[i].value);
        assert_int_equal(o.budget_percent, cases[i].percent);
        assert_int_equal(o.budget_min, cases[i].min);
        options_free(&o);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        wrong("--budget", bad[i]);
    for (size_t i = 0; i < sizeof(bad_redirs) / sizeof(bad_redirs[0]); i++)
        wrong("--max-redirs", bad_redirs[i]);
    right(&o, "--max-redirs", "-1");
    assert_int_equal(o.max_redirs, UINT32_MAX);
    options_free(&o);
    right(&o, "--max-redirs", "0");
    assert_int_equal(o.max_redirs, 0);
    options_free(&o);
    right(&o, "--gate", "any");
    assert_int_equal(o.max_redirs, 50); /* curl's default */
    assert_false(o.location);
    options_free(&o);
    right(&o, "--location-trusted", "--audit");
    assert_true(o.location && o.audit);
    options_free(&o);
}

static void test_queries(void **state)
{
    static const struct {
        const char *words[6];
        const char *query;
    } cases[] = {{{"--url-query", "a=b c"}, "a=b%20c"},
                 {{"--url-query", "+a b"}, "a b"},
                 {{"--url-query", "+"}, NULL},
                 {{"--url-query", "=x&y", "--url-query", "z"}, "x%26y&z"},
                 {{"-G", "-d", "a=1", "-d", "b"}, "a=1&b"},
                 {{"-d", "a", "-G", "--url-query", "b"}, "b&a"},
                 {{"-G"}, NULL}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *argv[10] = {"fetch", "-q"};
        struct failure failure = {0};
        struct options o = {0};
        int argc = 2;

        for (int k = 0; k < 6 && cases[i].words[k] != NULL; k++)
            argv[argc++] = cases[i].words[k];
        argv[argc++] = "http://a.test/";
        assert_true(options_parse(&o, argc, (char *const *)argv, &failure));
        assert_int_equal(o.body_source, BODY_NONE);
        if (cases[i].query == NULL)
            assert_int_equal(o.query.len, 0);
        else
            assert_string_equal(o.query.ptr, cases[i].query);
        options_free(&o);
    }
}

static void test_audit(void **state)
{
    static const struct tern_hop hops[] = {
        {TERN_STR("http://a/"), TERN_STR("https://b/"), 303, true, true, true, true, "", TERN_OK},
        {TERN_STR("https://b/"), TERN_STR("http://\x1b[2J\xff"), 302, false, false, false, true, "no", TERN_EGATE}};
    struct tern_result result = {.status = 302, .hops = hops, .hop_count = 2};
    struct failure failure = {CODE_SCHEME, "why"};
    struct text text = {0};

    (void)state;
    audit_format(&text, "http://me:secret@a/?x@y", "POST", &result, &failure);
    assert_string_equal(text.ptr,
                        "audit of http://a/?x@y\n"
                        "  hop  status  method      dropped       verdict   from -> to\n"
                        "    1     303  POST>GET    body,secrets  followed  http://a/ -> https://b/\n"
                        "    2     302  GET         secrets       refused   https://b/ -> http://%1B[2J%FF: no\n"
                        "  end: (1) why\n");
    text.len = 0;
    result.hop_count = 1;
    result.fault.error = TERN_EGATE;
    strcpy(result.fault.text, "not there");
    audit_format(&text, "http://a/", "POST", &result, &failure);
    assert_non_null(strstr(text.ptr, "refused   http://a/ -> https://b/: not there\n"));
    text.len = 0;
    result = (struct tern_result){.status = 204};
    failure = (struct failure){0};
    audit_format(&text, "http://a/", "HEAD", &result, &failure);
    assert_string_equal(text.ptr, "audit of http://a/\n  end: HEAD gave status 204\n");
    text_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates),   cmocka_unit_test(test_protocols), cmocka_unit_test(test_budgets_and_redirects),
        cmocka_unit_test(test_queries), cmocka_unit_test(test_audit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
