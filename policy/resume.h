/* policy/resume.h - whether a body that broke off can be gone on with: by Range, under If-Range (RFC 9110 13.1.5,
 * 14.2). Pure. */
#ifndef TERN_POLICY_RESUME_H
#define TERN_POLICY_RESUME_H

#include "base/str.h"
#include "tern/policy.h"

/* So much later than Last-Modified must Date be for that to be strong, since their clocks may differ (RFC 9110
 * 8.8.2.2). */
#define TERN_RESUME_DATE_GAP_S 60

/* What names one and the same body. */
struct tern_resume_body {
    struct tern_str validator; /* of the head: a strong entity tag, or a date of Last-Modified */
    bool is_date;
    uint64_t total_bytes;
};

/* Of the head of a response 200. False: it has no strong validator, no length, or takes no ranges. */
bool tern_resume_read(const struct tern_head *head, int64_t wall_s, struct tern_resume_body *out);

/* NULL: what follows this head is the rest of body, from at_bytes on. Else why not: static text. */
const char *tern_resume_refuses(const struct tern_resume_body *body, uint64_t at_bytes, const struct tern_head *head);

#endif
