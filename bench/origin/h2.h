/* bench/origin/h2.h - the server's side of one HTTP/2 connection (RFC 9113), over nghttp2: frames to requests, routes
 * to responses, responses to frames. In memory only.
 *
 * What is held is bounded: streams by server->streams_max, what an echo has not yet given back by its stream's window,
 * and what waits to be written by whoever stops receiving while it is full. */
#ifndef BENCH_ORIGIN_H2_H
#define BENCH_ORIGIN_H2_H

#include "bench/origin/route.h"

struct origin_server;
struct origin_h2;

/* A connection of which nothing has been read or written. Borrows server: its statistics, clocks and limits. NULL: out
 * of memory. */
struct origin_h2 *origin_h2_new(struct origin_server *server);

/* NULL is ignored. */
void origin_h2_free(struct origin_h2 *h2);

/* Takes all of bytes. False: close the connection (no HTTP/2, a flood, out of memory). */
bool origin_h2_receive(struct origin_h2 *h2, struct tern_str bytes);

/* Appends what there is to say to out, until that has max bytes or one frame more. False: as above. */
bool origin_h2_write(struct origin_h2 *h2, struct tern_buf *out, size_t max);

/* When it will have something to say without having heard more; TERN_OFF: never. */
uint64_t origin_h2_due_ns(const struct origin_h2 *h2);

/* So much waits to be written that nothing should be received until some of it is gone. */
bool origin_h2_is_full(const struct origin_h2 *h2);

/* Everything is said and nothing more will be heard. *ending tells whether it ends in order, or is cut. */
bool origin_h2_is_over(const struct origin_h2 *h2, enum origin_ending *ending);

#endif
