/* tests/support/h2_rig.h - an HTTP/2 codec with recording streams, and two kinds of peer: frames made by hand, for what
 * no server library would send, and nghttp2's server, for flows.
 *
 * What a stream hears becomes one line of text per event, as in h1_rig.h:
 *     head 200 | a: b            body "hi"            trailers | c: d            sent            end
 *     error TERN_EPROTO MAYBE "text"
 * What the codec writes becomes text as in h2_wire.h. */
#ifndef TERN_TESTS_H2_RIG_H
#define TERN_TESTS_H2_RIG_H

#include "proto/h2.h"
#include "tests/support/h2_wire.h"

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
    struct tern_ledger ledger; /* without a limit, unless the test sets one */
    struct h2_ear ear;         /* what was written and not yet read */

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

/* Pulls and writes, at most k bytes at a time (0: all), until there is nothing to write; returns the number of
 * writes. */
size_t h2_rig_write(struct h2_rig *rig, size_t k);
/* The text of the frames written since the last time. */
const char *h2_rig_frames(struct h2_rig *rig);

/* Feeds in pieces of at most k (0: all). */
enum tern_error h2_rig_feed(struct h2_rig *rig, const struct tern_buf *bytes, size_t k);
void h2_rig_eof(struct h2_rig *rig);

/* Starts nghttp2's server: it answers each request, once it is complete, with 200 and server_body_bytes of body. */
void h2_rig_serve(struct h2_rig *rig, uint32_t max_streams, uint32_t window);
/* Lets both talk until both are silent. */
void h2_rig_talk(struct h2_rig *rig);

#endif
