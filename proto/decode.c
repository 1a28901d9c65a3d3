#include "proto/decode.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"
#include "proto/decode_internal.h"

struct layer {
    const struct tern_coding *coding;
    void *state;
    struct tern_str input; /* made by the layer before this one, and not taken yet; the first layer's is the caller's */
    uint64_t taken_bytes;
    uint64_t made_bytes;
    bool is_full;  /* the last output was as long as it might be: there may be more without input */
    bool is_ended; /* its stream is complete */
    char made[TERN_DECODE_STEP_BYTES];
};

struct tern_decoder {
    struct tern_decoding limits;
    struct tern_ledger *ledger;
    bool lacks_room;
    size_t layer_count;
    struct layer layers[]; /* the first undoes what was applied last */
};

static const struct tern_coding *const codings[] = {
#ifdef TERN_WITH_ZLIB
    &tern_coding_gzip,
    &tern_coding_deflate,
#endif
#ifdef TERN_WITH_BROTLI
    &tern_coding_br,
#endif
#ifdef TERN_WITH_ZSTD
    &tern_coding_zstd,
#endif
    NULL,
};

struct tern_str tern_decode_accepts(void)
{
    static const char text[] =
#ifdef TERN_WITH_ZLIB
        ", gzip, deflate"
#endif
#ifdef TERN_WITH_BROTLI
        ", br"
#endif
#ifdef TERN_WITH_ZSTD
        ", zstd"
#endif
        "";

    return sizeof(text) > 2 ? tern_str(text + 2) : TERN_STR("");
}

/* ---- memory ---- */

/* Stands before each block, since the libraries do not say how large what they free is. */
union block_head {
    size_t size;
    max_align_t align;
};

/* What is promised does not stand in the way: open windows take what room there is, and give way in time. */
static bool has_room(const struct tern_ledger *ledger, uint64_t size)
{
    for (; ledger != NULL; ledger = ledger->parent)
        if (ledger->held_bytes > ledger->bytes_max || ledger->bytes_max - ledger->held_bytes < size)
            return false;
    return true;
}

void *tern_decode_alloc(struct tern_decoder *decoder, size_t size)
{
    union block_head *head;

    if (size > SIZE_MAX - sizeof(*head) || !has_room(decoder->ledger, size)) {
        decoder->lacks_room = true;
        return NULL;
    }
    head = tern_mem_alloc(sizeof(*head) + size);
    if (head == NULL)
        return NULL;
    head->size = size;
    tern_ledger_hold(decoder->ledger, size);
    return head + 1;
}

void tern_decode_release(struct tern_decoder *decoder, void *block)
{
    union block_head *head = block;

    if (block == NULL)
        return;
    head--;
    tern_ledger_drop(decoder->ledger, head->size);
    tern_mem_free(head);
}

static enum tern_error no_memory(const struct tern_decoder *decoder, struct tern_fault *why)
{
    if (decoder->lacks_room)
        return tern_fault_set(why, TERN_ELIMIT, "content decoding: no room in limits.memory_bytes_max");
    return tern_fault_plain(why, TERN_ENOMEM);
}

/* ---- what Content-Encoding says ---- */

static bool is_identity(struct tern_str name)
{
    return name.len == 0 || tern_str_ieq(name, TERN_STR("identity"));
}

static const struct tern_coding *find_coding(struct tern_str name)
{
    for (size_t i = 0; codings[i] != NULL; i++)
        if (tern_str_ieq(name, tern_str(codings[i]->name)) ||
            (codings[i]->alias != NULL && tern_str_ieq(name, tern_str(codings[i]->alias))))
            return codings[i];
    return NULL;
}

/* Cuts the next element off a list (RFC 9110 5.6.1). */
static struct tern_str next_element(struct tern_str *list)
{
    const char *comma = memchr(list->ptr, ',', list->len);
    size_t len = comma != NULL ? (size_t)(comma - list->ptr) : list->len;
    struct tern_str element = {list->ptr, len};

    list->ptr += len + (comma != NULL);
    list->len -= len + (comma != NULL);
    return tern_str_trim(element);
}

/* The codings in the order in which they were applied. */
static enum tern_error read_list(struct tern_str list, const struct tern_decoding *limits,
                                 const struct tern_coding **out, size_t *n, struct tern_fault *why)
{
    char shown[TERN_ESCAPE_MAX];

    while (list.len > 0) {
        struct tern_str name = next_element(&list);

        if (is_identity(name))
            continue;
        if (*n == limits->layers_max)
            return tern_fault_set(why, TERN_EDECODE, "Content-Encoding: more than %u codings (layers_max)",
                                  limits->layers_max);
        out[*n] = find_coding(name);
        if (out[*n] == NULL)
            return tern_fault_set(why, TERN_EDECODE, "Content-Encoding \"%s\": this build decodes %s",
                                  tern_escape(shown, sizeof(shown), name),
                                  codings[0] != NULL ? tern_decode_accepts().ptr : "nothing");
        ++*n;
    }
    return TERN_OK;
}

enum tern_error tern_decoder_new(struct tern_decoder **out, const struct tern_field *fields, size_t count,
                                 const struct tern_decoding *limits, struct tern_ledger *ledger, struct tern_fault *why)
{
    const struct tern_coding *applied[TERN_DECODE_LAYERS_CEILING];
    struct tern_decoder *decoder;
    size_t n = 0;

    *out = NULL;
    for (size_t i = 0; i < count; i++) {
        enum tern_error error = TERN_OK;

        if (tern_str_ieq(fields[i].name, TERN_STR("Content-Encoding")))
            error = read_list(fields[i].value, limits, applied, &n, why);
        if (error != TERN_OK)
            return error;
    }
    if (n == 0)
        return TERN_OK;
    decoder = tern_mem_calloc(1, sizeof(*decoder) + n * sizeof(decoder->layers[0]));
    if (decoder == NULL)
        return tern_fault_plain(why, TERN_ENOMEM);
    decoder->limits = *limits;
    decoder->ledger = ledger;
    tern_ledger_hold(ledger, n * sizeof(decoder->layers[0]));
    decoder->layer_count = n;
    for (size_t i = 0; i < n; i++) {
        struct layer *layer = &decoder->layers[i];

        layer->coding = applied[n - 1 - i];
        layer->state = layer->coding->open(decoder, layer->coding);
        if (layer->state == NULL) {
            enum tern_error error = no_memory(decoder, why);

            tern_decoder_free(decoder);
            return error;
        }
    }
    *out = decoder;
    return TERN_OK;
}

void tern_decoder_free(struct tern_decoder *decoder)
{
    if (decoder == NULL)
        return;
    for (size_t i = 0; i < decoder->layer_count; i++)
        if (decoder->layers[i].state != NULL)
            decoder->layers[i].coding->close(decoder->layers[i].state);
    tern_ledger_drop(decoder->ledger, decoder->layer_count * sizeof(decoder->layers[0]));
    tern_mem_free(decoder);
}

/* ---- the work ---- */

static enum tern_error fail(const struct layer *layer, const char *problem, struct tern_fault *why)
{
    return tern_fault_set(why, TERN_EDECODE, "%s content, within %llu bytes: %s", layer->coding->name,
                          (unsigned long long)layer->taken_bytes, problem);
}

/* A layer may be a bomb for the next one even if nothing comes out at the end. */
static enum tern_error check_ratio(const struct tern_decoder *decoder, const struct layer *layer,
                                   struct tern_fault *why)
{
    if (decoder->limits.ratio_max == UINT32_MAX || layer->made_bytes <= TERN_DECODE_RATIO_FROM_BYTES ||
        layer->made_bytes / decoder->limits.ratio_max < decoder->layers[0].taken_bytes)
        return TERN_OK;
    return tern_fault_set(why, TERN_EDECODE, "%s content: %llu bytes have become %llu, ratio_max is %u",
                          layer->coding->name, (unsigned long long)decoder->layers[0].taken_bytes,
                          (unsigned long long)layer->made_bytes, decoder->limits.ratio_max);
}

static enum tern_error run_layer(struct tern_decoder *decoder, struct layer *layer, struct tern_str *in, size_t max,
                                 size_t *n, struct tern_fault *why)
{
    struct tern_str room = {layer->made, max};
    size_t before = in->len;
    const char *problem = "malformed";
    enum tern_coding_result result;

    if (layer->is_ended && layer->coding->restart == NULL)
        return fail(layer, "bytes behind its end", why);
    if (layer->is_ended)
        layer->coding->restart(layer->state);
    result = layer->coding->run(layer->state, in, &room, &problem);
    *n = max - room.len;
    layer->taken_bytes += before - in->len;
    layer->made_bytes += *n;
    layer->is_ended = result == TERN_CODING_END;
    layer->is_full = *n == max && !layer->is_ended;
    if (result == TERN_CODING_NO_MEMORY)
        return no_memory(decoder, why);
    if (result == TERN_CODING_FAIL || (before > 0 && in->len == before && *n == 0 && !layer->is_ended))
        return fail(layer, problem, why);
    return check_ratio(decoder, layer, why);
}

/* One pass of layer i, after one of those before it where it has nothing to work on. *n: what it made. */
static enum tern_error pull(struct tern_decoder *decoder, size_t i, struct tern_str *in, size_t max, size_t *n,
                            struct tern_fault *why)
{
    struct layer *layer = &decoder->layers[i];
    struct tern_str *from = i == 0 ? in : &layer->input;

    *n = 0;
    if (from->len == 0 && !layer->is_full) {
        size_t got;
        enum tern_error error;

        if (i == 0)
            return TERN_OK;
        error = pull(decoder, i - 1, in, TERN_DECODE_STEP_BYTES, &got, why);
        if (error != TERN_OK || got == 0)
            return error;
        *from = tern_str_n(decoder->layers[i - 1].made, got);
    }
    return run_layer(decoder, layer, from, max, n, why);
}

enum tern_error tern_decoder_step(struct tern_decoder *decoder, struct tern_str *in, size_t max, struct tern_str *out,
                                  struct tern_fault *why)
{
    size_t last = decoder->layer_count - 1;
    size_t n;
    enum tern_error error;

    error = pull(decoder, last, in, max < TERN_DECODE_STEP_BYTES ? max : TERN_DECODE_STEP_BYTES, &n, why);
    *out = tern_str_n(decoder->layers[last].made, error == TERN_OK ? n : 0);
    return error;
}

bool tern_decoder_is_drained(const struct tern_decoder *decoder, size_t in_len)
{
    for (size_t i = 0; i < decoder->layer_count; i++)
        if (decoder->layers[i].is_full || decoder->layers[i].input.len > 0)
            return false;
    return in_len == 0;
}

uint64_t tern_decoder_made_bytes(const struct tern_decoder *decoder)
{
    uint64_t made = 0;

    for (size_t i = 0; i < decoder->layer_count; i++)
        made += decoder->layers[i].made_bytes;
    return made;
}

enum tern_error tern_decoder_finish(const struct tern_decoder *decoder, struct tern_fault *why)
{
    for (size_t i = 0; i < decoder->layer_count; i++) {
        const struct layer *layer = &decoder->layers[i];

        if (!layer->is_ended && layer->taken_bytes > 0)
            return tern_fault_set(why, TERN_EDECODE, "%s content: cut off after %llu bytes", layer->coding->name,
                                  (unsigned long long)layer->taken_bytes);
    }
    return TERN_OK;
}
