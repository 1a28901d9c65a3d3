/* engine/bytestream.h - the byte-stream contract: what TCP, Unix, TLS and proxied streams have in common.
 *
 * A stream is pulled. Its owner calls handshake until OK, then read and writev as it likes; what cannot go on answers
 * WANT_READ or WANT_WRITE, and on_ready comes when something may have changed. on_ready is a hint: it may come for
 * nothing, and it comes once, so that the owner goes on until it is told WANT_* again, or remembers that it stopped of
 * its own accord and goes on later without waiting for on_ready.
 *
 * The struct is embedded at the head of its implementation, in its owner's storage. After close no upcall comes; the
 * storage must then outlive the batch of events (tern_engine_bury). All of it belongs to the engine's thread. */
#ifndef TERN_ENGINE_BYTESTREAM_H
#define TERN_ENGINE_BYTESTREAM_H

#include <sys/uio.h>

#include "engine/addr.h"
#include "tern/error.h"

enum tern_flow {
    TERN_FLOW_OK,         /* done: for read and writev, at least one byte has moved */
    TERN_FLOW_WANT_READ,  /* nothing moved: the stream has to receive first */
    TERN_FLOW_WANT_WRITE, /* nothing moved: the stream has to send (or to be connected) first */
    TERN_FLOW_EOF,        /* read only: the peer ended its half in order, and will for ever */
    TERN_FLOW_ERROR /* broken, for ever; tern_bytestream_fault says why. After writev's, read still gives what the peer
                             said before it broke off (an early answer), and then ERROR; else only close is of use */
};

struct tern_bytestream;

struct tern_bytestream_ops {
    enum tern_flow (*handshake)(struct tern_bytestream *stream);
    enum tern_flow (*read)(struct tern_bytestream *stream, void *buf, size_t cap, size_t *n);
    enum tern_flow (*writev)(struct tern_bytestream *stream, const struct iovec *iov, int iov_count, size_t *n);
    enum tern_flow (*shutdown)(struct tern_bytestream *stream);
    void (*close)(struct tern_bytestream *stream);
    void (*names)(struct tern_bytestream *stream, struct tern_sockaddr *local, struct tern_sockaddr *peer);
    void (*fault)(const struct tern_bytestream *stream, struct tern_fault *out);
};

struct tern_bytestream {
    const struct tern_bytestream_ops *ops;
    void (*on_ready)(struct tern_bytestream *stream); /* set by the owner, at any time; NULL: nobody listens */
    void *owner;                                      /* the owner's own */
};

/* Brings the stream to where bytes of the user can flow: connected, and for TLS verified. */
static inline enum tern_flow tern_bytestream_handshake(struct tern_bytestream *stream)
{
    return stream->ops->handshake(stream);
}

/* Reads up to cap > 0 bytes. *n is set only with OK, and then is 1 to cap. */
static inline enum tern_flow tern_bytestream_read(struct tern_bytestream *stream, void *buf, size_t cap, size_t *n)
{
    return stream->ops->read(stream, buf, cap, n);
}

/* Writes what it can of iov, in order (the pieces hold at least one byte together; those beyond TERN_IO_IOV_MAX wait
 * for the next call). *n is set only with OK, and then is 1 to their sum. After WANT_* the same bytes must be given
 * again, or more. */
static inline enum tern_flow tern_bytestream_writev(struct tern_bytestream *stream, const struct iovec *iov,
                                                    int iov_count, size_t *n)
{
    return stream->ops->writev(stream, iov, iov_count, n);
}

/* Tells the peer in order that nothing more is sent, where the stream has a message for that (TLS close_notify). OK,
 * WANT_WRITE or ERROR. Plain sockets answer OK and do nothing: close says it. */
static inline enum tern_flow tern_bytestream_shutdown(struct tern_bytestream *stream)
{
    return stream->ops->shutdown(stream);
}

/* Ends the stream and those below it, from any state; again is harmless. No upcall comes from here on. */
static inline void tern_bytestream_close(struct tern_bytestream *stream)
{
    stream->ops->close(stream);
}

/* The addresses of both ends; len 0 where unknown. Either may be NULL. */
static inline void tern_bytestream_names(struct tern_bytestream *stream, struct tern_sockaddr *local,
                                         struct tern_sockaddr *peer)
{
    stream->ops->names(stream, local, peer);
}

/* After ERROR: why. Put into words only here, so that a stream which works holds no text. */
static inline void tern_bytestream_fault(const struct tern_bytestream *stream, struct tern_fault *out)
{
    stream->ops->fault(stream, out);
}

#endif
