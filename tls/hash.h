/* tls/hash.h - the hashes that other layers need, from the TLS library. Any thread; nothing is allocated. */
#ifndef TERN_TLS_HASH_H
#define TERN_TLS_HASH_H

#include "tern/types.h"

/* Hash all parts, one after the other. False: the library could not. */
TERN_MUST_USE bool tern_hash_md5(const struct tern_str *parts, size_t count, uint8_t out[16]);
TERN_MUST_USE bool tern_hash_sha256(const struct tern_str *parts, size_t count, uint8_t out[32]);

#endif
