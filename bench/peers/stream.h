/* Bytes over TCP, or over TLS by OpenSSL, not blocking: what the floors stand on. */
#ifndef BENCH_PEERS_STREAM_H
#define BENCH_PEERS_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench/peers/peer.h"

struct stream {
    int fd;
    void *ssl; /* SSL *, NULL in the clear */
};

/* Once, before the first stream. alpn is "http/1.1" or "h2". */
void stream_setup(const struct peer_options *options, const char *alpn);

/* Connects, shakes hands and then is not blocking. Ends the program if it cannot. */
void stream_open(struct stream *stream);
void stream_close(struct stream *stream);

/* The same without waiting: connecting goes on in stream_ready. */
void stream_dial(struct stream *stream);

/* 1: read and write work; 0: wait for stream_wants. Ends the program when the peer refuses. */
int stream_ready(struct stream *stream);

/* EPOLLIN or EPOLLOUT. */
uint32_t stream_wants(const struct stream *stream);

/* As recv and send: bytes, 0 at the end, -1 when it would wait. Ends the program on any other failure. */
ssize_t stream_read(struct stream *stream, void *buffer, size_t capacity);
ssize_t stream_write(struct stream *stream, const void *data, size_t len);

#endif
