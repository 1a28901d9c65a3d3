/* fetch/report.c - what is said about transfers that have ended. */
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

static void write_out(struct transfer *t, const struct tern_result *result)
{
    const struct options *o = t->run->o;
    struct outcome outcome = {
        .url = o->urls.items[t->index],
        .effective = t->url,
        .method = t->method,
        .filename = t->path,
        .number = t->index,
        .status = t->status,
        .result = result,
        .failure = &t->failure,
        .fields = t->fields,
        .field_count = t->field_count,
    };
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

void report_transfer(struct transfer *t, const struct tern_result *result)
{
    struct run *run = t->run;
    if (t->failure.code != CODE_OK) {
        run->code = t->failure.code;
        report_failure(run, &t->failure);
    }
    if (run->o->write_out != NULL)
        write_out(t, result);
    /* One that tern refused to start has no times. */
    if (run->o->waterfall && result->times.start_ns != 0)
        waterfall_add(&run->waterfall, t->url, result);
    run->progress.done++;
}
