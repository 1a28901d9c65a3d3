/* The host normaliser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/host.h"
#include "base/rand.h"
#include "base/str.h"
#include "tests/support/faultmem.h"

static void equivalent_spellings_give_one_host(void **state)
{
    static const struct {
        const char *in, *out;
        enum tern_host_kind kind;
    } table[] = {
        {"example.com", "example.com", TERN_HOST_NAME},
        {"EXAMPLE.com.", "example.com", TERN_HOST_NAME},
        {"a_b.-x-.example", "a_b.-x-.example", TERN_HOST_NAME},
        {"r3---sn.example", "r3---sn.example", TERN_HOST_NAME},
        {"localhost", "localhost", TERN_HOST_NAME},
        {"1.2.3.4.example", "1.2.3.4.example", TERN_HOST_NAME},
        {"0xg", "0xg", TERN_HOST_NAME},
        {"b\xc3\xbc"
         "cher.example",
         "xn--bcher-kva.example", TERN_HOST_NAME},
        {"B\xc3\x9c"
         "CHER.example",
         "xn--bcher-kva.example", TERN_HOST_NAME},
        {"bu\xcc\x88"
         "cher.example",
         "xn--bcher-kva.example", TERN_HOST_NAME}, /* decomposed: NFC makes it one */
        {"XN--BCHER-KVA.example", "xn--bcher-kva.example", TERN_HOST_NAME},
        {"fa\xc3\x9f.example", "xn--fa-hia.example", TERN_HOST_NAME}, /* non-transitional: sharp s stays */
        {"a\xe3\x80\x82"
         "b",
         "a.b", TERN_HOST_NAME},                               /* the ideographic full stop */
        {"\xef\xbd\x81.example", "a.example", TERN_HOST_NAME}, /* a full-width letter */
        {"127.0.0.1", "127.0.0.1", TERN_HOST_IPV4},
        {"127.0.0.1.", "127.0.0.1", TERN_HOST_IPV4},
        {"\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1", "127.0.0.1", TERN_HOST_IPV4}, /* full-width digits */
        {"::1", "::1", TERN_HOST_IPV6},
        {"[::1]", "::1", TERN_HOST_IPV6},
        {"0:0:0:0:0:0:0:1", "::1", TERN_HOST_IPV6},
        {"2001:DB8::0:0Ab", "2001:db8::ab", TERN_HOST_IPV6},
        {"fe80::1%eth0", "fe80::1%eth0", TERN_HOST_IPV6},
        /* RFC 5952 section 4.2: the longest run, the first of equals, never a single group */
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", TERN_HOST_IPV6},
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1", TERN_HOST_IPV6},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", TERN_HOST_IPV6},
        {"1:2:3:4:5:6::", "1:2:3:4:5:6::", TERN_HOST_IPV6},
        {"::", "::", TERN_HOST_IPV6},
        {"::ffff:c000:0201", "::ffff:192.0.2.1", TERN_HOST_IPV6},
        {"::192.0.2.1", "::c000:201", TERN_HOST_IPV6},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct tern_host host;

        assert_int_equal(tern_host_parse(&host, tern_str(table[i].in), NULL), TERN_OK);
        assert_string_equal(host.text, table[i].out);
        assert_int_equal(host.len, strlen(host.text));
        assert_int_equal(host.kind, table[i].kind);
    }
}

static void what_is_no_host_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        ".",
        "..",
        "a..b",
        ".a",
        "a..",
        "a b",
        "a/b",
        "a@b",
        "a%2e",
        "a\\b",
        "a,b",
        "a\"b",
        "a\n",
        "\x7f",
        /* numbers that some read as addresses */
        "127.1",
        "1.2.3",
        "0177.0.0.1",
        "127.0.0.01",
        "0x7f.0.0.1",
        "0x7f000001",
        "2130706433",
        "256.0.0.1",
        "1.2.3.4.5",
        "a.0x",
        "foo.1",
        /* IPv6 */
        "[::1",
        "[]",
        "[",
        "[example.com]",
        "1::2::3",
        ":::",
        "::1%",
        "::1%eth/0",
        "::%aaaaaaaaaabbbbbbbbbbccccccccccdd",
        "12345::",
        "[::1]]",
        "a:80",
        /* IDNA */
        "\xff.example",
        "\xe2\x84\x80.example" /* maps to a/c */,
        "xn--",
        "xn--a",
        "xn--\xc3\xbc",
        "\xc2\xad" /* maps to nothing */,
        "\xf0\x9f\x92\xa9.example",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct tern_host host = {.len = 77};
        struct tern_fault fault = {.error = TERN_OK};

        assert_int_equal(tern_host_parse(&host, tern_str(bad[i]), &fault), TERN_EURL);
        assert_int_equal(fault.error, TERN_EURL);
        assert_memory_equal(fault.text, "host \"", 6);
        assert_int_equal(host.len, 77);
    }
    assert_int_equal(tern_host_parse(&(struct tern_host){.len = 0}, TERN_STR("a\0b"), NULL), TERN_EURL);
    assert_int_equal(tern_host_parse(&(struct tern_host){.len = 0}, TERN_STR("::1\0"), NULL), TERN_EURL);
}

static void the_fault_names_value_and_rule(void **state)
{
    struct tern_host host;
    struct tern_fault fault;

    (void)state;
    assert_int_equal(tern_host_parse(&host, tern_str("a\x01"), &fault), TERN_EURL);
    assert_string_equal(fault.text, "host \"a\\x01\": may hold letters, digits, '-', '_' and '.' only");
    assert_int_equal(tern_host_parse(&host, tern_str("127.1"), &fault), TERN_EURL);
    assert_string_equal(fault.text,
                        "host \"127.1\": ends in a number, but is not an IPv4 address of four decimal numbers");
}

static enum tern_error parse_long(size_t label, size_t total, const char *tail)
{
    char text[2000];
    struct tern_host host;
    size_t len = total + strlen(tail);

    for (size_t i = 0; i < total; i++)
        text[i] = i % (label + 1) == label ? '.' : 'a';
    memcpy(text + total, tail, strlen(tail));
    return tern_host_parse(&host, (struct tern_str){text, len}, NULL);
}

static void lengths_are_limited(void **state)
{
    (void)state;
    assert_int_equal(parse_long(63, 63, ""), TERN_OK);
    assert_int_equal(parse_long(64, 64, ""), TERN_EURL);
    assert_int_equal(parse_long(50, 253, ""), TERN_OK);
    assert_int_equal(parse_long(50, 253, "."), TERN_OK);
    assert_int_equal(parse_long(50, 254, ""), TERN_EURL);
    assert_int_equal(parse_long(50, 1024, ""), TERN_EURL);
    assert_int_equal(parse_long(50, 1900, ""), TERN_EURL);
    assert_int_equal(parse_long(60, 60, "\xc3\xbc"), TERN_EURL); /* 61 letters, but the A-label is longer */
    assert_int_equal(parse_long(50, 1022, "\xc3\xbc"), TERN_EURL);
}

static void addresses_are_in_network_order_and_zones_apart(void **state)
{
    struct tern_host a, b;

    (void)state;
    assert_int_equal(tern_host_parse(&a, tern_str("192.0.2.1"), NULL), TERN_OK);
    assert_memory_equal(a.address, "\xc0\x00\x02\x01", 4);
    assert_int_equal(tern_host_parse(&a, tern_str("fe80::1%eth0"), NULL), TERN_OK);
    assert_memory_equal(a.address, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
    assert_true(tern_str_eq(tern_host_zone(&a), tern_str("eth0")));
    assert_int_equal(tern_host_parse(&b, tern_str("[FE80:0::1%eth0]"), NULL), TERN_OK);
    assert_true(tern_host_eq(&a, &b));
    assert_int_equal(tern_host_parse(&b, tern_str("fe80::1%eth1"), NULL), TERN_OK);
    assert_false(tern_host_eq(&a, &b));
    assert_int_equal(tern_host_parse(&b, tern_str("fe80::1"), NULL), TERN_OK);
    assert_false(tern_host_eq(&a, &b));
    assert_int_equal(tern_host_zone(&b).len, 0);
}

/* Whatever is accepted is accepted again, as itself. The alphabet is made of what has meaning somewhere. */
static void normalising_is_a_fixpoint(void **state)
{
    static const char *const pieces[] = {
        "a",
        "Z",
        "0",
        "1",
        "127",
        "0x",
        ".",
        ".",
        ".",
        "-",
        "--",
        "_",
        "xn--",
        "XN--",
        ":",
        "::",
        "ffff",
        "[",
        "]",
        "%",
        "%25",
        "kva",
        "bcher-kva",
        "\xc3\xbc",
        "\xc3\x9f",
        "\xe1\xba\x9e",
        "\xe3\x80\x82",
        "\xef\xbc\x91",
        "\xe2\x84\x80",
        "\xcc\x88",
        "\xe2\x80\x8d",
        "\xd7\x90",
        "\xd8\xa7",
        "\xc2\xad",
        "\xef\xbd\x81",
        "\xe4\xb8\xad",
        "\xff",
        "@",
        "/",
    };
    struct tern_rand rand;
    unsigned accepted = 0;

    (void)state;
    tern_rand_seed(&rand, 5);
    for (int i = 0; i < 100000; i++) {
        char text[128] = "";
        struct tern_host once, twice;

        for (uint64_t n = 1 + tern_rand_below(&rand, 6), k = 0; k < n; k++)
            strcat(text, pieces[tern_rand_below(&rand, sizeof(pieces) / sizeof(pieces[0]))]);
        if (tern_host_parse(&once, tern_str(text), NULL) != TERN_OK)
            continue;
        accepted++;
        if (tern_host_parse(&twice, tern_host_text(&once), NULL) != TERN_OK || !tern_host_eq(&once, &twice) ||
            memcmp(once.address, twice.address, sizeof(once.address)) != 0)
            fail_msg("\"%s\" becomes \"%s\", which does not stay", text, once.text);
    }
    assert_in_range(accepted, 1000, 99000);
}

static void plain_hosts_allocate_nothing(void **state)
{
    static const char *const hosts[] = {"www.Example.com", "192.0.2.1", "[2001:db8::1]"};
    uint64_t before = faultmem_count();

    (void)state;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
        assert_int_equal(tern_host_parse(&(struct tern_host){.len = 0}, tern_str(hosts[i]), NULL), TERN_OK);
    assert_int_equal(faultmem_count(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equivalent_spellings_give_one_host),
        cmocka_unit_test(what_is_no_host_is_refused),
        cmocka_unit_test(the_fault_names_value_and_rule),
        cmocka_unit_test(lengths_are_limited),
        cmocka_unit_test(addresses_are_in_network_order_and_zones_apart),
        cmocka_unit_test(normalising_is_a_fixpoint),
        cmocka_unit_test(plain_hosts_allocate_nothing),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
