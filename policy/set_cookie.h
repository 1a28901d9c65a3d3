/* policy/set_cookie.h - what one field Set-Cookie says (RFC 6265bis 5.6, and dates by 5.1.1). Pure. Any thread. */
#ifndef TERN_POLICY_SET_COOKIE_H
#define TERN_POLICY_SET_COOKIE_H

#include "tern/types.h"

#define TERN_COOKIE_BYTES_MAX 4096               /* of name and value (5.6) */
#define TERN_COOKIE_ATTRIBUTE_MAX 1024           /* of an attribute's value, which is ignored beyond it (5.6) */
#define TERN_COOKIE_AGE_MAX_S (400 * 24 * 3600l) /* 5.6.1 and 5.6.2 */

enum tern_same_site { TERN_SAME_SITE_DEFAULT, TERN_SAME_SITE_NONE, TERN_SAME_SITE_LAX, TERN_SAME_SITE_STRICT };

/* All views borrow from the text. */
struct tern_set_cookie {
    struct tern_str name, value; /* one of them may be empty */
    struct tern_str domain;      /* without a dot in front; empty: none */
    struct tern_str path;        /* with a '/' in front; empty: the default */
    int64_t expires_s;           /* since 1970; INT64_MAX: with the session, INT64_MIN: at once */
    bool secure, http_only;
    enum tern_same_site same_site;
};

/* NULL, or why the cookie is refused: static text; *out is then not to be used. */
TERN_MUST_USE const char *tern_set_cookie_parse(struct tern_set_cookie *out, struct tern_str text, int64_t now_s);

/* A control character but the tab. */
bool tern_cookie_has_control(struct tern_str s);

/* What every cookie must be, wherever it comes from: of bytes that a file and a field can hold, not too long, not
 * empty. NULL, or why not: static text. */
TERN_MUST_USE const char *tern_cookie_refuses(struct tern_str name, struct tern_str value);

/* What its name promises (5.7, steps 20 and 21). Likewise. */
TERN_MUST_USE const char *tern_cookie_breaks_prefix(struct tern_str name, struct tern_str value, bool secure,
                                                    bool is_whole_host);

/* The lenient dates of cookies, 1601 to 9999. False where it is none; *out_s is then untouched. */
TERN_MUST_USE bool tern_cookie_date_parse(struct tern_str text, int64_t *out_s);

#endif
