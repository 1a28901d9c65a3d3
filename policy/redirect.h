/* policy/redirect.h - whether a response is a redirect that is followed, and with what (RFC 9110 15.4 and 10.2.2).
 * Pure.
 */
#ifndef TERN_POLICY_REDIRECT_H
#define TERN_POLICY_REDIRECT_H

#include "base/url.h"
#include "policy/hsts.h"
#include "tern/policy.h"

enum tern_redirect_verdict {
    TERN_REDIRECT_NONE,   /* not a redirect: an ordinary response */
    TERN_REDIRECT_FOLLOW, /* to next */
    TERN_REDIRECT_REFUSE, /* the response is delivered as it is */
    TERN_REDIRECT_END     /* the call ends: error and reason say why */
};

struct tern_redirect_question {
    const struct tern_redirects *config; /* defaults filled in */
    const struct tern_url *url;          /* of the response */
    struct tern_str method;
    struct tern_str location; /* the field's value; ptr NULL: none */
    uint16_t status;
    uint32_t hop;                 /* of the response: 1 for the URL asked for */
    const struct tern_hsts *hsts; /* makes http https before the decision; NULL: none */
    int64_t wall_s;               /* with it: seconds since 1970 */
    bool has_body;                /* the request has one */
    bool has_body_again;          /* and it can be sent again */
};

struct tern_redirect_answer {
    enum tern_redirect_verdict verdict;
    enum tern_error error; /* the reason as a code (struct tern_hop) */
    const char *reason;    /* static; "" with FOLLOW and NONE */
    bool to_get;           /* the method becomes GET and the body goes */
    bool drop_secrets;     /* another origin: they go, and do not come back */
};

/* A chain may come to one URL so often: a second time after a cookie was set, say. More is a loop. */
#define TERN_REDIRECT_VISITS_MAX 2

#define TERN_REDIRECT_HOPS_MAX 10

/* Resolves location against question->url into *next, the caller's, and decides. next is good with FOLLOW, and may be
 * empty else; its userinfo is not to be used. Loops are the caller's to find. Errors: TERN_ENOMEM alone. */
TERN_MUST_USE enum tern_error tern_redirect_decide(const struct tern_redirect_question *question, struct tern_url *next,
                                                   struct tern_redirect_answer *out);

#endif
