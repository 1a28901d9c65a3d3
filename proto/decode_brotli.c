/* br (RFC 7932) by libbrotlidec. Its "large window" extension stays off: 16 MiB is the most that a stream may ask
 * for. */
#include <brotli/decode.h>

#include "base/str.h"
#include "proto/decode_internal.h"

struct state {
    struct tern_decoder *decoder;
    BrotliDecoderState *brotli;
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
    *state = (struct state){decoder, BrotliDecoderCreateInstance(alloc, release, decoder)};
    if (state->brotli != NULL)
        return state;
    tern_decode_release(decoder, state);
    return NULL;
}

static void close_state(void *at)
{
    struct state *state = at;

    BrotliDecoderDestroyInstance(state->brotli);
    tern_decode_release(state->decoder, state);
}

static bool is_memory_error(BrotliDecoderErrorCode code)
{
    return code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES && code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
}

static enum tern_coding_result run(void *at, struct tern_str *in, struct tern_str *out, const char **problem)
{
    struct state *state = at;
    const uint8_t *from = (const uint8_t *)in->ptr;
    uint8_t *to = (uint8_t *)out->ptr;
    BrotliDecoderResult result = BrotliDecoderDecompressStream(state->brotli, &in->len, &from, &out->len, &to, NULL);
    BrotliDecoderErrorCode code;

    in->ptr = (const char *)from;
    out->ptr = (char *)to;
    if (result == BROTLI_DECODER_RESULT_SUCCESS)
        return TERN_CODING_END;
    if (result != BROTLI_DECODER_RESULT_ERROR)
        return TERN_CODING_MORE;
    code = BrotliDecoderGetErrorCode(state->brotli);
    *problem = BrotliDecoderErrorString(code);
    return is_memory_error(code) ? TERN_CODING_NO_MEMORY : TERN_CODING_FAIL;
}

const struct tern_coding tern_coding_br = {"br", NULL, open_state, close_state, run, NULL};
