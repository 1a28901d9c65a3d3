/* policy/challenge.h - the challenges of a WWW-Authenticate field (RFC 9110 11.6.1), and the parameters that they and
 * Authentication-Info are made of (11.2). Pure, and linear in what a peer sends.
 *
 * A field holds any number of challenges, with the same commas between them as between their parameters. What is not of
 * that grammar ends the reading of its field: who cannot be understood in one word is not believed in the next. */
#ifndef TERN_POLICY_CHALLENGE_H
#define TERN_POLICY_CHALLENGE_H

#include "base/buf.h"

/* Views of the field's value. */
struct tern_challenge {
    struct tern_str scheme;  /* as it came: case does not matter */
    struct tern_str token68; /* ptr NULL: none */
    struct tern_str params;  /* for tern_auth_param_next, which finds nothing wrong in it */
};

struct tern_auth_param {
    struct tern_str name;
    struct tern_str value; /* without its quotes, with its backslashes */
    bool is_quoted;
};

/* Takes the next challenge off *rest. False: there is none, or what stands there cannot be read; *rest is then
 * empty. */
bool tern_challenge_next(struct tern_str *rest, struct tern_challenge *out);

/* Takes the next "name=value" off *rest, commas before it too. False: *rest is empty, or what stands there is something
 * else. */
bool tern_auth_param_next(struct tern_str *rest, struct tern_auth_param *out);

/* Whether it is name with this value, both without case. */
bool tern_auth_param_is(const struct tern_auth_param *param, const char *name);
bool tern_auth_param_says(const struct tern_auth_param *param, const char *value);

/* Appends the value, its backslashes resolved (RFC 9110 5.6.4). Errors: TERN_ELIMIT, TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_auth_param_append(struct tern_buf *out, const struct tern_auth_param *param);

#endif
