/* tern/policy.h - what a client decides about its calls beyond sending each once: where they may go, which redirects
 * they follow, what is tried again and when, what is sent twice, whether bodies are decoded, how often a host is asked,
 * who they say they are. All of it is off until asked for.
 *
 * A policy is part of a client's configuration (tern_client_config.policy), may differ by host (tern_host_config) and,
 * for redirects, retries, hedging, decoding, identity and cookies, by call (tern_request.policy). The gate, rates,
 * breakers and HSTS are by host alone: what they bound is shared by all of its calls, connections among it. A member
 * that is NULL is off (of a host: as the client's). Everything is copied but what user points at, and the jar. In every
 * struct 0 or NULL means the documented default and TERN_OFF means off. Lists of statuses have at most 64 entries. All
 * functions of the user's are called on the engine's thread.
 *
 * Host patterns: "api.example.com" is that host; "*.example.com" every host below it, not itself; "*" every host;
 * "192.0.2.7" or "192.0.2.0/24", "2001:db8::/32" URLs whose host is such an address. Names are normalised as URLs
 * are. */
#ifndef TERN_POLICY_H
#define TERN_POLICY_H

#include "tern/error.h"
#include "tern/types.h"

struct tern_jar;

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the gate: where a call may go ---- */

/* What a gate function is asked: once for the URL of each hop, before DNS (address NULL), and again with each address,
 * before it is dialled and before a connection to it is used again. */
struct tern_gate_question {
    struct tern_str scheme;
    struct tern_str host; /* normalised */
    uint16_t port;
    const char *address; /* "192.0.2.1:443"; NULL with a URL. All of this is borrowed until the function returns */
    uint32_t hop;        /* of a URL: 1 for the one that was asked for, more where redirects led. 0 with an address */
};

/* A call to what is refused ends with TERN_EGATE, and its fault says why. */
struct tern_gate {
    bool https_only;
    bool refuse_userinfo;  /* URLs with a name or password in them */
    const uint16_t *ports; /* the only ones allowed. None: all */
    size_t port_count;
    const char *const *allow; /* patterns, at most 4,096: the only hosts allowed. None: all */
    size_t allow_count;
    const char *const *deny; /* patterns, at most 4,096: refused even where allowed */
    size_t deny_count;

    /* Only addresses that are globally reachable by IANA's special-purpose registries (RFC 6890, as of 2025): no
     * private, shared (CGNAT), loopback, link-local, documentation, benchmarking, multicast or reserved ones, whichever
     * way they are written: IPv4 inside IPv6 (mapped, 6to4, NAT64) is judged by what it holds, Teredo is refused. Cloud
     * metadata services are behind such addresses. The address judged is the one that is dialled; a Unix socket
     * (tern_client_config.unix_socket) is none, and passes. */
    bool public_only;

    /* Asked last, from a step. Must not block nor call tern. A static text says why not; NULL lets it pass. */
    const char *(*check)(void *user, const struct tern_gate_question *question);
    void *user;
};

/* ---- redirects ---- */

/* With it 301, 302, 303, 307 and 308 that carry a Location are followed (RFC 9110 15.4). 303, and 301 and 302 after a
 * POST, turn the method into GET and drop the body, as browsers do; else the body is sent again, and where that cannot
 * be the redirect is refused. A redirect that is refused is no error by itself: its response is delivered, and the
 * audit says why; too many hops, a loop and a URL that the gate refuses end the call. */
struct tern_redirects {
    uint32_t hops_max;     /* requests altogether less one. Default 10 */
    bool same_origin_only; /* refuse what leads to another scheme, host or port */
    bool allow_downgrade;  /* follow https to http */
    bool keep_secrets;     /* send Authorization, Cookie and fields marked secret to other origins too. Else they are
                                 dropped on the first hop to another origin, and never come back */
    bool keep_post_301, keep_post_302, keep_post_303;
    bool audit_only; /* follow none: the audit says where they lead */
};

/* One step of a redirect chain, in the order they came. Borrowed until on_done returns. Where it was not followed what
 * is said to have changed or been dropped is what would have been (with audit_only: nothing). */
struct tern_hop {
    struct tern_str from, to; /* URLs without userinfo; to as resolved, or as it came where it could not be */
    uint16_t status;
    bool followed;
    bool method_changed; /* to GET */
    bool body_dropped;
    bool secrets_dropped;
    const char *reason; /* why it was not followed: static text; else "" */
    /* The same as a code. TERN_OK: followed, or audit_only. TERN_ESCHEME (neither http nor https), TERN_EURL (Location
     * is no URL), TERN_EGATE (a downgrade or another origin, where that is not allowed), TERN_EBODY_SOURCE (the body
     * cannot be sent again), TERN_EREDIRECTS (too many, a loop). */
    enum tern_error error;
};

/* ---- trying again ---- */

/* What a retry is told before its delay begins. */
struct tern_retry {
    uint32_t attempt; /* of the hop, the one to come: 2 for the first retry */
    uint64_t delay_ns;
    uint16_t status;       /* of the answer that is retried, or 0 */
    enum tern_error error; /* of the failure, or TERN_OK */
};

/* An answer with one of the statuses, or a failure of the class DNS (but a name that does not exist), CONNECT, PEER or
 * TIMEOUT (but the deadline), or else one of the errors, is tried again where that is safe: nothing was sent, the peer
 * said that it did not process it, or the method is idempotent or there is a field Idempotency-Key; and the body can be
 * sent again, nothing of a response was shown to the user (but see resume), and the deadline leaves time. When the
 * attempts or the budget are used up the last response is delivered as it is. */
struct tern_retries {
    uint32_t attempts_max;    /* of one hop, the first included. Default 4 */
    const uint16_t *statuses; /* Default 429, 502, 503, 504 */
    size_t status_count;
    const enum tern_error *errors; /* failures, in place of those classes */
    size_t error_count;
    uint64_t backoff_ns;         /* the n-th retry waits a random time of up to backoff_ns * 2^(n-1). Default 200 ms */
    uint64_t backoff_max_ns;     /* and at most this. Default 4 s */
    bool no_jitter;              /* not a random part of that time, but all of it */
    uint64_t time_max_ns;        /* no retry begins later than this after the call's start. Default off */
    uint64_t retry_after_max_ns; /* Retry-After (RFC 9110 10.2.3) is honoured up to here; a longer one: no retry.
                                    Default 900 s */
    bool unsafe_too;             /* other methods too, though they may then be processed twice */
    uint32_t budget_percent;     /* calls of the client that are in a retry: at most this share of its live calls.
                                    Default 20 */
    uint32_t budget_min;         /* or so many, if that is more. Default 3 */
    /* A body that breaks off is gone on with by another attempt, within all of the above, so that the user sees one: by
     * Range and If-Range (RFC 9110 13.1.5 and 14.2). Only that of a 200 to a GET with Content-Length and a strong
     * validator, an ETag that is not weak, or without any ETag a Last-Modified 60 s or more before Date (8.8.2.2); not
     * where the request has a Range or If-Range of its own or credit set, or the body is delivered decoded. If what
     * comes then is not the rest of the very same body, the call ends with the error that broke it off. */
    bool resume;
    void (*on_retry)(void *user, uint64_t call, const struct tern_retry *retry); /* from a step */
    void *user;
};

/* ---- hedging ---- */

/* A call whose answer takes longer than usual is sent a second time, beside the first: over another connection and to
 * another address where there is one. Whichever is answered first, by a status that tern_retries would not try again,
 * is the call's; the other is cancelled, and nothing of it reaches the user but traces. (Dean and Barroso, "The Tail at
 * Scale", Communications of the ACM 56(2), 2013.) Only where it is safe, the method being idempotent or a field
 * Idempotency-Key there, and where the request has no body or one from memory (TERN_BODY_MEMORY). Informational heads
 * that come while both are under way are not shown.
 *
 * At most one for each attempt, and none while the client's budget for retries is used up (tern_retries.budget_percent,
 * of the policy that holds for the call; each second attempt counts as a retry while both are under way), the breaker
 * is not closed, the rate limit has nothing to give at once, no connection is there at once nor to be dialled, the
 * request carries a Digest (RFC 7616), whose count is good for one, or the call is paused. The two count as one for the
 * breaker, for attempts_max as two. */
struct tern_hedging {
    /* From when the first has its connection. Default: within which percentile of the origin's latest answers came,
     * some 500 to 1,000 of them and not before 20 are there, to within a quarter. */
    uint64_t delay_ns;
    uint32_t percentile; /* 1 to 99. Default 95 */
    /* While half of the origin's latest answers took longer than this, the origin as a whole is slow, and more requests
     * would make it slower: none is sent. Default delay_ns; where that is 0, 1 s. TERN_OFF: never. */
    uint64_t slow_ns;
};

/* ---- content decoding ---- */

/* With it bodies are delivered decoded: gzip, deflate, br and zstd, as far as they are built in (RFC 9110 8.4).
 * Requests say so in Accept-Encoding, unless the call or the client has that field itself or the call asks for a range.
 * The head is shown as it came, Content-Encoding and Content-Length (of the coded body) included; tern_head.decoded and
 * tern_result.decoded say that what follows is something else. Answers 206 are parts of a coded body and stand as they
 * come.
 *
 * What on_body gets, what is credited and what collected bodies count are then decoded bytes; body_bytes_max holds for
 * both, as it came and as it is delivered. Received bytes in the result and in telemetry are those that came. What
 * waits for a paused call waits coded. It is decoded at most 512 KiB at a time, with other work between. What a decoder
 * needs counts as held in the memory ledger: up to 8 MiB for zstd, 16 MiB for br, else 64 KiB. Where what is held alone
 * leaves no room in limits.memory_bytes_max the call ends with TERN_ELIMIT.
 *
 * A coding that is not built in, a body that is malformed, cut off or goes on behind its end, and what exceeds these
 * limits end the call with TERN_EDECODE. */
struct tern_decoding {
    uint32_t layers_max; /* codings on top of each other. Default 2, at most 8 */
    /* Bytes delivered for each one that came, counted once 1 MiB was delivered. deflate cannot make more than 1,032 (of
     * one byte repeated), the others can. Default 1,000; UINT32_MAX: any. */
    uint32_t ratio_max;
};

/* ---- how often a host is asked ---- */

/* Attempts at a host, whatever its ports, or at a group of hosts, start at this rate; the others wait in order of
 * arrival. An answer 429 or 503 with Retry-After, and RateLimit or X-RateLimit fields that say nothing is left, hold
 * the rest back until they say, for at most 15 min. */
struct tern_rate {
    uint32_t calls;     /* so many, at least 1 */
    uint64_t period_ns; /* in this time. Default 1 s */
    uint32_t burst;     /* so many at once after a quiet time. Default calls */
    const char *group;  /* hosts with the same group share one limit. At most 253 bytes. NULL: each host has its own */
    uint32_t queue_max; /* calls that wait; more are refused at once (TERN_EQUEUE). Default 1,024 */
    uint64_t wait_max_ns; /* a call that would wait longer is refused at once (TERN_ERATE). Default 30 s */
    bool ignore_answers;  /* go by the numbers here alone */
};

/* An origin that keeps failing is not asked for a while: its calls fail at once (TERN_EBREAKER). What counts as
 * failure, up to the head of an answer: a name that cannot be resolved, no connection, no TLS, a peer that broke off or
 * fell silent, a broken protocol, and answers with one of the statuses; not what the client did itself, nor a wait in
 * its own pool. */
struct tern_breaker {
    uint32_t failures;         /* in a row open it. Default 5 */
    uint32_t failure_percent;  /* of the calls of a window, too. Default 50 */
    uint64_t window_ns;        /* Default 10 s */
    uint32_t window_calls_min; /* fewer are no rate. Default 20 */
    const uint16_t *statuses;  /* Default 500, 502, 503, 504 */
    size_t status_count;
    uint64_t open_ns; /* then probes are let through. Default 30 s */
    uint32_t probes;  /* at once; all of them must do well to close it. Default 1 */

    /* Before all of it is given up: an address, of several that the origin resolves to, with so many failures in a row
     * is set aside. Its connections finish what they carry and take nothing new, and it is dialled last. That ends
     * after address_ns; each time it comes to that again the time is doubled, up to eight times address_ns, and once in
     * every address_ns a good answer takes a doubling back. Never more than half of the addresses that are known are
     * set aside, and none where dns.overrides say in which order to dial. What never got a connection says nothing of
     * an address (dns.failed_ns does), nor does what came over another host's (h2_coalesce). Best less than failures.
     * Default: off */
    uint32_t address_failures;
    uint64_t address_ns; /* Default 30 s. TERN_OFF: none is set aside */
};

/* ---- hooks ---- */

/* One try at one hop, as a hook is shown it. Borrowed until the hook returns. */
struct tern_attempt {
    uint64_t call; /* tern_call_id */
    uint32_t attempt, hop;
    bool hedge; /* it was sent beside another that was slow to answer (tern_hedging) */
    struct tern_str method;
    struct tern_str scheme, authority, target; /* of the URL: scheme "://" authority target */
    const struct tern_field *fields;           /* of the request, secrets included: take care where they go */
    size_t field_count;
};

/* Called for every attempt of every call, from a step, by the calls of a client. They watch, and may do what any
 * callback may: cancel the call, say. Each may be NULL. */
struct tern_hooks {
    void (*on_request)(void *user, const struct tern_attempt *attempt); /* before it goes to the pool */
    /* The final head, also of a response that is retried or redirected. */
    void (*on_response)(void *user, const struct tern_attempt *attempt, const struct tern_head *head);
    /* The attempt ended without a whole response: refused by a policy, failed, timed out or cancelled (also since
     * another, sent beside it, was answered first). */
    void (*on_error)(void *user, const struct tern_attempt *attempt, const struct tern_fault *fault);
    void *user;
};

/* ---- identity ---- */

/* Basic: RFC 7617. Digest: RFC 7616 with MD5 or SHA-256, -sess, userhash, auth-int for bodies in memory up to 1 MiB;
 * and RFC 2617. */
#define TERN_AUTH_BASIC 1u
#define TERN_AUTH_DIGEST 2u

struct tern_client;

/* Who a call says it is: by name and password, or by a token that the user gets for it (RFC 6750). An answer 401 leads
 * to one more attempt with the credentials, and to another one if the server says no more than that a nonce was stale;
 * then it is delivered. tern_result.auth_reason says why a 401 was. The request's body must be one that can be sent
 * again, or not sent yet: that is what TERN_EXPECT_AUTO sees to.
 *
 * The client remembers which parts of an origin want what (up to 1,024), so that later calls bring it at once. Of
 * several challenges the strongest one is answered: Digest with SHA-256, with MD5, Basic. A part that has asked for
 * Digest gets no Basic from then on, unless that alone is allowed.
 *
 * All this goes to the origin of the first URL. Beyond a redirect to another one nothing is sent, nor is a 401
 * answered, unless tern_redirects.keep_secrets is set. A field Authorization of the request takes the place of all of
 * it; one of the client's own is not sent beside it; userinfo in its URL takes that of user, password and netrc
 * (without tern_auth: as Basic). */
struct tern_auth {
    struct tern_str user, password; /* at most 4 KiB each, no controls, no colon in user. ptr NULL in user: those of
                                       netrc */
    struct tern_str netrc; /* the text of such a file, "machine HOST login NAME password PASSWORD", at most 1 MiB:
                                       what ftp, GNU inetutils and curl read. Hosts are compared whole, "default" is for
                                       all others. Who may read the file is the caller's business */
    uint32_t schemes;      /* TERN_AUTH_*: those allowed. Basic alone is sent without being asked for. Default
                                       Digest and Basic */
    bool plaintext;        /* send Basic and tokens over http too, where all can read them. Else Digest alone */

    /* Asks for a token, in place of a name and password: once for all calls that want one, when there is none, when it
     * has expired, or when an answer 401 has shown that it is no longer good (was_refused): once a call, which then
     * goes again. Called from a step. It is answered with tern_client_token or tern_client_token_failed, from inside or
     * later; calls wait. A call of this client that gets the token must not want it itself: give it a policy of its
     * own. Configurations with the same function and token_user share the token; the client keeps it when it is
     * configured anew. */
    void (*ask_token)(void *token_user, struct tern_client *client, uint64_t question, bool was_refused);
    void *token_user;
    uint64_t token_wait_ns; /* a call that waits longer ends with TERN_ETOKEN. Default 30 s */
};

/* ---- all of it ---- */

struct tern_policy {
    /* Hosts that ask for it over a TLS connection whose certificate holds are asked over TLS alone from then on,
     * whatever a URL says (HSTS, RFC 6797); the client remembers up to 10,000 of them. See tern_client_hsts_load. */
    bool hsts;
    const struct tern_gate *gate;
    const struct tern_redirects *redirects;
    const struct tern_retries *retries;
    const struct tern_hedging *hedging;
    const struct tern_decoding *decoding;
    struct tern_jar *cookies; /* tern/jar.h; of the same engine. Kept by the client; borrowed, where a call has it */
    const struct tern_rate *rate;
    const struct tern_breaker *breaker;
    const struct tern_hooks *hooks;
    const struct tern_auth *auth;
};

#ifdef __cplusplus
}
#endif
#endif
