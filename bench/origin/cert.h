/* bench/origin/cert.h - a certificate authority that lives as long as the process, and one certificate from it. */
#ifndef BENCH_ORIGIN_CERT_H
#define BENCH_ORIGIN_CERT_H

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

#define ORIGIN_PEM_MAX 2048

typedef int origin_random(void *user, unsigned char *out, size_t len);

/* Makes an EC P-256 authority, and under it a certificate for localhost, 127.0.0.1 and ::1, both valid from yesterday
 * for a year. leaf and key are initialised by the caller, who owns them; ca_pem takes the authority's certificate. The
 * authority's key is gone afterwards. Answers 0 or mbedTLS's error. */
int origin_cert_make(mbedtls_x509_crt *leaf, mbedtls_pk_context *key, char ca_pem[ORIGIN_PEM_MAX], origin_random *run,
                     void *user);

#endif
