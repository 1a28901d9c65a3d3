#include "tests/support/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#ifdef TERN_WITH_BROTLI
#include <brotli/encode.h>
#endif
#ifdef TERN_WITH_ZLIB
#include <zlib.h>
#endif
#ifdef TERN_WITH_ZSTD
#include <zstd.h>
#endif

#include "proto/decode.h"

#define PIECE (64 * 1024)

static char piece[PIECE];

/* One stream: bytes repeated times, or len bytes once. */
struct source {
    const char *bytes;
    size_t len;
    uint64_t left;
};

static size_t next(struct source *source)
{
    size_t n = source->left < source->len ? (size_t)source->left : source->len;

    source->left -= n;
    return n;
}

static void put(struct tern_buf *out, const void *bytes, size_t len)
{
    assert_int_equal(tern_buf_append(out, bytes, len), TERN_OK);
}

#ifdef TERN_WITH_ZLIB
static void by_zlib(struct tern_buf *out, int bits, struct source *source)
{
    z_stream z = {0};
    int result;

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, bits, 9, Z_DEFAULT_STRATEGY), Z_OK);
    do {
        z.next_in = (unsigned char *)source->bytes;
        z.avail_in = (uInt)next(source);
        do {
            z.next_out = (unsigned char *)piece;
            z.avail_out = PIECE;
            result = deflate(&z, source->left == 0 ? Z_FINISH : Z_NO_FLUSH);
            put(out, piece, PIECE - z.avail_out);
        } while (z.avail_out == 0);
    } while (result != Z_STREAM_END);
    deflateEnd(&z);
}
#endif

#ifdef TERN_WITH_BROTLI
static void by_brotli(struct tern_buf *out, struct source *source)
{
    BrotliEncoderState *state = BrotliEncoderCreateInstance(NULL, NULL, NULL);

    BrotliEncoderSetParameter(state, BROTLI_PARAM_QUALITY, 5);
    while (!BrotliEncoderIsFinished(state)) {
        const uint8_t *from = (const uint8_t *)source->bytes;
        size_t from_len = next(source);

        do {
            uint8_t *to = (uint8_t *)piece;
            size_t to_len = PIECE;

            assert_true(BrotliEncoderCompressStream(
                state, source->left == 0 ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_PROCESS, &from_len, &from,
                &to_len, &to, NULL));
            put(out, piece, PIECE - to_len);
        } while (from_len > 0 || BrotliEncoderHasMoreOutput(state));
    }
    BrotliEncoderDestroyInstance(state);
}
#endif

#ifdef TERN_WITH_ZSTD
static void by_zstd(struct tern_buf *out, struct source *source)
{
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    size_t left;

    do {
        ZSTD_inBuffer from = {source->bytes, next(source), 0};

        do {
            ZSTD_outBuffer to = {piece, PIECE, 0};

            left = ZSTD_compressStream2(zstd, &to, &from, source->left == 0 ? ZSTD_e_end : ZSTD_e_continue);
            assert_false(ZSTD_isError(left));
            put(out, piece, to.pos);
        } while (from.pos < from.size || (source->left == 0 && left > 0));
    } while (source->left > 0);
    ZSTD_freeCCtx(zstd);
}
#endif

static void run(struct tern_buf *out, const char *coding, struct source source)
{
#ifdef TERN_WITH_ZLIB
    if (strcmp(coding, "gzip") == 0)
        by_zlib(out, 15 + 16, &source);
    if (strcmp(coding, "deflate") == 0)
        by_zlib(out, 15, &source);
    if (strcmp(coding, "bare") == 0)
        by_zlib(out, -15, &source);
#endif
#ifdef TERN_WITH_BROTLI
    if (strcmp(coding, "br") == 0)
        by_brotli(out, &source);
#endif
#ifdef TERN_WITH_ZSTD
    if (strcmp(coding, "zstd") == 0)
        by_zstd(out, &source);
#endif
    assert_true(out->len > 0);
}

bool encode_has(const char *coding)
{
    return strstr(tern_decode_accepts().ptr, strcmp(coding, "bare") == 0 ? "deflate" : coding) != NULL;
}

void encode(struct tern_buf *out, const char *coding, const void *bytes, size_t len)
{
    run(out, coding, (struct source){bytes, len, len});
}

void encode_zeros(struct tern_buf *out, const char *coding, uint64_t len)
{
    static const char zeros[PIECE];

    run(out, coding, (struct source){zeros, PIECE, len});
}
