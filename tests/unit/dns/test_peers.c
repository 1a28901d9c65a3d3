/* What is remembered of addresses, beside a list that is searched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/rand.h"
#include "base/str.h"
#include "dns/peers.h"
#include "tests/support/faultmem.h"

static const struct tern_hash_seed seed = {7, 11};

static struct tern_sockaddr address(const char *text)
{
    struct tern_sockaddr out;

    assert_true(tern_sockaddr_parse(&out, tern_str(text)));
    return out;
}

static struct tern_sockaddr numbered(uint32_t i)
{
    const uint8_t v4[4] = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
    const uint8_t v6[16] = {0x20, 1, [14] = (uint8_t)(i >> 8), [15] = (uint8_t)i};

    return i % 3 == 0 ? tern_sockaddr_ipv6(v6, 0, 443) : tern_sockaddr_ipv4(v4, 443);
}

static void test_addresses_are_told_apart(void **state)
{
    static const char *const texts[] = {"192.0.2.1:80", "192.0.2.1:81", "192.0.2.2:80", "[2001:db8::1]:80",
                                        "[2001:db8::2]:80"};
    struct tern_dns_peers peers;

    (void)state;
    tern_dns_peers_init(&peers, seed);
    for (size_t i = 0; i < 5; i++) {
        struct tern_sockaddr where = address(texts[i]);

        assert_null(tern_dns_peers_find(&peers, &where));
        tern_dns_peers_set_failed(&peers, &where, 5); /* says nothing of one that is not known */
        assert_null(tern_dns_peers_find(&peers, &where));
        tern_dns_peers_dialled(&peers, &where);
        assert_int_equal(tern_dns_peers_find(&peers, &where)->turn, i + 1);
        assert_int_equal(tern_dns_peers_find(&peers, &where)->failed_until_ns, 0);
    }
    for (size_t i = 0; i < 5; i++) {
        struct tern_sockaddr where = address(texts[i]);

        tern_dns_peers_set_failed(&peers, &where, 100 + i);
    }
    for (size_t i = 0; i < 5; i++) {
        struct tern_sockaddr where = address(texts[i]);

        assert_int_equal(tern_dns_peers_find(&peers, &where)->failed_until_ns, 100 + i);
        tern_dns_peers_dialled(&peers, &where); /* dialling is no news of health */
        assert_int_equal(tern_dns_peers_find(&peers, &where)->failed_until_ns, 100 + i);
        tern_dns_peers_set_failed(&peers, &where, 0);
        assert_int_equal(tern_dns_peers_find(&peers, &where)->failed_until_ns, 0);
    }
    tern_dns_peers_deinit(&peers);
}

#define NUMBERS 2500

/* Of more than TERN_DNS_PEERS_MAX those stay that were dialled last. */
static void test_the_one_dialled_longest_ago_is_forgotten(void **state)
{
    static uint64_t turns[NUMBERS]; /* the model: 0 was never dialled */
    struct tern_dns_peers peers;
    struct tern_rand rand;

    (void)state;
    tern_dns_peers_init(&peers, seed);
    tern_rand_seed(&rand, 8305);
    for (uint64_t turn = 1; turn <= 20000; turn++) {
        uint32_t which = (uint32_t)tern_rand_below(&rand, NUMBERS);
        struct tern_sockaddr where = numbered(which);

        tern_dns_peers_dialled(&peers, &where);
        turns[which] = turn;
        assert_true(peers.count <= TERN_DNS_PEERS_MAX);
        if (turn % 1000 != 0)
            continue;
        for (uint32_t i = 0; i < NUMBERS; i++) {
            const struct tern_dns_peer *peer;
            size_t later = 0;

            where = numbered(i);
            peer = tern_dns_peers_find(&peers, &where);
            for (uint32_t j = 0; j < NUMBERS; j++)
                later += turns[j] > turns[i];
            assert_int_equal(peer != NULL, turns[i] != 0 && later < TERN_DNS_PEERS_MAX);
            assert_true(peer == NULL || peer->turn == turns[i]);
        }
    }
    tern_dns_peers_deinit(&peers);
}

static void test_without_memory_nothing_is_remembered(void **state)
{
    struct tern_sockaddr known = address("192.0.2.1:80"), where = address("192.0.2.2:80");
    uint64_t live = faultmem_live();

    (void)state;
    for (uint64_t n = 1; n <= 3; n++) {
        struct tern_dns_peers peers;

        tern_dns_peers_init(&peers, seed);
        tern_dns_peers_dialled(&peers, &known);
        faultmem_fail_nth(n);
        tern_dns_peers_dialled(&peers, &where);
        assert_int_equal(tern_dns_peers_find(&peers, &where) != NULL, !faultmem_failed() || n > 1);
        faultmem_never_fail();
        tern_dns_peers_dialled(&peers, &known);
        assert_non_null(tern_dns_peers_find(&peers, &known));
        tern_dns_peers_dialled(&peers, &where);
        assert_non_null(tern_dns_peers_find(&peers, &where));
        tern_dns_peers_deinit(&peers);
        assert_int_equal(faultmem_live(), live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_are_told_apart),
        cmocka_unit_test(test_the_one_dialled_longest_ago_is_forgotten),
        cmocka_unit_test(test_without_memory_nothing_is_remembered),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
