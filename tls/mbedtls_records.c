#define MBEDTLS_ALLOW_PRIVATE_ACCESS /* there is no public way to the buffers */
#include "tls/mbedtls_records.h"

#include <string.h>

#include <mbedtls/platform.h>

#include "base/mem.h"

static void buffer_free(unsigned char *buffer)
{
    if (buffer != NULL)
        tern_mem_wipe(buffer, TERN_TLS_RECORDS_TEXT_BYTES);
    tern_mem_free(buffer);
}

static void pair_free(const struct tern_tls_record_pair *pair)
{
    buffer_free(pair->in);
    buffer_free(pair->out);
}

void tern_tls_records_deinit(struct tern_tls_record_spares *spares)
{
    while (spares->count > 0)
        pair_free(&spares->pairs[--spares->count]);
}

/* Moves what points into from, of which the first bytes are copied, to the same place of to. */
static void move_in(mbedtls_ssl_context *ssl, const unsigned char *from, unsigned char *to)
{
    memcpy(to, from, (size_t)(ssl->in_msg - from));
    ssl->in_ctr = to + (ssl->in_ctr - from);
    ssl->in_hdr = to + (ssl->in_hdr - from);
#if defined(MBEDTLS_SSL_DTLS_CONNECTION_ID)
    ssl->in_cid = to + (ssl->in_cid - from);
#endif
    ssl->in_len = to + (ssl->in_len - from);
    ssl->in_iv = to + (ssl->in_iv - from);
    ssl->in_msg = to + (ssl->in_msg - from);
}

static void move_out(mbedtls_ssl_context *ssl, const unsigned char *from, unsigned char *to)
{
    memcpy(to, from, (size_t)(ssl->out_msg - from));
    ssl->out_ctr = to + (ssl->out_ctr - from);
    ssl->out_hdr = to + (ssl->out_hdr - from);
#if defined(MBEDTLS_SSL_DTLS_CONNECTION_ID)
    ssl->out_cid = to + (ssl->out_cid - from);
#endif
    ssl->out_len = to + (ssl->out_len - from);
    ssl->out_iv = to + (ssl->out_iv - from);
    ssl->out_msg = to + (ssl->out_msg - from);
}

bool tern_tls_records_take(struct tern_tls_record_spares *spares, mbedtls_ssl_context *ssl,
                           const struct tern_tls_record_heads *heads)
{
    struct tern_tls_record_pair pair;

    if (ssl->in_buf != NULL)
        return true;
    if (spares->count > 0) {
        pair = spares->pairs[--spares->count];
    } else {
        pair = (struct tern_tls_record_pair){tern_mem_alloc(TERN_TLS_RECORDS_BYTES),
                                             tern_mem_alloc(TERN_TLS_RECORDS_BYTES)};
        if (pair.in == NULL || pair.out == NULL) {
            pair_free(&pair);
            return false;
        }
    }
    move_in(ssl, heads->in, pair.in);
    move_out(ssl, heads->out, pair.out);
    ssl->in_buf = pair.in;
    ssl->out_buf = pair.out;
    return true;
}

/* A record that was opened and not read to its end, one or a message that came in part, or one that waits to be
 * sent. */
static bool is_in_use(const mbedtls_ssl_context *ssl)
{
    return !mbedtls_ssl_is_handshake_over((mbedtls_ssl_context *)ssl) || ssl->in_offt != NULL || ssl->in_left != 0 ||
           ssl->in_hslen != 0 || ssl->badmac_seen_or_in_hsfraglen != 0 || ssl->keep_current_message != 0 ||
           ssl->out_left != 0 || (size_t)(ssl->in_msg - ssl->in_buf) > TERN_TLS_RECORDS_HEAD_BYTES ||
           (size_t)(ssl->out_msg - ssl->out_buf) > TERN_TLS_RECORDS_HEAD_BYTES;
}

void tern_tls_records_give(struct tern_tls_record_spares *spares, mbedtls_ssl_context *ssl,
                           struct tern_tls_record_heads *heads)
{
    struct tern_tls_record_pair pair = {ssl->in_buf, ssl->out_buf};

    if (ssl->in_buf == NULL || is_in_use(ssl))
        return;
    move_in(ssl, ssl->in_buf, heads->in);
    move_out(ssl, ssl->out_buf, heads->out);
    ssl->in_buf = ssl->out_buf = NULL;
    if (spares->count < TERN_TLS_RECORDS_SPARES_MAX)
        spares->pairs[spares->count++] = pair;
    else
        pair_free(&pair);
}

bool tern_tls_records_are_given(const mbedtls_ssl_context *ssl)
{
    return ssl->in_buf == NULL;
}
