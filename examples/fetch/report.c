/* fetch/report.c - what is said about transfers that have ended. */
#include "audit.h"
#include "run.h"
#include "writeout.h"

#include <stdio.h>

void report_failure(struct run *run, const struct failure *failure)
{
    if (run->o->silent && !run->o->show_error)
        return;
    progress_clear(&run->progress);
    fprintf(stderr, "fetch: (%d) %s\n", (int)failure->code, failure->text);
}

void report_retry(struct transfer *t, const struct tern_retry *retry)
{
    const struct options *o = t->run->o;
    if (o->silent || o->verbose) /* which says so itself */
        return;
    progress_clear(&t->run->progress);
    if (retry->status != 0)
        fprintf(stderr, "fetch: the answer has status %u", retry->status);
    else
        fprintf(stderr, "fetch: %s", tern_error_text(retry->error));
    fprintf(stderr, ": trying again in %.3f s (%u of %llu)\n", (double)retry->delay_ns / 1e9, retry->attempt - 1,
            (unsigned long long)o->retry);
}

static void write_out(struct transfer *t, const struct tern_result *result)
{
    const struct options *o = t->run->o;
    struct outcome outcome = {
        .url = o->urls.items[t->index],
        .effective = tern_str(t->url),
        .method = t->method,
        .filename = t->path,
        .number = t->index,
        .status = t->status,
        .result = result,
        .failure = &t->failure,
        .fields = t->fields,
        .field_count = t->field_count,
        .retries = t->retries,
        .delivered_bytes = t->delivered_bytes,
    };
    for (size_t i = 0; i < result->hop_count; i++) {
        const struct tern_hop *hop = &result->hops[i];
        if (!hop->followed) {
            outcome.redirect = hop->to;
            break;
        }
        outcome.redirects++;
        outcome.effective = hop->to;
        if (hop->method_changed)
            outcome.method = "GET";
    }
    struct text out = {0};
    struct text err = {0};
    writeout_format(o->write_out, &outcome, &out, &err);
    progress_clear(&t->run->progress);
    if (out.len != 0)
        fwrite(out.ptr, 1, out.len, stdout);
    fflush(stdout);
    if (err.len != 0)
        fwrite(err.ptr, 1, err.len, stderr);
    text_free(&out);
    text_free(&err);
}

static void print_audit(struct transfer *t, const struct tern_result *result)
{
    struct text text = {0};
    audit_format(&text, t->url, t->method, result, &t->failure);
    progress_clear(&t->run->progress);
    fwrite(text.ptr, 1, text.len, stderr);
    text_free(&text);
}

void report_transfer(struct transfer *t, const struct tern_result *result)
{
    struct run *run = t->run;
    if (t->failure.code != CODE_OK) {
        run->code = t->failure.code;
        report_failure(run, &t->failure);
    }
    if (run->o->audit)
        print_audit(t, result);
    if (run->o->write_out != NULL)
        write_out(t, result);
    /* One that tern refused to start has no times. */
    if (run->o->waterfall && result->times.start_ns != 0)
        waterfall_add(&run->waterfall, t->url, result);
    run->progress.done++;
}
