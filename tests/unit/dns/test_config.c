/* What a tern_dns_config may be, and what is said about one that may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns/config.h"

static void test_defaults(void **state)
{
    struct tern_dns_settings settings;

    (void)state;
    assert_int_equal(tern_dns_settings_init(&settings, NULL, NULL), TERN_OK);
    assert_null(settings.servers);
    assert_string_equal(settings.hosts_path, "/etc/hosts");
    assert_int_equal(settings.timeout_ns, 2 * TERN_S);
    assert_int_equal(settings.tries, 3);
    assert_int_equal(settings.entries_max, 2 * 1024);
    assert_int_equal(settings.ttl_ns_max, 3600 * TERN_S);
    assert_int_equal(settings.negative_ns, 5 * TERN_S);
    tern_dns_settings_deinit(&settings);
}

static void test_servers(void **state)
{
    static const struct {
        const char *servers, *canonical; /* NULL: refused, and then fault is the text */
        const char *fault;
    } rows[] = {
        {"192.0.2.53", "192.0.2.53:53", NULL},
        {"192.0.2.53:5353", "192.0.2.53:5353", NULL},
        {"2001:DB8:0::53", "[2001:db8::53]:53", NULL},
        {"[2001:db8::53]", "[2001:db8::53]:53", NULL},
        {"[2001:db8::53]:5353", "[2001:db8::53]:5353", NULL},
        {" 192.0.2.1 , [::1]:54,::2\t", "192.0.2.1:53,[::1]:54,[::2]:53", NULL},
        {"192.0.2.53:0", NULL, "dns.servers \"192.0.2.53:0\": the port must be 1 to 65535"},
        {"192.0.2.53:65536", NULL, "dns.servers \"192.0.2.53:65536\": the port must be 1 to 65535"},
        {"192.0.2.53:", NULL, "dns.servers \"192.0.2.53:\": the port must be 1 to 65535"},
        {"[::1]:x", NULL, "dns.servers \"[::1]:x\": the port must be 1 to 65535"},
        {"ns.test", NULL, "dns.servers \"ns.test\": must be an IPv4 or IPv6 address without a zone"},
        {"fe80::1%eth0", NULL, "dns.servers \"fe80::1%eth0\": must be an IPv4 or IPv6 address without a zone"},
        {"", NULL, "dns.servers \"\": must be an IPv4 or IPv6 address without a zone"},
        {"192.0.2.1,", NULL, "dns.servers \"\": must be an IPv4 or IPv6 address without a zone"},
        {"127.1", NULL, "dns.servers \"127.1\": must be an IPv4 or IPv6 address without a zone"},
        {"[::1", NULL, "dns.servers \"[::1\": must be an IPv4 or IPv6 address without a zone"},
        {"[::1]53", NULL, "dns.servers \"[::1]53\": must be an IPv4 or IPv6 address without a zone"},
        {"a\n\"b", NULL, "dns.servers \"a\\x0a\\\"b\": must be an IPv4 or IPv6 address without a zone"},
        {"::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1", NULL,
         "dns.servers \"::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1\": at most 16 servers"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tern_dns_config config = {.servers = rows[i].servers, .hosts_path = ""};
        struct tern_dns_settings settings;
        struct tern_fault why;
        enum tern_error error = tern_dns_settings_init(&settings, &config, &why);

        if (rows[i].canonical == NULL) {
            assert_int_equal(error, TERN_ECONFIG);
            assert_string_equal(why.text, rows[i].fault);
            continue;
        }
        assert_int_equal(error, TERN_OK);
        assert_string_equal(settings.servers, rows[i].canonical);
        assert_null(settings.hosts_path);
        tern_dns_settings_deinit(&settings);
    }
}

static void expect_refused(const struct tern_dns_config *config, const char *text)
{
    struct tern_dns_settings settings;
    struct tern_fault why;

    assert_int_equal(tern_dns_settings_init(&settings, config, &why), TERN_ECONFIG);
    assert_int_equal(why.error, TERN_ECONFIG);
    assert_string_equal(why.text, text);
    assert_int_equal(tern_dns_settings_init(&settings, config, NULL), TERN_ECONFIG);
}

static void test_numbers(void **state)
{
    (void)state;
    expect_refused(&(struct tern_dns_config){.timeout_ns = 1}, "dns.timeout_ns 1: must be 1 ms to 60 s");
    expect_refused(&(struct tern_dns_config){.timeout_ns = TERN_OFF},
                   "dns.timeout_ns 18446744073709551615: must be 1 ms to 60 s");
    expect_refused(&(struct tern_dns_config){.tries = 11}, "dns.tries 11: must be 1 to 10");
}

static void test_overrides(void **state)
{
    const char *good[] = {"192.0.2.1"}, *bad[] = {"192.0.2.1", "a.test"};
    struct tern_resolve_override override = {.host = "a.test", .addresses = good, .address_count = 0};
    struct tern_dns_config config = {.hosts_path = "", .overrides = &override, .override_count = 1};

    (void)state;
    expect_refused(&config, "dns.overrides \"a.test\": must have 1 to 128 addresses");
    override.address_count = 129;
    expect_refused(&config, "dns.overrides \"a.test\": must have 1 to 128 addresses");
    override.addresses = bad;
    override.address_count = 2;
    expect_refused(&config, "dns.overrides \"a.test\": must be an IPv4 or IPv6 address without a zone");
    override.host = "a b";
    struct tern_dns_settings settings;
    struct tern_fault why;
    assert_int_equal(tern_dns_settings_init(&settings, &config, &why), TERN_ECONFIG);
    assert_non_null(strstr(why.text, "dns.overrides: "));
    assert_non_null(strstr(why.text, "a b"));
    override.host = NULL;
    assert_int_equal(tern_dns_settings_init(&settings, &config, &why), TERN_ECONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_servers),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_overrides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
