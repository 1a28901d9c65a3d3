/* The cookie store against RFC 6265bis 5.7 and 5.8, written from its text: who may set what, and who gets it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "policy/cookies.h"
#include "tern/jar.h"

#define NOW 1700000000

static struct tern_cookies jar;

static int setup(void **state)
{
    (void)state;
    tern_cookies_init(&jar, (struct tern_hash_seed){1, 2});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tern_cookies_deinit(&jar);
    return 0;
}

/* NULL: kept. */
static const char *hear_at(const char *from, struct tern_str cookie, int64_t now_s)
{
    struct tern_url url = {0};
    const char *refusal;

    assert_int_equal(tern_url_parse(&url, tern_str(from), NULL), TERN_OK);
    assert_int_equal(tern_cookies_hear(&jar, &url, cookie, now_s, &refusal), TERN_OK);
    tern_url_deinit(&url);
    return refusal;
}

static void hear(const char *from, const char *cookie)
{
    const char *refusal = hear_at(from, tern_str(cookie), NOW);

    if (refusal != NULL)
        fail_msg("%s from %s: %s", cookie, from, refusal);
}

static void refuse(const char *from, const char *cookie)
{
    uint32_t before = jar.count;

    if (hear_at(from, tern_str(cookie), NOW) == NULL)
        fail_msg("%s from %s is kept", cookie, from);
    assert_int_equal(jar.count, before);
}

static char *ask(const char *to, struct tern_cookies_question q)
{
    static char out[20000];
    struct tern_url url = {0};
    struct tern_buf buf;

    assert_int_equal(tern_url_parse(&url, tern_str(to), NULL), TERN_OK);
    tern_buf_init(&buf, sizeof(out) - 1);
    assert_int_equal(tern_buf_append_str(&buf, q.own), TERN_OK);
    q.url = &url;
    q.own = tern_buf_view(&buf);
    q.now_s = q.now_s != 0 ? q.now_s : NOW;
    assert_int_equal(tern_cookies_send(&jar, &q, &buf), TERN_OK);
    memcpy(out, tern_buf_view(&buf).ptr, buf.len);
    out[buf.len] = '\0';
    tern_buf_deinit(&buf);
    tern_url_deinit(&url);
    return out;
}

static void sends(const char *to, const char *expected)
{
    char *is = ask(to, (struct tern_cookies_question){0});

    if (strcmp(is, expected) != 0)
        fail_msg("%s gets \"%s\", not \"%s\"", to, is, expected);
}

/* Each row: who sets a cookie with which attributes, and who gets it. */
static void test_domains(void **state)
{
    static const struct {
        const char *from, *attributes;
        const char *gets[4], *not [5];
    } cases[] = {
        /* No Domain: that host alone. */
        {"http://www.a.test/",
         "",
         {"http://www.a.test/", "https://www.a.test:8443/x"},
         {"http://a.test/", "http://x.www.a.test/", "http://b.test/"}},
        {"http://www.a.test/", "; Domain=", {"http://www.a.test/"}, {"http://a.test/", "http://x.www.a.test/"}},
        {"http://www.a.test/", "; Domain=.", {"http://www.a.test/"}, {"http://a.test/", "http://x.www.a.test/"}},
        /* A Domain: that host and all below. */
        {"http://www.a.test/",
         "; Domain=a.test",
         {"http://a.test/", "http://www.a.test/", "http://x.y.a.test/"},
         {"http://ba.test/", "http://test/", "http://a.test.b.test/", "http://b.test/"}},
        {"http://a.test/", "; Domain=.A.TEST", {"http://a.test/", "http://x.a.test/"}, {"http://xa.test/"}},
        {"http://a.test/", "; Domain=a.test.", {"http://a.test/", "http://x.a.test./"}, {"http://test/"}},
        {"http://a.test./", "; Domain=a.test", {"http://a.test/", "http://x.a.test./"}, {"http://test/"}},
        /* A public suffix as the host: for itself alone. */
        {"http://localhost/", "; Domain=localhost", {"http://localhost/"}, {"http://a.localhost/"}},
        {"http://github.io/", "; Domain=github.io", {"http://github.io/"}, {"http://a.github.io/"}},
        {"http://a.github.io/", "; Domain=a.github.io", {"http://x.a.github.io/"}, {"http://b.github.io/"}},
        {"http://x.www.ck/", "; Domain=www.ck", {"http://www.ck/"}, {"http://ck/", "http://a.ck/"}},
        /* Addresses are whole. */
        {"http://192.0.2.1/", "", {"http://192.0.2.1/"}, {"http://192.0.2.10/"}},
        {"http://192.0.2.1/", "; Domain=192.0.2.1", {"http://192.0.2.1/"}, {"http://2.1.test/"}},
        {"http://192.0.2.1/", "; Domain=.192.0.2.1", {"http://192.0.2.1/"}, {"http://192.0.2.2/"}},
        {"http://[2001:DB8::1]/", "; Domain=2001:db8:0::1", {"http://[2001:db8::1]:81/"}, {"http://[2001:db8::2]/"}},
        /* International names, by the one normaliser. */
        {"http://b\xc3\xbc"
         "cher.test/",
         "; Domain=XN--BCHER-KVA.test",
         {"http://xn--bcher-kva.test/", "http://a.B\xc3\x9c"
                                        "CHER.test/"},
         {"http://bucher.test/"}},
        /* Never across a public suffix, though amazonaws.com is none. */
        {"https://amazonaws.com/",
         "; Domain=amazonaws.com",
         {"https://amazonaws.com/", "https://www.amazonaws.com/"},
         {"https://bucket.s3.amazonaws.com/"}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char cookie[128];

        snprintf(cookie, sizeof(cookie), "n=%zu; Path=/%s", i, cases[i].attributes);
        hear(cases[i].from, cookie);
        snprintf(cookie, sizeof(cookie), "n=%zu", i);
        for (int k = 0; k < 4 && cases[i].gets[k] != NULL; k++)
            sends(cases[i].gets[k], cookie);
        for (int k = 0; k < 5 && cases[i].not [k] != NULL; k++)
            sends(cases[i].not [k], "");
        tern_cookies_clear(&jar, false);
    }
}

static void test_domains_refused(void **state)
{
    static const struct {
        const char *from, *domain;
    } cases[] = {
        {"http://a.test/", "b.test"},
        {"http://a.test/", "x.a.test"},    /* below the host */
        {"http://xb.a.test/", "b.a.test"}, /* ends alike, but not at a dot */
        {"http://ba.test/", "a.test"},
        {"http://a.test/", "test"},
        {"http://a.com/", "com"},
        {"http://a.com/", ".com"},
        {"http://a.com/", "com."},
        {"http://a.com/", "COM"},
        {"http://a.co.uk/", "co.uk"},
        {"http://a.github.io/", "github.io"},
        {"http://a.b.ck/", "b.ck"},                           /* by "*.ck" */
        {"http://a.xn--p1ai/", "xn--p1ai"},                   /* a suffix that is international */
        {"http://a.xn--55qx5d.cn/", "xn--55qx5d.cn"},         /* and one of two labels */
        {"http://bucket.s3.amazonaws.com/", "amazonaws.com"}, /* above a public suffix */

        {"http://a.test/", "..a.test"},
        {"http://a.test/", "a..test"},
        {"http://a.test/", "a.test.."},
        {"http://a.test/", "*.a.test"},
        {"http://a.test/", "a.test:80"},
        {"http://a.test/", "http://a.test"},
        {"http://a.test/", "a.test/"},
        {"http://a.test/", "u@a.test"},
        {"http://a.test/", "a%2etest"},
        {"http://a.test/", "a.test x"},
        {"http://b\xc3\xbc"
         "cher.test/",
         "b\xc3\xbc"
         "cher.test"}, /* not ASCII */
        {"http://192.0.2.1/", "0.2.1"},
        {"http://192.0.2.1/", "2.1"},
        {"http://192.0.2.1/", "1"},
        {"http://192.0.2.1/", "192.0.2.2"},
        {"http://192.0.2.1/", "0xc0000201"},
        {"http://[2001:db8::1]/", "db8::1"},
        {"http://[2001:db8::1]/", "1"},
        {"http://localhost/", "local"},
        {"http://a.test/", "localhost"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char cookie[128];

        snprintf(cookie, sizeof(cookie), "n=v; Domain=%s", cases[i].domain);
        refuse(cases[i].from, cookie);
    }
}

static void test_paths(void **state)
{
    static const struct {
        const char *from, *path; /* NULL: no attribute */
        const char *gets[4], *not [4];
    } cases[] = {
        {"http://a.test", NULL, {"http://a.test/", "http://a.test/x/y"}, {NULL}},
        {"http://a.test/x", NULL, {"http://a.test/", "http://a.test/y"}, {NULL}},
        {"http://a.test/x/",
         NULL,
         {"http://a.test/x", "http://a.test/x/", "http://a.test/x/y"},
         {"http://a.test/", "http://a.test/xy"}},
        {"http://a.test/x/y?q=/z/", NULL, {"http://a.test/x/", "http://a.test/x?q"}, {"http://a.test/?/x/"}},
        {"http://a.test/x/y/z",
         NULL,
         {"http://a.test/x/y", "http://a.test/x/y/"},
         {"http://a.test/x/", "http://a.test/X/y"}},
        {"http://a.test/",
         "/one",
         {"http://a.test/one", "http://a.test/one/two"},
         {"http://a.test/", "http://a.test/one-two", "http://a.test/on"}},
        {"http://a.test/", "/one/", {"http://a.test/one/", "http://a.test/one/two"}, {"http://a.test/one"}},
        {"http://a.test/x/y", "one", {"http://a.test/x/z"}, {"http://a.test/"}},
        {"http://a.test/x/y", "", {"http://a.test/x"}, {"http://a.test/"}},
        {"http://a.test/", "/a%2fb", {NULL}, {"http://a.test/a/b", "http://a.test/a%2fb"}},
        {"http://a.test/", "//", {"http://a.test//", "http://a.test//x"}, {"http://a.test/x", "http://a.test/"}},
        /* The URL's dot segments are gone before its path is looked at. */
        {"http://a.test/",
         "/admin",
         {"http://a.test/x/../admin", "http://a.test/%2e/admin/"},
         {"http://a.test/admin/..", "http://a.test/admin/%2E%2e/x"}},
        {"http://a.test/x/../y/", NULL, {"http://a.test/y/"}, {"http://a.test/x/"}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char cookie[128], sent[32];

        snprintf(cookie, sizeof(cookie), "n=%zu%s%s", i, cases[i].path != NULL ? "; Path=" : "",
                 cases[i].path != NULL ? cases[i].path : "");
        snprintf(sent, sizeof(sent), "n=%zu", i);
        hear(cases[i].from, cookie);
        for (int k = 0; k < 4 && cases[i].gets[k] != NULL; k++)
            sends(cases[i].gets[k], sent);
        for (int k = 0; k < 4 && cases[i].not [k] != NULL; k++)
            sends(cases[i].not [k], "");
        tern_cookies_clear(&jar, false);
    }
}

static void test_a_path_without_end(void **state)
{
    char url[3000] = "http://a.test/";

    (void)state;
    memset(url + 14, 'x', 2000);
    strcpy(url + 2014, "/y");
    refuse(url, "n=v");
    hear(url, "n=v; Path=/");
}

static void test_secure(void **state)
{
    (void)state;
    refuse("http://a.test/", "s=1; Secure");
    refuse("http://localhost/", "s=1; Secure");
    hear("https://a.test/", "s=1; Secure");
    sends("https://a.test/", "s=1");
    sends("http://a.test/", "");
    /* "Leave secure cookies alone": nothing over http hides or ends it ... */
    refuse("http://a.test/", "s=2");
    refuse("http://a.test/", "s=2; Path=/login");
    refuse("http://a.test/", "s=2; Max-Age=0");
    refuse("http://x.a.test/", "s=2; Domain=a.test");
    sends("https://a.test/", "s=1");
    /* ... but https may, and so may what does not overlay it. */
    hear("http://a.test/", "t=1");
    hear("https://a.test/", "s=2");
    sends("http://a.test/", "s=2; t=1");
    tern_cookies_clear(&jar, false);
    hear("https://a.test/", "s=1; Secure; Path=/login");
    refuse("http://a.test/", "s=2; Path=/login");
    refuse("http://a.test/", "s=2; Path=/login/en");
    hear("http://a.test/", "s=2; Path=/");
    hear("http://a.test/", "s=3; Path=/log");
    tern_cookies_clear(&jar, false);
    hear("https://x.a.test/", "s=1; Secure");
    refuse("http://a.test/", "s=2; Domain=a.test"); /* above it */
    hear("http://y.a.test/", "s=2");
    tern_cookies_clear(&jar, false);
    hear("https://a.test/", "s=1; Secure; Max-Age=5");
    assert_null(hear_at("http://a.test/", TERN_STR("s=2"), NOW + 5)); /* it has expired */
}

static void test_prefixes(void **state)
{
    (void)state;
    refuse("https://a.test/", "__Secure-a=1");
    refuse("http://a.test/", "__Secure-a=1; Secure");
    hear("https://a.test/", "__Secure-a=1; Secure; Domain=a.test");
    refuse("https://a.test/", "__Host-a=1; Secure");
    refuse("https://a.test/", "__Host-a=1; Path=/");
    refuse("https://a.test/", "__host-a=1; Secure; Path=/x");
    refuse("https://a.test/", "__Host-a=1; Secure; Path=/; Domain=a.test");
    refuse("https://a.test/", "=__Host-a=1; Secure; Path=/");
    refuse("https://a.test/", "__Host-a");
    hear("https://a.test/", "__Host-a=2; Path=/; Secure");
    hear("https://a.test/", "__Host-b=2; Path=/; Secure; Domain=");
    sends("https://a.test/", "__Secure-a=1; __Host-a=2; __Host-b=2");
    sends("https://x.a.test/", "__Secure-a=1");
}

static void test_same_site(void **state)
{
    static const struct {
        bool cross, safe;
        const char *sent;
    } cases[] = {
        {false, true, "s=1; l=2; n=3; d=4"},
        {false, false, "s=1; l=2; n=3; d=4"},
        {true, true, "l=2; n=3; d=4"},
        {true, false, "n=3"},
    };

    (void)state;
    hear("http://a.test/", "s=1; SameSite=Strict");
    hear("http://a.test/", "l=2; SameSite=Lax");
    hear("http://a.test/", "n=3; SameSite=None");
    hear("http://a.test/", "d=4");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(ask("http://a.test/", (struct tern_cookies_question){.is_cross_site = cases[i].cross,
                                                                                 .is_safe = cases[i].safe}),
                            cases[i].sent);
}

static void test_time(void **state)
{
    (void)state;
    hear("http://a.test/", "a=1; Max-Age=10");
    hear("http://a.test/", "b=1");
    assert_string_equal(ask("http://a.test/", (struct tern_cookies_question){.now_s = NOW + 9}), "a=1; b=1");
    assert_string_equal(ask("http://a.test/", (struct tern_cookies_question){.now_s = NOW + 10}), "b=1");
    hear("http://a.test/", "a=2; Max-Age=100");
    hear("http://a.test/", "c=1; Max-Age=0"); /* none to end */
    assert_int_equal(jar.count, 2);
    sends("http://a.test/", "a=2; b=1");
    hear("http://a.test/", "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
    sends("http://a.test/", "b=1");
    hear("http://a.test/", "a=3; Max-Age=1000");
    tern_cookies_clear(&jar, true);
    sends("http://a.test/", "a=3");
    assert_int_equal(jar.count, 1);
}

static void test_which_are_one(void **state)
{
    (void)state;
    hear("http://a.test/", "a=1");
    hear("http://a.test/", "a=2; Domain=a.test"); /* another: it reaches further */
    hear("http://a.test/", "a=3; Path=/x");
    hear("http://a.test/", "A=4");
    assert_int_equal(jar.count, 4);
    sends("http://a.test/x", "a=3; a=1; a=2; A=4");
    hear("http://a.test/", "a=5"); /* in its place: the creation time stays */
    hear("http://a.test/", "a=6; Domain=A.Test.");
    assert_int_equal(jar.count, 4);
    sends("http://a.test/x", "a=3; a=5; a=6; A=4");
    sends("http://x.a.test/x", "a=6");
}

static void test_order(void **state)
{
    (void)state;
    hear("http://a.test/", "a=1");
    hear("http://a.test/", "b=2; Path=/x");
    hear("http://a.test/", "c=3; Path=/x/y");
    hear("http://a.test/", "d=4; Path=/x");
    hear("http://a.test/", "e");
    hear("http://a.test/", "f=");
    sends("http://a.test/x/y", "c=3; b=2; d=4; a=1; e; f=");
}

static void test_beside_ones_own(void **state)
{
    (void)state;
    hear("http://a.test/", "a=1");
    hear("http://a.test/", "b=2");
    hear("http://a.test/", "c=3");
    assert_string_equal(ask("http://a.test/", (struct tern_cookies_question){.own = TERN_STR("b=own; x;c =y")}),
                        "b=own; x;c =y; a=1");
    assert_string_equal(ask("http://b.test/", (struct tern_cookies_question){.own = TERN_STR("b=own")}), "b=own");
}

/* 4,096 and less each, but no more than 8,190 together. */
static void test_what_is_sent_has_a_bound(void **state)
{
    static char cookie[4200];

    (void)state;
    for (int i = 0; i < 4; i++) {
        memset(cookie, 'x', sizeof(cookie));
        snprintf(cookie, sizeof(cookie), "n%d=", i);
        cookie[3] = 'v';
        cookie[4000] = '\0';
        hear("http://a.test/", cookie);
    }
    hear("http://a.test/", "last=1");
    assert_int_equal(strlen(ask("http://a.test/", (struct tern_cookies_question){0})), 2 * 4000 + 2 + 8);
    assert_non_null(strstr(ask("http://a.test/", (struct tern_cookies_question){0}), "; last=1"));
}

static uint32_t sent_count(const char *to)
{
    char *at = ask(to, (struct tern_cookies_question){0});
    uint32_t count = *at != '\0';

    for (; *at != '\0'; at++)
        count += *at == ';';
    return count;
}

static void test_a_flood_of_one_site(void **state)
{
    char url[64], cookie[64];

    (void)state;
    hear("http://good.test/", "keep=1");
    hear("https://bad.test/", "s=1; Secure; Domain=bad.test");
    hear("http://bad.test/", "old=1; Domain=bad.test; Max-Age=1000");
    for (int i = 0; i < 2000; i++) {
        snprintf(url, sizeof(url), "http://h%d.bad.test/", i);
        snprintf(cookie, sizeof(cookie), "n%d=1%s", i, i % 2 ? "; Domain=bad.test" : "");
        hear(url, cookie);
    }
    assert_int_equal(jar.count, TERN_COOKIES_SITE_MAX + 1);
    sends("http://good.test/", "keep=1");
    /* What is not Secure goes first, and of that what was used or set longest ago. */
    assert_int_equal(strncmp(ask("https://bad.test/", (struct tern_cookies_question){0}), "s=1; n1821=1; n", 15), 0);
    assert_int_equal(sent_count("http://bad.test/"), 90);
}

static void test_what_goes_first(void **state)
{
    char cookie[64];

    (void)state;
    hear("http://a.test/", "expired=1; Max-Age=10");
    for (int i = 1; i < TERN_COOKIES_SITE_MAX; i++) {
        snprintf(cookie, sizeof(cookie), "n%d=1%s", i, i == 1 ? "; Path=/used" : "");
        hear("http://a.test/", cookie);
    }
    assert_int_equal(jar.count, TERN_COOKIES_SITE_MAX);
    assert_null(hear_at("http://a.test/", TERN_STR("one=1"), NOW + 10)); /* instead of the one that has expired */
    assert_int_equal(jar.count, TERN_COOKIES_SITE_MAX);
    (void)ask("http://a.test/used", (struct tern_cookies_question){.own = TERN_STR("n2=x")});
    hear("http://a.test/", "two=1"); /* n2 was not sent: it is the one used longest ago */
    assert_null(strstr(ask("http://a.test/used", (struct tern_cookies_question){0}), " n2="));
    assert_non_null(strstr(ask("http://a.test/used", (struct tern_cookies_question){0}), "n1="));
    assert_non_null(strstr(ask("http://a.test/used", (struct tern_cookies_question){0}), "n3="));
    assert_int_equal(jar.count, TERN_COOKIES_SITE_MAX);
}

static void test_a_flood_of_many_sites(void **state)
{
    char url[64], cookie[64];

    (void)state;
    for (int i = 0; i < 40; i++) {
        snprintf(cookie, sizeof(cookie), "n%d=1", i);
        hear("http://small.test/", cookie);
    }
    for (int site = 0; site < 30; site++)
        for (int i = 0; i < 150; i++) {
            snprintf(url, sizeof(url), "http://bad%d.test/", site);
            snprintf(cookie, sizeof(cookie), "n%d=1", i);
            hear(url, cookie);
        }
    assert_int_equal(jar.count, TERN_COOKIES_MAX);
    assert_int_equal(sent_count("http://small.test/"), 40); /* sites with more than their share pay */
    for (int site = 0; site < 4000; site++) {
        snprintf(url, sizeof(url), "http://one%d.test/", site);
        hear(url, "a=1");
    }
    assert_int_equal(jar.count, TERN_COOKIES_MAX);
}

/* ---- the file ---- */

struct complaints {
    char text[1024];
};

static void on_skipped(void *user, size_t line, const char *why)
{
    struct complaints *c = user;
    size_t len = strlen(c->text);

    assert_non_null(why);
    snprintf(c->text + len, sizeof(c->text) - len, "%zu ", line);
}

static char *saved(void)
{
    static char out[20000];
    struct tern_buf buf;

    tern_buf_init(&buf, sizeof(out) - 1);
    assert_int_equal(tern_cookies_save(&jar, &buf, NOW), TERN_OK);
    memcpy(out, tern_buf_view(&buf).ptr, buf.len);
    out[buf.len] = '\0';
    tern_buf_deinit(&buf);
    return out;
}

#define HEAD "# Netscape HTTP Cookie File\n"

static void test_saving(void **state)
{
    (void)state;
    hear("http://a.test/x/y", "one=1");
    hear("https://www.a.test/", "two=2; Domain=a.test; Secure; HttpOnly; Max-Age=10; Path=/");
    hear("http://[2001:db8::1]/", "three=3; HttpOnly; SameSite=Strict");
    hear("http://a.test/", "nameless");
    hear("http://a.test/", "gone=1; Max-Age=5");
    hear("http://a.test/", "gone=1; Max-Age=0");
    hear("http://a.test/", "empty=");
    assert_string_equal(saved(), HEAD "a.test\tFALSE\t/x\tFALSE\t0\tone\t1\n"
                                      "#HttpOnly_.a.test\tTRUE\t/\tTRUE\t1700000010\ttwo\t2\n"
                                      "#HttpOnly_2001:db8::1\tFALSE\t/\tFALSE\t0\tthree\t3\n"
                                      "a.test\tFALSE\t/\tFALSE\t0\t\tnameless\n"
                                      "a.test\tFALSE\t/\tFALSE\t0\tempty\t\n");
}

static void test_loading(void **state)
{
    /* As curl writes it, and what else is about. */
    static const char text[] = "# Netscape HTTP Cookie File\r\n"
                               "# https://curl.se/docs/http-cookies.html\n"
                               "\n"
                               "#HttpOnly_.a.test\tTRUE\t/\tTRUE\t1700000100\tone\t1\n"
                               "a.test\tFALSE\t/x\tFALSE\t0\ttwo\t2\r\n"
                               "A.TEST.\tTRUE\t/\tfalse\t0\tthree\tx=y \"z\"\n"
                               "www.a.test\tFALSE\t/\tFALSE\t1700000000\told\t1\n" /* 8: has expired */
                               "a.test\tFALSE\t/\tFALSE\t0\tempty\t\n"
                               ".com\tTRUE\t/\tFALSE\t0\twide\t1\n"
                               "192.0.2.1\tTRUE\t/\tFALSE\t0\tip\t1\n"
                               "a.test\tFALSE\t/\tFALSE\t9999999999\tlast\t1"; /* no line end */
    struct complaints complaints = {""};
    const struct tern_jar_loading how = {.on_skipped = on_skipped, .user = &complaints};

    (void)state;
    assert_int_equal(tern_cookies_load(&jar, tern_str(text), NOW, &how), TERN_OK);
    assert_string_equal(complaints.text, "");
    sends("https://a.test/x", "two=2; one=1; three=x=y \"z\"; empty=; last=1");
    sends("http://x.a.test/", "three=x=y \"z\"");
    sends("http://com/", "wide=1"); /* for itself alone */
    sends("http://a.com/", "");
    sends("http://192.0.2.1/", "ip=1");
    tern_cookies_clear(&jar, false);
    assert_int_equal(tern_cookies_load(&jar, tern_str(text), NOW, &(struct tern_jar_loading){.drop_sessions = true}),
                     TERN_OK);
    sends("https://a.test/x", "one=1; last=1");
}

static void test_lines_that_cannot_be_read(void **state)
{
    static const char text[] = "a.test\tFALSE\t/\tFALSE\t0\tn\n"                      /* 1: six fields */
                               "a.test\tFALSE\t/\tFALSE\t0\tn\tv\tw\n"                /* 2: eight */
                               "a.test FALSE / FALSE 0 n v\n"                         /* 3: blanks */
                               "a..test\tFALSE\t/\tFALSE\t0\tn\tv\n"                  /* 4 */
                               "\tFALSE\t/\tFALSE\t0\tn\tv\n"                         /* 5 */
                               "a.test\tYES\t/\tFALSE\t0\tn\tv\n"                     /* 6 */
                               "a.test\tFALSE\tx\tFALSE\t0\tn\tv\n"                   /* 7 */
                               "a.test\tFALSE\t/\t\t0\tn\tv\n"                        /* 8 */
                               "a.test\tFALSE\t/\tFALSE\t-1\tn\tv\n"                  /* 9 */
                               "a.test\tFALSE\t/\tFALSE\tsoon\tn\tv\n"                /* 10 */
                               "a.test\tFALSE\t/\tFALSE\t9223372036854775808\tn\tv\n" /* 11 */
                               "a.test\tFALSE\t/\tFALSE\t0\t\t\n"                     /* 12 */
                               "a.test\tFALSE\t/\tFALSE\t0\tn\tv\x01\n"               /* 13 */
                               "a.test\tFALSE\t/\tFALSE\t0\tn\tv; x=y\n"              /* 14: would be two */
                               "a.test\tFALSE\t/\tFALSE\t0\tn=m\tv\n"                 /* 15 */
                               "a.test\tFALSE\t/\tFALSE\t0\t__Secure-n\tv\n"          /* 16 */
                               ".a.test\tTRUE\t/\tTRUE\t0\t__Host-n\tv\n"             /* 17 */
                               "Set-Cookie: n=v\n"                                    /* 18: whose? */
                               "#HttpOnly_\n"                                         /* 19 */
                               "#HttpOnly_#x\n"                                       /* 20 */
                               "a.test\tFALSE\t/\tFALSE\t0\tgood\tv\n"
                               "<html>\n"; /* 22 */
    struct complaints complaints = {""};
    const struct tern_jar_loading how = {.on_skipped = on_skipped, .user = &complaints};

    (void)state;
    assert_int_equal(tern_cookies_load(&jar, tern_str(text), NOW, &how), TERN_OK);
    assert_string_equal(complaints.text, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 22 ");
    assert_int_equal(jar.count, 1);
    assert_int_equal(tern_cookies_load(&jar, TERN_STR("a.test\tFALSE\t/\tFALSE\t0\tn\0\tv\n"), NOW, &how), TERN_OK);
    assert_int_equal(jar.count, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_domains),
        TEST(test_domains_refused),
        TEST(test_paths),
        TEST(test_a_path_without_end),
        TEST(test_secure),
        TEST(test_prefixes),
        TEST(test_same_site),
        TEST(test_time),
        TEST(test_which_are_one),
        TEST(test_order),
        TEST(test_beside_ones_own),
        TEST(test_what_is_sent_has_a_bound),
        TEST(test_a_flood_of_one_site),
        TEST(test_what_goes_first),
        TEST(test_a_flood_of_many_sites),
        TEST(test_saving),
        TEST(test_loading),
        TEST(test_lines_that_cannot_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
