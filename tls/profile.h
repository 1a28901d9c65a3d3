/* tls/profile.h - the inside of a profile: the configuration's half (any thread, never changed) and the
 * loading's half (the engine's thread). */
#ifndef TERN_TLS_PROFILE_H
#define TERN_TLS_PROFILE_H

#include <stdatomic.h>

#include "base/buf.h"
#include "engine/engine.h"
#include "tls/provider.h"

#define TERN_TLS_SHA256_BYTES 32

/* Pins of one configuration: far more than a key rollover needs. */
#define TERN_TLS_PINS_MAX 64

/* Trust in memory: a few system bundles. */
#define TERN_TLS_CA_PEM_BYTES_MAX (16u * 1024 * 1024)

struct tern_tls_material;

struct tern_tls_profile {
    _Atomic uint32_t count;
    struct tern_tls_config config; /* its pointers are copies of the profile's own */
    char *env_ca_file; /* SSL_CERT_FILE and SSL_CERT_DIR, where the configuration names no trust; else NULL */
    char *env_ca_dir;
    uint8_t (*pins)[TERN_TLS_SHA256_BYTES];
    size_t pin_count;
    struct tern_buf shape;

    struct tern_engine *engine;         /* on which it was loaded; NULL before */
    struct tern_tls_material *material; /* what was loaded; owned, NULL until then */
    bool is_loading;
    struct tern_list waiters;
    struct tern_task tell; /* those who asked when it was loaded already */
};

#endif
