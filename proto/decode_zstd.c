/* zstd (RFC 8878) by libzstd. Windows over 8 MiB are refused (RFC 9659). */
#define ZSTD_STATIC_LINKING_ONLY /* for memory of our own: ZSTD_createDCtx_advanced, unchanged since 1.0 */
#include <zstd.h>
#include <zstd_errors.h>

#include "base/str.h"
#include "proto/decode_internal.h"

#define WINDOW_LOG_MAX 23

struct state {
    struct tern_decoder *decoder;
    ZSTD_DCtx *zstd;
};

static void *alloc(void *opaque, size_t size)
{
    return tern_decode_alloc(opaque, size);
}

static void release(void *opaque, void *block)
{
    tern_decode_release(opaque, block);
}

static void *open_state(struct tern_decoder *decoder, const struct tern_coding *coding)
{
    struct state *state = tern_decode_alloc(decoder, sizeof(*state));

    (void)coding;
    if (state == NULL)
        return NULL;
    *state = (struct state){decoder, ZSTD_createDCtx_advanced((ZSTD_customMem){alloc, release, decoder})};
    if (state->zstd != NULL && !ZSTD_isError(ZSTD_DCtx_setParameter(state->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)))
        return state;
    ZSTD_freeDCtx(state->zstd);
    tern_decode_release(decoder, state);
    return NULL;
}

static void close_state(void *at)
{
    struct state *state = at;

    ZSTD_freeDCtx(state->zstd);
    tern_decode_release(state->decoder, state);
}

static enum tern_coding_result run(void *at, struct tern_str *in, struct tern_str *out, const char **problem)
{
    struct state *state = at;
    ZSTD_inBuffer from = {in->ptr, in->len, 0};
    ZSTD_outBuffer to = {(char *)out->ptr, out->len, 0};
    size_t result = ZSTD_decompressStream(state->zstd, &to, &from);

    *in = tern_str_n(in->ptr + from.pos, in->len - from.pos);
    *out = tern_str_n(out->ptr + to.pos, out->len - to.pos);
    if (!ZSTD_isError(result))
        return result == 0 ? TERN_CODING_END : TERN_CODING_MORE;
    *problem = ZSTD_getErrorName(result);
    return ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation ? TERN_CODING_NO_MEMORY : TERN_CODING_FAIL;
}

/* RFC 8878 3: frames, which may be skippable ones, follow each other. libzstd begins the next of itself. */
static void restart(void *at)
{
    (void)at;
}

const struct tern_coding tern_coding_zstd = {"zstd", NULL, open_state, close_state, run, restart};
