#include "bench/peers/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in address;
static SSL_CTX *context;
static SSL_SESSION *session; /* the last ticket that came */

static int keep_session(SSL *ssl, SSL_SESSION *fresh)
{
    (void)ssl;
    if (session != NULL)
        SSL_SESSION_free(session);
    session = fresh;
    return 1;
}

static void setup_tls(const struct peer_options *options, const char *alpn)
{
    unsigned char protocols[16];
    size_t len = strlen(alpn);

    protocols[0] = (unsigned char)len;
    memcpy(protocols + 1, alpn, len);
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_set_alpn_protos(context, protocols, (unsigned)len + 1) != 0 ||
        (options->cacert != NULL && SSL_CTX_load_verify_locations(context, options->cacert, NULL) != 1))
        peer_die("TLS cannot be set up");
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1); /* else two reads a record */
    SSL_CTX_set_default_read_buffer_len(context, 128 * 1024);
    if (!options->no_resumption) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, keep_session);
    }
}

void stream_setup(const struct peer_options *options, const char *alpn)
{
    address.sin_family = AF_INET;
    address.sin_port = htons(options->port);
    if (inet_pton(AF_INET, strcmp(options->host, "localhost") == 0 ? "127.0.0.1" : options->host, &address.sin_addr) !=
        1)
        peer_die("no IPv4 address in the URL");
    if (options->tls)
        setup_tls(options, alpn);
}

void stream_dial(struct stream *stream)
{
    int on = 1;

    stream->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    stream->ssl = NULL;
    if (stream->fd < 0)
        peer_die(strerror(errno));
    setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(stream->fd, (struct sockaddr *)&address, sizeof(address)) != 0 && errno != EINPROGRESS)
        peer_die(strerror(errno));
    if (context == NULL)
        return;
    stream->ssl = SSL_new(context);
    if (stream->ssl == NULL || SSL_set_fd(stream->ssl, stream->fd) != 1 ||
        SSL_set1_host(stream->ssl, "localhost") != 1 || SSL_set_tlsext_host_name(stream->ssl, "localhost") != 1)
        peer_die("no TLS connection can be made");
    if (session != NULL)
        SSL_set_session(stream->ssl, session);
    SSL_set_connect_state(stream->ssl);
}

int stream_ready(struct stream *stream)
{
    int done;

    if (stream->ssl == NULL)
        return 1; /* connect to loopback is done at once, or refused: the first write says so */
    done = SSL_do_handshake(stream->ssl);
    if (done == 1)
        return 1;
    done = SSL_get_error(stream->ssl, done);
    if (done != SSL_ERROR_WANT_READ && done != SSL_ERROR_WANT_WRITE)
        peer_die("the TLS handshake failed");
    return 0;
}

uint32_t stream_wants(const struct stream *stream)
{
    return stream->ssl == NULL || SSL_want_write(stream->ssl) ? EPOLLOUT : EPOLLIN;
}

void stream_open(struct stream *stream)
{
    struct pollfd ready = {.events = POLLOUT};

    stream_dial(stream);
    ready.fd = stream->fd;
    poll(&ready, 1, -1);
    while (!stream_ready(stream)) {
        ready.events = stream_wants(stream) == EPOLLIN ? POLLIN : POLLOUT;
        poll(&ready, 1, -1);
    }
}

void stream_close(struct stream *stream)
{
    if (stream->ssl != NULL) {
        SSL_shutdown(stream->ssl);
        SSL_free(stream->ssl);
    }
    close(stream->fd);
}

static ssize_t tls_result(SSL *ssl, int done)
{
    if (done > 0)
        return done;
    switch (SSL_get_error(ssl, done)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        peer_die("the TLS connection broke");
    }
}

static ssize_t tcp_result(ssize_t done)
{
    if (done < 0 && errno != EAGAIN)
        peer_die(strerror(errno));
    return done;
}

ssize_t stream_read(struct stream *stream, void *buffer, size_t capacity)
{
    if (stream->ssl == NULL)
        return tcp_result(recv(stream->fd, buffer, capacity, 0));
    return tls_result(stream->ssl, SSL_read(stream->ssl, buffer, (int)capacity));
}

ssize_t stream_write(struct stream *stream, const void *data, size_t len)
{
    if (stream->ssl == NULL)
        return tcp_result(send(stream->fd, data, len, MSG_NOSIGNAL));
    return tls_result(stream->ssl, SSL_write(stream->ssl, data, (int)len));
}
