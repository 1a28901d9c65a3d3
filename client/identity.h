/* client/identity.h - who a call says it is (policy.auth, or userinfo in its URL): what its attempts carry as
 * Authorization, and whether an answer 401 is answered. Called by call.c, judge.c, start.c and build.c.
 *
 * A call without credentials has none of this. Secrets are wiped when the call ends; until then it sends them to its
 * first origin alone (promise 8): where a redirect drops secrets the whole identity goes, for good. */
#ifndef TERN_CLIENT_IDENTITY_H
#define TERN_CLIENT_IDENTITY_H

#include "base/keep.h"
#include "client/tokens.h"
#include "policy/auth.h"

/* What was made of an answer 401 on a hop. The next one is then a refusal, but that a nonce may have been stale
 * once. */
enum tern_identity_answered { TERN_ANSWERED_NONE, TERN_ANSWERED_CHALLENGE, TERN_ANSWERED_STALE };

struct tern_identity {
    struct tern_call *call;
    struct tern_keep keep;               /* the call's own texts */
    struct tern_auth_rules own;          /* of tern_request.policy; where has_own */
    const struct tern_auth_rules *rules; /* what holds on this hop; NULL: the URL alone */
    bool has_own;
    struct tern_str url_user, url_password; /* of the first URL; ptr NULL: none */
    struct tern_str user, password;         /* of this hop; ptr NULL: none */
    struct tern_str origin, who;            /* of this hop: as in policy/spaces.h; origin is a part of it */
    struct tern_buf value;                  /* of Authorization in this attempt; empty: none */
    enum tern_auth_scheme used;             /* in value */
    enum tern_identity_answered answered;   /* on this hop */

    struct tern_token *token; /* pinned, once it was wanted */
    uint64_t round;           /* of the token that value holds */
    struct tern_list in_line; /* of the token, while the call waits for it */
    uint64_t patience_ns;     /* until then */
};

/* The call has a tern_auth of its own. Any thread. Errors: TERN_ECONFIG, TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_identity_take(struct tern_call *call, const struct tern_auth *auth,
                                                 struct tern_fault *why);

/* Settles what holds on the present hop. Errors: TERN_ENOMEM, TERN_ELIMIT (userinfo over 4 KiB). */
TERN_MUST_USE enum tern_error tern_identity_settle(struct tern_call *call);

/* Before an attempt asks for leave to start: has it its token? False: the call ends, as why says. If *at_ns is later
 * than now it is asked again then, or when the token is there. */
bool tern_identity_await(struct tern_call *call, uint64_t *at_ns, struct tern_fault *why);

/* The attempt starts: gives its request what it carries. Errors: the call's end; why is filled. */
TERN_MUST_USE enum tern_error tern_identity_sign(struct tern_call *call, struct tern_fault *why);

/* Whether the attempt, as it is signed, may well be answered 401: credentials wait until they are asked for. */
bool tern_identity_awaits_challenge(const struct tern_call *call);

/* Whether what the attempt carries is good for one request: Digest counts what is sent with a nonce (RFC 7616
 * 3.4.5). */
bool tern_identity_is_for_once(const struct tern_call *call);

/* A final head has come. True: this response is not the user's; either the call ends, or it goes on with
 * TERN_CALL_NEXT_AUTH. */
bool tern_identity_judge(struct tern_call *call, const struct tern_head *head);

/* Wipes and frees it. */
void tern_identity_end(struct tern_call *call);

#endif
