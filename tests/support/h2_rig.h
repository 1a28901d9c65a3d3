/* tests/support/h2_rig.h - an HTTP/2 codec with recording streams, and two kinds of peer: frames made by hand, for what no
 * server library would send, and nghttp2's server, for flows.
 *
 * What a stream hears becomes one line of text per event, as in h1_rig.h:
 *     head 200 | a: b            body "hi"            trailers | c: d            sent            end
 *     error TERN_EPROTO MAYBE "text"
 * What the codec writes becomes one line per frame:
 *     SETTINGS 2=0 4=262144      HEADERS 1 END | :method: GET | ...      DATA 1 5 END      RST_STREAM 1 8
 *     WINDOW_UPDATE 0 1048576    PING    PING ACK    SETTINGS ACK        GOAWAY 0 1 */
#ifndef TERN_TESTS_H2_RIG_H
#define TERN_TESTS_H2_RIG_H

#include <nghttp2/nghttp2.h>

#include "base/buf.h"
#include "proto/h2.h"

struct h2_rig;

struct h2_peer { /* one stream */
    struct h2_rig *rig;
    struct tern_stream stream;
    struct tern_outgoing message;
    struct tern_buf log;
    struct tern_buf body; /* not yet in the log */
    uint64_t body_bytes;
    bool open;
    bool quiet; /* count bodies, do not keep them */

    /* The body's source: steps of "data", NULL waits. */
    struct tern_body_source source;
    const char *const *steps;
    size_t step_count;
    size_t step;
    size_t step_used;
    bool source_fails;
    uint64_t source_bytes; /* instead of steps: so many of 'x' */
};

struct h2_rig {
    struct tern_h2 h2;
    struct tern_h2_spares spares;
    struct tern_buf wire; /* what was written and not yet read */
    struct tern_buf text;
    nghttp2_hd_inflater *inflater;
    bool preface_seen;

    bool credit_by_hand; /* else on_body gives each piece back at once */
    /* Called in each event, before it is logged; may do what a user may. */
    void (*hook)(struct h2_rig *rig, struct h2_peer *peer, const char *event);
    void *hook_data;

    nghttp2_session *server;
    size_t server_body_bytes; /* of each answer */
    uint64_t server_received; /* bytes of bodies */
};

/* limits NULL: the documented defaults. window_bytes 0: 256 KiB. */
void h2_rig_init(struct h2_rig *rig, const struct tern_codec_limits *limits, uint32_t window_bytes);
void h2_rig_deinit(struct h2_rig *rig);

/* A stream with GET / to example.com in it, and its end. */
void h2_peer_init(struct h2_rig *rig, struct h2_peer *peer);
void h2_peer_deinit(struct h2_peer *peer);
void h2_peer_body(struct h2_peer *peer, const char *const *steps, size_t count, uint64_t length);
enum tern_error h2_peer_submit(struct h2_peer *peer);
const char *h2_peer_log(struct h2_peer *peer);

/* Pulls and writes, at most k bytes at a time (0: all), until there is nothing to write; returns the number of writes. */
size_t h2_rig_write(struct h2_rig *rig, size_t k);
/* The text of the frames written since the last time. */
const char *h2_rig_frames(struct h2_rig *rig);

/* Feeds in pieces of at most k (0: all). */
enum tern_error h2_rig_feed(struct h2_rig *rig, const struct tern_buf *bytes, size_t k);
void h2_rig_eof(struct h2_rig *rig);

/* Frames by hand, appended to out. */
void h2_put(struct tern_buf *out, uint8_t type, uint8_t flags, int32_t id, const void *payload, size_t len);
/* HEADERS; fields is "name: value\n..." with :status among them; flags as for the frame. */
void h2_put_head(struct tern_buf *out, int32_t id, uint8_t flags, const char *fields);
void h2_put_data(struct tern_buf *out, int32_t id, uint8_t flags, const char *text);
void h2_put_u32(struct tern_buf *out, uint8_t type, int32_t id, uint32_t value); /* RST_STREAM, WINDOW_UPDATE */
void h2_put_setting(struct tern_buf *out, uint16_t id, uint32_t value);
void h2_put_goaway(struct tern_buf *out, int32_t last_id, uint32_t code, const char *text);
/* A field block without compression. */
void h2_put_block(struct tern_buf *out, const char *fields);

#define H2_END_STREAM NGHTTP2_FLAG_END_STREAM
#define H2_END_HEADERS NGHTTP2_FLAG_END_HEADERS

/* Starts nghttp2's server: it answers each request, once it is complete, with 200 and server_body_bytes of body. */
void h2_rig_serve(struct h2_rig *rig, uint32_t max_streams, uint32_t window);
/* Lets both talk until both are silent. */
void h2_rig_talk(struct h2_rig *rig);

#endif
