/* tools/mbedtls/ecp_alt.c - multiplication on Curve25519 (RFC 7748) by the verified code of HACL*, which comes with
 * mbedTLS's source (3rdparty/everest) but which its PSA half never calls; and on P-256 the sum that an ECDSA signature is
 * checked by (p256.h), of public numbers alone. All else is left to mbedTLS. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include <mbedtls/ecp.h>
#include <mbedtls/platform_util.h>

#include "ecp_soft.h"
#include "p256.h"

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

enum { UNKNOWN, NO, YES };

/* Two threads that come first both look, and find the same. */
static bool can(atomic_int *known, bool (*is_right)(void))
{
    int answer = atomic_load_explicit(known, memory_order_relaxed);

    if (answer == UNKNOWN) {
        answer = is_right() ? YES : NO;
        atomic_store_explicit(known, answer, memory_order_relaxed);
    }
    return answer == YES;
}

static bool x25519_can(void)
{
    static atomic_int known = UNKNOWN;

    return can(&known, x25519_is_right);
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

/* ---- P-256 ---- */

enum { P256_BYTES = 32 };

/* RFC 6979 A.2.5, "sample" with SHA-256: what checking that signature adds up. The sum's x is the signature's r. */
static bool p256_is_right(void)
{
    static const struct tern_p256_point base = {
        {0xf4a13945d898c296, 0x77037d812deb33a0, 0xf8bce6e563a440f2, 0x6b17d1f2e12c4247},
        {0xcbb6406837bf51f5, 0x2bce33576b315ece, 0x8ee7eb4a7c0f9e16, 0x4fe342e2fe1a7f9b}};
    static const struct tern_p256_point key = {
        {0xe669622e60f29fb6, 0xc049b8923b61fa6c, 0xc961eb74c6356d68, 0x60fed4ba255a9d31},
        {0x77a3c294d4462299, 0xf2f1b20c2d7e9f51, 0xa41ae9e95628bc64, 0x7903fe1008b8bc99}};
    static const uint64_t u1[4] = {0xf31cff76caae5841, 0x486952f78536ee77, 0xf17670f8eb7f810b, 0xa9cceaf9beeb5f3e};
    static const uint64_t u2[4] = {0x241298ec71e7211d, 0x6b6ca086e80a10b4, 0xb01f62f0ec7e692d, 0x48dc5acda3b1ad61};
    static const uint64_t r[4] = {0xc34d0ea84eaf3716, 0x9d2c877b56aaf991, 0x1140dd9cd45e81d6, 0xefd48b2aacb6a8fd};
    struct tern_p256_point sum;

    return tern_p256_sum(&sum, u1, &base, u2, &key) && memcmp(sum.x, r, sizeof(r)) == 0;
}

static bool p256_can(void)
{
    static atomic_int known = UNKNOWN;

    return can(&known, p256_is_right);
}

static int to_limbs(uint64_t limbs[4], const mbedtls_mpi *number)
{
    unsigned char bytes[P256_BYTES];
    int code = mbedtls_mpi_write_binary_le(number, bytes, sizeof(bytes));

    memcpy(limbs, bytes, sizeof(bytes)); /* every CPU that this is for has the low byte first */
    return code;
}

static int from_limbs(mbedtls_mpi *number, const uint64_t limbs[4])
{
    return mbedtls_mpi_read_binary_le(number, (const unsigned char *)limbs, P256_BYTES);
}

/* A factor of 1 to the order less 1, and a point of the curve: what mbedTLS asks for before it multiplies. */
static int p256_term(const mbedtls_ecp_group *group, const mbedtls_mpi *factor, const mbedtls_ecp_point *point,
                     uint64_t limbs[4], struct tern_p256_point *out)
{
    int code = mbedtls_ecp_check_privkey(group, factor);

    if (code == 0)
        code = mbedtls_ecp_check_pubkey(group, point);
    if (code == 0)
        code = to_limbs(limbs, factor);
    if (code == 0)
        code = to_limbs(out->x, &point->X);
    if (code == 0)
        code = to_limbs(out->y, &point->Y);
    return code;
}

static int p256_sum(const mbedtls_ecp_group *group, mbedtls_ecp_point *result, const mbedtls_mpi *m,
                    const mbedtls_ecp_point *p, const mbedtls_mpi *n, const mbedtls_ecp_point *q)
{
    struct tern_p256_point a, b, sum;
    uint64_t m_limbs[4], n_limbs[4];
    int code = p256_term(group, m, p, m_limbs, &a);

    if (code == 0)
        code = p256_term(group, n, q, n_limbs, &b);
    if (code != 0)
        return code;
    if (!tern_p256_sum(&sum, m_limbs, &a, n_limbs, &b))
        return mbedtls_ecp_set_zero(result);
    code = from_limbs(&result->X, sum.x);
    if (code == 0)
        code = from_limbs(&result->Y, sum.y);
    return code == 0 ? mbedtls_mpi_lset(&result->Z, 1) : code;
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

/* A sum of multiples of the base point is a signature being checked. (Another caller, J-PAKE, has secrets in it; and 0 as a
 * factor needs no multiplication.) */
int mbedtls_ecp_muladd_restartable(mbedtls_ecp_group *group, mbedtls_ecp_point *result, const mbedtls_mpi *m,
                                   const mbedtls_ecp_point *p, const mbedtls_mpi *n, const mbedtls_ecp_point *q,
                                   mbedtls_ecp_restart_ctx *restart)
{
    if (group->id == MBEDTLS_ECP_DP_SECP256R1 && p == &group->G && mbedtls_mpi_cmp_int(m, 0) > 0 &&
        mbedtls_mpi_cmp_int(n, 0) > 0 && p256_can())
        return p256_sum(group, result, m, p, n, q);
    return tern_ecp_soft_muladd_restartable(group, result, m, p, n, q, restart);
}

int mbedtls_ecp_muladd(mbedtls_ecp_group *group, mbedtls_ecp_point *result, const mbedtls_mpi *m,
                       const mbedtls_ecp_point *p, const mbedtls_mpi *n, const mbedtls_ecp_point *q)
{
    return mbedtls_ecp_muladd_restartable(group, result, m, p, n, q, NULL);
}
