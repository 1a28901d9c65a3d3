/* pool/profile.h - a client's configuration once it has been checked: a copy with every default filled in, immutable,
 * counted.
 *
 * A call keeps the profile that it started under; tern_client_configure only changes which one the next call gets.
 * The shape is the part of the pool key that comes from configuration: every setting is declared in profile.c as
 * shaping a connection or not, and the shape holds all those that do, each with its length before it, so that no two
 * configurations run together. */
#ifndef TERN_POOL_PROFILE_H
#define TERN_POOL_PROFILE_H

#include "base/buf.h"
#include "base/keep.h"
#include "engine/engine.h"
#include "engine/tcp.h"
#include "proto/codec.h"
#include "tern/client.h"

struct tern_dns;
struct tern_resolver;
struct tern_tls_profile;
struct tern_tls_provider;

/* Default timeouts and limits, from the project's origins (tern/client.h says them to users). */
#define TERN_POOL_TIMEOUT_NS (5 * TERN_S)
#define TERN_CONNECT_TIMEOUT_NS (10 * TERN_S)
#define TERN_WRITE_TIMEOUT_NS (10 * TERN_S)
#define TERN_READ_TIMEOUT_NS (60 * TERN_S)
#define TERN_HEAD_TIMEOUT_NS (120 * TERN_S)
#define TERN_CONTINUE_TIMEOUT_NS (1 * TERN_S)
#define TERN_CONNECTIONS_MAX 100
#define TERN_WAITERS_MAX 1024
#define TERN_IDLE_NS (30 * TERN_S)
#define TERN_WARM_NS (300 * TERN_S)
#define TERN_H2_QUIET_NS (3 * TERN_S)
#define TERN_H2_ACK_NS (2 * TERN_S)
#define TERN_TCP_UNACKED_NS (20 * TERN_S) /* as gRPC's A18 proposal */
#define TERN_HEAD_LINE_BYTES_MAX (16 * 1024)
#define TERN_HEAD_BYTES_MAX (64 * 1024)
#define TERN_HEAD_FIELDS_MAX 256
#define TERN_INFORMATIONAL_MAX 16
#define TERN_BODY_WINDOW_BYTES (256 * 1024)
#define TERN_BODY_WINDOW_BYTES_MAX (16 * 1024 * 1024)
#define TERN_CONNECTION_MEMORY_BYTES_MIN (128 * 1024)
#define TERN_CONNECTION_MEMORY_BYTES_MAX (64 * 1024 * 1024)
#define TERN_MEMORY_BYTES_MAX (256 * 1024 * 1024)

struct tern_origin;

/* What the client's gate thinks of an address (policy/gate.h), asked before it is dialled and before a connection to it
 * is used again. NULL: it may pass; else why not, as static text. */
struct tern_address_gate {
    const char *(*refuses)(void *user, const struct tern_origin *origin, const struct tern_sockaddr *address);
    void *user;
};

struct tern_profile {
    uint32_t refs;
    struct tern_client_config config; /* defaults filled in; fields with User-Agent and Accept, trimmed */
    size_t fields_bytes;              /* config.fields have passed tern_request_fields_check */
    struct tern_buf shape;
    struct tern_codec_limits codec_limits;
    struct tern_tcp_options tcp;
    struct tern_sockaddr bind;
    struct tern_sockaddr unix_address; /* len 0: none */
    struct tern_tls_profile *tls;      /* owned */
    struct tern_dns *dns;              /* owned, or base's */
    struct tern_profile *base;         /* owned count, or NULL */
    struct tern_keep keep;             /* what config points at */
    struct tern_engine *engine;
    struct tern_address_gate gate; /* set by the owner before the first use; refuses NULL: none */
};

/* Stand-ins for the rooms below: what tests and the simulator put in place of c-ares and mbedTLS. NULL: the real ones.
 * */
struct tern_pool_seams {
    enum tern_error (*new_resolver)(struct tern_engine *engine, struct tern_resolver **out, void *user);
    enum tern_error (*new_tls)(struct tern_engine *engine, struct tern_tls_provider **out, void *user);
    void *user;
};

/* Checks and copies config (NULL: all defaults). On success *out has one reference. base is the profile whose
 * resolver and name cache it shares; with NULL it has its own, made by seams. Errors: TERN_ECONFIG with the field, the
 * value and the rule in why; TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_profile_new(struct tern_engine *engine, const struct tern_client_config *config,
                                               struct tern_profile *base, const struct tern_pool_seams *seams,
                                               struct tern_profile **out, struct tern_fault *why);
struct tern_profile *tern_profile_acquire(struct tern_profile *profile);
void tern_profile_release(struct tern_profile *profile);

/* What the profile's gate says of an address. */
static inline const char *tern_address_refused(const struct tern_profile *profile, const struct tern_origin *origin,
                                               const struct tern_sockaddr *address)
{
    return profile->gate.refuses != NULL ? profile->gate.refuses(profile->gate.user, origin, address) : NULL;
}

/* A request's timeouts: what it sets itself, else the profile's. Either way every field is resolved. */
void tern_timeouts_resolve(struct tern_timeouts *out, const struct tern_timeouts *own,
                           const struct tern_timeouts *base);

#endif
