/* What an HTTP/2 peer sends: however it is split, the streams hear the same and the client answers the same frames.
 *
 * The input: a byte of options, the seed of the splits, then frames as {type, flags, stream, two bytes of length,
 * payload}. So most frames are whole, and what is inside of them gets its turn; a type with its high bit set has a
 * length that lies, and with RAW the bytes are the wire's own. */
#include "tests/fuzz/fuzz.h"
#include "tests/support/h2_rig.h"

enum { RAW = 1, END = 2, STREAMS = 3 };

struct session {
    struct h2_rig rig;
    struct h2_peer peers[STREAMS];
};

static void open_session(struct session *s)
{
    static const char *const methods[STREAMS] = {"GET", "PUT", "HEAD"};
    static const char *const steps[] = {"body"};

    h2_rig_init(&s->rig, NULL, 0);
    for (size_t i = 0; i < STREAMS; i++) {
        h2_peer_init(&s->rig, &s->peers[i]);
        s->peers[i].message.method = tern_str(methods[i]);
        if (i == 1)
            h2_peer_body(&s->peers[i], steps, 1, 4);
        FUZZ_CHECK(h2_peer_submit(&s->peers[i]) == TERN_OK);
    }
    h2_rig_write(&s->rig, 0);
    (void)h2_rig_frames(&s->rig);
}

static void close_session(struct session *s)
{
    for (size_t i = 0; i < STREAMS; i++)
        h2_peer_deinit(&s->peers[i]);
    h2_rig_deinit(&s->rig);
}

static void play(struct session *s, uint8_t options, struct tern_rand *splits, struct tern_str wire)
{
    enum tern_error error = TERN_OK;

    open_session(s);
    while (wire.len != 0 && error == TERN_OK) {
        size_t n = splits != NULL ? 1 + (size_t)tern_rand_below(splits, wire.len < 60 ? wire.len : 60) : wire.len;
        struct tern_buf piece = {.data = (char *)(uintptr_t)wire.ptr, .len = n, .cap = n, .max = n};

        error = h2_rig_feed(&s->rig, &piece, 0);
        wire = tern_str_from(wire, n);
    }
    h2_rig_write(&s->rig, 0);
    if (options & END)
        h2_rig_eof(&s->rig);
}

static enum tern_codec_state state_of(const struct session *s)
{
    return s->rig.h2.codec.ops->state(&s->rig.h2.codec);
}

/* The wire of the input's frames. */
static void frame(struct tern_str rest, struct tern_buf *wire)
{
    while (rest.len != 0) {
        uint8_t type = fuzz_byte(&rest), flags = fuzz_byte(&rest), stream = fuzz_byte(&rest);
        size_t told = (size_t)fuzz_byte(&rest) << 8;
        size_t len;

        told |= fuzz_byte(&rest);
        len = told < rest.len ? told : rest.len;
        if (!(type & 0x80))
            told = len;
        FUZZ_CHECK(tern_buf_append(wire,
                                   (uint8_t[9]){(uint8_t)(told >> 16), (uint8_t)(told >> 8), (uint8_t)told, type & 0x7f,
                                                flags, 0, 0, 0, stream},
                                   9) == TERN_OK);
        FUZZ_CHECK(tern_buf_append(wire, rest.ptr, len) == TERN_OK);
        rest = tern_str_from(rest, len);
    }
}

static size_t first(const char *log, const char *what)
{
    const char *at = strstr(log, what);

    return at != NULL ? (size_t)(at - log) : strlen(log);
}

/* An answer that breaks the rules ends alike; but how much of its body came before that is nghttp2's to say, which
 * looks at DATA piece by piece. */
static void same_log(const char *a, const char *b)
{
    const char *end_a = strstr(a, "error TERN_"), *end_b = strstr(b, "error TERN_");

    if (end_a == NULL || end_b == NULL) {
        fuzz_same(tern_str(a), tern_str(b));
        return;
    }
    if (strncmp(end_a, "error TERN_EPROTO", 17) != 0)
        fuzz_same(tern_str(end_a), tern_str(end_b));
    fuzz_same(tern_str_n(end_a, first(end_a, " \"")), tern_str_n(end_b, first(end_b, " \"")));
    a = strndupa(a, (size_t)(end_a - a));
    b = strndupa(b, (size_t)(end_b - b));
    fuzz_same(tern_str_n(a, first(a, "body \"")), tern_str_n(b, first(b, "body \"")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tern_str rest = {(const char *)data, size};
    uint8_t options = fuzz_byte(&rest);
    static struct session whole, split;
    struct tern_rand splits;
    struct tern_buf wire;

    tern_rand_seed(&splits, fuzz_byte(&rest));
    tern_buf_init(&wire, SIZE_MAX / 2);
    if (options & RAW)
        FUZZ_CHECK(tern_buf_append(&wire, rest.ptr, rest.len) == TERN_OK);
    else
        frame(rest, &wire);
    play(&whole, options, NULL, tern_buf_view(&wire));
    play(&split, options, &splits, tern_buf_view(&wire));
    FUZZ_CHECK(state_of(&whole) == state_of(&split));
    if (state_of(&whole) != TERN_CODEC_CLOSED) /* then nobody waits for what is still to be written */
        fuzz_same(tern_str(h2_rig_frames(&whole.rig)), tern_str(h2_rig_frames(&split.rig)));
    for (size_t i = 0; i < STREAMS; i++)
        same_log(h2_peer_log(&whole.peers[i]), h2_peer_log(&split.peers[i]));
    close_session(&split);
    close_session(&whole);
    tern_buf_deinit(&wire);
    return 0;
}
