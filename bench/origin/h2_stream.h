/* bench/origin/h2_stream.h - inside h2: one stream from its request's head on, and how its response becomes frames. */
#ifndef BENCH_ORIGIN_H2_STREAM_H
#define BENCH_ORIGIN_H2_STREAM_H

#include <nghttp2/nghttp2.h>

#include "base/list.h"
#include "bench/origin/server.h"

/* What a peer may send ahead on a stream. It bounds what an echo holds. */
#define ORIGIN_STREAM_WINDOW (256 * 1024)

struct origin_h2 {
    struct origin_server *server;
    nghttp2_session *session;
    struct tern_list live;  /* struct origin_stream, by node */
    struct tern_list spare; /* the same, with their memory for the next */
    struct tern_list timed; /* by timed_node, the earliest first */
    struct tern_buf *out;   /* while writing */
    size_t out_max;
    int32_t last_id; /* of the stream behind which none is taken, or 0 */
    bool cut;        /* the connection is to close as it is */
    bool failed;     /* out of memory */

    /* The head that comes in. There is one at a time (RFC 9113 4.3). */
    struct origin_request request;
    struct tern_buf method;
    struct tern_buf target;
    bool too_large;
    bool has_priority;
};

struct origin_stream {
    struct origin_h2 *h2;
    struct tern_list node;
    struct tern_list timed_node;
    uint64_t due_ns; /* where timed_node is linked: when the answer begins or, once it has, goes on */
    int32_t id;
    bool request_ended;
    bool responding; /* the response's head is said */
    bool bodyless;   /* it has no body, whatever the route made */
    bool deferred;   /* nghttp2 asks no more for its body until it is told to */
    uint64_t received;
    uint64_t started_ns; /* of the response's body */
    struct origin_response response;
    struct tern_buf echo; /* what the request's body brought, and the response's has not yet taken */
};

/* Nothing is done about a failure where it happens, often below nghttp2, but at the end of receive or write. */
static inline void origin_h2_check(struct origin_h2 *h2, bool done)
{
    h2->failed = h2->failed || !done;
}

/* A live stream, whose request's head is about to come. NULL: out of memory. */
struct origin_stream *origin_stream_new(struct origin_h2 *h2, int32_t id);

/* Makes it spare. */
void origin_stream_retire(struct origin_stream *stream);

/* Empties a list of live or spare ones. */
void origin_streams_free(struct tern_list *streams);

/* Says an informational head, with no field where that has no name. */
void origin_stream_say_early(struct origin_stream *stream, uint16_t status, const struct tern_field *field);

/* Lets the response's body take turns with those of other streams. */
void origin_stream_share_turns(struct origin_stream *stream);

/* Says the response, once its delay is over. */
void origin_stream_begin_response(struct origin_stream *stream);

/* To be called when there is more of the body than there was, or its end. */
void origin_stream_go_on(struct origin_stream *stream);

/* nghttp2_send_data_callback: writes a DATA frame to h2->out. */
int origin_stream_send_body(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t len,
                            nghttp2_data_source *source, void *user);

/* Does for all streams what is due by now. */
void origin_streams_run_timers(struct origin_h2 *h2);

#endif
