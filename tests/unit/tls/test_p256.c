/* ECDSA with P-256 of the private mbedTLS: RFC 6979's vectors, and where tools/mbedtls has its own arithmetic, that one
 * against mbedTLS's. Its file is compiled in here, so that it runs under the sanitizers. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS /* to points and groups, as tools/mbedtls has it */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <mbedtls/ecdsa.h>
#include <mbedtls/platform.h>

#include "base/mem.h"
#include "base/rand.h"
#include "tests/support/faultmem.h"

enum { BYTES = 32 };

static mbedtls_ecp_group group;

/* RFC 6979 A.2.5, SHA-256: the key, and the messages "sample" and "test". */
static const char key_x[] = "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6";
static const char key_y[] = "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299";
static const struct {
    const char *hash, *r, *s;
} vectors[] = {
    {"AF2BDBE1AA9B6EC1E2ADE1D694F41FC71A831D0268E9891562113D8A62ADD1BF",
     "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
     "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"},
    {"9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08",
     "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367",
     "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083"},
};

static void rfc_6979(void **state)
{
    mbedtls_ecp_point key;
    mbedtls_mpi hash, r, s;
    unsigned char bytes[BYTES];

    (void)state;
    mbedtls_ecp_point_init(&key);
    mbedtls_mpi_init(&hash);
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
    assert_int_equal(mbedtls_ecp_point_read_string(&key, 16, key_x, key_y), 0);
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        assert_int_equal(mbedtls_mpi_read_string(&hash, 16, vectors[i].hash), 0);
        assert_int_equal(mbedtls_mpi_read_string(&r, 16, vectors[i].r), 0);
        assert_int_equal(mbedtls_mpi_read_string(&s, 16, vectors[i].s), 0);
        assert_int_equal(mbedtls_mpi_write_binary(&hash, bytes, BYTES), 0);
        assert_int_equal(mbedtls_ecdsa_verify(&group, bytes, BYTES, &key, &r, &s), 0);
        for (size_t bit = 0; bit < 8 * BYTES; bit++) {
            bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
            assert_int_equal(mbedtls_ecdsa_verify(&group, bytes, BYTES, &key, &r, &s), MBEDTLS_ERR_ECP_VERIFY_FAILED);
            bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
        assert_int_equal(mbedtls_mpi_add_int(&s, &s, 1), 0);
        assert_int_equal(mbedtls_ecdsa_verify(&group, bytes, BYTES, &key, &r, &s), MBEDTLS_ERR_ECP_VERIFY_FAILED);
    }
    /* A key that is no point of the curve. */
    assert_int_equal(mbedtls_mpi_add_int(&key.Y, &key.Y, 1), 0);
    assert_int_equal(mbedtls_ecdsa_verify(&group, bytes, BYTES, &key, &r, &r), MBEDTLS_ERR_ECP_INVALID_KEY);
    mbedtls_mpi_free(&s);
    mbedtls_mpi_free(&r);
    mbedtls_mpi_free(&hash);
    mbedtls_ecp_point_free(&key);
}

#if defined(MBEDTLS_GCM_ALT)    /* the accelerators come together */
#include "tools/mbedtls/p256.c" /* NOLINT(bugprone-suspicious-include) */

#include "tools/mbedtls/ecp_soft.h"

static struct tern_rand dice;

static int roll(void *context, unsigned char *bytes, size_t len)
{
    (void)context;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)tern_rand_next(&dice);
    return 0;
}

/* ---- the field ---- */

static void read_limbs(mbedtls_mpi *out, const uint64_t limbs[4])
{
    assert_int_equal(mbedtls_mpi_read_binary_le(out, (const unsigned char *)limbs, BYTES), 0);
}

/* out = want modulo p. */
static void assert_field(const uint64_t out[4], mbedtls_mpi *want)
{
    unsigned char bytes[BYTES];

    assert_int_equal(mbedtls_mpi_mod_mpi(want, want, &group.P), 0);
    assert_int_equal(mbedtls_mpi_write_binary_le(want, bytes, BYTES), 0);
    assert_memory_equal(out, bytes, BYTES);
}

static void compare_field(const uint64_t a[4], const uint64_t b[4])
{
    mbedtls_mpi x, y, want, radix;
    uint64_t out[4];

    mbedtls_mpi_init(&x);
    mbedtls_mpi_init(&y);
    mbedtls_mpi_init(&want);
    mbedtls_mpi_init(&radix);
    read_limbs(&x, a);
    read_limbs(&y, b);
    add(out, a, b);
    assert_int_equal(mbedtls_mpi_add_mpi(&want, &x, &y), 0);
    assert_field(out, &want);
    sub(out, a, b);
    assert_int_equal(mbedtls_mpi_sub_mpi(&want, &x, &y), 0);
    assert_field(out, &want);
    /* mul divides by 2^256. */
    mul(out, a, b);
    assert_int_equal(mbedtls_mpi_lset(&radix, 1), 0);
    assert_int_equal(mbedtls_mpi_shift_l(&radix, 8 * BYTES), 0);
    assert_int_equal(mbedtls_mpi_inv_mod(&radix, &radix, &group.P), 0);
    assert_int_equal(mbedtls_mpi_mul_mpi(&want, &x, &y), 0);
    assert_int_equal(mbedtls_mpi_mul_mpi(&want, &want, &radix), 0);
    assert_field(out, &want);
    mbedtls_mpi_free(&radix);
    mbedtls_mpi_free(&want);
    mbedtls_mpi_free(&y);
    mbedtls_mpi_free(&x);
}

/* Each limb one of those where a carry is made, passed on, or not; pairs of those numbers that are below p. */
static void carries(void **state)
{
    static const uint64_t edges[] = {0, 1, 0xffffffff, 0xffffffff00000000, 0xffffffff00000001, 0xffffffffffffffff};
    enum { EDGES = 6, COUNT = EDGES * EDGES * EDGES * EDGES };
    static uint64_t numbers[COUNT][4];
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        uint64_t less[4], *number = numbers[count];
        uint64_t at[] = {i % EDGES, i / EDGES % EDGES, i / EDGES / EDGES % EDGES, i / EDGES / EDGES / EDGES};

        for (int j = 0; j < 4; j++)
            number[j] = edges[at[j]];
        reduce(less, number, 0);
        count += memcmp(less, number, sizeof(less)) == 0;
    }
    assert_in_range(count, COUNT / 2, COUNT);
    for (size_t i = 0; i < count; i++)
        for (size_t j = i % 64; j < count; j += 64)
            compare_field(numbers[i], numbers[j]);
}

static void inverse(void **state)
{
    uint64_t a[4], out[4];

    (void)state;
    for (int i = 0; i < 50; i++) {
        roll(NULL, (unsigned char *)a, sizeof(a));
        a[3] >>= 1;
        invert(out, a);
        mul(out, out, a);
        assert_memory_equal(out, one, sizeof(one));
    }
}

/* ---- the curve ---- */

/* m G + n Q by both. */
static void compare_sum(const mbedtls_mpi *m, const mbedtls_mpi *n, const mbedtls_ecp_point *q)
{
    mbedtls_ecp_point ours, theirs;

    mbedtls_ecp_point_init(&ours);
    mbedtls_ecp_point_init(&theirs);
    assert_int_equal(mbedtls_ecp_muladd(&group, &ours, m, &group.G, n, q), 0);
    assert_int_equal(tern_ecp_soft_muladd_restartable(&group, &theirs, m, &group.G, n, q, NULL), 0);
    if (mbedtls_ecp_is_zero(&theirs))
        assert_true(mbedtls_ecp_is_zero(&ours));
    else
        assert_int_equal(mbedtls_ecp_point_cmp(&ours, &theirs), 0);
    mbedtls_ecp_point_free(&theirs);
    mbedtls_ecp_point_free(&ours);
}

static void as_mbedtls(void **state)
{
    mbedtls_ecp_point q;
    mbedtls_mpi m, n;

    (void)state;
    mbedtls_ecp_point_init(&q);
    mbedtls_mpi_init(&m);
    mbedtls_mpi_init(&n);
    for (int i = 0; i < 64; i++) {
        assert_int_equal(mbedtls_ecp_gen_keypair(&group, &m, &q, roll, NULL), 0);
        assert_int_equal(mbedtls_ecp_gen_privkey(&group, &m, roll, NULL), 0);
        assert_int_equal(mbedtls_ecp_gen_privkey(&group, &n, roll, NULL), 0);
        if (i % 4 == 1) { /* long runs of ones and of zeros */
            assert_int_equal(mbedtls_mpi_shift_r(&m, (size_t)i), 0);
            assert_int_equal(mbedtls_mpi_lset(&n, 1), 0);
            assert_int_equal(mbedtls_mpi_shift_l(&n, (size_t)i), 0);
            assert_int_equal(mbedtls_mpi_sub_int(&n, &n, 1), 0);
            assert_int_equal(mbedtls_mpi_add_int(&m, &m, 1), 0);
        }
        compare_sum(&m, &n, &q);
    }
    mbedtls_mpi_free(&n);
    mbedtls_mpi_free(&m);
    mbedtls_ecp_point_free(&q);
}

/* Q = G and Q = -G with factors whose sum or difference is small or the order: doublings and the point at infinity. */
static void special_sums(void **state)
{
    mbedtls_ecp_point q;
    mbedtls_mpi m, n;

    (void)state;
    mbedtls_ecp_point_init(&q);
    mbedtls_mpi_init(&m);
    mbedtls_mpi_init(&n);
    for (int is_opposite = 0; is_opposite < 2; is_opposite++) {
        assert_int_equal(mbedtls_ecp_copy(&q, &group.G), 0);
        if (is_opposite)
            assert_int_equal(mbedtls_mpi_sub_mpi(&q.Y, &group.P, &q.Y), 0);
        for (int i = 1; i < 40; i++) {
            for (int j = 1; j < 40; j += 13) {
                assert_int_equal(mbedtls_mpi_lset(&m, i), 0);
                assert_int_equal(mbedtls_mpi_lset(&n, j), 0);
                compare_sum(&m, &n, &q);
            }
            assert_int_equal(mbedtls_mpi_sub_int(&n, &group.N, i), 0);
            compare_sum(&m, &n, &q);
            compare_sum(&n, &m, &q);
            compare_sum(&n, &n, &q);
        }
    }
    mbedtls_mpi_free(&n);
    mbedtls_mpi_free(&m);
    mbedtls_ecp_point_free(&q);
}

/* m G + n Q whose x is the order or more, which the signature's r is not. One in 2^128: so it is made backwards. */
static void beyond_the_order(void **state)
{
    mbedtls_ecp_point sum, q;
    mbedtls_mpi m, n, x, r, s, hash;
    unsigned char bytes[1 + BYTES];

    (void)state;
    mbedtls_ecp_point_init(&sum);
    mbedtls_ecp_point_init(&q);
    mbedtls_mpi_init(&m);
    mbedtls_mpi_init(&n);
    mbedtls_mpi_init(&x);
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
    mbedtls_mpi_init(&hash);
    for (int i = 1; i <= 20; i++) {
        assert_int_equal(mbedtls_ecp_gen_privkey(&group, &m, roll, NULL), 0);
        assert_int_equal(mbedtls_ecp_gen_privkey(&group, &n, roll, NULL), 0);
        assert_int_equal(mbedtls_mpi_lset(&r, 100 * i), 0);
        do {
            assert_int_equal(mbedtls_mpi_add_int(&r, &r, 1), 0);
            assert_int_equal(mbedtls_mpi_add_mpi(&x, &group.N, &r), 0);
            bytes[0] = (unsigned char)(2 + i % 2);
            assert_int_equal(mbedtls_mpi_write_binary(&x, bytes + 1, BYTES), 0);
        } while (mbedtls_ecp_point_read_binary(&group, &sum, bytes, sizeof(bytes)) != 0 ||
                 mbedtls_ecp_check_pubkey(&group, &sum) != 0);
        /* Q = sum / n - (m / n) G */
        assert_int_equal(mbedtls_mpi_inv_mod(&s, &n, &group.N), 0);
        assert_int_equal(mbedtls_mpi_mul_mpi(&x, &m, &s), 0);
        assert_int_equal(mbedtls_mpi_mod_mpi(&x, &x, &group.N), 0);
        assert_int_equal(mbedtls_mpi_sub_mpi(&x, &group.N, &x), 0);
        assert_int_equal(tern_ecp_soft_muladd_restartable(&group, &q, &s, &sum, &x, &group.G, NULL), 0);
        compare_sum(&m, &n, &q);
        /* The signature that comes to these: s = r / n, hash = m s. */
        assert_int_equal(mbedtls_mpi_mul_mpi(&s, &s, &r), 0);
        assert_int_equal(mbedtls_mpi_mod_mpi(&s, &s, &group.N), 0);
        assert_int_equal(mbedtls_mpi_mul_mpi(&hash, &m, &s), 0);
        assert_int_equal(mbedtls_mpi_mod_mpi(&hash, &hash, &group.N), 0);
        assert_int_equal(mbedtls_mpi_write_binary(&hash, bytes, BYTES), 0);
        assert_int_equal(mbedtls_ecdsa_verify(&group, bytes, BYTES, &q, &r, &s), 0);
        assert_int_equal(mbedtls_ecdsa_verify(&group, bytes, BYTES, &q, &sum.X, &s), MBEDTLS_ERR_ECP_VERIFY_FAILED);
        bytes[BYTES - 1] ^= 1;
        assert_int_equal(mbedtls_ecdsa_verify(&group, bytes, BYTES, &q, &r, &s), MBEDTLS_ERR_ECP_VERIFY_FAILED);
    }
    mbedtls_mpi_free(&hash);
    mbedtls_mpi_free(&s);
    mbedtls_mpi_free(&r);
    mbedtls_mpi_free(&x);
    mbedtls_mpi_free(&n);
    mbedtls_mpi_free(&m);
    mbedtls_ecp_point_free(&q);
    mbedtls_ecp_point_free(&sum);
}

/* What mbedTLS refuses, or does without multiplying, is as before. */
static void refused(void **state)
{
    mbedtls_ecp_point out, q;
    mbedtls_mpi m, n;

    (void)state;
    mbedtls_ecp_point_init(&out);
    mbedtls_ecp_point_init(&q);
    mbedtls_mpi_init(&m);
    mbedtls_mpi_init(&n);
    assert_int_equal(mbedtls_ecp_copy(&q, &group.G), 0);
    assert_int_equal(mbedtls_mpi_lset(&m, 5), 0);
    compare_sum(&m, &n, &q); /* 5 G + 0 Q, and 0 G + 5 Q */
    compare_sum(&n, &m, &q);
    assert_int_equal(mbedtls_ecp_muladd(&group, &out, &m, &group.G, &group.N, &q), MBEDTLS_ERR_ECP_INVALID_KEY);
    assert_int_equal(mbedtls_ecp_muladd(&group, &out, &group.N, &group.G, &m, &q), MBEDTLS_ERR_ECP_INVALID_KEY);
    assert_int_equal(mbedtls_mpi_add_int(&q.X, &q.X, 1), 0);
    assert_int_equal(mbedtls_ecp_muladd(&group, &out, &m, &group.G, &m, &q), MBEDTLS_ERR_ECP_INVALID_KEY);
    mbedtls_mpi_free(&n);
    mbedtls_mpi_free(&m);
    mbedtls_ecp_point_free(&q);
    mbedtls_ecp_point_free(&out);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_6979),
#if defined(MBEDTLS_GCM_ALT)
        cmocka_unit_test(carries),
        cmocka_unit_test(inverse),
        cmocka_unit_test(as_mbedtls),
        cmocka_unit_test(special_sums),
        cmocka_unit_test(beyond_the_order),
        cmocka_unit_test(refused),
#endif
    };
    int failed;

    faultmem_install();
    mbedtls_platform_set_calloc_free(tern_mem_calloc, tern_mem_free);
#if defined(MBEDTLS_GCM_ALT)
    tern_rand_seed(&dice, 1);
#endif
    mbedtls_ecp_group_init(&group);
    if (mbedtls_ecp_group_load(&group, MBEDTLS_ECP_DP_SECP256R1) != 0)
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    mbedtls_ecp_group_free(&group);
    return failed;
}
