/* gzip (RFC 1952) and deflate (RFC 1950, and RFC 1951 bare) by zlib. */
#include <zlib.h>

#include "base/str.h"
#include "proto/decode_internal.h"

/* zlib's windowBits: 32 KiB of window; with a gzip header, with a zlib header, bare. */
#define BITS 15
#define BITS_GZIP (BITS + 16)
#define BITS_BARE (-BITS)

struct state {
    struct tern_decoder *decoder;
    z_stream z;
    bool is_gzip;
    bool is_open;
};

static void *alloc(void *opaque, unsigned items, unsigned size)
{
    return items != 0 && size > SIZE_MAX / items ? NULL : tern_decode_alloc(opaque, (size_t)items * size);
}

static void release(void *opaque, void *block)
{
    tern_decode_release(opaque, block);
}

static void *open_state(struct tern_decoder *decoder, const struct tern_coding *coding)
{
    struct state *state = tern_decode_alloc(decoder, sizeof(*state));

    if (state != NULL)
        *state = (struct state){.decoder = decoder,
                                .z = {.zalloc = alloc, .zfree = release, .opaque = decoder},
                                .is_gzip = coding == &tern_coding_gzip};
    return state;
}

static void close_state(void *at)
{
    struct state *state = at;

    if (state->is_open)
        inflateEnd(&state->z);
    tern_decode_release(state->decoder, state);
}

/* "deflate" means zlib's format; some servers send it bare (RFC 9110 8.4.1.2). A bare stream never begins with the 8 of
 * zlib's method: that would be a stored block with bits set where there are none to set (RFC 1951 3.2.4). */
static int bits_of(const struct state *state, struct tern_str in)
{
    if (state->is_gzip)
        return BITS_GZIP;
    return ((unsigned char)in.ptr[0] & 0x0f) == Z_DEFLATED ? BITS : BITS_BARE;
}

static enum tern_coding_result run(void *at, struct tern_str *in, struct tern_str *out, const char **problem)
{
    struct state *state = at;
    z_stream *z = &state->z;
    uInt given = in->len < UINT32_MAX ? (uInt)in->len : UINT32_MAX;
    int result;

    if (!state->is_open && inflateInit2(z, bits_of(state, *in)) != Z_OK)
        return TERN_CODING_NO_MEMORY;
    state->is_open = true;
    z->next_in = (unsigned char *)in->ptr;
    z->avail_in = given;
    z->next_out = (unsigned char *)out->ptr;
    z->avail_out = (uInt)out->len;
    result = inflate(z, Z_NO_FLUSH);
    *in = tern_str_n(in->ptr + (given - z->avail_in), in->len - (given - z->avail_in));
    *out = tern_str_n((char *)z->next_out, z->avail_out);
    if (z->msg != NULL)
        *problem = z->msg;
    switch (result) {
    case Z_STREAM_END:
        return TERN_CODING_END;
    case Z_OK:
    case Z_BUF_ERROR: /* nothing to do: no input, no room */
        return TERN_CODING_MORE;
    case Z_MEM_ERROR:
        return TERN_CODING_NO_MEMORY;
    default:
        return TERN_CODING_FAIL;
    }
}

/* RFC 1952 2.2: a gzip file is a series of members. */
static void restart(void *at)
{
    struct state *state = at;

    (void)inflateReset(&state->z); /* of a stream that is open: cannot fail */
}

const struct tern_coding tern_coding_gzip = {"gzip", "x-gzip", open_state, close_state, run, restart};
const struct tern_coding tern_coding_deflate = {"deflate", NULL, open_state, close_state, run, NULL};
