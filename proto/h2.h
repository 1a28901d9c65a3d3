/* proto/h2.h - the HTTP/2 codec (RFC 9113), client side, over nghttp2: one connection, many exchanges.
 *
 * nghttp2 does framing, HPACK, stream states and the message rules (RFC 9113 8); its own checks stay on. This codec
 * does what is a client's to decide: who hears what and when, how much may be kept, what can be sent again.
 *
 * A stream's two states, one for each direction; forgetting it (end, error, cancel) follows any of them.
 *
 *   sending     QUEUED -+-> HOLD -+-> BODY -+-> LAST -> DONE
 *                       +---------+         |                no Expect
 *                       +-------------------+                no body
 *     Framed into the out buffer: QUEUED -> HOLD, BODY or LAST; END_STREAM framed: -> LAST; and written: -> DONE.
 *     100 (Continue), a final status below 300 or continue_body: HOLD -> BODY. An upload goes on beside the answer,
 *     and what is left of it when the answer is complete is cut off with RST_STREAM (RFC 9113 8.1).
 *
 *   receiving   HEAD -> BODY -> ENDED                        1xx heads leave it at HEAD
 *     ENDED: END_STREAM has come, but the stream is paused or its window full, so its end waits behind its bytes.
 *
 * The connection's own state (enum tern_codec_state) only moves on: OPEN -> DRAIN -> CLOSED.
 *
 * Extended CONNECT (RFC 8441), which asks for a byte stream in both directions, is not spoken, and nothing stands in
 * its way: the gate (proto/request.h) would let CONNECT through with a protocol, fill_nv add :protocol once the peer's
 * ENABLE_CONNECT_PROTOCOL has come, and the body source and on_body carry the bytes as they do for any upload.
 *
 * Flow control: the connection's window is given back as bytes arrive, so that no stream can hold up another; a
 * stream's own window is given back by credit alone. What a paused stream has in flight, at most its window, is kept
 * here and delivered by the first pull or feed after pause or credit made room: so pull after these.
 * The ledger bounds what is kept: the connection's window is a promise in it, what is kept is held, and where it has no
 * room the window is not given back for what is kept (the debt) until there is room again: looked for in each feed and
 * pull, and as kept bytes go. Until then the streams share what is left of the window.
 *
 * Invariants (tern_h2_check)
 *  1. Every open stream has codec_data, and what it points to points back.
 *  2. CLOSED has no open stream.
 *  3. Bytes are kept only for a stream that may not have them yet, and never more than its window.
 *  4. In the ledger stand, for this connection: held, what is kept for all streams; promised, window less debt. The
 *     debt is not more than what is kept.
 *  5. Every mark in the out buffer lies in front of the next and behind what was written. */
#ifndef TERN_PROTO_H2_H
#define TERN_PROTO_H2_H

#include "base/buf.h"
#include "base/ledger.h"
#include "base/list.h"
#include "proto/codec.h"

struct nghttp2_session;

/* The connection's receive window at first, where the ledger has room for it; the protocol's own at least (RFC 9113
 * 6.9.2). 40 MB/s over 50 ms before it has been widened once, and a hundred connections fit into a client's ledger. */
#define TERN_H2_CONNECTION_WINDOW_BYTES (2u << 20)
#define TERN_H2_CONNECTION_WINDOW_BYTES_MIN 65535u

/* The out buffer is filled up to here, then with at most one frame more: enough that one write takes the requests of
 * 64 streams or four full DATA frames, and little enough that a request is not stuck behind a long upload. */
#define TERN_H2_OUT_BYTES (64u << 10)

/* Streams at a time, whatever the peer allows. */
#define TERN_H2_STREAMS_MAX 4096

/* Frames that cost the peer little and bring the caller nothing (PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA,
 * RST_STREAM of what is over, unknown types): so many between two calls of tern_h2_calm. An answer gives one back and a
 * DATA frame that was sent two, since a peer that takes an upload answers it with WINDOW_UPDATE. */
#define TERN_H2_NUISANCE_MAX 1000

/* HEADERS and DATA for streams that are over, between two calls of tern_h2_calm. After a cancel a window's worth of
 * them is no fault of the peer's, so many more are allowed. */
#define TERN_H2_LATE_MAX (64u << 10)

/* CONTINUATION frames of one head, each of 16 KiB unless the peer wants to be a nuisance. (nghttp2's own limit, of 8,
 * counts by how the bytes happen to be split, so it is set out of the way.) */
#define TERN_H2_CONTINUATIONS_MAX 32

/* Acknowledgements, and frames altogether, that wait for a peer that does not read. */
#define TERN_H2_ACKS_MAX 256
#define TERN_H2_QUEUE_MAX (4 * TERN_H2_STREAMS_MAX)

enum tern_h2_send {
    TERN_H2_SEND_QUEUED, /* its head is not framed; while framed_bytes is 0 it can be taken back without a trace */
    TERN_H2_SEND_HOLD,   /* the body waits for 100 */
    TERN_H2_SEND_BODY,
    TERN_H2_SEND_LAST, /* END_STREAM is in the out buffer */
    TERN_H2_SEND_DONE,
    TERN_H2_SEND_COUNT
};

enum tern_h2_receive { TERN_H2_RECEIVE_HEAD, TERN_H2_RECEIVE_BODY, TERN_H2_RECEIVE_ENDED, TERN_H2_RECEIVE_COUNT };

/* A received field's name and value: nghttp2's own buffers, perhaps of its table, held and not copied. */
struct tern_h2_lent {
    struct nghttp2_rcbuf *name;
    struct nghttp2_rcbuf *value;
};

/* The codec's side of one stream. */
struct tern_h2_stream {
    struct tern_h2_stream *next; /* among the spares */
    struct tern_list node;       /* among the open, or the graves */
    struct tern_list ready;      /* among those that may have what was kept */
    struct tern_list urged;      /* among those whose priority is to be told */
    struct tern_stream *stream;  /* NULL: forgotten */
    int32_t id;
    enum tern_h2_send send;
    enum tern_h2_receive receive;
    bool on_wire; /* nghttp2 has not closed it */
    bool hold;    /* nothing has lifted Expect yet */
    bool paused;
    bool is_delivering; /* its on_body is on the stack: kept and owed_bytes are on their way */
    bool peer_reset;
    bool has_trailers;
    bool is_urged; /* its priority has changed before its head was framed */
    uint16_t status;
    uint32_t marks; /* of it in the out buffer */
    uint32_t informational;
    uint32_t head_bytes;       /* of the head being received, as "name: value" lines */
    uint32_t framed_bytes;     /* of the request's head */
    uint64_t length_left;      /* of a body of known length */
    struct tern_field *fields; /* of that head: field_count of them, room for field_cap */
    struct tern_h2_lent *lent; /* and what each of them stands in */
    uint32_t field_count;
    uint32_t field_cap;
    struct tern_buf kept; /* body bytes that may not be delivered yet */
};

/* A frame of a stream in the out buffer: its head's bytes, or its body's without the frame header. */
struct tern_h2_mark {
    struct tern_h2_stream *stream; /* NULL: forgotten */
    uint64_t start;                /* counted as tern_h2_out.filled */
    uint32_t len;
    uint32_t counted; /* of len, as written */
    bool is_head;
    bool is_last; /* END_STREAM */
};

struct tern_h2_out {
    struct tern_buf bytes;
    uint64_t filled; /* ever put in, and ever written */
    uint64_t written;
    struct tern_h2_mark *marks; /* count of them from first, room for cap */
    uint32_t first;
    uint32_t count;
    uint32_t cap;
};

#define TERN_H2_BLOCK_CLASSES 6 /* of 64, 128, ... 2048 bytes */

/* What connections and streams leave behind for the next ones, so that warm requests allocate nothing. Caller's
 * storage; one thread; outlives the codecs made with it. Zero is empty. */
struct tern_h2_spares {
    struct tern_h2_stream *streams;
    uint32_t stream_count;
    struct tern_h2_out out;
    void *nv; /* room for nv_cap fields of nghttp2's */
    size_t nv_cap;
    struct tern_h2_block *blocks[TERN_H2_BLOCK_CLASSES]; /* nghttp2's */
    size_t block_bytes;
};

/* What is kept at most. */
#define TERN_H2_SPARE_STREAMS_MAX 256
#define TERN_H2_SPARE_BLOCK_BYTES_MAX (512u << 10)
#define TERN_H2_SPARE_STREAM_BYTES_MAX (16u << 10)

/* Frees what is kept; it may be used on. */
void tern_h2_spares_deinit(struct tern_h2_spares *spares);

struct tern_h2 {
    struct tern_codec codec; /* first: the codec's functions cast back */

    /* Configuration. */
    struct tern_codec_limits limits;
    uint32_t window_bytes; /* of a stream, as announced */
    struct tern_h2_spares *spares;
    struct tern_ledger *ledger;

    /* The connection. */
    struct nghttp2_session *session;
    struct tern_list blocks; /* its memory */
    enum tern_codec_state state;
    bool is_broken; /* fault says why; nothing more comes or goes but what is in the out buffer */
    struct tern_fault fault;
    uint32_t depth; /* of the codec's functions on the stack: forgotten streams stay until it is 0 */
    struct tern_list open;
    struct tern_list ready;
    struct tern_list urged;
    struct tern_list graves;
    struct tern_h2_stream *last; /* of the open: the one asked for last, while nghttp2 has it; or NULL */
    uint32_t open_count;
    uint32_t wire_count; /* of the open: those that nghttp2 has not closed */

    /* Sending. */
    struct tern_h2_out out;
    struct tern_h2_stream *framing; /* whose head is going into the out buffer */
    bool is_framed;                 /* and this is its last piece */

    /* Receiving, and what the pump wants to know. */
    uint32_t connection_window_bytes;
    uint64_t kept_bytes; /* of all streams */
    uint64_t debt_bytes; /* of them: for which the connection's window is not given back */
    bool settings_acked; /* by the peer */
    bool got_goaway;
    int32_t goaway_last_id;
    uint32_t goaway_code;
    char goaway_text[64];
    uint8_t frame_header[9]; /* of the frame that is coming in: frame_header_len bytes, or all and frame_left to go */
    uint8_t frame_header_len;
    uint32_t frame_left;
    uint32_t continuations;
    uint32_t nuisances;
    uint32_t late;
    uint64_t late_frames;   /* ever */
    uint64_t heard;         /* HEADERS and DATA frames */
    uint64_t heard_at_ping; /* heard, when the last PING was queued */
    uint32_t pings_sent;
    uint32_t pings_acked;
    const char *flood;  /* what there was too much of, or NULL */
    int32_t invalid_id; /* the last frame that nghttp2 refused: its stream, and why */
    int invalid_error;  /* 0: none yet */
    bool is_alien;      /* the peer's first bytes are not HTTP/2 */
};

/* A codec for a new connection, in caller's storage. limits is copied, spares and ledger are borrowed. window_bytes (at
 * most 2^31 - 1, more than 0) is announced for every stream; a stream whose own window is larger gets the rest once it
 * is sent and the announcement acknowledged.
 * Preface and SETTINGS are in the first pull. Errors: TERN_ENOMEM; then nothing is to be given back.
 * deinit (codec->ops) gives back all, without an event. */
TERN_MUST_USE enum tern_error tern_h2_init(struct tern_h2 *h2, const struct tern_codec_limits *limits,
                                           uint32_t window_bytes, struct tern_h2_spares *spares,
                                           struct tern_ledger *ledger);

/* Queues a PING (RFC 9113 6.7). Nothing is queued where tern_h2_may_ping says no, or on a connection that is CLOSED. */
void tern_h2_ping(struct tern_h2 *h2);

static inline bool tern_h2_ping_unanswered(const struct tern_h2 *h2)
{
    return h2->pings_sent != h2->pings_acked;
}

/* Whether a PING may be queued: none is unanswered, and HEADERS or DATA have come since the last one, which some
 * servers want to see. */
static inline bool tern_h2_may_ping(const struct tern_h2 *h2)
{
    return h2->pings_sent == 0 || (!tern_h2_ping_unanswered(h2) && h2->heard > h2->heard_at_ping);
}

/* A second has passed: the allowances against floods are whole again. */
void tern_h2_calm(struct tern_h2 *h2);

/* Raises a stream's window, or with NULL the connection's, to bytes (at most 2^31 - 1); the connection's no further
 * than the ledger has room. Never lowers it. */
void tern_h2_widen(struct tern_h2 *h2, struct tern_stream *stream, uint32_t bytes);

/* Says goodbye: GOAWAY is in the next pull, no stream is taken any more, those that are open finish. */
void tern_h2_shutdown(struct tern_h2 *h2);

/* Asserts the invariants above; nothing in release builds. */
void tern_h2_check(const struct tern_h2 *h2);

#endif
