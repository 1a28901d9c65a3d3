/* tern/client.h - a client: a named profile on an engine, with its own limits, timeouts, trust, resolver and pool.
 *
 * All functions here belong to the engine's thread. A configuration is copied when it is given: nothing in it needs to
 * live longer than the call that takes it. A value that cannot be right is refused with a fault that names the field,
 * the value and the rule.
 *
 * "Shapes" beside a field: the field is part of the pool key. A connection made under one value of it is never used for
 * a call under another. All other fields may change (tern_client_configure) without losing a connection. */
#ifndef TERN_CLIENT_H
#define TERN_CLIENT_H

#include "tern/engine.h"
#include "tern/policy.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tern_client;

/* The four phases and the bounds over them. Each is a length of time in nanoseconds; TERN_OFF for none. */
struct tern_timeouts {
    uint64_t pool_ns;    /* waiting for a connection to become free, or for leave to dial. Below 1 ms: a call that would
                            have to wait ends at once with TERN_EPOOL_TIMEOUT. Default 5 s */
    uint64_t connect_ns; /* DNS, TCP and TLS of a new connection together. Default 10 s */
    uint64_t write_ns;   /* longest gap in which the peer takes none of the request. Default 10 s */
    uint64_t read_ns;    /* longest gap in which the peer sends nothing; paused time is not counted. Default 60 s */
    uint64_t head_ns;    /* from the request's end to the end of the final head, 1xx included. Default 120 s */
    uint64_t total_ns;   /* the whole call, from its start. Default off */
    uint64_t attempt_ns; /* one attempt at one hop, from when it asks for a connection to its response's last byte.
                            Unlike the call's end it may be followed by another one (tern_retries). Default off */

    /* How long to wait for 100 (Continue) before the body goes anyway (RFC 9110 10.1.1). Default 1 s. */
    uint64_t continue_ns;

    /* The call ends when its body's speed stays below the second for as long as the first. Default off. */
    uint64_t low_speed_ns;
    uint64_t low_speed_bytes_per_s;
};

/* What a client may hold and use at once. */
struct tern_limits {
    uint32_t connections_max;          /* open or dialling, in the whole pool. Default 100 */
    uint32_t connections_per_host_max; /* the same for one pool key. Default 100, or connections_max if that is less */
    uint32_t connections_per_address_max; /* the same for one address (IP and port, or socket), whatever the hosts
                                             there: a full one is passed over, and waited for if all are. Default off:
                                             0 or UINT32_MAX */
    uint32_t idle_max;                    /* kept idle, in the whole pool. Default connections_max */
    uint32_t waiters_max;                 /* calls that wait with nobody dialling for them: one more ends at once with
                                          TERN_EQUEUE. Default 1,024 */
    uint32_t warm_per_host; /* an origin in use keeps so many connections, busy ones counted: what closes is dialled
                               again, as far as the limits and idle_max allow. Default none */
    uint64_t warm_ns; /* in use means: a call got a connection to it within this. Default 5 min; TERN_OFF: for ever */
    uint64_t idle_ns; /* an idle connection is closed after this. Default 30 s */
    uint64_t connection_age_ns;   /* a connection older than this takes no new call. Default off */
    uint64_t connection_uses_max; /* nor one that has carried so many. Default off */
    uint64_t h2_quiet_ns;         /* calls run over HTTP/2 and nothing comes: the peer is asked. Default 3 s */
    uint64_t h2_ack_ns;           /* and is dead without a sign of life after this. Default 2 s */
    uint64_t tcp_unacked_ns;      /* what was sent stays unacknowledged for so long: the connection is dead
                                          (TCP_USER_TIMEOUT, of connections made from then on). Default 20 s */
    uint32_t head_line_bytes_max; /* one line of it. Default 16 KiB, or head_bytes_max if that is less */
    uint32_t head_bytes_max;      /* one response head, trailers likewise. Default 64 KiB */
    uint32_t head_fields_max;     /* header fields of one response head. Default 256 */
    uint32_t informational_max;   /* 1xx responses before the final one. Default 16 */

    /* What a call that credits has been given and has not credited yet, at most; and over HTTP/2 each call's receive
     * window (RFC 9113 5.2), which for a call that does not credit is only the first. Default 256 KiB, at most
     * 2^31 - 1. */
    uint32_t body_window_bytes;

    /* HTTP/2: what that first window grows to, as the path is found to need it, and so what one paused call holds at
     * most. Default 16 MiB (2 Gbit/s over 50 ms), or body_window_bytes if that is more; at most 2^31 - 1. */
    uint32_t body_window_bytes_max;

    /* The memory ledger. What counts: bytes of response bodies that peers may send unasked, since the receive window of
     * an HTTP/2 connection is open for them ("promised"; at least 65,535 for each connection, RFC 9113 6.9.2); and
     * those that came and wait for a call that is paused or has no window, or are being collected ("held"). What does
     * not, since it has limits of its own: heads while they come (head_bytes_max a call), what is being sent (64 KiB
     * and a frame for each connection), what callbacks keep.
     * Where the ledger has no room no window grows, and a connection whose calls hold bytes does not get its window
     * back for them: it slows down, and in the end stands still, until one of those calls goes on or ends. Connections
     * without such calls do not notice. A collected body that finds no room ends its call with TERN_ELIMIT. HTTP/1.1
     * holds at most one read (64 KiB) for each connection, which is counted but finds room always.
     * Both limits are bytes, promised and held together. */
    uint64_t connection_memory_bytes_max; /* of one connection, whose window takes half of it at most. At least 128 KiB.
                                             Default 64 MiB, or memory_bytes_max if that is less */
    uint64_t memory_bytes_max;            /* of the whole client. Default 256 MiB */
};

enum tern_ip_family { TERN_IP_ANY = 0, TERN_IP_V4 = 4, TERN_IP_V6 = 6 };

/* host:port answers with these addresses, no lookup made. As curl's --resolve. */
struct tern_resolve_override {
    const char *host;             /* or "*" for every host */
    uint16_t port;                /* 0: every port */
    const char *const *addresses; /* IP literals, tried in this order */
    size_t address_count;
};

/* Calls to host:port go to another host and port; the URL, Host field, SNI and certificate check keep the first.
 * As curl's --connect-to. */
struct tern_connect_to {
    const char *host;    /* NULL or "": every host */
    uint16_t port;       /* 0: every port */
    const char *to_host; /* NULL or "": unchanged */
    uint16_t to_port;    /* 0: unchanged */
};

struct tern_dns_config {
    const char *servers;    /* "192.0.2.53,[2001:db8::53]:5353"; NULL: resolv.conf, reread when it changes */
    const char *hosts_path; /* NULL: /etc/hosts; "": none */
    uint64_t timeout_ns;    /* one try at one server. Default 2 s */
    uint32_t tries;         /* tries at each server. Default 3 */
    uint32_t cache_max;     /* names kept. Default 1,024 */
    uint64_t ttl_ns_max;    /* answers are kept for their TTL, and at most so long. Default 1 h */
    uint64_t negative_ns;   /* how long "no such name" is kept. Default 5 s */

    /* How long beyond its TTL an answer may still be used while no server gives another: because they fail, or have not
     * answered in 1.8 s (RFC 8767). Never where a server says that there is no such name. Default 1 h, the most that an
     * outage of name servers usually takes, and less than what addresses need to change hands. */
    uint64_t stale_ns;

    /* How long an address that could not be connected to is dialled after all others. Default 30 s: a restart is over
     * by then, and one lost connect in that time is cheap. */
    uint64_t failed_ns;

    /* A connection takes no new call once its name resolves to other addresses only. This keeps it all the same: for
     * names whose servers show another part of a large set each time. */
    bool keep_moved;

    const struct tern_resolve_override *overrides; /* shapes */
    size_t override_count;
};

enum tern_tls_version { TERN_TLS_DEFAULT = 0, TERN_TLS_1_2 = 12, TERN_TLS_1_3 = 13 };

/* Every field here shapes. */
struct tern_tls_config {
    /* Trust. With none of these set, the system's certificates are used, found where Debian, Fedora, Alpine and
     * SUSE keep them (SSL_CERT_FILE and SSL_CERT_DIR are honoured). */
    const char *ca_file; /* PEM, any number of certificates */
    const char *ca_dir;  /* every *.pem, *.crt and hashed name in it */
    const void *ca_pem;  /* PEM text or one DER certificate in memory */
    size_t ca_pem_len;
    bool insecure; /* accept any certificate. The result still says what was wrong */

    /* The client's own certificate. */
    const char *cert_file; /* PEM: certificate, then its chain */
    const char *key_file;  /* PEM or DER; NULL: in cert_file */
    const char *key_password;

    enum tern_tls_version version_min; /* Default TLS 1.2 */
    enum tern_tls_version version_max; /* Default TLS 1.3 */

    /* "sha256//BASE64;sha256//BASE64": the SHA-256 of the subject public key info of the server's certificate must be
     * one of these, besides everything else. As curl's --pinnedpubkey. */
    const char *pins;

    const char *keylog_path; /* append secrets in the SSLKEYLOGFILE format. NULL: none, the environment is not read */
    bool no_resumption;      /* never offer a session ticket */
};

/* Which HTTP a client speaks. */
enum tern_http_mode {
    TERN_HTTP_MODE_DEFAULT = 0, /* as TERN_HTTP_MODE_2 */
    TERN_HTTP_MODE_1_1,         /* HTTP/1.1 alone */

    /* Over TLS HTTP/2 where the server takes it (ALPN), else HTTP/1.1. Over plaintext HTTP/1.1, without Upgrade (RFC
     * 9113 has done away with it). A server that asks for HTTP/1.1 after all (HTTP_1_1_REQUIRED) gets it: idempotent
     * calls go again, later ones from the start. */
    TERN_HTTP_MODE_2,
    TERN_HTTP_MODE_2_ONLY /* HTTP/2 and nothing else: over plaintext by prior knowledge (RFC 9113 3.3) */
};

struct tern_client_config;

/* Hosts that are treated in a way of their own. config says what differs: what is 0 or NULL in it is as in the client's
 * own configuration, field by field in timeouts, limits and policy; tls as a whole; its fields come before the
 * client's, which are sent too unless they have the same name (one with a NULL value pointer only takes the client's
 * away). There is one pool and one resolver: name, dns, hosts and those limits that bound connections (connections_max
 * to connection_uses_max, warm_*, memory) are not looked at. tern_client_explain says which pattern holds for a URL. */
struct tern_host_config {
    const char *host; /* a pattern (tern/policy.h). Of several that match a URL's host the most specific one holds, of
                         equal ones the first */
    const struct tern_client_config *config;
    bool policy_alone; /* config->policy holds as it stands: what is NULL in it is off for this host. Else it is the
                          client's */
};

struct tern_client_config {
    const char *name; /* what tern_client_name gives, to tell clients apart. Default "default" */
    struct tern_timeouts timeouts;
    struct tern_limits limits;
    struct tern_dns_config dns;
    struct tern_tls_config tls;

    enum tern_ip_family ip_family; /* shapes */
    enum tern_http_mode http_mode; /* shapes */
    /* Calls to a host may share an HTTP/2 connection of another (RFC 9113 9.1.1): over TLS, where its verified
     * certificate names both and both have the address it is made to; never with insecure, pins or connect_to. What is
     * answered 421 is sent again on a connection of its own, if its body can be had again, else it ends with
     * TERN_EPEER_REFUSED. Default off. */
    bool h2_coalesce;
    const char *interface;                    /* shapes: bind to this local address, or interface name */
    const char *unix_socket;                  /* shapes: connect to this path whatever the URL's host */
    const struct tern_connect_to *connect_to; /* shapes */
    size_t connect_to_count;

    const struct tern_policy *policy;     /* NULL: all of it off */
    const struct tern_host_config *hosts; /* what differs by host. At most 4,096 */
    size_t host_count;

    const char *user_agent;          /* Whom to turn to belongs here: "app/1.0 (+https://example.com/bot)". Default
                                        "tern/VERSION"; "": none is sent */
    const struct tern_field *fields; /* sent with each call, unless it has a field of that name itself */
    size_t field_count;
};

/* Makes a client on an engine. config may be NULL. On success *out is owned by the caller, who ends it with
 * tern_client_close; the engine frees what is left. why may be NULL.
 * Files are read later, off the loop: one that is not there ends the first call that needs it (TERN_ETLS_TRUST,
 * TERN_ETLS_IDENTITY, TERN_EFILE).
 * Errors: TERN_ECONFIG, TERN_ENOMEM, TERN_ELIMIT (it is too long), TERN_EOS, TERN_ECLOSED, TERN_EFORK. */
TERN_API TERN_MUST_USE enum tern_error tern_client_new(struct tern_engine *engine,
                                                       const struct tern_client_config *config,
                                                       struct tern_client **out, struct tern_fault *why);

/* Gives calls started from now on another configuration. Calls under way keep theirs. Idle connections are reused where
 * all shaping fields are equal, else they expire. Errors: as tern_client_new; then nothing has changed. */
TERN_API TERN_MUST_USE enum tern_error
tern_client_configure(struct tern_client *client, const struct tern_client_config *config, struct tern_fault *why);

/* Opens connections before they are needed: so many that the URL's origin has n, those that are open or under way
 * counted, as far as the limits allow (no idle connection closes for it, and none is opened over idle_max). Each is
 * ready for a first request: name, TCP, TLS and, for HTTP/2, the preface; where HTTP/2 is spoken n = 1 carries many
 * calls. Of url only scheme, host and port are used; nothing of it is kept. It does not wait: the dials go on in later
 * steps, a call started meanwhile gets one, and those that fail are counted in connections_failed. What nobody uses
 * expires after limits.idle_ns. Host configurations, HSTS and the gate hold as they do for a call, but that a gate's
 * own function is asked of addresses alone, in those later steps. May be called from any callback.
 * Errors: TERN_EURL, TERN_ESCHEME, TERN_EGATE, TERN_ELIMIT (the URL is too long as https), TERN_ENOMEM (some may be
 * under way), TERN_ECLOSED, TERN_EFORK. why may be NULL. */
TERN_API TERN_MUST_USE enum tern_error tern_client_preconnect(struct tern_client *client, struct tern_str url,
                                                              uint32_t n, struct tern_fault *why);

enum tern_close_mode {
    TERN_CLOSE_DRAIN, /* idle connections go now, calls under way finish, waiting ones too */
    TERN_CLOSE_DROP   /* every call ends with TERN_ESHUTDOWN, from the loop */
};

/* Closes the client. It takes no new call (TERN_ECLOSED) and is freed when its last call has ended, at once where there
 * is none. Until then a drain may still be made a drop. NULL is ignored. */
TERN_API void tern_client_close(struct tern_client *client, enum tern_close_mode mode);

struct tern_client_stats {
    /* now */
    uint32_t connections_active; /* carrying a call */
    uint32_t connections_idle;
    uint32_t connections_dialling;
    uint32_t calls_waiting; /* for a connection */
    uint32_t calls_live;
    /* since the client was made */
    uint64_t connections_opened; /* ready for a first request */
    uint64_t connections_failed; /* dials that gave none */
    uint64_t connections_closed;
    uint64_t connections_expired; /* of those: idle too long, too old or used up */
    uint64_t connections_dead;    /* of those: the peer no longer answered (limits.h2_ack_ns) */
    uint64_t connections_retired; /* told to go, since their name resolves to other addresses, or theirs is set aside */
    uint64_t reused;              /* exchanges on a connection that had carried one before */
    uint64_t coalesced;           /* exchanges on an HTTP/2 connection of another host (h2_coalesce) */
    uint64_t timed_out_pool;
    uint64_t timed_out_connect;
    uint64_t timed_out_write;
    uint64_t timed_out_read;      /* or awaiting the whole head */
    uint64_t replayed;            /* exchanges sent again, which was safe (see tern/call.h, enum tern_replay) */
    uint64_t retried;             /* attempts by policy (tern_retries) */
    uint64_t resumed;             /* bodies gone on with after they broke off (tern_retries.resume) */
    uint64_t hedged;              /* attempts sent beside another that was slow to answer (tern_hedging) */
    uint64_t hedges_won;          /* of those: answered first */
    uint64_t redirected;          /* hops followed */
    uint64_t broken;              /* attempts that a breaker refused */
    uint64_t addresses_set_aside; /* by tern_breaker.address_failures; each time counts */
    uint64_t challenged;          /* attempts that answered a 401 (tern_auth) */
    uint64_t calls_done;
    uint64_t calls_failed; /* of those: with an error */
    uint64_t dns_lookups;  /* asked of a server; this and the next three since the last tern_client_configure */
    uint64_t dns_cache_hits;
    uint64_t dns_stale_hits; /* answers used beyond their TTL, since no server gave another */
    uint64_t dns_refreshes;  /* of the lookups: for an answer that was still kept */
    uint64_t tls_handshakes;
    uint64_t tls_resumed; /* of those: with a ticket */
    /* The memory ledger (struct tern_limits). */
    uint64_t memory_promised_bytes; /* now */
    uint64_t memory_held_bytes;
    uint64_t memory_held_bytes_peak; /* since the client was made */
};

TERN_API void tern_client_stats(const struct tern_client *client, struct tern_client_stats *out);

/* Says which of config.hosts a call to url would have, and why, in a line for a person: "x.test: "x.test" holds, more
 * specific than "*"". Printable ASCII, cut off where it is longer than size - 1; with size 0 out may be NULL.
 * tern_result.host_config tells the pattern of a call that was made. Errors: TERN_EURL, TERN_ENOMEM; out is then
 * untouched. why may be NULL. */
TERN_API TERN_MUST_USE enum tern_error tern_client_explain(const struct tern_client *client, struct tern_str url,
                                                           char *out, size_t size, struct tern_fault *why);

/* What the client has learned of hosts that want TLS alone (tern_policy.hsts), as text that outlives it: lines as in
 * curl's --hsts file, ".example.com "20270101 00:00:00"", the dot where hosts below are meant too. load adds to what is
 * known; lines that cannot be read are left out and counted in skipped (may be NULL). save gives a text with a NUL
 * behind it, owned by the caller, who frees it with tern_client_hsts_free. tern_file_load and
 * tern_file_save (tern/file.h) bring it to and from a file.
 * Errors: TERN_ENOMEM. */
TERN_API TERN_MUST_USE enum tern_error tern_client_hsts_load(struct tern_client *client, struct tern_str text,
                                                             size_t *skipped);
TERN_API TERN_MUST_USE enum tern_error tern_client_hsts_save(const struct tern_client *client, char **out);
TERN_API void tern_client_hsts_free(char *text);

/* Answers tern_auth.ask_token with a token, which is good until a server refuses it, or for valid_ns (0: no limit). The
 * calls that wait for it go on. A question may be answered as long as the client is there: until it is closed and its
 * last call has ended. What it may hold: letters, digits and -._~+/, then any number of = (RFC 6750 2.1).
 * Errors: TERN_EINVAL (it holds something else, or is longer than 16 KiB; the question stays open), TERN_EGONE (the
 * question was answered, or is none), TERN_ENOMEM. */
TERN_API TERN_MUST_USE enum tern_error tern_client_token(struct tern_client *client, uint64_t question,
                                                         struct tern_str token, uint64_t valid_ns);

/* Answers it with no token: the calls that wait end with TERN_ETOKEN and why as text. The next call asks again.
 * Errors: TERN_EGONE. */
TERN_API enum tern_error tern_client_token_failed(struct tern_client *client, uint64_t question, const char *why);

/* Borrowed until tern_client_configure or the client's end. */
TERN_API const char *tern_client_name(const struct tern_client *client);

/* Borrowed; it outlives the client. */
TERN_API struct tern_engine *tern_client_engine(const struct tern_client *client);

#ifdef __cplusplus
}
#endif
#endif
