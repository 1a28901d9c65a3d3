/* AES-GCM of the private mbedTLS: NIST's vectors, and where tools/mbedtls has one of its own, that one against
 * mbedTLS's, byte for byte. Its file is compiled in here, so that it runs under the sanitizers, which the library is
 * built without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <mbedtls/gcm.h>
#include <mbedtls/platform.h>

#include "base/mem.h"
#include "base/rand.h"
#include "tests/support/faultmem.h"

static void nist_vectors(void **state)
{
    (void)state;
    assert_int_equal(mbedtls_gcm_self_test(0), 0);
}

#if defined(MBEDTLS_GCM_ALT)
#include "tools/mbedtls/gcm_alt.c" /* NOLINT(bugprone-suspicious-include) */

enum { TEXT_MAX = 1100, ADD_MAX = 300, TAG = 16 };

static struct tern_rand dice;

/* One message, and both implementations with its key. */
struct both {
    mbedtls_gcm_context ctx;
    struct tern_gcm_soft *soft;
    size_t iv_len, add_len, len, tag_len;
    unsigned char key[32], iv[32], add[ADD_MAX], text[TEXT_MAX];
    unsigned char sealed[TEXT_MAX], tag[TAG]; /* as mbedTLS makes them */
};

static void fill(unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)tern_rand_next(&dice);
}

static void setup(struct both *both, unsigned key_bits, size_t len, size_t add_len)
{
    both->iv_len = 12;
    both->len = len;
    both->add_len = add_len;
    both->tag_len = TAG;
    fill(both->key, sizeof(both->key));
    fill(both->iv, sizeof(both->iv));
    fill(both->add, add_len);
    fill(both->text, len);
    mbedtls_gcm_init(&both->ctx);
    both->soft = tern_gcm_soft_new();
    assert_non_null(both->soft);
    assert_int_equal(mbedtls_gcm_setkey(&both->ctx, MBEDTLS_CIPHER_ID_AES, both->key, key_bits), 0);
    assert_int_equal(tern_gcm_soft_setkey(both->soft, MBEDTLS_CIPHER_ID_AES, both->key, key_bits), 0);
}

static void seal_soft(struct both *both)
{
    assert_int_equal(tern_gcm_soft_crypt_and_tag(both->soft, MBEDTLS_GCM_ENCRYPT, both->len, both->iv, both->iv_len,
                                                 both->add, both->add_len, both->text, both->sealed, both->tag_len,
                                                 both->tag),
                     0);
}

static void teardown(struct both *both)
{
    mbedtls_gcm_free(&both->ctx);
    tern_gcm_soft_destroy(both->soft);
}

static int open_ours(struct both *both, const unsigned char *from, unsigned char *to)
{
    return mbedtls_gcm_auth_decrypt(&both->ctx, both->len, both->iv, both->iv_len, both->add, both->add_len, both->tag,
                                    both->tag_len, from, to);
}

/* Sealed and opened, in place and elsewhere, aligned anyhow, in memory that ends where the text does; then with one
 * bit wrong, when nothing may come out. */
static void compare(struct both *both)
{
    size_t shift = tern_rand_below(&dice, 16), wrong = both->len + both->add_len + both->tag_len;
    unsigned char *room = malloc(shift + both->len + 1), *bytes = room + shift, tag[TAG];

    assert_non_null(room);
    seal_soft(both);
    memcpy(bytes, both->text, both->len);
    assert_int_equal(mbedtls_gcm_crypt_and_tag(&both->ctx, MBEDTLS_GCM_ENCRYPT, both->len, both->iv, both->iv_len,
                                               both->add, both->add_len, bytes, bytes, both->tag_len, tag),
                     0);
    assert_memory_equal(bytes, both->sealed, both->len);
    assert_memory_equal(tag, both->tag, both->tag_len);
    assert_int_equal(open_ours(both, bytes, bytes), 0);
    assert_memory_equal(bytes, both->text, both->len);
    memset(bytes, 0, both->len);
    assert_int_equal(open_ours(both, both->sealed, bytes), 0);
    assert_memory_equal(bytes, both->text, both->len);

    wrong = tern_rand_below(&dice, wrong);
    *(wrong < both->len                   ? &both->sealed[wrong]
      : wrong < both->len + both->add_len ? &both->add[wrong - both->len]
                                          : &both->tag[wrong - both->len - both->add_len]) ^=
        (unsigned char)(1u << tern_rand_below(&dice, 8));
    assert_int_equal(open_ours(both, both->sealed, bytes), MBEDTLS_ERR_GCM_AUTH_FAILED);
    for (size_t i = 0; i < both->len; i++)
        assert_int_equal(bytes[i], 0);
    free(room);
}

static void every_length(void **state)
{
    static struct both both;

    (void)state;
    /* A wrong answer at the start would leave all to mbedTLS's own, and nothing to compare. */
    assert_int_equal(cpu_can(), __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul"));
    for (unsigned key_bits = 128; key_bits <= 256; key_bits *= 2)
        for (size_t len = 0; len <= 300; len++) {
            setup(&both, key_bits, len, len % 2 == 0 ? 5 : 13);
            assert_int_equal(both.ctx.fast.round_count != 0, cpu_can());
            compare(&both);
            teardown(&both);
            setup(&both, key_bits, 300 - len, len);
            compare(&both);
            teardown(&both);
        }
}

/* Key sizes, nonces and tags that TLS has not, too: what the fast one leaves to mbedTLS's. */
static void all_kinds(void **state)
{
    static struct both both;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        setup(&both, 128 + 64 * (unsigned)tern_rand_below(&dice, 3), tern_rand_below(&dice, TEXT_MAX),
              tern_rand_below(&dice, ADD_MAX));
        if (tern_rand_below(&dice, 4) == 0)
            both.iv_len = 1 + tern_rand_below(&dice, sizeof(both.iv));
        if (tern_rand_below(&dice, 4) == 0)
            both.tag_len = 4 + tern_rand_below(&dice, 13);
        compare(&both);
        teardown(&both);
    }
}

static void in_pieces(void **state)
{
    static struct both both;

    (void)state;
    for (int i = 0; i < 500; i++) {
        unsigned char out[TEXT_MAX], tag[TAG];
        size_t len, cut, add_cut;

        setup(&both, 128, tern_rand_below(&dice, 300), tern_rand_below(&dice, ADD_MAX));
        cut = tern_rand_below(&dice, both.len + 1);
        add_cut = tern_rand_below(&dice, both.add_len + 1);
        seal_soft(&both);
        assert_int_equal(mbedtls_gcm_starts(&both.ctx, MBEDTLS_GCM_ENCRYPT, both.iv, both.iv_len), 0);
        assert_int_equal(mbedtls_gcm_update_ad(&both.ctx, both.add, add_cut), 0);
        assert_int_equal(mbedtls_gcm_update_ad(&both.ctx, both.add + add_cut, both.add_len - add_cut), 0);
        assert_int_equal(mbedtls_gcm_update(&both.ctx, both.text, cut, out, sizeof(out), &len), 0);
        assert_int_equal(
            mbedtls_gcm_update(&both.ctx, both.text + cut, both.len - cut, out + cut, sizeof(out) - cut, &len), 0);
        assert_int_equal(mbedtls_gcm_finish(&both.ctx, NULL, 0, &len, tag, TAG), 0);
        assert_memory_equal(out, both.sealed, both.len);
        assert_memory_equal(tag, both.tag, TAG);
        teardown(&both);
    }
}

static void refusals(void **state)
{
    static struct both both;
    unsigned char tag[TAG];

    (void)state;
    setup(&both, 128, 200, 13);
    /* To right behind the input, where it would be overwritten before it is read; a tag too short; no nonce. */
    assert_int_equal(mbedtls_gcm_crypt_and_tag(&both.ctx, MBEDTLS_GCM_ENCRYPT, 200, both.iv, 12, both.add, 13,
                                               both.text, both.text + 1, TAG, tag),
                     MBEDTLS_ERR_GCM_BAD_INPUT);
    assert_int_equal(mbedtls_gcm_crypt_and_tag(&both.ctx, MBEDTLS_GCM_ENCRYPT, 200, both.iv, 12, both.add, 13,
                                               both.text, both.sealed, 3, tag),
                     MBEDTLS_ERR_GCM_BAD_INPUT);
    assert_int_equal(mbedtls_gcm_crypt_and_tag(&both.ctx, MBEDTLS_GCM_ENCRYPT, 200, both.iv, 0, both.add, 13, both.text,
                                               both.sealed, TAG, tag),
                     MBEDTLS_ERR_GCM_BAD_INPUT);
    assert_int_not_equal(mbedtls_gcm_setkey(&both.ctx, MBEDTLS_CIPHER_ID_AES, both.key, 64), 0);
    assert_int_equal(both.ctx.fast.round_count, 0);
    teardown(&both);
}

static void out_of_memory(void **state)
{
    static const unsigned char key[16];
    uint64_t live = faultmem_live();
    mbedtls_gcm_context ctx;
    uint64_t n;

    (void)state;
    for (n = 1;; n++) {
        int code;

        mbedtls_gcm_init(&ctx);
        faultmem_fail_nth(n);
        code = mbedtls_gcm_setkey(&ctx, MBEDTLS_CIPHER_ID_AES, key, 128);
        mbedtls_gcm_free(&ctx);
        assert_int_equal(faultmem_live(), live);
        if (!faultmem_failed())
            break;
        assert_int_not_equal(code, 0);
    }
    faultmem_never_fail();
    assert_true(n > 2);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nist_vectors),
#if defined(MBEDTLS_GCM_ALT)
        cmocka_unit_test(every_length),
        cmocka_unit_test(all_kinds),
        cmocka_unit_test(in_pieces),
        cmocka_unit_test(refusals),
        cmocka_unit_test(out_of_memory),
#endif
    };

    faultmem_install();
    mbedtls_platform_set_calloc_free(tern_mem_calloc, tern_mem_free);
#if defined(MBEDTLS_GCM_ALT)
    tern_rand_seed(&dice, 1);
#endif
    return cmocka_run_group_tests(tests, NULL, NULL);
}
