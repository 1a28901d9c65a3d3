/* tern/jar.h - cookies (RFC 6265bis): a jar keeps what servers set and says what goes back to them.
 *
 *     struct tern_jar *jar;
 *     tern_jar_new(engine, &jar);
 *     policy.cookies = jar;      // of a client, of hosts (tern_host_config), or of a call (tern_request.policy)
 *
 * With it every attempt of every hop has a field Cookie of its own, for its own URL, and the Set-Cookie fields of every
 * final response are kept: of redirects and of answers that are tried again too. Several clients of an engine may share
 * a jar, and a client may serve several jars, one for each of its users.
 *
 * A field Cookie of the call's own (or of the client's) is joined with the jar's, in front, and what it names is not
 * taken from the jar. It remains what it is without a jar, a secret that goes to the first URL's origin alone. A call
 * that takes the field away (a NULL value) sends no cookie; what comes is kept all the same.
 *
 * Where tern decides what the RFC leaves open:
 *  - Domain: never a public suffix, by the list inside libpsl, nor anything above one: a cookie never leaves the host's
 *    own site (registrable domain). Without libpsl (TERN_PSL) a cookie is for the very host that set it.
 *  - Secure: https alone, whatever the certificate check said; loopback over http is not secure.
 *  - SameSite: there is no page, so a call and its first hop are same-site. Once a redirect has led to another site
 *    (another registrable domain, or http to https) the rest of the chain is cross-site: Strict cookies are not sent,
 *    and Lax ones, or such without the attribute, with GET, HEAD, OPTIONS and TRACE alone. All may be set: a hop counts
 *    as a top-level navigation.
 *  - At most 4,096 bytes of name and value, 1,024 of an attribute; 180 cookies of a site and 3,000 altogether, 400
 *    days; too many make room in the RFC's order. Of those that match, 8,190 bytes are sent, as most servers take no
 *    more.
 *  - A tab in a name, value or path is refused: the file could not keep it.
 *  - Ports do not matter (8.5).
 *
 * All functions belong to the engine's thread. */
#ifndef TERN_JAR_H
#define TERN_JAR_H

#include "tern/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tern_jar;

/* Makes an empty jar, owned by the caller. Errors: TERN_ENOMEM. */
TERN_API TERN_MUST_USE enum tern_error tern_jar_new(struct tern_engine *engine, struct tern_jar **out);

/* The caller needs it no more. Clients that are configured with it keep it; a call that has it as a policy of its own
 * must have ended. May be called after tern_engine_free. NULL is ignored. */
TERN_API void tern_jar_free(struct tern_jar *jar);

/* Keeps a cookie as if the server of url had set it: text is the value of a field Set-Cookie.
 * Errors: TERN_EURL, TERN_EINVAL (refused: why says by what rule), TERN_ENOMEM. why may be NULL. */
TERN_API TERN_MUST_USE enum tern_error tern_jar_set(struct tern_jar *jar, struct tern_str url, struct tern_str text,
                                                    struct tern_fault *why);

/* Forgets all cookies, or those of the session: such as have no time to expire. */
TERN_API void tern_jar_clear(struct tern_jar *jar, bool sessions_only);

/* How many cookies there are; some may have expired. */
TERN_API uint32_t tern_jar_count(const struct tern_jar *jar);

/* ---- as text ----
 *
 * The format of Netscape, which curl reads and writes: a line for each cookie, of seven fields with tabs between them.
 *
 *     domain  TRUE for hosts below it too  path  TRUE if Secure  seconds since 1970, 0: session  name  value
 *
 * The domain has a dot in front where hosts below are meant, and "#HttpOnly_" before it says so; other lines with '#'
 * are comments. SameSite is not in it: a cookie from there counts as one without. tern_file_load and tern_file_save
 * (tern/file.h) bring it to and from a file. */

struct tern_jar_loading {
    bool drop_sessions; /* leave out cookies of the session */
    /* Told of each line that is left out since it cannot be read; lines count from 1, why is static text. NULL: none
     * is. */
    void (*on_skipped)(void *user, size_t line, const char *why);
    void *user;
};

/* Adds what text holds; what has expired is left out. how may be NULL. Errors: TERN_ENOMEM; what was read by then
 * stays. */
TERN_API TERN_MUST_USE enum tern_error tern_jar_load(struct tern_jar *jar, struct tern_str text,
                                                     const struct tern_jar_loading *how);

/* Gives the text, in order of creation, with a NUL behind it; owned by the caller, who frees it with
 * tern_jar_text_free. Errors: TERN_ENOMEM. */
TERN_API TERN_MUST_USE enum tern_error tern_jar_save(const struct tern_jar *jar, char **out);
TERN_API void tern_jar_text_free(char *text);

#ifdef __cplusplus
}
#endif
#endif
