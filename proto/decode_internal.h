/* proto/decode_internal.h - one content coding, as the decoder uses it. */
#ifndef TERN_PROTO_DECODE_INTERNAL_H
#define TERN_PROTO_DECODE_INTERNAL_H

#include "proto/decode.h"

/* Memory for the libraries below: counted in the decoder's ledger. */
void *tern_decode_alloc(struct tern_decoder *decoder, size_t size);
void tern_decode_release(struct tern_decoder *decoder, void *block);

enum tern_coding_result {
    TERN_CODING_MORE, /* it goes on */
    TERN_CODING_END,  /* complete: all of it has been given out */
    TERN_CODING_FAIL, /* problem says why */
    TERN_CODING_NO_MEMORY
};

struct tern_coding {
    const char *name;
    const char *alias; /* or NULL */
    /* The coding's state, freed by close; NULL: no memory. */
    void *(*open)(struct tern_decoder *decoder, const struct tern_coding *coding);
    void (*close)(void *state);
    /* Moves in and out on by what was taken and made. *problem: static text. */
    enum tern_coding_result (*run)(void *state, struct tern_str *in, struct tern_str *out, const char **problem);
    /* Another stream follows the one that has ended. NULL: none may. */
    void (*restart)(void *state);
};

extern const struct tern_coding tern_coding_gzip;
extern const struct tern_coding tern_coding_deflate;
extern const struct tern_coding tern_coding_br;
extern const struct tern_coding tern_coding_zstd;

#endif
