/* Host patterns: what is one, what it matches, which of two is the more specific. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "policy/match.h"

static struct tern_match pattern(const char *text)
{
    struct tern_match match;

    assert_int_equal(tern_match_parse(&match, tern_str(text), NULL), TERN_OK);
    return match;
}

static bool matches(const char *text, const char *host_text)
{
    struct tern_match match = pattern(text);
    struct tern_host host;

    assert_int_equal(tern_host_parse(&host, tern_str(host_text), NULL), TERN_OK);
    return tern_match_host(&match, &host);
}

static void test_matches(void **state)
{
    static const struct {
        const char *pattern, *yes, *no;
    } cases[] = {
        {"*", "example.com", NULL},
        {"*", "::1", NULL},
        {"example.com", "EXAMPLE.com.", "api.example.com"},
        {"Example.COM.", "example.com", "example.co"},
        {"*.example.com", "a.example.com", "example.com"},
        {"*.example.com", "a.b.example.com", "badexample.com"},
        {"*.EXAMPLE.com", "a.Example.com", "example.com.evil.test"},
        {"*.b\xc3\xbc"
         "cher.example",
         "a.xn--bcher-kva.example", "xn--bcher-kva.example"},
        {"192.0.2.7", "192.0.2.7", "192.0.2.70"},
        {"192.0.2.0/24", "192.0.2.0", "192.0.1.255"},
        {"192.0.2.0/24", "192.0.2.255", "192.0.3.0"},
        {"192.0.2.0/24", "192.0.2.1", "192.0.2.1.example"},
        {"192.0.2.128/25", "192.0.2.128", "192.0.2.127"},
        {"192.0.2.6/31", "192.0.2.7", "192.0.2.8"},
        {"192.0.2.7/32", "192.0.2.7", "192.0.2.6"},
        {"0.0.0.0/0", "255.255.255.255", "::1"},
        {"0.0.0.0/0", "1.2.3.4", "example.com"},
        {"2001:db8::/32", "2001:db8::1", "2001:db7:ffff::"},
        {"2001:db8::/32", "2001:DB8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"},
        {"2001:db8::/127", "2001:db8::1", "2001:db8::2"},
        {"::/0", "::1", "0.0.0.1"},
        {"::1", "0:0::1", "::2"},
        {"[::1]", "::1", "0.0.0.1"},
        {"1.2.3.4", "1.2.3.4", "::ffff:1.2.3.4"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!matches(cases[i].pattern, cases[i].yes))
            fail_msg("%s does not match %s", cases[i].pattern, cases[i].yes);
        if (cases[i].no != NULL && matches(cases[i].pattern, cases[i].no))
            fail_msg("%s matches %s", cases[i].pattern, cases[i].no);
    }
}

/* The first bits of a network decide, and no others: each bit of an address turned in turn. */
static void test_each_bit_of_a_network(void **state)
{
    static const uint8_t network[4] = {0xa5, 0x5a, 0xc3, 0x3c};

    (void)state;
    for (unsigned bits = 0; bits <= 32; bits++) {
        uint8_t masked[4];
        char text[32];

        for (unsigned i = 0; i < 4; i++) {
            unsigned kept = bits > 8 * i ? bits - 8 * i : 0;

            masked[i] = (uint8_t)(kept >= 8 ? network[i] : network[i] & ~(0xffu >> kept));
        }
        snprintf(text, sizeof(text), "%u.%u.%u.%u/%u", masked[0], masked[1], masked[2], masked[3], bits);
        for (unsigned bit = 0; bit < 32; bit++) {
            uint8_t turned[4] = {network[0], network[1], network[2], network[3]};
            char host[16];

            turned[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
            snprintf(host, sizeof(host), "%u.%u.%u.%u", turned[0], turned[1], turned[2], turned[3]);
            assert_int_equal(matches(text, host), bit >= bits);
        }
    }
}

static void test_what_is_no_pattern(void **state)
{
    static const char *const bad[] = {"",
                                      "*.",
                                      "**",
                                      "*x.example",
                                      "a.*.example",
                                      "*.*.example",
                                      "*.192.0.2.1",
                                      "*.::1",
                                      "example.com/24",
                                      "192.0.2.0/33",
                                      "192.0.2.0/",
                                      "192.0.2.0/-1",
                                      "192.0.2.0/+8",
                                      "192.0.2.0/0x18",
                                      "192.0.2.0/24/24",
                                      "192.0.2.1/24",
                                      "192.0.2.128/24",
                                      "2001:db8::/129",
                                      "2001:db8::1/127",
                                      "fe80::%eth0/10",
                                      "192.0.2/24",
                                      "/8",
                                      "http://example.com",
                                      "example.com:80",
                                      "a b"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct tern_match match;
        struct tern_fault fault;

        if (tern_match_parse(&match, tern_str(bad[i]), &fault) != TERN_ECONFIG)
            fail_msg("%s is taken for a pattern", bad[i]);
        assert_int_equal(fault.error, TERN_ECONFIG);
        assert_true(strlen(fault.text) > 0);
    }
}

/* From the most specific down. */
static void test_ranks(void **state)
{
    static const char *const names[] = {"a.example.com", "*.a.example.com", "*.example.com", "*.com", "*"};
    static const char *const networks[] = {"192.0.2.0",    "192.0.2.0/32", "192.0.2.0/31",
                                           "192.0.2.0/24", "0.0.0.0/0",    "*"};

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(names) / sizeof(names[0]); i++) {
        struct tern_match more = pattern(names[i]), less = pattern(names[i + 1]);

        assert_true(tern_match_rank(&more) > tern_match_rank(&less));
    }
    for (size_t i = 0; i + 1 < sizeof(networks) / sizeof(networks[0]); i++) {
        struct tern_match more = pattern(networks[i]), less = pattern(networks[i + 1]);

        assert_true(tern_match_rank(&more) > tern_match_rank(&less));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_each_bit_of_a_network),
        cmocka_unit_test(test_what_is_no_pattern),
        cmocka_unit_test(test_ranks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
