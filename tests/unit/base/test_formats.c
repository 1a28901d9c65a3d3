/* HTTP dates, and base64 with the vectors of RFC 4648 section 10. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <time.h>

#include "base/base64.h"
#include "base/date.h"
#include "base/rand.h"
#include "tests/support/faultmem.h"

#define NOV_1994 INT64_C(784111777) /* RFC 9110 section 5.6.7: Sun, 06 Nov 1994 08:49:37 GMT */
#define YEAR_2026 INT64_C(1767225600)

static void all_three_forms_are_one_instant(void **state)
{
    static const char *const forms[] = {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov  6 08:49:37 1994"};
    int64_t seconds;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        seconds = 0;
        assert_true(tern_date_parse(tern_str(forms[i]), YEAR_2026, &seconds));
        assert_true(seconds == NOV_1994);
    }
    assert_true(tern_date_parse(tern_str("Sat Nov 26 08:49:37 1994"), 0, &seconds));
    assert_true(seconds == NOV_1994 + 20 * 86400);
}

static void what_is_no_date_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "0",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 1900 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sun Nov 06 08:49:37 1994 GMT",
        "Sun, 06 Nov -994 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
    };
    int64_t seconds = 5;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(tern_date_parse(tern_str(bad[i]), YEAR_2026, &seconds));
    assert_true(seconds == 5);
}

static int64_t year_of(const char *text, int64_t now_s)
{
    int64_t seconds;
    struct tm tm;
    time_t at;

    assert_true(tern_date_parse(tern_str(text), now_s, &seconds));
    at = (time_t)seconds;
    gmtime_r(&at, &tm);
    return tm.tm_year + 1900;
}

static void two_digit_years_are_at_most_fifty_ahead(void **state)
{
    const int64_t year_1999 = INT64_C(915148800);

    (void)state;
    assert_int_equal(year_of("Friday, 01-Jan-76 00:00:00 GMT", YEAR_2026), 2076);
    assert_int_equal(year_of("Friday, 02-Jan-76 00:00:00 GMT", YEAR_2026), 1976);
    assert_int_equal(year_of("Friday, 01-Jan-26 00:00:00 GMT", YEAR_2026), 2026);
    assert_int_equal(year_of("Friday, 01-Jan-05 00:00:00 GMT", year_1999), 2005);
    assert_int_equal(year_of("Friday, 01-Jan-99 00:00:00 GMT", year_1999), 1999);
}

static void a_leap_second_is_the_second_before(void **state)
{
    int64_t seconds;

    (void)state;
    assert_true(tern_date_parse(tern_str("Sat, 31 Dec 2016 23:59:60 GMT"), 0, &seconds));
    assert_true(seconds == INT64_C(1483228799));
    assert_true(tern_date_parse(tern_str("Thu, 29 Feb 2024 00:00:00 GMT"), 0, &seconds));
    assert_true(seconds == INT64_C(1709164800));
}

/* Against the C library, and back. */
static void formatting_agrees_with_the_c_library(void **state)
{
    char expected[64], text[TERN_DATE_SIZE];
    struct tern_rand rand;

    (void)state;
    tern_rand_seed(&rand, 4);
    for (int i = 0; i < 20000; i++) {
        int64_t seconds = (int64_t)tern_rand_below(&rand, UINT64_C(253402300800)), back;
        time_t at = (time_t)seconds;
        struct tm tm;

        gmtime_r(&at, &tm);
        strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        assert_string_equal(tern_date_format(text, seconds), expected);
        assert_true(tern_date_parse(tern_str(text), 0, &back));
        assert_true(back == seconds);
    }
    assert_string_equal(tern_date_format(text, -5), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_string_equal(tern_date_format(text, INT64_MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
}

static void base64_there_and_back(void **state)
{
    static const char *const table[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"},
                                           {"\xfb\xff\xbf", "+/+/"}};
    struct tern_buf out;
    uint8_t bytes[16];
    size_t len;

    (void)state;
    tern_buf_init(&out, 8);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        tern_buf_clear(&out);
        assert_int_equal(tern_base64_append(&out, table[i][0], strlen(table[i][0])), TERN_OK);
        assert_int_equal(out.len, strlen(table[i][1]));
        assert_memory_equal(tern_buf_view(&out).ptr, table[i][1], out.len);
        assert_true(tern_base64_decode(tern_str(table[i][1]), bytes, sizeof(bytes), &len));
        assert_int_equal(len, strlen(table[i][0]));
        assert_memory_equal(bytes, table[i][0], len);
    }
    tern_buf_clear(&out);
    assert_int_equal(tern_base64_append(&out, "1234567", 7), TERN_ELIMIT);
    tern_buf_deinit(&out);
    faultmem_fail_nth(1);
    assert_int_equal(tern_base64_append(&out, "1", 1), TERN_ENOMEM);
    faultmem_never_fail();
}

static void base64_is_strict(void **state)
{
    static const char *const bad[] = {
        "Z",      "Zg",   "Zg=",  "Zg===",           "Zh==", "Zm9=", "====", "Zg==Zg==", "Z=g=",
        "Zm9v\n", "Zm 9", "-_-_", "\xff\xff\xff\xff"};
    uint8_t bytes[16];
    size_t len;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(tern_base64_decode(tern_str(bad[i]), bytes, sizeof(bytes), &len));
    assert_false(tern_base64_decode(tern_str("Zm9v"), bytes, 2, &len));
    assert_true(tern_base64_decode(tern_str("Zm8="), bytes, 2, &len));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_three_forms_are_one_instant),
        cmocka_unit_test(what_is_no_date_is_refused),
        cmocka_unit_test(two_digit_years_are_at_most_fifty_ahead),
        cmocka_unit_test(a_leap_second_is_the_second_before),
        cmocka_unit_test(formatting_agrees_with_the_c_library),
        cmocka_unit_test(base64_there_and_back),
        cmocka_unit_test(base64_is_strict),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
