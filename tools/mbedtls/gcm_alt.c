/* tools/mbedtls/gcm_alt.c - AES-GCM (NIST SP 800-38D) with AES-NI and PCLMULQDQ.
 *
 * GHASH is computed as POLYVAL (RFC 8452 appendix A): the same field with its bits the other way round, which spares
 * turning the bits inside each byte. POLYVAL's product is a * b * x^-128: what a Montgomery reduction gives. */
#include <immintrin.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <mbedtls/constant_time.h>
#include <mbedtls/gcm.h>
#include <mbedtls/platform_util.h>

#include "gcm_soft.h"

enum {
    BLOCK = 16,
    NONCE = 12,
    BATCH = TERN_GCM_POWERS,
    TAG_MIN = 4,
};
/* SP 800-38D 5.2.1.1: 2^39 - 256 bits, after which the counter of 32 bits would come round. */
#define LEN_MAX 0xFFFFFFFE0u

typedef __m128i block;

static inline block load(const void *from)
{
    return _mm_loadu_si128(from);
}

static inline void store(void *to, block value)
{
    _mm_storeu_si128(to, value);
}

static inline block swap_bytes(block value)
{
    return _mm_shuffle_epi8(value, _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}

/* ---- GHASH ---- */

/* Sums of products, not yet reduced; the middle one as Karatsuba has it. */
struct sum {
    block low, middle, high;
};

static inline block fold(block value)
{
    return _mm_xor_si128(value, _mm_shuffle_epi32(value, 0x4e));
}

static inline void sum_add(struct sum *sum, block a, block b)
{
    sum->low = _mm_xor_si128(sum->low, _mm_clmulepi64_si128(a, b, 0x00));
    sum->high = _mm_xor_si128(sum->high, _mm_clmulepi64_si128(a, b, 0x11));
    sum->middle = _mm_xor_si128(sum->middle, _mm_clmulepi64_si128(fold(a), fold(b), 0x00));
}

/* Modulo x^128 + x^127 + x^126 + x^121 + 1, half by half. */
static inline block sum_reduce(const struct sum *sum)
{
    const block poly = _mm_set1_epi64x((long long)0xc200000000000000u);
    block middle = _mm_xor_si128(sum->middle, _mm_xor_si128(sum->low, sum->high));
    block low = _mm_xor_si128(sum->low, _mm_slli_si128(middle, 8));
    block high = _mm_xor_si128(sum->high, _mm_srli_si128(middle, 8));

    for (int half = 0; half < 2; half++)
        low = _mm_xor_si128(_mm_shuffle_epi32(low, 0x4e), _mm_clmulepi64_si128(low, poly, 0x00));
    return _mm_xor_si128(low, high);
}

/* Hashes up to BATCH blocks onto hash: the first meets the highest power. */
static inline block hash_blocks(const struct tern_gcm_fast *fast, block hash, const block *blocks, size_t count)
{
    struct sum sum = {_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()};

    for (size_t i = 0; i < count; i++) {
        block next = swap_bytes(blocks[i]);

        sum_add(&sum, i == 0 ? _mm_xor_si128(next, hash) : next, load(fast->powers[count - 1 - i]));
    }
    return sum_reduce(&sum);
}

/* The last block of bytes is filled up with zeros. */
static block hash_bytes(const struct tern_gcm_fast *fast, block hash, const unsigned char *bytes, size_t len)
{
    while (len > 0) {
        block blocks[BATCH] = {0};
        size_t take = len < sizeof(blocks) ? len : sizeof(blocks);

        memcpy(blocks, bytes, take);
        hash = hash_blocks(fast, hash, blocks, (take + BLOCK - 1) / BLOCK);
        bytes += take;
        len -= take;
    }
    return hash;
}

/* ---- AES ---- */

/* Counters first to first + BATCH - 1, each enciphered. The nonce's bytes stand in the counter turned round. */
static inline void keystream(const struct tern_gcm_fast *fast, block first, block *out)
{
    block key = load(fast->rounds[0]);

    for (int i = 0; i < BATCH; i++)
        out[i] = _mm_xor_si128(swap_bytes(_mm_add_epi32(first, _mm_set_epi32(0, 0, 0, i))), key);
    for (unsigned round = 1; round < fast->round_count; round++) {
        key = load(fast->rounds[round]);
        for (int i = 0; i < BATCH; i++)
            out[i] = _mm_aesenc_si128(out[i], key);
    }
    key = load(fast->rounds[fast->round_count]);
    for (int i = 0; i < BATCH; i++)
        out[i] = _mm_aesenclast_si128(out[i], key);
}

/* FIPS 197 5.2. AESENCLAST on four equal words is SubWord and a XOR: ShiftRows has nothing to move. */
static void expand_key(struct tern_gcm_fast *fast, const unsigned char *key, unsigned key_bits)
{
    const block rotated = _mm_set1_epi32(0x0c0f0e0d), last = _mm_set1_epi32(0x0f0e0d0c);
    unsigned key_blocks = key_bits / 128, constant = 1;

    fast->round_count = key_bits / 32 + 6;
    memcpy(fast->rounds, key, key_bits / 8);
    for (unsigned i = key_blocks; i <= fast->round_count; i++) {
        bool rotates = i % key_blocks == 0;
        block word = _mm_shuffle_epi8(load(fast->rounds[i - 1]), rotates ? rotated : last);
        block next = load(fast->rounds[i - key_blocks]);

        word = _mm_aesenclast_si128(word, rotates ? _mm_set1_epi32((int)constant) : _mm_setzero_si128());
        if (rotates)
            constant = constant << 1 ^ (constant >> 7) * 0x11b;
        next = _mm_xor_si128(next, _mm_slli_si128(next, 4));
        next = _mm_xor_si128(next, _mm_slli_si128(next, 8));
        store(fast->rounds[i], _mm_xor_si128(next, word));
    }
}

/* RFC 8452 appendix A: POLYVAL's key is GHASH's times x. Then the powers of it. */
static void expand_powers(struct tern_gcm_fast *fast)
{
    block stream[BATCH], power, carry;

    /* GHASH's key is the block of zeros, enciphered. */
    keystream(fast, _mm_setzero_si128(), stream);
    power = swap_bytes(stream[0]);
    carry = _mm_srai_epi32(_mm_shuffle_epi32(power, 0xff), 31);
    power = _mm_or_si128(_mm_slli_epi64(power, 1), _mm_slli_si128(_mm_srli_epi64(power, 63), 8));
    power = _mm_xor_si128(power, _mm_and_si128(carry, _mm_set_epi64x((long long)0xc200000000000000u, 1)));
    store(fast->powers[0], power);
    for (int i = 1; i < BATCH; i++) {
        struct sum sum = {_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()};

        sum_add(&sum, load(fast->powers[i - 1]), power);
        store(fast->powers[i], sum_reduce(&sum));
    }
    mbedtls_platform_zeroize(stream, sizeof(stream));
}

static void fast_setkey(struct tern_gcm_fast *fast, const unsigned char *key, unsigned key_bits)
{
    expand_key(fast, key, key_bits);
    expand_powers(fast);
}

/* ---- both ---- */

/* A batch is read whole before any of it is written, so that output may be input, or lie before it. */
static inline block crypt_batches(const struct tern_gcm_fast *fast, bool encrypts, block *counter, block hash,
                                  const unsigned char *input, unsigned char *output, size_t batches)
{
    for (; batches > 0; batches--) {
        block stream[BATCH], in[BATCH];

        keystream(fast, *counter, stream);
        *counter = _mm_add_epi32(*counter, _mm_set_epi32(0, 0, 0, BATCH));
        for (int i = 0; i < BATCH; i++) {
            in[i] = load(input + i * BLOCK);
            stream[i] = _mm_xor_si128(stream[i], in[i]);
        }
        hash = hash_blocks(fast, hash, encrypts ? stream : in, BATCH);
        for (int i = 0; i < BATCH; i++)
            store(output + i * BLOCK, stream[i]);
        input += sizeof(in);
        output += sizeof(in);
    }
    return hash;
}

/* What is left: less than a batch, perhaps nothing, and the last block perhaps not whole. */
static block crypt_rest(const struct tern_gcm_fast *fast, bool encrypts, block counter, block hash,
                        const unsigned char *input, unsigned char *output, size_t len)
{
    block stream[BATCH], in[BATCH] = {0};

    if (len == 0)
        return hash;
    keystream(fast, counter, stream);
    memcpy(in, input, len);
    for (int i = 0; i < BATCH; i++)
        stream[i] = _mm_xor_si128(stream[i], in[i]);
    memcpy(output, stream, len);
    hash = hash_bytes(fast, hash, (const unsigned char *)(encrypts ? stream : in), len);
    mbedtls_platform_zeroize(stream, sizeof(stream));
    mbedtls_platform_zeroize(in, sizeof(in));
    return hash;
}

/* tag: BLOCK bytes. */
static void fast_crypt(const struct tern_gcm_fast *fast, bool encrypts, size_t len, const unsigned char *iv,
                       const unsigned char *add, size_t add_len, const unsigned char *input, unsigned char *output,
                       unsigned char *tag)
{
    unsigned char first[BLOCK] = {0};
    block counter, hash, stream[BATCH], lengths;
    size_t whole = len / sizeof(stream) * sizeof(stream);

    /* SP 800-38D 7.1: the nonce and a counter. The first one is for the tag, the text begins with the second. */
    memcpy(first, iv, NONCE);
    first[BLOCK - 1] = 1;
    counter = swap_bytes(load(first));
    keystream(fast, counter, stream);
    store(tag, stream[0]);
    counter = _mm_add_epi32(counter, _mm_set_epi32(0, 0, 0, 1));

    hash = hash_bytes(fast, _mm_setzero_si128(), add, add_len);
    if (len > 0) {
        hash = encrypts ? crypt_batches(fast, true, &counter, hash, input, output, whole / sizeof(stream))
                        : crypt_batches(fast, false, &counter, hash, input, output, whole / sizeof(stream));
        hash = crypt_rest(fast, encrypts, counter, hash, input + whole, output + whole, len - whole);
    }
    lengths = swap_bytes(_mm_set_epi64x((long long)add_len * 8, (long long)len * 8));
    hash = hash_blocks(fast, hash, &lengths, 1);
    store(tag, _mm_xor_si128(load(tag), swap_bytes(hash)));
}

/* ---- may it be used? ---- */

/* Tags of 300 bytes 0, 1, 2... with 13 bytes 0, 1, 2... beside them, the key and the nonce of the same kind, as
 * OpenSSL makes them. It takes both loops and their ends. */
static bool answers_are_right(void)
{
    static const unsigned char tags[2][BLOCK] = {
        {0x92, 0x8f, 0xde, 0x77, 0x04, 0xd0, 0x1e, 0xbf, 0xfd, 0xd9, 0xf6, 0x90, 0x2c, 0xcc, 0x2b, 0x85},
        {0x12, 0x52, 0x90, 0xba, 0x95, 0x86, 0x19, 0xce, 0x08, 0xd7, 0xa8, 0xd5, 0xfb, 0x1d, 0x94, 0x0b},
    };
    unsigned char bytes[300], sealed[sizeof(bytes)], opened[sizeof(bytes)], tag[BLOCK], opened_tag[BLOCK];
    bool ok = true;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)i;
    for (unsigned i = 0; i < 2; i++) {
        struct tern_gcm_fast fast;

        fast_setkey(&fast, bytes, 128 << i);
        fast_crypt(&fast, true, sizeof(bytes), bytes, bytes, 13, bytes, sealed, tag);
        fast_crypt(&fast, false, sizeof(bytes), bytes, bytes, 13, sealed, opened, opened_tag);
        ok = ok && memcmp(tag, tags[i], BLOCK) == 0 && memcmp(opened_tag, tags[i], BLOCK) == 0 &&
             memcmp(opened, bytes, sizeof(bytes)) == 0;
    }
    return ok;
}

/* Two threads that come first both look, and find the same. */
static bool cpu_can(void)
{
    enum { UNKNOWN, NO, YES };
    static atomic_int known = UNKNOWN;
    int can = atomic_load_explicit(&known, memory_order_relaxed);

    if (can == UNKNOWN) {
        can = __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1") &&
                      answers_are_right()
                  ? YES
                  : NO;
        atomic_store_explicit(&known, can, memory_order_relaxed);
    }
    return can == YES;
}

/* What the one shot does not do, mbedTLS's own code does, or refuses. */
static bool is_one_shot(const mbedtls_gcm_context *ctx, size_t len, size_t iv_len, size_t tag_len,
                        const unsigned char *input, const unsigned char *output)
{
    return ctx->fast.round_count != 0 && iv_len == NONCE && tag_len >= TAG_MIN && tag_len <= BLOCK && len <= LEN_MAX &&
           !(output > input && (size_t)(output - input) < len);
}

/* ---- mbedtls/gcm.h ---- */

void mbedtls_gcm_init(mbedtls_gcm_context *ctx)
{
    memset(ctx, 0, sizeof(*ctx));
}

void mbedtls_gcm_free(mbedtls_gcm_context *ctx)
{
    if (ctx == NULL)
        return;
    tern_gcm_soft_destroy(ctx->soft);
    mbedtls_platform_zeroize(ctx, sizeof(*ctx));
}

int mbedtls_gcm_setkey(mbedtls_gcm_context *ctx, mbedtls_cipher_id_t cipher, const unsigned char *key,
                       unsigned key_bits)
{
    int code;

    if (ctx->soft == NULL && (ctx->soft = tern_gcm_soft_new()) == NULL)
        return MBEDTLS_ERR_CIPHER_ALLOC_FAILED;
    ctx->fast.round_count = 0;
    code = tern_gcm_soft_setkey(ctx->soft, cipher, key, key_bits);
    if (code == 0 && cipher == MBEDTLS_CIPHER_ID_AES && (key_bits == 128 || key_bits == 256) && cpu_can())
        fast_setkey(&ctx->fast, key, key_bits);
    return code;
}

int mbedtls_gcm_crypt_and_tag(mbedtls_gcm_context *ctx, int mode, size_t len, const unsigned char *iv, size_t iv_len,
                              const unsigned char *add, size_t add_len, const unsigned char *input,
                              unsigned char *output, size_t tag_len, unsigned char *tag)
{
    unsigned char whole[BLOCK];

    if (!is_one_shot(ctx, len, iv_len, tag_len, input, output))
        return tern_gcm_soft_crypt_and_tag(ctx->soft, mode, len, iv, iv_len, add, add_len, input, output, tag_len, tag);
    fast_crypt(&ctx->fast, mode == MBEDTLS_GCM_ENCRYPT, len, iv, add, add_len, input, output, whole);
    memcpy(tag, whole, tag_len);
    return 0;
}

int mbedtls_gcm_auth_decrypt(mbedtls_gcm_context *ctx, size_t len, const unsigned char *iv, size_t iv_len,
                             const unsigned char *add, size_t add_len, const unsigned char *tag, size_t tag_len,
                             const unsigned char *input, unsigned char *output)
{
    unsigned char whole[BLOCK];

    if (!is_one_shot(ctx, len, iv_len, tag_len, input, output))
        return tern_gcm_soft_auth_decrypt(ctx->soft, len, iv, iv_len, add, add_len, tag, tag_len, input, output);
    fast_crypt(&ctx->fast, false, len, iv, add, add_len, input, output, whole);
    if (mbedtls_ct_memcmp(tag, whole, tag_len) != 0) {
        mbedtls_platform_zeroize(output, len);
        return MBEDTLS_ERR_GCM_AUTH_FAILED;
    }
    return 0;
}

int mbedtls_gcm_starts(mbedtls_gcm_context *ctx, int mode, const unsigned char *iv, size_t iv_len)
{
    return tern_gcm_soft_starts(ctx->soft, mode, iv, iv_len);
}

int mbedtls_gcm_update_ad(mbedtls_gcm_context *ctx, const unsigned char *add, size_t add_len)
{
    return tern_gcm_soft_update_ad(ctx->soft, add, add_len);
}

int mbedtls_gcm_update(mbedtls_gcm_context *ctx, const unsigned char *input, size_t len, unsigned char *output,
                       size_t output_size, size_t *output_len)
{
    return tern_gcm_soft_update(ctx->soft, input, len, output, output_size, output_len);
}

int mbedtls_gcm_finish(mbedtls_gcm_context *ctx, unsigned char *output, size_t output_size, size_t *output_len,
                       unsigned char *tag, size_t tag_len)
{
    return tern_gcm_soft_finish(ctx->soft, output, output_size, output_len, tag, tag_len);
}
