/* tests/support/encode.h - content codings applied, by the libraries' own encoders. */
#ifndef TERN_TESTS_SUPPORT_ENCODE_H
#define TERN_TESTS_SUPPORT_ENCODE_H

#include "base/buf.h"

/* Whether coding ("gzip", "deflate", "bare" for deflate without its frame, "br", "zstd") is built in. */
bool encode_has(const char *coding);

/* Appends bytes to out in that coding. */
void encode(struct tern_buf *out, const char *coding, const void *bytes, size_t len);

/* The same for zeros, without that many in memory at once. */
void encode_zeros(struct tern_buf *out, const char *coding, uint64_t len);

#endif
