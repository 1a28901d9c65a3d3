#include "client/resume.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/fault.h"
#include "client/call.h"
#include "client/trace.h"

/* A range is the user's own affair where he asks for one; coded bodies go on where the decoder does not know. */
static bool is_whole(const struct tern_call *call)
{
    const struct tern_outgoing *outgoing = &call->exchange.outgoing;

    return tern_str_eq(outgoing->method, TERN_STR("GET")) &&
           tern_fields_get(outgoing->fields, outgoing->field_count, "Range").ptr == NULL &&
           tern_fields_get(outgoing->fields, outgoing->field_count, "If-Range").ptr == NULL;
}

void tern_call_resume_begin(struct tern_call *call, const struct tern_head *head)
{
    struct tern_resume *resume = &call->resume;

    if (call->retries_policy == NULL || !call->retries_policy->resume || call->decoding.decoder != NULL ||
        call->credits_itself || !is_whole(call) ||
        !tern_resume_read(head, tern_engine_wall_s(call->client->engine), &resume->body))
        return;
    tern_buf_clear(&resume->validator);
    if (tern_buf_append_str(&resume->validator, resume->body.validator) != TERN_OK)
        return; /* too long, or no memory: it is not worth the call */
    resume->body.validator = tern_buf_view(&resume->validator);
    resume->is_possible = true;
}

bool tern_call_resume_may(struct tern_call *call)
{
    struct tern_resume *resume = &call->resume;

    if (!resume->is_possible)
        return false;
    if (resume->fault.error == TERN_OK || call->result.replay == TERN_REPLAY_ANSWERED)
        resume->fault = call->result.fault;
    return true;
}

enum tern_error tern_call_resume_ask(struct tern_call *call)
{
    struct tern_resume *resume = &call->resume;
    char range[48];
    enum tern_error error;

    resume->is_part = false;
    snprintf(range, sizeof(range), "bytes=%" PRIu64 "-", resume->delivered_bytes);
    error = tern_fields_add(&call->fields, TERN_STR("Range"), tern_str(range), 0);
    return error == TERN_OK ? tern_fields_add(&call->fields, TERN_STR("If-Range"), resume->body.validator, 0) : error;
}

bool tern_call_resume_heard(struct tern_call *call, const struct tern_head *head)
{
    struct tern_resume *resume = &call->resume;
    const char *reason = tern_resume_refuses(&resume->body, resume->delivered_bytes, head);

    if (reason != NULL) {
        tern_call_trace(call, "Not resumed (%u): %s", head->status, reason);
        return false;
    }
    tern_call_trace(call, "Resuming at byte %" PRIu64, resume->delivered_bytes);
    resume->is_part = true;
    call->resumes++;
    call->client->stats.resumed++;
    return true;
}

bool tern_call_resume_fits(const struct tern_call *call, size_t bytes, struct tern_fault *why)
{
    const struct tern_resume *resume = &call->resume;
    uint64_t left = resume->body.total_bytes - resume->delivered_bytes;

    if (!resume->is_part || (bytes > 0 ? bytes <= left : left == 0))
        return true;
    tern_fault_set(why, TERN_EPROTO_FRAMING, "the rest of the body is %s than Content-Range said",
                   bytes > 0 ? "longer" : "shorter");
    return false;
}
