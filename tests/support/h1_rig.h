/* tests/support/h1_rig.h - an HTTP/1.1 codec with a recording stream and a body source under the test's control.
 *
 * What the stream hears becomes one line of text per event, so that a test compares transcripts:
 *     info 103 Early Hints | link: </a>
 *     head 200 OK HTTP/1.1 | content-length: 2
 *     body "hi"             (adjoining pieces are one)
 *     trailers | a: b
 *     sent
 *     end                   or: error TERN_EPROTO MAYBE "text" */
#ifndef TERN_TESTS_H1_RIG_H
#define TERN_TESTS_H1_RIG_H

#include "base/buf.h"
#include "proto/h1.h"

struct h1_rig {
    struct tern_h1 h1;
    struct tern_h1_spares spares;
    struct tern_stream stream;
    struct tern_outgoing message;
    struct tern_buf wire; /* what was written since the last submit */
    struct tern_buf log;
    struct tern_buf body;               /* not yet in the log */
    bool open;                          /* neither end nor error has come */
    enum tern_codec_state state_at_end; /* as on_end saw it */

    bool credit_by_hand;   /* else on_body gives each piece back at once */
    bool pause_in_body;    /* on_body pauses */
    const char *cancel_in; /* the event that cancels: "info", "head", "body", "trailers", "sent" */

    /* The body's source: steps of "data", NULL waits until body_ready. */
    struct tern_body_source source;
    const char *const *steps; /* step_count of them */
    size_t step_count;
    size_t step;
    size_t step_used;
    bool source_fails; /* instead of the end */
};

/* limits NULL: the documented defaults. */
void h1_rig_init(struct h1_rig *rig, const struct tern_codec_limits *limits);
void h1_rig_deinit(struct h1_rig *rig);

/* A second connection with the same rig, memory kept. */
void h1_rig_reconnect(struct h1_rig *rig);

/* Makes rig->source the message's body. */
void h1_rig_body(struct h1_rig *rig, const char *const *steps, size_t count, uint64_t length);

/* Submits rig->message (by default GET / to example.com); clears wire and log. */
enum tern_error h1_rig_submit(struct h1_rig *rig);

/* Pulls and writes, at most k bytes at a time (0: all), until there is nothing to write; returns the number of
 * writes. */
size_t h1_rig_write(struct h1_rig *rig, size_t k);

/* Feeds bytes in pieces of at most k (0: all); returns how many were taken, which is fewer where the window is
 * full. */
size_t h1_rig_feed_n(struct h1_rig *rig, const char *bytes, size_t len, size_t k);
size_t h1_rig_feed(struct h1_rig *rig, const char *text);
void h1_rig_eof(struct h1_rig *rig);

/* The transcript so far, as NUL-terminated text. */
const char *h1_rig_log(struct h1_rig *rig);
const char *h1_rig_wire(struct h1_rig *rig);
enum tern_codec_state h1_rig_state(const struct h1_rig *rig);

#endif
