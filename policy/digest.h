/* policy/digest.h - Digest authentication (RFC 7616), and what RFC 2617 left of it on servers: no qop, no algorithm.
 * Pure: the hashes and the client's nonce come in.
 *
 * Algorithms are MD5 and SHA-256, each with -sess too. SHA-512-256 is not answered: few servers have it, and those
 * follow either FIPS 180-4 or the example of RFC 7616 3.9.2, which is something else (its errata). rspauth is not
 * looked at. */
#ifndef TERN_POLICY_DIGEST_H
#define TERN_POLICY_DIGEST_H

#include "policy/challenge.h"

/* A longer challenge is passed over: what is in it goes back with every request. */
#define TERN_DIGEST_BYTES_MAX 4096

/* Hashes of all parts, one after the other. False: it could not be made, for want of memory. */
struct tern_digest_hashes {
    bool (*md5)(const struct tern_str *parts, size_t count, uint8_t out[16]);
    bool (*sha256)(const struct tern_str *parts, size_t count, uint8_t out[32]);
};

enum tern_digest_qop {
    TERN_DIGEST_QOP_NONE, /* RFC 2617: the server has not said qop */
    TERN_DIGEST_QOP_AUTH,
    TERN_DIGEST_QOP_INT /* the body is hashed too: chosen only where auth is not offered */
};

/* A challenge that can be answered. Caller's storage; may be moved by assignment. */
struct tern_digest {
    bool is_sha256, is_sess, names_algorithm, is_stale, hashes_user, is_utf8;
    enum tern_digest_qop qop;
    struct tern_str realm, opaque, domain; /* unquoted; ptr NULL: absent. Views of text */
    struct tern_buf text;
    struct tern_buf nonce; /* unquoted */
};

void tern_digest_init(struct tern_digest *digest);
void tern_digest_deinit(struct tern_digest *digest);

/* Reads a challenge whose scheme is Digest. What digest held is gone. Errors: TERN_EPROTO (it cannot be answered:
 * *reason says why, static text), TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_digest_read(struct tern_digest *digest, const struct tern_challenge *challenge,
                                               const char **reason);

/* The value of an Authentication-Info field (RFC 7616 3.5): the server's next nonce takes the place of the present one.
 * True where it has. Not with -sess, whose key stays bound to the challenge's. */
bool tern_digest_next_nonce(struct tern_digest *digest, struct tern_str value);

struct tern_digest_request {
    struct tern_str user, password, method, uri;
    struct tern_str cnonce; /* hexadecimal */
    struct tern_str body;   /* with QOP_INT */
    uint32_t nc;            /* 1 for the nonce's first use, and never the same again */
};

/* Appends the value of an Authorization field. Errors: TERN_EFIELD (something in the challenge or the name cannot stand
 * in a field), TERN_ELIMIT, TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_digest_answer(const struct tern_digest *digest,
                                                 const struct tern_digest_request *request,
                                                 const struct tern_digest_hashes *hashes, struct tern_buf *out);

#endif
