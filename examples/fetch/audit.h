/* fetch/audit.h - what --audit shows: the redirects of a transfer, one a line. */
#ifndef FETCH_AUDIT_H
#define FETCH_AUDIT_H

#include "failure.h"
#include "text.h"

/* Appends a table: each hop's number, status, method (and what it became), what was dropped, whether it was followed,
 * from where to where, and why not; then how it ended. method: of the first request. */
void audit_format(struct text *out, const char *url, const char *method, const struct tern_result *result,
                  const struct failure *failure);

#endif
