/* client/build.h - a user's request, checked and copied into a call. No engine, no client, no clock: any thread. */
#ifndef TERN_CLIENT_BUILD_H
#define TERN_CLIENT_BUILD_H

#include "client/call.h"

/* Sets up a call's memory, once in its life. */
void tern_call_build_init(struct tern_call *call);
void tern_call_build_deinit(struct tern_call *call);

/* The call has ended and waits for its next request: what it was asked is secret, its memory stays. */
void tern_call_build_forget(struct tern_call *call);

/* The origin of an http or https URL. Errors: TERN_ESCHEME. */
TERN_MUST_USE enum tern_error tern_origin_of_url(struct tern_origin *out, const struct tern_url *url,
                                                 struct tern_fault *why);

/* The same for one that is known to be http or https. */
void tern_origin_set(struct tern_origin *out, const struct tern_url *url);

/* Checks request and copies it (but its body's source). What an earlier request left is overwritten, its memory used
 * again. Errors: TERN_EURL, TERN_ESCHEME, TERN_EFIELD, TERN_EINVAL, TERN_ENOMEM; why says which part, the value and
 * the rule. */
TERN_MUST_USE enum tern_error tern_call_build(struct tern_call *call, const struct tern_request *request,
                                              struct tern_fault *why);

/* Errors: TERN_EINVAL, an urgency over 7. */
TERN_MUST_USE enum tern_error tern_call_build_priority(struct tern_call *call, const struct tern_priority *priority,
                                                       struct tern_fault *why);

/* Puts together what goes to the wire: defaults of the profile, then the user's fields. Errors: TERN_EFIELD,
 * TERN_EINVAL, TERN_ENOMEM. */
TERN_MUST_USE enum tern_error tern_call_build_outgoing(struct tern_call *call, struct tern_fault *why);

#endif
