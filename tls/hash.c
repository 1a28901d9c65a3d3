#include "tls/hash.h"

#include <mbedtls/md5.h>
#include <mbedtls/sha256.h>

bool tern_hash_md5(const struct tern_str *parts, size_t count, uint8_t out[16])
{
    mbedtls_md5_context hash;
    bool ok;

    mbedtls_md5_init(&hash);
    ok = mbedtls_md5_starts(&hash) == 0;
    for (size_t i = 0; i < count; i++)
        ok = ok && mbedtls_md5_update(&hash, (const unsigned char *)parts[i].ptr, parts[i].len) == 0;
    ok = ok && mbedtls_md5_finish(&hash, out) == 0;
    mbedtls_md5_free(&hash);
    return ok;
}

bool tern_hash_sha256(const struct tern_str *parts, size_t count, uint8_t out[32])
{
    mbedtls_sha256_context hash;
    bool ok;

    mbedtls_sha256_init(&hash);
    ok = mbedtls_sha256_starts(&hash, 0) == 0;
    for (size_t i = 0; i < count; i++)
        ok = ok && mbedtls_sha256_update(&hash, (const unsigned char *)parts[i].ptr, parts[i].len) == 0;
    ok = ok && mbedtls_sha256_finish(&hash, out) == 0;
    mbedtls_sha256_free(&hash);
    return ok;
}
