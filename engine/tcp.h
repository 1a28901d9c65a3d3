/* engine/tcp.h - the byte stream over a TCP or Unix stream socket.
 *
 *            start             handshake: OK
 *     IDLE ---------> CONNECTING -----------> OPEN
 *                         |                    |
 *                         +------> FAILED <----+        close, from anywhere: CLOSED
 *
 * 1. The descriptor is registered once, edge-triggered. may_read and may_write hold the edges not used up yet: a call
 *    without one answers WANT_* and asks the system nothing.
 * 2. A read that comes back short has drained the socket, and a write that comes back short has filled it, so that the
 *    call that would only find EAGAIN is saved. After an end was announced (TERN_IO_END) reads go on until it shows: no
 *    edge follows it.
 * 3. fd is -1 in IDLE and CLOSED, and only there. */
#ifndef TERN_ENGINE_TCP_H
#define TERN_ENGINE_TCP_H

#include "engine/bytestream.h"
#include "engine/io.h"

enum tern_tcp_state { TERN_TCP_IDLE, TERN_TCP_CONNECTING, TERN_TCP_OPEN, TERN_TCP_FAILED, TERN_TCP_CLOSED };

struct tern_tcp_options {
    const struct tern_sockaddr *bind; /* local address, or NULL */
    const char *device;               /* network interface, or NULL (SO_BINDTODEVICE) */
    uint64_t unacked_ns;              /* TCP_USER_TIMEOUT (RFC 5482); 0 or TERN_OFF: the system's own */
};

struct tern_tcp {
    struct tern_bytestream stream; /* first: a tern_bytestream * that is this one */
    struct tern_watch watch;
    struct tern_engine *engine;
    const struct tern_sockaddr *peer; /* borrowed: many idle connections have the same */
    enum tern_tcp_state state;
    bool may_read, may_write; /* invariant 1 */
    bool end_announced;       /* invariant 2 */
    bool at_eof;
    bool write_failed;     /* what had come before it can still be read */
    enum tern_error error; /* after a failure: what it means, the system's word for it, and what it ended */
    int os_errno;
    const char *failed;
};

/* Starts to connect in tcp, the caller's storage (its former content is ignored), to peer, which must live as long as
 * tcp is asked for anything, and sets every field: set stream.on_ready and stream.owner after it. No upcall comes from
 * inside. options may be NULL. What is found out at once is the return value, with why in full; nothing is open then
 * and the storage is the caller's at once. Errors: TERN_EDESCRIPTORS, TERN_ENOMEM, TERN_EOS, TERN_ECONFIG (the local
 * address or device), class CONNECT. */
TERN_MUST_USE enum tern_error tern_tcp_start(struct tern_engine *engine, struct tern_tcp *tcp,
                                             const struct tern_sockaddr *peer, const struct tern_tcp_options *options,
                                             struct tern_fault *why);

#endif
