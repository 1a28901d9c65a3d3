/* policy/auth.h - what a client has to say who it is, and which of a server's challenges it answers. Pure. */
#ifndef TERN_POLICY_AUTH_H
#define TERN_POLICY_AUTH_H

#include "policy/digest.h"
#include "policy/netrc.h"
#include "tern/policy.h"

#define TERN_AUTH_TEXT_MAX 4096 /* of a name, of a password */
#define TERN_AUTH_TOKEN_WAIT_NS (30 * TERN_S)

enum tern_auth_scheme { TERN_SCHEME_NONE, TERN_SCHEME_BASIC, TERN_SCHEME_DIGEST, TERN_SCHEME_BEARER };

struct tern_auth_rules {
    struct tern_auth config; /* defaults filled in, texts copied; not its netrc, which is */
    struct tern_netrc netrc;
};

/* Checks config and copies it into keep. Errors: TERN_ECONFIG, TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_auth_compile(struct tern_auth_rules *out, const struct tern_auth *config,
                                                struct tern_keep *keep, struct tern_fault *why);

/* The strongest challenge among the fields of an answer 401 that is of one of the schemes (TERN_AUTH_*): Digest with
 * SHA-256, with MD5, Basic; of equal ones the first. With Digest it is in *digest, the caller's. Where there is none
 * *reason says why, as static text. has_body_text: what auth-int hashes is at hand. Errors: TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_auth_choose(const struct tern_field *fields, size_t count, uint32_t schemes,
                                               bool has_body_text, struct tern_digest *digest,
                                               enum tern_auth_scheme *out, const char **reason);

/* The part of its origin that a challenge speaks of, as a prefix of path (RFC 7616 3.3, domain; RFC 7617 2.2). origin
 * is as in URLs, "https://host:81". digest is NULL for Basic. */
struct tern_str tern_auth_space(struct tern_str origin, struct tern_str path, const struct tern_digest *digest);

/* Appends "Basic ..." (RFC 7617 2). Errors: TERN_ELIMIT, TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_auth_basic(struct tern_buf *out, struct tern_str user, struct tern_str password);

/* RFC 6750 2.1. */
bool tern_auth_is_token(struct tern_str token);

#endif
