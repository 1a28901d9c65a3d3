/* fetch/writeout.h - what -w prints when a transfer has ended. */
#ifndef FETCH_WRITEOUT_H
#define FETCH_WRITEOUT_H

#include "failure.h"
#include "text.h"

/* One transfer that has ended. Borrows everything. */
struct outcome {
    const char *url;           /* as given */
    struct tern_str effective; /* as asked for last */
    const char *method;
    const char *filename; /* NULL: none */
    size_t number;        /* of the URL, from 0 */
    uint16_t status;      /* 0: no head came */
    const struct tern_result *result;
    const struct failure *failure;
    const struct tern_field *fields; /* of the final head */
    size_t field_count;
    uint64_t redirects;       /* followed */
    struct tern_str redirect; /* where one that was not followed leads. Empty: there was none */
    uint64_t retries;
    uint64_t delivered_bytes; /* to the output, heads of -i included */
};

/* When, in nanoseconds after the start, each step was done; 0 where it was not reached. As curl's time_*. */
struct milestones {
    uint64_t namelookup_ns;
    uint64_t connect_ns;
    uint64_t appconnect_ns;
    uint64_t pretransfer_ns;
    uint64_t starttransfer_ns;
    uint64_t total_ns;
    uint64_t redirect_ns; /* until the last hop began; 0 where there was one alone */
};
void milestones_of(const struct tern_result *result, struct milestones *out);

/* Turns a format into text: into out for the standard output, into err for the standard error (after %{stderr}, and for
 * complaints about unknown variables). */
void writeout_format(const char *format, const struct outcome *outcome, struct text *out, struct text *err);

#endif
