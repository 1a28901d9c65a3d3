/* tls/mbedtls_stream.h - the provider over mbedTLS and its byte stream: the inside.
 *
 *     LOWER --lower handshake OK--> SETUP ----> HANDSHAKE --verified--> OPEN --close_notify--> ENDED
 *       |                             |             |                     |                      |
 *       +-----------------------------+-------------+--------> FAILED <---+----------------------+
 *     close, from anywhere: CLOSED
 *
 * 1. OPEN is reached only with a chain that was judged (verify.is_done) in this handshake, or with a session that comes
 *    from such a handshake under the same session key.
 * 2. ENDED and FAILED are for ever: mbedTLS is asked nothing more. fault tells why in FAILED.
 * 3. session_key and verify stay as they were at the opening.
 * 4. In HANDSHAKE, and where that was closed, home may be ON_WORKER. Then conf, ssl, verify, key_lines and shift are
 *    the worker's: the loop touches none of them, nor what they point into (profile, host, alpn), which nobody changes.
 *    The worker touches nothing else. CLOSED keeps them until the job is back.
 * 5. In OPEN, what can no longer be sent ends only the writing: an answer or a GOAWAY that came before is still
 *    read. */
#ifndef TERN_TLS_MBEDTLS_STREAM_H
#define TERN_TLS_MBEDTLS_STREAM_H

#include <mbedtls/ssl.h>

#include "engine/engine.h"
#include "tls/mbedtls_bio.h"
#include "tls/mbedtls_material.h"
#include "tls/mbedtls_records.h"
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
    struct tern_tls_record_spares records;
    struct tern_tls_buffers buffers;
};

enum tern_tls_state {
    TERN_TLS_LOWER,
    TERN_TLS_SETUP, /* conf and ssl are still empty */
    TERN_TLS_HANDSHAKE,
    TERN_TLS_OPEN,
    TERN_TLS_ENDED,
    TERN_TLS_FAILED,
    TERN_TLS_CLOSED
};

enum tern_tls_home { TERN_TLS_ON_LOOP, TERN_TLS_ON_WORKER };

struct tern_tls_shift;
struct tern_tls_key_line;

struct tern_tls_stream {
    struct tern_bytestream stream; /* first */
    enum tern_tls_state state;
    enum tern_tls_home home;
    struct tern_engine *engine;
    struct tern_tls_mbedtls *tls;     /* its provider; not once CLOSED */
    struct tern_tls_profile *profile; /* a count of it */
    struct tern_host host;
    struct tern_corpse corpse;
    struct tern_task again;  /* the upcall after an operation that stopped for fairness */
    struct tern_task step;   /* of the handshake */
    struct tern_fault fault; /* in FAILED, and once sending has failed */
    struct tern_tls_bio bio;
    struct tern_verify verify;

    mbedtls_ssl_config conf;
    mbedtls_ssl_context ssl;
    struct tern_tls_record_heads heads;  /* what ssl points into between operations */
    struct tern_tls_shift *shift;        /* NULL but in a handshake on a worker */
    struct tern_tls_key_line *key_lines; /* made in the latest step, the last one first */
    const char *alpn[TERN_TLS_ALPN_MAX + 1];
    uint16_t port;
    uint8_t session_key[TERN_SESSION_KEY_BYTES];
    bool session_offered;
    bool is_resumed;
    bool notify_sent;
    uint32_t ticket_count;
};

/* The provider's open, see tls/provider.h. */
TERN_MUST_USE enum tern_error tern_tls_stream_open(struct tern_tls_mbedtls *tls, const struct tern_tls_open *how,
                                                   struct tern_bytestream **out, struct tern_fault *fault);

/* The end of CLOSED: frees all that the handshake uses, then the memory when nobody needs it. */
void tern_tls_stream_release(struct tern_tls_stream *tls);

/* ---- states and failing: mbedtls_fault.c ---- */

void tern_tls_set_state(struct tern_tls_stream *tls, enum tern_tls_state state);

/* Move to FAILED with a fault, and give TERN_FLOW_ERROR: after mbedTLS's code; after an error of bio, or of the stream
 * below; where the peer keeps us busy with more than max of what, which carry nothing. */
enum tern_flow tern_tls_fail(struct tern_tls_stream *tls, int code);
enum tern_flow tern_tls_fail_lower(struct tern_tls_stream *tls);
enum tern_flow tern_tls_fail_flood(struct tern_tls_stream *tls, unsigned max, const char *what);

static inline bool tern_tls_is_silent_flood(const struct tern_tls_stream *tls)
{
    return tls->bio.silent_bytes > TERN_TLS_SILENT_BYTES_MAX;
}

static inline enum tern_flow tern_tls_fail_silent_flood(struct tern_tls_stream *tls)
{
    return tern_tls_fail_flood(tls, TERN_TLS_SILENT_BYTES_MAX, "bytes without data");
}

/* ---- operations, once OPEN ---- */

/* The end of one, and of the handshake: the record buffers are others' to use, unless something is in them. */
void tern_tls_records_rest(struct tern_tls_stream *tls);

/* ---- handshakes: mbedtls_handshake.c ---- */

void tern_tls_handshake_init(struct tern_tls_stream *tls);

/* In SETUP and HANDSHAKE: has the next step done in a turn to come, unless one is under way. on_ready comes when the
 * handshake is over: OPEN or FAILED. */
void tern_tls_handshake_go_on(struct tern_tls_stream *tls);

/* ON_WORKER: the worker stops after the step that it is in. */
void tern_tls_shift_cancel(struct tern_tls_stream *tls);

/* ON_LOOP. */
void tern_tls_shift_free(struct tern_tls_stream *tls);

/* ---- the rest ---- */

/* Sets up conf, ssl, the session to resume and the key log. Errors, with fault: TERN_ENOMEM, TERN_ETLS_HANDSHAKE. */
TERN_MUST_USE enum tern_error tern_tls_setup(struct tern_tls_stream *tls, struct tern_fault *fault);

/* Puts the ticket that the peer has just given into the cache, where it may be used. Without one (TLS 1.2 by session
 * id) nothing is kept: most servers name ids that they do not store. */
void tern_tls_session_save(struct tern_tls_stream *tls);

/* The suite's name in IANA's registry, or NULL for one that is not offered. Static. */
const char *tern_tls_suite_name(int id);

/* For mbedtls_ssl_set_export_keys_cb, where the handshake is: a line for the key log, into key_lines. On the loop
 * write has them written, on a file worker; drop forgets them. */
void tern_tls_keylog(void *user, mbedtls_ssl_key_export_type type, const unsigned char *secret, size_t secret_len,
                     const unsigned char client_random[32], const unsigned char server_random[32],
                     mbedtls_tls_prf_types prf);
void tern_tls_keylog_write(struct tern_tls_stream *tls);
void tern_tls_keylog_drop(struct tern_tls_stream *tls);

#endif
