/* tls/provider.h - what makes TLS byte streams, as the pool and the simulator see it.
 *
 * A profile is a client's TLS configuration, checked and copied: immutable, counted, with a canonical shape for the
 * pool key. A provider turns a profile, a host and a lower byte stream into a TLS byte stream. tern_tls_mbedtls_new
 * makes the real one; another may stand in its place (the simulator's).
 *
 * The order: tern_tls_profile_new (any thread) - load (files are read and parsed off the loop, once for a profile) -
 * open a stream - handshake until OK - info.
 *
 * All belongs to the engine's thread but the count of a profile. A profile is loaded on one engine only. */
#ifndef TERN_TLS_PROVIDER_H
#define TERN_TLS_PROVIDER_H

#include "base/host.h"
#include "base/list.h"
#include "engine/bytestream.h"
#include "tern/client.h"

struct tern_engine;
struct tern_tls_profile;
struct tern_tls_provider;

/* ---- profile ---- */

/* Checks and copies config; keeps nothing of it. On success *out is the caller's, with a count of one. Any thread.
 * Errors: TERN_ECONFIG (a version range that is empty, a pin that is none, a key without a certificate ...: the
 * fault names field, value and rule), TERN_ENOMEM. No file is touched. */
TERN_MUST_USE enum tern_error tern_tls_profile_new(const struct tern_tls_config *config, struct tern_tls_profile **out,
                                                   struct tern_fault *fault);

/* One more count; gives profile back. Any thread. */
struct tern_tls_profile *tern_tls_profile_acquire(struct tern_tls_profile *profile);

/* One count less; the last one frees. NULL is ignored. A profile that was loaded: the engine's thread. */
void tern_tls_profile_release(struct tern_tls_profile *profile);

/* The canonical bytes of every field, each length-prefixed: equal if and only if the two profiles trust, present and
 * agree on the same. Goes into the pool key. Secrets and key material in memory stand there as their SHA-256.
 * Borrowed for the profile's life. Any thread. */
struct tern_str tern_tls_profile_shape(const struct tern_tls_profile *profile);

/* ---- provider ---- */

/* Who waits for a load. Embedded; zero-initialise but for on_loaded. */
struct tern_tls_waiter {
    /* fault is borrowed until the return; its error is TERN_OK, TERN_ETLS_TRUST, TERN_ETLS_IDENTITY, TERN_EFILE
     * (keylog_path), TERN_EOS or TERN_ENOMEM, with a text that names the file and what to do. */
    void (*on_loaded)(struct tern_tls_waiter *waiter, const struct tern_fault *fault);
    struct tern_list node;
    bool is_waiting;
};

/* ALPN protocols offered at most (RFC 7301). */
#define TERN_TLS_ALPN_MAX 4

/* What a stream is opened with. */
struct tern_tls_open {
    struct tern_bytestream *lower;    /* borrowed until close, on_ready and owner with it; closed with the stream */
    struct tern_tls_profile *profile; /* loaded; the stream takes a count of its own */
    const struct tern_host *host;     /* whom the certificate must name; copied */
    uint16_t port;                    /* of the origin: sessions are resumed for the same host and port only */
    const char *const *alpn;          /* static texts, the best first */
    size_t alpn_count;                /* 0 to TERN_TLS_ALPN_MAX; 0: none is sent */
};

/* What was agreed, after the handshake's OK; after its failure only offered says something. Static texts all but
 * verify. */
struct tern_tls_info {
    const char *version; /* "TLSv1.3" */
    const char *suite;   /* "TLS_AES_128_GCM_SHA256" */
    const char *alpn;    /* the one of the opener's texts that the peer chose, or NULL */
    bool resumed;        /* with a session ticket: no certificate was sent */
    /* A session was offered. If the handshake failed it is forgotten by now: a new connection would try a full
     * handshake, and may well succeed (a server that has gone back to TLS 1.2, or to another key). */
    bool offered;
    const struct tern_fault *verify; /* error TERN_OK, or what was wrong and insecure let pass. Borrowed until close */
};

struct tern_tls_provider_ops {
    /* True once a load of this profile has succeeded: open may follow at once. */
    bool (*is_loaded)(struct tern_tls_provider *provider, const struct tern_tls_profile *profile);

    /* Reads and parses what the profile names, off the loop; does nothing twice. on_loaded comes once, from a later
     * point of the loop, never from in here. After a failure the next load tries again. Errors: TERN_ENOMEM,
     * TERN_EOS, TERN_EFORK: then on_loaded does not come. */
    enum tern_error (*load)(struct tern_tls_provider *provider, struct tern_tls_profile *profile,
                            struct tern_tls_waiter *waiter);

    /* on_loaded will not come. Harmless if it has come already. */
    void (*load_cancel)(struct tern_tls_provider *provider, struct tern_tls_waiter *waiter);

    /* A client's TLS stream over how->lower. On success *out is the caller's until tern_bytestream_close, which ends
     * the lower stream too and frees the TLS one when the batch is over: forget the pointer then. No byte moves
     * before handshake, which also waits for the lower stream's.
     *
     * Its faults: what the lower stream reports, as it is; TERN_ETLS_HANDSHAKE, TERN_ETLS_CERT_*, TERN_ETLS_PIN
     * before the handshake is OK; then TERN_ETLS_RECORD, and TERN_EPEER_TRUNCATED for an end of the lower stream
     * without close_notify (RFC 8446 6.1). EOF is an end with it. Errors: TERN_ENOMEM. fault may be NULL. */
    enum tern_error (*open)(struct tern_tls_provider *provider, const struct tern_tls_open *how,
                            struct tern_bytestream **out, struct tern_fault *fault);

    void (*info)(struct tern_tls_provider *provider, const struct tern_bytestream *stream, struct tern_tls_info *out);

    /* True if the certificate that stream was verified by names host too and is still valid, with nothing excused
     * (insecure) and no pins. False where none was sent (a resumed session). After the handshake's OK. NULL: never. */
    bool (*covers)(struct tern_tls_provider *provider, const struct tern_bytestream *stream,
                   const struct tern_host *host);

    /* When all its streams are closed. Loads under way are detached. */
    void (*free)(struct tern_tls_provider *provider);
};

struct tern_tls_provider {
    const struct tern_tls_provider_ops *ops;
};

/* TLS 1.2 and 1.3 by mbedTLS 3.6, with a session cache of its own: one for each client. Parsed trust is shared by
 * the whole process. engine is borrowed and outlives it. Errors: TERN_ENOMEM, TERN_EOS (the random source). fault
 * may be NULL. */
TERN_MUST_USE enum tern_error tern_tls_mbedtls_new(struct tern_engine *engine, struct tern_tls_provider **out,
                                                   struct tern_fault *fault);

#endif
