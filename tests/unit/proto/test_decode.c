/* Content codings: each against its library's encoder, at every split; what is broken, cut off, too long or a bomb. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/str.h"
#include "proto/decode.h"
#include "tests/support/encode.h"
#include "tests/support/faultmem.h"

static const struct tern_decoding limits = {.layers_max = 2, .ratio_max = 1000};
static const char *const codings[] = {"gzip", "deflate", "bare", "br", "zstd"};
#define CODINGS (sizeof(codings) / sizeof(codings[0]))

static struct tern_ledger ledger;

/* Some text that shrinks, and is longer than a step. */
static char text[20000];

static void make_text(void)
{
    static const char words[] = "one line of the many that stand here, ";

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 5 == 0 ? (char)('a' + i / 5 * 7919 % 10007 % 26) : words[i % (sizeof(words) - 1)];
}

static const char *field_of(const char *coding)
{
    return strcmp(coding, "bare") == 0 ? "deflate" : coding;
}

static struct tern_decoder *decoder_of(const char *content_encoding, const struct tern_decoding *config)
{
    const struct tern_field field = {TERN_STR("content-encoding"), tern_str(content_encoding), 0};
    struct tern_decoder *decoder;

    tern_ledger_init(&ledger, NULL, 64 * 1024 * 1024);
    assert_int_equal(tern_decoder_new(&decoder, &field, 1, config, &ledger, NULL), TERN_OK);
    assert_non_null(decoder);
    return decoder;
}

/* Feeds in, in pieces of split bytes, taking at most max at a time; out may be NULL. */
static enum tern_error feed(struct tern_decoder *decoder, struct tern_str in, size_t split, size_t max,
                            struct tern_buf *out, struct tern_fault *why)
{
    while (in.len > 0) {
        struct tern_str now = {in.ptr, in.len < split ? in.len : split};

        in = tern_str_n(in.ptr + now.len, in.len - now.len);
        while (!tern_decoder_is_drained(decoder, now.len)) {
            struct tern_str made;
            enum tern_error error = tern_decoder_step(decoder, &now, max, &made, why);

            if (error != TERN_OK)
                return error;
            assert_true(made.len <= max);
            if (out != NULL)
                assert_int_equal(tern_buf_append_str(out, made), TERN_OK);
        }
    }
    return TERN_OK;
}

static enum tern_error decode(const char *content_encoding, const struct tern_buf *in, size_t split, size_t max,
                              struct tern_buf *out, struct tern_fault *why)
{
    struct tern_decoder *decoder = decoder_of(content_encoding, &limits);
    enum tern_error error = feed(decoder, tern_buf_view(in), split, max, out, why);

    if (error == TERN_OK)
        error = tern_decoder_finish(decoder, why);
    tern_decoder_free(decoder);
    assert_int_equal(ledger.held_bytes, 0);
    return error;
}

static void assert_text(struct tern_buf *out, size_t len)
{
    assert_int_equal(out->len, len);
    assert_memory_equal(out->data + out->head, text, len);
    tern_buf_deinit(out);
}

static void test_every_split_gives_the_same(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 7, 100, 4096, SIZE_MAX};

    (void)state;
    for (size_t c = 0; c < CODINGS; c++) {
        struct tern_buf in, out;

        if (!encode_has(codings[c]))
            continue;
        tern_buf_init(&in, SIZE_MAX);
        tern_buf_init(&out, SIZE_MAX);
        encode(&in, codings[c], text, sizeof(text));
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
            for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
                assert_int_equal(decode(field_of(codings[c]), &in, sizes[i], sizes[k], &out, NULL), TERN_OK);
                assert_text(&out, sizeof(text));
            }
        tern_buf_deinit(&in);
    }
}

/* In one piece up to each point of a short body, then the rest. */
static void test_cut_at_every_byte(void **state)
{
    (void)state;
    for (size_t c = 0; c < CODINGS; c++) {
        struct tern_buf in, out;
        struct tern_fault why;

        if (!encode_has(codings[c]))
            continue;
        tern_buf_init(&in, SIZE_MAX);
        tern_buf_init(&out, SIZE_MAX);
        encode(&in, codings[c], text, 300);
        for (size_t cut = 1; cut < in.len; cut++) {
            struct tern_buf part = in;
            struct tern_decoder *decoder = decoder_of(field_of(codings[c]), &limits);
            struct tern_str all = tern_buf_view(&in);

            assert_int_equal(feed(decoder, tern_str_n(all.ptr, cut), SIZE_MAX, SIZE_MAX, &out, NULL), TERN_OK);
            assert_int_equal(feed(decoder, tern_str_n(all.ptr + cut, all.len - cut), SIZE_MAX, SIZE_MAX, &out, NULL),
                             TERN_OK);
            assert_int_equal(tern_decoder_finish(decoder, NULL), TERN_OK);
            tern_decoder_free(decoder);
            assert_text(&out, 300);

            part.len = cut;
            assert_int_equal(decode(field_of(codings[c]), &part, SIZE_MAX, SIZE_MAX, NULL, &why), TERN_EDECODE);
            assert_non_null(strstr(why.text, "cut off after"));
        }
        tern_buf_deinit(&in);
    }
}

static void test_what_follows_the_end(void **state)
{
    (void)state;
    for (size_t c = 0; c < CODINGS; c++) {
        bool has_members = strcmp(codings[c], "gzip") == 0 || strcmp(codings[c], "zstd") == 0;
        struct tern_buf in, out;
        struct tern_fault why;

        if (!encode_has(codings[c]))
            continue;
        tern_buf_init(&in, SIZE_MAX);
        tern_buf_init(&out, SIZE_MAX);
        encode(&in, codings[c], text, 100);
        for (size_t split = 1; split < in.len + 2; split++) { /* within, at and behind the end */
            assert_int_equal(tern_buf_append_byte(&in, 'x'), TERN_OK);
            assert_int_equal(tern_buf_append_byte(&in, 'y'), TERN_OK);
            assert_int_equal(tern_buf_append_byte(&in, 'z'), TERN_OK);
            assert_int_equal(tern_buf_append_byte(&in, 'z'), TERN_OK);
            assert_int_equal(decode(field_of(codings[c]), &in, split, SIZE_MAX, NULL, &why), TERN_EDECODE);
            tern_buf_truncate(&in, 4);
        }
        encode(&in, codings[c], text + 100, 100);
        assert_int_equal(decode(field_of(codings[c]), &in, 5, SIZE_MAX, &out, &why),
                         has_members ? TERN_OK : TERN_EDECODE);
        if (has_members)
            assert_text(&out, 200);
        else
            assert_non_null(strstr(why.text, "bytes behind its end"));
        tern_buf_deinit(&out);
        tern_buf_deinit(&in);
    }
}

/* Each byte of a short body turned round: an error, or the checksum did not cover it; never more than was there. */
static void test_damage_is_no_crash(void **state)
{
    (void)state;
    for (size_t c = 0; c < CODINGS; c++) {
        struct tern_buf in, out;
        size_t refused = 0;

        if (!encode_has(codings[c]))
            continue;
        tern_buf_init(&in, SIZE_MAX);
        tern_buf_init(&out, SIZE_MAX);
        encode(&in, codings[c], text, 600);
        for (size_t i = 0; i < in.len; i++)
            for (int bit = 0; bit < 8; bit++) {
                enum tern_error error;

                in.data[in.head + i] = (char)(in.data[in.head + i] ^ 1 << bit);
                error = decode(field_of(codings[c]), &in, SIZE_MAX, SIZE_MAX, &out, NULL);
                assert_true(error == TERN_OK || error == TERN_EDECODE || error == TERN_ELIMIT);
                refused += error != TERN_OK;
                tern_buf_deinit(&out);
                in.data[in.head + i] = (char)(in.data[in.head + i] ^ 1 << bit);
            }
        assert_true(refused > in.len * 8 / 4);
        tern_buf_deinit(&in);
    }
}

static void test_nothing_is_nothing(void **state)
{
    struct tern_buf none = {0};

    (void)state;
    for (size_t c = 0; c < CODINGS; c++)
        if (encode_has(codings[c]))
            assert_int_equal(decode(field_of(codings[c]), &none, 1, 1, NULL, NULL), TERN_OK);
}

static void test_layers(void **state)
{
    struct tern_buf once, twice, out;

    (void)state;
    for (size_t c = 0; c < CODINGS; c++)
        for (size_t k = 0; k < CODINGS; k++) {
            char list[32];

            if (!encode_has(codings[c]) || !encode_has(codings[k]))
                continue;
            tern_buf_init(&once, SIZE_MAX);
            tern_buf_init(&twice, SIZE_MAX);
            tern_buf_init(&out, SIZE_MAX);
            encode(&once, codings[c], text, sizeof(text));
            encode(&twice, codings[k], once.data + once.head, once.len);
            snprintf(list, sizeof(list), "%s, %s", field_of(codings[c]), field_of(codings[k]));
            assert_int_equal(decode(list, &twice, 100, 999, &out, NULL), TERN_OK);
            assert_text(&out, sizeof(text));
            /* The inner one cut off, the outer one whole. */
            tern_buf_deinit(&twice);
            encode(&twice, codings[k], once.data + once.head, once.len - 1);
            assert_int_equal(decode(list, &twice, 100, 999, NULL, NULL), TERN_EDECODE);
            tern_buf_deinit(&once);
            tern_buf_deinit(&twice);
        }
}

static enum tern_error make(const char *first, const char *second, struct tern_decoder **out, struct tern_fault *why)
{
    const struct tern_field fields[] = {{TERN_STR("Content-Encoding"), tern_str(first), 0},
                                        {TERN_STR("Content-Type"), TERN_STR("gzip"), 0},
                                        {TERN_STR("CONTENT-ENCODING"), tern_str(second), 0}};

    tern_ledger_init(&ledger, NULL, 64 * 1024 * 1024);
    return tern_decoder_new(out, fields, 3, &limits, &ledger, why);
}

static void test_the_list(void **state)
{
    struct tern_decoder *decoder;
    struct tern_fault why;

    (void)state;
    assert_int_equal(make("identity", " , ", &decoder, &why), TERN_OK);
    assert_null(decoder);
    assert_int_equal(make("", "compress\r", &decoder, &why), TERN_EDECODE);
    assert_null(decoder);
    assert_non_null(strstr(why.text, "\"compress\\x0d\""));
    if (!encode_has("gzip"))
        return;
    assert_int_equal(make("X-GZip ,identity", "Deflate", &decoder, &why), TERN_OK);
    assert_non_null(decoder);
    tern_decoder_free(decoder);
    assert_int_equal(make("gzip, gzip", "gzip", &decoder, &why), TERN_EDECODE);
    assert_string_equal(why.text, "Content-Encoding: more than 2 codings (layers_max)");
    assert_int_equal(ledger.held_bytes, 0);
}

/* 64 MiB of zeros: how far each coding gets, and what it holds meanwhile. */
static void test_bombs(void **state)
{
    (void)state;
    for (size_t c = 0; c < CODINGS; c++) {
        struct tern_buf in;
        struct tern_fault why;
        struct tern_decoder *decoder;

        if (!encode_has(codings[c]))
            continue;
        tern_buf_init(&in, SIZE_MAX);
        encode_zeros(&in, codings[c], UINT64_C(1) << 26);
        decoder = decoder_of(field_of(codings[c]), &limits);
        assert_int_equal(feed(decoder, tern_buf_view(&in), 65536, SIZE_MAX, NULL, &why), TERN_EDECODE);
        assert_non_null(strstr(why.text, "ratio_max is 1000"));
        assert_true(tern_decoder_made_bytes(decoder) < 40 * 1024 * 1024);
        assert_true(ledger.held_bytes_peak < 17 * 1024 * 1024);
        tern_decoder_free(decoder);
        tern_buf_deinit(&in);
    }
}

/* A megabyte of zeros is no attack, and where any ratio is allowed nothing is. */
static void test_zeros_may_come(void **state)
{
    const struct tern_decoding any = {.layers_max = 2, .ratio_max = UINT32_MAX};

    (void)state;
    for (size_t c = 0; c < CODINGS; c++) {
        struct tern_decoder *decoder;
        struct tern_buf in;

        if (!encode_has(codings[c]))
            continue;
        tern_buf_init(&in, SIZE_MAX);
        encode_zeros(&in, codings[c], TERN_DECODE_RATIO_FROM_BYTES);
        assert_int_equal(decode(field_of(codings[c]), &in, SIZE_MAX, SIZE_MAX, NULL, NULL), TERN_OK);
        tern_buf_deinit(&in);
        encode_zeros(&in, codings[c], 16 * 1024 * 1024);
        decoder = decoder_of(field_of(codings[c]), &any);
        assert_int_equal(feed(decoder, tern_buf_view(&in), SIZE_MAX, SIZE_MAX, NULL, NULL), TERN_OK);
        assert_int_equal(tern_decoder_finish(decoder, NULL), TERN_OK);
        assert_int_equal(tern_decoder_made_bytes(decoder), 16 * 1024 * 1024);
        tern_decoder_free(decoder);
        tern_buf_deinit(&in);
    }
}

/* The inner bomb's many bytes make nothing at the end, and are one all the same. A step of it stays a step. */
static void test_a_bomb_without_output(void **state)
{
    struct tern_decoder *decoder;
    struct tern_buf blocks, in;
    struct tern_fault why;
    struct tern_str made, left;
    uint64_t before = 0;
    enum tern_error error;

    (void)state;
    if (!encode_has("gzip"))
        return;
    tern_buf_init(&blocks, SIZE_MAX);
    tern_buf_init(&in, SIZE_MAX);
    for (size_t i = 0; i < 1024 * 1024; i++) /* empty stored blocks (RFC 1951 3.2.4) */
        assert_int_equal(tern_buf_append(&blocks, "\0\0\0\377\377", 5), TERN_OK);
    encode(&in, "gzip", blocks.data + blocks.head, blocks.len);
    decoder = decoder_of("deflate, gzip", &(struct tern_decoding){.layers_max = 2, .ratio_max = 500});
    left = tern_buf_view(&in);
    do {
        error = tern_decoder_step(decoder, &left, SIZE_MAX, &made, &why);
        assert_int_equal(made.len, 0);
        assert_true(tern_decoder_made_bytes(decoder) - before <= TERN_DECODE_STEP_BYTES);
        before = tern_decoder_made_bytes(decoder);
    } while (error == TERN_OK && !tern_decoder_is_drained(decoder, left.len));
    assert_int_equal(error, TERN_EDECODE);
    assert_non_null(strstr(why.text, "ratio_max"));
    tern_decoder_free(decoder);
    tern_buf_deinit(&blocks);
    tern_buf_deinit(&in);
}

/* RFC 9659: what wants more than 8 MiB of window is refused before it gets them. */
static void test_zstd_window(void **state)
{
    /* Magic; no single segment, no checksum; window 2^(10 + 14) = 16 MiB; an empty last block. */
    static const char wide[] = "\x28\xb5\x2f\xfd\x00\x70\x01\x00\x00";
    static const char good[] = "\x28\xb5\x2f\xfd\x00\x68\x01\x00\x00";
    struct tern_buf in;
    struct tern_fault why;

    (void)state;
    if (!encode_has("zstd"))
        return;
    tern_buf_init(&in, SIZE_MAX);
    assert_int_equal(tern_buf_append(&in, wide, sizeof(wide) - 1), TERN_OK);
    assert_int_equal(decode("zstd", &in, SIZE_MAX, SIZE_MAX, NULL, &why), TERN_EDECODE);
    tern_buf_clear(&in);
    assert_int_equal(tern_buf_append(&in, good, sizeof(good) - 1), TERN_OK);
    assert_int_equal(decode("zstd", &in, SIZE_MAX, SIZE_MAX, NULL, &why), TERN_OK);
    tern_buf_deinit(&in);
}

static void test_no_room_in_the_ledger(void **state)
{
    (void)state;
    for (size_t c = 0; c < CODINGS; c++) {
        const struct tern_field field = {TERN_STR("Content-Encoding"), tern_str(field_of(codings[c])), 0};
        struct tern_decoder *decoder = NULL;
        struct tern_buf in;
        struct tern_fault why;
        enum tern_error error;

        if (!encode_has(codings[c]))
            continue;
        tern_buf_init(&in, SIZE_MAX);
        encode(&in, codings[c], text, sizeof(text));
        tern_ledger_init(&ledger, NULL, 20 * 1024);
        error = tern_decoder_new(&decoder, &field, 1, &limits, &ledger, &why);
        if (error == TERN_OK)
            error = feed(decoder, tern_buf_view(&in), SIZE_MAX, SIZE_MAX, NULL, &why);
        assert_int_equal(error, TERN_ELIMIT);
        tern_decoder_free(decoder);
        assert_int_equal(ledger.held_bytes, 0);
        tern_buf_deinit(&in);
    }
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (size_t c = 0; c < CODINGS; c++) {
        const struct tern_field field = {TERN_STR("Content-Encoding"), tern_str(field_of(codings[c])), 0};
        uint64_t live;
        struct tern_buf in;

        if (!encode_has(codings[c]))
            continue;
        tern_buf_init(&in, SIZE_MAX);
        encode(&in, codings[c], text, sizeof(text));
        live = faultmem_live();
        for (uint64_t n = 1;; n++) {
            struct tern_decoder *decoder = NULL;
            struct tern_fault why;
            enum tern_error error;

            tern_ledger_init(&ledger, NULL, UINT64_MAX);
            faultmem_fail_nth(n);
            error = tern_decoder_new(&decoder, &field, 1, &limits, &ledger, &why);
            if (error == TERN_OK)
                error = feed(decoder, tern_buf_view(&in), 777, SIZE_MAX, NULL, &why);
            if (error == TERN_OK)
                error = tern_decoder_finish(decoder, &why);
            tern_decoder_free(decoder);
            assert_int_equal(faultmem_live(), live);
            if (!faultmem_failed()) {
                assert_int_equal(error, TERN_OK);
                break;
            }
            assert_int_equal(error, TERN_ENOMEM);
        }
        faultmem_never_fail();
        tern_buf_deinit(&in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_split_gives_the_same),
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_what_follows_the_end),
        cmocka_unit_test(test_damage_is_no_crash),
        cmocka_unit_test(test_nothing_is_nothing),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_the_list),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_zeros_may_come),
        cmocka_unit_test(test_a_bomb_without_output),
        cmocka_unit_test(test_zstd_window),
        cmocka_unit_test(test_no_room_in_the_ledger),
        cmocka_unit_test(test_out_of_memory),
    };

    faultmem_install();
    make_text();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
