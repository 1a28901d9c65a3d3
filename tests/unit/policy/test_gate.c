/* The gate: which addresses are public, against the registries as they are printed; which URLs pass, against a reading
 * of tern/policy.h in a few lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/num.h"
#include "base/rand.h"
#include "base/str.h"
#include "policy/gate.h"

/* ---- addresses ---- */

enum reach { NO, YES, INSIDE_LAST, INSIDE_6TO4 };

/* IANA's special-purpose address registries for IPv4 and IPv6 (RFC 6890 as updated to 2025), column "Globally
 * Reachable", row by row; and what they leave to others: multicast (RFC 5771, RFC 4291 2.7), and that of IPv6 only
 * 2000::/3 is given out (RFC 3587). The longest prefix that holds an address decides. */
static const struct {
    const char *network;
    enum reach reach;
} registry[] = {
    {"0.0.0.0/0", YES},
    {"0.0.0.0/8", NO},
    {"0.0.0.0/32", NO},
    {"10.0.0.0/8", NO},
    {"100.64.0.0/10", NO},
    {"127.0.0.0/8", NO},
    {"169.254.0.0/16", NO},
    {"172.16.0.0/12", NO},
    {"192.0.0.0/24", NO},
    {"192.0.0.0/29", NO},
    {"192.0.0.8/32", NO},
    {"192.0.0.9/32", YES},
    {"192.0.0.10/32", YES},
    {"192.0.0.170/32", NO},
    {"192.0.0.171/32", NO},
    {"192.0.2.0/24", NO},
    {"192.31.196.0/24", YES},
    {"192.52.193.0/24", YES},
    {"192.88.99.0/24", NO}, /* N/A: deprecated */
    {"192.168.0.0/16", NO},
    {"192.175.48.0/24", YES},
    {"198.18.0.0/15", NO},
    {"198.51.100.0/24", NO},
    {"203.0.113.0/24", NO},
    {"224.0.0.0/4", NO},
    {"240.0.0.0/4", NO},
    {"255.255.255.255/32", NO},

    {"::/0", NO},
    {"2000::/3", YES},
    {"::/128", NO},
    {"::1/128", NO},
    {"::ffff:0:0/96", INSIDE_LAST}, /* the registry has NO; what a system dials is the IPv4 address */
    {"64:ff9b::/96", INSIDE_LAST},  /* RFC 6052 3.1: never for addresses that are not global */
    {"64:ff9b:1::/48", NO},
    {"100::/64", NO},
    {"100:0:0:1::/64", NO},
    {"2001::/23", NO},
    {"2001::/32", NO}, /* N/A: Teredo */
    {"2001:1::1/128", YES},
    {"2001:1::2/128", YES},
    {"2001:1::3/128", YES},
    {"2001:2::/48", NO},
    {"2001:3::/32", YES},
    {"2001:4:112::/48", YES},
    {"2001:10::/28", NO},
    {"2001:20::/28", YES},
    {"2001:30::/28", YES},
    {"2001:db8::/32", NO},
    {"2002::/16", INSIDE_6TO4}, /* N/A: 6to4 */
    {"2620:4f:8000::/48", YES},
    {"3fff::/20", NO},
    {"5f00::/16", NO},
    {"fc00::/7", NO},
    {"fe80::/10", NO},
    {"ff00::/8", NO},
};

#define ROWS (sizeof(registry) / sizeof(registry[0]))

struct row {
    uint8_t address[16];
    size_t len;
    size_t bits;
    enum reach reach;
};

static struct row rows[ROWS];

static int read_registry(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        const char *slash = strchr(registry[i].network, '/');
        struct tern_host host;

        if (tern_host_parse(&host, tern_str_n(registry[i].network, (size_t)(slash - registry[i].network)), NULL) !=
            TERN_OK)
            return -1;
        memcpy(rows[i].address, host.address, 16);
        rows[i].len = host.kind == TERN_HOST_IPV4 ? 4 : 16;
        rows[i].bits = (size_t)atoi(slash + 1);
        rows[i].reach = registry[i].reach;
    }
    return 0;
}

static bool bit_of(const uint8_t *address, size_t i)
{
    return (address[i / 8] >> (7 - i % 8) & 1) != 0;
}

static bool holds(const struct row *row, const uint8_t *address, size_t len)
{
    if (row->len != len)
        return false;
    for (size_t i = 0; i < row->bits; i++)
        if (bit_of(row->address, i) != bit_of(address, i))
            return false;
    return true;
}

static bool oracle(const uint8_t *address, size_t len)
{
    const struct row *best = NULL;

    for (size_t i = 0; i < ROWS; i++)
        if (holds(&rows[i], address, len) && (best == NULL || rows[i].bits >= best->bits))
            best = &rows[i];
    switch (best->reach) {
    case NO:
        return false;
    case YES:
        return true;
    case INSIDE_LAST:
        return oracle(address + 12, 4);
    case INSIDE_6TO4:
        return oracle(address + 2, 4);
    }
    return false;
}

static void same(const uint8_t *address, size_t len)
{
    if (tern_address_is_public(address, len) == oracle(address, len))
        return;
    for (size_t i = 0; i < len; i++)
        print_error("%02x%s", address[i], i + 1 == len ? "\n" : ":");
    fail_msg("the registry says that it is %spublic", oracle(address, len) ? "" : "not ");
}

/* An IPv4 address, and in each IPv6 form that holds one. */
static void same4(const uint8_t *address)
{
    static const uint8_t before[][12] = {{[10] = 0xff, [11] = 0xff},
                                         {0x00, 0x64, 0xff, 0x9b},
                                         {0},                       /* IPv4-compatible, RFC 4291 2.5.5.1 */
                                         {[8] = 0xff, [9] = 0xff}}; /* IPv4-translated, RFC 2765 2.1 */
    uint8_t bytes[16];

    same(address, 4);
    for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
        memcpy(bytes, before[i], 12);
        memcpy(bytes + 12, address, 4);
        same(bytes, 16);
    }
    memset(bytes, 0x11, 16);
    bytes[0] = 0x20;
    bytes[1] = 0x02;
    memcpy(bytes + 2, address, 4);
    same(bytes, 16);
}

static void same_any(const uint8_t *address, size_t len)
{
    if (len == 4)
        same4(address);
    else
        same(address, len);
}

/* One up, or one down; beyond the ends it goes round. */
static void move(uint8_t *address, size_t len, int by)
{
    for (size_t i = len; i-- > 0;) {
        address[i] = (uint8_t)(address[i] + by);
        if (address[i] != (by > 0 ? 0 : 0xff))
            return;
    }
}

static void test_every_edge_of_the_registries(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        uint8_t first[16], last[16];
        size_t len = rows[i].len;

        memcpy(first, rows[i].address, 16);
        memcpy(last, rows[i].address, 16);
        for (size_t bit = rows[i].bits; bit < len * 8; bit++)
            last[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
        same_any(first, len);
        same_any(last, len);
        move(first, len, -1);
        move(last, len, 1);
        same_any(first, len);
        same_any(last, len);
    }
}

/* Within a network, or with one bit of it turned. */
static void test_addresses_at_random(void **state)
{
    struct tern_rand rand;

    (void)state;
    tern_rand_seed(&rand, 6890);
    for (int i = 0; i < 200000; i++) {
        const struct row *row = &rows[tern_rand_below(&rand, ROWS)];
        uint8_t address[16] = {0};

        for (size_t bit = 0; bit < 128; bit++) {
            bool is_set = bit < row->bits ? bit_of(row->address, bit) : tern_rand_below(&rand, 2) != 0;

            address[bit / 8] = (uint8_t)(address[bit / 8] << 1 | is_set);
        }
        if (row->bits > 0 && i % 2 == 0) {
            uint64_t bit = tern_rand_below(&rand, row->bits);

            address[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
        }
        same_any(address, row->len);
    }
}

/* ---- URLs ---- */

static const char *const hosts[] = {"example.com", "api.example.com", "a.api.example.com", "badexample.com",
                                    "192.0.2.7",   "8.8.8.8",         "10.1.2.3",          "[2001:db8::1]",
                                    "[2606::1]",   "[::ffff:7f00:1]"};
static const char *const patterns[] = {"*",         "example.com",  "*.example.com", "*.api.example.com",
                                       "8.8.8.8",   "192.0.2.0/24", "10.0.0.0/8",    "2000::/3",
                                       "0.0.0.0/0", "::/0"};

/* patterns x hosts, by hand. */
static const char matches[][11] = {"1111111111", "1000000000", "0110000000", "0010000000", "0000010000",
                                   "0000100000", "0000001000", "0000000110", "0000111000", "0000000111"};
static const bool is_public[] = {true, true, true, true, false, true, false, false, true, false};

/* What the user's function refuses. */
static const char *refuse_api(void *user, const struct tern_gate_question *question)
{
    (void)user;
    assert_null(question->address);
    assert_int_equal(question->hop, 3);
    assert_true(question->port == 80 || question->port == 443 || question->port == 8080);
    return question->host.len == strlen("api.example.com") &&
                   memcmp(question->host.ptr, "api.example.com", question->host.len) == 0
               ? "not that one"
               : NULL;
}

static void test_urls_at_random(void **state)
{
    static const char *const schemes[] = {"http", "https"};
    static const char *const users[] = {"", "u@", "u:p@"};
    static const char *const ports[] = {"", ":8080"};
    static const uint16_t some_ports[] = {443, 8080};
    struct tern_rand rand;
    uint32_t passed = 0;

    (void)state;
    tern_rand_seed(&rand, 1);
    for (int i = 0; i < 20000; i++) {
        uint64_t dice = tern_rand_next(&rand);
        size_t host = tern_rand_below(&rand, 10), allow = tern_rand_below(&rand, 10), deny = tern_rand_below(&rand, 10);
        bool tls = dice & 1, user = dice & 2, port = dice & 4;
        const char *allows[] = {patterns[allow]}, *denies[] = {"denied.example", patterns[deny]};
        struct tern_gate config = {.https_only = dice & 8,
                                   .refuse_userinfo = dice & 16,
                                   .ports = some_ports,
                                   .port_count = dice >> 5 & 1   ? 0
                                                 : dice >> 6 & 1 ? 1
                                                                 : 2,
                                   .allow = allows,
                                   .allow_count = dice >> 7 & 1,
                                   .deny = denies,
                                   .deny_count = dice >> 8 & 3 ? 0 : 2,
                                   .public_only = dice >> 10 & 1,
                                   .check = dice >> 11 & 1 ? refuse_api : NULL};
        uint16_t number = port ? 8080 : tls ? 443 : 80;
        bool may = (tls || !config.https_only) && (!user || !config.refuse_userinfo) &&
                   (config.port_count == 0 || number == 443 || (number == 8080 && config.port_count == 2)) &&
                   (config.deny_count == 0 || matches[deny][host] == '0') &&
                   (config.allow_count == 0 || matches[allow][host] == '1') &&
                   (is_public[host] || !config.public_only) && (config.check == NULL || host != 1);
        struct tern_gate_rules rules;
        struct tern_keep keep = {0};
        struct tern_url url = {0};
        char text[128];

        snprintf(text, sizeof(text), "%s://%s%s%s/", schemes[tls], users[user ? 1 + (dice >> 12 & 1) : 0], hosts[host],
                 ports[port]);
        assert_int_equal(tern_url_parse(&url, tern_str(text), NULL), TERN_OK);
        assert_int_equal(tern_gate_compile(&rules, &config, &keep, NULL), TERN_OK);
        if ((tern_gate_refuses_url(&rules, &url, 3) == NULL) != may)
            fail_msg("%s: %s", text, may ? "should pass" : "should not pass");
        passed += may;
        tern_url_deinit(&url);
        tern_keep_deinit(&keep);
    }
    assert_in_range(passed, 2000, 12000); /* it was worth asking */
}

static const char *refuse_address(void *user, const struct tern_gate_question *question)
{
    (void)user;
    return strcmp(question->address, "8.8.8.8:53") == 0 ? "not that one" : NULL;
}

static void test_addresses_are_judged_by_themselves(void **state)
{
    static const uint8_t eight[] = {8, 8, 8, 8}, ten[] = {10, 0, 0, 1};
    const struct tern_gate_question question = {.host = TERN_STR("denied.example"), .address = "8.8.8.8:53"};
    const char *denies[] = {"*"};
    struct tern_gate_rules rules;
    struct tern_keep keep = {0};

    (void)state;
    assert_int_equal(tern_gate_compile(&rules, &(struct tern_gate){.deny = denies, .deny_count = 1}, &keep, NULL),
                     TERN_OK);
    assert_null(tern_gate_refuses_address(&rules, &question, eight, 4)); /* the URL was asked about before */
    assert_null(tern_gate_refuses_address(&rules, &question, ten, 4));
    assert_int_equal(tern_gate_compile(&rules, &(struct tern_gate){.public_only = true}, &keep, NULL), TERN_OK);
    assert_null(tern_gate_refuses_address(&rules, &question, eight, 4));
    assert_non_null(tern_gate_refuses_address(&rules, &question, ten, 4));
    assert_int_equal(tern_gate_compile(&rules, &(struct tern_gate){.check = refuse_address}, &keep, NULL), TERN_OK);
    assert_string_equal(tern_gate_refuses_address(&rules, &question, eight, 4), "not that one");
    tern_keep_deinit(&keep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_edge_of_the_registries),
        cmocka_unit_test(test_addresses_at_random),
        cmocka_unit_test(test_urls_at_random),
        cmocka_unit_test(test_addresses_are_judged_by_themselves),
    };

    return cmocka_run_group_tests(tests, read_registry, NULL);
}
