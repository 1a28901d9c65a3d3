/* Set-Cookie and its dates, against what RFC 6265bis 5.1.1 and 5.6 say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "policy/set_cookie.h"

#define NOW 1700000000 /* Tue, 14 Nov 2023 22:13:20 GMT */
#define DAYS_400 34560000
#define SESSION INT64_MAX
#define GONE INT64_MIN
#define DATE_1994 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */

/* A literal with whatever is in it, NUL too. */
#define T(literal)                                                                                                     \
    {                                                                                                                  \
        literal, sizeof(literal) - 1                                                                                   \
    }

static void same(const char *what, const char *text, struct tern_str is, const char *expected)
{
    if (!tern_str_eq(is, tern_str(expected)))
        fail_msg("%s: %s is \"%.*s\", not \"%s\"", text, what, (int)is.len, is.ptr, expected);
}

static void test_names_and_values(void **state)
{
    static const struct {
        struct tern_str text;
        const char *name, *value; /* NULL: refused */
    } cases[] = {
        {T("a=b"), "a", "b"},
        {T("a=b; Path=/"), "a", "b"},
        {T("  a \t=\t b c  ;x"), "a", "b c"},
        {T("a=b=c=="), "a", "b=c=="},
        {T("a=\"q; r\""), "a", "\"q"}, /* quotes mean nothing */
        {T("a=\"q\""), "a", "\"q\""},
        {T("a="), "a", ""},
        {T("a"), "", "a"}, /* without '=' it is all value */
        {T("=a"), "", "a"},
        {T("=a=b"), "", "a=b"},
        {T("="), NULL, NULL},
        {T(""), NULL, NULL},
        {T(" ; Secure"), NULL, NULL},
        {T("a\xc3\xa4=\xff"), "a\xc3\xa4", "\xff"},
        {T("a=b,c=d"), "a", "b,c=d"}, /* no list: one field, one cookie */
        {T("a=b\0c"), NULL, NULL},
        {T("a\0=b"), NULL, NULL},
        {T("a=b; Path=/\0"), NULL, NULL},
        {T("a=b\rc"), NULL, NULL},
        {T("a=b\nSet-Cookie: x=y"), NULL, NULL},
        {T("a=\x01"), NULL, NULL},
        {T("a=\x7f"), NULL, NULL},
        {T("a=b; Path=/\x1f"), NULL, NULL},
        {T("a=b\tc"), NULL, NULL}, /* ours */
        {T("a\tb=c"), NULL, NULL},
        {T("a=b; Path=/a\tb"), NULL, NULL},
        {T("a=b; Unknown=x\ty"), "a", "b"},
        {T("a=b; Path=\t/x\t"), "a", "b"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tern_set_cookie out;
        const char *refusal = tern_set_cookie_parse(&out, cases[i].text, NOW);

        if ((refusal == NULL) != (cases[i].name != NULL))
            fail_msg("%s: %s", cases[i].text.ptr, refusal != NULL ? refusal : "is kept");
        if (refusal != NULL)
            continue;
        same("name", cases[i].text.ptr, out.name, cases[i].name);
        same("value", cases[i].text.ptr, out.value, cases[i].value);
        assert_int_equal(out.expires_s, SESSION);
    }
}

static void test_sizes(void **state)
{
    static char text[9000];
    struct tern_set_cookie out;

    (void)state;
    memset(text, 'x', sizeof(text));
    text[100] = '=';
    assert_null(tern_set_cookie_parse(&out, tern_str_n(text, 4097), NOW)); /* 4,096 without the '=' */
    assert_int_equal(out.value.len, 3996);
    assert_non_null(tern_set_cookie_parse(&out, tern_str_n(text, 4098), NOW));
    memcpy(text, "a=b; Path=/", 11);
    assert_null(tern_set_cookie_parse(&out, tern_str_n(text, 11 + 1023), NOW));
    assert_int_equal(out.path.len, 1024);
    assert_null(tern_set_cookie_parse(&out, tern_str_n(text, 11 + 1024), NOW));
    assert_int_equal(out.path.len, 0); /* the attribute is ignored, not the cookie */
    memcpy(text, "a=b; Domain=.", 13);
    assert_null(tern_set_cookie_parse(&out, tern_str_n(text, 13 + 1024), NOW));
    assert_int_equal(out.domain.len, 0);
}

static void test_attributes(void **state)
{
    static const struct {
        const char *attributes, *domain, *path, *flags; /* "sh" Secure, HttpOnly; n, l, t: SameSite */
    } cases[] = {
        {"", "", "", ""},
        {"; domain=a.test; PATH=/p; secure; HTTPONLY; samesite=strict", "a.test", "/p", "sht"},
        {";Domain=.a.test;Path=/p/;Secure=no;HttpOnly=0;SameSite=LAX", "a.test", "/p/", "shl"},
        {"; Domain = A.test ; Path = /P ; SameSite = None", "A.test", "/P", "n"},
        {"; Domain=a.test; Domain=b.test", "b.test", "", ""}, /* the last one counts */
        {"; Domain=a.test; Domain", "", "", ""},
        {"; Domain=a.test; Domain=", "", "", ""},
        {"; Domain=.", "", "", ""},
        {"; Domain=..a.test", ".a.test", "", ""},
        {"; Path=/a; Path=b", "", "", ""}, /* no slash in front: the default */
        {"; Path=/a; Path", "", "", ""},
        {"; Path=b; Path=/a", "", "/a", ""},
        {"; SameSite=Strict; SameSite=Lax", "", "", "l"},
        {"; SameSite=Strict; SameSite=odd", "", "", ""},
        {"; SameSite", "", "", ""},
        {";;; ; =; =x; Sec ure; Secure;", "", "", "s"},
        {"; Path=\"/a\"", "", "", ""}, /* a quote is no slash */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tern_set_cookie out;
        static const char sites[] = {'\0', 'n', 'l', 't'};
        char text[256], flags[4];

        snprintf(text, sizeof(text), "a=b%s", cases[i].attributes);
        assert_null(tern_set_cookie_parse(&out, tern_str(text), NOW));
        same("domain", text, out.domain, cases[i].domain);
        same("path", text, out.path, cases[i].path);
        snprintf(flags, sizeof(flags), "%s%s%c", out.secure ? "s" : "", out.http_only ? "h" : "", sites[out.same_site]);
        assert_string_equal(flags, cases[i].flags);
        same("value", text, out.value, "b");
    }
}

static void test_lifetimes(void **state)
{
    static const struct {
        const char *attributes;
        int64_t expires_s;
    } cases[] = {
        {"Max-Age=10", NOW + 10},
        {"max-age=\t10 ", NOW + 10},
        {"Max-Age=010", NOW + 10},
        {"Max-Age=0", GONE},
        {"Max-Age=-1", GONE},
        {"Max-Age=-99999999999999999999999", GONE},
        {"Max-Age=-", GONE},
        {"Max-Age=34560000", NOW + DAYS_400},
        {"Max-Age=34560001", NOW + DAYS_400},
        {"Max-Age=99999999999999999999999", NOW + DAYS_400},
        {"Max-Age=", SESSION},
        {"Max-Age", SESSION},
        {"Max-Age=+10", SESSION},
        {"Max-Age=1e3", SESSION},
        {"Max-Age=10s", SESSION},
        {"Max-Age=\"10\"", SESSION},
        {"Max-Age=1 0", SESSION},
        {"Max-Age=--1", SESSION},
        {"Max-Age=10; Max-Age=20", NOW + 20},
        {"Max-Age=10; Max-Age=x", NOW + 10},
        {"Expires=Sun, 06 Nov 1994 08:49:37 GMT", DATE_1994},
        {"Expires=Sun, 06 Nov 2994 08:49:37 GMT", NOW + DAYS_400},
        {"Expires=soon", SESSION},
        {"Expires", SESSION},
        {"Expires=Sun, 06 Nov 1994 08:49:37 GMT; Expires=soon", DATE_1994},
        /* Max-Age beats Expires, wherever it stands. */
        {"Max-Age=10; Expires=Sun, 06 Nov 1994 08:49:37 GMT", NOW + 10},
        {"Expires=Sun, 06 Nov 1994 08:49:37 GMT; Max-Age=10", NOW + 10},
        {"Expires=Sun, 06 Nov 2994 08:49:37 GMT; Max-Age=0", GONE},
        {"Expires=Sun, 06 Nov 1994 08:49:37 GMT; Max-Age=x", DATE_1994},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tern_set_cookie out;
        char text[256];

        snprintf(text, sizeof(text), "a=b; %s", cases[i].attributes);
        assert_null(tern_set_cookie_parse(&out, tern_str(text), NOW));
        if (out.expires_s != cases[i].expires_s)
            fail_msg("%s: %lld", cases[i].attributes, (long long)out.expires_s);
    }
}

static void test_dates(void **state)
{
#define NONE INT64_MAX
    static const struct {
        struct tern_str text;
        int64_t when_s;
    } cases[] = {
        {T("Sun, 06 Nov 1994 08:49:37 GMT"), DATE_1994},
        {T("Sunday, 06-Nov-94 08:49:37 GMT"), DATE_1994},
        {T("Sun Nov  6 08:49:37 1994"), DATE_1994},
        {T("6 nov 94 8:49:37"), DATE_1994},
        {T("1994 6 november 08:49:37"), DATE_1994}, /* 4 digits are no day, so that they are the year */
        {T("94 6 november 08:49:37"), NONE},        /* 2 digits are the day, which there is not */
        {T("08:49:37 06 Nov 1994 09:00:00"), DATE_1994},
        {T("NOVEMBERISH 6 1994 08:49:37"), DATE_1994},
        {T("6th Nov 1994 08:49:37 +0100 (CET)"), DATE_1994}, /* what is behind the digits does not matter */
        {T("\t06!Nov/1994@08:49:37~"), DATE_1994},
        {T("06:Nov 1994 08:49:37"), NONE}, /* ':' is no delimiter: that is the day, and no month comes */
        {T("06 Nov 1994 08:49:37x"), DATE_1994},
        {T("06 Nov 1994x 08:49:37"), DATE_1994},
        {T("06 Nov 1994 008:49:37"), NONE},
        {T("06 Nov 1994 08:49:377"), NONE},
        {T("06 Nov 1994 08:49"), NONE},
        {T("06 Nov 19940 08:49:37"), NONE},
        {T("006 Nov 1994 08:49:37"), NONE}, /* "006" is the year 6, and 1994 no day */
        {T("06 Nov 1 08:49:37"), NONE},
        {T("00 Nov 1994 08:49:37"), NONE},
        {T("31 Nov 1994 08:49:37"), NONE},
        {T("32 Nov 1994 08:49:37"), NONE},
        {T("29 Feb 2023 00:00:00"), NONE},
        {T("29 Feb 2024 00:00:00"), 1709164800},
        {T("06 Nov 1994 24:49:37"), NONE},
        {T("06 Nov 1994 08:60:37"), NONE},
        {T("06 Nov 1994 08:49:60"), NONE},
        {T("01 Jan 1970 00:00:00"), 0},
        {T("01 Jan 70 00:00:00"), 0},
        {T("01 Jan 69 00:00:00"), 3124224000}, /* 2069 */
        {T("01 Jan 00 00:00:00"), 946684800},
        {T("01 Jan 99 00:00:00"), 915148800},
        {T("01 Jan 1601 00:00:00"), -11644473600},
        {T("31 Dec 1600 23:59:59"), NONE},
        {T("31 Dec 9999 23:59:59"), 253402300799},
        {T("01 Jan 100 00:00:00"), NONE},
        {T("Nov 1994 08:49:37"), NONE},
        {T("06 1994 08:49:37"), NONE},
        {T("06 No 1994 08:49:37"), NONE},
        {T(""), NONE},
        {T(",,,"), NONE},
        {T("06 Nov\0 1994 08:49:37"), DATE_1994}, /* a control character is none of the delimiters */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t when_s = NONE;

        if (tern_cookie_date_parse(cases[i].text, &when_s) != (cases[i].when_s != NONE) || when_s != cases[i].when_s)
            fail_msg("%s: %lld", cases[i].text.ptr, (long long)when_s);
    }
}

static void test_prefixes(void **state)
{
    static const struct {
        const char *name, *value;
        bool secure, whole, holds;
    } cases[] = {
        {"a", "b", false, false, true},
        {"__Secure-a", "b", true, false, true},
        {"__Secure-a", "b", false, true, false},
        {"__SECURE-a", "b", false, true, false}, /* servers that ignore case are safe too */
        {"__secure-", "b", true, true, true},
        {"__Host-a", "b", true, true, true},
        {"__Host-a", "b", true, false, false},
        {"__Host-a", "b", false, true, false},
        {"__hOsT-a", "b", true, false, false},
        {"_Host-a", "b", false, false, true},
        {"__Hosta", "b", false, false, true},
        {"", "__Host-a=b", true, true, false}, /* what a server would read as that name */
        {"", "__secure-a=b", true, true, false},
        {"", "b", false, false, true},
        {"a", "__Host-a=b", false, false, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if ((tern_cookie_breaks_prefix(tern_str(cases[i].name), tern_str(cases[i].value), cases[i].secure,
                                       cases[i].whole) == NULL) != cases[i].holds)
            fail_msg("%s=%s", cases[i].name, cases[i].value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_values), cmocka_unit_test(test_sizes), cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_lifetimes),        cmocka_unit_test(test_dates), cmocka_unit_test(test_prefixes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
