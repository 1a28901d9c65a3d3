/* client/trace.h - what a call's on_trace is shown: lines for a person, secrets replaced, everything from outside
 * escaped. */
#ifndef TERN_CLIENT_TRACE_H
#define TERN_CLIENT_TRACE_H

#include "client/call.h"

/* Each does nothing where nobody watches, or where the user has cancelled the call, in on_trace perhaps. */
void tern_call_tell(struct tern_call *call, enum tern_trace_kind kind, struct tern_str text);
void tern_call_trace(struct tern_call *call, const char *format, ...) TERN_PRINTF(2, 3);
void tern_call_trace_request(struct tern_call *call);
void tern_call_trace_head(struct tern_call *call, const struct tern_head *head);

#endif
