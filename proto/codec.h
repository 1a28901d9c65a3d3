/* proto/codec.h - what every codec is to the connection's pump: bytes to messages and back, in memory only.
 *
 * A codec owns no socket, no timer, no clock. The pump feeds it what was read and pulls from it what is to be written;
 * the codec tells each stream what happened through the stream's events. One codec is one connection.
 *
 * Requirements
 *  1. feed and pull may be called with any split of the bytes: all splits give the same events. (Only how much of a
 *     body comes before an error in it may differ.)
 *  2. An event may call cancel, credit and body_ready of any stream of the codec, its own included, but neither feed,
 *     pull nor deinit. (The pump sees to that: user code runs below it.)
 *  3. After on_end or on_error the codec has forgotten the stream: its storage may be freed or used again.
 *  4. After cancel no event comes for the stream.
 *  5. A codec that answered an error answers it ever after and takes nothing more. */
#ifndef TERN_PROTO_CODEC_H
#define TERN_PROTO_CODEC_H

#include <sys/uio.h>

#include "proto/body_source.h"
#include "tern/call.h"

struct tern_stream;

/* A request as it goes to a codec. Everything is borrowed until the stream's end. Already checked (proto/request.h). */
struct tern_outgoing {
    struct tern_str method;
    struct tern_str scheme;          /* "http" */
    struct tern_str authority;       /* host, and port where it is not the scheme's own: the Host field or :authority */
    struct tern_str target;          /* path and query; or "*" */
    const struct tern_field *fields; /* all but Host, Content-Length, Transfer-Encoding, Expect; in the wire's order */
    size_t field_count;
    size_t fields_bytes; /* what tern_request_fields_check gave for them, if they have passed it already; 0: not yet */
    struct tern_body_source *body;     /* NULL: none */
    const struct tern_field *trailers; /* behind the body; read, and checked by the codec, when that is complete */
    size_t trailer_count;
    uint64_t body_length;     /* bytes, or TERN_LENGTH_UNKNOWN; 0 with body NULL. A method that has a meaning for
                                      a body and none here says Content-Length: 0 (RFC 9110 8.6) */
    struct tern_str priority; /* value of the field Priority, in place of one among the fields; empty: none */
    bool expect_continue;     /* send Expect, hold the body until 100, a final status or continue_body */
    bool close;               /* h1: say Connection: close */
};

struct tern_stream_events {
    void (*on_informational)(struct tern_stream *stream, const struct tern_head *head);
    void (*on_head)(struct tern_stream *stream, const struct tern_head *head);
    /* Lent bytes of the body, without framing. They count against the stream's window until credited. */
    void (*on_body)(struct tern_stream *stream, const uint8_t *data, size_t len);
    void (*on_trailers)(struct tern_stream *stream, const struct tern_field *fields, size_t count);
    /* The last byte of the request was pulled and reported as written. */
    void (*on_sent)(struct tern_stream *stream);
    /* The response is complete. (The request may not be: then the codec has seen to the framing.) */
    void (*on_end)(struct tern_stream *stream);
    /* The stream ended otherwise. replay says what the peer can have seen. */
    void (*on_error)(struct tern_stream *stream, const struct tern_fault *fault, enum tern_replay replay);
};

/* One exchange's place in a codec, embedded by whoever runs the exchange. */
struct tern_stream {
    const struct tern_stream_events *events;
    const struct tern_outgoing *message;
    uint32_t window_bytes; /* how much of the body may be delivered and not yet credited; not 0 */

    /* Kept by the codec, read by anyone. */
    uint64_t sent_head_bytes; /* written, as reported by tern_codec_wrote */
    uint64_t sent_body_bytes; /* without framing */
    uint64_t received_head_bytes;
    uint64_t received_body_bytes;
    uint32_t owed_bytes; /* delivered, not credited */

    int32_t id;       /* h2: its stream identifier */
    void *codec_data; /* the codec's own */
};

struct tern_codec;

/* What may come of a connection once no exchange is open on it. */
enum tern_codec_state {
    TERN_CODEC_OPEN,  /* takes a new stream, or will when one ends */
    TERN_CODEC_DRAIN, /* takes none any more, finishes those it has; then the connection is closed */
    TERN_CODEC_CLOSED /* has none and takes none: close the connection */
};

struct tern_codec_ops {
    /* Takes bytes from the peer. *used < len only where a stream's window is full or it is paused (h1): the rest is fed
     * again after a credit. An error is a broken connection: every stream has had its on_error, or, where the bytes
     * too many stood behind its end, its on_end. */
    enum tern_error (*feed)(struct tern_codec *codec, const uint8_t *data, size_t len, size_t *used);
    /* The peer's side has ended, and feed has taken all that it sent: eof with error TERN_OK, else the reason (reset,
     * TLS, timeout, shutdown). Ends every stream (a body delimited by the close ends well with eof). */
    void (*feed_end)(struct tern_codec *codec, const struct tern_fault *reason);
    /* Up to max pieces to write (room for at least 4), in order; returns how many. They stay valid until the next call
     * of pull, wrote or feed. Nothing to write: 0. */
    int (*pull)(struct tern_codec *codec, struct iovec *pieces, int max);
    /* bytes of what the last pull gave have been written. */
    void (*wrote)(struct tern_codec *codec, size_t bytes);
    /* Begins an exchange. The caller has seen capacity > 0. Errors: TERN_ENOMEM; then the stream is not the codec's. */
    enum tern_error (*submit)(struct tern_codec *codec, struct tern_stream *stream);
    /* Forgets the stream. h1: the codec goes to CLOSED unless the exchange had not begun to be written. */
    void (*cancel)(struct tern_codec *codec, struct tern_stream *stream);
    void (*credit)(struct tern_codec *codec, struct tern_stream *stream, uint32_t bytes);
    void (*pause)(struct tern_codec *codec, struct tern_stream *stream, bool paused);
    /* The body source has something again, or (continue_body) the wait for 100 is over. */
    void (*body_ready)(struct tern_codec *codec, struct tern_stream *stream);
    void (*continue_body)(struct tern_codec *codec, struct tern_stream *stream);
    /* message->priority is another than when the stream was submitted. h1: nothing can be said any more. */
    void (*priority_changed)(struct tern_codec *codec, struct tern_stream *stream);
    /* Whether feed has use for bytes now: false while the only stream of an h1 connection takes none, and when
     * closed. */
    bool (*wants_input)(const struct tern_codec *codec);
    /* How many more streams it takes now. */
    uint32_t (*capacity)(const struct tern_codec *codec);
    enum tern_codec_state (*state)(const struct tern_codec *codec);
    /* How long the peer said it keeps an idle connection (Keep-Alive: timeout=), ns; 0: it did not say. */
    uint64_t (*idle_hint_ns)(const struct tern_codec *codec);
    void (*deinit)(struct tern_codec *codec);
};

struct tern_codec {
    const struct tern_codec_ops *ops;
};

/* The caps on what a peer may send; from tern_limits. */
struct tern_codec_limits {
    uint32_t head_line_bytes_max;
    uint32_t head_bytes_max;
    uint32_t head_fields_max;
    uint32_t informational_max;
};

#endif
