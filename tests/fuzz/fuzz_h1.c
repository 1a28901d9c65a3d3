/* HTTP/1.1 answers: however the bytes are split, the stream hears the same and the connection ends up in the same
 * state. The input: a byte of options, the seed of the splits, the answer. */
#include "tests/fuzz/fuzz.h"
#include "tests/support/h1_rig.h"

enum { HEAD = 1, UPLOAD = 2, END = 4, SMALL_WINDOW = 8 };

static void play(struct h1_rig *rig, uint8_t options, struct tern_rand *splits, struct tern_str answer)
{
    static const char *const steps[] = {"body"};

    h1_rig_init(rig, NULL);
    if (options & HEAD)
        rig->message.method = TERN_STR("HEAD");
    if (options & UPLOAD) {
        rig->message.method = TERN_STR("PUT");
        rig->message.expect_continue = true;
        h1_rig_body(rig, steps, 1, 4);
    }
    if (options & SMALL_WINDOW)
        rig->stream.window_bytes = 3;
    FUZZ_CHECK(h1_rig_submit(rig) == TERN_OK);
    h1_rig_write(rig, 0);
    for (size_t at = 0; at < answer.len;) {
        size_t most = answer.len - at;
        size_t n = splits != NULL ? 1 + (size_t)tern_rand_below(splits, most < 40 ? most : 40) : most;
        size_t used = h1_rig_feed_n(rig, answer.ptr + at, n, 0);

        at += used;
        if (used < n)
            break;
    }
    if (options & END)
        h1_rig_eof(rig);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tern_str rest = {(const char *)data, size};
    uint8_t options = fuzz_byte(&rest);
    struct tern_rand splits;
    struct h1_rig whole, split;

    tern_rand_seed(&splits, fuzz_byte(&rest));
    play(&whole, options, NULL, rest);
    play(&split, options, &splits, rest);
    fuzz_same(tern_str(h1_rig_log(&whole)), tern_str(h1_rig_log(&split)));
    FUZZ_CHECK(h1_rig_state(&whole) == h1_rig_state(&split));
    h1_rig_deinit(&split);
    h1_rig_deinit(&whole);
    return 0;
}
