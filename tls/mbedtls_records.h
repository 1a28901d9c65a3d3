/* tls/mbedtls_records.h - the two buffers in which mbedTLS makes and opens records: lent to a stream for an operation.
 *
 * mbedTLS gives each context 16.4 KiB to receive and as much to send, for as long as it lives: two thirds of what an
 * idle TLS connection cost. Nothing is in them between two records but eight bytes that count the records received. So
 * the provider keeps a few pairs, a stream takes one before it asks mbedTLS for anything, and gives it back after that
 * unless a part of a record is in it. The first pair is the one that the handshake was made with: it may run on a
 * worker. */
#ifndef TERN_TLS_MBEDTLS_RECORDS_H
#define TERN_TLS_MBEDTLS_RECORDS_H

#include <mbedtls/ssl.h>

#include "tern/types.h"

/* No less than mbedTLS's own, which it zeroes to their end when the context is freed: a record (RFC 8446 5.2, RFC 5246
 * 6.2.3) with what stands before it. */
#define TERN_TLS_RECORDS_BYTES ((size_t)16384 + 2048 + 64)

/* Of them hold text: wiped before they are freed. Within mbedTLS's own too. */
#define TERN_TLS_RECORDS_TEXT_BYTES ((size_t)16384 + 64)

/* Pairs kept. More are needed at once only while records come in parts. */
#define TERN_TLS_RECORDS_SPARES_MAX 4

/* The counter and the record's head, up to where its text begins. */
#define TERN_TLS_RECORDS_HEAD_BYTES 64

struct tern_tls_record_pair {
    unsigned char *in, *out;
};

/* The provider's. Zero is empty. */
struct tern_tls_record_spares {
    struct tern_tls_record_pair pairs[TERN_TLS_RECORDS_SPARES_MAX];
    size_t count;
};

/* The stream's: what its context points into while it has no pair. */
struct tern_tls_record_heads {
    unsigned char in[TERN_TLS_RECORDS_HEAD_BYTES], out[TERN_TLS_RECORDS_HEAD_BYTES];
};

void tern_tls_records_deinit(struct tern_tls_record_spares *spares);

/* Gives ssl a pair if it has none. False: out of memory. */
TERN_MUST_USE bool tern_tls_records_take(struct tern_tls_record_spares *spares, mbedtls_ssl_context *ssl,
                                         const struct tern_tls_record_heads *heads);

/* Takes it off ssl, unless a handshake or a part of a record needs it. */
void tern_tls_records_give(struct tern_tls_record_spares *spares, mbedtls_ssl_context *ssl,
                           struct tern_tls_record_heads *heads);

/* mbedTLS has no buffers now, and so nothing in them: neither a part of a record nor data that was not read yet. */
bool tern_tls_records_are_given(const mbedtls_ssl_context *ssl);

#endif
