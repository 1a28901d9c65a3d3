/* Orders of addresses: the tables of RFC 6724 section 10.2, and the interleaving of RFC 8305 section 4. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns/sort.h"

static void parse(const char *text, bool *is_ipv6, struct tern_dns_ip *out)
{
    *is_ipv6 = strchr(text, ':') != NULL;
    *out = (struct tern_dns_ip){{0}};
    assert_int_equal(inet_pton(*is_ipv6 ? AF_INET6 : AF_INET, text, out->bytes), 1);
}

static struct tern_dns_address address(const char *destination, const char *source)
{
    struct tern_dns_address made = {.is_probed = true, .has_source = source != NULL};
    bool is_ipv6;

    parse(destination, &made.is_ipv6, &made.ip);
    if (source != NULL) {
        parse(source, &is_ipv6, &made.source);
        assert_int_equal(is_ipv6, made.is_ipv6);
    }
    return made;
}

static void expect(const struct tern_dns_address *list, size_t count, const char *const *destinations)
{
    for (size_t i = 0; i < count; i++) {
        char text[INET6_ADDRSTRLEN];

        inet_ntop(list[i].is_ipv6 ? AF_INET6 : AF_INET, list[i].ip.bytes, text, sizeof(text));
        assert_string_equal(text, destinations[i]);
    }
}

/* The better of two, whichever way round they come. */
static void test_rules(void **state)
{
    static const struct {
        const char *first, *first_source, *second, *second_source;
    } rows[] = {
        /* RFC 6724 section 10.2, in its order. The rows on deprecated, home and tunnelled addresses need netlink. */
        {"2001:db8:1::1", "2001:db8:1::2", "198.51.100.121", "169.254.13.78"},            /* scope */
        {"198.51.100.121", "198.51.100.117", "2001:db8:1::1", "fe80::1"},                 /* scope */
        {"2001:db8:1::1", "2001:db8:1::2", "10.1.2.3", "10.1.2.4"},                       /* precedence */
        {"fe80::1", "fe80::2", "2001:db8:1::1", "2001:db8:1::2"},                         /* smaller scope */
        {"2001:db8:1::1", "2001:db8:1::2", "2001:db8:3ffe::1", "2001:db8:3f44::2"},       /* longest prefix */
        {"2002:c633:6401::1", "2002:c633:6401::2", "2001:db8:1::1", "2002:c633:6401::2"}, /* label */
        {"2001:db8:1::1", "2001:db8:1::2", "2002:c633:6401::1", "2002:c633:6401::2"},     /* precedence */
        /* Rule 1, and one row for each line of the policy table. */
        {"192.0.2.1", "192.0.2.2", "2001:db8::1", NULL},
        {"198.51.100.1", "169.254.1.1", "::192.0.2.1", NULL},
        {"::1", "::1", "127.0.0.1", "127.0.0.1"},
        {"127.0.0.1", "127.0.0.1", "192.0.2.1", "192.0.2.2"},
        {"192.0.2.1", "192.0.2.2", "2001::1", "2001::2"},
        {"192.0.2.1", "192.0.2.2", "fc00::1", "fc00::2"},
        {"fc00::1", "fc00::2", "3ffe::1", "3ffe::2"},
        {"2002::1", "2002::2", "2001::1", "2001::2"},
        {"192.0.2.1", "192.0.2.2", "::192.0.2.1", "::192.0.2.2"},
        {"fec0::1", "fec0::2", "3ffe::1", "3ffe::2"}, /* equal precedence: scope */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *wanted[] = {rows[i].first, rows[i].second};
        struct tern_dns_address list[2] = {address(rows[i].first, rows[i].first_source),
                                           address(rows[i].second, rows[i].second_source)};
        struct tern_dns_address swapped[2] = {list[1], list[0]};

        tern_dns_sort(list, 2);
        expect(list, 2, wanted);
        tern_dns_sort(swapped, 2);
        expect(swapped, 2, wanted);
    }
}

/* What no rule tells apart keeps its order: IPv4 servers of equal rank, and IPv6 that differ in the host's part
 * only. */
static void test_is_stable(void **state)
{
    const char *wanted[] = {"2001:db8::ff00", "2001:db8::1",  "2001:db8::ff01", "203.0.113.9",
                            "192.0.2.1",      "198.51.100.7", "203.0.113.1"};
    struct tern_dns_address list[7];

    (void)state;
    for (size_t i = 0; i < 7; i++) /* IPv4 first, each family in the order that is wanted */
        list[i] = i < 4 ? address(wanted[i + 3], "203.0.113.2") : address(wanted[i - 4], "2001:db8::2");
    tern_dns_sort(list, 7);
    expect(list, 7, wanted);
}

static void test_interleave(void **state)
{
    static const struct {
        const char *before, *after; /* letters are IPv4, digits IPv6 */
        bool first_is_ipv6;
    } rows[] = {
        {"123ab", "1a2b3", true},  {"123ab", "a1b23", false}, {"ab12", "1a2b", true}, {"ab12", "a1b2", false},
        {"abc", "abc", true},      {"123", "123", false},     {"a1", "a1", false},    {"", "", true},
        {"abcd1", "a1bcd", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t count = strlen(rows[i].before);
        struct tern_dns_address list[8] = {0};

        for (size_t at = 0; at < count; at++) {
            list[at].is_ipv6 = rows[i].before[at] < 'a';
            list[at].ip.bytes[0] = (uint8_t)rows[i].before[at];
        }
        tern_dns_interleave(list, count, rows[i].first_is_ipv6);
        for (size_t at = 0; at < count; at++)
            assert_int_equal(list[at].ip.bytes[0], rows[i].after[at]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_is_stable),
        cmocka_unit_test(test_interleave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
