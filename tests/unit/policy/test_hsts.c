/* Strict transport security against RFC 6797 and the text that curl keeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "policy/hsts.h"

#define NOW 1700000000 /* Tue, 14 Nov 2023 22:13:20 GMT */

static struct tern_hsts hsts;

static int setup(void **state)
{
    (void)state;
    tern_hsts_init(&hsts, (struct tern_hash_seed){1, 2});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tern_hsts_deinit(&hsts);
    return 0;
}

static struct tern_host host(const char *text)
{
    struct tern_host out;

    assert_int_equal(tern_host_parse(&out, tern_str(text), NULL), TERN_OK);
    return out;
}

static void hear(const char *name, const char *value)
{
    struct tern_host from = host(name);

    assert_int_equal(tern_hsts_heard(&hsts, &from, tern_str(value), NOW), TERN_OK);
}

static bool knows(const char *name, int64_t at)
{
    struct tern_host it = host(name);

    return tern_hsts_knows(&hsts, &it, at);
}

static void test_values(void **state)
{
    static const struct {
        const char *value;
        bool itself, below;
    } cases[] = {
        {"max-age=10", true, false},
        {"max-age=\"10\"; includeSubDomains", true, true},
        {" ; MAX-AGE = 10 ;; includesubdomains ; preload", true, true},
        {"max-age=10; unknown=\"x\"", true, false},
        {"includeSubDomains", false, false},
        {"max-age=ten", false, false},
        {"max-age=-1", false, false},
        {"max-age=10; max-age=10", false, false},
        {"max-age=10; includeSubDomains; includeSubDomains", false, false},
        {"max-age", false, false},
        {"", false, false},
        {"max-age=99999999999999999999", false, false},
        {"max-age=18446744073709551615", true, false},
        {"max-age=0", false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        hear("a.test", cases[i].value);
        if (knows("a.test", NOW) != cases[i].itself || knows("x.a.test", NOW) != cases[i].below)
            fail_msg("%s", cases[i].value);
        hear("a.test", "max-age=0");
        assert_int_equal(hsts.count, 0);
    }
}

static void test_spelling_time_and_place(void **state)
{
    (void)state;
    hear("B\xc3\x9c"
         "cher.test.",
         "max-age=10; includeSubDomains");
    assert_true(knows("xn--bcher-kva.test", NOW + 9));
    assert_true(knows("XN--BCHER-KVA.TEST.", NOW));
    assert_true(knows("a.b.b\xc3\xbc"
                      "cher.test",
                      NOW));
    assert_false(knows("xn--bcher-kva.test", NOW + 10));
    assert_false(knows("test", NOW));
    assert_false(knows("other-xn--bcher-kva.test", NOW));
    hear("192.0.2.1", "max-age=10");
    hear("[::1]", "max-age=10");
    assert_int_equal(hsts.count, 1);
    hear("xn--bcher-kva.test", "max-age=10"); /* the latest word counts */
    assert_false(knows("a.xn--bcher-kva.test", NOW));
}

static void upgrades(const char *from, const char *to)
{
    struct tern_url url = {0};
    bool upgraded;

    assert_int_equal(tern_url_parse(&url, tern_str(from), NULL), TERN_OK);
    assert_int_equal(tern_hsts_upgrade(&hsts, &url, NOW, &upgraded), TERN_OK);
    assert_int_equal(url.text.len, strlen(to));
    assert_memory_equal(url.text.ptr, to, url.text.len);
    assert_int_equal(upgraded, strncmp(from, "http:", 5) == 0 && strncmp(to, "https:", 6) == 0);
    tern_url_deinit(&url);
}

static void test_upgrades(void **state)
{
    (void)state;
    hear("a.test", "max-age=10");
    upgrades("http://a.test", "https://a.test/");
    upgrades("http://A.test.:80/p?q#f", "https://a.test/p?q#f");
    upgrades("http://u:p@a.test:8080/", "https://u:p@a.test:8080/");
    upgrades("http://a.test:443/", "https://a.test/");
    upgrades("https://a.test:80/", "https://a.test:80/");
    upgrades("http://b.test/", "http://b.test/");
    upgrades("http://x.a.test/", "http://x.a.test/");
}

static void test_text_there_and_back(void **state)
{
    struct tern_buf out;
    size_t skipped;

    (void)state;
    assert_int_equal(tern_hsts_load(&hsts,
                                    TERN_STR("# a comment\n"
                                             ".a.test \"20231114 22:13:21\"\r\n"
                                             "b.test \"unlimited\"\n"
                                             "gone.test \"20231114 22:13:20\"\n"
                                             "\n"
                                             "nonsense\n"
                                             "c.test \"20231314 22:13:20\"\n"
                                             "c.test \"2023\"\n"
                                             "192.0.2.1 \"unlimited\"\n"
                                             "c..test \"unlimited\"\n"
                                             "last.test \"99991231 23:59:59\""),
                                    NOW, &skipped),
                     TERN_OK);
    assert_int_equal(skipped, 5);
    assert_true(knows("x.a.test", NOW));
    assert_false(knows("a.test", NOW + 1));
    tern_buf_init(&out, 4096);
    assert_int_equal(tern_hsts_save(&hsts, &out, NOW), TERN_OK);
    assert_int_equal(tern_buf_append_byte(&out, '\0'), TERN_OK);
    assert_string_equal(out.data + out.head, "last.test \"99991231 23:59:59\"\n"
                                             "b.test \"unlimited\"\n"
                                             ".a.test \"20231114 22:13:21\"\n");
    tern_buf_deinit(&out);
}

static void test_bounded(void **state)
{
    (void)state;
    for (int i = 0; i <= TERN_HSTS_HOSTS_MAX; i++) {
        char name[32];

        snprintf(name, sizeof(name), "h%d.test", i);
        hear(name, "max-age=10");
        if (i == 1)
            hear("h0.test", "max-age=10");
    }
    assert_int_equal(hsts.count, TERN_HSTS_HOSTS_MAX);
    assert_true(knows("h0.test", NOW)); /* renewed since */
    assert_false(knows("h1.test", NOW));
    assert_true(knows("h10000.test", NOW));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_spelling_time_and_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_upgrades, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text_there_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
