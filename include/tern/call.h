/* tern/call.h - a call: one request, one final result.
 *
 *     start -> on_informational* -> on_head -> on_body* -> on_trailers? -> on_done
 *
 * on_done comes exactly once for every call that was started, always last, and from any point above. A call that could
 * not be started never ends: the error is the return value.
 *
 * A call is named by a handle that carries a generation. A handle of a call that has ended is harmless: every function
 * here answers TERN_EGONE to it. Functions belong to the engine's thread, tern_post_* to any. */
#ifndef TERN_CALL_H
#define TERN_CALL_H

#include "tern/client.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 0 is never a call. */
typedef uint64_t tern_call_id;

/* ---- the request ---- */

enum tern_body_kind {
    TERN_BODY_NONE = 0,
    TERN_BODY_MEMORY,   /* data and length; borrowed until on_done */
    TERN_BODY_CALLBACK, /* read, and rewind if it can be sent again */
    /* A file, pipe or socket: borrowed until on_done, read off the loop from where it stands. A file can be sent again,
     * and its own place stays where it was. */
    TERN_BODY_FD
};

/* As the length: not known. The body is sent chunked (RFC 9112 7.1). */
#define TERN_LENGTH_UNKNOWN UINT64_MAX

enum tern_read {
    TERN_READ_DATA, /* *n > 0 bytes were put into buffer */
    TERN_READ_END,  /* the body is complete */
    TERN_READ_WAIT, /* nothing now: tern_call_body_ready will be called when there is */
    TERN_READ_FAIL  /* the call ends with TERN_EBODY_SOURCE */
};

struct tern_body {
    enum tern_body_kind kind;
    uint64_t length; /* bytes. MEMORY needs it; CALLBACK and FD: TERN_LENGTH_UNKNOWN, or exactly what will come */
    const void *data;
    int fd;
    enum tern_read (*read)(void *user, void *buffer, size_t capacity, size_t *n); /* from a step only */
    bool (*rewind)(void *user); /* back to the start; false, or NULL: it cannot be sent again */
    void *user;
};

/* Whether to say Expect: 100-continue (RFC 9110 10.1.1) before a body. */
enum tern_expect {
    /* Where it is over 1 MiB, of unknown length, or cannot be sent again and credentials may be asked for. */
    TERN_EXPECT_AUTO = 0,
    TERN_EXPECT_NEVER,
    TERN_EXPECT_ALWAYS
};

/* How much a response matters beside others of the same connection (RFC 9218 4). Servers may ignore it. */
struct tern_priority {
    uint8_t urgency;  /* 0, the most urgent, to 7; what says nothing counts as 3 */
    bool incremental; /* of use in pieces: it may share with others of the same urgency */
};

struct tern_request {
    struct tern_str method;          /* empty: GET. A token (RFC 9110 5.6.2); case matters */
    struct tern_str url;             /* http or https, absolute. Its userinfo is sent as Basic credentials (RFC 7617)
                                        unless there is a field Authorization, its fragment is not sent */
    const struct tern_field *fields; /* in this order, after Host, Authorization (of the URL), User-Agent, Accept and
                                        the client's fields, each where it is not among these. A field with a NULL
                                        value pointer sends none of that name. Content-Length and Transfer-Encoding
                                        come from the body and are refused here, as is what belongs to the connection;
                                        Connection: close and Expect: 100-continue are understood */
    size_t field_count;
    struct tern_body body;
    /* Behind the body, which there must be (RFC 9110 6.5); in HTTP/1.1 that makes it chunked. Borrowed until on_done,
     * and read when the body is complete: so what produces the body can fill in values, a checksum say. One that cannot
     * stand there then ends the call with TERN_EFIELD. If one is a secret, none is sent to another origin. */
    const struct tern_field *trailers;
    size_t trailer_count;
    enum tern_expect expect;
    const struct tern_priority *priority; /* sent as the field Priority, in HTTP/1.1 too since it is for whoever is
                                             behind the first server as well, in place of one that is among the
                                             fields. NULL: none is sent of its own accord */
    const struct tern_timeouts *timeouts; /* NULL: the client's. In it, 0 means the client's value */
    uint64_t body_bytes_max;              /* the response's body; more ends the call with TERN_EBODY_MAX. 0: no limit */
    bool credit; /* on_body's bytes count against body_window_bytes until tern_call_credit gives them back.
                                false: they are given back when on_body returns */
    /* Redirects, retries, hedging, decoding, auth and cookies of this call, in place of the client's; the rest of it is
     * not looked at. NULL: the client's. The lists and the jar in it are borrowed until the call has ended, auth is
     * copied. */
    const struct tern_policy *policy;
    bool fresh_connection; /* neither take a connection from the pool nor leave this one there */
};

/* ---- the result ---- */

enum tern_phase {
    TERN_PHASE_START, /* checked, not yet with the pool */
    TERN_PHASE_POOL,  /* waits for a connection */
    TERN_PHASE_DNS,
    TERN_PHASE_CONNECT,
    TERN_PHASE_TLS,
    TERN_PHASE_WRITE, /* the request is going out */
    TERN_PHASE_WAIT,  /* the request is out, no head yet */
    TERN_PHASE_READ,  /* the body is coming in */
    TERN_PHASE_DONE
};

/* Whether the server can have seen the last attempt's request, and so whether it could be sent again. */
enum tern_replay {
    TERN_REPLAY_UNSENT,  /* not one byte was given to the connection: always safe */
    TERN_REPLAY_REFUSED, /* the peer said it was not processed: always safe */
    TERN_REPLAY_STALE,   /* written to a reused connection that then died before a byte came back, or to an HTTP/2 one
                            whose peer asked for HTTP/1.1: safe if idempotent */
    TERN_REPLAY_MAYBE,   /* written, no byte of an answer: may have been processed. Safe if idempotent */
    TERN_REPLAY_ANSWERED /* an answer began */
};

/* Lengths of time, one after the other; 0 for a phase that the last attempt did not go through. */
struct tern_times {
    uint64_t start_ns; /* monotonic clock at the call's start */
    uint64_t pool_ns;  /* until a connection was taken or its dial began */
    uint64_t dns_ns;   /* of the dial that served this call; 0 on a reused connection, as the next two */
    uint64_t tcp_ns;
    uint64_t tls_ns;
    uint64_t write_ns; /* until the last byte of the request was given to the system */
    uint64_t wait_ns;  /* until the first byte of the final head */
    uint64_t read_ns;  /* until the end */
    uint64_t total_ns; /* from start_ns, earlier attempts included */
};

#define TERN_ADDRESS_TEXT_MAX 64

/* An address of one attempt and what came of it. */
struct tern_address_try {
    char address[TERN_ADDRESS_TEXT_MAX]; /* "192.0.2.1:443", "[2001:db8::1]:443", or "unix:/path", cut if long */
    enum tern_error error;               /* TERN_OK: connected, or given up because another was first (see used) */
    int os_errno;
    uint64_t ns;
    bool used;
};

#define TERN_ADDRESS_TRIES_MAX 8

struct tern_result {
    struct tern_fault fault; /* fault.error is TERN_OK when a whole response came, whatever its status */
    enum tern_phase phase;   /* where it ended; TERN_PHASE_DONE when all is well */
    enum tern_replay replay;
    uint32_t attempt; /* 1 for the first; one that was sent beside another has the next number */
    uint32_t hedges;  /* attempts that were sent beside another (tern_hedging), of all hops */
    uint32_t hop;     /* 1 for the URL asked for */
    /* Attempts that went on with a body that had broken off (tern_retries.resume); status is then that of the head that
     * was shown. */
    uint32_t resumes;
    uint16_t status; /* of the final head, 0 if none came */
    bool by_hedge;   /* the last attempt was such a one */
    bool decoded;    /* the body was delivered decoded (tern_decoding) */
    bool reused;     /* the connection had carried a call before */
    bool tls_resumed;
    enum tern_http_version version;
    enum tern_error tls_verify; /* TERN_OK: the certificate holds; else why not, where insecure let it pass */
    const char *tls_version;    /* "TLSv1.3"; NULL without TLS. Static text, as the next */
    const char *tls_suite;      /* "TLS_AES_128_GCM_SHA256": the name in IANA's registry */
    /* The redirects that came, in order: followed or not. Borrowed until on_done returns. */
    const struct tern_hop *hops;
    size_t hop_count;
    const char *host_config; /* the pattern of the tern_host_config that held for the last hop, or NULL: none did.
                                Borrowed until on_done returns */
    /* Why an answer 401 was not answered with credentials (tern_auth), static text; else NULL. */
    const char *auth_reason;
    struct tern_times times;

    uint64_t sent_head_bytes; /* of the last attempt, as given to the connection, above TLS */
    uint64_t sent_body_bytes;
    uint64_t received_head_bytes; /* informational heads and trailers included */
    uint64_t received_body_bytes; /* without framing, before decoding */

    size_t try_count;
    /* What is long comes last: of it no more is set than is said. */
    char local[TERN_ADDRESS_TEXT_MAX];
    char remote[TERN_ADDRESS_TEXT_MAX];
    /* try_count of them: those of the dial that served this call, in order of start; none where a connection was there
     * for it. */
    struct tern_address_try tries[TERN_ADDRESS_TRIES_MAX];
};

/* ---- watching it ---- */

enum tern_trace_kind {
    TERN_TRACE_INFO,         /* one line for a person: what was resolved, dialled, agreed, reused, closed */
    TERN_TRACE_SENT_LINE,    /* one line of the request's head, without CRLF; secrets are replaced */
    TERN_TRACE_RECEIVED_LINE /* one line of a response's head, without CRLF; Set-Cookie is replaced likewise */
};

/* Each may be NULL. user is the one given at the start. What a callback is shown is borrowed until it returns. */
struct tern_handlers {
    void (*on_informational)(void *user, tern_call_id call, const struct tern_head *head); /* 100, 103, … */
    void (*on_head)(void *user, tern_call_id call, const struct tern_head *head);
    void (*on_body)(void *user, tern_call_id call, const void *data, size_t len);
    void (*on_trailers)(void *user, tern_call_id call, const struct tern_field *fields, size_t count);
    void (*on_done)(void *user, tern_call_id call, const struct tern_result *result);
    void (*on_trace)(void *user, tern_call_id call, enum tern_trace_kind kind, struct tern_str text);
};

/* ---- starting and steering it ---- */

/* Starts a call. Everything in request is copied but the body's source; handlers are copied too. Nothing is sent and
 * no callback runs from inside: that is the loop's. out and why may be NULL.
 * Errors: TERN_EURL, TERN_ESCHEME, TERN_EFIELD, TERN_EINVAL (the request; why says which part, the value, the rule),
 * TERN_ELIMIT (calls_max), TERN_ENOMEM, TERN_ECLOSED, TERN_EFORK. */
TERN_API TERN_MUST_USE enum tern_error tern_call_start(struct tern_client *client, const struct tern_request *request,
                                                       const struct tern_handlers *handlers, void *user,
                                                       tern_call_id *out, struct tern_fault *why);

/* Ends a call with TERN_ECANCELLED. on_done comes from the loop, not from inside; no other callback does.
 * Errors: TERN_EGONE. */
TERN_API enum tern_error tern_call_cancel(struct tern_engine *engine, tern_call_id call);

/* Stops and restarts on_body. A paused call keeps what its window holds and reads no more; its read timeout stands
 * still. Errors: TERN_EGONE. */
TERN_API enum tern_error tern_call_pause(struct tern_engine *engine, tern_call_id call);
TERN_API enum tern_error tern_call_resume(struct tern_engine *engine, tern_call_id call);

/* Gives back bytes that on_body delivered, for a request with credit set.
 * Errors: TERN_EGONE, TERN_EINVAL (more than is owed). */
TERN_API enum tern_error tern_call_credit(struct tern_engine *engine, tern_call_id call, size_t bytes);

/* After TERN_READ_WAIT: the body's read has something again. Errors: TERN_EGONE. */
TERN_API enum tern_error tern_call_body_ready(struct tern_engine *engine, tern_call_id call);

/* Changes a call's priority. A request that is not sent yet has it in its field; for one that is, HTTP/2 tells the
 * server with PRIORITY_UPDATE (RFC 9218 7.1), unless that has said that it does not go by it. Of several changes before
 * the next write only the last is told. Errors: TERN_EGONE, TERN_EINVAL (an urgency over 7). */
TERN_API enum tern_error tern_call_set_priority(struct tern_engine *engine, tern_call_id call,
                                                struct tern_priority priority);

/* As tern_call_start and tern_call_cancel, from any thread. What can be seen at once is refused at once; a start that
 * is refused later ends through on_done. The client must stay open until the post is taken up. A cancel never fails.
 * Errors: as tern_call_start, and TERN_EQUEUE (mailbox_max). */
TERN_API TERN_MUST_USE enum tern_error tern_post_start(struct tern_client *client, const struct tern_request *request,
                                                       const struct tern_handlers *handlers, void *user,
                                                       tern_call_id *out, struct tern_fault *why);
TERN_API void tern_post_cancel(struct tern_engine *engine, tern_call_id call);

/* ---- the whole response in one piece ---- */

struct tern_response {
    struct tern_result result;
    const struct tern_field *fields; /* of the final head */
    size_t field_count;
    const char *body; /* never NULL; a NUL stands behind it */
    size_t body_len;
};

/* Starts a call whose response is collected, its body up to body_bytes_max (0: 16 MiB; over it, TERN_EBODY_MAX).
 * on_response comes exactly once; response is borrowed until it returns. Errors: as tern_call_start. */
TERN_API TERN_MUST_USE enum tern_error
tern_collect_start(struct tern_client *client, const struct tern_request *request, uint64_t body_bytes_max,
                   void (*on_response)(void *user, tern_call_id call, const struct tern_response *response), void *user,
                   tern_call_id *out, struct tern_fault *why);

/* Makes one call and runs the engine until it has ended; other calls on the engine go on meanwhile. *out is owned by
 * the caller in every case in which it is not NULL afterwards, and freed with tern_response_free; the error is also in
 * its result. Errors: as tern_collect_start, TERN_EBUSY, and every error a call can end with. */
TERN_API TERN_MUST_USE enum tern_error tern_perform(struct tern_client *client, const struct tern_request *request,
                                                    uint64_t body_bytes_max, struct tern_response **out,
                                                    struct tern_fault *why);
TERN_API void tern_response_free(struct tern_response *response);

#ifdef __cplusplus
}
#endif
#endif
