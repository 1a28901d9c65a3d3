/* X25519 of the private mbedTLS: RFC 7748's vectors through the calls that a handshake makes, and where tools/mbedtls
 * has its own multiplication, that one against mbedTLS's. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS /* to points, as tools/mbedtls has it */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <mbedtls/ecp.h>
#include <mbedtls/platform.h>
#include <psa/crypto.h>

#include "base/mem.h"
#include "base/rand.h"
#include "tests/support/faultmem.h"

enum { BYTES = 32 };

/* RFC 7748 6.1: Alice, Bob, and what they share. */
static const uint8_t alice[BYTES] = {0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1,
                                     0x72, 0x51, 0xb2, 0x66, 0x45, 0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0,
                                     0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a};
static const uint8_t alice_public[BYTES] = {0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54, 0x74, 0x8b, 0x7d,
                                            0xdc, 0xb4, 0x3e, 0xf7, 0x5a, 0x0d, 0xbf, 0x3a, 0x0d, 0x26, 0x38,
                                            0x1a, 0xf4, 0xeb, 0xa4, 0xa9, 0x8e, 0xaa, 0x9b, 0x4e, 0x6a};
static const uint8_t bob_public[BYTES] = {0xde, 0x9e, 0xdb, 0x7d, 0x7b, 0x7d, 0xc1, 0xb4, 0xd3, 0x5b, 0x61,
                                          0xc2, 0xec, 0xe4, 0x35, 0x37, 0x3f, 0x83, 0x43, 0xc8, 0x5b, 0x78,
                                          0x67, 0x4d, 0xad, 0xfc, 0x7e, 0x14, 0x6f, 0x88, 0x2b, 0x4f};
static const uint8_t shared[BYTES] = {0x4a, 0x5d, 0x9d, 0x5b, 0xa4, 0xce, 0x2d, 0xe1, 0x72, 0x8e, 0x3b,
                                      0xf4, 0x80, 0x35, 0x0f, 0x25, 0xe0, 0x7e, 0x21, 0xc9, 0x47, 0xd1,
                                      0x9e, 0x33, 0x76, 0xf0, 0x9b, 0x3c, 0x1e, 0x16, 0x17, 0x42};

static psa_key_id_t import(const uint8_t key[BYTES])
{
    psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
    psa_key_id_t id;

    psa_set_key_type(&attributes, PSA_KEY_TYPE_ECC_KEY_PAIR(PSA_ECC_FAMILY_MONTGOMERY));
    psa_set_key_algorithm(&attributes, PSA_ALG_ECDH);
    psa_set_key_usage_flags(&attributes, PSA_KEY_USAGE_DERIVE);
    assert_int_equal(psa_import_key(&attributes, key, BYTES, &id), PSA_SUCCESS);
    return id;
}

static void rfc_7748(void **state)
{
    psa_key_id_t id = import(alice);
    uint8_t out[BYTES], high[BYTES];
    size_t len;

    (void)state;
    assert_int_equal(psa_export_public_key(id, out, sizeof(out), &len), PSA_SUCCESS);
    assert_memory_equal(out, alice_public, BYTES);
    assert_int_equal(psa_raw_key_agreement(PSA_ALG_ECDH, id, bob_public, BYTES, out, sizeof(out), &len), PSA_SUCCESS);
    assert_int_equal(len, BYTES);
    assert_memory_equal(out, shared, BYTES);
    /* Section 5: the last bit of what comes is ignored. */
    memcpy(high, bob_public, BYTES);
    high[BYTES - 1] |= 0x80;
    assert_int_equal(psa_raw_key_agreement(PSA_ALG_ECDH, id, high, BYTES, out, sizeof(out), &len), PSA_SUCCESS);
    assert_memory_equal(out, shared, BYTES);
    psa_destroy_key(id);
}

/* RFC 8446 7.4.2: a peer may not choose what is shared. The points of small order (RFC 7748 6.1, "all-zero"). */
static void small_order(void **state)
{
    static const uint8_t points[][BYTES] = {
        {0},
        {1},
        {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
         0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
        {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
        {0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    };
    psa_key_id_t id = import(alice);
    uint8_t out[BYTES];
    size_t len;

    (void)state;
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
        assert_int_not_equal(psa_raw_key_agreement(PSA_ALG_ECDH, id, points[i], BYTES, out, sizeof(out), &len),
                             PSA_SUCCESS);
    psa_destroy_key(id);
}

#if defined(MBEDTLS_GCM_ALT)       /* the accelerators come together */
#include "tools/mbedtls/ecp_alt.c" /* NOLINT(bugprone-suspicious-include) */

static struct tern_rand dice;

static int roll(void *context, unsigned char *bytes, size_t len)
{
    (void)context;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)tern_rand_next(&dice);
    return 0;
}

/* Points at random, among them some as large as the field's prime. */
static void as_mbedtls(void **state)
{
    mbedtls_ecp_group group;
    mbedtls_ecp_point point, ours, theirs;
    mbedtls_mpi factor;

    (void)state;
    assert_true(x25519_can());
    mbedtls_ecp_group_init(&group);
    mbedtls_ecp_point_init(&point);
    mbedtls_ecp_point_init(&ours);
    mbedtls_ecp_point_init(&theirs);
    mbedtls_mpi_init(&factor);
    assert_int_equal(mbedtls_ecp_group_load(&group, MBEDTLS_ECP_DP_CURVE25519), 0);
    assert_int_equal(mbedtls_mpi_lset(&point.Z, 1), 0);
    for (int i = 0; i < 300; i++) {
        uint8_t u[BYTES];

        roll(NULL, u, sizeof(u));
        u[BYTES - 1] &= 0x7f;
        if (i % 10 == 0)
            memset(u + 1, 0xff, BYTES - 2);
        assert_int_equal(mbedtls_mpi_read_binary_le(&point.X, u, sizeof(u)), 0);
        assert_int_equal(mbedtls_ecp_gen_privkey(&group, &factor, roll, NULL), 0);
        assert_int_equal(mbedtls_ecp_mul(&group, &ours, &factor, &point, roll, NULL), 0);
        assert_int_equal(tern_ecp_soft_mul_restartable(&group, &theirs, &factor, &point, roll, NULL, NULL), 0);
        assert_int_equal(mbedtls_ecp_point_cmp(&ours, &theirs), 0);
    }
    /* No random source, and a scalar without its fixed bits: refused as ever. */
    assert_int_equal(mbedtls_ecp_mul(&group, &ours, &factor, &group.G, NULL, NULL), MBEDTLS_ERR_ECP_BAD_INPUT_DATA);
    assert_int_equal(mbedtls_mpi_lset(&factor, 9), 0);
    assert_int_equal(mbedtls_ecp_mul(&group, &ours, &factor, &group.G, roll, NULL), MBEDTLS_ERR_ECP_INVALID_KEY);
    mbedtls_mpi_free(&factor);
    mbedtls_ecp_point_free(&theirs);
    mbedtls_ecp_point_free(&ours);
    mbedtls_ecp_point_free(&point);
    mbedtls_ecp_group_free(&group);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_7748),
        cmocka_unit_test(small_order),
#if defined(MBEDTLS_GCM_ALT)
        cmocka_unit_test(as_mbedtls),
#endif
    };

    faultmem_install();
    mbedtls_platform_set_calloc_free(tern_mem_calloc, tern_mem_free);
#if defined(MBEDTLS_GCM_ALT)
    tern_rand_seed(&dice, 1);
#endif
    if (psa_crypto_init() != PSA_SUCCESS)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
