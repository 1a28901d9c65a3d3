/* proto/h2_internal.h - what the files of the HTTP/2 codec share: h2.c (connection and streams' life), h2_send.c and
 * h2_receive.c (the two directions), h2_spares.c (memory). */
#ifndef TERN_PROTO_H2_INTERNAL_H
#define TERN_PROTO_H2_INTERNAL_H

#include <nghttp2/nghttp2.h>

#include "base/fault.h"
#include "proto/h2.h"

static inline struct tern_h2 *tern_h2_of(struct tern_codec *codec)
{
    return (struct tern_h2 *)codec;
}

/* ---- h2.c ---- */

void tern_h2_set_send(struct tern_h2_stream *s, enum tern_h2_send next);
void tern_h2_set_receive(struct tern_h2_stream *s, enum tern_h2_receive next);
void tern_h2_set_state(struct tern_h2 *h2, enum tern_codec_state next);

/* The stream that is called id, unless nghttp2 has closed it or it is forgotten. Callbacks ask for the same one again
 * and again. */
struct tern_h2_stream *tern_h2_look_up(struct tern_h2 *h2, int32_t id);
static inline struct tern_h2_stream *tern_h2_find(struct tern_h2 *h2, int32_t id)
{
    return h2->last != NULL && h2->last->id == id ? h2->last : tern_h2_look_up(h2, id);
}

/* No event comes for the stream any more. code: what RST_STREAM says; TERN_H2_NO_RESET: none is needed. The memory
 * stays until the codec's function that is on the stack returns. */
#define TERN_H2_NO_RESET UINT32_MAX
void tern_h2_forget(struct tern_h2 *h2, struct tern_h2_stream *s, uint32_t code);

/* Ends the stream with fault. */
void tern_h2_fail_stream(struct tern_h2 *h2, struct tern_h2_stream *s, uint32_t code, const struct tern_fault *fault,
                         enum tern_replay replay);

/* What the peer can have seen and done. */
enum tern_replay tern_h2_replay_of(const struct tern_h2 *h2, const struct tern_h2_stream *s);

/* The connection is of no use any more, for the reason in fault; the streams end when the codec's function that
 * is on the stack, or else the next one, returns. Only the first reason counts. */
void tern_h2_break(struct tern_h2 *h2);
void tern_h2_break_memory(struct tern_h2 *h2);

/* Gives the peer the part of the stream's window that goes beyond what is announced for all. */
void tern_h2_grant(struct tern_h2 *h2, const struct tern_h2_stream *s);

/* Bytes of the stream were put into kept, or leave it. */
void tern_h2_keep(struct tern_h2 *h2, size_t bytes);
void tern_h2_unkeep(struct tern_h2 *h2, size_t bytes);

/* Opens the stream's window again for what was credited, once that is worth a frame; not from inside its own event. */
void tern_h2_give_stream(struct tern_h2 *h2, const struct tern_h2_stream *s);

/* Around what may call an event. leave ends the streams of a broken connection, gives the connection's window back and
 * frees what was forgotten. */
void tern_h2_enter(struct tern_h2 *h2);
void tern_h2_leave(struct tern_h2 *h2);

/* ---- h2_send.c ---- */

enum tern_error tern_h2_submit(struct tern_codec *codec, struct tern_stream *stream);
int tern_h2_pull(struct tern_codec *codec, struct iovec *pieces, int max);
void tern_h2_wrote(struct tern_codec *codec, size_t bytes);
void tern_h2_lift_hold(struct tern_h2 *h2, struct tern_h2_stream *s);

/* Takes frames out of nghttp2 while there is room. Body sources are asked here. */
void tern_h2_fill(struct tern_h2 *h2);

/* The stream's frames in the out buffer are nobody's any more. */
void tern_h2_unmark(struct tern_h2 *h2, struct tern_h2_stream *s);
/* Forgets what is in the out buffer. */
void tern_h2_out_drop(struct tern_h2 *h2);
void tern_h2_out_deinit(struct tern_h2_out *out);
void tern_h2_callbacks_send(nghttp2_session_callbacks *callbacks);

/* ---- h2_receive.c ---- */

enum tern_error tern_h2_feed(struct tern_codec *codec, const uint8_t *data, size_t len, size_t *used);
void tern_h2_feed_end(struct tern_codec *codec, const struct tern_fault *reason);

/* Delivers what was kept to the streams that may have it by now. */
void tern_h2_deliver(struct tern_h2 *h2);
void tern_h2_callbacks_receive(nghttp2_session_callbacks *callbacks);

/* ---- h2_spares.c ---- */

/* A fresh one, its memory perhaps used before; NULL: out of memory. */
struct tern_h2_stream *tern_h2_spares_take(struct tern_h2_spares *spares);
void tern_h2_spares_give(struct tern_h2_spares *spares, struct tern_h2_stream *s);

/* The head being received gets one more field, which holds on to both. False: out of memory. */
bool tern_h2_field_add(struct tern_h2_stream *s, nghttp2_rcbuf *name, nghttp2_rcbuf *value);
/* Lets go of all its fields; before the session goes. */
void tern_h2_fields_clear(struct tern_h2_stream *s);

/* Room for count fields, lent until the next call; NULL: out of memory. */
nghttp2_nv *tern_h2_spares_nv(struct tern_h2_spares *spares, size_t count);

/* nghttp2's allocator: tern's, with free lists in front. What is freed is wiped, since requests hold secrets. */
nghttp2_mem tern_h2_blocks_mem(struct tern_h2 *h2);

/* Frees all that the session has. In place of nghttp2_session_del, which (1.52) frees a DATA frame once more for which
 * there was no memory as it was queued. */
void tern_h2_blocks_free(struct tern_h2 *h2);

#endif
