/* tls/mbedtls_verify.h - the judgement on a server's certificate chain.
 *
 * mbedTLS builds the chain, checks its signatures and calls tern_verify_on_cert for each certificate from the
 * trusted end to the leaf. What it leaves out or does by a clock of its own is done here: host name (RFC 9525; never
 * the common name, RFC 9110 4.3.4), validity by the wall clock of the OS seam, extended key usage on every level,
 * name constraints (refused: they cannot be checked), pins. Of all that is wrong the most telling is kept as the
 * fault.
 *
 * Invariants: 1. is_done is false until the leaf has been judged: "not asked" is never "good". 2. fault.error is
 * TERN_OK only if nothing is wrong. */
#ifndef TERN_TLS_MBEDTLS_VERIFY_H
#define TERN_TLS_MBEDTLS_VERIFY_H

#include <mbedtls/x509_crt.h>

#include "tls/profile.h"

struct tern_verify {
    const struct tern_host *host;
    const struct tern_tls_profile *profile;
    uint64_t now_s; /* wall time */

    bool is_done;
    bool is_pin_wrong;
    struct tern_fault fault;
    uint64_t valid_until_s;            /* the first end of validity in the chain */
    const mbedtls_x509_crt *untrusted; /* where the chain breaks off; good during the judgement only */
};

/* Signatures of SHA-256 and better; RSA from 2,048 bits; the NIST curves that the web uses. */
extern const mbedtls_x509_crt_profile tern_verify_strength;

/* host and profile are borrowed. */
void tern_verify_init(struct tern_verify *verify, const struct tern_host *host, const struct tern_tls_profile *profile,
                      uint64_t now_s);

/* For mbedtls_ssl_conf_verify; user is the struct tern_verify. Not 0 only for a wrong pin, which insecure does not
 * excuse. */
int tern_verify_on_cert(void *user, mbedtls_x509_crt *crt, int depth, uint32_t *flags);

/* True if the certificate names the host (RFC 9525 6). */
bool tern_verify_names(const mbedtls_x509_crt *crt, const struct tern_host *host);

/* The handshake ended with this code (not 0) and these verification flags: is it about the certificate? Then the
 * fault says why. */
bool tern_verify_explains(struct tern_verify *verify, int code, uint32_t flags);

#endif
