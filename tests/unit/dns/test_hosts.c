#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rand.h"
#include "dns/hosts.h"
#include "tests/support/faultmem.h"

static struct tern_hosts *parse(const char *text)
{
    struct tern_hosts *hosts;

    assert_int_equal(tern_hosts_parse(tern_str(text), &hosts), TERN_OK);
    return hosts;
}

/* All addresses of name in family, with spaces between them. */
static void expect(const struct tern_hosts *hosts, const char *name, enum tern_ip_family family, const char *wanted)
{
    struct tern_dns_ip ips[TERN_DNS_IPS_MAX];
    size_t count = tern_hosts_find(hosts, tern_str(name), family, ips);
    char found[4096] = "", text[INET6_ADDRSTRLEN];

    for (size_t i = 0; i < count; i++) {
        inet_ntop(family == TERN_IP_V6 ? AF_INET6 : AF_INET, ips[i].bytes, text, sizeof(text));
        snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%s", i != 0 ? " " : "", text);
    }
    assert_string_equal(found, wanted);
}

static void test_lines(void **state)
{
    struct tern_hosts *hosts = parse("# a remark\n"
                                     "127.0.0.1\tlocalhost\n"
                                     "  192.0.2.1   A.Test  alias.test. # b.test\r\n"
                                     "192.0.2.2 a.test\n"
                                     "2001:DB8::1 a.test\n"
                                     "\n"
                                     "192.0.2.3 c.test#d.test\n"
                                     "192.0.2.4\n"
                                     "192.0.2 short.test\n"
                                     "0300.0.2.5 octal.test\n"
                                     "fe80::1%lo zone.test\n"
                                     "nonsense e.test\n"
                                     "192.0.2.6 .\n"
                                     "192.0.2.7 last.test");

    (void)state;
    expect(hosts, "a.test", TERN_IP_V4, "192.0.2.1 192.0.2.2");
    expect(hosts, "a.test", TERN_IP_V6, "2001:db8::1");
    expect(hosts, "alias.test", TERN_IP_V4, "192.0.2.1");
    expect(hosts, "localhost", TERN_IP_V4, "127.0.0.1");
    expect(hosts, "c.test", TERN_IP_V4, "192.0.2.3");
    expect(hosts, "last.test", TERN_IP_V4, "192.0.2.7");
    const char *absent[] = {"b.test", "d.test", "short.test", "octal.test", "zone.test",
                            "e.test", "",       "a.tes",      "a.testx"};
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        expect(hosts, absent[i], TERN_IP_V4, "");
        expect(hosts, absent[i], TERN_IP_V6, "");
    }
    tern_hosts_free(hosts);
}

static void test_bounds(void **state)
{
    char *text = malloc(1 << 20), name[300], line[600];
    size_t len = 0;
    struct tern_dns_ip ips[TERN_DNS_IPS_MAX];
    struct tern_hosts *hosts;

    (void)state;
    assert_non_null(text);
    for (int i = 0; i < TERN_DNS_IPS_MAX + 9; i++)
        len += (size_t)sprintf(text + len, "192.0.2.%d many.test\n", i);
    memset(name, 'x', sizeof(name));
    snprintf(line, sizeof(line), "192.0.2.1 %.253s\n192.0.2.1 %.254s\n", name, name);
    sprintf(text + len, "%s", line);
    hosts = parse(text);
    assert_int_equal(tern_hosts_find(hosts, TERN_STR("many.test"), TERN_IP_V4, ips), TERN_DNS_IPS_MAX);
    assert_int_equal(tern_hosts_find(hosts, (struct tern_str){name, 253}, TERN_IP_V4, ips), 1);
    assert_int_equal(tern_hosts_find(hosts, (struct tern_str){name, 254}, TERN_IP_V4, ips), 0);
    tern_hosts_free(hosts);
    free(text);

    hosts = parse("");
    expect(hosts, "a.test", TERN_IP_V4, "");
    tern_hosts_free(hosts);
    expect(NULL, "a.test", TERN_IP_V4, "");
    tern_hosts_free(NULL);
}

/* Any bytes at all are taken; what is asked for afterwards is found or not, but nothing breaks. */
static void test_any_bytes(void **state)
{
    static const char alphabet[] = "1.2:a \t\n#%\r\0\xff";
    struct tern_rand rand;
    char text[200];

    (void)state;
    tern_rand_seed(&rand, 1);
    for (int round = 0; round < 20000; round++) {
        size_t len = (size_t)tern_rand_below(&rand, sizeof(text));
        struct tern_dns_ip ips[TERN_DNS_IPS_MAX];
        struct tern_hosts *hosts;

        for (size_t i = 0; i < len; i++)
            text[i] = alphabet[tern_rand_below(&rand, sizeof(alphabet) - 1)];
        char *exact = malloc(len + 1); /* so that a read beyond the end is seen */
        assert_non_null(exact);
        memcpy(exact, text, len);
        exact = realloc(exact, len != 0 ? len : 1);
        assert_int_equal(tern_hosts_parse((struct tern_str){exact, len}, &hosts), TERN_OK);
        free(exact);
        tern_hosts_find(hosts, TERN_STR("a"), TERN_IP_V4, ips);
        tern_hosts_free(hosts);
    }
}

static void test_no_memory(void **state)
{
    uint64_t live = faultmem_live();
    struct tern_hosts *hosts;

    (void)state;
    for (uint64_t n = 1;; n++) {
        faultmem_fail_nth(n);
        enum tern_error error = tern_hosts_parse(TERN_STR("192.0.2.1 a b c d e f g h i j k l m n o p q r\n"), &hosts);
        bool failed = faultmem_failed();

        faultmem_never_fail();
        if (!failed) {
            assert_int_equal(error, TERN_OK);
            tern_hosts_free(hosts);
            break;
        }
        assert_int_equal(error, TERN_ENOMEM);
        assert_int_equal(faultmem_live(), live);
    }
    assert_int_equal(faultmem_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_no_memory),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
