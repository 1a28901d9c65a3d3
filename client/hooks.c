#include "client/hooks.h"

static struct tern_attempt attempt_of(const struct tern_call *call, const struct tern_result *result)
{
    const struct tern_outgoing *outgoing = &call->exchange.outgoing;

    return (struct tern_attempt){.call = call->id,
                                 .attempt = result->attempt,
                                 .hop = result->hop,
                                 .hedge = result->by_hedge,
                                 .method = outgoing->method,
                                 .scheme = outgoing->scheme,
                                 .authority = call->url.authority,
                                 .target = outgoing->target,
                                 .fields = outgoing->fields,
                                 .field_count = outgoing->field_count};
}

void tern_call_hook_request(struct tern_call *call, const struct tern_result *result)
{
    const struct tern_hooks *hooks = call->site->policy.hooks;

    if (hooks != NULL && hooks->on_request != NULL) {
        struct tern_attempt attempt = attempt_of(call, result);

        hooks->on_request(hooks->user, &attempt);
    }
}

void tern_call_hook_response(struct tern_call *call, const struct tern_result *result, const struct tern_head *head)
{
    const struct tern_hooks *hooks = call->site->policy.hooks;

    if (hooks != NULL && hooks->on_response != NULL) {
        struct tern_attempt attempt = attempt_of(call, result);

        hooks->on_response(hooks->user, &attempt, head);
    }
}

void tern_call_hook_error(struct tern_call *call, const struct tern_result *result)
{
    const struct tern_hooks *hooks = call->site->policy.hooks;

    if (hooks != NULL && hooks->on_error != NULL) {
        struct tern_attempt attempt = attempt_of(call, result);

        hooks->on_error(hooks->user, &attempt, &result->fault);
    }
}
