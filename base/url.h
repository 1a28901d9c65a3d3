/* base/url.h - URLs with an authority (RFC 3986): parsed strictly, kept in one canonical text.
 *
 * What is refused: anything over TERN_URL_MAX, spaces, controls, backslashes, broken percent-encoding, userinfo with a
 * second '@', ports outside 1 to 65535, hosts that base/host.h refuses. What is mended: the scheme and the host become
 * canonical, a default port goes, an empty path becomes "/", dot segments go (5.2.4; "%2e" counts as a dot),
 * percent-encoding becomes upper case, and bytes that may not stand in a path, query, fragment or userinfo (non-ASCII
 * as UTF-8, "<>^`{|}[]) are percent-encoded. Parsing the canonical text gives the same text again. All in linear time.
 */
#ifndef TERN_BASE_URL_H
#define TERN_BASE_URL_H

#include "base/buf.h"
#include "base/host.h"

/* Bytes, as given and as canonical text: far beyond what servers take, small beside memory. */
#define TERN_URL_MAX 65536

/* Caller's storage; all zero is an empty URL. The views point into buf: moving the struct by assignment is fine,
 * copying it is not. Views that are absent have a NULL ptr. */
struct tern_url {
    struct tern_str text;      /* all of it, userinfo and fragment included: not for logs */
    struct tern_str scheme;    /* lower case */
    struct tern_str user;      /* percent-encoded; absent without userinfo */
    struct tern_str password;  /* percent-encoded; absent without ':' in the userinfo */
    struct tern_str authority; /* what goes into Host: [::1]:81, the port only where it is not the default, no zone */
    struct tern_str target;    /* what goes on the wire: path and "?query" */
    struct tern_str path;      /* starts with '/' */
    struct tern_str query;     /* without '?'; absent where there is none */
    struct tern_str fragment;  /* without '#'; absent where there is none */
    uint16_t port;             /* given or the scheme's default; 0 where neither is known */
    struct tern_buf buf;
    struct tern_host host; /* last: most of its room is empty */
};

/* Parses an absolute URL, scheme://host…. What url held before is gone, its memory is used again; after an error it
 * is empty. fault may be NULL; its text names the part, the escaped value and the rule, and never shows a password.
 * Errors: TERN_EURL, TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_url_parse(struct tern_url *url, struct tern_str text, struct tern_fault *fault);

/* Resolves a reference, absolute or relative, against base (RFC 3986 section 5.2.2). url is not base. A fragment is the
 * reference's own or none (RFC 9110 section 10.2.2 has the redirect inherit it: that is the caller's). Errors as
 * tern_url_parse. */
TERN_MUST_USE enum tern_error tern_url_resolve(struct tern_url *url, const struct tern_url *base,
                                               struct tern_str reference, struct tern_fault *fault);

/* Frees what url holds; it is empty again. */
void tern_url_deinit(struct tern_url *url);

/* The same origin: scheme, host and port (RFC 9110 section 4.3.1). */
bool tern_url_same_origin(const struct tern_url *a, const struct tern_url *b);

/* Whether path is prefix or lies below it, in whole segments (RFC 6265 section 5.1.4, RFC 7616 section 3.3): "/a/b" is
 * within "/a" and "/a/", "/ab" is not. */
bool tern_path_is_within(struct tern_str path, struct tern_str prefix);

/* The port a scheme implies (http 80, https 443), or 0. scheme is lower case. */
uint16_t tern_url_default_port(struct tern_str scheme);

/* Appends text with %HH decoded, for userinfo. What is not a valid %HH stays. Errors: TERN_ELIMIT, TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_percent_decode(struct tern_buf *out, struct tern_str text);

#endif
