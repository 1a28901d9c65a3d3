/* Addresses: read, printed, compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "engine/addr.h"

static void test_read_and_print(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int family;
        uint16_t port;
    } good[] = {
        {"192.0.2.1:80", AF_INET, 80},
        {"0.0.0.0:0", AF_INET, 0},
        {"[2001:db8::1]:443", AF_INET6, 443},
        {"[::]:65535", AF_INET6, 65535},
        {"[fe80::1%2]:80", AF_INET6, 80},
        {"unix:/run/a.sock", AF_UNIX, 0},
        {"unix:@hidden", AF_UNIX, 0},
        {"255.255.255.255:65535", AF_INET, 65535},
        {"[1234:5678:9abc:def0:1020:304:50:6]:1", AF_INET6, 1},
        {"[::ffff:192.0.2.1]:80", AF_INET6, 80},
        {"[fedc:ba98:7654:3210:fedc:ba98:7654:3210%4294967295]:65535", AF_INET6, 65535},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct tern_sockaddr addr, again;
        char text[TERN_SOCKADDR_TEXT_MAX];
        assert_true(tern_sockaddr_parse(&addr, tern_str(good[i].text)));
        assert_int_equal(tern_sockaddr_family(&addr), good[i].family);
        assert_int_equal(tern_sockaddr_port(&addr), good[i].port);
        assert_int_equal(tern_sockaddr_print(&addr, text, sizeof text), strlen(good[i].text));
        assert_string_equal(text, good[i].text);
        assert_true(tern_sockaddr_parse(&again, tern_str(text)));
        assert_true(tern_sockaddr_equal(&addr, &again));
        for (size_t k = 0; k < i; k++) {
            assert_true(tern_sockaddr_parse(&again, tern_str(good[k].text)));
            assert_false(tern_sockaddr_equal(&addr, &again));
        }
    }
}

static void test_what_is_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "192.0.2.1",
        "192.0.2.1:",
        "192.0.2.1:65536",
        "192.0.2.1:-1",
        "192.0.2.1: 1",
        "192.0.2:80",
        "192.0.2.01",
        "192.0.2.1.1:80",
        "[::1]",
        "[::1]80",
        "[::1:80",
        "::1:80",
        "[::1%]:80",
        "[::1%a]:80",
        "[192.0.2.1]:80",
        "host:80",
        "unix:",
        "unix:@",
        ":80",
        "[]:80",
        "[::1%4294967296]:80",
        "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:80",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tern_sockaddr addr;
        assert_false(tern_sockaddr_parse(&addr, tern_str(bad[i])));
    }
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct tern_sockaddr addr;
    memset(path, 'p', sizeof path);
    assert_false(tern_sockaddr_unix(&addr, (struct tern_str){path, sizeof path}));
    assert_true(tern_sockaddr_unix(&addr, (struct tern_str){path, sizeof path - 1}));
    assert_false(tern_sockaddr_unix(&addr, (struct tern_str){"a\0b", 3}));
}

static void test_print_escapes_and_cuts(void **state)
{
    (void)state;
    struct tern_sockaddr addr, none = {0};
    char text[TERN_SOCKADDR_TEXT_MAX];
    assert_true(tern_sockaddr_unix(&addr, TERN_STR("/a\n\x1b\\b\xff")));
    tern_sockaddr_print(&addr, text, sizeof text);
    assert_string_equal(text, "unix:/a\\x0a\\x1b\\x5cb\\xff");
    assert_int_equal(tern_sockaddr_print(&addr, text, 10), 7);
    assert_string_equal(text, "unix:/a");
    assert_int_equal(tern_sockaddr_print(&addr, text, 3), 2);
    assert_string_equal(text, "un");
    assert_true(tern_sockaddr_parse(&addr, TERN_STR("192.0.2.1:80")));
    assert_int_equal(tern_sockaddr_print(&addr, text, 6), 5);
    assert_string_equal(text, "192.0");
    assert_int_equal(tern_sockaddr_print(&addr, text, 12), 11);
    assert_string_equal(text, "192.0.2.1:8");
    assert_int_equal(tern_sockaddr_print(&addr, text, 13), 12);
    assert_string_equal(text, "192.0.2.1:80");
    assert_int_equal(tern_sockaddr_print(&addr, text, 0), 0);
    tern_sockaddr_print(&none, text, sizeof text);
    assert_string_equal(text, "no address");
}

static void test_ports(void **state)
{
    (void)state;
    struct tern_sockaddr addr = tern_sockaddr_ipv6((const uint8_t[16]){[15] = 1}, 0, 80);
    char text[TERN_SOCKADDR_TEXT_MAX];
    tern_sockaddr_set_port(&addr, 81);
    tern_sockaddr_print(&addr, text, sizeof text);
    assert_string_equal(text, "[::1]:81");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_and_print),
        cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_print_escapes_and_cuts),
        cmocka_unit_test(test_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
