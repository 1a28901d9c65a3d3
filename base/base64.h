/* base/base64.h - base64 with the standard alphabet and padding (RFC 4648 section 4). Any thread. */
#ifndef TERN_BASE_BASE64_H
#define TERN_BASE_BASE64_H

#include "base/buf.h"

/* Appends the encoding of the bytes. Errors: TERN_ELIMIT, TERN_ENOMEM; all or nothing. */
TERN_MUST_USE enum tern_error tern_base64_append(struct tern_buf *out, const void *bytes, size_t len);

/* Strict: full groups of four, padding, no blanks, unused bits zero. False otherwise, and where cap is too small; out
 * is then not to be used. */
TERN_MUST_USE bool tern_base64_decode(struct tern_str text, uint8_t *out, size_t cap, size_t *out_len);

#endif
