/* client/hooks.h - tells a client's hooks of its calls' attempts. */
#ifndef TERN_CLIENT_HOOKS_H
#define TERN_CLIENT_HOOKS_H

#include "client/call.h"

/* Each does nothing where there is no such hook. result is that of the attempt. The hook may end the call. */
void tern_call_hook_request(struct tern_call *call, const struct tern_result *result);
void tern_call_hook_response(struct tern_call *call, const struct tern_result *result, const struct tern_head *head);
void tern_call_hook_error(struct tern_call *call, const struct tern_result *result);

#endif
