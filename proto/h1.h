/* proto/h1.h - the HTTP/1.1 codec (RFC 9110, RFC 9112): one connection, one exchange at a time, no pipelining.
 *
 * Two readers, one opinion. tern takes the head, chunk-size lines and trailers apart line by line: so caps are exact,
 * faults name the line, obs-fold becomes one space (RFC 9112 5.2) and nothing else is loosened for it. llhttp, strict,
 * reads the same lines and all of the body. Each decides the framing; where they disagree the answer is refused.
 *
 * A head that came in one piece and is plain is shown where it lies, without a copy, and llhttp is spared those of its
 * lines that cannot frame, whoever reads them (proto/h1_head.h). Any other goes the long way from its first byte.
 *
 * Two states, one for each direction. Any of them goes to IDLE when the exchange is over, for whatever reason.
 *
 *   sending     IDLE -> READY -> HEAD -+-> HOLD -+-> BODY -+-> DONE
 *                          |      |    |    |    |    |    |
 *                          |      |    +---------+    |    |      no Expect; no body
 *                          |      +-------------------|----+
 *                          +------+---------+---------+-> STOPPED an answer made the rest pointless
 *     submit: IDLE -> READY. pull: READY -> HEAD. wrote: HEAD -> HOLD, BODY or DONE; BODY -> DONE.
 *     100 (Continue) or continue_body: HOLD -> BODY. A final head: -> STOPPED.
 *
 *   receiving   IDLE -> STATUS -> FIELDS -+-> BODY ----------------------------------+-> DONE
 *                          ^         |    +-> CHUNK_LINE -> TRAILERS ----------------+
 *                          |         |    |    ^     |                               |
 *                          +-- 1xx --+    |    +- CHUNK_DATA                         |
 *                                         +------------------------------------------+  no body
 *
 * The connection's own state (enum tern_codec_state) only moves on: OPEN -> DRAIN -> CLOSED.
 *
 * Invariants (tern_h1_check)
 *  1. There is a stream exactly where neither direction is IDLE, and exactly where there is a scratch. (But a cancel
 *     may come from an event that shows what is in the scratch: then it stays until deinit.)
 *  2. CLOSED has no stream.
 *  3. Nothing is received but after a byte of the request was written.
 *  4. STOPPED never stays OPEN: what was announced and not sent makes the connection useless (RFC 9112 9.3).
 *  5. HOLD only before the first byte of the body.
 *
 * An answer that breaks the protocol fails the exchange and closes the connection. Bytes that belong to no exchange
 * close the connection: they would be taken for the next answer. */
#ifndef TERN_PROTO_H1_H
#define TERN_PROTO_H1_H

#include <llhttp.h>

#include "base/buf.h"
#include "base/fields.h"
#include "proto/codec.h"

/* How a response's body ends (RFC 9112 6.3), and what the head says of the connection. */
struct tern_h1_framing {
    bool none; /* no body, whatever the fields say */
    bool chunked;
    bool has_length;
    bool close; /* asked for by Connection */
    bool keep_alive;
    bool persistent; /* what comes of these */
    uint64_t length;
    uint64_t idle_hint_ns;
};

/* What an exchange needs while it lasts: lent to the codec by a struct tern_h1_spares, so that idle connections hold
 * nothing of it and warm ones allocate nothing. */
struct tern_h1_scratch {
    struct tern_h1_scratch *next;
    struct tern_buf request;   /* the head to send */
    struct tern_buf line;      /* what has come of the line being received */
    struct tern_fields fields; /* of the head or trailers being received; the 0th is nameless and holds the reason */

    /* Sending. */
    bool hold;         /* nothing has lifted Expect yet */
    uint8_t frame_len; /* of the chunk-size line in frame; 0: no chunk is open */
    uint8_t frame_sent;
    uint8_t chunk_end; /* bytes of the CRLF behind the chunk's data that are still to go */
    bool chunk_last;
    uint64_t chunk_left;  /* bytes of the chunk's data that are still to go */
    uint64_t length_left; /* of a body of known length */
    char frame[24];

    /* Receiving. */
    bool line_whole; /* a field line is complete unless the next one continues it */
    uint32_t informational;
    uint32_t line_number; /* in this head, from 1 */
    uint32_t line_bytes;  /* of the line as it came */
    uint32_t head_bytes;  /* of this head, or of the trailers */
    size_t fold_at;       /* where in the line the last continuation begins; 0: nowhere */
    uint16_t status;
    enum tern_http_version version;
    struct tern_h1_framing framing;
    llhttp_t parser;
};

/* Scratches kept, for as many calls as a client keeps memory of, and how large one may have grown to be kept. */
#define TERN_H1_SPARES_MAX 256
#define TERN_H1_SPARE_BYTES_MAX (16u << 10)

/* Scratches between exchanges. Caller's storage; one thread; outlives the codecs made with it. Zero is empty. */
struct tern_h1_spares {
    struct tern_h1_scratch *first;
    uint32_t count;
};

/* Frees what is kept; it may be used on. */
void tern_h1_spares_deinit(struct tern_h1_spares *spares);

/* Longest chunk-size line, extensions included (RFC 9112 7.1.1 asks for a limit): they are parsed and ignored. */
#define TERN_H1_CHUNK_LINE_BYTES_MAX 512

/* Fields in a head that is read where it stands; one with more is read line by line. */
#define TERN_H1_PLAIN_FIELDS_MAX 64

/* The fewest pieces that a pull must have room for. */
#define TERN_H1_PIECES_MAX 4

enum tern_h1_send {
    TERN_H1_SEND_IDLE,
    TERN_H1_SEND_READY, /* submitted, not one byte given out */
    TERN_H1_SEND_HEAD,  /* the head is going out, perhaps with the body behind it */
    TERN_H1_SEND_HOLD,  /* the head is out, the body waits for 100 */
    TERN_H1_SEND_BODY,
    TERN_H1_SEND_DONE,
    TERN_H1_SEND_STOPPED,
    TERN_H1_SEND_COUNT
};

enum tern_h1_receive {
    TERN_H1_RECEIVE_IDLE,
    TERN_H1_RECEIVE_STATUS, /* a status line is next */
    TERN_H1_RECEIVE_FIELDS,
    TERN_H1_RECEIVE_BODY, /* of known length, or until the close */
    TERN_H1_RECEIVE_CHUNK_LINE,
    TERN_H1_RECEIVE_CHUNK_DATA, /* with the CRLF behind it */
    TERN_H1_RECEIVE_TRAILERS,
    TERN_H1_RECEIVE_DONE,
    TERN_H1_RECEIVE_COUNT
};

struct tern_h1 {
    struct tern_codec codec; /* first: the codec's functions cast back */

    /* Configuration. */
    struct tern_codec_limits limits;
    struct tern_h1_spares *spares;

    /* The connection. */
    enum tern_codec_state state;
    enum tern_error error; /* what feed has failed with */
    uint64_t idle_hint_ns;

    /* The exchange. */
    struct tern_stream *stream;
    struct tern_h1_scratch *scratch;
    enum tern_h1_send send;
    enum tern_h1_receive receive;
    bool paused;
};

/* A codec for a new connection, in caller's storage. limits is copied, spares borrowed. Allocates nothing; a submit
 * does where spares has none. A codec that is idle holds no memory; deinit (codec->ops) gives back what an exchange
 * holds, without an event. */
void tern_h1_init(struct tern_h1 *h1, const struct tern_codec_limits *limits, struct tern_h1_spares *spares);

/* Asserts the invariants above; nothing in release builds. */
void tern_h1_check(const struct tern_h1 *h1);

#endif
