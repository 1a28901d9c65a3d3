/* tools/mbedtls/gcm_alt.h - mbedTLS's context for GCM, where MBEDTLS_GCM_ALT is set: mbedtls/gcm.h includes it.
 *
 * AES with keys of 128 and 256 bits, in one shot and with a nonce of 12 bytes, which is all that TLS asks for, is done
 * with the CPU's own instructions (gcm_alt.c). Everything else, and everything on a CPU without them, is done by
 * mbedTLS's own code, which is compiled beside under other names (gcm_soft.c). */
#ifndef TERN_GCM_ALT_H
#define TERN_GCM_ALT_H

#define TERN_GCM_POWERS 8u /* as many blocks are hashed with one reduction */

struct tern_gcm_soft;

/* Bytes, not vectors: nobody has to align what holds a context. */
struct tern_gcm_fast {
    unsigned round_count; /* 10 or 14; 0: not for this key, or not on this CPU */
    unsigned char rounds[15][16];
    unsigned char powers[TERN_GCM_POWERS][16]; /* of the hash key, the first one first */
};

typedef struct mbedtls_gcm_context {
    struct tern_gcm_soft *soft; /* its own; NULL before the first key */
    struct tern_gcm_fast fast;
} mbedtls_gcm_context;

#endif
