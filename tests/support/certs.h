/* tests/support/certs.h - certificates made on the spot, right ones and wrong ones.
 *
 * A certificate is described by what differs from a good one: P-256 key, SHA-256, valid from 2023-01-01 to
 * 2049-12-31 (the scripted clock starts in November 2023). It lives until certs_free, as does all that it is signed
 * by. */
#ifndef TERN_TESTS_SUPPORT_CERTS_H
#define TERN_TESTS_SUPPORT_CERTS_H

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>
#include <stdbool.h>
#include <stddef.h>

enum cert_usage { CERT_USAGE_NONE, CERT_USAGE_SERVER, CERT_USAGE_CLIENT };

struct cert {
    mbedtls_pk_context key;
    unsigned char *der;
    size_t der_len;
    char subject[128];
    const struct cert *issuer; /* NULL: itself */
};

struct cert_spec {
    const char *name;          /* the common name */
    const struct cert *issuer; /* NULL: signed by itself */
    const char *const *dns;    /* subject alternative names, NULL-terminated */
    const unsigned char *ip;   /* and an address of */
    size_t ip_len;
    size_t dns_many; /* and so many made-up names */
    bool is_ca;
    bool no_constraints; /* leave the basic constraints out */
    enum cert_usage usage;
    const char *from, *to; /* "20230101000000" */
    mbedtls_md_type_t md;
    unsigned rsa_bits;    /* instead of P-256 */
    int name_constraints; /* 1: has some; 2: critical ones */
    size_t padding;       /* bytes of an extension that nobody reads */
    bool own_signature;   /* signed with its own key though it names an issuer: a forged one */
};

struct cert *cert_new(struct cert_spec spec);
void cert_free(struct cert *cert);

/* The certificates in PEM, one after the other; freed by the caller with free(). */
char *certs_pem(const struct cert *const *certs, size_t count);
char *cert_key_pem(const struct cert *cert);

/* "sha256//..." of its key; freed by the caller. */
char *cert_pin(const struct cert *cert);

/* Writes text into a new temporary file with a name made of template ("....XXXXXX"); gives the path, freed by the
 * caller. */
char *cert_file(const char *text);

#endif
