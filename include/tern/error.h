/* tern/error.h - every error tern can give: one table of name, class and text.
 *
 * A class says what can be done about it; a code says what happened. New codes may be added at the end of
 * their class: treat an unknown code by its class. */
#ifndef TERN_ERROR_H
#define TERN_ERROR_H

#include "tern/types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum tern_error_class {
    TERN_CLASS_NONE,      /* no error */
    TERN_CLASS_USAGE,     /* what was asked for cannot be right: mend the request, the option or the program */
    TERN_CLASS_LOCAL,     /* this machine or process ran out of something, or a callback or file of the user failed */
    TERN_CLASS_DNS,       /* the name could not be turned into an address */
    TERN_CLASS_CONNECT,   /* no connection could be made */
    TERN_CLASS_TLS,       /* the connection could not be made safe */
    TERN_CLASS_PEER,      /* the peer went away or broke off */
    TERN_CLASS_PROTOCOL,  /* the peer broke the protocol, or passed a limit set on what it may send */
    TERN_CLASS_TIMEOUT,   /* a time limit passed */
    TERN_CLASS_CANCELLED, /* the user ended it */
    TERN_CLASS_POLICY     /* the client's own policy refused it (tern/policy.h) */
};

/* X(name, class, text). The text is a whole sentence without a full stop, for a person. */
#define TERN_ERROR_TABLE(X)                                                                                            \
    X(OK, NONE, "no error")                                                                                            \
    X(EINVAL, USAGE, "an argument cannot be right")                                                                    \
    X(EURL, USAGE, "the URL cannot be right")                                                                          \
    X(ESCHEME, USAGE, "the URL's scheme is not one that tern speaks")                                                  \
    X(EFIELD, USAGE, "a header field cannot be right")                                                                 \
    X(ECONFIG, USAGE, "a configuration value cannot be right")                                                         \
    X(EBUSY, USAGE, "this function may not be called from inside a callback")                                          \
    X(EGONE, USAGE, "the call has already ended")                                                                      \
    X(ECLOSED, USAGE, "the engine or client is closed")                                                                \
    X(EMOCK, USAGE, "the mock did not expect this request")                                                            \
    X(ENOMEM, LOCAL, "out of memory")                                                                                  \
    X(ELIMIT, LOCAL, "a limit of this engine or client is reached")                                                    \
    X(EQUEUE, LOCAL, "a queue of this engine or client is full")                                                       \
    X(EDESCRIPTORS, LOCAL, "no descriptor is left for a socket")                                                       \
    X(EOS, LOCAL, "the operating system refused an operation")                                                         \
    X(EFORK, LOCAL, "the engine was inherited across a fork")                                                          \
    X(EBODY_SOURCE, LOCAL, "the request body could not be read")                                                       \
    X(EBODY_SIZE, LOCAL, "the request body was longer or shorter than announced")                                      \
    X(EBODY_MAX, LOCAL, "the response body is larger than allowed")                                                    \
    X(EFILE, LOCAL, "a file could not be read or written")                                                             \
    X(ETOKEN, LOCAL, "no token could be had")                                                                          \
    X(EDNS_NOT_FOUND, DNS, "the host name does not exist or has no address")                                           \
    X(EDNS_FAILED, DNS, "the name servers gave no usable answer")                                                      \
    X(ECONNECT_REFUSED, CONNECT, "the connection was refused")                                                         \
    X(ECONNECT_UNREACHABLE, CONNECT, "the address cannot be reached")                                                  \
    X(ECONNECT_FAILED, CONNECT, "no connection could be made")                                                         \
    X(ETLS_HANDSHAKE, TLS, "the TLS handshake failed")                                                                 \
    X(ETLS_RECORD, TLS, "the TLS session broke")                                                                       \
    X(ETLS_TRUST, TLS, "the trusted certificates could not be loaded")                                                 \
    X(ETLS_IDENTITY, TLS, "the client certificate or its key could not be loaded")                                     \
    X(ETLS_CERT_EXPIRED, TLS, "the server's certificate has expired")                                                  \
    X(ETLS_CERT_FUTURE, TLS, "the server's certificate is not valid yet")                                              \
    X(ETLS_CERT_HOST, TLS, "the server's certificate is for another host")                                             \
    X(ETLS_CERT_SELF_SIGNED, TLS, "the server's certificate is signed by itself alone")                                \
    X(ETLS_CERT_UNKNOWN_CA, TLS, "the server's certificate is not signed by a trusted authority")                      \
    X(ETLS_CERT_WEAK, TLS, "the server's certificate uses a key or signature that is too weak")                        \
    X(ETLS_CERT_INVALID, TLS, "the server's certificate is not valid for this use")                                    \
    X(ETLS_PIN, TLS, "the server's public key is not one of the pinned ones")                                          \
    X(EPEER_EMPTY, PEER, "the peer closed the connection without an answer")                                           \
    X(EPEER_RESET, PEER, "the peer reset the connection")                                                              \
    X(EPEER_TRUNCATED, PEER, "the peer closed the connection in the middle of its answer")                             \
    X(EPEER_REFUSED, PEER, "the peer refused the stream unprocessed")                                                  \
    X(EPEER_DEAD, PEER, "the peer has stopped answering")                                                              \
    X(EPROTO, PROTOCOL, "the peer broke the protocol")                                                                 \
    X(EPROTO_VERSION, PROTOCOL, "the peer answered in another protocol or version")                                    \
    X(EPROTO_FRAMING, PROTOCOL, "the peer's answer has no single clear length")                                        \
    X(EHEAD_MAX, PROTOCOL, "the head of the peer's answer is larger than allowed")                                     \
    X(EDECODE, PROTOCOL, "the content coding of the peer's answer cannot be undone")                                   \
    X(EPOOL_TIMEOUT, TIMEOUT, "no connection became free in time")                                                     \
    X(ECONNECT_TIMEOUT, TIMEOUT, "no connection could be made in time")                                                \
    X(EWRITE_TIMEOUT, TIMEOUT, "the peer took no more of the request in time")                                         \
    X(EHEAD_TIMEOUT, TIMEOUT, "the whole head of the answer did not come in time")                                     \
    X(EREAD_TIMEOUT, TIMEOUT, "the peer sent nothing for too long")                                                    \
    X(EDEADLINE, TIMEOUT, "the call's total time is over")                                                             \
    X(ELOW_SPEED, TIMEOUT, "the transfer was too slow for too long")                                                   \
    X(EATTEMPT_TIMEOUT, TIMEOUT, "the attempt took too long")                                                          \
    X(ECANCELLED, CANCELLED, "the call was cancelled")                                                                 \
    X(ESHUTDOWN, CANCELLED, "the client or engine was closed")                                                         \
    X(EGATE, POLICY, "the URL or its address is not allowed")                                                          \
    X(EREDIRECTS, POLICY, "the redirects come to no end")                                                              \
    X(ERATE, POLICY, "the rate limit would hold the call back for too long")                                           \
    X(EBREAKER, POLICY, "the origin kept failing and is not asked for a while")

enum tern_error {
#define TERN_X(name, class, text) TERN_##name,
    TERN_ERROR_TABLE(TERN_X)
#undef TERN_X
        TERN_ERROR_COUNT
};

/* "TERN_EURL", the sentence of the table, and the class. Any value is accepted; static text. Any thread. */
TERN_API const char *tern_error_name(enum tern_error error);
TERN_API const char *tern_error_text(enum tern_error error);
TERN_API enum tern_error_class tern_error_class(enum tern_error error);
TERN_API const char *tern_error_class_name(enum tern_error_class class_);

#define TERN_FAULT_TEXT_MAX 256

/* What went wrong, in full. Filled by functions that take one; owned by whoever declared it.
 * text names what, where and what to do, in one line of printable ASCII: all that came from outside is escaped, secrets
 * are left out. */
struct tern_fault {
    enum tern_error error;
    int os_errno; /* the errno, or 0 */
    int tls_code; /* the TLS library's code or the alert, or 0 */
    char text[TERN_FAULT_TEXT_MAX];
};

#ifdef __cplusplus
}
#endif
#endif
