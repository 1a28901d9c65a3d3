/* proto/h1_internal.h - what the files of the HTTP/1.1 codec share: h1.c (the exchange's life), h1_send.c and
 * h1_receive.c (its two directions), h1_parser.c (llhttp). */
#ifndef TERN_PROTO_H1_INTERNAL_H
#define TERN_PROTO_H1_INTERNAL_H

#include "base/fault.h"
#include "proto/h1.h"

static inline struct tern_h1 *tern_h1_of(struct tern_codec *codec)
{
    return (struct tern_h1 *)codec;
}

void tern_h1_set_send(struct tern_h1 *h1, enum tern_h1_send next);
void tern_h1_set_receive(struct tern_h1 *h1, enum tern_h1_receive next);
void tern_h1_set_state(struct tern_h1 *h1, enum tern_codec_state next);

/* Ends the exchange, closes the connection, and returns the fault's error. The stream is gone. */
enum tern_error tern_h1_fail(struct tern_h1 *h1, const struct tern_fault *fault);

/* Ends the exchange well. more: bytes came behind the response, so that the connection is closed before anyone
 * hears of the end. The stream is gone. */
void tern_h1_finish(struct tern_h1 *h1, bool more);

/* Lets the body go that waits for 100. */
void tern_h1_lift_hold(struct tern_h1 *h1);

int tern_h1_pull(struct tern_codec *codec, struct iovec *pieces, int max);
void tern_h1_wrote(struct tern_codec *codec, size_t bytes);

enum tern_error tern_h1_feed(struct tern_codec *codec, const uint8_t *data, size_t len, size_t *used);
void tern_h1_feed_end(struct tern_codec *codec, const struct tern_fault *reason);

/* Makes ready for a status line. */
void tern_h1_receive_begin(struct tern_h1 *h1);

/* llhttp, ready for a status line. */
void tern_h1_parser_init(struct tern_h1 *h1);

/* Feeds llhttp. *used < len, or *paused, where a chunk's data or the message ended. False: llhttp will not have it, or
 * the exchange was cancelled meanwhile. */
bool tern_h1_parser_feed(struct tern_h1 *h1, const char *data, size_t len, size_t *used, bool *paused);

#endif
