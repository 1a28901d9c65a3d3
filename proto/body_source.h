/* proto/body_source.h - where a request's body comes from, as a codec sees it: views that are lent and consumed.
 *
 * Bytes in memory go to the socket without a copy; a source that must produce them does so into its own bounded
 * buffer. */
#ifndef TERN_PROTO_BODY_SOURCE_H
#define TERN_PROTO_BODY_SOURCE_H

#include "tern/call.h"

struct tern_body_source;

struct tern_body_source_ops {
    /* TERN_READ_DATA: *view is lent until consume or the next peek; peek without consume gives at least the same
     * bytes again. TERN_READ_END: the body is complete. TERN_READ_WAIT: body_ready will be told. TERN_READ_FAIL: *why
     * is filled and the stream ends. */
    enum tern_read (*peek)(struct tern_body_source *source, struct tern_str *view, struct tern_fault *why);
    void (*consume)(struct tern_body_source *source, size_t bytes);
    /* Back to the first byte; false: it cannot. */
    bool (*rewind)(struct tern_body_source *source);
};

struct tern_body_source {
    const struct tern_body_source_ops *ops;
    bool is_waiting; /* the last peek answered TERN_READ_WAIT: what does not go out now is nobody's fault */
};

#endif
