/* bench/origin/conn.h - one connection: bytes to requests, routes to responses, responses to bytes.
 *
 *     HANDSHAKE -+-> REQUEST -+-> STREAM --+-> FLUSH -> LINGER -> CLOSED
 *     GREETING --+      ^     +-> DELAY    |     ^
 *                |      |     +-> RESPOND -+     |
 *                |      +------------------+     |
 *                +-> H2 -------------------------+
 *
 * GREETING waits, in the clear, for what tells HTTP/2 from HTTP/1.1 (RFC 9113 3.3); in TLS the handshake told it
 * H2       has its streams in h2
 * REQUEST  reads a request, its body too, and has begun no answer
 * STREAM   answers with the request's body while that comes (echo)
 * DELAY    an answer waits for its time; then STREAM, RESPOND or FLUSH
 * RESPOND  makes an answer's body
 * FLUSH    the last bytes go out
 * LINGER   all is sent; reads on until the peer closes, so that no RST destroys what it has not yet read (RFC 9112 9.6)
 *
 * Every state goes to CLOSED on a broken connection. Responses of pipelined requests collect in out and leave together,
 * when all that has been read is answered; so do those of HTTP/2's streams. */
#ifndef BENCH_ORIGIN_CONN_H
#define BENCH_ORIGIN_CONN_H

#include "bench/origin/h1.h"
#include "bench/origin/h2.h"
#include "bench/origin/link.h"
#include "bench/origin/server.h"

#define ORIGIN_IN_MAX (16 * 1024)

enum origin_conn_state {
    ORIGIN_CONN_HANDSHAKE,
    ORIGIN_CONN_GREETING,
    ORIGIN_CONN_H2,
    ORIGIN_CONN_REQUEST,
    ORIGIN_CONN_STREAM,
    ORIGIN_CONN_DELAY,
    ORIGIN_CONN_RESPOND,
    ORIGIN_CONN_FLUSH,
    ORIGIN_CONN_LINGER,
    ORIGIN_CONN_CLOSED,
    ORIGIN_CONN_STATES
};

struct origin_conn {
    struct origin_source source;
    struct origin_server *server;
    struct tern_list node;
    struct tern_list deadline_node;
    uint64_t deadline_ns; /* where deadline_node is linked */
    struct origin_link link;
    enum origin_conn_state state;
    uint32_t watched; /* epoll events asked for */
    bool readable;    /* a read may give something */
    bool blocked;     /* the socket takes no more */
    bool failed;      /* out of memory: close when it is safe */

    struct origin_h2 *h2; /* owned; NULL: it speaks HTTP/1.1, with all that stands from here to out */
    struct origin_parser parser;
    struct origin_response response;
    struct origin_h1_context context;
    enum origin_framing framing;
    uint64_t received;   /* of the request's body */
    uint64_t started_ns; /* of the response's body */

    struct tern_buf out;
    size_t in_at;
    size_t in_len;
    char in[ORIGIN_IN_MAX]; /* last: not cleared */
};

/* Takes fd in every case; NULL: out of memory. */
struct origin_conn *origin_conn_new(struct origin_server *server, int fd, bool tls);

/* Does all that can be done now. events: what epoll said; 0: the deadline is reached. */
void origin_conn_run(struct origin_conn *conn, uint32_t events);

/* Closes it and moves it to the server's dead. Does nothing to one that is closed. */
void origin_conn_close(struct origin_conn *conn);

/* Of a closed one. */
void origin_conn_free(struct origin_conn *conn);

#endif
