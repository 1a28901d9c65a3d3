/* tools/mbedtls/ecp_alt.c - multiplication on Curve25519 (RFC 7748) by the verified code of HACL*, which comes with
 * mbedTLS's source (3rdparty/everest) but which its PSA half never calls. All other curves are left to mbedTLS. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include <mbedtls/ecp.h>
#include <mbedtls/platform_util.h>

#include "ecp_soft.h"

enum { X25519_BITS = 255, X25519_BYTES = 32 };

/* It has no header that stands alone. None of the arguments but the first is changed. */
void Hacl_Curve25519_crypto_scalarmult(unsigned char *result, unsigned char *scalar, unsigned char *point);

/* RFC 7748 5.2, the first vector. */
static bool x25519_is_right(void)
{
    static const unsigned char expected[X25519_BYTES] = {
        0xc3, 0xda, 0x55, 0x37, 0x9d, 0xe9, 0xc6, 0x90, 0x8e, 0x94, 0xea, 0x4d, 0xf2, 0x8d, 0x08, 0x4f,
        0x32, 0xec, 0xcf, 0x03, 0x49, 0x1c, 0x71, 0xf7, 0x54, 0xb4, 0x07, 0x55, 0x77, 0xa2, 0x85, 0x52};
    unsigned char scalar[X25519_BYTES] = {0xa5, 0x46, 0xe3, 0x6b, 0xf0, 0x52, 0x7c, 0x9d, 0x3b, 0x16, 0x15,
                                          0x4b, 0x82, 0x46, 0x5e, 0xdd, 0x62, 0x14, 0x4c, 0x0a, 0xc1, 0xfc,
                                          0x5a, 0x18, 0x50, 0x6a, 0x22, 0x44, 0xba, 0x44, 0x9a, 0xc4};
    unsigned char point[X25519_BYTES] = {0xe6, 0xdb, 0x68, 0x67, 0x58, 0x30, 0x30, 0xdb, 0x35, 0x94, 0xc1,
                                         0xa4, 0x24, 0xb1, 0x5f, 0x7c, 0x72, 0x66, 0x24, 0xec, 0x26, 0xb3,
                                         0x35, 0x3b, 0x10, 0xa9, 0x03, 0xa6, 0xd0, 0xab, 0x1c, 0x4c};
    unsigned char result[X25519_BYTES];

    Hacl_Curve25519_crypto_scalarmult(result, scalar, point);
    return memcmp(result, expected, X25519_BYTES) == 0;
}

/* Two threads that come first both look, and find the same. */
static bool x25519_can(void)
{
    enum { UNKNOWN, NO, YES };
    static atomic_int known = UNKNOWN;
    int can = atomic_load_explicit(&known, memory_order_relaxed);

    if (can == UNKNOWN) {
        can = x25519_is_right() ? YES : NO;
        atomic_store_explicit(&known, can, memory_order_relaxed);
    }
    return can == YES;
}

/* The checks are those that mbedTLS makes before it multiplies: the scalar's fixed bits are as RFC 7748 5 has them, and
 * the point is not of small order. */
static int x25519(mbedtls_ecp_group *group, mbedtls_ecp_point *result, const mbedtls_mpi *factor,
                  const mbedtls_ecp_point *point)
{
    unsigned char scalar[X25519_BYTES], u[X25519_BYTES], product[X25519_BYTES], any = 0;
    int code = mbedtls_ecp_check_privkey(group, factor);

    if (code == 0)
        code = mbedtls_ecp_check_pubkey(group, point);
    if (code == 0)
        code = mbedtls_mpi_write_binary_le(factor, scalar, sizeof(scalar));
    if (code == 0)
        code = mbedtls_mpi_write_binary_le(&point->X, u, sizeof(u));
    if (code == 0) {
        Hacl_Curve25519_crypto_scalarmult(product, scalar, u);
        for (size_t i = 0; i < sizeof(product); i++)
            any |= product[i];
        /* RFC 8446 7.4.2: all zeros is no secret. */
        code = any == 0 ? MBEDTLS_ERR_ECP_INVALID_KEY : 0;
    }
    if (code == 0)
        code = mbedtls_mpi_read_binary_le(&result->X, product, sizeof(product));
    if (code == 0)
        code = mbedtls_mpi_lset(&result->Z, 1);
    mbedtls_mpi_free(&result->Y); /* the curve has none */
    mbedtls_platform_zeroize(scalar, sizeof(scalar));
    mbedtls_platform_zeroize(product, sizeof(product));
    return code;
}

/* ---- mbedtls/ecp.h ---- */

int mbedtls_ecp_mul_restartable(mbedtls_ecp_group *group, mbedtls_ecp_point *result, const mbedtls_mpi *factor,
                                const mbedtls_ecp_point *point, int (*rng)(void *, unsigned char *, size_t),
                                void *rng_context, mbedtls_ecp_restart_ctx *restart)
{
    /* RFC 7748 5 has the 256th bit ignored, and mbedTLS does so where keys come in. A point that has it is none. */
    if (group->id == MBEDTLS_ECP_DP_CURVE25519 && rng != NULL && mbedtls_mpi_bitlen(&point->X) <= X25519_BITS &&
        x25519_can())
        return x25519(group, result, factor, point);
    return tern_ecp_soft_mul_restartable(group, result, factor, point, rng, rng_context, restart);
}

int mbedtls_ecp_mul(mbedtls_ecp_group *group, mbedtls_ecp_point *result, const mbedtls_mpi *factor,
                    const mbedtls_ecp_point *point, int (*rng)(void *, unsigned char *, size_t), void *rng_context)
{
    return mbedtls_ecp_mul_restartable(group, result, factor, point, rng, rng_context, NULL);
}
