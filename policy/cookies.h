/* policy/cookies.h - the cookie store of RFC 6265bis (5.7 and 5.8). Pure: the time comes in, as seconds since 1970.
 * Hosts are normalised (base/host.h).
 *
 * Cookies lie with the site of their domain (policy/suffix.h), and only those of a host's own site are ever looked at:
 * so none crosses a public suffix, whatever its domain says. That is narrower than the RFC, which asks only whether the
 * domain itself is one.
 *
 * 1. No two cookies have the same name, domain, reach (host-only or not) and path.
 * 2. No more than TERN_COOKIES_SITE_MAX of a site, no more than TERN_COOKIES_MAX altogether. */
#ifndef TERN_POLICY_COOKIES_H
#define TERN_POLICY_COOKIES_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/url.h"
#include "policy/set_cookie.h"

/* The RFC wants at least 50 of a domain and 3,000 (6.1); browsers keep as many as these. With 6 KiB each at the very
 * most a full store has 18 MiB. */
#define TERN_COOKIES_SITE_MAX 180
#define TERN_COOKIES_MAX 3000

/* Of a full store's cookies those of sites with more than this go first (5.7). */
#define TERN_COOKIES_SITE_FAIR 50

/* The value of one field Cookie: curl's bound, and a little less than most servers' for a line. */
#define TERN_COOKIES_SENT_MAX 8190

struct tern_cookies {
    struct tern_hash sites;
    struct tern_list order; /* in order of creation */
    struct tern_hash_seed seed;
    uint32_t count;
    uint64_t clock; /* of creations and accesses: counts them */
};

void tern_cookies_init(struct tern_cookies *cookies, struct tern_hash_seed seed);
void tern_cookies_deinit(struct tern_cookies *cookies);

/* Forgets all, or those that go with the session. */
void tern_cookies_clear(struct tern_cookies *cookies, bool sessions_only);

/* url's server has sent the field Set-Cookie (5.7). *refusal says why it was not kept, or is NULL: static text.
 * Errors: TERN_ENOMEM; nothing has changed. */
TERN_MUST_USE enum tern_error tern_cookies_hear(struct tern_cookies *cookies, const struct tern_url *url,
                                                struct tern_str text, int64_t now_s, const char **refusal);

struct tern_cookies_question {
    const struct tern_url *url;
    bool is_cross_site;  /* and not same-site (5.2) */
    bool is_safe;        /* the method (RFC 9110 9.2.1) */
    struct tern_str own; /* what stands in out already: what it names is left out. May lie in out */
    int64_t now_s;
};

/* Appends what is sent to the URL (5.8.3), joined with what stands there: at most TERN_COOKIES_SENT_MAX bytes, those
 * beyond are left out.
 * Errors: TERN_ENOMEM, TERN_ELIMIT (of out). */
TERN_MUST_USE enum tern_error tern_cookies_send(struct tern_cookies *cookies, const struct tern_cookies_question *q,
                                                struct tern_buf *out);

/* ---- as text: the format of Netscape, see tern/jar.h ---- */

struct tern_jar_loading;

/* Errors: TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_cookies_load(struct tern_cookies *cookies, struct tern_str text, int64_t now_s,
                                                const struct tern_jar_loading *how);
/* Appends the text, without what has expired. Errors: TERN_ENOMEM, TERN_ELIMIT. */
TERN_MUST_USE enum tern_error tern_cookies_save(const struct tern_cookies *cookies, struct tern_buf *out,
                                                int64_t now_s);

/* ---- for both of the files that this is made of ---- */

struct tern_cookie {
    struct tern_list node;    /* in its site */
    struct tern_list ordered; /* among all */
    struct tern_cookie_site *site;
    uint64_t created, accessed; /* by the store's clock */
    int64_t expires_s;          /* INT64_MAX: with the session */
    bool host_only, secure, http_only;
    enum tern_same_site same_site;
    struct tern_str domain, path, name, value; /* in bytes */
    char bytes[];
};

static inline struct tern_cookie *tern_cookie_of_order(const struct tern_list *node)
{
    return TERN_CONTAINER_OF(node, struct tern_cookie, ordered);
}

/* Keeps a copy of model, whose views may point anywhere, in place of the same cookie, and forgets what there is too
 * much of. host is the domain's. Errors: TERN_ENOMEM; nothing has changed. */
TERN_MUST_USE enum tern_error tern_cookies_keep(struct tern_cookies *cookies, const struct tern_host *host,
                                                const struct tern_cookie *model, int64_t now_s);

#endif
