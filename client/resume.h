/* client/resume.h - a body that broke off, gone on with by another attempt (policy.retries.resume): the user sees one.
 * Called by call.c, judge.c and build.c. */
#ifndef TERN_CLIENT_RESUME_H
#define TERN_CLIENT_RESUME_H

#include "base/buf.h"
#include "policy/resume.h"

#define TERN_RESUME_VALIDATOR_BYTES_MAX 1024

struct tern_call;

struct tern_resume {
    bool is_possible; /* of the response that the user is being given */
    bool is_part;     /* what comes now is the rest of it */
    uint64_t delivered_bytes;
    struct tern_fault fault;      /* of the attempt that broke off; TERN_OK: none did, and what comes is no rest */
    struct tern_resume_body body; /* its validator is */
    struct tern_buf validator;
};

/* A response begins that is the user's. */
void tern_call_resume_begin(struct tern_call *call, const struct tern_head *head);

/* Its attempt has failed, or another one that was to go on with it: may one more? */
bool tern_call_resume_may(struct tern_call *call);

/* The fields that ask for the rest. Errors: TERN_ENOMEM, TERN_ELIMIT. */
TERN_MUST_USE enum tern_error tern_call_resume_ask(struct tern_call *call);

/* The head of an attempt that is to go on with it. True: it does. */
bool tern_call_resume_heard(struct tern_call *call, const struct tern_head *head);

/* So many more bytes have come, or (0) the response is complete. False: that is not the body that was begun; why is
 * filled. */
bool tern_call_resume_fits(const struct tern_call *call, size_t bytes, struct tern_fault *why);

#endif
