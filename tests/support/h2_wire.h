/* tests/support/h2_wire.h - HTTP/2 on the wire: frames made by hand, for what no server library would send, and what a
 * client wrote as one line of text per frame:
 *     SETTINGS 2=0 4=262144      HEADERS 1 END | :method: GET | ...      DATA 1 5 END      RST_STREAM 1 8
 *     WINDOW_UPDATE 0 1048576    PING    PING ACK    SETTINGS ACK        GOAWAY 0 1
 *     PRIORITY_UPDATE 1 u=0, i */
#ifndef TERN_TESTS_H2_WIRE_H
#define TERN_TESTS_H2_WIRE_H

#include <nghttp2/nghttp2.h>

#include "base/buf.h"

struct h2_ear {
    struct tern_buf wire; /* the client's bytes; whoever has them appends them */
    struct tern_buf text;
    nghttp2_hd_inflater *inflater;
    bool preface_seen;
};

void h2_ear_init(struct h2_ear *ear);
void h2_ear_deinit(struct h2_ear *ear);
/* The text of the frames that are whole by now, and were not told before. */
const char *h2_ear_frames(struct h2_ear *ear);

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

#endif
