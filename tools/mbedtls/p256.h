/* tools/mbedtls/p256.h - the one operation on P-256 (FIPS 186-5; SEC 2, secp256r1) that checking an ECDSA signature is
 * made of. NOT constant-time: for what everybody may know. */
#ifndef TERN_P256_H
#define TERN_P256_H

#include <stdbool.h>
#include <stdint.h>

/* A point that is not the point at infinity; coordinates below the field's prime. The first limb is the lowest. */
struct tern_p256_point {
    uint64_t x[4];
    uint64_t y[4];
};

/* out = m a + n b, for points of the curve and numbers below its order. False: that is the point at infinity. */
bool tern_p256_sum(struct tern_p256_point *out, const uint64_t m[4], const struct tern_p256_point *a,
                   const uint64_t n[4], const struct tern_p256_point *b);

#endif
