/* client/judge.h - what becomes of a call after a response or a failure: asks the policies, and carries out what they
 * answer. Called by call.c alone. */
#ifndef TERN_CLIENT_JUDGE_H
#define TERN_CLIENT_JUDGE_H

#include "client/call.h"

/* Settles where the present hop goes (the URL's origin, over TLS where HSTS asks for it) and what holds for its host.
 * Errors: TERN_ENOMEM, TERN_ELIMIT, TERN_EINVAL (the call's own jar is of another engine). */
TERN_MUST_USE enum tern_error tern_call_settle(struct tern_call *call);

/* A final head has come. True: this response is not the user's; call->next says what follows once it is out of the
 * way. */
bool tern_call_judge_head(struct tern_call *call, const struct tern_head *head);

/* One has come that does not go on with the body of an earlier one. True: it is tried again. */
bool tern_call_judge_again(struct tern_call *call, const struct tern_head *head);

/* The attempt has failed, as call->result says. True: it is tried again, as call->next says. */
bool tern_call_judge_failure(struct tern_call *call);

/* Makes the call ready for what call->next says, and forgets it. Errors: the call's end; why is filled. */
TERN_MUST_USE enum tern_error tern_call_prepare_next(struct tern_call *call, struct tern_fault *why);

/* RFC 9110 9.2.2, or the user says so by Idempotency-Key. */
bool tern_call_is_idempotent(const struct tern_call *call);

#endif
