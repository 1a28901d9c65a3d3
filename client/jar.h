/* client/jar.h - the public jar (tern/jar.h), and what a call does with it. Engine's thread. */
#ifndef TERN_CLIENT_JAR_H
#define TERN_CLIENT_JAR_H

#include "client/call.h"
#include "policy/cookies.h"
#include "tern/jar.h"

struct tern_jar {
    struct tern_engine *engine; /* not to be touched by release */
    uint32_t refs;
    struct tern_cookies cookies;
};

/* NULL stays NULL. */
struct tern_jar *tern_jar_acquire(struct tern_jar *jar);
void tern_jar_release(struct tern_jar *jar);

/* The call has a jar. A final head has come: keeps what it sets. */
void tern_call_hear_cookies(struct tern_call *call, const struct tern_head *head);

/* The call has a jar. Appends what goes to the present hop's URL, joined with what stands in value.
 * Errors: TERN_ENOMEM, TERN_ELIMIT (of value). */
TERN_MUST_USE enum tern_error tern_call_add_cookies(struct tern_call *call, struct tern_buf *value);

#endif
