/* tls/mbedtls_stream.h - the provider over mbedTLS and its byte stream: the inside.
 *
 *     LOWER --lower handshake OK--> HANDSHAKE --verified--> OPEN --close_notify--> ENDED
 *       |                              |                     |                      |
 *       +------------------------------+---------> FAILED <--+----------------------+      close, from anywhere: CLOSED
 *
 * 1. OPEN is reached only with a chain that was judged (verify.is_done) in this handshake, or with a session that comes
 *    from such a handshake under the same session key.
 * 2. ENDED and FAILED are for ever: mbedTLS is asked nothing more. stream.fault tells why in FAILED.
 * 3. session_key and verify stay as they were at the opening. */
#ifndef TERN_TLS_MBEDTLS_STREAM_H
#define TERN_TLS_MBEDTLS_STREAM_H

#include <mbedtls/ssl.h>

#include "engine/engine.h"
#include "tls/mbedtls_bio.h"
#include "tls/mbedtls_material.h"
#include "tls/mbedtls_verify.h"
#include "tls/session_cache.h"

/* TLS 1.3 tickets taken on one connection. Servers send 1 to 4; more is work for nothing (and each costs a few KiB of
 * parsing). */
#define TERN_TLS_TICKETS_MAX 32

/* RFC 8446 4.6.1: no ticket is good for longer. One of TLS 1.2 without a lifetime is kept for two hours. */
#define TERN_TLS_SESSION_S_MAX (7 * 24 * 3600)
#define TERN_TLS_SESSION_S_DEFAULT (2 * 3600)

struct tern_tls_mbedtls {
    struct tern_tls_provider provider; /* first */
    struct tern_engine *engine;
    struct tern_session_cache sessions;
    uint32_t stream_count;
    struct tern_tls_buffers buffers;
};

enum tern_tls_state {
    TERN_TLS_LOWER,
    TERN_TLS_HANDSHAKE,
    TERN_TLS_OPEN,
    TERN_TLS_ENDED,
    TERN_TLS_FAILED,
    TERN_TLS_CLOSED
};

struct tern_tls_stream {
    struct tern_bytestream stream; /* first */
    enum tern_tls_state state;
    struct tern_tls_mbedtls *tls;
    struct tern_tls_profile *profile; /* a count of it */
    struct tern_host host;
    struct tern_corpse corpse;
    struct tern_task again; /* the upcall after an operation that stopped for fairness */
    struct tern_tls_bio bio;
    struct tern_verify verify;

    mbedtls_ssl_config conf;
    mbedtls_ssl_context ssl;
    const char *alpn[TERN_TLS_ALPN_MAX + 1];
    uint8_t session_key[TERN_SESSION_KEY_BYTES];
    bool session_offered;
    bool is_resumed;
    bool notify_sent;
    uint32_t ticket_count;
};

/* The provider's open, see tls/provider.h. */
TERN_MUST_USE enum tern_error tern_tls_stream_open(struct tern_tls_mbedtls *tls, const struct tern_tls_open *how,
                                                   struct tern_bytestream **out, struct tern_fault *fault);

/* Sets up conf, ssl, the session to resume and the key log. Errors: TERN_ENOMEM, TERN_ETLS_HANDSHAKE. */
TERN_MUST_USE enum tern_error tern_tls_setup(struct tern_tls_stream *tls, const struct tern_tls_open *how,
                                             struct tern_fault *fault);

/* Puts the ticket that the peer has just given into the cache, where it may be used. Without one (TLS 1.2 by session
 * id) nothing is kept: most servers name ids that they do not store. */
void tern_tls_session_save(struct tern_tls_stream *tls);

/* The suite's name in IANA's registry, or NULL for one that is not offered. Static. */
const char *tern_tls_suite_name(int id);

/* For mbedtls_ssl_set_export_keys_cb: a line for the key log, written off the loop. */
void tern_tls_keylog(void *user, mbedtls_ssl_key_export_type type, const unsigned char *secret, size_t secret_len,
                     const unsigned char client_random[32], const unsigned char server_random[32],
                     mbedtls_tls_prf_types prf);

#endif
