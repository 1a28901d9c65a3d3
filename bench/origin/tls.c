#include "bench/origin/tls.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <psa/crypto.h>

#include "base/mem.h"

#define TICKET_LIFE_S (24 * 60 * 60)

/* Many records go out in one system call, and come in by one. RECORD_MAX is one with its overhead (RFC 8446 5.2). */
#define WIRE_MAX (64 * 1024)
#define RECORD_MAX (MBEDTLS_SSL_OUT_CONTENT_LEN + 5 + 256)

struct origin_tls {
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context drbg;
    mbedtls_x509_crt leaf;
    mbedtls_pk_context key;
    mbedtls_ssl_ticket_context tickets;
    mbedtls_ssl_config config;
    uint64_t tickets_taken;
};

struct wire {
    size_t head;
    size_t len;
    unsigned char bytes[WIRE_MAX];
};

struct origin_tls_peer {
    mbedtls_ssl_context ssl;
    struct origin_tls *tls;
    int fd;
    bool resumed;
    struct wire in;
    struct wire out;
};

static int parse_ticket(void *user, mbedtls_ssl_session *session, unsigned char *ticket, size_t len)
{
    struct origin_tls *tls = user;
    int error = mbedtls_ssl_ticket_parse(&tls->tickets, session, ticket, len);

    if (error == 0)
        tls->tickets_taken++;
    return error;
}

static int write_ticket(void *user, const mbedtls_ssl_session *session, unsigned char *start, const unsigned char *end,
                        size_t *len, uint32_t *life_s)
{
    struct origin_tls *tls = user;

    return mbedtls_ssl_ticket_write(&tls->tickets, session, start, end, len, life_s);
}

static int set_up(struct origin_tls *tls, char ca_pem[ORIGIN_PEM_MAX])
{
    static const char *alpn[] = {"h2", "http/1.1", NULL};
    int error = psa_crypto_init() == PSA_SUCCESS ? 0 : MBEDTLS_ERR_ERROR_GENERIC_ERROR;

    if (error == 0)
        error = mbedtls_ctr_drbg_seed(&tls->drbg, mbedtls_entropy_func, &tls->entropy, NULL, 0);
    if (error == 0)
        error = origin_cert_make(&tls->leaf, &tls->key, ca_pem, mbedtls_ctr_drbg_random, &tls->drbg);
    if (error == 0)
        error = mbedtls_ssl_ticket_setup(&tls->tickets, mbedtls_ctr_drbg_random, &tls->drbg, MBEDTLS_CIPHER_AES_256_GCM,
                                         TICKET_LIFE_S);
    if (error == 0)
        error = mbedtls_ssl_config_defaults(&tls->config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
                                            MBEDTLS_SSL_PRESET_DEFAULT);
    if (error == 0)
        error = mbedtls_ssl_conf_own_cert(&tls->config, &tls->leaf, &tls->key);
    if (error == 0)
        error = mbedtls_ssl_conf_alpn_protocols(&tls->config, alpn);
    mbedtls_ssl_conf_rng(&tls->config, mbedtls_ctr_drbg_random, &tls->drbg);
    mbedtls_ssl_conf_session_tickets_cb(&tls->config, write_ticket, parse_ticket, tls);
    return error;
}

struct origin_tls *origin_tls_new(char ca_pem[ORIGIN_PEM_MAX])
{
    struct origin_tls *tls = tern_mem_calloc(1, sizeof(*tls));
    char text[128];
    int error;

    if (tls == NULL)
        return NULL;
    mbedtls_entropy_init(&tls->entropy);
    mbedtls_ctr_drbg_init(&tls->drbg);
    mbedtls_x509_crt_init(&tls->leaf);
    mbedtls_pk_init(&tls->key);
    mbedtls_ssl_ticket_init(&tls->tickets);
    mbedtls_ssl_config_init(&tls->config);
    error = set_up(tls, ca_pem);
    if (error == 0)
        return tls;
    mbedtls_strerror(error, text, sizeof(text));
    fprintf(stderr, "tern-origin: TLS: %s\n", text);
    origin_tls_free(tls);
    return NULL;
}

void origin_tls_free(struct origin_tls *tls)
{
    if (tls == NULL)
        return;
    mbedtls_ssl_config_free(&tls->config);
    mbedtls_ssl_ticket_free(&tls->tickets);
    mbedtls_pk_free(&tls->key);
    mbedtls_x509_crt_free(&tls->leaf);
    mbedtls_ctr_drbg_free(&tls->drbg);
    mbedtls_entropy_free(&tls->entropy);
    mbedtls_psa_crypto_free();
    tern_mem_free(tls);
}

/* ---- between mbedTLS and the socket ---- */

static int wire_recv(void *user, unsigned char *buffer, size_t len)
{
    struct origin_tls_peer *peer = user;
    struct wire *in = &peer->in;

    if (in->len == 0) {
        ssize_t n = recv(peer->fd, in->bytes, sizeof(in->bytes), 0);

        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_READ : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
        in->head = 0;
        in->len = (size_t)n;
    }
    if (len > in->len)
        len = in->len;
    memcpy(buffer, in->bytes + in->head, len);
    in->head += len;
    in->len -= len;
    return (int)len;
}

static int wire_send(void *user, const unsigned char *bytes, size_t len)
{
    struct wire *out = &((struct origin_tls_peer *)user)->out;

    if (len > sizeof(out->bytes) - out->len)
        return MBEDTLS_ERR_SSL_WANT_WRITE;
    if (out->head + out->len + len > sizeof(out->bytes)) {
        memmove(out->bytes, out->bytes + out->head, out->len);
        out->head = 0;
    }
    memcpy(out->bytes + out->head + out->len, bytes, len);
    out->len += len;
    return (int)len;
}

bool origin_tls_flush(struct origin_tls_peer *peer)
{
    struct wire *out = &peer->out;

    while (out->len != 0) {
        ssize_t n = send(peer->fd, out->bytes + out->head, out->len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        out->head += (size_t)n;
        out->len -= (size_t)n;
    }
    out->head = 0;
    return true;
}

bool origin_tls_is_blocked(const struct origin_tls_peer *peer)
{
    return peer->out.len != 0;
}

/* ---- the peer ---- */

struct origin_tls_peer *origin_tls_peer_new(struct origin_tls *tls, int fd)
{
    struct origin_tls_peer *peer = tern_mem_alloc(sizeof(*peer));

    if (peer == NULL)
        return NULL;
    memset(peer, 0, offsetof(struct origin_tls_peer, in.bytes));
    peer->out.head = 0;
    peer->out.len = 0;
    peer->tls = tls;
    peer->fd = fd;
    mbedtls_ssl_init(&peer->ssl);
    if (mbedtls_ssl_setup(&peer->ssl, &tls->config) != 0) {
        tern_mem_free(peer);
        return NULL;
    }
    mbedtls_ssl_set_bio(&peer->ssl, peer, wire_send, wire_recv, NULL);
    return peer;
}

void origin_tls_peer_free(struct origin_tls_peer *peer)
{
    if (peer == NULL)
        return;
    mbedtls_ssl_free(&peer->ssl);
    tern_mem_free(peer);
}

int origin_tls_handshake(struct origin_tls_peer *peer)
{
    uint64_t taken = peer->tls->tickets_taken;
    int result;

    do
        result = mbedtls_ssl_handshake(&peer->ssl);
    while (result == MBEDTLS_ERR_SSL_WANT_WRITE && origin_tls_flush(peer));
    peer->resumed = peer->resumed || peer->tls->tickets_taken != taken;
    origin_tls_flush(peer);
    if (result == 0)
        return 1;
    return result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE ? 0 : -1;
}

bool origin_tls_is_resumed(const struct origin_tls_peer *peer)
{
    return peer->resumed;
}

bool origin_tls_is_h2(const struct origin_tls_peer *peer)
{
    const char *protocol = mbedtls_ssl_get_alpn_protocol(&peer->ssl);

    return protocol != NULL && strcmp(protocol, "h2") == 0;
}

ssize_t origin_tls_recv(struct origin_tls_peer *peer, void *buffer, size_t len)
{
    int n;

    do
        n = mbedtls_ssl_read(&peer->ssl, buffer, len);
    while (n == MBEDTLS_ERR_SSL_WANT_READ && peer->in.len != 0);
    if (n >= 0)
        return n;
    if (n == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY || n == MBEDTLS_ERR_SSL_CONN_EOF)
        return 0;
    errno = n == MBEDTLS_ERR_SSL_WANT_READ || n == MBEDTLS_ERR_SSL_WANT_WRITE ? EAGAIN : EPROTO;
    return -1;
}

ssize_t origin_tls_send(struct origin_tls_peer *peer, const void *bytes, size_t len)
{
    size_t sent = 0;

    while (sent < len) {
        int n;

        /* A record that mbedTLS began must be given again as it was: begin none for which there is no room. */
        if (peer->out.len + RECORD_MAX > WIRE_MAX && !origin_tls_flush(peer))
            break;
        n = mbedtls_ssl_write(&peer->ssl, (const unsigned char *)bytes + sent, len - sent);
        if (n < 0) {
            errno = EPROTO;
            return -1;
        }
        sent += (size_t)n;
    }
    if (sent == 0 && len != 0) /* flush has set errno */
        return -1;
    return (ssize_t)sent;
}

void origin_tls_close_notify(struct origin_tls_peer *peer)
{
    mbedtls_ssl_close_notify(&peer->ssl);
    origin_tls_flush(peer);
}
