/* bench/origin/tls.h - the server's side of TLS 1.2 and 1.3 over a non-blocking socket, by mbedTLS. */
#ifndef BENCH_ORIGIN_TLS_H
#define BENCH_ORIGIN_TLS_H

#include <sys/types.h>

#include "bench/origin/cert.h"
#include "tern/types.h"

struct origin_tls;      /* certificate, tickets, settings: one a server */
struct origin_tls_peer; /* one a connection */

/* Makes a certificate (cert.h) and what serves it. NULL on failure, which is told on stderr. */
struct origin_tls *origin_tls_new(char ca_pem[ORIGIN_PEM_MAX]);
void origin_tls_free(struct origin_tls *tls);

/* Borrows tls and fd. NULL: out of memory. */
struct origin_tls_peer *origin_tls_peer_new(struct origin_tls *tls, int fd);
void origin_tls_peer_free(struct origin_tls_peer *peer);

/* 1: done, 0: wants more of the peer, or of the socket's room (is_blocked), -1: failed. */
int origin_tls_handshake(struct origin_tls_peer *peer);

/* After the handshake: was it resumed by a ticket; is HTTP/2 what both want? */
bool origin_tls_is_resumed(const struct origin_tls_peer *peer);
bool origin_tls_is_h2(const struct origin_tls_peer *peer);

/* As recv and send: bytes, 0 at the end, or -1 with errno, EAGAIN where nothing can be had or given now. What send
 * took may still be here in part: flush gives it to the socket, true when all is gone. */
ssize_t origin_tls_recv(struct origin_tls_peer *peer, void *buffer, size_t len);
ssize_t origin_tls_send(struct origin_tls_peer *peer, const void *bytes, size_t len);
bool origin_tls_flush(struct origin_tls_peer *peer);
bool origin_tls_is_blocked(const struct origin_tls_peer *peer);

/* Says that no more is sent (RFC 8446 6.1). */
void origin_tls_close_notify(struct origin_tls_peer *peer);

#endif
